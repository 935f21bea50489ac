//! The nodes of a rank tree, and the arena in which they name each other by index.

use super::super::alloc_size;
use super::super::thin::prefetch;

/// Entries in a leaf. With three words of links, 63 entries of 12 or 16 bytes fill an allocator's size class (768 or
/// 1024 bytes) exactly.
pub(super) const LEAF: usize = 63;
/// Children of an inner node.
pub(super) const INNER: usize = 63;
/// No node.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone)]
pub(super) struct Leaf<T> {
    pub(super) prev: u32,
    pub(super) next: u32,
    pub(super) len: u32,
    /// The first `len` are entries; the rest are leftovers that nobody reads.
    pub(super) items: [T; LEAF],
}

impl<T> Leaf<T> {
    /// Asks for the whole leaf at once. A binary search would wait for its lines one after the other.
    #[inline]
    pub(super) fn fetch(&self) {
        let step = 64 / size_of::<T>().clamp(1, 64);
        self.items().iter().step_by(step).for_each(prefetch);
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items[..self.len as usize]
    }
}

#[derive(Clone)]
pub(super) struct Inner<T> {
    pub(super) len: u32,
    pub(super) counts: [u32; INNER],
    pub(super) children: [u32; INNER],
    pub(super) firsts: [T; INNER],
}

impl<T: Copy> Inner<T> {
    pub(super) fn new(filler: T) -> Self {
        Inner { len: 0, counts: [0; INNER], children: [NONE; INNER], firsts: [filler; INNER] }
    }

    /// The child that holds the last entry for which `before` holds: the first child if there is none.
    #[inline]
    pub(super) fn child_for(&self, before: &mut impl FnMut(&T) -> bool) -> usize {
        self.firsts[1..self.len as usize].partition_point(before)
    }

    pub(super) fn counts(&self) -> &[u32] {
        &self.counts[..self.len as usize]
    }

    pub(super) fn total(&self) -> u32 {
        self.counts().iter().sum()
    }

    pub(super) fn insert_child(&mut self, at: usize, first: T, child: u32, count: u32) {
        let len = self.len as usize;
        self.counts.copy_within(at..len, at + 1);
        self.children.copy_within(at..len, at + 1);
        self.firsts.copy_within(at..len, at + 1);
        (self.counts[at], self.children[at], self.firsts[at]) = (count, child, first);
        self.len += 1;
    }

    pub(super) fn remove_child(&mut self, at: usize) {
        let len = self.len as usize;
        self.counts.copy_within(at + 1..len, at);
        self.children.copy_within(at + 1..len, at);
        self.firsts.copy_within(at + 1..len, at);
        self.len -= 1;
    }

    /// Moves the children `from..` of `self` to the end of `to`.
    pub(super) fn move_tail(&mut self, from: usize, to: &mut Inner<T>) {
        let (len, at) = (self.len as usize, to.len as usize);
        let moved = len - from;
        to.counts[at..at + moved].copy_from_slice(&self.counts[from..len]);
        to.children[at..at + moved].copy_from_slice(&self.children[from..len]);
        to.firsts[at..at + moved].copy_from_slice(&self.firsts[from..len]);
        to.len += moved as u32;
        self.len = from as u32;
    }

    /// Drops the first `n` children.
    pub(super) fn drop_front(&mut self, n: usize) {
        let len = self.len as usize;
        self.counts.copy_within(n..len, 0);
        self.children.copy_within(n..len, 0);
        self.firsts.copy_within(n..len, 0);
        self.len -= n as u32;
    }
}

/// Nodes that name each other by index. A released index is used again.
#[derive(Clone)]
pub(super) struct Arena<N> {
    pub(super) slots: Vec<Option<Box<N>>>,
    pub(super) free: Vec<u32>,
}

impl<N> Arena<N> {
    pub(super) const fn new() -> Self {
        Arena { slots: Vec::new(), free: Vec::new() }
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> &N {
        self.slots[index as usize].as_deref().expect("links name live nodes")
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32) -> &mut N {
        self.slots[index as usize].as_deref_mut().expect("links name live nodes")
    }

    pub(super) fn two_mut(&mut self, a: u32, b: u32) -> (&mut N, &mut N) {
        let [a, b] = self.slots.get_disjoint_mut([a as usize, b as usize]).expect("two different live nodes");
        (a.as_deref_mut().expect("links name live nodes"), b.as_deref_mut().expect("links name live nodes"))
    }

    pub(super) fn add(&mut self, node: N) -> u32 {
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = Some(Box::new(node));
            return index;
        }
        self.slots.push(Some(Box::new(node)));
        (self.slots.len() - 1) as u32
    }

    pub(super) fn release(&mut self, index: u32) {
        self.slots[index as usize] = None;
        self.free.push(index);
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        let live = self.slots.len() - self.free.len();
        live * alloc_size(size_of::<N>())
            + alloc_size(self.slots.capacity() * size_of::<Option<Box<N>>>())
            + alloc_size(self.free.capacity() * size_of::<u32>())
    }
}
