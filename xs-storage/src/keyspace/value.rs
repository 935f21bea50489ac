//! What a key may hold.

use super::list::List;
use super::stream::Stream;
use super::string::Str;

/// A typed value, in 24 bytes.
#[derive(Debug, Clone)]
pub enum Value {
    /// A string.
    Str(Str),
    /// A list.
    List(List),
    /// A log of entries with consumer groups.
    Stream(Box<Stream>),
}

impl Value {
    /// The name of the type, as the command `TYPE` answers it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Str(_) => "string",
            Value::List(_) => "list",
            Value::Stream(_) => "stream",
        }
    }

    /// The name of the present form, as `OBJECT ENCODING` answers it.
    pub fn encoding(&self) -> &'static str {
        match self {
            Value::Str(value) => value.encoding(),
            Value::List(value) => value.encoding(),
            Value::Stream(_) => "stream",
        }
    }

    /// The bytes that the value takes on the heap. O(1).
    #[inline]
    pub fn allocated_bytes(&self) -> usize {
        match self {
            Value::Str(value) => value.allocated_bytes(),
            Value::List(value) => value.allocated_bytes(),
            Value::Stream(value) => value.allocated_bytes(),
        }
    }

    /// Whether this is a collection without an element, which a keyspace does not keep. Strings and streams may be empty.
    #[inline]
    pub fn is_spent(&self) -> bool {
        match self {
            Value::Str(_) | Value::Stream(_) => false,
            Value::List(value) => value.is_empty(),
        }
    }

    /// Asks for what a read will need, ahead of it.
    #[inline]
    pub(super) fn prefetch(&self) {
        if let Value::Str(value) = self {
            value.prefetch();
        }
    }
}

macro_rules! views {
    ($($variant:ident $type:ty, $get:ident, $get_mut:ident, $what:literal;)*) => {
        impl Value {
            $(
                #[doc = concat!("The ", $what, ", if it is one.")]
                #[inline]
                pub fn $get(&self) -> Option<&$type> {
                    match self {
                        Value::$variant(value) => Some(value),
                        _ => None,
                    }
                }

                #[doc = concat!("The ", $what, " to change, if it is one.")]
                #[inline]
                pub fn $get_mut(&mut self) -> Option<&mut $type> {
                    match self {
                        Value::$variant(value) => Some(value),
                        _ => None,
                    }
                }
            )*
        }
    };
}

views! {
    Str Str, as_str, as_str_mut, "string";
    List List, as_list, as_list_mut, "list";
    Stream Stream, as_stream, as_stream_mut, "stream";
}

impl From<Str> for Value {
    fn from(value: Str) -> Self {
        Value::Str(value)
    }
}

impl From<List> for Value {
    fn from(value: List) -> Self {
        Value::List(value)
    }
}

impl From<Stream> for Value {
    fn from(value: Stream) -> Self {
        Value::Stream(Box::new(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_three_words() {
        assert_eq!(size_of::<Value>(), 24);
        assert_eq!(size_of::<Option<Value>>(), 24);
    }
}
