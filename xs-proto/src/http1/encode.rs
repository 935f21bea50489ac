//! Writes heads: the fields that frame a message and hold a connection are the machine's, the rest is the user's.
//!
//! The user's fields are looked through once, while they are written. Afterwards it is known what they say about the
//! length and the connection, and the machine's own lines follow. If that turns out to be impossible, the caller takes
//! back what was written.

use http::header::HeaderMap;
use http::{Method, StatusCode, Uri};

use super::chars::{decimal, list};
use super::error::CommandError;
use super::fields::{Fields, Known};
use super::message::{AnyFields, AnyResponse, RequestRef};
use super::request::{RequestHead, is_method};

/// What the user's fields say about framing and the connection.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) content_length: Option<u64>,
    pub(super) close: bool,
    hosts: usize,
    date: bool,
    upgrade: bool,
    /// Options of `Connection` other than `close` and `keep-alive`, separated and ready to be written.
    options: Vec<u8>,
}

impl Said {
    /// Whether the head asks for another protocol.
    pub(super) fn wants_upgrade(&self) -> bool {
        self.upgrade && list(&self.options).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
    }

    fn hear(&mut self, known: Known, value: &[u8]) -> Result<(), CommandError> {
        match known {
            Known::ContentLength => {
                let length = decimal(value).ok_or(CommandError::Framing)?;
                if self.content_length.is_some_and(|other| other != length) {
                    return Err(CommandError::Framing);
                }
                self.content_length = Some(length);
            }
            // `chunked` is ours to apply, and from a body that was received it has been taken off.
            Known::TransferEncoding if value.eq_ignore_ascii_case(b"chunked") => {}
            Known::TransferEncoding => return Err(CommandError::Framing),
            Known::Connection => {
                for option in list(value) {
                    if option.eq_ignore_ascii_case(b"close") {
                        self.close = true;
                    } else if !option.eq_ignore_ascii_case(b"keep-alive") {
                        self.options.extend_from_slice(b", ");
                        self.options.extend_from_slice(option);
                    }
                }
            }
            Known::Host => self.hosts += 1,
            Known::Date => self.date = true,
            Known::Upgrade => self.upgrade = true,
            Known::Lookalike => return Err(CommandError::Field),
            Known::Other | Known::Expect | Known::Hop => {}
        }
        Ok(())
    }
}

/// The fields that the machine writes itself, in place of the user's.
fn is_ours(known: Known) -> bool {
    matches!(known, Known::ContentLength | Known::TransferEncoding | Known::Connection)
}

