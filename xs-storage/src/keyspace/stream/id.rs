//! Entry identifiers: a millisecond and a sequence number inside it, and the handful of ways to write one in a command.

use std::fmt;

/// The identifier of an entry: ordered by millisecond, then by sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Unix time in milliseconds, by convention.
    pub ms: u64,
    /// Tells entries of the same millisecond apart.
    pub seq: u64,
}

impl StreamId {
    /// The smallest identifier, `0-0`. No entry ever has it.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The largest identifier.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// `ms-seq`.
    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// The identifier right after this one; `None` after [`StreamId::MAX`].
    pub fn next(self) -> Option<StreamId> {
        match (self.ms, self.seq) {
            (u64::MAX, u64::MAX) => None,
            (ms, u64::MAX) => Some(StreamId::new(ms + 1, 0)),
            (ms, seq) => Some(StreamId::new(ms, seq + 1)),
        }
    }

    /// The identifier right before this one; `None` before [`StreamId::MIN`].
    pub fn prev(self) -> Option<StreamId> {
        match (self.ms, self.seq) {
            (0, 0) => None,
            (ms, 0) => Some(StreamId::new(ms - 1, u64::MAX)),
            (ms, seq) => Some(StreamId::new(ms, seq - 1)),
        }
    }

    /// Reads `ms-seq` or `ms` alone, which then means `ms-missing_seq`. The signs `-` and `+` are not accepted.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        match split(text)? {
            (ms, None) => Some(StreamId::new(number(ms)?, missing_seq)),
            (ms, Some(seq)) => Some(StreamId::new(number(ms)?, number(seq)?)),
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; StreamId::TEXT];
        // The bytes are ASCII digits and a dash.
        f.write_str(std::str::from_utf8(self.write_to(&mut text)).unwrap_or_default())
    }
}

impl StreamId {
    /// The most bytes that an identifier takes as text.
    pub const TEXT: usize = 41;

    /// Writes `ms-seq` into `text` and returns what was written: formatting without the formatting machinery, for
    /// replies that carry thousands of identifiers.
    pub fn write_to(self, text: &mut [u8; StreamId::TEXT]) -> &[u8] {
        let mut digits = itoa::Buffer::new();
        let ms = digits.format(self.ms).as_bytes();
        let mut at = ms.len();
        text[..at].copy_from_slice(ms);
        text[at] = b'-';
        at += 1;
        let seq = digits.format(self.seq).as_bytes();
        text[at..at + seq.len()].copy_from_slice(seq);
        &text[..at + seq.len()]
    }
}

/// The identifier that an append asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendId {
    /// `*`: the current time, or one past the last entry if the clock stands still or ran backwards.
    Auto,
    /// `ms-*`: this millisecond, with the next free sequence number in it.
    AutoSeq(u64),
    /// `ms-seq`: this one and no other.
    Exact(StreamId),
}

impl AppendId {
    /// Reads `*`, `ms-*`, `ms-seq`, or `ms` for `ms-0`.
    pub fn parse(text: &[u8]) -> Option<AppendId> {
        if text == b"*" {
            return Some(AppendId::Auto);
        }
        match split(text)? {
            (ms, Some(b"*")) => Some(AppendId::AutoSeq(number(ms)?)),
            _ => StreamId::parse(text, 0).map(AppendId::Exact),
        }
    }
}

/// One end of an interval as commands write it: `-`, `+`, an identifier, or `(` and an identifier to leave it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdBound {
    /// The identifier at the end of the interval.
    pub id: StreamId,
    /// Whether the interval stops short of it.
    pub exclusive: bool,
}

impl IdBound {
    /// Reads one end. A missing sequence number becomes `missing_seq`: 0 for a start, [`u64::MAX`] for an end.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<IdBound> {
        match text {
            b"-" => Some(IdBound { id: StreamId::MIN, exclusive: false }),
            b"+" => Some(IdBound { id: StreamId::MAX, exclusive: false }),
            [b'(', rest @ ..] if !rest.is_empty() => {
                StreamId::parse(rest, missing_seq).map(|id| IdBound { id, exclusive: true })
            }
            _ => StreamId::parse(text, missing_seq).map(|id| IdBound { id, exclusive: false }),
        }
    }

    /// The first identifier inside, if this is the start; `None` when nothing lies beyond it.
    pub fn first_inside(self) -> Option<StreamId> {
        if self.exclusive { self.id.next() } else { Some(self.id) }
    }

    /// The last identifier inside, if this is the end; `None` when nothing lies before it.
    pub fn last_inside(self) -> Option<StreamId> {
        if self.exclusive { self.id.prev() } else { Some(self.id) }
    }
}

/// Cuts at the first dash. Anything longer than two 20-digit numbers with generous padding is no identifier.
fn split(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if text.len() > 127 {
        return None;
    }
    Some(match text.iter().position(|&byte| byte == b'-') {
        Some(dash) => (&text[..dash], Some(&text[dash + 1..])),
        None => (text, None),
    })
}

/// An unsigned number as Redis reads it here: like C's `strtoull`, it lets leading blanks, one plus sign and leading
/// zeros pass.
fn number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii_start();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_read_as_redis_reads_them() {
        assert_eq!(StreamId::parse(b"5-7", 0), Some(StreamId::new(5, 7)));
        assert_eq!(StreamId::parse(b"5", 9), Some(StreamId::new(5, 9)));
        assert_eq!(StreamId::parse(b"005-+7", 9), Some(StreamId::new(5, 7)));
        assert_eq!(StreamId::parse(b"18446744073709551615-18446744073709551615", 0), Some(StreamId::MAX));
        for bad in [&b""[..], b"-", b"+", b"-1", b"1-", b"a-1", b"1-a", b"1-2-3", b"18446744073709551616", b"1-*", b"*"]
        {
            assert_eq!(StreamId::parse(bad, 0), None, "{}", bad.escape_ascii());
        }
        assert_eq!(StreamId::parse(&[b'1'; 200], 0), None);
    }

    #[test]
    fn an_append_may_leave_parts_open() {
        assert_eq!(AppendId::parse(b"*"), Some(AppendId::Auto));
        assert_eq!(AppendId::parse(b"12-*"), Some(AppendId::AutoSeq(12)));
        assert_eq!(AppendId::parse(b"12"), Some(AppendId::Exact(StreamId::new(12, 0))));
        assert_eq!(AppendId::parse(b"*-1"), None);
        assert_eq!(AppendId::parse(b"+"), None);
    }

    #[test]
    fn bounds_step_over_an_excluded_end() {
        let start = IdBound::parse(b"(1-18446744073709551615", 0).unwrap();
        assert_eq!(start.first_inside(), Some(StreamId::new(2, 0)));
        let end = IdBound::parse(b"(2-0", u64::MAX).unwrap();
        assert_eq!(end.last_inside(), Some(StreamId::new(1, u64::MAX)));
        assert_eq!(IdBound::parse(b"(0-0", 0).unwrap().last_inside(), None);
        assert_eq!(IdBound::parse(b"+", 0).unwrap().last_inside(), Some(StreamId::MAX));
        assert_eq!(IdBound::parse(b"(+", 0), None);
        assert_eq!(IdBound::parse(b"(", 0), None);
    }

    #[test]
    fn text_comes_back() {
        for id in [StreamId::MIN, StreamId::MAX, StreamId::new(1, 20)] {
            assert_eq!(StreamId::parse(id.to_string().as_bytes(), 0), Some(id));
        }
    }
}
