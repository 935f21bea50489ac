//! Snapshots.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::Seq;
use super::core::Core;
use crate::Result;
use crate::engine::{Cursor, KeyRange, ReadView};

/// A sequence number to read at. As long as it is held, merges keep what it sees; it holds no memtable and no file.
#[derive(Debug)]
pub(super) struct Snapshot {
    core: Arc<Core>,
    seq: Seq,
}

impl Snapshot {
    pub(super) fn new(core: Arc<Core>) -> Snapshot {
        let seq = {
            // Under the lock, so that no merge decides between the reading of the number and its being held.
            let mut snapshots = core.snapshots.lock();
            let seq = core.visible.load(Ordering::Acquire);
            *snapshots.entry(seq).or_default() += 1;
            seq
        };
        Snapshot { core, seq }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let mut snapshots = self.core.snapshots.lock();
        if let Some(holders) = snapshots.get_mut(&self.seq) {
            *holders -= 1;
            if *holders == 0 {
                snapshots.remove(&self.seq);
                drop(snapshots);
                // Deletes that it kept may go now.
                self.core.poke(1);
            }
        }
    }
}

impl ReadView for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.core.find(&self.core.state.load(), key, self.seq, |value| value.into_bytes())
    }

    fn cursor(&self, range: KeyRange<'_>) -> Result<Box<dyn Cursor + '_>> {
        Ok(Box::new(self.core.cursor(self.core.state.load_full(), range, self.seq)?))
    }

    fn get_with(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = self.core.find(&self.core.state.load(), key, self.seq, |value| see(value.bytes()))?;
        Ok(found.is_some())
    }
}
