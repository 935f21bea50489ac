//! The log's bytes: its header, the frames, and the sum that runs through all of them.
//!
//! ```text
//!   header  │ magic │ version │ page size │ checkpoints │ salt │ sum │
//!             4       4         4           4             8      8
//!   frame   │ page number │ pages after the commit, or 0 │ salt │ sum │ the page │
//!             4             4                              8      8
//! ```

use std::path::Path;

use super::super::header::is_page_size;
use super::super::node::{PageId, get_u32, put_u32};
use crate::{Error, Result};

/// Its lowest bit says in which order the bytes of a word are summed up: 1 for the highest first.
const MAGIC: u32 = 0x377F_0682;
/// Of the log and of its index.
pub(super) const VERSION: u32 = 3_007_000;
/// Bytes of the log's header.
pub(super) const HEADER: usize = 32;
/// Bytes of a frame in front of its page.
pub(super) const FRAME: usize = 24;
/// How this machine orders the bytes of a word, and so how its logs are summed up.
pub(super) const BIG_ENDIAN: bool = cfg!(target_endian = "big");

pub(super) type Sum = [u32; 2];
pub(super) type Salt = [u8; 8];

/// Goes on with a sum over more bytes, a multiple of eight.
pub(super) fn sum(big_endian: bool, bytes: &[u8], [mut one, mut two]: Sum) -> Sum {
    let number = |word: [u8; 4]| if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) };
    for &[a, b, c, d, e, f, g, h] in bytes.as_chunks().0 {
        one = one.wrapping_add(number([a, b, c, d])).wrapping_add(two);
        two = two.wrapping_add(number([e, f, g, h])).wrapping_add(one);
    }
    [one, two]
}

/// How a log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogHeader {
    pub(super) big_endian: bool,
    pub(super) page_size: u32,
    /// How often the log has begun anew.
    pub(super) checkpoints: u32,
    pub(super) salt: Salt,
    pub(super) sum: Sum,
}

impl LogHeader {
    /// None for bytes that make no log: nothing was committed to it.
    pub(super) fn parse(bytes: &[u8; HEADER], path: &Path) -> Result<Option<Self>> {
        let (magic, page_size) = (get_u32(bytes, 0), get_u32(bytes, 8));
        if magic & !1 != MAGIC || !is_page_size(page_size) {
            return Ok(None);
        }
        let big_endian = magic & 1 == 1;
        let sum = sum(big_endian, &bytes[..24], [0; 2]);
        if sum != [get_u32(bytes, 24), get_u32(bytes, 28)] {
            return Ok(None);
        }
        let version = get_u32(bytes, 4);
        if version != VERSION {
            return Err(Error::NewerFormat { path: path.to_owned(), found: version, known: VERSION });
        }
        let mut salt = Salt::default();
        salt.copy_from_slice(&bytes[16..24]);
        Ok(Some(LogHeader { big_endian, page_size, checkpoints: get_u32(bytes, 12), salt, sum }))
    }

    /// A header of this machine's, and its bytes.
    pub(super) fn new(page_size: u32, checkpoints: u32, salt: Salt) -> (Self, [u8; HEADER]) {
        let mut bytes = [0; HEADER];
        put_u32(&mut bytes, 0, MAGIC | u32::from(BIG_ENDIAN));
        put_u32(&mut bytes, 4, VERSION);
        put_u32(&mut bytes, 8, page_size);
        put_u32(&mut bytes, 12, checkpoints);
        bytes[16..24].copy_from_slice(&salt);
        let sum = sum(BIG_ENDIAN, &bytes[..24], [0; 2]);
        put_u32(&mut bytes, 24, sum[0]);
        put_u32(&mut bytes, 28, sum[1]);
        (LogHeader { big_endian: BIG_ENDIAN, page_size, checkpoints, salt, sum }, bytes)
    }
}

/// What a frame says of its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) id: PageId,
    /// Pages of the database, if a transaction ends here; else 0.
    pub(super) commit: u32,
}

impl Frame {
    /// Its bytes in front of the page, and the sum up to its end.
    pub(super) fn bytes(self, big_endian: bool, salt: Salt, before: Sum, page: &[u8]) -> ([u8; FRAME], Sum) {
        let mut bytes = [0; FRAME];
        put_u32(&mut bytes, 0, self.id);
        put_u32(&mut bytes, 4, self.commit);
        bytes[8..16].copy_from_slice(&salt);
        let sum = sum(big_endian, page, sum(big_endian, &bytes[..8], before));
        put_u32(&mut bytes, 16, sum[0]);
        put_u32(&mut bytes, 20, sum[1]);
        (bytes, sum)
    }

    /// None for a frame that does not go on from those in front of it.
    pub(super) fn parse(
        bytes: &[u8; FRAME],
        page: &[u8],
        big_endian: bool,
        salt: Salt,
        before: Sum,
    ) -> Option<(Self, Sum)> {
        let frame = Frame { id: get_u32(bytes, 0), commit: get_u32(bytes, 4) };
        let (expected, sum) = frame.bytes(big_endian, salt, before, page);
        (frame.id != 0 && expected == *bytes).then_some((frame, sum))
    }
}

/// Where a frame begins; the first has number 1.
pub(super) fn place(frame: u32, page_size: u32) -> u64 {
    HEADER as u64 + u64::from(frame.saturating_sub(1)) * (FRAME as u64 + u64::from(page_size))
}
