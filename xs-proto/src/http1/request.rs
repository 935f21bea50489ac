//! [`RequestHead`]: a request's line and fields as they came, with what they mean; its parser and its conversions.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Uri, Version, request};

use super::chars::{is_token, target_len, token_len, visible_len};
use super::config::Limits;
use super::error::{CommandError, Error};
use super::fields::{Facts, FieldLimits, FieldParser, Fields};
use super::memo::Memo;
use super::target::{self, TargetForm};
use super::{Framing, Spare, version_of};

/// A request without its body, as it came or as it will be sent.
///
/// It owns the bytes of the head (shared with the read buffer, not copied) and where everything in them lies.
/// [`into_parts`](RequestHead::into_parts) makes the `http` crate's types of it; a proxy leaves it as it is, edits
/// [`fields_mut`](RequestHead::fields_mut), and sends it on.
#[derive(Debug, Clone)]
pub struct RequestHead {
    method: Method,
    target: Target,
    form: TargetForm,
    version: Version,
    framing: Framing,
    persistent: bool,
    upgrade: bool,
    expects_continue: bool,
    fields: Fields,
}

/// Where the target lies.
#[derive(Debug, Clone)]
enum Target {
    /// In the bytes of the fields, between these places.
    Received(usize, usize),
    Own(Bytes),
}

impl Default for RequestHead {
    /// `GET` of nothing, to be filled.
    fn default() -> RequestHead {
        RequestHead {
            method: Method::GET,
            target: Target::Received(0, 0),
            form: TargetForm::Origin,
            version: Version::HTTP_11,
            framing: Framing::None,
            persistent: true,
            upgrade: false,
            expects_continue: false,
            fields: Fields::new(),
        }
    }
}

impl RequestHead {
    /// A request to be sent, without fields.
    pub fn new(method: Method, target: &str) -> Result<RequestHead, CommandError> {
        let form = target::form(&method, target.as_bytes()).map_err(|_| CommandError::Target)?;
        Ok(RequestHead {
            method,
            target: Target::Own(Bytes::copy_from_slice(target.as_bytes())),
            form,
            ..RequestHead::default()
        })
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The target as it came: `/path?query`, or another of the [forms](TargetForm).
    pub fn target(&self) -> &str {
        // Targets are ASCII: the parser and `set_target` see to it.
        std::str::from_utf8(self.target_bytes()).unwrap_or_default()
    }

    pub(super) fn target_bytes(&self) -> &[u8] {
        match &self.target {
            Target::Received(start, end) => &self.fields.bytes[*start..*end],
            Target::Own(bytes) => bytes,
        }
    }

    /// Which of its forms the target has.
    pub fn target_form(&self) -> TargetForm {
        self.form
    }

    /// Replaces the target.
    pub fn set_target(&mut self, target: &str) -> Result<(), CommandError> {
        self.form = target::form(&self.method, target.as_bytes()).map_err(|_| CommandError::Target)?;
        self.target = Target::Own(Bytes::copy_from_slice(target.as_bytes()));
        Ok(())
    }

    /// HTTP/1.0 or HTTP/1.1. What is sent is always HTTP/1.1.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How the body is delimited, and with that whether there is one.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client would use the connection again.
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Whether the client asks for another protocol, by `Upgrade` or by `CONNECT`.
    pub fn wants_upgrade(&self) -> bool {
        self.upgrade || self.method == Method::CONNECT
    }

    /// Whether the client waits for leave to send its body (RFC 9110, section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// The host and port that the request is for: those of the target where it has them, else those of `Host`.
    pub fn authority(&self) -> Option<&str> {
        let bytes = target::authority(self.form, self.target_bytes()).or_else(|| self.fields.get("host"))?;
        std::str::from_utf8(bytes).ok()
    }

    /// The fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    pub(super) fn into_fields(self) -> Fields {
        self.fields
    }

