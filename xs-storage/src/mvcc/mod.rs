//! Transactions over any engine: [`Mvcc`], [`Transaction`], [`Snapshot`].
//!
//! # The problem
//!
//! An [`Engine`] applies a batch as a whole. A program wants more: to read, to decide by
//! what it read, to write, and that nobody changed what it decided by in between. One lock around everything does that,
//! and makes every reader wait for every writer. Versions do it without: who reads, reads a state that nobody changes
//! any more.
//!
//! # How it works
//!
//! Nothing is overwritten. A commit gets the next timestamp, a plain counter, and writes its keys *at* it. A transaction
//! reads at the timestamp at which it began, and keeps its own writes in memory, over what it reads, until it commits:
//!
//! ```text
//!   time ─────▶        1        2        3        4
//!   key a             "x"               "y"                  a reader at 2 sees  a = x, b = 7
//!   key b                      "7"             removed       a reader at 4 sees  a = y
//!
//!   begin: read at the newest timestamp, and hold it      ┐
//!   get, cursor: own writes, over versions ≤ timestamp    │  no lock, nothing of it in the engine
//!   put, delete: into memory                              ┘
//!   commit: check against the commits since then          ── long part first, without the lock
//!           lock; check the few since; next timestamp; one WriteBatch; publish; unlock
//!           wait for the disk, or don't                   ── shared with everybody else's wait
//! ```
//!
//! **[`Isolation::Snapshot`]**: at the commit, no key that the transaction wrote may have been written by a commit after
//! its begin: the first committer wins. What it only read may have changed, and that is the hole in it: write skew.
//!
//! **[`Isolation::Serializable`]**: at the commit, nothing that the transaction *read* may have been written since: not
//! the keys it got, nor anything in the ranges its cursors passed, which covers keys that were not there. So all it read
//! is still true at its commit, and the whole transaction might as well have run in that instant: the order of commits is
//! an equivalent serial order. Writing what one has not read needs no check at all: of two such, the later one stays, as
//! if they had run one after the other.
//!
//! That is backward validation, as Kung and Robinson have it. The alternative, *serializable snapshot isolation*
//! (Cahill et al.; PostgreSQL), aborts only when two anti-dependencies meet in one transaction, so it lets more histories
//! pass. It pays with lists of reads that outlive their transactions, with tracking for those that only read (they can
//! be the third party of an anomaly), and with victims that can't tell what they did wrong. Validation looks back only,
//! so a reader is never tracked and never aborted, an abort names the key, and the order of commits means what it says.
//! What it gives up: two transactions of which one reads what the other writes conflict, although some order would do.
//!
//! What may happen (`tests/mvcc/anomalies.rs` tells each as a transcript; P and A are the names of Berenson et al., G those of
//! Adya):
//!
//! | anomaly | snapshot | serializable |
//! |---|---|---|
//! | P0 dirty write | no | no |
//! | P1 dirty read | no | no |
//! | G1a aborted read | no | no |
//! | G1b intermediate read | no | no |
//! | G1c circular information flow | no | no |
//! | OTV observed transaction vanishes | no | no |
//! | P2 fuzzy read | no | no |
//! | P3 phantom | no | no |
//! | P4 lost update | no | no |
//! | P4C cursor lost update | no | no |
//! | A5A read skew | no | no |
//! | G-single across a predicate | no | no |
//! | A5B write skew | yes | no |
//! | G2 write skew on a predicate | yes | no |
//! | read-only anomaly | yes | no |
//!
//! ## Where versions lie
//!
//! In the engine a version is an entry of its own: the key, escaped so that something can follow it without disturbing
//! the order; the timestamp, inverted so that the newest comes first; and whether it is a removal.
//!
//! ```text
//!   01  key, 00 as 00 FF  00 01  !timestamp (8, big-endian)  kind      ─▶ value
//!
//!   01 'a'                00 01  FF FF FF FF FF FF FF FC  01   a@3     a seek for (a, 2) lands here ─┐
//!   01 'a'                00 01  FF FF FF FF FF FF FF FE  01   a@1  ◀────────────────────────────────┘
//!   01 'a' 00 FF          00 01  FF FF FF FF FF FF FF FD  01   a\0@2
//!   01 'b'                00 01  …
//! ```
//!
//! So a `get` is one seek, and a scan passes keys in their order, each with its versions from new to old. A scan
//! backwards meets a key's oldest version first, and goes on until the next one would be too new. After the versions of
//! a key that is written often, both leap with a seek instead of stepping.
//!
//! # Invariants
//!
//! - A snapshot never changes: versions at or before it are there when it begins (`Inner::publish` comes after the engine's
//!   `submit`), and stay while it is held (`State::raise_horizon`).
//! - A commit is one batch, with the newest timestamp in it: after a crash there is all of it and of all before, or
//!   nothing (`Transaction::commit`).
//! - Timestamps follow the order of the batches (`Inner::turn`).
//! - A forgotten detail costs time or an abort, never a wrong answer: what the history of commits has forgotten is looked
//!   up in the engine; reads that become too many are kept as ranges that hold them.
//! - Of a key's collected versions the removal that hides others goes last (`collect`).
//! - History is whole from [`Stats::horizon`] on, also after a crash: the engine learns of a later horizon in the batch
//!   that first needs it.
//!
//! Serializable transactions are serializable among each other. Beside them, one at [`Isolation::Snapshot`] may decide by
//! something that has changed, and what it writes then is true for everybody.
//!
//! # Cost
//!
//! Twelve bytes a version, and one more for each zero in the key. A begin is a short lock. A read is a seek where the bare
//! engine has a `get`, so filters on whole keys don't help it. A scan costs one comparison an entry more, and a step for
//! each version that is not seen. Being serializable costs 64 bytes and two copies of the key for each key got; a scan is
//! one interval, however long. In the commit lock are: the commits since the check outside of it, one copy of the writes,
//! and the engine's `submit`, which does not wait for the disk.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use xs_storage::engine::{Durability, MemoryEngine, ReadView};
//! use xs_storage::mvcc::{Isolation, Mvcc, Options, TransactionError};
//!
//! let store = Mvcc::open(Arc::new(MemoryEngine::new()), Options::default())?;
//! let balance = |view: &dyn ReadView, who: &str| -> Result<i64, xs_storage::Error> {
//!     Ok(view.get(who.as_bytes())?.map_or(0, |bytes| i64::from_le_bytes(bytes[..].try_into().unwrap())))
//! };
//!
//! let mut tx = store.begin(Isolation::Serializable);
//! tx.put(b"ann", &100_i64.to_le_bytes())?;
//! tx.commit(Durability::Synced)?.wait()?;
//!
//! let before = store.begin_read_only();
//! let transfer = |tx: &mut xs_storage::mvcc::Transaction| -> Result<(), TransactionError> {
//!     tx.put(b"ann", &(balance(tx, "ann")? - 30).to_le_bytes())?;
//!     tx.put(b"bob", &(balance(tx, "bob")? + 30).to_le_bytes())?;
//!     Ok(())
//! };
//! let ((), committed) = store.retry(3, Isolation::Serializable, Durability::Synced, transfer)?;
//! committed.wait()?;
//!
//! assert_eq!(balance(&store.begin_read_only(), "bob")?, 30);
//! assert_eq!(balance(&before, "ann")?, 100);
//!
//! // Two that read and write the same: the second to commit is told why it can't.
//! let (mut a, mut b) = (store.begin(Isolation::Snapshot), store.begin(Isolation::Snapshot));
//! a.put(b"ann", b"")?;
//! b.put(b"ann", b"")?;
//! let _ = a.commit(Durability::Buffered)?;
//! assert!(b.commit(Durability::Buffered).unwrap_err().can_retry());
//! # Ok::<(), TransactionError>(())
//! ```
//!
//! # How others do it
//!
//! PostgreSQL keeps versions in the table and finds their age by transaction id, hence vacuum; InnoDB overwrites, and
//! keeps the way back in an undo log. CockroachDB and TiKV lay versions out as here, over an ordered store; in Percolator's
//! footsteps TiKV adds locks in the store itself, which a single process does not need. FoundationDB validates reads as
//! here, in a service of its own that remembers five seconds, and refuses what began earlier; here the versions
//! themselves answer, so nothing is too old. BadgerDB validates hashes of single keys: ranges are not covered, and phantoms
//! pass. Oracle and, until 9.1, PostgreSQL called snapshot isolation serializable.
//!
//! # What this leaves out
//!
//! Waiting for a lock instead of failing at the end: under heavy contention on few keys a queue does less work. Commits in
//! several stores at once. Timestamps of the clock. Keeping a reader from answering by what was committed but is not yet
//! durable: wait for an empty `Synced` batch of the engine before telling anybody. Removing a range in one record:
//! [`Transaction::delete_range`] writes a removal for each key.
//!
//! # Try next
//!
//! When reads become too many, join the two intervals with the smallest gap, not all neighbours, and count the aborts
//! that are saved. Then implement the dangerous structure of Cahill et al. beside validation, and count again.
//!
//! # Sources
//!
//! H. Berenson et al., "A Critique of ANSI SQL Isolation Levels" (1995); A. Adya, "Weak Consistency" (1999); A. Fekete, E.
//! O'Neil and P. O'Neil, "A Read-Only Transaction Anomaly Under Snapshot Isolation" (2004); H. T. Kung and J. Robinson, "On
//! Optimistic Methods for Concurrency Control" (1981); M. Cahill et al., "Serializable Isolation for Snapshot Databases"
//! (2008); P. Bernstein and N. Goodman, "Multiversion Concurrency Control" (1983).

