//! The pool itself: how it is made, fed, looked at and ended.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use super::idle::Work;
use super::inject::Entry;
use super::job::{Job, boxed};
use super::scope::{self, Scope};
use super::shared::{OnPanic, Shared};
use super::task::{Task, task};

/// How urgent a job from outside is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Before all others.
    High,
    /// What most are.
    #[default]
    Normal,
    /// When there is nothing else; at least every sixteenth job.
    Low,
}

/// What happens to a job from outside for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// Its caller waits until there is. A worker of the same pool would wait for itself: its job goes where it looks first.
    #[default]
    Block,
    /// Its caller gets it back.
    Reject,
    /// Its caller runs it.
    CallerRuns,
}

/// Why a job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The queues hold as much as they may.
    Full,
    /// The pool ends.
    ShutDown,
}

/// A job that was not taken.
pub struct Rejected<F> {
    /// The job.
    pub job: F,
    /// Why not.
    pub reason: Reason,
}

impl<F> fmt::Debug for Rejected<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<F> fmt::Display for Rejected<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            Reason::Full => "the pool's queue is full",
            Reason::ShutDown => "the pool is shut down",
        })
    }
}

impl<F> std::error::Error for Rejected<F> {}

/// So many workers are no pool, but a mistake.
const MOST: usize = 65_536;

/// How a pool shall be. See [`Pool::builder`].
#[must_use = "a builder makes nothing until `build`"]
pub struct Builder {
    threads: Option<usize>,
    name: String,
    capacity: usize,
    overflow: Overflow,
    stack: Option<usize>,
    on_panic: Option<OnPanic>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("threads", &self.threads).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Builder {
    /// So many workers, at least one. Without this, one for each core that the process may use.
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Some(count.max(1));
        self
    }

    /// What workers are called in the operating system's tools, with a number behind; `xs-pool` otherwise.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many jobs from outside may be queued, of all priorities together; 65,536 otherwise.
    pub fn capacity(mut self, jobs: usize) -> Self {
        self.capacity = jobs.max(1);
        self
    }

    /// What happens when there are as many.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// The size of a worker's stack, in bytes.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack = Some(bytes);
        self
    }

    /// Who hears of panics of jobs for which nobody waits. They are counted anyway ([`Metrics::panics`]).
    pub fn on_panic(mut self, told: impl Fn(Box<dyn Any + Send>) + Send + Sync + 'static) -> Self {
        self.on_panic = Some(Arc::new(told));
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// The operating system's, if it gives no thread: those that were started end. [`io::ErrorKind::InvalidInput`] for more than
    /// 65,536 workers, and for a name with a zero in it.
    pub fn build(self) -> io::Result<Pool> {
        let threads = self.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what);
        if threads > MOST {
            return Err(invalid("more than 65,536 workers"));
        }
        if self.name.contains('\0') {
            return Err(invalid("a name with a zero in it"));
        }
        let shared = Arc::new(Shared::new(threads, self.capacity, self.on_panic));
        let pool = Pool { shared: shared.clone(), overflow: self.overflow, threads: Mutex::new(Vec::new()) };
        for at in 0..threads {
            let mut builder = thread::Builder::new().name(format!("{}-{at}", self.name));
            if let Some(bytes) = self.stack {
                builder = builder.stack_size(bytes);
            }
            let shared = shared.clone();
            match builder.spawn(move || shared.live(at)) {
                Ok(thread) => pool.threads.lock().push(thread),
                Err(error) => {
                    // Dropping the pool ends the others; the last of them sees that these never lived.
                    pool.shared.never_lived(threads - at);
                    return Err(error);
                }
            }
        }
        Ok(pool)
    }
}

/// What a pool has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Jobs that workers took from a queue or a deque and ran. The half of a fork that nobody stole is not counted.
    pub ran: u64,
    /// Of those, how many were another worker's.
    pub stolen: u64,
    /// How often a worker went to sleep.
    pub slept: u64,
    /// Jobs that panicked while nobody waited for them.
    pub panics: u64,
    /// Jobs that were refused.
    pub rejected: u64,
    /// Jobs that their callers ran, as there was no room.
    pub ran_by_callers: u64,
    /// Jobs from outside that wait now.
    pub queued: usize,
    /// Workers that sleep now.
    pub asleep: usize,
}

