//! What the collections share: room in a byte string, pairs of a listpack, and drawing.

use std::collections::HashSet;

use foldhash::quality::FixedState;
use xs_os::Rng;

use super::item::Item;
use super::listpack;
use super::table::Table;
use super::thin::ThinBytes;

/// From here on the allocator's classes are whole pages, too close together to pay for a move of everything.
const FINE_CLASSES: usize = 512 * 1024;

/// Makes `added` bytes of room at `at` in place of `remove` ones. Where a byte string doubles, this goes to the end of
/// the allocator's next class and no further: doubling would leave small collections half empty, and classes that lie
/// an eighth to a quarter apart already make a sequence of appends O(1) a byte. The room holds leftovers, to be
/// overwritten.
pub(super) fn make_room(bytes: &mut ThinBytes, at: usize, remove: usize, added: usize) {
    let old = bytes.len();
    let len = old - remove + added;
    if len > bytes.capacity() {
        let spare = if len < FINE_CLASSES { 0 } else { len / 8 };
        let mut grown = ThinBytes::with_capacity(len + spare);
        grown.extend_from_slice(&bytes[..at]);
        grown.resize(at + added, 0);
        grown.extend_from_slice(&bytes[at + remove..]);
        *bytes = grown;
        return;
    }
    if len > old {
        bytes.resize(len, 0);
    }
    bytes.copy_within(at + remove..old, at + added);
    bytes.truncate(len);
    if len < old && bytes.capacity() > 2 * len + 64 {
        bytes.shrink_to_fit();
    }
}

/// The entries of a listpack two by two, from both ends.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a>(pub(super) listpack::Iter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (Item<'a>, Item<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let second = self.0.next_back()?;
        Some((self.0.next_back()?, second))
    }
}

/// Walks at least `count` items of a table from `cursor` on, or ten times as many buckets, as Redis bounds a step.
pub(super) fn scan<T>(table: &Table<T>, mut cursor: u64, count: usize, mut visit: impl FnMut(&T)) -> u64 {
    let mut seen = 0;
    for _ in 0..count.saturating_mul(10).max(1) {
        cursor = table.scan(cursor, |item| {
            seen += 1;
            visit(item);
        });
        if cursor == 0 || seen >= count {
            break;
        }
    }
    cursor
}

/// Draws `n` different items of a table, or all of them if there are no more.
pub(super) fn sample<'a, T>(table: &'a Table<T>, n: usize, rng: &mut Rng) -> Vec<&'a T> {
    if n.saturating_mul(3) >= table.len() {
        return choose(table.iter().collect(), n, rng);
    }
    // Few of many: draw until enough different ones came. Their addresses only tell them apart, and order nothing.
    let mut drawn = HashSet::with_capacity_and_hasher(n, FixedState::with_seed(0));
    let mut chosen = Vec::with_capacity(n);
    while chosen.len() < n {
        let Some(item) = table.random(rng) else { break };
        if drawn.insert(std::ptr::from_ref(item)) {
            chosen.push(item);
        }
    }
    chosen
}

/// Draws `n` of `all`, or answers all of them as they are if there are no more.
pub(super) fn choose<T>(mut all: Vec<T>, n: usize, rng: &mut Rng) -> Vec<T> {
    if n >= all.len() {
        return all;
    }
    for at in 0..n {
        let other = at + rng.index(all.len() - at);
        all.swap(at, other);
    }
    all.truncate(n);
    all
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::keyspace::alloc_size;

    #[test]
    fn room_is_tight_at_every_length_and_moves_are_few() {
        let (mut bytes, mut moves, mut copied) = (ThinBytes::new(), 0, 0);
        while bytes.len() < 2_000_000 {
            let (len, room) = (bytes.len(), bytes.capacity());
            make_room(&mut bytes, len, 0, 10);
            if bytes.capacity() != room {
                (moves, copied) = (moves + 1, copied + len);
            }
            let spare = if len + 10 < FINE_CLASSES { 0 } else { len / 7 };
            assert!(bytes.allocated_bytes() <= alloc_size(len + 10 + 8 + spare), "{len}");
        }
        assert!(moves < 90, "{moves} moves");
        assert!(copied < 9 * bytes.len(), "{copied} bytes moved");
    }

    #[test]
    fn room_that_was_asked_for_stays_until_something_goes() {
        let mut bytes = ThinBytes::new();
        bytes.reserve_exact(1000);
        make_room(&mut bytes, 0, 0, 10);
        assert!(bytes.capacity() >= 1000);
        make_room(&mut bytes, 0, 5, 5);
        assert!(bytes.capacity() >= 1000);
        make_room(&mut bytes, 0, 5, 0);
        assert_eq!((bytes.len(), bytes.allocated_bytes()), (5, alloc_size(5 + 8)));
    }
}
