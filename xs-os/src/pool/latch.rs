//! How one who waits for a job hears that it is done.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use parking_lot::{Condvar, Mutex};

use super::job::Latch;
use super::shared::Shared;

/// For a worker, which does other work meanwhile.
pub(super) struct WorkerLatch<'a> {
    done: AtomicBool,
    pool: &'a Shared,
    owner: usize,
}

impl<'a> WorkerLatch<'a> {
    pub(super) fn new(pool: &'a Shared, owner: usize) -> Self {
        WorkerLatch { done: AtomicBool::new(false), pool, owner }
    }

    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.done.load(SeqCst)
    }
}

#[allow(unsafe_code)]
impl Latch for WorkerLatch<'_> {
    unsafe fn set(this: *const Self) {
        // SAFETY: `this` is live until `done` is seen: what is needed afterwards is taken out before. The pool outlives that:
        // jobs run on its workers, and each of them keeps it.
        let (pool, owner) = unsafe { ((*this).pool, (*this).owner) };
        // SAFETY: nobody has seen `done` yet.
        unsafe { (*this).done.store(true, SeqCst) };
        pool.idle.wake(owner);
    }
}

/// For any other thread, which sleeps.
#[derive(Clone, Default)]
pub(super) struct OutsideLatch(Arc<(Mutex<bool>, Condvar)>);

impl OutsideLatch {
    pub(super) fn wait(&self) {
        let (done, change) = &*self.0;
        let mut done = done.lock();
        while !*done {
            change.wait(&mut done);
        }
    }
}

#[allow(unsafe_code)]
impl Latch for OutsideLatch {
    unsafe fn set(this: *const Self) {
        // SAFETY: `this` is live until the flag is seen: the clone keeps what is needed afterwards.
        let latch = unsafe { (*this).clone() };
        *latch.0.0.lock() = true;
        latch.0.1.notify_all();
    }
}
