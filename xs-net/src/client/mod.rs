//! The other end: a connection to a server as a [`tower::Service`], and one that comes back by itself.
//!
//! # The problem
//!
//! A client that waits for each reply before it sends the next request wastes the round trip. A client that doesn't has
//! to remember whose reply is next, and the classic bug is to forget: a caller gives up (a timeout, a dropped future),
//! its reply arrives all the same, and from then on everybody receives the answer to somebody else's question. When the
//! connection breaks, each caller wants to know one thing: may I ask again?
//!
//! # How it works
//!
//! [`connect`] splits a connection in three. [`Connection`]s are cheap clones that hand requests in. The [`Driver`] is
//! a future for the caller to spawn; it owns the stream and does all of the reading and writing. [`Pushes`] is where
//! answers go that nobody asked for, told apart by a closure.
//!
//! ```text
//!   Connection ──call──▶ ┌ Driver ────────────────────────────────────────┐
//!   Connection ──call──▶ │ encode all that came ─▶ one write ─▶ server    │
//!        ▲               │ waiting: [caller 1, caller 2, (gone), …]       │
//!        └──── reply ─── │ ◀─ front ── is_push? no ◀── decode ◀── server  │
//!   Pushes ◀──────────── │ ◀────────── is_push? yes                       │
//!                        └────────────────────────────────────────────────┘
//! ```
//!
//! [`Reconnect`] is a service over connections: when its connection is lost it makes another one, pausing after
//! failures as [`Backoff`] says: random ones, so that a thousand clients of a restarted server don't come back in step.
//!
//! # Invariants
//!
//! - A request's place in the queue of replies exists from the moment its bytes are encoded until its reply has been
//!   decoded, whether or not anybody still waits (`Driver`): a dropped call never shifts the replies.
//! - A call that is dropped before its bytes are encoded is never sent.
//! - At most [`ClientOptions::depth`] calls are unanswered; `poll_ready` holds back the rest.
//! - A request that cannot be encoded fails alone: it is encoded apart and appended when whole.
//! - Every failure says whether asking again can help ([`CallError::retry`]): a request whose bytes have not begun to
//!   leave is safe to repeat.
//! - Pushes are never lost silently: if [`ClientOptions::pushes`] of them wait, the connection ends with that reason.
//!   Whoever doesn't want them drops [`Pushes`].
//!
//! # Cost
//!
//! Two channel operations and one allocation (the reply's channel) for each call. Calls that come while the driver is
//! writing leave together in its next write.
//!
//! # Example
//!
//! ```
//! use tower::{Service, ServiceExt};
//! use xs_net::client::{self, ClientOptions};
//! use xs_net::listener::MemoryStream;
//! use xs_proto::resp::{Frame, FrameCodec, Version};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (ours, mut server) = MemoryStream::pair(1024);
//! let (codec, is_push) = (FrameCodec::new(Version::Resp3), Frame::is_push);
//! let (mut connection, _pushes, driver) = client::connect(ours, codec, is_push, ClientOptions::default());
//! tokio::spawn(driver.run());
//!
//! let reply = connection.ready().await?.call(Frame::Array(vec![Frame::bulk("PING")]));
//! let mut request = [0; 14];
//! server.read_exact(&mut request).await?;
//! assert_eq!(&request, b"*1\r\n$4\r\nPING\r\n");
//! server.write_all(b"+PONG\r\n").await?;
//! assert_eq!(reply.await?, Frame::Simple("PONG".into()));
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! redis-rs' multiplexed connection has this shape, with an enum of sinks for pushes. hyper's client hands out a
//! `SendRequest` and a `Connection` future, the same split. tower has a `Reconnect` that tries again at once and for
//! ever; the pause here is a policy of its own, so that a test can look at it without waiting.
//!
//! # What this leaves out
//!
//! Pools and balancing, which are services over this one; replies out of order; time-outs, which are
//! [`Timer::timeout`](crate::Timer::timeout) or a tower layer around a call, both safe here because dropping a call is.
//!
//! # Try next
//!
//! Take the full jitter out of [`Backoff`] (sleep for the whole ceiling), start a hundred clients, restart their server
//! and plot when they connect.
//!
//! # Sources
//!
//! M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015); `tower::Service`.

mod backoff;
mod driver;
mod error;
mod reconnect;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::PollSemaphore;
use tower::Service;
use xs_proto::{Decode, Encode};

use crate::Transport;

pub use backoff::Backoff;
pub use driver::Driver;
pub use error::{CallError, Retry};
pub use reconnect::{Reconnect, ReconnectOptions};

