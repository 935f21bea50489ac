//! An ordered key-value store as a contract: [`ReadView`], [`Cursor`], [`Engine`].
//!
//! # The problem
//!
//! A SQL table, a Raft state machine, a metadata catalogue and a cache that outlives its process all stand on the same
//! thing: bytes under ordered keys, written in atomic batches, durable when asked. Written against one engine they are
//! married to it; written against a contract, the engine is a choice, and a test runs on memory.
//!
//! # How it works
//!
//! ```text
//!            Engine ── submit(WriteBatch, Durability) ──▶ Commit ── wait() or .await ──▶ durable
//!              │ is a                                  visible as soon as submit returns
//!              ▼
//!           ReadView ── get(key)
//!              │  ╲──── cursor(range) ──▶ Cursor: seek ─ next ─ prev ─ key ─ value
//!              ▲
//!              │ is a
//!           snapshot()            what was there at that moment, for as long as it is held
//! ```
//!
//! Everything takes `&self`. A batch is atomic: in memory at once, on the disk after its commit. `submit` returns as
//! soon as the batch can be read; the [`Commit`] that it gives is for those who must know that it will survive. Between
//! the two many writers share one sync of the disk: group commit.
//!
//! A cursor lends its key and value, which stay valid until it moves: no allocation per entry. It sees the state of the
//! moment at which it was made.
//!
//! # Invariants
//!
//! Every engine passes one suite (`testing::engine`, feature `testing`) against a `BTreeMap`:
//!
//! - Keys are ordered as byte strings. An empty key is a key; an empty value is a value.
//! - A batch is applied in its order, as a whole or not at all, also across a crash.
//! - Batches become visible, and durable, in one order: if one survives a crash, so do all before it. So a commit that
//!   is durable covers all earlier ones, whatever durability they asked for.
//! - A view never changes: reads of a snapshot or cursor repeat.
//! - After a write or sync of the disk failed, writes answer [`Error::Stopped`](crate::Error::Stopped), and reads go on.
//!
//! # Cost
//!
//! One virtual call per operation; engines' own loops are generic inside. `get` hands out [`Bytes`], which an engine may
//! make without a copy; [`ReadView::get_with`] never needs one.
//!
//! # Example
//!
//! ```
//! use xs_storage::engine::{Durability, Engine, KeyRange, MemoryEngine, ReadView, WriteBatch};
//!
//! let store = MemoryEngine::new();
//! let before = store.snapshot()?;
//! let mut batch = WriteBatch::new();
//! batch.put(b"fruit/apple", b"red");
//! batch.put(b"fruit/pear", b"green");
//! store.submit(batch, Durability::Synced)?.wait()?;
//!
//! let mut cursor = store.cursor(KeyRange::prefix(b"fruit/"))?;
//! assert!(cursor.seek(b"fruit/b")?);
//! assert_eq!((cursor.key(), cursor.value()?), (&b"fruit/pear"[..], &b"green"[..]));
//! assert_eq!(before.get(b"fruit/apple")?, None);
//! # Ok::<(), xs_storage::Error>(())
//! ```
//!
//! # How others do it
//!
//! RocksDB returns from a write when it is durable, or does not promise it at all: who wants to do something in between
//! needs a thread. LevelDB's iterator is this cursor. LMDB lends slices of its memory map for the life of a transaction.
//! FoundationDB's and etcd's stores keep the ordered-bytes contract and put everything else into layers, which is the
//! idea here: transactions are a layer over any engine, not a part of one.
//!
//! # What this leaves out
//!
//! Transactions, typed keys and values, column families (several engines, or a prefix), and merge operators.
//!
//! # Try next
//!
//! Write an engine that sends every call to two others and compares: the cheapest test of a new one.
//!
//! # Sources
//!
//! P. O'Neil et al., "The Log-Structured Merge-Tree" (1996); D. Comer, "The Ubiquitous B-Tree" (1979); P. Helland et al.,
//! "Group Commit Timers and High Volume Transaction Systems" (1987).

mod batch;
mod commit;
mod memory;
mod range;

use std::sync::Arc;

use bytes::Bytes;

use crate::Result;

pub use batch::{Malformed, Op, WriteBatch};
pub use commit::{Commit, Settle};
pub use memory::MemoryEngine;
pub use range::KeyRange;
#[cfg(any(feature = "btree", feature = "lsm"))]
pub(crate) use range::head;
#[cfg(any(feature = "lsm", feature = "mvcc"))]
pub(crate) use range::successor;

