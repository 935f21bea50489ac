//! Schedulers beside one another: Go's runtime, CFS, EEVDF, MLFQ, stride, lottery, round robin and FIFO, under the same work.
//!
//! # The problem
//!
//! More tasks want to run than there are CPUs. Who runs next, for how long, and where? An answer is good for throughput,
//! for the one who waits for a key to be echoed, for fairness or for simplicity, and never for all. On a real machine it is
//! hard to see what an answer does: every run is another one, and the kernel under it has an answer of its own.
//!
//! # How it works
//!
//! A [`Workload`] says what tasks come when, and what they do: compute, sleep, wait for I/O or for one another. It runs in
//! virtual time, from event to event, on CPUs that do nothing else:
//!
//! ```text
//!   Workload ──▶ kernel: events by time ──▶ intervals: who ran where, from, to, why no longer ──▶ metrics, timeline, SVG
//!                  │ ready · stop · tick                ▲
//!                  ▼                                    │
//!                Policy: queues ── who next, how long ──┘
//! ```
//!
//! A [`Policy`] is told that tasks become ready or stop, and answers who runs next and for how long: it has no clock and no
//! CPU, and does nothing. [`simulate`] is the kernel round it. Go's scheduler is no policy of this kind, since its threads,
//! processors and system calls are what it is about: [`go`] is a machine of its own over the same tasks.
//! [`Scheduler`] is all of them by name.
//!
//! | name | who is next | how long | what it is for |
//! |---|---|---|---|
//! | `fifo` | who came first | as it likes | least switching; the convoy |
//! | `rr` | who came first | a quantum | nobody waits for ever |
//! | `mlfq` | the highest level | the level's quantum | short jobs first, without knowing them |
//! | `stride` | the least pass | a quantum | shares, to one quantum |
//! | `lottery` | a ticket drawn | a quantum | shares, on the average |
//! | `cfs` | the least virtual time | a share of the latency | shares, and a place before the others for sleepers |
//! | `eevdf` | the earliest deadline of those who are owed something | the slice it asks for | shares and latency, apart |
//! | `go` | runnext, the ring, the global queue, another's ring | 10 ms | a hundred thousand cooperating goroutines |
//!
//! # Invariants
//!
//! - A task is on one CPU at a time, and a CPU has one task (`tests::properties`).
//! - Who has finished has run for exactly what it asked, whatever the policy; what it asks follows from the seed and from which
//!   task it is, not from when it runs (`core::Core::make`).
//! - No CPU is idle while a task waits for one; under Go, not for longer than it takes to wake a thread, once somebody has
//!   noticed that it can run (`tests::properties`).
//! - The same workload, scheduler, options and seed give the same run: [`Run::digest`] says so.
//! - Everything is bounded: time, events, tasks and kept intervals by [`Options`], programs by the constants beside [`Workload`].
//!
//! # Cost
//!
//! O(log n) an event, for the queue of events and for the policies' trees; MLFQ's wake-ups and the choice of an idle or of the
//! longest queue are O(CPUs), and a boost of MLFQ is O(n). Millions of events
//! a second: `xs-scheduler run FILE --events 1000000` takes a fraction of one.
//!
//! # Example
//!
//! A short task behind a long one: first come, first served makes a convoy, and taking turns does not.
//!
//! ```
//! use xs_os::sched::{MILLI, Options, Scheduler, Step, Task, Workload};
//!
//! let compute = |millis: u64| vec![Step::Compute((millis * MILLI).into())];
//! let workload = Workload::of([Task::new("long", compute(1000)), Task::new("short", compute(10))]);
//! let options = Options { cpus: 1, ..Options::default() };
//! let turnaround = |scheduler: Scheduler| {
//!     let run = scheduler.run(&workload, &options)?;
//!     Ok::<_, xs_os::sched::WorkloadError>(run.metrics().tasks[1].turnaround)
//! };
//! assert_eq!(turnaround(Scheduler::Fifo)?, Some(1010 * MILLI));
//! assert_eq!(turnaround(Scheduler::RoundRobin)?, Some(20 * MILLI));
//! # Ok::<(), xs_os::sched::WorkloadError>(())
//! ```
//!
//! # How others do it
//!
//! OSTEP's homework programs (`scheduler.py`, `mlfq.py`, `lottery.py`) print such traces for one policy each and one CPU.
//! LinSched and rt-app ran or drove the kernel's own code; `schedtool`, `perf sched` and `go tool trace` show what a real one did, with
//! everything else that was going on. ghOSt and `sched_ext` let a policy be a program beside the kernel.
//!
//! # What this leaves out
//!
//! Caches, NUMA and hyperthreads, so that moving a task costs nothing but [`Options::switch`]; priorities that are passed on
//! to who holds a lock; real-time classes and deadlines; groups of tasks (cgroups); CFS' buddies and the finer parts of
//! Linux' balancing, in whose place stands one rule ([`PerCpu`]); interrupts. A lock is handed to who waits longest.
//!
//! # Try next
//!
//! Write a [`Policy`] that knows how long each task will compute (shortest remaining time first), and measure how near MLFQ
//! comes to it without knowing. Give one task a short slice under EEVDF and look at its wake-ups.
//!
//! # Sources
//!
//! R. and A. Arpaci-Dusseau, *Operating Systems: Three Easy Pieces*, chapters 7 to 10; C. Waldspurger and W. Weihl, "Lottery
//! Scheduling" (OSDI 1994) and "Stride Scheduling" (MIT/LCS/TM-528, 1995); I. Stoica and H. Abdel-Wahab, "Earliest Eligible
//! Virtual Deadline First" (1995); Linux, `kernel/sched/fair.c` and `Documentation/scheduler/sched-design-CFS.rst` and
//! `sched-eevdf.rst`; R. Jain et al., "A Quantitative Measure of Fairness" (DEC-TR-301, 1984). For Go: [`go`].

