//! Values that remember which events they have seen, so that what is gone needs no tombstone.

use std::collections::{BTreeMap, BTreeSet};

use super::Merge;
use crate::clock::{Dot, Dots, Overflow, ReplicaId};

/// What is there, each piece under the event that put it there.
pub trait Store: Clone + Default + PartialEq {
    /// Takes in another copy's pieces. A piece that one copy has stays if the other has it too, or has not seen its event;
    /// one whose event the other has seen, and that is not there any more, was removed.
    fn join(&mut self, seen: &Dots, other: &Self, other_seen: &Dots);

    /// Whether a piece is there.
    fn has(&self, dot: Dot) -> bool;

    /// The events of all pieces.
    fn dots(&self) -> Dots;

    /// The pieces whose event fits.
    fn only(&self, fits: &dyn Fn(Dot) -> bool) -> Self;

    /// Whether there is no piece.
    fn is_empty(&self) -> bool;
}

/// Events without a value: being there is all they say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DotSet {
    dots: BTreeSet<Dot>,
}

impl Store for DotSet {
    fn join(&mut self, seen: &Dots, other: &Self, other_seen: &Dots) {
        self.dots.retain(|dot| other.dots.contains(dot) || !other_seen.contains(*dot));
        self.dots.extend(other.dots.iter().filter(|dot| !seen.contains(**dot)));
    }

    fn has(&self, dot: Dot) -> bool {
        self.dots.contains(&dot)
    }

    fn dots(&self) -> Dots {
        self.dots.iter().copied().collect()
    }

    fn only(&self, fits: &dyn Fn(Dot) -> bool) -> Self {
        DotSet { dots: self.dots.iter().copied().filter(|dot| fits(*dot)).collect() }
    }

    fn is_empty(&self) -> bool {
        self.dots.is_empty()
    }
}

/// A value for each event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DotFun<V> {
    values: BTreeMap<Dot, V>,
}

impl<V> Default for DotFun<V> {
    fn default() -> Self {
        DotFun { values: BTreeMap::new() }
    }
}

impl<V: Clone + PartialEq> Store for DotFun<V> {
    fn join(&mut self, seen: &Dots, other: &Self, other_seen: &Dots) {
        self.values.retain(|dot, _| other.values.contains_key(dot) || !other_seen.contains(*dot));
        let news = other.values.iter().filter(|(dot, _)| !seen.contains(**dot));
        self.values.extend(news.map(|(dot, value)| (*dot, value.clone())));
    }

    fn has(&self, dot: Dot) -> bool {
        self.values.contains_key(&dot)
    }

    fn dots(&self) -> Dots {
        self.values.keys().copied().collect()
    }

