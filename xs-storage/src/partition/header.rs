//! What a partition reads of a record batch: its header, and the one record of a marker.

use crate::log::Index;

/// The bytes of a batch's header.
pub(super) const HEAD: usize = 61;

/// No producer: a batch that is not idempotent.
pub(super) const NOBODY: i64 = -1;

const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// The fields of a batch's header that a partition acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) leader_epoch: i32,
    pub(super) attributes: i16,
    pub(super) last_delta: i32,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) sequence: i32,
    pub(super) records: i32,
    pub(super) max_time: i64,
}

fn be<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a range of N bytes")
}

impl Header {
    /// Reads a header that a framing has checked.
    pub(super) fn read(batch: &[u8]) -> Option<Self> {
        let head = batch.get(..HEAD)?;
        Some(Header {
            leader_epoch: i32::from_be_bytes(be(head, 12)),
            attributes: i16::from_be_bytes(be(head, 21)),
            last_delta: i32::from_be_bytes(be(head, 23)),
            max_time: i64::from_be_bytes(be(head, 35)),
            producer_id: i64::from_be_bytes(be(head, 43)),
            producer_epoch: i16::from_be_bytes(be(head, 51)),
            sequence: i32::from_be_bytes(be(head, 53)),
            records: i32::from_be_bytes(be(head, 57)),
        })
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(super) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// The sequence number of the last record. Sequence numbers start over behind the greatest.
    pub(super) fn last_sequence(&self) -> i32 {
        next_sequence(self.sequence, self.last_delta)
    }

    /// What is wrong with a batch that a client sends.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        if self.is_control() {
            return Some("a control batch, which only a coordinator writes");
        }
        if self.records < 1 || self.records - 1 != self.last_delta {
            return Some("a number of records that its offsets do not bear out");
        }
        if self.producer_id < NOBODY {
            return Some("a producer id that there is not");
        }
        if self.producer_id == NOBODY {
            return self.is_transactional().then_some("a transaction of nobody");
        }
        if self.producer_epoch < 0 || self.sequence < 0 {
            return Some("a producer without an epoch or a sequence number");
        }
        None
    }
}

/// The sequence number so many behind another.
pub(super) fn next_sequence(sequence: i32, by: i32) -> i32 {
    // From 0 to the greatest, and again.
    ((i64::from(sequence) + i64::from(by)) & i64::from(i32::MAX)) as i32
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// What was written is there.
    Commit,
    /// What was written is to be skipped.
    Abort,
}

/// The end of a transaction, as a coordinator writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndOf {
    pub(super) marker: Marker,
    pub(super) coordinator_epoch: i32,
}

/// A control batch of one record, without its base offset.
///
/// The record's key is a version (0) and a type (0 abort, 1 commit), its value a version (0) and the coordinator's epoch.
pub(super) fn marker(producer_id: i64, producer_epoch: i16, end: EndOf, time: i64) -> Vec<u8> {
    let kind: u8 = match end.marker {
        Marker::Abort => 0,
        Marker::Commit => 1,
    };
    // Lengths are zigzag varints: one byte each here. Attributes, both deltas and the number of headers are zero.
    let mut record = vec![15 * 2, 0, 0, 0, 4 * 2, 0, 0, 0, kind, 6 * 2, 0, 0];
    record.extend(end.coordinator_epoch.to_be_bytes());
    record.push(0);
    record[0] = ((record.len() - 1) * 2) as u8;
    let mut batch = vec![0; HEAD];
    batch[8..12].copy_from_slice(&((HEAD - 12 + record.len()) as u32).to_be_bytes());
    batch[16] = 2;
    batch[21..23].copy_from_slice(&(TRANSACTIONAL | CONTROL).to_be_bytes());
    batch[27..35].copy_from_slice(&time.to_be_bytes());
    batch[35..43].copy_from_slice(&time.to_be_bytes());
    batch[43..51].copy_from_slice(&producer_id.to_be_bytes());
    batch[51..53].copy_from_slice(&producer_epoch.to_be_bytes());
    batch[53..57].copy_from_slice(&(-1_i32).to_be_bytes());
    batch[57..61].copy_from_slice(&1_i32.to_be_bytes());
    batch.extend(record);
    let sum = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&sum.to_be_bytes());
    batch
}

/// A zigzag varint, and the bytes behind it.
fn varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at).min(63);
        if byte & 0x80 == 0 {
            return Some(((value >> 1) as i64 ^ -((value & 1) as i64), &bytes[at + 1..]));
        }
    }
    None
}

/// A field of a record: its length in front of it.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = varint(bytes)?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}

/// What a control batch says; none if it is no end of a transaction (other kinds say nothing to a partition).
pub(super) fn end_of(batch: &[u8]) -> Option<EndOf> {
    let (_, record) = varint(batch.get(HEAD..)?)?;
    let (_, deltas) = record.split_first()?;
    let (_, rest) = varint(deltas)?;
    let (_, rest) = varint(rest)?;
    let (key, rest) = field(rest)?;
    let (value, _) = field(rest)?;
    let marker = match key.get(..4)? {
        [_, _, 0, 0] => Marker::Abort,
        [_, _, 0, 1] => Marker::Commit,
        _ => return None,
    };
    Some(EndOf { marker, coordinator_epoch: i32::from_be_bytes(value.get(2..6)?.try_into().ok()?) })
}

/// A batch's offsets.
pub(super) fn last(end: Index) -> Index {
    Index(end.0.saturating_sub(1))
}
