//! What each level holds, and what was done to it: where the bytes go when a tree writes more than it is given.

use std::sync::atomic::{AtomicU64, Ordering};

use super::LEVELS;
use super::version::Version;

/// A level: what is in it now, and what came to it since the tree was opened. See [`Lsm::levels`](super::Lsm::levels).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelStats {
    /// Tables that are in it.
    pub tables: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their entries, old versions and deletes included.
    pub entries: u64,
    /// How many of the entries are deletes.
    pub deletes: u64,
    /// Flushes (into level 0) and merges that ended here.
    pub jobs: u64,
    /// Bytes of the tables that the merges read, of this level and of those above; a flush reads none.
    pub read: u64,
    /// Bytes that the flushes and merges wrote, files of values included.
    pub written: u64,
    /// Bytes of tables that came as they were, from the level above or from an ingest: nothing was written for them.
    pub moved: u64,
}

/// The counts behind the last four fields.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    levels: [Counts; LEVELS],
    flushed: AtomicU64,
}

#[derive(Debug, Default)]
struct Counts {
    jobs: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
    moved: AtomicU64,
}

impl Traffic {
    /// A flush has ended.
    pub(super) fn flushed(&self, written: u64) {
        self.flushed.fetch_add(written, Ordering::Relaxed);
        self.merged(0, 0, written);
    }

    /// A merge has ended.
    pub(super) fn merged(&self, level: usize, read: u64, written: u64) {
        let counts = &self.levels[level];
        counts.jobs.fetch_add(1, Ordering::Relaxed);
        counts.read.fetch_add(read, Ordering::Relaxed);
        counts.written.fetch_add(written, Ordering::Relaxed);
    }

    /// A table came as it was.
    pub(super) fn moved(&self, level: usize, bytes: u64) {
        self.levels[level].moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes written by flushes, and by merges.
    pub(super) fn written(&self) -> (u64, u64) {
        let flushed = self.flushed.load(Ordering::Relaxed);
        let all: u64 = self.levels.iter().map(|counts| counts.written.load(Ordering::Relaxed)).sum();
        (flushed, all.saturating_sub(flushed))
    }

    pub(super) fn levels(&self, version: &Version) -> [LevelStats; LEVELS] {
        std::array::from_fn(|level| {
            let counts = &self.levels[level];
            let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
            let mut stats = LevelStats {
                jobs: get(&counts.jobs),
                read: get(&counts.read),
                written: get(&counts.written),
                moved: get(&counts.moved),
                ..LevelStats::default()
            };
            for table in version.levels[level].iter() {
                stats.tables += 1;
                stats.bytes += table.info.bytes;
                stats.entries += table.info.entries;
                stats.deletes += table.info.deletes;
            }
            stats
        })
    }
}
