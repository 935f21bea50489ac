//! A write's way to the disk, to wait for or to await.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::Result;

/// Something that makes positions durable in order: a log.
pub trait Settle: Send + Sync {
    /// Returns when everything up to `position` is durable, or can no longer be. May do the work itself.
    fn wait(&self, position: u64) -> Result<()>;

    /// The same for a task: asks for the work to be done in the background, and wakes the task after it.
    fn poll_wait(&self, position: u64, cx: &mut Context<'_>) -> Poll<Result<()>>;
}

/// The durability of a write that has been accepted. Dropping it does not undo the write, and does not hurry it.
#[must_use = "the write may be lost in a crash until this has been waited for"]
pub struct Commit {
    pending: Option<(Arc<dyn Settle>, u64)>,
}

impl Commit {
    /// Nothing to wait for.
    pub fn done() -> Self {
        Commit { pending: None }
    }

    /// Durable when `by` has settled `position`.
    pub fn pending(by: Arc<dyn Settle>, position: u64) -> Self {
        Commit { pending: Some((by, position)) }
    }

    /// Blocks until the write is durable. In async code, `.await` it instead.
    pub fn wait(self) -> Result<()> {
        self.pending.map_or(Ok(()), |(by, position)| by.wait(position))
    }
}

impl Future for Commit {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.pending {
            Some((by, position)) => by.poll_wait(*position, cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").field("position", &self.pending.as_ref().map(|(_, position)| position)).finish()
    }
}
