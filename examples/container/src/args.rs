//! The command line: runc's, as podman, conmon and people call it.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};

/// An OCI container runtime.
#[derive(Debug, Parser)]
#[command(name = "xs-container", version = xs_container::VERSION, subcommand_required = true)]
pub(crate) struct Args {
    /// Where containers are kept.
    #[arg(long)]
    pub(crate) root: Option<PathBuf>,
    /// Where errors are written, besides standard error.
    #[arg(long)]
    pub(crate) log: Option<PathBuf>,
    /// How errors are written there.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Tell what is done.
    #[arg(long)]
    pub(crate) debug: bool,
    /// Name control groups as systemd does: slice:prefix:name.
    #[arg(long)]
    pub(crate) systemd_cgroup: bool,
    /// Do without control groups that refuse.
    #[arg(long, value_name = "true|false|auto", default_value = "auto")]
    pub(crate) rootless: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a container; its program waits for `start`.
    Create(Create),
    /// Let a container's program begin.
    Start { id: String },
    /// Make a container and let its program begin.
    Run(Run),
    /// Tell what a container is doing, as JSON.
    State { id: String },
    /// Send a signal to a container.
    Kill {
        id: String,
        #[arg(default_value = "SIGTERM")]
        signal: String,
        /// To all its processes.
        #[arg(long, short)]
        all: bool,
    },
    /// Take a container away.
    Delete {
        id: String,
        /// Even if it runs; without complaint if there is none.
        #[arg(long, short)]
        force: bool,
    },
    /// Add a process to a container.
    Exec(Exec),
    /// List a container's processes.
    Ps {
        #[arg(long, short, value_enum, default_value_t = ListFormat::Table)]
        format: ListFormat,
        id: String,
        /// What `ps` is told instead of -ef.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// List the containers.
    List {
        #[arg(long, short, value_enum, default_value_t = ListFormat::Table)]
        format: ListFormat,
        /// Their names alone.
        #[arg(long, short)]
        quiet: bool,
    },
    /// Tell what a container uses, again and again.
    Events {
        /// Once.
        #[arg(long)]
        stats: bool,
        /// How often.
        #[arg(long, default_value = "5s")]
        interval: String,
        id: String,
    },
    /// Hold a container's processes.
    Pause { id: String },
    /// Let them go on.
    Resume { id: String },
    /// Hold a container to other limits.
    Update(Update),
    /// Tell what this runtime can do, as JSON.
    Features,
    /// Write a configuration to begin with.
    Spec {
        /// For who isn't root.
        #[arg(long)]
        rootless: bool,
        #[arg(long, short, default_value = ".")]
        bundle: PathBuf,
    },
}

#[derive(Debug, Group)]
pub(crate) struct Create {
    /// The directory with config.json.
    #[arg(long, short, default_value = ".")]
    pub(crate) bundle: PathBuf,
    /// The socket on which the container's terminal is handed over.
    #[arg(long)]
    pub(crate) console_socket: Option<PathBuf>,
    /// Where the first process' number is written.
    #[arg(long)]
    pub(crate) pid_file: Option<PathBuf>,
    /// Move the root instead of exchanging it.
    #[arg(long)]
    pub(crate) no_pivot: bool,
    /// Keep the caller's keyring.
    #[arg(long)]
    pub(crate) no_new_keyring: bool,
    /// How many descriptors after the third the program gets.
    #[arg(long, default_value_t = 0)]
    pub(crate) preserve_fds: u32,
    pub(crate) id: String,
}

#[derive(Debug, Group)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) create: Create,
    /// Don't wait for its end.
    #[arg(long, short)]
    pub(crate) detach: bool,
    /// Don't take it away at its end.
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Exec {
    /// The socket on which its terminal is handed over.
    #[arg(long)]
    pub(crate) console_socket: Option<PathBuf>,
    /// Where it begins.
    #[arg(long)]
    pub(crate) cwd: Option<PathBuf>,
    /// A variable of its environment: name=value.
    #[arg(long, short)]
    pub(crate) env: Vec<String>,
    /// It gets a terminal.
    #[arg(long, short)]
    pub(crate) tty: bool,
    /// Who it is: uid or uid:gid.
    #[arg(long, short)]
    pub(crate) user: Option<String>,
    /// Of which groups besides.
    #[arg(long, short = 'g')]
    pub(crate) additional_gids: Vec<u32>,
    /// Its description, as in config.json's process.
    #[arg(long, short)]
    pub(crate) process: Option<PathBuf>,
    /// Don't wait for its end.
    #[arg(long, short)]
    pub(crate) detach: bool,
    /// Where its number is written.
    #[arg(long)]
    pub(crate) pid_file: Option<PathBuf>,
    /// It and what it starts never gain rights by running a program.
    #[arg(long)]
    pub(crate) no_new_privs: bool,
    /// A capability that it gets besides.
    #[arg(long, short)]
    pub(crate) cap: Vec<String>,
    /// How many descriptors after the third it gets.
    #[arg(long, default_value_t = 0)]
    pub(crate) preserve_fds: u32,
    /// Even if the container is held.
    #[arg(long)]
    pub(crate) ignore_paused: bool,
    pub(crate) id: String,
    /// The program and what it is told.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
}

#[derive(Debug, Group)]
pub(crate) struct Update {
    /// All limits at once, as linux.resources of config.json; - is standard input.
    #[arg(long, short)]
    pub(crate) resources: Option<String>,
    #[arg(long)]
    pub(crate) blkio_weight: Option<u16>,
    #[arg(long)]
    pub(crate) cpu_period: Option<u64>,
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) cpu_quota: Option<i64>,
    #[arg(long)]
    pub(crate) cpu_share: Option<u64>,
    #[arg(long)]
    pub(crate) cpuset_cpus: Option<String>,
    #[arg(long)]
    pub(crate) cpuset_mems: Option<String>,
    /// In bytes.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) memory: Option<i64>,
    /// In bytes.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) memory_reservation: Option<i64>,
    /// In bytes, with memory.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<i64>,
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) pids_limit: Option<i64>,
    pub(crate) id: String,
}
