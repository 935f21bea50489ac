//! Two connections made one: [`Relay`] passes bytes both ways.
//!
//! # The problem
//!
//! A proxy that has found an endpoint for a connection has one thing left to do: whatever comes from one side goes to the
//! other, until both have said all. Two loops that copy look right and are not. One side may have said all while the other
//! goes on for an hour (`ssh host < script`); one may read slowly while the other sends fast; one may vanish without a
//! word; and one may be cut off in the middle, which must not look like an end to the other one. And every byte is copied
//! twice, out of the kernel and back into it, though nobody looks at it.
//!
//! # How it works
//!
//! A relay is two *ways*, from `a` to `b` and back. Each holds at most one piece that was read and not written yet:
//!
//! ```text
//!                 ┌──────────────────── there ────────────────────┐
//!   client ──▶ a ─┤ read ─▶ [one piece] ─▶ write   (end: shutdown) ├─▶ b ──▶ endpoint
//!          ◀──────┤ ◀──────────────────── back ───────────────────┤◀──────
//!                 └─────── idle timer over both, bytes counted ────┘
//!
//!   small pieces:  socket ──read──▶ the thread's spare buffer ──write──▶ socket       bytes cross into the process
//!   a stream:      socket ──splice──▶ pipe ──splice──▶ socket                         they stay in the kernel
//! ```
//!
//! Nothing is read while the piece before is not written, so a slow reader slows down the writer through its own TCP
//! window. The end of one side's stream is passed on as a shutdown, and the other way goes on.
//!
//! **Splice.** Between two TCP sockets on Linux the kernel can move the bytes' pages through a pipe. That saves the two
//! copies and costs a call more, and pages that travel alone are worth less than bytes that travel together; so it pays for
//! streams and not for questions and answers. A way begins by copying, and goes over to splicing when
//! [`Options::splice_after`] bytes came in full buffers, one after the other; when pieces become small again, it goes back.
//! Pipes come from a bounded pool ([`Pipes`]) and are held only while something is in them. Without a pool, or a free pipe,
//! or two TCP sockets ([`Transport::as_tcp`]), or Linux, a way copies.
//!
//! # Invariants
//!
//! - Nothing is lost, added or reordered, in whatever pieces it comes and is taken
//!   (`whatever_goes_in_comes_out_in_order`, over memory and over TCP with and without pipes).
//! - An end is passed on after all that came before it, and ends one way only
//!   (`the_end_of_one_side_leaves_the_other_way_open`).
//! - Whoever is cut off is not taken for one who ended: a failed read and an idle relay close both sides with a reset where
//!   the transport can ([`Transport::reset_on_close`]; `a_reset_is_passed_on_as_one`).
//! - When one side no longer takes anything, what it still has to say is passed on (`an_answer_that_comes_before_the_end…`).
//! - A way holds one buffer or one pipe, and none of them while it waits to read (`Way::poll`).
//! - A pipe goes back to its pool only when it is empty (`Pipe` gives itself up otherwise).
//!
//! # Cost
//!
//! For a piece: a read and a write, and no allocation; an idle relay holds no buffer and no pipe. Processor time of the
//! relay's thread over loopback, from the benchmark `relay` on a busy virtual machine, which is where the defaults come from:
//!
//! | an answer of | copied, 16 KiB | copied, 64 KiB | spliced | as it goes over by itself |
//! |---|--:|--:|--:|--:|
//! | 64 B | 7–10 µs | 8 µs | 12 µs | 7–10 µs |
//! | 64 KiB | 29 µs | 21 µs | 24 µs | 17 µs |
//! | 256 KiB | 83 µs | 43 µs | 26 µs | 33 µs |
//! | 1 MiB | 300 µs | 219 µs | 116 µs | 116 µs |
//! | 1 GiB | 0.33 s | 0.29 s | 0.10 s | 0.13 s |
//!
//! So splicing loses a little where pieces are small, draws at 64 KiB, and takes a third for a stream: the change comes at
//! twice the draw. Larger buffers copy streams cheaper, and are what a slow reader holds of memory.
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use xs_net::Timer;
//! use xs_net::listener::MemoryStream;
//! use xs_net::relay::{End, Options, Relay};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let (mut client, a) = MemoryStream::pair(64);
//! let (mut endpoint, b) = MemoryStream::pair(64);
//! let relay = tokio::spawn(Relay::new(a, b, &Timer::system(), Options::default()));
//!
//! client.write_all(b"question").await?;
//! client.shutdown().await?; // and no more
//! let (mut question, mut answer) = (String::new(), String::new());
//! endpoint.read_to_string(&mut question).await?;
//! endpoint.write_all(b"answer").await?;
//! drop(endpoint);
//! client.read_to_string(&mut answer).await?;
//!
//! let relayed = relay.await?;
//! assert_eq!((&*question, &*answer), ("question", "answer"));
//! assert_eq!((relayed.there, relayed.back), (8, 6));
//! assert!(matches!(relayed.end, End::Complete));
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! haproxy decides for each read whether splicing is worth it by what came before (`splice-auto`), with a pool of pipes;
//! its documentation warns of the pipes' memory, which the kernel takes from a limit for each user. Go's `io.Copy` splices
//! between TCP connections by itself, with pooled pipes. tokio's `copy_bidirectional` copies through two buffers of 8 KiB that
//! each connection keeps while it lives; its task ends at the first error with whatever the other way still had. nginx's
//! stream module copies through 16 KiB.
//!
//! # What this leaves out
//!
//! Moving sockets into the kernel altogether (sockmap), and io_uring. Limits of bandwidth. TLS is a transport like others
//! here, and its bytes are copied: they have to be touched anyway.
//!
//! # Try next
//!
//! Relay a download of a gigabyte with and without [`Pipes`] under `perf stat -e cycles:k,cycles:u`. Then send it in pieces
//! of a hundred bytes.
//!
//! # Sources
//!
//! `splice(2)`, `pipe(7)` on capacities and the limits of each user; L. Torvalds's explanation of splice (LKML, April 2006);
//! RFC 9293, section 3.6, on connections that are closed half.

