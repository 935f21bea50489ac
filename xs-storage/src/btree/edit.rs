//! Nodes to change: a cell goes in or out, and a node is made anew from cells, as after a split or a merge.
//!
//! An [`Entry`] is a cell outside of a node: the bytes of its key that are at hand, in two parts, and its value as it
//! stands. Making a node from entries finds their common prefix and stores it once.

use super::node::{CELL, FLAGS, KEY_REF, KEY_RUN, Key, Node, RunRef, SLOT, VALUE_RUN, get_u16, head};
use super::page::{HEADER, INNER, LEAF, PageId};

/// A cell outside of a node. In front of an inner node's first entry everything is smaller: its key does not count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// The key's first bytes.
    pub(super) prefix: &'a [u8],
    /// Those that follow.
    pub(super) rest: &'a [u8],
    /// Where the whole key stands, if these are not all.
    pub(super) run: Option<RunRef>,
    /// The value's bytes, or its reference to a run.
    pub(super) value: &'a [u8],
    /// Which of the two.
    pub(super) value_in_run: bool,
}

impl<'a> Entry<'a> {
    /// The cell at a place in a node.
    pub(super) fn at(node: &Node<'a>, at: usize) -> Self {
        let Key { prefix, rest, run } = node.key(at);
        Entry { prefix, rest, run, value: node.raw_value(at), value_in_run: node.flags(at) & VALUE_RUN != 0 }
    }

    /// The same cell under another key.
    pub(super) fn with_key(self, key: Key<'a>) -> Self {
        Entry { prefix: key.prefix, rest: key.rest, run: key.run, ..self }
    }

    pub(super) fn key(&self) -> Key<'a> {
        Key { prefix: self.prefix, rest: self.rest, run: self.run }
    }

    fn known(&self) -> impl Iterator<Item = u8> {
        self.prefix.iter().chain(self.rest).copied()
    }

    /// Bytes in a node without prefix, the slot's included.
    pub(super) fn size(&self) -> usize {
        self.size_of_rest() + self.prefix.len() + self.rest.len()
    }

    fn size_of_rest(&self) -> usize {
        SLOT + CELL + self.value.len() + if self.run.is_some() { KEY_REF } else { 0 }
    }

    /// The known bytes of the key behind the first `skip`, in two parts.
    fn behind(&self, skip: usize) -> (&'a [u8], &'a [u8]) {
        match self.prefix.get(skip..) {
            Some(prefix) => (prefix, self.rest),
            None => (&[], &self.rest[skip - self.prefix.len()..]),
        }
    }
}

fn shared(a: &Entry<'_>, b: &Entry<'_>) -> usize {
    a.known().zip(b.known()).take_while(|(a, b)| a == b).count()
}

/// Bytes that a node knows of a key that stands in a run. A node's prefix is shorter by a slot's head, so that the heads
/// of long keys are made of bytes that are known.
pub(super) fn known_of_long(page: usize) -> usize {
    page / 16
}

const HEAD: usize = 4;

/// The part of a level's entries that shall be one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group<'a, 'b> {
    pub(super) entries: &'b [Entry<'a>],
    pub(super) level: u8,
    pub(super) page: usize,
}

impl<'a, 'b> Group<'a, 'b> {
    /// The entries whose keys count.
    fn keyed(&self) -> &'b [Entry<'a>] {
        if self.level == 0 { self.entries } else { &self.entries[1..] }
    }

    fn prefix(&self) -> usize {
        let shared = match self.keyed() {
            [first, .., last] => shared(first, last),
            [only] => only.prefix.len() + only.rest.len(),
            [] => 0,
        };
        shared.min(known_of_long(self.page) - HEAD)
    }

    /// Bytes of the node that they would be.
    pub(super) fn size(&self) -> usize {
        self.size_knowing(self.entries.iter().map(Entry::size).sum())
    }

    /// The same, from the sum of the entries' own sizes.
    fn size_knowing(&self, sum: usize) -> usize {
        let (prefix, keyed) = (self.prefix(), self.keyed());
        let unkeyed =
            if self.level == 0 { 0 } else { self.entries[0].size() - SLOT - CELL - self.entries[0].value.len() };
        HEADER + sum - unkeyed - prefix * keyed.len() + prefix
    }

    /// Where to cut them in two nodes, as even as can be; none if there is no such place.
    ///
    /// There is one when they are a node and one more entry: entries take up to a quarter of a page, and an entry that
    /// does not share the others' prefix is the first or the last.
    pub(super) fn middle(&self) -> Option<usize> {
        let total: usize = self.entries.iter().map(Entry::size).sum();
        let mut left = 0;
        let mut best: Option<(usize, usize)> = None;
        for at in 1..self.entries.len() {
            left += self.entries[at - 1].size();
            let (a, b) = self.entries.split_at(at);
            let [a, b] =
                [(a, left), (b, total - left)].map(|(entries, sum)| Group { entries, ..*self }.size_knowing(sum));
            let larger = a.max(b);
            if larger <= self.page && best.is_none_or(|(size, _)| larger < size) {
                best = Some((larger, at));
            }
        }
        best.map(|(_, at)| at)
    }

    /// Makes the node. It must fit.
    pub(super) fn build(&self, page: &mut [u8], id: PageId, epoch: u64) {
        let prefix = self.prefix();
        page.fill(0);
        page[4] = if self.level == 0 { LEAF } else { INNER };
        page[5] = self.level;
        page[8..12].copy_from_slice(&id.to_le_bytes());
        page[16..24].copy_from_slice(&epoch.to_le_bytes());
        let end = page.len() - prefix;
        if let Some(first) = self.keyed().first() {
            first.known().zip(&mut page[end..]).for_each(|(from, to)| *to = from);
        }
        put_u16(page, 24, prefix);
        put_u16(page, 26, end);
        for (at, entry) in self.entries.iter().enumerate() {
            match (at, self.level) {
                (0, 1..) => put(page, 0, (&[], &[]), Entry { run: None, ..*entry }),
                _ => put(page, at, entry.behind(prefix), *entry),
            }
        }
    }
}

