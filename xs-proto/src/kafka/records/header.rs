//! The 61 bytes in front of a batch's records.

use super::{BatchError, Compression};

/// How long a batch's header is.
pub const HEADER_LEN: usize = 61;
/// The bytes in front of what [`BatchHeader::length`] counts.
const LENGTH_FROM: usize = 12;
/// The bytes that the checksum covers begin here.
pub(super) const CRC_FROM: usize = 21;

const COMPRESSION: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

/// The header of a batch, as numbers. What is absent is -1, as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the batch's first record, or of what was its first before compaction.
    pub base_offset: i64,
    /// The number of bytes behind this field.
    pub length: i32,
    /// In which epoch of its leader the partition got the batch.
    pub leader_epoch: i32,
    /// The CRC32C of everything from the attributes on.
    pub crc: u32,
    /// The compression in three bits, and four flags. See [`BatchHeader::compression`] and its neighbours.
    pub attributes: i16,
    /// The last offset, counted from the base offset. Compaction leaves it as it is.
    pub last_offset_delta: i32,
    /// The time from which the records' times are counted, in milliseconds since 1970. With
    /// [`has_delete_horizon`](BatchHeader::has_delete_horizon) it is also when tombstones may go.
    pub base_timestamp: i64,
    /// The latest time of a record.
    pub max_timestamp: i64,
    /// The idempotent producer, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// The sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// How many records there are.
    pub count: i32,
}

/// Who has given a batch its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimestampType {
    /// The producer, one for each record.
    #[default]
    CreateTime,
    /// The broker, the same for the whole batch.
    LogAppendTime,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`. A header that is returned counts no negative lengths, offsets or records,
    /// and no more records than its length has room for; nothing else is checked.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let head = bytes.first_chunk::<HEADER_LEN>().ok_or(BatchError::Truncated)?;
        if head[16] != 2 {
            return Err(BatchError::Magic(head[16] as i8));
        }
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(field(head, 0)),
            length: i32::from_be_bytes(field(head, 8)),
            leader_epoch: i32::from_be_bytes(field(head, 12)),
            crc: u32::from_be_bytes(field(head, 17)),
            attributes: i16::from_be_bytes(field(head, 21)),
            last_offset_delta: i32::from_be_bytes(field(head, 23)),
            base_timestamp: i64::from_be_bytes(field(head, 27)),
            max_timestamp: i64::from_be_bytes(field(head, 35)),
            producer_id: i64::from_be_bytes(field(head, 43)),
            producer_epoch: i16::from_be_bytes(field(head, 51)),
            base_sequence: i32::from_be_bytes(field(head, 53)),
            count: i32::from_be_bytes(field(head, 57)),
        };
        if header.length < (HEADER_LEN - LENGTH_FROM) as i32 {
            return Err(BatchError::Length);
        }
        let last = header.base_offset.checked_add(i64::from(header.last_offset_delta));
        if header.base_offset < 0 || header.last_offset_delta < 0 || last.is_none() {
            return Err(BatchError::Offsets);
        }
        if header.count < 0 || i64::from(header.count) > i64::from(header.last_offset_delta) + 1 {
            return Err(BatchError::Count);
        }
        Ok(header)
    }

    /// The header as bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut head = [0; HEADER_LEN];
        head[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        head[8..12].copy_from_slice(&self.length.to_be_bytes());
        head[12..16].copy_from_slice(&self.leader_epoch.to_be_bytes());
        head[16] = 2;
        head[17..21].copy_from_slice(&self.crc.to_be_bytes());
        head[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        head[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        head[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        head[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        head[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        head[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        head[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        head[57..61].copy_from_slice(&self.count.to_be_bytes());
        head
    }

    /// The length of the whole batch, header included.
    pub fn total_len(&self) -> usize {
        LENGTH_FROM + self.length.max(0) as usize
    }

    /// The offset of the last record, or of what was the last one before compaction.
    pub fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// The sequence number of the last record, or -1. Sequence numbers wrap from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence {
            ..0 => -1,
            base => base.wrapping_add(self.last_offset_delta) & i32::MAX,
        }
    }

    /// How the records are compressed.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        Compression::from_bits(self.attributes & COMPRESSION)
    }

    /// Says how the records are compressed.
    pub fn set_compression(&mut self, compression: Compression) {
        self.attributes = self.attributes & !COMPRESSION | compression.bits();
    }

    /// Who has given the times.
    pub fn timestamp_type(&self) -> TimestampType {
        match self.attributes & LOG_APPEND_TIME {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    /// Says who has given the times.
    pub fn set_timestamp_type(&mut self, given_by: TimestampType) {
        self.set(LOG_APPEND_TIME, given_by == TimestampType::LogAppendTime);
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Says whether the batch is part of a transaction.
    pub fn set_transactional(&mut self, transactional: bool) {
        self.set(TRANSACTIONAL, transactional);
    }

    /// Whether the batch is the log's own and not for applications: the end of a transaction, for example.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Says whether the batch is the log's own.
    pub fn set_control(&mut self, control: bool) {
        self.set(CONTROL, control);
    }

    /// Whether the base timestamp says when tombstones and markers may go. Only compaction sets it.
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON != 0
    }

    /// Says whether the base timestamp is a delete horizon.
    pub fn set_delete_horizon(&mut self, horizon: bool) {
        self.set(DELETE_HORIZON, horizon);
    }

    fn set(&mut self, flag: i16, on: bool) {
        self.attributes = if on { self.attributes | flag } else { self.attributes & !flag };
    }

    /// Whether a producer could have sent this batch: its offsets are those of its records, one after the other, it is not
    /// the log's own, and a producer's number comes with an epoch and a sequence.
    pub fn check_produced(&self) -> Result<(), BatchError> {
        if self.count < 1 || self.count - 1 != self.last_offset_delta {
            return Err(BatchError::Count);
        }
        if self.is_control() || self.has_delete_horizon() {
            return Err(BatchError::Control);
        }
        // Without a producer's number some clients leave epoch and sequence at zero.
        let idempotent = self.producer_id >= 0;
        let whole = self.producer_epoch >= 0 && self.base_sequence >= 0;
        if (idempotent && !whole) || (self.is_transactional() && !idempotent) {
            return Err(BatchError::Producer);
        }
        self.compression()?;
        Ok(())
    }
}

fn field<const N: usize>(head: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    head[at..at + N].try_into().expect("a range of N bytes")
}
