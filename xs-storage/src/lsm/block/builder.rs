//! Making a block.

use super::super::codec::common;
use crate::varint::put_varint;

/// Takes entries in order and turns them into a block.
#[derive(Debug)]
pub(in super::super) struct BlockBuilder {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    last_key: Vec<u8>,
    since_restart: usize,
    interval: usize,
}

impl BlockBuilder {
    /// A restart at every so many entries.
    pub(in super::super) fn new(interval: usize) -> Self {
        let interval = interval.max(1);
        BlockBuilder { bytes: Vec::new(), restarts: Vec::new(), last_key: Vec::new(), since_restart: 0, interval }
    }

    pub(in super::super) fn add(&mut self, key: &[u8], tag: u64, value: &[u8]) {
        let mut shared = 0;
        if self.since_restart == 0 {
            self.restarts.push(self.bytes.len() as u32);
        } else {
            shared = common(key, &self.last_key);
        }
        self.since_restart = (self.since_restart + 1) % self.interval;
        let rest = &key[shared..];
        put_varint(&mut self.bytes, shared as u64);
        put_varint(&mut self.bytes, rest.len() as u64);
        put_varint(&mut self.bytes, value.len() as u64);
        put_varint(&mut self.bytes, tag);
        self.bytes.extend_from_slice(rest);
        self.bytes.extend_from_slice(value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(rest);
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of the block if it ended here.
    pub(in super::super) fn len(&self) -> usize {
        self.bytes.len() + 4 * self.restarts.len() + 4
    }

    /// The key of the entry that came last.
    pub(in super::super) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Ends the block: shows its bytes to `see`, and begins another.
    pub(in super::super) fn finish<T>(&mut self, see: impl FnOnce(&[u8]) -> T) -> T {
        for restart in &self.restarts {
            self.bytes.extend_from_slice(&restart.to_le_bytes());
        }
        self.bytes.extend_from_slice(&(self.restarts.len() as u32).to_le_bytes());
        let seen = see(&self.bytes);
        self.bytes.clear();
        self.restarts.clear();
        self.last_key.clear();
        self.since_restart = 0;
        seen
    }
}
