//! What is kept and for how long: deletion by time, by size and on request, snapshots, producers that are gone.

use std::sync::atomic::Ordering;

use super::{ReadError, Shared, snapshot};
use crate::Result;
use crate::log::Index;

/// How long a partition keeps what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Segments whose latest timestamp is older than this are deleted, in milliseconds (`retention.ms`); none by default.
    pub older_than_ms: Option<i64>,
    /// The oldest segments are deleted as long as this many bytes are left without them (`retention.bytes`); none by
    /// default.
    pub more_than_bytes: Option<u64>,
    /// Producers that were silent for so long are forgotten, in milliseconds (`producer.id.expiration.ms`): a day by
    /// default.
    pub producers_ms: i64,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { older_than_ms: None, more_than_bytes: None, producers_ms: 24 * 60 * 60 * 1000 }
    }
}

/// What was done by [`Partition::tend`](super::Partition::tend).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tended {
    /// Segments that were deleted.
    pub segments: usize,
    /// Producers that were forgotten.
    pub producers: usize,
    /// Whether a snapshot was written.
    pub saved: bool,
}

impl Shared {
    pub(super) fn tend(&self, now: i64, keep: &Retention) -> Result<Tended> {
        let _keeping = self.keeping.lock();
        let producers = self.state.lock().derived.producers.expire(now, now.saturating_sub(keep.producers_ms));
        let segments = self.retain(now, keep)?;
        let due = self.state.lock().unsaved >= self.options.segment_bytes;
        if due {
            self.save()?;
        }
        Ok(Tended { segments, producers, saved: due })
    }

    /// Deletes segments from the oldest on, as long as one of the rules says so.
    fn retain(&self, now: i64, keep: &Retention) -> Result<usize> {
        let segments = self.log.segments()?;
        let (start, end, high, _) = self.bounds();
        let expired = |latest: Option<i64>| {
            keep.older_than_ms.zip(latest).is_some_and(|(most, latest)| now.saturating_sub(latest) > most)
        };
        let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let passed = segments.iter().take_while(|segment| {
            let enough = keep.more_than_bytes.is_some_and(|most| bytes.saturating_sub(segment.bytes) >= most);
            bytes = bytes.saturating_sub(segment.bytes);
            segment.end <= high && (segment.end <= start || enough || expired(segment.latest))
        });
        let passed = passed.count();
        if passed == segments.len() && expired(segments[passed - 1].latest) && high == end {
            return self.empty(end).map(|emptied| if emptied { passed } else { 0 });
        }
        // The newest segment stays: it is written to.
        let passed = passed.min(segments.len() - 1);
        if passed > 0 {
            self.begin_at(segments[passed].first)?;
        }
        Ok(passed)
    }

    /// Removes everything, unless something came meanwhile.
    fn empty(&self, end: Index) -> Result<bool> {
        self.save_for(end)?;
        // Nobody appends under this lock.
        let mut state = self.state.lock();
        if state.derived.end != end || state.start == end {
            return Ok(false);
        }
        self.log.restart_at(end)?;
        state.start = end;
        state.derived.trim(end);
        Ok(true)
    }

    /// Lets the partition begin at an offset, and removes the segments in front of that.
    fn begin_at(&self, start: Index) -> Result<()> {
        self.save_for(start)?;
        {
            let mut state = self.state.lock();
            state.start = state.start.max(start);
            let start = state.start;
            state.derived.trim(start);
        }
        self.log.trim_to(start)
    }

    /// Before what is in front of `start` goes: what followed from it must be known from somewhere else. A transaction may
    /// have begun there, and its end may be there as well.
    pub(super) fn save_for(&self, start: Index) -> Result<()> {
        if self.state.lock().saved < start { self.save() } else { Ok(()) }
    }

    pub(super) fn delete_records(&self, before: Index) -> Result<Index, ReadError> {
        let _keeping = self.keeping.lock();
        let (start, _, high, _) = self.bounds();
        if before > high {
            return Err(ReadError::OutOfRange { asked: before, start, end: high });
        }
        if before > start {
            // The log is never found to end in front of where it begins.
            self.log.sync()?;
            self.write_start(before)?;
            self.begin_at(before)?;
        }
        Ok(start.max(before))
    }

    pub(super) fn truncate_to(&self, offset: Index) -> Result<()> {
        let _keeping = self.keeping.lock();
        let mut state = self.state.lock();
        // What was saved of what goes must be gone for good before something else takes its place.
        snapshot::newest(&*self.vfs, &self.dir, offset)?;
        {
            let mut passes = self.passes.lock();
            if passes.clean() > offset {
                passes.cut(offset);
                passes.write(&*self.vfs, &self.dir)?;
            }
        }
        self.cuts.fetch_add(1, Ordering::AcqRel);
        self.log.truncate_from(offset)?;
        let end = self.log.bounds().end;
        let (derived, saved, unsaved) = self.derive(end)?;
        (state.derived, state.saved, state.unsaved) = (derived, saved, unsaved);
        let start = state.start;
        state.derived.trim(start);
        state.high = state.high.min(end);
        let high = state.high;
        state.derived.transactions.high_watermark(high);
        Ok(())
    }
}
