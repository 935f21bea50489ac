//! One entry of a listpack: how it is written, and how it is read forwards and backwards. Lists use the same entries in
//! nodes of their own, without a listpack's header.

use super::super::item::Item;

pub(crate) const STR12_MAX: usize = 1 << 12;

/// An entry ready to be written: its header or whole number, its string, its back-length.
pub(crate) struct Encoded<'a> {
    head: [u8; 9],
    head_len: u8,
    tail: [u8; 5],
    tail_len: u8,
    body: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// Encodes a string, as a number if it is the canonical text of one.
    #[inline]
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self::of_item(Item::compact(bytes))
    }

    /// Encodes an item in the form that it has.
    #[inline]
    pub(crate) fn of_item(item: Item<'a>) -> Self {
        let mut entry = Encoded { head: [0; 9], head_len: 0, tail: [0; 5], tail_len: 0, body: &[] };
        match item {
            Item::Bytes(bytes) => {
                entry.body = bytes;
                let len = bytes.len();
                if len < 64 {
                    entry.head[0] = 0x80 | len as u8;
                    entry.head_len = 1;
                } else if len < STR12_MAX {
                    entry.head[0] = 0xE0 | (len >> 8) as u8;
                    entry.head[1] = len as u8;
                    entry.head_len = 2;
                } else {
                    entry.head[0] = 0xF0;
                    let len = u32::try_from(len).expect("a string in a listpack holds less than 4 GiB");
                    entry.head[1..5].copy_from_slice(&len.to_le_bytes());
                    entry.head_len = 5;
                }
            }
            Item::Int(number) => entry.head_len = encode_int(number, &mut entry.head),
        }
        entry.tail_len = encode_back_len(entry.head_len as usize + entry.body.len(), &mut entry.tail);
        entry
    }

    /// The bytes that the entry takes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.head_len as usize + self.body.len() + self.tail_len as usize
    }

    /// Writes the entry to `dst`, which is exactly [`Encoded::len`] long.
    #[inline]
    pub(crate) fn write(&self, dst: &mut [u8]) {
        if let [head, body @ .., tail] = dst
            && self.head_len == 1
            && self.tail_len == 1
        {
            // A short string, or a number below 128: nearly all of them.
            (*head, *tail) = (self.head[0], self.tail[0]);
            body.copy_from_slice(self.body);
            return;
        }
        let (head, rest) = dst.split_at_mut(self.head_len as usize);
        let (body, tail) = rest.split_at_mut(self.body.len());
        head.copy_from_slice(&self.head[..self.head_len as usize]);
        body.copy_from_slice(self.body);
        tail.copy_from_slice(&self.tail[..self.tail_len as usize]);
    }
}

fn encode_int(number: i64, head: &mut [u8; 9]) -> u8 {
    let bytes = number.to_le_bytes();
    let (tag, width) = match number {
        0..=127 => {
            head[0] = number as u8;
            return 1;
        }
        -4096..=4095 => {
            let value = (number as u16) & 0x1FFF;
            head[0] = 0xC0 | (value >> 8) as u8;
            head[1] = value as u8;
            return 2;
        }
        -0x8000..=0x7FFF => (0xF1, 2),
        -0x80_0000..=0x7F_FFFF => (0xF2, 3),
        -0x8000_0000..=0x7FFF_FFFF => (0xF3, 4),
        _ => (0xF4, 8),
    };
    head[0] = tag;
    head[1..=width].copy_from_slice(&bytes[..width]);
    width as u8 + 1
}

/// Writes how long an entry is, so that it can be read from behind: seven bits a byte, the lowest last, each byte but
/// the first marked. The odd thresholds (16383 takes three bytes) are the format's.
#[inline]
fn encode_back_len(len: usize, tail: &mut [u8; 5]) -> u8 {
    if len <= 127 {
        tail[0] = len as u8;
        return 1;
    }
    let size = back_len_size(len);
    for (i, byte) in tail[..size].iter_mut().enumerate() {
        let bits = (len >> (7 * (size - 1 - i))) as u8 & 0x7F;
        *byte = if i == 0 { bits } else { bits | 0x80 };
    }
    size as u8
}

