//! Carrying a decision out: its records durable, the decision durable, a marker in each partition, the offsets of groups.

use std::sync::Arc;

use futures::future::{BoxFuture, Shared as SharedFuture, WeakShared};
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::records::Outcome;
use xs_storage::engine::{Commit, Durability, WriteBatch};
use xs_storage::partition::{Append, AppendError, Partition};

use super::coordinator::{Shared, Slot, settled};
use super::machine::At;
use super::{State, Transaction, stored};
use crate::groups::offsets;
use crate::mutation::Mutation;

/// Whether a decision has been carried out. Clones are the same work.
pub(super) type Finishing = SharedFuture<BoxFuture<'static, bool>>;
pub(super) type WeakFinishing = WeakShared<BoxFuture<'static, bool>>;

/// There is one coordinator.
const COORDINATOR_EPOCH: i32 = 0;

impl Shared {
    pub(super) async fn carry_out(self: Arc<Self>, slot: Arc<Slot>) -> bool {
        let txn = slot.held.lock().txn.clone();
        let State::Prepare(outcome) = txn.state else { return true };
        match self.steps(&slot, &txn, outcome).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(id = %slot.id, ?error, "a transaction's end cannot be stored");
                false
            }
        }
    }

    async fn steps(self: &Arc<Self>, slot: &Arc<Slot>, txn: &Transaction, outcome: Outcome) -> Result<(), ErrorCode> {
        // Nothing more is added to it from here on.
        if outcome == Outcome::Commit {
            for at in &txn.partitions {
                if let Some(partition) = self.partition(at) {
                    settled(Ok(partition.commit())).await?;
                }
            }
        }
        if self.limits.bug.is(Mutation::MarkersBeforePrepare) {
            for marker in self.mark(txn, outcome) {
                settled(marker).await?;
            }
        }
        settled(self.store(slot, txn)).await?;
        for marker in self.mark(txn, outcome) {
            settled(marker).await?;
        }
        let (shared, slot) = (self.clone(), slot.clone());
        let complete = move || shared.complete(&slot, outcome);
        settled(self.bridge.run(complete).await).await
    }

    fn partition(&self, (topic, partition): &At) -> Option<Partition> {
        self.topics.get(topic)?.partition(*partition).cloned()
    }

    /// Writes the markers. A partition that has been deleted wants none.
    fn mark(&self, txn: &Transaction, outcome: Outcome) -> Vec<xs_storage::Result<Commit>> {
        let partitions = txn.partitions.iter().filter_map(|at| self.partition(at));
        partitions.map(|partition| self.end_in(&partition, txn.producer, txn.epoch, outcome)).collect()
    }

    fn end_in(&self, partition: &Partition, producer: i64, epoch: i16, outcome: Outcome) -> xs_storage::Result<Commit> {
        let how = Append { now: self.now_ms(), ..Append::default() };
        match partition.end_transaction(producer, epoch, outcome, COORDINATOR_EPOCH, how) {
            Ok(appended) => Ok(appended.commit),
            Err(AppendError::Store(error)) => Err(error),
            Err(error) => Err(xs_storage::Error::Invalid(format!("a transaction's marker: {error}"))),
        }
    }

    /// The end, with the offsets of groups, in one batch. Waits for the disk, for reading.
    fn complete(&self, slot: &Slot, outcome: Outcome) -> xs_storage::Result<Commit> {
        let mut held = slot.held.lock();
        let mut batch = WriteBatch::new();
        for group in &held.txn.groups {
            let commits = outcome == Outcome::Commit;
            offsets::end(&*self.catalog, &mut batch, group, held.txn.producer, commits)?;
        }
        let mut over = held.txn.clone();
        over.complete(self.now_ms());
        batch.put(&stored::key(&slot.id), &stored::write(&over));
        let commit = self.catalog.submit(batch, Durability::Synced)?;
        held.txn = over;
        Ok(commit)
    }

    /// Ends what was decided when the broker stopped, and what nobody knows of. Waits for the disk.
    pub(super) fn recover(&self) -> xs_storage::Result<()> {
        let slots: Vec<Arc<Slot>> = self.slots.lock().values().cloned().collect();
        for slot in &slots {
            let txn = slot.held.lock().txn.clone();
            if let State::Prepare(outcome) = txn.state {
                tracing::info!(id = %slot.id, outcome = txn.state.name(), "a transaction is ended that was decided");
                self.mark(&txn, outcome).into_iter().try_for_each(|marker| marker?.wait())?;
                self.complete(slot, outcome)?.wait()?;
            }
        }
        let knows = |producer: i64, at: &At| {
            slots.iter().any(|slot| {
                let txn = &slot.held.lock().txn;
                txn.producer == producer && txn.state == State::Ongoing && txn.partitions.contains(at)
            })
        };
        for topic in self.topics.all() {
            for (n, partition) in topic.partitions.iter().enumerate() {
                let at = (topic.name.clone(), n as i32);
                for open in partition.open_transactions() {
                    if !knows(open.producer_id, &at) {
                        tracing::info!(topic = %topic.name, partition = n, "a transaction is aborted that nobody knows of");
                        self.end_in(partition, open.producer_id, open.producer_epoch, Outcome::Abort)?.wait()?;
                    }
                }
            }
        }
        Ok(())
    }
}
