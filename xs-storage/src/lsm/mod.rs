//! An engine that writes in sequence and sorts later: [`Lsm`], a log-structured merge tree.
//!
//! # The problem
//!
//! A tree on a disk that is changed in place pays for each small write with a large one: to change a hundred bytes, a
//! page of four thousand is read, changed, and written where it was. A disk that is only ever appended to takes the same
//! hundred bytes at its full speed; but then nothing is in order. So: gather writes in memory, where order is cheap,
//! write them out sorted when there are many, and merge what has been written out, now and then, in the background. What
//! is gained for writing is paid for in reading (a key may be in any of several files), in space (old values wait for a
//! merge), and in merges that must keep up. The art is to keep all three small at once.
//!
//! # How it works
//!
//! ```text
//!   write   batch ─▶ log (group commit) ─▶ memtable ─▶ visible                      one short critical section
//!                                             │ full: put aside
//!                                             ▼
//!                     flush ─▶ table in level 0 ─▶ manifest ─▶ the log is cut          a job, step by step
//!                                             │ too many
//!                                             ▼
//!                     compaction: merge into deeper levels ─▶ manifest ─▶ inputs go    another job, likewise
//!
//!   read    memtables, newest first ─▶ level 0, newest first ─▶ level 1 ─▶ … ─▶ level 6      the first answer counts
//!                                         each table:  filter ─▶ index ─▶ block in memory? ─▶ entry
//!                                                      ╰──── in memory ────╯    no: one read of the disk
//! ```
//!
//! Every write has a sequence number. An entry is a key, a number, a kind (put, delete, put with its value elsewhere) and
//! a value; entries are ordered by key, then newest first. A reader reads *at* a number and ignores what is newer, so a
//! snapshot is a number, and a batch becomes visible when the number that readers use is raised, once.
//!
//! The memtable is a B+tree whose fields are atomic numbers: one writer changes it, readers check a version before and
//! after and read again if it changed ("How others do it" has the alternatives). Its entries point into the batches' own
//! bytes. A full memtable is put aside and written out as a table; when that is in the manifest the log in front of it is
//! not needed any more.
//!
//! A deleted range is one entry beside the others, with a number of its own. Tables keep them in pieces that do not
//! overlap; a cursor that meets a covered entry seeks all *older* sources to the piece's end, so what was deleted is
//! skipped and not walked through. A memtable in which the range is rich is put aside first, to be one of the older ones.
//!
//! Values from [`Options::separate_bytes`] on go to files of their own, and an entry says where. Compactions carry the
//! entry and leave the value. When less than [`Options::blob_live_percent`] of such a file is referred to, the tables that
//! do are written again with the values moved, and the file goes.
//!
//! **Files.** All numbers are little-endian; `varint` is LEB128; every piece is closed by its CRC32C.
//!
//! ```text
//!   LOCK             empty; locked by whoever has the tree open (`lock` where an earlier version made the store)
//!   manifest         "xs-lsmm\0", u32 version = 1, u32 0 │ varint next file, varint flushed number │ levels of tables: varint
//!                    number, bytes, 0 or 1 + sequence number │ files of values: number, bytes │ u32 CRC32C
//!   00000007.table   "xs-lsmt\0", u32 version = 1, u32 0 │ blocks │ filter │ deleted ranges │ index │ properties │ footer
//!     block          entries: varint shared, rest, value length, number × 4 + kind; rest of key; value │ u32 restarts …,
//!                    u32 how many │ u8 0 plain, 1 LZ4, 2 Zstandard (then a varint raw length stands in front) │ u32 CRC32C
//!     filter         u8 probes │ lines of 64 bytes
//!     ranges         varint pieces: start, end (strings), varint count, numbers
//!     index          varint blocks: key (string) at or behind all of the block, varint its bytes
//!     properties     varint offset, bytes of filter, ranges, index │ entries, deletes, pieces, ms since 1970, least and
//!                    greatest number │ first and last key (strings), 0 or 1: the last is outside │ files of values: number,
//!                    bytes referred to
//!     footer         u64 offset, u64 bytes of properties, u64 bytes of the file, u32 0, u32 CRC32C, "xs-lsmf\0"
//!   00000008.blob    "xs-lsmv\0", u32 version = 1, u32 0 │ values, each with its u32 CRC32C behind it
//!   wal/             a log of records: u64 number of the first write, then the batch as `WriteBatch` keeps it
//! ```
//!
//! # Invariants
//!
//! - Of two entries of a key, the one in the newer source has the greater number: memtables before tables, level 0 in its
//!   order, then level by level. Policies keep it (property test over sequences of choices); the read path stops at the
//!   first answer because of it.
//! - Levels from 1 on are sorted and disjoint (`version`, at every opening; [`Lsm::check`]).
//! - A cursor goes on, whatever the bytes of a table are: entries that do not ascend, or lie beyond the table's first and
//!   last key, are corruption although their checksums fit (`block`, `table`).
//! - At most [`Options::max_open_files`] tables and files of values are kept open (`files`).
//! - Flushes go in order, oldest first, and a table is in the manifest before the log in front of it is cut. So what
//!   survives a crash is a prefix of what was written, and holds all that was acknowledged (explored: every sync of
//!   recorded workloads, 100,000 disks in `.ci/long`).
//! - A file that a manifest names is complete and durable, its name included, before the manifest is; it is removed when
//!   no reader has it and a later manifest is durable. The manifest is replaced whole, so no byte of it may be wrong.
//! - A version that a snapshot reads stays (`Retain`); merges read the list of snapshots after their inputs were fixed. The
//!   number that is visible then is one of them, and a later snapshot reads at that or at a greater one.
//! - A write that failed stops all writing; memtables and tables can be read on.
//! - Nobody waits for a job: a writer that has to wait does a step of the work if nobody else is at it, so a tree on
//!   [`SteppedJobs`](xs_os::SteppedJobs) never hangs, and the same calls leave the same bytes on the disk.
//! - Memory: memtables take at most half of [`Options::memory`]; blocks, indexes and filters share what they leave, in one
//!   cache. On top come a batch that alone is larger, a cursor that holds a memtable while it is open, the log's buffer, the
//!   deleted ranges of tables ([`stats`](crate::engine::Engine::stats) has both), and some hundred bytes and two keys for
//!   each table.
//!
//! # Cost
//!
//! A write: one append to the log's buffer, one descent of three levels in memory. A look-up of a missing key: a filter
//! for each table of level 0 whose span has it and one for each further level, some 20 ns each when in the processor's
//! cache; with 10 bits a key one in ninety reads a block in vain. A look-up that hits: a binary search over 8-byte heads,
//! two pointers to the block, a binary search over restarts, four entries on average. A cursor step: decoding an entry,
//! and two comparisons in the heap. An entry is written about once to the log, once by a flush, and once for each level
//! times half the factor between levels; [`Lsm::levels`] says what it came to. Filled with a million entries of 116 bytes and
//! overwritten once, in random order, 3.1 bytes for each: log 1.03, flushes 1.06, merges 1.0
//! ([`top_percent`](compaction::Leveled::top_percent) trades these for space: 2.6 bytes from 150 on). Space: a store of 35 MB that was overwritten once takes 2.6 times its size at
//! that moment, when the merge that this brings about begins; most of what goes beyond twice is the log, which keeps a
//! segment and a spare ([`Options::log_segment_bytes`] each). Opening: the manifest, three reads a table, and the log since the last flush.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//! use xs_os::vfs::MemoryVfs;
//! use xs_storage::engine::{Durability, Engine, EngineExt, KeyRange, ReadView, WriteBatch};
//! use xs_storage::lsm::{Lsm, Options};
//!
//! let disk = Arc::new(MemoryVfs::new()); // or leave it out, for the machine's own
//! let options = Options { vfs: disk.clone(), memory: 8 << 20, ..Options::default() };
//! let store = Lsm::open(Path::new("db"), options.clone())?;
//! store.put(b"user/1", b"Ada")?;
//! let before = store.snapshot()?;
//! let mut batch = WriteBatch::new();
//! batch.put(b"user/2", b"Grace").delete_range(b"user/1", b"user/2");
//! store.submit(batch, Durability::Synced)?.wait()?;
//! assert_eq!(before.get(b"user/1")?.as_deref(), Some(&b"Ada"[..]));
//!
//! let mut cursor = store.cursor(KeyRange::prefix(b"user/"))?;
//! assert!(cursor.next()? && cursor.key() == b"user/2" && !cursor.next()?);
//! drop((cursor, before));
//!
//! store.checkpoint(Path::new("copy"))?; // of an open store, by hard links where the disk has them
//! drop(store);
//! let again = Lsm::open(Path::new("db"), options)?;
//! assert_eq!(again.get(b"user/2")?.as_deref(), Some(&b"Grace"[..]));
//! println!("{:?}", again.check()?);
//! # Ok::<(), xs_storage::Error>(())
//! ```
//!
//! # How others do it
//!
//! LevelDB is the classic, RocksDB its grown-up descendant with a knob for everything, Pebble the same in Go with a purer
//! core. Theirs is a skip list in memory: simple to read without a lock, but each comparison is a cache miss, some twenty
//! for half a million keys; a B+tree needs four or five, and pays with readers that must sometimes look twice. fjall uses
//! crossbeam's skip list. Badger and BlobDB keep large values apart as here, after WiscKey. RocksDB's iterators step
//! through the entries of a deleted range if they are in the memtable; since version 7 they seek over those in tables. Its
//! block cache looks a block up by hash under a sharded lock, and later learnt to do it with a lock-free table; here the
//! table's own array of slots is the index, and the cache's policy is only told of misses.
//! Its budget is a sum of several that must be set one by one; here it is one.
//!
//! # What this leaves out
//!
//! Column families, merge operators, several compactions at once (one job merges, one flushes), subcompactions, a format
//! for readers of another process, encryption, expiry of single entries (tables expire, with [`compaction::Fifo`]), and
//! levels whose sizes follow the last one's. Direct I/O too: what the cache misses, the system's may still have.
//!
//! # Try next
//!
//! Set [`Options::separate_bytes`] to 64 and watch `disk_bytes_written` of [`stats`](crate::engine::Engine::stats) while
//! you overwrite; then watch a scan. Then make `Version::apply` put what comes at the wrong end of level 0, and see which
//! test notices first.
//!
//! # Sources
//!
//! P. O'Neil et al., "The Log-Structured Merge-Tree" (1996); F. Chang et al., "Bigtable" (OSDI 2006); L. Lu et al., "WiscKey"
//! (FAST 2016); V. Leis et al., "The ART of Practical Synchronization" (DaMoN 2016) for optimistic lock coupling; H.-J.
//! Boehm, "Can Seqlocks Get Along with Programming Language Memory Models?" (MSPC 2012); F. Putze et al., "Cache-, Hash- and
//! Space-Efficient Bloom Filters" (WEA 2007).

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
mod files;
mod ingest;
mod levels;
mod manifest;
mod memtable;
mod merge;
mod open;
mod options;
mod ranges;
mod read;
mod span;
mod table;
#[cfg(all(test, not(xs_loom)))]
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
pub use levels::LevelStats;
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
    /// Opens the tree in a directory, and makes one if the directory is missing or empty. One on a disk that is full can
    /// be read; writes answer [`Error::Stopped`](crate::Error::Stopped) until it is opened with space.
    ///
    /// # Errors
    /// [`Error::NotOurs`](crate::Error::NotOurs) if something else is there, [`Error::Locked`](crate::Error::Locked) if
    /// it is open already, [`Error::NewerFormat`](crate::Error::NewerFormat) if a newer version wrote it,
    /// [`Error::Corrupt`](crate::Error::Corrupt) if what was durable is damaged, [`Error::Invalid`](crate::Error::Invalid)
    /// for options that make no sense, [`Error::Io`](crate::Error::Io) of the kind `NotFound` if there is none and
    /// [`Options::must_exist`] is set.
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
        self.compact_fully_with(&mut |_, _| {})
    }

    /// [`compact_fully`](Lsm::compact_fully), which says now and then how many bytes were merged, and of how many.
    ///
    /// # Errors
    /// What stopped the tree, if something has.
    pub fn compact_fully_with(&self, told: &mut dyn FnMut(u64, u64)) -> Result<()> {
        self.flush()?;
        self.core.merge_all(told)
    }

    /// Reads everything and looks at what must hold: checksums, the order in tables, that levels are disjoint and of each
    /// key what stands higher is newer, filters, counts, and that manifest and files agree. What is in memtables only is in
    /// the log, whose records are read. Not looked at: whether deleted ranges stand where they must beside what they hide,
    /// and files that belong to nobody, which the next opening removes.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) for the first thing that is wrong: file, offset, what.
    pub fn check(&self) -> Result<Checked> {
        self.check_with(&mut |_, _| {})
    }

    /// [`check`](Lsm::check), which says now and then how many bytes were read, and of how many: twice those of the tables,
    /// once in the order of the tables and once in that of the keys.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) for the first thing that is wrong.
    pub fn check_with(&self, told: &mut dyn FnMut(u64, u64)) -> Result<Checked> {
        self.core.check(told)
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
    /// together. The files get a second name here, or are copied; the given names stay the caller's. With
    /// [`compaction::Leveled`] a table goes below level 0 as far as none overlaps it, so that many of them hold nobody up;
    /// those that overlap count as tables of level 0 do, and where these are too many, this waits for merges like every
    /// write.
    ///
    /// # Errors
    /// [`Error::NotOurs`](crate::Error::NotOurs) or [`Error::Corrupt`](crate::Error::Corrupt) for a file that is no
    /// table, or one that a tree wrote for itself, [`Error::Io`](crate::Error::Io) for one that cannot be brought here: then
    /// nothing happened. A failure of the disk after that stops the tree.
    pub fn ingest(&self, tables: &[&Path]) -> Result<()> {
        self.core.ingest(tables)
    }

    /// Level by level, what is there, and what was read and written for it since the tree was opened. What was written,
    /// with the log, over what callers handed in: the write amplification. Tiers merge within level 0 too: there it is
    /// flushes and merges.
    pub fn levels(&self) -> [LevelStats; LEVELS] {
        self.core.traffic.levels(&self.core.state.load().version)
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
        // Not under the writers' lock: it looks at files.
        let log = core.log.lock().clone().map(|log| log.stats()).unwrap_or_default();
        let mut memory = vec![("memtables", state.memtables().map(|mem| mem.bytes()).sum())];
        memory.extend(core.disk.cache.memory());
        memory.push(("deleted ranges", state.version.tables().map(|table| table.ranges.weight()).sum()));
        memory.push(("log buffer", log.buffered_bytes));
        let entries: u64 = state.memtables().map(|mem| mem.entries()).sum();
        let tables = state.version.tables().map(|table| table.info.entries.saturating_sub(2 * table.info.deletes));
        let mut stats = Stats {
            entries: Some(entries + tables.sum::<u64>()),
            disk_bytes: state.version.bytes() + log.disk_bytes,
            memory,
            user_bytes_written: core.user_bytes.load(Ordering::Relaxed),
            disk_bytes_written: core.disk.written.load(Ordering::Relaxed) + log.written_bytes,
            syncs: core.disk.syncs.load(Ordering::Relaxed) + log.syncs,
            details: Vec::new(),
        };
        let (flushed, merged) = core.traffic.written();
        stats.details.push(("bytes written to the log", log.written_bytes));
        stats.details.push(("bytes written by flushes", flushed));
        stats.details.push(("bytes written by merges", merged));
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
        stats.details.push(("open files", core.disk.files.count() as u64));
        stats.details.push(("waiting memtables", state.waiting.len() as u64));
        stats.details.push(("blocks read", core.disk.cache.misses.load(Ordering::Relaxed)));
        stats.details.push(("writes held up", core.stalls.load(Ordering::Relaxed)));
        stats.details.push(("pressure", u64::from(core.pressure.load(Ordering::Relaxed))));
        stats
    }
}