mod collect;
mod encoding;
mod error;
mod history;
mod merged;
mod reads;
mod snapshot;
mod state;
mod transaction;
mod versions;

use std::fmt;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use xs_os::{Jobs, Progress, ThreadJobs};

use crate::engine::{Durability, Engine, KeyRange, WriteBatch};
use crate::{Error, Result};

pub use collect::Collected;
pub use error::{Conflict, ConflictKind, OutOfHistory, TransactionError};
pub use snapshot::Snapshot;
pub use state::Stats;
pub use transaction::{Committed, Savepoint, Transaction};

use history::Footprint;
use state::State;

/// What a transaction is protected from; the [page](self) has the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// It reads one state, and no key that it writes is written by another meanwhile. Write skew may happen.
    Snapshot,
    /// It might as well have run alone, in the instant of its commit.
    #[default]
    Serializable,
}

/// A place in the order of commits: the first one is 1, and 0 is the empty store. Numbers may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Limits, and who works in the background.
#[derive(Clone, Debug)]
pub struct Options {
    /// So many commits back can be read with [`Mvcc::at`]. Default 0: garbage is what nobody reads.
    pub keep: u64,
    /// The longest key, in bytes. Default 32,000: one of zeros alone, escaped, still is a key of 64 KiB.
    pub max_key: usize,
    /// Bytes of memory that one transaction's writes may take. Default 64 MiB.
    pub transaction_limit: usize,
    /// Bytes of memory for what one transaction has read, after which it is kept coarser. Default 1 MiB.
    pub read_limit: usize,
    /// Bytes of memory for the keys of the latest commits. Beyond it, long transactions are checked by reading the engine,
    /// and a [`Mvcc::sweep`] is needed to find all garbage. Default 16 MiB.
    pub history_limit: usize,
    /// Where garbage is collected; none if by hand alone. Default a thread of its own.
    pub jobs: Option<Arc<dyn Jobs>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            keep: 0,
            max_key: 32_000,
            transaction_limit: 64 << 20,
            read_limit: 1 << 20,
            history_limit: 16 << 20,
            jobs: Some(Arc::new(ThreadJobs::new())),
        }
    }
}