fn map(map: &HeaderMap, said: &mut Said, out: &mut Vec<u8>) -> Result<(), CommandError> {
    for (name, value) in map {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        let known = Known::of(name);
        if known != Known::Other {
            said.hear(known, value)?;
            if is_ours(known) {
                continue;
            }
        }
        out.reserve(name.len() + value.len() + 4);
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}

fn fields(fields: &Fields, said: &mut Said, out: &mut Vec<u8>) -> Result<(), CommandError> {
    for (known, value) in fields.known().filter(|(known, _)| *known != Known::Other) {
        said.hear(known, value)?;
    }
    out.reserve(fields.written_len());
    fields.write(out, |known| !is_ours(known));
    Ok(())
}

/// Writes a status line and the user's fields.
pub(super) fn response(head: &AnyResponse, said: &mut Said, out: &mut Vec<u8>) -> Result<(), CommandError> {
    out.reserve(128);
    match head {
        AnyResponse::Parts(parts) => {
            if parts.status == StatusCode::OK {
                out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
            } else {
                status_line(parts.status, parts.status.canonical_reason().unwrap_or_default().as_bytes(), out);
            }
            if parts.headers.is_empty() { Ok(()) } else { map(&parts.headers, said, out) }
        }
        AnyResponse::Head(head) => {
            status_line(head.status(), head.reason(), out);
            if head.fields().is_empty() { Ok(()) } else { fields(head.fields(), said, out) }
        }
    }
}

fn status_line(status: StatusCode, reason: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Writes a request line and the user's fields, and a `Host` of the target where there is none.
pub(super) fn request(head: RequestRef<'_>, out: &mut Vec<u8>) -> Result<Said, CommandError> {
    match head {
        RequestRef::Parts(parts) => {
            request_line(&parts.method, out, |out| uri(&parts.method, &parts.uri, out))?;
            let mut host = false;
            if !parts.headers.contains_key(http::header::HOST) {
                let authority = parts.uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
                host = put_host(authority, out)?;
            }
            let mut said = Said::default();
            map(&parts.headers, &mut said, out)?;
            if said.hosts + usize::from(host) == 1 { Ok(said) } else { Err(CommandError::Target) }
        }
        RequestRef::Head(head) => {
            request_line(head.method(), out, |out| {
                out.extend_from_slice(head.target_bytes());
                Ok(())
            })?;
            let host = head.fields().get("host").is_none() && put_host(head_host(head), out)?;
            let mut said = Said::default();
            fields(head.fields(), &mut said, out)?;
            if said.hosts + usize::from(host) == 1 { Ok(said) } else { Err(CommandError::Target) }
        }
    }
}

fn head_host(head: &RequestHead) -> &str {
    head.authority().unwrap_or_default()
}

fn request_line(
    method: &Method,
    out: &mut Vec<u8>,
    target: impl FnOnce(&mut Vec<u8>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    if !is_method(method) {
        return Err(CommandError::Target);
    }
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    target(out)?;
    out.extend_from_slice(b" HTTP/1.1\r\n");
    Ok(())
}

/// The target in the form that an origin server is asked: the path, `*`, or the authority for `CONNECT`.
fn uri(method: &Method, uri: &Uri, out: &mut Vec<u8>) -> Result<(), CommandError> {
    let start = out.len();
    if *method == Method::CONNECT {
        let authority = uri.authority().ok_or(CommandError::Target)?;
        out.extend_from_slice(authority.as_str().as_bytes());
    } else {
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        if path.starts_with('?') {
            out.push(b'/');
        }
        out.extend_from_slice(path.as_bytes());
    }
    // The `http` crate takes bytes into a URI that no target has.
    super::target::form(method, &out[start..]).map(drop).map_err(|_| CommandError::Target)
}

/// Writes `Host`, if there is something to write.
fn put_host(authority: &str, out: &mut Vec<u8>) -> Result<bool, CommandError> {
    if authority.is_empty() {
        return Ok(false);
    }
    if !super::target::is_authority(authority.as_bytes()) {
        return Err(CommandError::Target);
    }
    out.extend_from_slice(b"host: ");
    out.extend_from_slice(authority.as_bytes());
    out.extend_from_slice(b"\r\n");
    Ok(true)
}

/// How a head says where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delimiter {
    /// Not at all.
    None,
    Length(u64),
    Chunked,
}

/// Which option the machine writes into `Connection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    /// The version says it.
    Usual,
    Close,
    /// For HTTP/1.0, whose usual is to close.
    KeepAlive,
}

/// The line of `Date`, ready to be written, with the name of the field that mostly follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct DateLine([u8; 53]);

impl DateLine {
    pub(super) fn new(date: &[u8; 29]) -> DateLine {
        let mut line = *b"date: -----------------------------\r\ncontent-length: ";
        line[6..35].copy_from_slice(date);
        DateLine(line)
    }
}

/// Writes the machine's fields and the empty line.
#[inline]
pub(super) fn finish(
    said: &Said,
    delimiter: Delimiter,
    persistence: Persistence,
    date: Option<&DateLine>,
    out: &mut Vec<u8>,
) {
    let date = date.filter(|_| !said.date);
    match (delimiter, date) {
        (Delimiter::Length(_), Some(date)) => out.extend_from_slice(&date.0),
        (Delimiter::Length(_), None) => out.extend_from_slice(b"content-length: "),
        (_, Some(date)) => out.extend_from_slice(&date.0[..37]),
        (_, None) => {}
    }
    match delimiter {
        Delimiter::None => {}
        Delimiter::Length(length @ 0..10) => out.extend_from_slice(&[b'0' + length as u8, b'\r', b'\n']),
        Delimiter::Length(length) => {
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        Delimiter::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    let option: &[u8] = match persistence {
        Persistence::Usual => b"",
        Persistence::Close => b", close",
        Persistence::KeepAlive => b", keep-alive",
    };
    if !option.is_empty() || !said.options.is_empty() {
        let start = out.len();
        out.extend_from_slice(b"connection");
        out.extend_from_slice(option);
        out.extend_from_slice(&said.options);
        out.extend_from_slice(b"\r\n");
        // The first separator is the one behind the name.
        out[start + b"connection".len()] = b':';
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes trailer fields, none of which may frame or route.
pub(super) fn trailers(trailers: &AnyFields, out: &mut Vec<u8>) -> Result<(), CommandError> {
    let allowed = |known: Known| matches!(known, Known::Other | Known::Date);
    let all = match trailers {
        AnyFields::Map(map) => map.keys().all(|name| allowed(Known::of(name.as_str().as_bytes()))),
        AnyFields::Fields(fields) => fields.known().all(|(known, _)| allowed(known)),
    };
    if !all {
        return Err(CommandError::Field);
    }
    match trailers {
        AnyFields::Map(fields) => map(fields, &mut Said::default(), out),
        AnyFields::Fields(some) => fields(some, &mut Said::default(), out),
    }
}
