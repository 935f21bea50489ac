//! The end of a life, and whether another one follows; and what a change of state means to others.

use super::jobs::{JobKind, JobResult};
use super::state::{Active, Sub, UnitResult};
use super::{Action, Level, Machine, Timer, UnitId};
use crate::supervisor::unit::{ExitStatus, Kind, Restart, Service};

impl Machine {
    pub(super) fn enter_dead(&mut self, id: UnitId, result: UnitResult, may_restart: bool) {
        let Some(service) = self.service(id) else { return };
        let run = self.run(id);
        // Killed processes that never went stay in the tables of the driver, not here.
        let pids = [run.main.take(), run.control.take(), run.probe.take()];
        (run.role, run.spawning) = (None, None);
        if run.result.is_success() {
            run.result = result;
        }
        let result = run.result;
        for pid in pids.into_iter().flatten() {
            self.pids.remove(&pid);
        }
        self.clear_timers(id);
        let again = may_restart && !self.shutting_down && self.shall_restart(id, &service);
        let name = self.name(id).to_owned();
        if result.is_success() {
            self.log(id, Level::Info, format!("{name}: Deactivated successfully."));
        } else {
            self.log(id, Level::Warning, format!("{name}: Failed with result '{}'.", result.name()));
        }
        if self.is_populated(id) {
            self.log(id, Level::Warning, format!("{name}: Processes remain running after the unit stopped."));
        }
        self.actions.push_back(Action::Release(id));
        if again {
            let run = self.run(id);
            run.restarts = run.restarts.saturating_add(1);
        }
        // Jobs that wait for it are told before it comes back.
        self.run(id).comes_back = again;
        let (was_down, end) = (self.active(id).is_down(), if result.is_success() { Sub::Dead } else { Sub::Failed });
        let same = self.sub(id) == end;
        self.set_sub(id, end);
        if same {
            self.job_after_change(id, end.active());
        }
        if was_down {
            // A start that was refused: for those who triggered it, that is news.
            self.tell_sockets(id);
        }
        self.run(id).comes_back = false;
        // What was told may have led to something else by now.
        if again && self.active(id).is_down() && !self.run(id).forbid_restart && self.may_come_back(id) {
            let delay = service.restart_delay(self.restarts(id));
            self.set_timer(id, Timer::State, Some(delay));
            self.set_sub(id, Sub::AutoRestart);
        }
    }

    /// Whether no job says otherwise.
    fn may_come_back(&self, id: UnitId) -> bool {
        self.jobs.get(&id).is_none_or(|job| job.kind != JobKind::Stop)
    }

    fn shall_restart(&self, id: UnitId, service: &Service) -> bool {
        let run = &self.slots[id.index()].run;
        if run.forbid_restart {
            return false;
        }
        if let Some(status) = run.main_status {
            if service.restart_prevent.contains(status) {
                return false;
            }
            if service.restart_force.contains(status) {
                return true;
            }
        }
        let result = run.result;
        match service.restart {
            Restart::No => false,
            Restart::Always => true,
            Restart::OnSuccess => result.is_success(),
            Restart::OnFailure => !result.is_success(),
            Restart::OnAbnormal => !matches!(result, UnitResult::Success | UnitResult::ExitCode),
            Restart::OnWatchdog => result == UnitResult::Watchdog,
            Restart::OnAbort => matches!(result, UnitResult::Signal | UnitResult::CoreDump),
        }
    }

    /// The time for another life has come.
    pub(super) fn restart_now(&mut self, id: UnitId) {
        let name = self.name(id).to_owned();
        if self.jobs.get(&id).is_some_and(|job| job.kind == JobKind::Stop) {
            return;
        }
        let line = format!("{name}: Scheduled restart job, restart counter is at {}.", self.restarts(id));
        self.log(id, Level::Info, line);
        if let Err(error) = self.enqueue(JobKind::Restart, id) {
            self.log(id, Level::Warning, format!("{name}: Failed to schedule restart job: {error}"));
            self.set_sub(id, Sub::Failed);
        }
    }

