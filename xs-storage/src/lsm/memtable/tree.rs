//! A B+tree that only grows, for one writer and any number of readers who take no lock.
//!
//! ```text
//!   reader   splits? ──▶ down to a leaf ──▶ its seal? ──▶ splits still the same? ──▶ search ──▶ seal still the same?
//!              ▲────────────────────────────── no: again ──────────────────────────────────────────────┘
//!   writer   seal open ─ shift ─ seal close                             an insertion
//!            splits open ─ seal open ─ move half ─ … ─ close ─ close    a split, every thirtieth
//! ```
//! Inner nodes change in splits only, so one number covers them all. Nothing is ever freed before the whole tree is, so
//! a reader on a stale path reads stale numbers and not freed memory, and finds out before it uses them. A reader can
//! wait for a writer that was interrupted between open and close, some tens of nanoseconds of work; a writer never waits
//! for a reader.

use std::sync::atomic::Ordering;

use super::super::codec::{common, head};
use super::chunks::Chunks;
use super::node::{FAN, Inner, Leaf, NIL, Slots};
use super::seal::Seal;
use super::sync::{AtomicU64, pause};

/// What entries are, to the tree: numbers that stand for keys in an order.
pub(super) trait Keys {
    /// The bytes of an entry's key; none if this thread cannot see the entry yet.
    fn key(&self, id: u32) -> Option<&[u8]>;

    /// The order of entries with the same key: the greatest comes first.
    fn seq(&self, id: u32) -> Option<u64>;
}

/// A place to look for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe<'a> {
    pub(super) key: &'a [u8],
    pub(super) seq: u64,
}

/// An entry, and where it stood in which version of its leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) id: u32,
    leaf: u32,
    at: u32,
    seal: u64,
}

#[derive(Debug)]
pub(super) struct Tree {
    leaves: Chunks<Leaf>,
    inners: Chunks<Inner>,
    /// Levels of inner nodes, and the node at the top: `height << 32 | node`.
    root: AtomicU64,
    splits: Seal,
}

/// What the one writer knows. Whoever has it may write.
#[derive(Debug)]
pub(super) struct TreeWriter {
    leaves: u32,
    inners: u32,
    /// The last leaf, and its last entry.
    last: (u32, u32),
    path: Vec<(u32, usize)>,
    /// Memory that the nodes take.
    pub(super) bytes: usize,
}

impl Tree {
    /// A tree for as many entries as `Chunks::new(shift, inner)` has places.
    pub(super) fn new(shift: u32, inner: u32) -> (Self, TreeWriter) {
        let tree = Tree {
            // A leaf is at least half full.
            leaves: Chunks::new(shift.saturating_sub(4), inner),
            inners: Chunks::new(shift.saturating_sub(7), inner),
            root: AtomicU64::new(0),
            splits: Seal::default(),
        };
        let bytes = tree.leaves.set(0, Leaf::new());
        let writer = TreeWriter { leaves: 1, inners: 0, last: (0, NIL), path: Vec::new(), bytes };
        (tree, writer)
    }

    fn leaf(&self, id: u32) -> Option<&Leaf> {
        self.leaves.get(id)
    }

    /// The number of slots in front of the probe, or at it too. None if an entry cannot be seen.
    #[inline]
    fn rank(slots: &Slots, keys: &impl Keys, probe: Probe<'_>, including: bool) -> Option<usize> {
        let skip = slots.skip();
        let wanted = head(probe.key, skip);
        let (mut low, mut high) = (0, slots.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let known = slots.head(middle);
            let before = if known == wanted {
                let id = slots.id(middle);
                match keys.key(id)?.cmp(probe.key).then_with(|| probe.seq.cmp(&keys.seq(id).unwrap_or(0))) {
                    std::cmp::Ordering::Less => true,
                    std::cmp::Ordering::Equal => including,
                    std::cmp::Ordering::Greater => false,
                }
            } else {
                known < wanted
            };
            if before { low = middle + 1 } else { high = middle }
        }
        Some(low)
    }

    /// The leaf for a probe: the one where it would be inserted, or with `strictly` the one of the last entry in front.
    #[inline]
    fn descend(&self, keys: &impl Keys, probe: Option<Probe<'_>>, strictly: bool) -> Option<u32> {
        let root = self.root.load(Ordering::Acquire);
        let (mut node, height) = (root as u32, root >> 32);
        for _ in 0..height {
            let inner = self.inners.get(node)?;
            let at = match probe {
                Some(probe) => Self::rank(&inner.slots, keys, probe, !strictly)?,
                None => inner.slots.len(),
            };
            node = inner.kid(at);
        }
        Some(node)
    }

