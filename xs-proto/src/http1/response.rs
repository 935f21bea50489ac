//! [`ResponseHead`]: a response's line and fields as they came, with what they mean; its parser and its conversions.

use bytes::Bytes;
use http::{StatusCode, Version, response};

use super::chars::is_value;
use super::config::Limits;
use super::error::{CommandError, Error};
use super::fields::{FieldLimits, FieldParser, Fields};
use super::{Framing, Spare, version_of};

/// A response without its body, as it came or as it will be sent. The mirror image of
/// [`RequestHead`](super::RequestHead).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    pub(super) status: StatusCode,
    reason: Bytes,
    version: Version,
    pub(super) framing: Framing,
    pub(super) persistent: bool,
    fields: Fields,
}

impl ResponseHead {
    /// A response to be sent, without fields, with the usual phrase.
    pub fn new(status: StatusCode) -> ResponseHead {
        ResponseHead {
            status,
            reason: Bytes::from_static(status.canonical_reason().unwrap_or_default().as_bytes()),
            version: Version::HTTP_11,
            framing: Framing::None,
            persistent: true,
            fields: Fields::new(),
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Replaces the status, and the phrase by the usual one.
    pub fn set_status(&mut self, status: StatusCode) {
        self.status = status;
        self.reason = Bytes::from_static(status.canonical_reason().unwrap_or_default().as_bytes());
    }

    /// The phrase behind the status, which means nothing and may be in any charset.
    pub fn reason(&self) -> &[u8] {
        &self.reason
    }

    /// HTTP/1.0 or HTTP/1.1. What is sent is always HTTP/1.1.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How the body is delimited. For a response to `HEAD`, and for 304, it is what `GET` would have had, and there is
    /// none.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the server would use the connection again.
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// The fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The fields, to be edited.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.fields
    }

    /// The fields alone.
    pub(super) fn into_fields(self) -> Fields {
        self.fields
    }

    /// The response in the `http` crate's types.
    pub fn into_parts(self) -> response::Parts {
        let mut parts = response::Response::new(()).into_parts().0;
        parts.status = self.status;
        parts.version = self.version;
        parts.headers = self.fields.to_map();
        parts
    }
}

impl From<StatusCode> for ResponseHead {
    fn from(status: StatusCode) -> ResponseHead {
        ResponseHead::new(status)
    }
}

/// Parses the head of a response, in bytes that may still grow.
#[derive(Debug, Default)]
pub(super) struct ResponseParser {
    line: Option<StatusLine>,
    pub(super) fields: FieldParser,
}

#[derive(Debug, Clone, Copy)]
struct StatusLine {
    status: StatusCode,
    reason: (usize, usize),
    version: Version,
}

impl ResponseParser {
    /// How many bytes at the start of `src` are a complete head.
    pub(super) fn parse(&mut self, src: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        if self.line.is_none() {
            let limit = limits.start_line.min(limits.head);
            let Some(line) = self.fields.start_line(src, limit, Error::StartLineTooLong)? else { return Ok(None) };
            self.line = Some(status_line(line)?);
            self.fields.pos = line.len();
        }
        let end = limits.head.min(u32::MAX as usize);
        self.fields.parse(src, FieldLimits { end, fields: limits.fields, error: Error::HeadTooLarge })
    }

    /// Makes the head whose bytes [`parse`](ResponseParser::parse) has found, and is ready for the next one. A response
    /// without a length of its own ends with the connection.
    pub(super) fn take(&mut self, bytes: Bytes, spare: &mut Spare) -> Result<ResponseHead, Error> {
        let mut fields = spare.take_fields();
        let facts = self.fields.finish(bytes, &mut fields);
        let Some(StatusLine { status, reason, version }) = self.line.take() else { return Err(Error::StatusLine) };
        let mut framing = facts.framing(version)?;
        let contentless = status.is_informational() || status == StatusCode::NO_CONTENT;
        if contentless && !framing.is_empty() {
            return Err(Error::UnexpectedFraming);
        }
        if framing == Framing::None && !contentless && status != StatusCode::NOT_MODIFIED {
            framing = Framing::UntilClose;
        }
        Ok(ResponseHead {
            status,
            reason: fields.bytes.slice(reason.0..reason.1),
            version,
            framing,
            persistent: facts.persistent(version),
            fields,
        })
    }
}

/// The status line that ends with the line feed at the end of `line`. The space in front of a missing phrase may be
/// missing too, as many servers have it.
fn status_line(line: &[u8]) -> Result<StatusLine, Error> {
    let Some(line) = line.strip_suffix(b"\r\n") else { return Err(Error::BareLf) };
    let (version, rest) = line.split_at_checked(8).ok_or(Error::StatusLine)?;
    let version = version_of(version).ok_or(Error::StatusLine)??;
    let (status, reason) = rest.split_at_checked(4).ok_or(Error::StatusLine)?;
    let [b' ', digits @ ..] = status else { return Err(Error::StatusLine) };
    let status = StatusCode::from_bytes(digits).map_err(|_| Error::StatusLine)?;
    let reason = match reason {
        [] => (line.len(), line.len()),
        [b' ', reason @ ..] if is_value(reason) => (line.len() - reason.len(), line.len()),
        _ => return Err(Error::StatusLine),
    };
    Ok(StatusLine { status, reason, version })
}

/// Whether a response of this status can be an interim one.
pub(super) fn is_interim(status: StatusCode) -> Result<(), CommandError> {
    let interim = status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS;
    if interim { Ok(()) } else { Err(CommandError::Status) }
}
