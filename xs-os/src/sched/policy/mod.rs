//! Policies: who runs next, and for how long. They decide and do nothing; the kernel does what they decide.

mod cfs;
mod eevdf;
mod fair;
mod fifo;
mod lottery;
mod mlfq;
mod stride;

use std::fmt;

pub use cfs::Cfs;
pub use eevdf::Eevdf;
pub use fair::{Enter, Entity, PerCpu, Queue};
pub use fifo::{Fifo, RoundRobin};
pub use lottery::Lottery;
pub use mlfq::Mlfq;
pub use stride::Stride;

use super::{CpuId, TaskId, Time};

/// What a policy is told of a task once, before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hints {
    /// Its share beside others; at least 1.
    pub weight: u32,
    /// The slice that it asks for.
    pub slice: Option<Time>,
}

/// Why a task can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// It is new.
    New,
    /// What it waited for has happened.
    Woken,
}

/// Why a task has left its CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Its quantum was used up: it can run.
    Expired,
    /// The policy asked for it: it can run.
    Preempted,
    /// It lets others go first: it can run.
    Yielded,
    /// It waits for something.
    Blocked,
    /// It has ended, and is never heard of again.
    Exited,
}

impl Stop {
    /// Whether it can run, and so must be queued again.
    pub fn can_run(self) -> bool {
        matches!(self, Stop::Expired | Stop::Preempted | Stop::Yielded)
    }
}

/// A set of CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cpus(pub u64);

impl Cpus {
    /// The first `n`; no more than 64.
    pub fn first(n: u16) -> Self {
        Cpus(if n >= 64 { u64::MAX } else { (1 << n) - 1 })
    }

    /// Whether this one is in it.
    pub fn has(self, cpu: CpuId) -> bool {
        self.0 >> cpu.0.min(63) & 1 == 1
    }

    /// With this one, or without.
    pub fn set(&mut self, cpu: CpuId, is: bool) {
        let bit = 1 << cpu.0.min(63);
        if is { self.0 |= bit } else { self.0 &= !bit }
    }

    /// The one with the least number.
    pub fn least(self) -> Option<CpuId> {
        (self.0 != 0).then(|| CpuId(self.0.trailing_zeros() as u16))
    }

    /// Each, by number.
    pub fn each(self) -> impl Iterator<Item = CpuId> {
        (0..64).map(CpuId).filter(move |cpu| self.has(*cpu))
    }
}

/// What a policy sees of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// The time.
    pub now: Time,
    /// The CPUs that have nothing to do.
    pub idle: Cpus,
    /// Who runs where, by CPU.
    pub running: &'a [Option<TaskId>],
}

impl Machine<'_> {
    /// How many CPUs there are.
    pub fn cpus(&self) -> u16 {
        self.running.len() as u16
    }
}

/// Who runs next, and until when at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Who.
    pub task: TaskId,
    /// For how long; `None`: until it stops by itself.
    pub quantum: Option<Time>,
}

/// A scheduling policy. A task that can run is in exactly one place: queued by the policy, or on the CPU that
/// [`Policy::next`] gave it.
pub trait Policy: fmt::Debug {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// There is such a task. It cannot run yet.
    fn admit(&mut self, task: TaskId, hints: Hints);

    /// The task can run: queues it. Answers which CPU should choose anew because of that: an idle one, or one that runs
    /// something less urgent. A policy that keeps CPUs busy names an idle one whenever there is one.
    fn ready(&mut self, task: TaskId, why: Ready, machine: Machine<'_>) -> Option<CpuId>;

    /// Who runs on this CPU, which has nothing to do. Takes it out of the queue.
    fn next(&mut self, cpu: CpuId, machine: Machine<'_>) -> Option<Turn>;

    /// The task has left this CPU after it has run for `ran`, which may be nothing. Queues it again if it
    /// [can run](Stop::can_run).
    fn stop(&mut self, task: TaskId, cpu: CpuId, ran: Time, why: Stop, machine: Machine<'_>);

    /// How often it wants to be asked by [`Policy::tick`].
    fn period(&self) -> Option<Time> {
        None
    }

    /// A period is over. Answers the CPUs that should choose anew.
    fn tick(&mut self, machine: Machine<'_>) -> Cpus {
        let _ = machine;
        Cpus::default()
    }
}

/// What a policy keeps of each task, by its number.
#[derive(Debug, Clone)]
struct Table<T>(Vec<T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table(Vec::new())
    }
}

impl<T: Default> Table<T> {
    /// Makes room for whom nothing is kept yet.
    fn at(&mut self, task: TaskId) -> &mut T {
        if self.0.len() <= task.index() {
            self.0.resize_with(task.index() + 1, T::default);
        }
        &mut self.0[task.index()]
    }
}
