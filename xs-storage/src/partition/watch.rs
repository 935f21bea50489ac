//! Waiting for the high watermark: what a fetch does that has nothing to answer yet.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Shared;
use crate::log::Index;

/// Resolves when the high watermark lies behind an offset, or the log has stopped: look again then. Dropping it is how a
/// fetch whose time is over gives up.
#[must_use = "futures do nothing unless they are polled"]
pub struct Raised {
    pub(super) shared: Arc<Shared>,
    pub(super) past: Index,
    /// Its number among those that wait.
    pub(super) number: Option<u64>,
}

impl Future for Raised {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shared = self.shared.clone();
        let mut state = shared.state.lock();
        if state.high > self.past || shared.log.stopped().is_some() {
            return Poll::Ready(());
        }
        let ours = |number: u64| Some(number) == self.number;
        match state.waiting.iter_mut().find(|(number, ..)| ours(*number)) {
            Some((.., waker)) => waker.clone_from(cx.waker()),
            None => {
                state.waited += 1;
                let number = state.waited;
                state.waiting.push((number, self.past, cx.waker().clone()));
                self.number = Some(number);
            }
        }
        Poll::Pending
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.shared.state.lock().waiting.retain(|(at, ..)| *at != number);
        }
    }
}

impl fmt::Debug for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raised").field("past", &self.past).finish_non_exhaustive()
    }
}
