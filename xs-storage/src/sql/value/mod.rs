//! Values as SQLite understands them: five kinds, and rules that let everything meet everything.
//!
//! # The problem
//!
//! In SQLite, a value has a type and a column has none that binds. `'10' + 1` is 11, `'10' = 10` is false, and the same
//! comparison is true if one side is a column that was declared `INT`. Programs rely on each of these. So the rules that turn
//! text into numbers and back, that order values and that compute with them are part of the dialect as much as its grammar.
//!
//! # How it works
//!
//! ```text
//!  storage class    NULL   INTEGER   REAL    TEXT   BLOB
//!                            i64      f64    bytes  bytes
//!  order             1st   ╰─── 2nd, exactly ───╯   3rd    4th
//!
//!  column's type ─▶ Affinity ─▶ what it makes of a value that is stored, and of an operand that is compared
//! ```
//!
//! [`ValueRef`] borrows text and blobs from wherever they lie, a page most often; all operators work on
//! it. [`Value`] owns them, and a copy of it shares them. Numbers that come out are borrowed from nothing, so that arithmetic
//! allocates nothing; where a number becomes text, a [`NumberText`] on the stack has room for it.
//!
//! Text is UTF-8 here. It may hold any bytes nevertheless, and they are kept as they are.
//!
//! There are three ways from text to a number. A column's affinity takes a text that is one as a whole (`'12'`, not `'12a'`).
//! Arithmetic takes what a text begins with, an integer if that is one. `CAST` to an integer takes the digits that it begins
//! with, and `'1e3'` is 1 then.
//!
//! # Invariants
//!
//! - A real number is never NaN: what would be is nothing.
//! - An integer that is compared with a real number is compared exactly, not as rounded to one.
//! - Integers that overflow become real numbers. Nothing panics.
//! - A number's text that has at most fifteen digits is read back as that number.
//! - Matching a pattern takes time bounded by the product of the two lengths.
//!
//! # Cost
//!
//! Arithmetic on numbers is a few instructions; text is parsed each time. A real number's text costs its formatting twice at
//! most, in the rare case that decides a half. A [`Pattern`] is read once and matched often.
//!
//! # Example
//!
//! ```
//! use xs_storage::sql::value::{self, NumberText};
//! use xs_storage::sql::{Affinity, Collation, Value, ValueRef};
//!
//! let text = Value::from("10");
//! assert_eq!(value::add(text.as_ref(), ValueRef::Integer(1)), ValueRef::Integer(11));
//!
//! let equal = |affinity| value::compare(text.as_ref(), ValueRef::Integer(10), affinity, Collation::Binary);
//! assert!(equal(None).is_some_and(|order| order.is_gt()), "text comes behind all numbers");
//! assert!(equal(Some(Affinity::of_column("INT"))).is_some_and(|order| order.is_eq()));
//!
//! let third = value::divide(ValueRef::Real(1.0), ValueRef::Integer(3));
//! assert_eq!(third.text_in(&mut NumberText::new()), Some(&b"0.333333333333333"[..]));
//! ```
//!
//! # How others do it
//!
//! PostgreSQL gives every expression one type before anything runs, and refuses what doesn't fit. MySQL converts as freely as
//! SQLite, but columns convert what is stored. SQLite itself keeps text and number side by side in one cell and converts in
//! place; here a value is immutable.
//!
//! SQLite parses and prints real numbers with arithmetic of its own, which is a last digit off at times, differently from
//! version to version. Here both are exact: the nearest double, and the nearest fifteen digits, a half upwards.
//!
//! # What this leaves out
//!
//! Collations of a program's own. Case and order of letters beyond ASCII, as SQLite does without its extension.
//!
//! # Try next
//!
//! Predict `'0x10' + 0`, `'1e1' = 10`, `CAST('1e1' AS INT)` and `'-' || -0.0`; then ask. Then read about
//! [`Affinity::of_comparison`].
//!
//! # Sources
//!
//! - <https://www.sqlite.org/datatype3.html>, <https://www.sqlite.org/lang_expr.html>, <https://www.sqlite.org/floatingpoint.html>

mod affinity;
mod arithmetic;
mod compare;
mod convert;
mod matcher;
mod number;
mod pattern;
mod real;

use std::sync::Arc;

pub use affinity::Affinity;
pub use arithmetic::{
    TooBig, add, and, bit_and, bit_not, bit_or, concat, divide, multiply, negate, not, or, remainder, shift_left,
    shift_right, subtract,
};
pub use compare::{compare, is, order};
pub(in crate::sql) use matcher::Matcher;
pub(crate) use number::{is_space, whole as whole_number};
pub use pattern::{Pattern, PatternError, PatternKind, like};
pub use real::NumberText;

use crate::row::ValueRef;

/// A value that owns what it says. A clone shares text and blobs.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A whole number.
    Integer(i64),
    /// Another number, never NaN.
    Real(f64),
    /// Text, which is UTF-8 unless somebody made it of other bytes.
    Text(Arc<[u8]>),
    /// Bytes.
    Blob(Arc<[u8]>),
}

impl Value {
    /// The value, borrowed.
    #[inline]
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Real(real) => ValueRef::Real(*real),
            Value::Text(text) => ValueRef::Text(text),
            Value::Blob(blob) => ValueRef::Blob(blob),
        }
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Value {
        match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(integer) => Value::Integer(integer),
            ValueRef::Real(real) => real.into(),
            ValueRef::Text(text) => Value::Text(text.into()),
            ValueRef::Blob(blob) => Value::Blob(blob.into()),
        }
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> ValueRef<'a> {
        value.as_ref()
    }
}

impl From<f64> for Value {
    fn from(real: f64) -> Value {
        if real.is_nan() { Value::Null } else { Value::Real(real) }
    }
}

impl From<f32> for Value {
    fn from(real: f32) -> Value {
        f64::from(real).into()
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Value {
            fn from(integer: $integer) -> Value {
                Value::Integer(integer.into())
            }
        }
    )*};
}

integers!(bool, i8, i16, i32, i64, u8, u16, u32);

impl From<isize> for Value {
    fn from(integer: isize) -> Value {
        Value::Integer(integer as i64)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.as_bytes().into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text.into_bytes().into())
    }
}

impl From<&[u8]> for Value {
    fn from(blob: &[u8]) -> Value {
        Value::Blob(blob.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(blob: Vec<u8>) -> Value {
        Value::Blob(blob.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

#[cfg(test)]
mod tests;
