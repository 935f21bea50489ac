//! [`Fields`]: the field lines of a head or a trailer section as they came, and the parser that finds them.
//!
//! A head is kept as its bytes and a list of positions. What a proxy mostly does with a head, to look at a few fields,
//! drop a few, add a few and pass the rest on in the order and case in which it came, is then a search, an edit of the
//! list, and a copy of a run of bytes. A `HeaderMap` is made of it by who wants one.

use std::fmt;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Version};
use memchr::memchr;

use super::chars::{decimal, is_token, is_value, list, token_len, trim, value_len};
use super::error::{CommandError, Error};

/// The fields that the machines themselves must understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Expect,
    Upgrade,
    Date,
    /// `TE`, `Trailer`, `Keep-Alive`, `Proxy-Connection`: they concern one connection and frame nothing.
    Hop,
    /// Not the name of a framing field, but what a gateway that maps `_` to `-` would take for one.
    Lookalike,
}

impl Known {
    #[inline]
    pub(super) fn of(name: &[u8]) -> Known {
        let (known, full): (Known, &[u8]) = match name.len() {
            2 => (Known::Hop, b"te"),
            4 => {
                // No other byte of a token becomes a letter with this bit.
                let word = u32::from_ne_bytes([name[0], name[1], name[2], name[3]]) | 0x2020_2020;
                return match &word.to_ne_bytes() {
                    b"host" => Known::Host,
                    b"date" => Known::Date,
                    _ => Known::Other,
                };
            }
            6 => (Known::Expect, b"expect"),
            7 if name[0] | 0x20 == b'u' => (Known::Upgrade, b"upgrade"),
            7 => (Known::Hop, b"trailer"),
            10 if name[0] | 0x20 == b'c' => (Known::Connection, b"connection"),
            10 => (Known::Hop, b"keep-alive"),
            14 => (Known::ContentLength, b"content-length"),
            16 => (Known::Hop, b"proxy-connection"),
            17 => (Known::TransferEncoding, b"transfer-encoding"),
            _ => return Known::Other,
        };
        if is_same(name, full) {
            return known;
        }
        Known::alike(known, full, name)
    }

    /// What a name is that has the length of a known one.
    #[cold]
    fn alike(known: Known, full: &[u8], name: &[u8]) -> Known {
        let framing = matches!(known, Known::ContentLength | Known::TransferEncoding);
        let alike = |(&a, &b): (&u8, &u8)| a.eq_ignore_ascii_case(&b) || (a == b'_' && b == b'-');
        if framing && name.iter().zip(full).all(alike) { Known::Lookalike } else { Known::Other }
    }

    /// The one name of this kind, for most requests have it: it need not be looked up.
    fn name(self) -> Option<HeaderName> {
        match self {
            Known::Host => Some(header::HOST),
            Known::ContentLength => Some(header::CONTENT_LENGTH),
            Known::TransferEncoding => Some(header::TRANSFER_ENCODING),
            Known::Connection => Some(header::CONNECTION),
            Known::Expect => Some(header::EXPECT),
            Known::Upgrade => Some(header::UPGRADE),
            Known::Date => Some(header::DATE),
            Known::Other | Known::Hop | Known::Lookalike => None,
        }
    }
}

/// Whether a name in some case is this one of the same length, which is of small letters and dashes: no other byte of a
/// token becomes one of those with the bit that makes letters small.
#[inline]
fn is_same(name: &[u8], small: &[u8]) -> bool {
    let all = |name: &[u8; 8], small: &[u8; 8]| {
        u64::from_ne_bytes(*name) | u64::from_ne_bytes([0x20; 8]) == u64::from_ne_bytes(*small)
    };
    let ((names, _), (smalls, _)) = (name.as_chunks::<8>(), small.as_chunks::<8>());
    match (name.last_chunk(), small.last_chunk()) {
        // The last eight may overlap with others.
        (Some(name), Some(small)) => all(name, small) && names.iter().zip(smalls).all(|(name, small)| all(name, small)),
        _ => name.eq_ignore_ascii_case(small),
    }
}

