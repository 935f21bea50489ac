//! Runs any protocol that is a [`Machine`] on a [`Transport`]: [`Driver`].
//!
//! # The problem
//!
//! A protocol without input and output can be tested to the last byte, and then somebody has to give it a socket. That
//! part looks trivial, and is where the same mistakes are made for each protocol anew: a write for each message, a
//! timer that is moved for each byte, a buffer for each idle connection, reading on while nothing can be sent, a close
//! that destroys what was sent last.
//!
//! # How it works
//!
//! A driver owns a machine, a transport and a clock. Whoever uses it asks for events and gives commands; everything
//! else happens inside [`poll_event`](Driver::poll_event):
//!
//! ```text
//!                 ┌────────────────────────── poll_event ─────────────────────────┐
//!                 │  an event of the machine? ── yes ──▶ out with it               │
//!                 │  a deadline passed?  handle_timeout                            │
//!   Transport ◀───┤  poll_transmit ─▶ Out ─▶ write   (a batch of answers a write)  ├──▶ events
//!       │         │  input left over? handle_input                                 │◀── command
//!       └────────▶│  read ─▶ input ─▶ handle_input                                 │
//!                 │  nothing of all that: arm the timer, Pending                   │
//!                 └─────────────────────────────────────────────────────────────┘
//! ```
//!
//! The order makes the batches: everything that one read brought is understood, and as much of it as the user answers at
//! once is written in one call. When the machine's [`Phase`] says that the conversation is over, the driver does what
//! that phase asks for, and answers `None`:
//!
//! | phase | what happens |
//! |---|---|
//! | `Closing` | write, flush, shut down sending, read and drop for a short while |
//! | `Aborted` | nothing more is sent; the transport is told to reset |
//! | `HandedOver` | write; then [`into_parts`](Driver::into_parts) gives the transport and the unread bytes |
//!
//! # Invariants
//!
//! - Bytes reach the machine once and in order; what it does not take stays at the front (`feed`).
//! - It reads only while the machine wants input, and whenever it does, even if nothing can be written: two sides that
//!   both wait to write before they read would wait for ever. So a user whose answers no window counts looks at
//!   [`unsent`](Driver::unsent), and answers no more while that is beyond [`HIGH_WATER`].
//! - After `Pending` it is woken by all that can change something: the transport in each direction that is waited for,
//!   and the deadline. Commands are the user's own doing: after some, the user polls again.
//! - When the peer resets or stops reading while it has sent something, that is read and told before the error: the
//!   reason is often in it (`fail`).
//! - A peer that takes nothing for [`Options::write_timeout`], or takes what is sent more slowly than
//!   [`Options::write_rate`], is an error, whatever it sends, and wherever the bytes wait: here or in a transport that has to
//!   be flushed, and which tells how many of them have left ([`Transport::sent`]; `Patience`).
//! - Closing takes at most [`Options::linger`] for saying so, and then lasts until nothing has come for as long again, but
//!   no longer than [`Options::linger_most`] and [`Options::linger_bytes`], whatever the peer does. Less would lose answers: a client that is in the middle
//!   of a large upload reads the refusal behind it, and a reset before that discards what it has received.
//!
//! # Cost
//!
//! No allocation in a round. One read of the clock a poll, and one look at what it makes due. A transport that gave less
//! than there was room for has nothing more, and is only asked to wake the task ([`Transport::poll_readable`]): on a socket a
//! request costs one call that reads and one that writes. The timer is armed once and left alone
//! while deadlines only move away: it fires early then, and is armed again. An idle connection has no read buffer (they
//! are borrowed from one of the thread) and at most [`IDLE_OUT`] bytes for writing.
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use xs_net::driver::Driver;
//! use xs_net::{Timer, listener::MemoryStream};
//! # use std::{convert::Infallible, time::Instant};
//! # use bytes::{Bytes, BytesMut, Buf};
//! # use xs_proto::{Out, machine::{Machine, Phase}};
//! # struct Lines { lines: std::collections::VecDeque<Bytes>, out: Out, ended: bool }
//! # impl Lines { fn new() -> Lines { Lines { lines: Default::default(), out: Out::new(), ended: false } } }
//! # impl Machine for Lines {
//! #     type Stream = (); type Event = Bytes; type Command = Bytes; type Error = Infallible;
//! #     fn handle_input(&mut self, _: Instant, src: &mut BytesMut) {
//! #         while let Some(end) = src.iter().position(|&b| b == b'\n') {
//! #             self.lines.push_back(src.split_to(end).freeze());
//! #             src.advance(1);
//! #         }
//! #     }
//! #     fn handle_eof(&mut self, now: Instant, src: &mut BytesMut) { self.handle_input(now, src); self.ended = true; }
//! #     fn command(&mut self, _: Instant, bytes: Bytes) -> Result<(), Infallible> {
//! #         self.out.put_bytes(bytes); self.out.put_u8(b'\n'); Ok(())
//! #     }
//! #     fn poll_event(&mut self) -> Option<Bytes> { self.lines.pop_front() }
//! #     fn poll_transmit(&mut self, out: &mut Out) -> bool {
//! #         let any = !self.out.is_empty(); out.append(&mut self.out); any
//! #     }
//! #     fn phase(&self) -> Phase {
//! #         if self.ended && self.lines.is_empty() && self.out.is_empty() { Phase::Closing } else { Phase::Open }
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let (mut client, server) = MemoryStream::pair(1024);
//! client.write_all(b"one\ntwo\n").await?;
//! client.shutdown().await?;
//!
//! // `Lines` is a machine whose events are lines, and whose commands are lines too.
//! let mut driver = Driver::new(Lines::new(), server, &Timer::system());
//! while let Some(line) = driver.next().await? {
//!     driver.command(line).unwrap();
//! }
//! drop(driver);
//! let mut answer = String::new();
//! client.read_to_string(&mut answer).await?;
//! assert_eq!(answer, "one\ntwo\n");
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! hyper's connection is protocol and driver in one. quinn runs its machines in tasks of its own and reaches them through
//! a mutex. tokio-rustls drives rustls's machine inside `poll_read` and `poll_write` of a stream, which works because TLS
//! gives out a stream again; HTTP does not.
//!
//! # What this leaves out
//!
//! Tasks: a driver is polled by whoever owns it. Two machines on top of one another. Datagrams.
//!
//! # Try next
//!
//! Count the writes of a transport while a hundred pipelined requests come in one segment. Then move the write in front of
//! the loop over events and count again.
//!
//! # Sources
//!
//! RFC 9112, section 9.6, on why a close must linger; RFC 9293, section 3.10.7.1, on the reset that unread bytes cause;
//! the rustdoc of [`xs_proto::machine`].

