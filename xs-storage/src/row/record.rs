//! A row, or an index's key, as bytes: the types of its columns, then their values.
//!
//! ```text
//!   │ length of the header │ type │ type │ … ║ value │ value │ …
//!       a varint, counted in    varints        as long as the type says
//! ```

use std::cmp::Ordering;

use super::value::{Encoding, KeyColumn, Number, ValueRef};
use super::varint;

/// The columns of a record, one after the other.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    types: &'a [u8],
    body: &'a [u8],
}

/// Reads a record's header. `Err` says what is wrong, here and from each column.
#[inline]
pub fn columns(record: &[u8]) -> Result<Columns<'_>, &'static str> {
    let (header, at) = varint::get(record).ok_or("a record without a header")?;
    let header = usize::try_from(header).ok().filter(|header| (at..=record.len()).contains(header));
    let header = header.ok_or("a record whose header is longer than itself")?;
    Ok(Columns { types: &record[at..header], body: &record[header..] })
}

impl<'a> Columns<'a> {
    #[inline]
    fn column(&mut self) -> Result<ValueRef<'a>, &'static str> {
        let (serial, len) = varint::get(self.types).ok_or("a record whose types are cut off")?;
        self.types = &self.types[len..];
        let len = width_of(serial).ok_or("a column of a type that no file has")?;
        let split = usize::try_from(len).ok().and_then(|len| self.body.split_at_checked(len));
        let (bytes, rest) = split.ok_or("a column longer than its record")?;
        self.body = rest;
        Ok(value_of(serial, bytes))
    }
}

/// The first column of a record whose header begins with two numbers of one byte, as most do; none of others, and of what makes
/// no sense.
#[inline]
pub(crate) fn first(record: &[u8]) -> Option<ValueRef<'_>> {
    let &[header @ 2..0x80, serial @ ..0x80, ..] = record else { return None };
    let body = record.get(usize::from(header)..)?;
    let serial = u64::from(serial);
    Some(value_of(serial, body.get(..width_of(serial)? as usize)?))
}

/// How many bytes a value of a type takes.
#[inline]
pub(crate) const fn width_of(serial: u64) -> Option<u64> {
    match serial {
        0 | 8 | 9 => Some(0),
        1..=4 => Some(serial),
        5 => Some(6),
        6 | 7 => Some(8),
        10 | 11 => None,
        _ => Some((serial - 12) / 2),
    }
}

/// The same of a type that is written as one byte; of those that no file has, nothing.
#[inline]
pub(crate) fn width_of_short(serial: u8) -> u32 {
    const WIDTHS: [u8; 128] = {
        let mut widths = [0; 128];
        let mut serial = 0;
        while serial < 128 {
            widths[serial] = match width_of(serial as u64) {
                Some(width) => width as u8,
                None => 0,
            };
            serial += 1;
        }
        widths
    };
    u32::from(WIDTHS[usize::from(serial & 0x7F)])
}

/// The value of a type that begins at a place of a record; none if the type is none, or the record too short.
#[inline(always)]
pub(crate) fn part(record: &[u8], serial: u32, start: u32) -> Option<ValueRef<'_>> {
    let rest = record.get(start as usize..)?;
    Some(match serial {
        0 => ValueRef::Null,
        10 | 11 => return None,
        text @ 12.. if text % 2 == 1 => ValueRef::Text(rest.get(..(text - 13) as usize / 2)?),
        blob @ 12.. => ValueRef::Blob(rest.get(..(blob - 12) as usize / 2)?),
        _ => match number(rest, serial)? {
            Number::Integer(integer) => ValueRef::Integer(integer),
            Number::Real(real) => ValueRef::Real(real),
            Number::Other => ValueRef::Null,
        },
    })
}

