//! Entries of a sorted map, read some at a time: a step from one to the next costs no search.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

pub(super) type Record = Arc<[u8]>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Backward,
}

/// Entries that were read ahead, and which of them the cursor is on.
#[derive(Clone, Debug)]
pub(super) struct Batch<K> {
    pub(super) entries: Vec<(K, Record)>,
    pub(super) at: usize,
    /// How many the next batch has. A search reads one; who goes on gets more and more.
    reach: usize,
    way: Way,
}

const FARTHEST: usize = 64;

impl<K: Ord + Clone> Batch<K> {
    pub(super) fn new() -> Self {
        Batch { entries: Vec::new(), at: 0, reach: 1, way: Way::Forward }
    }

    pub(super) fn start(&mut self, map: &BTreeMap<K, Record>, from: Bound<K>, way: Way, reach: usize) -> bool {
        (self.reach, self.way) = (reach, way);
        self.fill(map, from)
    }

    fn fill(&mut self, map: &BTreeMap<K, Record>, from: Bound<K>) -> bool {
        self.entries.clear();
        self.at = 0;
        let copy = |(key, record): (&K, &Record)| (key.clone(), record.clone());
        match self.way {
            Way::Forward => self.entries.extend(map.range((from, Bound::Unbounded)).take(self.reach).map(copy)),
            Way::Backward => self.entries.extend(map.range((Bound::Unbounded, from)).rev().take(self.reach).map(copy)),
        }
        self.reach = (self.reach * 4).min(FARTHEST);
        !self.entries.is_empty()
    }

    #[inline]
    pub(super) fn step(&mut self, map: &BTreeMap<K, Record>, fresh: bool, way: Way) -> bool {
        if fresh && way == self.way && self.at + 1 < self.entries.len() {
            self.at += 1;
            return true;
        }
        let Some((key, _)) = self.entries.get(self.at) else { return false };
        let from = Bound::Excluded(key.clone());
        if way != self.way {
            (self.reach, self.way) = (1, way);
        }
        self.fill(map, from)
    }
}
