//! The multi-level feedback queue: what a task has done says what it will do.

use std::collections::VecDeque;

use super::super::{CpuId, MILLI, SECOND, TaskId, Time};
use super::{Cpus, Hints, Machine, Policy, Ready, Stop, Table, Turn};

#[derive(Debug, Default, Clone)]
struct Entry {
    level: usize,
    /// How much of its allotment at this level it has used.
    used: Time,
    /// How many boosts it has seen: an older one has put it up since.
    boosts: u64,
}

/// Queues one above the other. OSTEP's rules: the highest runs (1), equals take turns (2), who is new begins at the top (3), who
/// has used up an allotment at a level goes one down, however often it gave up the CPU in between (4), and from time to
/// time all go to the top (5). So what is interactive stays above, and nothing starves.
#[derive(Debug)]
pub struct Mlfq {
    queues: Vec<VecDeque<TaskId>>,
    entries: Table<Entry>,
    boosts: u64,
    /// The quantum of each level, the highest first; three levels of 10, 20 and 40 ms by default.
    pub quanta: Vec<Time>,
    /// How many quanta are an allotment. Default 1.
    pub allotment: u32,
    /// How often all go to the top; `None`: never, and what is below may starve. Default 1 s.
    pub boost: Option<Time>,
    /// OSTEP's first attempt at rule 4: who gives up the CPU before its quantum ends begins a new one. It can be gamed.
    pub forgiving: bool,
}

impl Default for Mlfq {
    fn default() -> Self {
        Mlfq {
            queues: Vec::new(),
            entries: Table::default(),
            boosts: 0,
            quanta: vec![10 * MILLI, 20 * MILLI, 40 * MILLI],
            allotment: 1,
            boost: Some(SECOND),
            forgiving: false,
        }
    }
}

impl Mlfq {
    fn bottom(&self) -> usize {
        self.quanta.len().saturating_sub(1)
    }

    fn quantum(&self, level: usize) -> Time {
        self.quanta.get(level).copied().unwrap_or(10 * MILLI).max(1)
    }

    /// What is known of it, with the boost that it may have slept through.
    fn entry(&mut self, task: TaskId) -> &mut Entry {
        let boosts = self.boosts;
        let entry = self.entries.at(task);
        if entry.boosts != boosts {
            *entry = Entry { boosts, ..Entry::default() };
        }
        entry
    }

    fn queue(&mut self, task: TaskId) {
        let level = self.entry(task).level;
        if self.queues.len() <= level {
            self.queues.resize_with(level + 1, VecDeque::new);
        }
        self.queues[level].push_back(task);
    }
}

impl Policy for Mlfq {
    fn name(&self) -> &'static str {
        "mlfq"
    }

    fn admit(&mut self, task: TaskId, _: Hints) {
        let boosts = self.boosts;
        *self.entries.at(task) = Entry { boosts, ..Entry::default() };
    }

    fn ready(&mut self, task: TaskId, _: Ready, machine: Machine<'_>) -> Option<CpuId> {
        self.queue(task);
        if let Some(idle) = machine.idle.least() {
            return Some(idle);
        }
        let level = self.entry(task).level;
        let mut lowest = None;
        for (cpu, running) in machine.running.iter().enumerate() {
            if let Some(running) = *running {
                let there = self.entry(running).level;
                if there > level && lowest.is_none_or(|(worst, _)| there > worst) {
                    lowest = Some((there, CpuId(cpu as u16)));
                }
            }
        }
        lowest.map(|(_, cpu)| cpu)
    }

    fn next(&mut self, _: CpuId, _: Machine<'_>) -> Option<Turn> {
        let task = self.queues.iter_mut().find_map(VecDeque::pop_front)?;
        let Entry { level, used, .. } = *self.entry(task);
        let quantum = self.quantum(level);
        // The rest of the quantum that it is in.
        Some(Turn { task, quantum: Some(quantum - used % quantum) })
    }

    fn stop(&mut self, task: TaskId, _: CpuId, ran: Time, why: Stop, _: Machine<'_>) {
        let (forgiving, bottom, allotment) = (self.forgiving, self.bottom(), Time::from(self.allotment.max(1)));
        let level = self.entry(task).level;
        let whole = self.quantum(level).saturating_mul(allotment);
        let entry = self.entry(task);
        entry.used = entry.used.saturating_add(ran);
        if entry.used >= whole {
            entry.level = (level + 1).min(bottom);
            entry.used = 0;
        } else if forgiving && matches!(why, Stop::Blocked | Stop::Yielded) {
            entry.used = 0;
        }
        if why.can_run() {
            let unfinished = why == Stop::Preempted && self.entry(task).level == level;
            self.queue(task);
            if unfinished && let Some(moved) = self.queues[level].pop_back() {
                // Who was interrupted goes on first.
                self.queues[level].push_front(moved);
            }
        }
    }

    fn period(&self) -> Option<Time> {
        self.boost
    }

    fn tick(&mut self, _: Machine<'_>) -> Cpus {
        self.boosts += 1;
        let mut all = VecDeque::new();
        for queue in &mut self.queues {
            all.append(queue);
        }
        for task in all {
            self.queue(task);
        }
        Cpus::default()
    }
}
