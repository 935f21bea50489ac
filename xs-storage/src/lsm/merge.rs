//! Several cursors as one.
//!
//! The children stand in a heap, the one with the first entry on top. A step moves the top child and lets it sink: two
//! comparisons if it stays, as it does most of the time where most entries come from one level.

use std::cmp::Ordering;

use super::Seq;
use super::codec::head;
use super::entries::Entries;
use super::memtable::MemCursor;
use super::table::TableCursor;
use super::version::LevelCursor;
use crate::Result;

/// Where entries come from.
#[derive(Debug)]
pub(super) enum Source {
    Mem(MemCursor),
    Table(TableCursor),
    Level(LevelCursor),
}

macro_rules! each {
    ($self:expr, $source:ident => $do:expr) => {
        match $self {
            Source::Mem($source) => $do,
            Source::Table($source) => $do,
            Source::Level($source) => $do,
        }
    };
}

impl Entries for Source {
    fn first(&mut self) -> Result<()> {
        each!(self, source => source.first())
    }

    fn last(&mut self) -> Result<()> {
        each!(self, source => source.last())
    }

    fn seek(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        each!(self, source => source.seek(key, seq))
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        each!(self, source => source.next())
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        each!(self, source => source.prev())
    }

    #[inline]
    fn valid(&self) -> bool {
        each!(self, source => source.valid())
    }

    #[inline]
    fn key(&self) -> &[u8] {
        each!(self, source => source.key())
    }

    #[inline]
    fn tag(&self) -> u64 {
        each!(self, source => source.tag())
    }

    #[inline]
    fn value(&self) -> &[u8] {
        each!(self, source => source.value())
    }

    fn seek_before(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        each!(self, source => source.seek_before(key, seq))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// The entries of all children in one order. Children are given newest first.
#[derive(Debug)]
pub(super) struct Merge<C = Source> {
    children: Vec<C>,
    /// The first eight bytes of each child's key: most comparisons need no more.
    heads: Vec<u64>,
    /// Children on an entry, as a heap.
    heap: Vec<u32>,
    direction: Direction,
}

impl<C: Entries> Merge<C> {
    pub(super) fn new(children: Vec<C>) -> Self {
        Merge {
            heap: Vec::with_capacity(children.len()),
            heads: vec![0; children.len()],
            children,
            direction: Direction::Forward,
        }
    }

    /// Which child the entry is of.
    pub(super) fn top(&self) -> usize {
        self.heap.first().map_or(0, |&child| child as usize)
    }

    /// Whether child `a` comes before child `b` in the direction of travel.
    #[inline]
    fn before(&self, a: u32, b: u32) -> bool {
        let order = self.heads[a as usize].cmp(&self.heads[b as usize]).then_with(|| {
            let (a, b) = (&self.children[a as usize], &self.children[b as usize]);
            a.key().cmp(b.key()).then_with(|| (b.tag() >> 2).cmp(&(a.tag() >> 2)))
        });
        match self.direction {
            Direction::Forward => order == Ordering::Less,
            Direction::Backward => order == Ordering::Greater,
        }
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let Some(&left_child) = self.heap.get(left) else { return };
            let least = match self.heap.get(right) {
                Some(&right_child) if self.before(right_child, left_child) => right,
                _ => left,
            };
            if !self.before(self.heap[least], self.heap[at]) {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }

    fn build(&mut self, direction: Direction) {
        self.direction = direction;
        self.heap.clear();
        for (at, child) in self.children.iter().enumerate().filter(|(_, child)| child.valid()) {
            self.heap.push(at as u32);
            self.heads[at] = head(child.key(), 0);
        }
        (0..self.heap.len() / 2).rev().for_each(|at| self.sink(at));
    }

    fn all(&mut self, direction: Direction, mut go: impl FnMut(&mut C) -> Result<()>) -> Result<()> {
        self.heap.clear();
        self.children.iter_mut().try_for_each(&mut go)?;
        self.build(direction);
        Ok(())
    }

    /// After the top child has moved.
    #[inline]
    fn settle_top(&mut self, top: u32) {
        if self.children[top as usize].valid() {
            if self.heap.len() > 1 {
                self.heads[top as usize] = head(self.children[top as usize].key(), 0);
                self.sink(0);
            }
        } else {
            self.heap.swap_remove(0);
            if self.heap.len() > 1 {
                self.sink(0);
            }
        }
    }

    fn step(&mut self, go: impl FnOnce(&mut C) -> Result<()>) -> Result<()> {
        let Some(&top) = self.heap.first() else { return Ok(()) };
        if let Err(error) = go(&mut self.children[top as usize]) {
            self.heap.clear();
            return Err(error);
        }
        self.settle_top(top);
        Ok(())
    }

    /// Forwards: moves those children for which `which` says so to the first entry at or behind `key`.
    pub(super) fn skip_to(&mut self, key: &[u8], which: impl Fn(usize) -> bool) -> Result<()> {
        self.heap.clear();
        for (at, child) in self.children.iter_mut().enumerate() {
            if which(at) && child.valid() && child.key() < key {
                child.seek(key, Seq::MAX >> 2)?;
            }
        }
        self.build(Direction::Forward);
        Ok(())
    }

    /// Backwards: moves those children for which `which` says so to the last entry in front of `key`.
    pub(super) fn skip_back_to(&mut self, key: &[u8], which: impl Fn(usize) -> bool) -> Result<()> {
        self.heap.clear();
        for (at, child) in self.children.iter_mut().enumerate() {
            if which(at) && child.valid() && child.key() >= key {
                child.seek_before(key, Seq::MAX >> 2)?;
            }
        }
        self.build(Direction::Backward);
        Ok(())
    }
}

impl<C: Entries> Entries for Merge<C> {
    fn first(&mut self) -> Result<()> {
        self.all(Direction::Forward, C::first)
    }

    fn last(&mut self) -> Result<()> {
        self.all(Direction::Backward, C::last)
    }

    fn seek(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        self.all(Direction::Forward, |child| child.seek(key, seq))
    }

    fn seek_before(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        self.all(Direction::Backward, |child| child.seek_before(key, seq))
    }

    /// Forwards only: who turns round seeks first.
    #[inline]
    fn next(&mut self) -> Result<()> {
        debug_assert_eq!(self.direction, Direction::Forward);
        self.step(C::next)
    }

    /// Backwards only.
    fn prev(&mut self) -> Result<()> {
        debug_assert_eq!(self.direction, Direction::Backward);
        self.step(C::prev)
    }

    #[inline]
    fn valid(&self) -> bool {
        !self.heap.is_empty()
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.heap.first().map_or(b"", |&top| self.children[top as usize].key())
    }

    #[inline]
    fn tag(&self) -> u64 {
        self.heap.first().map_or(0, |&top| self.children[top as usize].tag())
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.heap.first().map_or(b"", |&top| self.children[top as usize].value())
    }
}
