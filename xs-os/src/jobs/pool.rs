//! Many jobs on few threads: [`PoolJobs`].
//!
//! ```text
//!              poke, spawn, time                     a worker takes it
//!    resting ───────────────────▶ in line ─────────────────────────────▶ running
//!       ▲                            ▲                                     │  │
//!       │                            └──── Busy, or poked meanwhile ───────┘  │
//!       └──────────────────────────────────── Idle, After ────────────────────┘     Done, finish: gone
//! ```

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::{JobHandle, Jobs, Progress, Signal, Step};
use crate::{Clock, SystemClock};

/// All jobs on so many threads at most, which are started as jobs come. Those that have something to do take turns, first
/// come, first served. Clones share the threads; dropping the last one ends all jobs and waits for steps under way.
///
/// For jobs of which there are many and of which few have something to do at a time: the logs of ten thousand partitions.
/// A step that waits for another job of the same pool may wait for ever, and one that takes long delays the others: what
/// waits for each other gets pools of its own. A job's name is not seen by the operating system, whose threads are the
/// pool's.
#[derive(Clone)]
pub struct PoolJobs {
    pool: Arc<Pool>,
}

struct Pool {
    line: Arc<Line>,
    most: usize,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads share with whoever pokes.
#[derive(Default)]
pub(super) struct Line {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: HashMap<u64, Job>,
    spawned: u64,
    /// Those that are to take a step. One that has ended meanwhile may stand here, too.
    ready: VecDeque<u64>,
    /// When those take one that wait for time. One that was poked since has another number.
    times: BinaryHeap<Reverse<(Instant, u64, u64)>>,
    closed: bool,
}

struct Job {
    /// None during a step.
    step: Option<Step>,
    signal: Arc<Signal>,
    /// Counts its steps.
    steps: u64,
}

/// How a job of a pool is known to whoever pokes it.
pub(super) struct Place {
    line: Weak<Line>,
    id: u64,
}

impl Place {
    /// It has something to do. Called only for one that rests.
    pub(super) fn call(&self) {
        if let Some(line) = self.line.upgrade() {
            line.state.lock().ready.push_back(self.id);
            line.wake.notify_one();
        }
    }

    /// It takes no more steps; it rests or is in line.
    pub(super) fn leave(&self) {
        let gone = self.line.upgrade().and_then(|line| line.state.lock().jobs.remove(&self.id));
        // Outside of the lock: what it owns may be anything.
        drop(gone);
    }
}

impl PoolJobs {
    /// No job yet, and no thread; so many at most, and one at least.
    pub fn new(threads: usize) -> Self {
        PoolJobs { pool: Arc::new(Pool { line: Arc::default(), most: threads.max(1), threads: Mutex::default() }) }
    }

    /// The threads that have been started.
    pub fn threads(&self) -> usize {
        self.pool.threads.lock().len()
    }

    // Beside `ThreadJobs` the one place where a background thread starts.
    #[allow(clippy::disallowed_methods)]
    fn start_thread(&self, jobs: usize) {
        let mut threads = self.pool.threads.lock();
        if threads.len() >= self.pool.most.min(jobs) {
            return;
        }
        let line = self.pool.line.clone();
        let thread = std::thread::Builder::new().name(format!("jobs-{}", threads.len()));
        match thread.spawn(move || line.work()) {
            Ok(thread) => threads.push(thread),
            // Those that there are do the work.
            Err(_) if !threads.is_empty() => {}
            Err(error) => panic!("the operating system refuses a thread, nothing in the background can run: {error}"),
        }
    }
}

impl Jobs for PoolJobs {
    fn spawn(&self, _name: &str, step: Step) -> JobHandle {
        let line = &self.pool.line;
        let (signal, jobs) = {
            let mut state = line.state.lock();
            let id = state.spawned;
            state.spawned += 1;
            let signal =
                Arc::new(Signal { place: Some(Place { line: Arc::downgrade(line), id }), ..Signal::default() });
            signal.state.lock().called = true;
            state.jobs.insert(id, Job { step: Some(step), signal: signal.clone(), steps: 0 });
            state.ready.push_back(id);
            (signal, state.jobs.len())
        };
        self.start_thread(jobs);
        line.wake.notify_one();
        JobHandle { signal }
    }
}

impl Line {
    /// A thread's life.
    fn work(&self) {
        while let Some((id, step, signal)) = self.next() {
            self.run(id, step, &signal);
        }
    }

