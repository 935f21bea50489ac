//! The cursor that users see: of all versions the one that counts, of all keys those that are there.
//!
//! ```text
//!   forwards    the merge stands on the entry; its key and value are lent from there
//!   backwards   versions come oldest first, so the newest is known only when the merge has passed it: it stands in front
//!               of the key, whose newest version has been copied into the cursor's own buffers
//! ```

use std::cell::OnceCell;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::blob::Pointer;
use super::core::{Core, Super};
use super::entries::Entries;
use super::memtable::MemCursor;
use super::merge::{Merge, Source};
use super::ranges::Ranges;
use super::read::read_apart;
use super::span::Span;
use super::table::{Fill, TableCursor};
use super::version::LevelCursor;
use super::{Kind, Seq};
use crate::engine::{Cursor, KeyRange, successor};
use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Front,
    /// On the entry where the merge is.
    Merge,
    /// On the entry in the buffers; the merge is in front of it.
    Buffer,
    Back,
}

#[derive(Debug)]
pub(super) struct TreeCursor {
    state: Arc<Super>,
    dir: std::path::PathBuf,
    merge: Merge,
    /// Deleted ranges, and of which child of the merge.
    ranges: Vec<(usize, Arc<Ranges>)>,
    seq: Seq,
    range: KeyRange<'static>,
    place: Place,
    tag: u64,
    key: Vec<u8>,
    value: Vec<u8>,
    /// A value that is kept apart, once it has been asked for.
    apart: OnceCell<Vec<u8>>,
}

const NEWEST: Seq = Seq::MAX >> 2;

/// So many versions of a key are stepped over one by one; where there are more, a search passes all of them at once. A
/// counter that is written all the time has thousands in a memtable.
const STEPS: usize = 8;

/// Whether a range may have keys of a span.
fn meets(range: &KeyRange<'_>, span: &Span) -> bool {
    let starts_behind = match &range.start {
        Bound::Included(start) => span.ends_before(start),
        // Its keys may all be the excluded one; then it is walked in vain, once.
        Bound::Excluded(start) => span.ends_before(start),
        Bound::Unbounded => false,
    };
    !starts_behind && !range.is_after(&span.first)
}

impl Core {
    /// A cursor over a range as a reader at `seq` sees it. See [`Core::find`] on the state.
    pub(super) fn cursor(&self, state: Arc<Super>, range: KeyRange<'_>, seq: Seq) -> Result<TreeCursor> {
        let (mut children, mut ranges) = (Vec::new(), Vec::new());
        for mem in state.memtables() {
            let has_ranges = mem.has_ranges();
            if has_ranges {
                ranges.push((children.len(), mem.ranges()));
            }
            // Of ranges alone, too: they must have a number of their own, for all behind it is what they hide.
            if has_ranges || mem.entries() > 0 {
                children.push(Source::Mem(MemCursor::new(mem.clone())));
            }
        }
        for (number, level) in state.version.levels.iter().enumerate().filter(|(_, level)| !level.is_empty()) {
            if number == 0 {
                for table in level.iter().filter(|table| meets(&range, &table.info.span)) {
                    if !table.ranges.is_empty() {
                        ranges.push((children.len(), table.ranges.clone()));
                    }
                    children.push(Source::Table(TableCursor::new(table.clone(), Fill::Keep)?));
                }
            } else {
                let with = level.iter().filter(|table| !table.ranges.is_empty() && meets(&range, &table.info.span));
                ranges.extend(with.map(|table| (children.len(), table.ranges.clone())));
                children.push(Source::Level(LevelCursor::new(level.clone(), Fill::Keep)));
            }
        }
        Ok(TreeCursor {
            state,
            dir: self.disk.dir.clone(),
            merge: Merge::new(children),
            ranges,
            seq,
            range: range.into_owned(),
            place: Place::Front,
            tag: 0,
            key: Vec::new(),
            value: Vec::new(),
            apart: OnceCell::new(),
        })
    }
}

