//! How entries lie in a segment's bytes: what a log asks of a [`Framing`], and three of them.

mod batches;
mod raw;
mod records;

use std::fmt;
use std::ops::Range;

pub use batches::{BatchDraft, Batches};
pub use raw::Raw;
pub use records::{RecordDraft, Records};

use super::Index;

/// The bytes that a framing puts in front of an entry, at most.
pub const MAX_HEAD: usize = 64;

/// How entries lie in a segment's bytes, and how they are numbered.
///
/// Appending has two halves, because many threads append and only one may number. [`draft`](Framing::draft) looks at
/// every byte of the payload and runs on the caller's thread; [`seal`](Framing::seal) is told the entry's index and
/// runs under the log's lock, so it takes constant time.
pub trait Framing: Clone + fmt::Debug + Send + Sync + 'static {
    /// Stands in every segment's header: up to 16 ASCII bytes.
    const NAME: &'static str;

    /// The largest payload, in bytes.
    const MAX_PAYLOAD: u64;

    /// Every index from the first to the last belongs to an entry. Where there may be holes, a reader cannot tell a
    /// hole from an entry that was lost at a segment's end.
    const DENSE: bool;

    /// The length of the mark in front of every group that is written, in bytes; 0 for a framing without marks.
    ///
    /// A framing with marks binds every entry to its epoch, so that entries of another life of the same bytes (a
    /// recycled segment, a tail that was given up) are never taken for this one's.
    const MARK_LEN: usize;

    /// Segments hold the entries' bytes and nothing else, and end where the file ends: no header, no zeros behind.
    const BARE: bool;

    /// What is known of an entry before it has a number.
    type Draft;

    /// Checks and sums up a payload, given in pieces. The answer on refusal says what is wrong with it.
    fn draft(&self, payload: &[&[u8]]) -> Result<Self::Draft, String>;

    /// Numbers a drafted entry that is to stand at `next` or behind it.
    fn seal(&self, draft: &Self::Draft, epoch: u64, next: Index) -> Result<Sealed, String>;

    /// Writes a mark of [`Framing::MARK_LEN`] bytes.
    fn put_mark(&self, mark: Mark, out: &mut [u8]) {
        let _ = (mark, out);
    }

    /// The first valid mark of `epoch` or a later one that starts in `bytes`, wherever it is, and where.
    fn find_mark(&self, epoch: u64, bytes: &[u8]) -> Option<(usize, Mark)> {
        let _ = (epoch, bytes);
        None
    }

    /// What stands at the start of `bytes`, where the entry `next`, or one behind it, is expected. It never panics,
    /// whatever the bytes are, and answers [`Parsed::More`] only with more than it was given.
    fn parse(&self, epoch: u64, next: Index, bytes: &[u8]) -> Parsed;

    /// The time that an entry says of itself, in milliseconds, by its first bytes. What stands in `entry` is a payload as
    /// it is read, or at least so much of it as [`Framing::seal`] gives a head.
    fn time(&self, entry: &[u8]) -> Option<i64> {
        let _ = entry;
        None
    }

    /// The first bytes of an entry as far as its own checksum leaves some of them out: the log's index sums those up.
    fn uncovered<'a>(&self, entry: &'a [u8]) -> &'a [u8] {
        let _ = entry;
        &[]
    }

    /// How many bytes behind entry `from` the entry `to` starts, if that can be known without reading.
    fn distance(&self, from: Index, to: Index) -> Option<u64> {
        let _ = (from, to);
        None
    }
}

/// A numbered entry, ready to be written: `head`, then the payload without its first `replaces` bytes.
#[derive(Clone, Debug)]
pub struct Sealed {
    head: [u8; MAX_HEAD],
    head_len: usize,
    /// How many of the payload's first bytes the head stands for.
    pub replaces: usize,
    /// The entry's first index.
    pub index: Index,
    /// The first index behind the entry.
    pub end: Index,
}

impl Sealed {
    /// An entry of the indices from `index` up to `end`.
    ///
    /// # Panics
    /// If the head is longer than [`MAX_HEAD`].
    pub fn new(head: &[u8], replaces: usize, index: Index, end: Index) -> Self {
        let mut sealed = Sealed { head: [0; MAX_HEAD], head_len: head.len(), replaces, index, end };
        sealed.head[..head.len()].copy_from_slice(head);
        sealed
    }

    /// The bytes that go first.
    pub fn head(&self) -> &[u8] {
        &self.head[..self.head_len]
    }
}

/// What a log says about itself in the middle of its own bytes, in front of every group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The epoch that the entries behind it belong to.
    pub epoch: u64,
    /// The index of the first of them.
    pub next: Index,
    /// Everything in front of this index was durable before the mark was written.
    pub durable: Index,
}

/// What stands at a place in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// An entry, whole and intact.
    Entry {
        /// Its first index.
        index: Index,
        /// The first index behind it.
        end: Index,
        /// Where its payload lies in the bytes given.
        payload: Range<usize>,
        /// How many bytes it takes in all.
        len: usize,
    },
    /// A mark.
    Mark {
        /// What it says.
        mark: Mark,
        /// How many bytes it takes.
        len: usize,
    },
    /// It takes at least this many bytes to tell.
    More(usize),
    /// Space that nothing was written to.
    End,
    /// Bytes that are no entry. The answer says why.
    Damaged(&'static str),
}

/// The little-endian number at `at`. The caller has checked the length.
pub(super) fn le_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The little-endian number at `at`. The caller has checked the length.
pub(super) fn le_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
