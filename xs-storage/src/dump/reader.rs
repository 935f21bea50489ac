//! From a stream to a store, believing nothing.

use std::fmt;
use std::io::{self, Read};

use super::{DumpError, MAGIC, MAX_BLOCK, Summary, VERSION, checksum};
use crate::engine::{Durability, Engine, Op, WriteBatch};

/// Reads a dump block by block, and checks everything.
pub struct Reader<R> {
    from: R,
    done: Summary,
    buffer: Vec<u8>,
    last_key: Option<Vec<u8>>,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`DumpError::NotADump`], [`DumpError::NewerFormat`], [`DumpError::Read`].
    pub fn new(from: R) -> Result<Self, DumpError> {
        let mut reader = Reader { from, done: Summary::default(), buffer: Vec::new(), last_key: None, ended: false };
        if !reader.take(MAGIC.len())? || reader.buffer != MAGIC {
            return Err(DumpError::NotADump);
        }
        match reader.number()? {
            VERSION => Ok(reader),
            found if found > VERSION => Err(DumpError::NewerFormat { found, known: VERSION }),
            _ => Err(DumpError::NotADump),
        }
    }

    /// The next block, whole and checked; none after the last. After an error the rest is not worth asking for.
    ///
    /// # Errors
    ///
    /// [`DumpError::CutOff`], [`DumpError::Damaged`], [`DumpError::Read`].
    #[expect(clippy::should_implement_trait, reason = "an iterator would go on after an error")]
    pub fn next(&mut self) -> Result<Option<WriteBatch>, DumpError> {
        if self.ended {
            return Ok(None);
        }
        let offset = self.done.bytes;
        let damaged = |block, what| DumpError::Damaged { block, offset, what };
        let block = self.done.blocks;
        let length = self.number()?;
        if length > MAX_BLOCK {
            return Err(damaged(block, "its length is beyond all bounds"));
        }
        let size = if length == 0 { 16 } else { length as usize };
        if !self.take(size)? {
            return Err(DumpError::CutOff(self.done));
        }
        let sum = checksum(block, [&length.to_le_bytes(), &self.buffer]);
        let bytes = std::mem::take(&mut self.buffer);
        if self.number()? != sum {
            return Err(damaged(block, "its checksum does not match"));
        }
        if length == 0 {
            let counts = [self.done.blocks.to_le_bytes(), self.done.entries.to_le_bytes()].concat();
            if bytes != counts {
                return Err(damaged(block, "the end counts other blocks or entries than came"));
            }
            if self.take(1)? {
                return Err(damaged(block, "something follows the end"));
            }
            self.ended = true;
            return Ok(None);
        }
        let batch = WriteBatch::from_bytes(&bytes).map_err(|_| damaged(block, "it is no list of entries"))?;
        self.buffer = bytes;
        let mut last = self.last_key.as_deref();
        for op in batch.iter() {
            match op {
                Op::Put(key, _) if last.is_none_or(|last| last < key) => last = Some(key),
                Op::Put(..) => return Err(damaged(block, "its keys are out of order")),
                Op::Delete(_) | Op::DeleteRange(..) => return Err(damaged(block, "it removes something")),
            }
        }
        self.last_key = last.map(<[u8]>::to_vec);
        self.done.blocks += 1;
        self.done.entries += batch.len() as u64;
        Ok(Some(batch))
    }

    /// What has been read.
    pub fn summary(&self) -> Summary {
        self.done
    }

    fn number(&mut self) -> Result<u32, DumpError> {
        let whole = self.take(4)?;
        match self.buffer[..].try_into() {
            Ok(bytes) if whole => Ok(u32::from_le_bytes(bytes)),
            _ => Err(DumpError::CutOff(self.done)),
        }
    }

    /// Fills the buffer with so many bytes; false if there are fewer. It grows as they come.
    fn take(&mut self, len: usize) -> Result<bool, DumpError> {
        self.buffer.clear();
        let read = (&mut self.from).take(len as u64).read_to_end(&mut self.buffer).map_err(DumpError::Read)?;
        self.done.bytes += read as u64;
        Ok(read == len)
    }
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("done", &self.done).field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// Reads a whole dump, and tells `progress` after each block how far it is.
///
/// # Errors
///
/// As [`Reader`].
pub fn verify(from: &mut dyn Read, progress: &mut dyn FnMut(Summary)) -> Result<Summary, DumpError> {
    each(from, progress, &mut |_| Ok(()))
}

/// Puts every entry of a dump into a store, over what is there, and returns when all are durable. `progress` is told after
/// each block how far it is.
///
/// # Errors
///
/// As [`Reader`], and the store's. The entries of the blocks before are then in the store: who can read the dump twice
/// calls [`verify`] first.
pub fn restore(
    store: &dyn Engine,
    from: &mut dyn Read,
    progress: &mut dyn FnMut(Summary),
) -> Result<Summary, DumpError> {
    let done = each(from, progress, &mut |batch| {
        drop(store.submit(batch, Durability::Buffered)?);
        Ok(())
    })?;
    store.submit(WriteBatch::new(), Durability::Synced)?.wait()?;
    Ok(done)
}

fn each(
    from: &mut dyn Read,
    progress: &mut dyn FnMut(Summary),
    act: &mut dyn FnMut(WriteBatch) -> crate::Result<()>,
) -> Result<Summary, DumpError> {
    let mut reader = Reader::new(io::BufReader::with_capacity(super::BLOCK, from))?;
    while let Some(batch) = reader.next()? {
        act(batch)?;
        progress(reader.summary());
    }
    Ok(reader.summary())
}
