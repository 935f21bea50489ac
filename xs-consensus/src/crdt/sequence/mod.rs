//! A sequence, such as a text: Fugue.

mod order;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Merge;
use crate::clock::{Dot, Overflow, ReplicaId, VersionVector};
use order::Order;

/// Why a sequence was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such place.
    #[error("there is no place {place} in {len} values")]
    Place {
        /// The place.
        place: usize,
        /// How many values there are.
        len: usize,
    },
    /// The replica has made all events that it can.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// On which side of its parent an element stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Left,
    Right,
}

/// Values in an order that all copies agree on: a text, if the values are characters.
///
/// Each value is an element of a tree and stands left or right of its parent; the sequence is the tree read from left to
/// right, and siblings are sorted by who made them. A run that somebody types is a chain in the tree, and a chain is read
/// as a whole: so of two runs that were typed at one place, in whichever direction, one stands in front of the other.
///
/// ```text
///   "ab", then one inserts "XY" between them, and another one "12":       the tree        a ─right─▶ b
///                                                                                         b ─left──▶ X ─right─▶ Y
///   read from left to right:  a · X Y · 1 2 · b                                             └─left──▶ 1 ─right─▶ 2
/// ```
///
/// A removed value leaves its element, without the value: others may hang on it.
#[derive(Clone, Debug)]
pub struct Sequence<T> {
    /// By order of arrival.
    elements: Vec<Element<T>>,
    by_dot: BTreeMap<Dot, usize>,
    /// The elements without a parent, sorted.
    top: Vec<usize>,
    order: Order,
    /// Elements that arrived in front of their parents, by those.
    waiting: BTreeMap<Dot, Vec<usize>>,
    /// The last element of each replica.
    last: VersionVector,
}

#[derive(Clone, Debug)]
struct Element<T> {
    dot: Dot,
    parent: Option<Dot>,
    side: Side,
    /// None if it was removed.
    value: Option<T>,
    /// Its children that have a place, sorted by dot.
    left: Vec<usize>,
    right: Vec<usize>,
}

impl<T> Default for Sequence<T> {
    fn default() -> Self {
        Sequence {
            elements: Vec::new(),
            by_dot: BTreeMap::new(),
            top: Vec::new(),
            order: Order::default(),
            waiting: BTreeMap::new(),
            last: VersionVector::new(),
        }
    }
}

impl<T: Clone + PartialEq> Sequence<T> {
    /// Inserts a value in front of a place (or at the end), as a replica; the answer is the delta.
    pub fn insert(&mut self, replica: ReplicaId, place: usize, value: T) -> Result<Self, EditError> {
        if place > self.len() {
            return Err(EditError::Place { place, len: self.len() });
        }
        let count = self.last.get(replica).checked_add(1).ok_or(Overflow(replica))?;
        let left = place.checked_sub(1).and_then(|before| self.order.nth(before));
        let behind = match left {
            Some(left) => &self.elements[left].right,
            None => &self.top,
        };
        // Behind its left neighbour, if nothing hangs there yet; otherwise in front of what comes next, removed or not,
        // where nothing hangs.
        let next = if behind.is_empty() { None } else { left.map_or(self.order.first(), |left| self.order.next(left)) };
        let (parent, side) = match next {
            Some(next) => (Some(next), Side::Left),
            None => (left, Side::Right),
        };
        let parent = parent.map(|parent| self.elements[parent].dot);
        let mut delta = Self::default();
        delta.take(Dot { replica, count }, parent, side, Some(value));
        self.merge(&delta);
        Ok(delta)
    }

    /// Inserts several values in front of a place, one behind the other; the answer is the delta.
    pub fn insert_all(
        &mut self,
        replica: ReplicaId,
        place: usize,
        values: impl IntoIterator<Item = T>,
    ) -> Result<Self, EditError> {
        let mut all = Self::default();
        for (place, value) in (place..).zip(values) {
            all.merge(&self.insert(replica, place, value)?);
        }
        Ok(all)
    }

    /// Removes the value at a place; the answer is the delta.
    pub fn remove(&mut self, place: usize) -> Result<Self, EditError> {
        let element = self.order.nth(place).ok_or(EditError::Place { place, len: self.len() })?;
        let Element { dot, parent, side, .. } = self.elements[element];
        let mut delta = Self::default();
        delta.take(dot, parent, side, None);
        self.merge(&delta);
        Ok(delta)
    }

