//! A sorted multiset that knows positions: insert, remove, "which rank?" and "who is at rank k?", all logarithmic.
//!
//! # The problem
//!
//! A leaderboard asks four questions of one sorted collection: who is next to this score, what is this member's rank,
//! who stands at rank 1000, and who is first. A hash map answers none of them, a sorted vector answers all of them but
//! pays a memory move of half the collection for each insertion, and a balanced binary tree pays one cache miss a
//! level, seventeen of them for a hundred thousand entries.
//!
//! # How it works
//!
//! A B+tree whose inner nodes also count. Entries live in leaves of up to 63, sorted; an inner node has up to 63
//! children and keeps for each of them the number of entries below it and a copy of its first entry:
//!
//! ```text
//!              ┌ children   [ a   b   c ]
//!   inner ─────┤ counts     [ 40  51  38 ]        rank of an entry  = counts left of the path, summed, + place in leaf
//!              └ firsts     [ ·   17  60 ]        entry at a rank    = walk down, subtracting counts
//!                            │    │    │
//!                 ┌──────────┘    │    └──────────┐
//!                 ▼               ▼               ▼
//!   leaf a [3 5 .. 16] ◀──▶ b [17 .. 59] ◀──▶ c [60 .. 99]       linked both ways: a range walks sideways
//! ```
//!
//! A hundred thousand entries are three levels. Nodes stand in an arena and name each other by index, so the links that
//! a textbook draws as pointers are plain numbers and the code is safe.
//!
//! The tree has no notion of order of its own. Its entries are small `Copy` values (a score and the number of a member,
//! a deadline and a hash), and comparing two of them may need a look at something outside, such as the member's bytes.
//! So each operation takes a closure that says how *an entry of the tree* stands to *what is sought*, as
//! [`slice::binary_search_by`] does, and the closure brings the context.
//!
//! Insertion splits full nodes on the way down, so that the parent always has room for one more child. A split at the
//! right edge leaves the left node full: entries that arrive in ascending order (timestamps, deadlines) pack the tree
//! to 98%. Removal walks down once, remembers its path, and lets nodes under a quarter full merge with a neighbour or
//! share with it.
//!
//! # Invariants
//!
//! - Entries are in the order of the closures that inserted them; equal ones stay in order of arrival (`child_for` and
//!   `insert` put a new entry after its equals).
//! - `counts[i]` is the number of entries below child `i` (`insert`, `erase` and the two rebalancing functions).
//! - `firsts[i]` for `i > 0` is a copy of the *present* first entry below child `i` (`fix_first`): never of a removed
//!   one, because a closure may follow the entry to memory that the removal freed. `firsts[0]` is never read.
//! - All leaves are at the same depth. Every one holds something, or the tree is empty and owns no node.
//!
//! The property test rebuilds these from the leaves after every operation.
//!
//! # Cost
//!
//! O(log n) for everything, with a base of about 45: insertion or removal in a tree of a hundred thousand entries
//! touches three nodes and moves half a leaf, some 400 bytes. The lines of a leaf are asked for all at once, so that a
//! cold one costs one wait for memory and not the four of a binary search. `first` and `last` are O(log n) too, a walk along one
//! edge. `remove_range` of k entries costs a walk for each leaf that it touches. Memory is 1.05 to 1.5 times
//! the entries: random arrival fills leaves to 69%.
//!
//! # Example
//!
//! ```
//! use xs_storage::keyspace::rank_tree::RankTree;
//!
//! let mut board = RankTree::new();
//! for score in [50_u32, 10, 40, 20, 30] {
//!     board.insert(score, |entry| entry.cmp(&score));
//! }
//! assert_eq!(board.rank(|entry| entry.cmp(&30)), Some(2));
//! assert_eq!(board.select(3), Some(&40));
//! // Every range is a range of ranks: "more than 15, at most 40" is everything between two partition points.
//! let ranks = board.partition_point(|entry| *entry <= 15)..board.partition_point(|entry| *entry <= 40);
//! assert_eq!(board.range(ranks).rev().copied().collect::<Vec<_>>(), [40, 30, 20]);
//! ```
//!
//! # How others do it
//!
//! Redis keeps sorted sets in a skip list whose links carry spans: the same sums, one allocation an entry and a cache
//! miss for each step. Valkey 9 has the same list with member and score in the node. `BTreeMap` has no counts, so a rank
//! is a walk. Databases rarely count (an order-statistic index makes every insertion write the path to the root);
//! in memory that path is in cache anyway.
//!
//! # What this leaves out
//!
//! Sharing a node's surplus with a neighbour before splitting (B*-trees), which would raise random fill from 69% to
//! about 80%; bulk loading; more than 2³² entries.
//!
//! # Try next
//!
//! Change `LEAF` to 15 and to 255 and measure insertion against memory; replace the sum over `counts` by prefix sums
//! and see which of `rank` and `insert` notices.
//!
//! # Sources
//!
//! R. Bayer and E. McCreight, "Organization and Maintenance of Large Ordered Indices" (1972); D. Comer, "The Ubiquitous
//! B-Tree" (1979); T. Cormen et al., *Introduction to Algorithms*, chapter "Augmenting Data Structures", for order
//! statistics.

