//! A packed run of entries: one allocation, field names written once, identifiers as differences.
//!
//! ```text
//!   data:  ┌───────────────┬─────────┬─────────┬───
//!          │ master fields │ entry 0 │ entry 1 │ ...
//!          └───────────────┴─────────┴─────────┴───
//!   master fields:  (name length, name) x fields               the names of the first entry
//!   entry:          body length │ body │ back length           back length = bytes before it, read from its end
//!   body:           flags │ ms - master.ms │ zigzag(seq - master.seq) │ (length, value) x fields            SAME_FIELDS
//!                                                        … or │ n │ (length, name, length, value) x n
//! ```
//! Numbers are little-endian base-128 varints; the back length is one written backwards, so that the run can be walked
//! from its end. A deleted entry keeps its bytes and gets a flag.

use super::StreamId;
use crate::varint::{put_varint, take_varint};

/// The entry uses the master's field names and stores values alone.
const SAME_FIELDS: u8 = 1;
/// The entry was deleted.
const DELETED: u8 = 2;

/// A packed run of entries. Never empty: whoever deletes the last live entry drops the node.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) master: StreamId,
    data: Vec<u8>,
    /// Where the first entry starts.
    entries_at: u32,
    master_fields: u32,
    pub(super) live: u32,
    pub(super) dead: u32,
}

/// What an entry will take, worked out before anything is written.
struct Plan {
    fields: usize,
    /// Bytes of names with their lengths, and of values with theirs.
    names: usize,
    values: usize,
}

impl Plan {
    fn of<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Plan {
        fields.fold(Plan { fields: 0, names: 0, values: 0 }, |plan, (name, value)| Plan {
            fields: plan.fields + 1,
            names: plan.names + varint_len(name.len() as u64) + name.len(),
            values: plan.values + varint_len(value.len() as u64) + value.len(),
        })
    }
}

/// The bytes of the field names and values of an entry, before any compression of names.
pub(super) fn payload<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> usize {
    fields.map(|(name, value)| name.len() + value.len()).sum()
}

