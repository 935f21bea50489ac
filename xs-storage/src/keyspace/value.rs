//! What a key may hold.

use super::hash::Hash;
use super::list::List;
use super::set::Set;
use super::stream::Stream;
use super::string::Str;
use super::zset::Zset;

/// A typed value, in 24 bytes.
#[derive(Debug, Clone)]
pub enum Value {
    /// A string.
    Str(Str),
    /// A list of strings.
    List(List),
    /// Fields with values.
    Hash(Hash),
    /// A set of strings.
    Set(Set),
    /// A set of strings in the order of their scores.
    Zset(Zset),
    /// A log of entries with consumer groups.
    Stream(Box<Stream>),
}

impl Value {
    /// The name of the type, as the command `TYPE` answers it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Str(_) => "string",
            Value::List(_) => "list",
            Value::Hash(_) => "hash",
            Value::Set(_) => "set",
            Value::Zset(_) => "zset",
            Value::Stream(_) => "stream",
        }
    }

    /// The name of the present form, as `OBJECT ENCODING` answers it.
    pub fn encoding(&self) -> &'static str {
        match self {
            Value::Str(value) => value.encoding(),
            Value::List(value) => value.encoding(),
            Value::Hash(value) => value.encoding(),
            Value::Set(value) => value.encoding(),
            Value::Zset(value) => value.encoding(),
            Value::Stream(_) => "stream",
        }
    }

    /// The bytes that the value takes on the heap. O(1).
    #[inline]
    pub fn allocated_bytes(&self) -> usize {
        match self {
            Value::Str(value) => value.allocated_bytes(),
            Value::List(value) => value.allocated_bytes(),
            Value::Hash(value) => value.allocated_bytes(),
            Value::Set(value) => value.allocated_bytes(),
            Value::Zset(value) => value.allocated_bytes(),
            Value::Stream(value) => super::alloc_size(size_of::<Stream>()) + value.allocated_bytes(),
        }
    }

    /// About how many allocations the value is made of: what dropping it costs. O(1), but for streams O(groups).
    pub fn pieces(&self) -> usize {
        match self {
            Value::Str(_) => 1,
            Value::List(value) => value.nodes(),
            Value::Hash(value) if value.encoding() == "hashtable" => value.len(),
            Value::Set(value) if value.encoding() == "hashtable" => value.len(),
            Value::Zset(value) if value.encoding() == "skiplist" => value.len(),
            Value::Hash(_) | Value::Set(_) | Value::Zset(_) => 1,
            Value::Stream(value) => {
                value.nodes() + value.groups().map(|(_, group)| 1 + group.pending_len()).sum::<usize>()
            }
        }
    }

    /// Whether this is a collection without an element, which a keyspace does not keep. Strings and streams may be empty.
    #[inline]
    pub fn is_spent(&self) -> bool {
        match self {
            Value::Str(_) | Value::Stream(_) => false,
            Value::List(value) => value.is_empty(),
            Value::Hash(value) => value.is_empty(),
            Value::Set(value) => value.is_empty(),
            Value::Zset(value) => value.is_empty(),
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
    Hash Hash, as_hash, as_hash_mut, "hash";
    Set Set, as_set, as_set_mut, "set";
    Zset Zset, as_zset, as_zset_mut, "sorted set";
    Stream Stream, as_stream, as_stream_mut, "stream";
}

macro_rules! from {
    ($($type:ident)*) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Value::$type(value)
            }
        })*
    };
}

from!(Str List Hash Set Zset);

impl From<Stream> for Value {
    fn from(value: Stream) -> Self {
        Value::Stream(Box::new(value))
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_three_words() {
        assert_eq!(size_of::<Value>(), 24);
        assert_eq!(size_of::<Option<Value>>(), 24);
    }
}
