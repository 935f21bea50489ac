//! Who runs next on a P. Go: findRunnable.

use super::super::{MICRO, TaskId};
use super::Steal;
use super::machine::{Go, Status};
use super::run::Event;

/// How often all other Ps are looked at.
const ROUNDS: u32 = 4;
/// A P that runs something will run its runnext soon: nobody takes it earlier.
const RUNNEXT_WAITS: u64 = 3 * MICRO;

enum Found {
    /// Who, and whether in the slice that is under way.
    Run(TaskId, bool),
    /// There is only another P's runnext: look again in a moment.
    Later,
    Nothing,
}

impl Go {
    /// Lets a P run what it finds, or become idle.
    pub(super) fn schedule(&mut self, p: usize, patient: bool) {
        match self.find(p, patient) {
            Found::Run(task, inherit) => {
                let m = self.ps[p].m;
                if std::mem::take(&mut self.ms[m].spinning) {
                    // It looked on behalf of all: somebody else must now.
                    self.spinning -= 1;
                    self.wake_one();
                }
                self.execute(p, task, inherit);
            }
            Found::Later => self.core.at(self.core.now + RUNNEXT_WAITS, Event::Patient(p)),
            Found::Nothing => self.retire(p),
        }
    }

    fn find(&mut self, p: usize, patient: bool) -> Found {
        self.run_timers(p, p);
        let every = self.tuning.global_every;
        if every > 0
            && self.ps[p].turns.is_multiple_of(every)
            && let Some(task) = self.take_global(p, 1)
        {
            return Found::Run(task, false);
        }
        if let Some(task) = self.ps[p].next.take() {
            return Found::Run(task, self.tuning.inherit);
        }
        if let Some(task) = self.ps[p].ring.pop_front() {
            return Found::Run(task, false);
        }
        if let Some(task) = self.take_global(p, usize::MAX) {
            return Found::Run(task, false);
        }
        // Whoever waits in netpoll has been told already.
        if self.poller.is_none() && !self.net.is_empty() {
            let mut tasks = self.take_net();
            if let Some(task) = tasks.pop_front() {
                self.inject(tasks, Some(p));
                return Found::Run(task, false);
            }
        }
        if self.may_spin(p) { self.steal(p, patient) } else { Found::Nothing }
    }

    /// At most half as many spin as are busy.
    pub(super) fn may_spin(&mut self, p: usize) -> bool {
        let m = self.ps[p].m;
        if !self.ms[m].spinning {
            if 2 * self.spinning >= self.ps.len() - self.idle_ps.len() {
                return false;
            }
            self.ms[m].spinning = true;
            self.spinning += 1;
        }
        true
    }

    fn steal(&mut self, p: usize, patient: bool) -> Found {
        let n = self.ps.len();
        let mut later = false;
        for round in 0..ROUNDS {
            let last = round + 1 == ROUNDS;
            // A random start and a step that divides with no one: each P once, in an order that is cheap to draw.
            let (start, step) = (self.rng.index(n), self.coprime());
            for i in 0..n {
                let victim = (start + i * step) % n;
                if victim == p {
                    continue;
                }
                if last {
                    self.run_timers(victim, p);
                    if let Some(task) = self.ps[p].next.take() {
                        return Found::Run(task, self.tuning.inherit);
                    }
                    if let Some(task) = self.ps[p].ring.pop_front() {
                        return Found::Run(task, false);
                    }
                }
                if self.ps[victim].status == Status::Idle {
                    continue;
                }
                if let Some(task) = self.steal_ring(p, victim) {
                    return Found::Run(task, false);
                }
                if last && self.tuning.steal != Steal::Nothing && self.ps[victim].next.is_some() {
                    if patient || self.ps[victim].status != Status::Running {
                        self.core.counts.steals += 1;
                        if let Some(task) = self.ps[victim].next.take() {
                            return Found::Run(task, false);
                        }
                    }
                    later = true;
                }
            }
        }
        if later { Found::Later } else { Found::Nothing }
    }

    fn coprime(&mut self) -> usize {
        let n = self.ps.len();
        let divides = |mut a: usize, mut b: usize| {
            while b > 0 {
                (a, b) = (b, a % b);
            }
            a == 1
        };
        let drawn = self.rng.index(n);
        (0..n).map(|i| (drawn + i) % n + 1).find(|&step| divides(step, n)).unwrap_or(1)
    }

    /// Go: runqsteal. The last one that is taken runs, the others go into the ring, which is empty.
    fn steal_ring(&mut self, p: usize, victim: usize) -> Option<TaskId> {
        let there = self.ps[victim].ring.len();
        let n = match self.tuning.steal {
            Steal::Half => there - there / 2,
            Steal::One => there.min(1),
            Steal::Nothing => 0,
        };
        let mut taken = std::mem::take(&mut self.ps[victim].ring);
        self.ps[victim].ring = taken.split_off(n);
        self.core.counts.steals += n as u64;
        let run = taken.pop_back();
        self.ps[p].ring.append(&mut taken);
        run
    }

    /// Nothing to do: the P is idle, its thread waits in netpoll if nobody does, or sleeps.
    fn retire(&mut self, p: usize) {
        let m = self.ps[p].m;
        let was_spinning = std::mem::take(&mut self.ms[m].spinning);
        self.spinning -= usize::from(was_spinning);
        self.ms[m].was_spinning = was_spinning;
        self.make_idle(p);
        if self.poller.is_none() && (self.net_waiting > 0 || self.timers > 0) {
            self.poller = Some(m);
            // What has happened before is seen at once.
            if !self.net.is_empty() || self.ps.iter().any(|p| p.timer_due(self.core.now)) {
                self.wake_poller();
            }
        } else {
            self.idle_ms.push(m);
        }
    }
}
