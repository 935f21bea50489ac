//! The result of a job, for whoever asked for it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::{Condvar, Mutex};

use super::job::{Job, boxed};
use super::shared::Shared;

/// Why there is no result.
pub enum Failed {
    /// The job panicked; with this.
    Panicked(Box<dyn Any + Send>),
    /// The pool was shut down before the job was begun.
    Cancelled,
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Panicked(_) => f.write_str("Panicked(..)"),
            Failed::Cancelled => f.write_str("Cancelled"),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Panicked(panic) => {
                let text = panic.downcast_ref::<&str>().copied();
                let text = text.or_else(|| panic.downcast_ref::<String>().map(|text| &**text));
                write!(f, "the job panicked: {}", text.unwrap_or("with no text"))
            }
            Failed::Cancelled => f.write_str("the pool was shut down before the job was begun"),
        }
    }
}

impl std::error::Error for Failed {}

enum State<T> {
    Waiting(Option<Waker>),
    Done(Result<T, Failed>),
    Taken,
}

type Work<T> = Box<dyn FnOnce() -> T + Send>;

struct Slot<T> {
    /// The work, until somebody begins it.
    work: Mutex<Option<Work<T>>>,
    state: Mutex<State<T>>,
    change: Condvar,
}

impl<T> Slot<T> {
    fn set(&self, result: Result<T, Failed>) {
        let mut state = self.state.lock();
        let State::Waiting(waker) = &mut *state else { return };
        let waker = waker.take();
        *state = State::Done(result);
        drop(state);
        self.change.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Does the work, if nobody has begun it.
    fn begin(&self) {
        let work = self.work.lock().take();
        if let Some(work) = work {
            self.set(catch_unwind(AssertUnwindSafe(work)).map_err(Failed::Panicked));
        }
    }
}

/// What a job will answer: wait for it with [`Task::join`], or as a future. A task that is dropped lets its job run.
#[must_use = "to let a job run whose result nobody wants, `spawn` it"]
pub struct Task<T> {
    slot: Arc<Slot<T>>,
    pool: Arc<Shared>,
}

/// The queued end: dropped without being run, it cancels.
struct Queued<T>(Arc<Slot<T>>);

impl<T> Queued<T> {
    fn begin(self) {
        self.0.begin();
    }
}

impl<T> Drop for Queued<T> {
    fn drop(&mut self) {
        // Unless somebody has begun it who waits for it.
        if self.0.work.lock().take().is_some() {
            self.0.set(Err(Failed::Cancelled));
        }
    }
}

/// A task, and the job that does its work.
pub(super) fn task<T, F>(pool: &Arc<Shared>, work: F) -> (Task<T>, Job)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let work: Work<T> = Box::new(work);
    let slot = Arc::new(Slot {
        work: Mutex::new(Some(work)),
        state: Mutex::new(State::Waiting(None)),
        change: Condvar::new(),
    });
    let queued = Queued(slot.clone());
    let shared = pool.clone();
    // Whatever goes wrong with wakers and with answers that nobody wants stays within.
    let job = boxed(move || shared.contain(move || queued.begin()));
    (Task { slot, pool: pool.clone() }, job)
}

impl<T> Task<T> {
    /// Whether the answer is there.
    pub fn is_finished(&self) -> bool {
        !matches!(*self.slot.state.lock(), State::Waiting(_))
    }

    /// Waits for the answer. On a worker of the same pool, work that nobody has begun is done here: jobs may wait for each other
    /// as they like, if only none waits for itself by way of others, nor for a job that waits in [`Pool::join`](super::Pool::join) or a
    /// scope and runs it meanwhile.
    pub fn join(self) -> Result<T, Failed> {
        if self.pool.place().is_some() {
            self.slot.begin();
        }
        let mut state = self.slot.state.lock();
        loop {
            match std::mem::replace(&mut *state, State::Taken) {
                State::Done(result) => return result,
                // It was given to whoever polled.
                State::Taken => return Err(Failed::Cancelled),
                waiting @ State::Waiting(_) => *state = waiting,
            }
            self.slot.change.wait(&mut state);
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Failed>;

    /// # Panics
    ///
    /// When it is polled again after it gave its answer.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.state.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(result) => Poll::Ready(result),
            State::Taken => panic!("a task that was polled after it was ready"),
            State::Waiting(_) => {
                *state = State::Waiting(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
