//! Reading a block.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::super::Seq;
use super::super::codec::common;
use crate::varint::take_varint;

/// The bytes of a block, decompressed and checked against their checksum.
#[derive(Debug)]
pub(in super::super) struct Block {
    bytes: Bytes,
    /// Where the entries end and the restarts begin.
    end: u32,
    restarts: u32,
}

/// What [`Block::find`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Find {
    /// An entry: its tag, and where its value is in the block's bytes.
    Entry { tag: u64, value: Range<usize> },
    /// The key is not in the table, for such a reader.
    Missing,
    /// It would be behind all entries of this block: perhaps in the next.
    BehindAll,
}

/// One entry as it stands there: where its parts are.
#[derive(Clone, Copy, Debug)]
struct Parsed {
    shared: usize,
    /// Where the rest of the key begins, where it ends and the value begins, where that ends and the next entry begins.
    key: usize,
    value: usize,
    next: usize,
    tag: u64,
}

impl Block {
    /// None if the restarts make no sense.
    pub(in super::super) fn new(bytes: Bytes) -> Option<Block> {
        let (body, count) = bytes.split_last_chunk::<4>()?;
        let restarts = u32::from_le_bytes(*count);
        let end = u32::try_from(body.len().checked_sub((restarts as usize).checked_mul(4)?)?).ok()?;
        (restarts > 0).then_some(Block { bytes, end, restarts })
    }

    pub(in super::super) fn weight(&self) -> u64 {
        self.bytes.len() as u64 + 128
    }

    pub(in super::super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The tag and the value of the newest entry of a key that is not newer than `seq`; none too if the block ends
    /// before such an entry, but not one with a greater key, was seen: the last field says which.
    ///
    /// No key is put together for this. As long as entries are in front of the wanted one, `matched` bytes of it are
    /// known to be those of the entry before; an entry that shares more than these with it stands in front as well, one
    /// that shares less is behind.
    pub(in super::super) fn find(&self, key: &[u8], seq: Seq) -> Result<Find, Nonsense> {
        let mut at = self.restart_before(key, seq).and_then(|restart| self.restart(restart)).ok_or(Nonsense)?;
        let mut matched = 0;
        while at < self.end as usize {
            let entry = self.parse(at).ok_or(Nonsense)?;
            at = entry.next;
            if entry.shared > matched {
                continue;
            }
            if entry.shared < matched {
                // A restart shares nothing, whatever its key is.
                if entry.shared > 0 {
                    return Ok(Find::Missing);
                }
                matched = 0;
            }
            let rest = &self.bytes[entry.key..entry.value];
            let wanted = &key[matched..];
            match rest.cmp(wanted) {
                Ordering::Equal if entry.tag >> 2 <= seq => {
                    return Ok(Find::Entry { tag: entry.tag, value: entry.value..entry.next });
                }
                Ordering::Greater => return Ok(Find::Missing),
                _ => matched += common(rest, wanted),
            }
        }
        Ok(Find::BehindAll)
    }

    #[inline]
    fn restart(&self, at: u32) -> Option<usize> {
        let from = self.end as usize + 4 * at as usize;
        let offset = u32::from_le_bytes(*self.bytes.get(from..)?.first_chunk::<4>()?);
        (offset < self.end).then_some(offset as usize)
    }

    #[inline]
    fn parse(&self, at: usize) -> Option<Parsed> {
        let mut rest = self.bytes.get(at..self.end as usize)?;
        let before = rest.len();
        let (shared, unshared, value_len, tag);
        // Almost always: three lengths below 128.
        match *rest {
            [a, b, c, ..] if (a | b | c) < 0x80 => {
                (shared, unshared, value_len) = (a as usize, b as usize, c as usize);
                rest = &rest[3..];
            }
            _ => {
                shared = usize::try_from(take_varint(&mut rest)?).ok()?;
                unshared = usize::try_from(take_varint(&mut rest)?).ok()?;
                value_len = usize::try_from(take_varint(&mut rest)?).ok()?;
            }
        }
        match *rest {
            [byte, ..] if byte < 0x80 => {
                tag = u64::from(byte);
                rest = &rest[1..];
            }
            _ => tag = take_varint(&mut rest)?,
        }
        let key = at + before - rest.len();
        let value = key.checked_add(unshared)?;
        let next = value.checked_add(value_len)?;
        (next <= self.end as usize).then_some(Parsed { shared, key, value, next, tag })
    }

    /// The key of a restart, whole.
    #[inline]
    fn restart_entry(&self, at: u32) -> Option<(&[u8], u64)> {
        let parsed = self.parse(self.restart(at)?)?;
        (parsed.shared == 0).then_some((&self.bytes[parsed.key..parsed.value], parsed.tag))
    }

    /// The last restart whose entry is in front of `(key, seq)`, or the first.
    fn restart_before(&self, key: &[u8], seq: Seq) -> Option<u32> {
        let (mut low, mut high) = (0, self.restarts);
        // Invariant: the restart `low` is in front of the place, or the first; `high` is not.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let (known, tag) = self.restart_entry(middle)?;
            match place(known, tag, key, seq) {
                Ordering::Less => low = middle,
                _ => high = middle,
            }
        }
        Some(low)
    }
}