impl TreeCursor {
    /// The newest deleted range over a key: its child, its number, from where to where.
    fn covered(&self, key: &[u8], seq: Seq) -> Option<(usize, Option<Bytes>, Option<Bytes>)> {
        self.ranges.iter().find_map(|(child, ranges)| {
            let around = ranges.around(key, self.seq);
            (around.seq > seq).then(|| (*child, around.start.cloned(), around.end.cloned()))
        })
    }

    /// From where the merge is to the first entry that counts; with `skipping`, behind all of `self.key`.
    fn forward(&mut self, mut skipping: bool) -> Result<bool> {
        self.place = Place::Front; // where an error leaves it
        let mut passed = 0;
        while self.merge.valid() {
            let (key, tag) = (self.merge.key(), self.merge.tag());
            if self.range.is_after(key) {
                break;
            }
            let seq = tag >> 2;
            if seq > self.seq || skipping && key == self.key {
                passed += 1;
                if passed % STEPS == 0 {
                    self.pass(skipping)?;
                } else {
                    self.merge.next()?;
                }
                continue;
            }
            if !self.ranges.is_empty()
                && let Some((child, _, end)) = self.covered(key, seq)
            {
                match end {
                    // All that is older than the delete is covered up to its end.
                    Some(end) if self.merge.top() > child => self.merge.skip_to(&end, |at| at > child)?,
                    _ => self.merge.next()?,
                }
                continue;
            }
            if tag & 3 == Kind::Delete as u64 {
                self.key.clear();
                self.key.extend_from_slice(key);
                skipping = true;
                self.merge.next()?;
                continue;
            }
            self.tag = tag;
            self.place = Place::Merge;
            return Ok(true);
        }
        self.place = Place::Back;
        Ok(false)
    }

    /// Forwards, past the versions of the merge's key that don't count: with `skipping` all of them if it is `self.key`,
    /// otherwise those that are too new.
    fn pass(&mut self, skipping: bool) -> Result<()> {
        let seq = if skipping && self.merge.key() == self.key { 0 } else { self.seq };
        // This buffer is in use only where the cursor goes backwards.
        let mut key = std::mem::take(&mut self.value);
        key.clear();
        key.extend_from_slice(self.merge.key());
        let sought = self.merge.seek(&key, seq);
        self.value = key;
        sought
    }

