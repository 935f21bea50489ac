//! A workload made ready to run: checked, names resolved to numbers, programs made flat.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Time;
use super::program::Op;
use super::workload::{
    LONGEST, MOST_DEPTH, MOST_KINDS, MOST_STEPS, MOST_TASKS, MOST_WEIGHT, Span, Step, Task, Workload, WorkloadError,
};

/// A workload with names resolved and programs made flat.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) capacities: Vec<u32>,
    pub(super) channels: Vec<String>,
    pub(super) locks: Vec<String>,
    pub(super) kinds: Vec<Kind>,
}

#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) arrival: Option<Time>,
    pub(super) count: u32,
    pub(super) every: Time,
    pub(super) weight: u32,
    pub(super) slice: Option<Time>,
    pub(super) ops: Vec<Op>,
}

impl Workload {
    pub(super) fn plan(&self) -> Result<Plan, WorkloadError> {
        let wrong = |place: String, what: &str| Err(WorkloadError { place, what: what.into() });
        let all = || "the workload".to_owned();
        if self.tasks.is_empty() {
            return wrong(all(), "it has no tasks");
        }
        if self.tasks.len() > MOST_KINDS || self.channels.len() > MOST_KINDS {
            return wrong(all(), &format!("more than {MOST_KINDS} kinds of tasks, or channels"));
        }
        if self.tasks.iter().filter(|t| t.arrival.is_some()).map(|t| u64::from(t.count)).sum::<u64>() > MOST_TASKS {
            return wrong(all(), &format!("more than {MOST_TASKS} tasks"));
        }
        let mut names = Names::default();
        for channel in &self.channels {
            let place = format!("channel {:?}", channel.name);
            if channel.capacity > 1_000_000 {
                return wrong(place, "a capacity of more than 1000000");
            }
            let number = names.channels.len() as u32;
            if names.channels.insert(channel.name.clone(), number).is_some() {
                return wrong(place, "there are two of this name");
            }
        }
        for (number, task) in self.tasks.iter().enumerate() {
            if names.tasks.insert(task.name.clone(), number as u32).is_some() {
                return wrong(format!("task {:?}", task.name), "there are two of this name");
            }
        }
        let mut kinds = Vec::with_capacity(self.tasks.len());
        for task in &self.tasks {
            kinds.push(task.kind(&mut names)?);
        }
        if let Some((name, place)) = names.unlocked.iter().find(|(name, _)| !names.locked.contains(*name)) {
            return wrong(place.clone(), &format!("unlocks {name:?}, which nothing locks"));
        }
        let mut locks = vec![String::new(); names.locks.len()];
        for (name, number) in names.locks {
            locks[number as usize] = name;
        }
        let capacities = self.channels.iter().map(|c| c.capacity).collect();
        let channels = self.channels.iter().map(|c| c.name.clone()).collect();
        Ok(Plan { capacities, channels, locks, kinds })
    }
}

#[derive(Default)]
struct Names {
    channels: HashMap<String, u32>,
    tasks: HashMap<String, u32>,
    locks: HashMap<String, u32>,
    locked: BTreeSet<String>,
    /// Where each lock is given back for the first time.
    unlocked: BTreeMap<String, String>,
}

impl Task {
    fn kind(&self, names: &mut Names) -> Result<Kind, WorkloadError> {
        let place = format!("task {:?}", self.name);
        let wrong = |what: &str| Err(WorkloadError { place: place.clone(), what: what.into() });
        if self.weight == 0 || self.weight > MOST_WEIGHT {
            return wrong(&format!("its weight is not between 1 and {MOST_WEIGHT}"));
        }
        if self.every > LONGEST || self.arrival.is_some_and(|at| at > LONGEST) {
            return wrong("it comes after more than 11 days");
        }
        if self.slice.is_some_and(|slice| !(100_000..=100_000_000).contains(&slice)) {
            return wrong("its slice is not between 100us and 100ms");
        }
        let mut compiler = Compiler { ops: Vec::new(), names, task: &self.name };
        compiler.steps(&self.program, "", 0)?;
        let ops = compiler.ops;
        let (name, arrival, every) = (self.name.clone(), self.arrival, self.every);
        Ok(Kind { name, arrival, count: self.count, every, weight: self.weight, slice: self.slice, ops })
    }
}