mod compile;
mod core;
pub mod go;
mod kernel;
mod metrics;
mod policy;
mod program;
mod step;
mod svg;
mod sync;
#[cfg(test)]
mod tests;
mod timeline;
mod trace;
mod workload;

use std::fmt;
use std::str::FromStr;

pub use kernel::simulate;
pub use metrics::{Metrics, TaskMetrics};
pub use policy::{
    Cfs, Cpus, Eevdf, Enter, Entity, Fifo, Hints, Lottery, Machine, Mlfq, PerCpu, Policy, Queue, Ready, RoundRobin,
    Stop, Stride, Turn,
};
pub use svg::svg;
pub use timeline::timeline;
pub use trace::{Counts, End, Interval, Outcome, Run, TaskRecord};
pub use workload::{
    Channel, LONGEST, MOST_DEPTH, MOST_KINDS, MOST_STEPS, MOST_TASKS, MOST_WEIGHT, Span, Step, Task, Workload,
    WorkloadError, weight_of_nice,
};

/// Nanoseconds of virtual time: a moment, counted from the beginning of a run, or a length.
pub type Time = u64;

/// A microsecond.
pub const MICRO: Time = 1_000;
/// A millisecond.
pub const MILLI: Time = 1_000_000;
/// A second.
pub const SECOND: Time = 1_000_000_000;

/// A task, by its number: those that come by themselves in the workload's order, then those that are spawned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

