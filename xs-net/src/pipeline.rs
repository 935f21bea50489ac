//! The common case: one reply a request, in order, any codec and any service. [`Pipeline`].
//!
//! # The problem
//!
//! Most services are functions from a request to a reply, and tower has a whole shelf of layers for those. A client
//! that doesn't want to wait for each reply sends several requests at once. The server then should work on them at the
//! same time, answer in the order in which they came, and not take in more than it can hold.
//!
//! # How it works
//!
//! Requests are decoded one by one, each starts a call of the service, and the futures stand in a queue whose front is
//! what is answered next:
//!
//! ```text
//!   read ─▶ decode ─▶ waiting ──(service ready?)──▶ call ─▶ [f1 f2 f3 … up to depth] ─front─▶ encode ─▶ write
//!                     one item                              all are polled, in any order of completion
//! ```
//!
//! Reading stops while an item waits for the service, while the queue is full, and while more output waits than
//! [`PipelineOptions::high_water`]. The peer's socket then fills, and the peer itself has to wait: that is the
//! back-pressure.
//!
//! It isn't built over [`Session`](crate::Session), and the reason is what each promises: a session has one turn in
//! flight and shows its service nothing new until that is done, because a connection's state must see requests one
//! after the other. A pipeline starts requests of later reads while earlier ones are still in flight. They share what
//! lies below: the transport, the read buffers, the mailbox, the idle timer.
//!
//! # Invariants
//!
//! - Replies leave in the order of their requests, one at most for each (`FuturesOrdered`; a response type that encodes
//!   to nothing is how a service says nothing).
//! - At most [`PipelineOptions::depth`] calls are in flight, plus one decoded request that waits.
//! - Readiness is polled beside the calls in flight, never instead of them: a service that is ready again only when an
//!   earlier call has ended (a concurrency limit of one) makes progress (`poll` looks at the queue in each round).
//! - Readiness is asked for only with a request at hand: an idle connection holds no place of a shared limit.
//! - The service is called on the same value that answered ready, once for each time.
//! - A service that fails or panics ends its own connection; what was answered before is still sent.
//! - After bytes that cannot be decoded, the requests before them are still answered.
//!
//! # Cost
//!
//! One small allocation for each request (its place in the queue), one read and one write for as many as came together.
//! Memory: the read buffer, `depth` futures, and output up to the high-water mark plus what `depth` replies add.
//!
//! # Example
//!
//! ```
//! use bytes::{Buf, Bytes, BytesMut};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use xs_net::{Pipeline, Timer, listener::MemoryStream};
//! use xs_proto::{Decode, Encode, Out};
//!
//! struct Lines;
//! impl Decode for Lines {
//!     type Item = Bytes;
//!     type Error = std::convert::Infallible;
//!     fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, Self::Error> {
//!         let Some(end) = src.iter().position(|&b| b == b'\n') else { return Ok(None) };
//!         let line = src.split_to(end).freeze();
//!         src.advance(1);
//!         Ok(Some(line))
//!     }
//! }
//! impl Encode<usize> for Lines {
//!     type Error = std::convert::Infallible;
//!     fn encode(&mut self, n: usize, out: &mut Out) -> Result<(), Self::Error> {
//!         out.put_slice(format!("{n}\n").as_bytes());
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let length = tower::service_fn(|line: Bytes| async move { Ok::<_, std::io::Error>(line.len()) });
//! let (mut client, server) = MemoryStream::pair(1024);
//! tokio::spawn(Pipeline::new(Lines, length, &Timer::system()).run(server));
//! client.write_all(b"one\nthree\n").await?;
//! let mut replies = [0; 4];
//! client.read_exact(&mut replies).await?;
//! assert_eq!(&replies, b"3\n5\n");
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! tower's own guide awaits readiness and then the call, one request at a time. `tokio-tower` has this pipeline with an
//! unbounded queue unless limited from outside. hyper answers pipelined HTTP/1 strictly one by one, which is the
//! simplest way to keep the order.
//!
//! # What this leaves out
//!
//! Replies out of order, matched by a tag: another structure, a multiplexer. Pushes come only through a
//! [`Registration`], without an order towards replies that are not encoded yet.
//!
//! # Try next
//!
//! Put `tower::limit::ConcurrencyLimit` of 1 around a service that sleeps, and send it ten requests. Then change the
//! loop to wait for readiness before it looks at the queue, and watch it hang.
//!
//! # Sources
//!
//! `tower::Service` on `poll_ready`; RFC 9112, section 9.3.2 for pipelining and its order in HTTP.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use futures::FutureExt;
use futures::future::CatchUnwind;
use futures::stream::{FuturesOrdered, Stream};
use tokio::io::AsyncReadExt;
use tower::Service;
use xs_proto::{Decode, Encode, Out};

use crate::caught::{caught, message};
use crate::idle::Idle;
use crate::serve::Drain;
use crate::session::{Cause, Order, Registration};
use crate::{BoxError, Timer, Transport, spare};

/// After so many rounds in one poll the task yields to others.
const ROUNDS_A_POLL: usize = 32;

