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

use xs_proto::kafka::records::BatchHeader;

use super::AppendError;
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

/// A transaction that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) first: Index,
    /// When its first batch came, in milliseconds.
    pub(super) since: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) epoch: i16,
    /// Under this epoch; the oldest first, at most [`WINDOW`].
    pub(super) sent: VecDeque<Sent>,
    /// Its transaction, if one is open.
    pub(super) open: Option<Open>,
    /// The epoch of the coordinator that wrote its last marker; -1 if none did.
    pub(super) coordinator: i32,
    /// When it was last heard of, in milliseconds, by the leader's clock; or [`AT_OPENING`].
    pub(super) seen: i64,
}

/// The time of an opening, which has no clock: the first that asks who was silent for long says when that was. What batches
/// say of their time is their producer's business: one that copies old records is not silent.
const AT_OPENING: i64 = i64::MAX;

/// A producer that a partition remembers, as `DescribeProducers` tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveProducer {
    /// Its id.
    pub producer_id: i64,
    /// Its newest epoch.
    pub producer_epoch: i16,
    /// The sequence number of its last record under this epoch; -1 if it has sent none.
    pub last_sequence: i32,
    /// When it was last heard of, in milliseconds since 1970: by the clock of who appended.
    pub last_timestamp: i64,
    /// The epoch of the coordinator that ended its last transaction; -1 if none did.
    pub coordinator_epoch: i32,
    /// Where its transaction began, if one is open.
    pub transaction_start: Option<Index>,
}

/// A transaction that has written to a partition and has not ended there. One that the coordinator does not know is hanging:
/// it would hold up readers of what is committed for ever, and is to be aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenTransaction {
    /// Whose it is.
    pub producer_id: i64,
    /// Under which epoch: an abort must name that or a later one.
    pub producer_epoch: i16,
    /// The coordinator that aborts it must not be older than this epoch; -1 if none was seen so far.
    pub coordinator_epoch: i32,
    /// The offset of its first batch, which may have been deleted since.
    pub first: Index,
    /// When that batch came, in milliseconds since 1970: by the clock of who appended it.
    pub since: i64,
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
    pub(super) fn judge(&self, batch: &BatchHeader) -> Result<Verdict, AppendError> {
        let producer = batch.producer_id;
        // What was forgotten, or never known, may go on with any number.
        let Some(known) = self.0.get(&producer) else { return Ok(Verdict::Append) };
        if batch.producer_epoch < known.epoch {
            return Err(AppendError::Fenced { producer, current: known.epoch, found: batch.producer_epoch });
        }
        let out_of_order = |expected| Err(AppendError::OutOfOrder { producer, expected, found: batch.base_sequence });
        if batch.producer_epoch > known.epoch {
            // A new life of the producer, which begins anew.
            return if batch.base_sequence == 0 { Ok(Verdict::Append) } else { out_of_order(0) };
        }
        let same = |sent: &&Sent| sent.first == batch.base_sequence && sent.last == batch.last_sequence();
        if let Some(sent) = known.sent.iter().find(same) {
            return Ok(Verdict::Duplicate(*sent));
        }
        if let Some(last) = known.sent.back() {
            let expected = last.last.wrapping_add(1) & i32::MAX;
            if batch.base_sequence != expected {
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
    pub(super) fn appended(&mut self, batch: &BatchHeader, base: Index, end: Index, seen: i64) -> Option<Index> {
        let known = self.of(batch.producer_id, batch.producer_epoch);
        known.seen = known.seen.max(seen);
        if known.sent.len() == WINDOW {
            known.sent.pop_front();
        }
        let (first, last) = (batch.base_sequence, batch.last_sequence());
        known.sent.push_back(Sent { first, last, base, end, time: batch.max_timestamp });
        let begins = batch.is_transactional() && known.open.is_none();
        if begins {
            known.open = Some(Open { first: base, since: seen });
        }
        begins.then_some(base)
    }

    /// Takes in a marker: where the transaction that it ends began, if one was open.
    pub(super) fn ended(&mut self, batch: &BatchHeader, coordinator: i32, seen: i64) -> Option<Index> {
        let known = self.of(batch.producer_id, batch.producer_epoch);
        known.seen = known.seen.max(seen);
        known.coordinator = known.coordinator.max(coordinator);
        known.open.take().map(|open| open.first)
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

    pub(super) fn active(&self) -> impl Iterator<Item = ActiveProducer> + '_ {
        self.0.iter().map(|(id, known)| ActiveProducer {
            producer_id: *id,
            producer_epoch: known.epoch,
            last_sequence: known.sent.back().map_or(-1, |sent| sent.last),
            last_timestamp: match known.seen {
                AT_OPENING => known.sent.back().map_or(-1, |sent| sent.time),
                seen => seen,
            },
            coordinator_epoch: known.coordinator,
            transaction_start: known.open.map(|open| open.first),
        })
    }

    /// The oldest first.
    pub(super) fn open(&self) -> Vec<OpenTransaction> {
        let open = self.0.iter().filter_map(|(id, known)| {
            known.open.map(|Open { first, since }| OpenTransaction {
                producer_id: *id,
                producer_epoch: known.epoch,
                coordinator_epoch: known.coordinator,
                first,
                since,
            })
        });
        let mut open: Vec<_> = open.collect();
        open.sort_unstable_by_key(|open| open.first);
        open
    }

    /// Forgets who was silent for longest, if there are so many.
    pub(super) fn make_room(&mut self, most: usize) {
        while self.0.len() >= most.max(1) {
            let idle = self.0.iter().filter(|(_, known)| known.open.is_none());
            let Some(id) = idle.min_by_key(|(_, known)| known.seen).map(|(id, _)| *id) else { return };
            self.0.remove(&id);
        }
    }

    /// All that are known were heard of when the partition was opened.
    pub(super) fn opened(&mut self) {
        self.0.values_mut().for_each(|known| known.seen = AT_OPENING);
    }

    /// Forgets those that have not been heard of since `before`, but for those with a transaction open.
    pub(super) fn expire(&mut self, now: i64, before: i64) -> usize {
        let there = self.0.len();
        self.0.values_mut().filter(|known| known.seen == AT_OPENING).for_each(|known| known.seen = now);
        self.0.retain(|_, known| known.open.is_some() || known.seen >= before);
        there - self.0.len()
    }
}
