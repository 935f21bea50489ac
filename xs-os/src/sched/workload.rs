//! What is to be scheduled: tasks and their programs, written by people, checked once.

use std::fmt;

use super::Time;

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

/// The weight that Linux gives to a nice value: a step is a tenth of a CPU, more or less. What lies outside of -20 to 19 is
/// taken as the nearest.
pub fn weight_of_nice(nice: i8) -> u32 {
    const WEIGHTS: [u32; 40] = [
        88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121, 2501,
        1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
    ];
    WEIGHTS[(nice.clamp(-20, 19) + 20) as usize]
}
