//! A transaction: a moment, what it wrote over it, and what it read of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use bytes::Bytes;
use parking_lot::Mutex;

use super::error::{Conflict, ConflictKind, TransactionError};
use super::history::Footprint;
use super::merged::{MergedCursor, Writes};
use super::reads::Reads;
use super::{Isolation, Snapshot, Timestamp, encoding};
use crate::engine::{Commit, Cursor, Durability, KeyRange, ReadView, WriteBatch};
use crate::{Error, Result};

/// What a write costs in memory beside its bytes: the map's node, two reference-counted buffers.
const OVERHEAD: usize = 128;

/// Reads one moment, sees its own writes over it, and lets others see them all at once or never.
///
/// It reads as a [`ReadView`]. Dropping it rolls it back, which costs nothing: until [`Transaction::commit`] nothing of it
/// is in the engine.
pub struct Transaction {
    snapshot: Snapshot,
    /// Unlike any other's of this store.
    id: u64,
    isolation: Isolation,
    writes: Writes,
    /// Keys, values and [`OVERHEAD`] of `writes` and `undo`.
    bytes: usize,
    reads: Mutex<Reads>,
    /// What writes replaced since the first savepoint: enough to go back.
    undo: Vec<(Bytes, Option<Option<Bytes>>)>,
    savepoints: Vec<(u64, usize)>,
    next_savepoint: u64,
}

/// A point to go back to within a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint {
    serial: u64,
    transaction: u64,
}

/// A transaction that has happened: every transaction that begins from now on sees it.
#[derive(Debug)]
#[must_use = "the writes may be lost in a crash until this has been waited for"]
pub struct Committed {
    /// Its place in the order of commits. A transaction that wrote nothing has that of the state it read.
    pub at: Timestamp,
    /// Waited for or awaited: when it will survive a crash.
    pub durable: Commit,
}

impl Committed {
    /// Blocks until the writes are durable.
    pub fn wait(self) -> Result<Timestamp> {
        self.durable.wait()?;
        Ok(self.at)
    }
}

impl Transaction {
    pub(super) fn new(snapshot: Snapshot, id: u64, isolation: Isolation) -> Self {
        let reads = Mutex::new(Reads::new(snapshot.inner.options.read_limit));
        Transaction {
            snapshot,
            id,
            isolation,
            writes: BTreeMap::new(),
            bytes: 0,
            reads,
            undo: Vec::new(),
            savepoints: Vec::new(),
            next_savepoint: 0,
        }
    }

    /// The commit whose state it reads.
    pub fn started(&self) -> Timestamp {
        self.snapshot.timestamp()
    }