    /// The value at a place.
    pub fn get(&self, place: usize) -> Option<&T> {
        self.elements[self.order.nth(place)?].value.as_ref()
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let all = std::iter::successors(self.order.first(), |at| self.order.next(*at));
        all.filter_map(|element| self.elements[element].value.as_ref())
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.order.shown()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the value at a place. It stays the same wherever the value goes: for cursors and comments.
    pub fn name(&self, place: usize) -> Option<Dot> {
        Some(self.elements[self.order.nth(place)?].dot)
    }

    /// The place of a named value; of one that was removed, where it would stand.
    pub fn place(&self, name: Dot) -> Option<usize> {
        let element = *self.by_dot.get(&name)?;
        self.order.is_placed(element).then(|| self.order.rank(element))
    }

    /// How many elements there are in memory: values, removed ones, and those that wait for their parents.
    pub fn elements(&self) -> usize {
        self.elements.len()
    }

    /// How many elements wait for others that they hang on, and are not shown before these have come.
    pub fn waiting(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }

    /// Takes in an element, or that it was removed.
    fn take(&mut self, dot: Dot, parent: Option<Dot>, side: Side, value: Option<T>) {
        let new = match self.by_dot.entry(dot) {
            Entry::Occupied(known) => {
                if value.is_none() {
                    self.elements[*known.get()].value = None;
                    self.order.hide(*known.get());
                }
                return;
            }
            Entry::Vacant(free) => *free.insert(self.order.add(value.is_none())),
        };
        self.last.raise(dot.replica, dot.count);
        self.elements.push(Element { dot, parent, side, value, left: Vec::new(), right: Vec::new() });
        let known = |parent: Dot| self.by_dot.get(&parent).is_some_and(|parent| self.order.is_placed(*parent));
        match parent {
            Some(parent) if !known(parent) => self.waiting.entry(parent).or_default().push(new),
            _ => self.place_all(new),
        }
    }

    /// Gives an element its place, and all that waited for it.
    fn place_all(&mut self, first: usize) {
        let mut ready = vec![first];
        while let Some(new) = ready.pop() {
            self.place_one(new);
            ready.extend(self.waiting.remove(&self.elements[new].dot).unwrap_or_default());
        }
    }

    fn place_one(&mut self, new: usize) {
        let Element { dot, parent, side, .. } = self.elements[new];
        let parent = parent.and_then(|parent| self.by_dot.get(&parent).copied());
        let siblings = match (parent, side) {
            (None, _) => &self.top,
            (Some(parent), Side::Left) => &self.elements[parent].left,
            (Some(parent), Side::Right) => &self.elements[parent].right,
        };
        let at = siblings.partition_point(|sibling| self.elements[*sibling].dot < dot);
        let before = at.checked_sub(1).map(|before| siblings[before]);
        match (before, siblings.first(), parent) {
            (Some(before), ..) => {
                let end = self.end(before);
                self.order.put_behind(new, end);
            }
            // Nothing of the parent's left side stands further left.
            (None, Some(first), Some(_)) if side == Side::Left => {
                let begin = self.begin(*first);
                self.order.put_before(new, begin);
            }
            (None, None, Some(parent)) if side == Side::Left => self.order.put_before(new, parent),
            (None, _, Some(parent)) => self.order.put_behind(new, parent),
            (None, _, None) => self.order.put_first(new),
        }
        let siblings = match (parent, side) {
            (None, _) => &mut self.top,
            (Some(parent), Side::Left) => &mut self.elements[parent].left,
            (Some(parent), Side::Right) => &mut self.elements[parent].right,
        };
        siblings.insert(at, new);
    }

    /// The last element of a subtree.
    fn end(&self, mut at: usize) -> usize {
        while let Some(last) = self.elements[at].right.last() {
            at = *last;
        }
        at
    }

    /// The first element of a subtree.
    fn begin(&self, mut at: usize) -> usize {
        while let Some(first) = self.elements[at].left.first() {
            at = *first;
        }
        at
    }

    fn copy(&mut self, element: &Element<T>) {
        self.take(element.dot, element.parent, element.side, element.value.clone());
    }

    fn sorted(&self) -> impl Iterator<Item = &Element<T>> {
        self.by_dot.values().map(|element| &self.elements[*element])
    }
}

/// Two are equal if they have the same elements, in whichever order these arrived.
impl<T: Clone + PartialEq> PartialEq for Sequence<T> {
    fn eq(&self, other: &Self) -> bool {
        let what = |element: &Element<T>| (element.dot, element.parent, element.side, element.value.clone());
        self.elements.len() == other.elements.len() && self.sorted().map(what).eq(other.sorted().map(what))
    }
}

impl<T: Clone + PartialEq> Merge for Sequence<T> {
    /// Elements may arrive in front of those that they hang on.
    fn merge(&mut self, other: &Self) {
        other.elements.iter().for_each(|element| self.copy(element));
    }

    fn parts(&self) -> Vec<Self> {
        self.sorted()
            .map(|element| {
                let mut part = Self::default();
                part.copy(element);
                part
            })
            .collect()
    }

    fn delta_since(&self, known: &Self) -> Self {
        let mut delta = Self::default();
        for element in &self.elements {
            let theirs = known.by_dot.get(&element.dot).map(|theirs| &known.elements[*theirs].value);
            if theirs.is_none_or(|theirs| theirs.is_some() && element.value.is_none()) {
                delta.copy(element);
            }
        }
        delta
    }
}
