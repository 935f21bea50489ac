//! What CFS and EEVDF share: a queue for each CPU, virtual time by weight, and moving tasks between CPUs.

use std::fmt;

use super::super::{CpuId, MILLI, TaskId, Time};
use super::{Cpus, Hints, Machine, Policy, Ready, Stop, Table, Turn};

/// Virtual time: nanoseconds for a task of weight 1024, with a fraction of 20 bits, so that dividing by a large weight loses
/// nothing that counts.
pub(super) type Virtual = i128;

/// How much virtual time a task of this weight is charged for real time.
pub(super) fn charge(real: Time, weight: u32) -> Virtual {
    (Virtual::from(real) << 30) / Virtual::from(weight.max(1))
}

/// How much real time that is, rounded up.
pub(super) fn real(time: Virtual, weight: u32) -> Time {
    let scaled = time.max(0).saturating_mul(Virtual::from(weight.max(1)));
    Time::try_from((scaled + (1 << 30) - 1) >> 30).unwrap_or(Time::MAX)
}

/// What is kept of a task.
#[derive(Debug, Clone, Default)]
pub struct Entity {
    pub(super) weight: u32,
    pub(super) slice: Option<Time>,
    /// Its virtual time. While it waits, what that means is the queue's.
    pub(super) time: Virtual,
    /// EEVDF: by when, in virtual time, it should have had the slice that it has asked for. While it moves, relative to its time.
    pub(super) deadline: Virtual,
    /// The CPU whose queue it is in, or was.
    pub(super) cpu: CpuId,
    /// What it has had of late, by weight, and when that was reckoned.
    pub(super) recent: Virtual,
    pub(super) ticks: u64,
}

impl Entity {
    /// What it has had of late: half of it is forgotten in eight looks, which is 32 ms, as in Linux' load tracking.
    fn recently(&self, ticks: u64) -> Virtual {
        self.recent >> ((ticks - self.ticks) / 8).min(100)
    }
}

/// Who runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Current {
    pub(super) task: TaskId,
    pub(super) since: Time,
    pub(super) weight: u32,
    /// Its virtual time when it began.
    pub(super) began: Virtual,
}

impl Current {
    /// Its virtual time now.
    pub(super) fn time(&self, now: Time) -> Virtual {
        self.began + charge(now.saturating_sub(self.since), self.weight)
    }
}

/// How a task comes into a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enter {
    /// It is new.
    New,
    /// It has waited.
    Woken,
    /// It comes from another CPU's queue.
    Moved,
}

/// One CPU's queue of a fair policy. Whoever runs counts as in it.
pub trait Queue: fmt::Debug + Clone {
    /// What the policy is called.
    const NAME: &'static str;
    /// Puts a task in.
    fn enter(&mut self, task: TaskId, entity: &mut Entity, how: Enter, now: Time);
    /// Takes out a queued task that shall move to another CPU: the one whose turn is next.
    fn leave(&mut self, entities: &mut [Entity], now: Time) -> Option<TaskId>;
    /// Lets the next one run.
    fn pick(&mut self, entities: &mut [Entity], now: Time) -> Option<Turn>;
    /// Whoever ran has stopped after so long.
    fn put(&mut self, task: TaskId, entity: &mut Entity, ran: Time, why: Stop);
    /// Whether a task that has just come in should run instead of the one that does.
    fn preempts(&mut self, task: TaskId, entities: &mut [Entity], now: Time) -> bool;
    /// How many wait for their turn.
    fn queued(&self) -> usize;
    /// The weight of all, with the one that runs.
    fn load(&self) -> u64;
    /// From where its virtual time is counted: what is subtracted when a task leaves for another queue.
    fn base(&self) -> Virtual;
}

/// A queue a CPU, as in Linux. A task that wakes goes to an idle CPU if there is one, else back to its own; a CPU that
/// gets idle takes from the longest queue; and every few milliseconds the most and the least loaded are compared.
#[derive(Debug)]
pub struct PerCpu<Q> {
    empty: Q,
    queues: Vec<Q>,
    entities: Table<Entity>,
    /// How often loads are compared. Default 4 ms.
    pub balance: Option<Time>,
    /// How often that has been.
    ticks: u64,
}

impl<Q: Queue> PerCpu<Q> {
    /// With queues like this one.
    pub fn new(queue: Q) -> Self {
        PerCpu { empty: queue, queues: Vec::new(), entities: Table::default(), balance: Some(4 * MILLI), ticks: 0 }
    }

