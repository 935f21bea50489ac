//! What is to be scheduled: tasks and their programs, written by people, checked once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use super::Time;
use super::program::Op;

/// A length of time, drawn anew at every use from between two ends, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The shortest, in nanoseconds.
    pub min: Time,
    /// The longest, in nanoseconds.
    pub max: Time,
}

impl Span {
    /// Always the same.
    pub const fn exactly(nanos: Time) -> Self {
        Span { min: nanos, max: nanos }
    }

    /// Anything between the two, evenly.
    pub const fn between(min: Time, max: Time) -> Self {
        Span { min, max }
    }
}

impl From<Time> for Span {
    fn from(nanos: Time) -> Self {
        Span::exactly(nanos)
    }
}

/// A thing that a task does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Needs a CPU for so long.
    Compute(Span),
    /// Does nothing for so long.
    Sleep(Span),
    /// Waits for a socket or the like, which is ready after so long: Go's netpoll, epoll for others.
    Io(Span),
    /// Is in a system call for so long, which keeps its thread but needs no CPU. Go's runtime cannot know how long.
    Syscall(Span),
    /// Puts a value into the channel of this name; waits while there is no room.
    Send(String),
    /// Takes a value out of the channel; waits while there is none, goes on when it is closed.
    Receive(String),
    /// Closes the channel.
    Close(String),
    /// Takes values out of the channel and does the body after each, until it is closed and empty.
    Range {
        /// The channel.
        channel: String,
        /// What is done after each value.
        body: Vec<Step>,
    },
    /// Starts another instance of the task of this name.
    Spawn(String),
    /// Lets others go first.
    Yield,
    /// Takes the lock of this name; waits for it in the order of arrival.
    Lock(String),
    /// Gives it to who waits longest.
    Unlock(String),
    /// Does the body so many times; without a number, for ever.
    Repeat {
        /// How often.
        times: Option<u64>,
        /// What.
        body: Vec<Step>,
    },
}

/// A kind of task, and how many come when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What it is called; instances are told apart by number.
    pub name: String,
    /// When the first instance comes; `None` if others spawn them all.
    pub arrival: Option<Time>,
    /// How many come by themselves. Default 1.
    pub count: u32,
    /// How long behind one another. Default 0.
    pub every: Time,
    /// The share that it should have, beside others: what Linux calls a weight and a lottery calls tickets. Default 1024.
    pub weight: u32,
    /// The slice that it asks EEVDF for: a short one has it served sooner, not more.
    pub slice: Option<Time>,
    /// What it does.
    pub program: Vec<Step>,
}

impl Task {
    /// One instance, which comes at once.
    pub fn new(name: impl Into<String>, program: Vec<Step>) -> Self {
        let name = name.into();
        Task { name, arrival: Some(0), count: 1, every: 0, weight: 1024, slice: None, program }
    }

    /// The first comes at this time.
    #[must_use]
    pub fn at(self, arrival: Time) -> Self {
        Task { arrival: Some(arrival), ..self }
    }

    /// None come by themselves.
    #[must_use]
    pub fn spawned(self) -> Self {
        Task { arrival: None, ..self }
    }

    /// So many come.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Task { count, ..self }
    }

    /// So long behind one another.
    #[must_use]
    pub fn every(self, every: Time) -> Self {
        Task { every, ..self }
    }

    /// With this weight.
    #[must_use]
    pub fn weight(self, weight: u32) -> Self {
        Task { weight, ..self }
    }

    /// With the weight that Linux gives to a nice value.
    #[must_use]
    pub fn nice(self, nice: i8) -> Self {
        Task { weight: weight_of_nice(nice), ..self }
    }

    /// With slices of this length under EEVDF.
    #[must_use]
    pub fn slice(self, slice: Time) -> Self {
        Task { slice: Some(slice), ..self }
    }
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// What it is called.
    pub name: String,
    /// How many values it holds that nobody has taken; 0: each is handed from sender to receiver.
    pub capacity: u32,
}

/// Everything that is to be scheduled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workload {
    /// The channels.
    pub channels: Vec<Channel>,
    /// The tasks. Locks need not be named beforehand.
    pub tasks: Vec<Task>,
}

impl Workload {
    /// These tasks, no channels.
    pub fn of(tasks: impl IntoIterator<Item = Task>) -> Self {
        Workload { channels: Vec::new(), tasks: tasks.into_iter().collect() }
    }

    /// With a channel.
    #[must_use]
    pub fn channel(mut self, name: impl Into<String>, capacity: u32) -> Self {
        self.channels.push(Channel { name: name.into(), capacity });
        self
    }

    /// Whether all names stand for something and all numbers are within bounds.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub fn check(&self) -> Result<(), WorkloadError> {
        self.plan().map(drop)
    }
}

/// Instances that may come by themselves, in all.
pub const MOST_TASKS: u64 = 100_000;
/// Kinds of tasks, and channels.
pub const MOST_KINDS: usize = 10_000;
/// Steps of one program.
pub const MOST_STEPS: usize = 10_000;
/// Bodies within bodies.
pub const MOST_DEPTH: usize = 16;
/// The longest time that can be said: 11 days and a half, in nanoseconds.
pub const LONGEST: Time = 1_000_000_000_000_000;
/// The largest weight.
pub const MOST_WEIGHT: u32 = 1_000_000;

/// What is wrong with a workload, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadError {
    /// The task, and the step by its number, as in `task "a", step 2.1`.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for WorkloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl std::error::Error for WorkloadError {}

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

/// The weight that Linux gives to a nice value: a step is a tenth of a CPU, more or less. What lies outside of -20 to 19 is
/// taken as the nearest.
pub fn weight_of_nice(nice: i8) -> u32 {
    const WEIGHTS: [u32; 40] = [
        88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121, 2501,
        1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
    ];
    WEIGHTS[(nice.clamp(-20, 19) + 20) as usize]
}