    /// The fields, to be edited.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.fields
    }

    /// The request in the `http` crate's types. Refused is a target that those do not know as a URI, though its bytes
    /// are allowed: the answer to it is 400.
    pub fn into_parts(mut self) -> Result<request::Parts, Error> {
        let uri = self.uri()?;
        let mut request = request::Request::new(());
        self.fill(&mut request, uri, &mut HeaderMap::new());
        Ok(request.into_parts().0)
    }

    /// The same with its body, in memory that is at hand ([`Server::spare`](super::Server::spare)). That of the head goes
    /// there.
    pub fn into_request<B>(mut self: Box<Self>, body: B, spare: &mut Spare) -> Result<request::Request<B>, Error> {
        let uri = self.uri()?;
        let mut request = request::Request::new(body);
        self.fill(&mut request, uri, spare.map());
        spare.put_head(self);
        Ok(request)
    }

    #[inline]
    fn uri(&self) -> Result<Uri, Error> {
        let target = match &self.target {
            Target::Received(start, end) => self.fields.bytes.slice(*start..*end),
            Target::Own(bytes) => bytes.clone(),
        };
        Uri::from_maybe_shared(target).map_err(|_| Error::Target)
    }

    /// Fills a new request, in the memory of `map`. Values change places: those that they replace need no dropping then.
    #[inline]
    fn fill<B>(&mut self, request: &mut request::Request<B>, uri: Uri, map: &mut HeaderMap) {
        *request.uri_mut() = uri;
        std::mem::swap(request.method_mut(), &mut self.method);
        *request.version_mut() = self.version;
        std::mem::swap(request.headers_mut(), map);
        self.fields.extend_map(request.headers_mut());
    }

    /// Forgets everything but its memory.
    pub(super) fn forget(&mut self) {
        self.target = Target::Received(0, 0);
        self.fields.forget();
    }
}

impl PartialEq for RequestHead {
    fn eq(&self, other: &RequestHead) -> bool {
        let facts = |head: &RequestHead| {
            (head.form, head.version, head.framing, head.persistent, head.upgrade, head.expects_continue)
        };
        facts(self) == facts(other)
            && (&self.method, self.target_bytes(), &self.fields) == (&other.method, other.target_bytes(), &other.fields)
    }
}

impl Eq for RequestHead {}

/// Parses the head of a request, in bytes that may still grow.
#[derive(Debug, Default)]
pub(super) struct RequestParser {
    line: Option<RequestLine>,
    pub(super) fields: FieldParser,
    memo: Memo,
}

#[derive(Debug)]
struct RequestLine {
    method: Method,
    target: (usize, usize),
    form: TargetForm,
    version: Version,
}

impl RequestParser {
    /// How many bytes at the start of `src` are a complete head.
    pub(super) fn parse(&mut self, src: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        if self.line.is_none() {
            // One empty line before a request is ignored (RFC 9112, section 2.2).
            if self.fields.pos == 0 && src.starts_with(b"\r\n") {
                self.fields.pos = 2;
            }
            let limit = limits.start_line.min(limits.head);
            let pos = self.fields.pos;
            let Some(line) = self.fields.start_line(src, limit, Error::StartLineTooLong)? else { return Ok(None) };
            let (end, line) = (pos + line.len(), request_line(line, pos)?);
            self.fields.pos = end;
            self.line = Some(line);
        }
        let end = limits.head.min(u32::MAX as usize);
        self.fields.parse(src, FieldLimits { end, fields: limits.fields, error: Error::HeadTooLarge })
    }

    /// A head that is all there and right, which nearly every one is: read in one pass, into the place where it stays.
    /// Whatever else this is, [`parse`](RequestParser::parse) knows what to do about it.
    pub(super) fn whole(&mut self, src: &mut BytesMut, limits: &Limits, spare: &mut Spare) -> Option<Box<RequestHead>> {
        if !self.is_new() {
            return None;
        }
        let mut head = spare.take_head();
        match head.read(src, limits, &mut self.memo) {
            Some(len) => {
                head.fields.bytes = src.split_to(len).freeze();
                Some(head)
            }
            None => {
                spare.put_head(head);
                None
            }
        }
    }

    /// Whether these fields would be recalled.
    #[cfg(test)]
    pub(super) fn knows(&self, section: &[u8]) -> bool {
        self.memo.recall(section, 0, &mut Fields::new()).is_some()
    }

    /// Whether nothing is known of the next head.
    fn is_new(&self) -> bool {
        self.line.is_none() && self.fields.is_new()
    }

    /// Whether nothing of a head has come yet.
    pub(super) fn is_idle(&self, src: &[u8]) -> bool {
        self.line.is_none() && (src.is_empty() || src == b"\r\n" || src == b"\r")
    }

    /// Makes the head whose bytes [`parse`](RequestParser::parse) has found, and is ready for the next one.
    pub(super) fn take(&mut self, bytes: Bytes, spare: &mut Spare) -> Result<Box<RequestHead>, Error> {
        let mut head = spare.take_head();
        let facts = self.fields.finish(bytes, &mut head.fields);
        let Some(RequestLine { method, target, form, version }) = self.line.take() else {
            return Err(Error::RequestLine);
        };
        let bytes = &head.fields.bytes[..];
        check_host(&facts, version, form, &bytes[target.0..target.1], bytes)?;
        (head.method, head.target) = (method, Target::Received(target.0, target.1));
        (head.form, head.version) = (form, version);
        head.judge(&facts)?;
        Ok(head)
    }
}

