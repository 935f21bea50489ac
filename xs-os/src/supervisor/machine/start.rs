//! How a service comes up: start-pre, start, start-post, running; and how it reads its configuration again.

use std::time::Duration;

use super::state::{Sub, UnitResult};
use super::{Action, Level, Machine, Role, Signal, Timer, UnitId, Whom};
use crate::supervisor::unit::{Exec, Readiness, Service, Type};

/// How long an idle service waits for the others at most.
const IDLE: Duration = Duration::from_secs(5);

/// How often a main process is looked for that should be there.
const FIND_AGAIN: Duration = Duration::from_millis(100);

impl Machine {
    /// What a unit is as a service: units that are none have no state in which this is asked.
    pub(super) fn service(&self, id: UnitId) -> Option<Service> {
        self.slots[id.index()].unit.as_service().cloned()
    }

    fn commands(&self, id: UnitId, role: Role) -> &[Exec] {
        let Some(service) = self.slots[id.index()].unit.as_service() else { return &[] };
        match role {
            Role::Main | Role::Start => &service.exec_start,
            Role::StartPre => &service.exec_start_pre,
            Role::StartPost => &service.exec_start_post,
            Role::Reload => &service.exec_reload,
            Role::Stop => &service.exec_stop,
            Role::StopPost => &service.exec_stop_post,
            Role::Probe => match &service.readiness {
                Some(Readiness::Exec(exec)) => std::slice::from_ref(exec),
                _ => &[],
            },
        }
    }

    /// The command of a role that is under way.
    pub(super) fn command(&self, id: UnitId, role: Role) -> Option<&Exec> {
        let index = if role == Role::Probe { 0 } else { self.slots[id.index()].run.index };
        self.commands(id, role).get(index)
    }

    /// Asks for the process of a role's command with this number; whether there is one.
    pub(super) fn spawn(&mut self, id: UnitId, role: Role, index: usize) -> bool {
        let Some(exec) = self.commands(id, role).get(index).cloned() else { return false };
        let mut variables = Vec::new();
        if let (Some(pid), false) = (self.main_pid(id).filter(|pid| *pid != 0), role == Role::Main) {
            variables.push(("MAINPID", pid.to_string()));
        }
        if let (Some(watchdog), Role::Main) = (self.watchdog(id), role) {
            variables.push(("WATCHDOG_USEC", watchdog.as_micros().to_string()));
        }
        if matches!(role, Role::Stop | Role::StopPost) {
            variables.push(("SERVICE_RESULT", self.result(id).name().to_owned()));
            if let Some(status) = self.main_status(id) {
                let (code, status) = status.variables();
                variables.push(("EXIT_CODE", code.to_owned()));
                variables.push(("EXIT_STATUS", status));
            }
        }
        let run = self.run(id);
        run.spawning = Some(role);
        run.populated_before = std::mem::replace(&mut run.populated, true);
        if role != Role::Probe {
            (run.role, run.index) = (Some(role), index);
        }
        self.actions.push_back(Action::Spawn { unit: id, role, exec, variables });
        true
    }

    /// Enters a state for a role's first command; whether there is one.
    pub(super) fn enter_with(&mut self, id: UnitId, sub: Sub, role: Role, limit: Option<Duration>) -> bool {
        if self.commands(id, role).is_empty() {
            return false;
        }
        self.set_timer(id, Timer::State, limit);
        self.set_sub(id, sub);
        self.spawn(id, role, 0)
    }

    /// The beginning of a life, if the limit of starts allows one.
    pub(super) fn start_service(&mut self, id: UnitId) {
        let Some(service) = self.service(id) else { return };
        let (interval, burst) = {
            let unit = self.unit(id);
            (unit.start_limit_interval, unit.start_limit_burst)
        };
        let now = self.now;
        self.set_timer(id, Timer::State, None);
        let refused = !self.run(id).starts.allows(now, interval, burst);
        self.run(id).refused = refused;
        if refused {
            let line = format!("{}: Start request repeated too quickly.", self.name(id));
            self.log(id, Level::Warning, line);
            return self.enter_dead(id, UnitResult::StartLimitHit, false);
        }
        // A life that begins by itself goes on counting; one that somebody asked for begins at nothing.
        let by_itself = self.sub(id) == Sub::AutoRestart;
        let run = self.run(id);
        if !by_itself {
            run.restarts = 0;
        }
        run.result = UnitResult::Success;
        run.main_status = None;
        run.forbid_restart = false;
        run.reload_failed = false;
        run.status.clear();
        run.watchdog = service.watchdog;
        if !self.enter_with(id, Sub::StartPre, Role::StartPre, service.timeout_start) {
            self.enter_start(id);
        }
    }

