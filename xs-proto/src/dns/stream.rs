//! Messages over TCP (RFC 1035, section 4.2.2; RFC 7766).

use bytes::{Buf, BytesMut};

use super::{Error, Message};
use crate::{Decode, Encode, Out};

/// A stream of messages, each with two bytes of length in front of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpCodec;

impl Decode for TcpCodec {
    type Item = Message;
    type Error = Error;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Message>, Error> {
        let Some(len) = src.first_chunk::<2>() else { return Ok(None) };
        let len = usize::from(u16::from_be_bytes(*len));
        let Some(bytes) = src.get(2..2 + len) else { return Ok(None) };
        let message = Message::parse(bytes)?;
        src.advance(2 + len);
        Ok(Some(message))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Message>, Error> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(Error::Truncated { at: src.len().saturating_sub(2) }),
            message => Ok(message),
        }
    }
}

impl Encode<&Message> for TcpCodec {
    type Error = Error;

    fn encode(&mut self, item: &Message, out: &mut Out) -> Result<(), Error> {
        let bytes = item.write()?;
        // `write` makes no message that this can't say.
        out.put_slice(&(bytes.len() as u16).to_be_bytes());
        out.put_slice(&bytes);
        Ok(())
    }
}
