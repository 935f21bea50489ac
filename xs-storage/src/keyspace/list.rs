//! A list of strings: a deque of packed nodes, with pushes and pops at both ends that move nothing.
//!
//! # The problem
//!
//! Queues push at one end and pop at the other, a million elements long; time lines push at the front and read the first
//! hundred; some programs index, trim and edit in the middle. A linked list of strings spends fifty bytes on each
//! sixteen-byte element and a cache miss on each step. One packed run of bytes is tight and fast to walk, but an
//! insertion at its front moves all of it.
//!
//! # How it works
//!
//! A ring of nodes; a node is a run of [listpack](super::listpack) entries of up to 8 KiB that **floats** in its buffer,
//! with free room on either side:
//!
//! ```text
//!   List ──▶ ring  [ node │ node │ node │ … │ node ]        32 bytes each, contiguous
//!                     │
//!                     ▼
//!            buffer  ┌────────┬────────────────────────────┬──────────┐
//!                    │  room  │ entry entry entry … entry  │   room   │
//!                    └────────┴────────────────────────────┴──────────┘
//!                    push_front ◀── start            end ──▶ push_back
//!                    pop_front: start += size        pop_back: end −= size (entries know their size from behind)
//! ```
//!
//! A push at an end writes the entry into the room there; a pop moves a boundary. When the room at one end runs out, the
//! node slides its entries if an eighth of the buffer is free (leaving a quarter of the room at the other end), else the
//! buffer grows by a quarter, with all of the new room at the end that asked. Either way a move pays for a number of
//! pushes that is proportional to what it moved, and a short list wastes little. A node at its limit
//! (`list-max-listpack-size`) gives its free room back and gets a neighbour, whose buffer is made as large at once as
//! the full one came to be. [`List::extend`] gives a new list's first node what all of the elements need.
//!
//! An element that exceeds the limit alone is a *plain* node: its bytes and nothing else.
//!
//! In the middle, an element is edited in its node. One that does not fit splits the node where it belongs, and a
//! removal merges a node with a neighbour when both together fill less than three quarters of one.
//!
//! # Invariants
//!
//! - No node is empty (`settle`, `pop`); the sum of the nodes' counts is the length.
//! - A node that is not plain holds whole, valid entries between `start` and `end` and nothing else; it stays within the
//!   limits that were given when it was last written.
//! - `heap` is the sum of what the nodes allocate: every change of a node goes through `edit`, `add_node` or
//!   `drop_node`, which settle the difference.
//!
//! # Cost
//!
//! Pushes and pops at the ends are O(1), about ten nanoseconds, and amortised O(1) in bytes moved. Walking costs two to
//! three nanoseconds an element. Reaching an index walks the node counts from the nearer end (32 bytes for every few
//! hundred elements), then the entries of one node from its nearer end. An insertion or removal in the middle moves at
//! most a node. A 16-byte string takes 18 bytes; each end holds at most a node's worth of free room.
//!
//! # Example
//!
//! ```
//! use xs_storage::keyspace::{Item, Limits, list::List};
//!
//! let limits = Limits::default();
//! let mut jobs = List::new();
//! jobs.push_back(b"second", &limits);
//! jobs.push_front(b"first", &limits);
//! jobs.push_back(b"3", &limits);
//! assert!(jobs.range(0..2).eq([Item::Bytes(b"first"), Item::Bytes(b"second")]));
//! assert_eq!(jobs.get(2), Some(Item::Int(3)));
//! assert_eq!(jobs.pop_front(|item| item.to_vec()), Some(b"first".to_vec()));
//! assert_eq!(jobs.positions(b"3", 1, 1, 0), [1]);
//! ```
//!
//! # How others do it
//!
//! Redis' quicklist is the same idea as a doubly linked list of listpacks; a push at its front moves a whole listpack,
//! on average 4 KiB, and finding a node follows pointers. It can compress the nodes in the middle (LZF). C++'s
//! `std::deque` is a ring of blocks too, of equal-sized elements, so it indexes in O(1). A rope is a tree of runs, for
//! edits in the middle of very long texts.
//!
//! # What this leaves out
//!
//! Compression of inner nodes (`list-compress-depth`), and a tree over the counts: with a hundred million elements the
//! ring has two hundred thousand nodes, and an index in the middle reads a few megabytes of counts.
//!
//! # Try next
//!
//! Push at the front only, with and without the room in front (`make_room` always giving the room to the back), and
//! compare. Then keep prefix sums over the ring and see what `push_front` costs.
//!
//! # Sources
//!
//! The Redis documentation of `list-max-listpack-size`; M. Stump's article on the quicklist (2014); H.-J. Boehm et al.,
//! "Ropes: an Alternative to Strings" (1995).

