//! What every simulation here has: virtual time, a queue of events, tasks with their programs, and the record of it all.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::compile::Plan;
use super::program::{Cursor, Op};
use super::sync::Sync;
use super::trace::{Counts, End, Interval, Outcome, Run, TaskRecord};
use super::workload::{Workload, WorkloadError};
use super::{CpuId, Options, TaskId, Time};
use crate::Rng;

struct Due<E> {
    at: Time,
    number: u64,
    event: E,
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<E> Eq for Due<E> {}
impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Due<E> {
    /// The earliest is the greatest; of two at once, the one that was planned first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Comes later.
    Coming,
    /// Could run, since then; whether that ends a wait.
    Ready {
        since: Time,
        woken: bool,
    },
    Running,
    /// For what is said by the instruction that it is at.
    Waiting,
    Done,
}

pub(super) struct Task {
    pub(super) kind: u32,
    pub(super) cursor: Cursor,
    /// Computing that is left before the next instruction.
    pub(super) left: Time,
    pub(super) rng: Rng,
    pub(super) state: State,
    pub(super) last_cpu: Option<CpuId>,
    pub(super) record: TaskRecord,
}

#[derive(Clone, Copy)]
struct Open {
    task: TaskId,
    from: Time,
    held: bool,
}

#[derive(Clone, Copy, Default)]
struct Place {
    open: Option<Open>,
    last: Option<TaskId>,
}

pub(super) struct Core<E> {
    pub(super) now: Time,
    pub(super) outcome: Option<Outcome>,
    pub(super) counts: Counts,
    /// Tasks that run or could.
    pub(super) runnable: usize,
    /// Events by which a task will come or wake.
    pub(super) promised: usize,
    alive: usize,
    heap: BinaryHeap<Due<E>>,
    planned: u64,
    pub(super) plan: Plan,
    pub(super) sync: Sync,
    pub(super) tasks: Vec<Task>,
    instances: Vec<u32>,
    places: Vec<Place>,
    intervals: Vec<Interval>,
    intervals_lost: u64,
    wakeups: Vec<(TaskId, Time)>,
    pub(super) options: Options,
    root: Rng,
}

impl<E> Core<E> {
    /// With the tasks that come by themselves; `arrives` makes the event of each.
    pub(super) fn new(
        workload: &Workload,
        options: &Options,
        arrives: impl Fn(TaskId) -> E,
    ) -> Result<Self, WorkloadError> {
        let plan = workload.plan()?;
        let cpus = usize::from(options.cpus);
        let mut core = Core {
            now: 0,
            outcome: None,
            counts: Counts::default(),
            runnable: 0,
            promised: 0,
            alive: 0,
            heap: BinaryHeap::new(),
            planned: 0,
            sync: Sync::new(&plan.capacities, plan.locks.len()),
            tasks: Vec::new(),
            instances: vec![0; plan.kinds.len()],
            places: vec![Place::default(); cpus],
            intervals: Vec::new(),
            intervals_lost: 0,
            wakeups: Vec::new(),
            options: options.clone(),
            root: Rng::from_seed(options.seed).fork("work"),
            plan,
        };
        for kind in 0..core.plan.kinds.len() {
            let Some(first) = core.plan.kinds[kind].arrival else { continue };
            for instance in 0..u64::from(core.plan.kinds[kind].count) {
                let at = first.saturating_add(core.plan.kinds[kind].every.saturating_mul(instance));
                let task = core.make(kind as u32);
                core.promise(at, arrives(task));
            }
        }
        Ok(core)
    }

