//! The codec of both versions.

use bytes::BytesMut;

use super::{EncodeError, Error, Header, v1, v2};
use crate::{Decode, Encode, Out};

/// How long a binary header may be unless told otherwise, in bytes.
pub const DEFAULT_LIMIT: usize = 4096;

/// The two forms of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    #[default]
    V2,
}

/// Reads headers of both versions and writes those of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderCodec {
    version: Version,
    limit: usize,
}

impl HeaderCodec {
    /// Writes headers of `version`.
    pub fn new(version: Version) -> Self {
        HeaderCodec { version, limit: DEFAULT_LIMIT }
    }

    /// Refuses binary headers of more than `limit` bytes, their first 16 included. Default [`DEFAULT_LIMIT`]. A line of
    /// version 1 never has more than 107.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// How many bytes the header that begins with `src` lacks at least. A reader that reads no more than that does not
    /// read beyond the header. Zero when [`decode`](Decode::decode) has an answer.
    pub fn missing(&self, src: &[u8]) -> usize {
        match src.first() {
            None => v1::SHORTEST.min(v2::HEAD),
            Some(b'P') => v1::missing(src),
            Some(_) => v2::missing(src, self.limit),
        }
    }
}

impl Default for HeaderCodec {
    fn default() -> Self {
        HeaderCodec::new(Version::default())
    }
}

impl Decode for HeaderCodec {
    type Item = Header;
    type Error = Error;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Header>, Error> {
        match src.first() {
            None => Ok(None),
            Some(b'P') => v1::decode(src),
            Some(_) => v2::decode(src, self.limit),
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Header>, Error> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(Error::Truncated),
            header => Ok(header),
        }
    }
}

impl Encode<&Header> for HeaderCodec {
    type Error = EncodeError;

    fn encode(&mut self, header: &Header, out: &mut Out) -> Result<(), EncodeError> {
        match self.version {
            Version::V1 => v1::encode(header, out),
            Version::V2 => v2::encode(header, out),
        }
    }
}
