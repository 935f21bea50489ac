//! Several writes, decided one after the other, as one batch.

use std::fmt;

use bytes::Bytes;

use super::batch::{Edit, Mark};
use crate::Result;
use crate::engine::{Op, WriteBatch};

/// A batch in the making that can be read, and gone back in. See [`BTree::write`](super::BTree::write).
pub struct Transaction<'a> {
    edit: Edit<'a>,
    batch: WriteBatch,
}

/// A state of a [`Transaction`], to go back to.
#[derive(Clone, Debug)]
pub struct Savepoint {
    mark: Mark,
    batch: WriteBatch,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(edit: Edit<'a>) -> Self {
        Transaction { edit, batch: WriteBatch::new() }
    }

    pub(super) fn into_parts(self) -> (Edit<'a>, WriteBatch) {
        (self.edit, self.batch)
    }

    /// The value under a key, with the writes so far.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
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
    /// [`Options::max_batch`](super::Options::max_batch), and failures to read pages. The write did not happen then.
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
        super::batch::check_limits(&one, limit.saturating_sub(self.batch.as_bytes().len() as u64))?;
        self.edit.apply(&one)?;
        self.batch.extend([op]);
        Ok(())
    }

    /// The state of this moment. What is there now is not edited in place any more: each savepoint costs a copy of
    /// every page that is changed after it.
    pub fn savepoint(&mut self) -> Savepoint {
        Savepoint { mark: self.edit.mark(), batch: self.batch.clone() }
    }

    /// Undoes every write since a savepoint of this transaction. Savepoints taken since then are void.
    pub fn go_back(&mut self, to: &Savepoint) {
        self.edit.go_back(&to.mark);
        self.batch.clone_from(&to.batch);
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("writes", &self.batch.len()).finish_non_exhaustive()
    }
}
