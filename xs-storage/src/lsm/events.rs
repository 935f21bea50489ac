//! What happens behind the caller's back, told as it happens.

/// Something that the tree does in the background, for progress bars and logs. See [`Options::events`](super::Options).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A memtable is being written to a table.
    FlushBegun {
        /// How many entries it has.
        entries: u64,
    },
    /// A memtable has become tables.
    FlushEnded {
        /// Bytes of the tables and files of values.
        bytes: u64,
    },
    /// Tables are being merged.
    CompactionBegun {
        /// How many tables go in.
        tables: usize,
        /// Their bytes.
        bytes: u64,
        /// Where the outcome goes.
        level: usize,
    },
    /// A compaction goes on.
    CompactionGoesOn {
        /// Bytes read of those that go in.
        done: u64,
        /// Bytes that go in.
        of: u64,
    },
    /// A compaction's outcome has taken the place of its inputs.
    CompactionEnded {
        /// Bytes of the outcome.
        bytes: u64,
        /// Where it is.
        level: usize,
    },
    /// Tables went without being read: too old, or too many.
    Dropped {
        /// How many.
        tables: usize,
    },
    /// Writers are being slowed down because compactions are behind.
    Slowed {
        /// By how much a write is slowed down, from 1 (hardly) to 1000 (stopped).
        pressure: u32,
    },
    /// A [`check`](super::Lsm::check), an ingest or a checkpoint goes on.
    Progress {
        /// What is done: bytes of a check, which reads each twice; tables of an ingest; files of a checkpoint.
        done: u64,
        /// Of how much.
        of: u64,
    },
    /// Background work failed, and writing has stopped.
    Stopped {
        /// The failure, in words.
        why: String,
    },
}
