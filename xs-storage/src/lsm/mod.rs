//! An engine that writes in sequence and sorts later: [`Lsm`].
#![allow(missing_docs)]

mod background;
mod blob;
mod block;
mod check;
mod checkpoint;
mod codec;
pub mod compaction;
mod core;
mod cursor;
mod disk;
mod entries;
mod events;
mod ingest;
mod manifest;
mod memtable;
mod merge;
mod open;
mod options;
mod ranges;
mod read;
mod span;
mod table;
#[cfg(test)]
mod tests;
mod version;
mod view;
mod write;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use self::core::Core;
use crate::Result;
use crate::engine::{Commit, Cursor, Durability, Engine, KeyRange, ReadView, Stats, WriteBatch};

pub use check::Checked;
pub use events::Event;
pub use ingest::TableBuilder;
pub use options::{Compression, Options};
pub use span::Span;
pub use table::TableInfo;

/// Levels of tables.
const LEVELS: usize = 7;

/// The number of a write; later ones are greater. 61 bits are enough for a thousand years of writes.
type Seq = u64;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Delete = 0,
    Put = 1,
    /// A put whose value is in a file of values.
    Blob = 2,
}

impl Kind {
    #[inline]
    fn of(tag: u64) -> Option<Kind> {
        match tag & 3 {
            0 => Some(Kind::Delete),
            1 => Some(Kind::Put),
            2 => Some(Kind::Blob),
            _ => None,
        }
    }

    #[inline]
    fn tag(self, seq: Seq) -> u64 {
        seq << 2 | self as u64
    }
}

/// A log-structured merge tree in a directory of its own. Clones are handles of the same tree; with the last one it is
/// closed. See the [page](self).
#[derive(Clone, Debug)]
pub struct Lsm {
    core: Arc<Core>,
    _close: Arc<Close>,
}

/// Closes the tree with its last handle. Snapshots may live longer: they read, and keep nobody out.
#[derive(Debug)]
struct Close(Arc<Core>);

impl Drop for Close {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Lsm {
    /// Opens the tree in a directory, and makes one if the directory is missing or empty.
    ///
    /// # Errors
    /// [`Error::NotOurs`](crate::Error::NotOurs) if something else is there, [`Error::Locked`](crate::Error::Locked) if
    /// it is open already, [`Error::NewerFormat`](crate::Error::NewerFormat) if a newer version wrote it,
    /// [`Error::Corrupt`](crate::Error::Corrupt) if what was durable is damaged, [`Error::Invalid`](crate::Error::Invalid)
    /// for options that make no sense.
    pub fn open(dir: &Path, options: Options) -> Result<Lsm> {
        let core = open::open(dir, options)?;
        Ok(Lsm { _close: Arc::new(Close(core.clone())), core })
    }

    /// Carries out all compactions that the policy wants by now.
    ///
    /// # Errors
    /// What stopped the tree, if something has.
    pub fn compact(&self) -> Result<()> {
        self.core.compact_all()
    }

    /// Flushes, and merges all tables into one level: the least space and the fastest reads that there are.
    ///
    /// # Errors
    /// What stopped the tree, if something has.
    pub fn compact_fully(&self) -> Result<()> {
        self.flush()?;
        self.core.merge_all()
    }

    /// Reads everything and looks at every invariant: order, levels, checksums, filters, counts, and that manifest and
    /// files agree. What is in memtables only is in the log, whose records are read.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) for the first thing that is wrong: file, offset, what.
    pub fn check(&self) -> Result<Checked> {
        self.core.check()
    }

    /// Makes a copy of the tree, as it is now, in a directory that is missing or empty: a second name for each file where
    /// the disk can, so that it takes no time and hardly any space. Writers go on meanwhile. It is opened as any other.
    ///
    /// # Errors
    /// [`Error::NotOurs`](crate::Error::NotOurs) if there is something, [`Error::Io`](crate::Error::Io) from the disk.
    pub fn checkpoint(&self, dir: &Path) -> Result<()> {
        self.flush()?;
        self.core.checkpoint(dir)
    }

