//! Walking through a memtable.

use std::sync::Arc;

use super::super::Seq;
use super::super::entries::Entries;
use super::Memtable;
use super::tree::{Probe, Spot};
use crate::Result;

/// A place in a memtable: on an entry, or on none. It sees what is inserted while it walks.
#[derive(Debug)]
pub(in super::super) struct MemCursor {
    table: Arc<Memtable>,
    spot: Option<Spot>,
}

impl MemCursor {
    pub(in super::super) fn new(table: Arc<Memtable>) -> Self {
        MemCursor { table, spot: None }
    }

    #[inline]
    fn entry(&self) -> Option<&super::Entry> {
        self.table.store.entries.get(self.spot?.id)
    }
}

impl Entries for MemCursor {
    fn first(&mut self) -> Result<()> {
        self.spot = self.table.tree.first();
        Ok(())
    }

    fn last(&mut self) -> Result<()> {
        self.spot = self.table.tree.before(&self.table.store, None);
        Ok(())
    }

    fn seek(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        self.spot = self.table.tree.lower(&self.table.store, Probe { key, seq });
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.spot = self.spot.and_then(|spot| self.table.tree.next(&self.table.store, spot));
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        self.spot = self.spot.and_then(|spot| self.table.tree.prev(&self.table.store, spot));
        Ok(())
    }

    fn valid(&self) -> bool {
        self.spot.is_some()
    }

    fn key(&self) -> &[u8] {
        let slice = |entry: &super::Entry| self.table.store.slice(entry.batch, entry.key, entry.key_len);
        self.entry().and_then(slice).unwrap_or_default()
    }

    fn tag(&self) -> u64 {
        self.entry().map_or(0, |entry| entry.tag)
    }

    fn value(&self) -> &[u8] {
        let slice = |entry: &super::Entry| self.table.store.slice(entry.batch, entry.value, entry.value_len);
        self.entry().and_then(slice).unwrap_or_default()
    }

    fn seek_before(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        self.spot = self.table.tree.before(&self.table.store, Some(Probe { key, seq }));
        Ok(())
    }
}