    /// What it is protected from.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Sets the value under a key.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] for a key or a transaction above its limit; the transaction is as it was before.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(key, Some(value))
    }

    /// Removes a key; nothing happens if it is not there, but a conflict is one all the same.
    ///
    /// # Errors
    ///
    /// As [`Transaction::put`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.write(key, None)
    }

    /// Removes every key in a range that this transaction can see, one by one, and says how many. A key that another one
    /// adds to the range meanwhile stays, or is a conflict if the transaction is serializable.
    ///
    /// # Errors
    ///
    /// As [`Transaction::put`]; those that were removed before it stay so.
    pub fn delete_range(&mut self, range: KeyRange<'_>) -> Result<u64> {
        /// So many keys are collected before the cursor has to let go.
        const STRETCH: usize = 256;
        let (mut range, mut removed) = (range.into_owned(), 0);
        loop {
            let mut keys = Vec::with_capacity(STRETCH);
            let mut cursor = self.cursor(range.clone())?;
            while keys.len() < STRETCH && cursor.next()? {
                keys.push(Bytes::copy_from_slice(cursor.key()));
            }
            drop(cursor);
            let Some(last) = keys.last() else { return Ok(removed) };
            range.start = Bound::Excluded(last.to_vec().into());
            for key in keys {
                self.delete(&key)?;
                removed += 1;
            }
        }
    }

    /// Reads a key, and counts that as a read that must still be true at the commit, at any level of isolation: a
    /// snapshot transaction's way out of write skew, for the keys that matter.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub fn get_for_update(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.reads.lock().add_key(key);
        self.get(key)
    }

    fn write(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let options = &self.snapshot.inner.options;
        if key.len() > options.max_key {
            return Err(Error::TooLarge { what: "key", len: key.len() as u64, limit: options.max_key as u64 });
        }
        let cost = |value: Option<&[u8]>| key.len() + value.map_or(0, <[u8]>::len) + OVERHEAD;
        let replaced = self.writes.get(key).map(|old| old.as_deref());
        let keeps = !self.savepoints.is_empty();
        // With a savepoint what is replaced is kept as well: as a mark, at least.
        let gone = replaced.map_or(0, cost);
        let kept = if keeps { replaced.map_or(key.len() + OVERHEAD, cost) } else { 0 };
        let bytes = (self.bytes + cost(value) + kept).saturating_sub(gone);
        if bytes > options.transaction_limit {
            let (len, limit) = (bytes as u64, options.transaction_limit as u64);
            return Err(Error::TooLarge { what: "transaction", len, limit });
        }
        self.bytes = bytes;
        let key = Bytes::copy_from_slice(key);
        let replaced = self.writes.insert(key.clone(), value.map(Bytes::copy_from_slice));
        if keeps {
            self.undo.push((key, replaced));
        }
        Ok(())
    }

    /// Marks this point, to go back to.
    pub fn savepoint(&mut self) -> Savepoint {
        let serial = self.next_savepoint;
        self.next_savepoint += 1;
        self.savepoints.push((serial, self.undo.len()));
        Savepoint { serial, transaction: self.id }
    }

    /// Undoes every write since a savepoint, which stays, while those set after it end. What was read since counts as
    /// read: the caller has seen it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a savepoint that has ended, or of another transaction.
    pub fn rollback_to(&mut self, to: Savepoint) -> Result<()> {
        let found = self.savepoints.iter().position(|(serial, _)| *serial == to.serial);
        let Some(place) = found.filter(|_| to.transaction == self.id) else {
            return Err(Error::Invalid("no such savepoint: it has ended, or belongs to another transaction".into()));
        };
        let keep = self.savepoints[place].1;
        self.savepoints.truncate(place + 1);
        for (key, replaced) in self.undo.drain(keep..).rev() {
            match replaced {
                Some(value) => self.writes.insert(key, value),
                None => self.writes.remove(&key),
            };
        }
        let cost = |key: &Bytes, value: Option<&Bytes>| key.len() + value.map_or(0, Bytes::len) + OVERHEAD;
        let writes: usize = self.writes.iter().map(|(key, value)| cost(key, value.as_ref())).sum();
        let undo: usize = self.undo.iter().map(|(key, old)| cost(key, old.as_ref().and_then(Option::as_ref))).sum();
        self.bytes = writes + undo;
        Ok(())
    }

    /// Undoes everything. The same as dropping it.
    pub fn rollback(self) {}

    /// Makes all writes visible at once, if nothing that matters has changed since the transaction began. It returns as
    /// soon as they are; [`Committed`] waits for the disk.
    ///
    /// # Errors
    ///
    /// [`Conflict`]: nothing happened, and running the transaction again may succeed. Otherwise the engine's, which has
    /// then refused the whole.
    pub fn commit(mut self, durability: Durability) -> Result<Committed, TransactionError> {
        if self.writes.is_empty() {
            return Ok(Committed { at: self.started(), durable: Commit::done() });
        }
        if self.reads.get_mut().cursors > 0 {
            // A cursor that was leaked never said what it read.
            self.reads.get_mut().add(Vec::new(), None);
        }
        let inner = self.snapshot.inner.clone();
        let mut stems = Vec::new();
        let mut ends = Vec::with_capacity(self.writes.len());
        for key in self.writes.keys() {
            encoding::put_stem(&mut stems, key);
            ends.push(stems.len());
        }
        // The long part of the check, while others commit; then only those who did so meanwhile are left to look at.
        let checked = self.check(self.snapshot.at)?;

        let mut turn = inner.turn.lock();
        self.check(checked)?;
        let at = turn.next;
        turn.next = at.checked_add(1).ok_or_else(|| Error::Invalid("no timestamp is left".into()))?;
        let mut batch = WriteBatch::with_capacity(stems.len() + self.bytes);
        let (mut physical, mut begin) = (Vec::new(), 0);
        for (value, end) in self.writes.values().zip(ends) {
            physical.clear();
            physical.extend_from_slice(&stems[begin..end]);
            begin = end;
            let kind = if value.is_some() { encoding::Kind::Put } else { encoding::Kind::Removed };
            encoding::put_suffix(&mut physical, at, kind);
            batch.put(&physical, value.as_deref().unwrap_or_default());
        }
        batch.put(&encoding::LAST, &at.to_le_bytes());
        let durable = inner.engine.submit(batch, durability)?;
        let keys = std::mem::take(&mut self.writes).into_keys().collect();
        inner.publish(Footprint { at, keys });
        drop(turn);
        Ok(Committed { at: Timestamp(at), durable })
    }

    /// Looks for a conflict with the commits after `since`; gives back up to which commit it has looked.
    fn check(&self, mut since: u64) -> Result<u64, TransactionError> {
        /// So many commits are taken out of the shared state at once: who comes back from far away holds nobody up.
        const STRETCH: usize = 256;
        let reads = self.reads.lock();
        loop {
            let state = self.snapshot.inner.state.lock();
            let (last, recent) = (state.last, state.history.since(since, STRETCH));
            drop(state);
            let (found, next) = match &recent {
                Some(commits) => {
                    let next = commits.last().filter(|_| commits.len() == STRETCH).map(|commit| commit.at);
                    (commits.iter().find_map(|commit| self.clash(&reads, commit)), next)
                }
                // The engine remembers what the history has forgotten.
                None => (self.clash_in_engine(&reads, since)?, None),
            };
            if let Some((kind, key, with)) = found {
                let coarse = kind == ConflictKind::ReadWrite && reads.is_coarse();
                self.snapshot.inner.state.lock().count_conflict(kind);
                return Err(Conflict { kind, key, with: Timestamp(with), started: self.started(), coarse }.into());
            }
            match next {
                Some(next) => since = next,
                None => return Ok(last),
            }
        }
    }

    fn clash(&self, reads: &Reads, commit: &Footprint) -> Option<(ConflictKind, Bytes, u64)> {
        let written = match self.isolation {
            Isolation::Serializable => None,
            Isolation::Snapshot if self.writes.len() < commit.keys.len() => {
                self.writes.keys().find(|key| commit.keys.binary_search(key).is_ok())
            }
            Isolation::Snapshot => commit.keys.iter().find(|key| self.writes.contains_key(*key)),
        };
        if let Some(key) = written {
            return Some((ConflictKind::WriteWrite, key.clone(), commit.at));
        }
        let read = if reads.is_empty() { None } else { reads.first_of(&commit.keys) };
        read.map(|key| (ConflictKind::ReadWrite, key.clone(), commit.at))
    }

    /// The same by the versions themselves. None that is newer than this transaction can have been collected.
    fn clash_in_engine(&self, reads: &Reads, since: u64) -> Result<Option<(ConflictKind, Bytes, u64)>> {
        self.snapshot.inner.state.lock().forgotten_checks += 1;
        let newer = |range: KeyRange<'_>| -> Result<Option<(Bytes, u64)>> {
            let mut cursor = self.snapshot.inner.engine.cursor(range)?;
            while cursor.next()? {
                let version = super::versions::version(cursor.key())?;
                if version.at > since {
                    return Ok(Some((encoding::key(version.stem).into_owned().into(), version.at)));
                }
            }
            Ok(None)
        };
        if self.isolation == Isolation::Snapshot {
            for key in self.writes.keys() {
                // The newest version alone: the first of all.
                let mut cursor = self.snapshot.inner.engine.cursor(encoding::versions(key, u64::MAX))?;
                if cursor.next()? {
                    let at = super::versions::version(cursor.key())?.at;
                    if at > since {
                        return Ok(Some((ConflictKind::WriteWrite, key.clone(), at)));
                    }
                }
            }
        }
        for (start, end) in reads.spans() {
            let end = end.map_or(Bound::Unbounded, |end| Bound::Excluded(end.into()));
            let keys = KeyRange { start: Bound::Included(start.into()), end };
            if let Some((key, at)) = newer(encoding::range(&keys))? {
                return Ok(Some((ConflictKind::ReadWrite, key, at)));
            }
        }
        Ok(None)
    }

    fn tracks(&self) -> Option<&Mutex<Reads>> {
        (self.isolation == Isolation::Serializable).then_some(&self.reads)
    }
}

impl ReadView for Transaction {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        if let Some(own) = self.writes.get(key) {
            return Ok(own.clone());
        }
        if let Some(reads) = self.tracks() {
            reads.lock().add_key(key);
        }
        self.snapshot.get(key)
    }

    fn cursor(&self, range: KeyRange<'_>) -> Result<Box<dyn Cursor + '_>> {
        let base = self.snapshot.versions(&range)?;
        Ok(Box::new(MergedCursor::new(base, &self.writes, range, self.tracks())))
    }

    fn get_with(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        if let Some(own) = self.writes.get(key) {
            return Ok(own.as_deref().map(see).is_some());
        }
        if let Some(reads) = self.tracks() {
            reads.lock().add_key(key);
        }
        self.snapshot.get_with(key, see)
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, isolation, writes) = (self.snapshot.at, self.isolation, self.writes.len());
        f.debug_struct("Transaction")
            .field("started", &at)
            .field("isolation", &isolation)
            .field("writes", &writes)
            .finish()
    }
}
