//! What a service is asked with and answers with: the `http` crate's types, or messages as the protocol has them.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Extensions, Request, Response, StatusCode};
use http_body::{Body, Frame};
use xs_proto::http1::{AnyResponse, Error, RequestHead, ResponseHead, Spare};

use super::{Incoming, OnUpgrade};

/// A message with its head as it was received or will be sent: fields in their order and spelling, not in a map. A proxy
/// passes such messages on for the price of copying their bytes.
#[derive(Debug)]
pub struct Message<H, B = Incoming> {
    /// A [`RequestHead`] or [`ResponseHead`].
    pub head: H,
    /// The body.
    pub body: B,
    /// What travels with it inside the process.
    pub extensions: Extensions,
}

impl<H, B> Message<H, B> {
    /// A message without extensions.
    pub fn new(head: H, body: B) -> Self {
        Message { head, body, extensions: Extensions::new() }
    }
}

/// A request that a server can ask its service with.
pub trait FromHead: Sized {
    /// Puts a request together, in memory that is spare, and leaves there what is left over.
    ///
    /// # Errors
    ///
    /// The head cannot be said in this type; the client is answered with the error's status.
    fn from_head(
        head: Box<RequestHead>,
        body: Incoming,
        upgrade: Option<OnUpgrade>,
        spare: &mut Spare,
    ) -> Result<Self, Error>;
}

impl FromHead for Request<Incoming> {
    #[inline]
    fn from_head(
        head: Box<RequestHead>,
        body: Incoming,
        upgrade: Option<OnUpgrade>,
        spare: &mut Spare,
    ) -> Result<Self, Error> {
        let Some(upgrade) = upgrade else { return head.into_request(body, spare) };
        let mut request = head.into_request(body, spare)?;
        request.extensions_mut().insert(upgrade);
        Ok(request)
    }
}

impl FromHead for Message<RequestHead> {
    #[inline]
    fn from_head(
        mut head: Box<RequestHead>,
        body: Incoming,
        upgrade: Option<OnUpgrade>,
        spare: &mut Spare,
    ) -> Result<Self, Error> {
        let mut message = Message::new(std::mem::take(&mut *head), body);
        spare.put_head(head);
        if let Some(upgrade) = upgrade {
            message.extensions.insert(upgrade);
        }
        Ok(message)
    }
}

/// A response that a server's service can answer with.
pub trait IntoHead {
    /// Its body.
    type Body: Body;

    /// Takes it apart.
    fn into_head(self) -> (AnyResponse, Self::Body);

    /// The next piece of its body. `files` says whether the transport [sends files](crate::Transport::sends_files). The
    /// default knows of none.
    #[inline]
    fn poll_piece(body: Pin<&mut Self::Body>, cx: &mut Context<'_>, files: bool) -> NextPiece<Self::Body> {
        let _ = files;
        body.poll_frame(cx).map(|next| next.map(|frame| frame.map(Piece::Frame)))
    }
}

/// A piece of a response's body.
#[derive(Debug)]
pub enum Piece<D> {
    /// Bytes, or trailers.
    Frame(Frame<D>),
    /// What the transport fetches by itself, such as a [`FileRange`](crate::transport::FileRange).
    External {
        /// What the transport knows it by.
        chunk: Box<dyn Any + Send>,
        /// How many bytes it is.
        len: usize,
    },
}

/// What asking for the next piece gives.
pub type NextPiece<B> = Poll<Option<Result<Piece<<B as Body>::Data>, <B as Body>::Error>>>;

/// A body that can be asked in two ways: for its bytes, as every body can, or for what a transport that sends files by
/// itself makes bytes of. Each piece is given in one of the two.
pub trait FileBody: Body {
    /// Like [`poll_frame`](Body::poll_frame), for such a transport.
    fn poll_piece(self: Pin<&mut Self>, cx: &mut Context<'_>) -> NextPiece<Self>;
}

/// A response whose body may be files, which the kernel sends by itself where it can.
#[derive(Debug)]
pub struct WithFiles<B>(pub Response<B>);

impl<B: FileBody> IntoHead for WithFiles<B> {
    type Body = B;

    fn into_head(self) -> (AnyResponse, B) {
        self.0.into_head()
    }

    fn poll_piece(body: Pin<&mut B>, cx: &mut Context<'_>, files: bool) -> NextPiece<B> {
        if files { body.poll_piece(cx) } else { Response::<B>::poll_piece(body, cx, false) }
    }
}

impl<B: Body> IntoHead for Response<B> {
    type Body = B;

    fn into_head(self) -> (AnyResponse, B) {
        let (parts, body) = self.into_parts();
        (parts.into(), body)
    }
}

impl<B: Body> IntoHead for Message<ResponseHead, B> {
    type Body = B;

    fn into_head(self) -> (AnyResponse, B) {
        (self.head.into(), self.body)
    }
}

impl<B: Body> IntoHead for Message<AnyResponse, B> {
    type Body = B;

    fn into_head(self) -> (AnyResponse, B) {
        (self.head, self.body)
    }
}

pub(super) fn status_of(head: &AnyResponse) -> StatusCode {
    match head {
        AnyResponse::Parts(parts) => parts.status,
        AnyResponse::Head(head) => head.status(),
    }
}