    pub(super) fn enter_start(&mut self, id: UnitId) {
        let Some(service) = self.service(id) else { return };
        if service.exec_start.is_empty() {
            return self.enter_start_post(id);
        }
        let role = if service.kind == Type::Forking { Role::Start } else { Role::Main };
        self.set_timer(id, Timer::State, service.timeout_start);
        self.set_sub(id, Sub::Start);
        if service.kind == Type::Idle && self.others_run(id) {
            self.run(id).role = None;
            self.set_timer(id, Timer::State, Some(IDLE));
            return;
        }
        self.spawn(id, role, 0);
    }

    /// Whether an idle service waits for the others' jobs.
    pub(super) fn is_idling(&self, id: UnitId) -> bool {
        let idle = self.slots[id.index()].unit.as_service().is_some_and(|service| service.kind == Type::Idle);
        let run = &self.slots[id.index()].run;
        idle && self.sub(id) == Sub::Start && run.role.is_none()
    }

    pub(super) fn end_idle(&mut self, id: UnitId) {
        let Some(service) = self.service(id) else { return };
        self.set_timer(id, Timer::State, service.timeout_start);
        self.spawn(id, Role::Main, 0);
    }

    /// The main process is there: is that all, or must it be ready?
    pub(super) fn main_started(&mut self, id: UnitId) {
        let Some(service) = self.service(id) else { return };
        if self.sub(id) != Sub::Start {
            return;
        }
        match service.kind {
            Type::Oneshot => {}
            Type::Notify => self.reset_watchdog(id),
            Type::Simple | Type::Exec | Type::Idle | Type::Forking if service.readiness.is_some() => self.ask_again(id),
            Type::Simple | Type::Exec | Type::Idle | Type::Forking => self.enter_start_post(id),
        }
    }

    /// Asks whether it is ready; or again for the main process of one that forked.
    pub(super) fn ask_again(&mut self, id: UnitId) {
        let Some(service) = self.service(id) else { return };
        if self.sub(id) != Sub::Start {
            return;
        }
        if service.kind == Type::Forking && self.main_pid(id).is_none() && service.pid_file.is_some() {
            return self.actions.push_back(Action::FindMain(id));
        }
        match service.readiness {
            Some(Readiness::Port(port)) => self.actions.push_back(Action::Connect(id, port)),
            Some(Readiness::Exec(_)) => {
                self.spawn(id, Role::Probe, 0);
            }
            None => {}
        }
    }

    /// What became of asking.
    pub(super) fn asked(&mut self, id: UnitId, ready: bool) {
        let Some(service) = self.service(id) else { return };
        if self.sub(id) != Sub::Start {
            return;
        }
        if ready {
            self.enter_start_post(id);
        } else {
            self.set_timer(id, Timer::Again, Some(service.readiness_interval));
        }
    }

    /// What became of [`Action::FindMain`].
    pub(super) fn found_main(&mut self, id: UnitId, pid: Option<u32>) {
        let Some(service) = self.service(id) else { return };
        if self.sub(id) != Sub::Start || service.kind != Type::Forking || self.main_pid(id).is_some() {
            return;
        }
        match pid {
            Some(pid) => {
                self.run(id).main = Some(pid);
                self.pids.insert(pid, id);
                self.main_started(id);
            }
            // A file may be written a little after the first process has ended, by those whom it left behind.
            None if service.pid_file.is_some() && self.is_populated(id) => {
                self.set_timer(id, Timer::Again, Some(FIND_AGAIN));
            }
            None if service.pid_file.is_some() || !self.is_populated(id) => {
                let line = format!("{}: New main PID is not known, and nothing is left running.", self.name(id));
                self.log(id, Level::Warning, line);
                self.enter_signal(id, Sub::StopSigterm, UnitResult::Protocol);
            }
            None => self.main_started(id),
        }
    }

