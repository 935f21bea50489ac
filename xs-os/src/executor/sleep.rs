//! Waiting for a moment.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Weak;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pin_project_lite::pin_project;
use thiserror::Error;

use super::{Core, Executor, Reactor};
use crate::clock::Nanos;
use crate::timer::Key;

/// An executor's timers, whatever its reactor is.
pub(super) trait Timers {
    fn now(&self) -> Nanos;
    /// Sets a timer, or gives the one that is set another waker.
    fn wait(&self, key: Option<Key>, deadline: Nanos, waker: &Waker) -> Key;
    fn forget(&self, key: Key);
}

impl<R> Timers for Core<R> {
    fn now(&self) -> Nanos {
        self.clock.nanos()
    }

    fn wait(&self, key: Option<Key>, deadline: Nanos, waker: &Waker) -> Key {
        let mut timers = self.timers.borrow_mut();
        if let Some((key, kept)) = key.and_then(|key| Some((key, timers.get_mut(key)?))) {
            let old = if kept.will_wake(waker) { None } else { Some(std::mem::replace(kept, waker.clone())) };
            drop(timers);
            drop(old);
            return key;
        }
        timers.insert(deadline, waker.clone())
    }

    fn forget(&self, key: Key) {
        let waker = self.timers.borrow_mut().remove(key);
        drop(waker);
    }
}

impl<R: Reactor + 'static> Executor<R> {
    /// Ready once so much time has passed, to the next millisecond.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// Ready at a moment, to the next millisecond.
    pub fn sleep_until(&self, deadline: Nanos) -> Sleep {
        Sleep { timers: self.timers(), deadline, key: None }
    }

    /// What `future` returns, or [`Elapsed`] if that takes longer; the future is dropped with the [`Timeout`].
    pub fn timeout<F: Future>(&self, most: Duration, future: F) -> Timeout<F> {
        Timeout { future, sleep: self.sleep(most) }
    }

    /// Lets the other tasks that are ready run first.
    pub async fn yield_now(&self) {
        let mut yielded = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// The future of [`Executor::sleep`].
#[must_use = "a sleep does nothing until it is awaited"]
pub struct Sleep {
    timers: Weak<dyn Timers>,
    deadline: Nanos,
    key: Option<Key>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Of an executor that is gone, no moment comes.
        let Some(timers) = self.timers.upgrade() else { return Poll::Pending };
        if timers.now() >= self.deadline {
            return Poll::Ready(());
        }
        let key = timers.wait(self.key, self.deadline, cx.waker());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some((key, timers)) = self.key.zip(self.timers.upgrade()) {
            timers.forget(key);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// It took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the time is over")]
pub struct Elapsed;

pin_project! {
    /// The future of [`Executor::timeout`].
    #[derive(Debug)]
    #[must_use = "a timeout does nothing until it is awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(value) = this.future.poll(cx) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(this.sleep).poll(cx).map(|()| Err(Elapsed))
    }
}
