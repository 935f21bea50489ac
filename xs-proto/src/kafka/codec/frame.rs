//! Frames: a length and that many bytes.

use bytes::{Buf, Bytes, BytesMut};

use super::{FrameError, WriteError};
use crate::{Decode, Encode, Out};

/// The longest frame unless told otherwise, in bytes: `socket.request.max.bytes` as Kafka has it.
pub const DEFAULT_LIMIT: usize = 100 * 1024 * 1024;

/// The memory of a frame that has begun grows to so many times what has come of it. A length that is only claimed gets
/// nothing, and a long frame is moved once or twice on its way in, not each time that its memory doubles.
const GROWTH: usize = 16;
/// Room behind a frame, for readers that want some for every read, whatever is missing.
const BEHIND: usize = 64 * 1024;

/// Four bytes of length in front of everything that either side sends. The first layer of a connection, and all of it
/// while SASL's own bytes are exchanged without headers (SaslHandshake version 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameCodec {
    limit: usize,
}

impl FrameCodec {
    /// Takes frames of at most [`DEFAULT_LIMIT`] bytes.
    pub fn new() -> FrameCodec {
        FrameCodec { limit: DEFAULT_LIMIT }
    }

    /// Takes frames of at most `limit` bytes, without their length.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> FrameCodec {
        self.limit = limit;
        self
    }
}

impl Default for FrameCodec {
    fn default() -> Self {
        FrameCodec::new()
    }
}

impl Decode for FrameCodec {
    type Item = Bytes;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        let Some(len) = src.first_chunk::<4>() else { return Ok(None) };
        let claimed = i32::from_be_bytes(*len);
        let len = usize::try_from(claimed).map_err(|_| FrameError::Negative(claimed))?;
        if len > self.limit {
            return Err(FrameError::TooLarge { len, limit: self.limit });
        }
        if src.len() - 4 < len {
            let missing = len + 4 - src.len();
            if src.capacity() - src.len() < missing.min(BEHIND) {
                src.reserve((missing + BEHIND).min(src.len() * GROWTH));
            }
            return Ok(None);
        }
        src.advance(4);
        Ok(Some(src.split_to(len).freeze()))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(FrameError::Truncated),
            frame => Ok(frame),
        }
    }
}

impl Encode<Bytes> for FrameCodec {
    type Error = WriteError;

    fn encode(&mut self, frame: Bytes, out: &mut Out) -> Result<(), WriteError> {
        framed(out, |out| {
            out.put_bytes(frame);
            Ok(())
        })
    }
}

/// Appends a frame with what `write` appends. Nothing is left of it after an error.
pub(super) fn framed(out: &mut Out, write: impl FnOnce(&mut Out) -> Result<(), WriteError>) -> Result<(), WriteError> {
    let before = out.len();
    let at = out.inline_mut().len();
    out.put_slice(&[0; 4]);
    let written = write(out).and_then(|()| i32::try_from(out.len() - before - 4).map_err(|_| WriteError::TooLong));
    match written {
        // The length is patched where it was put: these bytes have not been sent, and appending never moves them.
        Ok(len) => out.inline_mut()[at..at + 4].copy_from_slice(&len.to_be_bytes()),
        Err(_) => out.truncate(before),
    }
    written.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_with_what_has_come_and_not_with_what_is_claimed() {
        let mut codec = FrameCodec::new();
        let mut src = BytesMut::from(&(50_i32 << 20).to_be_bytes()[..]);
        assert_eq!(codec.decode(&mut src), Ok(None));
        assert!(src.capacity() < 1024, "{}", src.capacity());
        src.extend_from_slice(&[0; 4096]);
        assert_eq!(codec.decode(&mut src), Ok(None));
        assert!((60_000..140_000).contains(&src.capacity()), "{}", src.capacity());
    }

    #[test]
    fn a_long_frame_is_moved_a_few_times_only() {
        let (len, mut codec, mut src, mut moves) = (1 << 20, FrameCodec::new(), BytesMut::new(), 0);
        src.reserve(BEHIND);
        src.extend_from_slice(&(len as i32).to_be_bytes());
        let frame = loop {
            if let Some(frame) = codec.decode(&mut src).unwrap() {
                break frame;
            }
            // As a pipeline reads.
            let at = src.as_ptr();
            src.reserve(BEHIND);
            assert!(src.len() < 3 * BEHIND || src.as_ptr() == at, "moved at {}", src.len());
            moves += usize::from(src.as_ptr() != at);
            src.extend_from_slice(&[7; 10_000]);
        };
        assert_eq!((frame.len(), moves <= 2), (len, true), "moved {moves} times");
    }
}