impl Node {
    /// A node whose first entry is `id`.
    pub(super) fn new<'f>(id: StreamId, fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone) -> Node {
        let plan = Plan::of(fields.clone());
        let mut data = Vec::with_capacity(plan.names + plan.values + 16);
        for (name, _) in fields.clone() {
            put_slice(&mut data, name);
        }
        let mut node = Node {
            master: id,
            entries_at: data.len() as u32,
            data,
            master_fields: plan.fields as u32,
            live: 0,
            dead: 0,
        };
        node.push(id, fields);
        node
    }

    /// Appends an entry. `id` is larger than every other one in the node.
    pub(super) fn push<'f>(&mut self, id: StreamId, fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone) {
        let plan = Plan::of(fields.clone());
        let same = self.has_fields(fields.clone().map(|(name, _)| name), plan.fields);
        let ms = id.ms.wrapping_sub(self.master.ms);
        let seq = zigzag(id.seq.wrapping_sub(self.master.seq));
        let mut body = 1 + varint_len(ms) + varint_len(seq) + plan.values;
        if !same {
            body += varint_len(plan.fields as u64) + plan.names;
        }
        let start = self.data.len();
        self.data.reserve(body + 2 * varint_len(body as u64) + 1);
        put_varint(&mut self.data, body as u64);
        self.data.push(if same { SAME_FIELDS } else { 0 });
        put_varint(&mut self.data, ms);
        put_varint(&mut self.data, seq);
        if !same {
            put_varint(&mut self.data, plan.fields as u64);
        }
        for (name, value) in fields {
            if !same {
                put_slice(&mut self.data, name);
            }
            put_slice(&mut self.data, value);
        }
        let back = self.data.len() - start;
        let at = self.data.len();
        put_varint(&mut self.data, back as u64);
        self.data[at..].reverse();
        self.live += 1;
    }

    /// Whether these names are exactly the master's.
    fn has_fields<'f>(&self, names: impl Iterator<Item = &'f [u8]>, count: usize) -> bool {
        if count != self.master_fields as usize {
            return false;
        }
        let mut master = &self.data[..self.entries_at as usize];
        for name in names {
            if take_slice(&mut master) != name {
                return false;
            }
        }
        true
    }

    /// Entries, deleted ones included: what the limit on entries counts.
    pub(super) fn count(&self) -> usize {
        (self.live + self.dead) as usize
    }

    /// Bytes in use.
    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    /// Bytes allocated.
    pub(super) fn capacity(&self) -> usize {
        self.data.capacity()
    }

    /// Gives back spare room: no more entries will come.
    pub(super) fn close(&mut self) {
        self.data.shrink_to_fit();
    }

    /// Every entry from the first to the last, deleted ones included. Runs both ways.
    pub(super) fn entries(&self) -> Entries<'_> {
        Entries { node: self, front: self.entries_at as usize, back: self.data.len() }
    }

    /// The identifier of the last entry, deleted or not.
    pub(super) fn last_id(&self) -> StreamId {
        self.entries().next_back().map_or(self.master, |slot| slot.entry.id)
    }

    /// Marks the entry deleted if it is here and alive.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some(slot) = self.entries().find(|slot| slot.entry.id >= id) else { return false };
        if slot.entry.id != id || slot.deleted {
            return false;
        }
        let at = slot.flags_at;
        self.mark(at);
        true
    }

    /// Marks live entries deleted from the front, for as long as `doomed` says so; returns how many.
    pub(super) fn trim(&mut self, mut doomed: impl FnMut(StreamId) -> bool) -> usize {
        let mut marked = 0;
        let mut front = self.entries_at as usize;
        loop {
            let mut entries = Entries { node: self, front, back: self.data.len() };
            let Some(slot) = entries.next() else { break };
            front = entries.front;
            if slot.deleted {
                continue;
            }
            if !doomed(slot.entry.id) {
                break;
            }
            let at = slot.flags_at;
            self.mark(at);
            marked += 1;
        }
        marked
    }

    fn mark(&mut self, flags_at: usize) {
        self.data[flags_at] |= DELETED;
        self.live -= 1;
        self.dead += 1;
    }

    /// The entry whose length prefix starts at `at`, and where its back length starts.
    fn read(&self, at: usize) -> (Slot<'_>, usize) {
        let mut rest = &self.data[at..];
        let body = next_varint(&mut rest) as usize;
        let flags_at = self.data.len() - rest.len();
        let end = flags_at + body;
        let mut body = &rest[..body];
        let flags = body[0];
        body = &body[1..];
        let ms = next_varint(&mut body);
        let seq = next_varint(&mut body);
        let id = StreamId::new(self.master.ms.wrapping_add(ms), self.master.seq.wrapping_add(unzigzag(seq)));
        let same = flags & SAME_FIELDS != 0;
        let (left, master) = if same {
            (self.master_fields as usize, Some(&self.data[..self.entries_at as usize]))
        } else {
            (next_varint(&mut body) as usize, None)
        };
        let entry = Entry { id, fields: Fields { left, master, body } };
        (Slot { entry, deleted: flags & DELETED != 0, flags_at }, end)
    }
}

/// An entry and its state in the node.
pub(super) struct Slot<'a> {
    pub(super) entry: Entry<'a>,
    pub(super) deleted: bool,
    flags_at: usize,
}

/// Both-way walk over a node's entries, deleted ones included.
#[derive(Debug, Clone)]
pub(super) struct Entries<'a> {
    node: &'a Node,
    front: usize,
    back: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Slot<'a>;

    fn next(&mut self) -> Option<Slot<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (slot, end) = self.node.read(self.front);
        self.front = end + varint_len((end - self.front) as u64);
        Some(slot)
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let (mut end, mut length, mut shift) = (self.back, 0, 0);
        loop {
            end -= 1;
            let byte = self.node.data[end];
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        self.back = end - length;
        Some(self.node.read(self.back).0)
    }
}

/// One entry of a stream, borrowed from its node.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// The entry's identifier.
    pub id: StreamId,
    fields: Fields<'a>,
}

