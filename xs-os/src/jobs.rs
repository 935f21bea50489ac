//! Background work as an argument: [`Jobs`], on threads when real, stepped when simulated.
//!
//! # The problem
//!
//! Compaction, flushing, expiry and syncing happen behind the caller's back. On threads they interleave differently in
//! every run, so a bug between a write and a compaction shows once a month. A block that hands its background work to a
//! [`Jobs`] lets a test decide when each step happens.
//!
//! # How it works
//!
//! A job is a name and a *step*: a closure that does a bounded piece of work and says how to go on.
//!
//! ```text
//!              ┌── Busy ───────▶ step again at once
//!   step() ────┼── Idle ───────▶ step again when poked
//!              ├── After(d) ───▶ step again when poked, or after d at the latest
//!              └── Done ───────▶ drop the job
//! ```
//!
//! [`ThreadJobs`] runs each job on a thread of its own. [`PoolJobs`] runs any number of them on a few threads, taking turns: a
//! job that rests costs memory and nothing else. [`SteppedJobs`] runs nothing until [`SteppedJobs::step`] or
//! [`SteppedJobs::run_until_idle`] is called, and then in the order in which the jobs were spawned.
//!
//! # Invariants
//!
//! - Steps of one job never overlap.
//! - A poke is never lost: one that arrives during a step makes the job step once more.
//! - Dropping the last handle of a [`ThreadJobs`] or a [`PoolJobs`] asks every job to end after its current step, and waits for it.
//! - [`SteppedJobs`] draws nothing from time or threads: the same calls give the same steps.
//!
//! # Cost
//!
//! A thread and a condition variable a job; a poke is one lock. In a pool a job is some hundred bytes, and a poke of one that
//! rests is a second lock, which all jobs share.
//!
//! # Example
//!
//! ```
//! use xs_os::{Jobs, Progress, SteppedJobs};
//! use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
//!
//! let jobs = SteppedJobs::new();
//! let left = Arc::new(AtomicU32::new(3));
//! let seen = left.clone();
//! jobs.spawn("countdown", Box::new(move || match seen.fetch_sub(1, Ordering::SeqCst) {
//!     1 => Progress::Done,
//!     _ => Progress::Busy,
//! }));
//! assert!(jobs.step());                     // one step, and no more
//! assert_eq!(left.load(Ordering::SeqCst), 2);
//! jobs.run_until_idle(100);
//! assert_eq!(left.load(Ordering::SeqCst), 0);
//! ```
//!
//! # How others do it
//!
//! RocksDB has an `Env` that schedules onto thread pools; TigerBeetle has no threads at all. A step function is the
//! middle: the same code is a thread's loop in production and a turn of the simulation in a test.
//!
//! # What this leaves out
//!
//! Priorities. A pool that grows while its threads all wait for disks.
//!
//! # Try next
//!
//! Give `SteppedJobs` a seed, and let it draw which job steps next.
//!
//! # Sources
//!
//! W. Wilson, "Testing Distributed Systems w/ Deterministic Simulation" (Strange Loop 2014).

mod pool;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

pub use pool::PoolJobs;

/// What a step says about going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do: step again at once.
    Busy,
    /// Nothing to do until somebody pokes the job.
    Idle,
    /// Nothing to do until this much time has passed, or somebody pokes the job.
    After(Duration),
    /// The job has ended.
    Done,
}

/// One bounded piece of background work.
pub type Step = Box<dyn FnMut() -> Progress + Send>;

/// Somewhere to run background work.
pub trait Jobs: Send + Sync + fmt::Debug {
    /// Starts a job; `name` is shown by the operating system's tools and in panics.
    fn spawn(&self, name: &str, step: Step) -> JobHandle;
}

/// A handle that pokes a job. Dropping it leaves the job running.
#[derive(Clone)]
pub struct JobHandle {
    signal: Arc<Signal>,
}

impl JobHandle {
    /// Tells an idle job that there is something to do.
    pub fn poke(&self) {
        let called = {
            let mut state = self.signal.state.lock();
            state.poked = true;
            std::mem::replace(&mut state.called, true)
        };
        match &self.signal.place {
            None => {
                self.signal.wake.notify_all();
            }
            // In line, or it looks again when its step is over.
            Some(_) if called => {}
            Some(place) => place.call(),
        }
    }

    /// Ends the job: when this returns, no step is under way and none will begin. For whoever hands on what the steps
    /// work with, a lock on a directory say. On the job's own thread it cannot wait, and only asks.
    pub fn finish(&self) {
        let mut state = self.signal.state.lock();
        state.stop = true;
        self.signal.wake.notify_all();
        if state.thread.is_none()
            && let Some(place) = &self.signal.place
        {
            let ended = std::mem::replace(&mut state.done, true);
            drop(state);
            if !ended {
                place.leave();
            }
            return;
        }
        // Stepped jobs take their steps on the caller's thread: there is none under way elsewhere.
        if state.thread.is_some_and(|thread| thread != std::thread::current().id()) {
            self.signal.wake.wait_while(&mut state, |state| !state.done);
        }
    }

