//! The machine's hands on Linux: one thread that polls, forks, reaps, signals, listens and writes logs.
//!
//! # The problem
//!
//! What a supervisor decides must be done by a kernel that has its own ways: a process that ends leaves a zombie until
//! somebody asks for it; its children go to whoever is told to take orphans; a signal goes to a number that may be another's by
//! now; a daemon forks twice so that nobody finds it.
//!
//! # How it works
//!
//! [`Supervisor::run`] polls everything at once and tells the [`Machine`] what happened, one event after the other, doing what
//! it asks after each:
//!
//! ```text
//!   SIGCHLD ── wait for all ──▶ exited, empty       control socket ── JSON lines ──▶ commands
//!   notify sockets ───────────▶ ready, watchdog     watched sockets ──▶ somebody has come
//!   pipes of stdout, stderr ──▶ log files           deadline ─────────▶ timeout
//! ```
//!
//! It is a child subreaper: orphans below it become its children. Which unit a process belongs to is told by its control group, in
//! version 2 or 1; where none may be made, by its parents, its session and a variable in its environment, and who has shaken off
//! all of these is killed. When the last process of a unit ends, its parent is gone already, so it is the supervisor who is told:
//! that a group is empty is looked for whenever a child has ended, and at no other time.
//!
//! A child takes its place between fork and exec: session, control group, limits, user, directory, sockets from 3 on. If a step
//! fails, its number comes back with the error, as the exit status that systemd has for it.
//!
//! # Invariants
//!
//! - Every child is waited for: there are no zombies. Whoever runs a [`Supervisor`] gives it all children of the process.
//! - Nothing that a unit started is left when it is stopped, unless its `KillMode=` says so; nothing at all when the supervisor
//!   ends.
//! - If the supervisor is killed, the kernel kills what it started directly (`PR_SET_PDEATHSIG`); what those left behind is killed
//!   by the next supervisor that finds its control group. Sockets and logs are the next one's.
//! - Sockets stay open over any number of restarts of their service.
//! - Logs are bounded: size by number of files.
//!
//! # Cost
//!
//! One thread. A poll is O(descriptors), a few for each unit; a child that ends costs the reading of one or two small files,
//! without control groups all of `/proc`.
//!
//! # Example
//!
//! ```no_run
//! use xs_os::supervisor::driver::{Config, Supervisor};
//!
//! let supervisor = Supervisor::new(Config::new("/etc/xs/units", "/run/xs"))?;
//! supervisor.run()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How others do it
//!
//! systemd is process 1, asks control groups for their processes and is told by them when one is empty; it has one socket for all
//! notifications and finds their senders by their group. s6 and runit leave orphans to process 1 and need services that don't
//! fork. Containers' `tini` only reaps.
//!
//! # What this leaves out
//!
//! Namespaces, capabilities, seccomp; a console; the journal's fields; descriptors that outlive a service (`FDSTORE=` is refused
//! in the log). Without control groups `MemoryMax=` is a limit of each process' addresses, and `CPUQuota=` and `TasksMax=` are
//! said not to hold.
//!
//! # Try next
//!
//! Let a service fork twice, change its session and clear its environment, with and without control groups.
//!
//! # Sources
//!
//! prctl(2), `PR_SET_CHILD_SUBREAPER`, `PR_SET_PDEATHSIG`; wait(2), cgroups(7), unix(7), sd_notify(3), sd_listen_fds(3); the
//! kernel's `Documentation/admin-guide/cgroup-v2.rst`.

mod act;
mod cgroup;
mod control;
mod groups;
mod listen;
mod log;
mod notify;
mod poll;
mod report;
mod serve;
mod spawn;
mod sys;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use control::{JobStatus, LONGEST_REQUEST, Request, Response, UnitStatus, Verb};
pub use log::{Follow, tail};

use self::groups::Groups;
use self::log::Log;
use self::notify::Notify;
use self::serve::Client;
use super::{Command, Files, Host, Loaded, Machine, UnitId};
use crate::{Clock, SystemClock};

/// What a supervisor is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the units are.
    pub units: PathBuf,
    /// Where its own sockets are; it is made if it isn't there.
    pub runtime_dir: PathBuf,
    /// The control socket.
    pub control: PathBuf,
    /// Where the logs are; it is made if it isn't there.
    pub log_dir: PathBuf,
    /// What is started at the beginning.
    pub target: String,
    /// Whether control groups are used, where they may be.
    pub cgroups: bool,
    /// Whether the supervisor's own lines go to standard error as well.
    pub echo: bool,
}