/// The number of a type at the beginning of some bytes; none where they are too short, or the type is not a number's.
#[inline(always)]
pub(crate) fn number(bytes: &[u8], serial: u32) -> Option<Number> {
    Some(Number::Integer(match serial {
        1 => i64::from(*bytes.first()? as i8),
        2 => i64::from(i16::from_be_bytes(*bytes.first_chunk()?)),
        3 => {
            let [a, b, c] = *bytes.first_chunk()?;
            i64::from(i32::from_be_bytes([a, b, c, 0]) >> 8)
        }
        4 => i64::from(i32::from_be_bytes(*bytes.first_chunk()?)),
        5 => {
            let [a, b, c, d, e, f] = *bytes.first_chunk()?;
            i64::from_be_bytes([a, b, c, d, e, f, 0, 0]) >> 16
        }
        6 => i64::from_be_bytes(*bytes.first_chunk()?),
        7 => {
            let real = f64::from_be_bytes(*bytes.first_chunk()?);
            return Some(if real.is_nan() { Number::Other } else { Number::Real(real) });
        }
        8 => 0,
        9 => 1,
        _ => return None,
    }))
}

/// The value of a type in its bytes, of which there are as many as the type takes.
#[inline]
pub(crate) fn value_of(serial: u64, bytes: &[u8]) -> ValueRef<'_> {
    match serial {
        0 | 10 | 11 => ValueRef::Null,
        1..=6 => ValueRef::Integer(integer(bytes)),
        7 => match f64::from_bits(integer(bytes) as u64) {
            real if real.is_nan() => ValueRef::Null,
            real => ValueRef::Real(real),
        },
        8 => ValueRef::Integer(0),
        9 => ValueRef::Integer(1),
        even if even.is_multiple_of(2) => ValueRef::Blob(bytes),
        _ => ValueRef::Text(bytes),
    }
}

impl<'a> Iterator for Columns<'a> {
    type Item = Result<ValueRef<'a>, &'static str>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.types.is_empty() {
            return None;
        }
        let column = self.column();
        if column.is_err() {
            self.types = &[];
        }
        Some(column)
    }
}

/// The values of a record.
pub fn decode(record: &[u8]) -> Result<Vec<ValueRef<'_>>, &'static str> {
    columns(record)?.collect()
}

