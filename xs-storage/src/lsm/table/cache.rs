//! The memory for blocks, indexes and filters: found by place, let go by S3-FIFO.
//!
//! ```text
//!   reader ──▶ table ──▶ its meta: index, filter, slots ──▶ slot of block 17 ──▶ block        no lock, no hash
//!                               ▲                               ▲
//!                               └────── clears ─────────────────┘
//!                          one of a few caches, each behind a lock: who comes in, who must go     misses only
//! ```
//! A hit follows two pointers and sets a flag. Only a miss talks to the policy: it takes a lock and puts the block in.
//! What the policy lets go although its flag is set goes in again, once: its hash is still among the ghosts, so it comes
//! to the main queue. That is how a policy that is told of no hit learns of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use foldhash::fast::FixedState;
use parking_lot::Mutex;

use super::meta::{Meta, MetaCell};
use crate::cache::{Cache, S3FifoCache, Weigh};

/// A block of a table, or (with [`META`]) its index and filter.
type Key = (u64, u32);

/// The place of a table's index and filter.
const META: u32 = u32::MAX;

/// Where something stands that takes memory.
#[derive(Debug)]
enum Place {
    Block { meta: Weak<Meta>, weight: u64 },
    Meta { cell: Weak<MetaCell>, index: u64, filter: u64 },
}

#[derive(Debug)]
struct ByWeight;

impl Weigh<Key, Place> for ByWeight {
    fn weight(&self, _: &Key, place: &Place) -> u64 {
        // What an entry takes in the policy itself.
        const ENTRY: u64 = 128;
        match place {
            Place::Block { weight, .. } => ENTRY + weight,
            Place::Meta { index, filter, .. } => ENTRY + index + filter,
        }
    }
}

type Shard = Mutex<S3FifoCache<Key, Place, FixedState, ByWeight>>;

/// See the [page](self).
#[derive(Debug)]
pub(in super::super) struct BlockCache {
    shards: Box<[Shard]>,
    blocks: AtomicU64,
    indexes: AtomicU64,
    filters: AtomicU64,
    /// Blocks that had to be read.
    pub(in super::super) misses: AtomicU64,
}

impl BlockCache {
    pub(in super::super) fn new(capacity: u64) -> Self {
        // A shard should hold the index of a table beside blocks.
        let count = (capacity / (8 << 20)).clamp(1, 16);
        let shard = |_| Mutex::new(S3FifoCache::with_parts(capacity / count, FixedState::default(), ByWeight));
        BlockCache {
            shards: (0..count).map(shard).collect(),
            blocks: AtomicU64::new(0),
            indexes: AtomicU64::new(0),
            filters: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    fn shard(&self, key: Key) -> &Shard {
        let mixed = (key.0 ^ u64::from(key.1).rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &self.shards[((mixed >> 32) as usize * self.shards.len()) >> 32]
    }

    /// Gives memory to blocks or takes it away.
    pub(in super::super) fn set_capacity(&self, capacity: u64) {
        for shard in &self.shards {
            let gone = shard.lock().set_capacity(capacity / self.shards.len() as u64);
            gone.into_iter().for_each(|(key, place)| self.clear(key, &place));
        }
    }

    pub(super) fn add_block(&self, table: u64, block: u32, meta: &Arc<Meta>, weight: u64) {
        self.blocks.fetch_add(weight, Ordering::Relaxed);
        self.insert((table, block), Place::Block { meta: Arc::downgrade(meta), weight });
    }

    pub(super) fn add_meta(&self, table: u64, cell: &Arc<MetaCell>, meta: &Meta) {
        let (index, filter) = meta.weights();
        self.indexes.fetch_add(index, Ordering::Relaxed);
        self.filters.fetch_add(filter, Ordering::Relaxed);
        self.insert((table, META), Place::Meta { cell: Arc::downgrade(cell), index, filter });
    }

    fn insert(&self, key: Key, place: Place) {
        let mut shard = self.shard(key).lock();
        let mut gone = shard.insert(key, place);
        // One that was used since goes in again; what that drives out may too, a few times.
        for round in 0..=4 {
            let mut again = None;
            for (old, place) in gone {
                if old == key && shard.peek(&key).is_some() {
                    self.uncount(&place); // loaded twice at once: the slot holds the newer
                } else if old != key && again.is_none() && round < 4 && self.was_used(old, &place) {
                    again = Some((old, place));
                } else {
                    self.clear(old, &place);
                }
            }
            let Some((old, place)) = again else { return };
            gone = shard.insert(old, place);
        }
    }

    fn was_used(&self, key: Key, place: &Place) -> bool {
        match place {
            Place::Block { meta, .. } => meta.upgrade().is_some_and(|meta| meta.take_used(key.1)),
            Place::Meta { cell, .. } => cell.upgrade().is_some_and(|cell| cell.take_used()),
        }
    }

    fn uncount(&self, place: &Place) {
        match place {
            Place::Block { weight, .. } => {
                self.blocks.fetch_sub(*weight, Ordering::Relaxed);
            }
            Place::Meta { index, filter, .. } => {
                self.indexes.fetch_sub(*index, Ordering::Relaxed);
                self.filters.fetch_sub(*filter, Ordering::Relaxed);
            }
        }
    }

    fn clear(&self, key: Key, place: &Place) {
        self.uncount(place);
        match place {
            Place::Block { meta, .. } => {
                if let Some(meta) = meta.upgrade() {
                    meta.clear(key.1);
                }
            }
            Place::Meta { cell, .. } => {
                if let Some(cell) = cell.upgrade() {
                    cell.clear();
                }
            }
        }
    }

    /// Forgets a table that goes, and those of its blocks that are here.
    pub(super) fn forget(&self, table: u64, blocks: impl Iterator<Item = u32>) {
        for block in blocks.chain([META]) {
            let key = (table, block);
            let gone = self.shard(key).lock().remove(&key);
            if let Some(place) = gone {
                self.clear(key, &place);
            }
        }
    }

    /// Memory by owner: blocks, indexes, filters.
    pub(in super::super) fn memory(&self) -> [(&'static str, u64); 3] {
        [
            ("blocks", self.blocks.load(Ordering::Relaxed)),
            ("indexes", self.indexes.load(Ordering::Relaxed)),
            ("filters", self.filters.load(Ordering::Relaxed)),
        ]
    }
}
