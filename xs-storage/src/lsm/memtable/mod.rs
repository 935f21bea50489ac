//! Memtables: the newest writes, in order, in memory.
//!
//! A batch's bytes are kept as they came. An entry says where in them its key and its value are, and a
//! [tree](tree) puts the entries in order. Readers get slices of the batch's own bytes: a write is never copied before it
//! is flushed.

mod chunks;
mod cursor;
mod filter;
#[cfg(all(test, xs_loom))]
mod loom_tests;
mod node;
mod seal;
mod sync;
#[cfg(all(test, not(xs_loom)))]
mod tests;
mod tree;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::ranges::Ranges;
use super::table::hash;
use super::{Kind, Seq};
use crate::engine::{Op, WriteBatch};
use chunks::Chunks;
use filter::MemFilter;
use tree::{Keys, Probe, Tree, TreeWriter};

pub(super) use cursor::MemCursor;

/// Deleted ranges are cut into pieces anew with each that comes; so many that this begins to cost, and the table is full.
const MAX_RANGES: usize = 512;

#[derive(Debug)]
pub(super) struct Memtable {
    tree: Tree,
    store: Store,
    filter: MemFilter,
    ranges: ArcSwap<Ranges>,
    bytes: AtomicU64,
    entries: AtomicU64,
}

/// Entries and the batches that they point into.
#[derive(Debug)]
struct Store {
    entries: Chunks<Entry>,
    batches: Chunks<Bytes>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u64,
    batch: u32,
    key: u32,
    key_len: u32,
    value: u32,
    value_len: u32,
}

impl Store {
    #[inline]
    fn slice(&self, batch: u32, from: u32, len: u32) -> Option<&[u8]> {
        self.batches.get(batch)?.get(from as usize..)?.get(..len as usize)
    }
}

impl Keys for Store {
    #[inline]
    fn key(&self, id: u32) -> Option<&[u8]> {
        let entry = self.entries.get(id)?;
        self.slice(entry.batch, entry.key, entry.key_len)
    }

    #[inline]
    fn seq(&self, id: u32) -> Option<u64> {
        self.entries.get(id).map(|entry| entry.tag >> 2)
    }
}

/// What the one writer of a memtable knows.
#[derive(Debug)]
pub(super) struct MemWriter {
    tree: TreeWriter,
    entries: u32,
    batches: u32,
    range_count: usize,
    /// The number of the last write in it; 0 if there is none.
    pub(super) last_seq: Seq,
}

/// An entry of a memtable.
#[derive(Debug)]
pub(super) struct MemFound<'a> {
    pub(super) tag: u64,
    pub(super) batch: &'a Bytes,
    pub(super) value: std::ops::Range<usize>,
}

impl Memtable {
    /// An empty one, for about so many bytes.
    pub(super) fn new(limit: u64) -> (Arc<Memtable>, MemWriter) {
        let shift = (limit >> 12).max(16).ilog2().min(12);
        let inner = (shift + 2).min(10);
        let (tree, writer) = Tree::new(shift, inner);
        let store = Store { entries: Chunks::new(shift, inner), batches: Chunks::new(shift, inner) };
        // Ten bits for each entry of some 130 bytes, all told.
        let filter = MemFilter::new(limit / 100);
        let bytes = AtomicU64::new(writer.bytes as u64 + filter.bytes());
        let table = Memtable { tree, store, filter, ranges: ArcSwap::default(), bytes, entries: AtomicU64::new(0) };
        (Arc::new(table), MemWriter { tree: writer, entries: 0, batches: 0, range_count: 0, last_seq: 0 })
    }

    /// The most writes that a batch can have.
    pub(super) fn max_ops(&self) -> u64 {
        self.store.entries.capacity().min(u64::from(u32::MAX)) / 2
    }

    /// Whether it has no place for so many more writes, or for their deleted ranges.
    pub(super) fn is_full_for(&self, writer: &MemWriter, ops: usize) -> bool {
        u64::from(writer.entries) + ops as u64 > self.store.entries.capacity().min(u64::from(u32::MAX - 1))
            || u64::from(writer.batches) + 1 > self.store.batches.capacity()
            || writer.range_count >= MAX_RANGES
    }