struct Compiler<'a> {
    ops: Vec<Op>,
    names: &'a mut Names,
    task: &'a str,
}

impl Compiler<'_> {
    fn steps(&mut self, steps: &[Step], above: &str, depth: usize) -> Result<(), WorkloadError> {
        for (number, step) in steps.iter().enumerate() {
            let number = format!("{above}{}", number + 1);
            self.step(step, &number, depth).map_err(|what| {
                // A body's step has said its own place.
                what.unwrap_or_else(|what| WorkloadError { place: self.place(&number), what })
            })?;
        }
        Ok(())
    }

    fn place(&self, number: &str) -> String {
        format!("task {:?}, step {number}", self.task)
    }

    fn step(&mut self, step: &Step, number: &str, depth: usize) -> Result<(), Result<WorkloadError, String>> {
        if self.ops.len() >= MOST_STEPS {
            return Err(Err(format!("more than {MOST_STEPS} steps")));
        }
        let op = match step {
            Step::Compute(span) => Op::Compute(checked(*span)?),
            Step::Sleep(span) => Op::Sleep(checked(*span)?),
            Step::Io(span) => Op::Io(checked(*span)?),
            Step::Syscall(span) => Op::Syscall(checked(*span)?),
            Step::Send(name) => Op::Send(self.channel(name)?),
            Step::Receive(name) => Op::Receive(self.channel(name)?),
            Step::Close(name) => Op::Close(self.channel(name)?),
            Step::Yield => Op::Yield,
            Step::Spawn(name) => match self.names.tasks.get(name) {
                Some(kind) => Op::Spawn(*kind),
                None => return Err(Err(format!("spawns {name:?}, and there is no such task"))),
            },
            Step::Lock(name) => {
                self.names.locked.insert(name.clone());
                Op::Lock(self.lock(name))
            }
            Step::Unlock(name) => {
                let place = self.place(number);
                self.names.unlocked.entry(name.clone()).or_insert(place);
                // Whether anything locks it is known when all programs are.
                Op::Unlock(self.lock(name))
            }
            Step::Range { channel, body } => {
                let channel = self.channel(channel)?;
                let head = self.ops.len();
                self.ops.push(Op::Range { channel, end: 0 });
                self.body(body, number, depth, true)?;
                self.ops.push(Op::Jump(head as u32));
                let end = self.ops.len() as u32;
                self.ops[head] = Op::Range { channel, end };
                return Ok(());
            }
            Step::Repeat { times, body } => {
                if *times == Some(0) {
                    return Err(Err("repeats 0 times".into()));
                }
                self.ops.push(Op::Loop(times.unwrap_or(u64::MAX)));
                let start = self.ops.len() as u32;
                self.body(body, number, depth, false)?;
                self.ops.push(Op::Again { start });
                return Ok(());
            }
        };
        self.ops.push(op);
        Ok(())
    }

    fn body(
        &mut self,
        body: &[Step],
        number: &str,
        depth: usize,
        may_be_empty: bool,
    ) -> Result<(), Result<WorkloadError, String>> {
        if depth + 1 >= MOST_DEPTH {
            return Err(Err(format!("more than {MOST_DEPTH} bodies within one another")));
        }
        if body.is_empty() && !may_be_empty {
            return Err(Err("repeats nothing".into()));
        }
        self.steps(body, &format!("{number}."), depth + 1).map_err(Ok)
    }

    fn lock(&mut self, name: &str) -> u32 {
        let next = self.names.locks.len() as u32;
        *self.names.locks.entry(name.to_owned()).or_insert(next)
    }

    fn channel(&self, name: &str) -> Result<u32, Result<WorkloadError, String>> {
        let known = self.names.channels.get(name).copied();
        known.ok_or_else(|| Err(format!("there is no channel {name:?}")))
    }
}

fn checked(span: Span) -> Result<Span, Result<WorkloadError, String>> {
    match span {
        Span { min, max } if min > max => Err(Err("its time ends before it begins".into())),
        Span { max, .. } if max > LONGEST => Err(Err("it takes more than 11 days".into())),
        span => Ok(span),
    }
}
