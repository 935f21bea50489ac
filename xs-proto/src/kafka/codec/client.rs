//! The client's side.

use std::collections::VecDeque;

use bytes::BytesMut;
use bytestring::ByteString;

use super::frame::framed;
use super::header::answer_is_tagged;
use super::{ClientError, FrameCodec, RequestHeader, WriteError};
use crate::kafka::messages::{ApiKey, Request, Response};
use crate::kafka::wire::{Form, ReadError, Reader, Wire, Writer};
use crate::{Decode, Encode, Out};

/// Writes requests and reads their answers, which come in the order of the requests: the broker sees to that. Remembers for
/// each request in flight what its answer will be.
#[derive(Debug, Clone, Default)]
pub struct ClientCodec {
    frames: FrameCodec,
    client_id: Option<ByteString>,
    next: i32,
    in_flight: VecDeque<(i32, ApiKey, i16)>,
}

impl ClientCodec {
    /// A client that calls itself `client_id`.
    pub fn new(client_id: Option<ByteString>) -> ClientCodec {
        ClientCodec { client_id, ..ClientCodec::default() }
    }

    /// Reads answers from these frames.
    #[must_use]
    pub fn with_frames(mut self, frames: FrameCodec) -> ClientCodec {
        self.frames = frames;
        self
    }

    /// How many requests wait for their answers.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}

/// A request with the version to send it in.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The version, one of [`ApiKey::versions`] that the broker lists, too.
    pub version: i16,
    /// The request.
    pub request: &'a Request,
}

impl Encode<Ask<'_>> for ClientCodec {
    type Error = WriteError;

    fn encode(&mut self, ask: Ask<'_>, out: &mut Out) -> Result<(), WriteError> {
        let (api, correlation_id) = (ask.request.api(), self.next);
        let header = RequestHeader {
            api_key: api.code(),
            api_version: ask.version,
            correlation_id,
            client_id: self.client_id.clone(),
        };
        framed(out, |out| {
            let mut writer = Writer::new(out);
            header.write(&mut writer)?;
            ask.request.write(ask.version, &mut writer)
        })?;
        self.next = self.next.wrapping_add(1) & i32::MAX;
        // Without acknowledgements there is no answer, either.
        if !matches!(ask.request, Request::Produce(produce) if produce.acks == 0) {
            self.in_flight.push_back((correlation_id, api, ask.version));
        }
        Ok(())
    }
}

impl Decode for ClientCodec {
    type Item = Response;
    type Error = ClientError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Response>, ClientError> {
        let Some(frame) = self.frames.decode(src)? else { return Ok(None) };
        let (expected, api, mut version) = self.in_flight.pop_front().ok_or(ClientError::NotAsked)?;
        let mut reader = Reader::new(frame);
        let found = i32::read(&mut reader, Form::new(0, false))?;
        if found != expected {
            return Err(ClientError::Correlation { expected, found });
        }
        if answer_is_tagged(api, version) {
            reader.tagged(|_, _| Ok(false))?;
        }
        // A broker that does not know the version of ApiVersions says so in version 0.
        if api == ApiKey::ApiVersions && reader.rest().starts_with(&35i16.to_be_bytes()) {
            version = 0;
        }
        let response = Response::read(api, version, &mut reader)?;
        reader.finish()?;
        Ok(Some(response))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Response>, ClientError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(ClientError::Malformed(ReadError::Truncated)),
            response => Ok(response),
        }
    }
}
