//! Sets whose merge is a union.

use std::collections::BTreeSet;

use super::Merge;

/// A set that only grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GSet<T: Ord> {
    values: BTreeSet<T>,
}

impl<T: Ord> Default for GSet<T> {
    fn default() -> Self {
        GSet { values: BTreeSet::new() }
    }
}

impl<T: Ord + Clone> GSet<T> {
    /// Takes in a value; the answer is the delta, which is empty if it was there.
    pub fn insert(&mut self, value: T) -> Self {
        let mut delta = Self::default();
        if self.values.insert(value.clone()) {
            delta.values.insert(value);
        }
        delta
    }

    /// Whether it is there.
    pub fn contains(&self, value: &T) -> bool {
        self.values.contains(value)
    }

    /// The values, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }
}

impl<T: Ord + Clone> Merge for GSet<T> {
    fn merge(&mut self, other: &Self) {
        self.values.extend(other.values.iter().cloned());
    }

    fn parts(&self) -> Vec<Self> {
        self.values.iter().map(|value| GSet { values: [value.clone()].into() }).collect()
    }

    fn delta_since(&self, known: &Self) -> Self {
        GSet { values: self.values.difference(&known.values).cloned().collect() }
    }
}

/// A set of values each of which can come once and go once: who was removed never comes back.
///
/// A removal wins over everything, also over an insertion that did not know of it. So it fits names that are never used
/// again, and nothing else; for all else there is [`OrSet`](super::OrSet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwoPhaseSet<T: Ord> {
    /// Those that are there: none that is among the removed.
    values: BTreeSet<T>,
    removed: BTreeSet<T>,
}

impl<T: Ord> Default for TwoPhaseSet<T> {
    fn default() -> Self {
        TwoPhaseSet { values: BTreeSet::new(), removed: BTreeSet::new() }
    }
}

impl<T: Ord + Clone> TwoPhaseSet<T> {
    /// Takes in a value, unless it was removed; the answer is the delta.
    pub fn insert(&mut self, value: T) -> Self {
        let mut delta = Self::default();
        if !self.removed.contains(&value) && self.values.insert(value.clone()) {
            delta.values.insert(value);
        }
        delta
    }

    /// Removes a value for ever, if it is there; the answer is the delta.
    pub fn remove(&mut self, value: &T) -> Self {
        let mut delta = Self::default();
        if let Some(value) = self.values.take(value) {
            delta.removed.insert(value.clone());
            self.removed.insert(value);
        }
        delta
    }

    /// Whether it is there.
    pub fn contains(&self, value: &T) -> bool {
        self.values.contains(value)
    }

    /// The values that are there, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }

    /// How many were removed: they are kept for ever.
    pub fn tombstones(&self) -> usize {
        self.removed.len()
    }
}

impl<T: Ord + Clone> Merge for TwoPhaseSet<T> {
    fn merge(&mut self, other: &Self) {
        for value in &other.removed {
            if !self.removed.contains(value) {
                self.values.remove(value);
                self.removed.insert(value.clone());
            }
        }
        for value in &other.values {
            if !self.removed.contains(value) && !self.values.contains(value) {
                self.values.insert(value.clone());
            }
        }
    }

    fn parts(&self) -> Vec<Self> {
        let there = self.values.iter().map(|value| TwoPhaseSet { values: [value.clone()].into(), ..Self::default() });
        let gone = self.removed.iter().map(|value| TwoPhaseSet { removed: [value.clone()].into(), ..Self::default() });
        there.chain(gone).collect()
    }

    fn delta_since(&self, known: &Self) -> Self {
        let unknown = |value: &&T| !known.values.contains(value) && !known.removed.contains(value);
        TwoPhaseSet {
            values: self.values.iter().filter(unknown).cloned().collect(),
            removed: self.removed.difference(&known.removed).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::merge::laws::{Play, stamp};
    use super::*;
    use crate::clock::ReplicaId;

    impl Play for GSet<u8> {
        fn play(&mut self, _: ReplicaId, _: u64, what: u8, _: u8) -> Self {
            self.insert(what % 16)
        }
    }

    impl Play for TwoPhaseSet<u8> {
        fn play(&mut self, _: ReplicaId, _: u64, what: u8, with: u8) -> Self {
            if with == 0 { self.remove(&(what % 8)) } else { self.insert(what % 8) }
        }
    }

    stamp!(growing_sets: GSet<u8>, two_phase_sets: TwoPhaseSet<u8>);

    #[test]
    fn who_was_removed_never_comes_back() {
        let mut ours = TwoPhaseSet::default();
        assert_eq!(ours.remove(&'x'), TwoPhaseSet::default(), "what is not there cannot be removed");
        ours.insert('x');
        let mut theirs = ours.clone();
        ours.remove(&'x');
        theirs.insert('y');
        theirs.merge(&ours);
        theirs.insert('x');
        assert!(theirs.iter().eq(&['y']) && theirs.tombstones() == 1);
    }
}
