//! For tests: a future that is polled by hand, so that a test decides what happens between two polls.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

pub(crate) struct ByHand<F>(Pin<Box<F>>);

pub(crate) fn by_hand<F: Future>(future: F) -> ByHand<F> {
    ByHand(Box::pin(future))
}

impl<F: Future> ByHand<F> {
    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        self.0.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
}
