//! Doubly linked lists through one arena.

use super::{Key, Slot};

/// No timer.
const NONE: u32 = u32::MAX;

/// The ends of a list, as places in the arena.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    head: u32,
    tail: u32,
}

impl List {
    pub(super) const EMPTY: List = List { head: NONE, tail: NONE };

    pub(super) fn is_empty(self) -> bool {
        self.head == NONE
    }

    pub(super) fn first(self) -> Option<u32> {
        (!self.is_empty()).then_some(self.head)
    }
}

struct Node<T> {
    tick: u64,
    previous: u32,
    /// The next of its list, or of the places that are free.
    next: u32,
    /// Counts how often the place was left.
    generation: u32,
    slot: Slot,
    /// None where the place is free.
    value: Option<T>,
}

/// All timers, and the places of former ones.
pub(super) struct Arena<T> {
    nodes: Vec<Node<T>>,
    free: u32,
    len: usize,
}

impl<T> Arena<T> {
    pub(super) fn new() -> Self {
        Arena { nodes: Vec::new(), free: NONE, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes a place for a timer that is in no list yet.
    pub(super) fn add(&mut self, tick: u64, value: T) -> Key {
        self.len += 1;
        if let Some(node) = self.nodes.get_mut(self.free as usize) {
            let place = std::mem::replace(&mut self.free, node.next);
            (node.tick, node.value) = (tick, Some(value));
            return Key { place, generation: node.generation };
        }
        assert!(self.nodes.len() < NONE as usize, "a wheel holds at most 2^32 timers");
        let place = self.nodes.len() as u32;
        self.nodes.push(Node { tick, previous: NONE, next: NONE, generation: 0, slot: Slot::Due, value: Some(value) });
        Key { place, generation: 0 }
    }

    /// Frees the place of a timer that is in no list any more.
    pub(super) fn take(&mut self, place: u32) -> Option<T> {
        let node = &mut self.nodes[place as usize];
        node.generation = node.generation.wrapping_add(1);
        node.next = std::mem::replace(&mut self.free, place);
        self.len -= 1;
        node.value.take()
    }

    /// In which list a timer is, if its key is good.
    pub(super) fn slot_of(&self, key: Key) -> Option<Slot> {
        let node = self.nodes.get(key.place as usize)?;
        (node.value.is_some() && node.generation == key.generation).then_some(node.slot)
    }

    pub(super) fn value(&mut self, place: u32) -> Option<&mut T> {
        self.nodes[place as usize].value.as_mut()
    }

    pub(super) fn tick(&self, place: u32) -> u64 {
        self.nodes[place as usize].tick
    }

    pub(super) fn set_tick(&mut self, place: u32, tick: u64) {
        self.nodes[place as usize].tick = tick;
    }

    /// The one behind a timer in its list.
    pub(super) fn next(&self, place: u32) -> Option<u32> {
        let next = self.nodes[place as usize].next;
        (next != NONE).then_some(next)
    }

    pub(super) fn push(&mut self, list: &mut List, place: u32, slot: Slot) {
        let node = &mut self.nodes[place as usize];
        (node.previous, node.next, node.slot) = (list.tail, NONE, slot);
        match self.nodes.get_mut(list.tail as usize) {
            Some(tail) => tail.next = place,
            None => list.head = place,
        }
        list.tail = place;
    }

    pub(super) fn unlink(&mut self, list: &mut List, place: u32) {
        let Node { previous, next, .. } = self.nodes[place as usize];
        match self.nodes.get_mut(previous as usize) {
            Some(node) => node.next = next,
            None => list.head = next,
        }
        match self.nodes.get_mut(next as usize) {
            Some(node) => node.previous = previous,
            None => list.tail = previous,
        }
    }
}
