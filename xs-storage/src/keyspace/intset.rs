//! A set of integers as a sorted array, as narrow as its widest member allows, in Redis' own byte format.
//!
//! # The problem
//!
//! Sets of identifiers are sets of integers. As strings in a hash table each takes fifty bytes; as numbers in an array,
//! two to eight. While the array is small, a binary search in it costs less than a hash.
//!
//! # How it works
//!
//! ```text
//!   ┌──────────────┬────────────┬────────┬────────┬ ─ ─ ─ ┬────────┐
//!   │ width: 2,4,8 │ members    │ member │ member │       │ member │     ascending, little endian,
//!   │ u32          │ u32        │        │        │       │        │     `width` bytes each
//!   └──────────────┴────────────┴────────┴────────┴ ─ ─ ─ ┴────────┘
//! ```
//!
//! The first member that needs more bytes widens all of them. It is beyond every other one, so it goes to an end.
//! Nothing narrows again: a set that once held a wide member is likely to hold another.
//!
//! # Invariants
//!
//! - Members ascend strictly (`insert` searches first), the count is true, and each fits the width. Bytes from outside
//!   become an intset only through `TryFrom`, which checks all three.
//!
//! # Cost
//!
//! Eight bytes and a member's width each. Finding is O(log n); inserting and removing move what is behind, at most a few
//! kilobytes under the usual limit of 512 members.
//!
//! # Example
//!
//! ```
//! use xs_storage::keyspace::intset::IntSet;
//!
//! let mut set = IntSet::new();
//! assert!(set.insert(7) && set.insert(-1) && !set.insert(7));
//! assert_eq!(set.as_bytes(), [2, 0, 0, 0, 2, 0, 0, 0, 0xFF, 0xFF, 7, 0]);
//! set.insert(1 << 40);
//! assert_eq!(set.as_bytes().len(), 8 + 3 * 8);
//! assert!(set.iter().eq([-1, 7, 1 << 40]));
//! ```
//!
//! # How others do it
//!
//! Roaring bitmaps split the integers into ranges and keep each as an array or as bits, which wins by far for large
//! dense sets. Redis has both a limit on the intset's size and nothing in between it and the hash table.
//!
//! # What this leaves out
//!
//! Set operations by merging; the commands test membership instead, which also works between encodings.
//!
//! # Try next
//!
//! Replace the binary search by interpolation, and try it on identifiers that were handed out in order.
//!
//! # Sources
//!
//! The Redis RDB format (set as intset); S. Chambi et al., "Better bitmap performance with Roaring bitmaps" (2016).

use super::members::make_room;
use super::thin::ThinBytes;

const HEADER: usize = 8;

/// A sorted set of integers. See the [module page](self).
#[derive(Clone, Default)]
pub struct IntSet(ThinBytes);

/// Bytes that are not an intset: wrong width or length, or members out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an intset")]
pub struct Malformed;

fn width_of(member: i64) -> usize {
    match member {
        -0x8000..=0x7FFF => 2,
        -0x8000_0000..=0x7FFF_FFFF => 4,
        _ => 8,
    }
}

impl std::fmt::Debug for IntSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl TryFrom<&[u8]> for IntSet {
    type Error = Malformed;

    fn try_from(bytes: &[u8]) -> Result<Self, Malformed> {
        let [a, b, c, d, e, f, g, h, members @ ..] = bytes else { return Err(Malformed) };
        let width = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let len = u32::from_le_bytes([*e, *f, *g, *h]) as usize;
        if !matches!(width, 2 | 4 | 8) || len.checked_mul(width) != Some(members.len()) {
            return Err(Malformed);
        }
        let set = IntSet(ThinBytes::from(bytes));
        if set.iter().is_sorted_by(|a, b| a < b) { Ok(set) } else { Err(Malformed) }
    }
}

impl IntSet {
    /// A set without members, which owns no memory.
    pub fn new() -> Self {
        Self::default()
    }

