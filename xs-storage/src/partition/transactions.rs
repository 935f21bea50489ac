//! Which transactions are open and which were aborted: how far a reader of what is committed may go, and what it skips.
//!
//! ```text
//!   offset     10   11   12   13   14   15   16   17
//!   producer    A    B    A    A✓   C    B✗   C
//!                                   └────────────── the first that is open: nothing from here on is given to readers
//!                                                   of what is committed (the last stable offset)
//!              aborted: B, 11 to 15
//! ```

use std::collections::BTreeSet;

use crate::log::Index;

/// A transaction that was aborted: a reader skips what its producer wrote there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Aborted {
    /// The marker's offset.
    pub last: Index,
    /// The first offset of the transaction.
    pub first: Index,
    /// Who wrote it.
    pub producer: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transactions {
    /// Where those that are open began, and whose they are.
    open: BTreeSet<(Index, i64)>,
    /// By their ends.
    aborted: BTreeSet<Aborted>,
    /// Those that have ended, by their ends, as long as the high watermark has not passed that: first offsets.
    unseen: BTreeSet<(Index, Index)>,
}

impl Transactions {
    pub(super) fn begun(&mut self, at: Index, producer: i64) {
        self.open.insert((at, producer));
    }

    pub(super) fn ended(&mut self, first: Index, last: Index, producer: i64, aborted: bool) {
        self.open.remove(&(first, producer));
        self.unseen.insert((last, first));
        if aborted {
            self.aborted.insert(Aborted { last, first, producer });
        }
    }

    pub(super) fn close_all(&mut self) {
        self.open.clear();
    }

    /// Of an earlier life.
    pub(super) fn restore(&mut self, aborted: impl IntoIterator<Item = Aborted>) {
        self.aborted.extend(aborted);
    }

    /// Everything in front of `high` is there for all readers.
    pub(super) fn high_watermark(&mut self, high: Index) {
        while self.unseen.first().is_some_and(|(last, _)| *last < high) {
            self.unseen.pop_first();
        }
    }

    /// The first offset that a reader of what is committed does not get.
    pub(super) fn last_stable(&self, high: Index) -> Index {
        let open = self.open.first().map(|(first, _)| *first);
        let unseen = self.unseen.iter().map(|(_, first)| *first).min();
        [open, unseen].into_iter().flatten().fold(high, Index::min)
    }

    /// Those that have written something in `from..upto`.
    pub(super) fn aborted(&self, from: Index, upto: Index) -> Vec<Aborted> {
        let least = Aborted { last: from, first: Index(0), producer: i64::MIN };
        self.aborted.range(least..).filter(|aborted| aborted.first < upto).copied().collect()
    }

    pub(super) fn all_aborted(&self) -> impl ExactSizeIterator<Item = &Aborted> {
        self.aborted.iter()
    }

    /// Whether the same ones are open and were aborted.
    pub(super) fn are(&self, other: &Transactions) -> bool {
        (&self.open, &self.aborted) == (&other.open, &other.aborted)
    }

    /// All in front of `start` is gone.
    pub(super) fn trim(&mut self, start: Index) {
        while self.aborted.first().is_some_and(|aborted| aborted.last < start) {
            self.aborted.pop_first();
        }
    }
}
