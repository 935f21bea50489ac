//! Which tables to merge, and when: decisions without a disk.
//!
//! # The problem
//!
//! A tree that only ever adds tables gets slow to read (every table may have the key), and large (old values stay). One
//! that merges at every chance writes each byte many times over. Between the two lies a choice that no tree can make once
//! for all: little reading, little writing, little space: pick two. It is made again and again, in the background, and a
//! mistake shows hours later. So it should be possible to look at it, and to play it through, without a tree.
//!
//! # How it works
//!
//! A policy is a pure function of the tree's shape:
//!
//! ```text
//!   Shape: levels of TableInfo ──▶ Policy::choose(shape, now) ──▶ Choice: Merge │ Move │ Drop │ Nothing
//!
//!   Leveled   level 0: a few tables    │ level n+1 ten times level n, sorted       reads and space; writes ~10 a level
//!   Tiered    runs of about equal size are merged into one, several times larger   writes; space up to double
//!   Fifo      nothing is merged; the oldest tables go, by age or by size           caches, logs, metrics
//! ```
//!
//! Sizes are bytes, times milliseconds, tables numbers. Who asks carries the choice out and asks again: the tree, or a
//! simulator: `cargo run -p xs-storage --features lsm --example compactions` prints what each of the three would do to
//! the same writes.
//!
//! # Invariants
//!
//! - A choice names tables of the shape, each once, and what results is a tree again: sorted levels stay disjoint, and no
//!   entry comes to stand below an older one of the same key (property test over sequences of choices).
//! - Choices end: if nothing is written, a policy comes to [`Choice::Nothing`] (same test).
//! - The same shape gives the same choice.
//!
//! # Cost
//!
//! Linear in the number of tables, quadratic at worst in those of two neighbouring levels; asked once a flush and once a
//! compaction.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use xs_storage::lsm::compaction::{Choice, Context, Leveled, Policy, Shape};
//! use xs_storage::lsm::{Span, TableInfo};
//!
//! let table = |id: u64| Arc::new(TableInfo {
//!     id, bytes: 1 << 20, entries: 1000, deletes: 0, range_deletes: 0, created_ms: 0, seqs: (id, id), blobs: vec![],
//!     span: Span { first: "a".into(), last: "z".into(), open: false },
//! });
//! let mut shape = Shape::default();
//! let policy = Policy::Leveled(Leveled::default());
//! shape.levels[0] = vec![table(1)];
//! assert_eq!(policy.choose(&shape, &Context::default()), Choice::Nothing);
//! shape.levels[0] = (1..=4).rev().map(table).collect();
//! assert_eq!(policy.choose(&shape, &Context::default()), Choice::Merge { tables: vec![4, 3, 2, 1], to: 1 });
//! ```
//!
//! # How others do it
//!
//! LevelDB levels, with the next table picked in turn; RocksDB by the least overlap, and it brought size tiers
//! ("universal") and FIFO; Cassandra and ScyllaDB tier by default, with time windows for time series. Dostoevsky shows
//! that most of leveling's cost buys little, since the last level does most of the work. lsm-tree's compaction strategies
//! are values that choose, as here.
//!
//! # What this leaves out
//!
//! Several compactions at once, levels whose targets follow the last level's real size, and time windows.
//!
//! # Try next
//!
//! Write "lazy leveling": tiers everywhere but in the last level. Then compare the three in the simulator.
//!
//! # Sources
//!
//! P. O'Neil et al., "The Log-Structured Merge-Tree" (1996); N. Dayan and S. Idreos, "Dostoevsky" (SIGMOD 2018); S. Sarkar
//! et al., "Constructing and Analyzing the LSM Compaction Design Space" (VLDB 2021); the RocksDB wiki on universal and FIFO
//! compaction.

mod fifo;
mod leveled;
mod retain;
mod run;
#[cfg(all(test, not(xs_loom)))]
mod tests;
mod tiered;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{LEVELS, Seq, TableInfo};
use crate::{Error, Result};

pub use fifo::Fifo;
pub use leveled::Leveled;
pub use tiered::Tiered;

pub(super) use retain::Retain;
pub(super) use run::{Plan, Run, Step};

/// What a policy sees of a tree.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Seven levels. Level 0 has its newest table first, and its tables may overlap; those of another are sorted and
    /// disjoint.
    pub levels: Vec<Vec<Arc<TableInfo>>>,
    /// Files of values, by number.
    pub blobs: Vec<BlobInfo>,
}

/// What is known of a file of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its number.
    pub id: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// What a policy is told beside the shape.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
    /// Nobody reads at a lower sequence number than this: older versions and deletes can go.
    pub oldest: Seq,
    /// A file of values is emptied when less than this many hundredths of it are referred to.
    pub blob_live_percent: u32,
}

