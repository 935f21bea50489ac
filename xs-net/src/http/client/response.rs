//! The response: the future of its head, and its body.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use xs_proto::http1::{AnyRequest, ClientEvent, Framing, RequestHead, ResponseHead};
use xs_proto::machine::Phase;

use super::Home;
use super::core::Core;
use super::error::ClientError;
use crate::http::{Message, OnUpgrade};
use crate::{BoxError, Transport};

/// A response that a client can be answered with.
pub trait FromResponseHead<B>: Sized {
    /// Puts a response together.
    fn from_head(head: ResponseHead, body: B, upgrade: Option<OnUpgrade>) -> Self;
}

impl<B> FromResponseHead<B> for Response<B> {
    fn from_head(head: ResponseHead, body: B, upgrade: Option<OnUpgrade>) -> Self {
        let mut parts = head.into_parts();
        if let Some(upgrade) = upgrade {
            parts.extensions.insert(upgrade);
        }
        Response::from_parts(parts, body)
    }
}

impl<B> FromResponseHead<B> for Message<ResponseHead, B> {
    fn from_head(head: ResponseHead, body: B, upgrade: Option<OnUpgrade>) -> Self {
        let mut message = Message::new(head, body);
        if let Some(upgrade) = upgrade {
            message.extensions.insert(upgrade);
        }
        message
    }
}

/// A response on its way. It does nothing until it is polled; dropping it cuts the connection if it has begun.
pub struct ResponseFuture<Io, B: Body, R> {
    request: Option<(AnyRequest, B)>,
    begun: Begun<Io, B, R>,
}

/// The response to a request that has [begun](super::Client::begin). Dropping it cuts the connection.
pub struct Begun<Io, B: Body, R> {
    lent: Lent<Io, B>,
    upgrading: Option<Box<ResponseHead>>,
    response: PhantomData<fn() -> R>,
}

/// A connection away from home, or none yet. Dropped away from home, it never comes back.
struct Lent<Io, B: Body> {
    home: Arc<Home<Io, B>>,
    core: Option<Box<Core<Io, B>>>,
    /// Its place among those who wait for it.
    ticket: Option<u64>,
}

impl<Io, B> Lent<Io, B>
where
    Io: Transport + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>>,
{
    /// Takes the connection, once it is free.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Result<&mut Core<Io, B>, ClientError>> {
        if self.core.is_none() {
            let mut inside = self.home.inside.lock();
            if inside.look(cx) {
                self.core = inside.core.take();
            } else if !inside.gone {
                inside.wait(cx, &mut self.ticket);
                return Poll::Pending;
            }
        }
        Poll::Ready(self.core.as_deref_mut().ok_or_else(ClientError::closed))
    }

    /// The exchange is complete: brings the connection home if it is fit for another one, and drops it if not.
    fn bring_home(&mut self) {
        if let Some(core) = self.core.take() {
            self.home.give_back(Some(core).filter(|core| core.is_idle()));
        }
    }
}

impl<Io, B: Body> Drop for Lent<Io, B> {
    fn drop(&mut self) {
        if self.core.take().is_some() {
            self.home.give_back(None);
        }
        self.home.leave(self.ticket);
    }
}

impl<Io, B: Body, R> ResponseFuture<Io, B, R> {
    pub(super) fn new(home: Arc<Home<Io, B>>, head: AnyRequest, body: B) -> Self {
        ResponseFuture { request: Some((head, body)), begun: Begun::new(home) }
    }
}

impl<Io, B: Body, R> Begun<Io, B, R> {
    fn new(home: Arc<Home<Io, B>>) -> Self {
        Begun { lent: Lent { home, core: None, ticket: None }, upgrading: None, response: PhantomData }
    }
}

impl<Io, B, R> Begun<Io, B, R>
where
    Io: Transport + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>>,
{
    /// Begins a request on a connection that is free.
    pub(super) fn begin(home: Arc<Home<Io, B>>, head: &RequestHead, body: B) -> Result<Self, ClientError> {
        let mut begun = Begun::new(home);
        let Poll::Ready(core) = begun.lent.poll_take(&mut Context::from_waker(Waker::noop())) else {
            return Err(ClientError::busy());
        };
        if let Err(error) = core?.send_head(head, body) {
            begun.lent.bring_home();
            return Err(error);
        }
        Ok(begun)
    }
}

// Nothing in them is pinned: the request's body has a box of its own before it is polled.
impl<Io, B: Body, R> Unpin for ResponseFuture<Io, B, R> {}
impl<Io, B: Body, R> Unpin for Begun<Io, B, R> {}

