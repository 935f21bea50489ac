//! One connection and its conversation: [`Session`], the primitive under every server with state.
//!
//! # The problem
//!
//! A request-response function is too small for real protocols. A Redis connection has state (which database, which
//! user, a transaction that is being collected), sends what nobody asked for (messages of a subscription), changes its
//! protocol under way (`HELLO 3`), sits in one request for minutes (`BLPOP`) and must notice if its peer dies
//! meanwhile, can be listed and killed by another connection, and in the end may turn into something else altogether (a
//! replication link). All of it must stay in order, and none of it may cost anything in the common case: a few bytes
//! come, a few bytes go.
//!
//! # How it works
//!
//! The service is one value per connection, and holds its state. It is called with a [`Turn`]: everything that has been
//! read, not decoded yet, together with the codec and an empty [`Out`](xs_proto::Out). It decodes as many requests as
//! it likes, appends the replies, says what comes [`Next`] and gives the turn back:
//!
//! ```text
//!            ┌────────────────────────── Session::run ──────────────────────────┐
//!   peer ───▶│ read ─▶ Turn { input, out, next } ══moved══▶ service.call        │
//!            │              ▲                                   │               │
//!            │              ╚══════════moved back═══════════════╝ polled in place
//!            │  Handle::push ─▶ mailbox ─▶ ┌──────────┐         │               │
//!   peer ◀───│ one vectored write ◀─────── │ outgoing │ ◀─ out ─┘               │
//!            └─────────────────────────────└──────────┘─────────────────────────┘
//!                 next:  Read │ Again │ Close (flush first) │ TakeOver (flush, then io + rest go to run's caller)
//! ```
//!
//! While the service's future is pending, the session goes on reading (into a side buffer, up to a limit), so that it
//! sees the peer leave: then the future is dropped, which cancels the request. Pushes are sent meanwhile.
//!
//! Replies and pushes share one queue. A turn's replies enter it together when the turn ends; a push enters it when the
//! session sees it. A service that is about to wait and has already answered something answers with [`Next::Again`]
//! first, so that those replies leave, and finds the slow request again as the first of its next turn.
//!
//! # Invariants
//!
//! - The order of the queue is the order of the wire. Replies go out in the order in which turns ended; a push from
//!   whoever saw a turn's effects after it ended goes behind that turn's replies (`settle` queues before `heed`
//!   collects).
//! - A push that happened before a turn took effect goes before that turn's replies, if the service orders both by one
//!   lock and asks for what was pushed once it holds it ([`Handle::take_pushed`]). Without that, a push from another
//!   thread may land behind the replies of a turn that was already under way.
//! - The replies of one turn, however many, leave in one vectored write as far as the peer takes them (`write` runs
//!   once after `settle`).
//! - One request is in flight at most, and the service is called only after that same value answered ready (`begin`).
//! - A service that fails or panics ends its own connection only: every call into it is caught, and the session ends
//!   without another call.
//! - What the service leaves undecoded is never lost: the next turn begins with it, or [`TakenOver::unread`] is it.
//! - At the end of the peer's bytes the complete requests among them are still answered, then the connection closes.
//!   [`Batch::at_eof`] tells the service in the last turn.
//! - A session that is told to finish (by its handle or its drain) answers what it had read by then. Later bytes are
//!   read only while a request is in flight, and forgotten: so that a peer which leaves still cancels it (`read`).
//! - Memory is bounded by [`SessionOptions`]: undecoded bytes, bytes read ahead, and output for a slow reader. A peer
//!   beyond them is cut off, and [`Cause`] says why.
//! - A registered connection stays in its [`Registry`] exactly as long as its [`Registration`] lives: through the whole
//!   of `run`, and in the hands of whoever takes it over.
//!
//! # Cost
//!
//! With one request per read: one `read`, one `write` and a share of the runtime's `epoll_wait` (counted with strace at
//! fifty connections without pipelining: 20 000 requests, 20 014 reads, 20 001 writes, 405 waits). No allocation (read buffers
//! are borrowed from a spare of the thread, so an idle connection holds none), no lock, no reading of the clock; one
//! atomic load per poll tells that nothing came from outside. Timers look at the connection rather than being moved by
//! every request, which is why the idle timeout is coarse. A push costs one short lock and, if the connection sleeps,
//! waking its task.
//!
//! The turn is allocated once for a connection and passed back and forth by its pointer, so the size of the codec doesn't
//! matter. The future of `run` takes less than a kilobyte besides the service and the service's own future.
//!
//! # Example
//!
//! A service that answers each line with its length, and the conversation with it:
//!
//! ```
//! use std::{convert::Infallible, future::ready};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use xs_net::listener::{Addr, MemoryStream};
//! use xs_net::{Registry, Session, Timer, Turn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let service = tower::service_fn(|mut turn: Box<Turn<()>>| {
//!     while let Some(end) = turn.input.unread().iter().position(|&b| b == b'\n') {
//!         turn.out.put_slice(format!("{end}\n").as_bytes());
//!         turn.input.consume(end + 1);
//!     }
//!     ready(Ok::<_, Infallible>(turn))
//! });
//! let registry = Registry::new();
//! let (mut client, server) = MemoryStream::pair(1024);
//! let session = Session::new(registry.register(Addr::Memory(1)), (), service, &Timer::system());
//! let handle = session.handle().clone();
//! let running = tokio::spawn(session.run(server));
//!
//! client.write_all(b"one\nthree\n").await?;
//! let mut replies = [0; 4];
//! client.read_exact(&mut replies).await?;
//! assert_eq!(&replies, b"3\n5\n");
//!
//! handle.push(|out| out.put_slice(b"news\n")).unwrap();
//! let mut news = [0; 5];
//! client.read_exact(&mut news).await?;
//! assert_eq!(&news, b"news\n");
//!
//! drop(client);
//! println!("{:?}", running.await?); // Closed(Peer)
//! assert!(handle.is_closed() && registry.is_empty());
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! Redis' event loop is the same shape: read a buffer, run every complete command in it, write once before sleeping.
//! `tower` alone has no place for a push or for state of a connection; `tokio_util`'s `Framed` with a spawned writer
//! task costs a channel and a wake-up for every reply. hyper keeps its dispatcher private and offers "upgrade" as the
//! only way out, which corresponds to the take-over here.
//!
//! # What this leaves out
//!
//! Several requests in flight on one connection: see [`pipeline`](mod@crate::pipeline). Lingering after a close: if
//! the peer's bytes are still unread when the socket closes, the kernel may reset the connection and the last reply be
//! lost on its way, as with Redis.
//!
//! # Try next
//!
//! Write a chat: each line is pushed to every other connection of the [`Registry`]. Then stop reading in one client and
//! watch [`Handle::pending_output`] until its limit cuts it off.
//!
//! # Sources
//!
//! The event loop of Redis is described in its documentation on pipelining and on client handling ("How Redis handles
//! clients": query buffer limit, output buffer limits, timeouts); `tower::Service`; RFC 9293, section 3.5 on
//! half-closed connections.