    /// From where the merge is, backwards, to the last entry that counts.
    fn backward(&mut self) -> Result<bool> {
        self.place = Place::Front;
        while self.merge.valid() {
            let key = self.merge.key();
            if self.range.is_before(key) {
                break;
            }
            self.key.clear();
            self.key.extend_from_slice(key);
            let (mut newest, mut versions) = (None, 0);
            let mut jumped = false;
            while self.merge.valid() && self.merge.key() == self.key {
                let tag = self.merge.tag();
                if tag >> 2 <= self.seq {
                    if !self.ranges.is_empty()
                        && let Some((child, Some(start), _)) = self.covered(&self.key, tag >> 2)
                        && self.merge.top() > child
                        && newest.is_none()
                    {
                        self.merge.skip_back_to(&start, |at| at > child)?;
                        jumped = true;
                        break;
                    }
                    newest = Some(tag);
                    self.value.clear();
                    self.value.extend_from_slice(self.merge.value());
                }
                versions += 1;
                if versions == STEPS {
                    newest = self.newest_of_key()?.or(newest);
                    break;
                }
                self.merge.prev()?;
            }
            if jumped {
                continue;
            }
            let Some(tag) = newest else { continue };
            let covered = !self.ranges.is_empty() && self.covered(&self.key, tag >> 2).is_some();
            if tag & 3 != Kind::Delete as u64 && !covered {
                self.tag = tag;
                self.place = Place::Buffer;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds the newest version of `self.key` that the cursor may see, copies its value, answers its tag, and leaves the
    /// merge in front of the key, ready to go backwards.
    fn newest_of_key(&mut self) -> Result<Option<u64>> {
        self.merge.seek(&self.key, self.seq)?;
        let newest = (self.merge.valid() && self.merge.key() == self.key).then(|| self.merge.tag());
        if newest.is_some() {
            self.value.clear();
            self.value.extend_from_slice(self.merge.value());
        }
        self.merge.seek_before(&self.key, NEWEST)?;
        Ok(newest)
    }

    fn seek_front(&mut self) -> Result<()> {
        match &self.range.start {
            Bound::Included(start) => self.merge.seek(start, NEWEST),
            Bound::Excluded(start) => self.merge.seek(&successor(start), NEWEST),
            Bound::Unbounded => self.merge.first(),
        }
    }

    fn seek_back_end(&mut self) -> Result<()> {
        match &self.range.end {
            Bound::Included(end) => self.merge.seek_before(&successor(end), NEWEST),
            Bound::Excluded(end) => self.merge.seek_before(end, NEWEST),
            Bound::Unbounded => self.merge.last(),
        }
    }

    /// Where an error leaves the cursor.
    fn or_front<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.place = Place::Front;
        }
        result
    }

    fn try_next(&mut self) -> Result<bool> {
        match self.place {
            Place::Back => return Ok(false),
            Place::Front => {
                self.seek_front()?;
                return self.forward(false);
            }
            Place::Merge => {
                self.key.clear();
                self.key.extend_from_slice(self.merge.key());
                self.merge.next()?;
            }
            Place::Buffer => {
                let key = std::mem::take(&mut self.key);
                let sought = self.merge.seek(&key, 0);
                self.key = key;
                sought?;
            }
        }
        self.forward(true)
    }

    fn try_prev(&mut self) -> Result<bool> {
        match self.place {
            Place::Front => return Ok(false),
            Place::Back => self.seek_back_end()?,
            Place::Merge => {
                self.key.clear();
                self.key.extend_from_slice(self.merge.key());
                self.merge.seek_before(&self.key, NEWEST)?;
            }
            Place::Buffer => {}
        }
        self.backward()
    }
}

impl Cursor for TreeCursor {
    fn seek(&mut self, key: &[u8]) -> Result<bool> {
        self.apart.take();
        self.place = Place::Front;
        if self.range.is_before(key) {
            self.seek_front()?
        } else {
            self.merge.seek(key, self.seq)?
        }
        self.forward(false)
    }

    fn seek_end(&mut self) -> Result<()> {
        self.apart.take();
        self.place = Place::Back;
        Ok(())
    }

    fn next(&mut self) -> Result<bool> {
        self.apart.take();
        let moved = self.try_next();
        self.or_front(moved)
    }

    fn prev(&mut self) -> Result<bool> {
        self.apart.take();
        let moved = self.try_prev();
        self.or_front(moved)
    }

    fn key(&self) -> &[u8] {
        match self.place {
            Place::Merge => self.merge.key(),
            Place::Buffer => &self.key,
            Place::Front | Place::Back => b"",
        }
    }

    fn value(&self) -> Result<&[u8]> {
        let value = match self.place {
            Place::Merge => self.merge.value(),
            Place::Buffer => &self.value,
            Place::Front | Place::Back => return Ok(b""),
        };
        match Kind::of(self.tag) {
            Some(Kind::Blob) => {
                if let Some(read) = self.apart.get() {
                    return Ok(read);
                }
                let pointer = Pointer::decode(value)
                    .ok_or_else(|| Error::corrupt(&self.dir, 0, "an entry says in no way where its value is"))?;
                let read = read_apart(&self.state.version, &self.dir, pointer)?;
                Ok(self.apart.get_or_init(|| read))
            }
            Some(_) => Ok(value),
            None => Err(Error::corrupt(&self.dir, 0, "an entry of a kind that there is not")),
        }
    }
}
