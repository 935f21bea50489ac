//! Requests, and what may stand between them: after SaslHandshake 0 the bytes of the exchange come without Kafka's headers,
//! a length and nothing else, until the client is known. (Since Kafka 1.0 they come as SaslAuthenticate.)

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use xs_proto::kafka::codec::{FrameCodec, Incoming, Outgoing, ServerCodec, ServerError, WriteError};
use xs_proto::{Decode, Encode, Out};

/// No mechanism has longer words.
const MAX_TOKEN: usize = 64 * 1024;

/// What a client sends.
pub(crate) enum Heard {
    Request(Incoming),
    Token(Bytes),
}

/// What it is answered.
pub(crate) enum Said {
    Answer(Outgoing),
    Token(Bytes),
}

/// Whether tokens come without headers. Whoever takes the request that changes it does so before the next frame is looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bare(Arc<AtomicBool>);

impl Bare {
    pub(super) fn set(&self, bare: bool) {
        self.0.store(bare, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The codec of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionCodec {
    requests: ServerCodec,
    tokens: FrameCodec,
    bare: Bare,
}

impl ConnectionCodec {
    pub(crate) fn new(limit: usize, bare: Bare) -> ConnectionCodec {
        let requests = ServerCodec::new(FrameCodec::new().with_limit(limit));
        ConnectionCodec { requests, tokens: FrameCodec::new().with_limit(MAX_TOKEN), bare }
    }
}

impl Decode for ConnectionCodec {
    type Item = Heard;
    type Error = ServerError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Heard>, ServerError> {
        Ok(match self.bare.is_set() {
            true => self.tokens.decode(src)?.map(Heard::Token),
            false => self.requests.decode(src)?.map(Heard::Request),
        })
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Heard>, ServerError> {
        Ok(match self.bare.is_set() {
            true => self.tokens.decode_eof(src)?.map(Heard::Token),
            false => self.requests.decode_eof(src)?.map(Heard::Request),
        })
    }
}

impl Encode<Said> for ConnectionCodec {
    type Error = WriteError;

    fn encode(&mut self, said: Said, out: &mut Out) -> Result<(), WriteError> {
        match said {
            Said::Answer(answer) => self.requests.encode(answer, out),
            Said::Token(token) => self.tokens.encode(token, out),
        }
    }
}
