//! A supervisor: units as systemd has them, what they need of one another, and what is done when their processes come and go.
//!
//! # The problem
//!
//! Programs that serve must run while the machine does. They need one another in some order, they crash, hang, leave processes
//! behind, ignore being asked to stop, and say too early that they are there. A shell script that starts them all knows
//! nothing of that: what it leaves is a crash that nobody saw, a process that nobody owns, and an order that held yesterday.
//!
//! # How it works
//!
//! Files become [`Unit`]s: services, which run processes; sockets, which listen for a service that may not run yet; targets,
//! which group others. [`Files`] reads systemd's syntax, and TOML with the same keys, and says what it does not know by file
//! and line.
//!
//! ```text
//!   Files ─▶ Unit ─▶ Machine ◀── what happened: process made, ended, group empty; notified; deadline; command
//!                      │  ▲
//!              Action  ▼  │
//!                    driver: fork and exec, signals, cgroups, sockets, pipes, clock
//! ```
//!
//! [`Machine`] decides everything and does nothing. A command becomes a transaction: the job, with all that it pulls in,
//! checked as a whole for contradictions and cycles before any of it begins. A start waits for the jobs of those that it comes
//! after, a stop for those that came up after it. [`Sub`] draws the states between; each has one deadline.
//! What ends by itself is started again as its policy says, after a delay that grows, until it was started too often.
//!
//! To stop is a ladder: the service's own command, `SIGTERM`, `SIGKILL`, the command for afterwards; then the same two signals for
//! whoever is left. Each step has its time, and the last one waits for nobody.
//!
//! # Invariants
//!
//! - A service has one main process at most (`tests::world`, in every run of `tests::simulation`).
//! - Nothing starts before the jobs of those that it comes after are over, nothing is stopped while one that came up after it
//!   runs.
//! - A service is started no more often than its limit says.
//! - Whatever processes do, after a shutdown nothing is left: no process, no job, no deadline.
//! - Nothing of a transaction begins if the whole cannot be; a cycle is told by its names ([`CommandError::Cycle`]).
//! - New definitions start and stop nothing ([`Machine::handle_reload`]).
//!
//! # Cost
//!
//! A transaction is O((jobs + dependencies) log units), and once more for each job that it must drop; an event is
//! O(log units) and the neighbours of the unit. A unit costs a few kilobytes, most of it its strings.
//!
//! # Example
//!
//! A service that crashes, under a machine whose processes are only said to be there.
//!
//! ```
//! use xs_os::Nanos;
//! use xs_os::supervisor::{Action, Command, ExitStatus, Files, Host, Machine, Sub};
//!
//! let mut files = Files::new();
//! files.add("web.service".as_ref(), "[Service]\nExecStart=/bin/web\nRestart=on-failure\nRestartSec=5s\n");
//! let loaded = files.load(&Host::new());
//! let mut machine = Machine::new(loaded.units, loaded.broken);
//! let web = machine.find("web.service").unwrap();
//!
//! let now = Nanos::new(1_000_000_000);
//! machine.handle_command(now, Command::Start, "web.service")?;
//! let role = loop {
//!     match machine.poll_action() {
//!         Some(Action::Spawn { role, .. }) => break role,
//!         other => assert!(other.is_some()),
//!     }
//! };
//! machine.handle_spawned(now, web, role, Ok(4711));
//! assert_eq!(machine.sub(web), Sub::Running);
//!
//! machine.handle_exited(now, web, 4711, ExitStatus::Exited(1), true);
//! assert_eq!(machine.sub(web), Sub::AutoRestart);
//! assert_eq!(machine.next_deadline(), Some(now.later(5_000_000_000)));
//! # Ok::<(), xs_os::supervisor::CommandError>(())
//! ```
//!
//! # How others do it
//!
//! systemd is where names, states and most rules here come from: `Type=`, transactions, the ladder of stopping, `sd_notify`.
//! daemontools, runit and s6 give each service a small process of its own that only watches; order is left to scripts, or to
//! s6-rc. Supervisord and Foreman run a flat list. OpenRC and SysV init run scripts in order and watch nothing. Erlang's
//! supervisors have the same policies and limits for processes inside a program.
//!
//! # What this leaves out
//!
//! Timers, paths, mounts, slices and devices as units; `Type=dbus` and `notify-reload`, `Accept=yes`, the store of
//! descriptors, conditions and assertions, `ExecCondition=`, `Upholds=`, `Also=` and enabling: what `[Install]` says holds at
//! once. Sandboxing: what only hardens is named and left out, a file that could not do without is refused. A job has no
//! time limit of its own, and there is no queueing mode but systemd's `replace`.
//!
//! # Try next
//!
//! Write three services that need one another, give the last `Type=notify` without ever saying `READY=1`, and watch who
//! waits for whom. Take the call of `after_signals` out of `emptied`, and see what the simulation says.
//!
//! # Sources
//!
//! systemd.unit(5), systemd.service(5), systemd.kill(5), systemd.exec(5), systemd.socket(5), systemd.syntax(7), systemd.time(7),
//! sd_notify(3), sd_listen_fds(3); L. Poettering, "Rethinking PID 1" (2010); D. J. Bernstein, daemontools; L. Bercot,
//! s6 and s6-rc.

#[cfg(target_os = "linux")]
pub mod driver;
mod file;
mod graph;
mod machine;
mod notify;
#[cfg(test)]
mod tests;
mod text;
mod unit;

pub use file::{Files, Host, Loaded, MOST_UNITS, Notice, environment_file, time_span};
pub use graph::Graph;
pub use machine::{
    Action, Active, Changes, Command, CommandError, JobId, JobKind, JobResult, Level, Load, Machine, Role, SpawnError,
    Sub, Timer, UnitId, UnitResult, Whom,
};
pub use notify::{LONGEST_MESSAGE, Message};
pub use unit::{
    Exec, ExitSet, ExitStatus, KillMode, Kind, Limit, Listen, ListenAddress, Maxima, NotifyAccess, Output, Readiness,
    Relation, Restart, Service, Signal, Socket, Type, Unit, exit_name, expand,
};
