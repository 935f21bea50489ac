//! The pool itself: how it is made, fed, looked at and ended.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::thread::{self, JoinHandle};

use super::inject::Entry;
use super::job::{Job, boxed};
use super::scope::{self, Scope};
use super::shared::{OnPanic, Shared};
use super::task::{Failed, Task, task};

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
    /// Its caller waits until there is. A worker of the same pool runs the job instead: it would wait for itself.
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
    /// The operating system's, if it gives no thread; those that were started end.
    pub fn build(self) -> std::io::Result<Pool> {
        let threads = self.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let shared = Arc::new(Shared::new(threads, self.capacity, self.on_panic));
        let mut pool = Pool { shared: shared.clone(), overflow: self.overflow, threads: Vec::with_capacity(threads) };
        for at in 0..threads {
            let mut builder = thread::Builder::new().name(format!("{}-{at}", self.name));
            if let Some(bytes) = self.stack {
                builder = builder.stack_size(bytes);
            }
            let shared = shared.clone();
            // If it fails, dropping the pool ends the others.
            pool.threads.push(builder.spawn(move || shared.live(at))?);
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
/// Dropping it is [`Pool::shutdown`]. To share it, put it into an [`Arc`].
pub struct Pool {
    shared: Arc<Shared>,
    overflow: Overflow,
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads.len()).field("metrics", &self.metrics()).finish()
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
                self.shared.push(at, self.contained(job));
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
        let overflow = match self.overflow {
            Overflow::Block if self.is_worker() => Overflow::CallerRuns,
            overflow => overflow,
        };
        self.queue(priority, overflow, job)
    }

    /// The same, and it never waits nor runs the job here: if there is no room, the job comes back.
    ///
    /// # Errors
    ///
    /// The job comes back if there is no room, or if the pool ends.
    pub fn try_spawn<F: FnOnce() + Send + 'static>(&self, priority: Priority, job: F) -> Result<(), Rejected<F>> {
        self.queue(priority, Overflow::Reject, job)
    }

    fn queue<F: FnOnce() + Send + 'static>(
        &self,
        priority: Priority,
        overflow: Overflow,
        job: F,
    ) -> Result<(), Rejected<F>> {
        let mut job = Some(job);
        let entry = self.shared.injector.push(priority, overflow, || match job.take() {
            Some(job) => self.contained(job),
            None => unreachable!("a job is made once"),
        });
        match (entry, job) {
            (Entry::Queued, _) | (_, None) => {
                self.shared.idle.wake_one();
                Ok(())
            }
            (Entry::Yours, Some(job)) => {
                self.shared.by_callers.fetch_add(1, Relaxed);
                self.shared.contain(job);
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
    /// Those of [`Pool::spawn`]. What comes back is a job that would still give its result to nobody: call it or drop it.
    pub fn submit<T, F>(&self, job: F) -> Result<Task<T>, Rejected<impl FnOnce() + Send + use<T, F>>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (task, run) = self.answering(job);
        self.spawn(run).map(|()| task)
    }

    /// The same with a priority, and it never waits nor runs the job here: if there is no room, the job comes back.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::try_spawn`]; what comes back is as in [`Pool::submit`].
    pub fn try_submit<T, F>(
        &self,
        priority: Priority,
        job: F,
    ) -> Result<Task<T>, Rejected<impl FnOnce() + Send + use<T, F>>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (task, run) = self.answering(job);
        self.try_spawn(priority, run).map(|()| task)
    }

    fn answering<T, F>(&self, job: F) -> (Task<T>, impl FnOnce() + Send + use<T, F>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (task, answer) = task(&self.shared);
        (task, move || answer.give(catch_unwind(AssertUnwindSafe(job)).map_err(Failed::Panicked)))
    }

    /// Runs both and returns both results: `a` here, `b` wherever somebody has time first, and here if nobody has. From a thread
    /// that is no worker, it is one that runs `a`.
    ///
    /// # Panics
    ///
    /// With what `a` or `b` panicked with, when both have ended.
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

    /// Runs `work` on a worker and waits for it; here, if this thread is one, or the pool has ended.
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

    /// Takes no more jobs, runs those that it has, and ends. What jobs spawn meanwhile is run as well.
    pub fn shutdown(mut self) {
        self.end();
    }

    /// Takes no more jobs, lets those that run end, and drops the others. Answers how many those were.
    pub fn shutdown_now(mut self) -> usize {
        self.shared.abandoned.store(true, SeqCst);
        self.end()
    }

    fn end(&mut self) -> usize {
        self.shared.injector.close();
        self.shared.idle.wake_all();
        let own = thread::current().id();
        for thread in self.threads.drain(..) {
            // A worker that drops its own pool can't wait for itself: it ends behind this job.
            if thread.thread().id() != own {
                // Jobs' panics are contained: there is nothing that it could say.
                let _ = thread.join();
            }
        }
        match self.is_worker() {
            true => 0,
            false => self.shared.discard(),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.end();
    }
}
