//! What consumers are given: ranges of files, bounded by what they may see.

use super::transactions::Aborted;
use super::{ReadError, Shared};
use crate::log::{FileRange, Index};

/// A range that is not the first has at least so much room, in bytes: the stride of the log's waypoints.
const WORTHWHILE: u64 = 64 << 10;

/// What a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All in front of the high watermark.
    Uncommitted,
    /// Nothing of a transaction that is still open, and nothing behind its beginning. What was aborted is there as well,
    /// and is named.
    Committed,
    /// All that there is: for a replica.
    Replica,
}

/// Batches from some offset on, where they lie.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// Whole batches, as they are sent: one range for each segment that they lie in. The first batch may begin in front
    /// of the offset that was asked for.
    pub ranges: Vec<FileRange>,
    /// Where the next read goes on.
    pub next: Index,
    /// The first offset that is there.
    pub start: Index,
    /// Everything in front of this is there for readers.
    pub high_watermark: Index,
    /// Nothing from here on is given to readers of what is committed.
    pub last_stable: Index,
    /// Transactions among the ranges that were aborted, if what is committed was asked for.
    pub aborted: Vec<Aborted>,
}

impl Fetched {
    /// The bytes of all ranges.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.len).sum()
    }
}

impl Shared {
    pub(super) fn read(&self, from: Index, limit: u64, isolation: Isolation) -> Result<Fetched, ReadError> {
        let (start, end, high, stable) = self.bounds();
        if from < start || from > end {
            return Err(ReadError::OutOfRange { asked: from, start, end });
        }
        let upto = match isolation {
            Isolation::Uncommitted => high,
            Isolation::Committed => stable,
            Isolation::Replica => end,
        };
        let mut ranges = Vec::new();
        let (mut next, mut left) = (from, limit);
        // To fill up the rest, however small, the file would have to be looked at.
        while next < upto && (left >= WORTHWHILE || ranges.is_empty()) {
            let Some(range) = self.log.range(next, upto, left)? else { break };
            if range.len > left && !ranges.is_empty() {
                break;
            }
            (next, left) = (range.end, left.saturating_sub(range.len));
            ranges.push(range);
        }
        let state = self.state.lock();
        if from < state.start {
            // It was deleted meanwhile, and what was found may lie behind a gap.
            return Err(ReadError::OutOfRange { asked: from, start: state.start, end });
        }
        let aborted = match isolation {
            Isolation::Committed => state.derived.transactions.aborted(from, next),
            _ => Vec::new(),
        };
        Ok(Fetched { ranges, next, start, high_watermark: high, last_stable: stable, aborted })
    }

    /// Start, end, high watermark, last stable offset.
    pub(super) fn bounds(&self) -> (Index, Index, Index, Index) {
        let state = self.state.lock();
        // A transaction may have begun in front of what was deleted.
        let stable = state.derived.transactions.last_stable(state.high).max(state.start);
        (state.start, state.derived.end, state.high, stable)
    }
}