    fn width(&self) -> usize {
        // The header appears with the first member.
        self.0.first().map_or(2, |&width| width as usize)
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.0.len().saturating_sub(HEADER) / self.width()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes held, as an allocator rounds them.
    pub fn allocated_bytes(&self) -> usize {
        self.0.allocated_bytes()
    }

    /// The bytes, as Redis writes them to disk. An empty set that never had a member has none.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    fn at(&self, index: usize) -> i64 {
        let width = self.width();
        let bytes = &self.0[HEADER + index * width..][..width];
        match *bytes {
            [a, b] => i64::from(i16::from_le_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            _ => bytes.try_into().map_or(0, i64::from_le_bytes),
        }
    }

    /// The member at `index` in ascending order.
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.at(index))
    }

    /// Where `member` is, or where it belongs.
    fn search(&self, member: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle).cmp(&member) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// Whether `member` is there.
    pub fn contains(&self, member: i64) -> bool {
        width_of(member) <= self.width() && self.search(member).is_ok()
    }

    /// Adds a member. Answers whether it is new.
    pub fn insert(&mut self, member: i64) -> bool {
        if self.0.is_empty() {
            self.0 = ThinBytes::from(&[width_of(member) as u8, 0, 0, 0, 0, 0, 0, 0][..]);
        } else if width_of(member) > self.width() {
            self.widen(width_of(member));
        }
        let Err(index) = self.search(member) else { return false };
        let (width, len) = (self.width(), self.len());
        let at = HEADER + index * width;
        make_room(&mut self.0, at, 0, width);
        self.0[at..at + width].copy_from_slice(&member.to_le_bytes()[..width]);
        self.set_len(len + 1);
        true
    }

    /// Removes a member. Answers whether it was there.
    pub fn remove(&mut self, member: i64) -> bool {
        let Ok(index) = self.search(member) else { return false };
        let (width, len) = (self.width(), self.len());
        make_room(&mut self.0, HEADER + index * width, width, 0);
        self.set_len(len - 1);
        true
    }

    fn set_len(&mut self, len: usize) {
        self.0[4..8].copy_from_slice(&(len as u32).to_le_bytes());
    }

    fn widen(&mut self, width: usize) {
        let mut wide = ThinBytes::with_capacity(HEADER + (self.len() + 1) * width);
        wide.extend_from_slice(&(width as u32).to_le_bytes());
        wide.extend_from_slice(&(self.len() as u32).to_le_bytes());
        for member in self.iter() {
            wide.extend_from_slice(&member.to_le_bytes()[..width]);
        }
        self.0 = wide;
    }

    /// The members in ascending order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { set: self, range: 0..self.len() }
    }
}

/// The members of an intset, ascending. Made by [`IntSet::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    set: &'a IntSet,
    range: std::ops::Range<usize>,
}

impl Iterator for Iter<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        self.range.next().map(|index| self.set.at(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn member() -> impl Strategy<Value = i64> {
        prop_oneof![8 => -40..40_i64, 2 => -100_000..100_000_i64, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn behaves_like_an_ordered_set(ops in prop::collection::vec((any::<bool>(), member()), 0..200)) {
            let (mut set, mut model) = (IntSet::new(), BTreeSet::new());
            for (insert, member) in ops {
                if insert { prop_assert_eq!(set.insert(member), model.insert(member)); }
                else { prop_assert_eq!(set.remove(member), model.remove(&member)); }
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(set.contains(member), model.contains(&member));
            }
            prop_assert!(set.iter().eq(model.iter().copied()));
            if !set.as_bytes().is_empty() {
                prop_assert!(IntSet::try_from(set.as_bytes()).unwrap().iter().eq(model));
            }
        }

        #[test]
        fn any_bytes_are_judged(mut bytes in prop::collection::vec(any::<u8>(), 0..64), width in 0..10_u8) {
            if bytes.len() >= 8 && width > 0 {
                let len = (bytes.len() - 8) / width as usize;
                bytes[..8].copy_from_slice(&[width, 0, 0, 0, len as u8, 0, 0, 0]);
            }
            if let Ok(set) = IntSet::try_from(&*bytes) {
                prop_assert!(set.iter().all(|member| set.contains(member)));
            }
        }
    }

    #[test]
    fn members_out_of_order_or_twice_are_refused() {
        let bytes = |a: u8, b: u8| [2, 0, 0, 0, 2, 0, 0, 0, a, 0, b, 0];
        assert!(IntSet::try_from(&bytes(1, 2)[..]).is_ok());
        assert_eq!(IntSet::try_from(&bytes(2, 1)[..]).err(), Some(Malformed));
        assert_eq!(IntSet::try_from(&bytes(1, 1)[..]).err(), Some(Malformed));
    }
}
