//! Nodes to read: where things stand in a leaf or an inner page, and the search in it. The layout is drawn in [`super`].

use std::cmp::Ordering;

use super::page::{HEADER, INNER, LEAF, PageId};
use crate::Result;

/// The cell's key goes on in a run.
pub(super) const KEY_RUN: u16 = 0x8000;
/// The cell's value stands in a run.
pub(super) const VALUE_RUN: u16 = 0x4000;
pub(super) const FLAGS: u16 = KEY_RUN | VALUE_RUN;

/// Bytes of a slot: head, offset, key length with flags.
pub(super) const SLOT: usize = 8;
/// Bytes of a cell besides key and value: the value's length.
pub(super) const CELL: usize = 2;
/// Bytes by which a cell's key refers to a run: its page, the whole key's length.
pub(super) const KEY_REF: usize = 8;
/// Bytes by which a cell's value refers to a run: its page, the value's length.
pub(super) const VALUE_REF: usize = 12;

/// Where the bytes of long keys and values are to be had.
pub(super) trait Runs {
    /// Shows `see` the payload of a run.
    fn run(&self, id: PageId, len: u64, see: &mut dyn FnMut(&[u8])) -> Result<()>;
}

/// A key or a value that may stand in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunRef {
    pub(super) id: PageId,
    pub(super) len: u64,
}

/// The key of a cell, in its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'a> {
    /// The node's, in front of all of its keys.
    pub(super) prefix: &'a [u8],
    /// What follows in the cell.
    pub(super) rest: &'a [u8],
    /// The whole key, if the cell does not hold all of it.
    pub(super) run: Option<RunRef>,
}

impl Key<'_> {
    /// Bytes of the key that stand in the node.
    pub(super) fn known(&self) -> usize {
        self.prefix.len() + self.rest.len()
    }

    /// Appends the whole key.
    pub(super) fn append_to(&self, out: &mut Vec<u8>, runs: &(impl Runs + ?Sized)) -> Result<()> {
        if let Some(run) = self.run {
            return runs.run(run.id, run.len, &mut |whole| out.extend_from_slice(whole));
        }
        out.extend_from_slice(self.prefix);
        out.extend_from_slice(self.rest);
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Here(&'a [u8]),
    Run(RunRef),
}

/// A leaf or an inner page. The bytes were validated when they came from the disk, or made here.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    bytes: &'a [u8],
}

pub(super) fn get_u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn get_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn get_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The first four bytes of what follows the prefix, as a number that orders like them; short keys are filled up with
/// zeros, so equal heads decide nothing.
pub(super) fn head(rest: &[u8]) -> u32 {
    match rest.first_chunk::<4>() {
        Some(first) => u32::from_be_bytes(*first),
        None => {
            let mut first = [0; 4];
            first[..rest.len()].copy_from_slice(rest);
            u32::from_be_bytes(first)
        }
    }
}

fn offset(slot: [u8; SLOT]) -> usize {
    u16::from_le_bytes([slot[4], slot[5]]).into()
}

fn key_len(slot: [u8; SLOT]) -> u16 {
    u16::from_le_bytes([slot[6], slot[7]])
}

fn slot_head(slot: &[u8; SLOT]) -> u32 {
    u32::from_le_bytes([slot[0], slot[1], slot[2], slot[3]])
}

