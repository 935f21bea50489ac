//! Making batches: what producers, tests and compaction do.

use bytes::Bytes;

use super::header::CRC_FROM;
use super::record::{bytes_len, put_bytes};
use super::{BatchError, BatchHeader, Compression, HEADER_LEN, Headers, Record, compression};
use crate::kafka::varint::{len_u64, put_u64, zigzag};

/// Collects records and makes a batch of them.
///
/// What the header says of producer, epoch, offsets and flags is in [`header`](BatchBuilder::header), to be set before
/// the first record; length, checksum, count, times and the last offset are filled in.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    /// What the batch's header is made from. Change it before the first record.
    pub header: BatchHeader,
    compression: Compression,
    records: Vec<u8>,
    /// The times are counted from one that was given, as compaction wants it, and not from the first record's.
    fixed_base: bool,
}

impl BatchBuilder {
    /// An empty batch from offset 0 on, without a producer, uncompressed.
    pub fn new() -> BatchBuilder {
        let header = BatchHeader {
            base_offset: 0,
            length: 0,
            leader_epoch: -1,
            crc: 0,
            attributes: 0,
            last_offset_delta: -1,
            base_timestamp: -1,
            max_timestamp: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            count: 0,
        };
        BatchBuilder { header, compression: Compression::None, records: Vec::new(), fixed_base: false }
    }

    /// A batch that will say of itself what `header` says, and hold some of that batch's records: what compaction writes.
    /// Base and last offset stay, so that the log's offsets and the producer's sequence stay; so does the base time. The
    /// compression stays, too.
    pub fn rewrite(header: &BatchHeader) -> Result<BatchBuilder, BatchError> {
        let compression = header.compression()?;
        let header = BatchHeader { count: 0, max_timestamp: -1, ..*header };
        Ok(BatchBuilder { header, compression, records: Vec::new(), fixed_base: true })
    }

    /// Compresses the records.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> BatchBuilder {
        self.compression = compression;
        self
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.header.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.header.count == 0
    }

    /// How many bytes the batch has so far, before compression.
    pub fn size(&self) -> usize {
        HEADER_LEN + self.records.len()
    }

    /// Appends a record without headers behind the last one.
    pub fn append(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.append_with(timestamp, key, value, &Headers::default());
    }

    /// Appends a record behind the last one.
    pub fn append_with(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &Headers) {
        let delta = self.header.last_offset_delta + 1;
        self.put(delta, timestamp, key, value, headers);
        self.header.last_offset_delta = delta;
    }

    /// Appends a record with the offset that it has: for [`BatchBuilder::rewrite`].
    ///
    /// # Panics
    ///
    /// When the offset is outside of the batch.
    pub fn keep(&mut self, record: &Record) {
        let delta = record.offset - self.header.base_offset;
        assert!((0..=i64::from(self.header.last_offset_delta)).contains(&delta), "a record of another batch");
        self.put(delta as i32, record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers);
    }

    fn put(&mut self, delta: i32, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &Headers) {
        let header = &mut self.header;
        if header.count == 0 && !self.fixed_base {
            header.base_timestamp = timestamp;
        }
        header.max_timestamp = header.max_timestamp.max(timestamp);
        header.count += 1;
        let time = zigzag(timestamp.wrapping_sub(header.base_timestamp));
        let (delta, count) = (zigzag(delta.into()), zigzag(headers.len() as i64));
        let len = 1
            + len_u64(time)
            + len_u64(delta)
            + bytes_len(key)
            + bytes_len(value)
            + len_u64(count)
            + headers.as_bytes().len();
        let out = &mut self.records;
        put_u64(zigzag(len as i64), out);
        out.push(0);
        put_u64(time, out);
        put_u64(delta, out);
        put_bytes(key, out);
        put_bytes(value, out);
        put_u64(count, out);
        out.extend_from_slice(headers.as_bytes());
    }

    /// The batch. Fails when the compression is left out of this build, or when the records have more bytes than a length
    /// can say.
    pub fn finish(self) -> Result<Bytes, BatchError> {
        let mut header = self.header;
        header.last_offset_delta = header.last_offset_delta.max(0);
        header.set_compression(self.compression);
        let mut batch = vec![0; HEADER_LEN];
        compression::compress(self.compression, &self.records, &mut batch)?;
        header.length = i32::try_from(batch.len() - 12).map_err(|_| BatchError::Length)?;
        batch[..HEADER_LEN].copy_from_slice(&header.to_bytes());
        header.crc = crc32c::crc32c(&batch[CRC_FROM..]);
        batch[..HEADER_LEN].copy_from_slice(&header.to_bytes());
        Ok(batch.into())
    }
}

impl Default for BatchBuilder {
    fn default() -> Self {
        BatchBuilder::new()
    }
}
