//! Sockets and targets: units without processes.

use super::jobs::JobKind;
use super::state::{Sub, UnitResult};
use super::{Action, Level, Load, Machine, UnitId};
use crate::Nanos;
use crate::supervisor::unit::Kind;

impl Machine {
    pub(super) fn start_socket(&mut self, id: UnitId) {
        let Some(service) = self.slots[id.index()].links.triggers else { return };
        if *self.load(service) != Load::Loaded {
            let line = format!("{}: Socket service {} not loaded, refusing.", self.name(id), self.name(service));
            self.log(id, Level::Warning, line);
            return self.fail_socket(id, UnitResult::Resources);
        }
        if !self.active(service).is_down() {
            let line = format!("{}: Socket service {} already active, refusing.", self.name(id), self.name(service));
            self.log(id, Level::Warning, line);
            return self.fail_socket(id, UnitResult::Resources);
        }
        self.run(id).result = UnitResult::Success;
        self.actions.push_back(Action::Listen(id));
    }

    /// What became of [`Action::Listen`]: why it could not, if it could not.
    pub fn handle_listening(&mut self, now: Nanos, id: UnitId, listening: Result<(), String>) {
        self.now = self.now.max(now);
        match listening {
            Ok(()) => {
                self.actions.push_back(Action::Watch(id));
                self.set_sub(id, Sub::Listening);
            }
            Err(why) => {
                let line = format!("{}: Failed to listen on sockets: {why}", self.name(id));
                self.log(id, Level::Warning, line);
                self.fail_socket(id, UnitResult::Resources);
            }
        }
        self.run_jobs();
    }

    /// Somebody has come to a socket that was watched.
    pub fn handle_triggered(&mut self, now: Nanos, id: UnitId) {
        self.now = self.now.max(now);
        let (Some(service), Sub::Listening) = (self.slots[id.index()].links.triggers, self.sub(id)) else { return };
        let now = self.now;
        let socket = self.unit(id).clone();
        let Some(socket) = socket.as_socket() else { return };
        if !self.run(id).triggers.allows(now, socket.trigger_limit_interval, socket.trigger_limit_burst) {
            let line = format!("{}: Trigger limit hit, refusing further activation.", self.name(id));
            self.log(id, Level::Warning, line);
            self.fail_socket(id, UnitResult::TriggerLimitHit);
        } else {
            self.set_sub(id, Sub::Running);
            let starts = !self.active(service).is_up() && !self.shutting_down;
            if let Some(error) = starts.then(|| self.enqueue(JobKind::Start, service).err()).flatten() {
                let line = format!("{}: Failed to queue service startup job: {error}", self.name(id));
                self.log(id, Level::Warning, line);
                self.fail_socket(id, UnitResult::Resources);
            }
        }
        self.run_jobs();
    }

    /// A service has come up or gone down: its sockets are its own, or wait again.
    pub(super) fn tell_sockets(&mut self, id: UnitId) {
        let Kind::Service(_) = self.unit(id).kind else { return };
        let up = self.active(id).is_up();
        let refused = self.run(id).refused;
        for socket in self.slots[id.index()].links.triggered_by.clone() {
            match self.sub(socket) {
                Sub::Listening if up => {
                    self.actions.push_back(Action::Unwatch(socket));
                    self.set_sub(socket, Sub::Running);
                }
                // Who comes now would start it again, and be refused for ever.
                Sub::Running if !up && refused => self.fail_socket(socket, UnitResult::ServiceStartLimitHit),
                Sub::Running if !up && !self.slots[id.index()].run.comes_back => {
                    self.actions.push_back(Action::Watch(socket));
                    self.set_sub(socket, Sub::Listening);
                }
                _ => {}
            }
        }
    }

    fn fail_socket(&mut self, id: UnitId, result: UnitResult) {
        self.actions.push_back(Action::Close(id));
        self.run(id).result = result;
        let line = format!("{}: Failed with result '{}'.", self.name(id), result.name());
        self.log(id, Level::Warning, line);
        self.set_sub(id, Sub::Failed);
        // A start that fails at once never leaves the state that it began in.
        self.job_after_change(id, super::Active::Failed);
    }

    pub(super) fn stop_socket(&mut self, id: UnitId) {
        self.actions.push_back(Action::Close(id));
        self.set_sub(id, Sub::Dead);
    }
}
