//! The nodes of the tree in memory.
//!
//! All fields are atomic, so reading one while it is being written is defined: it gives numbers that were there at some
//! time, in a mixture that the reader throws away when the version turns out to have changed.

use std::sync::atomic::Ordering;

use super::seal::Seal;
use super::sync::{AtomicU32, AtomicU64};

/// Entries in a leaf, keys in an inner node. In a model they are few, so that there is a split to be looked at.
pub(super) const FAN: usize = if cfg!(xs_loom) { 2 } else { 64 };

/// No node, no entry.
pub(super) const NIL: u32 = u32::MAX;

/// Sorted entries, by number, with eight bytes of each one's key for a first comparison.
#[derive(Debug)]
pub(super) struct Slots {
    /// How many bytes all keys here have in common with each other and with what may come here.
    pub(super) skip: AtomicU32,
    len: AtomicU32,
    heads: [AtomicU64; FAN],
    ids: [AtomicU32; FAN],
}

impl Slots {
    fn new() -> Self {
        Slots {
            skip: AtomicU32::new(0),
            len: AtomicU32::new(0),
            heads: std::array::from_fn(|_| AtomicU64::new(0)),
            ids: std::array::from_fn(|_| AtomicU32::new(NIL)),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        (self.len.load(Ordering::Relaxed) as usize).min(FAN)
    }

    #[inline]
    pub(super) fn skip(&self) -> usize {
        self.skip.load(Ordering::Relaxed) as usize
    }

    #[inline]
    pub(super) fn head(&self, at: usize) -> u64 {
        self.heads[at].load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn id(&self, at: usize) -> u32 {
        self.ids[at].load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, at: usize, head: u64, id: u32) {
        self.heads[at].store(head, Ordering::Relaxed);
        self.ids[at].store(id, Ordering::Relaxed);
    }

    pub(super) fn set_len(&self, len: usize) {
        self.len.store(len as u32, Ordering::Relaxed);
    }

    /// Makes room at `at` and puts an entry there.
    pub(super) fn insert(&self, at: usize, head: u64, id: u32) {
        let len = self.len();
        for to in (at + 1..=len).rev() {
            self.heads[to].store(self.heads[to - 1].load(Ordering::Relaxed), Ordering::Relaxed);
        }
        for to in (at + 1..=len).rev() {
            self.ids[to].store(self.ids[to - 1].load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.set(at, head, id);
        self.set_len(len + 1);
    }
}

#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) seal: Seal,
    pub(super) slots: Slots,
    /// The leaf behind this one.
    pub(super) right: AtomicU32,
}

impl Leaf {
    pub(super) fn new() -> Self {
        Leaf { seal: Seal::default(), slots: Slots::new(), right: AtomicU32::new(NIL) }
    }
}

/// Key `i` is the first entry of child `i + 1`.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) slots: Slots,
    kids: [AtomicU32; FAN + 1],
}

impl Inner {
    pub(super) fn new() -> Self {
        Inner { slots: Slots::new(), kids: std::array::from_fn(|_| AtomicU32::new(NIL)) }
    }

    #[inline]
    pub(super) fn kid(&self, at: usize) -> u32 {
        self.kids[at].load(Ordering::Relaxed)
    }

    pub(super) fn set_kid(&self, at: usize, kid: u32) {
        self.kids[at].store(kid, Ordering::Relaxed);
    }

    /// Puts key `at` and the child behind it in.
    pub(super) fn insert(&self, at: usize, head: u64, id: u32, kid: u32) {
        for to in (at + 2..=self.slots.len() + 1).rev() {
            self.set_kid(to, self.kid(to - 1));
        }
        self.slots.insert(at, head, id);
        self.set_kid(at + 1, kid);
    }
}
