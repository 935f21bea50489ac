//! Cursors: a path from the root to a place in a leaf, in one version.

use std::cell::OnceCell;
use std::ops::Bound;
use std::sync::Arc;

use super::node::{Node, RunRef, Value};
use super::page::{HEADER, NONE, Page};
use super::store::{Store, Version};
use super::table::Lent;
use crate::Result;
use crate::engine::{Cursor, KeyRange};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Front,
    On,
    Back,
}

#[derive(Debug)]
pub(super) struct TreeCursor<'a> {
    store: &'a Store,
    version: Arc<Version>,
    range: KeyRange<'static>,
    place: Place,
    /// The inner nodes above the leaf, and which child of each leads on.
    above: Vec<(Page, usize)>,
    leaf: Option<Page>,
    at: usize,
    /// The entries of the leaf that are in the range.
    inside: (usize, usize),
    count: usize,
    key: Vec<u8>,
    /// Bytes of `key` that are the leaf's prefix.
    prefix: usize,
    value: (usize, usize),
    /// A value that stands in a run, and the run once somebody asked for it.
    run: Option<RunRef>,
    fetched: OnceCell<Lent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Forth,
    Back,
}

impl<'a> TreeCursor<'a> {
    pub(super) fn new(store: &'a Store, version: Arc<Version>, range: KeyRange<'_>) -> Self {
        TreeCursor {
            store,
            version,
            range: range.into_owned(),
            place: Place::Front,
            above: Vec::new(),
            leaf: None,
            at: 0,
            inside: (0, 0),
            count: 0,
            key: Vec::new(),
            prefix: 0,
            value: (0, 0),
            run: None,
            fetched: OnceCell::new(),
        }
    }

    /// Goes down to the leaf where a key belongs, or to the first or last one.
    fn descend(&mut self, key: Option<&[u8]>, way: Way) -> Result<bool> {
        self.above.clear();
        self.leaf = None;
        if self.version.root == NONE {
            return Ok(false);
        }
        let root = self.store.page(self.version.root)?;
        self.down(root, key, way, None)
    }

    /// The rest of the way to a leaf. `come_from`: the side on which a leaf of the range lies, where nothing is outside of it.
    fn down(&mut self, mut page: Lent, key: Option<&[u8]>, way: Way, come_from: Option<Way>) -> Result<bool> {
        loop {
            let node = Node::new(page.bytes());
            if node.is_leaf() {
                break;
            }
            let at = match (key, way) {
                (Some(key), _) => node.child_for(key, self.store)?,
                (None, Way::Forth) => 0,
                (None, Way::Back) => node.count() - 1,
            };
            let next = self.store.below(&node, at)?;
            self.above.extend(page.page().map(|page| (page, at)));
            page = next;
        }
        let node = Node::new(page.bytes());
        let first = match &self.range.start {
            _ if matches!(come_from, Some(Way::Forth)) => 0,
            Bound::Unbounded => 0,
            Bound::Included(key) => node.search(key, self.store)?.unwrap_or_else(|at| at),
            Bound::Excluded(key) => node.search(key, self.store)?.map_or_else(|at| at, |at| at + 1),
        };
        let stop = match &self.range.end {
            _ if matches!(come_from, Some(Way::Back)) => node.count(),
            Bound::Unbounded => node.count(),
            Bound::Excluded(key) => node.search(key, self.store)?.unwrap_or_else(|at| at),
            Bound::Included(key) => node.search(key, self.store)?.map_or_else(|at| at, |at| at + 1),
        };
        self.inside = (first, stop);
        self.count = node.count();
        self.key.clear();
        self.key.extend_from_slice(node.prefix());
        self.prefix = self.key.len();
        self.leaf = page.page();
        Ok(true)
    }

    /// Goes to the neighbour of the leaf.
    fn turn_page(&mut self, way: Way) -> Result<bool> {
        self.leaf = None;
        while let Some((page, at)) = self.above.pop() {
            let node = Node::new(page.bytes());
            let next = match way {
                Way::Forth => Some(at + 1).filter(|&at| at < node.count()),
                Way::Back => at.checked_sub(1),
            };
            if let Some(at) = next {
                let below = self.store.below(&node, at)?;
                self.above.push((page, at));
                return self.down(below, None, way, Some(way));
            }
        }
        Ok(false)
    }