    /// Reads in a leaf until what was read is sound. `read` gets the leaf and gives a place in it, or none if there is
    /// nothing, or `Err` if it saw something that cannot be.
    fn settle(
        &self,
        keys: &impl Keys,
        probe: Option<Probe<'_>>,
        strictly: bool,
        read: impl Fn(&Leaf) -> Result<Option<usize>, Torn>,
    ) -> Result<Option<Spot>, Behind> {
        let mut turn = 0;
        loop {
            if let Some(found) = self.try_settle(keys, probe, strictly, &read) {
                return found;
            }
            pause(&mut turn);
        }
    }

    #[inline]
    fn try_settle(
        &self,
        keys: &impl Keys,
        probe: Option<Probe<'_>>,
        strictly: bool,
        read: impl Fn(&Leaf) -> Result<Option<usize>, Torn>,
    ) -> Option<Result<Option<Spot>, Behind>> {
        let splits = self.splits.begin()?;
        let id = self.descend(keys, probe, strictly)?;
        let leaf = self.leaf(id)?;
        let seal = leaf.seal.begin()?;
        if !self.splits.holds(splits) {
            return None;
        }
        let at = read(leaf).ok()?;
        let len = leaf.slots.len();
        let (entry, right) = match at {
            Some(at) if at < len => (leaf.slots.id(at), NIL),
            Some(_) => (NIL, leaf.right.load(Ordering::Relaxed)),
            None => (NIL, NIL),
        };
        if !leaf.seal.holds(seal) {
            return None;
        }
        Some(match at {
            None => Ok(None),
            Some(at) if at < len => Ok(Some(Spot { id: entry, leaf: id, at: at as u32, seal })),
            Some(_) if right == NIL => Ok(None),
            Some(_) => Err(Behind { right, leaf: id, seal }),
        })
    }

    /// The first entry at or behind the probe.
    pub(super) fn lower(&self, keys: &impl Keys, probe: Probe<'_>) -> Option<Spot> {
        loop {
            let read = |leaf: &Leaf| Self::rank(&leaf.slots, keys, probe, false).map(Some).ok_or(Torn);
            match self.settle(keys, Some(probe), false, read) {
                Ok(found) => return found,
                Err(behind) => {
                    if let Some(found) = self.first_of_right(behind) {
                        return Some(found);
                    }
                }
            }
        }
    }

    /// The last entry in front of the probe; of all if there is no probe.
    pub(super) fn before(&self, keys: &impl Keys, probe: Option<Probe<'_>>) -> Option<Spot> {
        let read = |leaf: &Leaf| {
            let rank = match probe {
                Some(probe) => Self::rank(&leaf.slots, keys, probe, false).ok_or(Torn)?,
                None => leaf.slots.len(),
            };
            Ok(rank.checked_sub(1))
        };
        self.settle(keys, probe, true, read).unwrap_or(None)
    }

    pub(super) fn first(&self) -> Option<Spot> {
        let leaf = self.leaf(0)?;
        let mut turn = 0;
        loop {
            if let Some(seal) = leaf.seal.begin() {
                let spot = (leaf.slots.len() > 0).then(|| Spot { id: leaf.slots.id(0), leaf: 0, at: 0, seal });
                if leaf.seal.holds(seal) {
                    return spot;
                }
            }
            pause(&mut turn);
        }
    }

    /// The first entry of the leaf behind one that was at its end; none if one of the two changed.
    fn first_of_right(&self, behind: Behind) -> Option<Spot> {
        let leaf = self.leaf(behind.right)?;
        let seal = leaf.seal.begin()?;
        let spot = Spot { id: leaf.slots.id(0), leaf: behind.right, at: 0, seal };
        (self.leaf(behind.leaf)?.seal.holds(behind.seal) && leaf.seal.holds(seal) && spot.id != NIL).then_some(spot)
    }

    /// The entry behind one.
    #[inline]
    pub(super) fn next(&self, keys: &impl Keys, spot: Spot) -> Option<Spot> {
        let mut spot = spot;
        loop {
            if let Some(next) = self.try_next(spot) {
                return next;
            }
            // Its leaf has changed: find it again, where it is now.
            spot = self.again(keys, spot)?;
        }
    }

