//! Kafka's record batches: one entry spans offsets, and offsets may be missing.

use super::{Framing, Index, Parsed, Sealed, le_u32};

/// Kafka's record batches of format 2, as producers send them and consumers get them: not a byte is changed on the way
/// but the number that the log gives.
///
/// ```text
///  0 base offset i64        17 CRC32C of all from 21 on       43 producer, epoch, sequence
///  8 length of the rest i32 21 attributes i16                 57 number of records i32
/// 12 leader epoch i32       23 last offset delta i32          61 records
/// 16 format i8 = 2          27 first, last timestamp i64
/// ```
///
/// All big-endian. An entry's indices are its offsets: a batch of three records spans three, and a reader that asks for
/// the one in the middle gets the whole batch. Compaction leaves holes. The checksum leaves out the base offset, so a
/// broker numbers a batch without reading it; it leaves out the epoch, too, so segments are never recycled. What it leaves
/// out, an index sums up ([`LogOptions::index`](super::super::LogOptions::index)).
#[derive(Clone, Copy, Debug, Default)]
pub struct Batches {
    /// Take the offsets that batches bring, which must rise, as a follower does; else number them, as a leader does.
    pub keep_offsets: bool,
}

/// The bytes of a batch's header.
const HEAD: usize = 61;
/// So many bytes at the front hold what the checksum leaves out, and the checksum.
const UNCOVERED: usize = 21;
/// The bytes in front of what the length counts.
const LENGTH_FROM: usize = 12;

/// A batch that was checked: its offsets, and the header that it is to be stored with.
#[derive(Clone, Copy, Debug)]
pub struct BatchDraft {
    base: u64,
    span: u64,
    head: [u8; HEAD],
}

impl BatchDraft {
    /// Puts a leader epoch into the header, which the checksum leaves out as it does the base offset.
    #[must_use]
    pub fn led_by(mut self, epoch: i32) -> Self {
        self.head[12..16].copy_from_slice(&epoch.to_be_bytes());
        self
    }

    /// Puts the time of appending in the place of the records' own, and says so in the attributes. `batch` is the whole
    /// batch: its checksum is taken anew.
    #[must_use]
    pub fn stamped(mut self, time: i64, batch: &[u8]) -> Self {
        const APPEND_TIME: u8 = 1 << 3;
        self.head[22] |= APPEND_TIME;
        self.head[35..43].copy_from_slice(&time.to_be_bytes());
        let sum = crc32c::crc32c_append(crc32c::crc32c(&self.head[UNCOVERED..]), batch.get(HEAD..).unwrap_or_default());
        self.head[17..21].copy_from_slice(&sum.to_be_bytes());
        self
    }

    /// The header that the batch is stored with, but for the base offset.
    pub fn head(&self) -> &[u8; HEAD] {
        &self.head
    }
}

fn be<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a range of N bytes")
}

/// The base offset and the number of offsets of a batch whose header is whole.
fn offsets(head: &[u8]) -> Result<(u64, u64), &'static str> {
    if head[16] != 2 {
        return Err("a batch that is not of format 2");
    }
    let base = u64::try_from(i64::from_be_bytes(be(head, 0))).map_err(|_| "a negative base offset")?;
    let delta = u64::try_from(i32::from_be_bytes(be(head, 23))).map_err(|_| "a negative offset delta")?;
    Ok((base, delta + 1))
}

/// The length of a whole batch by its header.
fn length(head: &[u8]) -> Result<usize, &'static str> {
    let rest = usize::try_from(i32::from_be_bytes(be(head, 8))).map_err(|_| "a negative length")?;
    if rest < HEAD - LENGTH_FROM { Err("a length shorter than a header") } else { Ok(LENGTH_FROM + rest) }
}

impl Framing for Batches {
    const NAME: &'static str = "kafka-batches-2";
    const MAX_PAYLOAD: u64 = i32::MAX as u64;
    const DENSE: bool = false;
    const MARK_LEN: usize = 0;
    const BARE: bool = false;
    type Draft = BatchDraft;

    fn draft(&self, payload: &[&[u8]]) -> Result<BatchDraft, String> {
        let first = payload.first().copied().unwrap_or_default();
        if first.len() < HEAD {
            return Err("the first piece does not hold a batch's header".into());
        }
        let len: usize = payload.iter().map(|piece| piece.len()).sum();
        if length(first)? != len {
            return Err("not exactly one batch".into());
        }
        let sum =
            payload[1..].iter().fold(crc32c::crc32c(&first[21..]), |sum, piece| crc32c::crc32c_append(sum, piece));
        if sum.to_be_bytes() != be::<4>(first, 17) {
            return Err("a batch whose checksum is wrong".into());
        }
        let (base, span) = offsets(first)?;
        Ok(BatchDraft { base, span, head: be(first, 0) })
    }

    fn seal(&self, draft: &BatchDraft, _epoch: u64, next: Index) -> Result<Sealed, String> {
        let base = match self.keep_offsets {
            true if draft.base < next.0 => return Err(format!("offset {} behind {next}", draft.base)),
            true => draft.base,
            false => next.0,
        };
        let end = base.checked_add(draft.span).filter(|end| i64::try_from(*end).is_ok());
        let end = end.ok_or("offsets have run out")?;
        let mut head = draft.head;
        head[..8].copy_from_slice(&base.to_be_bytes());
        Ok(Sealed::new(&head, HEAD, Index(base), Index(end)))
    }

    fn parse(&self, _epoch: u64, next: Index, bytes: &[u8]) -> Parsed {
        if bytes.len() < HEAD {
            return Parsed::More(HEAD);
        }
        if le_u32(bytes, 8) == 0 && bytes[..HEAD].iter().all(|byte| *byte == 0) {
            return Parsed::End;
        }
        let (len, (base, span)) = match length(bytes).and_then(|len| Ok((len, offsets(bytes)?))) {
            Ok(both) => both,
            Err(why) => return Parsed::Damaged(why),
        };
        let Some(batch) = bytes.get(..len) else { return Parsed::More(len) };
        if crc32c::crc32c(&batch[21..]).to_be_bytes() != be::<4>(batch, 17) {
            return Parsed::Damaged("a batch whose checksum is wrong");
        }
        match base.checked_add(span) {
            Some(end) if base >= next.0 => Parsed::Entry { index: Index(base), end: Index(end), payload: 0..len, len },
            _ => Parsed::Damaged("a batch whose offsets do not rise"),
        }
    }

    /// The greatest timestamp of its records. Without one (-1) it has none.
    fn time(&self, entry: &[u8]) -> Option<i64> {
        Some(i64::from_be_bytes(be(entry.get(..HEAD)?, 35))).filter(|time| *time >= 0)
    }

    fn uncovered<'a>(&self, entry: &'a [u8]) -> &'a [u8] {
        entry.get(..UNCOVERED).unwrap_or_default()
    }
}
