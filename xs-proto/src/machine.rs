//! The trait of a protocol with a conversation: [`Machine`].
//!
//! # The problem
//!
//! A codec turns bytes into messages. In many protocols that is not enough: what arrives decides what must be sent,
//! what may be sent next, and when patience ends. HTTP must answer a bad head itself, keep pipelined responses in order
//! and give up on a peer that sends a byte a minute; TLS and SSH exchange messages that no user ever sees; HTTP/2 and
//! SSH carry many conversations at once and count credit for each. Written against sockets and timers, such a protocol
//! can be tested only with sockets and timers, and every runtime needs its own.
//!
//! # How it works
//!
//! A machine is the protocol without the input and output. It is told what happened and when, and asked what follows:
//!
//! ```text
//!                      handle_input(now, bytes)            poll_event()
//!            ┌───────▶ handle_eof(now, bytes)   ┌───────┐  ───────────▶ ┌─────────────┐
//!   driver ──┤         handle_timeout(now)      │Machine│               │ who uses it │
//!      ▲     │                                  └───────┘  ◀─────────── └─────────────┘
//!      └─────┴── poll_transmit(out), poll_timeout()        command(now, …)
//!                wants_input(), phase()
//! ```
//!
//! A *driver* owns the socket and the timer and runs any machine. It repeats this round until [`Machine::phase`] is no
//! longer [`Phase::Open`]:
//!
//! 1. Something happened: bytes, the end of input, a deadline, or a command from the machine's user. Tell the machine.
//! 2. Hand on all events ([`poll_event`](Machine::poll_event)); they may lead to commands at once.
//! 3. If input is left over (or has ended), and the machine [wants it](Machine::wants_input) now that its events are taken
//!    and its commands given: once more.
//! 4. When what was to be written before is written, or little of it is left, [`poll_transmit`](Machine::poll_transmit)
//!    into the driver's [`Out`] and write.
//! 5. Look at the phase. Then wait for the socket (to read only if the machine wants input), for
//!    [`poll_timeout`](Machine::poll_timeout), and for commands.
//!
//! **Input is not copied.** [`handle_input`](Machine::handle_input) takes what it understands off the front of the
//! driver's own read buffer and leaves the rest there. So a partial message lies in one place only, events can hold
//! `Bytes` that share the buffer's memory, and when the connection changes its protocol the bytes that belong to the
//! next one are exactly those that the driver still holds.
//!
//! **Back-pressure** has two directions, and the two meet in the machine:
//!
//! - *From the user to the peer.* Payload in events counts against a window until a command says that it was consumed.
//!   When the window is used up, a machine of one conversation stops wanting input, so the driver stops reading and the
//!   peer's TCP window closes; a machine of many goes on reading and gives that one stream no credit.
//! - *From the peer to the user.* A driver polls transmits only when the last ones are written. What commands add in
//!   the meantime stays in the machine and shrinks [`window`](Machine::window); a user that has seen it empty waits for
//!   the event that says that there is room again.
//!
//! **Errors** of the peer are events, because they come in order behind the events before them. Errors of the user are
//! what [`command`](Machine::command) returns. A command for a conversation that has ended meanwhile is no error: the
//! peer may leave at any moment, and no user can know yet.
//!
//! # Invariants
//!
//! Each machine's tests enforce these:
//!
//! - Any split of the input gives the same events, but for where payload is cut.
//! - A machine is a function of its calls: it reads no clock, and draws no chance of its own.
//! - What a machine holds is bounded by its limits and windows, whatever the peer sends and the user commands within
//!   [`window`](Machine::window).
//! - Taking the deadline that [`poll_timeout`](Machine::poll_timeout) names to
//!   [`handle_timeout`](Machine::handle_timeout) removes or moves it, so a driver never spins.
//!
//! # Cost
//!
//! A round is a handful of calls on a value in cache; what they cost is the protocol's own work. Events and commands
//! are moved by value, so a machine keeps them small or boxes what is rare.
//!
//! # Example
//!
//! A protocol that asks for a name, within five seconds:
//!
//! ```
//! use std::convert::Infallible;
//! use std::time::{Duration, Instant};
//! use bytes::{Buf, Bytes, BytesMut};
//! use xs_proto::Out;
//! use xs_proto::machine::{Machine, Phase};
//!
//! struct Greeter { deadline: Option<Instant>, name: Option<Bytes>, out: Out, done: bool }
//!
//! struct Greeting(&'static str);
//!
//! impl Machine for Greeter {
//!     type Stream = ();
//!     type Event = Bytes;
//!     type Command = Greeting;
//!     type Error = Infallible;
//!
//!     fn handle_input(&mut self, _now: Instant, src: &mut BytesMut) {
//!         if !self.wants_input() {
//!             return;
//!         }
//!         if let Some(end) = src.iter().position(|&b| b == b'\n') {
//!             self.name = Some(src.split_to(end).freeze());
//!             src.advance(1);
//!             self.deadline = None;
//!         } else if src.len() > 80 {
//!             self.done = true; // a limit on everything
//!         }
//!     }
//!     fn handle_eof(&mut self, _now: Instant, _src: &mut BytesMut) {
//!         self.done = true;
//!     }
//!     fn handle_timeout(&mut self, now: Instant) {
//!         if self.deadline.is_some_and(|deadline| deadline <= now) {
//!             self.deadline = None;
//!             self.out.put_slice(b"Nobody there?\n");
//!             self.done = true;
//!         }
//!     }
//!     fn command(&mut self, _now: Instant, Greeting(words): Greeting) -> Result<(), Infallible> {
//!         self.out.put_slice(words.as_bytes());
//!         self.done = true;
//!         Ok(())
//!     }
//!     fn poll_event(&mut self) -> Option<Bytes> {
//!         self.name.take()
//!     }
//!     fn poll_transmit(&mut self, out: &mut Out) -> bool {
//!         let any = !self.out.is_empty();
//!         out.append(&mut self.out);
//!         any
//!     }
//!     fn poll_timeout(&self) -> Option<Instant> {
//!         self.deadline
//!     }
//!     fn wants_input(&self) -> bool {
//!         !self.done && self.deadline.is_some()
//!     }
//!     fn phase(&self) -> Phase {
//!         if self.done && self.out.is_empty() { Phase::Closing } else { Phase::Open }
//!     }
//! }
//!
//! let start = Instant::now(); // in a test any instant will do, and time passes by arithmetic
//! let greeter = || Greeter { deadline: Some(start + Duration::from_secs(5)), name: None, out: Out::new(), done: false };
//! let mut out = Out::new();
//!
//! let mut one = greeter();
//! let mut src = BytesMut::from("Ada\nand more");
//! one.handle_input(start, &mut src);
//! assert_eq!(one.poll_event().unwrap(), "Ada");
//! assert_eq!(src, "and more"); // still the driver's
//! one.command(start, Greeting("Good day!\n")).unwrap();
//! assert!(one.poll_transmit(&mut out));
//! assert_eq!((out.to_vec(), one.phase()), (b"Good day!\n".to_vec(), Phase::Closing));
//!
//! let mut silent = greeter();
//! assert_eq!(silent.poll_timeout(), Some(start + Duration::from_secs(5)));
//! silent.handle_timeout(start + Duration::from_secs(5));
//! assert_eq!((silent.poll_timeout(), silent.wants_input()), (None, false));
//! ```
//!
//! # How others do it
//!
//! quinn-proto drives QUIC with the same four families of calls (getters, `handle_*`, commands as methods, `poll_*`)
//! and is where the names come from. rustls is a machine with buffers of its own, between which a caller moves bytes.
//! Python's h11 and h2 are machines whose `next_event` pulls one event at a time and whose `send` returns bytes. hyper
//! has none: its HTTP/1 state is woven into futures over a socket, so it is tested through mock sockets.
//!
//! Commands here are values rather than methods of each machine. They cost a move, and they can be queued: a service
//! on another task sends commands through a channel, and two versions of a protocol can share their vocabulary, so that
//! one server drives either.
//!
//! Pulling events straight from the bytes would need no queue of events. It would also tie the conversations of an
//! HTTP/2 connection together, where the second stream must go on while nobody asks for the first one's body.
//!
//! # What this leaves out
//!
//! - **Datagrams.** A machine here stands on one ordered stream of bytes. QUIC also needs to know from where a datagram
//!   came and its congestion mark, and says where to send: it has the same families of calls over datagrams, and its
//!   trait comes with it.
//! - **Stacks.** TLS fits: ciphertext is its input, plaintext its events and commands, a driver of two machines feeds
//!   one's events to the other's input. Until there are two such machines, there is no combinator.
//! - **Chance.** A machine that needs randomness (TLS, SSH) is given it when it is made.
//! - **Whether written bytes arrive.** A peer that stops reading is noticed by the driver, whose writes stop.
//!
//! # Try next
//!
//! Drive the greeter above from two threads of a test with a `Vec<u8>` as the wire, one byte at a time. Then write the
//! machine of SMTP's envelope (`HELO`, `MAIL`, `RCPT`, `DATA`): the commands are the user's verdicts on each address.
//!
//! # Sources
//!
//! B. Cannon and C. Benfield, "Building Protocol Libraries The Right Way" (PyCon 2016) and sans-io.readthedocs.io; the
//! rustdoc of quinn-proto's `Connection`; RFC 9113, section 5.2, on windows for each stream.

