//! Walking through a memtable.

use std::sync::Arc;

use super::super::Seq;
use super::super::entries::Entries;
use super::tree::{Probe, Spot};
use super::{Entry, Memtable};
use crate::Result;

/// A place in a memtable: on an entry, or on none. It sees what is inserted while it walks.
#[derive(Debug)]
pub(in super::super) struct MemCursor {
    table: Arc<Memtable>,
    spot: Option<Spot>,
    /// The entry of the spot.
    entry: Option<Entry>,
}

impl MemCursor {
    pub(in super::super) fn new(table: Arc<Memtable>) -> Self {
        MemCursor { table, spot: None, entry: None }
    }

    #[inline]
    fn go(&mut self, spot: Option<Spot>) -> Result<()> {
        self.spot = spot;
        self.entry = spot.and_then(|spot| self.table.store.entries.get(spot.id)).copied();
        Ok(())
    }
}

impl Entries for MemCursor {
    fn first(&mut self) -> Result<()> {
        self.go(self.table.tree.first())
    }

    fn last(&mut self) -> Result<()> {
        self.go(self.table.tree.before(&self.table.store, None))
    }

    fn seek(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        self.go(self.table.tree.lower(&self.table.store, Probe { key, seq }))
    }

    fn next(&mut self) -> Result<()> {
        self.go(self.spot.and_then(|spot| self.table.tree.next(&self.table.store, spot)))
    }

    fn prev(&mut self) -> Result<()> {
        self.go(self.spot.and_then(|spot| self.table.tree.prev(&self.table.store, spot)))
    }

    fn valid(&self) -> bool {
        self.spot.is_some()
    }

    fn key(&self) -> &[u8] {
        let slice = |entry: Entry| self.table.store.slice(entry.batch, entry.key, entry.key_len);
        self.entry.and_then(slice).unwrap_or_default()
    }

    fn tag(&self) -> u64 {
        self.entry.map_or(0, |entry| entry.tag)
    }

    fn value(&self) -> &[u8] {
        let slice = |entry: Entry| self.table.store.slice(entry.batch, entry.value, entry.value_len);
        self.entry.and_then(slice).unwrap_or_default()
    }

    fn seek_before(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        self.go(self.table.tree.before(&self.table.store, Some(Probe { key, seq })))
    }
}
