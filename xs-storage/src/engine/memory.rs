//! An engine in memory: every version of every key that somebody may still read, in a `BTreeMap`.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::{Commit, Cursor, Durability, Engine, KeyRange, Op, ReadView, Stats, WriteBatch};
use crate::Result;

/// An [`Engine`] without a disk: for tests, for caches, and as the plainest reading of the contract. Clones share it.
///
/// A batch gets the next sequence number, and every write of it is a version of its key with that number. A view is a
/// number: it sees of each key the newest version that is not newer. Versions that no view can see go when their key is
/// written again, and removed keys when the last view that sees them ends.
#[derive(Clone, Default)]
pub struct MemoryEngine {
    shared: Arc<RwLock<State>>,
}

#[derive(Default)]
struct State {
    /// Versions of a key, the oldest first; `None` where it was removed.
    keys: BTreeMap<Bytes, Vec<(u64, Option<Bytes>)>>,
    last: u64,
    /// The numbers that views hold, and how many hold each.
    views: BTreeMap<u64, usize>,
    /// Keys whose newest version is a removal, with its number: to be forgotten when no view is older.
    removed: VecDeque<(u64, Bytes)>,
    bytes: u64,
    written: u64,
}

impl MemoryEngine {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn view(&self) -> MemoryView {
        let mut state = self.shared.write();
        let at = state.last;
        *state.views.entry(at).or_default() += 1;
        MemoryView { engine: self.clone(), at }
    }
}

impl State {
    fn read(&self, key: &[u8], at: u64) -> Option<&Bytes> {
        visible(self.keys.get(key)?, at)
    }

    /// The oldest number that somebody reads at.
    fn oldest(&self) -> u64 {
        self.views.keys().next().map_or(self.last, |&at| at.min(self.last))
    }

    fn write(&mut self, key: Bytes, value: Option<Bytes>) {
        let (seq, oldest) = (self.last, self.oldest());
        if value.is_none() {
            self.removed.push_back((seq, key.clone()));
        }
        let key_len = key.len() as u64;
        let versions = self.keys.entry(key).or_insert_with(|| {
            self.bytes += key_len;
            Vec::new()
        });
        self.bytes += value.as_ref().map_or(0, |value| value.len() as u64);
        // All but the last of the versions that are not newer than the oldest view are out of sight.
        let unseen = match self.views.is_empty() {
            true => versions.len(),
            false => versions.iter().take_while(|(seq, _)| *seq <= oldest).count().saturating_sub(1),
        };
        for (_, value) in versions.drain(..unseen) {
            self.bytes -= value.map_or(0, |value| value.len() as u64);
        }
        versions.push((seq, value));
    }

    fn forget_removed(&mut self) {
        let oldest = self.oldest();
        while let Some((seq, key)) = self.removed.pop_front_if(|(seq, _)| *seq <= oldest) {
            // Written again since, even by the same batch, or on the list twice: not this removal's business any more.
            let newest = self.keys.get(&key).and_then(|versions| versions.last());
            if newest.is_some_and(|(last, value)| *last == seq && value.is_none()) {
                let versions = self.keys.remove(&key).unwrap_or_default();
                let values: usize = versions.iter().flat_map(|(_, value)| value).map(Bytes::len).sum();
                self.bytes -= (key.len() + values) as u64;
            }
        }
    }
}

fn visible(versions: &[(u64, Option<Bytes>)], at: u64) -> Option<&Bytes> {
    versions.iter().rev().find(|(seq, _)| *seq <= at)?.1.as_ref()
}

impl ReadView for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let state = self.shared.read();
        Ok(state.read(key, state.last).cloned())
    }

    fn cursor(&self, range: KeyRange<'_>) -> Result<Box<dyn Cursor + '_>> {
        Ok(Box::new(MemoryCursor { view: self.view(), range: range.into_owned(), place: Place::Front }))
    }
}

impl Engine for MemoryEngine {
    fn submit(&self, batch: WriteBatch, _: Durability) -> Result<Commit> {
        let mut state = self.shared.write();
        state.last += 1;
        for op in batch.iter() {
            match op {
                Op::Put(key, value) => {
                    state.written += (key.len() + value.len()) as u64;
                    state.write(Bytes::copy_from_slice(key), Some(Bytes::copy_from_slice(value)));
                }
                Op::Delete(key) => {
                    state.written += key.len() as u64;
                    if state.keys.contains_key(key) {
                        state.write(Bytes::copy_from_slice(key), None);
                    }
                }
                Op::DeleteRange(start, end) => {
                    state.written += (start.len() + end.len()) as u64;
                    if start < end {
                        let range = (Bound::Included(start), Bound::Excluded(end));
                        let keys: Vec<Bytes> = state.keys.range::<[u8], _>(range).map(|(key, _)| key.clone()).collect();
                        keys.into_iter().for_each(|key| state.write(key, None));
                    }
                }
            }
        }
        state.forget_removed();
        Ok(Commit::done())
    }

