//! The future that moves a client's bytes.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, mpsc};
use xs_proto::{Decode, Encode, Out};

use super::{Call, CallError, ClientOptions, Waiter};
use crate::{BoxError, Transport, spare};

/// After so many rounds in one poll the task yields to others.
const ROUNDS_A_POLL: usize = 32;

/// Does the reading and writing of one client's connection: spawn [`Driver::run`].
pub struct Driver<Io, C: Decode, Req, P> {
    io: Io,
    codec: C,
    is_push: P,
    options: ClientOptions,
    incoming: mpsc::UnboundedReceiver<Call<Req, C::Item>>,
    push: mpsc::Sender<C::Item>,
    /// Closed at the end, so that nobody waits for a place that never comes.
    permits: Arc<Semaphore>,
    /// Whose reply comes next, with the number of the first byte of the request.
    waiting: VecDeque<(u64, Waiter<C::Item>)>,
    input: BytesMut,
    out: Out,
    scratch: Out,
    /// How many bytes have been encoded, and written, in all.
    encoded: u64,
    written: u64,
    /// All callers are gone.
    closing: bool,
}

impl<Io, C, Req, P> Driver<Io, C, Req, P>
where
    Io: Transport + Unpin,
    C: Decode + Encode<Req>,
    P: FnMut(&C::Item) -> bool,
{
    pub(super) fn new(
        io: Io,
        codec: C,
        is_push: P,
        options: ClientOptions,
        incoming: mpsc::UnboundedReceiver<Call<Req, C::Item>>,
        push: mpsc::Sender<C::Item>,
        permits: Arc<Semaphore>,
    ) -> Self {
        Driver {
            io,
            codec,
            is_push,
            options,
            incoming,
            push,
            permits,
            waiting: VecDeque::new(),
            input: BytesMut::new(),
            out: Out::new(),
            scratch: Out::new(),
            encoded: 0,
            written: 0,
            closing: false,
        }
    }

    /// Runs until every [`Connection`](super::Connection) is dropped and everything is answered, or until the
    /// connection fails.
    ///
    /// # Errors
    ///
    /// What ended the connection. Every caller that waited has been told.
    pub async fn run(mut self) -> io::Result<()>
    where
        <C as Decode>::Error: Into<BoxError>,
        <C as Encode<Req>>::Error: Into<BoxError>,
    {
        let ended = poll_fn(|cx| self.poll(cx)).await;
        self.permits.close();
        self.incoming.close();
        let why = match &ended {
            Ok(()) => "the connection is closed".to_owned(),
            Err(e) => e.to_string(),
        };
        for (start, waiter) in self.waiting.drain(..) {
            let error = if start >= self.written { CallError::unsent(&why) } else { CallError::lost(&why) };
            let _ = waiter.reply.send(Err(error));
        }
        while let Ok(call) = self.incoming.try_recv() {
            let _ = call.waiter.reply.send(Err(CallError::unsent(&why)));
        }
        ended
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        <C as Decode>::Error: Into<BoxError>,
        <C as Encode<Req>>::Error: Into<BoxError>,
    {
        for _ in 0..ROUNDS_A_POLL {
            let drained = self.take_calls(cx);
            if let Err(e) = self.write(cx) {
                return Poll::Ready(Err(e));
            }
            let came = match self.read(cx) {
                Ok(came) => came,
                Err(e) => return Poll::Ready(Err(e)),
            };
            if self.closing && self.waiting.is_empty() && self.out.is_empty() {
                let shut = Pin::new(&mut self.io).poll_shutdown(cx);
                return shut.map(|_| Ok(()));
            }
            // With the high-water mark passed, calls are looked at again when the write has made room.
            let more_calls = !drained && self.out.len() <= self.options.high_water;
            if !came && !more_calls {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Encodes the calls that came; true when there are no more for now.
    fn take_calls(&mut self, cx: &mut Context<'_>) -> bool
    where
        <C as Encode<Req>>::Error: Into<BoxError>,
    {
        while self.out.len() <= self.options.high_water {
            match self.incoming.poll_recv(cx) {
                Poll::Pending => return true,
                Poll::Ready(None) => {
                    self.closing = true;
                    return true;
                }
                // Nobody waits any more and nothing has been sent: as if it had never been asked.
                Poll::Ready(Some(call)) if call.waiter.reply.is_closed() => {}
                Poll::Ready(Some(call)) => self.encode(call),
            }
        }
        false
    }

    fn encode(&mut self, call: Call<Req, C::Item>)
    where
        <C as Encode<Req>>::Error: Into<BoxError>,
    {
        // Apart, because half a request would shift everything behind it.
        match self.codec.encode(call.request, &mut self.scratch) {
            Ok(()) => {
                self.waiting.push_back((self.encoded, call.waiter));
                self.encoded += self.scratch.len() as u64;
                self.out.append(&mut self.scratch);
            }
            Err(e) => {
                self.scratch.clear();
                let why: BoxError = e.into();
                let _ = call.waiter.reply.send(Err(CallError::Encode(why.to_string().into())));
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.out.is_empty() {
            match Pin::new(&mut self.io).poll_write_out(cx, &mut self.out) {
                Poll::Ready(n) => self.written += n? as u64,
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Reads once and hands out every reply that came; true when there was something.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<bool>
    where
        <C as Decode>::Error: Into<BoxError>,
    {
        if self.input.len() > self.options.max_unread {
            return Err(io::Error::other("the server sent a reply beyond the limit"));
        }
        if self.input.capacity() == 0 {
            self.input = spare::take();
        }
        self.input.reserve(self.options.read_buffer.max(1));
        let eof = match pin!(self.io.read_buf(&mut self.input)).poll(cx) {
            Poll::Pending => {
                if self.input.is_empty() {
                    spare::put(std::mem::take(&mut self.input));
                }
                return Ok(false);
            }
            Poll::Ready(n) => n? == 0,
        };
        loop {
            let decoded = if eof { self.codec.decode_eof(&mut self.input) } else { self.codec.decode(&mut self.input) };
            match decoded {
                Ok(Some(item)) => self.hand_out(item)?,
                Ok(None) if eof => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
                }
                Ok(None) => return Ok(true),
                Err(e) => return Err(io::Error::new(io::ErrorKind::InvalidData, e)),
            }
        }
    }

    fn hand_out(&mut self, item: C::Item) -> io::Result<()> {
        if (self.is_push)(&item) {
            return match self.push.try_send(item) {
                Err(mpsc::error::TrySendError::Full(_)) => Err(io::Error::other("pushes are not taken fast enough")),
                _ => Ok(()), // whoever dropped the receiver doesn't want them
            };
        }
        let Some((_, waiter)) = self.waiting.pop_front() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a reply that nobody asked for"));
        };
        let _ = waiter.reply.send(Ok(item)); // the caller may have given up: its reply ends here
        Ok(())
    }
}

impl<Io, C: Decode, Req, P> fmt::Debug for Driver<Io, C, Req, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}