    /// What an exit means, and whether that is worth a line.
    pub(super) fn judge(
        &mut self,
        id: UnitId,
        status: ExitStatus,
        process: &str,
        daemon: bool,
        ignored: bool,
    ) -> UnitResult {
        let Some(service) = self.service(id) else { return UnitResult::Success };
        let clean = match status {
            ExitStatus::Exited(code) => code == 0,
            // A daemon that was asked to go, or whose readers went, has done nothing wrong.
            ExitStatus::Killed(signal, _) => daemon && matches!(signal.number(), 1 | 2 | 13 | 15),
        };
        if clean || ignored || service.success.contains(status) {
            return UnitResult::Success;
        }
        let line = format!("{}: {process} process exited, {}", self.name(id), status.describe());
        self.log(id, Level::Warning, line);
        match status {
            ExitStatus::Exited(_) => UnitResult::ExitCode,
            ExitStatus::Killed(_, true) => UnitResult::CoreDump,
            ExitStatus::Killed(_, false) => UnitResult::Signal,
        }
    }

    /// Changes a unit's state, and does what follows from that: its job may be over, others may have to stop.
    pub(super) fn set_sub(&mut self, id: UnitId, sub: Sub) {
        let old = self.sub(id);
        let now = self.now;
        let slot = self.slot(id);
        if old == sub {
            return;
        }
        (slot.sub, slot.since) = (sub, now);
        let (old, new) = (old.active(), sub.active());
        if sub == Sub::Dead && matches!(self.unit(id).kind, Kind::Service(_)) {
            self.run(id).status.clear();
        }
        self.job_after_change(id, new);
        self.queue.insert(id);
        if new.is_down() && !old.is_down() {
            if !self.slots[id.index()].run.comes_back {
                self.stop_bound(id);
            }
            self.tell_sockets(id);
        } else if new.is_up() && !old.is_up() {
            self.tell_sockets(id);
        }
        if new == Active::Failed && !self.slots[id.index()].run.comes_back && !self.shutting_down {
            for other in self.slots[id.index()].links.on_failure.clone() {
                let line = format!("{}: Triggering OnFailure= dependencies.", self.name(id));
                self.log(id, Level::Info, line);
                if let Err(error) = self.enqueue(JobKind::Start, other) {
                    let line = format!("{}: Failed to enqueue OnFailure= job: {error}", self.name(id));
                    self.log(id, Level::Warning, line);
                }
            }
        }
    }

    /// Who is bound to it doesn't outlive it.
    fn stop_bound(&mut self, id: UnitId) {
        for other in self.slots[id.index()].links.bound_by.clone() {
            let starting = self.active(other).is_up() || self.active(other) == Active::Activating;
            if starting && !self.jobs.contains_key(&other) {
                let line = format!("{}: Bound to unit {}, but unit isn't active.", self.name(other), self.name(id));
                self.log(other, Level::Info, line);
                let _ = self.enqueue(JobKind::Stop, other);
            }
        }
    }

    /// The line that a finished start or stop leaves.
    pub(super) fn tell_job(&mut self, id: UnitId, kind: JobKind, result: JobResult) {
        let unit = self.unit(id).clone();
        let oneshot = unit.as_service().is_some_and(|service| service.kind == crate::supervisor::unit::Type::Oneshot);
        let what = &unit.description;
        let (level, line) = match (kind, result, &unit.kind) {
            (JobKind::Start, JobResult::Done, Kind::Target) => (Level::Info, format!("Reached target {what}.")),
            (JobKind::Start, JobResult::Done, Kind::Socket(_)) => (Level::Info, format!("Listening on {what}.")),
            (JobKind::Start, JobResult::Done, Kind::Service(_)) if oneshot => {
                (Level::Info, format!("Finished {what}."))
            }
            (JobKind::Start, JobResult::Done, _) => (Level::Info, format!("Started {what}.")),
            (JobKind::Start, JobResult::Dependency, _) => (Level::Warning, format!("Dependency failed for {what}.")),
            (JobKind::Start, JobResult::Canceled, _) => return,
            (JobKind::Start, _, _) => (Level::Warning, format!("Failed to start {what}.")),
            (JobKind::Stop | JobKind::Restart, JobResult::Done, Kind::Target) => {
                (Level::Info, format!("Stopped target {what}."))
            }
            (JobKind::Stop | JobKind::Restart, JobResult::Done, Kind::Socket(_)) => {
                (Level::Info, format!("Closed {what}."))
            }
            (JobKind::Stop | JobKind::Restart, JobResult::Done, _) => (Level::Info, format!("Stopped {what}.")),
            (JobKind::Reload, JobResult::Done, _) => (Level::Info, format!("Reloaded {what}.")),
            (JobKind::Reload, _, _) => (Level::Warning, format!("Reload failed for {what}.")),
            _ => return,
        };
        self.log(id, level, line);
    }
}
