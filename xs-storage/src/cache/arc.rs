//! ARC: two lists, one for what was seen once and one for what was seen again, and a boundary between them that moves.
//!
//! ```text
//!         ghosts b1 ◀──── t1: seen once ────│──── t2: seen again ────▶ ghosts b2
//!                       (a hit goes to t2)  p
//!         a ghost of b1 comes back: p grows, t1 was too small.   One of b2 comes back: p shrinks.
//! ```

use super::entries::{Entries, List};
use super::ghosts::Ghosts;
use super::*;

const ONCE: u32 = 0;
const AGAIN: u32 = 1;

/// A cache that divides itself between recent and frequent entries and learns the division from its misses.
#[derive(Debug, Clone)]
pub struct ArcCache<K, V, S = FixedState, W = One> {
    entries: Entries<K, V, S, W>,
    /// Seen once, and seen again.
    lists: [List; 2],
    ghosts: [Ghosts; 2],
    /// The weight that the first list should have.
    target: u64,
}

impl<K: Hash + Eq, V> ArcCache<K, V> {
    /// A cache of `capacity` entries.
    pub fn new(capacity: u64) -> Self {
        Self::with_parts(capacity, FixedState::default(), One)
    }
}

impl<K: Hash + Eq, V, S: BuildHasher, W: Weigh<K, V>> ArcCache<K, V, S, W> {
    /// A cache of a total weight of `capacity`, with a hasher and a scale.
    pub fn with_parts(capacity: u64, hasher: S, weigher: W) -> Self {
        ArcCache {
            entries: Entries::new(capacity, hasher, weigher),
            lists: [List::EMPTY; 2],
            ghosts: Default::default(),
            target: 0,
        }
    }

    /// How much of the capacity is meant for entries that were seen once: what the cache has learned.
    pub fn target(&self) -> u64 {
        self.target
    }

    fn hit(&mut self, at: u32) {
        let node = self.entries.node(at);
        let from = std::mem::replace(&mut node.queue, AGAIN);
        self.lists[from as usize].unlink(&mut self.entries, at);
        self.lists[AGAIN as usize].push_front(&mut self.entries, at);
    }

    /// Demotes the last entry of one of the lists to a ghost, until `weight` more fits.
    fn make_room(&mut self, weight: u64, from_frequent_ghosts: bool, gone: &mut Evicted<K, V>) {
        while self.entries.weight + weight > self.entries.capacity {
            let once = self.lists[ONCE as usize].weight;
            let prefer_once = once > self.target || (from_frequent_ghosts && once == self.target);
            let choice = if prefer_once { [ONCE, AGAIN] } else { [AGAIN, ONCE] };
            let Some((queue, last)) =
                choice.into_iter().find_map(|queue| Some((queue, self.lists[queue as usize].last()?)))
            else {
                break;
            };
            let node = self.entries.node(last);
            let (hash, ghost_weight) = (node.hash, node.weight);
            self.lists[queue as usize].unlink(&mut self.entries, last);
            self.entries.evict(last, gone);
            self.ghosts[queue as usize].push(hash, ghost_weight);
        }
    }

    /// Keeps the history as long as the paper allows: what was seen once with its ghosts fits the capacity, everything
    /// with all ghosts fits it twice.
    fn trim_ghosts(&mut self) {
        let capacity = self.entries.capacity;
        let [once, again] = &mut self.ghosts;
        while self.lists[ONCE as usize].weight + once.weight > capacity && once.pop() {}
        while self.entries.weight + once.weight + again.weight > capacity.saturating_mul(2) && again.pop() {}
    }

    /// Moves the boundary by one entry's weight, more if the other history is longer.
    fn learn(&mut self, hash: u64, weight: u64) -> Option<u32> {
        let [once, again] = [&self.ghosts[0], &self.ghosts[1]].map(|ghosts| ghosts.weight);
        if self.ghosts[0].recall(hash) {
            let step = (again / once.max(1)).max(1).saturating_mul(weight);
            self.target = self.target.saturating_add(step).min(self.entries.capacity);
            return Some(ONCE);
        }
        if self.ghosts[1].recall(hash) {
            let step = (once / again.max(1)).max(1).saturating_mul(weight);
            self.target = self.target.saturating_sub(step);
            return Some(AGAIN);
        }
        None
    }
}

impl<K: Hash + Eq, V, S: BuildHasher, W: Weigh<K, V>> Cache<K, V> for ArcCache<K, V, S, W> {
    fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.entries.find(key)?;
        self.hit(at);
        self.entries.value(at)
    }

    fn insert(&mut self, key: K, value: V) -> Evicted<K, V> {
        let mut gone = Evicted::default();
        let (hash, weight) = (self.entries.hash(&key), self.entries.weigh(&key, &value));
        let known = self.entries.find_hashed(hash, &key);
        if let Some(at) = known {
            let queue = self.entries.queue(at) as usize;
            self.lists[queue].unlink(&mut self.entries, at);
            self.entries.evict(at, &mut gone);
        }
        if weight > self.entries.capacity {
            gone.push((key, value));
            return gone;
        }
        let remembered = if known.is_some() { None } else { self.learn(hash, weight) };
        self.make_room(weight, remembered == Some(AGAIN), &mut gone);
        let queue = if known.is_some() || remembered.is_some() { AGAIN } else { ONCE };
        let at = self.entries.add(hash, key, value, weight, queue);
        self.lists[queue as usize].push_front(&mut self.entries, at);
        self.trim_ghosts();
        gone
    }

    fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.entries.find(key)?;
        let queue = self.entries.queue(at) as usize;
        self.lists[queue].unlink(&mut self.entries, at);
        self.entries.take(at).map(|(_, value)| value)
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.lists = [List::EMPTY; 2];
        self.ghosts.iter_mut().for_each(Ghosts::clear);
        self.target = 0;
    }

    entries_methods!();
}