    fn size(&mut self, machine: Machine<'_>) {
        if self.queues.len() < machine.running.len() {
            self.queues.resize(machine.running.len(), self.empty.clone());
        }
    }

    fn recently(&mut self, task: Option<TaskId>) -> Virtual {
        let ticks = self.ticks;
        task.map_or(0, |task| self.entities.at(task).recently(ticks))
    }

    fn migrate(&mut self, from: usize, to: usize, now: Time) -> Option<TaskId> {
        let task = self.queues[from].leave(&mut self.entities.0, now)?;
        let base = self.queues[from].base();
        let entity = self.entities.at(task);
        entity.time -= base;
        entity.cpu = CpuId(to as u16);
        self.queues[to].enter(task, entity, Enter::Moved, now);
        Some(task)
    }
}

impl<Q: Queue> Policy for PerCpu<Q> {
    fn name(&self) -> &'static str {
        Q::NAME
    }

    fn admit(&mut self, task: TaskId, hints: Hints) {
        *self.entities.at(task) = Entity { weight: hints.weight.max(1), slice: hints.slice, ..Entity::default() };
    }

    fn ready(&mut self, task: TaskId, why: Ready, machine: Machine<'_>) -> Option<CpuId> {
        self.size(machine);
        let home = self.entities.at(task).cpu;
        let least = || self.queues.iter().enumerate().min_by_key(|(_, queue)| queue.load());
        let cpu = match why {
            _ if why == Ready::Woken && machine.idle.has(home) => home,
            _ if machine.idle.0 != 0 => machine.idle.least().unwrap_or(home),
            Ready::Woken => home,
            Ready::New => least().map_or(home, |(cpu, _)| CpuId(cpu as u16)),
        };
        let how = if why == Ready::New { Enter::New } else { Enter::Woken };
        let base = self.queues[home.index()].base();
        let entity = self.entities.at(task);
        if cpu != home && how == Enter::Woken {
            // As far from the one's time as it was from the other's.
            entity.time += self.queues[cpu.index()].base() - base;
        }
        entity.cpu = cpu;
        self.queues[cpu.index()].enter(task, entity, how, machine.now);
        let kick = machine.idle.has(cpu) || self.queues[cpu.index()].preempts(task, &mut self.entities.0, machine.now);
        kick.then_some(cpu)
    }

    fn next(&mut self, cpu: CpuId, machine: Machine<'_>) -> Option<Turn> {
        self.size(machine);
        if self.queues[cpu.index()].queued() == 0 {
            let longest = self.queues.iter().map(Q::queued).enumerate().max_by_key(|&(at, n)| (n, usize::MAX - at));
            if let Some((from, 1..)) = longest {
                self.migrate(from, cpu.index(), machine.now);
            }
        }
        self.queues[cpu.index()].pick(&mut self.entities.0, machine.now)
    }

    fn stop(&mut self, task: TaskId, cpu: CpuId, ran: Time, why: Stop, machine: Machine<'_>) {
        self.size(machine);
        let ticks = self.ticks;
        let entity = self.entities.at(task);
        entity.recent = entity.recently(ticks) + charge(ran, entity.weight);
        entity.ticks = ticks;
        self.queues[cpu.index()].put(task, self.entities.at(task), ran, why);
    }

    fn period(&self) -> Option<Time> {
        self.balance
    }

    /// Moves one task from the most to the least loaded CPU if that brings them nearer to each other. If it would only make
    /// them change places, it is done when who is left behind has had less of late than who gets company: so three equal
    /// tasks on two CPUs take turns in being alone.
    fn tick(&mut self, machine: Machine<'_>) -> Cpus {
        self.size(machine);
        self.ticks += 1;
        let none = Cpus::default();
        if machine.idle.0 != 0 {
            return none;
        }
        let loads = || self.queues.iter().enumerate().map(|(at, queue)| (queue.load(), at));
        let waits = |at: usize| self.queues[at].queued() > 0;
        let (Some((most, from)), Some((least, to))) = (loads().filter(|l| waits(l.1)).max(), loads().min()) else {
            return none;
        };
        // The mean weight of those there stands for the one that would go.
        let mean = most / (self.queues[from].queued() as u64 + 1);
        let difference = most.saturating_sub(least);
        let places = difference <= mean && self.recently(machine.running[from]) >= self.recently(machine.running[to]);
        if from == to || difference < mean || places {
            return none;
        }
        let mut kick = none;
        if let Some(task) = self.migrate(from, to, machine.now) {
            kick.set(CpuId(to as u16), self.queues[to].preempts(task, &mut self.entities.0, machine.now));
        }
        kick
    }
}