    pub(super) fn make(&mut self, kind: u32) -> TaskId {
        let id = TaskId(self.tasks.len() as u32);
        let source = &self.plan.kinds[kind as usize];
        self.instances[kind as usize] += 1;
        let instance = self.instances[kind as usize];
        let name = if instance == 1 { source.name.clone() } else { format!("{}#{instance}", source.name) };
        // What a task draws depends on which it is, not on when it runs: all policies are given the same work.
        let rng = self.root.fork(&name);
        let record = TaskRecord {
            name,
            kind: kind as usize,
            weight: source.weight,
            arrival: None,
            first_run: None,
            finish: None,
            run: 0,
            asked: 0,
            waiting: 0,
        };
        let cursor = Cursor::default();
        self.tasks.push(Task { kind, cursor, left: 0, rng, state: State::Coming, last_cpu: None, record });
        id
    }

    /// Something happens then.
    pub(super) fn at(&mut self, at: Time, event: E) {
        self.planned += 1;
        self.heap.push(Due { at, number: self.planned, event });
    }

    /// Something happens then that will make a task able to run. Its handler takes the promise back.
    pub(super) fn promise(&mut self, at: Time, event: E) {
        self.promised += 1;
        self.at(at, event);
    }

    /// The next event; `None` when the run is over.
    pub(super) fn next(&mut self) -> Option<E> {
        if self.outcome.is_some() {
            return None;
        }
        if self.runnable == 0 && self.promised == 0 {
            self.outcome = Some(if self.alive == 0 { Outcome::Finished } else { self.deadlock() });
            return None;
        }
        match self.heap.pop() {
            Some(due) if due.at <= self.options.until => {
                self.now = due.at;
                self.count().then_some(due.event)
            }
            _ => {
                self.now = self.options.until;
                self.outcome = Some(Outcome::TimeOver);
                None
            }
        }
    }

    /// Whether there may be another event.
    pub(super) fn count(&mut self) -> bool {
        self.counts.events += 1;
        if self.counts.events > self.options.events {
            self.outcome = Some(Outcome::TooManyEvents);
            return false;
        }
        true
    }

    fn deadlock(&self) -> Outcome {
        let stuck = self.tasks.iter().filter(|task| task.state == State::Waiting);
        let says = |task: &Task| {
            let name = &task.record.name;
            match task.cursor.op(&self.plan.kinds[task.kind as usize].ops) {
                Some(Op::Send(c)) => format!("{name} sends to {}", self.plan.channels[c as usize]),
                Some(Op::Receive(c) | Op::Range { channel: c, .. }) => {
                    format!("{name} receives from {}", self.plan.channels[c as usize])
                }
                Some(Op::Lock(lock)) => format!("{name} waits for the lock {}", self.plan.locks[lock as usize]),
                _ => format!("{name} waits"),
            }
        };
        Outcome::Deadlock { waiting: stuck.clone().take(10).map(says).collect(), tasks: stuck.count() }
    }

    pub(super) fn weight(&self, task: TaskId) -> u32 {
        self.tasks[task.index()].record.weight
    }

    pub(super) fn slice(&self, task: TaskId) -> Option<Time> {
        self.plan.kinds[self.tasks[task.index()].kind as usize].slice
    }

    pub(super) fn left(&self, task: TaskId) -> Time {
        self.tasks[task.index()].left
    }

    /// It is there, and could run.
    pub(super) fn arrive(&mut self, task: TaskId) {
        let now = self.now;
        let task = &mut self.tasks[task.index()];
        task.record.arrival = Some(now);
        task.state = State::Ready { since: now, woken: false };
        self.alive += 1;
        self.runnable += 1;
    }

    /// Its wait is over.
    pub(super) fn wake(&mut self, task: TaskId) {
        self.wake_late(task, self.now);
    }

    /// Its wait was over then, and has been noticed now.
    pub(super) fn wake_late(&mut self, task: TaskId, since: Time) {
        self.tasks[task.index()].state = State::Ready { since, woken: true };
        self.runnable += 1;
    }

