//! Fork and join: jobs that borrow from whoever waits for them.

#![allow(unsafe_code)]

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use parking_lot::Mutex;

use super::idle::Work;
use super::job::{Header, Job, StackJob, boxed_for};
use super::latch::{OutsideLatch, WorkerLatch};
use super::shared::{Shared, bury};

/// Runs both, `a` here and `b` here or wherever somebody has time. On a worker.
///
/// What mostly happens, that nobody steals, is compiled into the caller: `b` is then written where its job lies, and not copied
/// there, which takes longer than all else but the fences.
#[inline(always)]
pub(super) fn join<A, B, RA, RB>(pool: &Shared, at: usize, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    let worker = &pool.workers[at];
    let second = StackJob::new(WorkerLatch::new(pool, at), b);
    // SAFETY: this function doesn't return, nor unwind, before the job came back or the latch is set.
    pool.push(worker, unsafe { second.job() });
    let first = catch_unwind(AssertUnwindSafe(a));
    let popped = worker.deque.pop();
    if popped != Some(second.raw()) && !comes_back(pool, at, popped, second.raw()) {
        wait(pool, at, &second.latch);
        return both(first, second.into_result());
    }
    match (first, second.into_work()) {
        (Ok(first), Some(b)) => (first, b()),
        // Nobody runs `b`: its maker has failed.
        (Err(panic), _) => resume_unwind(panic),
        (Ok(_), None) => unreachable!("a job that came back was not run"),
    }
}

/// Whether a job is under those that were pushed behind it. All of these are run first; one is `popped` already.
#[cold]
fn comes_back(pool: &Shared, at: usize, mut popped: Option<*mut Header>, awaited: *mut Header) -> bool {
    while let Some(raw) = popped {
        if raw == awaited {
            return true;
        }
        // SAFETY: a deque gives each job once.
        let Some(job) = (unsafe { Job::from_raw(raw) }) else { break };
        pool.run(at, job);
        popped = pool.workers[at].deque.pop();
    }
    false
}

/// Works until the thief is done with the job.
#[cold]
fn wait(pool: &Shared, at: usize, latch: &WorkerLatch<'_>) {
    pool.work_until(at, true, || latch.is_set());
}

/// What came out of two jobs that have both been run.
#[cold]
fn both<RA, RB>(first: thread::Result<RA>, second: Option<thread::Result<RB>>) -> (RA, RB) {
    match (first, second) {
        (Ok(first), Some(Ok(second))) => (first, second),
        (Err(panic), Some(Err(other))) => {
            bury(other);
            resume_unwind(panic)
        }
        (Err(panic), Some(Ok(_))) | (Ok(_), Some(Err(panic))) => resume_unwind(panic),
        (_, None) => unreachable!("the latch is set behind the result"),
    }
}

/// Runs `work` on a worker, from a thread that is none. Back comes the work if the pool is shut down.
pub(super) fn install<F, R>(pool: &Shared, work: F) -> Result<R, F>
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    let latch = OutsideLatch::default();
    let job = StackJob::new(latch.clone(), work);
    // SAFETY: this function doesn't return before the job was refused or the latch is set: a pool that shuts down runs what
    // is awaited.
    match pool.injector.push_awaited(unsafe { job.job() }) {
        Ok(()) => {}
        Err(_) => match job.into_work() {
            Some(work) => return Err(work),
            None => unreachable!("a job that was refused was not run"),
        },
    }
    pool.idle.wake_one(Work::Outside);
    latch.wait();
    match job.into_result() {
        Some(Ok(result)) => Ok(result),
        Some(Err(panic)) => resume_unwind(panic),
        None => unreachable!("the latch is set behind the result"),
    }
}

/// Where jobs are spawned that may borrow what outlives the scope. See [`Pool::scope`](super::Pool::scope).
pub struct Scope<'scope> {
    pool: &'scope Shared,
    owner: usize,
    left: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Neither longer nor shorter.
    invariant: PhantomData<&'scope mut &'scope ()>,
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("left", &self.left).finish_non_exhaustive()
    }
}

/// A scope, from within a job that it waits for.
struct Alive<'scope>(*const Scope<'scope>);

// SAFETY: a scope is `Sync`: it is made of a reference to what is shared anyway, an atomic and a lock.
unsafe impl Send for Alive<'_> {}

impl<'scope> Alive<'scope> {
    /// The scope. A method, so that a closure takes the whole and not the pointer within.
    fn get(&self) -> &Scope<'scope> {
        // SAFETY: the scope stays until all its jobs have counted themselves out, which this one does last.
        unsafe { &*self.0 }
    }
}

impl<'scope> Scope<'scope> {
    /// Spawns a job that runs before the scope ends. The job may spawn others.
    pub fn spawn(&self, work: impl FnOnce(&Scope<'scope>) + Send + 'scope) {
        self.left.fetch_add(1, SeqCst);
        let scope = Alive(std::ptr::from_ref(self));
        let run = move || {
            let scope = scope.get();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(scope))) {
                // The first one is told of.
                let later = {
                    let mut first = scope.panic.lock();
                    match &*first {
                        None => {
                            *first = Some(panic);
                            None
                        }
                        Some(_) => Some(panic),
                    }
                };
                later.into_iter().for_each(bury);
            }
            let (pool, owner) = (scope.pool, scope.owner);
            // Behind this the scope may be gone. The pool is not: this is one of its workers, or a thread that the scope's own
            // work waits for.
            if scope.left.fetch_sub(1, SeqCst) == 1 {
                pool.idle.wake(owner);
            }
        };
        // SAFETY: what `work` borrows outlives 'scope, and `scope` below doesn't end before the job was run.
        let job = unsafe { boxed_for(run) };
        match self.pool.place() {
            Some(at) => self.pool.push(&self.pool.workers[at], job),
            // A scope can only be used on the pool's workers, but a job might hand it to a thread of its own.
            None => job.run(),
        }
    }
}

/// Runs `work`, and returns when all that it spawned has ended. On a worker; on any other thread, each job is run where it is
/// spawned.
pub(super) fn scope<'scope, R>(pool: &'scope Shared, work: impl FnOnce(&Scope<'scope>) -> R) -> R {
    let place = pool.place();
    let owner = place.unwrap_or(usize::MAX);
    let scope = Scope { pool, owner, left: AtomicUsize::new(0), panic: Mutex::new(None), invariant: PhantomData };
    let result = catch_unwind(AssertUnwindSafe(|| work(&scope)));
    if let Some(at) = place {
        pool.work_until(at, true, || scope.left.load(SeqCst) == 0);
    }
    match (result, scope.panic.into_inner()) {
        (Ok(result), None) => result,
        (Err(panic), other) => {
            other.into_iter().for_each(bury);
            resume_unwind(panic)
        }
        (Ok(_), Some(panic)) => resume_unwind(panic),
    }
}