    #[inline]
    fn try_next(&self, spot: Spot) -> Option<Option<Spot>> {
        let leaf = self.leaf(spot.leaf)?;
        let at = spot.at as usize + 1;
        if at < leaf.slots.len() {
            let id = leaf.slots.id(at);
            return leaf.seal.holds(spot.seal).then_some(Some(Spot { id, at: at as u32, ..spot }));
        }
        let right = leaf.right.load(Ordering::Relaxed);
        if !leaf.seal.holds(spot.seal) {
            return None;
        }
        if right == NIL {
            return Some(None);
        }
        self.first_of_right(Behind { right, leaf: spot.leaf, seal: spot.seal }).map(Some)
    }

    /// The entry in front of one.
    pub(super) fn prev(&self, keys: &impl Keys, spot: Spot) -> Option<Spot> {
        let leaf = self.leaf(spot.leaf)?;
        if let Some(at) = spot.at.checked_sub(1) {
            let id = leaf.slots.id(at as usize);
            if leaf.seal.holds(spot.seal) {
                return Some(Spot { id, at, ..spot });
            }
        }
        self.before(keys, Some(Probe { key: keys.key(spot.id)?, seq: keys.seq(spot.id)? }))
    }

    fn again(&self, keys: &impl Keys, spot: Spot) -> Option<Spot> {
        self.lower(keys, Probe { key: keys.key(spot.id)?, seq: keys.seq(spot.id)? })
    }

    /// Inserts an entry, which all readers can see from now on. Its key and sequence number are like no other's.
    pub(super) fn insert(&self, writer: &mut TreeWriter, keys: &impl Keys, id: u32) {
        let key = keys.key(id).expect("the writer sees what it has written");
        let probe = Probe { key, seq: keys.seq(id).expect("the writer sees what it has written") };
        // Keys often come in order.
        let (last_leaf, last) = writer.last;
        let behind_all = last != NIL && keys.key(last).is_some_and(|last| last < key);
        if behind_all || last == NIL {
            let leaf = self.leaf(last_leaf).expect("the writer knows its leaves");
            writer.last.1 = id;
            let len = leaf.slots.len();
            if len < FAN {
                leaf.seal.open();
                leaf.slots.insert(len, head(key, leaf.slots.skip()), id);
                leaf.seal.close();
                return;
            }
        }
        let (leaf_id, low, high) = self.path_to(writer, keys, probe);
        let leaf = self.leaf(leaf_id).expect("the path leads to a leaf");
        let at = Self::rank(&leaf.slots, keys, probe, false).expect("the writer sees what it has written");
        if high == NIL && at == leaf.slots.len() {
            writer.last = (leaf_id, id);
        }
        if leaf.slots.len() < FAN {
            leaf.seal.open();
            leaf.slots.insert(at, head(key, leaf.slots.skip()), id);
            leaf.seal.close();
        } else {
            self.split_leaf(writer, keys, leaf_id, at, id, low, high);
        }
    }

    /// Notes the way to the leaf for a probe; returns the leaf, its first possible entry and the next leaf's first.
    fn path_to(&self, writer: &mut TreeWriter, keys: &impl Keys, probe: Probe<'_>) -> (u32, u32, u32) {
        let root = self.root.load(Ordering::Relaxed);
        let (mut node, height) = (root as u32, root >> 32);
        let (mut low, mut high) = (NIL, NIL);
        writer.path.clear();
        for _ in 0..height {
            let inner = self.inners.get(node).expect("the writer knows its nodes");
            let at = Self::rank(&inner.slots, keys, probe, true).expect("the writer sees what it has written");
            if at > 0 {
                low = inner.slots.id(at - 1);
            }
            if at < inner.slots.len() {
                high = inner.slots.id(at);
            }
            writer.path.push((node, at));
            node = inner.kid(at);
        }
        (node, low, high)
    }

    /// How many bytes everything between two entries has in common.
    fn skip_between(keys: &impl Keys, low: u32, high: u32) -> u32 {
        match (keys.key(low), keys.key(high)) {
            (Some(low_key), Some(high_key)) if low != NIL && high != NIL => common(low_key, high_key) as u32,
            _ => 0,
        }
    }

    /// Fills slots with entries.
    fn fill(slots: &Slots, keys: &impl Keys, ids: &[u32], low: u32, high: u32) {
        let skip = Self::skip_between(keys, low, high);
        slots.skip.store(skip, Ordering::Relaxed);
        for (at, &id) in ids.iter().enumerate() {
            let key = keys.key(id).expect("the writer sees what it has written");
            slots.set(at, head(key, skip as usize), id);
        }
        slots.set_len(ids.len());
    }

