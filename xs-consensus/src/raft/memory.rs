//! A log in memory: for tests, simulations and benchmarks, and the shortest example of a [`LogView`].

use bytes::Bytes;

use super::error::{Bounds, Lookup};
use super::ready::Persist;
use super::{Entry, HardState, Index, LogView, SnapshotMeta, Term};

/// A log, a hard state and a snapshot in memory. What a crash leaves is a clone of it.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    before: (Index, Term),
    entries: Vec<Entry>,
    hard_state: HardState,
    snapshot: Option<(SnapshotMeta, Bytes)>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        MemoryLog::default()
    }

    /// Does what a [`Persist`] asks for. `received` are the bytes of the snapshot that it installs, if it does.
    pub fn persist(&mut self, persist: &Persist, received: Bytes) {
        if let Some(state) = persist.hard_state() {
            self.hard_state = state;
        }
        if let Some(meta) = persist.install() {
            self.before = (meta.index, meta.term);
            self.entries.clear();
            self.snapshot = Some((meta.clone(), received));
        }
        self.write(persist.entries());
    }

    /// Writes entries; what stood at the first one's place and behind goes.
    pub fn write(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        self.entries.truncate(first.index.0.saturating_sub(self.before.0.0 + 1) as usize);
        self.entries.extend_from_slice(entries);
    }

    /// Keeps a snapshot of the state machine, and lets go of the entries up to `keep_from`, at most those that the
    /// snapshot includes.
    pub fn compact(&mut self, meta: SnapshotMeta, data: Bytes, keep_from: Index) {
        let to = keep_from.before().min(meta.index);
        if let Lookup::Found(term) = self.term(to) {
            self.entries.drain(..(to.0 - self.before.0.0) as usize);
            self.before = (to, term);
        }
        self.snapshot = Some((meta, data));
    }

    /// The hard state that was persisted last.
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// The entries that are there.
    pub fn all(&self) -> &[Entry] {
        &self.entries
    }

    /// The snapshot's bytes.
    pub fn snapshot_data(&self) -> Option<&(SnapshotMeta, Bytes)> {
        self.snapshot.as_ref()
    }

    fn place(&self, index: Index) -> Option<usize> {
        (index > self.before.0).then(|| (index.0 - self.before.0.0 - 1) as usize)
    }
}

impl LogView for MemoryLog {
    fn bounds(&self) -> Bounds {
        let last = self.entries.last().map_or(self.before, |entry| (entry.index, entry.term));
        Bounds { before: self.before, last }
    }

    fn term(&self, index: Index) -> Lookup<Term> {
        if index == self.before.0 {
            return Lookup::Found(self.before.1);
        }
        let entry = self.place(index).and_then(|place| self.entries.get(place));
        entry.map_or(Lookup::Compacted, |entry| Lookup::Found(entry.term))
    }

    fn entries(&self, from: Index, to: Index, max_bytes: usize, into: &mut Vec<Entry>) -> Lookup<()> {
        let Some(start) = self.place(from) else { return Lookup::Compacted };
        let mut bytes = 0;
        for entry in self.entries.iter().skip(start).take_while(|entry| entry.index <= to) {
            bytes += entry.size();
            if bytes > max_bytes && entry.index > from {
                break;
            }
            into.push(entry.clone());
        }
        Lookup::Found(())
    }

    fn snapshot(&self) -> Option<SnapshotMeta> {
        self.snapshot.as_ref().map(|(meta, _)| meta.clone())
    }
}
