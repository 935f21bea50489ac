//! What a unit is: everything that its files say, as values.

mod exec;
mod socket;
mod status;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub(super) use exec::is_name;
pub use exec::{Exec, expand};
pub use socket::{Listen, ListenAddress, Socket};
pub use status::{ExitSet, ExitStatus, Signal, exit_name};

/// One unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// Its name with its suffix, such as `web.service`.
    pub name: String,
    /// For people.
    pub description: String,
    /// Where more is written about it.
    pub documentation: Vec<String>,
    /// The files that it was read from, the main one first.
    pub sources: Vec<PathBuf>,
    /// Which units it needs, and in what order.
    pub dependencies: BTreeMap<Relation, Vec<String>>,
    /// Whether the usual dependencies of its kind are added.
    pub default_dependencies: bool,
    /// Within how much time its starts are counted.
    pub start_limit_interval: Duration,
    /// How many starts are too few to refuse one.
    pub start_limit_burst: u32,
    /// Whether a start by hand is refused.
    pub refuse_manual_start: bool,
    /// Whether a stop by hand is refused.
    pub refuse_manual_stop: bool,
    /// What it does.
    pub kind: Kind,
}

impl Unit {
    /// A unit of the kind that its name's suffix says; `None` if that is no kind that there is.
    pub fn named(name: &str) -> Option<Unit> {
        let kind = match name.rsplit_once('.')?.1 {
            "service" => Kind::Service(Box::default()),
            "socket" => Kind::Socket(Box::default()),
            "target" => Kind::Target,
            _ => return None,
        };
        Some(Unit::of(name, kind))
    }

    /// A unit of this kind, for programs and tests that need no files.
    pub fn of(name: &str, kind: Kind) -> Unit {
        Unit {
            name: name.to_owned(),
            description: name.to_owned(),
            documentation: Vec::new(),
            sources: Vec::new(),
            dependencies: BTreeMap::new(),
            default_dependencies: true,
            start_limit_interval: Duration::from_secs(10),
            start_limit_burst: 5,
            refuse_manual_start: false,
            refuse_manual_stop: false,
            kind,
        }
    }

    /// The units that it stands in this relation to.
    pub fn related(&self, relation: Relation) -> &[String] {
        self.dependencies.get(&relation).map_or(&[], Vec::as_slice)
    }

    /// Adds a relation, once.
    pub fn relate(&mut self, relation: Relation, other: &str) {
        let all = self.dependencies.entry(relation).or_default();
        if other != self.name && !all.iter().any(|known| known == other) {
            all.push(other.to_owned());
        }
    }

    /// What it is as a service.
    pub fn as_service(&self) -> Option<&Service> {
        match &self.kind {
            Kind::Service(service) => Some(service),
            _ => None,
        }
    }

    /// What it is as a socket.
    pub fn as_socket(&self) -> Option<&Socket> {
        match &self.kind {
            Kind::Socket(socket) => Some(socket),
            _ => None,
        }
    }

    /// The name without its suffix.
    pub fn stem(&self) -> &str {
        self.name.rsplit_once('.').map_or(&self.name, |(stem, _)| stem)
    }
}

/// What a unit does.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Runs processes.
    Service(Box<Service>),
    /// Listens for a service that may not run yet.
    Socket(Box<Socket>),
    /// Groups others.
    Target,
}

/// What one unit is to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// The other one is started with it; its start fails if the other's does and comes before.
    Requires,
    /// The other one must run already.
    Requisite,
    /// The other one is started with it, and may fail.
    Wants,
    /// As requires, and it is stopped whenever the other one stops.
    BindsTo,
    /// It is stopped and restarted with the other one.
    PartOf,
    /// Only one of the two runs.
    Conflicts,
    /// It is started before the other one and stopped after it.
    Before,
    /// It is started after the other one and stopped before it.
    After,
    /// The other one is started when it has failed.
    OnFailure,
    /// The other one starts it with itself (`[Install]`).
    WantedBy,
    /// The other one starts it with itself and needs it (`[Install]`).
    RequiredBy,
}

impl Relation {
    /// All of them.
    pub const ALL: [Relation; 11] = [
        Relation::Requires,
        Relation::Requisite,
        Relation::Wants,
        Relation::BindsTo,
        Relation::PartOf,
        Relation::Conflicts,
        Relation::Before,
        Relation::After,
        Relation::OnFailure,
        Relation::WantedBy,
        Relation::RequiredBy,
    ];

