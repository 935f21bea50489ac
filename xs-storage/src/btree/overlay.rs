//! Cursors over a version whose tree does not have everything yet: the tree's, and beside it a place among what was
//! [recovered](super::recovered), which decides.

use std::ops::Bound;
use std::sync::Arc;

use super::cursor::{TreeCursor, Way};
use super::recovered::Recovered;
use crate::Result;
use crate::engine::{Cursor, KeyRange};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Front,
    Tree,
    Point,
    Back,
}

#[derive(Debug)]
pub(super) struct OverlayCursor<'a> {
    tree: TreeCursor<'a>,
    recovered: Arc<Recovered>,
    place: Place,
    /// The way that it went last: both sides stand on the next entry that way, or the one that it is on.
    way: Way,
    /// Whether the tree's side stands on an entry.
    on_tree: bool,
    /// Behind the point that is next (back), or in front of it (forth).
    at: usize,
    /// The points in the range.
    first: usize,
    stop: usize,
}

impl<'a> OverlayCursor<'a> {
    pub(super) fn new(tree: TreeCursor<'a>, recovered: Arc<Recovered>, range: &KeyRange<'_>) -> Self {
        let behind = |key: &[u8]| {
            let at = recovered.first_from(key);
            at + usize::from(at < recovered.len() && recovered.key(at) == key)
        };
        let first = match &range.start {
            Bound::Unbounded => 0,
            Bound::Included(key) => recovered.first_from(key),
            Bound::Excluded(key) => behind(key),
        };
        let stop = match &range.end {
            Bound::Unbounded => recovered.len(),
            Bound::Included(key) => behind(key),
            Bound::Excluded(key) => recovered.first_from(key),
        };
        let stop = stop.max(first);
        OverlayCursor { tree, recovered, place: Place::Front, way: Way::Forth, on_tree: false, at: first, first, stop }
    }

    fn named(&self, key: &[u8]) -> bool {
        let at = self.recovered.first_from(key);
        at < self.recovered.len() && self.recovered.key(at) == key
    }

    /// Stands on the next entry in the way, now that both sides stand at or behind it.
    fn choose(&mut self, way: Way) -> Result<bool> {
        self.way = way;
        // Of what the tree has, the points decide on some, and some went with a range.
        while self.on_tree {
            let key = self.tree.key();
            if self.named(key) {
                self.on_tree = self.tree.go(way)?;
            } else if let Some((start, end)) = self.recovered.gone_with(key) {
                self.on_tree = match way {
                    Way::Forth => self.tree.seek(end)?,
                    Way::Back => {
                        self.tree.seek(start)?;
                        self.tree.prev()?
                    }
                };
            } else {
                break;
            }
        }
        let point = loop {
            let point = match way {
                Way::Forth => Some(self.at).filter(|&at| at < self.stop),
                Way::Back => self.at.checked_sub(1).filter(|&at| at >= self.first),
            };
            match point {
                Some(at) if self.recovered.value(at).is_none() => self.at = if way == Way::Forth { at + 1 } else { at },
                point => break point,
            }
        };
        let tree_first = |at| match way {
            Way::Forth => self.tree.key() < self.recovered.key(at),
            Way::Back => self.tree.key() > self.recovered.key(at),
        };
        self.place = match (self.on_tree, point) {
            (false, None) if way == Way::Forth => Place::Back,
            (false, None) => Place::Front,
            (false, Some(_)) => Place::Point,
            (true, Some(at)) if !tree_first(at) => Place::Point,
            (true, _) => Place::Tree,
        };
        Ok(matches!(self.place, Place::Tree | Place::Point))
    }

    /// The point that it is on.
    fn point(&self) -> usize {
        if self.way == Way::Forth { self.at } else { self.at - 1 }
    }

    fn step(&mut self, way: Way) -> Result<bool> {
        match (self.place, way) {
            (Place::Back, Way::Forth) | (Place::Front, Way::Back) => return Ok(false),
            (Place::Front, _) => {
                self.on_tree = self.tree.first()?;
                self.at = self.first;
            }
            (Place::Back, _) => {
                self.on_tree = self.tree.last()?;
                self.at = self.stop;
            }
            (Place::Tree, _) if way == self.way => self.on_tree = self.tree.go(way)?,
            (Place::Point, Way::Forth) if way == self.way => self.at += 1,
            (Place::Point, Way::Back) if way == self.way => self.at -= 1,
            // Both sides anew, from where it is.
            _ => {
                let key = self.key().to_vec();
                self.on_tree = self.tree.seek(&key)?;
                self.at = self.recovered.first_from(&key);
                match way {
                    Way::Back => self.on_tree = self.tree.prev()?,
                    Way::Forth => {
                        if self.on_tree && self.tree.key() == key {
                            self.on_tree = self.tree.next()?;
                        }
                        self.at += usize::from(self.named(&key));
                    }
                }
            }
        }
        self.choose(way)
    }

    fn find(&mut self, key: &[u8]) -> Result<bool> {
        self.on_tree = self.tree.seek(key)?;
        self.at = self.recovered.first_from(key).clamp(self.first, self.stop);
        self.choose(Way::Forth)
    }

    /// After an error the cursor is in front of the first.
    fn or_front<T>(&mut self, done: Result<T>) -> Result<T> {
        if done.is_err() {
            self.place = Place::Front;
        }
        done
    }
}

impl Cursor for OverlayCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<bool> {
        let done = self.find(key);
        self.or_front(done)
    }

    fn seek_end(&mut self) -> Result<()> {
        self.place = Place::Back;
        Ok(())
    }

    fn next(&mut self) -> Result<bool> {
        let done = self.step(Way::Forth);
        self.or_front(done)
    }

    fn prev(&mut self) -> Result<bool> {
        let done = self.step(Way::Back);
        self.or_front(done)
    }

    fn key(&self) -> &[u8] {
        match self.place {
            Place::Tree => self.tree.key(),
            Place::Point => self.recovered.key(self.point()),
            Place::Front | Place::Back => b"",
        }
    }

    fn value(&self) -> Result<&[u8]> {
        match self.place {
            Place::Tree => self.tree.value(),
            Place::Point => Ok(self.recovered.value(self.point()).unwrap_or_default()),
            Place::Front | Place::Back => Ok(b""),
        }
    }
}
