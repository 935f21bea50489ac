//! The patterns of `BY` and `GET`: which value belongs to an element.

use xs_storage::keyspace::{Item, Str, Value};

use crate::db::Db;

/// `weight_*`, `object_*->field` or `#`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pattern<'a> {
    /// The element itself.
    Itself,
    /// No place for an element: never finds anything.
    Fixed,
    /// The string at the key that the element completes.
    Key { before: &'a [u8], after: &'a [u8] },
    /// A field of the hash at that key.
    Field { before: &'a [u8], after: &'a [u8], field: &'a [u8] },
}

/// What a pattern found.
pub(super) enum Found<'a> {
    Nothing,
    Bytes(&'a [u8]),
    Str(&'a Str),
    Item(Item<'a>),
}

impl<'a> Pattern<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Itself;
        }
        let Some(star) = text.iter().position(|&byte| byte == b'*') else { return Pattern::Fixed };
        let (before, after) = (&text[..star], &text[star + 1..]);
        match after.windows(2).position(|pair| pair == b"->") {
            Some(arrow) if arrow + 2 < after.len() => {
                Pattern::Field { before, after: &after[..arrow], field: &after[arrow + 2..] }
            }
            _ => Pattern::Key { before, after },
        }
    }

    /// Finds the value that belongs to `element`. `name` is room for the key's name.
    pub(super) fn find<'f>(&self, db: &'f mut Db<'_>, element: &'f [u8], name: &mut Vec<u8>) -> Found<'f> {
        let (before, after) = match self {
            Pattern::Itself => return Found::Bytes(element),
            Pattern::Fixed => return Found::Nothing,
            Pattern::Key { before, after } | Pattern::Field { before, after, .. } => (before, after),
        };
        name.clear();
        for part in [before, element, after] {
            name.extend_from_slice(part);
        }
        match (self, db.get(name)) {
            (Pattern::Key { .. }, Some(Value::Str(value))) => Found::Str(value),
            (Pattern::Field { field, .. }, Some(Value::Hash(hash))) => {
                hash.get(field).map_or(Found::Nothing, Found::Item)
            }
            _ => Found::Nothing,
        }
    }
}

impl<'a> Found<'a> {
    /// The bytes, with `scratch` as the place to print a number to.
    pub(super) fn as_bytes<'s>(&self, scratch: &'s mut [u8; 20]) -> Option<&'s [u8]>
    where
        'a: 's,
    {
        match *self {
            Found::Nothing => None,
            Found::Bytes(bytes) => Some(bytes),
            Found::Str(value) => Some(value.as_bytes(scratch)),
            Found::Item(item) => Some(item.as_bytes(scratch)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arrow_counts_behind_the_star_and_in_front_of_a_field() {
        let key = |before, after| Pattern::Key { before, after };
        assert_eq!(Pattern::parse(b"#"), Pattern::Itself);
        assert_eq!(Pattern::parse(b"##"), Pattern::Fixed);
        assert_eq!(Pattern::parse(b"w_*"), key(&b"w_"[..], &b""[..]));
        assert_eq!(Pattern::parse(b"a*b*c"), key(b"a", b"b*c"));
        assert_eq!(Pattern::parse(b"a->*"), key(b"a->", b""));
        assert_eq!(Pattern::parse(b"a*->"), key(b"a", b"->"));
        assert_eq!(Pattern::parse(b"a*b->c->d"), Pattern::Field { before: b"a", after: b"b", field: b"c->d" });
    }
}
