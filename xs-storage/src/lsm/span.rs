//! The keys from a table's first to its last.

use bytes::Bytes;

/// A stretch of keys, from `first` to `last`; the last belongs to it unless it is `open`, as the end of a deleted range is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first key.
    pub first: Bytes,
    /// The last key, or the first one behind.
    pub last: Bytes,
    /// Whether `last` is behind the span.
    pub open: bool,
}

impl Span {
    /// Whether a key lies in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.first[..] <= *key && !self.ends_before(key)
    }

    /// Whether all of it is in front of a key.
    pub fn ends_before(&self, key: &[u8]) -> bool {
        if self.open { self.last[..] <= *key } else { self.last[..] < *key }
    }

    /// Whether two have a key in common.
    pub fn overlaps(&self, other: &Span) -> bool {
        !self.ends_before(&other.first) && !other.ends_before(&self.first)
    }

    /// The shortest that holds both.
    #[must_use]
    pub fn join(&self, other: &Span) -> Span {
        let first = (&self.first).min(&other.first).clone();
        let end = |span: &Span| (span.last.clone(), !span.open);
        let (last, closed) = end(self).max(end(other));
        Span { first, last, open: !closed }
    }

    /// The shortest that holds all; none if there is none.
    pub fn of<'a>(mut spans: impl Iterator<Item = &'a Span>) -> Option<Span> {
        let first = spans.next()?.clone();
        Some(spans.fold(first, |all, span| all.join(span)))
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span() -> impl Strategy<Value = Span> {
        (0..10_u8, 0..10_u8, any::<bool>()).prop_filter_map("empty", |(first, last, open)| {
            let some = if open { first < last } else { first <= last };
            some.then(|| Span { first: vec![first].into(), last: vec![last].into(), open })
        })
    }

    proptest! {
        #[test]
        fn spans_are_sets_of_keys(a in span(), b in span()) {
            let all = || 0..11_u8;
            prop_assert_eq!(a.overlaps(&b), all().any(|key| a.contains(&[key]) && b.contains(&[key])) );
            let joined = a.join(&b);
            let low = all().find(|key| a.contains(&[*key]) || b.contains(&[*key])).unwrap();
            let high = all().rev().find(|key| a.contains(&[*key]) || b.contains(&[*key])).unwrap();
            prop_assert!(all().all(|key| joined.contains(&[key]) == (low..=high).contains(&key)));
        }
    }
}