/// The limits of a client's connection.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// How many calls may be unanswered. Default 1024, at least 1.
    pub depth: usize,
    /// How many pushes may wait to be taken. Default 1024, at least 1.
    pub pushes: usize,
    /// How much room a read has at least. Default 16 KiB.
    pub read_buffer: usize,
    /// How many bytes may stay undecoded, which bounds the size of a reply. Default 1 GiB.
    pub max_unread: usize,
    /// No further request is encoded while more bytes than this wait to be written. Default 1 MiB.
    pub high_water: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            depth: 1024,
            pushes: 1024,
            read_buffer: 16 * 1024,
            max_unread: 1024 * 1024 * 1024,
            high_water: 1024 * 1024,
        }
    }
}

/// Makes a client of `io`: the way in, the way out for what `is_push` says nobody asked for, and the future that does
/// the work. See the [module page](self).
pub fn connect<Io, C, Req, P>(
    io: Io,
    codec: C,
    is_push: P,
    options: ClientOptions,
) -> (Connection<Req, C::Item>, Pushes<C::Item>, Driver<Io, C, Req, P>)
where
    Io: Transport + Unpin,
    C: Decode + Encode<Req>,
    P: FnMut(&C::Item) -> bool,
{
    let (calls, incoming) = mpsc::unbounded_channel(); // bounded by the permits
    let (push, pushes) = mpsc::channel(options.pushes.max(1));
    let permits = std::sync::Arc::new(Semaphore::new(options.depth.clamp(1, Semaphore::MAX_PERMITS)));
    let connection = Connection { calls, permits: PollSemaphore::new(permits.clone()), permit: None };
    (connection, Pushes(pushes), Driver::new(io, codec, is_push, options, incoming, push, permits))
}

/// A request on its way to the driver.
struct Call<Req, Resp> {
    request: Req,
    waiter: Waiter<Resp>,
}

/// Who waits for a reply.
struct Waiter<Resp> {
    reply: oneshot::Sender<Result<Resp, CallError>>,
    _permit: OwnedSemaphorePermit,
}

/// The way in to a connection. Clones lead to the same connection; each has a readiness of its own.
///
/// The driver ends once all clones are gone and everything is answered.
pub struct Connection<Req, Resp> {
    calls: mpsc::UnboundedSender<Call<Req, Resp>>,
    permits: PollSemaphore,
    /// Taken by `poll_ready`, spent by `call`.
    permit: Option<OwnedSemaphorePermit>,
}

impl<Req, Resp> Connection<Req, Resp> {
    /// Whether the driver has ended.
    pub fn is_closed(&self) -> bool {
        self.calls.is_closed()
    }
}

impl<Req, Resp> Service<Req> for Connection<Req, Resp> {
    type Response = Resp;
    type Error = CallError;
    type Future = Reply<Resp>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        if self.is_closed() {
            return Poll::Ready(Err(CallError::unsent("the connection is closed")));
        }
        if self.permit.is_none() {
            match std::task::ready!(self.permits.poll_acquire(cx)) {
                Some(permit) => self.permit = Some(permit),
                None => return Poll::Ready(Err(CallError::unsent("the connection is closed"))),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// # Panics
    ///
    /// When called without having answered ready, as tower has it.
    fn call(&mut self, request: Req) -> Reply<Resp> {
        let permit = self.permit.take().expect("poll_ready comes before call");
        let (reply, receiver) = oneshot::channel();
        let call = Call { request, waiter: Waiter { reply, _permit: permit } };
        let refused = self.calls.send(call).is_err();
        Reply { receiver, refused }
    }
}

impl<Req, Resp> Clone for Connection<Req, Resp> {
    fn clone(&self) -> Self {
        Connection { calls: self.calls.clone(), permits: self.permits.clone(), permit: None }
    }
}

impl<Req, Resp> fmt::Debug for Connection<Req, Resp> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// The reply to one call. Dropping it gives up on the reply and on nothing else.
#[must_use = "the request is sent all the same, but its reply is thrown away"]
pub struct Reply<Resp> {
    receiver: oneshot::Receiver<Result<Resp, CallError>>,
    refused: bool,
}

impl<Resp> Future for Reply<Resp> {
    type Output = Result<Resp, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.refused {
            return Poll::Ready(Err(CallError::unsent("the connection is closed")));
        }
        Pin::new(&mut self.receiver)
            .poll(cx)
            .map(|answer| answer.unwrap_or_else(|_| Err(CallError::lost("the connection's driver was dropped"))))
    }
}

impl<Resp> fmt::Debug for Reply<Resp> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

/// What the server says unasked, in order. A stream that ends with the connection.
pub struct Pushes<Resp>(mpsc::Receiver<Resp>);

impl<Resp> Pushes<Resp> {
    /// The next one; `None` once the connection is over.
    pub async fn recv(&mut self) -> Option<Resp> {
        self.0.recv().await
    }
}

impl<Resp> Stream for Pushes<Resp> {
    type Item = Resp;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Resp>> {
        self.0.poll_recv(cx)
    }
}

impl<Resp> fmt::Debug for Pushes<Resp> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pushes").field("waiting", &self.0.len()).finish()
    }
}
