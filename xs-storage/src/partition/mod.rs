//! A partition of a topic, as Kafka's brokers keep it: [`Partition`].
//!
//! # The problem
//!
//! A partition is a log of record batches, and a broker asks more of it than a log gives. A producer that heard no answer
//! sends its batch again, and it must not stand there twice. A transaction that was aborted must be skipped by those who
//! read what is committed, and nobody may read past one that is open. A consumer asks for what came since noon. A replica
//! asks where its history departs from the leader's. Old segments go, by age, by size, or because an operator says so. And
//! all of this at millions of records a second, most of which the broker must not even look at.
//!
//! # How it works
//!
//! ```text
//!   batch ─ checksum ─┐ lock: epoch? sequence?      ┌ Log<Batches> ──────────────────────┐
//!   batch ─ checksum ─┤ number it, derive ────────▶ │ segment+index │ segment+index │ …  │
//!                     │        │                    └──────┬─────────────────────────────┘
//!                     │  ┌─────▼──────────────┐            │ ranges of files: sendfile
//!                     │  │ epochs, producers, │            ▼
//!                     │  │ transactions       │◀──── read(offset, bytes, isolation)
//!                     │  └─────┬──────────────┘
//!                     └ wakes  │ now and then
//!                      fetches ▼ OFFSET.state
//! ```
//!
//! **A batch is the unit.** What a producer sends is stored as it came; the log overwrites the base offset and the leader
//! epoch, which Kafka's checksum leaves out for this purpose. So an append costs per batch: one checksum, one decision
//! under the lock, and for large batches no copy.
//!
//! **Three answers.** A batch is appended when it stands in memory, *written* when the operating system has it
//! ([`Partition::write`], what Kafka answers by), and durable when its commit is. A broker appends all batches of a request and
//! writes each partition once behind them.
//!
//! **Everything else is derived.** [Leader epochs](Partition::end_of_epoch), the last five batches of each producer, open
//! and aborted transactions: all of it follows from the batches' headers, in their order. A *snapshot* says what followed
//! up to some offset; opening takes the newest that the log bears out and reads the batches behind it. A snapshot that
//! speaks of more than a crash has left is removed for good before anything new is appended.
//!
//! **Reads are ranges of files.** [`Partition::read`] answers with places, not with bytes ([`Log::range`]): a broker hands
//! them to the kernel, which sends them from the page cache. What is still in memory is written to the file first, by the
//! first who asks for it. The alternative is to hand out the memory; that spares a write that is due anyhow, and makes two
//! kinds of answers of one. Ranges end at batches, so an answer never holds half of one.
//!
//! **Indexes.** Kafka keeps an offset index, a time index and a transaction index for each segment. Here the log's
//! waypoints, one for 64 KiB, hold offset, place and latest time, and a file beside each full segment keeps them: 28 bytes
//! where Kafka's two take 20 for 4 KiB. What lies between two waypoints is walked, once, by who starts in the middle.
//! Aborted transactions stand in the snapshot.
//!
//! **Transactions that hang.** A crash may take a marker that was not durable, and a coordinator may forget what it began.
//! Readers of what is committed would wait there for ever. So [`Partition::open_transactions`] says what is open, whose it
//! is and since when; a coordinator [aborts](Partition::end_transaction) those that it does not know.
//! [`Partition::producers`] says what is remembered of each producer, open transaction or not.
//!
//! **Compaction** keeps the last record of each key, of topics that are tables. [`Compactor`] works in steps, behind the
//! appends: it maps the keys of what is dirty, writes full segments anew beside the old ones, and puts them in their place
//! by a rename. Records keep their offsets, so there are holes, and who reads has to go on at the next batch. What was
//! aborted goes, the last batch of a producer stays (empty, if need be), and tombstones and markers go when every consumer
//! has had time to see them. Keys are held whole: a map of hashes is smaller, and loses a record where two collide. Records
//! without a key go with the first pass; [`Append::keyed`] refuses them at the door.
//!
//! **Warm segments.** A byte that is written where no page is costs the kernel a page first. With
//! [`PartitionOptions::warm_bytes`] segments are written with zeros ahead, in the background, and appends go over those.
//!
//! **The clock is the caller's.** [`Partition::tend`] is called now and then with the time; it deletes what is old, forgets
//! producers, and writes a snapshot when a segment's worth has come.
//!
//! # Invariants
//!
//! - Whatever the log promises: what a commit has answered for is there after every crash, what is written survives the process, and what is there is a prefix
//!   of what was appended. ([`log`](crate::log).)
//! - What is derived is what a replay of the whole log gives. (Tests compare the two after every crash.)
//! - A batch of a producer stands there once, as long as it is among the last five and the producer is known.
//! - Readers of what is committed get nothing behind the beginning of a transaction that is open.
//! - `start <= last_stable <= high_watermark <= end`, also when a transaction began in front of what was deleted.
//! - What a compacted partition gives a reader of what is committed is, key by key, what it would give if it were not
//!   compacted; a crash leaves a segment as it was or as it is to be, and no record ever has another offset. (Tests compare
//!   with a map, at every crash of a workload that goes on meanwhile.)
//! - The partition's beginning only rises, also over a crash, once [`Partition::delete_records`] has returned.
//! - A flipped bit in a batch is named by who reads it; one in what Kafka's checksum leaves out is named by
//!   [`Partition::check`], in all segments but the newest.
//!
//! # Cost
//!
//! Memory: what the log takes; about 250 bytes for a producer that sent five batches or more; 24 bytes for an aborted
//! transaction. An append looks at each byte once, for the checksum. A read that goes on where the last one ended reads no
//! file. A pass of compaction reads what is dirty once for its keys, and then everything once; it writes those segments anew
//! in which something is left out, and takes about [`Compaction::map_bytes`] at most for the keys. A snapshot is written once a
//! segment, with a sync of the log in front of it. Opening reads the newest segment, and
//! what came since the last snapshot.
//!
//! `cargo run --release -p xs-benches -- log` has rows for appended batches and for ranges.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//! use xs_os::vfs::MemoryVfs;
//! use xs_storage::log::Index;
//! use xs_proto::kafka::records::BatchBuilder;
//! use xs_storage::partition::{Append, Isolation, Partition, PartitionOptions};
//!
//! let disk = Arc::new(MemoryVfs::new());
//! let partition = Partition::open(disk, Path::new("orders-0"), PartitionOptions::default())?;
//! let how = Append { leader_epoch: 0, now: 1_700_000_000_000, stamp: false, keyed: false };
//!
//! let mut batch = BatchBuilder::new();
//! (batch.header.producer_id, batch.header.producer_epoch, batch.header.base_sequence) = (9, 0, 0);
//! batch.append(how.now, None, Some(b"tea"));
//! batch.append(how.now, None, Some(b"milk"));
//! let batch = batch.finish()?;
//! partition.append(batch.clone(), how)?.commit.wait()?;
//! assert!(partition.append(batch, how)?.duplicate);       // sent again: it stands there once
//!
//! let fetched = partition.read(Index(1), 1 << 20, Isolation::Uncommitted)?;
//! assert_eq!(fetched.next, Index(2));
//! assert_eq!(fetched.ranges[0].index, Index(0));       // the whole batch, to be sent from the file
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! Kafka's `UnifiedLog` keeps three indexes and a snapshot of producers a segment, memory-maps the indexes, and finds the
//! end of a range by reading batch headers from the segment. Its cleaner maps a hash of each key to an offset, and marks in
//! each batch when its tombstones may go; here a small file says when what was clean. Redpanda keeps a similar index in
//! memory and on disk and reads batches through a cache of its own. NATS JetStream frames each message by itself, with a
//! checksum that it takes anew.
//!
//! # What this leaves out
//!
//! Replication, which needs appends that keep their offsets. Which record of a batch is the first of a time: a batch may be
//! compressed, and nobody but compaction looks inside. Formats older than 2.
//!
//! # Try next
//!
//! Give the aborted transactions a file for each segment, as Kafka does, and measure from how many on that pays.
//!
//! # Sources
//!
//! Apache Kafka's protocol guide, "Record Batch" and "Messages"; KIP-98 (exactly once), KIP-101 and KIP-279 (leader epochs),
//! KIP-360 (producers that were forgotten), KIP-447, KIP-534 (how long tombstones stay), KIP-664 (hanging transactions);
//! J. Kreps et al., "Kafka: a Distributed Messaging System for Log Processing" (NetDB 2011).

