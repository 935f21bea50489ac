//! What happens to units, and when: a machine without processes, files or a clock.
//!
//! The driver tells it what happened, does what [`Machine::poll_action`] asks until there is nothing more, and comes again at
//! [`Machine::next_deadline`]. A [`Action::Spawn`] is answered by [`Machine::handle_spawned`] before anything else is told.

mod command;
mod dead;
mod events;
mod jobs;
mod links;
mod reload;
mod socket;
mod start;
mod state;
mod stop;
mod timers;
mod transaction;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use command::{Command, CommandError};
pub use events::SpawnError;
pub use jobs::{JobId, JobKind, JobResult};
pub use reload::Changes;
pub use state::{Active, Sub, UnitResult};
pub use timers::Timer;

use self::jobs::Job;
use self::state::{Run, Slot};
use super::unit::{Exec, ExitStatus, Signal, Unit};
use crate::Nanos;

/// A unit, by its number in its machine; to another machine it means another unit or none, and is not to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(u32);

impl UnitId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a process of a service is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// To be the service.
    Main,
    /// `ExecStartPre=`.
    StartPre,
    /// `ExecStart=` of a service that forks.
    Start,
    /// `ExecStartPost=`.
    StartPost,
    /// `ExecReload=`.
    Reload,
    /// `ExecStop=`.
    Stop,
    /// `ExecStopPost=`.
    StopPost,
    /// To ask whether the service is ready.
    Probe,
}

impl Role {
    /// The key of its command.
    pub fn name(self) -> &'static str {
        match self {
            Role::Main | Role::Start => "ExecStart",
            Role::StartPre => "ExecStartPre",
            Role::StartPost => "ExecStartPost",
            Role::Reload => "ExecReload",
            Role::Stop => "ExecStop",
            Role::StopPost => "ExecStopPost",
            Role::Probe => "ReadyExec",
        }
    }
}

/// Who is signalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// One process, which the machine knows and the driver has not reaped.
    Process(u32),
    /// All that belong to the unit.
    Group,
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Info,
    /// Something failed or was refused.
    Warning,
}

/// What the driver is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start a process, and say what became of that by [`Machine::handle_spawned`].
    Spawn {
        /// Whose.
        unit: UnitId,
        /// What for.
        role: Role,
        /// What it executes.
        exec: Exec,
        /// Variables beside those of the unit.
        variables: Vec<(&'static str, String)>,
    },
    /// Send a signal. Who is gone already misses nothing.
    Signal {
        /// Whose processes.
        unit: UnitId,
        /// Which of them.
        whom: Whom,
        /// Which signal.
        signal: Signal,
    },
    /// Find a service's main process, by its file or as the only one there is; answered by [`Machine::handle_main`].
    FindMain(UnitId),
    /// Connect to this port of the machine; answered by [`Machine::handle_probed`].
    Connect(UnitId, u16),
    /// Open a socket's addresses, if they are not open; answered by [`Machine::handle_listening`].
    Listen(UnitId),
    /// Say by [`Machine::handle_triggered`] when somebody comes to a socket, once.
    Watch(UnitId),
    /// No longer.
    Unwatch(UnitId),
    /// Close a socket's addresses.
    Close(UnitId),
    /// Nothing of a service runs any more: what was made for its processes can go.
    Release(UnitId),
    /// Write a line about a unit.
    Log(UnitId, Level, String),
    /// A job is over.
    Done {
        /// Which.
        job: JobId,
        /// Whose.
        unit: UnitId,
        /// What it should have done.
        kind: JobKind,
        /// What became of it.
        result: JobResult,
    },
}

/// Whether a unit's files were found and made sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// They did.
    Loaded,
    /// There are none.
    NotFound,
    /// Its file is empty: it is not to be started at all.
    Masked,
    /// They make no sense.
    BadSetting(String),
}

impl Load {
    /// As `systemctl` prints it.
    pub fn name(&self) -> &'static str {
        match self {
            Load::Loaded => "loaded",
            Load::NotFound => "not-found",
            Load::Masked => "masked",
            Load::BadSetting(_) => "bad-setting",
        }
    }
}

