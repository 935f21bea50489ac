//! Lottery scheduling: proportional shares by dice.

use super::super::{CpuId, MILLI, TaskId, Time};
use super::{Hints, Machine, Policy, Ready, Stop, Table, Turn};
use crate::Rng;

/// Each quantum goes to the holder of a ticket that is drawn. Shares are right on the average, and off by the square root of the
/// number of draws; in return there is nothing to keep of a task but its tickets.
#[derive(Debug)]
pub struct Lottery {
    tickets: Table<u32>,
    /// Sums of tickets of those who are queued: a Fenwick tree, so that a draw is O(log n).
    sums: Vec<u64>,
    total: u64,
    rng: Rng,
    /// How long a task may run. Default 10 ms.
    pub quantum: Time,
}

impl Lottery {
    /// With the dice of this seed.
    pub fn new(seed: u64) -> Self {
        Lottery {
            tickets: Table::default(),
            sums: vec![0],
            total: 0,
            rng: Rng::from_seed(seed).fork("lottery"),
            quantum: 10 * MILLI,
        }
    }

    /// The sum under node `at` of a tree whose largest index is `at`: what the nodes below it say.
    fn grow(&mut self, task: TaskId) {
        while self.sums.len() <= task.index() + 1 {
            let at = self.sums.len();
            let (mut sum, mut child) = (0, at - 1);
            let lowest = at - (at & at.wrapping_neg());
            while child > lowest {
                sum += self.sums[child];
                child -= child & child.wrapping_neg();
            }
            self.sums.push(sum);
        }
    }

    fn queue(&mut self, task: TaskId) {
        self.grow(task);
        let tickets = u64::from(*self.tickets.at(task));
        self.total += tickets;
        let mut at = task.index() + 1;
        while at < self.sums.len() {
            self.sums[at] += tickets;
            at += at & at.wrapping_neg();
        }
    }

    fn take(&mut self, task: TaskId) {
        let tickets = u64::from(*self.tickets.at(task));
        self.total -= tickets;
        let mut at = task.index() + 1;
        while at < self.sums.len() {
            self.sums[at] -= tickets;
            at += at & at.wrapping_neg();
        }
    }

    /// Whose ticket has this number.
    fn holder(&self, mut ticket: u64) -> TaskId {
        let (mut at, mut step) = (0, self.sums.len().next_power_of_two());
        while step > 0 {
            if at + step < self.sums.len() && self.sums[at + step] <= ticket {
                at += step;
                ticket -= self.sums[at];
            }
            step /= 2;
        }
        TaskId(at as u32)
    }
}

impl Policy for Lottery {
    fn name(&self) -> &'static str {
        "lottery"
    }

    fn admit(&mut self, task: TaskId, hints: Hints) {
        *self.tickets.at(task) = hints.weight.max(1);
    }

    fn ready(&mut self, task: TaskId, _: Ready, machine: Machine<'_>) -> Option<CpuId> {
        self.queue(task);
        machine.idle.least()
    }

    fn next(&mut self, _: CpuId, _: Machine<'_>) -> Option<Turn> {
        if self.total == 0 {
            return None;
        }
        let drawn = self.rng.below(self.total);
        let task = self.holder(drawn);
        self.take(task);
        Some(Turn { task, quantum: Some(self.quantum.max(1)) })
    }

    fn stop(&mut self, task: TaskId, _: CpuId, _: Time, why: Stop, _: Machine<'_>) {
        if why.can_run() {
            self.queue(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ticket_has_its_holder() {
        let mut lottery = Lottery::new(1);
        let tickets = [3_u32, 1, 4, 1, 5, 9];
        for (task, weight) in tickets.into_iter().enumerate() {
            lottery.admit(TaskId(task as u32), Hints { weight, slice: None });
            lottery.queue(TaskId(task as u32));
        }
        lottery.take(TaskId(2));
        let held: Vec<u32> = (0..lottery.total).map(|ticket| lottery.holder(ticket).0).collect();
        let expected = [(0, 3), (1, 1), (3, 1), (4, 5), (5, 9)];
        let expected = expected.iter().flat_map(|&(task, n)| std::iter::repeat_n(task, n));
        assert_eq!(held, expected.collect::<Vec<u32>>());
    }
}
