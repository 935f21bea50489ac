//! What a task returns, and how it is cancelled.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use thiserror::Error;

/// Why a task returned nothing.
#[derive(Error)]
pub enum Ended {
    /// It was cancelled, or its executor was dropped.
    #[error("the task was cancelled")]
    Cancelled,
    /// It panicked, with this.
    #[error("the task panicked")]
    Panicked(Box<dyn Any + Send>),
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ended::Cancelled => "Cancelled",
            Ended::Panicked(_) => "Panicked",
        })
    }
}

pub(super) struct State<T> {
    value: Option<Result<T, Ended>>,
    waiting: Option<Waker>,
}

/// The task's end: what it does not send says that it was cancelled.
pub(super) struct Sender<T>(Weak<RefCell<State<T>>>);

pub(super) fn pair<T>() -> (Sender<T>, Rc<RefCell<State<T>>>) {
    let state = Rc::new(RefCell::new(State { value: None, waiting: None }));
    (Sender(Rc::downgrade(&state)), state)
}

impl<T> Sender<T> {
    pub(super) fn send(self, value: Result<T, Box<dyn Any + Send>>) {
        self.settle(value.map_err(Ended::Panicked));
    }

    fn settle(&self, value: Result<T, Ended>) {
        let Some(state) = self.0.upgrade() else { return };
        let mut state = state.borrow_mut();
        if state.value.is_some() {
            return;
        }
        state.value = Some(value);
        let waiting = state.waiting.take();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.settle(Err(Ended::Cancelled));
    }
}

/// A task that was spawned: a future of what it returns. Dropping the handle lets the task go on.
#[must_use = "dropping a handle is fine, forgetting why is not: `drop` it or await it"]
pub struct JoinHandle<T> {
    state: Rc<RefCell<State<T>>>,
    cancel: Box<dyn Fn()>,
    taken: bool,
}

impl<T> JoinHandle<T> {
    pub(super) fn new(state: Rc<RefCell<State<T>>>, cancel: Box<dyn Fn()>) -> Self {
        JoinHandle { state, cancel, taken: false }
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.taken || self.state.borrow().value.is_some()
    }

    /// Drops the task's future, now; a task that cancels itself is dropped when its poll returns. One that has ended
    /// stays as it is.
    pub fn cancel(&self) {
        if !self.is_finished() {
            (self.cancel)();
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Ended>;

    /// # Panics
    ///
    /// If it is polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.taken, "a handle was awaited twice");
        let value = {
            let mut state = self.state.borrow_mut();
            let value = state.value.take();
            if value.is_none() {
                state.waiting = Some(cx.waker().clone());
            }
            value
        };
        match value {
            Some(value) => {
                self.taken = true;
                Poll::Ready(value)
            }
            None => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