mod iter;
mod node;

use std::cmp::Ordering;
use std::ops::Range;

pub use iter::Iter;
use node::{Arena, INNER, Inner, LEAF, Leaf, NONE};

/// A node with fewer entries than this looks for a neighbour to merge or share with.
const SPARSE: usize = 15;
/// Levels that a tree of 2³² entries cannot reach, with room to spare: every level but the root divides by `SPARSE`.
const MAX_HEIGHT: usize = 12;
/// How many entries are looked at one by one where a comparison is dear.
const NEAR: usize = 8;

/// The inner nodes from the root down to a leaf, each with the number of the child that was taken.
struct Path {
    steps: [(u32, u32); MAX_HEIGHT],
    len: usize,
}

impl Path {
    fn new() -> Self {
        Path { steps: [(NONE, 0); MAX_HEIGHT], len: 0 }
    }

    #[inline]
    fn push(&mut self, node: u32, at: usize) {
        self.steps[self.len] = (node, at as u32);
        self.len += 1;
    }
}

/// An order-statistic B+tree of small copyable entries. See the [module page](self).
#[derive(Clone)]
pub struct RankTree<T> {
    leaves: Arena<Leaf<T>>,
    inners: Arena<Inner<T>>,
    root: u32,
    /// Levels of inner nodes: 0 when the root is a leaf.
    height: u32,
    len: usize,
}

