//! A transaction's own writes over the moment that it reads, as one cursor, which notes what it passes.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use parking_lot::Mutex;

use super::reads::Reads;
use super::versions::VersionCursor;
use crate::Result;
use crate::engine::successor;
use crate::engine::{Cursor, KeyRange};

/// What a transaction has written: a value, or none where it removed the key.
pub(super) type Writes = BTreeMap<Bytes, Option<Bytes>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    Back,
}

enum Place<'t> {
    Front,
    /// On the base's entry.
    Base,
    /// On a write of the transaction's own.
    Own(&'t [u8], &'t [u8]),
    Behind,
}

/// Two sorted sequences as one; of two entries with one key, the transaction's own hides the base's.
///
/// The writes need no position, since a map finds the neighbour of a key. The base has one:
///
/// ```text
///   going forward, the base is on the first entry at or behind the cursor's
///   going back,    the base is on the last entry at or in front of the cursor's
/// ```
pub(super) struct MergedCursor<'t> {
    base: VersionCursor<'t>,
    /// Whether the base is on an entry; if not, it has run out in the direction gone.
    on_base: bool,
    direction: Direction,
    own: &'t Writes,
    range: KeyRange<'static>,
    place: Place<'t>,
    track: Option<Track<'t>>,
}

impl<'t> MergedCursor<'t> {
    /// A cursor over both. With `reads`, what it passes is noted there when it turns elsewhere or ends.
    pub(super) fn new(
        base: VersionCursor<'t>,
        own: &'t Writes,
        range: KeyRange<'_>,
        reads: Option<&'t Mutex<Reads>>,
    ) -> Self {
        let range = range.into_owned();
        let track = reads.map(|reads| Track::new(reads, &range));
        MergedCursor { base, on_base: false, direction: Direction::Forward, own, range, place: Place::Front, track }
    }

    fn own_between(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = (&'t Bytes, &'t Option<Bytes>)> {
        let empty = match (from, to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to) | Bound::Included(to)) => from >= to,
            _ => false,
        };
        // `range` panics on bounds that cross; in front of the empty key there is nothing.
        let bounds = if empty { (Bound::Unbounded, Bound::Excluded(&b""[..])) } else { (from, to) };
        self.own.range::<[u8], _>(bounds)
    }

    /// The first write at or behind a bound, or the last at or in front of it.
    fn own_from(&self, bound: Bound<&[u8]>) -> Option<(&'t Bytes, &'t Option<Bytes>)> {
        match self.direction {
            Direction::Forward => self.own_between(bound, borrow(&self.range.end)).next(),
            Direction::Back => self.own_between(borrow(&self.range.start), bound).next_back(),
        }
    }

    fn step_base(&mut self) -> Result<()> {
        self.on_base = match self.direction {
            Direction::Forward => self.base.next()?,
            Direction::Back => self.base.prev()?,
        };
        Ok(())
    }

    /// Takes the nearer of the base's entry and a write, passing over removals.
    fn choose(&mut self, mut own: Option<(&'t Bytes, &'t Option<Bytes>)>) -> Result<bool> {
        let (nearer, out) = match self.direction {
            Direction::Forward => (std::cmp::Ordering::Less, Place::Behind),
            Direction::Back => (std::cmp::Ordering::Greater, Place::Front),
        };
        while let Some((key, value)) = own {
            let base = self.on_base.then(|| self.base.key().cmp(key));
            if base == Some(nearer) {
                break;
            }
            if let Some(value) = value {
                self.place = Place::Own(key, value);
                return Ok(true);
            }
            if base == Some(std::cmp::Ordering::Equal) {
                self.step_base()?;
            }
            own = self.own_from(Bound::Excluded(key));
        }
        self.place = if self.on_base { Place::Base } else { out };
        Ok(self.on_base)
    }

    /// Brings the base to where going in `direction` expects it.
    fn turn(&mut self, direction: Direction) -> Result<()> {
        if self.direction != direction {
            self.direction = direction;
            if let Place::Own(key, _) = self.place
                && !(self.on_base && self.base.key() == key)
            {
                self.step_base()?;
            }
        }
        Ok(())
    }

    fn step(&mut self, direction: Direction) -> Result<bool> {
        let (start, out) = match direction {
            Direction::Forward => (matches!(self.place, Place::Front), matches!(self.place, Place::Behind)),
            Direction::Back => (matches!(self.place, Place::Behind), matches!(self.place, Place::Front)),
        };
        if out {
            return Ok(false);
        }
        if start {
            self.direction = direction;
            let own = match direction {
                Direction::Forward => {
                    self.on_base = self.base.seek(b"")?;
                    self.own_from(borrow(&self.range.start))
                }
                Direction::Back => {
                    self.base.seek_end()?;
                    self.on_base = self.base.prev()?;
                    self.own_from(borrow(&self.range.end))
                }
            };
            return self.choose(own);
        }
        self.turn(direction)?;
        let own = match self.place {
            Place::Own(key, _) => self.own_from(Bound::Excluded(key)),
            _ => self.own_from(Bound::Excluded(self.base.key())),
        };
        let shared = match self.place {
            Place::Own(key, _) => self.on_base && self.base.key() == key,
            _ => true,
        };
        if shared {
            self.step_base()?;
        }
        self.choose(own)
    }

    fn note(&mut self, moved: Result<bool>, from: Moved<'_>) -> Result<bool> {
        let Ok(on) = moved else {
            self.place = Place::Front;
            return moved;
        };
        if let Some(mut track) = self.track.take() {
            track.passed(from, on.then(|| self.key()));
            self.track = Some(track);
        }
        Ok(on)
    }
}

