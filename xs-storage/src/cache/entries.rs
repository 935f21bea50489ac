//! What every cache here is made of: entries in one arena, found by hash, threaded on lists by index.
//!
//! ```text
//!   index: hash ─▶ 2          arena: │0 A│1 -│2 C│3 B│          list: head ─▶ 2 ⇄ 0 ⇄ 3 ◀─ tail
//! ```
//! Indices instead of pointers keep the lists in safe code; the arena reuses the places of removed entries.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;

use super::{Evicted, Weigh};

/// No entry.
pub(super) const NIL: u32 = u32::MAX;

#[derive(Debug, Clone)]
pub(super) struct Node<K, V> {
    prev: u32,
    next: u32,
    /// Which list the entry is on, in the terms of its cache.
    pub(super) queue: u32,
    /// Hits since the entry came, in the terms of its cache.
    pub(super) hits: u8,
    pub(super) hash: u64,
    pub(super) weight: u64,
    /// Empty in a free place.
    pair: Option<(K, V)>,
}

#[derive(Debug, Clone)]
pub(super) struct Entries<K, V, S, W> {
    nodes: Vec<Node<K, V>>,
    /// Free places, threaded by `next`.
    free: u32,
    index: HashTable<u32>,
    hasher: S,
    weigher: W,
    pub(super) weight: u64,
    pub(super) capacity: u64,
}

impl<K: Hash + Eq, V, S: BuildHasher, W: Weigh<K, V>> Entries<K, V, S, W> {
    pub(super) fn new(capacity: u64, hasher: S, weigher: W) -> Self {
        Entries { nodes: Vec::new(), free: NIL, index: HashTable::new(), hasher, weigher, weight: 0, capacity }
    }

    pub(super) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    pub(super) fn weigh(&self, key: &K, value: &V) -> u64 {
        self.weigher.weight(key, value)
    }

    #[inline]
    pub(super) fn find<Q>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.find_hashed(self.hash(key), key)
    }

    #[inline]
    pub(super) fn find_hashed<Q>(&self, hash: u64, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let same = |at: &u32| match &self.nodes[*at as usize] {
            Node { hash: known, pair: Some((owned, _)), .. } => *known == hash && owned.borrow() == key,
            _ => false,
        };
        self.index.find(hash, same).copied()
    }

    #[inline]
    pub(super) fn node(&mut self, at: u32) -> &mut Node<K, V> {
        &mut self.nodes[at as usize]
    }

    pub(super) fn queue(&self, at: u32) -> u32 {
        self.nodes[at as usize].queue
    }

    /// The neighbour towards the head of the list.
    pub(super) fn prev(&self, at: u32) -> u32 {
        self.nodes[at as usize].prev
    }

    pub(super) fn value(&self, at: u32) -> Option<&V> {
        self.nodes[at as usize].pair.as_ref().map(|(_, value)| value)
    }

    /// Stores an entry that is not there yet, on no list.
    pub(super) fn add(&mut self, hash: u64, key: K, value: V, weight: u64, queue: u32) -> u32 {
        let node = Node { prev: NIL, next: NIL, queue, hits: 0, hash, weight, pair: Some((key, value)) };
        let at = self.free;
        let at = if at == NIL {
            self.nodes.push(node);
            (self.nodes.len() - 1) as u32
        } else {
            self.free = std::mem::replace(&mut self.nodes[at as usize], node).next;
            at
        };
        self.weight += weight;
        let nodes = &self.nodes;
        self.index.insert_unique(hash, at, |at| nodes[*at as usize].hash);
        at
    }

    /// Takes an entry out. It is on no list any more.
    pub(super) fn take(&mut self, at: u32) -> Option<(K, V)> {
        let node = &mut self.nodes[at as usize];
        let pair = node.pair.take()?;
        node.next = std::mem::replace(&mut self.free, at);
        self.weight -= node.weight;
        let hash = node.hash;
        if let Ok(found) = self.index.find_entry(hash, |known| *known == at) {
            found.remove();
        }
        Some(pair)
    }

    /// Puts another pair in the place of one, which must be on no list; returns the old one.
    pub(super) fn replace(&mut self, at: u32, key: K, value: V, weight: u64) -> Option<(K, V)> {
        let node = &mut self.nodes[at as usize];
        let old = std::mem::replace(&mut node.weight, weight);
        self.weight = self.weight - old + weight;
        node.pair.replace((key, value))
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.index.clear();
        (self.free, self.weight) = (NIL, 0);
    }

    pub(super) fn iter(&self) -> Iter<'_, K, V> {
        Iter { nodes: self.nodes.iter(), left: self.len() }
    }

    /// Takes an entry out for good, onto the pile of what left.
    pub(super) fn evict(&mut self, at: u32, gone: &mut Evicted<K, V>) {
        gone.extend(self.take(at));
    }
}

/// The entries of a cache.
///
/// Their order says nothing about which goes first, but the same calls on the same cache give the same order.
#[derive(Debug)]
pub struct Iter<'a, K, V> {
    nodes: std::slice::Iter<'a, Node<K, V>>,
    left: usize,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = self.nodes.find_map(|node| node.pair.as_ref())?;
        self.left -= 1;
        Some((key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}

/// A doubly linked list through the arena.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) weight: u64,
}

impl List {
    pub(super) const EMPTY: List = List { head: NIL, tail: NIL, weight: 0 };

    pub(super) fn is_empty(&self) -> bool {
        self.head == NIL
    }

    /// The entry at the tail: the next to go.
    pub(super) fn last(&self) -> Option<u32> {
        (self.tail != NIL).then_some(self.tail)
    }

    #[inline]
    pub(super) fn push_front<K, V, S, W>(&mut self, entries: &mut Entries<K, V, S, W>, at: u32) {
        let nodes = &mut entries.nodes;
        let node = &mut nodes[at as usize];
        (node.prev, node.next) = (NIL, self.head);
        self.weight += node.weight;
        match self.head {
            NIL => self.tail = at,
            head => nodes[head as usize].prev = at,
        }
        self.head = at;
    }

    #[inline]
    pub(super) fn unlink<K, V, S, W>(&mut self, entries: &mut Entries<K, V, S, W>, at: u32) {
        let nodes = &mut entries.nodes;
        let node = &nodes[at as usize];
        let (prev, next) = (node.prev, node.next);
        self.weight -= node.weight;
        match prev {
            NIL => self.head = next,
            prev => nodes[prev as usize].next = next,
        }
        match next {
            NIL => self.tail = prev,
            next => nodes[next as usize].prev = prev,
        }
    }

    #[inline]
    pub(super) fn move_to_front<K, V, S, W>(&mut self, entries: &mut Entries<K, V, S, W>, at: u32) {
        if self.head != at {
            self.unlink(entries, at);
            self.push_front(entries, at);
        }
    }
}