    fn only(&self, fits: &dyn Fn(Dot) -> bool) -> Self {
        let fitting = self.values.iter().filter(|(dot, _)| fits(**dot));
        DotFun { values: fitting.map(|(dot, value)| (*dot, value.clone())).collect() }
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// A store for each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DotMap<K: Ord, S> {
    /// No empty stores.
    entries: BTreeMap<K, S>,
}

impl<K: Ord, S> Default for DotMap<K, S> {
    fn default() -> Self {
        DotMap { entries: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, S: Store> Store for DotMap<K, S> {
    fn join(&mut self, seen: &Dots, other: &Self, other_seen: &Dots) {
        let nothing = S::default();
        self.entries.retain(|key, ours| {
            ours.join(seen, other.entries.get(key).unwrap_or(&nothing), other_seen);
            !ours.is_empty()
        });
        for (key, theirs) in &other.entries {
            if !self.entries.contains_key(key) {
                let mut ours = S::default();
                ours.join(seen, theirs, other_seen);
                if !ours.is_empty() {
                    self.entries.insert(key.clone(), ours);
                }
            }
        }
    }

    fn has(&self, dot: Dot) -> bool {
        self.entries.values().any(|entry| entry.has(dot))
    }

    fn dots(&self) -> Dots {
        let mut all = Dots::new();
        self.entries.values().for_each(|entry| all.merge(&entry.dots()));
        all
    }

    fn only(&self, fits: &dyn Fn(Dot) -> bool) -> Self {
        let fitting = self.entries.iter().map(|(key, entry)| (key.clone(), entry.only(fits)));
        DotMap { entries: fitting.filter(|(_, entry)| !entry.is_empty()).collect() }
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A store and the events that it has seen: those of its pieces, and those of the pieces that are gone.
///
/// [`OrSet`], [`MvRegister`] and [`OrMap`] are this, with different stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Causal<S> {
    store: S,
    seen: Dots,
}

impl<S: Default> Default for Causal<S> {
    fn default() -> Self {
        Causal { store: S::default(), seen: Dots::new() }
    }
}

impl<S: Store> Causal<S> {
    /// The events that were seen.
    pub fn seen(&self) -> &Dots {
        &self.seen
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// Removes all that is there; what is added concurrently stays. The answer is the delta.
    pub fn clear(&mut self) -> Self {
        let delta = Causal { store: S::default(), seen: self.store.dots() };
        self.merge(&delta);
        delta
    }

    /// A delta with one new piece, in place of those whose events are given.
    fn replace(&mut self, dot: Dot, store: S, mut gone: Dots) -> Self {
        gone.insert(dot);
        let delta = Causal { store, seen: gone };
        self.merge(&delta);
        delta
    }
}

impl<S: Store> Merge for Causal<S> {
    fn merge(&mut self, other: &Self) {
        self.store.join(&self.seen, &other.store, &other.seen);
        self.seen.merge(&other.seen);
    }

    /// Each piece that is there, and each event whose piece is gone: as many as the events that were seen.
    fn parts(&self) -> Vec<Self> {
        let there = self.store.dots();
        let gone = self.seen.without(&there);
        let part = |store: S, dot| Causal { store, seen: [dot].into_iter().collect() };
        let pieces = there.iter().map(|dot| part(self.store.only(&|other| other == dot), dot));
        pieces.chain(gone.iter().map(|dot| part(S::default(), dot))).collect()
    }

    fn delta_since(&self, known: &Self) -> Self {
        let store = self.store.only(&|dot| !known.seen.contains(dot));
        let (theirs, ours) = (known.store.dots(), self.store.dots());
        // What they have not seen, and what they still have though it is gone.
        let mut seen = self.seen.without(&known.seen);
        let kept = theirs.without(&ours);
        seen.merge(&kept.without(&kept.without(&self.seen)));
        Causal { store, seen }
    }
}

/// A register that keeps all concurrent writes: whoever has read them replaces them with the next one.
pub type MvRegister<V> = Causal<DotFun<V>>;

impl<V: Clone + PartialEq> Causal<DotFun<V>> {
    /// Writes, as a replica, in place of all values that are there; the answer is the delta.
    pub fn write(&mut self, replica: ReplicaId, value: V) -> Result<Self, Overflow> {
        let dot = self.seen.next(replica)?;
        Ok(self.replace(dot, DotFun { values: [(dot, value)].into() }, self.store.dots()))
    }

    /// The values that nobody has replaced: several, if they were written concurrently.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.store.values.values()
    }
}

/// A map of stores, in which a change wins over a removal that did not know of it. What the removal did know of is gone.
pub type OrMap<K, S> = Causal<DotMap<K, S>>;

/// A set from which values can be removed and come back: an addition wins over a removal that did not know of it.
///
/// It is a map to nothing but the proof of being there, and keeps no tombstones.
pub type OrSet<T> = OrMap<T, DotSet>;

impl<K: Ord + Clone, S: Store> Causal<DotMap<K, S>> {
    /// Changes what is under a key, by a change of the value there; the answer is the delta.
    ///
    /// ```
    /// use xs_consensus::clock::ReplicaId;
    /// use xs_consensus::crdt::{DotFun, OrMap};
    ///
    /// let mut map: OrMap<&str, DotFun<u32>> = OrMap::default();
    /// map.update("age", |register| register.write(ReplicaId(1), 42)).unwrap();
    /// assert!(map.get(&"age").unwrap().values().eq(&[42]));
    /// ```
    pub fn update<E>(
        &mut self,
        key: K,
        change: impl FnOnce(&mut Causal<S>) -> Result<Causal<S>, E>,
    ) -> Result<Self, E> {
        let mut value =
            Causal { store: self.store.entries.get(&key).cloned().unwrap_or_default(), seen: self.seen.clone() };
        let Causal { store, seen } = change(&mut value)?;
        let entries = if store.is_empty() { BTreeMap::new() } else { [(key, store)].into() };
        let delta = Causal { store: DotMap { entries }, seen };
        self.merge(&delta);
        Ok(delta)
    }

    /// Removes a key; the answer is the delta.
    pub fn remove(&mut self, key: &K) -> Self {
        let gone = self.store.entries.get(key).map(Store::dots).unwrap_or_default();
        let delta = Causal { store: DotMap::default(), seen: gone };
        self.merge(&delta);
        delta
    }

    /// A copy of what is under a key, to read it.
    pub fn get(&self, key: &K) -> Option<Causal<S>> {
        Some(Causal { store: self.store.entries.get(key)?.clone(), seen: self.seen.clone() })
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &K) -> bool {
        self.store.entries.contains_key(key)
    }

    /// The keys that are there, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.store.entries.keys()
    }

    /// How many keys are there.
    pub fn len(&self) -> usize {
        self.store.entries.len()
    }
}

impl<T: Ord + Clone> Causal<DotMap<T, DotSet>> {
    /// Takes in a value, as a replica; the answer is the delta. One that is there is put there anew, so that a concurrent
    /// removal does not take it away.
    pub fn insert(&mut self, replica: ReplicaId, value: T) -> Result<Self, Overflow> {
        let dot = self.seen.next(replica)?;
        let gone = self.store.entries.get(&value).map(Store::dots).unwrap_or_default();
        let store = DotMap { entries: [(value, DotSet { dots: [dot].into() })].into() };
        Ok(self.replace(dot, store, gone))
    }
}

#[cfg(test)]
mod tests {
    use super::super::merge::laws::{Play, stamp};
    use super::*;
    use crate::clock::Siblings;
    use proptest::prelude::*;

    impl Play for MvRegister<u8> {
        fn play(&mut self, replica: ReplicaId, _: u64, what: u8, with: u8) -> Self {
            if with == 0 { self.clear() } else { self.write(replica, what).unwrap() }
        }
    }

    impl Play for OrSet<u8> {
        fn play(&mut self, replica: ReplicaId, _: u64, what: u8, with: u8) -> Self {
            match what % 8 {
                0 => self.clear(),
                1..4 => self.remove(&with),
                _ => self.insert(replica, with).unwrap(),
            }
        }
    }

    impl Play for OrMap<u8, DotFun<u8>> {
        fn play(&mut self, replica: ReplicaId, _: u64, what: u8, with: u8) -> Self {
            match what % 4 {
                0 => self.remove(&with),
                1 => self.update(with, |value| Ok::<_, Overflow>(value.clear())).unwrap(),
                _ => self.update(with, |value| value.write(replica, what)).unwrap(),
            }
        }
    }

    /// A map of sets: two levels deep.
    impl Play for OrMap<u8, DotMap<u8, DotSet>> {
        fn play(&mut self, replica: ReplicaId, _: u64, what: u8, with: u8) -> Self {
            let (key, value) = (with % 2, with / 2);
            match what % 4 {
                0 => self.remove(&key),
                1 => self.update(key, |set| Ok::<_, Overflow>(set.remove(&value))).unwrap(),
                _ => self.update(key, |set| set.insert(replica, value)).unwrap(),
            }
        }
    }

    stamp!(
        multi_value_registers: MvRegister<u8>,
        observed_remove_sets: OrSet<u8>,
        maps_of_registers: OrMap<u8, DotFun<u8>>,
        maps_of_sets: OrMap<u8, DotMap<u8, DotSet>>,
    );

    const A: ReplicaId = ReplicaId(1);
    const B: ReplicaId = ReplicaId(2);

    fn both<C: Merge>(one: &C, other: &C) -> C {
        let mut all = one.clone();
        all.merge(other);
        all
    }

    #[test]
    fn an_addition_wins_over_a_removal_that_did_not_know_of_it() {
        let mut ours = OrSet::default();
        ours.insert(A, 'x').unwrap();
        let mut theirs = ours.clone();
        ours.remove(&'x');
        assert!(!both(&ours, &theirs).contains(&'x'), "a removal of what was seen");
        theirs.insert(B, 'x').unwrap();
        assert!(both(&ours, &theirs).contains(&'x'), "the addition is concurrent");
        let mut after = both(&ours, &theirs);
        after.remove(&'x');
        assert!(both(&after, &theirs).is_empty(), "and now it was seen");
    }

    /// One removes a value, another one adds it again at the same time: removal wins, addition wins, or the clock decides.
    #[test]
    fn the_same_story_ends_in_three_ways() {
        use crate::clock::Stamp;
        use crate::crdt::{LwwMap, TwoPhaseSet};
        let mut two_phase = TwoPhaseSet::default();
        two_phase.insert('x');
        let (mut ours, mut theirs) = (two_phase.clone(), two_phase);
        ours.remove(&'x');
        theirs.insert('x');
        assert!(!both(&ours, &theirs).contains(&'x'));

        let mut observed = OrSet::default();
        observed.insert(A, 'x').unwrap();
        let (mut ours, mut theirs) = (observed.clone(), observed);
        ours.remove(&'x');
        theirs.insert(B, 'x').unwrap();
        assert!(both(&ours, &theirs).contains(&'x'));

        for (removed, added, there) in [(8, 9, true), (9, 8, false)] {
            let mut last = LwwMap::default();
            last.write(Stamp::from_bits(1), A, 'x', ());
            let (mut ours, mut theirs) = (last.clone(), last);
            ours.remove(Stamp::from_bits(removed), A, 'x');
            theirs.write(Stamp::from_bits(added), B, 'x', ());
            assert_eq!(both(&ours, &theirs).get(&'x').is_some(), there);
        }
    }

    #[test]
    fn nothing_is_left_of_what_was_removed() {
        let mut set = OrSet::default();
        for n in 0..1000 {
            set.insert(A, n % 7).unwrap();
            set.remove(&(n % 7));
        }
        assert_eq!((set.len(), set.seen().ranges().count()), (0, 1));
        set.insert(A, 1).unwrap();
        assert_eq!(set.keys().collect::<Vec<_>>(), [&1]);
    }

    #[test]
    fn a_removed_key_comes_back_with_nothing_but_what_was_concurrent() {
        let mut ours: OrMap<&str, DotFun<u8>> = OrMap::default();
        ours.update("k", |value| value.write(A, 1)).unwrap();
        let mut theirs = ours.clone();
        ours.remove(&"k");
        theirs.update("k", |value| value.write(B, 2)).unwrap();
        assert!(both(&ours, &theirs).get(&"k").unwrap().values().eq(&[2]));
        assert_eq!(both(&ours, &theirs).len(), 1);
        assert!(ours.get(&"k").is_none());
    }

    proptest! {
        /// A register with concurrent values is what a store keeps for a key: both find the same values.
        #[test]
        fn a_register_is_what_a_dotted_version_vector_set_is(steps in prop::collection::vec((0_usize..3, prop::option::of(0_usize..3)), 1..60)) {
            let mut copies: Vec<(MvRegister<usize>, Siblings<usize>)> = vec![Default::default(); 3];
            for (nth, (one, heard)) in steps.into_iter().enumerate() {
                if let Some(from) = heard {
                    let theirs = copies[from].clone();
                    copies[one].0.merge(&theirs.0);
                    copies[one].1.merge(&theirs.1);
                } else {
                    let replica = ReplicaId(one as u64);
                    copies[one].0.write(replica, nth).unwrap();
                    let context = copies[one].1.context();
                    copies[one].1.write(replica, &context, nth).unwrap();
                }
                let sorted = |values: Vec<&usize>| values.into_iter().copied().collect::<BTreeSet<_>>();
                prop_assert_eq!(sorted(copies[one].0.values().collect()), sorted(copies[one].1.values().collect()));
            }
        }
    }
}