    /// Stands on an entry of the leaf that is in the range, or on the next one in the direction, or beyond.
    fn settle(&mut self, at: Option<usize>, way: Way) -> Result<bool> {
        let mut at = at;
        loop {
            let (first, stop) = self.inside;
            if let Some(at) = at
                && (first..stop).contains(&at)
            {
                return self.stand(at).map(|()| true);
            }
            let more = match way {
                Way::Forth => stop == self.count && self.turn_page(way)?,
                Way::Back => first == 0 && self.turn_page(way)?,
            };
            if !more {
                self.place = if matches!(way, Way::Forth) { Place::Back } else { Place::Front };
                return Ok(false);
            }
            at = match way {
                Way::Forth => Some(self.inside.0),
                Way::Back => self.inside.1.checked_sub(1),
            };
        }
    }

    fn stand(&mut self, at: usize) -> Result<()> {
        let Some(leaf) = &self.leaf else { return Ok(()) };
        let (key, value, at_byte) = Node::new(leaf.bytes()).entry(at);
        if key.run.is_none() {
            self.key.truncate(self.prefix);
            self.key.extend_from_slice(key.rest);
        } else {
            self.key.clear();
            key.append_to(&mut self.key, self.store)?;
        }
        self.run = match value {
            Value::Here(value) => {
                self.value = (at_byte, at_byte + value.len());
                None
            }
            Value::Run(run) => Some(run),
        };
        if self.fetched.get().is_some() {
            self.fetched = OnceCell::new();
        }
        self.at = at;
        self.place = Place::On;
        Ok(())
    }

    /// To the neighbour.
    pub(super) fn go(&mut self, way: Way) -> Result<bool> {
        match way {
            Way::Forth => self.next(),
            Way::Back => self.prev(),
        }
    }

    /// To the first entry of the range.
    pub(super) fn first(&mut self) -> Result<bool> {
        let start = std::mem::replace(&mut self.range.start, Bound::Unbounded);
        let key = match &start {
            Bound::Included(key) | Bound::Excluded(key) => Some(&key[..]),
            Bound::Unbounded => None,
        };
        let key = key.map(<[u8]>::to_vec);
        self.range.start = start;
        if !self.descend(key.as_deref(), Way::Forth)? {
            self.place = Place::Back;
            return Ok(false);
        }
        self.settle(Some(self.inside.0), Way::Forth)
    }

    /// To the last entry of the range.
    pub(super) fn last(&mut self) -> Result<bool> {
        let range = self.range.clone();
        let end = match &range.end {
            Bound::Included(key) | Bound::Excluded(key) => Some(&key[..]),
            Bound::Unbounded => None,
        };
        if !self.descend(end, Way::Back)? {
            self.place = Place::Front;
            return Ok(false);
        }
        self.settle(self.inside.1.checked_sub(1), Way::Back)
    }

    /// After an error the cursor is in front of the first.
    fn or_front<T>(&mut self, done: Result<T>) -> Result<T> {
        if done.is_err() {
            self.place = Place::Front;
        }
        done
    }

    fn find(&mut self, key: &[u8]) -> Result<bool> {
        if self.range.is_before(key) {
            return self.first();
        }
        if self.range.is_after(key) || !self.descend(Some(key), Way::Forth)? {
            self.place = Place::Back;
            return Ok(false);
        }
        let Some(leaf) = &self.leaf else { return Ok(false) };
        let at = Node::new(leaf.bytes()).search(key, self.store)?.unwrap_or_else(|at| at);
        self.settle(Some(at), Way::Forth)
    }
}

impl Cursor for TreeCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<bool> {
        let done = self.find(key);
        self.or_front(done)
    }

    fn seek_end(&mut self) -> Result<()> {
        self.place = Place::Back;
        Ok(())
    }

    fn next(&mut self) -> Result<bool> {
        let done = match self.place {
            Place::Front => self.first(),
            Place::On => self.settle(Some(self.at + 1), Way::Forth),
            Place::Back => Ok(false),
        };
        self.or_front(done)
    }

    fn prev(&mut self) -> Result<bool> {
        let done = match self.place {
            Place::Back => self.last(),
            Place::On => self.settle(self.at.checked_sub(1), Way::Back),
            Place::Front => Ok(false),
        };
        self.or_front(done)
    }

    fn key(&self) -> &[u8] {
        if self.place == Place::On { &self.key } else { b"" }
    }

    fn value(&self) -> Result<&[u8]> {
        let (Place::On, Some(leaf)) = (self.place, &self.leaf) else { return Ok(b"") };
        let Some(run) = self.run else { return Ok(&leaf.bytes()[self.value.0..self.value.1]) };
        if let Some(fetched) = self.fetched.get() {
            return Ok(&fetched.bytes()[HEADER..]);
        }
        let fetched = self.store.run_page(run)?;
        Ok(&self.fetched.get_or_init(|| fetched).bytes()[HEADER..])
    }
}
