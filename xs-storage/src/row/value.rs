//! What a column of a record holds, and how two of them compare.

use std::borrow::Cow;
use std::cmp::Ordering;

/// How text is written: one encoding for a whole database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-16, the lower byte first.
    Utf16Le,
    /// UTF-16, the higher byte first.
    Utf16Be,
}

impl Encoding {
    /// Text from its bytes. What is no text is replaced by U+FFFD, as SQLite does when it converts.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        let unit = match self {
            Encoding::Utf8 => return String::from_utf8_lossy(bytes),
            Encoding::Utf16Le => u16::from_le_bytes,
            Encoding::Utf16Be => u16::from_be_bytes,
        };
        let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
        char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    }

    /// The bytes of a text.
    pub fn encode(self, text: &str) -> Cow<'_, [u8]> {
        match self {
            Encoding::Utf8 => Cow::Borrowed(text.as_bytes()),
            Encoding::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Encoding::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }
}

/// A column's value. Text is in the database's [`Encoding`]: what is there may be no text at all, and is kept as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Another number; a NaN is written as [`ValueRef::Null`].
    Real(f64),
    /// Text.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

/// A number, or that a value is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Integer(i64),
    /// Never NaN.
    Real(f64),
    /// Anything else.
    Other,
}

/// The same as it goes from function to function: in two registers, where a [`ValueRef`] takes memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed {
    kind: Kind,
    bits: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Real,
    Other,
}

impl From<Number> for Packed {
    #[inline(always)]
    fn from(number: Number) -> Packed {
        match number {
            Number::Integer(integer) => Packed { kind: Kind::Integer, bits: integer as u64 },
            Number::Real(real) => Packed { kind: Kind::Real, bits: real.to_bits() },
            Number::Other => Packed { kind: Kind::Other, bits: 0 },
        }
    }
}

impl From<Packed> for Number {
    #[inline(always)]
    fn from(packed: Packed) -> Number {
        match packed.kind {
            Kind::Integer => Number::Integer(packed.bits as i64),
            Kind::Real => Number::Real(f64::from_bits(packed.bits)),
            Kind::Other => Number::Other,
        }
    }
}

impl Number {
    #[inline]
    pub(crate) fn value(self) -> Option<ValueRef<'static>> {
        match self {
            Number::Integer(integer) => Some(ValueRef::Integer(integer)),
            Number::Real(real) => Some(ValueRef::Real(real)),
            Number::Other => None,
        }
    }

    /// Which of two numbers is the greater one, exactly.
    #[inline]
    pub(crate) fn order(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Integer(a), Number::Integer(b)) => Some(a.cmp(&b)),
            (Number::Real(a), Number::Real(b)) => a.partial_cmp(&b),
            (Number::Integer(a), Number::Real(b)) => Some(integer_and_real(a, b)),
            (Number::Real(a), Number::Integer(b)) => Some(integer_and_real(b, a).reverse()),
            _ => None,
        }
    }
}

/// The three orders of text that every database has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collation {
    /// By the bytes as they stand in the file, UTF-16 too.
    #[default]
    Binary,
    /// As if A to Z were a to z.
    NoCase,
    /// Without the spaces at the end.
    Rtrim,
}

impl Collation {
    #[inline]
    pub(crate) fn compare(self, a: &[u8], b: &[u8], encoding: Encoding) -> Ordering {
        if self == Collation::Binary {
            return a.cmp(b);
        }
        // The other two know UTF-8 only, and whoever has something else converts it for them.
        let (a, b) = match encoding {
            Encoding::Utf8 => (Cow::Borrowed(a), Cow::Borrowed(b)),
            _ => (in_utf8(encoding.decode(a)), in_utf8(encoding.decode(b))),
        };
        match self {
            Collation::Rtrim => trimmed(&a).cmp(trimmed(&b)),
            _ => a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase)),
        }
    }
}

fn in_utf8(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    Cow::Owned(text.into_owned().into_bytes())
}

fn trimmed(text: &[u8]) -> &[u8] {
    &text[..text.len() - text.iter().rev().take_while(|byte| **byte == b' ').count()]
}

/// How one column of an index is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyColumn {
    /// The order of its text.
    pub collation: Collation,
    /// Whether the highest value comes first.
    pub descending: bool,
}

