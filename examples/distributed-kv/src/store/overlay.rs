//! What a batch of entries has changed so far, over an engine that does not have it yet: so that an entry sees those in front
//! of it, and all of them become visible and durable as one.

use std::collections::BTreeMap;

use bytes::Bytes;
use xs_storage::Result;
use xs_storage::engine::{Engine, KeyRange, WriteBatch};

use super::layout::{DATA, ENDING};

pub(super) struct Overlay<'a> {
    engine: &'a dyn Engine,
    writes: BTreeMap<Bytes, Option<Bytes>>,
    /// About how many bytes have been written, those included that were written again.
    bytes: usize,
    /// Whether keys and their ends were all removed, before `writes`.
    flushed: bool,
}

fn is_flushed(key: &[u8]) -> bool {
    matches!(key.first(), Some(&DATA | &ENDING))
}

impl<'a> Overlay<'a> {
    pub(super) fn new(engine: &'a dyn Engine) -> Self {
        Overlay { engine, writes: BTreeMap::new(), bytes: 0, flushed: false }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None if self.flushed && is_flushed(key) => Ok(None),
            None => self.engine.get(key),
        }
    }

    pub(super) fn put(&mut self, key: Bytes, value: Bytes) {
        self.bytes += key.len() + value.len();
        self.writes.insert(key, Some(value));
    }

    /// About how many bytes have been written.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn delete(&mut self, key: Bytes) {
        self.writes.insert(key, None);
    }

    /// Removes all keys and their ends.
    pub(super) fn flush(&mut self) {
        self.writes.retain(|key, _| !is_flushed(key));
        self.flushed = true;
    }

    /// The first keys of a prefix, in order, as long as `wanted` holds for them.
    pub(super) fn first(&self, prefix: u8, mut wanted: impl FnMut(&[u8]) -> bool) -> Result<()> {
        let prefix = [prefix];
        let mut written =
            self.writes.range(Bytes::copy_from_slice(&prefix)..Bytes::copy_from_slice(&[prefix[0] + 1])).peekable();
        let mut stored = self.engine.cursor(KeyRange::prefix(&prefix))?;
        let mut on = !(self.flushed && is_flushed(&prefix)) && stored.next()?;
        loop {
            let next_written = written.peek().map(|(key, _)| &key[..]);
            let from_stored = match (on, next_written) {
                (false, None) => return Ok(()),
                (true, None) => true,
                (false, Some(_)) => false,
                (true, Some(key)) => stored.key() < key,
            };
            if from_stored {
                if !wanted(stored.key()) {
                    return Ok(());
                }
                on = stored.next()?;
            } else if let Some((key, value)) = written.next() {
                // What was written stands for what is stored.
                if on && stored.key() == &key[..] {
                    on = stored.next()?;
                }
                if value.is_some() && !wanted(key) {
                    return Ok(());
                }
            }
        }
    }

    pub(super) fn into_batch(self) -> WriteBatch {
        let mut batch = WriteBatch::new();
        if self.flushed {
            for prefix in [DATA, ENDING] {
                batch.delete_range(&[prefix], &[prefix + 1]);
            }
        }
        for (key, value) in &self.writes {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            };
        }
        batch
    }
}
