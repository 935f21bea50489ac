//! The broker's side.

use bytes::BytesMut;

use super::frame::framed;
use super::header::answer_is_tagged;
use super::{FrameCodec, Incoming, ServerError, WriteError};
use crate::kafka::ErrorCode;
use crate::kafka::messages::{ApiKey, ApiVersionsResponse, Response};
use crate::kafka::wire::Writer;
use crate::{Decode, Encode, Out};

/// Reads requests and writes answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerCodec {
    frames: FrameCodec,
}

impl ServerCodec {
    /// Reads requests from these frames.
    pub fn new(frames: FrameCodec) -> ServerCodec {
        ServerCodec { frames }
    }
}

impl Decode for ServerCodec {
    type Item = Incoming;
    type Error = ServerError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, ServerError> {
        match self.frames.decode(src)? {
            Some(frame) => Ok(Some(Incoming::parse(frame)?)),
            None => Ok(None),
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, ServerError> {
        match self.frames.decode_eof(src)? {
            Some(frame) => Ok(Some(Incoming::parse(frame)?)),
            None => Ok(None),
        }
    }
}

/// An answer with what its frame needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// That of the request.
    pub correlation_id: i32,
    /// The version of the request.
    pub version: i16,
    /// The answer. `None` where there is to be none, as to a produce request without acknowledgements: nothing is written.
    pub response: Option<Response>,
}

impl Encode<Outgoing> for ServerCodec {
    type Error = WriteError;

    fn encode(&mut self, answer: Outgoing, out: &mut Out) -> Result<(), WriteError> {
        let Some(response) = answer.response else { return Ok(()) };
        framed(out, |out| {
            let mut writer = Writer::new(out);
            writer.raw(&answer.correlation_id.to_be_bytes());
            if answer_is_tagged(response.api(), answer.version) {
                writer.uvarint(0);
            }
            response.write(answer.version, &mut writer)
        })
    }
}

/// What a broker answers to a version of ApiVersions that it does not know, written in version 0: every client can read
/// that, and asks again.
pub fn unknown_version_of_api_versions() -> Response {
    let api_keys = vec![ApiKey::ApiVersions.listed()];
    ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, api_keys, ..Default::default() }.into()
}
