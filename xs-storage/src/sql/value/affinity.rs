//! What a column makes of the values that are put into it, and what it does to those that it is compared with.

use super::number::{self, Fit, Shape};
use super::{NumberText, Value};
use crate::row::ValueRef;

/// The storage that a column prefers. An expression that is no column may have none at all, which is an [`Option`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Affinity {
    /// Values stay what they are.
    #[default]
    Blob,
    /// Numbers become text.
    Text,
    /// Text that is a number becomes one; real numbers that are integers become integers.
    Numeric,
    /// As numeric; only `CAST` tells them apart.
    Integer,
    /// Text that is a number becomes one, and every number a real one.
    Real,
}

impl Affinity {
    /// Of a column by its declared type: by what stands in the type's name, of whatever case. No type is no preference.
    pub fn of_column(declared: &str) -> Affinity {
        if declared.is_empty() { Affinity::Blob } else { Affinity::of_cast(declared) }
    }

    /// Of the type that a `CAST` names; no name is a number's.
    pub fn of_cast(name: &str) -> Affinity {
        let has = |part: &str| name.as_bytes().windows(part.len()).any(|at| at.eq_ignore_ascii_case(part.as_bytes()));
        if has("INT") {
            Affinity::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Affinity::Text
        } else if has("BLOB") {
            Affinity::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Affinity::Real
        } else {
            Affinity::Numeric
        }
    }

    /// Which of two operands' affinities a comparison applies to both: a number's before all, else the only one that there is.
    pub fn of_comparison(left: Option<Affinity>, right: Option<Affinity>) -> Option<Affinity> {
        match (left, right) {
            (Some(left), Some(right)) if left.is_numeric() || right.is_numeric() => Some(Affinity::Numeric),
            (Some(_), Some(_)) => Some(Affinity::Blob),
            (one, other) => one.or(other),
        }
    }

    /// Whether it prefers numbers.
    pub fn is_numeric(self) -> bool {
        matches!(self, Affinity::Numeric | Affinity::Integer | Affinity::Real)
    }

    /// What a column of this affinity makes of a value. A number's text needs some room.
    pub fn apply<'a>(self, value: ValueRef<'a>, room: &'a mut NumberText) -> ValueRef<'a> {
        match (self, value) {
            (Affinity::Text, ValueRef::Integer(integer)) => ValueRef::Text(room.integer(integer)),
            (Affinity::Text, ValueRef::Real(real)) => ValueRef::Text(room.real(real)),
            (Affinity::Blob | Affinity::Text, value) => value,
            (Affinity::Real, value) => match as_number(value) {
                ValueRef::Integer(integer) => ValueRef::Real(integer as f64),
                // A column stores it as an integer, which has no sign when it is zero.
                ValueRef::Real(0.0) => ValueRef::Real(0.0),
                other => other,
            },
            (_, value) => match as_number(value) {
                ValueRef::Real(real) => number::as_integer(real).map_or(ValueRef::Real(real), ValueRef::Integer),
                other => other,
            },
        }
    }

    /// Whether it is plain that a value stays what it is.
    #[inline]
    pub(crate) fn keeps(self, value: &Value) -> bool {
        match (self, value) {
            (Affinity::Blob, _) | (_, Value::Null | Value::Blob(_)) => true,
            (Affinity::Text, value) => matches!(value, Value::Text(_)),
            (Affinity::Real, value) => matches!(value, Value::Real(real) if *real != 0.0),
            (_, value) => matches!(value, Value::Integer(_)),
        }
    }

    /// The same of a value that is one's own: what stays as it is costs nothing.
    pub fn apply_to(self, value: Value) -> Value {
        if self.keeps(&value) {
            return value;
        }
        let mut room = NumberText::new();
        match (value.as_ref(), self.apply(value.as_ref(), &mut room)) {
            (ValueRef::Text(_), ValueRef::Text(_)) => value,
            (_, changed) => changed.into(),
        }
    }

    /// What a comparison makes of an operand: text that is a number becomes one, a number text.
    pub(crate) fn for_comparison<'a>(self, value: ValueRef<'a>, room: &'a mut NumberText) -> ValueRef<'a> {
        match self {
            Affinity::Blob => value,
            Affinity::Text => self.apply(value, room),
            _ => as_number(value),
        }
    }
}

/// Text as the number that all of it is, and otherwise as it stands.
fn as_number(value: ValueRef<'_>) -> ValueRef<'_> {
    let ValueRef::Text(text) = value else { return value };
    // Most text doesn't begin like a number: that is seen at its first byte.
    if text.first().is_some_and(|first| first.is_ascii_alphabetic()) {
        return value;
    }
    match number::real(text) {
        (real, Shape::Integer) => match number::integer(text) {
            (integer, Fit::Whole) => ValueRef::Integer(integer),
            _ => ValueRef::Real(real),
        },
        (real, Shape::Real) => ValueRef::Real(real),
        _ => value,
    }
}