impl Config {
    /// With everything of the supervisor's own below one directory.
    pub fn new(units: impl Into<PathBuf>, runtime_dir: impl Into<PathBuf>) -> Config {
        let runtime_dir = runtime_dir.into();
        Config {
            units: units.into(),
            control: runtime_dir.join("control"),
            log_dir: runtime_dir.join("log"),
            runtime_dir,
            target: "default.target".into(),
            cgroups: true,
            echo: true,
        }
    }
}

/// A unit's log with the pipe into it.
#[derive(Debug)]
struct Stream {
    log: Log,
    from: OwnedFd,
    into: OwnedFd,
}

/// A supervisor that runs.
#[derive(Debug)]
pub struct Supervisor {
    config: Config,
    machine: Machine,
    clock: Arc<SystemClock>,
    host: Host,
    files: Files,
    /// Instances of templates that a command named.
    instances: BTreeSet<String>,
    groups: Groups,
    streams: BTreeMap<UnitId, Stream>,
    own_log: Log,
    notify: BTreeMap<UnitId, Notify>,
    /// What tells a life of a service from its others.
    invocations: BTreeMap<UnitId, String>,
    sockets: BTreeMap<UnitId, Vec<OwnedFd>>,
    watched: BTreeSet<UnitId>,
    connecting: Vec<(UnitId, OwnedFd)>,
    control: UnixListener,
    clients: BTreeMap<u64, Client>,
    next_client: u64,
    signals: poll::Signals,
    /// Units whose limits could not be had, and were told so.
    told: BTreeSet<UnitId>,
    /// Units whose logs could not be written, which was told.
    unwritten: BTreeSet<UnitId>,
}

impl Supervisor {
    /// Reads the units and takes its sockets; starts nothing yet. From here on the process' orphans and signals are its own.
    ///
    /// # Errors
    ///
    /// That a directory or socket can't be had; that another supervisor has them.
    pub fn new(config: Config) -> io::Result<Supervisor> {
        let named =
            |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let files = Files::read_dir(&config.units).map_err(|error| named(&config.units, error))?;
        for dir in [&config.runtime_dir, &config.log_dir] {
            fs::create_dir_all(dir).map_err(|error| named(dir, error))?;
        }
        if UnixStream::connect(&config.control).is_ok() {
            let taken = io::Error::new(io::ErrorKind::AddrInUse, "another supervisor answers there");
            return Err(named(&config.control, taken));
        }
        let _ = fs::remove_file(&config.control);
        let control = UnixListener::bind(&config.control).map_err(|error| named(&config.control, error))?;
        // Whoever may connect may do everything.
        fs::set_permissions(&config.control, fs::Permissions::from_mode(0o600))?;
        control.set_nonblocking(true)?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let signals = poll::Signals::new()?;
        let cgroups = config.cgroups.then(cgroup::Cgroups::new).flatten();
        let host = host();
        let loaded = files.load(&host);
        let mut supervisor = Supervisor {
            own_log: Log::new(log::path_of(&config.log_dir, "supervisor"), 10 << 20, 5),
            machine: Machine::new(loaded.units.clone(), loaded.broken.clone()),
            clock: Arc::new(SystemClock),
            host,
            files,
            instances: BTreeSet::new(),
            groups: Groups::new(cgroups),
            streams: BTreeMap::new(),
            notify: BTreeMap::new(),
            invocations: BTreeMap::new(),
            sockets: BTreeMap::new(),
            watched: BTreeSet::new(),
            connecting: Vec::new(),
            control,
            clients: BTreeMap::new(),
            next_client: 0,
            signals,
            told: BTreeSet::new(),
            unwritten: BTreeSet::new(),
            config,
        };
        supervisor.tell_notices(&loaded);
        if supervisor.config.cgroups && supervisor.groups.cgroups.is_none() {
            supervisor.say("No control group may be made: processes are found by their parents, and only limits of single processes hold.");
        }
        Ok(supervisor)
    }

    /// Starts the target, and supervises until it is told to end and everything has.
    ///
    /// # Errors
    ///
    /// That polling fails. What was started is killed then, as when it ends in any other way.
    pub fn run(mut self) -> io::Result<()> {
        let target = self.config.target.clone();
        match self.machine.handle_command(self.clock.nanos(), Command::Start, &target) {
            Ok(_) => self.act(),
            Err(error) => self.say(&format!("Failed to start {target}: {error}")),
        }
        let ended = loop {
            if self.machine.is_shutting_down() && self.machine.is_quiet() {
                break Ok(());
            }
            if let Err(error) = self.poll() {
                break Err(error);
            }
        };
        self.end();
        ended
    }