impl<T: Copy> Default for RankTree<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy + std::fmt::Debug> std::fmt::Debug for RankTree<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Copy> RankTree<T> {
    /// An empty tree, which owns no memory.
    pub const fn new() -> Self {
        RankTree { leaves: Arena::new(), inners: Arena::new(), root: NONE, height: 0, len: 0 }
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Removes everything and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Heap bytes held, as an allocator rounds them.
    pub fn allocated_bytes(&self) -> usize {
        self.leaves.allocated_bytes() + self.inners.allocated_bytes()
    }

    /// Adds `value`. `cmp` says how an entry of the tree stands to `value`; equal entries may exist and stay before it.
    pub fn insert(&mut self, value: T, mut cmp: impl FnMut(&T) -> Ordering) {
        self.insert_behind(value, |entry| cmp(entry) != Ordering::Greater);
    }

    /// Adds `value` behind the entries for which `before` holds.
    #[inline]
    pub(crate) fn insert_behind(&mut self, value: T, mut before: impl FnMut(&T) -> bool) {
        self.len += 1;
        if self.root == NONE {
            self.root = self.leaves.add(Leaf { prev: NONE, next: NONE, len: 1, items: [value; LEAF] });
            return;
        }
        if self.is_full(self.root, self.height) {
            self.grow_root(value);
        }
        let mut node = self.root;
        let mut right_edge = true;
        for level in (0..self.height).rev() {
            let inner = self.inners.get(node);
            let mut at = inner.child_for(&mut before);
            right_edge &= at + 1 == inner.len as usize;
            if self.is_full(inner.children[at], level) {
                self.split(node, at, level, right_edge, &mut before);
                if before(&self.inners.get(node).firsts[at + 1]) {
                    at += 1;
                }
            }
            let inner = self.inners.get_mut(node);
            inner.counts[at] += 1;
            node = inner.children[at];
        }
        let leaf = self.leaves.get_mut(node);
        leaf.fetch();
        let at = leaf.items().partition_point(before);
        leaf.items.copy_within(at..leaf.len as usize, at + 1);
        leaf.items[at] = value;
        leaf.len += 1;
    }

    /// Removes an entry that is equal to what is sought (the last one to arrive, when several are).
    pub fn remove(&mut self, mut cmp: impl FnMut(&T) -> Ordering) -> Option<T> {
        let (path, leaf, at) = self.descend(|entry| cmp(entry) != Ordering::Greater)?;
        let at = at.checked_sub(1)?;
        let found = self.leaves.get(leaf).items[at];
        if cmp(&found) != Ordering::Equal {
            return None;
        }
        self.erase(&path, leaf, at, 1);
        Some(found)
    }

    /// Removes an entry that `is` recognises by itself, without a comparison: `before` holds for what is surely in front
    /// of it, and it stands among the next few entries. `None` if it does not; then [`RankTree::remove`] finds it.
    ///
    /// A comparison may have to follow an entry to memory that is not in cache; recognising a number does not.
    pub(crate) fn remove_near(&mut self, before: impl FnMut(&T) -> bool, is: impl FnMut(&T) -> bool) -> Option<T> {
        let (path, leaf, at) = self.descend(before)?;
        let items = &self.leaves.get(leaf).items()[at..];
        let at = at + items.iter().take(NEAR).position(is)?;
        let found = self.leaves.get(leaf).items[at];
        self.erase(&path, leaf, at, 1);
        Some(found)
    }

    /// The rank of an entry, found in the same way.
    pub(crate) fn rank_near(&self, before: impl FnMut(&T) -> bool, is: impl FnMut(&T) -> bool) -> Option<usize> {
        let (rank, leaf, at) = self.count(before)?;
        let near = leaf.items()[at..].iter().take(NEAR).position(is)?;
        Some(rank + at + near)
    }

    /// The entry that is equal to what is sought.
    pub fn get(&self, mut cmp: impl FnMut(&T) -> Ordering) -> Option<&T> {
        let (_, leaf, at) = self.descend(|entry| cmp(entry) != Ordering::Greater)?;
        let found = &self.leaves.get(leaf).items[at.checked_sub(1)?];
        (cmp(found) == Ordering::Equal).then_some(found)
    }

    /// The rank, from 0, of the entry that is equal to what is sought (the last one to arrive, when several are).
    pub fn rank(&self, mut cmp: impl FnMut(&T) -> Ordering) -> Option<usize> {
        let (rank, leaf, at) = self.count(|entry| cmp(entry) != Ordering::Greater)?;
        let at = at.checked_sub(1)?;
        (cmp(&leaf.items[at]) == Ordering::Equal).then_some(rank + at)
    }

    /// The number of entries for which `before` holds; it must hold for a prefix of the order and for nothing after it.
    ///
    /// This is the one search: lower and upper bounds, counts and ranges are differences of partition points.
    pub fn partition_point(&self, before: impl FnMut(&T) -> bool) -> usize {
        self.count(before).map_or(0, |(rank, _, at)| rank + at)
    }

    /// The leaf with the last entry for which `before` holds, how many stand in front of that leaf, and how many of the
    /// leaf's own it holds for.
    fn count(&self, mut before: impl FnMut(&T) -> bool) -> Option<(usize, &Leaf<T>, usize)> {
        if self.root == NONE {
            return None;
        }
        let (mut node, mut rank) = (self.root, 0_usize);
        for _ in 0..self.height {
            let inner = self.inners.get(node);
            let at = inner.child_for(&mut before);
            rank += inner.counts[..at].iter().sum::<u32>() as usize;
            node = inner.children[at];
        }
        let leaf = self.leaves.get(node);
        leaf.fetch();
        Some((rank, leaf, leaf.items().partition_point(before)))
    }

    /// The entry at `rank`, counted from 0.
    pub fn select(&self, rank: usize) -> Option<&T> {
        let (_, leaf, at) = self.descend_to_rank(rank)?;
        Some(&self.leaves.get(leaf).items[at])
    }

    /// The least entry.
    pub fn first(&self) -> Option<&T> {
        let leaf = self.edge_leaf(|_| 0)?;
        self.leaves.get(leaf).items().first()
    }

    /// The greatest entry.
    pub fn last(&self) -> Option<&T> {
        let leaf = self.edge_leaf(|inner| inner.len as usize - 1)?;
        self.leaves.get(leaf).items().last()
    }

    /// The entry at `rank`, if the first leaf holds it (or, counted from behind, the last one): for looking ahead of a
    /// sequence of pops at no cost.
    #[inline]
    pub(crate) fn near_end(&self, rank: usize, greatest: bool) -> Option<&T> {
        if greatest {
            let items = self.leaves.get(self.edge_leaf(|inner| inner.len as usize - 1)?).items();
            items.get(items.len().checked_sub(rank + 1)?)
        } else {
            self.leaves.get(self.edge_leaf(|_| 0)?).items().get(rank)
        }
    }

    /// Removes the least entry.
    pub fn pop_first(&mut self) -> Option<T> {
        self.pop_at(0)
    }

    /// Removes the greatest entry.
    pub fn pop_last(&mut self) -> Option<T> {
        self.pop_at(self.len.checked_sub(1)?)
    }

    /// Removes the entry at `rank`.
    pub fn pop_at(&mut self, rank: usize) -> Option<T> {
        let (path, leaf, at) = self.descend_to_rank(rank)?;
        let found = self.leaves.get(leaf).items[at];
        self.erase(&path, leaf, at, 1);
        Some(found)
    }

    /// All entries in order.
    pub fn iter(&self) -> Iter<'_, T> {
        self.range(0..self.len)
    }