mod pipe;
mod way;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;

pub use pipe::Pipes;

use self::way::{Fault, Way};
use crate::idle::Idle;
use crate::{Timer, Transport};

/// How a relay behaves. The defaults of the sizes come from the benchmark `relay`.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much is read at once when copying, in bytes. Default 16 KiB.
    pub buffer: usize,
    /// A relay in which nothing moves for so long ends with [`End::Idle`]. It is looked at every now and then only, so this
    /// may come late by a quarter. Default: never.
    pub idle: Option<Duration>,
    /// The pipes for splicing. Default none: everything is copied.
    pub pipes: Option<Pipes>,
    /// From how many bytes in full buffers on a way is spliced. Default 128 KiB.
    pub splice_after: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { buffer: 16 * 1024, idle: None, pipes: None, splice_after: 128 * 1024 }
    }
}

/// Bytes that have passed, shared by as many relays as one likes.
#[derive(Debug, Default)]
pub struct Flow {
    there: AtomicU64,
    back: AtomicU64,
}

impl Flow {
    /// From `a` to `b`.
    pub fn there(&self) -> u64 {
        self.there.load(Relaxed)
    }

    /// From `b` to `a`.
    pub fn back(&self) -> u64 {
        self.back.load(Relaxed)
    }
}

/// One of the two ends of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first one: the client, mostly.
    A,
    /// The second one.
    B,
}

/// Why a relay has ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum End {
    /// Both sides have said all and have been told all.
    Complete,
    /// Nothing moved for too long. Both sides are reset.
    Idle,
    /// A side failed. If reading from it failed, both are reset, for nobody knows what it still had to say; if only writing
    /// to it did, all that it said was passed on.
    Failed(Side, io::Error),
}

/// What a relay has done.
#[derive(Debug)]
pub struct Relayed {
    /// How many bytes went from `a` to `b`.
    pub there: u64,
    /// How many bytes went from `b` to `a`.
    pub back: u64,
    /// Why it has ended.
    pub end: End,
}

