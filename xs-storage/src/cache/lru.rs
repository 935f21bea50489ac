//! Least recently used: one list, a hit moves to its front, the tail goes.

use super::entries::{Entries, List};
use super::*;

/// A cache that evicts what was not used for longest.
#[derive(Debug, Clone)]
pub struct LruCache<K, V, S = FixedState, W = One> {
    entries: Entries<K, V, S, W>,
    list: List,
}

impl<K: Hash + Eq, V> LruCache<K, V> {
    /// A cache of `capacity` entries.
    pub fn new(capacity: u64) -> Self {
        Self::with_parts(capacity, FixedState::default(), One)
    }
}

impl<K: Hash + Eq, V, S: BuildHasher, W: Weigh<K, V>> LruCache<K, V, S, W> {
    /// A cache of a total weight of `capacity`, with a hasher and a scale.
    pub fn with_parts(capacity: u64, hasher: S, weigher: W) -> Self {
        LruCache { entries: Entries::new(capacity, hasher, weigher), list: List::EMPTY }
    }

    fn make_room(&mut self, weight: u64, gone: &mut Evicted<K, V>) {
        while self.entries.weight + weight > self.entries.capacity {
            let Some(last) = self.list.last() else { break };
            self.list.unlink(&mut self.entries, last);
            self.entries.evict(last, gone);
        }
    }
}

impl<K: Hash + Eq, V, S: BuildHasher, W: Weigh<K, V>> Cache<K, V> for LruCache<K, V, S, W> {
    fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.entries.find(key)?;
        self.list.move_to_front(&mut self.entries, at);
        self.entries.value(at)
    }

    fn insert(&mut self, key: K, value: V) -> Evicted<K, V> {
        let mut gone = Evicted::default();
        let (hash, weight) = (self.entries.hash(&key), self.entries.weigh(&key, &value));
        if let Some(at) = self.entries.find_hashed(hash, &key) {
            self.list.unlink(&mut self.entries, at);
            self.entries.evict(at, &mut gone);
        }
        if weight > self.entries.capacity {
            gone.push((key, value));
            return gone;
        }
        self.make_room(weight, &mut gone);
        let at = self.entries.add(hash, key, value, weight, 0);
        self.list.push_front(&mut self.entries, at);
        gone
    }

    fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.entries.find(key)?;
        self.list.unlink(&mut self.entries, at);
        self.entries.take(at).map(|(_, value)| value)
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.list = List::EMPTY;
    }

    entries_methods!();
}
