//! The client's side: [`Client`], a connection as a service.
//!
//! There is no task behind a connection. Whoever waits for a response drives it, and then whoever reads its body does: the
//! core of the connection moves from its home into the future, into the body, and back home when the exchange is
//! complete. What is dropped on the way takes the connection along, and that is what cancelling means.

mod core;
mod error;
mod response;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use parking_lot::Mutex;
use tower::Service;
use xs_proto::http1::{AnyRequest, Limits, RequestHead, ResponseHead, Timeouts};

use self::core::Core;
pub use self::error::ClientError;
pub use self::response::{Begun, FromResponseHead, ResponseBody, ResponseFuture};
use super::Message;
use crate::{BoxError, Timer, Transport, driver};

/// How a client's connection behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientOptions {
    /// What a server may send, and how much is held for it. Default [`Limits::CLIENT`].
    pub limits: Limits,
    /// How long a server may take. Default [`Timeouts::DEFAULT`].
    pub timeouts: Timeouts,
    /// Buffers.
    pub driver: driver::Options,
    /// How long a body is held back for a server that was asked by `Expect: 100-continue` and does not say. Default 1 s.
    pub continue_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            limits: Limits::CLIENT,
            timeouts: Timeouts::DEFAULT,
            driver: driver::Options::DEFAULT,
            continue_timeout: Duration::from_secs(1),
        }
    }
}

/// One connection to a server: a service of requests with bodies of type `B`, one at a time. Clones share the connection
/// and wait for each other.
///
/// Its requests are [`http::Request`]s, answered by [`http::Response`]s, or [`Message`]s with their heads as they are,
/// answered by such. A response's body must be read or dropped: the connection is free for the next request when it has
/// been read to its end, and it is cut when it is dropped before.
pub struct Client<Io, B: Body> {
    home: Arc<Home<Io, B>>,
    /// Its place among those who wait.
    ticket: Option<u64>,
}

/// Where a connection is while nobody uses it.
struct Home<Io, B: Body> {
    inside: Mutex<Inside<Io, B>>,
}

struct Inside<Io, B: Body> {
    core: Option<Box<Core<Io, B>>>,
    /// It will not come back.
    gone: bool,
    /// Who waits, by ticket: one that is dropped takes its waker along.
    waiting: Vec<(u64, Waker)>,
    tickets: u64,
}

impl<Io, B> Client<Io, B>
where
    Io: Transport + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>>,
{
    /// A connection on a stream that has just been opened, by `timer`'s clock.
    pub fn new(io: Io, timer: &Timer, options: ClientOptions) -> Self {
        let core = Some(Box::new(Core::new(io, timer, options)));
        let inside = Inside { core, gone: false, waiting: Vec::new(), tickets: 0 };
        Client { home: Arc::new(Home { inside: Mutex::new(inside) }), ticket: None }
    }

    /// Whether it is free, and could take a request: the server has not closed it, as far as can be seen now. A pool asks
    /// before it gives a connection out again.
    pub fn is_reusable(&self) -> bool {
        self.home.inside.lock().look(&mut Context::from_waker(Waker::noop()))
    }

    /// Whether no exchange is under way on it, and it has not ended, as far as is known without a look at the stream.
    pub fn is_free(&self) -> bool {
        self.home.inside.lock().core.is_some()
    }

    /// Begins a request at once, with a head that stays the caller's: a proxy may have to send it elsewhere too. Nothing
    /// leaves before the response is polled.
    ///
    /// # Errors
    ///
    /// The connection is closed, or not [free](Client::is_free); or the request cannot be sent.
    pub fn begin<R>(&self, head: &RequestHead, body: B) -> Result<Begun<Io, B, R>, ClientError>
    where
        R: FromResponseHead<ResponseBody<Io, B>>,
    {
        Begun::begin(self.home.clone(), head, body)
    }

    /// Waits until it is free. ([`tower::ServiceExt::ready`] would have to be told for which of the two kinds of request.)
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn ready(&mut self) -> Result<&mut Self, ClientError> {
        poll_fn(|cx| self.poll_free(cx)).await?;
        Ok(self)
    }

    /// Whether it has ended, or will with the exchange under way.
    pub fn is_closed(&self) -> bool {
        self.home.inside.lock().gone
    }
}

impl<Io, B> Inside<Io, B>
where
    Io: Transport + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>>,
{
    /// Whether the connection is here and sound; one that has ended meanwhile is dropped.
    fn look(&mut self, cx: &mut Context<'_>) -> bool {
        let sound = match &mut self.core {
            None => return false,
            Some(core) => core.is_sound(cx),
        };
        if !sound {
            (self.core, self.gone) = (None, true);
        }
        sound
    }
}

