//! From a view to a stream.

use std::io::Write;

use super::{BLOCK, DumpError, MAGIC, MAX_BLOCK, Summary, VERSION, checksum};
use crate::Error;
use crate::engine::{KeyRange, ReadView, WriteBatch};

/// Writes every entry of a view, and tells `progress` after each block how far it is. The stream is flushed, not synced.
///
/// # Errors
///
/// [`DumpError::Write`] for the stream's, [`DumpError::Store`] for the view's. What was written is then a dump that is cut
/// off, and reads as one.
pub fn save(view: &dyn ReadView, to: &mut dyn Write, progress: &mut dyn FnMut(Summary)) -> Result<Summary, DumpError> {
    let mut done = Summary::default();
    put(to, &mut done, &[&MAGIC, &VERSION.to_le_bytes()])?;
    let mut cursor = view.cursor(KeyRange::all())?;
    let mut batch = WriteBatch::new();
    loop {
        let more = cursor.next()?;
        if more {
            batch.put(cursor.key(), cursor.value()?);
        }
        if !batch.is_empty() && (!more || batch.as_bytes().len() >= BLOCK) {
            let bytes = batch.as_bytes();
            let length = u32::try_from(bytes.len()).ok().filter(|&length| length <= MAX_BLOCK).ok_or_else(|| {
                Error::TooLarge { what: "entry of a dump", len: bytes.len() as u64, limit: MAX_BLOCK.into() }
            })?;
            let length = length.to_le_bytes();
            let sum = checksum(done.blocks, [&length, bytes]).to_le_bytes();
            put(to, &mut done, &[&length, bytes, &sum])?;
            done.blocks += 1;
            done.entries += batch.len() as u64;
            batch.clear();
            progress(done);
        }
        if !more {
            break;
        }
    }
    let mut end = [0; 20];
    end[4..12].copy_from_slice(&done.blocks.to_le_bytes());
    end[12..].copy_from_slice(&done.entries.to_le_bytes());
    let sum = checksum(done.blocks, [&end, &[]]).to_le_bytes();
    put(to, &mut done, &[&end, &sum])?;
    to.flush().map_err(DumpError::Write)?;
    Ok(done)
}

fn put(to: &mut dyn Write, done: &mut Summary, parts: &[&[u8]]) -> Result<(), DumpError> {
    for part in parts {
        to.write_all(part).map_err(DumpError::Write)?;
        done.bytes += part.len() as u64;
    }
    Ok(())
}
