//! The loop of a driver: what is read, understood and written, in which order.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::AsyncReadExt;
use xs_proto::machine::{Machine, Phase};

use super::{Driver, HIGH_WATER, IDLE_OUT, ROUNDS_A_POLL};
use crate::{Transport, spare};

impl<M: Machine, T: Transport + Unpin> Driver<M, T> {
    pub(super) fn pump(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<M::Event>>> {
        self.freshen();
        loop {
            if let Some(event) = self.machine.poll_event() {
                return Poll::Ready(Ok(Some(event)));
            }
            // One that the machine sets in this very moment and has passed already rings below.
            if std::mem::take(&mut self.moved)
                && self.machine.poll_timeout().is_some_and(|deadline| deadline <= self.now)
            {
                self.machine.handle_timeout(self.now);
                continue;
            }
            if self.takes_more() {
                self.feed();
                continue;
            }
            // The phase is told only when everything has been polled, so this comes first.
            let held_back = self.out.len() >= HIGH_WATER;
            let more = !held_back && self.machine.poll_transmit(&mut self.out);
            if self.failed.is_some() {
                self.out.clear();
            }
            let phase = self.machine.phase();
            if phase != Phase::Open && (self.out.is_empty() || phase == Phase::Aborted) {
                return self.part(cx, phase);
            }
            // Whoever has nobody to write to is not told to write more: it could go on for ever.
            if more
                && self.failed.is_none()
                && let Some(event) = self.machine.poll_event()
            {
                return Poll::Ready(Ok(Some(event)));
            }
            // What was taken over may have made room for more of the input.
            if self.takes_more() {
                continue;
            }
            if self.rounds >= ROUNDS_A_POLL {
                cx.waker().wake_by_ref();
                return self.pending();
            }
            if !self.out.is_empty() {
                match Pin::new(&mut self.io).poll_write_out(cx, &mut self.out) {
                    Poll::Ready(Ok(taken)) => {
                        self.rounds += 1;
                        self.written += taken as u64;
                        self.unflushed = true;
                        let taken = self.left().unwrap_or(taken);
                        self.patience.took(self.now, taken);
                        // Where everything was taken over and is written now, the machine has nothing to add.
                        if !self.out.is_empty() || held_back || phase != Phase::Open {
                            continue;
                        }
                    }
                    Poll::Ready(Err(error)) => {
                        self.fail(error);
                        continue;
                    }
                    Poll::Pending => self.wait_for_peer()?,
                }
            }
            if self.out.is_empty() {
                self.rest(cx)?;
            }
            if !self.fresh && !self.eof && phase == Phase::Open && self.machine.wants_input() {
                match self.read(cx) {
                    Poll::Ready(Ok(())) => {
                        self.rounds += 1;
                        self.feed();
                        continue;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(self.failed.take().unwrap_or(error))),
                    Poll::Pending => {}
                }
            }
            if let Some(error) = self.failed.take() {
                return Poll::Ready(Err(error));
            }
            let next = match (self.machine.poll_timeout(), self.patience.deadline()) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            if next.is_some_and(|at| self.rings(cx, at)) {
                continue;
            }
            return self.pending();
        }
    }

    /// Whether `at` has passed; if not, the task is woken then.
    pub(super) fn rings(&mut self, cx: &mut Context<'_>, at: Instant) -> bool {
        let rings = self.alarm.poll(cx, &self.timer, self.now, at);
        if rings {
            (self.now, self.moved) = (self.timer.now(), true);
        }
        rings
    }

    /// How much has left the transport since the last look, if that is another thing than what it has taken.
    #[inline]
    fn left(&mut self) -> Option<usize> {
        let sent = self.io.sent()?;
        let left = sent - std::mem::replace(&mut self.sent, sent);
        Some(usize::try_from(left).unwrap_or(usize::MAX))
    }

    /// The peer has not taken what is there to be sent; an error if that has been so for too long.
    pub(super) fn wait_for_peer(&mut self) -> io::Result<()> {
        // A transport that takes nothing for itself may still be getting rid of what it took before.
        if let Some(left @ 1..) = self.left() {
            self.patience.took(self.now, left);
        }
        self.patience.wait(self.now);
        if self.patience.deadline().is_some_and(|at| at <= self.now) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes what is sent too slowly"));
        }
        Ok(())
    }

    pub(super) fn pending<X>(&mut self) -> Poll<X> {
        self.stale = true;
        Poll::Pending
    }

    /// Shows the machine what was read. What it leaves because it has had enough for now is shown to it again.
    #[inline]
    pub(super) fn feed(&mut self) {
        if self.eof {
            self.machine.handle_eof(self.now, &mut self.input);
            self.fresh = !self.machine.wants_input();
        } else {
            self.machine.handle_input(self.now, &mut self.input);
            self.fresh = !self.input.is_empty() && !self.machine.wants_input();
        }
    }

    /// With nothing to write: flushes what was written, and gives back memory.
    fn rest(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.out.capacity() > IDLE_OUT {
            self.out.shrink();
        }
        if self.unflushed {
            // A transport that holds bytes back, as TLS does, waits here for a peer that takes none.
            if Pin::new(&mut self.io).poll_flush(cx).is_pending() {
                return self.wait_for_peer();
            }
            // A flush that fails fails the next write too.
            self.unflushed = false;
            let left = self.left().unwrap_or(0);
            self.patience.took(self.now, left);
        }
        Ok(())
    }

    /// Nothing can be written any more. What is already there to be read is still read, for the peer may have said why.
    fn fail(&mut self, error: io::Error) {
        self.out.clear();
        self.failed = Some(error);
    }

    /// Nothing can be read now.
    #[inline]
    fn nothing<X>(&mut self) -> Poll<X> {
        if self.input.is_empty() && self.input.capacity() > 0 {
            spare::put(std::mem::take(&mut self.input));
        }
        Poll::Pending
    }

    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // No buffer is taken in hand only to hear that there is nothing.
        if self.drained && self.io.poll_readable(cx).is_pending() {
            return self.nothing();
        }
        if self.input.capacity() == 0 {
            self.input = spare::take();
        }
        // Not always the whole room: what was taken from the front is only got back when nobody holds it any more.
        if self.input.capacity() - self.input.len() < self.room / 4 + 1 {
            self.input.reserve(self.room);
        }
        let free = self.input.capacity() - self.input.len();
        let Poll::Ready(read) = pin!(self.io.read_buf(&mut self.input)).poll(cx) else {
            return self.nothing();
        };
        let read = read?;
        (self.eof, self.fresh, self.drained) = (read == 0, true, read < free);
        if read == free {
            self.room = (self.room * 2).min(self.options.read_buffer_max.max(1));
        } else if read < self.room / 4 {
            self.room = self.options.read_buffer.max(1);
        }
        Poll::Ready(Ok(()))
    }
}
