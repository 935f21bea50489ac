//! One transactional id.

use std::collections::BTreeSet;

use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::records::Outcome;

/// A topic's name, and a partition.
pub(crate) type At = (ByteString, i32);

/// Where a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    Ongoing,
    /// Decided: what remains is to tell the partitions.
    Prepare(Outcome),
    Complete(Outcome),
}

impl State {
    pub(crate) const ALL: [State; 6] = [
        State::Empty,
        State::Ongoing,
        State::Prepare(Outcome::Commit),
        State::Prepare(Outcome::Abort),
        State::Complete(Outcome::Commit),
        State::Complete(Outcome::Abort),
    ];

    /// As Kafka's tools print it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Ongoing => "Ongoing",
            State::Prepare(Outcome::Commit) => "PrepareCommit",
            State::Prepare(Outcome::Abort) => "PrepareAbort",
            State::Complete(Outcome::Commit) => "CompleteCommit",
            State::Complete(Outcome::Abort) => "CompleteAbort",
        }
    }
}

/// What a producer is told that wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Its identity.
    As(i64, i16),
    /// There is a decision to be carried out first.
    AfterEnd,
}

/// Whether an end changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It has been decided now.
    Decided,
    /// It had been decided so, and is being carried out.
    Before,
    /// It is over, in this way.
    Over,
}

/// What is known of one transactional id. After a change it is to be stored, and then to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) producer: i64,
    pub(crate) epoch: i16,
    /// The identity before this one, for a producer that asks again because it has not heard the answer.
    pub(crate) last: (i64, i16),
    pub(crate) timeout_ms: i32,
    pub(crate) state: State,
    pub(crate) partitions: BTreeSet<At>,
    /// Groups of which offsets are in it.
    pub(crate) groups: BTreeSet<ByteString>,
    pub(crate) started_ms: i64,
    pub(crate) updated_ms: i64,
}

/// The last epoch that a producer is given. One more is there to fence it.
const LAST_EPOCH: i16 = i16::MAX - 1;

impl Transaction {
    /// One that nobody has begun. The first producer gets epoch 0.
    pub(crate) fn new(producer: i64, now_ms: i64) -> Transaction {
        Transaction {
            producer,
            epoch: -1,
            last: (-1, -1),
            timeout_ms: 0,
            state: State::Empty,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            started_ms: -1,
            updated_ms: now_ms,
        }
    }