mod append;
mod check;
mod compact;
mod error;
mod keep;
mod lineage;
mod open;
mod passes;
mod producers;
mod read;
mod snapshot;
mod state;
#[cfg(all(test, not(xs_loom)))]
mod tests;
mod transactions;
mod watch;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use parking_lot::Mutex;
use xs_os::vfs::Vfs;
use xs_os::{Jobs, ThreadJobs};
use xs_proto::kafka::records::Outcome;

use crate::engine::Commit;
use crate::log::{Batches, Index, Log, Written};
use crate::{Error, Result};
use passes::Passes;
use state::State;

pub use append::{Append, Appended, check_keys};
pub use check::Checked;
pub use compact::{Compaction, Compactor};
pub use error::{AppendError, ReadError};
pub use keep::{Retention, Tended};
pub use producers::{ActiveProducer, OpenTransaction};
pub use read::{Fetched, Isolation};
pub use transactions::Aborted;
pub use watch::Raised;

/// Who says how far readers may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HighWatermark {
    /// Up to the end: there is no other replica to wait for.
    End,
    /// Up to where [`Partition::raise_to`] was told.
    Caller,
}

/// How a partition is to work.
#[derive(Clone, Debug)]
pub struct PartitionOptions {
    /// The length of a segment in bytes (`segment.bytes`); 64 MiB by default. 64 KiB of it are set aside when the segment
    /// begins, and twice as much each time that it is full.
    pub segment_bytes: u64,
    /// A segment that is as old as this when something is appended is ended, in milliseconds (`segment.ms`); a week by
    /// default.
    pub segment_ms: Option<i64>,
    /// The longest batch that is taken, in bytes (`max.message.bytes`); 1,048,588 by default, as Kafka's.
    pub max_batch: u64,
    /// So many producers are known at once, at most: a new one takes the place of who was silent for longest. 100,000 by
    /// default.
    pub max_producers: usize,
    /// Who says how far readers may go; the end by default.
    pub high_watermark: HighWatermark,
    /// As [`LogOptions::buffer_bytes`](crate::log::LogOptions::buffer_bytes).
    pub buffer_bytes: u64,
    /// As [`LogOptions::background_sync_bytes`](crate::log::LogOptions::background_sync_bytes); 16 MiB by default.
    pub background_sync_bytes: u64,
    /// As [`LogOptions::warm_bytes`](crate::log::LogOptions::warm_bytes): segments written with zeros ahead
    /// (`log.preallocate`); 0 by default.
    pub warm_bytes: u64,
    /// Where the log's work in the background is done. By default a thread of its own: who has many partitions shares a
    /// [`PoolJobs`](xs_os::PoolJobs) among them.
    pub jobs: Arc<dyn Jobs>,
}