    /// True once the job has ended.
    pub fn is_done(&self) -> bool {
        self.signal.state.lock().done
    }
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("done", &self.is_done()).finish()
    }
}

#[derive(Default)]
struct Signal {
    state: Mutex<State>,
    wake: Condvar,
    /// Where it is called, if it shares threads.
    place: Option<pool::Place>,
}

impl Signal {
    /// It takes no more steps.
    fn ended(&self) {
        self.state.lock().done = true;
        self.wake.notify_all();
    }
}

#[derive(Default)]
struct State {
    poked: bool,
    stop: bool,
    done: bool,
    /// Of a job that shares threads: it is in line, or in a step.
    called: bool,
    /// The thread that it has to itself, or that it is on during a step.
    thread: Option<std::thread::ThreadId>,
}

/// Every job on a thread of its own.
#[derive(Clone, Default)]
pub struct ThreadJobs {
    running: Arc<Running>,
}

#[derive(Default)]
struct Running {
    threads: Mutex<Vec<(JoinHandle<()>, Arc<Signal>)>>,
}

impl ThreadJobs {
    /// No job yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Jobs for ThreadJobs {
    // The one place where a background thread starts.
    #[allow(clippy::disallowed_methods)]
    fn spawn(&self, name: &str, mut step: Step) -> JobHandle {
        let signal = Arc::new(Signal::default());
        let theirs = signal.clone();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _ended = SetDone(&theirs);
                theirs.state.lock().thread = Some(std::thread::current().id());
                loop {
                    if theirs.state.lock().stop {
                        return;
                    }
                    let progress = step();
                    let mut state = theirs.state.lock();
                    match progress {
                        Progress::Done => return,
                        Progress::Busy => {}
                        Progress::Idle => theirs.wake.wait_while(&mut state, |s| !s.poked && !s.stop),
                        Progress::After(limit) => {
                            theirs.wake.wait_while_for(&mut state, |s| !s.poked && !s.stop, limit);
                        }
                    }
                    state.poked = false;
                    if state.stop {
                        return;
                    }
                }
            })
            .expect("the operating system refuses a thread: nothing in the background can run");
        let mut threads = self.running.threads.lock();
        threads.retain(|(thread, _)| !thread.is_finished());
        threads.push((thread, signal.clone()));
        JobHandle { signal }
    }
}

/// Marks the job as ended on every way out of its thread, a panic included.
struct SetDone<'a>(&'a Signal);

impl Drop for SetDone<'_> {
    fn drop(&mut self) {
        self.0.ended();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let threads = std::mem::take(self.threads.get_mut());
        for (_, signal) in &threads {
            signal.state.lock().stop = true;
            signal.wake.notify_all();
        }
        for (thread, _) in threads {
            // A job that owns the last handle is dropped on its own thread, which cannot join itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl fmt::Debug for ThreadJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadJobs").field("running", &self.running.threads.lock().len()).finish()
    }
}

/// Jobs that step only when told to. Clones share the same jobs.
#[derive(Clone, Default)]
pub struct SteppedJobs {
    queue: Arc<Mutex<VecDeque<Stepped>>>,
}

struct Stepped {
    name: String,
    step: Step,
    signal: Arc<Signal>,
    ready: bool,
    /// What is left of the time that it asked for.
    left: Option<Duration>,
}

impl SteppedJobs {
    /// No job yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Steps the next job that has something to do; false when every job is idle.
    ///
    /// A job that answered [`Progress::After`] counts as idle: time is the caller's, who lets it pass with
    /// [`SteppedJobs::advance`], or pokes it with [`SteppedJobs::poke_all`] after moving the clock.
    pub fn step(&self) -> bool {
        let Some(mut job) = self.take_ready() else { return false };
        let progress = (job.step)();
        job.ready = progress == Progress::Busy;
        job.left = if let Progress::After(time) = progress { Some(time) } else { None };
        if progress == Progress::Done {
            job.signal.state.lock().done = true;
        } else {
            self.queue.lock().push_back(job);
        }
        true
    }

    /// Steps until every job is idle or `limit` steps were made; returns how many were made.
    pub fn run_until_idle(&self, limit: usize) -> usize {
        (0..limit).take_while(|_| self.step()).count()
    }