#[inline]
fn back_len_size(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// The entry at the start of `buf`, and the bytes that it takes. `buf` begins with a whole entry.
#[inline]
pub(crate) fn decode(buf: &[u8]) -> (Item<'_>, usize) {
    let tag = buf[0];
    if tag < 0x80 {
        return (Item::Int(i64::from(tag)), 2);
    }
    if tag < 0xC0 {
        let len = (tag & 0x3F) as usize;
        return (Item::Bytes(&buf[1..1 + len]), len + 2);
    }
    decode_rare(buf)
}

fn decode_rare(buf: &[u8]) -> (Item<'_>, usize) {
    let (head, len) = header(buf).expect("a listpack's entries are whole");
    let item = match buf[0] {
        0xC0..=0xDF => {
            let value = (i64::from(buf[0] & 0x1F) << 8) | i64::from(buf[1]);
            Item::Int(if value >= 1 << 12 { value - (1 << 13) } else { value })
        }
        0xF1..=0xF4 => {
            // The sign is in the last byte: shift it to the top and back.
            let mut bytes = [0; 8];
            bytes[8 - (head - 1)..].copy_from_slice(&buf[1..head]);
            Item::Int(i64::from_le_bytes(bytes) >> (8 * (9 - head)))
        }
        _ => Item::Bytes(&buf[head..head + len]),
    };
    (item, head + len + back_len_size(head + len))
}

/// The bytes of the header (with a number's value) and of the string behind it.
#[inline]
fn header(buf: &[u8]) -> Option<(usize, usize)> {
    Some(match *buf.first()? {
        0x00..=0x7F => (1, 0),
        tag @ 0x80..=0xBF => (1, (tag & 0x3F) as usize),
        0xC0..=0xDF => (2, 0),
        tag @ 0xE0..=0xEF => (2, (usize::from(tag & 0x0F) << 8) | usize::from(*buf.get(1)?)),
        0xF0 => (5, u32::from_le_bytes(buf.get(1..5)?.try_into().ok()?) as usize),
        0xF1 => (3, 0),
        0xF2 => (4, 0),
        0xF3 => (5, 0),
        0xF4 => (9, 0),
        _ => return None,
    })
}

/// The bytes that the entry at the start of `buf` takes. `buf` begins with a whole entry.
#[inline]
pub(crate) fn size(buf: &[u8]) -> usize {
    let tag = buf[0];
    if tag < 0xC0 {
        return if tag < 0x80 { 2 } else { (tag & 0x3F) as usize + 2 };
    }
    let (head, len) = header(buf).expect("a listpack's entries are whole");
    head + len + back_len_size(head + len)
}

/// The bytes that the entry at the end of `buf` takes. `buf` ends with a whole entry.
#[inline]
pub(crate) fn size_back(buf: &[u8]) -> usize {
    let last = buf[buf.len() - 1];
    if last < 0x80 {
        return last as usize + 1;
    }
    let (len, size) = read_back_len(buf).expect("a listpack's entries end with their length");
    len + size
}

fn read_back_len(buf: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for (i, &byte) in buf.iter().rev().take(5).enumerate() {
        len |= usize::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((len, i + 1));
        }
    }
    None
}

/// The size of the entry at the start of untrusted `buf`, if a whole and consistent one is there.
pub(crate) fn check(buf: &[u8]) -> Option<usize> {
    let (head, len) = header(buf)?;
    let content = head.checked_add(len)?;
    let mut tail = [0; 5];
    let size = encode_back_len(content, &mut tail) as usize;
    let end = content.checked_add(size)?;
    (buf.get(content..end)? == &tail[..size]).then_some(end)
}

/// The entries of a run of bytes that holds nothing but whole entries, from both ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let (item, size) = decode(self.0);
        self.0 = &self.0[size..];
        Some(item)
    }
}

impl DoubleEndedIterator for Entries<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (rest, last) = self.0.split_at(self.0.len() - size_back(self.0));
        self.0 = rest;
        Some(decode(last).0)
    }
}

impl<'a> Entries<'a> {
    /// Skips `n` entries from the front.
    #[inline]
    pub(crate) fn skip_front(&mut self, n: usize) {
        for _ in 0..n {
            self.0 = &self.0[size(self.0)..];
        }
    }

    /// Skips `n` entries from the back.
    #[inline]
    pub(crate) fn skip_back(&mut self, n: usize) {
        for _ in 0..n {
            self.0 = &self.0[..self.0.len() - size_back(self.0)];
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    fn encode(bytes: &[u8]) -> Vec<u8> {
        let entry = Encoded::of(bytes);
        let mut out = vec![0; entry.len()];
        entry.write(&mut out);
        out
    }

    #[test]
    fn the_nine_encodings_as_the_format_has_them() {
        assert_eq!(encode(b"5"), [5, 1]);
        assert_eq!(encode(b"127"), [127, 1]);
        assert_eq!(encode(b"ab"), [0x82, b'a', b'b', 3]);
        assert_eq!(encode(b"128"), [0xC0, 128, 2]);
        assert_eq!(encode(b"-1"), [0xDF, 0xFF, 2]);
        assert_eq!(encode(b"4096"), [0xF1, 0x00, 0x10, 3]);
        assert_eq!(encode(b"-32769"), [0xF2, 0xFF, 0x7F, 0xFF, 4]);
        assert_eq!(encode(b"16777216"), [0xF3, 0, 0, 0, 1, 5]);
        assert_eq!(encode(b"4294967296"), [0xF4, 0, 0, 0, 0, 1, 0, 0, 0, 9]);
        let long = encode(&[b'x'; 300]);
        assert_eq!((&long[..2], &long[302..]), (&[0xE1, 44][..], &[2, 128 + 46][..]));
        let longer = encode(&[b'x'; 5000]);
        assert_eq!(&longer[..5], [0xF0, 0x88, 0x13, 0, 0]);
    }

    #[test]
    fn every_length_and_number_at_an_edge_reads_back_both_ways() {
        let numbers =
            [0_i64, 127, 128, 4095, 4096, 32767, 32768, 8388607, 8388608, i64::from(i32::MAX), 1 << 31, i64::MAX];
        let mut values: Vec<Vec<u8>> = Vec::new();
        for n in numbers {
            values.extend([n, -n, (-1) - n].map(|n| n.to_string().into_bytes()));
        }
        for len in [0, 1, 63, 64, 125, 126, 127, 4095, 4096, 16380, 16381, 16382, 16383, 2_097_150] {
            values.push(vec![b'z'; len]);
        }
        let all: Vec<u8> = values.iter().flat_map(|v| encode(v)).collect();
        assert!(Entries(&all).eq(values.iter().map(|v| Item::compact(v))));
        assert!(Entries(&all).rev().eq(values.iter().rev().map(|v| Item::compact(v))));
        let mut at = 0;
        for value in &values {
            assert_eq!(check(&all[at..]), Some(encode(value).len()));
            assert_eq!(size(&all[at..]), encode(value).len());
            at += size(&all[at..]);
        }
    }
}
