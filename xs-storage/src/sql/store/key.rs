//! Values as bytes whose order is the values' order: what a sorted map, a set or an engine of bytes can compare by itself.
//!
//! ```text
//!   05                              nothing
//!   10 ffffffffffffffff rrrr        a number: the nearest float, its bits turned so that they sort; what is left to an integer
//!   20 text 00 00                   text, as its collation folds it; a zero inside is 00 ff
//!   30 bytes 00 00                  bytes, likewise
//! ```
//!
//! An integer is the float next to it and a rest of at most 1024, and both together order integers and floats exactly: rounding
//! keeps the order, and a float equals its own rounding. A descending column is all of it, turned over.

use crate::row::{Collation, KeyColumn, ValueRef};

const NULL: u8 = 0x05;
const NUMBER: u8 = 0x10;
const TEXT: u8 = 0x20;
const BLOB: u8 = 0x30;

/// Appends a value in the order of a column.
pub(in crate::sql) fn push(out: &mut Vec<u8>, value: ValueRef<'_>, column: KeyColumn) {
    let start = out.len();
    match value {
        ValueRef::Null => out.push(NULL),
        ValueRef::Integer(n) => {
            let near = n as f64;
            // Up to 53 bits, nothing is lost.
            let rest = if n.unsigned_abs() <= 1 << 53 { 0 } else { (i128::from(n) - near as i128) as i16 };
            number(out, near, rest);
        }
        ValueRef::Real(real) => number(out, real, 0),
        ValueRef::Text(text) => {
            out.push(TEXT);
            match column.collation {
                Collation::Binary => escaped_bytes(out, text),
                Collation::NoCase => escaped(out, text.iter().map(u8::to_ascii_lowercase)),
                Collation::Rtrim => {
                    let spaces = text.iter().rev().take_while(|byte| **byte == b' ').count();
                    escaped(out, text[..text.len() - spaces].iter().copied());
                }
            }
        }
        ValueRef::Blob(bytes) => {
            out.push(BLOB);
            escaped_bytes(out, bytes);
        }
    }
    if column.descending {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

fn number(out: &mut Vec<u8>, near: f64, rest: i16) {
    // Both zeros are one number.
    let bits = (near + 0.0).to_bits();
    let sorted = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    let mut bytes = [NUMBER; 11];
    bytes[1..9].copy_from_slice(&sorted.to_be_bytes());
    bytes[9..].copy_from_slice(&((rest as u16) ^ 0x8000).to_be_bytes());
    out.extend_from_slice(&bytes);
}

/// Most have no zero inside.
fn escaped_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.contains(&0) {
        return escaped(out, bytes.iter().copied());
    }
    out.extend_from_slice(bytes);
    out.extend_from_slice(&[0, 0]);
}

fn escaped(out: &mut Vec<u8>, bytes: impl Iterator<Item = u8>) {
    for byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

/// The first column of an ascending key, and what is behind it.
pub(in crate::sql) fn split(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = match *key.first()? {
        NULL => 1,
        NUMBER => 11,
        _ => {
            let mut at = 1;
            loop {
                match key.get(at..at + 2)? {
                    [0, 0] => break at + 2,
                    [0, _] => at += 2,
                    _ => at += 1,
                }
            }
        }
    };
    key.split_at_checked(len)
}

/// The key of several columns; those that `order` does not tell of are ascending and binary.
pub(in crate::sql) fn of(values: &[ValueRef<'_>], order: &[KeyColumn]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 12);
    for (at, value) in values.iter().enumerate() {
        push(&mut out, *value, order.get(at).copied().unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Encoding;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = (u8, i64, f64, Vec<u8>)> {
        let near = prop_oneof![any::<i64>(), -3..3_i64, (1_i64 << 53) - 4..(1_i64 << 53) + 4, i64::MAX - 9..=i64::MAX];
        let byte = prop_oneof![Just(0_u8), Just(b' '), Just(b'a'), Just(b'A'), any::<u8>()];
        (0..6_u8, near, any::<f64>(), proptest::collection::vec(byte, 0..4))
    }

    fn make((kind, n, real, bytes): &(u8, i64, f64, Vec<u8>)) -> ValueRef<'_> {
        match kind {
            0 => ValueRef::Null,
            1 => ValueRef::Integer(*n),
            2 => ValueRef::Real(*real),
            3 => ValueRef::Real(*n as f64),
            4 => ValueRef::Text(bytes),
            _ => ValueRef::Blob(bytes),
        }
    }

    proptest! {
        #[test]
        fn bytes_order_as_values_do(a in value(), b in value(), collation in 0..3_u8, descending: bool) {
            let collation = [Collation::Binary, Collation::NoCase, Collation::Rtrim][usize::from(collation)];
            let (a, b, column) = (make(&a), make(&b), KeyColumn { collation, descending });
            let keys = of(&[a], &[column]).cmp(&of(&[b], &[column]));
            prop_assert_eq!(keys, column.compare(&a, &b, Encoding::Utf8));
            let ascending = KeyColumn { collation, descending: false };
            let (whole, first) = (of(&[a, b], &[ascending; 2]), of(&[a], &[ascending]));
            prop_assert_eq!(split(&whole), Some((&first[..], &whole[first.len()..])));
        }
    }
}
