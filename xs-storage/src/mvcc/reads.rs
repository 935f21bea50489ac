//! What a transaction has read, as intervals of keys: exact while there is room, coarser after that, never less than it
//! was.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::engine::successor;

/// What an interval costs beside its two ends.
const OVERHEAD: usize = 64;

/// Disjoint intervals of keys, the start included, the end not; without an end, all that follow.
///
/// ```text
///   exact     [a ─ a]   [c ───── f]   [k ─ k]   [p ────── ∞         over the limit: neighbours join,
///   coarser   [a ───────────────── f] [k ──────────────── ∞         and the keys between count as read
/// ```
#[derive(Debug)]
pub(super) struct Reads {
    spans: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
    limit: usize,
    joined: bool,
    /// Cursors that have not yet said what they read.
    pub(super) cursors: usize,
}

impl Reads {
    pub(super) fn new(limit: usize) -> Self {
        Reads { spans: BTreeMap::new(), bytes: 0, limit, joined: false, cursors: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether keys count as read that were not.
    pub(super) fn is_coarse(&self) -> bool {
        self.joined
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.spans.iter().map(|(start, end)| (&start[..], end.as_deref()))
    }

    pub(super) fn add_key(&mut self, key: &[u8]) {
        if !self.contains(key) {
            self.add(key.to_vec(), Some(successor(key)));
        }
    }

    /// Adds an interval, joining those that it touches.
    pub(super) fn add(&mut self, mut start: Vec<u8>, mut end: Option<Vec<u8>>) {
        if end.as_ref().is_some_and(|end| *end <= start) {
            return;
        }
        // From the back: those that begin in it or at its end, until one ends in front of it.
        while let Some((from, to)) = self.last_touching(&start, end.as_deref()) {
            self.bytes -= cost(&from, to.as_deref());
            self.spans.remove(&from);
            start = start.min(from);
            end = match (end, to) {
                (Some(end), Some(to)) => Some(end.max(to)),
                _ => None,
            };
        }
        self.bytes += cost(&start, end.as_deref());
        self.spans.insert(start, end);
        while self.bytes > self.limit && self.spans.len() > 1 {
            self.join_neighbours();
        }
    }

    fn last_touching(&self, start: &[u8], end: Option<&[u8]>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let (from, to) = match end {
            Some(end) => {
                self.spans.range::<[u8], _>((std::ops::Bound::Unbounded, std::ops::Bound::Included(end))).next_back()
            }
            None => self.spans.iter().next_back(),
        }?;
        to.as_ref().is_none_or(|to| &to[..] >= start).then(|| (from.clone(), to.clone()))
    }

    fn join_neighbours(&mut self) {
        self.joined = true;
        let mut spans = std::mem::take(&mut self.spans).into_iter();
        self.bytes = 0;
        while let Some((start, end)) = spans.next() {
            let end = spans.next().map_or(end, |(_, end)| end);
            self.bytes += cost(&start, end.as_deref());
            self.spans.insert(start, end);
        }
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        let below =
            self.spans.range::<[u8], _>((std::ops::Bound::Unbounded, std::ops::Bound::Included(key))).next_back();
        below.is_some_and(|(_, end)| end.as_ref().is_none_or(|end| key < &end[..]))
    }

    /// The first of some sorted keys that was read.
    pub(super) fn first_of<'k>(&self, keys: &'k [Bytes]) -> Option<&'k Bytes> {
        if self.spans.len() < keys.len() / 8 {
            return self.spans().find_map(|(start, end)| {
                let key = keys.get(keys.partition_point(|key| &key[..] < start))?;
                end.is_none_or(|end| &key[..] < end).then_some(key)
            });
        }
        keys.iter().find(|key| self.contains(key))
    }
}

fn cost(start: &[u8], end: Option<&[u8]>) -> usize {
    start.len() + end.map_or(0, <[u8]>::len) + OVERHEAD
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span() -> impl Strategy<Value = (u8, u8)> {
        (0_u8..60, prop_oneof![Just(0_u8), 0_u8..12])
    }

    proptest! {
        #[test]
        fn intervals_are_the_union_of_what_was_added(spans in proptest::collection::vec(span(), 0..20), roomy in any::<bool>()) {
            let mut reads = Reads::new(if roomy { usize::MAX } else { 300 });
            let mut model = [false; 256];
            for (start, len) in spans {
                match len {
                    0 => reads.add_key(&[start]),
                    11 => reads.add(vec![start], None),
                    len => reads.add(vec![start], Some(vec![start + len])),
                }
                let end = match len { 0 => start + 1, 11 => 255, len => start + len };
                model[usize::from(start)..usize::from(end)].fill(true);
                prop_assert!(roomy || reads.bytes <= 300 || reads.spans.len() == 1);
            }
            let all: Vec<Bytes> = (0..255).map(|key| Bytes::from(vec![key])).collect();
            for key in 0_u8..255 {
                let (read, ours) = (model[usize::from(key)], reads.contains(&[key]));
                prop_assert!(if reads.is_coarse() { ours || !read } else { ours == read }, "key {}", key);
            }
            let first = (0..255_u8).find(|&key| reads.contains(&[key]));
            prop_assert_eq!(reads.first_of(&all).map(|key| key[0]), first);
            prop_assert_eq!(reads.first_of(&all[..3]).map(|key| key[0]), first.filter(|&key| key < 3));
            let bytes: usize = reads.spans().map(|(start, end)| cost(start, end)).sum();
            prop_assert_eq!(bytes, reads.bytes);
            // Disjoint, and nothing that touches.
            let ends: Vec<_> = reads.spans().collect();
            prop_assert!(ends.windows(2).all(|pair| pair[0].1.is_some_and(|end| end < pair[1].0)));
        }
    }

    #[test]
    fn a_key_alone_is_not_its_longer_neighbour() {
        let mut reads = Reads::new(1000);
        reads.add_key(b"a");
        assert!(reads.contains(b"a") && !reads.contains(b"a\0") && !reads.contains(b""));
    }
}