impl Default for Context {
    fn default() -> Self {
        Context { now_ms: 0, oldest: Seq::MAX, blob_live_percent: 50 }
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing, until the shape or the time changes.
    Nothing,
    /// Merge these tables, given newest first, and put the outcome into a level.
    Merge {
        /// By number.
        tables: Vec<u64>,
        /// Where the outcome goes.
        to: usize,
    },
    /// Put these tables into a lower level as they are.
    Move {
        /// By number.
        tables: Vec<u64>,
        /// Where they go.
        to: usize,
    },
    /// Remove these tables and what is in them.
    Drop {
        /// By number.
        tables: Vec<u64>,
    },
}

/// How a tree keeps its shape.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// Levels, each a multiple of the one above.
    Leveled(Leveled),
    /// Runs of similar size.
    Tiered(Tiered),
    /// A queue.
    Fifo(Fifo),
}

impl Default for Policy {
    fn default() -> Self {
        Policy::Leveled(Leveled::default())
    }
}

impl Policy {
    /// What to do about a tree of this shape.
    pub fn choose(&self, shape: &Shape, context: &Context) -> Choice {
        let choice = match self {
            Policy::Leveled(policy) => policy.choose(shape, context),
            Policy::Tiered(policy) => policy.choose(shape),
            Policy::Fifo(policy) => return policy.choose(shape, context),
        };
        if choice != Choice::Nothing {
            return choice;
        }
        shape.empty_a_blob(context).unwrap_or(Choice::Nothing)
    }

    /// How far compactions are behind, in thousandths: from 1 on writers are slowed down, at 1000 they stop.
    pub fn pressure(&self, shape: &Shape) -> u32 {
        match self {
            Policy::Leveled(policy) => policy.pressure(shape),
            Policy::Tiered(policy) => policy.pressure(shape),
            Policy::Fifo(_) => 0,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let sound = match self {
            Policy::Leveled(policy) => policy.is_sound(),
            Policy::Tiered(policy) => policy.is_sound(),
            Policy::Fifo(policy) => policy.is_sound(),
        };
        if sound { Ok(()) } else { Err(Error::Invalid(format!("a policy that makes no sense: {self:?}"))) }
    }
}

/// A number between two, as thousandths of the way: 0 up to the first, 1000 from the second on.
fn between(slow: usize, stop: usize, now: usize) -> u32 {
    let way = now.saturating_sub(slow) as u64 * 1000 / (stop - slow) as u64;
    way.min(1000) as u32
}

impl Default for Shape {
    fn default() -> Self {
        Shape { levels: vec![Vec::new(); LEVELS], blobs: Vec::new() }
    }
}

impl Shape {
    /// All tables.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableInfo>> {
        self.levels.iter().flatten()
    }

    /// Bytes of a level.
    pub fn bytes(&self, level: usize) -> u64 {
        self.levels[level].iter().map(|table| table.bytes).sum()
    }

    /// Bytes of all tables.
    pub fn total_bytes(&self) -> u64 {
        self.tables().map(|table| table.bytes).sum()
    }

    /// The deepest level that has tables; 0 if none has.
    pub fn deepest(&self) -> usize {
        self.levels.iter().rposition(|level| !level.is_empty()).unwrap_or(0)
    }

    /// The files of values of which too little is referred to.
    pub fn wasteful_blobs(&self, context: &Context) -> Vec<u64> {
        let mut live: BTreeMap<u64, u64> = BTreeMap::new();
        for (blob, bytes) in self.tables().flat_map(|table| &table.blobs) {
            *live.entry(*blob).or_default() += bytes;
        }
        let wasteful = self.blobs.iter().filter(|blob| {
            let live = live.get(&blob.id).copied().unwrap_or(0);
            u128::from(live) * 100 < u128::from(blob.bytes) * u128::from(context.blob_live_percent)
        });
        wasteful.map(|blob| blob.id).collect()
    }

    /// A table that refers to a wasteful file of values, to be written again without it.
    fn empty_a_blob(&self, context: &Context) -> Option<Choice> {
        let wasteful = self.wasteful_blobs(context);
        if wasteful.is_empty() {
            return None;
        }
        let refers = |table: &&Arc<TableInfo>| table.blobs.iter().any(|(blob, _)| wasteful.contains(blob));
        let (level, table) =
            self.levels.iter().enumerate().find_map(|(at, level)| Some((at, level.iter().find(refers)?)))?;
        Some(Choice::Merge { tables: vec![table.id], to: level })
    }

    /// Tables of a level that overlap any of these.
    fn overlapping<'a>(&'a self, level: usize, with: &[&Arc<TableInfo>]) -> Vec<&'a Arc<TableInfo>> {
        let overlaps = |table: &&Arc<TableInfo>| with.iter().any(|other| other.span.overlaps(&table.span));
        self.levels[level].iter().filter(overlaps).collect()
    }
}