impl Default for PartitionOptions {
    fn default() -> Self {
        PartitionOptions {
            segment_bytes: 64 << 20,
            segment_ms: Some(7 * 24 * 60 * 60 * 1000),
            max_batch: 1_048_588,
            max_producers: 100_000,
            high_watermark: HighWatermark::End,
            buffer_bytes: 1 << 20,
            background_sync_bytes: 16 << 20,
            warm_bytes: 0,
            jobs: Arc::new(ThreadJobs::new()),
        }
    }
}

/// Where a partition begins and ends, and how far its readers may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// The first offset that is there.
    pub start: Index,
    /// The offset that the next record gets.
    pub end: Index,
    /// Everything in front of this is there for readers.
    pub high_watermark: Index,
    /// Nothing from here on is given to readers of what is committed.
    pub last_stable: Index,
}

pub(crate) struct Shared {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    log: Log<Batches>,
    state: Mutex<State>,
    /// Held by who deletes, saves or cuts. Taken in front of `state`, if both are.
    keeping: Mutex<()>,
    /// How far it is compacted. Taken behind `keeping`, if both are.
    passes: Mutex<Passes>,
    /// Counts cuts.
    cuts: AtomicU64,
    options: PartitionOptions,
}

/// A partition in a directory of its own. Clones are handles of the same one, and so are a [`Raised`] and a [`Compactor`];
/// the last that goes closes it. Commits and ranges may outlive it.
///
/// All methods take `&self` and may be called from any thread; those that wait for the disk say so.
#[derive(Clone)]
pub struct Partition {
    shared: Arc<Shared>,
}