    /// Takes in tables that a [`TableBuilder`] made: they count as written now, one after the other, and become visible
    /// together. The files get a second name here, or are copied; the given names stay the caller's.
    ///
    /// # Errors
    /// [`Error::NotOurs`](crate::Error::NotOurs) or [`Error::Corrupt`](crate::Error::Corrupt) for a file that is no
    /// table, and nothing happened; a failure of the disk stops the tree.
    pub fn ingest(&self, tables: &[&Path]) -> Result<()> {
        self.core.ingest(tables)
    }

    /// The tables as a policy sees them.
    pub fn shape(&self) -> compaction::Shape {
        self.core.state.load().version.shape()
    }
}

impl ReadView for Lsm {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        // First the state, then the number: the state of a moment holds all that is visible at that moment.
        let state = self.core.state.load();
        let seq = self.core.visible.load(Ordering::Acquire);
        self.core.find(&state, key, seq, |value| value.into_bytes())
    }

    fn cursor(&self, range: KeyRange<'_>) -> Result<Box<dyn Cursor + '_>> {
        let state = self.core.state.load_full();
        let seq = self.core.visible.load(Ordering::Acquire);
        Ok(Box::new(self.core.cursor(state, range, seq)?))
    }

    fn get_with(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let state = self.core.state.load();
        let seq = self.core.visible.load(Ordering::Acquire);
        Ok(self.core.find(&state, key, seq, |value| see(value.bytes()))?.is_some())
    }
}

impl Engine for Lsm {
    fn submit(&self, batch: WriteBatch, durability: Durability) -> Result<Commit> {
        self.core.submit(batch, durability)
    }

    fn snapshot(&self) -> Result<Arc<dyn ReadView>> {
        Ok(Arc::new(view::Snapshot::new(self.core.clone())))
    }

    fn flush(&self) -> Result<()> {
        self.core.check_stopped()?;
        {
            let mut writer = self.core.write.lock();
            self.core.rotate(&mut writer);
        }
        self.core.flush_waiting()
    }

    fn stats(&self) -> Stats {
        let core = &self.core;
        let state = core.state.load();
        let (log, segment) = (core.write.lock().log.as_ref().map(|log| log.stats()), core.disk.options.log_segment_bytes);
        let log = log.unwrap_or_default();
        let mut memory = vec![("memtables", state.memtables().map(|mem| mem.bytes()).sum())];
        memory.extend(core.disk.cache.memory());
        memory.push(("deleted ranges", state.version.tables().map(|table| table.ranges.weight()).sum()));
        memory.push(("log buffer", log.buffered_bytes));
        let entries: u64 = state.memtables().map(|mem| mem.entries()).sum();
        let tables = state.version.tables().map(|table| table.info.entries.saturating_sub(2 * table.info.deletes));
        let mut stats = Stats {
            entries: Some(entries + tables.sum::<u64>()),
            disk_bytes: state.version.bytes() + log.segments as u64 * segment,
            memory,
            user_bytes_written: core.user_bytes.load(Ordering::Relaxed),
            disk_bytes_written: core.disk.written.load(Ordering::Relaxed) + log.written_bytes,
            syncs: core.disk.syncs.load(Ordering::Relaxed) + log.syncs,
            details: Vec::new(),
        };
        const LEVEL_NAMES: [&str; LEVELS] = [
            "tables in level 0",
            "tables in level 1",
            "tables in level 2",
            "tables in level 3",
            "tables in level 4",
            "tables in level 5",
            "tables in level 6",
        ];
        for (name, level) in LEVEL_NAMES.into_iter().zip(&state.version.levels) {
            stats.details.push((name, level.len() as u64));
        }
        stats.details.push(("files of values", state.version.blobs.len() as u64));
        stats.details.push(("waiting memtables", state.waiting.len() as u64));
        stats.details.push(("blocks read", core.disk.cache.misses.load(Ordering::Relaxed)));
        stats.details.push(("writes held up", core.stalls.load(Ordering::Relaxed)));
        stats.details.push(("pressure", u64::from(core.pressure.load(Ordering::Relaxed))));
        stats
    }
}
