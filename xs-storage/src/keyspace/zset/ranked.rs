//! The large form of a sorted set: members in a slab, a hash table and a rank tree over their numbers.

use std::cmp::Ordering;
use std::num::NonZeroU32;
use std::ops::Range;

use xs_os::Rng;

use super::super::alloc_size;
use super::super::hasher::KeyHasher;
use super::super::members;
use super::super::rank_tree::{self, RankTree};
use super::super::table::Table;
use super::super::thin::{ThinBytes, prefetch};
use super::{Inserted, compare_scores};

/// A member and its score in the tree: twelve bytes, where `(f64, u32)` would be padded to sixteen.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    score: [u32; 2],
    index: u32,
}

impl Entry {
    #[inline]
    fn new(score: f64, index: u32) -> Self {
        let bits = score.to_bits();
        Entry { score: [bits as u32, (bits >> 32) as u32], index }
    }

    #[inline]
    fn is_below(&self, score: f64) -> bool {
        self.score() < score
    }

    #[inline]
    pub(super) fn score(&self) -> f64 {
        f64::from_bits(u64::from(self.score[0]) | u64::from(self.score[1]) << 32)
    }
}

#[derive(Clone)]
struct Slot {
    /// None: the slot is free, and `score` holds the bits of the next free slot's number.
    member: Option<ThinBytes>,
    score: f64,
}

/// Slots in a chunk of the slab: 4 KiB.
const CHUNK: usize = 256;
/// No free slot.
const NONE: u64 = u64::MAX;

/// Members by number. Chunks never move, so growing copies nothing and leaves at most one chunk empty.
#[derive(Clone)]
struct Slab {
    chunks: Vec<Box<[Slot; CHUNK]>>,
    free: u64,
    /// Slots that were ever used.
    used: usize,
}

impl Slab {
    #[inline]
    fn slot(&self, index: u32) -> &Slot {
        &self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }

    #[inline]
    fn slot_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }

    #[inline]
    fn member(&self, index: u32) -> &[u8] {
        self.slot(index).member.as_deref().unwrap_or_default()
    }

    fn add(&mut self, member: ThinBytes, score: f64) -> u32 {
        let slot = Slot { member: Some(member), score };
        if self.free != NONE {
            let index = self.free as u32;
            let old = std::mem::replace(self.slot_mut(index), slot);
            self.free = old.score.to_bits();
            return index;
        }
        if self.used == self.chunks.len() * CHUNK {
            self.chunks.push(Box::new(std::array::from_fn(|_| Slot { member: None, score: 0.0 })));
        }
        let index = u32::try_from(self.used).expect("a sorted set holds less than 2^32 members");
        self.used += 1;
        *self.slot_mut(index) = slot;
        index
    }

    fn take(&mut self, index: u32) -> ThinBytes {
        let next = f64::from_bits(self.free);
        let slot = self.slot_mut(index);
        slot.score = next;
        let member = slot.member.take().unwrap_or_default();
        self.free = u64::from(index);
        member
    }
}

#[derive(Clone)]
pub(super) struct Ranked {
    hasher: KeyHasher,
    slab: Slab,
    /// Slots' numbers plus one, by the hash of the member.
    table: Table<NonZeroU32>,
    tree: RankTree<Entry>,
    /// What the members' strings allocate.
    heap: usize,
}

#[inline]
fn index_of(handle: NonZeroU32) -> u32 {
    handle.get() - 1
}

/// How an entry of the tree stands to `(score, member)`.
#[inline]
fn order<'a>(slab: &'a Slab, score: f64, member: &'a [u8]) -> impl FnMut(&Entry) -> Ordering + 'a {
    move |entry| compare_scores(entry.score(), score).then_with(|| slab.member(entry.index).cmp(member))
}

/// Whether an entry of the tree stands before `(score, member)`.
#[inline]
fn before<'a>(slab: &'a Slab, score: f64, member: &'a [u8]) -> impl FnMut(&Entry) -> bool + 'a {
    move |entry| {
        let own = entry.score();
        own < score || (own == score && slab.member(entry.index) < member)
    }
}

impl Ranked {
    pub(super) fn new(seed: u64) -> Self {
        Ranked {
            hasher: KeyHasher::new(seed),
            slab: Slab { chunks: Vec::new(), free: NONE, used: 0 },
            table: Table::new(),
            tree: RankTree::new(),
            heap: 0,
        }
    }

    /// Gives all memory back.
    pub(super) fn reset(&mut self) {
        *self = Ranked { hasher: self.hasher, ..Ranked::new(0) };
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.tree.len()
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        alloc_size(size_of::<Ranked>())
            + self.slab.chunks.len() * alloc_size(size_of::<[Slot; CHUNK]>())
            + alloc_size(self.slab.chunks.capacity() * size_of::<usize>())
            + self.table.allocated_bytes()
            + self.tree.allocated_bytes()
            + self.heap
    }

    #[inline]
    fn find(&self, hash: u64, member: &[u8]) -> Option<u32> {
        self.table.find(hash, |handle| self.slab.member(index_of(*handle)) == member).map(|handle| index_of(*handle))
    }