impl TaskId {
    /// The number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A CPU, by its number; for Go, a P.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuId(pub u16);

impl CpuId {
    /// The number.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The most CPUs.
pub const MOST_CPUS: u16 = 64;

/// On what, for how long, with which chance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many CPUs; taken as at least 1 and at most [`MOST_CPUS`]. Default 2.
    pub cpus: u16,
    /// What all chance follows from. Default 42.
    pub seed: u64,
    /// When the run ends at the latest; taken as at most ten times [`LONGEST`]. Default 10 s.
    pub until: Time,
    /// What it costs a CPU to begin with another task. Default nothing.
    pub switch: Time,
    /// After how many events the run ends. Default 20 million.
    pub events: u64,
    /// How many tasks there may be, with those that are spawned. Default a million.
    pub tasks: u64,
    /// How many intervals are kept. Default a million.
    pub intervals: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cpus: 2,
            seed: 42,
            until: 10 * SECOND,
            switch: 0,
            events: 20_000_000,
            tasks: 1_000_000,
            intervals: 1_000_000,
        }
    }
}

impl Options {
    fn bounded(&self) -> Options {
        Options {
            cpus: self.cpus.clamp(1, MOST_CPUS),
            until: self.until.min(10 * LONGEST),
            switch: self.switch.min(SECOND),
            tasks: self.tasks.min(u64::from(u32::MAX)),
            ..self.clone()
        }
    }
}

/// A scheduler with the parameters that it is known for, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheduler {
    /// [`go`].
    Go,
    /// [`Cfs`].
    Cfs,
    /// [`Eevdf`].
    Eevdf,
    /// [`Mlfq`].
    Mlfq,
    /// [`Stride`].
    Stride,
    /// [`Lottery`].
    Lottery,
    /// [`RoundRobin`].
    RoundRobin,
    /// [`Fifo`].
    Fifo,
}

impl Scheduler {
    /// All of them.
    pub const ALL: [Scheduler; 8] = [
        Scheduler::Go,
        Scheduler::Cfs,
        Scheduler::Eevdf,
        Scheduler::Mlfq,
        Scheduler::Stride,
        Scheduler::Lottery,
        Scheduler::RoundRobin,
        Scheduler::Fifo,
    ];

    /// What it is called: `go`, `cfs`, `eevdf`, `mlfq`, `stride`, `lottery`, `rr` or `fifo`.
    pub fn name(self) -> &'static str {
        match self {
            Scheduler::Go => "go",
            Scheduler::Cfs => "cfs",
            Scheduler::Eevdf => "eevdf",
            Scheduler::Mlfq => "mlfq",
            Scheduler::Stride => "stride",
            Scheduler::Lottery => "lottery",
            Scheduler::RoundRobin => "rr",
            Scheduler::Fifo => "fifo",
        }
    }

    /// As a policy, for [`simulate`]; `None` for Go. The seed is the lottery's.
    pub fn policy(self, seed: u64) -> Option<Box<dyn Policy>> {
        Some(match self {
            Scheduler::Go => return None,
            Scheduler::Cfs => Box::new(Cfs::policy()),
            Scheduler::Eevdf => Box::new(Eevdf::policy()),
            Scheduler::Mlfq => Box::new(Mlfq::default()),
            Scheduler::Stride => Box::new(Stride::default()),
            Scheduler::Lottery => Box::new(Lottery::new(seed)),
            Scheduler::RoundRobin => Box::new(RoundRobin::default()),
            Scheduler::Fifo => Box::new(Fifo::default()),
        })
    }

    /// Runs a workload.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn run(self, workload: &Workload, options: &Options) -> Result<Run, WorkloadError> {
        match self.policy(options.seed) {
            Some(mut policy) => simulate(workload, &mut *policy, options),
            None => go::simulate(workload, &go::Tuning::default(), options),
        }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no scheduler of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownScheduler(pub String);

impl fmt::Display for UnknownScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Scheduler::ALL.map(Scheduler::name).join(", ");
        write!(f, "there is no scheduler {:?}; there are {names}", self.0)
    }
}

impl std::error::Error for UnknownScheduler {}

impl FromStr for Scheduler {
    type Err = UnknownScheduler;

    fn from_str(name: &str) -> Result<Self, UnknownScheduler> {
        let known = Scheduler::ALL.into_iter().find(|scheduler| scheduler.name() == name);
        known.ok_or_else(|| UnknownScheduler(name.into()))
    }
}
