//! The two traits of a codec: [`Decode`] and [`Encode`].
//!
//! # The problem
//!
//! A stream brings bytes in pieces that ignore the borders of messages. A codec must find those borders, without
//! looking at the same byte again and again, without trusting a length that a stranger has written, and without
//! copying what it finds. And it should do so in a form that a server, a client, a test and a fuzzer can all drive.
//!
//! # How it works
//!
//! ```text
//!            BytesMut                                            Out
//!   read ──▶ ····│····│·· ── Decode::decode ──▶ Item     item ── Encode::encode ──▶ ···· ──▶ vectored write
//!            taken off the front as items                       appended at the end
//! ```
//!
//! [`Decode::decode`] has three answers: an item, whose bytes it has taken off the front; `None`, which asks for more
//! bytes; or an error, after which the stream has no known border any more and must be closed. An item may hold
//! `Bytes` that share the buffer's memory, so nothing needs to be copied. At the end of the stream the last call is
//! [`Decode::decode_eof`], where a codec can tell a clean end from a torn message.
//!
//! [`Encode::encode`] appends to an [`Out`]. It is generic over what it encodes, so that one codec can write owned
//! messages, borrowed ones and pieces.
//!
//! # Invariants
//!
//! Each codec's tests enforce these:
//!
//! - Any split of the input into reads gives the same items and the same error.
//! - `decode ∘ encode` is the identity on items.
//! - No input panics, and no claimed length reserves memory before its bytes arrive.
//!
//! # Cost
//!
//! The traits cost nothing; a codec keeps its own progress, so that a message that arrives in a thousand pieces is
//! still scanned once.
//!
//! # Example
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use xs_proto::{Decode, Encode, Out};
//!
//! /// A byte of length, then the bytes.
//! struct Short;
//!
//! impl Decode for Short {
//!     type Item = bytes::Bytes;
//!     type Error = std::convert::Infallible;
//!     fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error> {
//!         let Some(&len) = src.first() else { return Ok(None) };
//!         if src.len() <= len as usize {
//!             return Ok(None);
//!         }
//!         src.advance(1);
//!         Ok(Some(src.split_to(len as usize).freeze()))
//!     }
//! }
//!
//! impl Encode<&str> for Short {
//!     type Error = std::num::TryFromIntError;
//!     fn encode(&mut self, item: &str, out: &mut Out) -> Result<(), Self::Error> {
//!         out.put_u8(u8::try_from(item.len())?);
//!         out.put_slice(item.as_bytes());
//!         Ok(())
//!     }
//! }
//!
//! let mut out = Out::new();
//! Short.encode("hello", &mut out).unwrap();
//! let mut src = BytesMut::from(&out.to_vec()[..]);
//! assert_eq!(Short.decode(&mut src).unwrap().unwrap(), "hello");
//! ```
//!
//! # How others do it
//!
//! tokio_util's `Decoder` has the same answers, and its error must be able to hold an `io::Error`, which lets the
//! transport leak into a parser that never sees one; its `Encoder` writes into a `BytesMut`, so every value is copied.
//! The feature `tokio-util` bridges that gap with `Framing`. nom and winnow build parsers from combinators over slices
//! and start again when input is missing.
//!
//! # What this leaves out
//!
//! Protocols that are conversations, where what arrives decides what must be sent: those are machines with inputs,
//! outputs and timeouts, not codecs. Datagrams, where the border is given.
//!
//! # Try next
//!
//! Write the codec of a line protocol that remembers how far it has looked for the line's end. Then send it a line of
//! a megabyte, byte by byte, with and without that memory.
//!
//! # Sources
//!
//! RFC 9293, section 3.8: TCP is a stream of octets and preserves no borders.

use bytes::BytesMut;

use crate::Out;

/// Takes items off the front of a stream of bytes. See the [module page](self).
pub trait Decode {
    /// What the bytes mean.
    type Item;
    /// Why they mean nothing.
    type Error;

    /// Takes the next item off the front of `src`. `None` asks for more bytes behind those that are there; the codec
    /// may already have taken some of them. After an error the stream cannot be decoded any further.
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error>;

    /// Like [`decode`](Decode::decode), with the promise that no more bytes will come. Called until it returns `None`
    /// or an error; whether bytes that are left over are an error is the codec's decision.
    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error> {
        self.decode(src)
    }
}

/// Appends items to outgoing bytes. See the [module page](self).
pub trait Encode<T> {
    /// Why an item has no form on the wire.
    type Error;

    /// Appends the bytes of `item` to `out`. After an error, what `out` holds of this item is unspecified.
    fn encode(&mut self, item: T, out: &mut Out) -> Result<(), Self::Error>;
}

/// Who is at fault when bytes cannot be decoded or an item cannot be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The other side broke the protocol.
    Peer,
    /// The bytes may be right, but they exceed a limit that this side has set.
    Limit,
    /// This side asked for something that the protocol cannot express.
    Caller,
}

#[cfg(feature = "tokio-util")]
pub use framing::{Framing, FramingError};

#[cfg(feature = "tokio-util")]
mod framing {
    use std::io;

    use bytes::{BufMut, BytesMut};

    use super::{Decode, Encode};
    use crate::Out;

    /// Makes any codec of this crate one of tokio_util's, for `Framed`, `FramedRead` and `FramedWrite`.
    ///
    /// It copies what the codec puts by reference, because tokio_util writes from one buffer, and it refuses external
    /// chunks.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use tokio_util::codec::{Decoder, Encoder};
    /// use xs_proto::codec::Framing;
    /// # #[cfg(feature = "resp")] {
    /// use xs_proto::resp::{Frame, FrameCodec};
    ///
    /// let mut codec = Framing(FrameCodec::default());
    /// let mut buf = BytesMut::new();
    /// codec.encode(&Frame::Integer(7), &mut buf).unwrap();
    /// assert_eq!(&buf[..], b":7\r\n");
    /// assert_eq!(codec.decode(&mut buf).unwrap(), Some(Frame::Integer(7)));
    /// # }
    /// ```
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct Framing<C>(pub C);

    /// What can go wrong in a framed stream: the transport, the bytes, or a chunk that cannot be copied.
    #[derive(Debug, thiserror::Error)]
    pub enum FramingError<E> {
        /// The transport failed.
        #[error(transparent)]
        Io(#[from] io::Error),
        /// The codec refused the bytes or the item.
        #[error("{0}")]
        Codec(E),
        /// The codec put an external chunk, which only a transport of xs can send.
        #[error("an external chunk cannot be copied into a buffer")]
        External,
    }

    impl<C: Decode> tokio_util::codec::Decoder for Framing<C> {
        type Item = C::Item;
        type Error = FramingError<C::Error>;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error> {
            self.0.decode(src).map_err(FramingError::Codec)
        }

        fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error> {
            self.0.decode_eof(src).map_err(FramingError::Codec)
        }
    }

    impl<C: Encode<T>, T> tokio_util::codec::Encoder<T> for Framing<C> {
        type Error = FramingError<C::Error>;

        fn encode(&mut self, item: T, dst: &mut BytesMut) -> Result<(), Self::Error> {
            let mut out = Out::new();
            self.0.encode(item, &mut out).map_err(FramingError::Codec)?;
            if out.has_external() {
                return Err(FramingError::External);
            }
            dst.reserve(out.len());
            while !out.is_empty() {
                let front = out.front();
                let n = front.len();
                dst.put_slice(front);
                out.advance(n);
            }
            Ok(())
        }
    }
}
