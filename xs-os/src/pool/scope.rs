//! Fork and join: jobs that borrow from whoever waits for them.

#![allow(unsafe_code)]

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use parking_lot::Mutex;

use super::idle::Work;
use super::job::{Job, StackJob, boxed_for};
use super::latch::{OutsideLatch, WorkerLatch};
use super::shared::{Shared, bury};

/// Runs both, `a` here and `b` here or wherever somebody has time. On a worker.
pub(super) fn join<A, B, RA, RB>(pool: &Shared, at: usize, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    let second = StackJob::new(WorkerLatch::new(pool, at), b);
    // SAFETY: this function doesn't return, nor unwind, before the job came back or the latch is set.
    pool.push(at, unsafe { second.job() });
    let first = catch_unwind(AssertUnwindSafe(a));
    // What was pushed behind it is on top of it: all of that is run first.
    let back = loop {
        match pool.pop(at) {
            Some(raw) if raw == second.raw() => break true,
            // SAFETY: a deque gives each job once.
            Some(raw) => match unsafe { Job::from_raw(raw) } {
                Some(job) => pool.run(at, job),
                None => break false,
            },
            None => break false,
        }
    };
    match (first, back) {
        (Ok(first), true) => match second.into_work() {
            Some(b) => (first, b()),
            None => unreachable!("a job that came back was not run"),
        },
        // Nobody runs `b`: its maker has failed.
        (Err(panic), true) => resume_unwind(panic),
        (first, false) => {
            pool.work_until(at, true, || second.latch.is_set());
            let Some(result) = second.into_result() else { unreachable!("the latch is set behind the result") };
            match (first, result) {
                (Ok(first), Ok(result)) => (first, result),
                (Err(panic), Err(other)) => {
                    bury(other);
                    resume_unwind(panic)
                }
                (Err(panic), Ok(_)) | (Ok(_), Err(panic)) => resume_unwind(panic),
            }
        }
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
            Some(at) => self.pool.push(at, job),
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
