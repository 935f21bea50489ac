//! How transactions end, what they wait for, and how long locks are held: settings of a connection.

use std::num::NonZeroU32;

use super::database::Database;
use super::journal::JournalMode;
use super::lock::Locking;
use super::synchronous::Synchronous;
use super::wal::{Checkpoint, Checkpointed};
use crate::Result;

impl Database {
    /// Whether it was opened to be read only.
    pub fn is_read_only(&self) -> bool {
        self.pager.read_only
    }

    /// How transactions end.
    pub fn journal_mode(&self) -> JournalMode {
        self.pager.journal_mode()
    }

    /// How transactions end from now on; the one that is under way too.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`](crate::Error::Locked) if others have a database open whose write-ahead log should end, [`Error::Invalid`](crate::Error::Invalid) if a transaction is
    /// under way that would have to begin in one mode and end in the other, and those of [`Database::commit`].
    pub fn set_journal_mode(&mut self, mode: JournalMode) -> Result<()> {
        self.pager.set_journal_mode(mode)
    }

    /// Copies what is in the write-ahead log to the database's file, outside of a transaction. None if there is no log.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) within a transaction, and those of the disk.
    pub fn checkpoint(&mut self, mode: Checkpoint) -> Result<Option<Checkpointed>> {
        self.pager.checkpoint(mode)
    }

    /// Frames of the log from which on a commit copies them; 0: never.
    pub fn autocheckpoint(&self) -> u32 {
        self.pager.autocheckpoint.map_or(0, NonZeroU32::get)
    }

    /// Sets [`Options::autocheckpoint`](super::Options::autocheckpoint) anew.
    pub fn set_autocheckpoint(&mut self, frames: u32) {
        self.pager.autocheckpoint = NonZeroU32::new(frames);
    }

    /// Bytes of a journal that is kept, or of a log that begins anew, above which it is cut; none: it stays as long as it was.
    pub fn journal_limit(&self) -> Option<u64> {
        self.pager.journal_limit
    }

    /// Sets [`Database::journal_limit`].
    pub fn set_journal_limit(&mut self, limit: Option<u64>) {
        self.pager.journal_limit = limit;
    }

    /// How long locks are held.
    pub fn locking(&self) -> Locking {
        self.pager.locking
    }

    /// Sets [`Options::locking`](super::Options::locking) anew: what is locked from now on stays so, or what is locked ends with its next use. A
    /// write-ahead log that was opened by one who is alone stays so.
    pub fn set_locking(&mut self, locking: Locking) -> Result<()> {
        self.pager.set_locking(locking)
    }

    /// Whether the transaction under way has changed something.
    pub fn has_changes(&self) -> bool {
        self.pager.has_changes()
    }

    /// What commits wait for.
    pub fn synchronous(&self) -> Synchronous {
        self.pager.synchronous
    }

    /// Sets [`Options::synchronous`](super::Options::synchronous) anew.
    pub fn set_synchronous(&mut self, synchronous: Synchronous) {
        self.pager.synchronous = synchronous;
    }
}