    fn snapshot(&self) -> Result<Arc<dyn ReadView>> {
        Ok(Arc::new(self.view()))
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn stats(&self) -> Stats {
        let state = self.shared.read();
        Stats {
            entries: Some(state.keys.values().filter(|versions| visible(versions, state.last).is_some()).count() as u64),
            memory: vec![("entries", state.bytes)],
            user_bytes_written: state.written,
            ..Stats::default()
        }
    }
}

impl fmt::Debug for MemoryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEngine").field("stats", &self.stats()).finish()
    }
}

/// A number at which to read, kept from being forgotten.
struct MemoryView {
    engine: MemoryEngine,
    at: u64,
}

impl Drop for MemoryView {
    fn drop(&mut self) {
        let mut state = self.engine.shared.write();
        if let Some(holders) = state.views.get_mut(&self.at) {
            *holders -= 1;
            if *holders == 0 {
                state.views.remove(&self.at);
                state.forget_removed();
            }
        }
    }
}

impl ReadView for MemoryView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.engine.shared.read().read(key, self.at).cloned())
    }

    fn cursor(&self, range: KeyRange<'_>) -> Result<Box<dyn Cursor + '_>> {
        *self.engine.shared.write().views.entry(self.at).or_default() += 1;
        let view = MemoryView { engine: self.engine.clone(), at: self.at };
        Ok(Box::new(MemoryCursor { view, range: range.into_owned(), place: Place::Front }))
    }
}

struct MemoryCursor {
    view: MemoryView,
    range: KeyRange<'static>,
    place: Place,
}

enum Place {
    Front,
    On(Bytes, Bytes),
    Back,
}

impl MemoryCursor {
    /// Goes to the first (or last) visible entry between two bounds.
    fn go(&mut self, from: Bound<&[u8]>, to: Bound<&[u8]>, backwards: bool) -> bool {
        let found = if is_empty(from, to) {
            None
        } else {
            let state = self.view.engine.shared.read();
            let mut entries = state.keys.range::<[u8], _>((from, to));
            let at = self.view.at;
            let see = |(key, versions): (&Bytes, &Vec<_>)| Some((key.clone(), visible(versions, at)?.clone()));
            if backwards { entries.rev().find_map(see) } else { entries.find_map(see) }
        };
        let off = if backwards { Place::Front } else { Place::Back };
        self.place = found.map_or(off, |(key, value)| Place::On(key, value));
        matches!(self.place, Place::On(..))
    }
}

/// `BTreeMap::range` panics on these.
fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to) | Bound::Included(to)) => from >= to,
        _ => false,
    }
}

impl Cursor for MemoryCursor {
    fn seek(&mut self, key: &[u8]) -> Result<bool> {
        let range = self.range.clone();
        let from = if range.is_before(key) { bound(&range.start) } else { Bound::Included(key) };
        Ok(self.go(from, bound(&range.end), false))
    }

    fn seek_end(&mut self) -> Result<()> {
        self.place = Place::Back;
        Ok(())
    }

    fn next(&mut self) -> Result<bool> {
        let range = self.range.clone();
        match std::mem::replace(&mut self.place, Place::Back) {
            Place::Front => Ok(self.go(bound(&range.start), bound(&range.end), false)),
            Place::On(key, _) => Ok(self.go(Bound::Excluded(&key), bound(&range.end), false)),
            Place::Back => Ok(false),
        }
    }

    fn prev(&mut self) -> Result<bool> {
        let range = self.range.clone();
        match std::mem::replace(&mut self.place, Place::Front) {
            Place::Back => Ok(self.go(bound(&range.start), bound(&range.end), true)),
            Place::On(key, _) => Ok(self.go(bound(&range.start), Bound::Excluded(&key), true)),
            Place::Front => Ok(false),
        }
    }

    fn key(&self) -> &[u8] {
        if let Place::On(key, _) = &self.place { key } else { b"" }
    }

    fn value(&self) -> Result<&[u8]> {
        Ok(if let Place::On(_, value) = &self.place { value } else { b"" })
    }
}

fn bound<'a>(bound: &'a Bound<std::borrow::Cow<'static, [u8]>>) -> Bound<&'a [u8]> {
    bound.as_ref().map(|key| &key[..])
}
