//! What the driver tells: processes that were made and have ended, words of services.

use std::time::Duration;

use super::state::{Sub, UnitResult};
use super::{Level, Machine, Role, Timer, UnitId};
use crate::Nanos;
use crate::supervisor::notify::Message;
use crate::supervisor::unit::{ExitStatus, Type};

/// Why a process was not made, or did not come to its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpawnError {
    /// The exit status that says at which step, such as 203 for the program itself; none if there was no process at all.
    pub status: Option<u8>,
    /// In words.
    pub message: String,
}

impl Machine {
    /// What became of an [`Action::Spawn`](super::Action::Spawn).
    pub fn handle_spawned(&mut self, now: Nanos, id: UnitId, role: Role, made: Result<u32, SpawnError>) {
        self.now = self.now.max(now);
        let run = self.run(id);
        if run.spawning.take() != Some(role) {
            return;
        }
        match made {
            Ok(pid) => {
                match role {
                    Role::Main => (run.main, run.main_status) = (Some(pid), None),
                    Role::Probe => run.probe = Some(pid),
                    _ => run.control = Some(pid),
                }
                self.pids.insert(pid, id);
                if role == Role::Main {
                    self.main_started(id);
                }
            }
            Err(error) => {
                let line = format!("{}: {}", self.name(id), error.message);
                self.log(id, Level::Warning, line);
                let run = self.run(id);
                run.populated = run.populated_before;
                let status = error.status.map(ExitStatus::Exited);
                match (role, status) {
                    (Role::Main, Some(status)) => {
                        // A simple service counts as started when its process is made: that was made, and got no further.
                        let simple = self.service(id).is_some_and(|service| {
                            matches!(service.kind, Type::Simple | Type::Idle) && service.readiness.is_none()
                        });
                        if simple {
                            self.run(id).main = Some(0);
                            self.main_started(id);
                            self.run(id).main = None;
                        }
                        self.main_exited(id, status);
                    }
                    (Role::Main, None) => self.enter_signal(id, Sub::StopSigterm, UnitResult::Resources),
                    (Role::Probe, _) => self.asked(id, false),
                    (_, Some(status)) => self.control_exited(id, role, status),
                    (_, None) => self.control_done(id, role, UnitResult::Resources),
                }
            }
        }
        self.run_jobs();
    }

    /// A process has ended, and `id` is left with nobody if `empty`. Of a process that the machine does not know, only the second
    /// matters.
    pub fn handle_exited(&mut self, now: Nanos, id: UnitId, pid: u32, status: ExitStatus, empty: bool) {
        self.now = self.now.max(now);
        if empty {
            self.run(id).populated = false;
        }
        self.pids.remove(&pid);
        let run = self.run(id);
        if run.main == Some(pid) {
            run.main = None;
            self.main_exited(id, status);
        } else if run.control == Some(pid) {
            run.control = None;
            if let Some(role) = run.role.filter(|role| *role != Role::Main) {
                self.control_exited(id, role, status);
            }
        } else if run.probe == Some(pid) {
            run.probe = None;
            self.asked(id, status == ExitStatus::SUCCESS);
        }
        if empty && !self.is_populated(id) {
            self.emptied(id);
        }
        self.run_jobs();
    }

    /// Nobody is left of a unit.
    pub fn handle_empty(&mut self, now: Nanos, id: UnitId) {
        self.now = self.now.max(now);
        self.run(id).populated = false;
        self.emptied(id);
        self.run_jobs();
    }

    fn emptied(&mut self, id: UnitId) {
        let Some(service) = self.service(id) else { return };
        let run = &self.slots[id.index()].run;
        let nobody = run.main.is_none() && run.control.is_none() && run.spawning.is_none();
        match self.sub(id) {
            Sub::Running if nobody && service.kind == Type::Forking => self.enter_running(id, UnitResult::Success),
            Sub::Start
                if nobody && service.kind == Type::Forking && run.role.is_none() && service.pid_file.is_some() =>
            {
                let line = format!("{}: Daemon never wrote its PID file. Failing.", self.name(id));
                self.log(id, Level::Warning, line);
                self.enter_signal(id, Sub::StopSigterm, UnitResult::Protocol);
            }
            sub if sub.is_ending() => self.after_signals(id),
            _ => {}
        }
    }

    fn main_exited(&mut self, id: UnitId, status: ExitStatus) {
        let Some(service) = self.service(id) else { return };
        let oneshot = service.kind == Type::Oneshot;
        let ignored = self.command(id, Role::Main).is_some_and(|exec| exec.ignore_failure);
        self.run(id).main_status = Some(status);
        self.set_timer(id, Timer::Watchdog, None);
        let result = self.judge(id, status, "Main", !oneshot, ignored);
        let run = self.run(id);
        if run.result.is_success() {
            run.result = result;
        }
        match self.sub(id) {
            Sub::Start if oneshot && result.is_success() => self.next_command(id, Role::Main),
            // A process that ended well before it was ready has not kept to what was agreed.
            Sub::Start if !oneshot && result.is_success() => {
                self.drop_probe(id);
                self.enter_signal(id, Sub::StopSigterm, UnitResult::Protocol);
            }
            Sub::Start => {
                self.drop_probe(id);
                self.enter_signal(id, Sub::StopSigterm, result);
            }
            Sub::Running => self.enter_running(id, result),
            Sub::Reload if self.control_pid(id).is_none() => self.enter_running(id, result),
            sub if sub.is_ending() => self.after_signals(id),
            // A command is under way: what comes then is decided when it ends.
            _ => {}
        }
    }