/// Where one field line lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    start: u32,
    name_len: u32,
    value: u32,
    value_end: u32,
    /// Behind the line's CRLF.
    end: u32,
    known: Known,
    /// Whether it lies in what was added rather than in what was received.
    added: bool,
}

impl Line {
    /// The same line in a section that begins at `to` rather than at `from`. Both lie in a head of less than 4 GiB.
    #[inline]
    pub(super) fn moved(&self, from: usize, to: usize) -> Line {
        let moved = |at: u32| at.wrapping_sub(from as u32).wrapping_add(to as u32);
        Line {
            start: moved(self.start),
            value: moved(self.value),
            value_end: moved(self.value_end),
            end: moved(self.end),
            ..*self
        }
    }
}

/// The fields of a message in their order, in the case in which they came. Names compare without regard to case.
///
/// ```
/// use xs_proto::http1::Fields;
///
/// let mut fields = Fields::new();
/// fields.append("Accept", b"text/html").unwrap();
/// fields.append("X-Via", b"here").unwrap();
/// assert_eq!(fields.get("accept"), Some(&b"text/html"[..]));
/// assert_eq!(fields.remove("ACCEPT"), 1);
/// assert!(fields.append("X", b"a\r\nb: c").is_err()); // no field gets a line break into a head
/// assert_eq!(fields.iter().collect::<Vec<_>>(), [(&b"X-Via"[..], &b"here"[..])]);
/// ```
#[derive(Clone, Default)]
pub struct Fields {
    pub(super) bytes: Bytes,
    added: Vec<u8>,
    pub(super) lines: Vec<Line>,
}

impl Fields {
    /// No fields.
    pub const fn new() -> Fields {
        Fields { bytes: Bytes::new(), added: Vec::new(), lines: Vec::new() }
    }

    /// How many fields there are; one that stands in several lines counts for each.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many fields there is memory for.
    pub(super) fn capacity(&self) -> usize {
        self.lines.capacity()
    }

    /// Empties itself, and has the memory of other fields from now on.
    pub(super) fn take_memory(&mut self, fields: Fields) {
        (self.lines, self.added) = (fields.lines, fields.added);
        self.forget();
    }

    /// Forgets everything but its memory.
    pub(super) fn forget(&mut self) {
        self.bytes = Bytes::new();
        self.lines.clear();
        self.added.clear();
        if self.added.capacity() > 1024 {
            self.added.shrink_to(1024);
        }
    }

    #[inline]
    fn source(&self, line: &Line) -> &[u8] {
        if line.added { &self.added } else { &self.bytes }
    }

    #[inline]
    fn name(&self, line: &Line) -> &[u8] {
        &self.source(line)[line.start as usize..(line.start + line.name_len) as usize]
    }