    /// The entries at `ranks` in order; ranks beyond the end are ignored. Both ends can be walked.
    pub fn range(&self, ranks: Range<usize>) -> Iter<'_, T> {
        let end = ranks.end.min(self.len);
        let left = end.saturating_sub(ranks.start);
        Iter::new(self, end, left)
    }

    /// Removes the entries at `ranks`, handing each to `visit` in order. Returns how many there were.
    pub fn remove_range(&mut self, ranks: Range<usize>, mut visit: impl FnMut(T)) -> usize {
        let end = ranks.end.min(self.len);
        let wanted = end.saturating_sub(ranks.start);
        let mut left = wanted;
        while left > 0 {
            let Some((path, leaf, at)) = self.descend_to_rank(ranks.start) else { break };
            let items = &self.leaves.get(leaf).items()[at..];
            let n = items.len().min(left);
            items[..n].iter().copied().for_each(&mut visit);
            self.erase(&path, leaf, at, n);
            left -= n;
        }
        wanted
    }

    fn edge_leaf(&self, choose: impl Fn(&Inner<T>) -> usize) -> Option<u32> {
        if self.root == NONE {
            return None;
        }
        let mut node = self.root;
        for _ in 0..self.height {
            let inner = self.inners.get(node);
            node = inner.children[choose(inner)];
        }
        Some(node)
    }

    /// The leaf with the last entry for which `before` holds, and how many of that leaf's entries it holds for.
    fn descend(&self, mut before: impl FnMut(&T) -> bool) -> Option<(Path, u32, usize)> {
        if self.root == NONE {
            return None;
        }
        let (mut node, mut path) = (self.root, Path::new());
        for _ in 0..self.height {
            let inner = self.inners.get(node);
            let at = inner.child_for(&mut before);
            path.push(node, at);
            node = inner.children[at];
        }
        let leaf = self.leaves.get(node);
        leaf.fetch();
        Some((path, node, leaf.items().partition_point(before)))
    }

    /// The leaf with the entry at `rank`, and its place there.
    fn descend_to_rank(&self, mut rank: usize) -> Option<(Path, u32, usize)> {
        if rank >= self.len {
            return None;
        }
        let (mut node, mut path) = (self.root, Path::new());
        for _ in 0..self.height {
            let inner = self.inners.get(node);
            let mut at = 0;
            for &count in inner.counts() {
                if rank < count as usize {
                    break;
                }
                rank -= count as usize;
                at += 1;
            }
            path.push(node, at);
            node = inner.children[at];
        }
        Some((path, node, rank))
    }

    #[inline]
    fn is_full(&self, node: u32, level: u32) -> bool {
        if level == 0 {
            self.leaves.get(node).len as usize == LEAF
        } else {
            self.inners.get(node).len as usize == INNER
        }
    }

    /// Puts a new root with one child above the old one.
    fn grow_root(&mut self, filler: T) {
        let mut root = Inner::new(filler);
        root.insert_child(0, filler, self.root, (self.len - 1) as u32);
        self.root = self.inners.add(root);
        self.height += 1;
    }

    /// Splits the full child `at` of `parent` in two: evenly, or, when the new entry goes to the tree's right edge, so
    /// that the left one stays full.
    fn split(&mut self, parent: u32, at: usize, level: u32, right_edge: bool, before: &mut impl FnMut(&T) -> bool) {
        let child = self.inners.get(parent).children[at];
        let (right, first, count) = if level == 0 {
            let leaf = self.leaves.get_mut(child);
            let keep = if right_edge && before(&leaf.items[LEAF - 1]) { LEAF - 1 } else { LEAF / 2 };
            let mut items = [leaf.items[keep]; LEAF];
            items[..LEAF - keep].copy_from_slice(&leaf.items[keep..]);
            leaf.len = keep as u32;
            let (first, next) = (items[0], leaf.next);
            let right = self.leaves.add(Leaf { prev: child, next, len: (LEAF - keep) as u32, items });
            self.leaves.get_mut(child).next = right;
            if next != NONE {
                self.leaves.get_mut(next).prev = right;
            }
            (right, first, (LEAF - keep) as u32)
        } else {
            let inner = self.inners.get_mut(child);
            let keep = if right_edge && before(&inner.firsts[INNER - 1]) { INNER - 1 } else { INNER / 2 };
            let first = inner.firsts[keep];
            let mut right = Inner::new(first);
            inner.move_tail(keep, &mut right);
            let count = right.total();
            (self.inners.add(right), first, count)
        };
        let parent = self.inners.get_mut(parent);
        parent.counts[at] -= count;
        parent.insert_child(at + 1, first, right, count);
    }

    /// Removes `n` entries of `leaf` from `at` on and repairs what that disturbs along `path`.
    fn erase(&mut self, path: &Path, leaf: u32, at: usize, n: usize) {
        let node = self.leaves.get_mut(leaf);
        node.items.copy_within(at + n..node.len as usize, at);
        node.len -= n as u32;
        let (len, first) = (node.len as usize, node.items[0]);
        self.len -= n;
        if self.len == 0 {
            self.clear();
            return;
        }
        for &(inner, at) in &path.steps[..path.len] {
            self.inners.get_mut(inner).counts[at as usize] -= n as u32;
        }
        if at == 0 && len > 0 {
            self.fix_first(path, path.len, first);
        }
        if len < SPARSE {
            self.rebalance(path);
        }
    }

    /// Notes that the subtree that `path` reaches after `depth` steps now begins with `first`.
    fn fix_first(&mut self, path: &Path, depth: usize, first: T) {
        for &(inner, at) in path.steps[..depth].iter().rev() {
            if at > 0 {
                self.inners.get_mut(inner).firsts[at as usize] = first;
                return;
            }
        }
    }

    /// Walks up `path` while the node below is sparse, merging it with a neighbour or sharing with it.
    fn rebalance(&mut self, path: &Path) {
        for depth in (0..path.len).rev() {
            let (parent, at) = path.steps[depth];
            let level = self.height as usize - depth - 1;
            let siblings = self.inners.get(parent).len as usize;
            let child = self.inners.get(parent).children[at as usize];
            let child_len = if level == 0 { self.leaves.get(child).len } else { self.inners.get(child).len };
            if child_len as usize >= SPARSE {
                break;
            }
            if siblings == 1 {
                if child_len == 0 {
                    self.release_only_child(parent, child, level);
                }
                continue;
            }
            let left = if at as usize + 1 < siblings { at as usize } else { at as usize - 1 };
            let first =
                if level == 0 { self.even_out_leaves(parent, left) } else { self.even_out_inners(parent, left) };
            if let Some(first) = first {
                // The left one was empty and now begins with what its neighbour began with.
                if left > 0 {
                    self.inners.get_mut(parent).firsts[left] = first;
                } else {
                    self.fix_first(path, depth, first);
                }
            }
        }
        while self.height > 0 && self.inners.get(self.root).len == 1 {
            let child = self.inners.get(self.root).children[0];
            self.inners.release(self.root);
            self.root = child;
            self.height -= 1;
        }
    }

    fn release_only_child(&mut self, parent: u32, child: u32, level: usize) {
        if level == 0 {
            let (prev, next) = (self.leaves.get(child).prev, self.leaves.get(child).next);
            self.link(prev, next);
            self.leaves.release(child);
        } else {
            self.inners.release(child);
        }
        self.inners.get_mut(parent).len = 0;
    }

    fn link(&mut self, prev: u32, next: u32) {
        if prev != NONE {
            self.leaves.get_mut(prev).next = next;
        }
        if next != NONE {
            self.leaves.get_mut(next).prev = prev;
        }
    }

    /// Merges the leaves `left` and `left + 1` of `parent`, or evens them out. Answers the first entry of the left one
    /// if that was empty before.
    fn even_out_leaves(&mut self, parent: u32, left: usize) -> Option<T> {
        let (a, b) = {
            let inner = self.inners.get(parent);
            (inner.children[left], inner.children[left + 1])
        };
        let (l, r) = self.leaves.two_mut(a, b);
        let (n, m) = (l.len as usize, r.len as usize);
        let merged = n + m <= LEAF;
        if merged {
            l.items[n..n + m].copy_from_slice(&r.items[..m]);
            (l.len, r.len) = ((n + m) as u32, 0);
        } else {
            let half = (n + m) / 2;
            if n > half {
                r.items.copy_within(0..m, n - half);
                r.items[..n - half].copy_from_slice(&l.items[half..n]);
            } else {
                l.items[n..half].copy_from_slice(&r.items[..half - n]);
                r.items.copy_within(half - n..m, 0);
            }
            (l.len, r.len) = (half as u32, (n + m - half) as u32);
        }
        let (len, right_first, right_len, next) = (l.len, r.items[0], r.len, r.next);
        let first = (n == 0).then_some(l.items[0]);
        let inner = self.inners.get_mut(parent);
        inner.counts[left] = len;
        if merged {
            inner.remove_child(left + 1);
            self.link(a, next);
            self.leaves.release(b);
        } else {
            (inner.counts[left + 1], inner.firsts[left + 1]) = (right_len, right_first);
        }
        first
    }

    /// The same for inner nodes.
    fn even_out_inners(&mut self, parent: u32, left: usize) -> Option<T> {
        let (a, b, right_first) = {
            let inner = self.inners.get(parent);
            (inner.children[left], inner.children[left + 1], inner.firsts[left + 1])
        };
        let (l, r) = self.inners.two_mut(a, b);
        // What stands in front of a node's first child is only known above it.
        r.firsts[0] = right_first;
        let (n, m) = (l.len as usize, r.len as usize);
        let merged = n + m <= INNER;
        if merged {
            r.move_tail(0, l);
        } else {
            let half = (n + m) / 2;
            if n > half {
                let mut moved = Inner::new(right_first);
                l.move_tail(half, &mut moved);
                r.move_tail(0, &mut moved);
                *r = moved;
            } else {
                let mut rest = r.clone();
                r.len = (half - n) as u32;
                r.move_tail(0, l);
                rest.drop_front(half - n);
                *r = rest;
            }
        }
        let (left_total, right_total, right_first_now) = (l.total(), r.total(), r.firsts[0]);
        let first = (n == 0 && m > 0).then_some(right_first);
        let inner = self.inners.get_mut(parent);
        inner.counts[left] = left_total;
        if merged {
            inner.remove_child(left + 1);
            self.inners.release(b);
        } else {
            (inner.counts[left + 1], inner.firsts[left + 1]) = (right_total, right_first_now);
        }
        first
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests;