/// What a [`Commit`] waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: the batch becomes durable with a later one that is synced, with [`Engine::flush`], or when the engine
    /// gets round to it. A crash of the machine, or a kill of the process, may lose it.
    Buffered,
    /// A sync of the disk that covers the batch.
    #[default]
    Synced,
}

/// Something that can be read and does not change: a snapshot, or an engine at the moment of each call.
pub trait ReadView: Send + Sync {
    /// The value under a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>>;

    /// A cursor over the keys in a range, in front of the first. It sees one state, the one of this moment.
    fn cursor(&self, range: KeyRange<'_>) -> Result<Box<dyn Cursor + '_>>;

    /// Shows the value under a key to `see`, without a copy where the engine can; false if there is none.
    fn get_with(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.get(key)?.map(|value| see(&value)).is_some())
    }
}

/// A place in an ordered range: in front of the first entry (where it starts), on an entry, or behind the last.
///
/// After an error it is in front of the first.
pub trait Cursor {
    /// Goes to the first entry at or after `key`; false, and behind the last, if there is none in the range. A key in
    /// front of the range goes to the range's first.
    fn seek(&mut self, key: &[u8]) -> Result<bool>;

    /// Goes behind the last entry, so that [`Cursor::prev`] goes to it.
    fn seek_end(&mut self) -> Result<()>;

    /// Goes to the next entry; false, and behind the last, if there is none.
    fn next(&mut self) -> Result<bool>;

    /// Goes to the entry before; false, and in front of the first, if there is none.
    fn prev(&mut self) -> Result<bool>;

    /// The key of the entry that the cursor is on. Empty on no entry.
    fn key(&self) -> &[u8];

    /// The value of the entry that the cursor is on. Empty on no entry. An engine that keeps large values apart reads
    /// them here, not when the cursor moves.
    fn value(&self) -> Result<&[u8]>;

    /// Goes to the last entry at or before `key`; false, and in front of the first, if there is none.
    fn seek_back(&mut self, key: &[u8]) -> Result<bool> {
        if self.seek(key)? && self.key() == key { Ok(true) } else { self.prev() }
    }
}

/// A store of bytes under ordered keys. See the [module page](self).
pub trait Engine: ReadView {
    /// Applies a batch: visible to every read that begins after this returns. An empty batch is fine, and its commit
    /// covers everything before it.
    fn submit(&self, batch: WriteBatch, durability: Durability) -> Result<Commit>;

    /// The state of this moment, to read for as long as it is held. Holding it keeps what it sees from being reclaimed.
    fn snapshot(&self) -> Result<Arc<dyn ReadView>>;

    /// Makes everything submitted so far durable in the engine's own structure, so that opening it has nothing to replay.
    fn flush(&self) -> Result<()>;

    /// What the engine knows about itself, for people and for tests.
    fn stats(&self) -> Stats;
}

/// Figures about an engine: bytes and counts, not rates.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Entries, if the engine knows; an estimate where versions overlap.
    pub entries: Option<u64>,
    /// Bytes of the files in use.
    pub disk_bytes: u64,
    /// Bytes of memory by owner (`memtables`, `cache`, `indexes`, …), in a fixed order: together all that the engine
    /// holds but for constants.
    pub memory: Vec<(&'static str, u64)>,
    /// Bytes that callers handed in since it was opened: keys and values.
    pub user_bytes_written: u64,
    /// Bytes written to the disk since it was opened. Over [`Stats::user_bytes_written`]: the write amplification.
    pub disk_bytes_written: u64,
    /// Syncs of files since it was opened.
    pub syncs: u64,
    /// Whatever else the engine wants to say: a name, a figure.
    pub details: Vec<(&'static str, u64)>,
}

impl Stats {
    /// All memory, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Conveniences over any engine.
pub trait EngineExt: Engine {
    /// Puts one entry; durable when this returns.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.put(key, value);
        self.submit(batch, Durability::Synced)?.wait()
    }

    /// Deletes one key; durable when this returns.
    fn delete(&self, key: &[u8]) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.delete(key);
        self.submit(batch, Durability::Synced)?.wait()
    }
}

impl<E: Engine + ?Sized> EngineExt for E {}