impl<'a> Node<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Node { bytes }
    }

    pub(super) fn kind(&self) -> u8 {
        self.bytes[4]
    }

    pub(super) fn is_leaf(&self) -> bool {
        self.kind() == LEAF
    }

    /// Leaves are at level 0.
    pub(super) fn level(&self) -> u8 {
        self.bytes[5]
    }

    pub(super) fn count(&self) -> usize {
        get_u16(self.bytes, 6).into()
    }

    pub(super) fn prefix(&self) -> &'a [u8] {
        let len = usize::from(get_u16(self.bytes, 24));
        &self.bytes[self.bytes.len() - len..]
    }

    /// The offset of the lowest cell.
    pub(super) fn heap(&self) -> usize {
        get_u16(self.bytes, 26).into()
    }

    /// Bytes between the cells that no slot refers to any more.
    pub(super) fn dead(&self) -> usize {
        get_u16(self.bytes, 28).into()
    }

    pub(super) fn slots(&self) -> &'a [[u8; SLOT]] {
        self.bytes[HEADER..HEADER + SLOT * self.count()].as_chunks().0
    }

    /// Bytes that a new cell with its slot can take, after compaction if need be.
    pub(super) fn free(&self) -> usize {
        self.gap() + self.dead()
    }

    /// Bytes between the slots and the cells.
    pub(super) fn gap(&self) -> usize {
        self.heap() - (HEADER + SLOT * self.count())
    }

    /// Bytes in use besides the header.
    pub(super) fn used(&self) -> usize {
        self.bytes.len() - HEADER - self.free()
    }

    pub(super) fn key(&self, at: usize) -> Key<'a> {
        self.key_of(self.slots()[at])
    }

    fn key_of(&self, slot: [u8; SLOT]) -> Key<'a> {
        let at = offset(slot) + CELL;
        let len = key_len(slot);
        let part = &self.bytes[at..at + usize::from(len & !FLAGS)];
        let prefix = self.prefix();
        if len & KEY_RUN == 0 {
            return Key { prefix, rest: part, run: None };
        }
        let (rest, run) = part.split_at(part.len() - KEY_REF);
        let run = RunRef { id: get_u32(run, 0), len: get_u32(run, 4).into() };
        Key { prefix, rest, run: Some(run) }
    }

    pub(super) fn flags(&self, at: usize) -> u16 {
        key_len(self.slots()[at]) & FLAGS
    }

    /// The cell's value part as it stands.
    pub(super) fn raw_value(&self, at: usize) -> &'a [u8] {
        let slot = self.slots()[at];
        let cell = offset(slot);
        let from = cell + CELL + usize::from(key_len(slot) & !FLAGS);
        &self.bytes[from..from + usize::from(get_u16(self.bytes, cell))]
    }

    pub(super) fn value(&self, at: usize) -> Value<'a> {
        let raw = self.raw_value(at);
        if self.flags(at) & VALUE_RUN == 0 {
            return Value::Here(raw);
        }
        Value::Run(RunRef { id: get_u32(raw, 0), len: get_u64(raw, 4) })
    }

    /// Key and value of a leaf's entry, and the offset of the value in the page: all that a cursor needs, at one look.
    pub(super) fn entry(&self, at: usize) -> (Key<'a>, Value<'a>, usize) {
        let slot = self.slots()[at];
        let cell = offset(slot);
        let from = cell + CELL + usize::from(key_len(slot) & !FLAGS);
        let raw = &self.bytes[from..from + usize::from(get_u16(self.bytes, cell))];
        let value = match key_len(slot) & VALUE_RUN {
            0 => Value::Here(raw),
            _ => Value::Run(RunRef { id: get_u32(raw, 0), len: get_u64(raw, 4) }),
        };
        (self.key_of(slot), value, from)
    }

    /// The page under a slot of an inner node.
    pub(super) fn child(&self, at: usize) -> PageId {
        get_u32(self.raw_value(at), 0)
    }

    /// How a cell's key stands to `key`, whose first bytes are the node's prefix and whose others are `rest`.
    fn order(&self, slot: [u8; SLOT], rest: &[u8], runs: &(impl Runs + ?Sized)) -> Result<Ordering> {
        let cell = self.key_of(slot);
        let Some(run) = cell.run else { return Ok(cell.rest.cmp(rest)) };
        let shared = cell.rest.len().min(rest.len());
        match cell.rest[..shared].cmp(&rest[..shared]) {
            Ordering::Equal if rest.len() <= cell.rest.len() => Ok(Ordering::Greater), // the cell's goes on
            Ordering::Equal => {
                let mut order = Ordering::Equal;
                let prefix = cell.prefix.len();
                runs.run(run.id, run.len, &mut |whole| order = whole.get(prefix..).unwrap_or_default().cmp(rest))?;
                Ok(order)
            }
            order => Ok(order),
        }
    }

    /// The place of a key among the slots from `first` on: where it is, or where it would go.
    fn find(&self, key: &[u8], first: usize, runs: &(impl Runs + ?Sized)) -> Result<std::result::Result<usize, usize>> {
        let slots = self.slots();
        let prefix = self.prefix();
        let Some(rest) = key.strip_prefix(prefix) else {
            return Ok(Err(if key < prefix { first } else { slots.len() }));
        };
        let sought = head(rest);
        let mut from = first + slots[first..].partition_point(|slot| slot_head(slot) < sought);
        // Equal heads are few: unless keys share more than the prefix and four bytes, none or one.
        let mut to = from + slots[from..].iter().take(2).take_while(|slot| slot_head(slot) == sought).count();
        if to == from + 2 {
            to = from + slots[from..].partition_point(|slot| slot_head(slot) == sought);
        }
        while from < to {
            let middle = from.midpoint(to);
            match self.order(slots[middle], rest, runs)? {
                Ordering::Less => from = middle + 1,
                Ordering::Greater => to = middle,
                Ordering::Equal => return Ok(Ok(middle)),
            }
        }
        Ok(Err(from))
    }

    /// Where a key is in a leaf, or where it would go.
    pub(super) fn search(&self, key: &[u8], runs: &(impl Runs + ?Sized)) -> Result<std::result::Result<usize, usize>> {
        self.find(key, 0, runs)
    }

    /// The slot of an inner node under which a key belongs. The first slot has no key: everything below the second's.
    pub(super) fn child_for(&self, key: &[u8], runs: &(impl Runs + ?Sized)) -> Result<usize> {
        Ok(match self.find(key, 1, runs)? {
            Ok(at) => at,
            Err(at) => at - 1,
        })
    }

    /// What is wrong with bytes that claim to be a node. Everything that the accessors above rely on.
    pub(super) fn validate(bytes: &'a [u8]) -> std::result::Result<Self, &'static str> {
        let node = Node { bytes };
        if !matches!(node.kind(), LEAF | INNER) {
            return Err("a page of another kind where a node should be");
        }
        if node.is_leaf() != (node.level() == 0) {
            return Err("a node whose level does not fit its kind");
        }
        let prefix = usize::from(get_u16(bytes, 24));
        let slots_end = HEADER + SLOT * node.count();
        let heap_end = bytes.len().checked_sub(prefix).ok_or("a prefix longer than the node")?;
        if node.heap() < slots_end || node.heap() > heap_end || node.count() == 0 {
            return Err("a node with slots and cells in each other");
        }
        let mut cells = node.dead();
        for &slot in node.slots() {
            let len = key_len(slot);
            let (at, key) = (offset(slot), usize::from(len & !FLAGS));
            if at < node.heap() || at + CELL + key > heap_end {
                return Err("a cell outside of its place");
            }
            let value = usize::from(get_u16(bytes, at));
            if at + CELL + key + value > heap_end {
                return Err("a value that goes on behind its place");
            }
            let wrong_value = match (node.is_leaf(), len & VALUE_RUN != 0) {
                (true, true) => value != VALUE_REF,
                (false, run) => run || value != 4,
                (true, false) => false,
            };
            if wrong_value || (len & KEY_RUN != 0 && key < KEY_REF) {
                return Err("a cell that refers to nothing");
            }
            cells += CELL + key + value;
        }
        if cells != heap_end - node.heap() {
            return Err("cells that overlap, or bytes that nobody owns");
        }
        Ok(node)
    }
}
