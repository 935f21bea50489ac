//! Go's scheduler: goroutines (G) on threads (M) that hold processors (P), with a queue each and work stealing.
//!
//! # The problem
//!
//! A program of a hundred thousand goroutines runs on eight threads. One queue for all would be a lock that everybody
//! waits for; a queue each leaves some with nothing to do; a thread that sits in a system call takes its goroutines' turn
//! with it; a goroutine that computes takes everybody's. Nobody has priorities, and everything must be cheap.
//!
//! # How it works
//!
//! A thread runs Go code only while it holds one of the `cpus` Ps. Each P has a ring of 256 runnable goroutines and one
//! more place, *runnext*, for whoever was made runnable last by the one that runs.
//!
//! ```text
//!     global queue  G G G …   ◀── full rings, preempted and yielding Gs, what comes without a P
//!          │ every 61st turn one; a batch when the ring is empty
//!          ▼
//!     P0 [next │ G G G … 256]     P1 [next │ G …]      idle: P2, P3
//!          │                            │   ▲
//!          M0 runs G7                   M3 ─┘ steals half of a ring, 4 rounds, random order
//!
//!     netpoll: Gs whose I/O is ready        timers: a heap a P        M5 in a system call, without a P
//!     sysmon: a thread without a P, every 20 µs to 10 ms: retakes, preempts, polls
//! ```
//!
//! A P that has nothing to run looks, in this order: due timers; at every 61st turn the global queue, so that two goroutines
//! which wake one another cannot keep it waiting; runnext, which inherits the rest of its waker's slice, so that a pair
//! shares one; its ring; a batch of the global queue; the network; and, *spinning*, the others' rings (four rounds, and in
//! the last also their timers and, after 3 µs, their runnext). Then it is idle, and one of the idle threads waits in
//! netpoll for the next I/O or timer. Whoever makes something runnable wakes one more P if none spins; a spinner
//! that finds something does the same: so threads are woken one by one, and no wake-up is lost.
//!
//! *sysmon* looks at all Ps. One that has run the same turn for 10 ms is preempted, and its goroutine goes to the
//! global queue. One that was in the same system call at the look before is taken away from it and handed to another
//! thread, if it has anything queued, or nobody is idle, or 10 ms have passed. If 50 looks in a row took no P, each is twice as far
//! from the next, up to 10 ms. When nobody has polled the network for 10 ms, sysmon does.
//!
//! Each of these rules can be taken out ([`Tuning`]), to see what it is for.
//!
//! # Invariants
//!
//! - A P holds at most 256 goroutines beside runnext; what is too many goes to the global queue by halves (`Go::put`).
//! - At most half of the Ps that are busy spin at once (`Go::may_spin`).
//! - The first goroutine in the global queue runs within 61 turns of any P that begins slices, whatever else is runnable.
//! - While something is runnable and a P idle, a thread spins or is being woken: nothing waits for ever (the tests' random
//!   workloads all end).
//!
//! # Cost
//!
//! O(1) for most events, O(log n) for timers, O(P) for a P that looks for work and for each look of sysmon. With nothing to
//! do sysmon makes 100 events a simulated second, and 50 000 when it keeps taking Ps.
//!
//! # Example
//!
//! Two goroutines wake one another for ever. Without inheritance each wake-up begins a new slice, and a third one in the same ring
//! never runs:
//!
//! ```
//! use xs_os::sched::{Options, Step, Task, Workload, go};
//! let step = |times, body| Step::Repeat { times, body };
//! let ping = vec![Step::Compute(10_000.into()), Step::Send("a".into()), Step::Receive("b".into())];
//! let pong = vec![Step::Receive("a".into()), Step::Compute(10_000.into()), Step::Send("b".into())];
//! let workload = Workload::of([
//!     Task::new("ping", vec![step(None, ping)]),
//!     Task::new("pong", vec![step(None, pong)]),
//!     Task::new("third", vec![Step::Compute(1_000.into())]),
//! ])
//! .channel("a", 0)
//! .channel("b", 0);
//! let options = Options { cpus: 1, until: 100_000_000, ..Options::default() };
//!
//! let run = go::simulate(&workload, &go::Tuning::default(), &options)?;
//! assert!(run.tasks[2].finish < Some(40_000_000));
//!
//! let without = go::Tuning { inherit: false, global_every: 0, ..go::Tuning::default() };
//! assert_eq!(go::simulate(&workload, &without, &options)?.tasks[2].finish, None);
//! # Ok::<(), xs_os::sched::WorkloadError>(())
//! ```
//!
//! # How others do it
//!
//! Tokio's multi-threaded runtime has the same shape: rings of 256, a *LIFO slot* for runnext (which gives way after
//! three turns), an injection queue at an interval that it adapts, stealing half; it cannot preempt, and a call that blocks must
//! say so. Java's virtual threads run on a fork-join pool, and pin their thread in some calls. Erlang counts reductions
//! in place of time. Cilk steals one task, the oldest, since its tasks are trees.
//!
//! # What this leaves out
//!
//! Garbage collection and its workers, `LockOSThread`, cgo, the race for Ps between threads that the system's own
//! scheduler runs late (here every thread with a P has a CPU), the spinning of a mutex and its two modes (a lock goes to who
//! waits longest), and memory: cost of cold caches is why runnext and stealing by halves exist, and here a move is free.
//! What arrives from outside goes to the global queue, as from a netpoll without a P.
//!
//! # Try next
//!
//! Take [`Tuning::retake`] out of a workload with system calls. Make `thread_wake` 50 µs and see when stealing stops
//! paying.
//!
//! # Sources
//!
//! The Go runtime, `src/runtime/proc.go` (`findRunnable`, `runqput`, `runqgrab`, `retake`, `sysmon`, `wakep`), as of Go
//! 1.19 to 1.25; D. Vyukov, "Scalable Go Scheduler Design Doc" (2012); R. Blumofe and C. Leiserson, "Scheduling
//! Multithreaded Computations by Work Stealing" (1999); A. Clements, "Proposal: Non-cooperative goroutine preemption" (Go
//! issue 24543).