/// How a [`Pipeline`] behaves.
#[derive(Debug, Clone)]
pub struct PipelineOptions {
    /// How many calls may be in flight. Default 64, at least 1.
    pub depth: usize,
    /// How much room a read has at least. Default 16 KiB.
    pub read_buffer: usize,
    /// How many bytes may stay undecoded, which bounds the size of a request. Default 64 MiB.
    pub max_unread: usize,
    /// No further request is taken in while more output than this waits. Default 1 MiB.
    pub high_water: usize,
    /// Close when nothing has moved for so long and nothing is in flight. Default `None`. As coarse as a session's.
    pub idle_timeout: Option<Duration>,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        PipelineOptions {
            depth: 64,
            read_buffer: 16 * 1024,
            max_unread: 64 * 1024 * 1024,
            high_water: 1024 * 1024,
            idle_timeout: None,
        }
    }
}

/// One connection whose requests are answered one for one. See the [module page](self).
#[derive(Debug)]
pub struct Pipeline<C, S> {
    codec: C,
    service: S,
    timer: Timer,
    options: PipelineOptions,
    drain: Option<Drain>,
    registration: Option<Registration>,
}

impl<C, S> Pipeline<C, S> {
    /// A pipeline with the default options.
    pub fn new(codec: C, service: S, timer: &Timer) -> Self {
        let options = PipelineOptions::default();
        Pipeline { codec, service, timer: timer.clone(), options, drain: None, registration: None }
    }

    /// Other options.
    #[must_use]
    pub fn with_options(mut self, options: PipelineOptions) -> Self {
        self.options = options;
        self
    }

    /// Ends by itself when its server drains: what has been read is answered, then it closes.
    #[must_use]
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.drain = Some(drain);
        self
    }

    /// Makes it a registered connection, which can be listed, pushed to and killed.
    #[must_use]
    pub fn with_registration(mut self, registration: Registration) -> Self {
        self.registration = Some(registration);
        self
    }

    /// Runs the connection to its end, and answers why it ended. Dropping the future cuts it.
    pub async fn run<Io>(self, io: Io) -> Cause
    where
        Io: Transport + Unpin,
        C: Decode + Encode<S::Response>,
        <C as Decode>::Error: Into<BoxError>,
        <C as Encode<S::Response>>::Error: Into<BoxError>,
        S: Service<C::Item>,
        S::Error: Into<BoxError>,
    {
        let Pipeline { codec, service, timer, options, drain, registration } = self;
        let mut flow = Flow {
            io,
            codec,
            service,
            idle: options.idle_timeout.map(|limit| Idle::new(limit, &timer)),
            timer,
            options,
            drain,
            registration,
            input: BytesMut::new(),
            undecoded: false,
            eof: false,
            finishing: false,
            waiting: None,
            flight: FuturesOrdered::new(),
            out: Out::new(),
            ending: None,
            touched: false,
        };
        poll_fn(|cx| flow.poll(cx)).await
    }
}

/// A pipeline at work.
struct Flow<Io, C: Decode, S: Service<C::Item>> {
    io: Io,
    codec: C,
    service: S,
    timer: Timer,
    options: PipelineOptions,
    drain: Option<Drain>,
    registration: Option<Registration>,
    idle: Option<Idle>,
    input: BytesMut,
    /// The codec may find another item in `input`.
    undecoded: bool,
    /// No more bytes will come, or will be taken.
    eof: bool,
    /// Told from outside to read nothing more.
    finishing: bool,
    waiting: Option<C::Item>,
    flight: FuturesOrdered<CatchUnwind<AssertUnwindSafe<S::Future>>>,
    out: Out,
    /// Why it ends, once what is in flight is answered and sent.
    ending: Option<Cause>,
    touched: bool,
}