impl RequestHead {
    /// Reads a head from the start of `src` and says how long it is. `None` for what is not whole, and for what is not
    /// right or not usual, be it in a way that could be told or not: then what was read is worth nothing.
    fn read(&mut self, src: &[u8], limits: &Limits, memo: &mut Memo) -> Option<usize> {
        const END: &[u8; 11] = b" HTTP/1.1\r\n";
        let src = &src[..src.len().min(limits.head).min(u32::MAX as usize)];
        // What nearly every request begins with need not be looked up.
        let (method_len, method) = if src.starts_with(b"GET ") {
            (3, Method::GET)
        } else {
            let len = token_len(src);
            (len, Method::from_bytes(&src[..len]).ok()?)
        };
        let target = src.get(method_len..)?.strip_prefix(b" ")?;
        let target_len = target_len(target);
        let (target, rest) = target.split_at(target_len);
        let pos = method_len + 1 + target_len + END.len();
        if !rest.starts_with(END) || !target.starts_with(b"/") || pos > limits.start_line {
            return None;
        }
        self.method = method;
        if self.method == Method::CONNECT {
            return None;
        }
        self.target = Target::Received(method_len + 1, method_len + 1 + target_len);
        (self.form, self.version) = (TargetForm::Origin, Version::HTTP_11);
        if let Some((end, facts)) = memo.recall(src, pos, &mut self.fields) {
            self.judge(facts).ok()?;
            return Some(end);
        }
        let (end, facts) = self.fields.read(src, pos, limits.fields)?;
        check_host(&facts, self.version, self.form, target, src).ok()?;
        self.judge(&facts).ok()?;
        memo.keep(&src[pos..end], pos, &self.fields, &facts);
        Some(end)
    }

    /// Draws the conclusions from its line and what its fields say.
    #[inline]
    fn judge(&mut self, facts: &Facts) -> Result<(), Error> {
        self.framing = facts.framing(self.version)?;
        // In HTTP/1.0 it could be ignored, but what is ignored here would be sent on in a message of HTTP/1.1.
        if facts.expects_other {
            return Err(Error::Expectation);
        }
        if self.method == Method::CONNECT && !self.framing.is_empty() {
            return Err(Error::UnexpectedFraming);
        }
        let modern = self.version == Version::HTTP_11;
        self.persistent = facts.persistent(self.version);
        self.upgrade = facts.connection_upgrade && facts.upgrade && modern;
        self.expects_continue = facts.expects_continue && modern && !self.framing.is_empty();
        Ok(())
    }
}

fn check_host(facts: &Facts, version: Version, form: TargetForm, target: &[u8], head: &[u8]) -> Result<(), Error> {
    let Some((start, end)) = facts.host else {
        return if version == Version::HTTP_11 { Err(Error::HostMissing) } else { Ok(()) };
    };
    let host = &head[start as usize..end as usize];
    if !target::is_authority(host) {
        return Err(Error::HostInvalid);
    }
    let agrees = form == TargetForm::Origin || target::agrees(form, target, host);
    if agrees { Ok(()) } else { Err(Error::HostMismatch) }
}

/// The request line that ends with the line feed at the end of `line`, which stands at `pos`.
fn request_line(line: &[u8], pos: usize) -> Result<RequestLine, Error> {
    let Some(line) = line.strip_suffix(b"\r\n") else { return Err(Error::BareLf) };
    let method_len = token_len(line);
    let (method, rest) = line.split_at(method_len);
    let (true, [b' ', rest @ ..]) = (method_len > 0, rest) else { return Err(Error::RequestLine) };
    let target_len = visible_len(rest);
    let (target, rest) = rest.split_at(target_len);
    let (true, [b' ', version @ ..]) = (target_len > 0, rest) else { return Err(Error::RequestLine) };
    let version = version_of(version).ok_or(Error::RequestLine)??;
    let method = Method::from_bytes(method).map_err(|_| Error::RequestLine)?;
    let form = target::form(&method, target)?;
    let start = pos + method_len + 1;
    Ok(RequestLine { method, target: (start, start + target_len), form, version })
}

/// Whether the `http` crate's method can be sent: an extension could hold any token.
pub(super) fn is_method(method: &Method) -> bool {
    is_token(method.as_str().as_bytes())
}