    /// Kills what is left, answers who waits, and takes its files away.
    fn end(&mut self) {
        let names: Vec<String> = self.machine.ids().map(|id| self.machine.unit(id).name.clone()).collect();
        for name in names {
            self.groups.signal(&name, 9);
        }
        for pid in self.groups.strays(|_| false) {
            sys::kill(pid, 9);
        }
        self.reap_all();
        self.say("Everything is stopped.");
        self.answer_shutdown();
        let _ = fs::remove_file(&self.config.control);
    }

    fn tell_notices(&mut self, loaded: &Loaded) {
        for notice in &loaded.notices {
            self.say(&notice.to_string());
        }
        for cycle in super::Graph::new(&loaded.units).cycles() {
            self.say(&super::CommandError::Cycle(cycle).to_string().replace("Transaction order", "The order of units"));
        }
    }

    /// A line of the supervisor's own.
    fn say(&mut self, line: &str) {
        let now = self.clock.wall();
        if self.config.echo {
            let _ = io::Write::write_all(&mut io::stderr(), format!("{line}\n").as_bytes());
        }
        let _ = self.own_log.line(now, "supervisor", line);
    }

    /// Says, once for each unit, that its log is not written.
    fn unwritten(&mut self, unit: UnitId, written: io::Result<()>) {
        match written {
            Ok(()) => drop(self.unwritten.remove(&unit)),
            Err(error) => {
                if self.unwritten.insert(unit) {
                    let line = format!("{}: Its log cannot be written: {error}", self.machine.unit(unit).name);
                    self.say(&line);
                }
            }
        }
    }

    /// Reads the files again; what changed, in a few words.
    fn reload(&mut self) -> Result<String, String> {
        let failed = |error: io::Error| format!("{}: {error}", self.config.units.display());
        self.files = Files::read_dir(&self.config.units).map_err(failed)?;
        let loaded = self.files.load_with(&self.host, &self.instances);
        self.tell_notices(&loaded);
        let changes = self.machine.handle_reload(self.clock.nanos(), loaded.units, loaded.broken);
        self.act();
        let say = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
        let all = [say("added", &changes.added), say("changed", &changes.changed), say("removed", &changes.removed)];
        let all: Vec<String> = all.into_iter().flatten().collect();
        let text =
            if all.is_empty() { "Nothing has changed.".to_owned() } else { format!("Units: {}.", all.join("; ")) };
        self.say(&format!("Reloaded. {text}"));
        Ok(text)
    }

    /// Loads the instance of a template that a command names for the first time.
    fn instantiate(&mut self, name: &str) {
        if self.machine.find(name).is_none()
            && self.files.has_template_of(name)
            && self.instances.insert(name.to_owned())
        {
            let loaded = self.files.load_with(&self.host, &self.instances);
            self.machine.handle_reload(self.clock.nanos(), loaded.units, loaded.broken);
            self.act();
        }
    }
}

/// What specifiers stand for on this machine.
fn host() -> Host {
    let mut host = Host::new();
    let file = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    if let Some(name) = file("/proc/sys/kernel/hostname") {
        let short = name.split('.').next().unwrap_or_default().to_owned();
        host = host.with('H', name).with('l', short);
    }
    for (specifier, path) in
        [('v', "/proc/sys/kernel/osrelease"), ('b', "/proc/sys/kernel/random/boot_id"), ('m', "/etc/machine-id")]
    {
        if let Some(value) = file(path) {
            host = host.with(specifier, value.replace('-', if specifier == 'v' { "-" } else { "" }));
        }
    }
    if let Ok(Some(user)) = nix::unistd::User::from_uid(nix::unistd::getuid()) {
        host = host.with('u', user.name).with('U', user.uid.to_string()).with('h', user.dir.to_string_lossy());
        host = host.with('s', user.shell.to_string_lossy()).with('G', user.gid.to_string());
        // Whoever is not root has directories of their own.
        if !user.uid.is_root() {
            let home = user.dir.display().to_string();
            let or = |name: &str, other: String| std::env::var(name).unwrap_or(other);
            host = host.with('t', or("XDG_RUNTIME_DIR", format!("/run/user/{}", user.uid)));
            host = host.with('E', or("XDG_CONFIG_HOME", format!("{home}/.config")));
            host = host.with('S', or("XDG_STATE_HOME", format!("{home}/.local/state")));
            host = host.with('C', or("XDG_CACHE_HOME", format!("{home}/.cache")));
            host = host.with('L', or("XDG_STATE_HOME", format!("{home}/.local/state")) + "/log");
        }
    }
    if let Ok(Some(group)) = nix::unistd::Group::from_gid(nix::unistd::getgid()) {
        host = host.with('g', group.name);
    }
    host
}