use std::fmt::Debug;
use std::time::Instant;

use bytes::BytesMut;

use crate::Out;

/// Where a connection stands, as its driver must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The conversation goes on.
    Open,
    /// It is over, and everything has been polled. Write it, shut down sending, read and drop for a short while what the
    /// peer still sends (closing with unread input resets the connection, and the peer may lose what was written last),
    /// then close.
    Closing,
    /// It was cut off in the middle. Close at once, with a reset where the transport can: the peer must not take what it
    /// has for the whole.
    Aborted,
    /// The protocol on this connection has changed, and everything has been polled. Once it is written, the connection
    /// and the rest of the input belong to whoever asked for that.
    HandedOver,
}

/// A protocol with a conversation, without its input and output. See the [module page](self) for the order of calls.
pub trait Machine {
    /// Names one conversation among those of the connection; `()` where there is one.
    type Stream: Copy + Eq + Debug;
    /// What the user must know: messages, payload, room to send, the peer's errors.
    type Event;
    /// What the user wants: messages, payload, that payload was consumed.
    type Command;
    /// Why a command cannot be obeyed.
    type Error;

    /// Takes what it understands off the front of `src`: everything that has been read and was not taken before. Called
    /// when bytes were added, and again when the machine wants what it had left: after a command, or after an event, behind
    /// which it may stop until that is taken.
    fn handle_input(&mut self, now: Instant, src: &mut BytesMut);

