//! How a driver ends a conversation: what each phase asks for, and how long the peer is heard out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use xs_proto::machine::{Machine, Phase};

use super::{Driver, ROUNDS_A_POLL};
use crate::Transport;

/// How far closing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    No,
    /// Until when the end is said.
    Shutdown(Instant),
    /// Until when something must come to be dropped, until when it is, and how much of it.
    Linger(Instant, Instant, usize),
    Done,
}

impl<M: Machine, T: Transport + Unpin> Driver<M, T> {
    /// The conversation is over, and all of it is written.
    pub(super) fn part(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<io::Result<Option<M::Event>>> {
        if let Some(error) = self.failed.take() {
            self.farewell = Farewell::Done;
            return Poll::Ready(Err(error));
        }
        match phase {
            Phase::Open => return self.pending(),
            Phase::Aborted => {
                self.io.reset_on_close();
                self.farewell = Farewell::Done;
            }
            Phase::HandedOver => {
                while self.unflushed && Pin::new(&mut self.io).poll_flush(cx)?.is_pending() {
                    self.wait_for_peer()?;
                    if !self.patience.deadline().is_some_and(|at| self.rings(cx, at)) {
                        return self.pending();
                    }
                }
                self.unflushed = false;
                self.farewell = Farewell::Done;
            }
            Phase::Closing => {
                if self.close(cx).is_pending() {
                    return self.pending();
                }
                self.farewell = Farewell::Done;
            }
        }
        Poll::Ready(Ok(None))
    }

    fn after(&self, duration: Duration) -> Instant {
        // A sum beyond what an instant can be is for ever; thirty years are as good.
        self.now.checked_add(duration).unwrap_or_else(|| self.now + Duration::from_secs(30 * 365 * 24 * 3600))
    }

    /// Says that nothing more will come, and hears the peer out for a while. Failures no longer matter: everything is sent.
    fn close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.farewell {
                Farewell::Done => return Poll::Ready(()),
                Farewell::No => {
                    self.input.clear();
                    self.farewell = Farewell::Shutdown(self.after(self.options.linger));
                }
                Farewell::Shutdown(until) => {
                    if Pin::new(&mut self.io).poll_shutdown(cx).is_pending() {
                        // Some transports have a last word of their own, and the peer may not take that either.
                        if self.now >= until || self.rings(cx, until) {
                            return Poll::Ready(());
                        }
                        return Poll::Pending;
                    }
                    if self.eof {
                        return Poll::Ready(());
                    }
                    let (quiet, most) = (self.after(self.options.linger), self.after(self.options.linger_most));
                    self.farewell = Farewell::Linger(quiet.min(most), most, self.options.linger_bytes);
                }
                Farewell::Linger(until, most, left) => {
                    if self.now >= most || left == 0 {
                        return Poll::Ready(());
                    }
                    // First what has come, then the time: whoever is polled late finds both.
                    match self.read(cx) {
                        Poll::Ready(Ok(())) if !self.eof => {
                            self.rounds += 1;
                            self.now = self.timer.now();
                            let left = left.saturating_sub(self.input.len());
                            self.farewell = Farewell::Linger(self.after(self.options.linger).min(most), most, left);
                            self.input.clear();
                            if self.rounds >= ROUNDS_A_POLL {
                                cx.waker().wake_by_ref();
                                return Poll::Pending;
                            }
                        }
                        Poll::Ready(_) => return Poll::Ready(()),
                        Poll::Pending if self.now >= until || self.rings(cx, until) => return Poll::Ready(()),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
    }
}
