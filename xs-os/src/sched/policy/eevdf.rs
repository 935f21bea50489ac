//! Earliest eligible virtual deadline first: Linux' fair policy since 6.6.

use std::collections::BTreeSet;

use super::super::{MILLI, TaskId, Time};
use super::fair::{Current, Enter, Entity, PerCpu, Queue, Virtual, charge, real};
use super::{Stop, Turn};

/// Virtual time is the mean of all tasks' times, by weight. A task's lag is how far it is behind that mean: what it is owed. Who is owed
/// something, or nothing, is eligible; of the eligible, the one runs whose slice should be done first. So a share is a
/// matter of weight, and how soon it comes a matter of the slice: two things that CFS mixed.
///
/// The eligible and the others are two trees. The mean moves both ways as tasks come and go, so a task may lie in the wrong one; that
/// is put right when the choice meets it.
#[derive(Debug, Clone)]
pub struct Eevdf {
    /// By deadline.
    eligible: BTreeSet<(Virtual, TaskId)>,
    /// By virtual time.
    ahead: BTreeSet<(Virtual, TaskId)>,
    current: Option<Current>,
    load: u64,
    /// The sum of weight times virtual time, of all: over the load, it is the mean.
    moment: Virtual,
    /// The mean when the queue was last empty.
    floor: Virtual,
    /// The slice of a task that asks for none. Default 3 ms.
    pub slice: Time,
    /// Whether who runs may use up its slice while it is eligible, however early the deadline of who wakes. Default yes.
    pub run_to_parity: bool,
    /// Whether one that wakes with a shorter slice and an earlier deadline breaks that rule, as since 6.12. Default yes.
    pub preempt_short: bool,
}

impl Default for Eevdf {
    fn default() -> Self {
        Eevdf {
            eligible: BTreeSet::new(),
            ahead: BTreeSet::new(),
            current: None,
            load: 0,
            moment: 0,
            floor: 0,
            slice: 3 * MILLI,
            run_to_parity: true,
            preempt_short: true,
        }
    }
}

impl Eevdf {
    /// One queue a CPU, with Linux' defaults.
    pub fn policy() -> PerCpu<Eevdf> {
        PerCpu::new(Eevdf::default())
    }

    fn slice(&self, entity: &Entity) -> Time {
        entity.slice.unwrap_or(self.slice).max(1)
    }

    fn mean(&self) -> Virtual {
        if self.load == 0 { self.floor } else { self.moment.div_euclid(Virtual::from(self.load)) }
    }

    /// Whether a task at this time is owed something, or nothing. No division, whose rounding could make nobody eligible.
    fn is_eligible(&self, time: Virtual) -> bool {
        time.saturating_mul(Virtual::from(self.load)) <= self.moment
    }

    /// Charges whoever runs for what it has run.
    fn update(&mut self, now: Time) {
        if let Some(current) = &mut self.current {
            let time = current.time(now);
            self.moment += (time - current.began) * Virtual::from(current.weight);
            (current.began, current.since) = (time, now.max(current.since));
        }
    }

    fn add(&mut self, entity: &Entity) {
        self.load += u64::from(entity.weight);
        self.moment += entity.time * Virtual::from(entity.weight);
    }

    fn remove(&mut self, entity: &Entity) {
        self.floor = self.mean();
        self.load -= u64::from(entity.weight);
        self.moment -= entity.time * Virtual::from(entity.weight);
    }

    /// What it is owed, within what may be carried to another time or place: two slices.
    fn lag(&self, entity: &Entity) -> Virtual {
        let most = charge(2 * self.slice(entity), entity.weight);
        (self.mean() - entity.time).clamp(-most, most)
    }

    fn insert(&mut self, task: TaskId, entity: &Entity) {
        if self.is_eligible(entity.time) {
            self.eligible.insert((entity.deadline, task));
        } else {
            self.ahead.insert((entity.time, task));
        }
    }

    /// Who would run.
    fn first(&mut self, entities: &[Entity]) -> Option<TaskId> {
        while let Some(&(time, task)) = self.ahead.first() {
            if !self.is_eligible(time) {
                break;
            }
            self.ahead.pop_first();
            self.eligible.insert((entities[task.index()].deadline, task));
        }
        while let Some(&(_, task)) = self.eligible.first() {
            let time = entities[task.index()].time;
            if self.is_eligible(time) {
                return Some(task);
            }
            self.eligible.pop_first();
            self.ahead.insert((time, task));
        }
        // Whoever runs may be the only eligible one: then the nearest.
        self.ahead.first().map(|(_, task)| *task)
    }

    fn take(&mut self, task: TaskId, entity: &Entity) {
        if !self.eligible.remove(&(entity.deadline, task)) {
            self.ahead.remove(&(entity.time, task));
        }
    }
}