    /// Waits for a job that is to take a step; none when the pool is closed.
    fn next(&self) -> Option<(u64, Step, Arc<Signal>)> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            let due = state.next_due();
            while let Some(id) = state.ready.pop_front() {
                // Whoever finished it has taken it out.
                let Some(job) = state.jobs.get_mut(&id) else { continue };
                let Some(step) = job.step.take() else { continue };
                job.steps += 1;
                let signal = job.signal.clone();
                // The next one is for somebody else, and so is to look at the time.
                if !state.ready.is_empty() || due.is_some() {
                    self.wake.notify_one();
                }
                return Some((id, step, signal));
            }
            match due {
                Some(at) => {
                    self.wake.wait_until(&mut state, at);
                }
                None => self.wake.wait(&mut state),
            }
        }
    }

    fn run(&self, id: u64, mut step: Step, signal: &Signal) {
        {
            let mut state = signal.state.lock();
            state.poked = false;
            state.thread = Some(std::thread::current().id());
            if state.stop {
                drop(state);
                return self.end(id, step, signal);
            }
        }
        // A job that panics ends, as its thread would if it had one. The panic's message has been written by then.
        let progress = catch_unwind(AssertUnwindSafe(&mut step)).unwrap_or(Progress::Done);
        let mut line = self.state.lock();
        let mut state = signal.state.lock();
        state.thread = None;
        if progress == Progress::Done || state.stop || line.closed {
            drop((line, state));
            return self.end(id, step, signal);
        }
        let Some(job) = line.jobs.get_mut(&id) else { return };
        job.step = Some(step);
        let steps = job.steps;
        state.called = state.poked || progress == Progress::Busy;
        if state.called {
            line.ready.push_back(id);
        } else if let Progress::After(time) = progress {
            line.times.push(Reverse((SystemClock.now() + time, id, steps)));
            line.tidy();
            self.wake.notify_one();
        }
    }

    fn end(&self, id: u64, step: Step, signal: &Signal) {
        let gone = self.state.lock().jobs.remove(&id);
        drop((gone, step));
        signal.ended();
    }
}

impl State {
    /// Forgets times that mean nothing any more, of jobs that were poked before: there are never many more than jobs.
    fn tidy(&mut self) {
        if self.times.len() > 2 * self.jobs.len() + 64 {
            let jobs = &self.jobs;
            self.times.retain(|Reverse((_, id, steps))| jobs.get(id).is_some_and(|job| job.steps == *steps));
        }
    }

