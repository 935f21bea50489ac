//! What outlives the process and not the machine: [`Written`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Records;
use super::framing::Framing;
use super::shared::Shared;
use super::turn::Goal;
use crate::Result;

/// Everything that was appended before [`Log::write`](super::Log::write) is with the operating system. Dropping it
/// undoes nothing, and hurries nothing.
#[must_use = "what waits in memory is lost with the process until this has been waited for"]
pub struct Written<F: Framing = Records> {
    log: Arc<Shared<F>>,
    ticket: u64,
}

impl<F: Framing> Written<F> {
    pub(super) fn new(log: Arc<Shared<F>>, ticket: u64) -> Self {
        Written { log, ticket }
    }

    fn goal(&self) -> Goal {
        Goal::Written(self.ticket)
    }

    /// What has come of it, if that is known by now. None: somebody else is at the disk, or a segment has to begin.
    pub fn outcome(&self) -> Option<Result<()>> {
        self.log.outcome(self.goal())
    }

    /// Blocks until it is written. In async code, `.await` it instead.
    ///
    /// # Errors
    /// [`Error::Stopped`](crate::Error::Stopped) after a failure of the disk.
    pub fn wait(self) -> Result<()> {
        self.log.settle(self.goal())
    }
}

impl<F: Framing> Future for Written<F> {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.log.poll_written(self.ticket, cx)
    }
}

impl<F: Framing> fmt::Debug for Written<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").field("ticket", &self.ticket).field("outcome", &self.outcome()).finish()
    }
}