impl Cursor for MergedCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<bool> {
        self.direction = Direction::Forward;
        let moved = self.base.seek(key).and_then(|on| {
            self.on_base = on;
            let own = if self.range.is_before(key) {
                self.own_from(borrow(&self.range.start))
            } else {
                self.own_from(Bound::Included(key))
            };
            self.choose(own)
        });
        self.note(moved, Moved::To(key))
    }

    fn seek_end(&mut self) -> Result<()> {
        self.place = Place::Behind;
        Ok(())
    }

    fn next(&mut self) -> Result<bool> {
        let from = if matches!(self.place, Place::Front) { Moved::FromFront } else { Moved::Forward };
        let moved = self.step(Direction::Forward);
        self.note(moved, from)
    }

    fn prev(&mut self) -> Result<bool> {
        let from = if matches!(self.place, Place::Behind) { Moved::FromBehind } else { Moved::Back };
        let moved = self.step(Direction::Back);
        self.note(moved, from)
    }

    fn key(&self) -> &[u8] {
        match self.place {
            Place::Own(key, _) => key,
            Place::Base => self.base.key(),
            Place::Front | Place::Behind => b"",
        }
    }

    fn value(&self) -> Result<&[u8]> {
        match self.place {
            Place::Own(_, value) => Ok(value),
            Place::Base => self.base.value(),
            Place::Front | Place::Behind => Ok(b""),
        }
    }
}

fn borrow<'a>(bound: &'a Bound<std::borrow::Cow<'static, [u8]>>) -> Bound<&'a [u8]> {
    bound.as_ref().map(|key| &key[..])
}

/// How a cursor came to where it is.
enum Moved<'k> {
    To(&'k [u8]),
    FromFront,
    FromBehind,
    Forward,
    Back,
}

/// The stretch of keys that a cursor has passed without a gap: between its ends it has seen every entry, and that there
/// is no other.
struct Track<'t> {
    reads: &'t Mutex<Reads>,
    first: Vec<u8>,
    last: Option<Vec<u8>>,
    /// From, and up to but not with; an end of `None` is the end of all keys.
    passed: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

impl<'t> Track<'t> {
    fn new(reads: &'t Mutex<Reads>, range: &KeyRange<'static>) -> Self {
        reads.lock().cursors += 1;
        let first = match &range.start {
            Bound::Included(key) => key.to_vec(),
            Bound::Excluded(key) => successor(key),
            Bound::Unbounded => Vec::new(),
        };
        let last = match &range.end {
            Bound::Included(key) => Some(successor(key)),
            Bound::Excluded(key) => Some(key.to_vec()),
            Bound::Unbounded => None,
        };
        Track { reads, first, last, passed: None }
    }

    /// The cursor moved to an entry, or ran out.
    fn passed(&mut self, how: Moved<'_>, to: Option<&[u8]>) {
        match how {
            Moved::To(key) => {
                self.settle();
                let from = if key < &self.first[..] { self.first.clone() } else { key.to_vec() };
                self.passed = Some((from, to.map_or_else(|| self.last.clone(), |to| Some(successor(to)))));
            }
            Moved::FromFront => {
                self.settle();
                let end = to.map_or_else(|| self.last.clone(), |to| Some(successor(to)));
                self.passed = Some((self.first.clone(), end));
            }
            Moved::FromBehind => {
                self.settle();
                self.passed = Some((to.unwrap_or(&self.first).to_vec(), self.last.clone()));
            }
            Moved::Forward => {
                let Some((_, end)) = &mut self.passed else { return };
                match to {
                    // The common step, without an allocation.
                    Some(to) => {
                        if let Some(end) = end
                            && &end[..] <= to
                        {
                            end.clear();
                            end.extend_from_slice(to);
                            end.push(0);
                        }
                    }
                    None => end.clone_from(&self.last),
                }
            }
            Moved::Back => {
                let Some((from, _)) = &mut self.passed else { return };
                let to = to.unwrap_or(&self.first);
                if to < &from[..] {
                    from.clear();
                    from.extend_from_slice(to);
                }
            }
        }
    }

    fn settle(&mut self) {
        if let Some((from, end)) = self.passed.take() {
            self.reads.lock().add(from, end);
        }
    }
}

impl Drop for Track<'_> {
    fn drop(&mut self) {
        self.settle();
        self.reads.lock().cursors -= 1;
    }
}
