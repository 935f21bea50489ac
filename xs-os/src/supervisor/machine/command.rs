//! What people and programs ask for.

use std::fmt;

use super::jobs::{JobId, JobKind, JobResult};
use super::state::Window;
use super::{Action, Active, Load, Machine, Signal, Sub, UnitId, UnitResult, Whom};
use crate::Nanos;
use crate::supervisor::unit::Kind;

/// A command about one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Be active.
    Start,
    /// Be inactive.
    Stop,
    /// Be stopped, if active, and started.
    Restart,
    /// Be restarted, if active.
    TryRestart,
    /// Read the configuration again.
    Reload,
    /// That, or be restarted where it can't.
    ReloadOrRestart,
}

/// Why a command leads to no job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such unit.
    NotFound(String),
    /// It is not to be started at all.
    Masked(String),
    /// Its files make no sense: the name, and why.
    BadSetting(String, String),
    /// It may not be started or stopped by hand.
    Refused(&'static str, String),
    /// It does not know this job.
    NotApplicable(&'static str, String),
    /// Units that exclude one another would have to run.
    Conflict(String),
    /// Units that wait for one another in a circle, each for the next.
    Cycle(Vec<String>),
    /// Everything is being stopped.
    ShuttingDown(String),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::NotFound(name) => write!(f, "Unit {name} not found."),
            CommandError::Masked(name) => write!(f, "Unit {name} is masked."),
            CommandError::BadSetting(name, why) => write!(f, "Unit {name} has a bad unit file setting: {why}"),
            CommandError::Refused(what, name) => write!(
                f,
                "Operation refused, unit {name} may be {what} by dependency only (it is configured to refuse manual operation)."
            ),
            CommandError::NotApplicable(job, name) => write!(f, "Job type {job} is not applicable for unit {name}."),
            CommandError::Conflict(name) => write!(
                f,
                "Transaction contains conflicting jobs 'stop' and 'start' for {name}. Probably contradicting requirement \
                 dependencies configured."
            ),
            CommandError::Cycle(units) => {
                write!(f, "Transaction order is cyclic: ")?;
                for unit in units {
                    write!(f, "{unit} after ")?;
                }
                f.write_str(units.first().map_or("itself", String::as_str))
            }
            CommandError::ShuttingDown(name) => {
                write!(f, "Transaction for {name}/start is destructive (everything is being stopped).")
            }
        }
    }
}

impl std::error::Error for CommandError {}

impl Machine {
    /// Asks for something; answers the job whose end [`Action::Done`] tells, or none where there is nothing to do.
    ///
    /// # Errors
    ///
    /// Why it can't be asked for.
    pub fn handle_command(&mut self, now: Nanos, command: Command, name: &str) -> Result<Option<JobId>, CommandError> {
        self.now = self.now.max(now);
        let id = self.known(name)?;
        let active = self.active(id);
        let kind = match command {
            Command::Start => JobKind::Start,
            Command::Stop => JobKind::Stop,
            Command::TryRestart if active.is_down() => return Ok(None),
            Command::Restart | Command::TryRestart => JobKind::Restart,
            Command::Reload => JobKind::Reload,
            Command::ReloadOrRestart if self.can_reload(id) && active.is_up() => JobKind::Reload,
            Command::ReloadOrRestart => JobKind::Restart,
        };
        let unit = self.unit(id);
        if unit.refuse_manual_start && kind == JobKind::Start {
            return Err(CommandError::Refused("started", name.to_owned()));
        }
        if unit.refuse_manual_stop && matches!(kind, JobKind::Stop | JobKind::Restart) {
            return Err(CommandError::Refused("stopped", name.to_owned()));
        }
        if kind == JobKind::Reload && !self.can_reload(id) {
            return Err(CommandError::NotApplicable("reload", name.to_owned()));
        }
        // Who starts it by hand begins to count anew.
        if kind != JobKind::Stop && self.sub(id) == Sub::AutoRestart {
            self.run(id).restarts = 0;
        }
        let job = self.enqueue(kind, id);
        self.run_jobs();
        job.map(Some)
    }

    fn known(&self, name: &str) -> Result<UnitId, CommandError> {
        let id = self.find(name).ok_or_else(|| CommandError::NotFound(name.to_owned()))?;
        match self.load(id) {
            Load::NotFound if self.active(id).is_down() => Err(CommandError::NotFound(name.to_owned())),
            _ => Ok(id),
        }
    }

    /// Whether it has a way to read its configuration again.
    pub fn can_reload(&self, id: UnitId) -> bool {
        self.unit(id).as_service().is_some_and(|service| !service.exec_reload.is_empty())
    }

    /// Forgets that a unit has failed, and how often it was started.
    ///
    /// # Errors
    ///
    /// That there is no such unit.
    pub fn handle_reset_failed(&mut self, now: Nanos, name: &str) -> Result<(), CommandError> {
        self.now = self.now.max(now);
        let id = self.find(name).ok_or_else(|| CommandError::NotFound(name.to_owned()))?;
        let run = self.run(id);
        (run.starts, run.triggers, run.refused) = (Window::default(), Window::default(), false);
        run.restarts = 0;
        if self.active(id) == Active::Failed {
            self.run(id).result = UnitResult::Success;
            self.set_sub(id, Sub::Dead);
        }
        self.run_jobs();
        Ok(())
    }

    /// Sends a signal to a service's main process, or to all of its processes.
    ///
    /// # Errors
    ///
    /// That there is no such unit, or no process of it.
    pub fn handle_kill(&mut self, name: &str, signal: Signal, main: bool) -> Result<(), CommandError> {
        let id = self.known(name)?;
        let whom = match (main, self.main_pid(id)) {
            (true, Some(pid)) => Whom::Process(pid),
            (false, _) if self.is_populated(id) => Whom::Group,
            _ => return Err(CommandError::NotApplicable("kill", name.to_owned())),
        };
        self.actions.push_back(Action::Signal { unit: id, whom, signal });
        Ok(())
    }

    /// Stops everything, in order, and starts nothing any more. Over when [`Machine::is_quiet`].
    pub fn handle_shutdown(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        self.shutting_down = true;
        let ids: Vec<UnitId> = self.ids().collect();
        for id in &ids {
            self.finish_job(*id, JobResult::Canceled);
        }
        for id in ids {
            if !self.active(id).is_down() {
                self.install(JobKind::Stop, id);
            }
        }
        self.run_jobs();
    }

    /// The sockets that will start a service again when somebody comes.
    pub fn triggers_left(&self, id: UnitId) -> Vec<String> {
        let sockets = self.slots[id.index()].links.triggered_by.iter();
        let up = sockets
            .filter(|socket| self.active(**socket).is_up() && matches!(self.unit(**socket).kind, Kind::Socket(_)));
        up.map(|socket| self.unit(*socket).name.clone()).collect()
    }
}