    /// Lets time pass for the jobs that wait for it ([`Progress::After`]).
    pub fn advance(&self, by: Duration) {
        for job in self.queue.lock().iter_mut() {
            if let Some(left) = &mut job.left {
                *left = left.saturating_sub(by);
                job.ready |= left.is_zero();
            }
        }
    }

    /// After what time the next job that waits for time has something to do.
    pub fn next_due(&self) -> Option<Duration> {
        self.queue.lock().iter().filter_map(|job| job.left).min()
    }

    /// Gives every job a step, as the passing of time would.
    pub fn poke_all(&self) {
        self.queue.lock().iter_mut().for_each(|job| job.ready = true);
    }

    fn take_ready(&self) -> Option<Stepped> {
        let mut queue = self.queue.lock();
        queue.retain(|job| {
            let mut state = job.signal.state.lock();
            state.done |= state.stop;
            !state.done
        });
        let next = queue.iter_mut().position(|job| {
            job.ready |= std::mem::take(&mut job.signal.state.lock().poked);
            job.ready
        })?;
        queue.remove(next)
    }
}

impl Jobs for SteppedJobs {
    fn spawn(&self, name: &str, step: Step) -> JobHandle {
        let signal = Arc::new(Signal::default());
        let job = Stepped { name: name.to_owned(), step, signal: signal.clone(), ready: true, left: None };
        self.queue.lock().push_back(job);
        JobHandle { signal }
    }
}

impl fmt::Debug for SteppedJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.queue.lock().iter().map(|job| &job.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    #[test]
    fn stepped_jobs_take_turns_in_a_fixed_order() {
        let jobs = SteppedJobs::new();
        let trace = Arc::new(Mutex::new(String::new()));
        for name in ["a", "b"] {
            let trace = trace.clone();
            jobs.spawn(
                name,
                Box::new(move || {
                    trace.lock().push_str(name);
                    Progress::Busy
                }),
            );
        }
        assert_eq!(jobs.run_until_idle(5), 5);
        assert_eq!(*trace.lock(), "ababa");
    }

    #[test]
    fn an_idle_job_steps_again_only_when_poked() {
        let jobs = SteppedJobs::new();
        let count = Arc::new(AtomicU32::new(0));
        let seen = count.clone();
        let handle = jobs.spawn(
            "idle",
            Box::new(move || {
                seen.fetch_add(1, Ordering::SeqCst);
                Progress::Idle
            }),
        );
        assert_eq!(jobs.run_until_idle(10), 1);
        handle.poke();
        assert_eq!(jobs.run_until_idle(10), 1);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_stepped_job_that_waits_for_time_steps_when_it_has_passed() {
        let jobs = SteppedJobs::new();
        let count = Arc::new(AtomicU32::new(0));
        let seen = count.clone();
        let minute = Duration::from_secs(60);
        jobs.spawn(
            "every minute",
            Box::new(move || {
                seen.fetch_add(1, Ordering::SeqCst);
                Progress::After(minute)
            }),
        );
        assert_eq!((jobs.next_due(), jobs.run_until_idle(10), jobs.next_due()), (None, 1, Some(minute)));
        jobs.advance(minute / 2);
        assert_eq!((jobs.run_until_idle(10), jobs.next_due()), (0, Some(minute / 2)));
        jobs.advance(minute);
        assert_eq!((jobs.run_until_idle(10), jobs.next_due()), (1, Some(minute)));
    }

    #[test]
    fn a_poke_during_a_step_is_not_lost() {
        let jobs = ThreadJobs::new();
        let (started, start) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let handle = jobs.spawn(
            "slow",
            Box::new(move || {
                started.send(()).ok();
                wait.recv().map_or(Progress::Done, |()| Progress::Idle)
            }),
        );
        start.recv().unwrap();
        handle.poke(); // while the step is under way
        go.send(()).unwrap();
        start.recv().unwrap(); // it steps again without another poke
        drop(go);
    }

    #[test]
    fn a_finished_job_is_not_in_a_step_and_takes_no_other() {
        for _ in 0..50 {
            let (jobs, stepped) = (ThreadJobs::new(), SteppedJobs::new());
            let used = Arc::new(());
            for jobs in [&jobs as &dyn Jobs, &stepped] {
                let weak = Arc::downgrade(&used);
                let step = move || weak.upgrade().map_or(Progress::Done, |_used| Progress::Busy);
                let handle = jobs.spawn("busy", Box::new(step));
                stepped.step();
                handle.finish();
                assert_eq!(Arc::strong_count(&used), 1);
            }
            assert_eq!(stepped.run_until_idle(10), 0);
        }
    }

    #[test]
    fn dropping_the_threads_ends_the_jobs() {
        let jobs = ThreadJobs::new();
        let handle = jobs.spawn("forever", Box::new(|| Progress::Idle));
        drop(jobs);
        assert!(handle.is_done());
    }
}