impl<Io, B: Body> Home<Io, B> {
    /// Takes the connection back, or learns that it is gone.
    fn give_back(&self, core: Option<Box<Core<Io, B>>>) {
        let waiting = {
            let mut inside = self.inside.lock();
            inside.gone = core.is_none();
            inside.core = core;
            std::mem::take(&mut inside.waiting)
        };
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Whoever had this ticket waits no longer.
    fn leave(&self, ticket: Option<u64>) {
        if let Some(ticket) = ticket {
            self.inside.lock().waiting.retain(|(other, _)| *other != ticket);
        }
    }
}

impl<Io, B> Client<Io, B>
where
    Io: Transport + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>>,
{
    fn poll_free(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        let mut inside = self.home.inside.lock();
        if inside.look(cx) {
            return Poll::Ready(Ok(()));
        }
        if inside.gone {
            return Poll::Ready(Err(ClientError::closed()));
        }
        inside.wait(cx, &mut self.ticket);
        Poll::Pending
    }
}

impl<Io, B: Body> Inside<Io, B> {
    /// Wakes this task when something has changed.
    fn wait(&mut self, cx: &Context<'_>, ticket: &mut Option<u64>) {
        let mine = *ticket.get_or_insert_with(|| {
            self.tickets += 1;
            self.tickets
        });
        match self.waiting.iter_mut().find(|(other, _)| *other == mine) {
            Some((_, known)) => known.clone_from(cx.waker()),
            None => self.waiting.push((mine, cx.waker().clone())),
        }
    }
}

impl<Io, B> Service<Request<B>> for Client<Io, B>
where
    Io: Transport + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>>,
{
    type Response = Response<ResponseBody<Io, B>>;
    type Error = ClientError;
    type Future = ResponseFuture<Io, B, Self::Response>;

    /// Ready when the connection is free. It is not held: another clone may be faster, and then the call waits.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.poll_free(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        ResponseFuture::new(self.home.clone(), AnyRequest::Parts(parts), body)
    }
}

impl<Io, B> Service<Message<RequestHead, B>> for Client<Io, B>
where
    Io: Transport + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>>,
{
    type Response = Message<ResponseHead, ResponseBody<Io, B>>;
    type Error = ClientError;
    type Future = ResponseFuture<Io, B, Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.poll_free(cx)
    }

    fn call(&mut self, request: Message<RequestHead, B>) -> Self::Future {
        ResponseFuture::new(self.home.clone(), AnyRequest::Head(request.head), request.body)
    }
}

impl<Io, B: Body> Clone for Client<Io, B> {
    fn clone(&self) -> Self {
        Client { home: self.home.clone(), ticket: None }
    }
}

impl<Io, B: Body> Drop for Client<Io, B> {
    fn drop(&mut self) {
        self.home.leave(self.ticket);
    }
}

impl<Io, B: Body> fmt::Debug for Client<Io, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inside = self.home.inside.lock();
        f.debug_struct("Client").field("free", &inside.core.is_some()).field("gone", &inside.gone).finish()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::listener::MemoryStream;
    use tower::ServiceExt;

    type Empty = crate::http::Incoming;

    #[tokio::test]
    async fn whoever_stops_waiting_for_a_busy_connection_leaves_nothing_behind() {
        let (ours, _theirs) = MemoryStream::pair(64);
        let client = Client::<_, Empty>::new(ours, &Timer::system(), ClientOptions::default());
        let mut head = RequestHead::new(http::Method::GET, "/").unwrap();
        head.fields_mut().append("host", b"h").unwrap();
        let busy = client.begin::<Message<ResponseHead, _>>(&head, Empty::empty()).unwrap();
        let waiting = || client.home.inside.lock().waiting.len();
        let patience = Duration::from_millis(1);
        for _ in 0..50 {
            let mut other = client.clone();
            // Half of them wait for their turn, the others have asked already.
            let ready = ServiceExt::<Message<RequestHead, Empty>>::ready(&mut other);
            assert!(tokio::time::timeout(patience, ready).await.is_err());
            let called = other.call(Message::new(head.clone(), Empty::empty()));
            assert!(tokio::time::timeout(patience, called).await.is_err());
            assert_eq!(waiting(), 1, "the clone that still waits");
        }
        assert_eq!(waiting(), 0);
        let patient = tokio::spawn({
            let mut other = client.clone();
            async move { other.ready().await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(waiting(), 1);
        drop(busy);
        assert!(patient.await.unwrap().is_err(), "it is woken, and learns that the connection was cut");
        assert_eq!(waiting(), 0);
    }
}
