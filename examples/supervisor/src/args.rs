//! The command line: what can be said, and the help that teaches it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use xs_os::supervisor::driver::Verb;

/// A supervisor of services, in systemd's words
///
/// It reads units from a directory, starts them in their order, starts again what fails, listens for what is not started yet,
/// keeps their logs, and leaves nothing running when it ends.
#[derive(Debug, Parser)]
#[command(name = "xs-supervisor", version, after_help = AFTER, max_term_width = 100)]
pub(crate) struct Args {
    /// The control socket; default $XS_SUPERVISOR, or xs-supervisor/control below $XDG_RUNTIME_DIR or /run
    #[arg(long, global = true, value_name = "SOCK")]
    pub(crate) control: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
Exit codes, as systemctl's:
  0  done; the unit is active
  1  a job failed, or something else went wrong
  2  the command line makes no sense
  3  status, is-active: the unit is not active
  4  status, is-active: there is no such unit
  5  start and its like: there is no such unit

Examples:
  xs-supervisor demo
  xs-supervisor check ./units && xs-supervisor run ./units
  xs-supervisor status web; xs-supervisor logs -f web";

const UNITS: &str = "\
Units are files in systemd's syntax: NAME.service, NAME.socket, NAME.target, drop-ins in NAME.d/*.conf, links in NAME.wants/
and NAME.requires/; or TOML with the same keys, NAME.toml:

  [unit]
  description = \"Web\"
  requires = [\"db.service\"]
  after = [\"db.service\"]
  [service]
  exec_start = \"/usr/bin/web --port 8080\"
  restart = \"on-failure\"
  restart_sec = \"100ms\"       # and restart_steps = 5, restart_max_delay_sec = \"10s\"
  environment = { RUST_LOG = \"info\" }
  memory_max = \"512M\"
  [socket]                     # with this the service starts when somebody comes
  listen_stream = \"127.0.0.1:8080\"
  [supervisor]                 # [X-Supervisor] in a .service file
  ready_port = 8080            # or ready_exec = \"/usr/bin/check\"
  log_max_size = \"10M\"         # and log_keep = 5
  [install]
  wanted_by = [\"multi-user.target\"]

What [Install] says holds at once: there is no enabling. Without a default.target of its own, a run starts multi-user.target.
As process 1 it waits for all orphans of the machine.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Supervise the units of a directory, in the foreground, until SIGTERM, SIGINT or shutdown
    #[command(after_help = UNITS)]
    Run {
        /// The directory
        dir: PathBuf,
        /// Where logs go; default log/ beside the control socket
        #[arg(long, value_name = "DIR")]
        log_dir: Option<PathBuf>,
        /// What is started
        #[arg(long, default_value = "default.target", value_name = "UNIT")]
        target: String,
        /// Do without control groups: processes are found by their parents
        #[arg(long)]
        no_cgroups: bool,
        /// Do not write the log to standard error as well
        #[arg(long, short)]
        quiet: bool,
    },
    /// Start units, with what they need
    Start(Job),
    /// Stop units, with what needs them
    Stop(Job),
    /// Stop and start units
    Restart(Job),
    /// Restart units that run
    TryRestart(Job),
    /// Have units read their configuration again
    Reload(Job),
    /// Reload units, or restart those that can't
    ReloadOrRestart(Job),
    /// Say what units are doing, with the end of their logs
    Status {
        /// Units; all that run or have failed, if none is named
        units: Vec<String>,
        /// How many lines of each log
        #[arg(long, short = 'n', default_value_t = 10)]
        lines: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say whether units are active
    IsActive {
        /// Units
        #[arg(required = true)]
        units: Vec<String>,
    },
    /// Say whether units have failed
    IsFailed {
        /// Units
        #[arg(required = true)]
        units: Vec<String>,
    },
    /// Print the log of a unit, or the supervisor's own
    Logs {
        /// The unit
        unit: Option<String>,
        /// Go on as it grows
        #[arg(long, short)]
        follow: bool,
        /// How many lines
        #[arg(long, short = 'n', default_value_t = 10)]
        lines: usize,
    },
    /// List the units that are loaded
    List {
        /// Those as well that are inactive
        #[arg(long, short)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the jobs that are not over
    ListJobs,
    /// Send a signal to a unit's processes
    Kill {
        /// Units
        #[arg(required = true)]
        units: Vec<String>,
        /// The signal
        #[arg(long, short, default_value = "SIGTERM")]
        signal: String,
        /// To the main process alone
        #[arg(long)]
        main: bool,
    },
    /// Forget that units have failed, and how often they were started
    ResetFailed {
        /// Units; all, if none is named
        units: Vec<String>,
    },
    /// Read the units' files again; what runs goes on running
    DaemonReload,
    /// Stop everything in order, and end the supervisor
    Shutdown,
    /// Draw what a directory's units need, without running anything
    Graph {
        /// The directory
        dir: PathBuf,
        /// What the drawing begins with
        #[arg(default_value = "default.target")]
        unit: String,
        /// All of them, for Graphviz
        #[arg(long)]
        dot: bool,
        /// In the order in which they would be started
        #[arg(long, conflicts_with = "dot")]
        order: bool,
    },
    /// Say what is wrong with a directory's units, without running anything
    Check {
        /// The directory
        dir: PathBuf,
    },
    /// Show a crash loop, dependencies and socket activation
    Demo,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Job {
    /// Units; without a suffix, services
    #[arg(required = true)]
    pub(crate) units: Vec<String>,
    /// Do not wait until it is done
    #[arg(long)]
    pub(crate) no_block: bool,
}

impl Command {
    /// What it asks of units, if it does.
    pub(crate) fn job(&self) -> Option<(Verb, &Job)> {
        Some(match self {
            Command::Start(job) => (Verb::Start, job),
            Command::Stop(job) => (Verb::Stop, job),
            Command::Restart(job) => (Verb::Restart, job),
            Command::TryRestart(job) => (Verb::TryRestart, job),
            Command::Reload(job) => (Verb::Reload, job),
            Command::ReloadOrRestart(job) => (Verb::ReloadOrRestart, job),
            _ => return None,
        })
    }
}
