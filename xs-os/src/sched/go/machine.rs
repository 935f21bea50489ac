//! Ps, Ms and the queues, and what moves between them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::super::core::Core;
use super::super::{CpuId, Options, TaskId, Time};
use super::Tuning;
use super::run::Event;
use super::sysmon::{Seen, Sysmon};
use crate::Rng;

/// How many goroutines a P's ring holds.
pub(super) const RING: usize = 256;
/// Go ends a program that has more threads.
const MOST_THREADS: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Idle,
    /// A thread has it, and runs a goroutine or looks for one.
    Running,
    /// Its thread is in a system call.
    Syscall,
}

#[derive(Debug)]
pub(super) struct P {
    pub(super) status: Status,
    pub(super) m: usize,
    pub(super) current: Option<TaskId>,
    pub(super) next: Option<TaskId>,
    pub(super) ring: VecDeque<TaskId>,
    /// By when they are due; the number keeps the order of equals.
    pub(super) timers: BinaryHeap<Reverse<(Time, u64, TaskId)>>,
    /// Turns that began a slice.
    pub(super) turns: u32,
    /// System calls that have ended, or lost their P.
    pub(super) calls: u32,
    pub(super) seen: Seen,
    /// Counts what makes planned events void.
    pub(super) epoch: u64,
    /// Up to when computing has been counted.
    pub(super) mark: Time,
}

impl P {
    /// Whether it has anything queued.
    pub(super) fn is_empty(&self) -> bool {
        self.next.is_none() && self.ring.is_empty()
    }

    pub(super) fn timer_due(&self, now: Time) -> bool {
        self.timers.peek().is_some_and(|Reverse((when, ..))| *when <= now)
    }
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct M {
    pub(super) spinning: bool,
    /// Before it went to wait in netpoll.
    pub(super) was_spinning: bool,
}

pub(super) struct Go {
    pub(super) core: Core<Event>,
    pub(super) tuning: Tuning,
    pub(super) rng: Rng,
    pub(super) switch: Time,
    pub(super) ps: Vec<P>,
    pub(super) ms: Vec<M>,
    pub(super) idle_ps: Vec<usize>,
    pub(super) idle_ms: Vec<usize>,
    pub(super) global: VecDeque<TaskId>,
    pub(super) spinning: usize,
    /// The thread that waits in netpoll, and whether it is on its way out.
    pub(super) poller: Option<usize>,
    pub(super) poller_wakes: bool,
    /// Whose I/O is ready, and nobody has noticed.
    pub(super) net: VecDeque<(Time, TaskId)>,
    /// Who waits for I/O, with those.
    pub(super) net_waiting: usize,
    pub(super) last_poll: Time,
    pub(super) timers: usize,
    pub(super) timers_made: u64,
    pub(super) sysmon: Sysmon,
}

impl Go {
    pub(super) fn new(core: Core<Event>, tuning: Tuning, options: &Options) -> Self {
        let p = |_| P {
            status: Status::Idle,
            m: 0,
            current: None,
            next: None,
            ring: VecDeque::new(),
            timers: BinaryHeap::new(),
            turns: 0,
            calls: 0,
            seen: Seen::default(),
            epoch: 0,
            mark: 0,
        };
        Go {
            core,
            tuning,
            rng: Rng::from_seed(options.seed).fork("steal"),
            switch: options.switch,
            ps: (0..options.cpus).map(p).collect(),
            ms: Vec::new(),
            // The first P is the first to be taken.
            idle_ps: (0..usize::from(options.cpus)).rev().collect(),
            idle_ms: Vec::new(),
            global: VecDeque::new(),
            spinning: 0,
            poller: None,
            poller_wakes: false,
            net: VecDeque::new(),
            net_waiting: 0,
            last_poll: 0,
            timers: 0,
            timers_made: 0,
            sysmon: Sysmon::default(),
        }
    }

    /// An idle P, which is nobody's any more.
    pub(super) fn acquire(&mut self) -> Option<usize> {
        let p = self.idle_ps.pop()?;
        self.ps[p].status = Status::Running;
        self.wake_sysmon();
        Some(p)
    }

    pub(super) fn make_idle(&mut self, p: usize) {
        self.ps[p].status = Status::Idle;
        self.idle_ps.push(p);
    }

    /// Lets a thread run a P. Go: startm.
    pub(super) fn start_thread(&mut self, p: usize, spinning: bool) {
        let m = match self.idle_ms.pop() {
            Some(m) => m,
            None => {
                if self.ms.len() >= MOST_THREADS {
                    self.core.too_many_threads(MOST_THREADS);
                }
                self.ms.push(M::default());
                self.core.counts.threads += 1;
                self.ms.len() - 1
            }
        };
        self.ms[m].spinning = spinning;
        self.ps[p].m = m;
        self.ps[p].status = Status::Running;
        self.core.at(self.core.now.saturating_add(self.tuning.thread_wake), Event::Thread(p));
    }

    /// Something has become runnable: somebody should look, unless somebody does. Go: wakep.
    pub(super) fn wake_one(&mut self) {
        if self.spinning > 0 {
            return;
        }
        if let Some(p) = self.acquire() {
            self.spinning += 1;
            self.start_thread(p, true);
        }
    }

