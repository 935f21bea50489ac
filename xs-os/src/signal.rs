//! One flag that wakes one task: [`Signal`].
//!
//! # The problem
//!
//! A task waits until somebody else, on any thread, says *now*: a blocked request has been served, a shutdown has begun.
//! A flag alone must be polled; a waker alone loses the call that comes between looking at the flag and going to sleep.
//!
//! # How it works
//!
//! ```text
//!   waiting task                         any thread
//!   ────────────                         ──────────
//!   register the waker                   set the flag
//!   look at the flag ── set ──▶ Ready    wake the waker
//!        └── not set ──▶ sleep ◀───────────┘
//! ```
//!
//! The task registers *before* it looks, and the other side sets *before* it wakes. Whatever the interleaving, either
//! the task sees the flag or the other side sees the waker.
//!
//! # Invariants
//!
//! - A [`Signal::set`] is never lost: a later [`Signal::poll`] is ready, or a sleeping task is woken. Enforced by the
//!   order above, and checked for every interleaving of one waiter and two callers by loom (`.ci/loom`).
//! - `poll` takes the flag with it: one `set` makes one `poll` ready. Two `set`s without a `poll` between them count once.
//! - One task waits at a time. A second one that polls takes the place of the first.
//!
//! # Cost
//!
//! Two words and no allocation; one or two atomic operations a call.
//!
//! # Example
//!
//! ```
//! use std::{future::poll_fn, sync::Arc};
//! use xs_os::Signal;
//!
//! # #[allow(clippy::disallowed_methods)]
//! let signal = Arc::new(Signal::new());
//! let theirs = signal.clone();
//! let thread = std::thread::spawn(move || theirs.set());
//! futures::executor::block_on(poll_fn(|cx| signal.poll(cx)));
//! thread.join().unwrap();
//! ```
//!
//! # How others do it
//!
//! `tokio::sync::Notify` serves many waiters with an intrusive list and hands out futures; `futures::task::AtomicWaker`
//! is the half without the flag, and stands inside here.
//!
//! # What this leaves out
//!
//! Many waiters, values, and fairness.
//!
//! # Try next
//!
//! Look before registering, in [`Signal::poll`], and find the interleaving that sleeps for ever: by hand, or with loom.
//!
//! # Sources
//!
//! The documentation of `AtomicWaker`; J. Preshing, "Roll Your Own Lightweight Mutex" (2012), on waking exactly once.

use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use crate::sync::{AtomicBool, AtomicWaker};

/// One flag that wakes one task. See the [module page](self).
#[derive(Debug)]
pub struct Signal {
    set: AtomicBool,
    waker: AtomicWaker,
}

impl Signal {
    /// Not set.
    pub fn new() -> Self {
        Signal { set: AtomicBool::new(false), waker: AtomicWaker::new() }
    }

    /// Sets the flag and wakes the task that waits.
    pub fn set(&self) {
        // A plain store would do: it cannot come between the two halves of `poll`'s swap. But loom does not know that of
        // stores, only of swaps, and the waker costs two of these anyway.
        self.set.swap(true, Ordering::Release);
        self.waker.wake();
    }

    /// Takes the flag back; nobody is woken.
    pub fn clear(&self) {
        self.set.store(false, Ordering::Relaxed);
    }

    /// Ready if the flag was set, which takes it back; otherwise the task is woken when it is.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        if self.set.swap(false, Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Default for Signal {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, xs_loom))]
mod loom_tests {
    use super::*;
    use crate::sync::blocking::block_on;
    use loom::thread;
    use std::sync::Arc;

    #[test]
    fn a_set_is_never_lost() {
        loom::model(|| {
            let signal = Arc::new(Signal::new());
            let callers: Vec<_> = (0..2)
                .map(|_| {
                    let signal = signal.clone();
                    thread::spawn(move || signal.set())
                })
                .collect();
            block_on(|cx| signal.poll(cx));
            callers.into_iter().for_each(|caller| caller.join().unwrap());
        });
    }

    #[test]
    fn what_was_written_before_the_set_is_seen_after_it() {
        loom::model(|| {
            let signal = Arc::new(Signal::new());
            let data = Arc::new(loom::cell::UnsafeCell::new(0));
            let (theirs, cell) = (signal.clone(), data.clone());
            let caller = thread::spawn(move || {
                // loom itself panics if the two accesses race.
                cell.with_mut(|_| ());
                theirs.set();
            });
            block_on(|cx| signal.poll(cx));
            data.with(|_| ());
            caller.join().unwrap();
        });
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn one_set_makes_one_poll_ready() {
        let signal = Signal::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(signal.poll(&mut cx).is_pending());
        signal.set();
        signal.set();
        assert!(signal.poll(&mut cx).is_ready());
        assert!(signal.poll(&mut cx).is_pending());
        signal.set();
        signal.clear();
        assert!(signal.poll(&mut cx).is_pending());
    }
}