impl<Io, C, S> Flow<Io, C, S>
where
    Io: Transport + Unpin,
    C: Decode + Encode<S::Response>,
    <C as Decode>::Error: Into<BoxError>,
    <C as Encode<S::Response>>::Error: Into<BoxError>,
    S: Service<C::Item>,
    S::Error: Into<BoxError>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        for _ in 0..ROUNDS_A_POLL {
            let round = self.round(cx);
            match round {
                Ok(true) => {}
                Ok(false) if self.is_done() => {
                    if Pin::new(&mut self.io).poll_shutdown(cx).is_pending() {
                        return Poll::Pending;
                    }
                    return Poll::Ready(self.ending.take().unwrap_or(Cause::Peer));
                }
                Ok(false) => return Poll::Pending,
                Err(cause) => return Poll::Ready(cause),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_done(&self) -> bool {
        self.ending.is_some() && self.flight.is_empty() && self.out.is_empty()
    }

    /// Gives everything its go; true when another round may bring more. An error ends the connection at once.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, Cause> {
        self.heed(cx)?;
        let mut moved = false;
        while self.take_in() | self.start(cx) {
            moved = true;
        }
        // The calls in flight go on whether or not the service was ready: what it waits for may be one of them.
        while let Poll::Ready(Some(answer)) = Pin::new(&mut self.flight).poll_next(cx) {
            moved = true;
            self.answer(answer);
        }
        moved |= self.write(cx)?;
        moved |= self.read(cx)?;
        if !self.undecoded && self.waiting.is_none() && self.ending.is_none() {
            if self.eof {
                self.ending = Some(Cause::Peer);
            } else if self.finishing {
                self.ending = Some(Cause::Finished);
            }
        }
        Ok(moved)
    }

    /// Encodes the reply at the front of the queue.
    fn answer(&mut self, answer: Result<Result<S::Response, S::Error>, Box<dyn std::any::Any + Send>>) {
        let failed = match answer {
            Ok(Ok(reply)) => match self.codec.encode(reply, &mut self.out) {
                Ok(()) => return,
                Err(e) => Cause::Encode(e.into()),
            },
            Ok(Err(e)) => Cause::Failed(e.into()),
            Err(payload) => Cause::Panicked(message(payload)),
        };
        self.fail(failed);
    }

    /// Stops taking in anything, drops what is in flight, and lets what is encoded leave.
    fn fail(&mut self, cause: Cause) {
        self.flight = FuturesOrdered::new();
        self.close(cause);
    }

    /// Stops taking in anything.
    fn close(&mut self, cause: Cause) {
        self.waiting = None;
        self.undecoded = false;
        self.eof = true;
        if self.ending.is_none() {
            self.ending = Some(cause);
        }
    }

    fn has_room(&self) -> bool {
        self.waiting.is_none()
            && self.flight.len() < self.options.depth.max(1)
            && self.out.len() <= self.options.high_water
    }

    /// Decodes the next request, if there is room for one.
    fn take_in(&mut self) -> bool {
        if !self.undecoded || !self.has_room() {
            return false;
        }
        let decoded =
            if self.eof { self.codec.decode_eof(&mut self.input) } else { self.codec.decode(&mut self.input) };
        match decoded {
            Ok(Some(item)) => self.waiting = Some(item),
            Ok(None) => self.undecoded = false,
            Err(e) => self.close(Cause::Decode(e.into())),
        }
        true
    }

    /// Calls the service with the request that waits, if it is ready.
    fn start(&mut self, cx: &mut Context<'_>) -> bool {
        if self.waiting.is_none() {
            return false;
        }
        match caught(|| self.service.poll_ready(cx)) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(Ok(()))) => {}
            Ok(Poll::Ready(Err(e))) => {
                self.fail(Cause::Failed(e.into()));
                return true;
            }
            Err(text) => {
                self.fail(Cause::Panicked(text));
                return true;
            }
        }
        let Some(item) = self.waiting.take() else { return false };
        match caught(|| self.service.call(item)) {
            Ok(future) => self.flight.push_back(AssertUnwindSafe(future).catch_unwind()),
            Err(text) => self.fail(Cause::Panicked(text)),
        }
        true
    }

    /// Writes what waits once the requests at hand have been started, so that replies leave together.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Cause> {
        if self.out.is_empty() || (self.undecoded && self.has_room()) {
            return Ok(false);
        }
        let was_over = self.out.len() > self.options.high_water;
        while !self.out.is_empty() {
            match Pin::new(&mut self.io).poll_write_out(cx, &mut self.out) {
                Poll::Ready(Ok(_)) => self.touched = true,
                Poll::Ready(Err(e)) => return Err(Cause::from_io(e)),
                Poll::Pending => break,
            }
        }
        Ok(was_over && self.out.len() <= self.options.high_water)
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Cause> {
        if self.eof || self.finishing || self.undecoded || !self.has_room() {
            return Ok(false);
        }
        if self.input.len() > self.options.max_unread {
            return Err(Cause::Unread);
        }
        if self.input.capacity() == 0 {
            self.input = spare::take();
        }
        self.input.reserve(self.options.read_buffer.max(1));
        match pin!(self.io.read_buf(&mut self.input)).poll(cx) {
            Poll::Pending => {
                if self.input.is_empty() {
                    spare::put(std::mem::take(&mut self.input));
                }
                return Ok(false);
            }
            Poll::Ready(Err(e)) => return Err(Cause::from_io(e)),
            Poll::Ready(Ok(0)) => self.eof = true,
            Poll::Ready(Ok(_)) => self.touched = true,
        }
        self.undecoded = true;
        Ok(true)
    }

    /// Looks at what comes from outside: mail, the drain, the idle timer.
    fn heed(&mut self, cx: &mut Context<'_>) -> Result<(), Cause> {
        if let Some(registration) = &mut self.registration
            && let Poll::Ready(mail) = registration.poll_mail(cx.waker(), &mut self.out)
            && mail? == Some(Order::Finish)
        {
            self.finishing = true;
        }
        if self.drain.as_mut().is_some_and(|drain| drain.poll_drained(cx.waker()).is_ready()) {
            self.drain = None;
            self.finishing = true;
        }
        if let Some(idle) = &mut self.idle {
            self.touched |= !self.flight.is_empty();
            if idle.poll_expired(cx, &self.timer, &mut self.touched) {
                return Err(Cause::Idle);
            }
        }
        Ok(())
    }
}
