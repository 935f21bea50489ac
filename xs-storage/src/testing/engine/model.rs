//! What every engine is compared with: a sorted map, and a cursor over it that is a number.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::Result;
use crate::engine::{Cursor, KeyRange, Op, ReadView};

/// The entries that a store should have. Cloning is a snapshot.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Model {
    entries: Arc<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Model {
    /// No entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does what a batch does.
    pub fn apply<'a>(&mut self, ops: impl IntoIterator<Item = Op<'a>>) {
        let entries = Arc::make_mut(&mut self.entries);
        for op in ops {
            match op {
                Op::Put(key, value) => {
                    entries.insert(key.to_vec(), value.to_vec());
                }
                Op::Delete(key) => {
                    entries.remove(key);
                }
                Op::DeleteRange(start, end) => entries.retain(|key, _| !(start <= &key[..] && &key[..] < end)),
            }
        }
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|(key, value)| (&key[..], &value[..]))
    }

    /// A cursor in front of the first entry of a range.
    pub(super) fn cursor(&self, range: &KeyRange<'_>) -> ModelCursor<'_> {
        let entries = self.iter().filter(|(key, _)| range.contains(key)).collect();
        ModelCursor { entries, at: 0 }
    }

    /// Whether a view shows exactly these entries: by a scan forwards, by one backwards, and by a lookup of each key
    /// and of a key behind each. `Err` says what differs first.
    pub fn compare(&self, view: &dyn ReadView) -> Result<(), String> {
        let fail = |error: crate::Error| format!("reading: {error}");
        for forwards in [true, false] {
            let mut cursor = view.cursor(KeyRange::all()).map_err(fail)?;
            if !forwards {
                cursor.seek_end().map_err(fail)?;
            }
            let mut expected = self.iter();
            loop {
                let more = if forwards { cursor.next() } else { cursor.prev() }.map_err(fail)?;
                let found = more.then(|| Ok((cursor.key(), cursor.value()?))).transpose().map_err(fail)?;
                let expected = if forwards { expected.next() } else { expected.next_back() };
                if found != expected {
                    let way = if forwards { "forwards" } else { "backwards" };
                    return Err(format!("scanning {way}: found {}, expected {}", Shown(found), Shown(expected)));
                }
                if !more {
                    break;
                }
            }
        }
        for (key, value) in self.iter() {
            let found = view.get(key).map_err(fail)?;
            if found.as_deref() != Some(value) {
                let found = found.as_deref().map(|found| (key, found));
                return Err(format!("get: found {}, expected {}", Shown(found), Shown(Some((key, value)))));
            }
            let behind = [key, b"\0"].concat();
            let found = view.get(&behind).map_err(fail)?;
            if found.as_deref() != self.get(&behind) {
                return Err(format!("get of the key behind {}: found {found:?}", Bytes(key)));
            }
        }
        Ok(())
    }
}

impl Model {
    /// The same where a read may fail, but may not be wrong: whether none has failed. `Err` says which answer is wrong.
    pub(crate) fn compare_answers(&self, view: &dyn ReadView) -> Result<bool, String> {
        let mut whole = true;
        for (key, value) in self.iter() {
            match view.get(key) {
                Err(_) => whole = false,
                Ok(found) if found.as_deref() == Some(value) => {}
                Ok(found) => {
                    let found = found.as_deref().map(|found| (key, found));
                    return Err(format!("get: found {}, expected {}", Shown(found), Shown(Some((key, value)))));
                }
            }
            let behind = [key, b"\0"].concat();
            match view.get(&behind) {
                Err(_) => whole = false,
                Ok(found) if found.as_deref() == self.get(&behind) => {}
                Ok(found) => return Err(format!("get of the key behind {}: found {found:?}", Bytes(key))),
            }
        }
        for forwards in [true, false] {
            whole &= self.scan_answers(view, forwards)?;
        }
        Ok(whole)
    }