impl KeyColumn {
    /// Compares two values as this column orders them: nothing, numbers, text, bytes.
    #[inline]
    pub fn compare(self, a: &ValueRef<'_>, b: &ValueRef<'_>, encoding: Encoding) -> Ordering {
        let ascending = match (a, b) {
            (ValueRef::Integer(a), ValueRef::Integer(b)) => a.cmp(b),
            (ValueRef::Real(a), ValueRef::Real(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (ValueRef::Integer(a), ValueRef::Real(b)) => integer_and_real(*a, *b),
            (ValueRef::Real(a), ValueRef::Integer(b)) => integer_and_real(*b, *a).reverse(),
            (ValueRef::Text(a), ValueRef::Text(b)) => self.collation.compare(a, b, encoding),
            (ValueRef::Blob(a), ValueRef::Blob(b)) => a.cmp(b),
            _ => class(a).cmp(&class(b)),
        };
        if self.descending { ascending.reverse() } else { ascending }
    }
}

fn class(value: &ValueRef<'_>) -> u8 {
    match value {
        ValueRef::Null => 0,
        ValueRef::Integer(_) | ValueRef::Real(_) => 1,
        ValueRef::Text(_) => 2,
        ValueRef::Blob(_) => 3,
    }
}

/// Exactly, where a conversion of the one to the other's type would round.
#[inline]
fn integer_and_real(a: i64, b: f64) -> Ordering {
    const EXACT: i64 = 1 << 53;
    match (-EXACT..=EXACT).contains(&a) {
        true => (a as f64).partial_cmp(&b).unwrap_or(Ordering::Equal),
        false => large_integer_and_real(a, b),
    }
}

fn large_integer_and_real(a: i64, b: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if b >= BEYOND {
        return Ordering::Less;
    }
    if b < -BEYOND {
        return Ordering::Greater;
    }
    let whole = b.trunc();
    a.cmp(&(whole as i64)).then_with(|| 0.0.partial_cmp(&(b - whole)).unwrap_or(Ordering::Equal))
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    fn order(collation: Collation, a: &str, b: &str, encoding: Encoding) -> Ordering {
        let (a, b) = (encoding.encode(a), encoding.encode(b));
        KeyColumn { collation, descending: false }.compare(&ValueRef::Text(&a), &ValueRef::Text(&b), encoding)
    }

    #[test]
    fn collations_order_text() {
        for encoding in [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be] {
            assert_eq!(order(Collation::NoCase, "aBc", "AbC", encoding), Ordering::Equal);
            assert_eq!(order(Collation::NoCase, "ab", "ABC", encoding), Ordering::Less);
            assert_eq!(order(Collation::Rtrim, "a  ", "a", encoding), Ordering::Equal);
            assert_eq!(order(Collation::Rtrim, " a", "a", encoding), Ordering::Less);
        }
        assert_eq!(order(Collation::Binary, "a", "B", Encoding::Utf8), Ordering::Greater);
        // Bytes of UTF-16, not characters: U+0100 begins with a zero byte when the lower one comes first.
        assert_eq!(order(Collation::Binary, "\u{100}", "a", Encoding::Utf16Le), Ordering::Less);
        assert_eq!(order(Collation::Binary, "\u{100}", "a", Encoding::Utf16Be), Ordering::Greater);
    }

    #[test]
    fn numbers_compare_exactly() {
        let column = KeyColumn::default();
        let order = |a, b| column.compare(&a, &b, Encoding::Utf8);
        let big = (1_i64 << 53) + 1;
        assert_eq!(order(ValueRef::Integer(big), ValueRef::Real((1_i64 << 53) as f64)), Ordering::Greater);
        assert_eq!(order(ValueRef::Integer(i64::MAX), ValueRef::Real(i64::MAX as f64)), Ordering::Less);
        assert_eq!(order(ValueRef::Integer(i64::MIN), ValueRef::Real(i64::MIN as f64)), Ordering::Equal);
        assert_eq!(order(ValueRef::Real(-1.5), ValueRef::Integer(-1)), Ordering::Less);
        assert_eq!(order(ValueRef::Integer(-2), ValueRef::Real(-1.5)), Ordering::Less);
        assert_eq!(order(ValueRef::Null, ValueRef::Integer(i64::MIN)), Ordering::Less);
        assert_eq!(order(ValueRef::Text(b"z"), ValueRef::Blob(b"")), Ordering::Less);
        assert_eq!(order(ValueRef::Real(f64::INFINITY), ValueRef::Text(b"")), Ordering::Less);
    }
}