/// How an entry stands to `(key, seq)`: by key, then the newest first.
#[inline]
fn place(known: &[u8], tag: u64, key: &[u8], seq: Seq) -> Ordering {
    known.cmp(key).then_with(|| seq.cmp(&(tag >> 2)))
}

/// A block that makes no sense although its checksum fits.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Nonsense;

/// A place in a block: on an entry, or on none.
#[derive(Clone, Debug)]
pub(in super::super) struct BlockCursor {
    block: Arc<Block>,
    /// Where the entry begins; the end of the entries if there is none.
    at: usize,
    entry: Parsed,
    key: Vec<u8>,
    /// Where the cursor came from, while it goes backwards.
    behind: Vec<u8>,
}

impl BlockCursor {
    pub(in super::super) fn new(block: Arc<Block>) -> Self {
        let at = block.end as usize;
        let entry = Parsed { shared: 0, key: 0, value: 0, next: 0, tag: 0 };
        BlockCursor { block, at, entry, key: Vec::new(), behind: Vec::new() }
    }

    /// On no entry of another block; keeps its buffer.
    pub(in super::super) fn reset(&mut self, block: Arc<Block>) {
        self.at = block.end as usize;
        self.block = block;
    }

    #[inline]
    pub(in super::super) fn valid(&self) -> bool {
        self.at < self.block.end as usize
    }

    #[inline]
    pub(in super::super) fn key(&self) -> &[u8] {
        &self.key
    }

    #[inline]
    pub(in super::super) fn tag(&self) -> u64 {
        self.entry.tag
    }

    #[inline]
    pub(in super::super) fn value(&self) -> &[u8] {
        &self.block.bytes[self.entry.value..self.entry.next]
    }

    /// Leaves all entries.
    pub(in super::super) fn clear(&mut self) {
        self.at = self.block.end as usize;
    }

    /// Stands on an entry, of whose key `self.key` has what it shares.
    #[inline]
    fn take(&mut self, at: usize, parsed: Parsed) {
        self.key.truncate(parsed.shared);
        self.key.extend_from_slice(&self.block.bytes[parsed.key..parsed.value]);
        (self.at, self.entry) = (at, parsed);
    }

    /// To the entry behind this one, which must be there and be greater: a cursor over entries that are out of order might
    /// go in circles.
    #[inline]
    fn advance(&mut self) -> Result<(), Nonsense> {
        let at = self.entry.next;
        if let Some(next) = self.block.parse(at)
            && let Some(rest) = self.key.get(next.shared..)
        {
            let ascends = match rest.cmp(&self.block.bytes[next.key..next.value]) {
                Ordering::Less => true,
                Ordering::Equal => self.entry.tag >> 2 > next.tag >> 2,
                Ordering::Greater => false,
            };
            if ascends {
                self.take(at, next);
                return Ok(());
            }
        }
        self.clear();
        Err(Nonsense)
    }

    fn load_restart(&mut self, restart: Option<usize>) -> Result<(), Nonsense> {
        self.key.clear();
        let parsed = restart.and_then(|at| Some((at, self.block.parse(at).filter(|parsed| parsed.shared == 0)?)));
        let Some((at, parsed)) = parsed else {
            self.clear();
            return Err(Nonsense);
        };
        self.take(at, parsed);
        Ok(())
    }

    pub(in super::super) fn first(&mut self) -> Result<(), Nonsense> {
        self.load_restart(self.block.restart(0))
    }

    pub(in super::super) fn last(&mut self) -> Result<(), Nonsense> {
        self.load_restart(self.block.restart(self.block.restarts - 1))?;
        while self.entry.next < self.block.end as usize {
            self.advance()?;
        }
        Ok(())
    }

    /// To the entry behind this one, or to none.
    #[inline]
    pub(in super::super) fn next(&mut self) -> Result<(), Nonsense> {
        if self.entry.next < self.block.end as usize {
            self.advance()
        } else {
            self.clear();
            Ok(())
        }
    }

    /// To the entry in front of this one, or to none.
    pub(in super::super) fn prev(&mut self) -> Result<(), Nonsense> {
        let here = self.at;
        let (mut low, mut high) = (0, self.block.restarts);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.block.restart(middle) {
                Some(at) if at < here => low = middle,
                Some(_) => high = middle,
                None => {
                    self.clear();
                    return Err(Nonsense);
                }
            }
        }
        if self.block.restart(low).is_some_and(|at| at >= here) {
            self.clear();
            return Ok(());
        }
        std::mem::swap(&mut self.key, &mut self.behind);
        let tag = self.entry.tag;
        self.load_restart(self.block.restart(low))?;
        while self.entry.next < here {
            self.advance()?;
        }
        if place(&self.key, self.entry.tag, &self.behind, tag >> 2) != Ordering::Less {
            self.clear();
            return Err(Nonsense);
        }
        Ok(())
    }

    /// To the first entry at or behind `(key, seq)`, or to none.
    pub(in super::super) fn seek(&mut self, key: &[u8], seq: Seq) -> Result<(), Nonsense> {
        let Some(restart) = self.block.restart_before(key, seq) else {
            self.clear();
            return Err(Nonsense);
        };
        self.load_restart(self.block.restart(restart))?;
        while place(&self.key, self.entry.tag, key, seq) == Ordering::Less {
            self.next()?;
            if !self.valid() {
                break;
            }
        }
        Ok(())
    }
}