    /// Its epochs are used up: [`Transaction::begin`] needs another producer's number.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.epoch >= LAST_EPOCH
    }

    /// A producer begins, alone or as the `expected` one again. Whoever was it before is fenced.
    pub(crate) fn begin(
        &mut self,
        now_ms: i64,
        timeout_ms: i32,
        expected: Option<(i64, i16)>,
        fresh: Option<i64>,
    ) -> Result<Begun, ErrorCode> {
        match expected {
            None => {}
            Some(expected) if expected == (self.producer, self.epoch) => {}
            // It has been given its new epoch, and not heard of it.
            Some(expected) if expected == self.last && self.state != State::Ongoing => {
                return Ok(match self.state {
                    State::Prepare(_) => Begun::AfterEnd,
                    _ => Begun::As(self.producer, self.epoch),
                });
            }
            Some(_) => return Err(ErrorCode::PRODUCER_FENCED),
        }
        match self.state {
            State::Prepare(_) => return Ok(Begun::AfterEnd),
            State::Ongoing => {
                self.fence(now_ms);
                return Ok(Begun::AfterEnd);
            }
            State::Empty | State::Complete(_) => {}
        }
        let before = (self.producer, self.epoch);
        match (self.is_exhausted(), fresh) {
            (false, _) => self.epoch += 1,
            (true, Some(fresh)) => (self.producer, self.epoch) = (fresh, 0),
            (true, None) => return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        }
        // Who comes without a name is another one: it has not been anybody.
        self.last = if expected.is_some() { before } else { (-1, -1) };
        (self.timeout_ms, self.updated_ms, self.state) = (timeout_ms, now_ms, State::Empty);
        Ok(Begun::As(self.producer, self.epoch))
    }

    /// Whether it is this producer's.
    pub(crate) fn check(&self, producer: i64, epoch: i16) -> Result<(), ErrorCode> {
        match () {
            () if producer != self.producer => Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING),
            () if epoch != self.epoch => Err(ErrorCode::PRODUCER_FENCED),
            () => Ok(()),
        }
    }

    /// Partitions and groups become part of it; the first ones begin it. Says whether anything has changed.
    pub(crate) fn add(
        &mut self,
        now_ms: i64,
        partitions: impl IntoIterator<Item = At>,
        group: Option<ByteString>,
    ) -> Result<bool, ErrorCode> {
        match self.state {
            State::Prepare(_) => return Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            State::Ongoing => {}
            State::Empty | State::Complete(_) => {
                (self.state, self.started_ms) = (State::Ongoing, now_ms);
                self.partitions.clear();
                self.groups.clear();
                self.updated_ms = -1;
            }
        }
        let before = self.partitions.len() + self.groups.len();
        self.partitions.extend(partitions);
        self.groups.extend(group);
        let changed = self.updated_ms < 0 || before != self.partitions.len() + self.groups.len();
        self.updated_ms = now_ms;
        Ok(changed)
    }

    /// Whether records of this producer belong to it there.
    pub(crate) fn has_partition(&self, producer: i64, epoch: i16, at: &At) -> Result<(), ErrorCode> {
        self.check(producer, epoch)?;
        if self.state == State::Ongoing && self.partitions.contains(at) {
            Ok(())
        } else {
            Err(ErrorCode::INVALID_TXN_STATE)
        }
    }

    /// Whether offsets of this group belong to it.
    pub(crate) fn has_group(&self, producer: i64, epoch: i16, group: &str) -> Result<(), ErrorCode> {
        self.check(producer, epoch)?;
        match self.state {
            State::Prepare(_) => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            State::Ongoing if self.groups.contains(group) => Ok(()),
            _ => Err(ErrorCode::INVALID_TXN_STATE),
        }
    }

    /// Its producer decides.
    pub(crate) fn end(&mut self, now_ms: i64, outcome: Outcome) -> Result<Ended, ErrorCode> {
        match self.state {
            State::Ongoing => {
                (self.state, self.updated_ms) = (State::Prepare(outcome), now_ms);
                Ok(Ended::Decided)
            }
            State::Prepare(decided) if decided == outcome => Ok(Ended::Before),
            State::Complete(decided) if decided == outcome => Ok(Ended::Over),
            _ => Err(ErrorCode::INVALID_TXN_STATE),
        }
    }

    /// Aborts it if it has been open for too long. Its producer is fenced.
    pub(crate) fn expire(&mut self, now_ms: i64) -> bool {
        let late = now_ms.saturating_sub(self.started_ms) > i64::from(self.timeout_ms);
        let expires = self.state == State::Ongoing && late;
        if expires {
            self.fence(now_ms);
        }
        expires
    }

    fn fence(&mut self, now_ms: i64) {
        self.epoch = self.epoch.saturating_add(1);
        self.last = (-1, -1);
        (self.state, self.updated_ms) = (State::Prepare(Outcome::Abort), now_ms);
    }

    /// The decision has been carried out.
    pub(crate) fn complete(&mut self, now_ms: i64) {
        if let State::Prepare(outcome) = self.state {
            (self.state, self.updated_ms) = (State::Complete(outcome), now_ms);
            self.partitions.clear();
            self.groups.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> At {
        ("t".into(), partition)
    }

    fn begun() -> Transaction {
        let mut txn = Transaction::new(7, 0);
        assert_eq!(txn.begin(0, 1000, None, None), Ok(Begun::As(7, 0)));
        txn
    }

    #[test]
    fn a_transaction_begins_ends_and_begins_again() {
        let mut txn = begun();
        assert_eq!(txn.end(0, Outcome::Commit), Err(ErrorCode::INVALID_TXN_STATE));
        assert_eq!(txn.has_partition(7, 0, &at(0)), Err(ErrorCode::INVALID_TXN_STATE));
        assert_eq!(txn.add(1, [at(0)], None), Ok(true));
        assert_eq!(txn.add(2, [at(0)], None), Ok(false));
        assert_eq!(txn.add(3, [], Some("g".into())), Ok(true));
        assert_eq!(txn.has_partition(7, 0, &at(0)), Ok(()));
        assert_eq!(txn.has_partition(7, 0, &at(1)), Err(ErrorCode::INVALID_TXN_STATE));
        assert_eq!(txn.has_group(7, 0, "g"), Ok(()));
        assert_eq!(txn.end(4, Outcome::Commit), Ok(Ended::Decided));
        assert_eq!(txn.end(4, Outcome::Commit), Ok(Ended::Before));
        assert_eq!(txn.end(4, Outcome::Abort), Err(ErrorCode::INVALID_TXN_STATE));
        assert_eq!(txn.add(5, [at(1)], None), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
        assert_eq!(txn.has_partition(7, 0, &at(0)), Err(ErrorCode::INVALID_TXN_STATE));
        txn.complete(6);
        assert_eq!(txn.end(7, Outcome::Commit), Ok(Ended::Over));
        assert_eq!(txn.end(7, Outcome::Abort), Err(ErrorCode::INVALID_TXN_STATE));
        assert_eq!(txn.add(8, [at(2)], None), Ok(true));
        assert_eq!((txn.started_ms, txn.partitions.len(), txn.groups.len()), (8, 1, 0));
    }

    #[test]
    fn another_producer_fences_and_waits_for_the_end() {
        let mut txn = begun();
        txn.add(1, [at(0)], None).unwrap();
        assert_eq!(txn.begin(2, 1000, None, None), Ok(Begun::AfterEnd));
        assert_eq!(txn.state, State::Prepare(Outcome::Abort));
        assert_eq!(txn.check(7, 0), Err(ErrorCode::PRODUCER_FENCED));
        assert_eq!(txn.begin(2, 1000, None, None), Ok(Begun::AfterEnd));
        txn.complete(3);
        assert_eq!(txn.begin(4, 1000, None, None), Ok(Begun::As(7, 2)));
        assert_eq!(txn.check(7, 1), Err(ErrorCode::PRODUCER_FENCED));
        assert_eq!(txn.check(8, 2), Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
    }

    #[test]
    fn a_producer_raises_its_own_epoch_once_however_often_it_asks() {
        let mut txn = begun();
        assert_eq!(txn.begin(1, 1000, Some((7, 0)), None), Ok(Begun::As(7, 1)));
        assert_eq!(txn.begin(2, 1000, Some((7, 0)), None), Ok(Begun::As(7, 1)));
        assert_eq!(txn.begin(3, 1000, Some((7, 1)), None), Ok(Begun::As(7, 2)));
        assert_eq!(txn.begin(4, 1000, Some((7, 0)), None), Err(ErrorCode::PRODUCER_FENCED));
        // Behind another's back it is fenced for good.
        assert_eq!(txn.begin(5, 1000, None, None), Ok(Begun::As(7, 3)));
        assert_eq!(txn.begin(6, 1000, Some((7, 2)), None), Err(ErrorCode::PRODUCER_FENCED));
    }

    #[test]
    fn used_up_epochs_bring_another_number() {
        let mut txn = begun();
        txn.epoch = LAST_EPOCH - 1;
        assert_eq!(txn.begin(1, 1000, None, None), Ok(Begun::As(7, LAST_EPOCH)));
        txn.add(1, [at(0)], None).unwrap();
        assert!(txn.expire(5000));
        assert_eq!(txn.epoch, i16::MAX);
        txn.complete(3);
        assert!(txn.is_exhausted());
        assert_eq!(txn.begin(4, 1000, None, None), Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
        assert_eq!(txn.begin(4, 1000, None, Some(9)), Ok(Begun::As(9, 0)));
        // The same with a name, and a lost answer.
        txn.epoch = LAST_EPOCH;
        assert_eq!(txn.begin(5, 1000, Some((9, LAST_EPOCH)), Some(10)), Ok(Begun::As(10, 0)));
        assert_eq!(txn.begin(6, 1000, Some((9, LAST_EPOCH)), Some(11)), Ok(Begun::As(10, 0)));
    }

    #[test]
    fn what_takes_too_long_is_aborted() {
        let mut txn = begun();
        assert!(!txn.expire(100_000));
        txn.add(1000, [at(0)], None).unwrap();
        assert!(!txn.expire(2000));
        assert!(txn.expire(2001));
        assert_eq!(txn.state, State::Prepare(Outcome::Abort));
        assert_eq!(txn.check(7, 0), Err(ErrorCode::PRODUCER_FENCED));
        assert!(!txn.expire(9000));
    }
}