    #[inline]
    fn value(&self, line: &Line) -> &[u8] {
        &self.source(line)[line.value as usize..line.value_end as usize]
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (self.name(line), self.value(line)))
    }

    pub(super) fn known(&self) -> impl Iterator<Item = (Known, &[u8])> {
        self.lines.iter().map(|line| (line.known, self.value(line)))
    }

    /// The value of the first field of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let line = self.lines.iter().find(|line| self.is_named(line, name))?;
        Some(self.value(line))
    }

    #[inline]
    fn is_named(&self, line: &Line, name: &str) -> bool {
        line.name_len as usize == name.len() && self.name(line).eq_ignore_ascii_case(name.as_bytes())
    }

    /// The values of all fields of this name, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.lines.iter().filter(move |line| self.is_named(line, name)).map(|line| self.value(line))
    }

    /// Removes every field of this name and says how many there were.
    pub fn remove(&mut self, name: &str) -> usize {
        self.retain(|other, _| !other.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Keeps the fields for which `keep` says so, given name and value, and says how many went.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) -> usize {
        let before = self.lines.len();
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain(|line| keep(self.name(line), self.value(line)));
        self.lines = lines;
        before - self.lines.len()
    }

    /// Adds a field behind the others.
    pub fn append(&mut self, name: &str, value: &[u8]) -> Result<(), CommandError> {
        let (start, value_len) = (self.added.len(), value.len());
        if !is_token(name.as_bytes()) || !is_value(value) || trim(value).len() != value_len {
            return Err(CommandError::Field);
        }
        let end = start + name.len() + 2 + value_len + 2;
        let end = u32::try_from(end).map_err(|_| CommandError::Field)?;
        // Who adds one field mostly adds some more.
        let first = if self.added.capacity() == 0 { 256 } else { 0 };
        self.added.reserve((end as usize - start).max(first));
        self.added.extend_from_slice(name.as_bytes());
        self.added.extend_from_slice(b": ");
        self.added.extend_from_slice(value);
        self.added.extend_from_slice(b"\r\n");
        let value_end = end - 2;
        self.lines.push(Line {
            start: start as u32,
            name_len: name.len() as u32,
            value: value_end - value_len as u32,
            value_end,
            end,
            known: Known::of(name.as_bytes()),
            added: true,
        });
        Ok(())
    }

    /// Adds all fields of `others` behind these, for the price of copying their bytes: they were checked when they came.
    ///
    /// # Errors
    ///
    /// Together they are longer than 4 GiB.
    pub fn extend(&mut self, others: &Fields) -> Result<(), CommandError> {
        self.added.reserve(others.written_len());
        self.lines.reserve(others.lines.len());
        for line in &others.lines {
            let (start, source) = (self.added.len(), others.source(line));
            let bytes = &source[line.start as usize..line.end as usize];
            let end = u32::try_from(start + bytes.len()).map_err(|_| CommandError::Field)?;
            let moved = |at: u32| start as u32 + (at - line.start);
            self.lines.push(Line {
                start: start as u32,
                value: moved(line.value),
                value_end: moved(line.value_end),
                end,
                added: true,
                ..*line
            });
            self.added.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Replaces every field of this name by one.
    pub fn set(&mut self, name: &str, value: &[u8]) -> Result<(), CommandError> {
        self.append(name, value)?;
        let line = self.lines.pop();
        self.remove(name);
        self.lines.extend(line);
        Ok(())
    }

    /// Removes what concerns one connection only, as a proxy must before it forwards (RFC 9110, section 7.6.1):
    /// `Connection` and every field that it names, `Keep-Alive`, `Proxy-Connection`, `TE`, `Trailer`,
    /// `Transfer-Encoding` and `Upgrade`.
    ///
    /// A peer that names `Host`, `Content-Length` or another field that the message cannot do without in `Connection`
    /// does not get rid of it that way.
    pub fn remove_hop_by_hop(&mut self) {
        let usual = |option: &&[u8]| {
            [&b"close"[..], b"keep-alive", b"upgrade", b"te"].iter().any(|usual| option.eq_ignore_ascii_case(usual))
        };
        let mut named: Vec<Vec<u8>> = Vec::new();
        for (_, value) in self.known().filter(|(known, _)| *known == Known::Connection) {
            named.extend(list(value).filter(|option| !usual(option)).map(<[u8]>::to_vec));
        }
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain(|line| match line.known {
            Known::Connection | Known::Hop | Known::Upgrade | Known::TransferEncoding => false,
            Known::Host | Known::ContentLength | Known::Expect | Known::Date | Known::Lookalike => true,
            Known::Other => {
                let name = self.name(line);
                let gone = named.iter().any(|gone| gone.eq_ignore_ascii_case(name));
                !gone || END_TO_END.iter().any(|kept| name.eq_ignore_ascii_case(kept.as_bytes()))
            }
        });
        self.lines = lines;
    }

    /// The same fields as a `HeaderMap`, whose values share this memory where it was received.
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        self.extend_map(&mut map);
        map
    }

    /// Appends the fields to a map that is at hand, such as one that was used before and cleared.
    pub fn extend_map(&self, map: &mut HeaderMap) {
        // So few fit in what the first one allocates.
        if self.lines.len() > 6 {
            map.reserve(self.lines.len());
        }
        for line in &self.lines {
            let range = line.value as usize..line.value_end as usize;
            let value = if line.added {
                HeaderValue::from_bytes(&self.added[range])
            } else {
                HeaderValue::from_maybe_shared(self.bytes.slice(range))
            };
            // Both were checked when they were parsed or appended, by the rules that the types have.
            let Ok(value) = value else { continue };
            let name = match line.known.name() {
                Some(name) => name,
                None => match HeaderName::from_bytes(self.name(line)) {
                    Ok(name) => name,
                    Err(_) => continue,
                },
            };
            map.append(name, value);
        }
    }

    /// Reads field lines from `pos` on up to the empty one, and says where that ends. `None` if they are not whole, not right
    /// or too many.
    pub(super) fn read(&mut self, src: &[u8], mut pos: usize, most: usize) -> Option<(usize, Facts)> {
        let mut facts = Facts::default();
        self.lines.reserve(most.min(16));
        loop {
            let Some((line, value)) = field_line(src, pos) else {
                return src[pos..].starts_with(b"\r\n").then_some((pos + 2, facts));
            };
            if self.lines.len() == most {
                return None;
            }
            if line.known != Known::Other {
                facts.note(&line, value).ok()?;
            }
            pos = line.end as usize;
            self.lines.push(line);
        }
    }

    /// Writes the lines for whose kind `keep` says so. Lines that lie one behind the other are copied at once.
    pub(super) fn write(&self, out: &mut Vec<u8>, keep: impl Fn(Known) -> bool) {
        let mut run = (false, 0, 0);
        let mut flush = |(added, start, end): (bool, u32, u32)| {
            let source: &[u8] = if added { &self.added } else { &self.bytes };
            out.extend_from_slice(&source[start as usize..end as usize]);
        };
        for line in self.lines.iter().filter(|line| keep(line.known)) {
            if (run.0, run.2) == (line.added, line.start) {
                run.2 = line.end;
            } else {
                flush(run);
                run = (line.added, line.start, line.end);
            }
        }
        flush(run);
    }

    /// How many bytes [`write`](Fields::write) appends at most.
    pub(super) fn written_len(&self) -> usize {
        self.bytes.len() + self.added.len()
    }
}

/// What no peer can have removed on the way by naming it in `Connection`: the fields on which others decide who asks,
/// for what, and with which rights.
const END_TO_END: [&str; 9] = [
    "authorization",
    "cookie",
    "cache-control",
    "content-type",
    "content-encoding",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

impl PartialEq for Fields {
    fn eq(&self, other: &Fields) -> bool {
        self.lines.len() == other.lines.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        f.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

/// What the fields of a head say about the message and the connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    /// Where the value of `Host` lies.
    pub(super) host: Option<(u32, u32)>,
    pub(super) content_length: Option<u64>,
    pub(super) encoding: Encoding,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    /// `Connection: upgrade`, and an `Upgrade` field.
    pub(super) connection_upgrade: bool,
    pub(super) upgrade: bool,
    pub(super) expects_continue: bool,
    pub(super) expects_other: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Encoding {
    #[default]
    None,
    Chunked,
    /// Ends in `chunked`, and applies something before it.
    Other,
}

impl Facts {
    /// How the message's body is framed, as far as the fields tell.
    pub(super) fn framing(&self, version: Version) -> Result<super::Framing, Error> {
        match (self.encoding, self.content_length) {
            (Encoding::None, None) => Ok(super::Framing::None),
            (Encoding::None, Some(length)) => Ok(super::Framing::Sized(length)),
            _ if version == Version::HTTP_10 => Err(Error::TransferEncodingVersion),
            (_, Some(_)) => Err(Error::LengthAndEncoding),
            (Encoding::Chunked, None) => Ok(super::Framing::Chunked),
            (Encoding::Other, None) => Err(Error::TransferCoding),
        }
    }

    /// Whether the connection outlives the message.
    pub(super) fn persistent(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }

    fn note(&mut self, line: &Line, value: &[u8]) -> Result<(), Error> {
        match line.known {
            Known::Other | Known::Hop | Known::Date => {}
            Known::Lookalike => return Err(Error::FieldName),
            Known::Host => {
                if self.host.is_some() {
                    return Err(Error::HostRepeated);
                }
                self.host = Some((line.value, line.value_end));
            }
            Known::ContentLength => {
                if self.content_length.is_some() {
                    return Err(Error::ContentLengthRepeated);
                }
                self.content_length = Some(decimal(value).ok_or(Error::ContentLength)?);
            }
            Known::TransferEncoding => {
                if self.encoding != Encoding::None {
                    return Err(Error::TransferEncoding);
                }
                self.encoding = transfer_encoding(value)?;
            }
            Known::Connection => {
                for option in list(value) {
                    match option.len() {
                        5 => self.close |= option.eq_ignore_ascii_case(b"close"),
                        7 => self.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade"),
                        10 => self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive"),
                        _ => {}
                    }
                }
            }
            Known::Expect => {
                let known = value.eq_ignore_ascii_case(b"100-continue");
                self.expects_continue |= known;
                self.expects_other |= !known;
            }
            Known::Upgrade => self.upgrade = true,
        }
        Ok(())
    }
}

/// The one value that is accepted is `chunked`. What ends in it is a coding that we do not have; anything else leaves the
/// length open.
fn transfer_encoding(value: &[u8]) -> Result<Encoding, Error> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Encoding::Chunked);
    }
    let mut codings: Vec<&[u8]> = value.split(|&b| b == b',').map(trim).collect();
    let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let last = codings.pop().unwrap_or_default();
    let tokens = codings.iter().all(|coding| is_token(coding) && !chunked(coding));
    if chunked(last) && !codings.is_empty() && tokens { Ok(Encoding::Other) } else { Err(Error::TransferEncoding) }
}

/// Finds field lines up to the empty one, in bytes that may still grow.
#[derive(Debug, Default)]
pub(super) struct FieldParser {
    /// Where the line starts that is not parsed yet.
    pub(super) pos: usize,
    /// Up to where the end of that line has been looked for in vain.
    scanned: usize,
    lines: Vec<Line>,
    pub(super) facts: Facts,
}

/// Bounds for a [`FieldParser`].
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldLimits {
    /// Where the empty line must have ended, counted from the start of the bytes.
    pub(super) end: usize,
    pub(super) fields: usize,
    pub(super) error: Error,
}

impl FieldParser {
    /// Whether nothing is known of the next section.
    pub(super) fn is_new(&self) -> bool {
        self.pos == 0 && self.scanned == 0
    }

    /// Where the section ends, once it is complete. Errors depend on complete lines alone, so that they do not depend
    /// on how the input was cut.
    pub(super) fn parse(&mut self, src: &[u8], limits: FieldLimits) -> Result<Option<usize>, Error> {
        let seen = &src[..src.len().min(limits.end)];
        if !self.has_line(seen) {
            return if src.len() >= limits.end { Err(limits.error) } else { Ok(None) };
        }
        if self.lines.capacity() == 0 {
            self.lines.reserve(limits.fields.min(16));
        }
        loop {
            let Some((line, value)) = field_line(seen, self.pos) else {
                let rest = &seen[self.pos..];
                if rest.starts_with(b"\r\n") {
                    return Ok(Some(self.pos + 2));
                }
                return match memchr(b'\n', rest) {
                    Some(at) => Err(explain(&rest[..at])),
                    None if src.len() >= limits.end => Err(limits.error),
                    None => {
                        self.scanned = seen.len();
                        Ok(None)
                    }
                };
            };
            if self.lines.len() == limits.fields {
                return Err(limits.error);
            }
            self.facts.note(&line, value)?;
            self.pos = line.end as usize;
            self.lines.push(line);
        }
    }

    /// Whether the line at `pos` may be complete: where it was not before, a line feed must have come.
    fn has_line(&mut self, seen: &[u8]) -> bool {
        if self.scanned <= self.pos || memchr(b'\n', &seen[self.scanned..]).is_some() {
            return true;
        }
        self.scanned = seen.len();
        false
    }

    /// The same, for the line in front of the fields.
    pub(super) fn start_line<'a>(
        &mut self,
        src: &'a [u8],
        limit: usize,
        error: Error,
    ) -> Result<Option<&'a [u8]>, Error> {
        let seen = &src[..src.len().min(self.pos.saturating_add(limit))];
        let from = self.pos.max(self.scanned);
        match memchr(b'\n', &seen[from.min(seen.len())..]) {
            Some(at) => Ok(Some(&seen[self.pos..=from + at])),
            None if seen.len() < src.len() || seen.len() >= self.pos.saturating_add(limit) => Err(error),
            None => {
                self.scanned = seen.len();
                Ok(None)
            }
        }
    }

    /// Hands over what was found to `fields`, which are empty, and is ready for the next section. `bytes` are the
    /// section's.
    pub(super) fn finish(&mut self, bytes: Bytes, fields: &mut Fields) -> Facts {
        let facts = std::mem::take(&mut self.facts);
        (self.pos, self.scanned) = (0, 0);
        // The lists change places: the next section's positions go where this message's fields were before.
        std::mem::swap(&mut fields.lines, &mut self.lines);
        fields.bytes = bytes;
        facts
    }

    /// Whether some field must not stand in a trailer section.
    pub(super) fn forbidden_trailer(&self) -> bool {
        self.lines.iter().any(|line| !matches!(line.known, Known::Other | Known::Date))
    }
}

