//! Linux' Completely Fair Scheduler, as it was until 6.5.

use std::collections::BTreeSet;

use super::super::{MICRO, MILLI, TaskId, Time};
use super::fair::{Current, Enter, Entity, PerCpu, Queue, Virtual, charge};
use super::{Stop, Turn};

/// Each task's virtual time runs the slower the more it weighs; who has the least runs. Within one latency everyone runs once, for
/// its share of it, but for no less than the granularity. Who has slept is put no further back than half a latency before
/// the others, so that it runs soon and not for long.
#[derive(Debug, Clone)]
pub struct Cfs {
    tree: BTreeSet<(Virtual, TaskId)>,
    current: Option<Current>,
    /// Never goes back: where new ones begin.
    least: Virtual,
    load: u64,
    /// Who has yielded is passed over once.
    skip: Option<TaskId>,
    /// In which everyone runs once. Default 6 ms.
    pub latency: Time,
    /// What each runs for at least. Default 750 µs.
    pub granularity: Time,
    /// How far one that wakes must be behind who runs, to take its place. Default 1 ms.
    pub wakeup: Time,
}

impl Default for Cfs {
    fn default() -> Self {
        Cfs {
            tree: BTreeSet::new(),
            current: None,
            least: 0,
            load: 0,
            skip: None,
            latency: 6 * MILLI,
            granularity: 750 * MICRO,
            wakeup: MILLI,
        }
    }
}

impl Cfs {
    /// One queue a CPU, with Linux' defaults.
    pub fn policy() -> PerCpu<Cfs> {
        PerCpu::new(Cfs::default())
    }

    /// How long a task of this weight may run among those there are. It is reckoned when a turn begins; Linux looks again at every tick.
    fn quantum(&self, weight: u32) -> Time {
        let tasks = self.tree.len() as u64 + u64::from(self.current.is_some());
        let period = self.latency.max(tasks.saturating_mul(self.granularity));
        let share = u128::from(period) * u128::from(weight) / u128::from(self.load.max(1));
        Time::try_from(share).unwrap_or(period).clamp(self.granularity.max(1), period.max(1))
    }

    /// Up to what whoever runs has come to.
    fn update(&mut self, now: Time) {
        if let Some(current) = self.current {
            self.advance(Some(current.time(now)));
        }
    }

    fn advance(&mut self, current: Option<Virtual>) {
        let first = self.tree.first().map(|(time, _)| *time);
        if let Some(least) = [current, first].into_iter().flatten().min() {
            self.least = self.least.max(least);
        }
    }
}

impl Queue for Cfs {
    const NAME: &'static str = "cfs";

    fn enter(&mut self, task: TaskId, entity: &mut Entity, how: Enter, now: Time) {
        self.update(now);
        self.load += u64::from(entity.weight);
        match how {
            // In debt by one slice, so that spawning is no way to get more.
            Enter::New => entity.time = self.least + charge(self.quantum(entity.weight), entity.weight),
            Enter::Woken => entity.time = entity.time.max(self.least - charge(self.latency / 2, 1024)),
            Enter::Moved => entity.time += self.least,
        }
        self.tree.insert((entity.time, task));
    }

    fn leave(&mut self, entities: &mut [Entity], now: Time) -> Option<TaskId> {
        self.update(now);
        let (_, task) = self.tree.pop_first()?;
        self.load -= u64::from(entities[task.index()].weight);
        Some(task)
    }

    fn pick(&mut self, entities: &mut [Entity], now: Time) -> Option<Turn> {
        let skip = self.skip.take();
        let mut first = *self.tree.first()?;
        if skip == Some(first.1) {
            first = self.tree.iter().nth(1).copied().unwrap_or(first);
        }
        self.tree.remove(&first);
        let (time, task) = first;
        let weight = entities[task.index()].weight;
        self.current = Some(Current { task, since: now, weight, began: time });
        self.advance(Some(time));
        Some(Turn { task, quantum: Some(self.quantum(weight)) })
    }

    fn put(&mut self, task: TaskId, entity: &mut Entity, ran: Time, why: Stop) {
        entity.time += charge(ran, entity.weight);
        self.current = None;
        if why.can_run() {
            self.tree.insert((entity.time, task));
            self.advance(None);
            self.skip = (why == Stop::Yielded).then_some(task);
        } else {
            self.advance(Some(entity.time));
            self.load -= u64::from(entity.weight);
        }
    }

    fn preempts(&mut self, task: TaskId, entities: &mut [Entity], now: Time) -> bool {
        let Some(current) = self.current else { return true };
        let wakes = &entities[task.index()];
        current.time(now) - wakes.time > charge(self.wakeup, wakes.weight)
    }

    fn queued(&self) -> usize {
        self.tree.len()
    }

    fn load(&self) -> u64 {
        self.load
    }

    fn base(&self) -> Virtual {
        self.least
    }
}
