//! The log's own framing: one index an entry, every bit under a checksum.

use super::{Framing, Index, Mark, Parsed, Sealed, le_u32, le_u64};

/// The log's own framing: payloads of any bytes, one index each, every bit under a checksum.
///
/// ```text
/// entry   0  crc   u32  CRC32C of epoch u64, index u64, tag, CRC32C of the payload
///         4  tag   u32  length of the payload in bytes, plus one
///         8  payload
/// mark    0  crc   u32  CRC32C of the 28 bytes behind it
///         4  tag   u32  0x8000_0018
///         8  next u64, durable u64, epoch u64
/// ```
///
/// All little-endian. Neither epoch nor index takes space in an entry, and still one that stands in the wrong place,
/// or is left from another life of the segment, fails its checksum. Eight zeros are neither, so untouched space ends
/// the log. The payload's own checksum is taken before the entry has an index; the outer one, over 24 bytes, after.
#[derive(Clone, Copy, Debug, Default)]
pub struct Records;

const HEAD: usize = 8;
const MARK: usize = 32;
const MARK_TAG: u32 = 0x8000_0000 | (MARK - HEAD) as u32;

/// The checksum of a payload, and its tag.
#[derive(Clone, Copy, Debug)]
pub struct RecordDraft {
    sum: u32,
    tag: u32,
}

fn entry_sum(epoch: u64, index: Index, tag: u32, payload: u32) -> u32 {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&epoch.to_le_bytes());
    bytes[8..16].copy_from_slice(&index.0.to_le_bytes());
    bytes[16..20].copy_from_slice(&tag.to_le_bytes());
    bytes[20..].copy_from_slice(&payload.to_le_bytes());
    crc32c::crc32c(&bytes)
}

/// The mark in exactly its bytes, if it is one.
fn read_mark(bytes: &[u8]) -> Option<Mark> {
    let bytes = bytes.get(..MARK)?;
    let intact = le_u32(bytes, 4) == MARK_TAG && le_u32(bytes, 0) == crc32c::crc32c(&bytes[4..]);
    intact.then(|| Mark { next: Index(le_u64(bytes, 8)), durable: Index(le_u64(bytes, 16)), epoch: le_u64(bytes, 24) })
}

impl Framing for Records {
    const NAME: &'static str = "records";
    const MAX_PAYLOAD: u64 = (1 << 31) - 2;
    const DENSE: bool = true;
    const MARK_LEN: usize = MARK;
    const BARE: bool = false;
    type Draft = RecordDraft;

    fn draft(&self, payload: &[&[u8]]) -> Result<RecordDraft, String> {
        let len: u64 = payload.iter().map(|piece| piece.len() as u64).sum();
        let tag = u32::try_from(len + 1).map_err(|_| "longer than a tag can say".to_owned())?;
        Ok(RecordDraft { sum: payload.iter().fold(0, |sum, piece| crc32c::crc32c_append(sum, piece)), tag })
    }

    fn seal(&self, draft: &RecordDraft, epoch: u64, next: Index) -> Result<Sealed, String> {
        let end = next.0.checked_add(1).ok_or("indices have run out")?;
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&entry_sum(epoch, next, draft.tag, draft.sum).to_le_bytes());
        head[4..].copy_from_slice(&draft.tag.to_le_bytes());
        Ok(Sealed::new(&head, 0, next, Index(end)))
    }

    fn put_mark(&self, mark: Mark, out: &mut [u8]) {
        out[4..8].copy_from_slice(&MARK_TAG.to_le_bytes());
        out[8..16].copy_from_slice(&mark.next.0.to_le_bytes());
        out[16..24].copy_from_slice(&mark.durable.0.to_le_bytes());
        out[24..32].copy_from_slice(&mark.epoch.to_le_bytes());
        let sum = crc32c::crc32c(&out[4..32]);
        out[..4].copy_from_slice(&sum.to_le_bytes());
    }

    fn find_mark(&self, epoch: u64, bytes: &[u8]) -> Option<(usize, Mark)> {
        let tag = MARK_TAG.to_le_bytes();
        let tags = bytes.windows(4).enumerate().skip(4).filter(|(_, window)| **window == tag);
        tags.map(|(at, _)| at - 4)
            .find_map(|at| read_mark(&bytes[at..]).map(|mark| (at, mark)).filter(|(_, mark)| mark.epoch >= epoch))
    }

    fn parse(&self, epoch: u64, next: Index, bytes: &[u8]) -> Parsed {
        if bytes.len() < HEAD {
            return Parsed::More(HEAD);
        }
        let (sum, tag) = (le_u32(bytes, 0), le_u32(bytes, 4));
        if tag == MARK_TAG {
            if bytes.len() < MARK {
                return Parsed::More(MARK);
            }
            return match read_mark(bytes) {
                Some(mark) if mark.epoch < epoch => Parsed::Damaged("a mark of an earlier epoch"),
                Some(mark) if mark.next != next => Parsed::Damaged("a mark of another index"),
                Some(mark) => Parsed::Mark { mark, len: MARK },
                None => Parsed::Damaged("a mark whose checksum is wrong"),
            };
        }
        if tag == 0 {
            return if sum == 0 { Parsed::End } else { Parsed::Damaged("an entry without a length") };
        }
        if tag >= 0x8000_0000 {
            return Parsed::Damaged("an unknown tag");
        }
        let Some(end) = next.0.checked_add(1) else { return Parsed::Damaged("an entry behind the last index") };
        let len = HEAD + (tag - 1) as usize;
        let Some(payload) = bytes.get(HEAD..len) else { return Parsed::More(len) };
        if entry_sum(epoch, next, tag, crc32c::crc32c(payload)) != sum {
            return Parsed::Damaged("an entry whose checksum is wrong");
        }
        Parsed::Entry { index: next, end: Index(end), payload: HEAD..len, len }
    }
}