/// The field line at `pos`, if there is a right and complete one.
#[inline(always)] // what it finds is written where it stays
fn field_line(src: &[u8], pos: usize) -> Option<(Line, &[u8])> {
    let line = src.get(pos..)?;
    let name_len = token_len(line);
    if name_len == 0 || line.get(name_len) != Some(&b':') {
        return None;
    }
    let mut start = name_len + 1;
    while let Some(b' ' | b'\t') = line.get(start) {
        start += 1;
    }
    let mut value = &line[start..];
    let cr = start + value_len(value);
    if line.get(cr..cr + 2) != Some(b"\r\n") {
        return None;
    }
    value = &value[..cr - start];
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    let at = |offset: usize| (pos + offset) as u32;
    let line = Line {
        start: at(0),
        name_len: name_len as u32,
        value: at(start),
        value_end: at(start + value.len()),
        end: at(cr + 2),
        known: Known::of(&line[..name_len]),
        added: false,
    };
    Some((line, value))
}

/// What is wrong with a complete line (without its line feed) that is no field line.
#[cold]
fn explain(line: &[u8]) -> Error {
    if let [b' ' | b'\t', ..] = line {
        return Error::ObsFold;
    }
    let (name, rest) = line.split_at(token_len(line));
    match rest {
        [] => Error::BareLf,
        _ if name.is_empty() => Error::FieldName,
        [b':', value @ ..] if is_value(value) => Error::BareLf,
        [b':', ..] => Error::FieldValue,
        _ if trim(rest).starts_with(b":") => Error::SpaceBeforeColon,
        _ => Error::FieldName,
    }
}