    /// Where to cut a full node that gets something at `at`: near the end if things come in order.
    fn cut(at: usize) -> usize {
        if at == FAN { FAN } else { FAN / 2 }
    }

    fn split_leaf(
        &self,
        writer: &mut TreeWriter,
        keys: &impl Keys,
        leaf_id: u32,
        at: usize,
        id: u32,
        low: u32,
        high: u32,
    ) {
        let leaf = self.leaf(leaf_id).expect("the path leads to a leaf");
        let mut ids = [NIL; FAN + 1];
        (0..FAN).for_each(|slot| ids[slot + usize::from(slot >= at)] = leaf.slots.id(slot));
        ids[at] = id;
        let cut = Self::cut(at);
        let (left, right) = ids.split_at(cut);
        let right_id = writer.leaves;
        writer.leaves += 1;
        let fresh = Leaf::new();
        Self::fill(&fresh.slots, keys, right, right[0], high);
        fresh.right.store(leaf.right.load(Ordering::Relaxed), Ordering::Relaxed);
        writer.bytes += self.leaves.set(right_id, fresh);
        if high == NIL {
            writer.last = (right_id, right[right.len() - 1]);
        }
        self.splits.open();
        leaf.seal.open();
        leaf.right.store(right_id, Ordering::Relaxed);
        Self::fill(&leaf.slots, keys, left, low, right[0]);
        self.add_to_parent(writer, keys, right[0], right_id);
        leaf.seal.close();
        self.splits.close();
    }

    /// Tells the node above (the last of the path) of a new child and its first entry.
    fn add_to_parent(&self, writer: &mut TreeWriter, keys: &impl Keys, mut first: u32, mut kid: u32) {
        while let Some((node, at)) = writer.path.pop() {
            let inner = self.inners.get(node).expect("the writer knows its nodes");
            if inner.slots.len() < FAN {
                let key = keys.key(first).expect("the writer sees what it has written");
                inner.insert(at, head(key, inner.slots.skip()), first, kid);
                return;
            }
            let (mut ids, mut kids) = ([NIL; FAN + 1], [NIL; FAN + 2]);
            (0..FAN).for_each(|slot| ids[slot + usize::from(slot >= at)] = inner.slots.id(slot));
            ids[at] = first;
            (0..=FAN).for_each(|slot| kids[slot + usize::from(slot > at)] = inner.kid(slot));
            kids[at + 1] = kid;
            // The key in the middle moves up; what is right of it becomes a new node.
            let cut = Self::cut(at).min(FAN - 1);
            let fresh = Inner::new();
            let (low, high) = self.fences(writer, keys);
            Self::fill(&fresh.slots, keys, &ids[cut + 1..], ids[cut], high);
            kids[cut + 1..].iter().enumerate().for_each(|(to, &kid)| fresh.set_kid(to, kid));
            Self::fill(&inner.slots, keys, &ids[..cut], low, ids[cut]);
            kids[..=cut].iter().enumerate().for_each(|(to, &kid)| inner.set_kid(to, kid));
            let fresh_id = writer.inners;
            writer.inners += 1;
            writer.bytes += self.inners.set(fresh_id, fresh);
            (first, kid) = (ids[cut], fresh_id);
        }
        let root = self.root.load(Ordering::Relaxed);
        let top = Inner::new();
        Self::fill(&top.slots, keys, &[first], NIL, NIL);
        top.set_kid(0, root as u32);
        top.set_kid(1, kid);
        let top_id = writer.inners;
        writer.inners += 1;
        writer.bytes += self.inners.set(top_id, top);
        self.root.store((((root >> 32) + 1) << 32) | u64::from(top_id), Ordering::Release);
    }

    /// The entries between which the node lies whose parents are the path.
    fn fences(&self, writer: &TreeWriter, _: &impl Keys) -> (u32, u32) {
        let (mut low, mut high) = (NIL, NIL);
        for &(node, at) in &writer.path {
            let inner = self.inners.get(node).expect("the writer knows its nodes");
            if at > 0 {
                low = inner.slots.id(at - 1);
            }
            if at < inner.slots.len() {
                high = inner.slots.id(at);
            }
        }
        (low, high)
    }
}

/// Numbers that do not go together: the leaf is being written.
#[derive(Debug)]
struct Torn;

/// The place is behind all entries of a leaf: the leaf to its right, and how the left one was when it said so.
#[derive(Clone, Copy, Debug)]
struct Behind {
    right: u32,
    leaf: u32,
    seal: u64,
}