    fn control_exited(&mut self, id: UnitId, role: Role, status: ExitStatus) {
        let ignored = self.command(id, role).is_some_and(|exec| exec.ignore_failure);
        let result = self.judge(id, status, "Control", false, ignored);
        self.control_done(id, role, result);
    }

    fn control_done(&mut self, id: UnitId, role: Role, result: UnitResult) {
        let next = result.is_success();
        match self.sub(id) {
            Sub::StartPre | Sub::StartPost if next => self.next_command(id, role),
            Sub::Start if next => self.next_command(id, Role::Start),
            Sub::StartPre | Sub::Start | Sub::StartPost => self.enter_signal(id, Sub::StopSigterm, result),
            Sub::Reload if next => self.next_command(id, role),
            Sub::Reload => {
                self.run(id).reload_failed = true;
                self.enter_running(id, UnitResult::Success);
            }
            Sub::Stop if next => self.next_command(id, role),
            Sub::Stop => self.enter_signal(id, Sub::StopSigterm, result),
            Sub::StopPost if next => self.next_command(id, role),
            Sub::StopPost => self.enter_signal(id, Sub::FinalSigterm, result),
            sub if sub.is_ending() => self.after_signals(id),
            _ => {}
        }
    }

    /// What became of [`Action::FindMain`](super::Action::FindMain).
    pub fn handle_main(&mut self, now: Nanos, id: UnitId, pid: Option<u32>) {
        self.now = self.now.max(now);
        self.found_main(id, pid);
        self.run_jobs();
    }

    /// What became of [`Action::Connect`](super::Action::Connect).
    pub fn handle_probed(&mut self, now: Nanos, id: UnitId, ready: bool) {
        self.now = self.now.max(now);
        self.asked(id, ready);
        self.run_jobs();
    }

    /// What a service says of itself; whether it may is the driver's to know.
    pub fn handle_notify(&mut self, now: Nanos, id: UnitId, message: &Message) {
        self.now = self.now.max(now);
        if self.service(id).is_none() {
            return;
        }
        if let Some(status) = &message.status {
            self.run(id).status.clone_from(status);
        }
        if let Some(pid) = message.main_pid.filter(|pid| self.main_pid(id) != Some(*pid))
            && matches!(self.sub(id), Sub::Start | Sub::StartPost | Sub::Running | Sub::Reload)
        {
            let old = self.run(id).main.replace(pid);
            old.map(|old| self.pids.remove(&old));
            self.pids.insert(pid, id);
        }
        if let Some(watchdog) = message.watchdog_usec {
            self.run(id).watchdog = Some(Duration::from_micros(watchdog)).filter(|watchdog| !watchdog.is_zero());
            self.reset_watchdog(id);
        }
        match self.sub(id) {
            Sub::Start if message.ready && self.service(id).is_some_and(|service| service.kind == Type::Notify) => {
                self.enter_start_post(id);
            }
            Sub::Running if message.reloading && !message.ready => {
                let limit = self.service(id).and_then(|service| service.timeout_start);
                self.set_timer(id, Timer::State, limit);
                self.set_sub(id, Sub::Reload);
            }
            // The one that it reports itself; a command's ends with the command.
            Sub::Reload if message.ready && self.control_pid(id).is_none() => {
                self.enter_running(id, UnitResult::Success);
            }
            Sub::Running if message.stopping => {
                let limit = self.service(id).and_then(|service| service.timeout_stop);
                self.set_timer(id, Timer::State, limit);
                self.set_timer(id, Timer::Watchdog, None);
                self.set_sub(id, Sub::StopSigterm);
            }
            _ => {}
        }
        if message.watchdog && self.deadline(id, Timer::Watchdog).is_some() {
            self.reset_watchdog(id);
        }
        if message.watchdog_trigger && matches!(self.sub(id), Sub::Start | Sub::StartPost | Sub::Running | Sub::Reload)
        {
            let line = format!("{}: Watchdog request by the service itself!", self.name(id));
            self.log(id, Level::Warning, line);
            self.watchdog_fired(id);
        }
        if let Some(micros) = message.extend_timeout_usec {
            self.extend_timeout(id, Duration::from_micros(micros));
        }
        self.run_jobs();
    }

    /// A deadline moves away from now on, and never nearer.
    fn extend_timeout(&mut self, id: UnitId, by: Duration) {
        let waits = matches!(self.sub(id).active(), super::Active::Activating | super::Active::Deactivating)
            || self.sub(id) == Sub::Running;
        let (Some(old), Some(new)) = (self.deadline(id, Timer::State), self.now.checked_add(by)) else { return };
        if waits && self.sub(id) != Sub::AutoRestart && new > old {
            self.set_timer(id, Timer::State, Some(by));
        }
    }
}