    pub(super) fn enter_start_post(&mut self, id: UnitId) {
        let Some(service) = self.service(id) else { return };
        self.set_timer(id, Timer::Again, None);
        self.drop_probe(id);
        self.reset_watchdog(id);
        if !self.enter_with(id, Sub::StartPost, Role::StartPost, service.timeout_start) {
            self.enter_running(id, UnitResult::Success);
        }
    }

    /// Up; or, if what it was started for has ended already, what comes then.
    pub(super) fn enter_running(&mut self, id: UnitId, result: UnitResult) {
        let Some(service) = self.service(id) else { return };
        let run = self.run(id);
        (run.role, run.control) = (None, None);
        if run.result.is_success() {
            run.result = result;
        }
        let result = run.result;
        // One that forked and whose main process is not known lives as long as any process of it.
        let lives = run.main.is_some() || (service.kind == Type::Forking && run.main_status.is_none() && run.populated);
        if result.is_success() && lives {
            // Counted from when it came up, and not from its last reload.
            let now = self.now;
            let reloaded = self.sub(id) == Sub::Reload;
            let run = self.run(id);
            let up = run.up.filter(|_| reloaded).unwrap_or(now);
            run.up = Some(up);
            let gone = Duration::from_nanos(now.since(up));
            self.set_timer(id, Timer::State, service.runtime_max.map(|most| most.saturating_sub(gone)));
            self.set_sub(id, Sub::Running);
        } else if result.is_success() && service.remain_after_exit {
            self.clear_timers(id);
            self.set_sub(id, Sub::Exited);
        } else if !result.is_success() && self.sub(id) == Sub::StartPost {
            // Never quite up: the commands for stopping are for those that were.
            self.enter_signal(id, Sub::StopSigterm, result);
        } else {
            self.enter_stop(id, result);
        }
    }

    /// The next command of a list after one that went well, or what follows on the last.
    pub(super) fn next_command(&mut self, id: UnitId, role: Role) {
        let next = self.run(id).index.saturating_add(1);
        if role == Role::StartPre && self.is_populated(id) {
            // What was forked beforehand is no part of the service.
            self.actions.push_back(Action::Signal { unit: id, whom: Whom::Group, signal: Signal::KILL });
        }
        if self.spawn(id, role, next) {
            // Each command has its own time.
            let stops = matches!(role, Role::Stop | Role::StopPost);
            let limit =
                self.service(id).and_then(|service| if stops { service.timeout_stop } else { service.timeout_start });
            return self.set_timer(id, Timer::State, limit);
        }
        self.run(id).role = None;
        match role {
            Role::StartPre => self.enter_start(id),
            Role::Start => self.actions.push_back(Action::FindMain(id)),
            Role::StartPost | Role::Reload => self.enter_running(id, UnitResult::Success),
            Role::Main => self.enter_start_post(id),
            Role::Stop => self.enter_signal(id, Sub::StopSigterm, UnitResult::Success),
            Role::StopPost => self.enter_signal(id, Sub::FinalSigterm, UnitResult::Success),
            Role::Probe => {}
        }
    }

    pub(super) fn reload_service(&mut self, id: UnitId) {
        let Some(service) = self.service(id) else { return };
        self.run(id).reload_failed = false;
        self.enter_with(id, Sub::Reload, Role::Reload, service.timeout_start);
    }

    /// How long it may be silent.
    pub(super) fn watchdog(&self, id: UnitId) -> Option<Duration> {
        self.slots[id.index()].run.watchdog
    }

    pub(super) fn reset_watchdog(&mut self, id: UnitId) {
        let watchdog = self.watchdog(id).filter(|_| self.main_pid(id).is_some());
        self.set_timer(id, Timer::Watchdog, watchdog);
    }
}