    /// Calls those whose time has come; when that of the next one comes.
    fn next_due(&mut self) -> Option<Instant> {
        loop {
            let Reverse((at, id, steps)) = *self.times.peek()?;
            let waits = self.jobs.get(&id).is_some_and(|job| job.steps == steps && job.step.is_some());
            if waits && at > SystemClock.now() {
                return Some(at);
            }
            self.times.pop();
            // One that was poked stands in line already.
            if waits && !std::mem::replace(&mut self.jobs[&id].signal.state.lock().called, true) {
                self.ready.push_back(id);
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.line.state.lock().closed = true;
        self.line.wake.notify_all();
        for thread in std::mem::take(self.threads.get_mut()) {
            // A job that owns the last handle is dropped on a thread of the pool, which cannot join itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
        let left = std::mem::take(&mut self.line.state.lock().jobs);
        for job in left.into_values() {
            // A step under way on this very thread ends by itself.
            if job.step.is_some() {
                job.signal.ended();
            }
        }
    }
}

impl fmt::Debug for PoolJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = self.pool.line.state.lock().jobs.len();
        f.debug_struct("PoolJobs").field("jobs", &jobs).field("threads", &self.threads()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn soon(what: &str, holds: impl Fn() -> bool) {
        let until = SystemClock.now() + Duration::from_secs(20);
        while !holds() {
            assert!(SystemClock.now() < until, "{what}: not in twenty seconds");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_thousand_jobs_share_three_threads_and_all_of_them_step() {
        let jobs = PoolJobs::new(3);
        assert_eq!(jobs.threads(), 0);
        let steps = Arc::new(AtomicU64::new(0));
        let idle = |_| {
            let steps = steps.clone();
            let step = move || {
                steps.fetch_add(1, Ordering::SeqCst);
                Progress::Idle
            };
            jobs.spawn("idle", Box::new(step))
        };
        let handles: Vec<_> = (0..1000).map(idle).collect();
        soon("the first step of each", || steps.load(Ordering::SeqCst) == 1000);
        handles.iter().for_each(JobHandle::poke);
        soon("one for a poke", || steps.load(Ordering::SeqCst) == 2000);
        assert_eq!(jobs.threads(), 3);
        assert!(handles.iter().all(|handle| !handle.is_done()));
        drop(jobs);
        assert!(handles.iter().all(JobHandle::is_done));
        handles[0].poke();
    }

    #[test]
    fn a_busy_job_leaves_room_for_others() {
        let jobs = PoolJobs::new(1);
        let busy = jobs.spawn("busy", Box::new(|| Progress::Busy));
        let (done, wait) = mpsc::channel();
        jobs.spawn("once", Box::new(move || done.send(()).map_or(Progress::Done, |()| Progress::Done)));
        wait.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(!busy.is_done());
    }

    #[test]
    fn steps_of_one_job_never_overlap_and_no_poke_is_lost() {
        let jobs = PoolJobs::new(4);
        let (asked, seen, inside) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), AtomicU32::new(0));
        let (theirs, found) = (asked.clone(), seen.clone());
        let step = move || {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
            found.store(theirs.load(Ordering::SeqCst), Ordering::SeqCst);
            inside.fetch_sub(1, Ordering::SeqCst);
            Progress::Idle
        };
        let handle = jobs.spawn("watched", Box::new(step));
        for _ in 0..2000 {
            let pokers: Vec<_> = (0..3).map(|_| (asked.clone(), handle.clone())).collect();
            std::thread::scope(|scope| {
                for (asked, handle) in pokers.iter().take(1 + asked.load(Ordering::SeqCst) as usize % 3) {
                    scope.spawn(move || {
                        asked.fetch_add(1, Ordering::SeqCst);
                        handle.poke();
                    });
                }
            });
            soon("what was poked for", || seen.load(Ordering::SeqCst) == asked.load(Ordering::SeqCst));
        }
        assert!(!handle.is_done());
    }

    #[test]
    fn time_passes_for_those_that_wait_for_it_and_a_poke_comes_first() {
        let jobs = PoolJobs::new(2);
        let steps = Arc::new(AtomicU64::new(0));
        let theirs = steps.clone();
        jobs.spawn(
            "ticks",
            Box::new(move || match theirs.fetch_add(1, Ordering::SeqCst) {
                4 => Progress::Done,
                _ => Progress::After(Duration::from_millis(2)),
            }),
        );
        soon("five ticks", || steps.load(Ordering::SeqCst) == 5);
        let (hours, theirs) = (Arc::new(AtomicU64::new(0)), steps.clone());
        let seen = hours.clone();
        let handle = jobs.spawn(
            "hourly",
            Box::new(move || {
                theirs.fetch_add(1, Ordering::SeqCst);
                seen.fetch_add(1, Ordering::SeqCst);
                Progress::After(Duration::from_secs(3600))
            }),
        );
        soon("its first", || hours.load(Ordering::SeqCst) == 1);
        handle.poke();
        soon("its second", || hours.load(Ordering::SeqCst) == 2);
    }

    #[test]
    fn a_finished_job_is_not_in_a_step_and_takes_no_other() {
        let jobs = PoolJobs::new(2);
        for _ in 0..500 {
            let used = Arc::new(());
            let weak = Arc::downgrade(&used);
            let step = move || weak.upgrade().map_or(Progress::Done, |_used| Progress::Busy);
            let handle = jobs.spawn("busy", Box::new(step));
            handle.finish();
            assert_eq!(Arc::strong_count(&used), 1);
            assert!(handle.is_done());
        }
        assert_eq!(jobs.pool.line.state.lock().jobs.len(), 0);
    }

    #[test]
    fn a_job_may_finish_itself_and_one_that_panics_is_over() {
        let jobs = PoolJobs::new(1);
        let own: Arc<Mutex<Option<JobHandle>>> = Arc::default();
        let theirs = own.clone();
        let handle = jobs.spawn(
            "ends itself",
            Box::new(move || match &*theirs.lock() {
                Some(own) => {
                    own.finish();
                    Progress::Busy
                }
                None => Progress::Busy,
            }),
        );
        *own.lock() = Some(handle.clone());
        soon("its end", || handle.is_done());
        let broken = jobs.spawn("broken", Box::new(|| panic!("as it should")));
        soon("its end", || broken.is_done());
        let (done, wait) = mpsc::channel();
        jobs.spawn("later", Box::new(move || done.send(()).map_or(Progress::Done, |()| Progress::Done)));
        wait.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    /// The last handle may go with a step that owns it.
    #[test]
    fn a_job_that_owns_the_pool_ends_it() {
        let jobs = PoolJobs::new(2);
        let (go, wait) = mpsc::channel::<()>();
        let mut owned = Some(jobs.clone());
        let handle = jobs.spawn(
            "owner",
            Box::new(move || {
                let _ = wait.recv();
                owned.take();
                Progress::Idle
            }),
        );
        drop(jobs);
        drop(go);
        soon("its end", || handle.is_done());
    }
}