impl<Io, B, R> Future for ResponseFuture<Io, B, R>
where
    Io: Transport + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>>,
    R: FromResponseHead<ResponseBody<Io, B>>,
{
    type Output = Result<R, ClientError>;

    /// Must not be polled after it has been ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.request.is_some() {
            let core = ready!(this.begun.lent.poll_take(cx))?;
            if let Some((head, body)) = this.request.take()
                && let Err(error) = core.begin(cx, head, body)
            {
                this.begun.lent.bring_home();
                return Poll::Ready(Err(error));
            }
        }
        Pin::new(&mut this.begun).poll(cx)
    }
}

impl<Io, B, R> Future for Begun<Io, B, R>
where
    Io: Transport + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>>,
    R: FromResponseHead<ResponseBody<Io, B>>,
{
    type Output = Result<R, ClientError>;

    /// Must not be polled after it has been ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(core) = this.lent.core.as_deref_mut() else { return Poll::Ready(Err(ClientError::closed())) };
        loop {
            if this.upgrading.is_some() {
                ready!(core.poll_over(cx));
                let (Some(head), Some(core)) = (this.upgrading.take(), this.lent.core.take()) else {
                    return Poll::Ready(Err(ClientError::closed()));
                };
                this.lent.home.give_back(None);
                let (promise, upgrade) = OnUpgrade::new();
                let _ = promise.send(core.into_upgraded()); // its other end is in our hands
                return Poll::Ready(Ok(R::from_head(*head, ResponseBody::empty(), Some(upgrade))));
            }
            match ready!(core.poll_event(cx)) {
                Ok(ClientEvent::Response { head, complete: true, .. }) if core.phase() == Phase::HandedOver => {
                    this.upgrading = Some(Box::new(head));
                }
                Ok(ClientEvent::Response { head, complete: true, .. }) => {
                    this.lent.bring_home();
                    return Poll::Ready(Ok(R::from_head(head, ResponseBody::empty(), None)));
                }
                Ok(ClientEvent::Response { head, .. }) => {
                    let left = match head.framing() {
                        Framing::Sized(len) => Some(len),
                        _ => None,
                    };
                    let lent = Lent { home: this.lent.home.clone(), core: this.lent.core.take(), ticket: None };
                    return Poll::Ready(Ok(R::from_head(head, ResponseBody { lent: Some(lent), left }, None)));
                }
                Ok(_) => {} // nothing else can come before a response
                Err(error) => {
                    // Whoever keeps the finished future around keeps nobody waiting.
                    this.lent.bring_home();
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

/// The body of a response. Reading it drives the connection, the rest of the request's body included; dropping it before
/// its end cuts the connection.
pub struct ResponseBody<Io, B: Body> {
    /// Nothing when no byte will come.
    lent: Option<Lent<Io, B>>,
    /// How much of an announced length has not come.
    left: Option<u64>,
}

impl<Io, B: Body> ResponseBody<Io, B> {
    fn empty() -> Self {
        ResponseBody { lent: None, left: Some(0) }
    }
}

impl<Io, B: Body> Unpin for ResponseBody<Io, B> {}

impl<Io, B> Body for ResponseBody<Io, B>
where
    Io: Transport + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        let this = &mut *self;
        loop {
            let Some(core) = this.lent.as_mut().and_then(|lent| lent.core.as_deref_mut()) else {
                return Poll::Ready(None);
            };
            match ready!(core.poll_event(cx)) {
                Ok(ClientEvent::Data { bytes, .. }) => {
                    core.consumed(bytes.len());
                    this.left = this.left.map(|left| left.saturating_sub(bytes.len() as u64));
                    // Who counts knows that this is all, and may not ask for the end, which has come with it.
                    if this.left == Some(0)
                        && let Poll::Ready(end) = core.poll_event(cx)
                        && let Some(mut lent) = this.lent.take()
                        && end.is_ok()
                    {
                        lent.bring_home();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Ok(ClientEvent::End { trailers, .. }) => {
                    if let Some(mut lent) = this.lent.take() {
                        lent.bring_home();
                    }
                    let trailers = trailers.map(|fields| fields.to_map()).filter(|map| !map.is_empty());
                    return Poll::Ready(trailers.map(|map| Ok(Frame::trailers(map))));
                }
                Ok(_) => {} // what is left of the request's side
                Err(error) => {
                    this.lent = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.lent.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl<Io, B: Body, R> fmt::Debug for ResponseFuture<Io, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("begun", &self.request.is_none()).finish_non_exhaustive()
    }
}

impl<Io, B: Body, R> fmt::Debug for Begun<Io, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").finish_non_exhaustive()
    }
}

impl<Io, B: Body> fmt::Debug for ResponseBody<Io, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("ended", &self.lent.is_none()).field("left", &self.left).finish()
    }
}