/// All units with their states and jobs.
#[derive(Debug, Default)]
pub struct Machine {
    slots: Vec<Slot>,
    names: BTreeMap<String, UnitId>,
    jobs: BTreeMap<UnitId, Job>,
    /// Units whose jobs may have become able to run.
    queue: BTreeSet<UnitId>,
    next_job: u64,
    actions: VecDeque<Action>,
    deadlines: BTreeSet<(Nanos, UnitId, Timer)>,
    /// Whose process is which, of those that are waited for.
    pids: BTreeMap<u32, UnitId>,
    shutting_down: bool,
    now: Nanos,
}

impl Machine {
    /// Of these units, all of them inactive.
    pub fn new(units: BTreeMap<String, Unit>, broken: BTreeMap<String, Load>) -> Machine {
        let mut machine = Machine::default();
        machine.replace_units(units, broken);
        machine
    }

    /// The next thing to do. To be asked until there is none, after everything that was told.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Machine::handle_timeout`] is to be called next.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.deadlines.first().map(|(at, _, _)| *at)
    }

    /// A unit's number by its name.
    pub fn find(&self, name: &str) -> Option<UnitId> {
        self.names.get(name).copied()
    }

    /// All units, by name.
    pub fn ids(&self) -> impl Iterator<Item = UnitId> + '_ {
        self.names.values().copied()
    }

    /// A unit.
    pub fn unit(&self, id: UnitId) -> &Arc<Unit> {
        &self.slots[id.index()].unit
    }

    /// How its files were.
    pub fn load(&self, id: UnitId) -> &Load {
        &self.slots[id.index()].load
    }

    /// What it is doing.
    pub fn sub(&self, id: UnitId) -> Sub {
        self.slots[id.index()].sub
    }

    /// What that is, roughly.
    pub fn active(&self, id: UnitId) -> Active {
        self.sub(id).active()
    }

    /// Since when.
    pub fn since(&self, id: UnitId) -> Nanos {
        self.slots[id.index()].since
    }

    /// What became of it.
    pub fn result(&self, id: UnitId) -> UnitResult {
        self.slots[id.index()].run.result
    }

    /// Its main process.
    pub fn main_pid(&self, id: UnitId) -> Option<u32> {
        self.slots[id.index()].run.main
    }

    /// The process of the command that runs beside the main process or in its place.
    pub fn control_pid(&self, id: UnitId) -> Option<u32> {
        self.slots[id.index()].run.control
    }

    /// How the last main process ended.
    pub fn main_status(&self, id: UnitId) -> Option<ExitStatus> {
        self.slots[id.index()].run.main_status
    }

    /// How often it was started again since it was started by a command.
    pub fn restarts(&self, id: UnitId) -> u32 {
        self.slots[id.index()].run.restarts
    }

    /// What it says of itself.
    pub fn status_text(&self, id: UnitId) -> &str {
        &self.slots[id.index()].run.status
    }

    /// Its job, and whether that runs.
    pub fn job(&self, id: UnitId) -> Option<(JobId, JobKind, bool)> {
        self.jobs.get(&id).map(|job| (job.id, job.kind, job.running))
    }

    /// The sockets that a service is given when it starts.
    pub fn sockets_of(&self, id: UnitId) -> Vec<UnitId> {
        self.slots[id.index()].links.triggered_by.clone()
    }

    /// The unit whose process this is, of those that the machine knows.
    pub fn owner_of(&self, pid: u32) -> Option<UnitId> {
        self.pids.get(&pid).copied()
    }

    /// Whether any process of a unit may be left.
    pub fn is_populated(&self, id: UnitId) -> bool {
        self.slots[id.index()].run.populated
    }

    /// Whether everything was asked to stop.
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down
    }

    /// Whether nothing runs and nothing is about to, but for what a unit has left behind on purpose.
    pub fn is_quiet(&self) -> bool {
        self.jobs.is_empty() && self.slots.iter().all(|slot| slot.sub.active().is_down())
    }

    fn slot(&mut self, id: UnitId) -> &mut Slot {
        &mut self.slots[id.index()]
    }

    fn run(&mut self, id: UnitId) -> &mut Run {
        &mut self.slots[id.index()].run
    }

    fn log(&mut self, id: UnitId, level: Level, message: impl Into<String>) {
        self.actions.push_back(Action::Log(id, level, message.into()));
    }

    /// The name, as lines about a unit begin.
    fn name(&self, id: UnitId) -> &str {
        &self.slots[id.index()].unit.name
    }
}
