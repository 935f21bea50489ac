//! A batch as it lies on the wire and in the log.

use bytes::Bytes;

use super::header::CRC_FROM;
use super::{BatchError, BatchHeader, Compression, HEADER_LEN, Records, compression};

/// One whole batch: its bytes as they came, and its header. Cloning it copies no records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    header: BatchHeader,
    bytes: Bytes,
}

impl Batch {
    /// `bytes` as exactly one batch. Checks the header's numbers and the length, not the checksum.
    pub fn new(mut bytes: Bytes) -> Result<Batch, BatchError> {
        let batch = Batch::split_off(&mut bytes)?;
        if bytes.is_empty() { Ok(batch) } else { Err(BatchError::Trailing) }
    }

    /// Takes the batch at the front of `src` off. On an error `src` is left as it was; [`BatchError::Truncated`] is the
    /// ordinary end of what a broker sends, since it cuts at a number of bytes.
    pub fn split_off(src: &mut Bytes) -> Result<Batch, BatchError> {
        let header = BatchHeader::parse(src)?;
        if src.len() < header.total_len() {
            return Err(BatchError::Truncated);
        }
        Ok(Batch { header, bytes: src.split_to(header.total_len()) })
    }

    /// The header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The whole batch.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The records as they came, compressed or not.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(HEADER_LEN..)
    }

    /// Checks the checksum, which covers everything but the base offset, the length, the leader's epoch and the format.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        if crc32c::crc32c(&self.bytes[CRC_FROM..]) == self.header.crc { Ok(()) } else { Err(BatchError::Checksum) }
    }

    /// The records. Nothing is copied unless they are compressed; then they are decompressed here, to `limit` bytes at
    /// most. [`DEFAULT_LIMIT`](super::DEFAULT_LIMIT) is a generous one.
    pub fn records(&self, limit: usize) -> Result<Records, BatchError> {
        let bytes = match self.header.compression()? {
            Compression::None => self.payload(),
            compression => compression::decompress(compression, &self.bytes[HEADER_LEN..], limit)?.into(),
        };
        Ok(Records::new(self.header, bytes))
    }

    /// Decodes every record once and drops them: what a broker does before it believes a batch that it must read anyway.
    pub fn check_records(&self, limit: usize) -> Result<(), BatchError> {
        self.records(limit)?.try_for_each(|record| record.map(drop))
    }
}

/// The whole batches at the front of some bytes, such as those that a fetch has brought. A batch that is cut off at the end
/// is left out, as brokers cut at a number of bytes. Ends after the first error.
#[derive(Debug, Clone)]
pub struct BatchIter(Bytes);

impl BatchIter {
    /// Goes through `bytes`.
    pub fn new(bytes: Bytes) -> BatchIter {
        BatchIter(bytes)
    }

    /// What has not been gone through. At the end: the batch that is cut off.
    pub fn rest(&self) -> &Bytes {
        &self.0
    }
}

impl Iterator for BatchIter {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        match Batch::split_off(&mut self.0) {
            Err(BatchError::Truncated) => None,
            Err(error) => {
                self.0.clear();
                Some(Err(error))
            }
            batch => Some(batch),
        }
    }
}
