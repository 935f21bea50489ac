//! Bounded maps that decide what to forget: LRU, LFU, ARC and S3-FIFO, with the optimum to measure them by.
//!
//! # The problem
//!
//! A cache is a map that is too small. When something new comes, something else must go, and the best choice is known:
//! what will not be asked for again for longest. Nobody can see the future, so every policy reads it from the past in
//! its own way: from the time of the last use, from the number of uses, or from both. Each way has a pattern of requests
//! that defeats it. A scan through a table, touched once and never again, empties an LRU cache of everything useful; a
//! cache that counts uses keeps last year's favourites.
//!
//! # How it works
//!
//! ```text
//!                 entry ──▶ kept in                        goes                                remembers
//!   LruCache      one list, hits move to the front         the tail                            nothing
//!   LfuCache      a list for each number of uses           the tail of the lowest              nothing
//!   ArcCache      seen once │ seen again                   either tail; a boundary decides     what went: hashes
//!   S3FifoCache   small FIFO │ main FIFO                   small's oldest unless hit twice     what went: hashes
//! ```
//!
//! All four are made of the same parts: entries in one arena, a hash table from key to place in it, doubly linked lists
//! by index. A hit is one look-up and a few writes; an eviction is a look at the end of a list. ARC and S3-FIFO also keep
//! *ghosts*, hashes of keys that went lately: a miss that hits a ghost says that the key was let go too early.
//!
//! A capacity is a number of entries, or with a [`Weigh`] a total weight. [`Cache::insert`] returns what had to go, and
//! is never refused: only a pair that is heavier than the whole cache comes straight back.
//!
//! [`policy`] holds the decisions alone, for stores that keep their own entries; [`optimal`] tells what could have been
//! reached, and [`trace`] makes request sequences with known character.
//!
//! # Invariants
//!
//! - The total weight never exceeds the capacity between calls: every insertion makes room first.
//! - Each entry is on exactly one list, and every list's weight is the sum of its entries' (`List` changes both at once).
//! - The same calls give the same evictions on every machine and in every run: the default hasher has a fixed seed, and
//!   no decision depends on it.
//! - Each cache evicts what a naive model of its paper evicts: one property test each.
//! - Ghosts are bounded by the capacity too (`trim_ghosts`, `step_small`).
//!
//! # Cost
//!
//! Every operation is O(1), amortised over table growth (and, in S3-FIFO, over the at most three more rounds that hits
//! have earned an entry). An entry takes its pair, 40 bytes beside it and about 5 in the index; a ghost about 45. With
//! 10 000 entries a request takes 20 to 35 ns in LRU and S3-FIFO and 35 to 55 ns in LFU and ARC, insertion on a miss
//! included, as long as the caches of the processor are not shared.
//!
//! Measured by `cargo run --release -p xs-benches --features peers -- caches`: hit ratios in percent, 10 000 entries;
//! zipf: a million requests over 100 000 keys with exponent 0.9; scans: the same with a scan of 20 000 new keys after
//! every 50 000 requests; loop: 12 000 keys in turn.
//!
//! | trace | LRU | LFU | ARC | S3-FIFO | moka | quick_cache | optimum |
//! |---|---|---|---|---|---|---|---|
//! | zipf | 60.3 | 66.2 | 65.9 | 66.6 | 67.2 | 67.3 | 76.5 |
//! | scans | 40.5 | 47.2 | 47.6 | 47.6 | 47.3 | 48.1 | 54.8 |
//! | loop | 0.0 | 0.0 | 0.0 | 69.8 | 82 | 69.4 | 82.4 |
//!
//! The loop is the one that tells them apart: LFU sees equal counts and falls back on recency, ARC's ghosts are forgotten
//! before their keys come round, S3-FIFO's ghosts are not, and moka's admission keeps almost exactly what fits.
//!
//! # Example
//!
//! ```
//! use xs_storage::cache::{Cache, LruCache, S3FifoCache};
//!
//! let mut lru = LruCache::new(2);
//! lru.insert("a", 1);
//! lru.insert("b", 2);
//! assert_eq!(lru.get("a"), Some(&1));
//! assert_eq!(lru.insert("c", 3)[..], [("b", 2)]); // "a" was used since
//!
//! // By weight: at most ten bytes of values.
//! let bytes = |_: &&str, value: &Vec<u8>| value.len() as u64;
//! let mut cache = S3FifoCache::with_parts(10, foldhash::fast::FixedState::default(), bytes);
//! cache.insert("six", vec![0; 6]);
//! assert_eq!(cache.insert("five", vec![0; 5])[0].0, "six");
//! assert_eq!(cache.weight(), 5);
//! ```
//!
//! # How others do it
//!
//! moka and Caffeine use W-TinyLFU: a sketch of frequencies decides whether a newcomer may replace the main cache's
//! victim. quick_cache is a concurrent S3-FIFO kin with CLOCK queues; pingora's TinyUFO joins S3-FIFO's queues with the
//! sketch. Redis samples five keys and evicts the best of them ([`policy`]), which needs no list at all. Linux has two
//! CLOCK lists and measures refault distance, which are ghosts by another name. All of those share a cache between
//! threads; these belong to one, so that their decisions can be read and replayed.
//!
//! # What this leaves out
//!
//! Sharing between threads (put one in each shard), expiry, loading on a miss, and admission: a newcomer always gets in.
//! For keys that an adversary chooses, pass a hasher with a secret seed to `with_parts`.
//!
//! # Try next
//!
//! Give [`LfuCache`] an age: when something is evicted at frequency f, let newcomers start at f + 1, and watch a trace
//! whose favourites change half way.
//!
//! # Sources
//!
//! L. Belady, "A study of replacement algorithms for a virtual-storage computer" (1966); K. Shah, A. Mitra, D. Matani,
//! "An O(1) algorithm for implementing the LFU cache eviction scheme" (2010); N. Megiddo and D. Modha, "ARC: a
//! self-tuning, low overhead replacement cache" (FAST 2003); J. Yang et al., "FIFO queues are all you need for cache
//! eviction" (SOSP 2023).

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

