//! The state as a stream of bytes: batches of its entries, in their order.
//!
//! ```text
//!   length (4)   that many bytes: a batch of puts       …       0 (4)
//! ```
//!
//! It is made while it is read, a batch at a time, from a snapshot of the engine. (`xs_storage::dump` writes where this must be
//! read from.) There are no checksums: whoever keeps the bytes, or sends them, has his own.

use std::io::{self, Read};
use std::sync::Arc;

use xs_storage::engine::{KeyRange, ReadView, WriteBatch};

use super::StoreError;

/// A batch is closed when it has so many bytes.
const BATCH: usize = 64 << 10;
/// No batch is longer: the longest value, its key, and what else was in its batch.
const MAX_BATCH: usize = (4 << 20) + BATCH;

/// A state, to be read.
pub(crate) struct Snapshot {
    view: Arc<dyn ReadView>,
    /// Where to go on; `None` when all of it has been read.
    from: Option<Vec<u8>>,
    bytes: Vec<u8>,
    taken: usize,
}

impl Snapshot {
    pub(super) fn of(view: Arc<dyn ReadView>) -> Self {
        Snapshot { view, from: Some(Vec::new()), bytes: Vec::new(), taken: 0 }
    }

    fn refill(&mut self) -> io::Result<()> {
        (self.bytes, self.taken) = (Vec::new(), 0);
        let Some(from) = self.from.take() else { return Ok(()) };
        let mut batch = WriteBatch::new();
        {
            let mut cursor = self.view.cursor(KeyRange::from(&from)).map_err(io::Error::other)?;
            let mut on = cursor.next().map_err(io::Error::other)?;
            while on && batch.as_bytes().len() < BATCH {
                batch.put(cursor.key(), cursor.value().map_err(io::Error::other)?);
                on = cursor.next().map_err(io::Error::other)?;
            }
            self.from = on.then(|| cursor.key().to_vec());
        }
        if !batch.is_empty() {
            self.bytes.extend_from_slice(&(batch.as_bytes().len() as u32).to_le_bytes());
            self.bytes.extend_from_slice(batch.as_bytes());
        }
        if self.from.is_none() {
            self.bytes.extend_from_slice(&[0; 4]);
        }
        Ok(())
    }
}

impl Read for Snapshot {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.bytes.len() {
            self.refill()?;
        }
        let rest = &self.bytes[self.taken..];
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        self.taken += len;
        Ok(len)
    }
}

/// The next batch of a snapshot; `None` behind the last.
pub(super) fn next(from: &mut dyn Read) -> Result<Option<WriteBatch>, StoreError> {
    let broken = |error| StoreError::Snapshot(Arc::new(error));
    let mut len = [0; 4];
    from.read_exact(&mut len).map_err(broken)?;
    let len = u32::from_le_bytes(len) as usize;
    if len == 0 {
        return Ok(None);
    }
    if len > MAX_BATCH {
        return Err(broken(io::Error::new(io::ErrorKind::InvalidData, format!("a batch of {len} bytes"))));
    }
    // As it comes, and not as it is announced.
    let mut bytes = Vec::new();
    from.take(len as u64).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() < len {
        return Err(broken(io::ErrorKind::UnexpectedEof.into()));
    }
    let batch = WriteBatch::from_bytes(&bytes);
    batch.map(Some).map_err(|error| broken(io::Error::new(io::ErrorKind::InvalidData, error.to_string())))
}
