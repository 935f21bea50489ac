//! [`Fields`]: the field lines of a head or a trailer section as they came.
//!
//! A head is kept as its bytes and a list of positions. What a proxy mostly does with a head, to look at a few fields,
//! drop a few, add a few and pass the rest on in the order and case in which it came, is then a search, an edit of the
//! list, and a copy of a run of bytes. A `HeaderMap` is made of it by who wants one.

mod facts;
mod known;
mod parser;

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use self::parser::field_line;
use super::chars::{is_token, is_value, list, trim};
use super::error::CommandError;

pub(super) use self::facts::Facts;
pub(super) use self::known::Known;
pub(super) use self::parser::{FieldLimits, FieldParser};

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
