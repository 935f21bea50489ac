//! Values into a statement and out of it.

use crate::row::ValueRef;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::value::Value;

/// What a statement's parameters are set to.
pub trait Params {
    /// Gives the values one after the other, each with its name if it is set by name.
    fn give(self, set: &mut dyn FnMut(Option<&str>, Value) -> Result<()>) -> Result<()>;
}

impl Params for () {
    fn give(self, _: &mut dyn FnMut(Option<&str>, Value) -> Result<()>) -> Result<()> {
        Ok(())
    }
}

impl<T: Into<Value>, const N: usize> Params for [T; N] {
    fn give(self, set: &mut dyn FnMut(Option<&str>, Value) -> Result<()>) -> Result<()> {
        self.into_iter().try_for_each(|value| set(None, value.into()))
    }
}

impl<T: Into<Value>> Params for Vec<T> {
    fn give(self, set: &mut dyn FnMut(Option<&str>, Value) -> Result<()>) -> Result<()> {
        self.into_iter().try_for_each(|value| set(None, value.into()))
    }
}

/// By name, with the character that it begins with.
impl Params for &[(&str, Value)] {
    fn give(self, set: &mut dyn FnMut(Option<&str>, Value) -> Result<()>) -> Result<()> {
        self.iter().try_for_each(|(name, value)| set(Some(name), value.clone()))
    }
}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: Into<Value>),+> Params for ($($name,)+) {
            #[expect(non_snake_case, reason = "the macro names the values as their types")]
            fn give(self, set: &mut dyn FnMut(Option<&str>, Value) -> Result<()>) -> Result<()> {
                let ($($name,)+) = self;
                $(set(None, $name.into())?;)+
                Ok(())
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);

/// What a column's value can become.
pub trait FromValue: Sized {
    /// From a value that is borrowed from its row.
    fn from_value(value: ValueRef<'_>) -> Result<Self>;
}

fn wrong(value: ValueRef<'_>, wanted: &str) -> Failure {
    Failure::new(ResultCode::MISMATCH, format!("a value of type {} where {wanted} is wanted", value.type_name()))
}

impl FromValue for Value {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        Ok(value.into())
    }
}

impl FromValue for i64 {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Integer(n) => Ok(n),
            other => Err(wrong(other, "an integer")),
        }
    }
}

impl FromValue for bool {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        i64::from_value(value).map(|n| n != 0)
    }
}

impl FromValue for f64 {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Integer(n) => Ok(n as f64),
            ValueRef::Real(real) => Ok(real),
            other => Err(wrong(other, "a number")),
        }
    }
}

impl FromValue for String {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Text(text) => String::from_utf8(text.to_vec())
                .map_err(|_| Failure::new(ResultCode::MISMATCH, "text that is no UTF-8")),
            other => Err(wrong(other, "text")),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Blob(bytes) => Ok(bytes.to_vec()),
            other => Err(wrong(other, "a blob")),
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}
