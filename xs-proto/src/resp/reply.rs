//! [`Reply`]: what a server writes, piece by piece, in the version that the client speaks.

use bytes::Bytes;

use super::{Version, format_double};
use crate::Out;
use crate::out::BY_REFERENCE;

/// Writes the pieces of replies into an [`Out`].
///
/// A reply is one value; an aggregate is its header followed by as many values as the header says. Nobody counts along:
/// the caller writes what it has announced, or announces afterwards ([`begin`](Reply::begin)).
///
/// ```
/// use xs_proto::Out;
/// use xs_proto::resp::{Reply, Version};
///
/// let mut out = Out::new();
/// let mut reply = Reply::new(&mut out, Version::Resp2);
/// reply.map(1);
/// reply.bulk(b"score");
/// reply.double(0.5);
/// assert_eq!(out.to_vec(), b"*2\r\n$5\r\nscore\r\n$3\r\n0.5\r\n");
/// ```
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Out,
    version: Version,
}

/// The place of an aggregate whose length is not known yet. See [`Reply::begin`].
#[derive(Debug)]
#[must_use = "an aggregate that is begun must be ended"]
pub struct Mark(usize);

impl<'a> Reply<'a> {
    /// Replies in `version`, appended to `out`.
    #[inline]
    pub fn new(out: &'a mut Out, version: Version) -> Self {
        Reply { out, version }
    }

    /// The version that is written.
    #[inline]
    pub fn version(&self) -> Version {
        self.version
    }

    /// What is written into, for bytes that are a reply already.
    #[inline]
    pub fn out(&mut self) -> &mut Out {
        self.out
    }