impl Partition {
    /// Opens the partition in `dir`, and makes one if there is none. Waits for the disk.
    ///
    /// # Errors
    /// Those of [`Log::open`].
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path, options: PartitionOptions) -> Result<Self> {
        Ok(Partition { shared: Arc::new(Shared::open(vfs, dir, options)?) })
    }

    /// Appends one record batch of format 2, as a producer sends it. Readers may see it when this returns, unless the
    /// high watermark is the [caller's](HighWatermark::Caller); it is durable when its commit is.
    ///
    /// # Errors
    /// [`AppendError`] says whose fault it is; nothing happened then.
    pub fn append(&self, batch: Bytes, how: Append) -> Result<Appended, AppendError> {
        self.shared.append(batch, how)
    }

    /// Ends a producer's transaction, as a transaction's coordinator does in each partition that it has written to. One that
    /// is not open is ended all the same: the coordinator may ask twice.
    ///
    /// # Errors
    /// [`AppendError::Fenced`], [`AppendError::StaleCoordinator`], [`AppendError::StaleLeader`], [`AppendError::Store`].
    pub fn end_transaction(
        &self,
        producer_id: i64,
        producer_epoch: i16,
        outcome: Outcome,
        coordinator_epoch: i32,
        how: Append,
    ) -> Result<Appended, AppendError> {
        self.shared.end_transaction(producer_id, producer_epoch, outcome, coordinator_epoch, how)
    }

    /// Batches from the one that holds `from` on, about so many bytes of them, one at least if there is one. Empty at the
    /// end: [`Partition::raised`] waits for more.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] in front of the beginning and behind the end.
    pub fn read(&self, from: Index, limit: u64, isolation: Isolation) -> Result<Fetched, ReadError> {
        self.shared.read(from, limit, isolation)
    }

    /// Where it begins and ends.
    pub fn bounds(&self) -> Bounds {
        let (start, end, high_watermark, last_stable) = self.shared.bounds();
        Bounds { start, end, high_watermark, last_stable }
    }

    /// The first batch with a record of `time` or later, in milliseconds: the first of its offsets that is there, and its
    /// latest time.
    ///
    /// # Errors
    /// From the disk.
    pub fn offset_for_time(&self, time: i64) -> Result<Option<(Index, i64)>> {
        let (start, _, high, _) = self.shared.bounds();
        let found = self.shared.log.first_at(time, start)?;
        Ok(found.map(|(base, time)| (base.max(start), time)).filter(|(base, _)| *base < high))
    }

    /// The greatest leader epoch up to this one, and the offset behind the last that was appended under it. None if
    /// `epoch` is later than all that are known.
    pub fn end_of_epoch(&self, epoch: i32) -> Option<(i32, Index)> {
        let state = self.shared.state.lock();
        state.derived.lineage.end_of(epoch, state.derived.end)
    }

    /// Says that everything in front of `offset` is there for readers. It never falls, and never passes the end.
    pub fn raise_to(&self, offset: Index) {
        let woken = {
            let mut state = self.shared.state.lock();
            let high = offset.min(state.derived.end);
            state.raise(high)
        };
        woken.into_iter().for_each(std::task::Waker::wake);
    }

    /// Resolves when the high watermark lies behind `past`: at the end of what could be read there is more.
    pub fn raised(&self, past: Index) -> Raised {
        Raised { shared: self.shared.clone(), past, number: None }
    }

    /// Durable when everything is that was appended before the call.
    pub fn commit(&self) -> Commit {
        self.shared.log.commit()
    }

    /// Hands everything that was appended before the call to the operating system, as [`Log::write`] does: then a killed
    /// process loses none of it. Does not wait for the disk.
    pub fn write(&self) -> Written<Batches> {
        self.shared.log.write()
    }

    /// Has everything that is written synced in the background, while others append: see [`Log::sync_behind`].
    pub fn sync_behind(&self) {
        self.shared.log.sync_behind();
    }

    /// Lets the partition begin at `before`, durably: nothing in front of it is read any more, and segments that lie in
    /// front of it go. Returns where it begins. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] behind the high watermark.
    pub fn delete_records(&self, before: Index) -> Result<Index, ReadError> {
        self.shared.delete_records(before)
    }

    /// What is to be done now and then: deletes what is to be kept no longer, forgets producers, writes a snapshot when a
    /// segment's worth has come. Waits for the disk, but holds up no append.
    ///
    /// # Errors
    /// From the disk. A failure to delete stops the log.
    pub fn tend(&self, now: i64, keep: &Retention) -> Result<Tended> {
        self.shared.tend(now, keep)
    }

    /// Compacts it, keeping the last record of each key, for topics of `cleanup.policy=compact`: in steps, for a job.
    pub fn compactor(&self) -> Compactor {
        Compactor::new(self.clone())
    }

    /// Cuts off everything from `offset` on, durably: for a replica whose history departs from its leader's there. Waits
    /// for the disk.
    ///
    /// # Errors
    /// [`Error::Invalid`] in front of the beginning. A failure of the disk stops the log.
    pub fn truncate_to(&self, offset: Index) -> Result<()> {
        self.shared.truncate_to(offset)
    }

    /// Transactions that have written here and have not ended, the oldest first: for a coordinator that looks for those
    /// that it does not know, and [aborts](Partition::end_transaction) them.
    pub fn open_transactions(&self) -> Vec<OpenTransaction> {
        self.shared.state.lock().derived.producers.open()
    }

    /// The producers that are remembered, by their ids.
    pub fn producers(&self) -> Vec<ActiveProducer> {
        self.shared.state.lock().derived.producers.active().collect()
    }

    /// Reads and checks everything: batches, indexes, snapshots, and that these give what is known here. Waits for the disk; snapshots and deletions wait for it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for the first thing that is wrong, [`Error::Io`] from the disk.
    pub fn check(&self) -> Result<Checked> {
        self.shared.check()
    }

    /// Why it takes no more batches, if it has stopped.
    pub fn stopped(&self) -> Option<Error> {
        self.shared.log.stopped()
    }

    /// Bytes of its files on the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.shared.log.stats().disk_bytes
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.log.stopped().is_none() {
            // Without it the next opening reads more.
            let _ = self.save();
        }
        // Commits that nobody has waited for may outlive the partition.
        self.log.close();
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("dir", &self.shared.dir)
            .field("bounds", &self.bounds())
            .finish_non_exhaustive()
    }
}