    /// Like [`handle_input`](Machine::handle_input), with the promise that no more bytes will come. The machine may
    /// still have something to send. Called again, as `handle_input` is: the machine may not have wanted the end when it
    /// came.
    fn handle_eof(&mut self, now: Instant, src: &mut BytesMut);

    /// Acts on every deadline that `now` has reached. Calls that come early, or for nothing, do nothing.
    fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// Does what the user wants. A command for a conversation that has ended does nothing.
    fn command(&mut self, now: Instant, command: Self::Command) -> Result<(), Self::Error>;

    /// The next thing that the user must know.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// Appends everything that can be sent to `out` and says whether there was anything.
    fn poll_transmit(&mut self, out: &mut Out) -> bool;

    /// When to call [`handle_timeout`](Machine::handle_timeout) next, if ever. Changes with every other call.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Whether reading more, or passing on what is left in the buffer, could lead to anything now. The machine may be
    /// waiting for its user instead.
    fn wants_input(&self) -> bool {
        self.phase() == Phase::Open
    }

    /// How many bytes of payload the user may command to be sent on a stream without the machine holding more than it
    /// should. Zero for a stream that has ended. It is advice: more is taken, and held.
    fn window(&self, stream: Self::Stream) -> usize {
        let _ = stream;
        usize::MAX
    }

    /// Where the connection stands. The phases other than [`Phase::Open`] are final.
    fn phase(&self) -> Phase;
}
