//! What a partition knows besides its log: all of it follows from the batches, in their order.

use std::task::Waker;

use bytes::Bytes;
use xs_proto::kafka::records::{Batch, BatchHeader, Control, Outcome};

use super::lineage::Lineage;
use super::producers::Producers;
use super::transactions::Transactions;
use crate::log::Index;

/// No producer: a batch that is not idempotent.
pub(super) const NOBODY: i64 = -1;

/// How a control batch ends a transaction, and under which coordinator. Other kinds say nothing to a partition.
fn said(batch: &Bytes) -> Option<(Outcome, i32)> {
    /// One small record, if it is what it should be.
    const LIMIT: usize = 4 << 10;
    let record = Batch::new(batch.clone()).ok()?.records(LIMIT).ok()?.next()?.ok()?;
    match Control::parse(&record).ok()? {
        Control::EndTransaction { outcome, coordinator_epoch } => Some((outcome, coordinator_epoch)),
        _ => None,
    }
}

/// What follows from the batches in front of [`Derived::end`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Derived {
    pub(super) end: Index,
    pub(super) lineage: Lineage,
    pub(super) producers: Producers,
    pub(super) transactions: Transactions,
}

impl Derived {
    /// Takes in a batch that is in the log. `batch` is all of it if it is a control batch; its header at least.
    /// `seen` is the time at which its producer was heard of.
    pub(super) fn apply(&mut self, header: &BatchHeader, batch: &Bytes, base: Index, end: Index, seen: i64) {
        self.end = end;
        self.lineage.appended(header.leader_epoch, base);
        let producer = header.producer_id;
        if producer == NOBODY {
            return;
        }
        if !header.is_control() {
            if let Some(first) = self.producers.appended(header, base, end, seen) {
                self.transactions.begun(first, producer);
            }
            return;
        }
        let Some((outcome, coordinator)) = said(batch) else { return };
        if let Some(first) = self.producers.ended(header, coordinator, seen) {
            let last = Index(end.0.saturating_sub(1));
            self.transactions.ended(first, last, producer, outcome == Outcome::Abort);
        }
    }

    /// Nothing is known of producers and of what they have open.
    pub(super) fn forget_producers(&mut self) {
        self.transactions.close_all();
        self.producers = Producers::default();
    }

    /// All in front of `start` is gone.
    pub(super) fn trim(&mut self, start: Index) {
        self.lineage.trim(start);
        self.transactions.trim(start);
    }
}

/// Everything under the partition's lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) derived: Derived,
    /// The first offset that is there for readers.
    pub(super) start: Index,
    /// Everything in front of this is there for readers.
    pub(super) high: Index,
    /// The end that the newest snapshot speaks of, and how many bytes were appended since.
    pub(super) saved: Index,
    pub(super) unsaved: u64,
    /// Where the newest segment begins, and when this opening first put something there.
    pub(super) newest: Option<(Index, i64)>,
    /// Tasks that wait for the high watermark to pass an offset, by their numbers.
    pub(super) waiting: Vec<(u64, Index, Waker)>,
    pub(super) waited: u64,
}

impl State {
    /// Moves the high watermark; the tasks to be woken when the lock is gone.
    #[must_use = "they wait for this"]
    pub(super) fn raise(&mut self, high: Index) -> Vec<Waker> {
        if high <= self.high {
            return Vec::new();
        }
        self.high = high;
        self.derived.transactions.high_watermark(high);
        self.waiting.extract_if(.., |(_, past, _)| *past < high).map(|(.., waker)| waker).collect()
    }
}
