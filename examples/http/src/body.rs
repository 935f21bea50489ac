//! The body of every response here: nothing, bytes, or a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use xs_net::BoxError;
use xs_net::http::{NextPiece, Piece};

use crate::files::FileBody;

/// What a response carries. Small ones are there as a whole and need no allocation of their own.
pub struct Body {
    kind: Kind,
}

enum Kind {
    Bytes(Bytes),
    File(FileBody),
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl Body {
    /// None.
    pub fn empty() -> Body {
        Body::from(Bytes::new())
    }

    /// Another body, in a box.
    pub fn stream<B>(body: B) -> Body
    where
        B: http_body::Body<Error: Into<BoxError>> + Send + 'static,
    {
        Body { kind: Kind::Stream(Box::pin(Boxed { body })) }
    }

    pub(crate) fn file(file: FileBody) -> Body {
        Body { kind: Kind::File(file) }
    }
}

pin_project_lite::pin_project! {
    /// Any body, with the types of ours.
    struct Boxed<B> {
        #[pin]
        body: B,
    }
}

impl<B: http_body::Body<Error: Into<BoxError>>> http_body::Body for Boxed<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let to_bytes = |mut data: B::Data| data.copy_to_bytes(data.remaining());
        self.project()
            .body
            .poll_frame(cx)
            .map(|next| next.map(|frame| frame.map(|f| f.map_data(to_bytes)).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.kind {
            Kind::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::File(file) => Pin::new(file).poll_frame(cx),
            Kind::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Bytes(bytes) => bytes.is_empty(),
            Kind::File(file) => file.is_end_stream(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::File(file) => file.size_hint(),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

impl xs_net::http::FileBody for Body {
    fn poll_piece(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> NextPiece<Self> {
        match &mut self.kind {
            Kind::File(file) => xs_net::http::FileBody::poll_piece(Pin::new(file), cx),
            _ => http_body::Body::poll_frame(self, cx).map(|next| next.map(|frame| frame.map(Piece::Frame))),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Body::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body { kind: Kind::Bytes(bytes) }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Body::from(Bytes::from(text))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Body::from(Bytes::from(bytes))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Body::from(Bytes::from_static(text.as_bytes()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("size_hint", &http_body::Body::size_hint(self)).finish_non_exhaustive()
    }
}