/// A store with transactions, over an engine that it has for itself. Clones share it.
#[derive(Clone)]
pub struct Mvcc {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<dyn Engine>,
    options: Options,
    state: Mutex<State>,
    /// Held from the last check of a commit until it can be read.
    turn: Mutex<Turn>,
    /// Held while garbage is collected: two at once could make the durable horizon go back.
    collecting: Mutex<()>,
    job: OnceLock<xs_os::jobs::JobHandle>,
}

struct Turn {
    next: u64,
}

impl Mvcc {
    /// Opens the store in an engine: one that this layer has written before, or an empty one.
    ///
    /// # Errors
    ///
    /// [`Error::Foreign`] if the engine holds other entries, [`Error::NewerFormat`] if a newer version of this layer wrote
    /// it, or the engine's.
    pub fn open(engine: Arc<dyn Engine>, options: Options) -> Result<Self> {
        let (last, horizon) = recover(&*engine)?;
        let state = Mutex::new(State::new(last, horizon, options.history_limit));
        let next = last.checked_add(1).ok_or_else(|| Error::Invalid("no timestamp is left".into()))?;
        let (turn, collecting, job) = (Mutex::new(Turn { next }), Mutex::new(()), OnceLock::new());
        let inner = Arc::new(Inner { engine, options, state, turn, collecting, job });
        if let Some(jobs) = &inner.options.jobs {
            let weak = Arc::downgrade(&inner);
            let step = move || weak.upgrade().map_or(Progress::Done, |inner| collect::step(&inner));
            let handle = jobs.spawn("mvcc-collect", Box::new(step));
            // Nobody else sets it.
            let _ = inner.job.set(handle);
        }
        Ok(Mvcc { inner })
    }

    /// Begins a transaction that reads the state of this moment.
    pub fn begin(&self, isolation: Isolation) -> Transaction {
        let mut state = self.inner.state.lock();
        let (at, id) = (state.last, state.begun);
        state.begun += 1;
        state.pin(at);
        drop(state);
        Transaction::new(Snapshot { inner: self.inner.clone(), at }, id, isolation)
    }