    /// It has a CPU from `from` on, which is later than now if switching costs something. Says whether the CPU had another
    /// task before.
    pub(super) fn start(&mut self, cpu: CpuId, task: TaskId, switch: Time) -> Time {
        let id = task;
        let place = &mut self.places[cpu.index()];
        let task = &mut self.tasks[id.index()];
        let mut from = self.now;
        if place.last != Some(id) {
            place.last = Some(id);
            from = from.saturating_add(switch);
            self.counts.switches += 1;
        }
        if task.last_cpu.is_some_and(|last| last != cpu) {
            self.counts.migrations += 1;
        }
        task.last_cpu = Some(cpu);
        if let State::Ready { since, woken } = task.state {
            let waited = from - since;
            task.record.waiting += waited;
            if woken {
                self.wakeups.push((id, waited));
            }
        }
        task.record.first_run.get_or_insert(from);
        task.state = State::Running;
        place.open = Some(Open { task: id, from, held: false });
        from
    }

    /// It goes on where a system call held its CPU.
    pub(super) fn resume(&mut self, cpu: CpuId, task: TaskId) {
        self.close(cpu, End::Syscall);
        self.tasks[task.index()].state = State::Running;
        self.runnable += 1;
        self.places[cpu.index()].open = Some(Open { task, from: self.now, held: false });
    }

    /// It has computed for so long.
    pub(super) fn ran(&mut self, task: TaskId, ran: Time) {
        let task = &mut self.tasks[task.index()];
        task.left -= ran;
        task.record.run += ran;
    }

    /// It leaves the CPU, and could go on.
    pub(super) fn release(&mut self, cpu: CpuId, task: TaskId, end: End) {
        self.close(cpu, end);
        if end == End::Preempted {
            self.counts.preemptions += 1;
        }
        self.tasks[task.index()].state = State::Ready { since: self.now, woken: false };
    }

    /// It leaves the CPU, and cannot go on.
    pub(super) fn block(&mut self, cpu: CpuId, task: TaskId, end: End) {
        self.close(cpu, end);
        self.runnable -= 1;
        let (now, task) = (self.now, &mut self.tasks[task.index()]);
        if end == End::Exited {
            task.state = State::Done;
            task.record.finish = Some(now);
            self.alive -= 1;
        } else {
            task.state = State::Waiting;
        }
    }

    /// It is in a system call, and keeps its CPU.
    pub(super) fn hold(&mut self, cpu: CpuId, task: TaskId) {
        self.block(cpu, task, End::Syscall);
        self.places[cpu.index()].open = Some(Open { task, from: self.now, held: true });
    }

    /// The CPU's stretch ends.
    pub(super) fn close(&mut self, cpu: CpuId, end: End) {
        let Some(open) = self.places[cpu.index()].open.take() else { return };
        if open.from >= self.now {
            return;
        }
        if self.intervals.len() >= self.options.intervals {
            self.intervals_lost += 1;
            return;
        }
        let Open { task, from, held } = open;
        self.intervals.push(Interval { cpu, task, from, to: self.now, end, held });
    }

    /// Go ends the program.
    pub(super) fn too_many_threads(&mut self, most: usize) {
        self.outcome =
            Some(Outcome::Fault { task: "the runtime".into(), what: format!("program exceeds {most}-thread limit") });
    }

    /// The record of it. What runs has been told how long it `ran`.
    pub(super) fn finish(mut self, policy: String) -> Run {
        for cpu in 0..self.options.cpus {
            self.close(CpuId(cpu), End::Cut);
        }
        let now = self.now;
        for task in &mut self.tasks {
            if let State::Ready { since, .. } = task.state {
                task.record.waiting += now - since;
            }
        }
        Run {
            policy,
            cpus: self.options.cpus,
            end: self.now,
            outcome: self.outcome.unwrap_or(Outcome::TimeOver),
            kinds: self.plan.kinds.into_iter().map(|kind| kind.name).collect(),
            tasks: self.tasks.into_iter().map(|task| task.record).collect(),
            intervals: self.intervals,
            intervals_lost: self.intervals_lost,
            wakeups: self.wakeups,
            counts: self.counts,
        }
    }
}