mod alarm;
mod farewell;
mod options;
mod patience;
mod pump;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::BytesMut;
use xs_proto::Out;
use xs_proto::machine::{Machine, Phase};

use self::alarm::Alarm;
use self::farewell::Farewell;
use self::patience::Patience;
use crate::{Timer, Transport};

pub use self::options::Options;

/// While more than this waits to be written, no further output is taken over from the machine.
pub const HIGH_WATER: usize = 64 * 1024;

/// How much memory for writing a driver keeps while there is nothing to write.
pub const IDLE_OUT: usize = 2 * 1024;

/// After so many reads and writes in one poll the task yields to others.
const ROUNDS_A_POLL: usize = 64;

/// A machine on a transport. See the [module page](self).
pub struct Driver<M, T> {
    machine: M,
    io: T,
    timer: Timer,
    options: Options,
    /// What was read and not taken by the machine.
    input: BytesMut,
    /// The machine may take something of `input` (or of its end) that it has not taken before.
    fresh: bool,
    eof: bool,
    out: Out,
    /// How many bytes the transport has taken in all.
    written: u64,
    /// What the transport had sent at the last look, if it tells.
    sent: u64,
    /// Something was written since the last flush.
    unflushed: bool,
    patience: Patience,
    /// How much room the next read gets.
    room: usize,
    now: Instant,
    /// `now` is of an earlier poll.
    stale: bool,
    /// `now` has moved since deadlines were last looked at.
    moved: bool,
    /// The last read of this poll left room, so the transport has most likely nothing more.
    drained: bool,
    /// Reads and writes in this poll.
    rounds: usize,
    alarm: Alarm,
    /// Why nothing can be written any more.
    failed: Option<io::Error>,
    farewell: Farewell,
}

/// What a driver was made of, and what it holds.
#[derive(Debug)]
pub struct Parts<M, T> {
    /// The machine.
    pub machine: M,
    /// The transport.
    pub io: T,
    /// What was read and not taken by the machine. After a hand-over it belongs to the next protocol.
    pub input: BytesMut,
    /// What was not written. Empty after the driver has answered `None`, but for an aborted connection.
    pub out: Out,
}

