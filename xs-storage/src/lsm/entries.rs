//! Cursors over entries, all versions of them: memtables, tables, levels, and merges of these.

use super::Seq;
use crate::Result;

/// A place in a sequence of entries that is ordered by key, and by sequence number, the newest first: on an entry, or
/// on none. From none it gets back by `first`, `last` and `seek` only. After an error it is on none.
pub(super) trait Entries {
    fn first(&mut self) -> Result<()>;

    fn last(&mut self) -> Result<()>;

    /// To the first entry at or behind `(key, seq)`: behind all versions of the key that are newer.
    fn seek(&mut self, key: &[u8], seq: Seq) -> Result<()>;

    /// From an entry to the one behind, or to none.
    fn next(&mut self) -> Result<()>;

    /// From an entry to the one in front, or to none.
    fn prev(&mut self) -> Result<()>;

    fn valid(&self) -> bool;

    fn key(&self) -> &[u8];

    /// The sequence number and, in the two lowest bits, the kind.
    fn tag(&self) -> u64;

    fn value(&self) -> &[u8];

    /// To the last entry in front of `(key, seq)`.
    fn seek_before(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        self.seek(key, seq)?;
        if self.valid() { self.prev() } else { self.last() }
    }
}