mod node;

use std::collections::VecDeque;
use std::ops::Range;

use super::alloc_size;
use super::item::{Item, canonical_i64};
use super::limits::Limits;
use super::listpack::entry::{Encoded, Entries};
use node::{Elements, End, FIRST_BUFFER, Node, NodeLimit};

/// A list. See the [module page](self).
#[derive(Clone, Default)]
pub struct List(Box<Ring>);

#[derive(Clone, Default)]
struct Ring {
    nodes: VecDeque<Node>,
    len: usize,
    /// What the nodes' buffers allocate.
    heap: usize,
}

/// On which side of an element another one goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nearer to the front.
    Before,
    /// Nearer to the back.
    After,
}

fn node_limit(limits: &Limits) -> NodeLimit {
    let (bytes, entries) = limits.list_node();
    NodeLimit { bytes, entries }
}

impl Ring {
    #[inline]
    fn end(&self, end: End) -> Option<usize> {
        match end {
            End::Front => (!self.nodes.is_empty()).then_some(0),
            End::Back => self.nodes.len().checked_sub(1),
        }
    }

    /// Changes a node and settles what it allocates.
    #[inline]
    fn edit<R>(&mut self, at: usize, change: impl FnOnce(&mut Node) -> R) -> R {
        let node = &mut self.nodes[at];
        let before = node.capacity();
        let result = change(node);
        let after = node.capacity();
        if after != before {
            self.heap = self.heap - alloc_size(before) + alloc_size(after);
        }
        result
    }

    fn add_node(&mut self, at: usize, node: Node) {
        self.heap += node.allocated_bytes();
        let len = self.nodes.len();
        if len == self.nodes.capacity() {
            // Most lists are one node, and a ring's usual first step is four; doubling a long one would leave half of it
            // empty. A node stands for kilobytes of elements, so a larger share of moves is nothing.
            self.nodes.reserve_exact(1 + len / 8);
        }
        self.nodes.insert(at, node);
    }

