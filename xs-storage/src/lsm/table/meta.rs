//! What a table keeps in memory while it is in use: its index, its filter, and the blocks that have been read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwapOption, Guard};

use super::super::block::Block;
use super::filter::Filter;
use super::index::Index;

/// Index, filter, and a slot for each block.
#[derive(Debug)]
pub(in super::super) struct Meta {
    pub(super) index: Index,
    pub(super) filter: Filter,
    slots: Box<[Slot]>,
}

#[derive(Debug, Default)]
struct Slot {
    block: ArcSwapOption<Block>,
    used: AtomicBool,
}

impl Meta {
    pub(super) fn new(index: Index, filter: Filter) -> Self {
        let slots = (0..index.len()).map(|_| Slot::default()).collect();
        Meta { index, filter, slots }
    }

    /// A block that has been read before and is still here.
    #[inline]
    pub(super) fn block(&self, at: usize) -> Option<Guard<Option<Arc<Block>>>> {
        let slot = &self.slots[at];
        let block = slot.block.load();
        block.as_ref()?;
        if !slot.used.load(Ordering::Relaxed) {
            slot.used.store(true, Ordering::Relaxed);
        }
        Some(block)
    }

    pub(super) fn put(&self, at: usize, block: Arc<Block>) {
        self.slots[at].block.store(Some(block));
    }

    pub(super) fn take_used(&self, at: u32) -> bool {
        self.slots.get(at as usize).is_some_and(|slot| slot.used.swap(false, Ordering::Relaxed))
    }

    pub(super) fn clear(&self, at: u32) {
        if let Some(slot) = self.slots.get(at as usize) {
            slot.block.store(None);
        }
    }

    /// The blocks that are here.
    pub(super) fn loaded(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.iter().zip(0..).filter(|(slot, _)| slot.block.load().is_some()).map(|(_, at)| at)
    }

    /// Bytes of the index, slots included, and of the filter.
    pub(super) fn weights(&self) -> (u64, u64) {
        (self.index.weight() + (self.slots.len() * size_of::<Slot>()) as u64, self.filter.weight())
    }
}

/// Where a table's meta is, if it is in memory.
#[derive(Debug, Default)]
pub(in super::super) struct MetaCell {
    meta: ArcSwapOption<Meta>,
    used: AtomicBool,
}

impl MetaCell {
    #[inline]
    pub(super) fn load(&self) -> Guard<Option<Arc<Meta>>> {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        self.meta.load()
    }

    pub(super) fn put(&self, meta: Arc<Meta>) {
        self.meta.store(Some(meta));
    }

    pub(super) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    pub(super) fn clear(&self) {
        self.meta.store(None);
    }
}
