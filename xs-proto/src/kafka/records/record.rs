//! One record, and the records of a batch.

use bytes::{Buf, Bytes};

use super::{BatchError, BatchHeader, TimestampType};
use crate::kafka::varint::{self, unzigzag};

/// One record. Its bytes are slices of the batch, or of what the batch was decompressed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// Its time, in milliseconds since 1970, or -1.
    pub timestamp: i64,
    /// The key, if there is one.
    pub key: Option<Bytes>,
    /// The value. One that is absent says that the key is deleted.
    pub value: Option<Bytes>,
    /// What else the producer has said.
    pub headers: Headers,
}

/// The headers of a record: names, which are text, and values. A name may stand more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Checked when the record was read, and always made by this module.
    bytes: Bytes,
    count: u32,
}

impl Headers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each one in order.
    pub fn iter(&self) -> impl Iterator<Item = (Bytes, Option<Bytes>)> {
        let mut rest = Cursor(self.bytes.clone());
        std::iter::from_fn(move || rest.header().ok())
    }

    /// The last value with this name. The outer `None` is a name that is not there.
    pub fn last(&self, name: &[u8]) -> Option<Option<Bytes>> {
        self.iter().filter(|(found, _)| found == name).last().map(|(_, value)| value)
    }

    /// The headers as on the wire, without their count.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn check_name(name: &[u8]) -> Result<(), BatchError> {
        std::str::from_utf8(name).map(drop).map_err(|_| BatchError::Record("a header's name is not UTF-8"))
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>> FromIterator<(K, Option<V>)> for Headers {
    fn from_iter<I: IntoIterator<Item = (K, Option<V>)>>(headers: I) -> Headers {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for (name, value) in headers {
            put_bytes(Some(name.as_ref().as_bytes()), &mut bytes);
            put_bytes(value.as_ref().map(AsRef::as_ref), &mut bytes);
            count += 1;
        }
        Headers { bytes: bytes.into(), count }
    }
}

/// Appends a length and the bytes; `None` is the length -1.
pub(super) fn put_bytes(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    varint::put_u64(varint::zigzag(bytes.map_or(-1, |bytes| bytes.len() as i64)), out);
    out.extend_from_slice(bytes.unwrap_or_default());
}

pub(super) fn bytes_len(bytes: Option<&[u8]>) -> usize {
    let len = bytes.map_or(-1, |bytes| bytes.len() as i64);
    varint::len_u64(varint::zigzag(len)) + bytes.map_or(0, <[u8]>::len)
}

/// The records of a batch, parsed one after the other. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Records {
    rest: Cursor,
    left: i32,
    header: BatchHeader,
    /// The offset of the last record, counted from the base offset.
    last_delta: i64,
}

impl Records {
    /// The records that lie decompressed in `bytes`.
    pub(super) fn new(header: BatchHeader, bytes: Bytes) -> Records {
        Records { rest: Cursor(bytes), left: header.count, header, last_delta: -1 }
    }

    fn record(&mut self) -> Result<Record, BatchError> {
        let len = self.rest.int()?;
        let len = usize::try_from(len).map_err(|_| BatchError::Record("a negative length"))?;
        let mut body = Cursor(self.rest.take(len)?);
        body.take(1)?; // attributes, of which none is in use
        let timestamp_delta = body.long()?;
        let offset_delta = i64::from(body.int()?);
        if offset_delta <= self.last_delta || offset_delta > i64::from(self.header.last_offset_delta) {
            return Err(BatchError::Record("offsets that do not rise within the batch"));
        }
        self.last_delta = offset_delta;
        let timestamp = match self.header.timestamp_type() {
            TimestampType::CreateTime => self.header.base_timestamp.checked_add(timestamp_delta),
            TimestampType::LogAppendTime => Some(self.header.max_timestamp),
        };
        let timestamp = timestamp.ok_or(BatchError::Record("a time out of range"))?;
        let key = body.nullable()?;
        let value = body.nullable()?;
        let count = u32::try_from(body.int()?).map_err(|_| BatchError::Record("a negative count of headers"))?;
        let headers = Headers { bytes: body.0.clone(), count };
        for _ in 0..count {
            Headers::check_name(&body.header()?.0)?;
        }
        if !body.0.is_empty() {
            return Err(BatchError::Record("bytes behind its end"));
        }
        Ok(Record { offset: self.header.base_offset + offset_delta, timestamp, key, value, headers })
    }
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let trailing = !std::mem::take(&mut self.rest.0).is_empty();
            return trailing.then_some(Err(BatchError::Count));
        }
        let record = self.record();
        self.left -= 1;
        if record.is_err() {
            self.left = 0;
            self.rest = Cursor(Bytes::new());
        }
        Some(record)
    }
}

impl std::iter::FusedIterator for Records {}

/// What is left of a record or a batch.
#[derive(Debug, Clone)]
struct Cursor(Bytes);

impl Cursor {
    fn take(&mut self, len: usize) -> Result<Bytes, BatchError> {
        if len > self.0.len() {
            return Err(BatchError::Record("it is cut off"));
        }
        Ok(self.0.split_to(len))
    }

    fn int(&mut self) -> Result<i32, BatchError> {
        let (value, len) = varint::get_u32(&self.0).map_err(torn)?;
        self.0.advance(len);
        Ok(unzigzag(value.into()) as i32)
    }

    fn long(&mut self) -> Result<i64, BatchError> {
        let (value, len) = varint::get_u64(&self.0).map_err(torn)?;
        self.0.advance(len);
        Ok(unzigzag(value))
    }

    fn nullable(&mut self) -> Result<Option<Bytes>, BatchError> {
        match self.int()? {
            -1 => Ok(None),
            len => {
                let len = usize::try_from(len).map_err(|_| BatchError::Record("a negative length"))?;
                self.take(len).map(Some)
            }
        }
    }

    fn header(&mut self) -> Result<(Bytes, Option<Bytes>), BatchError> {
        let name = self.nullable()?.ok_or(BatchError::Record("a header without a name"))?;
        Ok((name, self.nullable()?))
    }
}

fn torn(torn: varint::Torn) -> BatchError {
    BatchError::Record(match torn {
        varint::Torn::Short => "it is cut off",
        varint::Torn::Long => "a number with too many bits",
    })
}
