//! What stands in front of requests and answers.

use bytes::Bytes;
use bytestring::ByteString;

use super::{RequestError, WriteError};
use crate::kafka::messages::{ApiKey, Call, Request};
use crate::kafka::wire::{Form, ReadError, Reader, Wire, Writer};

/// The header of a request.
///
/// ```text
///   version 1   request's number i16 · its version i16 · correlation i32 · client id (nullable string)
///   version 2   the same · tagged fields                 with flexible versions of the request
/// ```
///
/// The client id is written in the old form even in version 2, so that a broker can read it before it knows the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The request's number. It may be one that this crate does not know.
    pub api_key: i16,
    /// The request's version. It may be one that this crate does not know.
    pub api_version: i16,
    /// What the answer will say.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<ByteString>,
}

impl RequestHeader {
    /// The request, if this crate knows it.
    pub fn api(&self) -> Option<ApiKey> {
        ApiKey::from_code(self.api_key)
    }

    fn read(reader: &mut Reader) -> Result<RequestHeader, ReadError> {
        let old = Form { nullable: true, ..Form::new(1, false) };
        let header = RequestHeader {
            api_key: Wire::read(reader, old)?,
            api_version: Wire::read(reader, old)?,
            correlation_id: Wire::read(reader, old)?,
            client_id: Wire::read(reader, old)?,
        };
        if header.api().is_some_and(|api| api.is_flexible(header.api_version)) {
            reader.tagged(|_, _| Ok(false))?;
        }
        Ok(header)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        let old = Form { nullable: true, ..Form::new(1, false) };
        self.api_key.write(writer, old)?;
        self.api_version.write(writer, old)?;
        self.correlation_id.write(writer, old)?;
        self.client_id.write(writer, old)?;
        if self.api().is_some_and(|api| api.is_flexible(self.api_version)) {
            writer.uvarint(0);
        }
        Ok(())
    }
}

/// A request whose header has been read, and whose body has not: whether it will be is the server's decision.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Its header.
    pub header: RequestHeader,
    /// How many bytes the frame had.
    pub len: usize,
    body: Reader,
}

impl Incoming {
    /// Reads the header of the request in `frame`.
    pub fn parse(frame: Bytes) -> Result<Incoming, ReadError> {
        let len = frame.len();
        let mut body = Reader::new(frame);
        Ok(Incoming { header: RequestHeader::read(&mut body)?, len, body })
    }

    /// Allows the arrays of the body together this many elements.
    #[must_use]
    pub fn with_elements(mut self, elements: usize) -> Incoming {
        self.body = self.body.with_elements(elements);
        self
    }

    /// The body as any request.
    pub fn request(self) -> Result<Request, RequestError> {
        let api = self.header.api().ok_or(RequestError::Api(self.header.api_key))?;
        let version = self.header.api_version;
        if !api.has(version) {
            return Err(RequestError::Version { api, version });
        }
        let mut body = self.body;
        let malformed = |error| RequestError::Malformed { api, error };
        let request = Request::read(api, version, &mut body).map_err(malformed)?;
        finish(api, body).map_err(malformed)?;
        Ok(request)
    }

    /// The body as the request that the caller knows it is.
    pub fn call<C: Call>(self) -> Result<C, RequestError> {
        let (api, version) = (C::API, self.header.api_version);
        if self.header.api_key != api.code() {
            return Err(RequestError::Api(self.header.api_key));
        }
        let form = api.form(version).ok_or(RequestError::Version { api, version })?;
        let mut body = self.body;
        let malformed = |error| RequestError::Malformed { api, error };
        let call = C::read(&mut body, form).map_err(malformed)?;
        finish(api, body).map_err(malformed)?;
        Ok(call)
    }
}

/// Whether the header of the answer has tagged fields. That of ApiVersions never has: a client that reads it does not know
/// yet which versions the broker speaks.
pub(super) fn answer_is_tagged(api: ApiKey, version: i16) -> bool {
    api != ApiKey::ApiVersions && api.is_flexible(version)
}

/// Nothing stands behind a request, but for one: librdkafka asks for the metadata of all topics with a list's length of four
/// bytes where flexible versions have one of one byte, and Kafka's brokers look at no more than they need.
fn finish(api: ApiKey, body: Reader) -> Result<(), ReadError> {
    if api == ApiKey::Metadata && body.rest().len() <= 4 { Ok(()) } else { body.finish() }
}