    /// A scan that ends at the first error. Up to there it must be right.
    fn scan_answers(&self, view: &dyn ReadView, forwards: bool) -> Result<bool, String> {
        let Ok(mut cursor) = view.cursor(KeyRange::all()) else { return Ok(false) };
        if !forwards && cursor.seek_end().is_err() {
            return Ok(false);
        }
        let mut expected = self.iter();
        loop {
            let Ok(more) = (if forwards { cursor.next() } else { cursor.prev() }) else { return Ok(false) };
            let expected = if forwards { expected.next() } else { expected.next_back() };
            let Ok(value) = cursor.value() else { return Ok(false) };
            let found = more.then(|| (cursor.key(), value));
            if found != expected {
                return Err(format!("a scan: found {}, expected {}", Shown(found), Shown(expected)));
            }
            if !more {
                return Ok(true);
            }
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, value)| (Bytes(key), Bytes(value)))).finish()
    }
}

/// A cursor as the contract words it: 0 is in front of the first, `len + 1` behind the last.
pub(super) struct ModelCursor<'a> {
    entries: Vec<(&'a [u8], &'a [u8])>,
    at: usize,
}

impl<'a> ModelCursor<'a> {
    fn behind(&self) -> usize {
        self.entries.len() + 1
    }

    fn is_on(&self) -> bool {
        (1..self.behind()).contains(&self.at)
    }

    /// Moves, and says whether it is on an entry after it.
    pub(super) fn go(&mut self, to: &Move) -> bool {
        self.at = match to {
            Move::Next => (self.at + 1).min(self.behind()),
            Move::Prev => self.at.saturating_sub(1),
            Move::Seek(key) => self.entries.partition_point(|(there, _)| *there < &key[..]) + 1,
            Move::SeekBack(key) => self.entries.partition_point(|(there, _)| *there <= &key[..]),
            Move::SeekEnd => self.behind(),
        };
        self.is_on()
    }

    /// Key and value; both empty on no entry.
    pub(super) fn entry(&self) -> (&'a [u8], &'a [u8]) {
        if self.is_on() { self.entries[self.at - 1] } else { (b"", b"") }
    }

    /// Makes the same move with an engine's cursor, and compares where both are.
    pub(super) fn follow(&mut self, cursor: &mut dyn Cursor, to: &Move) -> Result<(), String> {
        let moved = match to {
            Move::Next => cursor.next(),
            Move::Prev => cursor.prev(),
            Move::Seek(key) => cursor.seek(key),
            Move::SeekBack(key) => cursor.seek_back(key),
            Move::SeekEnd => cursor.seek_end().map(|()| false),
        };
        let moved = moved.map_err(|error| format!("{to:?}: {error}"))?;
        let expected = (self.go(to), self.entry());
        let found = (moved, (cursor.key(), cursor.value().map_err(|error| format!("value after {to:?}: {error}"))?));
        if found == expected {
            Ok(())
        } else {
            let show = |(on, entry): (bool, _)| format!("{on}, {}", Shown(Some(entry)));
            Err(format!("{to:?}: found {}; expected {}", show(found), show(expected)))
        }
    }
}

/// One call of a cursor.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Move {
    Next,
    Prev,
    Seek(Vec<u8>),
    SeekBack(Vec<u8>),
    SeekEnd,
}

impl fmt::Debug for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::Next => f.write_str("next"),
            Move::Prev => f.write_str("prev"),
            Move::Seek(key) => write!(f, "seek({})", Bytes(key)),
            Move::SeekBack(key) => write!(f, "seek_back({})", Bytes(key)),
            Move::SeekEnd => f.write_str("seek_end"),
        }
    }
}

/// Bytes for people: text where it is text, and no more than the start of what is long.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 24;
        write!(f, "\"{}\"", self.0[..self.0.len().min(SHOWN)].escape_ascii())?;
        if self.0.len() > SHOWN { write!(f, "…({} bytes)", self.0.len()) } else { Ok(()) }
    }
}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Shown<'a>(Option<(&'a [u8], &'a [u8])>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((key, value)) => write!(f, "{} = {}", Bytes(key), Bytes(value)),
            None => f.write_str("nothing"),
        }
    }
}
