//! Several writes, decided one after the other, as one batch.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::batch::{Edit, Mark};
use crate::engine::{Op, WriteBatch};
use crate::{Error, Result};

/// A batch in the making that can be read, and gone back in. See [`BTree::write`](super::BTree::write).
///
/// A write that fails half-way, because a page cannot be read, leaves nothing that could be committed: everything after
/// it answers the same error, until the transaction goes back to a savepoint.
pub struct Transaction<'a> {
    edit: Edit<'a>,
    batch: WriteBatch,
    /// Why what the edit holds is neither here nor there.
    failed: Option<Error>,
    /// Tells its savepoints from those of others.
    id: Arc<()>,
    /// The serials of the savepoints that can be gone back to.
    savepoints: Vec<u64>,
    next_savepoint: u64,
}

/// A state of a [`Transaction`], to go back to.
#[derive(Clone, Debug)]
pub struct Savepoint {
    transaction: Arc<()>,
    serial: u64,
    mark: Mark,
    batch: WriteBatch,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(edit: Edit<'a>) -> Self {
        let (id, savepoints) = (Arc::new(()), Vec::new());
        Transaction { edit, batch: WriteBatch::new(), failed: None, id, savepoints, next_savepoint: 0 }
    }

    /// What is to be committed, unless a write failed half-way.
    pub(super) fn into_parts(self) -> Result<(Edit<'a>, WriteBatch)> {
        self.check()?;
        Ok((self.edit, self.batch))
    }

    fn check(&self) -> Result<()> {
        self.failed.as_ref().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// The value under a key, with the writes so far.
    ///
    /// # Errors
    /// Failures to read pages, and what a write failed with before.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.check()?;
        self.edit.get(key, Bytes::copy_from_slice)
    }

    /// The number of entries, with the writes so far.
    pub fn entries(&self) -> u64 {
        self.edit.entries
    }

    /// Sets the value under a key.
    ///
    /// # Errors
    /// [`TooLarge`](crate::Error::TooLarge), also when all writes together are more than
    /// [`Options::max_batch`](super::Options::max_batch): then the write did not happen. Failures to read pages: then
    /// nothing can be committed, unless the transaction goes back to a savepoint.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.apply(Op::Put(key, value))
    }

    /// Removes a key; nothing happens if it is not there.
    ///
    /// # Errors
    /// Those of [`Transaction::put`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.apply(Op::Delete(key))
    }

    /// Removes every key from `start`, which is removed too, to `end`, which is not.
    ///
    /// # Errors
    /// Those of [`Transaction::put`].
    pub fn delete_range(&mut self, start: &[u8], end: &[u8]) -> Result<()> {
        self.apply(Op::DeleteRange(start, end))
    }

    fn apply(&mut self, op: Op<'_>) -> Result<()> {
        let one: WriteBatch = std::iter::once(op).collect();
        let limit = self.edit.store.options.max_batch;
        self.check()?;
        super::batch::check_limits(&one, limit.saturating_sub(self.batch.as_bytes().len() as u64))?;
        self.edit.apply(&one).inspect_err(|error| self.failed = Some(error.clone()))?;
        self.batch.extend([op]);
        Ok(())
    }

    /// The state of this moment. What is there now is not edited in place any more: each savepoint costs a copy of
    /// every page that is changed after it.
    ///
    /// # Errors
    /// What a write failed with before.
    pub fn savepoint(&mut self) -> Result<Savepoint> {
        self.check()?;
        let serial = self.next_savepoint;
        self.next_savepoint += 1;
        self.savepoints.push(serial);
        Ok(Savepoint { transaction: self.id.clone(), serial, mark: self.edit.mark(), batch: self.batch.clone() })
    }

    /// Undoes every write since a savepoint, which stays. Those set after it are void.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) for one that is void, or of another transaction.
    pub fn go_back(&mut self, to: &Savepoint) -> Result<()> {
        let mine = Arc::ptr_eq(&self.id, &to.transaction);
        let Some(at) = self.savepoints.iter().position(|serial| mine && *serial == to.serial) else {
            return Err(Error::Invalid("no such savepoint: it is void, or belongs to another transaction".into()));
        };
        self.savepoints.truncate(at + 1);
        self.edit.go_back(&to.mark);
        self.batch.clone_from(&to.batch);
        self.failed = None;
        Ok(())
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("writes", &self.batch.len()).finish_non_exhaustive()
    }
}