fn put_u16(page: &mut [u8], at: usize, n: usize) {
    // Nothing in a page is larger than a page: 32 KiB.
    page[at..at + 2].copy_from_slice(&(n as u16).to_le_bytes());
}

/// Writes a cell below the others and its slot at a place. There must be room.
fn put(page: &mut [u8], at: usize, (one, two): (&[u8], &[u8]), entry: Entry<'_>) {
    let node = Node::new(page);
    let (count, heap) = (node.count(), node.heap());
    let reference = entry.run.map(|run| {
        let mut bytes = [0; KEY_REF];
        bytes[..4].copy_from_slice(&run.id.to_le_bytes());
        bytes[4..].copy_from_slice(&(run.len as u32).to_le_bytes());
        bytes
    });
    let reference = reference.as_ref().map_or(&[][..], |bytes| bytes);
    let key_len = one.len() + two.len() + reference.len();
    let cell = heap - (CELL + key_len + entry.value.len());
    put_u16(page, cell, entry.value.len());
    let mut to = cell + CELL;
    for part in [one, two, reference, entry.value] {
        page[to..to + part.len()].copy_from_slice(part);
        to += part.len();
    }
    let slot = HEADER + SLOT * at;
    page.copy_within(slot..HEADER + SLOT * count, slot + SLOT);
    let head = match (one.len(), two) {
        (4.., _) => head(one),
        (0, two) => head(two),
        _ => {
            let mut first = [0; 4];
            one.iter().chain(two).zip(&mut first).for_each(|(from, to)| *to = *from);
            u32::from_be_bytes(first)
        }
    };
    page[slot..slot + 4].copy_from_slice(&head.to_le_bytes());
    put_u16(page, slot + 4, cell);
    let flags = if entry.run.is_some() { KEY_RUN } else { 0 } | if entry.value_in_run { VALUE_RUN } else { 0 };
    put_u16(page, slot + 6, key_len | usize::from(flags));
    put_u16(page, 6, count + 1);
    put_u16(page, 26, cell);
}

/// Puts an entry into a node, at a place. False, and nothing is done, if it has no room there, or not the prefix.
pub(super) fn insert(page: &mut [u8], at: usize, entry: Entry<'_>) -> bool {
    let node = Node::new(page);
    let prefix = node.prefix();
    let keyless = at == 0 && node.level() > 0;
    let mut known = entry.known();
    if keyless
        || entry.prefix.len() + entry.rest.len() < prefix.len()
        || prefix.iter().any(|&b| known.next() != Some(b))
    {
        return false;
    }
    let (prefix, need) = (prefix.len(), entry.size() - prefix.len());
    if node.gap() < need {
        if node.free() < need {
            return false;
        }
        compact(page);
    }
    put(page, at, entry.behind(prefix), entry);
    true
}

/// Takes a cell out. What referred to it is the caller's.
pub(super) fn remove(page: &mut [u8], at: usize) {
    let node = Node::new(page);
    let (count, heap, dead) = (node.count(), node.heap(), node.dead());
    let slot = HEADER + SLOT * at;
    let cell = usize::from(get_u16(page, slot + 4));
    let key_len = usize::from(get_u16(page, slot + 6) & !FLAGS);
    let len = CELL + key_len + node.raw_value(at).len();
    page.copy_within(slot + SLOT..HEADER + SLOT * count, slot);
    put_u16(page, 6, count - 1);
    // The lowest cell gives its bytes back at once: what was put in last often goes first.
    if cell == heap {
        put_u16(page, 26, heap + len);
    } else {
        put_u16(page, 28, dead + len);
    }
}

/// Overwrites the value of a cell by one of the same length and kind.
pub(super) fn set_value(page: &mut [u8], at: usize, value: &[u8]) {
    let slot = HEADER + SLOT * at;
    let cell = usize::from(get_u16(page, slot + 4));
    let from = cell + CELL + usize::from(get_u16(page, slot + 6) & !FLAGS);
    page[from..from + value.len()].copy_from_slice(value);
}

/// Moves the cells together, so that every free byte lies between slots and cells.
fn compact(page: &mut [u8]) {
    let before = page.to_vec();
    let node = Node::new(&before);
    let mut heap = page.len() - node.prefix().len();
    for at in 0..node.count() {
        let slot = HEADER + SLOT * at;
        let from = usize::from(get_u16(&before, slot + 4));
        let key_len = usize::from(get_u16(&before, slot + 6) & !FLAGS);
        let len = CELL + key_len + node.raw_value(at).len();
        heap -= len;
        page[heap..heap + len].copy_from_slice(&before[from..from + len]);
        put_u16(page, slot + 4, heap);
    }
    let gap = HEADER + SLOT * node.count();
    page[gap..heap].fill(0);
    put_u16(page, 26, heap);
    put_u16(page, 28, 0);
}