    pub(super) fn insert(&mut self, score: f64, member: &[u8]) -> Inserted {
        let hash = self.hasher.hash(member);
        if let Some(index) = self.find(hash, member) {
            let old = self.slab.slot(index).score;
            if compare_scores(old, score).is_eq() {
                return Inserted::Unchanged;
            }
            self.remove_entry(index, old, member);
            self.slab.slot_mut(index).score = score;
            self.tree.insert_behind(Entry::new(score, index), before(&self.slab, score, member));
            return Inserted::Updated;
        }
        let owned = ThinBytes::from(member);
        self.heap += owned.allocated_bytes();
        let index = self.slab.add(owned, score);
        let handle = NonZeroU32::MIN.checked_add(index).expect("a sorted set holds less than 2^32 members");
        let (hasher, slab) = (self.hasher, &self.slab);
        self.table.insert_unique(hash, handle, |handle| hasher.hash(slab.member(index_of(*handle))));
        self.tree.insert_behind(Entry::new(score, index), before(slab, score, member));
        Inserted::Added
    }

    /// Takes a member's entry out of the tree. Its score leads to it or to a few others with the same one, among which its
    /// number tells it; their strings, which are somewhere in memory, are only compared when they are many.
    fn remove_entry(&mut self, index: u32, score: f64, member: &[u8]) {
        let near = self.tree.remove_near(|entry| entry.is_below(score), |entry| entry.index == index);
        if near.is_none() {
            self.tree.remove(order(&self.slab, score, member));
        }
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = self.hasher.hash(member);
        let index = self.find(hash, member)?;
        let score = self.slab.slot(index).score;
        self.remove_entry(index, score, member);
        self.table.remove(hash, |handle| index_of(*handle) == index);
        self.heap -= self.slab.take(index).allocated_bytes();
        Some(score)
    }

    #[inline]
    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(self.hasher.hash(member), member).map(|index| self.slab.slot(index).score)
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<usize> {
        let index = self.find(self.hasher.hash(member), member)?;
        let score = self.slab.slot(index).score;
        let near = self.tree.rank_near(|entry| entry.is_below(score), |entry| entry.index == index);
        near.or_else(|| self.tree.rank(order(&self.slab, score, member)))
    }

    pub(super) fn partition_by_score(&self, mut before: impl FnMut(f64) -> bool) -> usize {
        self.tree.partition_point(|entry| before(entry.score()))
    }

    pub(super) fn partition_by_member(&self, mut before: impl FnMut(&[u8]) -> bool) -> usize {
        self.tree.partition_point(|entry| before(self.slab.member(entry.index)))
    }

    pub(super) fn range(&self, ranks: Range<usize>) -> Walk<'_> {
        Walk { slab: Members(&self.slab), entries: self.tree.range(ranks) }
    }

    /// Takes the least or the greatest.
    pub(super) fn pop(&mut self, greatest: bool) -> Option<(ThinBytes, f64)> {
        let entry = if greatest { self.tree.pop_last() } else { self.tree.pop_first() }?;
        let member = self.slab.take(entry.index);
        self.table.remove(self.hasher.hash(&member), |handle| index_of(*handle) == entry.index);
        self.heap -= member.allocated_bytes();
        self.look_ahead(greatest);
        Some((member, entry.score()))
    }

    /// Asks for what the next pops will touch. Pops come in rows, and each would wait for memory three times in turn: for
    /// the slot, then for the string that it points to, then for the bucket that the string hashes to.
    fn look_ahead(&self, greatest: bool) {
        if let Some(entry) = self.tree.near_end(8, greatest) {
            prefetch(self.slab.slot(entry.index));
        }
        if let Some(entry) = self.tree.near_end(5, greatest)
            && let Some(member) = &self.slab.slot(entry.index).member
        {
            member.prefetch();
        }
        if let Some(entry) = self.tree.near_end(2, greatest) {
            self.table.prefetch(self.hasher.hash(self.slab.member(entry.index)));
        }
    }

    pub(super) fn remove_range(&mut self, ranks: Range<usize>, mut visit: impl FnMut(&[u8], f64)) -> usize {
        let Ranked { hasher, slab, table, tree, heap } = self;
        tree.remove_range(ranks, |entry| {
            let member = slab.take(entry.index);
            table.remove(hasher.hash(&member), |handle| index_of(*handle) == entry.index);
            *heap -= member.allocated_bytes();
            visit(&member, entry.score());
        })
    }

    fn item(&self, handle: NonZeroU32) -> (&[u8], f64) {
        let slot = self.slab.slot(index_of(handle));
        (slot.member.as_deref().unwrap_or_default(), slot.score)
    }

    pub(super) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        members::scan(&self.table, cursor, count, |handle| {
            let (member, score) = self.item(*handle);
            visit(member, score);
        })
    }

    pub(super) fn random(&self, rng: &mut Rng) -> Option<(&[u8], f64)> {
        self.table.random(rng).map(|handle| self.item(*handle))
    }

    pub(super) fn random_distinct(&self, n: usize, rng: &mut Rng) -> impl Iterator<Item = (&[u8], f64)> {
        members::sample(&self.table, n, rng).into_iter().map(|handle| self.item(*handle))
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.table.len(), self.tree.len());
        assert_eq!(
            self.heap,
            self.range(0..usize::MAX).map(|(m, _)| ThinBytes::from(m).allocated_bytes()).sum::<usize>()
        );
    }
}

/// Members in order of rank.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    slab: Members<'a>,
    entries: rank_tree::Iter<'a, Entry>,
}

#[derive(Clone)]
struct Members<'a>(&'a Slab);

impl std::fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Members")
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let slab = self.slab.0;
        self.entries.next().map(|entry| (slab.member(entry.index), entry.score()))
    }
}

impl DoubleEndedIterator for Walk<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let slab = self.slab.0;
        self.entries.next_back().map(|entry| (slab.member(entry.index), entry.score()))
    }
}
