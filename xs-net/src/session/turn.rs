//! What a session and its service hand each other.

use std::fmt;

use bytes::{Buf, BytesMut};
use xs_proto::{Decode, Out};

/// One turn of the conversation: what came, and what is answered.
///
/// It is moved into the service's call and back out of its future, so nothing in it needs a lock. The session keeps one,
/// boxed, for the connection's whole life: what moves is a pointer.
#[derive(Debug)]
pub struct Turn<C> {
    /// What has been read, decoded as far as the service wants.
    pub input: Batch<C>,
    /// The replies, empty when the turn begins. They go behind everything that was queued before.
    pub out: Out,
    /// What happens after the replies are queued. [`Next::Read`] when the turn begins.
    pub next: Next,
}

impl<C> Turn<C> {
    /// A turn with `input` to decode; sessions make them, and so do tests of services.
    pub fn new(codec: C, input: BytesMut) -> Self {
        Turn { input: Batch { src: input, codec, eof: false }, out: Out::new(), next: Next::Read }
    }
}

/// What a session does after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Next {
    /// Wait for more bytes; what is left undecoded stands before them.
    #[default]
    Read,
    /// Queue the replies and call again at once with what is left undecoded. A service asks for this to have what it
    /// has answered so far on its way before it does something slow, or to let other connections have a go.
    Again,
    /// Send what is queued, then close.
    Close,
    /// Send what is queued, then give the connection to whoever runs the session.
    TakeOver,
}

/// The bytes that one read (or several) brought, with the codec that understands them. Decoding is up to the service:
/// it may stop anywhere, and what is left is there in the next turn or after a take-over.
pub struct Batch<C> {
    pub(super) src: BytesMut,
    pub(super) codec: C,
    pub(super) eof: bool,
}

impl<C> Batch<C> {
    /// The codec and the undecoded bytes, for codecs that parse in place. Say with [`consume`](Batch::consume) how far
    /// that came.
    #[inline]
    pub fn parts(&mut self) -> (&mut C, &[u8]) {
        (&mut self.codec, &self.src)
    }

    /// The codec and the undecoded bytes, for codecs that take them out.
    #[inline]
    pub fn parts_mut(&mut self) -> (&mut C, &mut BytesMut) {
        (&mut self.codec, &mut self.src)
    }

    /// Forgets the first `n` undecoded bytes.
    ///
    /// # Panics
    ///
    /// When there are fewer.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        if n == self.src.len() {
            self.src.clear();
        } else {
            self.src.advance(n);
        }
    }

    /// The undecoded bytes.
    #[inline]
    pub fn unread(&self) -> &[u8] {
        &self.src
    }

    /// How many bytes are undecoded.
    #[inline]
    pub fn len(&self) -> usize {
        self.src.len()
    }

    /// Whether everything is decoded.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.src.is_empty()
    }

    /// The peer has closed its side: no more bytes will follow these.
    #[inline]
    pub fn at_eof(&self) -> bool {
        self.eof
    }

    /// The codec. Assigning to it changes the protocol from the next undecoded byte on.
    #[inline]
    pub fn codec_mut(&mut self) -> &mut C {
        &mut self.codec
    }

    /// The codec.
    #[inline]
    pub fn codec(&self) -> &C {
        &self.codec
    }
}

impl<C: Decode> Batch<C> {
    /// Decodes the next item; `None` when what is left is not a whole one.
    ///
    /// # Errors
    ///
    /// The codec's.
    #[inline]
    #[allow(clippy::should_implement_trait)] // an iterator could not tell "more bytes needed" from "never again"
    pub fn next(&mut self) -> Result<Option<C::Item>, C::Error> {
        if self.eof { self.codec.decode_eof(&mut self.src) } else { self.codec.decode(&mut self.src) }
    }
}

impl<C> fmt::Debug for Batch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("undecoded", &self.src.len()).field("eof", &self.eof).finish_non_exhaustive()
    }
}
