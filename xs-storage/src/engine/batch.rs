//! A batch of writes, kept as the bytes that go to a log.

use std::fmt;

use bytes::Bytes;

use crate::varint::{put_varint, take_varint};

/// Writes that are applied together, in their order.
///
/// It is one buffer, in the form in which it is logged, so that logging a batch copies nothing:
///
/// ```text
///   put           1  varint key length  key    varint value length  value
///   delete        2  varint key length  key
///   delete range  3  varint length      start  varint length        end      start ≤ key < end
/// ```
///
/// Lengths are LEB128. Batches joined end to end are a batch.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WriteBatch {
    bytes: Vec<u8>,
    len: usize,
}

/// One write of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// Sets the value under a key.
    Put(&'a [u8], &'a [u8]),
    /// Removes a key; nothing happens if it is not there.
    Delete(&'a [u8]),
    /// Removes every key from the first, which is removed too, to the second, which is not.
    DeleteRange(&'a [u8], &'a [u8]),
}

/// Bytes that are no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a batch of writes: byte {at} makes no sense")]
pub struct Malformed {
    /// The offset of the write that is wrong.
    pub at: usize,
}

impl WriteBatch {
    const PUT: u8 = 1;
    const DELETE: u8 = 2;
    const DELETE_RANGE: u8 = 3;

    /// No write yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No write yet, room for some bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        WriteBatch { bytes: Vec::with_capacity(bytes), len: 0 }
    }

    /// Sets the value under a key.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        self.add(Self::PUT, key, Some(value))
    }

    /// Removes a key.
    pub fn delete(&mut self, key: &[u8]) -> &mut Self {
        self.add(Self::DELETE, key, None)
    }

    /// Removes every key from `start`, which is removed too, to `end`, which is not.
    pub fn delete_range(&mut self, start: &[u8], end: &[u8]) -> &mut Self {
        self.add(Self::DELETE_RANGE, start, Some(end))
    }

    fn add(&mut self, tag: u8, first: &[u8], second: Option<&[u8]>) -> &mut Self {
        self.bytes.reserve(first.len() + second.map_or(0, <[u8]>::len) + 11);
        self.bytes.push(tag);
        for part in [Some(first), second].into_iter().flatten() {
            put_varint(&mut self.bytes, part.len() as u64);
            self.bytes.extend_from_slice(part);
        }
        self.len += 1;
        self
    }

    /// The number of writes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no write.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets the writes, keeps the buffer.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.len = 0;
    }

    /// The bytes that its buffer has room for.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The writes in the bytes of a batch.
    #[cfg(feature = "lsm")]
    pub(crate) fn ops(bytes: &[u8]) -> impl Iterator<Item = Op<'_>> + Clone {
        let mut ops = Ops { bytes, at: 0 };
        std::iter::from_fn(move || ops.step().expect("a batch holds what was put in, or what was checked"))
    }

    /// The writes in bytes that may be anything, up to the first that is none.
    #[cfg(feature = "btree")]
    pub(crate) fn checked_ops(bytes: &[u8]) -> impl Iterator<Item = Result<Op<'_>, Malformed>> {
        let mut ops = Ops { bytes, at: 0 };
        std::iter::from_fn(move || ops.step().transpose())
    }

    /// The bytes, as they are logged.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, as they are logged.
    pub fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }

    /// The writes of a batch that was logged. Checks everything; copies the bytes once.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut len = 0;
        let mut ops = Ops { bytes, at: 0 };
        while ops.step()?.is_some() {
            len += 1;
        }
        Ok(WriteBatch { bytes: bytes.to_vec(), len })
    }

    /// The writes in order.
    pub fn iter(&self) -> impl Iterator<Item = Op<'_>> + Clone {
        let mut ops = Ops { bytes: &self.bytes, at: 0 };
        std::iter::from_fn(move || ops.step().expect("a batch holds what was put in, or what was checked"))
    }
}

/// The writes in bytes that may be anything.
#[derive(Clone)]
struct Ops<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Ops<'a> {
    fn step(&mut self) -> Result<Option<Op<'a>>, Malformed> {
        let malformed = Malformed { at: self.at };
        let Some((&tag, mut rest)) = self.bytes[self.at..].split_first() else { return Ok(None) };
        let first = take(&mut rest).ok_or(malformed)?;
        let op = match tag {
            WriteBatch::PUT => Op::Put(first, take(&mut rest).ok_or(malformed)?),
            WriteBatch::DELETE => Op::Delete(first),
            WriteBatch::DELETE_RANGE => Op::DeleteRange(first, take(&mut rest).ok_or(malformed)?),
            _ => return Err(malformed),
        };
        self.at = self.bytes.len() - rest.len();
        Ok(Some(op))
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_varint(rest)?).ok()?;
    rest.split_off(..len)
}

impl<'a> Extend<Op<'a>> for WriteBatch {
    fn extend<I: IntoIterator<Item = Op<'a>>>(&mut self, ops: I) {
        for op in ops {
            match op {
                Op::Put(key, value) => self.put(key, value),
                Op::Delete(key) => self.delete(key),
                Op::DeleteRange(start, end) => self.delete_range(start, end),
            };
        }
    }
}

impl<'a> FromIterator<Op<'a>> for WriteBatch {
    fn from_iter<I: IntoIterator<Item = Op<'a>>>(ops: I) -> Self {
        let mut batch = WriteBatch::new();
        batch.extend(ops);
        batch
    }
}

impl fmt::Debug for WriteBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(ops in proptest::collection::vec((0..3, any::<Vec<u8>>(), any::<Vec<u8>>()), 0..20)) {
            let ops: Vec<Op<'_>> = ops.iter().map(|(kind, a, b)| match kind {
                0 => Op::Put(a, b),
                1 => Op::Delete(a),
                _ => Op::DeleteRange(a, b),
            }).collect();
            let batch: WriteBatch = ops.iter().copied().collect();
            prop_assert_eq!(batch.len(), ops.len());
            let again = WriteBatch::from_bytes(batch.as_bytes()).unwrap();
            prop_assert!(again.iter().eq(ops));
            prop_assert_eq!(again, batch);
        }

        #[test]
        fn any_bytes_are_a_batch_or_refused(bytes in any::<Vec<u8>>()) {
            if let Ok(batch) = WriteBatch::from_bytes(&bytes) {
                prop_assert_eq!(batch.iter().count(), batch.len());
            }
        }
    }
}
