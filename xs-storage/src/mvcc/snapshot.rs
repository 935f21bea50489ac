//! A moment that is held.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::versions::{self, VersionCursor};
use super::{Inner, Timestamp};
use crate::Result;
use crate::engine::{Cursor, KeyRange, ReadView};

/// The store as it was after one commit: a read-only transaction.
///
/// It takes no lock while it reads, keeps no list of what it read, and never fails with a conflict: the state after a
/// commit is a place in the serial order, so what it reads is serializable for nothing. Holding it keeps versions from
/// being collected.
pub struct Snapshot {
    pub(super) inner: Arc<Inner>,
    pub(super) at: u64,
}

impl Snapshot {
    /// Which commit it is the state after.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp(self.at)
    }

    pub(super) fn versions(&self, range: &KeyRange<'_>) -> Result<VersionCursor<'_>> {
        VersionCursor::new(&*self.inner.engine, range, self.at)
    }
}

impl ReadView for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        versions::get(&*self.inner.engine, key, self.at)
    }

    fn cursor(&self, range: KeyRange<'_>) -> Result<Box<dyn Cursor + '_>> {
        Ok(Box::new(self.versions(&range)?))
    }

    fn get_with(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        versions::read(&*self.inner.engine, key, self.at, see)
    }
}

impl Clone for Snapshot {
    fn clone(&self) -> Self {
        self.inner.state.lock().pin(self.at);
        Snapshot { inner: self.inner.clone(), at: self.at }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.inner.unpin(self.at);
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("at", &self.at).finish()
    }
}