#[inline]
fn integer(bytes: &[u8]) -> i64 {
    match *bytes {
        [a] => return i64::from(a as i8),
        [a, b] => return i64::from(i16::from_be_bytes([a, b])),
        [a, b, c] => return i64::from(i32::from_be_bytes([a, b, c, 0]) >> 8),
        [a, b, c, d] => return i64::from(i32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => return i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => {}
    }
    let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { -1 } else { 0 };
    bytes.iter().fold(sign, |n, byte| n << 8 | i64::from(*byte))
}

/// How many bytes a number takes at least, of those that there are: 1, 2, 3, 4, 6, 8.
fn width(n: i64) -> usize {
    let bits = 65 - if n < 0 { !n } else { n }.leading_zeros();
    match bits.div_ceil(8) {
        5 => 6,
        7 => 8,
        bytes => bytes.max(1) as usize,
    }
}

/// The type that a value is written as, and how many bytes its value takes.
#[inline]
fn serial_of(value: &ValueRef<'_>) -> (u64, usize) {
    match *value {
        ValueRef::Null => (0, 0),
        ValueRef::Integer(0) => (8, 0),
        ValueRef::Integer(1) => (9, 0),
        ValueRef::Integer(n) => match width(n) {
            6 => (5, 6),
            8 => (6, 8),
            width => (width as u64, width),
        },
        ValueRef::Real(real) if real.is_nan() => (0, 0),
        ValueRef::Real(_) => (7, 8),
        ValueRef::Text(text) => (text.len() as u64 * 2 + 13, text.len()),
        ValueRef::Blob(blob) => (blob.len() as u64 * 2 + 12, blob.len()),
    }
}

/// Writes a record.
pub fn encode(values: &[ValueRef<'_>]) -> Vec<u8> {
    let len = |value: &ValueRef<'_>| match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() + 5,
        _ => 9,
    };
    let mut out = Vec::with_capacity(2 + values.iter().map(len).sum::<usize>());
    encode_into(&mut out, values);
    out
}

/// Writes a record behind what is there.
pub(crate) fn encode_into(out: &mut Vec<u8>, values: &[ValueRef<'_>]) {
    let start = out.len();
    // Mostly the header is so short that its length is one byte.
    out.push(0);
    for value in values {
        varint::put(out, serial_of(value).0);
    }
    let types = out.len() - start - 1;
    // The length counts itself: one byte more of it may need one byte more again.
    match (1..).find(|own| varint::len((types + own) as u64) <= *own).unwrap_or(9) {
        1 => out[start] = types as u8 + 1,
        own => {
            let mut header = Vec::with_capacity(own);
            varint::put(&mut header, (types + own) as u64);
            out.splice(start..=start, header);
        }
    }
    for value in values {
        match *value {
            ValueRef::Integer(n) => out.extend_from_slice(&n.to_be_bytes()[8 - serial_of(value).1..]),
            ValueRef::Real(real) if !real.is_nan() => out.extend_from_slice(&real.to_be_bytes()),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => out.extend_from_slice(bytes),
            ValueRef::Real(_) | ValueRef::Null => {}
        }
    }
}

/// Where a record stands towards a key, by the columns that the key has: equal if the record begins with it. Columns beyond
/// those that are described are in binary order, the lowest first.
pub fn compare(
    record: &[u8],
    key: &[ValueRef<'_>],
    order: &[KeyColumn],
    encoding: Encoding,
) -> Result<Ordering, &'static str> {
    let mut columns = columns(record)?;
    for (at, wanted) in key.iter().enumerate() {
        let Some(found) = columns.next() else { return Ok(Ordering::Less) };
        let order = order.get(at).copied().unwrap_or_default();
        match order.compare(&found?, wanted, encoding) {
            Ordering::Equal => {}
            other => return Ok(other),
        }
    }
    Ok(Ordering::Equal)
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owned() -> impl Strategy<Value = (u8, i64, f64, Vec<u8>)> {
        (0..5_u8, any::<i64>(), any::<f64>(), proptest::collection::vec(any::<u8>(), 0..200))
    }

    proptest! {
        #[test]
        fn records_round_trip(owned in proptest::collection::vec((owned(), 0..64), 0..150)) {
            let values: Vec<_> = owned.iter().map(|((kind, n, real, bytes), shift)| match kind {
                0 => ValueRef::Null,
                1 => ValueRef::Integer(n >> shift),
                2 => ValueRef::Real(*real),
                3 => ValueRef::Text(bytes),
                _ => ValueRef::Blob(bytes),
            }).collect();
            let record = encode(&values);
            prop_assert_eq!(decode(&record), Ok(values.clone()));
            prop_assert_eq!(compare(&record, &values, &[], Encoding::Utf8), Ok(Ordering::Equal));
        }

        #[test]
        fn noise_is_a_record_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn integers_take_the_least_bytes() {
        let lens: Vec<_> = [0, 1, 2, 127, 128, -128, -129, 32767, 32768, 8_388_607, 8_388_608, i64::from(i32::MAX)]
            .into_iter()
            .chain([1 << 31, (1 << 47) - 1, 1 << 47, i64::MIN])
            .map(|n| encode(&[ValueRef::Integer(n)]).len() - 2)
            .collect();
        assert_eq!(lens, [0, 0, 1, 1, 2, 1, 2, 2, 3, 3, 4, 4, 6, 6, 8, 8]);
    }

    #[test]
    fn types_that_no_file_has_are_refused() {
        assert!(decode(&[2, 10]).is_err() && decode(&[2, 11]).is_err());
        assert!(
            decode(&[]).is_err() && decode(&[0]).is_err() && decode(&[9, 1]).is_err() && decode(&[2, 6, 1]).is_err()
        );
        // What is behind the last column is nobody's.
        assert_eq!(decode(&[2, 1, 5, 7]), Ok(vec![ValueRef::Integer(5)]));
    }
}
