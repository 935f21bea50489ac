//! Values of which the last write stays, by stamps.

use std::collections::BTreeMap;

use super::Merge;
use crate::clock::{ReplicaId, Stamp};

/// A value of which the write with the largest stamp stays; all others are lost, also those that were concurrent.
///
/// Stamps come from a [`Hybrid`](crate::clock::Hybrid) clock: then a write that had seen another one always wins over it.
/// Two writes with one stamp are ordered by replica, and two of one replica (which should not be) by value, so that all
/// copies agree in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LwwRegister<T> {
    held: Option<(Stamp, ReplicaId, T)>,
}

impl<T> Default for LwwRegister<T> {
    fn default() -> Self {
        LwwRegister { held: None }
    }
}

impl<T: Ord + Clone> LwwRegister<T> {
    /// Writes, as a replica, at a stamp that is larger than all it has seen; the answer is the delta. A write at a smaller
    /// stamp is lost at once.
    pub fn write(&mut self, stamp: Stamp, replica: ReplicaId, value: T) -> Self {
        let delta = LwwRegister { held: Some((stamp, replica, value)) };
        self.merge(&delta);
        delta
    }

    /// The value, if there was a write.
    pub fn value(&self) -> Option<&T> {
        self.held.as_ref().map(|(_, _, value)| value)
    }

    /// When and by whom it was written.
    pub fn written(&self) -> Option<(Stamp, ReplicaId)> {
        self.held.as_ref().map(|(stamp, replica, _)| (*stamp, *replica))
    }
}

impl<T: Ord + Clone> Merge for LwwRegister<T> {
    fn merge(&mut self, other: &Self) {
        if other.held > self.held {
            self.held.clone_from(&other.held);
        }
    }

    fn parts(&self) -> Vec<Self> {
        self.held.is_some().then(|| self.clone()).into_iter().collect()
    }

    fn within(&self, other: &Self) -> bool {
        self.held <= other.held
    }
}

/// A map of [`LwwRegister`]s. A removal is a write too, and is kept for ever: it must win over older writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LwwMap<K: Ord, V> {
    entries: BTreeMap<K, LwwRegister<Option<V>>>,
}

impl<K: Ord, V> Default for LwwMap<K, V> {
    fn default() -> Self {
        LwwMap { entries: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, V: Ord + Clone> LwwMap<K, V> {
    /// Writes under a key; the answer is the delta.
    pub fn write(&mut self, stamp: Stamp, replica: ReplicaId, key: K, value: V) -> Self {
        self.put(stamp, replica, key, Some(value))
    }

    /// Removes a key, whether it is known or not; the answer is the delta.
    pub fn remove(&mut self, stamp: Stamp, replica: ReplicaId, key: K) -> Self {
        self.put(stamp, replica, key, None)
    }

    fn put(&mut self, stamp: Stamp, replica: ReplicaId, key: K, value: Option<V>) -> Self {
        let entry = self.entries.entry(key.clone()).or_default().write(stamp, replica, value);
        LwwMap { entries: [(key, entry)].into() }
    }

    /// The value under a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)?.value()?.as_ref()
    }

    /// The keys and values that are there, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().filter_map(|(key, entry)| Some((key, entry.value()?.as_ref()?)))
    }

    /// How many removed keys are kept.
    pub fn tombstones(&self) -> usize {
        self.entries.values().filter(|entry| entry.value() == Some(&None)).count()
    }
}

impl<K: Ord + Clone, V: Ord + Clone> Merge for LwwMap<K, V> {
    fn merge(&mut self, other: &Self) {
        for (key, theirs) in &other.entries {
            match self.entries.get_mut(key) {
                Some(ours) => ours.merge(theirs),
                None => drop(self.entries.insert(key.clone(), theirs.clone())),
            }
        }
    }

    fn parts(&self) -> Vec<Self> {
        let one =
            |(key, entry): (&K, &LwwRegister<Option<V>>)| LwwMap { entries: [(key.clone(), entry.clone())].into() };
        self.entries.iter().map(one).collect()
    }

    fn delta_since(&self, known: &Self) -> Self {
        let news =
            self.entries.iter().filter(|(key, entry)| known.entries.get(key).is_none_or(|held| !entry.within(held)));
        LwwMap { entries: news.map(|(key, entry)| (key.clone(), entry.clone())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::merge::laws::{Play, stamp};
    use super::*;

    impl Play for LwwRegister<u8> {
        fn play(&mut self, replica: ReplicaId, when: u64, what: u8, with: u8) -> Self {
            // Stamps that are the same now and then, and not always the largest.
            self.write(Stamp::from_bits((when + u64::from(with)) / 2), replica, what)
        }
    }

    impl Play for LwwMap<u8, u8> {
        fn play(&mut self, replica: ReplicaId, when: u64, what: u8, with: u8) -> Self {
            let stamp = Stamp::from_bits((when + u64::from(with)) / 2);
            if what.is_multiple_of(3) {
                self.remove(stamp, replica, with)
            } else {
                self.write(stamp, replica, with, what)
            }
        }
    }

    stamp!(registers: LwwRegister<u8>, maps: LwwMap<u8, u8>);

    /// It should not be, and if it is, copies agree all the same.
    #[test]
    fn one_stamp_for_two_values_is_settled_by_value() {
        let [mut one, mut two] = ["one", "two"].map(|value| {
            let mut register = LwwRegister::default();
            register.write(Stamp::from_bits(1), ReplicaId(1), value);
            register
        });
        let before = one.clone();
        one.merge(&two);
        two.merge(&before);
        assert_eq!(one, two);
    }

    #[test]
    fn the_largest_stamp_stays_and_removals_are_writes() {
        let (a, b) = (ReplicaId(1), ReplicaId(2));
        let at = Stamp::from_bits;
        let mut map = LwwMap::default();
        map.write(at(5), a, 'k', "five");
        map.remove(at(7), b, 'k');
        map.write(at(6), a, 'k', "six, too late");
        assert_eq!((map.get(&'k'), map.tombstones()), (None, 1));
        map.write(at(7), a, 'k', "the same moment, the smaller replica");
        assert_eq!(map.get(&'k'), None);
        map.write(at(8), a, 'k', "eight");
        assert!(map.iter().eq([(&'k', &"eight")]));
        assert_eq!(map.entries[&'k'].written(), Some((at(8), a)));
    }
}
