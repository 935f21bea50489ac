//! Who has sent what last: so that a batch that is sent again is not appended again.
//!
//! A producer numbers its records. A partition remembers, of each producer, the last five batches: a client may have that
//! many requests under way, and any of them may be sent again.
//!
//! ```text
//!   sequence  … 40 41 42 │ 43 44 │ 45 46 47 │            next: 48
//!                          again ──▶ the offset that it got      50 ──▶ out of order
//! ```

use std::collections::{BTreeMap, VecDeque};

use super::AppendError;
use super::header::{Header, next_sequence};
use crate::log::Index;

/// So many batches of a producer are known again.
pub(super) const WINDOW: usize = 5;

/// A batch that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) first: i32,
    pub(super) last: i32,
    /// Its offsets.
    pub(super) base: Index,
    pub(super) end: Index,
    pub(super) time: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) epoch: i16,
    /// Under this epoch; the oldest first, at most [`WINDOW`].
    pub(super) sent: VecDeque<Sent>,
    /// Where its transaction began, if one is open.
    pub(super) open: Option<Index>,
    /// The epoch of the coordinator that wrote its last marker; -1 if none did.
    pub(super) coordinator: i32,
    /// When it was last heard of, in milliseconds: by the leader's clock, or by its batches where they are all that is left.
    pub(super) seen: i64,
}

/// What is to be done with a batch.
#[derive(Debug)]
pub(super) enum Verdict {
    Append,
    /// It is there already.
    Duplicate(Sent),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Producers(pub(super) BTreeMap<i64, Producer>);

impl Producers {
    /// Whether a batch of a client is the next of its producer.
    pub(super) fn judge(&self, batch: &Header) -> Result<Verdict, AppendError> {
        let producer = batch.producer_id;
        // What was forgotten, or never known, may go on with any number.
        let Some(known) = self.0.get(&producer) else { return Ok(Verdict::Append) };
        if batch.producer_epoch < known.epoch {
            return Err(AppendError::Fenced { producer, current: known.epoch, found: batch.producer_epoch });
        }
        let out_of_order = |expected| Err(AppendError::OutOfOrder { producer, expected, found: batch.sequence });
        if batch.producer_epoch > known.epoch {
            // A new life of the producer, which begins anew.
            return if batch.sequence == 0 { Ok(Verdict::Append) } else { out_of_order(0) };
        }
        let same = |sent: &&Sent| sent.first == batch.sequence && sent.last == batch.last_sequence();
        if let Some(sent) = known.sent.iter().find(same) {
            return Ok(Verdict::Duplicate(*sent));
        }
        if let Some(last) = known.sent.back() {
            let expected = next_sequence(last.last, 1);
            if batch.sequence != expected {
                return out_of_order(expected);
            }
        }
        if known.open.is_some() && !batch.is_transactional() {
            return Err(AppendError::NotInTransaction { producer });
        }
        Ok(Verdict::Append)
    }

    /// Whether a coordinator may end a producer's transaction.
    pub(super) fn judge_marker(&self, producer: i64, epoch: i16, coordinator: i32) -> Result<(), AppendError> {
        let Some(known) = self.0.get(&producer) else { return Ok(()) };
        if epoch < known.epoch {
            return Err(AppendError::Fenced { producer, current: known.epoch, found: epoch });
        }
        if coordinator < known.coordinator {
            return Err(AppendError::StaleCoordinator { found: coordinator, current: known.coordinator });
        }
        Ok(())
    }

    /// Takes in a batch that is in the log. The place of its transaction's first batch, if it begins one.
    pub(super) fn appended(&mut self, batch: &Header, base: Index, end: Index, seen: i64) -> Option<Index> {
        let known = self.of(batch.producer_id, batch.producer_epoch);
        known.seen = known.seen.max(seen);
        if known.sent.len() == WINDOW {
            known.sent.pop_front();
        }
        let (first, last) = (batch.sequence, batch.last_sequence());
        known.sent.push_back(Sent { first, last, base, end, time: batch.max_time });
        let begins = batch.is_transactional() && known.open.is_none();
        if begins {
            known.open = Some(base);
        }
        begins.then_some(base)
    }

    /// Takes in a marker: where the transaction that it ends began, if one was open.
    pub(super) fn ended(&mut self, batch: &Header, coordinator: i32, seen: i64) -> Option<Index> {
        let known = self.of(batch.producer_id, batch.producer_epoch);
        known.seen = known.seen.max(seen);
        known.coordinator = known.coordinator.max(coordinator);
        known.open.take()
    }

    fn of(&mut self, id: i64, epoch: i16) -> &mut Producer {
        let known = self.0.entry(id).or_insert_with(|| Producer {
            epoch,
            sent: VecDeque::new(),
            open: None,
            coordinator: -1,
            seen: i64::MIN,
        });
        if known.epoch < epoch {
            known.epoch = epoch;
            known.sent.clear();
        }
        known
    }

    /// Forgets who was silent for longest, if there are so many.
    pub(super) fn make_room(&mut self, most: usize) {
        while self.0.len() >= most.max(1) {
            let idle = self.0.iter().filter(|(_, known)| known.open.is_none());
            let Some(id) = idle.min_by_key(|(_, known)| known.seen).map(|(id, _)| *id) else { return };
            self.0.remove(&id);
        }
    }

    /// Forgets those that have not been heard of since `before`, but for those with a transaction open.
    pub(super) fn expire(&mut self, before: i64) -> usize {
        let there = self.0.len();
        self.0.retain(|_, known| known.open.is_some() || known.seen >= before);
        there - self.0.len()
    }
}