    fn drop_node(&mut self, at: usize) {
        if let Some(node) = self.nodes.remove(at) {
            self.heap -= node.allocated_bytes();
        }
        if self.nodes.len() * 4 < self.nodes.capacity() && self.nodes.capacity() > 8 {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// Pushes at an end. A node without a neighbour to copy its size from gets `room` bytes.
    #[inline]
    fn push(&mut self, end: End, element: &[u8], limit: NodeLimit, room: usize) {
        self.len += 1;
        let at = self.end(end);
        if limit.is_large(element) {
            self.add_node(if end == End::Front { 0 } else { self.nodes.len() }, Node::plain(element));
            return;
        }
        let entry = Encoded::of(element);
        if let Some(at) = at
            && self.nodes[at].accepts(&entry, limit)
        {
            self.edit(at, |node| node.push(end, &entry, limit));
            return;
        }
        let mut node = Node::like(at.map(|at| &self.nodes[at]), room, end, limit);
        if let Some(full) = at {
            self.edit(full, Node::trim);
        }
        node.push(end, &entry, limit);
        self.add_node(if end == End::Front { 0 } else { self.nodes.len() }, node);
    }

    #[inline]
    fn pop<R>(&mut self, end: End, take: impl FnOnce(Item<'_>) -> R) -> Option<R> {
        let at = self.end(end)?;
        let node = &mut self.nodes[at];
        let (item, size) = node.peek(end);
        let result = take(item);
        node.forget(end, size);
        self.len -= 1;
        if self.nodes[at].len() == 0 {
            self.drop_node(at);
        }
        Some(result)
    }

    /// The node of element `index` and its number in there. `index < len`.
    #[inline]
    fn locate(&self, index: usize) -> (usize, usize) {
        if index < self.len / 2 {
            let mut left = index;
            for (at, node) in self.nodes.iter().enumerate() {
                if left < node.len() {
                    return (at, left);
                }
                left -= node.len();
            }
        } else {
            let mut end = self.len;
            for (at, node) in self.nodes.iter().enumerate().rev() {
                end -= node.len();
                if index >= end {
                    return (at, index - end);
                }
            }
        }
        (self.nodes.len(), 0)
    }

    /// Inserts in front of element number `index` of node `at`; `index` may be the node's length.
    fn insert(&mut self, at: usize, index: usize, element: &[u8], limit: NodeLimit) {
        self.len += 1;
        if limit.is_large(element) {
            let at = self.part(at, index);
            self.add_node(at, Node::plain(element));
            return;
        }
        let entry = Encoded::of(element);
        if self.nodes[at].accepts(&entry, limit) {
            let offset = self.nodes[at].offset(index);
            self.edit(at, |node| node.put(offset, false, &entry, limit));
            return;
        }
        let at = self.part(at, index);
        if at > 0 && self.nodes[at - 1].accepts(&entry, limit) {
            self.edit(at - 1, |node| node.push(End::Back, &entry, limit));
        } else if at < self.nodes.len() && self.nodes[at].accepts(&entry, limit) {
            self.edit(at, |node| node.push(End::Front, &entry, limit));
        } else {
            let mut node = Node::like(None, FIRST_BUFFER, End::Back, limit);
            node.push(End::Back, &entry, limit);
            self.add_node(at, node);
        }
    }

    /// Makes a boundary between nodes in front of element `index` of node `at`; answers the node behind it.
    fn part(&mut self, at: usize, index: usize) -> usize {
        if index == 0 {
            return at;
        }
        if index < self.nodes[at].len() {
            let offset = self.nodes[at].offset(index);
            let tail = self.edit(at, |node| node.split_off(index, offset));
            self.add_node(at + 1, tail);
        }
        at + 1
    }

    /// After a removal from node `at`: drops it when empty, else merges it with a neighbour if they leave room.
    fn settle(&mut self, at: usize, limit: NodeLimit) {
        if self.nodes[at].len() == 0 {
            self.drop_node(at);
            // What stood on either side of it may now go together.
            if at == 0 || at >= self.nodes.len() {
                return;
            }
            self.merge(at - 1, limit);
        } else if !(at + 1 < self.nodes.len() && self.merge(at, limit)) {
            if at > 0 && self.merge(at - 1, limit) {
                return;
            }
            self.edit(at, Node::shrink);
        }
    }

    fn merge(&mut self, left: usize, limit: NodeLimit) -> bool {
        if !self.nodes[left].absorbs(&self.nodes[left + 1], limit) {
            return false;
        }
        let Some(right) = self.nodes.remove(left + 1) else { return false };
        self.heap -= right.allocated_bytes();
        self.edit(left, |node| node.absorb(&right, limit));
        true
    }

    /// Removes up to `most` elements equal to `sought` from node `at`, beginning at `from`.
    fn remove_in_node(&mut self, at: usize, from: End, most: usize, sought: Sought<'_>) -> usize {
        if self.nodes[at].is_plain() {
            let equal = sought.is(self.nodes[at].peek(from).0);
            if equal {
                self.nodes[at].remove(0);
            }
            return usize::from(equal);
        }
        let mut removed = 0;
        // The bytes that are still to look at, by their distance from the other end, which removals do not change.
        let mut left = self.nodes[at].used();
        while left > 0 && removed < most {
            let node = &self.nodes[at];
            let bytes = node.bytes();
            let offset = match from {
                End::Front => bytes.len() - left,
                End::Back => left - super::listpack::entry::size_back(&bytes[..left]),
            };
            let (item, size) = super::listpack::entry::decode(&bytes[offset..]);
            let equal = sought.is(item);
            left -= size;
            if equal {
                self.nodes[at].remove(offset);
                removed += 1;
            }
        }
        removed
    }
}

/// A string to look for, with the number that it may be.
#[derive(Clone, Copy)]
struct Sought<'a> {
    bytes: &'a [u8],
    number: Option<i64>,
}

impl<'a> Sought<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Sought { bytes, number: canonical_i64(bytes) }
    }

    #[inline]
    fn is(&self, item: Item<'_>) -> bool {
        match item {
            Item::Int(number) => self.number == Some(number),
            Item::Bytes(bytes) => bytes == self.bytes,
        }
    }
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl List {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Number of nodes: how finely the list is cut.
    pub fn nodes(&self) -> usize {
        self.0.nodes.len()
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        "quicklist"
    }

    /// Heap bytes held, as an allocator rounds them.
    pub fn allocated_bytes(&self) -> usize {
        alloc_size(size_of::<Ring>()) + alloc_size(self.0.nodes.capacity() * size_of::<Node>()) + self.0.heap
    }

    /// Puts an element in front of all others.
    #[inline]
    pub fn push_front(&mut self, element: &[u8], limits: &Limits) {
        self.0.push(End::Front, element, node_limit(limits), FIRST_BUFFER);
    }

    /// Puts an element behind all others.
    #[inline]
    pub fn push_back(&mut self, element: &[u8], limits: &Limits) {
        self.0.push(End::Back, element, node_limit(limits), FIRST_BUFFER);
    }

    /// Pushes elements one after the other: in front of all others (`Before`), so that the last of them comes first, or
    /// behind them.
    #[inline]
    pub fn extend<'a>(
        &mut self,
        side: Side,
        elements: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
        limits: &Limits,
    ) {
        let end = if side == Side::Before { End::Front } else { End::Back };
        let limit = node_limit(limits);
        let room = match elements.len() {
            2.. if self.is_empty() => limit.room_for(elements.clone()),
            _ => FIRST_BUFFER,
        };
        elements.for_each(|element| self.0.push(end, element, limit, room));
    }

