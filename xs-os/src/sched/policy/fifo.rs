//! One queue, in the order of arrival: for as long as the task likes, or for a quantum.

use std::collections::VecDeque;

use super::super::{CpuId, MILLI, TaskId, Time};
use super::{Hints, Machine, Policy, Ready, Stop, Turn};

/// First come, first served: whoever has a CPU keeps it until it waits or ends. The least switching there is; short tasks
/// behind a long one wait for all of it (the convoy).
#[derive(Debug, Default)]
pub struct Fifo {
    queue: VecDeque<TaskId>,
}

impl Policy for Fifo {
    fn name(&self) -> &'static str {
        "fifo"
    }

    fn admit(&mut self, _: TaskId, _: Hints) {}

    fn ready(&mut self, task: TaskId, _: Ready, machine: Machine<'_>) -> Option<CpuId> {
        self.queue.push_back(task);
        machine.idle.least()
    }

    fn next(&mut self, _: CpuId, _: Machine<'_>) -> Option<Turn> {
        self.queue.pop_front().map(|task| Turn { task, quantum: None })
    }

    fn stop(&mut self, task: TaskId, _: CpuId, _: Time, why: Stop, _: Machine<'_>) {
        if why.can_run() {
            self.queue.push_back(task);
        }
    }
}

/// First come, first served, for a quantum at a time. With `n` tasks nobody waits longer than `n - 1` quanta.
#[derive(Debug)]
pub struct RoundRobin {
    queue: VecDeque<TaskId>,
    /// How long a task may run before it goes to the end of the queue. Default 10 ms.
    pub quantum: Time,
}

impl RoundRobin {
    /// With this quantum.
    pub fn new(quantum: Time) -> Self {
        RoundRobin { queue: VecDeque::new(), quantum }
    }
}

impl Default for RoundRobin {
    fn default() -> Self {
        RoundRobin::new(10 * MILLI)
    }
}

impl Policy for RoundRobin {
    fn name(&self) -> &'static str {
        "rr"
    }

    fn admit(&mut self, _: TaskId, _: Hints) {}

    fn ready(&mut self, task: TaskId, _: Ready, machine: Machine<'_>) -> Option<CpuId> {
        self.queue.push_back(task);
        machine.idle.least()
    }

    fn next(&mut self, _: CpuId, _: Machine<'_>) -> Option<Turn> {
        self.queue.pop_front().map(|task| Turn { task, quantum: Some(self.quantum.max(1)) })
    }

    fn stop(&mut self, task: TaskId, _: CpuId, _: Time, why: Stop, _: Machine<'_>) {
        if why.can_run() {
            self.queue.push_back(task);
        }
    }
}
