//! The thread without a P that looks after all the others. Go: sysmon, retake.

use super::super::trace::End;
use super::super::{MICRO, MILLI, Time};
use super::machine::{Go, Status};
use super::run::Event;

const SHORTEST: Time = 20 * MICRO;
const LONGEST: Time = 10 * MILLI;
/// So many looks in vain, and the next ones are further apart.
const IN_VAIN: u32 = 50;
/// How long a P without anything queued may stay in a system call while others are idle.
const CALL_IN_PEACE: Time = 10 * MILLI;

/// What sysmon saw of a P, and when it saw it first.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seen {
    turns: u32,
    turn_since: Time,
    calls: u32,
    call_since: Time,
}

#[derive(Debug)]
pub(super) struct Sysmon {
    asleep: bool,
    in_vain: u32,
    delay: Time,
}

impl Default for Sysmon {
    fn default() -> Self {
        Sysmon { asleep: true, in_vain: 0, delay: SHORTEST }
    }
}

impl Sysmon {
    /// When to look again, after a look that has taken so many Ps.
    fn looked(&mut self, retaken: usize) {
        self.in_vain = if retaken > 0 { 0 } else { self.in_vain.saturating_add(1) };
        self.delay = match self.in_vain {
            0 => SHORTEST,
            1..=IN_VAIN => self.delay,
            _ => (2 * self.delay).min(LONGEST),
        };
    }
}

impl Go {
    /// A P is in use again.
    pub(super) fn wake_sysmon(&mut self) {
        if self.sysmon.asleep {
            self.sysmon = Sysmon { asleep: false, ..Sysmon::default() };
            self.core.at(self.core.now + SHORTEST, Event::Sysmon);
        }
    }

    pub(super) fn look(&mut self) {
        if self.idle_ps.len() == self.ps.len() {
            self.sysmon.asleep = true;
            return;
        }
        let now = self.core.now;
        if let Some(poll) = self.tuning.poll
            && self.poller.is_none()
            && !self.net.is_empty()
            && self.last_poll + poll < now
        {
            self.last_poll = now;
            let tasks = self.take_net();
            self.inject(tasks, None);
        }
        if self.poller.is_none()
            && self.ps.iter().any(|p| p.timer_due(now.saturating_sub(1)))
            && let Some(p) = self.acquire()
        {
            // Timers that should have run, perhaps of a P that has no time for them.
            self.start_thread(p, false);
        }
        let retaken = (0..self.ps.len()).filter(|&p| self.look_at(p)).count();
        self.sysmon.looked(retaken);
        self.core.at(now + self.sysmon.delay, Event::Sysmon);
    }

    /// Says whether it has taken the P from a system call.
    fn look_at(&mut self, p: usize) -> bool {
        let now = self.core.now;
        let at = &mut self.ps[p];
        if at.status == Status::Idle || at.current.is_none() {
            return false;
        }
        let mut long = false;
        if at.seen.turns != at.turns {
            (at.seen.turns, at.seen.turn_since) = (at.turns, now);
        } else if self.tuning.preempt.is_some_and(|limit| at.seen.turn_since + limit <= now) {
            if at.status == Status::Running {
                self.preempt(p);
                return false;
            }
            long = true;
        }
        let at = &mut self.ps[p];
        if at.status != Status::Syscall || !self.tuning.retake {
            return false;
        }
        if !long && at.seen.calls != at.calls {
            (at.seen.calls, at.seen.call_since) = (at.calls, now);
            return false;
        }
        // Nobody needs it: the call may end soon.
        let idle = self.spinning + self.idle_ps.len();
        if at.is_empty() && idle > 0 && at.seen.call_since + CALL_IN_PEACE > now {
            return false;
        }
        at.calls = at.calls.wrapping_add(1);
        at.current = None;
        self.core.close(Go::cpu(p), End::Retaken);
        self.core.counts.retakes += 1;
        self.hand_off(p);
        true
    }

    /// A P without a thread: somebody runs it if there may be something to do. Go: handoffp.
    fn hand_off(&mut self, p: usize) {
        let idle = self.idle_ps.len();
        let waits = self.net_waiting > 0 || self.timers > 0;
        if !self.ps[p].is_empty() || !self.global.is_empty() {
            self.start_thread(p, false);
        } else if self.spinning + idle == 0 {
            self.spinning += 1;
            self.start_thread(p, true);
        } else if idle + 1 == self.ps.len() && self.poller.is_none() && waits {
            // The last one that is in use: somebody must poll.
            self.start_thread(p, false);
        } else {
            self.make_idle(p);
            if !self.ps[p].timers.is_empty() {
                self.need_poller();
            }
        }
    }

    fn preempt(&mut self, p: usize) {
        if let Some(task) = self.ps[p].current.take() {
            self.account(p, task);
            self.core.release(Go::cpu(p), task, End::Preempted);
            self.global.push_back(task);
            self.schedule(p, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_in_vain_are_further_and_further_apart_until_one_is_not() {
        let mut sysmon = Sysmon::default();
        let mut delays = |looks: u32| {
            (0..looks)
                .map(|_| {
                    sysmon.looked(0);
                    sysmon.delay
                })
                .last()
        };
        assert_eq!(delays(50), Some(20 * MICRO));
        assert_eq!(delays(1), Some(40 * MICRO));
        assert_eq!(delays(3), Some(320 * MICRO));
        assert_eq!(delays(10), Some(10 * MILLI));
        sysmon.looked(1);
        assert_eq!(sysmon.delay, 20 * MICRO);
        sysmon.looked(0);
        assert_eq!(sysmon.delay, 20 * MICRO);
    }
}