    /// As files write it.
    pub fn name(self) -> &'static str {
        match self {
            Relation::Requires => "Requires",
            Relation::Requisite => "Requisite",
            Relation::Wants => "Wants",
            Relation::BindsTo => "BindsTo",
            Relation::PartOf => "PartOf",
            Relation::Conflicts => "Conflicts",
            Relation::Before => "Before",
            Relation::After => "After",
            Relation::OnFailure => "OnFailure",
            Relation::WantedBy => "WantedBy",
            Relation::RequiredBy => "RequiredBy",
        }
    }
}

/// When a service counts as started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Type {
    /// When its process is made.
    #[default]
    Simple,
    /// When its program is executed.
    Exec,
    /// When its process ends, having left another one behind.
    Forking,
    /// When its process ends.
    Oneshot,
    /// When it says so.
    Notify,
    /// As simple; its process is made when no other job runs, or after five seconds.
    Idle,
}

/// When a service that has ended by itself is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// When it has ended well.
    OnSuccess,
    /// When it has not.
    OnFailure,
    /// When a signal, a timeout or the watchdog ended it.
    OnAbnormal,
    /// When the watchdog ended it.
    OnWatchdog,
    /// When a signal ended it that it did not choose.
    OnAbort,
    /// In any case.
    Always,
}

/// Which processes are signalled when a service is stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KillMode {
    /// All that belong to it.
    #[default]
    ControlGroup,
    /// The main process first, all that are left when it is time to kill.
    Mixed,
    /// The main process alone.
    Process,
    /// None.
    None,
}

/// Who may send notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyAccess {
    /// Nobody.
    None,
    /// The main process.
    Main,
    /// The main process and those of commands.
    Exec,
    /// Every process of the service.
    All,
}

/// Where a stream goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Output {
    /// Into the service's log.
    #[default]
    Log,
    /// Nowhere.
    Null,
    /// Where the supervisor's own goes; for standard error, where standard output goes.
    Inherit,
    /// Into a file, from its beginning, without cutting it.
    File(PathBuf),
    /// To a file's end.
    Append(PathBuf),
    /// Into a file that is emptied first.
    Truncate(PathBuf),
}

/// How a service that doesn't say when it is ready is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Readiness {
    /// By connecting to this TCP port of the machine.
    Port(u16),
    /// By running this command until it succeeds.
    Exec(Exec),
}

/// A limit of the kernel's on a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Which, in capitals without `RLIMIT_`, such as `NOFILE`.
    pub resource: &'static str,
    /// What holds, or no limit.
    pub soft: Option<u64>,
    /// How far a process may raise it, or no limit.
    pub hard: Option<u64>,
}

/// What all processes of a service may use together: what needs control groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maxima {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of memory from which on they are slowed down.
    pub memory_high: Option<u64>,
    /// Hundredths of one CPU.
    pub cpu_percent: Option<u32>,
    /// The weight of their CPU time, from 1 to 10000.
    pub cpu_weight: Option<u32>,
    /// How many processes and threads.
    pub tasks: Option<u64>,
}

