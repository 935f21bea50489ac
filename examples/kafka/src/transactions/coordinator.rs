//! All transactional ids of the broker: the machines, with the clock and the disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use futures::FutureExt;
use parking_lot::Mutex;
use xs_net::{Bridge, Timer};
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::records::Outcome;
use xs_storage::engine::{Commit, Durability, Engine, WriteBatch};

use super::finish::{Finishing, WeakFinishing};
use super::machine::{At, Begun, Ended};
use super::{State, Transaction, stored};
use crate::broker::millis;
use crate::mutation::Bug;
use crate::topics::Topics;

/// Longer ids are refused: they are keys of the catalog.
const MAX_ID: usize = 16 << 10;
/// How often transactions are looked for that take too long.
const LOOK: Duration = Duration::from_secs(1);

/// What bounds transactions.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// `transaction.max.timeout.ms`.
    pub(crate) timeout_ms: i32,
    /// There are no more transactional ids than this.
    pub(crate) ids: usize,
    /// `transactional.id.expiration.ms`: one that is not used for so long is forgotten.
    pub(crate) unused_ms: i64,
    /// For tests of tests.
    pub(crate) bug: Bug,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { timeout_ms: 15 * 60 * 1000, ids: 100_000, unused_ms: 7 * 24 * 60 * 60 * 1000, bug: Bug::default() }
    }
}

/// One transactional id.
pub(super) struct Slot {
    pub(super) id: ByteString,
    pub(super) held: Mutex<Held>,
}

pub(super) struct Held {
    pub(super) txn: Transaction,
    /// The work on a decision, if there is one. Weak, since the work holds on to all that there is.
    pub(super) finishing: Option<WeakFinishing>,
}

/// All of them.
#[derive(Clone)]
pub(crate) struct Transactions {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) timer: Timer,
    pub(super) bridge: Bridge,
    pub(super) topics: Arc<Topics>,
    pub(super) catalog: Arc<dyn Engine>,
    pub(super) slots: Mutex<BTreeMap<ByteString, Arc<Slot>>>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Producer<'a> {
    pub(crate) id: &'a str,
    pub(crate) producer: i64,
    pub(crate) epoch: i16,
}

impl Transactions {
    /// All transactions that are in the catalog, and the ends of those that were decided and of those that nobody knows of.
    /// Waits for the disk.
    pub(crate) fn open(
        topics: Arc<Topics>,
        timer: Timer,
        bridge: Bridge,
        limits: Limits,
    ) -> xs_storage::Result<Transactions> {
        let catalog = topics.catalog();
        let mut slots = BTreeMap::new();
        {
            let mut cursor = catalog.cursor(xs_storage::engine::KeyRange::prefix(stored::PREFIX))?;
            while cursor.next()? {
                let (id, txn) = (stored::id(cursor.key())?, stored::read(cursor.value()?)?);
                let held = Mutex::new(Held { txn, finishing: None });
                slots.insert(id.clone(), Arc::new(Slot { id, held }));
            }
        }
        let shared = Arc::new(Shared { limits, timer, bridge, topics, catalog, slots: Mutex::new(slots) });
        shared.recover()?;
        Ok(Transactions { shared })
    }

    fn slot(&self, id: &str) -> Result<Arc<Slot>, ErrorCode> {
        self.shared.slots.lock().get(id).cloned().ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
    }