/// A pool of threads. See the [module page](super).
///
/// Dropping it is [`Pool::shutdown`], which waits for all jobs that it has: a reactor's thread should not be the last to hold it.
/// To share it, put it into an [`Arc`].
pub struct Pool {
    shared: Arc<Shared>,
    overflow: Overflow,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).field("metrics", &self.metrics()).finish()
    }
}

impl Pool {
    /// How it shall be.
    pub fn builder() -> Builder {
        Builder {
            threads: None,
            name: "xs-pool".into(),
            capacity: 65_536,
            overflow: Overflow::default(),
            stack: None,
            on_panic: None,
        }
    }

    /// How many workers it has.
    pub fn threads(&self) -> usize {
        self.shared.workers.len()
    }

    /// Whether the calling thread is one of its workers.
    pub fn is_worker(&self) -> bool {
        self.shared.place().is_some()
    }

    /// Lets a job run whose result nobody waits for. On a worker it goes where that worker looks first, without bound; from
    /// outside it is queued.
    ///
    /// # Errors
    ///
    /// The job comes back if there is no room and the pool was made to say so, or if the pool ends.
    pub fn spawn<F: FnOnce() + Send + 'static>(&self, job: F) -> Result<(), Rejected<F>> {
        match self.shared.place() {
            Some(at) if !self.shared.abandoned.load(Relaxed) => {
                self.shared.push(&self.shared.workers[at], self.contained(job));
                Ok(())
            }
            _ => self.spawn_with(Priority::Normal, job),
        }
    }

    /// The same with a priority: it is queued, wherever it comes from.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::spawn`].
    pub fn spawn_with<F: FnOnce() + Send + 'static>(&self, priority: Priority, job: F) -> Result<(), Rejected<F>> {
        match (self.overflow, self.shared.place()) {
            (Overflow::Block, Some(at)) => match self.queue(priority, Overflow::Reject, job, |job| self.contained(job))
            {
                Err(Rejected { job, reason: Reason::Full }) => {
                    self.shared.refused.fetch_sub(1, Relaxed);
                    self.shared.push(&self.shared.workers[at], self.contained(job));
                    Ok(())
                }
                done => done,
            },
            (overflow, _) => self.queue(priority, overflow, job, |job| self.contained(job)),
        }
    }

    /// The same, and it never waits nor runs the job here: if there is no room, the job comes back.
    ///
    /// # Errors
    ///
    /// The job comes back if there is no room, or if the pool ends.
    pub fn try_spawn<F: FnOnce() + Send + 'static>(&self, priority: Priority, job: F) -> Result<(), Rejected<F>> {
        self.queue(priority, Overflow::Reject, job, |job| self.contained(job))
    }

    fn queue<F>(
        &self,
        priority: Priority,
        overflow: Overflow,
        work: F,
        make: impl Fn(F) -> Job,
    ) -> Result<(), Rejected<F>> {
        let mut work = Some(work);
        let entry = self.shared.injector.push(priority, overflow, || match work.take() {
            Some(work) => make(work),
            None => unreachable!("a job is made once"),
        });
        match (entry, work) {
            (Entry::Queued, _) | (_, None) => {
                self.shared.idle.wake_one(Work::Outside);
                Ok(())
            }
            (Entry::Yours, Some(work)) => {
                self.shared.by_callers.fetch_add(1, Relaxed);
                make(work).run();
                Ok(())
            }
            (Entry::Refused(reason), Some(job)) => {
                self.shared.refused.fetch_add(1, Relaxed);
                Err(Rejected { job, reason })
            }
        }
    }

    fn contained(&self, job: impl FnOnce() + Send + 'static) -> Job {
        let shared = self.shared.clone();
        boxed(move || shared.contain(job))
    }

    /// Lets a job run, and gives its result to whoever asks the [`Task`].
    ///
    /// # Errors
    ///
    /// Those of [`Pool::spawn`].
    pub fn submit<T, F>(&self, job: F) -> Result<Task<T>, Rejected<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.shared.place() {
            Some(at) if !self.shared.abandoned.load(Relaxed) => {
                let (task, job) = task(&self.shared, job);
                self.shared.push(&self.shared.workers[at], job);
                Ok(task)
            }
            _ => self.ask(Priority::Normal, self.overflow, job),
        }
    }

    /// The same with a priority, and it never waits nor runs the job here: if there is no room, the job comes back.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::try_spawn`].
    pub fn try_submit<T, F>(&self, priority: Priority, job: F) -> Result<Task<T>, Rejected<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.ask(priority, Overflow::Reject, job)
    }

    fn ask<T, F>(&self, priority: Priority, overflow: Overflow, job: F) -> Result<Task<T>, Rejected<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let asked = Cell::new(None);
        self.queue(priority, overflow, job, |job| {
            let (task, job) = task(&self.shared, job);
            asked.set(Some(task));
            job
        })?;
        match asked.take() {
            Some(task) => Ok(task),
            None => unreachable!("what was not refused was made"),
        }
    }

    /// Runs both and returns both results: `a` here, `b` wherever somebody has time first, and here if nobody has. From a thread
    /// that is no worker, it is one that runs `a`.
    ///
    /// # Panics
    ///
    /// With what `a` or `b` panicked with, when nothing of either runs any more. If `a` panics before anybody has begun `b`, `b`
    /// isn't run.
    #[inline]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        match self.shared.place() {
            Some(at) => scope::join(&self.shared, at, a, b),
            None => self.install(|| match self.shared.place() {
                Some(at) => scope::join(&self.shared, at, a, b),
                None => (a(), b()),
            }),
        }
    }

    /// Runs `work`, which may spawn jobs that borrow what outlives the scope, and returns when all have ended.
    ///
    /// ```
    /// let pool = xs_os::pool::Pool::builder().threads(2).build()?;
    /// let mut halves = [0, 0];
    /// let [first, second] = &mut halves;
    /// pool.scope(|scope| {
    ///     scope.spawn(|_| *first = 1);
    ///     scope.spawn(|_| *second = 2);
    /// });
    /// assert_eq!(halves, [1, 2]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// With what the first of its jobs panicked with, when all have ended.
    pub fn scope<'scope, R: Send>(&'scope self, work: impl FnOnce(&Scope<'scope>) -> R + Send) -> R {
        match self.is_worker() {
            true => scope::scope(&self.shared, work),
            false => self.install(|| scope::scope(&self.shared, work)),
        }
    }

    /// Runs `work` on a worker and waits for it; here, if this thread is one, or the pool has ended. A worker of another pool waits
    /// like any other thread, and does nothing meanwhile.
    ///
    /// # Panics
    ///
    /// With what `work` panicked with.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.is_worker() {
            true => work(),
            false => scope::install(&self.shared, work).unwrap_or_else(|work| work()),
        }
    }

    /// What it has done so far.
    pub fn metrics(&self) -> Metrics {
        let shared = &self.shared;
        let mut metrics = Metrics {
            panics: shared.panics.load(Relaxed),
            rejected: shared.refused.load(Relaxed),
            ran_by_callers: shared.by_callers.load(Relaxed),
            queued: shared.injector.len(),
            asleep: shared.idle.count(),
            ..Metrics::default()
        };
        for worker in &shared.workers {
            metrics.ran += worker.ran.load(Relaxed);
            metrics.stolen += worker.stolen.load(Relaxed);
            metrics.slept += worker.slept.load(Relaxed);
        }
        metrics
    }

    /// Takes no more jobs, runs those that it has, and those that they spawn, and returns when the workers have ended. Called by a
    /// worker it doesn't wait.
    pub fn shutdown(&self) {
        self.shared.injector.close();
        self.shared.idle.wake_all();
        if self.is_worker() {
            return;
        }
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // Jobs' panics are contained: there is nothing that it could say.
            let _ = thread.join();
        }
    }

    /// Takes no more jobs, lets those that run end, and drops the others; what somebody waits for in [`Pool::join`], a scope or
    /// [`Pool::install`] is run. Answers how many were dropped or run so, as far as they are: all, unless a worker calls it.
    pub fn shutdown_now(&self) -> usize {
        self.shared.abandoned.store(true, SeqCst);
        self.shutdown();
        self.shared.discarded.load(SeqCst)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shutdown();
    }
}