    /// A goroutine on this P has made another one runnable. Go: ready, newproc.
    pub(super) fn ready(&mut self, p: usize, task: TaskId) {
        self.put(p, task, true);
        self.wake_one();
    }

    /// Go: runqput.
    pub(super) fn put(&mut self, p: usize, task: TaskId, next: bool) {
        let at = &mut self.ps[p];
        let mut task = task;
        if next && self.tuning.runnext {
            // Whoever was to be next goes to the end.
            match at.next.replace(task) {
                Some(old) => task = old,
                None => return,
            }
        }
        if at.ring.len() >= RING {
            self.global.extend(at.ring.drain(..RING / 2));
            self.global.push_back(task);
        } else {
            at.ring.push_back(task);
        }
    }

    /// Takes from the global queue: the first to run, the others into the ring. Go: globrunqget.
    pub(super) fn take_global(&mut self, p: usize, most: usize) -> Option<TaskId> {
        let share = self.global.len() / self.ps.len() + 1;
        let n = share.min(self.global.len()).min(most).min(RING / 2);
        let first = self.global.pop_front()?;
        for task in self.global.drain(..n.saturating_sub(1)) {
            self.ps[p].ring.push_back(task);
        }
        Some(first)
    }

    /// Makes many runnable at once. Go: injectglist.
    pub(super) fn inject(&mut self, mut tasks: VecDeque<TaskId>, p: Option<usize>) {
        let shared = p.map_or(tasks.len(), |_| tasks.len().min(self.idle_ps.len()));
        self.global.extend(tasks.drain(..shared));
        for _ in 0..shared {
            let Some(idle) = self.acquire() else { break };
            self.start_thread(idle, false);
        }
        if let Some(p) = p {
            for task in tasks {
                self.put(p, task, false);
            }
        }
    }

    /// Those whose I/O is ready. Go: netpoll.
    pub(super) fn take_net(&mut self) -> VecDeque<TaskId> {
        let tasks = std::mem::take(&mut self.net);
        self.net_waiting -= tasks.len();
        self.core.promised -= tasks.len();
        for (since, task) in &tasks {
            self.core.wake_late(*task, *since);
        }
        tasks.into_iter().map(|(_, task)| task).collect()
    }

    /// A goroutine sleeps until then.
    pub(super) fn add_timer(&mut self, p: usize, when: Time, task: TaskId) {
        self.timers_made += 1;
        self.timers += 1;
        self.core.promised += 1;
        self.ps[p].timers.push(Reverse((when, self.timers_made, task)));
        self.core.at(when, Event::Timer);
        self.need_poller();
    }

    /// Somebody must wait for the next timer. Go: wakeNetPoller.
    pub(super) fn need_poller(&mut self) {
        if self.poller.is_none() {
            self.wake_one();
        }
    }

    /// Runs the timers of a P that are due; who slept becomes runnable on another, or the same.
    pub(super) fn run_timers(&mut self, of: usize, on: usize) {
        while self.ps[of].timer_due(self.core.now) {
            if let Some(Reverse((when, _, task))) = self.ps[of].timers.pop() {
                self.timers -= 1;
                self.core.promised -= 1;
                self.core.wake_late(task, when);
                self.ready(on, task);
            }
        }
    }

    pub(super) fn cpu(p: usize) -> CpuId {
        CpuId(p as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Task, Workload};
    use super::*;

    fn go(cpus: u16) -> Go {
        let options = Options { cpus, ..Options::default() };
        let core = Core::new(&Workload::of([Task::new("a", vec![])]), &options, Event::Arrive).unwrap();
        Go::new(core, Tuning::default(), &options)
    }

    #[test]
    fn a_p_takes_its_share_of_the_global_queue() {
        let mut go = go(4);
        go.global = (0..100).map(TaskId).collect();
        assert_eq!(go.take_global(0, usize::MAX), Some(TaskId(0)));
        // 100 / 4 + 1, of which one runs.
        assert_eq!((go.ps[0].ring.len(), go.global.len()), (25, 74));
        assert_eq!(go.take_global(1, 1), Some(TaskId(26)));
        assert_eq!((go.ps[1].ring.len(), go.global.len()), (0, 73));
        let mut alone = self::go(1);
        alone.global = (0..1000).map(TaskId).collect();
        alone.take_global(0, usize::MAX);
        assert_eq!(alone.ps[0].ring.len(), 127, "half of a ring, with the one that runs");
    }

    #[test]
    fn half_as_many_spin_as_are_busy() {
        let mut go = go(8);
        go.ms = vec![M::default(); 8];
        for p in 0..8 {
            go.ps[p].m = p;
        }
        go.idle_ps = vec![5, 6, 7];
        let spin: Vec<bool> = (0..5).map(|p| go.may_spin(p)).collect();
        assert_eq!(spin, [true, true, true, false, false]);
        assert!(go.may_spin(0), "who spins goes on");
    }

    #[test]
    fn one_is_woken_at_a_time() {
        let mut go = go(4);
        go.idle_ps.retain(|p| *p != 0);
        for task in 0..3 {
            go.ready(0, TaskId(task));
        }
        assert_eq!((go.spinning, go.core.counts.threads), (1, 1));
    }
}
