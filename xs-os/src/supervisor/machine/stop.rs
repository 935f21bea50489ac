//! How a service goes down: stop, signals one after the other, stop-post, and what is left then.

use super::state::{Sub, UnitResult};
use super::{Action, Machine, Role, Timer, UnitId, Whom};
use crate::supervisor::unit::{KillMode, Signal};

impl Machine {
    /// A stop that somebody asked for: whatever it is doing, it does not come back by itself.
    pub(super) fn stop_service(&mut self, id: UnitId) {
        self.run(id).forbid_restart = true;
        match self.sub(id) {
            Sub::AutoRestart => {
                self.clear_timers(id);
                self.set_sub(id, Sub::Dead);
            }
            Sub::StartPre | Sub::Start | Sub::StartPost => {
                self.enter_signal(id, Sub::StopSigterm, UnitResult::Success);
            }
            Sub::Reload => {
                self.kill_control(id);
                self.enter_stop(id, UnitResult::Success);
            }
            Sub::Running | Sub::Exited => self.enter_stop(id, UnitResult::Success),
            _ => {}
        }
    }

    fn keep_result(&mut self, id: UnitId, result: UnitResult) {
        let run = self.run(id);
        if run.result.is_success() {
            run.result = result;
        }
    }

    pub(super) fn enter_stop(&mut self, id: UnitId, result: UnitResult) {
        self.keep_result(id, result);
        self.set_timer(id, Timer::Watchdog, None);
        let limit = self.service(id).and_then(|service| service.timeout_stop);
        if !self.enter_with(id, Sub::Stop, Role::Stop, limit) {
            self.enter_signal(id, Sub::StopSigterm, UnitResult::Success);
        }
    }

    pub(super) fn enter_stop_post(&mut self, id: UnitId, result: UnitResult) {
        self.keep_result(id, result);
        self.drop_control(id);
        let limit = self.service(id).and_then(|service| service.timeout_stop);
        if !self.enter_with(id, Sub::StopPost, Role::StopPost, limit) {
            self.enter_signal(id, Sub::FinalSigterm, UnitResult::Success);
        }
    }

    /// Signals what there is, and waits; if there is nothing to wait for, goes on to the next step.
    pub(super) fn enter_signal(&mut self, id: UnitId, sub: Sub, result: UnitResult) {
        self.keep_result(id, result);
        self.set_timer(id, Timer::Watchdog, None);
        self.set_timer(id, Timer::Again, None);
        let Some(service) = self.service(id) else { return };
        let mut sub = sub;
        loop {
            let (signal, limit) = match sub {
                Sub::StopWatchdog | Sub::FinalWatchdog => {
                    (service.watchdog_signal, service.timeout_abort.or(service.timeout_stop))
                }
                Sub::StopSigterm | Sub::FinalSigterm => (service.kill_signal, service.timeout_stop),
                Sub::StopSigkill | Sub::FinalSigkill => (service.final_kill_signal, service.timeout_stop),
                _ => return,
            };
            let kills = matches!(sub, Sub::StopSigkill | Sub::FinalSigkill);
            if self.signal_service(id, signal, kills) {
                self.set_timer(id, Timer::State, limit);
                return self.set_sub(id, sub);
            }
            sub = match sub {
                Sub::StopWatchdog | Sub::StopSigterm if service.send_sigkill => Sub::StopSigkill,
                Sub::FinalWatchdog | Sub::FinalSigterm if service.send_sigkill => Sub::FinalSigkill,
                sub if sub.is_final() => return self.enter_dead(id, UnitResult::Success, true),
                _ => return self.enter_stop_post(id, UnitResult::Success),
            };
        }
    }

    /// Whether anybody was signalled whose end is to be waited for.
    fn signal_service(&mut self, id: UnitId, signal: Signal, kills: bool) -> bool {
        let Some(service) = self.service(id) else { return false };
        if service.kill_mode == KillMode::None {
            return false;
        }
        let run = &self.slots[id.index()].run;
        let group = service.kill_mode == KillMode::ControlGroup || (service.kill_mode == KillMode::Mixed && kills);
        let whom: Vec<Whom> = if group {
            run.populated.then_some(Whom::Group).into_iter().collect()
        } else {
            [run.main, run.control, run.probe].into_iter().flatten().map(Whom::Process).collect()
        };
        for whom in &whom {
            self.actions.push_back(Action::Signal { unit: id, whom: *whom, signal });
            // Who is stopped acts on no signal before it goes on.
            if !kills && signal != Signal::CONT {
                self.actions.push_back(Action::Signal { unit: id, whom: *whom, signal: Signal::CONT });
            }
            if service.send_sighup && !kills && signal != Signal::HUP {
                self.actions.push_back(Action::Signal { unit: id, whom: *whom, signal: Signal::HUP });
            }
        }
        !whom.is_empty()
    }

    /// Kills the process of a command and waits for it no longer; that of a readiness question as well.
    pub(super) fn kill_control(&mut self, id: UnitId) {
        let run = self.run(id);
        let pids: Vec<u32> = [run.control.take(), run.probe.take()].into_iter().flatten().collect();
        run.role = None;
        for pid in pids {
            self.pids.remove(&pid);
            self.actions.push_back(Action::Signal { unit: id, whom: Whom::Process(pid), signal: Signal::KILL });
        }
    }

    /// Waits no longer for the processes of commands: signals have gone out to them as to the others.
    fn drop_control(&mut self, id: UnitId) {
        let run = self.run(id);
        let pids = [run.control.take(), run.probe.take()];
        for pid in pids.into_iter().flatten() {
            self.pids.remove(&pid);
        }
    }

    pub(super) fn drop_probe(&mut self, id: UnitId) {
        if let Some(pid) = self.run(id).probe.take() {
            self.pids.remove(&pid);
            self.actions.push_back(Action::Signal { unit: id, whom: Whom::Process(pid), signal: Signal::KILL });
        }
    }

    /// Goes on from a state of signals if those it waits for are gone.
    pub(super) fn after_signals(&mut self, id: UnitId) {
        let Some(service) = self.service(id) else { return };
        let run = &self.slots[id.index()].run;
        if run.main.is_some() || run.control.is_some() {
            return;
        }
        match self.sub(id) {
            // Those that are left get their signals after stop-post.
            Sub::StopWatchdog | Sub::StopSigterm | Sub::StopSigkill => self.enter_stop_post(id, UnitResult::Success),
            sub if sub.is_final() => {
                // Of what is signalled as a group, everybody must be gone.
                let group = matches!(service.kill_mode, KillMode::ControlGroup)
                    || (service.kill_mode == KillMode::Mixed && sub == Sub::FinalSigkill);
                if !(group && self.is_populated(id)) {
                    if service.kill_mode == KillMode::Mixed && self.is_populated(id) {
                        self.enter_signal(id, Sub::FinalSigkill, UnitResult::Success);
                    } else {
                        self.enter_dead(id, UnitResult::Success, true);
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn watchdog_fired(&mut self, id: UnitId) {
        self.enter_signal(id, Sub::StopWatchdog, UnitResult::Watchdog);
    }
}