use std::future::poll_fn;
use std::io;
use std::pin::pin;

use bytes::BytesMut;
use tower::Service;

use crate::serve::Drain;
use crate::{BoxError, Timer, Transport};

mod core;
mod handle;
mod options;
mod registry;
mod turn;

pub use handle::{Cut, Handle, Order, PushError, Registration};
pub use options::{HalfClose, OutputLimits, SessionOptions};
pub use registry::Registry;
pub use turn::{Batch, Next, Turn};

/// One connection, before it runs: its registration, its codec and the service that holds its state.
#[derive(Debug)]
pub struct Session<S, C> {
    registration: Registration,
    codec: C,
    service: S,
    timer: Timer,
    options: SessionOptions,
    drain: Option<Drain>,
    input: BytesMut,
}

impl<S, C> Session<S, C> {
    /// A session with the default options.
    pub fn new(registration: Registration, codec: C, service: S, timer: &Timer) -> Self {
        let session = Session {
            registration,
            codec,
            service,
            timer: timer.clone(),
            options: SessionOptions::default(),
            drain: None,
            input: BytesMut::new(),
        };
        session.with_options(SessionOptions::default())
    }

    /// Other options. The output limits and `max_unread` can be changed later through the handle; these replace them.
    #[must_use]
    pub fn with_options(mut self, options: SessionOptions) -> Self {
        self.registration.shared().set_output_limits(options.output);
        self.registration.shared().set_max_unread(options.max_unread);
        self.options = options;
        self
    }