    /// Inserts a batch whose writes are numbered from `seq` on; they are there, but readers who know of lower numbers
    /// only do not see them.
    pub(super) fn insert(&self, writer: &mut MemWriter, batch: WriteBatch, seq: Seq) {
        let ops = batch.len() as u64;
        let slack = batch.capacity() - batch.as_bytes().len();
        // A buffer that was made for more would stay as large as it is for as long as the memtable.
        let bytes = if slack > batch.as_bytes().len() / 2 + 64 {
            Bytes::copy_from_slice(batch.as_bytes())
        } else {
            batch.into_bytes()
        };
        let mut took = bytes.len() + size_of::<Bytes>() + 32;
        let index = writer.batches;
        writer.batches += 1;
        took += self.store.batches.set(index, bytes);
        let bytes = self.store.batches.get(index).expect("it was just put there");
        let base = bytes.as_ptr() as usize;
        // The ops lend slices of these very bytes.
        let offset = |part: &[u8]| if part.is_empty() { 0 } else { (part.as_ptr() as usize - base) as u32 };
        let mut deletes = Vec::new();
        for (op, seq) in WriteBatch::ops(bytes).zip(seq..) {
            let (key, value, kind) = match op {
                Op::Put(key, value) => (key, value, Kind::Put),
                Op::Delete(key) => (key, &[][..], Kind::Delete),
                Op::DeleteRange(start, end) => {
                    if start < end {
                        deletes.push((bytes.slice_ref(start), bytes.slice_ref(end), seq));
                    }
                    continue;
                }
            };
            let entry = Entry {
                tag: kind.tag(seq),
                batch: index,
                key: offset(key),
                key_len: key.len() as u32,
                value: offset(value),
                value_len: value.len() as u32,
            };
            let id = writer.entries;
            writer.entries += 1;
            took += self.store.entries.set(id, entry);
            // Before readers can come upon it.
            self.filter.add(hash(key));
            let before = writer.tree.bytes;
            self.tree.insert(&mut writer.tree, &self.store, id);
            took += writer.tree.bytes - before;
        }
        if !deletes.is_empty() {
            writer.range_count += deletes.len();
            let known = self.ranges.load();
            let old = known.weight();
            let ranges = Ranges::new(known.deletes().chain(deletes).collect());
            took += ranges.weight().saturating_sub(old) as usize;
            self.ranges.store(Arc::new(ranges));
        }
        writer.last_seq = seq + ops - 1;
        self.entries.store(u64::from(writer.entries), Ordering::Relaxed);
        self.bytes.store(self.bytes.load(Ordering::Relaxed) + took as u64, Ordering::Relaxed);
    }

    /// The newest entry of a key, whose hash this is, that is not newer than `seq`.
    pub(super) fn get(&self, key: &[u8], hash: u64, seq: Seq) -> Option<MemFound<'_>> {
        // Whoever knows of `seq` sees all bits that were set before it became visible.
        if !self.filter.may_contain(hash) {
            return None;
        }
        let spot = self.tree.lower(&self.store, Probe { key, seq })?;
        let entry = self.store.entries.get(spot.id)?;
        if self.store.slice(entry.batch, entry.key, entry.key_len)? != key {
            return None;
        }
        let from = entry.value as usize;
        let batch = self.store.batches.get(entry.batch)?;
        Some(MemFound { tag: entry.tag, batch, value: from..from + entry.value_len as usize })
    }

    pub(super) fn ranges(&self) -> Arc<Ranges> {
        self.ranges.load_full()
    }

    /// The newest deleted range over a key; 0 if there is none.
    #[inline]
    pub(super) fn cover(&self, key: &[u8], seq: Seq) -> Seq {
        let ranges = self.ranges.load();
        ranges.cover(key, seq)
    }

    pub(super) fn has_ranges(&self) -> bool {
        !self.ranges.load().is_empty()
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries() == 0 && !self.has_ranges()
    }

    /// The memory that it takes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Memtable {
    /// Whether there are at least so many entries from one key to another.
    pub(super) fn has_many(&self, start: &[u8], end: &[u8], many: u64) -> bool {
        let mut spot = self.tree.lower(&self.store, Probe { key: start, seq: Seq::MAX >> 2 });
        for _ in 1..many {
            spot = spot.and_then(|spot| self.tree.next(&self.store, spot));
        }
        spot.and_then(|spot| self.store.key(spot.id)).is_some_and(|key| key < end)
    }
}