impl<M: Machine, T: Transport + Unpin> Driver<M, T> {
    /// Runs `machine` on `io`.
    pub fn new(machine: M, io: T, timer: &Timer) -> Self {
        Driver::with_options(machine, io, timer, Options::DEFAULT)
    }

    /// [`new`](Driver::new) with options.
    pub fn with_options(machine: M, io: T, timer: &Timer, options: Options) -> Self {
        Driver {
            machine,
            sent: io.sent().unwrap_or(0),
            io,
            timer: timer.clone(),
            options,
            input: BytesMut::new(),
            fresh: false,
            eof: false,
            out: Out::new(),
            written: 0,
            unflushed: false,
            patience: Patience::new(&options),
            room: options.read_buffer.max(1),
            now: timer.now(),
            stale: true,
            moved: true,
            drained: false,
            rounds: 0,
            alarm: Alarm::default(),
            failed: None,
            farewell: Farewell::No,
        }
    }

    /// Begins with bytes that another protocol has left unread.
    #[must_use]
    pub fn with_input(mut self, input: BytesMut) -> Self {
        self.fresh |= !input.is_empty();
        self.input = input;
        self
    }

    /// The next event, or `None` when the conversation is over and everything that its end asks for has been done:
    /// [`phase`](Driver::phase) says how it ended. Moves all that can be moved on the way.
    ///
    /// # Errors
    ///
    /// The transport's. The driver is of no further use then.
    #[inline]
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<M::Event>>> {
        loop {
            if let Some(event) = self.machine.poll_event() {
                return Poll::Ready(Ok(Some(event)));
            }
            // What was read is understood before anything is written: the answers to all of it leave together.
            if self.stale || !self.takes_more() {
                return self.pump(cx);
            }
            self.feed();
        }
    }

    /// Whether the machine would take more of what was read.
    #[inline]
    fn takes_more(&self) -> bool {
        self.fresh && self.machine.wants_input()
    }

    /// [`poll_event`](Driver::poll_event) as a future. Dropping it loses nothing.
    ///
    /// # Errors
    ///
    /// The transport's.
    pub async fn next(&mut self) -> io::Result<Option<M::Event>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Does what the user wants. It reaches the peer when the driver is polled again.
    ///
    /// # Errors
    ///
    /// The machine's.
    pub fn command(&mut self, command: M::Command) -> Result<(), M::Error> {
        self.tell(|machine, now| machine.command(now, command))
    }

    /// [`command`](Driver::command) by a method of the machine's own.
    pub fn tell<R>(&mut self, tell: impl FnOnce(&mut M, Instant) -> R) -> R {
        self.freshen();
        let wanted = self.machine.wants_input();
        let outcome = tell(&mut self.machine, self.now);
        // What a machine that wanted nothing has put off may need no further byte.
        self.fresh |= !self.input.is_empty() || self.eof || (!wanted && self.machine.wants_input());
        outcome
    }

    /// How many bytes of payload may be sent on `stream` now; see [`Machine::window`].
    pub fn window(&self, stream: M::Stream) -> usize {
        self.machine.window(stream)
    }

    /// Where the conversation stands.
    pub fn phase(&self) -> Phase {
        self.machine.phase()
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, for what is not a command.
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// The transport.
    pub fn io(&self) -> &T {
        &self.io
    }

    /// The time as this round knows it.
    pub fn now(&mut self) -> Instant {
        self.freshen();
        self.now
    }

    /// The timer.
    pub fn timer(&self) -> &Timer {
        &self.timer
    }

    /// Whether the peer has ended its side.
    pub fn at_eof(&self) -> bool {
        self.eof
    }

    /// How many bytes wait to be written, besides what is still with the machine.
    pub fn unsent(&self) -> usize {
        self.out.len()
    }

    /// How many bytes the transport has taken, in all.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether something was read that the machine has not taken.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Takes it apart.
    pub fn into_parts(self) -> Parts<M, T> {
        Parts { machine: self.machine, io: self.io, input: self.input, out: self.out }
    }

    fn freshen(&mut self) {
        if self.stale {
            self.now = self.timer.now();
            // Whoever is woken mostly has something to read.
            (self.stale, self.moved, self.drained) = (false, true, false);
            self.rounds = 0;
        }
    }
}

impl<M: fmt::Debug, T> fmt::Debug for Driver<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("machine", &self.machine)
            .field("input", &self.input.len())
            .field("out", &self.out)
            .field("eof", &self.eof)
            .field("farewell", &self.farewell)
            .finish_non_exhaustive()
    }
}