    /// Ends by itself when its server drains: what has been read is answered, then it closes.
    #[must_use]
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.drain = Some(drain);
        self
    }

    /// Bytes that were read from the stream before the session began, for example by the protocol that it follows.
    #[must_use]
    pub fn with_input(mut self, input: BytesMut) -> Self {
        self.input = input;
        self
    }

    /// The connection from outside.
    pub fn handle(&self) -> &Handle {
        self.registration.handle()
    }

    /// Runs the connection to its end, or until the service gives it up.
    ///
    /// Dropping the future cuts the connection.
    pub async fn run<Io>(self, io: Io) -> Outcome<Io, S, C>
    where
        Io: Transport + Unpin,
        S: Service<Box<Turn<C>>, Response = Box<Turn<C>>>,
        S::Error: Into<BoxError>,
    {
        let Session { registration, codec, service, timer, options, drain, input } = self;
        let mut core = core::Core::new(io, service, codec, input, registration, drain, timer, options);
        let ending = {
            let mut call = pin!(None);
            poll_fn(|cx| core.poll(cx, call.as_mut())).await
        };
        match (ending, core.home) {
            (core::Ending::TakeOver, Some(turn)) => {
                let Batch { src: unread, codec, .. } = turn.input;
                let (io, service, registration) = (core.io, core.service, core.registration);
                Outcome::TakenOver(TakenOver { io, unread, codec, service, registration })
            }
            (core::Ending::Close(cause), _) => Outcome::Closed(cause),
            // A take-over is only begun when the turn has come home.
            (core::Ending::TakeOver, None) => Outcome::Closed(Cause::Service),
        }
    }
}

/// How a session ended.
#[derive(Debug)]
#[must_use = "a connection that was taken over is closed by dropping it"]
pub enum Outcome<Io, S, C> {
    /// The connection is closed.
    Closed(Cause),
    /// The service gave it up: it goes on in other hands.
    TakenOver(TakenOver<Io, S, C>),
}

impl<Io, S, C> Outcome<Io, S, C> {
    /// Why it was closed, if it was.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Outcome::Closed(cause) => Some(cause),
            Outcome::TakenOver(_) => None,
        }
    }
}

/// A live connection whose queue is flushed, in the hands of whoever ran the session.
#[derive(Debug)]
pub struct TakenOver<Io, S, C> {
    /// The stream.
    pub io: Io,
    /// What was read and not decoded.
    pub unread: BytesMut,
    /// The codec, in the state in which the service left it.
    pub codec: C,
    /// The service, with its state.
    pub service: S,
    /// The entry in the registry, and with it the mailbox: see [`Registration::poll_mail`].
    pub registration: Registration,
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The peer closed it, and everything that it asked has been answered.
    #[error("the peer closed the connection")]
    Peer,
    /// The peer left while a request was in flight, or reset the connection.
    #[error("the peer left without waiting")]
    Departed,
    /// The service closed it.
    #[error("closed by the service")]
    Service,
    /// It was told to finish, by its handle or because the server drains.
    #[error("told to finish")]
    Finished,
    /// It was killed through its handle.
    #[error("killed")]
    Killed,
    /// The peer reads too slowly: an output limit was exceeded.
    #[error("the peer reads too slowly: output limit exceeded")]
    Overflow,
    /// More bytes stayed undecoded than [`SessionOptions::max_unread`].
    #[error("the peer sent a request beyond the limit")]
    Unread,
    /// Nothing moved for the idle timeout.
    #[error("idle for too long")]
    Idle,
    /// The peer's bytes could not be decoded. (Of pipelines: a session's service decodes by itself.)
    #[error("the peer's bytes make no sense: {0}")]
    Decode(#[source] BoxError),
    /// A reply has no form on the wire. (Of pipelines, too.)
    #[error("a reply could not be encoded: {0}")]
    Encode(#[source] BoxError),
    /// The service answered with an error.
    #[error("the service failed: {0}")]
    Failed(#[source] BoxError),
    /// The service panicked.
    #[error("the service panicked: {0}")]
    Panicked(String),
    /// The stream failed.
    #[error("the stream failed: {0}")]
    Io(#[source] io::Error),
}
