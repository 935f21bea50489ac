//! [`FieldParser`]: finds field lines in bytes that may still grow, and says what is wrong with those that are none.

use bytes::Bytes;
use memchr::memchr;

use super::super::chars::{is_value, token_len, trim, value_len};
use super::super::error::Error;
use super::{Facts, Fields, Known, Line};

/// Finds field lines up to the empty one, in bytes that may still grow.
#[derive(Debug, Default)]
pub(in crate::http1) struct FieldParser {
    /// Where the line starts that is not parsed yet.
    pub(in crate::http1) pos: usize,
    /// Up to where the end of that line has been looked for in vain.
    scanned: usize,
    lines: Vec<Line>,
    pub(in crate::http1) facts: Facts,
}

/// Bounds for a [`FieldParser`].
#[derive(Debug, Clone, Copy)]
pub(in crate::http1) struct FieldLimits {
    /// Where the empty line must have ended, counted from the start of the bytes.
    pub(in crate::http1) end: usize,
    pub(in crate::http1) fields: usize,
    pub(in crate::http1) error: Error,
}

impl FieldParser {
    /// Whether nothing is known of the next section.
    pub(in crate::http1) fn is_new(&self) -> bool {
        self.pos == 0 && self.scanned == 0
    }

    /// Where the section ends, once it is complete. Errors depend on complete lines alone, so that they do not depend
    /// on how the input was cut.
    pub(in crate::http1) fn parse(&mut self, src: &[u8], limits: FieldLimits) -> Result<Option<usize>, Error> {
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
    pub(in crate::http1) fn start_line<'a>(
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
    pub(in crate::http1) fn finish(&mut self, bytes: Bytes, fields: &mut Fields) -> Facts {
        let facts = std::mem::take(&mut self.facts);
        (self.pos, self.scanned) = (0, 0);
        // The lists change places: the next section's positions go where this message's fields were before.
        std::mem::swap(&mut fields.lines, &mut self.lines);
        fields.bytes = bytes;
        facts
    }

    /// Whether some field must not stand in a trailer section.
    pub(in crate::http1) fn forbidden_trailer(&self) -> bool {
        self.lines.iter().any(|line| !matches!(line.known, Known::Other | Known::Date))
    }
}

/// The field line at `pos`, if there is a right and complete one.
#[inline(always)] // what it finds is written where it stays
pub(super) fn field_line(src: &[u8], pos: usize) -> Option<(Line, &[u8])> {
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
