//! What happened: who ran where, from when to when, and why it stopped.

use std::fmt;

use super::{CpuId, TaskId, Time};

/// Why a task left its CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// Its program came to its end.
    Exited,
    /// It waits for a channel or a lock.
    Blocked,
    /// It sleeps.
    Slept,
    /// It waits for the network.
    Io,
    /// It went into a system call.
    Syscall,
    /// It let others go first.
    Yielded,
    /// Its slice was used up, and it was somebody else's turn.
    Expired,
    /// Another one was more urgent, or Go's sysmon thought that it had run for long enough.
    Preempted,
    /// Go's sysmon took the P away from a system call.
    Retaken,
    /// The run ended.
    Cut,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Exited => "exited",
            End::Blocked => "blocked",
            End::Slept => "sleeps",
            End::Io => "waits for I/O",
            End::Syscall => "system call",
            End::Yielded => "yielded",
            End::Expired => "slice used up",
            End::Preempted => "preempted",
            End::Retaken => "processor retaken",
            End::Cut => "end of the run",
        })
    }
}

/// A stretch of time in which one task had a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interval {
    /// The CPU; for Go, the P.
    pub cpu: CpuId,
    /// The task.
    pub task: TaskId,
    /// From when on, in nanoseconds.
    pub from: Time,
    /// Until when; never the same.
    pub to: Time,
    /// Why no longer.
    pub end: End,
    /// Whether it did nothing with it: a goroutine in a system call, whose P nobody has taken away yet.
    pub held: bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All tasks have exited.
    Finished,
    /// The time was over.
    TimeOver,
    /// As many events as were allowed; a loop without any computing makes them without end.
    TooManyEvents,
    /// All that are left wait for one another. Go says "all goroutines are asleep - deadlock!".
    Deadlock {
        /// Some who wait, by name, and for what; no more than ten.
        waiting: Vec<String>,
        /// How many there are.
        tasks: usize,
    },
    /// A task did what ends a program.
    Fault {
        /// Who.
        task: String,
        /// What.
        what: String,
    },
}

impl Outcome {
    /// Whether the program itself is wrong, under any scheduler.
    pub fn is_failure(&self) -> bool {
        matches!(self, Outcome::Deadlock { .. } | Outcome::Fault { .. })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Finished => f.write_str("all tasks have ended"),
            Outcome::TimeOver => f.write_str("the time was over"),
            Outcome::TooManyEvents => f.write_str("too many events: is there a loop that never computes?"),
            Outcome::Deadlock { waiting, tasks } => {
                write!(f, "deadlock: all tasks are asleep: {}", waiting.join(", "))?;
                if *tasks > waiting.len() {
                    write!(f, ", and {} more", tasks - waiting.len())?;
                }
                Ok(())
            }
            Outcome::Fault { task, what } => write!(f, "{task}: {what}"),
        }
    }
}

/// How often what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events of the simulation.
    pub events: u64,
    /// A CPU began with another task than it had last.
    pub switches: u64,
    /// A task began on another CPU than it had last.
    pub migrations: u64,
    /// A task lost its CPU to another one, or to Go's sysmon.
    pub preemptions: u64,
    /// Tasks that an idle CPU took from another one's queue.
    pub steals: u64,
    /// Go: Ps taken from system calls.
    pub retakes: u64,
    /// Go: threads made.
    pub threads: u64,
}

/// What became of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRecord {
    /// The name of its kind, and from the second instance on its number.
    pub name: String,
    /// Which kind it is, by its place in the workload.
    pub kind: usize,
    /// Its weight.
    pub weight: u32,
    /// When it came, if it did.
    pub arrival: Option<Time>,
    /// When it first ran.
    pub first_run: Option<Time>,
    /// When it exited.
    pub finish: Option<Time>,
    /// How long it computed.
    pub run: Time,
    /// How long its program has asked to compute so far.
    pub asked: Time,
    /// How long it could have run, and did not.
    pub waiting: Time,
}

/// A run: what happened, and what became of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Under which policy.
    pub policy: String,
    /// On how many CPUs.
    pub cpus: u16,
    /// When it ended.
    pub end: Time,
    /// How.
    pub outcome: Outcome,
    /// The kinds of tasks, in the workload's order.
    pub kinds: Vec<String>,
    /// All of them, by number.
    pub tasks: Vec<TaskRecord>,
    /// Who ran where, in the order in which the stretches ended.
    pub intervals: Vec<Interval>,
    /// How many stretches were not kept, since there were too many.
    pub intervals_lost: u64,
    /// How long each wake-up took: from being able to run again to running, with the task.
    pub wakeups: Vec<(TaskId, Time)>,
    /// How often what happened.
    pub counts: Counts,
}

impl Run {
    /// A number over all that happened: two runs are the same if this is.
    pub fn digest(&self) -> u64 {
        // FNV-1a, whose value is the same everywhere.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |number: u64| hash = (hash ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
        for i in &self.intervals {
            let flags = u64::from(i.held) << 8 | i.end as u64;
            [u64::from(i.cpu.0), u64::from(i.task.0), i.from, i.to, flags].into_iter().for_each(&mut add);
        }
        for task in &self.tasks {
            [task.arrival.unwrap_or(u64::MAX), task.finish.unwrap_or(u64::MAX), task.run, task.waiting]
                .into_iter()
                .for_each(&mut add);
        }
        [self.end, self.counts.events, self.counts.switches].into_iter().for_each(&mut add);
        hash
    }
}