    /// A producer begins. What an earlier one has left open is ended first.
    pub(crate) async fn begin(
        &self,
        id: ByteString,
        timeout_ms: i32,
        mut expected: Option<(i64, i16)>,
    ) -> Result<(i64, i16), ErrorCode> {
        if id.is_empty() || id.len() > MAX_ID {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        if timeout_ms <= 0 || timeout_ms > self.shared.limits.timeout_ms {
            return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
        }
        let slot = self.slot_or_new(&id).await?;
        // Somebody else may come in between, and again.
        for _ in 0..10 {
            let exhausted = slot.held.lock().txn.is_exhausted();
            let fresh = if exhausted { Some(self.fresh().await?) } else { None };
            let waits = {
                let mut held = slot.held.lock();
                match held.txn.begin(self.shared.now_ms(), timeout_ms, expected, fresh)? {
                    Begun::As(producer, epoch) => Ok((self.shared.store(&slot, &held.txn), (producer, epoch))),
                    Begun::AfterEnd => Err(self.shared.finish(&slot, &mut held)),
                }
            };
            match waits {
                Ok((commit, identity)) => return settled(commit).await.map(|()| identity),
                Err(finishing) if finishing.clone().await => expected = None,
                Err(_) => return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            }
        }
        Err(ErrorCode::CONCURRENT_TRANSACTIONS)
    }

    async fn slot_or_new(&self, id: &ByteString) -> Result<Arc<Slot>, ErrorCode> {
        if let Ok(slot) = self.slot(id) {
            return Ok(slot);
        }
        let producer = self.fresh().await?;
        let mut slots = self.shared.slots.lock();
        if slots.len() >= self.shared.limits.ids {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        let new = || {
            let txn = Transaction::new(producer, self.shared.now_ms());
            Arc::new(Slot { id: ByteString::from(&**id), held: Mutex::new(Held { txn, finishing: None }) })
        };
        Ok(slots.entry(ByteString::from(&**id)).or_insert_with(new).clone())
    }

    async fn fresh(&self) -> Result<i64, ErrorCode> {
        let topics = self.shared.topics.clone();
        self.shared.bridge.run(move || topics.next_producer()).await.map_err(|error| failed(&error))
    }

    /// Partitions, or a group, become part of a producer's transaction.
    pub(crate) async fn add(
        &self,
        who: Producer<'_>,
        partitions: Vec<At>,
        group: Option<ByteString>,
    ) -> Result<(), ErrorCode> {
        let commit = {
            let slot = self.slot(who.id)?;
            let mut held = slot.held.lock();
            held.txn.check(who.producer, who.epoch)?;
            match held.txn.add(self.shared.now_ms(), partitions, group)? {
                true => self.shared.store(&slot, &held.txn),
                false => Ok(Commit::done()),
            }
        };
        settled(commit).await
    }

    /// Does what needs that partition to be in the producer's transaction: nothing ends it meanwhile.
    pub(crate) fn within<T>(&self, who: Producer<'_>, at: &At, work: impl FnOnce() -> T) -> Result<T, ErrorCode> {
        let slot = self.slot(who.id)?;
        let held = slot.held.lock();
        held.txn.has_partition(who.producer, who.epoch, at)?;
        Ok(work())
    }

    /// The same for a group.
    pub(crate) fn within_group<T>(
        &self,
        who: Producer<'_>,
        group: &str,
        work: impl FnOnce() -> T,
    ) -> Result<T, ErrorCode> {
        let slot = self.slot(who.id)?;
        let held = slot.held.lock();
        held.txn.has_group(who.producer, who.epoch, group)?;
        Ok(work())
    }

    /// A producer ends its transaction. When this is done, all partitions know it.
    pub(crate) async fn end(&self, who: Producer<'_>, outcome: Outcome) -> Result<(), ErrorCode> {
        let finishing = {
            let slot = self.slot(who.id)?;
            let mut held = slot.held.lock();
            held.txn.check(who.producer, who.epoch)?;
            match held.txn.end(self.shared.now_ms(), outcome)? {
                Ended::Over => return Ok(()),
                Ended::Decided | Ended::Before => self.shared.finish(&slot, &mut held),
            }
        };
        if finishing.await { Ok(()) } else { Err(ErrorCode::COORDINATOR_NOT_AVAILABLE) }
    }

    /// Looks at all of them.
    pub(crate) fn each<T>(&self, mut look: impl FnMut(&ByteString, &Transaction) -> Option<T>) -> Vec<T> {
        let slots: Vec<Arc<Slot>> = self.shared.slots.lock().values().cloned().collect();
        slots.iter().filter_map(|slot| look(&slot.id, &slot.held.lock().txn)).collect()
    }

    /// Looks at one.
    pub(crate) fn get(&self, id: &str) -> Option<Transaction> {
        self.slot(id).ok().map(|slot| slot.held.lock().txn.clone())
    }

    /// Aborts what takes too long, and forgets what is not used, for as long as it is polled.
    pub(crate) async fn run(&self) {
        loop {
            self.shared.timer.sleep(LOOK).await;
            self.look();
        }
    }

    fn look(&self) {
        let (shared, now) = (&self.shared, self.shared.now_ms());
        let slots: Vec<Arc<Slot>> = shared.slots.lock().values().cloned().collect();
        for slot in slots {
            let mut held = slot.held.lock();
            if held.txn.expire(now) {
                tracing::info!(id = %slot.id, "a transaction took too long");
            }
            match held.txn.state {
                State::Prepare(_) => drop(shared.finish(&slot, &mut held)),
                State::Empty | State::Complete(_) if held.txn.updated_ms < now - shared.limits.unused_ms => {
                    drop(held);
                    self.forget(&slot);
                }
                _ => {}
            }
        }
    }

    fn forget(&self, slot: &Arc<Slot>) {
        let mut slots = self.shared.slots.lock();
        // Somebody may be about to use it.
        if Arc::strong_count(slot) > 2 {
            return;
        }
        let mut batch = WriteBatch::new();
        batch.delete(&stored::key(&slot.id));
        match self.shared.catalog.submit(batch, Durability::Buffered) {
            Ok(_) => drop(slots.remove(&slot.id)),
            Err(error) => drop(failed(&error)),
        }
    }
}

impl Shared {
    pub(super) fn now_ms(&self) -> i64 {
        millis(self.timer.wall())
    }

    /// Stores a transaction as it is. Called with its lock held, so that entries are in the order of the changes.
    pub(super) fn store(&self, slot: &Slot, txn: &Transaction) -> xs_storage::Result<Commit> {
        let mut batch = WriteBatch::new();
        batch.put(&stored::key(&slot.id), &stored::write(txn));
        self.catalog.submit(batch, Durability::Synced)
    }

    /// Carries a decision out, unless that is under way. It goes on when nobody waits for it.
    pub(super) fn finish(self: &Arc<Self>, slot: &Arc<Slot>, held: &mut Held) -> Finishing {
        if let Some(finishing) =
            held.finishing.as_ref().and_then(WeakFinishing::upgrade).filter(|work| work.peek().is_none())
        {
            return finishing;
        }
        let finishing = self.clone().carry_out(slot.clone()).boxed().shared();
        held.finishing = finishing.downgrade();
        tokio::spawn(finishing.clone());
        finishing
    }
}

/// Waits for the disk.
pub(super) async fn settled(commit: xs_storage::Result<Commit>) -> Result<(), ErrorCode> {
    let done = match commit {
        Ok(commit) => commit.await,
        Err(error) => Err(error),
    };
    done.map_err(|error| failed(&error))
}

fn failed(error: &xs_storage::Error) -> ErrorCode {
    tracing::error!(%error, "a transaction cannot be stored");
    ErrorCode::COORDINATOR_NOT_AVAILABLE
}

impl std::fmt::Debug for Transactions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transactions").field("ids", &self.shared.slots.lock().len()).finish_non_exhaustive()
    }
}
