//! S3-FIFO: three queues and no list that a hit reorders.
//!
//! ```text
//!   new ──▶ small, a tenth ──── hit twice since? ─── yes ──▶ main, nine tenths ── hit? once more round ─┐
//!                      │                                       ▲          │ ▲──────────────────────────┘
//!                      └─ no ─▶ out, its hash to the ghosts ───┘          └─ no ─▶ out
//!                                      back while remembered
//! ```

use super::entries::{Entries, List};
use super::ghosts::Ghosts;
use super::*;

const SMALL: u32 = 0;
const MAIN: u32 = 1;
/// Where the count of hits stops.
const HITS_MAX: u8 = 3;

/// A cache of FIFO queues: a small one that filters what is used once, and a main one.
#[derive(Debug, Clone)]
pub struct S3FifoCache<K, V, S = FixedState, W = One> {
    entries: Entries<K, V, S, W>,
    queues: [List; 2],
    ghosts: Ghosts,
    small_target: u64,
}

impl<K: Hash + Eq, V> S3FifoCache<K, V> {
    /// A cache of `capacity` entries.
    pub fn new(capacity: u64) -> Self {
        Self::with_parts(capacity, FixedState::default(), One)
    }
}

impl<K: Hash + Eq, V, S: BuildHasher, W: Weigh<K, V>> S3FifoCache<K, V, S, W> {
    /// A cache of a total weight of `capacity`, with a hasher and a scale.
    pub fn with_parts(capacity: u64, hasher: S, weigher: W) -> Self {
        S3FifoCache {
            entries: Entries::new(capacity, hasher, weigher),
            queues: [List::EMPTY; 2],
            ghosts: Ghosts::default(),
            small_target: (capacity / 10).max(1),
        }
    }

    /// Changes the capacity, and returns what has to go if it shrinks.
    pub fn set_capacity(&mut self, capacity: u64) -> Evicted<K, V> {
        let mut gone = Evicted::default();
        self.entries.capacity = capacity;
        self.small_target = (capacity / 10).max(1);
        self.make_room(0, &mut gone);
        gone
    }

    fn make_room(&mut self, weight: u64, gone: &mut Evicted<K, V>) {
        while self.entries.weight + weight > self.entries.capacity {
            let [small, main] = &self.queues;
            if !small.is_empty() && (small.weight >= self.small_target || main.is_empty()) {
                self.step_small(gone);
            } else if !main.is_empty() {
                self.step_main(gone);
            } else {
                break;
            }
        }
    }

    /// The oldest of the small queue moves on or goes.
    fn step_small(&mut self, gone: &mut Evicted<K, V>) {
        let Some(last) = self.queues[SMALL as usize].last() else { return };
        self.queues[SMALL as usize].unlink(&mut self.entries, last);
        let node = self.entries.node(last);
        if node.hits > 1 {
            (node.hits, node.queue) = (0, MAIN);
            self.queues[MAIN as usize].push_front(&mut self.entries, last);
            return;
        }
        let (hash, weight) = (node.hash, node.weight);
        self.entries.evict(last, gone);
        self.ghosts.push(hash, weight);
        let remember = self.entries.capacity.saturating_sub(self.small_target);
        while self.ghosts.weight > remember && self.ghosts.pop() {}
    }

    /// The oldest of the main queue goes round once more or goes.
    fn step_main(&mut self, gone: &mut Evicted<K, V>) {
        let Some(last) = self.queues[MAIN as usize].last() else { return };
        self.queues[MAIN as usize].unlink(&mut self.entries, last);
        let node = self.entries.node(last);
        if node.hits > 0 {
            node.hits -= 1;
            self.queues[MAIN as usize].push_front(&mut self.entries, last);
        } else {
            self.entries.evict(last, gone);
        }
    }
}

impl<K: Hash + Eq, V, S: BuildHasher, W: Weigh<K, V>> Cache<K, V> for S3FifoCache<K, V, S, W> {
    fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.entries.find(key)?;
        let node = self.entries.node(at);
        node.hits = (node.hits + 1).min(HITS_MAX);
        self.entries.value(at)
    }

    fn insert(&mut self, key: K, value: V) -> Evicted<K, V> {
        let mut gone = Evicted::default();
        let (hash, weight) = (self.entries.hash(&key), self.entries.weigh(&key, &value));
        let (mut queue, mut hits) = (SMALL, 0);
        if let Some(at) = self.entries.find_hashed(hash, &key) {
            // Another value for a known key: a hit, at the head of the queue that it was on.
            let node = self.entries.node(at);
            (queue, hits) = (node.queue, (node.hits + 1).min(HITS_MAX));
            self.queues[queue as usize].unlink(&mut self.entries, at);
            self.entries.evict(at, &mut gone);
        } else if self.ghosts.recall(hash) {
            queue = MAIN;
        }
        if weight > self.entries.capacity {
            gone.push((key, value));
            return gone;
        }
        self.make_room(weight, &mut gone);
        let at = self.entries.add(hash, key, value, weight, queue);
        self.entries.node(at).hits = hits;
        self.queues[queue as usize].push_front(&mut self.entries, at);
        gone
    }

    fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.entries.find(key)?;
        let queue = self.entries.queue(at) as usize;
        self.queues[queue].unlink(&mut self.entries, at);
        self.entries.take(at).map(|(_, value)| value)
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.queues = [List::EMPTY; 2];
        self.ghosts.clear();
    }

    entries_methods!();
}
