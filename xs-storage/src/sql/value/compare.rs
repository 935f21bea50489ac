//! Which of two values comes first, and whether they are the same.

use std::cmp::Ordering;

use super::{Affinity, NumberText};
use crate::row::{Collation, Encoding, KeyColumn, ValueRef};

/// The order of all values, as `ORDER BY` sees them: nothing, numbers, text, blobs.
#[inline]
pub fn order(a: ValueRef<'_>, b: ValueRef<'_>, collation: Collation) -> Ordering {
    KeyColumn { collation, descending: false }.compare(&a, &b, Encoding::Utf8)
}

/// How a comparison operator finds two values, once the [affinity of the comparison](Affinity::of_comparison) is applied to
/// both; nothing, if one of them is nothing.
#[inline]
pub fn compare(a: ValueRef<'_>, b: ValueRef<'_>, affinity: Option<Affinity>, collation: Collation) -> Option<Ordering> {
    match (a, b) {
        (ValueRef::Integer(a), ValueRef::Integer(b)) if affinity != Some(Affinity::Text) => Some(a.cmp(&b)),
        (ValueRef::Null, _) | (_, ValueRef::Null) => None,
        (ValueRef::Integer(_) | ValueRef::Real(_), ValueRef::Integer(_) | ValueRef::Real(_))
            if affinity != Some(Affinity::Text) =>
        {
            Some(order(a, b, collation))
        }
        (ValueRef::Text(_), ValueRef::Text(_)) if !affinity.is_some_and(Affinity::is_numeric) => {
            Some(order(a, b, collation))
        }
        _ => {
            let affinity = affinity.unwrap_or_default();
            let (mut room_a, mut room_b) = (NumberText::new(), NumberText::new());
            let a = affinity.for_comparison(a, &mut room_a);
            let b = affinity.for_comparison(b, &mut room_b);
            Some(order(a, b, collation))
        }
    }
}

/// `a IS b`: as `=`, but that nothing is the same as nothing and not as anything else.
pub fn is(a: ValueRef<'_>, b: ValueRef<'_>, affinity: Option<Affinity>, collation: Collation) -> bool {
    match compare(a, b, affinity, collation) {
        Some(order) => order == Ordering::Equal,
        None => a.is_null() && b.is_null(),
    }
}