    /// The state of this moment, to read.
    pub fn begin_read_only(&self) -> Snapshot {
        let mut state = self.inner.state.lock();
        let at = state.last;
        state.pin(at);
        drop(state);
        Snapshot { inner: self.inner.clone(), at }
    }

    /// The state after a commit of the past, to read.
    ///
    /// # Errors
    ///
    /// [`OutOfHistory`] if that state's versions may have been collected, or it lies ahead.
    pub fn at(&self, at: Timestamp) -> Result<Snapshot, OutOfHistory> {
        let mut state = self.inner.state.lock();
        // What is due to be collected may be gone at any moment; that it is not yet is no promise.
        let oldest = state.raise_horizon(self.inner.options.keep);
        if at.0 < oldest || at.0 > state.last {
            return Err(OutOfHistory { asked: at, oldest: Timestamp(oldest), newest: Timestamp(state.last) });
        }
        state.pin(at.0);
        drop(state);
        Ok(Snapshot { inner: self.inner.clone(), at: at.0 })
    }

    /// Runs a transaction and commits it, again from its beginning when it ends in a conflict, `attempts` times at the
    /// most and once at least. Whatever `run` does outside of the transaction, it does each time.
    ///
    /// There is no pause in between: who loses has lost to a commit, so somebody always makes progress.
    ///
    /// # Errors
    ///
    /// Those of `run`, which end it at once, and those of the last commit.
    pub fn retry<T, E: From<TransactionError>>(
        &self,
        attempts: u32,
        isolation: Isolation,
        durability: Durability,
        mut run: impl FnMut(&mut Transaction) -> Result<T, E>,
    ) -> Result<(T, Committed), E> {
        let mut left = attempts;
        loop {
            left = left.saturating_sub(1);
            let mut transaction = self.begin(isolation);
            let outcome = run(&mut transaction)?;
            match transaction.commit(durability) {
                Ok(committed) => return Ok((outcome, committed)),
                Err(error) if error.can_retry() && left > 0 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The newest commit.
    pub fn last(&self) -> Timestamp {
        Timestamp(self.inner.state.lock().last)
    }

    /// The engine underneath: for its figures, and for its `flush`. What is written to it directly breaks this store.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.inner.engine
    }

    /// What the layer knows about itself.
    pub fn stats(&self) -> Stats {
        self.inner.state.lock().stats()
    }
}

impl Inner {
    /// Makes a commit whose batch the engine has taken visible.
    fn publish(&self, footprint: Footprint) {
        let mut state = self.state.lock();
        state.last = footprint.at;
        state.commits += 1;
        let dropped = state.history.push(footprint);
        state.untrailed += dropped as u64;
        let due = state.is_worth_collecting(self.options.keep);
        drop(state);
        self.wake(due);
    }

    fn unpin(&self, at: u64) {
        let mut state = self.state.lock();
        state.unpin(at);
        let due = state.is_worth_collecting(self.options.keep);
        drop(state);
        self.wake(due);
    }

    fn wake(&self, due: bool) {
        if due && let Some(job) = self.job.get() {
            job.poke();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Its step finds nothing left to do it for, and ends.
        self.wake(true);
    }
}

impl fmt::Debug for Mvcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mvcc").field("stats", &self.stats()).finish()
    }
}

/// The newest commit and the horizon; in an empty engine it leaves its mark.
fn recover(engine: &dyn Engine) -> Result<(u64, u64)> {
    let number = |key: &[u8]| -> Result<u64> {
        let Some(bytes) = engine.get(key)? else { return Ok(0) };
        let bytes = bytes[..].try_into();
        bytes.map(u64::from_le_bytes).map_err(|_| Error::Foreign { what: "a number of another length".into() })
    };
    let Some(format) = engine.get(&encoding::FORMAT)? else {
        if engine.cursor(KeyRange::all())?.next()? {
            return Err(Error::Foreign { what: "entries, and no mark of this layer".into() });
        }
        let mut batch = WriteBatch::new();
        batch.put(&encoding::FORMAT, &encoding::FORMAT_VERSION.to_le_bytes());
        drop(engine.submit(batch, Durability::Buffered)?);
        return Ok((0, 0));
    };
    match format[..].try_into().map(u32::from_le_bytes) {
        Ok(encoding::FORMAT_VERSION) => {}
        Ok(found) if found > encoding::FORMAT_VERSION => {
            return Err(Error::NewerFormat { path: "transactions".into(), found, known: encoding::FORMAT_VERSION });
        }
        _ => return Err(Error::Foreign { what: "a mark that is none of this layer".into() }),
    }
    Ok((number(&encoding::LAST)?, number(&encoding::HORIZON)?))
}