impl<'a> Entry<'a> {
    /// The field names and values, in the order in which they were given.
    pub fn fields(&self) -> Fields<'a> {
        self.fields.clone()
    }
}

/// The fields of an [`Entry`]: pairs of name and value.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    left: usize,
    /// Where the names come from, if not from the body.
    master: Option<&'a [u8]>,
    body: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = match &mut self.master {
            Some(master) => take_slice(master),
            None => take_slice(&mut self.body),
        };
        Some((name, take_slice(&mut self.body)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ (((difference as i64) >> 63) as u64)
}

fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}

#[inline]
fn varint_len(value: u64) -> usize {
    // 7 bits a byte: the same as ceil(bits / 7), with one byte for zero.
    ((70 - (value | 1).leading_zeros()) / 7) as usize
}

#[inline]
fn put_slice(data: &mut Vec<u8>, slice: &[u8]) {
    put_varint(data, slice.len() as u64);
    data.extend_from_slice(slice);
}

/// The next number of bytes that this module wrote.
#[inline]
fn next_varint(data: &mut &[u8]) -> u64 {
    take_varint(data).expect("a node holds whole numbers")
}

#[inline]
fn take_slice<'a>(data: &mut &'a [u8]) -> &'a [u8] {
    let length = next_varint(data) as usize;
    let (slice, rest) = data.split_at(length);
    *data = rest;
    slice
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn varints_take_the_room_that_they_announce() {
        for value in (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]).chain([u64::MAX]) {
            let mut data = Vec::new();
            put_varint(&mut data, value);
            assert_eq!(data.len(), varint_len(value), "{value}");
            assert_eq!(next_varint(&mut &data[..]), value);
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn a_run_reads_the_same_from_both_ends() {
        let long = vec![b'x'; 300];
        let pairs = |n: u64| -> Vec<(Vec<u8>, Vec<u8>)> {
            match n % 3 {
                0 => vec![(b"a".to_vec(), n.to_string().into_bytes()), (b"b".to_vec(), long.clone())],
                1 => vec![(b"other".to_vec(), vec![])],
                _ => vec![(b"a".to_vec(), vec![0; n as usize]), (b"b".to_vec(), b"v".to_vec())],
            }
        };
        let borrowed = |pairs: &[(Vec<u8>, Vec<u8>)]| -> Vec<(Vec<u8>, Vec<u8>)> { pairs.to_vec() };
        let ids: Vec<StreamId> =
            (0..40).map(|n| StreamId::new(10 + n / 4, if n / 4 == 0 { 50 + n } else { n })).collect();
        let mut node: Option<Node> = None;
        for (n, id) in ids.iter().enumerate() {
            let pairs = pairs(n as u64);
            let fields = pairs.iter().map(|(name, value)| (&name[..], &value[..]));
            match &mut node {
                None => node = Some(Node::new(*id, fields)),
                Some(node) => node.push(*id, fields),
            }
        }
        let node = node.unwrap();
        let read = |slot: Slot<'_>| {
            let fields: Vec<_> = slot.entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            (slot.entry.id, borrowed(&fields))
        };
        let forward: Vec<_> = node.entries().map(read).collect();
        let mut backward: Vec<_> = node.entries().rev().map(read).collect();
        backward.reverse();
        let expected: Vec<_> = ids.iter().enumerate().map(|(n, id)| (*id, pairs(n as u64))).collect();
        assert_eq!(forward, expected);
        assert_eq!(backward, expected);
        assert_eq!(node.last_id(), ids[39]);
    }

    #[test]
    fn deleting_leaves_a_tombstone_once() {
        let field = || [(&b"f"[..], &b"v"[..])].into_iter();
        let mut node = Node::new(StreamId::new(1, 0), field());
        node.push(StreamId::new(1, 5), field());
        assert!(!node.delete(StreamId::new(1, 3)));
        assert!(node.delete(StreamId::new(1, 5)));
        assert!(!node.delete(StreamId::new(1, 5)));
        assert_eq!((node.live, node.dead, node.count()), (1, 1, 2));
        assert_eq!(node.trim(|_| true), 1);
        assert_eq!(node.live, 0);
    }
}