/// A service: processes, and what is done about them.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "each field is the key of systemd.service(5), systemd.exec(5) or systemd.kill(5) of its name"
)]
pub struct Service {
    pub kind: Type,
    pub exec_start_pre: Vec<Exec>,
    pub exec_start: Vec<Exec>,
    pub exec_start_post: Vec<Exec>,
    pub exec_reload: Vec<Exec>,
    pub exec_stop: Vec<Exec>,
    pub exec_stop_post: Vec<Exec>,
    pub remain_after_exit: bool,
    pub guess_main_pid: bool,
    pub pid_file: Option<PathBuf>,
    pub restart: Restart,
    pub restart_sec: Duration,
    pub restart_steps: u32,
    pub restart_max_delay: Option<Duration>,
    pub restart_prevent: ExitSet,
    pub restart_force: ExitSet,
    pub success: ExitSet,
    pub timeout_start: Option<Duration>,
    pub timeout_stop: Option<Duration>,
    pub timeout_abort: Option<Duration>,
    pub runtime_max: Option<Duration>,
    pub watchdog: Option<Duration>,
    pub notify_access: Option<NotifyAccess>,
    pub kill_mode: KillMode,
    pub kill_signal: Signal,
    pub final_kill_signal: Signal,
    pub watchdog_signal: Signal,
    pub send_sigkill: bool,
    pub send_sighup: bool,
    pub environment: Vec<(String, String)>,
    /// Files of variables; whether each may be missing.
    pub environment_files: Vec<(PathBuf, bool)>,
    pub pass_environment: Vec<String>,
    pub unset_environment: Vec<String>,
    /// Where it runs; whether that may be missing.
    pub working_directory: Option<(PathBuf, bool)>,
    pub user: Option<String>,
    pub group: Option<String>,
    pub supplementary_groups: Vec<String>,
    pub umask: u32,
    pub nice: Option<i32>,
    pub oom_score_adjust: Option<i32>,
    pub no_new_privileges: bool,
    pub runtime_directory: Vec<PathBuf>,
    pub limits: Vec<Limit>,
    pub maxima: Maxima,
    pub sockets: Vec<String>,
    pub stdout: Output,
    pub stderr: Output,
    pub readiness: Option<Readiness>,
    /// How often readiness is asked for.
    pub readiness_interval: Duration,
    /// From how many bytes on a log becomes an old one.
    pub log_max_size: u64,
    /// How many old logs are kept.
    pub log_keep: u32,
}

impl Default for Service {
    fn default() -> Self {
        Service {
            kind: Type::Simple,
            exec_start_pre: Vec::new(),
            exec_start: Vec::new(),
            exec_start_post: Vec::new(),
            exec_reload: Vec::new(),
            exec_stop: Vec::new(),
            exec_stop_post: Vec::new(),
            remain_after_exit: false,
            guess_main_pid: true,
            pid_file: None,
            restart: Restart::No,
            restart_sec: Duration::from_millis(100),
            restart_steps: 0,
            restart_max_delay: None,
            restart_prevent: ExitSet::default(),
            restart_force: ExitSet::default(),
            success: ExitSet::default(),
            timeout_start: Some(Duration::from_secs(90)),
            timeout_stop: Some(Duration::from_secs(90)),
            timeout_abort: None,
            runtime_max: None,
            watchdog: None,
            notify_access: None,
            kill_mode: KillMode::ControlGroup,
            kill_signal: Signal::TERM,
            final_kill_signal: Signal::KILL,
            watchdog_signal: Signal::ABRT,
            send_sigkill: true,
            send_sighup: false,
            environment: Vec::new(),
            environment_files: Vec::new(),
            pass_environment: Vec::new(),
            unset_environment: Vec::new(),
            working_directory: None,
            user: None,
            group: None,
            supplementary_groups: Vec::new(),
            umask: 0o022,
            nice: None,
            oom_score_adjust: None,
            no_new_privileges: false,
            runtime_directory: Vec::new(),
            limits: Vec::new(),
            maxima: Maxima::default(),
            sockets: Vec::new(),
            stdout: Output::Log,
            stderr: Output::Inherit,
            readiness: None,
            readiness_interval: Duration::from_millis(100),
            log_max_size: 10 << 20,
            log_keep: 5,
        }
    }
}

impl Service {
    /// Who may notify, as said or as its type needs it.
    pub fn access(&self) -> NotifyAccess {
        match self.notify_access {
            Some(NotifyAccess::None) | None if self.kind == Type::Notify || self.watchdog.is_some() => {
                NotifyAccess::Main
            }
            Some(access) => access,
            None => NotifyAccess::None,
        }
    }

    /// How long it waits before it starts again for the `n`th time, counted from 1: from `RestartSec` in as many steps as
    /// `RestartSteps`, each by the same factor, to `RestartMaxDelaySec`.
    pub fn restart_delay(&self, n: u32) -> Duration {
        let first = self.restart_sec;
        match self.restart_max_delay {
            Some(most) if self.restart_steps > 0 && first < most && n > 1 => {
                if n > self.restart_steps || first.is_zero() {
                    return most;
                }
                let ratio = most.as_secs_f64() / first.as_secs_f64();
                let factor = ratio.powf(f64::from(n - 1) / f64::from(self.restart_steps));
                Duration::try_from_secs_f64(first.as_secs_f64() * factor).unwrap_or(most).min(most)
            }
            _ => first,
        }
    }
}