    /// The same replies for a shorter time, to hand them on.
    #[inline]
    pub fn reborrow(&mut self) -> Reply<'_> {
        Reply { out: self.out, version: self.version }
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.inline_mut().extend_from_slice(b"+OK\r\n");
    }

    /// A status: a short text on one line. Line breaks in it become spaces.
    pub fn simple(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'+', text.as_ref());
    }

    /// An error, whose first word is its code: `ERR unknown command`. Line breaks in it become spaces.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'-', text.as_ref());
    }

    /// An error of any bytes: an error on one line in version 2.
    pub fn bulk_error(&mut self, text: &[u8]) {
        match self.version {
            Version::Resp2 => self.line(b'-', text),
            Version::Resp3 => {
                self.number(b'!', text.len() as i64);
                let inline = self.out.inline_mut();
                inline.extend_from_slice(text);
                inline.extend_from_slice(b"\r\n");
            }
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        let inline = self.out.inline_mut();
        inline.reserve(text.len() + 3);
        inline.push(kind);
        let start = inline.len();
        inline.extend_from_slice(text);
        for byte in &mut inline[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        inline.extend_from_slice(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        self.number(b':', value);
    }

    #[inline]
    fn number(&mut self, kind: u8, value: i64) {
        let inline = self.out.inline_mut();
        if let 0..=9 = value {
            inline.extend_from_slice(&[kind, b'0' + value as u8, b'\r', b'\n']);
            return;
        }
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value).as_bytes();
        inline.reserve(digits.len() + 3);
        inline.push(kind);
        inline.extend_from_slice(digits);
        inline.extend_from_slice(b"\r\n");
    }

    /// A bulk string: any bytes.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        let inline = self.out.inline_mut();
        let len = bytes.len();
        if len <= 64 {
            inline.reserve(64 + 7);
            if len < 10 {
                inline.extend_from_slice(&[b'$', b'0' + len as u8, b'\r', b'\n']);
            } else {
                inline.extend_from_slice(&[b'$', b'0' + (len / 10) as u8, b'0' + (len % 10) as u8, b'\r', b'\n']);
            }
        } else {
            self.long_bulk_header(len);
        }
        let inline = self.out.inline_mut();
        inline.extend_from_slice(bytes);
        inline.extend_from_slice(b"\r\n");
    }

    #[inline(never)]
    fn long_bulk_header(&mut self, len: usize) {
        self.out.inline_mut().reserve(len + 24);
        self.number(b'$', len as i64);
    }

    /// A bulk string that is large perhaps: from [`BY_REFERENCE`] bytes up it is not copied.
    pub fn bulk_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < BY_REFERENCE {
            self.bulk(&bytes);
        } else {
            self.number(b'$', bytes.len() as i64);
            self.out.put_bytes(bytes);
            self.out.put_slice(b"\r\n");
        }
    }

    /// A number as a bulk string, as `GET` answers for a counter.
    #[inline]
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Nothing, in the place of a string: `$-1` in version 2.
    #[inline]
    pub fn null(&mut self) {
        self.by_version(b"$-1\r\n", b"_\r\n");
    }

    /// Nothing, in the place of an aggregate: `*-1` in version 2.
    #[inline]
    pub fn null_array(&mut self) {
        self.by_version(b"*-1\r\n", b"_\r\n");
    }

    #[inline]
    fn by_version(&mut self, resp2: &[u8], resp3: &[u8]) {
        let bytes = match self.version {
            Version::Resp2 => resp2,
            Version::Resp3 => resp3,
        };
        self.out.inline_mut().extend_from_slice(bytes);
    }

    /// A truth value: an integer in version 2.
    pub fn boolean(&mut self, value: bool) {
        match value {
            true => self.by_version(b":1\r\n", b"#t\r\n"),
            false => self.by_version(b":0\r\n", b"#f\r\n"),
        }
    }

    /// A double in the form of [`format_double`]: a bulk string in version 2.
    pub fn double(&mut self, value: f64) {
        let inline = self.out.inline_mut();
        let start = inline.len();
        format_double(value, inline);
        let len = inline.len() - start;
        // The header needs the text's length, so it is written behind the text and then changes places with it.
        match self.version {
            Version::Resp2 => self.number(b'$', len as i64),
            Version::Resp3 => self.out.put_u8(b','),
        }
        let inline = self.out.inline_mut();
        inline[start..].rotate_left(len);
        inline.extend_from_slice(b"\r\n");
    }

    /// A number that is already text, of a kind whose digits the caller decides: a bulk string in version 2 and a
    /// double in version 3.
    pub fn double_text(&mut self, text: &[u8]) {
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => self.line(b',', text),
        }
    }

    /// An integer of any size, in decimal: a bulk string in version 2.
    pub fn big_number(&mut self, digits: impl AsRef<[u8]>) {
        match self.version {
            Version::Resp2 => self.bulk(digits.as_ref()),
            Version::Resp3 => self.line(b'(', digits.as_ref()),
        }
    }

    /// Text for people, with its format in three letters (`txt`, `mkd`): a bulk string in version 2.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => {
                self.number(b'=', text.len() as i64 + 4);
                let inline = self.out.inline_mut();
                inline.extend_from_slice(format);
                inline.push(b':');
                inline.extend_from_slice(text);
                inline.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Announces an array of `len` values.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.number(b'*', len as i64);
    }

    /// Announces a map of `len` pairs: an array of twice as many in version 2.
    pub fn map(&mut self, len: usize) {
        match self.version {
            Version::Resp2 => self.array(2 * len),
            Version::Resp3 => self.number(b'%', len as i64),
        }
    }

    /// Announces a set of `len` values: an array in version 2.
    pub fn set(&mut self, len: usize) {
        self.number(if self.version == Version::Resp2 { b'*' } else { b'~' }, len as i64);
    }

    /// Announces a message of `len` values that answers no request: an array in version 2.
    pub fn push(&mut self, len: usize) {
        self.number(if self.version == Version::Resp2 { b'*' } else { b'>' }, len as i64);
    }

    /// Announces `len` pairs that describe the reply which follows them. Version 2 has no place for them: it writes
    /// nothing and answers false, and the caller leaves the pairs out.
    #[must_use]
    pub fn attribute(&mut self, len: usize) -> bool {
        if self.version == Version::Resp3 {
            self.number(b'|', len as i64);
        }
        self.version == Version::Resp3
    }

    /// Begins an aggregate whose length will be known at its end.
    pub fn begin(&mut self) -> Mark {
        Mark(self.out.len())
    }

    /// Ends an array of `len` values that was begun at `mark`.
    pub fn end_array(&mut self, mark: Mark, len: usize) {
        self.end(mark, b'*', len);
    }

    /// Ends a set of `len` values that was begun at `mark`.
    pub fn end_set(&mut self, mark: Mark, len: usize) {
        self.end(mark, if self.version == Version::Resp2 { b'*' } else { b'~' }, len);
    }

    /// Ends a map of `len` pairs that was begun at `mark`.
    pub fn end_map(&mut self, mark: Mark, len: usize) {
        match self.version {
            Version::Resp2 => self.end(mark, b'*', 2 * len),
            Version::Resp3 => self.end(mark, b'%', len),
        }
    }

    /// Takes back everything that was written since `mark`, for a reply that turns out to be an error.
    pub fn rewind(&mut self, mark: Mark) {
        self.out.truncate(mark.0);
    }

    fn end(&mut self, mark: Mark, kind: u8, len: usize) {
        let mut header = Vec::with_capacity(24);
        header.push(kind);
        header.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
        header.extend_from_slice(b"\r\n");
        self.out.insert_slice(mark.0, &header);
    }
}