    /// Removes the first element, which `take` sees before it goes.
    #[inline]
    pub fn pop_front<R>(&mut self, take: impl FnOnce(Item<'_>) -> R) -> Option<R> {
        self.0.pop(End::Front, take)
    }

    /// Removes the last element, which `take` sees before it goes.
    #[inline]
    pub fn pop_back<R>(&mut self, take: impl FnOnce(Item<'_>) -> R) -> Option<R> {
        self.0.pop(End::Back, take)
    }

    /// The element at `index`, from 0.
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        if index >= self.len() {
            return None;
        }
        let (at, index) = self.0.locate(index);
        let node = &self.0.nodes[at];
        Some(node.at(node.offset(index)))
    }

    /// The first element.
    pub fn first(&self) -> Option<Item<'_>> {
        self.0.nodes.front().map(|node| node.peek(End::Front).0)
    }

    /// The last element.
    pub fn last(&self) -> Option<Item<'_>> {
        self.0.nodes.back().map(|node| node.peek(End::Back).0)
    }

    /// Puts another element at `index`. Answers whether there is such an index.
    pub fn set(&mut self, index: usize, element: &[u8], limits: &Limits) -> bool {
        if index >= self.len() {
            return false;
        }
        let (limit, ring) = (node_limit(limits), &mut *self.0);
        let (at, index) = ring.locate(index);
        let offset = ring.nodes[at].offset(index);
        if !limit.is_large(element) && !ring.nodes[at].is_plain() {
            let entry = Encoded::of(element);
            if ring.nodes[at].accepts_instead(offset, &entry, limit) {
                ring.edit(at, |node| node.put(offset, true, &entry, limit));
                return true;
            }
        }
        if ring.nodes[at].len() == 1 {
            let mut node = Node::new(0);
            if limit.is_large(element) {
                node = Node::plain(element);
            } else {
                node.push(End::Back, &Encoded::of(element), limit);
            }
            ring.edit(at, |old| *old = node);
            return true;
        }
        ring.edit(at, |node| node.remove(offset));
        ring.len -= 1;
        ring.insert(at, index, element, limit);
        true
    }

    /// Inserts `element` on a side of the first element that equals `pivot`. Answers whether there is one.
    pub fn insert(&mut self, side: Side, pivot: &[u8], element: &[u8], limits: &Limits) -> bool {
        let sought = Sought::new(pivot);
        let ring = &mut *self.0;
        for at in 0..ring.nodes.len() {
            if let Some(index) = ring.nodes[at].elements().position(|item| sought.is(item)) {
                let index = index + usize::from(side == Side::After);
                ring.insert(at, index, element, node_limit(limits));
                return true;
            }
        }
        false
    }

    /// Removes elements that equal `value`: the first `count`, the last `-count` if negative, all if 0. Answers how many.
    pub fn remove(&mut self, count: i64, value: &[u8], limits: &Limits) -> usize {
        let most = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
        let from = if count < 0 { End::Back } else { End::Front };
        let (limit, sought, ring) = (node_limit(limits), Sought::new(value), &mut *self.0);
        let (mut removed, mut visited, nodes) = (0, 0, ring.nodes.len());
        let mut touched = Vec::new();
        while visited < nodes && removed < most {
            let at = if from == End::Front { visited } else { nodes - 1 - visited };
            let n = ring.remove_in_node(at, from, most - removed, sought);
            if n > 0 {
                ring.len -= n;
                removed += n;
                touched.push(at);
            }
            visited += 1;
        }
        // From the back, so that the numbers of those still to settle stay true. A merge takes in the node behind, or
        // goes into the one in front, which is settled next if it was touched too.
        touched.sort_unstable();
        for at in touched.into_iter().rev() {
            ring.settle(at, limit);
        }
        removed
    }

    /// Keeps the elements at `kept` and drops the others.
    pub fn trim(&mut self, kept: Range<usize>) {
        let end = kept.end.min(self.len());
        if kept.start >= end {
            *self = List::new();
            return;
        }
        let back = self.len() - end;
        self.drop_at(End::Back, back);
        self.drop_at(End::Front, kept.start);
    }

    fn drop_at(&mut self, end: End, mut n: usize) {
        let ring = &mut *self.0;
        ring.len -= n;
        while n > 0 {
            let Some(at) = ring.end(end) else { break };
            let len = ring.nodes[at].len();
            if len <= n {
                ring.drop_node(at);
                n -= len;
            } else {
                ring.edit(at, |node| {
                    node.drop_at(end, n);
                    node.shrink();
                });
                n = 0;
            }
        }
    }

    /// All elements, from both ends.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0..self.len())
    }

    /// The elements at `range`, from both ends; indexes beyond the end are ignored.
    pub fn range(&self, range: Range<usize>) -> Iter<'_> {
        let end = range.end.min(self.len());
        let left = end.saturating_sub(range.start);
        Iter { ring: &self.0, end, left, front: None, back: None }
    }

    /// The indexes of elements that equal `value`, as `LPOS` finds them: from the front, beginning with match number
    /// `rank` (from 1), or from the back if it is negative; at most `count` of them and after at most `max_len`
    /// comparisons, each without limit if 0.
    pub fn positions(&self, value: &[u8], rank: i64, count: usize, max_len: usize) -> Vec<usize> {
        let sought = Sought::new(value);
        let count = if count == 0 { usize::MAX } else { count };
        let most = if max_len == 0 { usize::MAX } else { max_len };
        let skip = rank.unsigned_abs().saturating_sub(1) as usize;
        let matches = |(_, item): &(usize, Item<'_>)| sought.is(*item);
        let numbered = self.iter().enumerate();
        if rank < 0 {
            numbered.rev().take(most).filter(matches).skip(skip).take(count).map(|(at, _)| at).collect()
        } else {
            numbered.take(most).filter(matches).skip(skip).take(count).map(|(at, _)| at).collect()
        }
    }
}