impl Queue for Eevdf {
    const NAME: &'static str = "eevdf";

    /// While a task is in no queue, its time is what it owes: its lag with the other sign.
    fn enter(&mut self, task: TaskId, entity: &mut Entity, how: Enter, now: Time) {
        self.update(now);
        let owes = if how == Enter::New { 0 } else { entity.time };
        // Its coming moves the mean towards it, which would make less of its lag: put it so much further away.
        let (load, weight) = (Virtual::from(self.load), Virtual::from(entity.weight));
        let away = if load == 0 { 0 } else { owes.saturating_mul(load + weight) / load };
        entity.time = self.mean() + away;
        let slice = charge(self.slice(entity), entity.weight);
        match how {
            // Halfway into a slice, so that it begins gently.
            Enter::New => entity.deadline = entity.time + slice / 2,
            Enter::Woken => entity.deadline = entity.time + slice,
            Enter::Moved => entity.deadline += entity.time,
        }
        self.add(entity);
        self.insert(task, entity);
    }

    fn leave(&mut self, entities: &mut [Entity], now: Time) -> Option<TaskId> {
        self.update(now);
        let task = self.first(entities)?;
        let entity = &mut entities[task.index()];
        self.take(task, entity);
        let lag = self.lag(entity);
        self.remove(entity);
        entity.deadline -= entity.time;
        entity.time = -lag;
        Some(task)
    }

    fn pick(&mut self, entities: &mut [Entity], now: Time) -> Option<Turn> {
        let task = self.first(entities)?;
        let entity = &entities[task.index()];
        self.take(task, entity);
        self.current = Some(Current { task, since: now, weight: entity.weight, began: entity.time });
        Some(Turn { task, quantum: Some(real(entity.deadline - entity.time, entity.weight).max(1)) })
    }

    fn put(&mut self, task: TaskId, entity: &mut Entity, ran: Time, why: Stop) {
        let charged = self.current.take().map_or(entity.time, |current| current.began);
        entity.time += charge(ran, entity.weight);
        self.moment += (entity.time - charged) * Virtual::from(entity.weight);
        // A slice that is done, or given up, is followed by the next.
        if entity.time >= entity.deadline {
            entity.deadline = entity.time + charge(self.slice(entity), entity.weight);
        } else if why == Stop::Yielded {
            entity.deadline += charge(self.slice(entity), entity.weight);
        }
        if why.can_run() {
            self.insert(task, entity);
        } else {
            let lag = self.lag(entity);
            self.remove(entity);
            entity.time = -lag;
        }
    }

    fn preempts(&mut self, task: TaskId, entities: &mut [Entity], now: Time) -> bool {
        self.update(now);
        let Some(current) = self.current else { return true };
        let (runs, wakes) = (&entities[current.task.index()], &entities[task.index()]);
        if !self.is_eligible(wakes.time) {
            return false;
        }
        if !self.is_eligible(current.began) {
            return true;
        }
        let sooner = wakes.deadline < runs.deadline;
        let shorter = self.slice(wakes) < self.slice(runs);
        sooner && (!self.run_to_parity || self.preempt_short && shorter)
    }

    fn queued(&self) -> usize {
        self.eligible.len() + self.ahead.len()
    }

    fn load(&self) -> u64 {
        self.load
    }

    /// Lags are relative already.
    fn base(&self) -> Virtual {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A task's coming moves the mean; what it is owed must not change by that.
    #[test]
    fn a_lag_survives_coming_back() {
        for owed in [2 * MILLI, 0] {
            let entity = |weight| Entity { weight, ..Entity::default() };
            let mut entities = [entity(1024), entity(512), entity(2048)];
            let mut queue = Eevdf::default();
            for (task, entity) in entities.iter_mut().enumerate().take(2) {
                queue.enter(TaskId(task as u32), entity, Enter::New, 0);
            }
            let lag = charge(owed, 2048);
            entities[2].time = -lag;
            queue.enter(TaskId(2), &mut entities[2], Enter::Woken, 0);
            let now = queue.mean() - entities[2].time;
            assert!((now - lag).abs() <= 2, "{now} for {lag}");
        }
    }

    #[test]
    fn no_more_than_two_slices_of_lag_are_kept() {
        let mut entities = [Entity { weight: 1024, ..Entity::default() }, Entity { weight: 1024, ..Entity::default() }];
        let mut queue = Eevdf::default();
        for (task, entity) in entities.iter_mut().enumerate() {
            queue.enter(TaskId(task as u32), entity, Enter::New, 0);
        }
        let turn = queue.pick(&mut entities, 0).unwrap();
        let ran = &mut entities[turn.task.index()];
        queue.put(turn.task, ran, 100 * MILLI, Stop::Blocked);
        assert_eq!(ran.time, charge(6 * MILLI, 1024));
    }
}
