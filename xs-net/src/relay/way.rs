//! One way of a relay: what is read from one side is written to the other, one piece after another.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;

use super::pipe::{Pipe, Pipes};
use crate::{Transport, spare};

/// So many small pieces in a row end splicing.
const SMALL_PIECES: u8 = 4;

/// Which side failed.
#[derive(Debug)]
pub(super) enum Fault {
    Read(io::Error),
    Write(io::Error),
}

/// What was read and is not written yet.
enum Held {
    Nothing,
    Bytes(BytesMut),
    Pipe(Pipe),
}

/// How far a way has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// There is nothing more to read.
    Ending,
    /// Everything is written, and the end was passed on; or the other side takes nothing more.
    Over,
}

pub(super) struct Way {
    held: Held,
    phase: Phase,
    moved: u64,
    /// Something was written since the last flush.
    unflushed: bool,
    buffer: usize,
    /// None where nothing can be spliced, ever.
    pipes: Option<Pipes>,
    splice_after: usize,
    /// Bytes that came in full buffers since the last one that was not full.
    streak: usize,
    splicing: bool,
    small: u8,
}

impl Way {
    pub(super) fn new(buffer: usize, pipes: Option<Pipes>, splice_after: usize) -> Self {
        Way {
            held: Held::Nothing,
            phase: Phase::Open,
            moved: 0,
            unflushed: false,
            buffer,
            splicing: pipes.is_some() && splice_after == 0,
            pipes,
            splice_after,
            streak: 0,
            small: 0,
        }
    }

    pub(super) fn preload(&mut self, bytes: BytesMut) {
        if !bytes.is_empty() {
            self.held = Held::Bytes(bytes);
        }
    }

    /// How many bytes were written.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Goes on until one side must be waited for, or all is done. A way that is over stays so.
    pub(super) fn poll<A, B>(&mut self, cx: &mut Context<'_>, from: &mut A, to: &mut B) -> Poll<Result<(), Fault>>
    where
        A: Transport + Unpin,
        B: Transport + Unpin,
    {
        loop {
            if self.phase == Phase::Over {
                return Poll::Ready(Ok(()));
            }
            if let Err(error) = ready!(self.poll_write(cx, to)) {
                (self.phase, self.held) = (Phase::Over, Held::Nothing);
                return Poll::Ready(Err(Fault::Write(error)));
            }
            if self.phase == Phase::Ending {
                // A peer that has gone meanwhile knows that this is the end.
                let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                self.phase = Phase::Over;
                continue;
            }
            match self.poll_read(cx, from) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => self.phase = Phase::Ending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Fault::Read(error))),
                Poll::Pending => {
                    if self.unflushed {
                        match Pin::new(&mut *to).poll_flush(cx) {
                            Poll::Ready(Ok(())) => self.unflushed = false,
                            Poll::Ready(Err(error)) => {
                                self.phase = Phase::Over;
                                return Poll::Ready(Err(Fault::Write(error)));
                            }
                            Poll::Pending => {}
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Writes what is held.
    fn poll_write<B: Transport + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut B) -> Poll<io::Result<()>> {
        match &mut self.held {
            Held::Nothing => return Poll::Ready(Ok(())),
            Held::Bytes(bytes) => {
                while !bytes.is_empty() {
                    let n = ready!(Pin::new(&mut *to).poll_write(cx, bytes))?;
                    if n == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    bytes.advance(n);
                    self.moved += n as u64;
                    self.unflushed = true;
                }
            }
            Held::Pipe(pipe) => {
                // Only TCP is spliced, and what a TCP stream is does not change.
                if let Some(to) = to.as_tcp() {
                    ready!(pipe.poll_drain(cx, to, &mut self.moved))?;
                }
            }
        }
        if let Held::Bytes(buffer) = std::mem::replace(&mut self.held, Held::Nothing) {
            spare::put(buffer);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads a piece; false at the end.
    fn poll_read<A: Transport + Unpin>(&mut self, cx: &mut Context<'_>, from: &mut A) -> Poll<io::Result<bool>> {
        if self.splicing
            && let Some(tcp) = from.as_tcp()
            && let Some(mut pipe) = self.pipes.as_ref().and_then(Pipes::take)
        {
            match ready!(pipe.poll_fill(cx, tcp))? {
                Some(n) => {
                    self.small = if n < self.buffer { self.small + 1 } else { 0 };
                    if self.small >= SMALL_PIECES {
                        (self.splicing, self.small, self.streak) = (false, 0, 0);
                    }
                    if n > 0 {
                        self.held = Held::Pipe(pipe);
                    }
                    return Poll::Ready(Ok(n > 0));
                }
                None => (self.splicing, self.pipes) = (false, None),
            }
        }
        let mut buffer = spare::take();
        // A spare buffer may be larger or smaller than what is asked for; the limit holds for what is read.
        buffer.reserve(self.buffer);
        let read = {
            let mut limited = bytes::BufMut::limit(&mut buffer, self.buffer);
            pin!(from.read_buf(&mut limited)).poll(cx)
        };
        match read {
            Poll::Ready(Ok(n)) if n > 0 => {
                self.streak = if n == self.buffer { self.streak.saturating_add(n) } else { 0 };
                self.splicing = self.pipes.is_some() && self.streak >= self.splice_after;
                self.held = Held::Bytes(buffer);
                Poll::Ready(Ok(true))
            }
            other => {
                spare::put(buffer);
                other.map_ok(|_| false)
            }
        }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Way");
        f.field("phase", &self.phase)
            .field("moved", &self.moved)
            .field("splicing", &self.splicing)
            .finish_non_exhaustive()
    }
}