impl<'a> IntoIterator for &'a List {
    type Item = Item<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The elements of a part of a list in order. Made by [`List::range`] and [`List::iter`].
#[derive(Clone)]
pub struct Iter<'a> {
    ring: &'a Ring,
    /// The index behind the last element to come.
    end: usize,
    left: usize,
    /// The node that either end stands in and what is left there. Found on first use: most walks go one way only.
    front: Option<(usize, Elements<'a>)>,
    back: Option<(usize, Elements<'a>)>,
}

impl std::fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iter").field("left", &self.left).finish_non_exhaustive()
    }
}

impl<'a> Iter<'a> {
    #[cold]
    fn next_node(&mut self) -> Option<Item<'a>> {
        let (at, skip) = match self.front {
            Some((at, _)) => (at + 1, 0),
            None => self.ring.locate(self.end - self.left - 1),
        };
        let mut elements = self.ring.nodes.get(at)?.elements();
        elements.advance(End::Front, skip);
        let item = elements.next();
        self.front = Some((at, elements));
        item
    }

    #[cold]
    fn next_node_back(&mut self) -> Option<Item<'a>> {
        let (at, skip) = match self.back {
            Some((at, _)) => (at.checked_sub(1)?, 0),
            None => {
                let (at, index) = self.ring.locate(self.end);
                (at, self.ring.nodes.get(at)?.len() - 1 - index)
            }
        };
        let mut elements = self.ring.nodes.get(at)?.elements();
        elements.advance(End::Back, skip);
        let item = elements.next_back();
        self.back = Some((at, elements));
        item
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        self.left = self.left.checked_sub(1)?;
        if let Some((_, elements)) = &mut self.front
            && let Some(item) = elements.next()
        {
            return Some(item);
        }
        self.next_node()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }

    /// The way to walk many elements: the node's entries run in a loop of their own.
    #[inline]
    fn fold<B, F: FnMut(B, Item<'a>) -> B>(mut self, init: B, mut f: F) -> B {
        let mut all = init;
        while let Some(item) = self.next() {
            all = f(all, item);
            if let Some((_, Elements::Packed(entries))) = &mut self.front {
                let mut run = Entries(entries.0);
                while self.left > 0
                    && let Some(item) = run.next()
                {
                    self.left -= 1;
                    all = f(all, item);
                }
                entries.0 = run.0;
            }
        }
        all
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.end -= 1;
        if let Some((_, elements)) = &mut self.back
            && let Some(item) = elements.next_back()
        {
            return Some(item);
        }
        self.next_node_back()
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(all(test, not(xs_loom)))]
mod tests;
