//! A range of keys: where to begin, where to end.

use std::borrow::Cow;
use std::ops::Bound;

/// Keys from one bound to another, in byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange<'a> {
    /// Where it begins.
    pub start: Bound<Cow<'a, [u8]>>,
    /// Where it ends.
    pub end: Bound<Cow<'a, [u8]>>,
}

impl<'a> KeyRange<'a> {
    /// Every key.
    pub const fn all() -> Self {
        KeyRange { start: Bound::Unbounded, end: Bound::Unbounded }
    }

    /// The keys from `start`, which is in it, to `end`, which is not.
    pub fn between(start: &'a [u8], end: &'a [u8]) -> Self {
        KeyRange { start: Bound::Included(start.into()), end: Bound::Excluded(end.into()) }
    }

    /// The keys from `start` on.
    pub fn from(start: &'a [u8]) -> Self {
        KeyRange { start: Bound::Included(start.into()), end: Bound::Unbounded }
    }

    /// The keys that begin with `prefix`.
    ///
    /// ```
    /// # use xs_storage::engine::KeyRange;
    /// let range = KeyRange::prefix(b"a\xff");
    /// assert!(range.contains(b"a\xff\xff") && !range.contains(b"b") && !range.contains(b"a"));
    /// ```
    pub fn prefix(prefix: &'a [u8]) -> Self {
        // The first key behind all of them: the last byte that can still be raised, raised, and nothing behind it.
        let end = match prefix.iter().rposition(|&byte| byte < u8::MAX) {
            Some(last) => {
                let mut end = prefix[..=last].to_vec();
                end[last] += 1;
                Bound::Excluded(Cow::Owned(end))
            }
            None => Bound::Unbounded,
        };
        KeyRange { start: Bound::Included(prefix.into()), end }
    }

    /// Whether a key lies in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        !self.is_before(key) && !self.is_after(key)
    }

    /// Whether a key lies in front of the range.
    pub fn is_before(&self, key: &[u8]) -> bool {
        match &self.start {
            Bound::Included(start) => key < &start[..],
            Bound::Excluded(start) => key <= &start[..],
            Bound::Unbounded => false,
        }
    }

    /// Whether a key lies behind the range.
    pub fn is_after(&self, key: &[u8]) -> bool {
        match &self.end {
            Bound::Included(end) => key > &end[..],
            Bound::Excluded(end) => key >= &end[..],
            Bound::Unbounded => false,
        }
    }

    /// The same range, owning its bounds.
    pub fn into_owned(self) -> KeyRange<'static> {
        let own = |bound: Bound<Cow<'a, [u8]>>| bound.map(|key| Cow::Owned(key.into_owned()));
        KeyRange { start: own(self.start), end: own(self.end) }
    }
}

/// The first key behind this one.
#[cfg(any(feature = "lsm", feature = "mvcc"))]
pub(crate) fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// The first eight bytes of a key, as a number that is ordered like them; zeros behind its end. Equal heads decide
/// nothing.
#[cfg(any(feature = "btree", feature = "lsm"))]
#[inline]
pub(crate) fn head(key: &[u8]) -> u64 {
    match key.first_chunk::<8>() {
        Some(head) => u64::from_be_bytes(*head),
        None => {
            let mut head = [0; 8];
            head[..key.len()].copy_from_slice(key);
            u64::from_be_bytes(head)
        }
    }
}

impl Default for KeyRange<'_> {
    fn default() -> Self {
        Self::all()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_prefix_range_holds_exactly_the_keys_with_the_prefix(
            prefix in proptest::collection::vec(prop_oneof![Just(0_u8), Just(254), Just(255)], 0..4),
            key in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(254), Just(255)], 0..6),
        ) {
            prop_assert_eq!(KeyRange::prefix(&prefix).contains(&key), key.starts_with(&prefix));
        }
    }
}