/// What every cache answers from its entries alone.
macro_rules! entries_methods {
    () => {
        fn peek<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
        where
            K: Borrow<Q>,
        {
            self.entries.value(self.entries.find(key)?)
        }

        fn len(&self) -> usize {
            self.entries.len()
        }

        fn weight(&self) -> u64 {
            self.entries.weight
        }

        fn capacity(&self) -> u64 {
            self.entries.capacity
        }

        fn iter<'a>(&'a self) -> Iter<'a, K, V>
        where
            K: 'a,
            V: 'a,
        {
            self.entries.iter()
        }
    };
}

mod arc;
mod entries;
mod ghosts;
mod lfu;
mod lru;
pub mod optimal;
pub mod policy;
mod s3fifo;
#[cfg(all(test, not(xs_loom)))]
mod tests;
pub mod trace;

pub use arc::ArcCache;
pub use entries::Iter;
pub use lfu::LfuCache;
pub use lru::LruCache;
pub use s3fifo::S3FifoCache;

/// A bounded map that makes room for what comes by evicting what is there.
pub trait Cache<K, V> {
    /// The value of a key, which counts as a use of it.
    fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>;

    /// The value of a key, without counting as a use.
    fn peek<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>;

    /// Stores a pair and returns everything that left the cache for it: the pair that had this key before, what was
    /// evicted, and the new pair itself if it alone is heavier than the capacity.
    fn insert(&mut self, key: K, value: V) -> Evicted<K, V>;

    /// Takes a key out.
    fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>;

    /// Forgets everything, ghosts and what was learned included.
    fn clear(&mut self);

    /// How many entries there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the entries weigh together: their number, unless there is a [`Weigh`].
    fn weight(&self) -> u64;

    /// The most that they may weigh together.
    fn capacity(&self) -> u64;

    /// The entries, in no order that means anything.
    fn iter<'a>(&'a self) -> Iter<'a, K, V>
    where
        K: 'a,
        V: 'a;
}

/// What an entry weighs against the capacity. Any `Fn(&K, &V) -> u64` is one.
pub trait Weigh<K, V> {
    /// The weight of a pair. Asked once, when the pair is inserted.
    fn weight(&self, key: &K, value: &V) -> u64;
}

/// Every entry weighs one: the capacity is a number of entries.
#[derive(Debug, Clone, Copy, Default)]
pub struct One;

impl<K, V> Weigh<K, V> for One {
    #[inline]
    fn weight(&self, _: &K, _: &V) -> u64 {
        1
    }
}

impl<K, V, F: Fn(&K, &V) -> u64> Weigh<K, V> for F {
    fn weight(&self, key: &K, value: &V) -> u64 {
        self(key, value)
    }
}

/// The pairs that an insertion drove out, in the order in which they went. One of them costs no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evicted<K, V>(SmallVec<[(K, V); 1]>);

impl<K, V> Default for Evicted<K, V> {
    fn default() -> Self {
        Evicted(SmallVec::new())
    }
}

impl<K, V> Evicted<K, V> {
    fn push(&mut self, pair: (K, V)) {
        self.0.push(pair);
    }

    fn extend(&mut self, pair: Option<(K, V)>) {
        self.0.extend(pair);
    }
}

impl<K, V> Deref for Evicted<K, V> {
    type Target = [(K, V)];

    fn deref(&self) -> &[(K, V)] {
        &self.0
    }
}

impl<K, V> IntoIterator for Evicted<K, V> {
    type Item = (K, V);
    type IntoIter = EvictedIter<K, V>;

    fn into_iter(self) -> EvictedIter<K, V> {
        EvictedIter(self.0.into_iter())
    }
}

/// The pairs of [`Evicted`], by value.
#[derive(Debug)]
pub struct EvictedIter<K, V>(smallvec::IntoIter<[(K, V); 1]>);

impl<K, V> Iterator for EvictedIter<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}
