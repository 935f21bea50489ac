//! Deadlines: at most one of each kind a unit.

use std::time::Duration;

use super::state::{Sub, UnitResult};
use super::{Level, Machine, UnitId};
use crate::Nanos;

/// What a unit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The end of its state.
    State,
    /// A sign of life.
    Watchdog,
    /// Asking again whether it is ready, or where its main process is.
    Again,
}

impl Timer {
    /// All of them.
    pub const ALL: [Timer; 3] = [Timer::State, Timer::Watchdog, Timer::Again];
}

impl Machine {
    /// Sets a deadline in the place of one of its kind; without a time, takes it away.
    pub(super) fn set_timer(&mut self, id: UnitId, timer: Timer, after: Option<Duration>) {
        // What is further away than numbers reach never comes.
        let at = after.and_then(|after| self.now.checked_add(after));
        let place = &mut self.slots[id.index()].run.timers[timer as usize];
        if let Some(old) = std::mem::replace(place, at) {
            self.deadlines.remove(&(old, id, timer));
        }
        if let Some(at) = at {
            self.deadlines.insert((at, id, timer));
        }
    }

    pub(super) fn clear_timers(&mut self, id: UnitId) {
        for timer in Timer::ALL {
            self.set_timer(id, timer, None);
        }
    }

    /// When a unit's deadline of a kind is.
    pub fn deadline(&self, id: UnitId, timer: Timer) -> Option<Nanos> {
        self.slots[id.index()].run.timers[timer as usize]
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        while let Some((at, id, timer)) = self.deadlines.first().copied().filter(|(at, _, _)| *at <= self.now) {
            self.deadlines.remove(&(at, id, timer));
            self.run(id).timers[timer as usize] = None;
            match timer {
                Timer::State => self.state_timeout(id),
                Timer::Watchdog => self.watchdog_timeout(id),
                Timer::Again => self.ask_again(id),
            }
            self.run_jobs();
        }
    }

    fn state_timeout(&mut self, id: UnitId) {
        let late = UnitResult::Timeout;
        let name = self.name(id).to_owned();
        match self.sub(id) {
            Sub::StartPre | Sub::Start | Sub::StartPost if self.is_idling(id) => self.end_idle(id),
            sub @ (Sub::StartPre | Sub::Start | Sub::StartPost) => {
                let what = if sub == Sub::Start { "start" } else { sub.name() };
                self.log(id, Level::Warning, format!("{name}: {what} operation timed out. Terminating."));
                self.enter_signal(id, Sub::StopSigterm, late);
            }
            Sub::Running => {
                self.log(id, Level::Warning, format!("{name}: Service reached runtime time limit. Stopping."));
                self.enter_stop(id, late);
            }
            Sub::Reload => {
                self.log(id, Level::Warning, format!("{name}: Reload operation timed out. Killing reload process."));
                self.kill_control(id);
                self.run(id).reload_failed = true;
                self.enter_running(id, UnitResult::Success);
            }
            Sub::Stop => {
                self.log(id, Level::Warning, format!("{name}: Stopping timed out. Terminating."));
                self.enter_signal(id, Sub::StopSigterm, late);
            }
            sub @ (Sub::StopWatchdog | Sub::StopSigterm | Sub::FinalWatchdog | Sub::FinalSigterm) => {
                let service = self.slots[id.index()].unit.as_service();
                let kills = service.is_some_and(|service| service.send_sigkill);
                let next = if kills { "Killing." } else { "Skipping SIGKILL." };
                self.log(id, Level::Warning, format!("{name}: State '{}' timed out. {next}", sub.name()));
                match (kills, sub.is_final()) {
                    (true, false) => self.enter_signal(id, Sub::StopSigkill, late),
                    (true, true) => self.enter_signal(id, Sub::FinalSigkill, late),
                    (false, false) => self.enter_stop_post(id, late),
                    (false, true) => self.enter_dead(id, late, true),
                }
            }
            Sub::StopSigkill => {
                self.log(id, Level::Warning, format!("{name}: Processes still around after SIGKILL. Ignoring."));
                self.enter_stop_post(id, late);
            }
            Sub::StopPost => {
                self.log(id, Level::Warning, format!("{name}: State 'stop-post' timed out. Terminating."));
                self.enter_signal(id, Sub::FinalSigterm, late);
            }
            Sub::FinalSigkill => {
                let what = "Processes still around after final SIGKILL. Entering failed mode.";
                self.log(id, Level::Warning, format!("{name}: {what}"));
                self.enter_dead(id, late, true);
            }
            Sub::AutoRestart => self.restart_now(id),
            Sub::Dead | Sub::Failed | Sub::Exited | Sub::Listening | Sub::Reached => {}
        }
    }

    fn watchdog_timeout(&mut self, id: UnitId) {
        if matches!(self.sub(id), Sub::Start | Sub::StartPost | Sub::Running | Sub::Reload) {
            let limit = self.watchdog(id).unwrap_or_default();
            let line = format!("{}: Watchdog timeout (limit {})!", self.name(id), super::super::text::span(limit));
            self.log(id, Level::Warning, line);
            self.watchdog_fired(id);
        }
    }
}