mod find;
mod machine;
mod run;
mod sysmon;

use super::core::Core;
use super::trace::Run;
use super::workload::{Workload, WorkloadError};
use super::{MICRO, MILLI, Options, Time};

/// What a P takes from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steal {
    /// Half of the ring, rounded up.
    Half,
    /// One goroutine.
    One,
    /// Nothing.
    Nothing,
}

/// The rules that can be changed or taken out. The defaults are Go's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Whether the one that was made runnable last goes first.
    pub runnext: bool,
    /// Whether it has only the rest of its waker's slice.
    pub inherit: bool,
    /// At every how many turns the global queue goes first; 0: never. Default 61.
    pub global_every: u32,
    /// What is stolen.
    pub steal: Steal,
    /// After how long sysmon preempts; `None`: never, as before Go 1.14 for loops without calls. Default 10 ms.
    pub preempt: Option<Time>,
    /// Whether sysmon takes Ps from system calls.
    pub retake: bool,
    /// How long after the last poll sysmon polls the network; `None`: never. Default 10 ms.
    pub poll: Option<Time>,
    /// How long a thread takes to wake up. Default 5 µs, as a futex does.
    pub thread_wake: Time,
}

impl Tuning {
    /// The names of the rules that [`without`](Self::without) takes out.
    pub const RULES: [&str; 7] = ["runnext", "inherit", "global", "steal", "preempt", "retake", "poll"];

    /// The same without a rule, by its name; `None` if there is no such rule.
    #[must_use]
    pub fn without(self, rule: &str) -> Option<Self> {
        Some(match rule {
            "runnext" => Tuning { runnext: false, ..self },
            "inherit" => Tuning { inherit: false, ..self },
            "global" => Tuning { global_every: 0, ..self },
            "steal" => Tuning { steal: Steal::Nothing, ..self },
            "preempt" => Tuning { preempt: None, ..self },
            "retake" => Tuning { retake: false, ..self },
            "poll" => Tuning { poll: None, ..self },
            _ => return None,
        })
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            runnext: true,
            inherit: true,
            global_every: 61,
            steal: Steal::Half,
            preempt: Some(10 * MILLI),
            retake: true,
            poll: Some(10 * MILLI),
            thread_wake: 5 * MICRO,
        }
    }
}

/// Runs a workload under Go's scheduler, with as many Ps as there are CPUs.
///
/// # Errors
///
/// What is wrong with the workload. What its tasks do wrong is the run's [`Outcome`](super::Outcome).
pub fn simulate(workload: &Workload, tuning: &Tuning, options: &Options) -> Result<Run, WorkloadError> {
    let options = options.bounded();
    let core = Core::new(workload, &options, run::Event::Arrive)?;
    let mut go = machine::Go::new(core, tuning.clone(), &options);
    go.run();
    Ok(go.core.finish("go".into()))
}
