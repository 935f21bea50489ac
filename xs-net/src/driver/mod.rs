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
mod patience;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use xs_proto::Out;
use xs_proto::machine::{Machine, Phase};

use self::alarm::Alarm;
use self::patience::Patience;
use crate::{Timer, Transport, spare};

/// While more than this waits to be written, no further output is taken over from the machine.
pub const HIGH_WATER: usize = 64 * 1024;

/// How much memory for writing a driver keeps while there is nothing to write.
pub const IDLE_OUT: usize = 2 * 1024;

/// After so many reads and writes in one poll the task yields to others.
const ROUNDS_A_POLL: usize = 64;

/// How a [`Driver`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How much room a read has at first, in bytes. Default 16 KiB.
    pub read_buffer: usize,
    /// How much room a read has at most, once the peer has shown that it sends large amounts. Default 256 KiB.
    pub read_buffer_max: usize,
    /// How long the peer may take nothing of what waits to be written. `None` is for ever. Default 30 s.
    pub write_timeout: Option<Duration>,
    /// How fast the peer must take what is sent, in bytes a second; 0: as slowly as it likes. It is the average over the
    /// time for which the peer is waited for, with a credit of the length of `write_timeout` (30 s where that is `None`),
    /// which what is taken fills up again. Default 240: a phone on the slowest network that there is takes ten times that,
    /// and a stream of rare events is not waited for.
    pub write_rate: u32,
    /// How long a transport may take to say the end; and how long nothing may come after that until the connection is let
    /// go. What comes meanwhile is read and dropped, so that the peer gets to read what was written last. Default 1 s.
    pub linger: Duration,
    /// For how long in all. Default 30 s, as in Apache's and nginx's lingering close.
    pub linger_most: Duration,
    /// How many bytes are read and dropped at most. Default 32 MiB.
    pub linger_bytes: usize,
}

impl Options {
    /// The defaults.
    pub const DEFAULT: Options = Options {
        read_buffer: 16 * 1024,
        read_buffer_max: 256 * 1024,
        write_timeout: Some(Duration::from_secs(30)),
        write_rate: 240,
        linger: Duration::from_secs(1),
        linger_most: Duration::from_secs(30),
        linger_bytes: 32 << 20,
    };
}

impl Default for Options {
    fn default() -> Self {
        Options::DEFAULT
    }
}

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

/// How far closing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    No,
    /// Until when the end is said.
    Shutdown(Instant),
    /// Until when something must come to be dropped, until when it is, and how much of it.
    Linger(Instant, Instant, usize),
    Done,
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

    fn pump(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<M::Event>>> {
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
    fn rings(&mut self, cx: &mut Context<'_>, at: Instant) -> bool {
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
    fn wait_for_peer(&mut self) -> io::Result<()> {
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

    fn pending<X>(&mut self) -> Poll<X> {
        self.stale = true;
        Poll::Pending
    }

    /// Shows the machine what was read. What it leaves because it has had enough for now is shown to it again.
    #[inline]
    fn feed(&mut self) {
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

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    /// The conversation is over, and all of it is written.
    fn part(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<io::Result<Option<M::Event>>> {
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
