//! The result of a job, for whoever asked for it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::{Condvar, Mutex};

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

struct Slot<T> {
    state: Mutex<State<T>>,
    change: Condvar,
}

/// What a job will answer: wait for it with [`Task::join`], or as a future. A task that is dropped lets its job run.
#[must_use = "to let a job run whose result nobody wants, `spawn` it"]
pub struct Task<T> {
    slot: Arc<Slot<T>>,
    pool: Arc<Shared>,
}

/// The other end: whoever drops it without an answer cancels.
pub(super) struct Answer<T>(Arc<Slot<T>>);

pub(super) fn task<T>(pool: &Arc<Shared>) -> (Task<T>, Answer<T>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Waiting(None)), change: Condvar::new() });
    (Task { slot: slot.clone(), pool: pool.clone() }, Answer(slot))
}

impl<T> Answer<T> {
    pub(super) fn give(self, result: Result<T, Failed>) {
        self.set(result);
    }

    fn set(&self, result: Result<T, Failed>) {
        let mut state = self.0.state.lock();
        let State::Waiting(waker) = &mut *state else { return };
        let waker = waker.take();
        *state = State::Done(result);
        drop(state);
        self.0.change.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.set(Err(Failed::Cancelled));
    }
}

impl<T> Task<T> {
    /// Whether the answer is there.
    pub fn is_finished(&self) -> bool {
        !matches!(*self.slot.state.lock(), State::Waiting(_))
    }

    /// Waits for the answer. A worker of the same pool does other work meanwhile, so that it doesn't wait for itself.
    pub fn join(self) -> Result<T, Failed> {
        if let Some(at) = self.pool.place() {
            // Nobody wakes a worker for an answer, so it doesn't sleep for one.
            while !self.is_finished() {
                match self.pool.find(at, false) {
                    Some(job) => self.pool.run(at, job),
                    None => std::thread::yield_now(),
                }
            }
        }
        let mut state = self.slot.state.lock();
        loop {
            match std::mem::replace(&mut *state, State::Taken) {
                State::Done(result) => return result,
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