/// Passes bytes between two connections, as a future. Dropping it closes both. See the [module page](self).
#[must_use = "a relay does nothing until it is polled"]
pub struct Relay<A, B> {
    a: A,
    b: B,
    there: Way,
    back: Way,
    idle: Option<(Idle, Timer)>,
    /// Something has moved since the idle timer last looked.
    touched: bool,
    flow: Option<Arc<Flow>>,
    /// The first failure to write; the relay goes on the other way.
    failed: Option<(Side, io::Error)>,
}

impl<A: Transport + Unpin, B: Transport + Unpin> Relay<A, B> {
    /// A relay between `a` and `b`, whose idle time is measured by `timer`.
    pub fn new(a: A, b: B, timer: &Timer, options: Options) -> Self {
        // The kernel can help only where both are its own.
        let pipes = if a.as_tcp().is_some() && b.as_tcp().is_some() { options.pipes } else { None };
        let way = || Way::new(options.buffer.max(1), pipes.clone(), options.splice_after);
        let idle = options.idle.map(|limit| (Idle::new(limit, timer), timer.clone()));
        Relay { there: way(), back: way(), a, b, idle, touched: false, flow: None, failed: None }
    }

    /// Bytes that have been read from the two sides already and go first, those of `a` and those of `b`. They may be more
    /// than a buffer.
    pub fn preloaded(mut self, from_a: BytesMut, from_b: BytesMut) -> Self {
        self.there.preload(from_a);
        self.back.preload(from_b);
        self
    }

    /// Counts what passes in `flow`, while it passes.
    pub fn counted(mut self, flow: Arc<Flow>) -> Self {
        self.flow = Some(flow);
        self
    }

    fn ended(&self, end: End) -> Poll<Relayed> {
        Poll::Ready(Relayed { there: self.there.moved(), back: self.back.moved(), end })
    }

    /// Neither side is to take this for the end of what the other one said.
    fn cut(&self, end: End) -> Poll<Relayed> {
        self.a.reset_on_close();
        self.b.reset_on_close();
        self.ended(end)
    }
}

impl<A: Transport + Unpin, B: Transport + Unpin> Future for Relay<A, B> {
    type Output = Relayed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Relayed> {
        let this = &mut *self;
        let before = (this.there.moved(), this.back.moved());
        let mut ways = [Poll::Pending, Poll::Pending];
        for (way, poll) in ways.iter_mut().enumerate() {
            let (outcome, from, to) = match way {
                0 => (this.there.poll(cx, &mut this.a, &mut this.b), Side::A, Side::B),
                _ => (this.back.poll(cx, &mut this.b, &mut this.a), Side::B, Side::A),
            };
            *poll = match outcome {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) => Poll::Ready(()),
                Poll::Ready(Err(Fault::Write(error))) => match this.failed.take() {
                    None => {
                        this.failed = Some((to, error));
                        Poll::Ready(())
                    }
                    // Neither way got to its end.
                    Some((side, error)) => return this.cut(End::Failed(side, error)),
                },
                Poll::Ready(Err(Fault::Read(error))) => {
                    // What could not be written before was the first sign of the same end.
                    let (side, error) = this.failed.take().unwrap_or((from, error));
                    return this.cut(End::Failed(side, error));
                }
            };
        }
        let (there, back) = (this.there.moved() - before.0, this.back.moved() - before.1);
        if let Some(flow) = this.flow.as_ref().filter(|_| there + back > 0) {
            flow.there.fetch_add(there, Relaxed);
            flow.back.fetch_add(back, Relaxed);
        }
        if ways.iter().all(Poll::is_ready) {
            let failed = this.failed.take();
            return this.ended(failed.map_or(End::Complete, |(side, error)| End::Failed(side, error)));
        }
        this.touched |= there + back > 0;
        if let Some((idle, timer)) = &mut this.idle
            && idle.poll_expired(cx, timer, &mut this.touched)
        {
            return this.cut(End::Idle);
        }
        Poll::Pending
    }
}

impl<A, B> fmt::Debug for Relay<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("there", &self.there).field("back", &self.back).finish_non_exhaustive()
    }
}
