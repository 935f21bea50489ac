//! Why a partition refuses, by whose fault it is.

use crate::Error;
use crate::log::Index;

/// Why a batch was not appended. Nothing happened then.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The batch is not one, or says what cannot be. The client is at fault; the same bytes will be refused again.
    #[error("{0}")]
    Batch(String),
    /// The batch is longer than [`PartitionOptions::max_batch`](super::PartitionOptions::max_batch).
    #[error("a batch of {len} bytes, and the limit is {limit}")]
    TooLarge {
        /// Its length in bytes.
        len: u64,
        /// The most that is taken, in bytes.
        limit: u64,
    },
    /// A record without a key, where [keys were asked for](super::Append::keyed). The client is at fault.
    #[error("record {record} of the batch has no key, and the partition is compacted")]
    NoKey {
        /// Which of the batch's records, from 0 on.
        record: usize,
    },
    /// The leader that appends has been followed by another one: ask who leads.
    #[error("leader epoch {epoch} is over: it is {current}")]
    StaleLeader {
        /// The epoch of who appends.
        epoch: i32,
        /// The latest that was appended under.
        current: i32,
    },
    /// A sequence number is missing in front of this batch, or it is a duplicate of one that is too old to be known.
    #[error("producer {producer} sent sequence number {found}, and {expected} is next")]
    OutOfOrder {
        /// Who sent it.
        producer: i64,
        /// The next sequence number.
        expected: i32,
        /// The batch's first.
        found: i32,
    },
    /// Another instance of the producer has begun since: this one must end.
    #[error("producer {producer} has epoch {current}, and {found} is over")]
    Fenced {
        /// Who sent it.
        producer: i64,
        /// The producer's newest epoch.
        current: i16,
        /// The batch's epoch.
        found: i16,
    },
    /// A batch outside of a transaction, of a producer that is in the middle of one.
    #[error("producer {producer} has a transaction open, and this batch is not in it")]
    NotInTransaction {
        /// Who sent it.
        producer: i64,
    },
    /// Another coordinator has taken over since.
    #[error("coordinator epoch {found} is over: it is {current}")]
    StaleCoordinator {
        /// The epoch of who writes the marker.
        found: i32,
        /// The newest epoch.
        current: i32,
    },
    /// The disk, or a log that has stopped.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Why nothing was read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The offset is not in the partition: it was deleted, or nothing has come so far.
    #[error("offset {asked} is not in {start}..={end}")]
    OutOfRange {
        /// The offset that was asked for.
        asked: Index,
        /// The first that is there.
        start: Index,
        /// The one behind the last.
        end: Index,
    },
    /// The disk, or bytes on it that are wrong.
    #[error(transparent)]
    Store(#[from] Error),
}
