//! Values as numbers, as text, as truth; and `CAST`.

use std::borrow::Cow;

use super::number::{self, Fit, Shape};
use super::{Affinity, NumberText};
use crate::row::ValueRef;

impl<'a> ValueRef<'a> {
    /// What `typeof()` says.
    pub fn type_name(self) -> &'static str {
        match self {
            ValueRef::Null => "null",
            ValueRef::Integer(_) => "integer",
            ValueRef::Real(_) => "real",
            ValueRef::Text(_) => "text",
            ValueRef::Blob(_) => "blob",
        }
    }

    /// Whether it is nothing.
    pub fn is_null(self) -> bool {
        matches!(self, ValueRef::Null)
    }

    /// As an integer: a real number towards zero, the integer that a text or blob begins with, zero for nothing.
    pub fn to_integer(self) -> i64 {
        match self {
            ValueRef::Null => 0,
            ValueRef::Integer(integer) => integer,
            ValueRef::Real(real) => number::truncated(real),
            ValueRef::Text(text) | ValueRef::Blob(text) => number::integer(text).0,
        }
    }

    /// As a real number: the one that a text or blob begins with, zero for nothing.
    pub fn to_real(self) -> f64 {
        match self {
            ValueRef::Null => 0.0,
            ValueRef::Integer(integer) => integer as f64,
            ValueRef::Real(real) => real,
            ValueRef::Text(text) | ValueRef::Blob(text) => number::real(text).0,
        }
    }

    /// As the number that arithmetic sees: an integer where the text or blob begins with one that fits, or is none at all.
    pub fn to_number(self) -> ValueRef<'static> {
        match self {
            ValueRef::Null => ValueRef::Null,
            ValueRef::Integer(integer) => ValueRef::Integer(integer),
            ValueRef::Real(real) => ValueRef::Real(real),
            ValueRef::Text(text) | ValueRef::Blob(text) => match number::real(text) {
                (_, Shape::Integer | Shape::Other) if number::integer(text).1 != Fit::TooLarge => {
                    ValueRef::Integer(number::integer(text).0)
                }
                (real, _) => ValueRef::Real(real),
            },
        }
    }

    /// As a condition: whether it is a number other than zero. Nothing is neither.
    pub fn truth(self) -> Option<bool> {
        match self {
            ValueRef::Null => None,
            ValueRef::Integer(integer) => Some(integer != 0),
            other => Some(other.to_real() != 0.0),
        }
    }

    /// As text, for which a number needs some room. A blob's bytes are taken as text. Nothing has none.
    pub fn text_in(self, room: &'a mut NumberText) -> Option<&'a [u8]> {
        match self {
            ValueRef::Null => None,
            ValueRef::Integer(integer) => Some(room.integer(integer)),
            ValueRef::Real(real) => Some(room.real(real)),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
        }
    }

    /// As text of its own where it is a number.
    pub fn to_text(self) -> Option<Cow<'a, [u8]>> {
        match self {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(Cow::Borrowed(bytes)),
            number => number.text_in(&mut NumberText::new()).map(|text| Cow::Owned(text.to_vec())),
        }
    }

    /// `CAST(value AS type)`, by the affinity that [`Affinity::of_cast`] gives the type. A number's text needs some room.
    pub fn cast(self, to: Affinity, room: &'a mut NumberText) -> ValueRef<'a> {
        match to {
            _ if self.is_null() => ValueRef::Null,
            Affinity::Blob => self.text_in(room).map_or(ValueRef::Null, ValueRef::Blob),
            Affinity::Text => self.text_in(room).map_or(ValueRef::Null, ValueRef::Text),
            Affinity::Integer => ValueRef::Integer(self.to_integer()),
            Affinity::Real => ValueRef::Real(self.to_real()),
            Affinity::Numeric => match self {
                ValueRef::Text(text) | ValueRef::Blob(text) => cast_to_number(text),
                number => number,
            },
        }
    }
}

/// An integer where nothing is lost by it.
fn cast_to_number(text: &[u8]) -> ValueRef<'static> {
    let (real, shape) = number::real(text);
    if matches!(shape, Shape::Integer | Shape::Other) {
        let (integer, fit) = number::integer(text);
        if fit != Fit::TooLarge {
            return ValueRef::Integer(integer);
        }
    }
    number::as_small_integer(real).map_or(ValueRef::Real(real), ValueRef::Integer)
}
