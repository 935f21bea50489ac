//! The read path: memtables, then tables, newest first, until one knows the key.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::blob::Pointer;
use super::core::{Core, Super};
use super::table::{Table, hash};
use super::version::{Version, table_for};
use super::{Kind, Seq};
use crate::{Error, Result};

/// A value as it lies in memory: a part of a batch or of a block, or read for this purpose.
pub(super) enum Value<'a> {
    Part(&'a Bytes, Range<usize>),
    Read(Vec<u8>),
}

impl Value<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Value::Part(whole, range) => &whole[range.clone()],
            Value::Read(bytes) => bytes,
        }
    }

    /// The value, to keep. A small part of something large is copied, so that it does not keep the rest in memory.
    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Value::Part(whole, range) if range.len() >= whole.len() / 2 => whole.slice(range),
            Value::Part(whole, range) => Bytes::copy_from_slice(&whole[range]),
            Value::Read(bytes) => bytes.into(),
        }
    }
}

/// What one source says of a key.
enum Seen<R> {
    /// Nothing: ask an older one.
    Nothing,
    /// It was deleted.
    Deleted,
    /// Here it is.
    Value(R),
    /// It is in a file of values.
    Apart(Pointer),
}

/// What follows from an entry, if there is one, and from the newest deleted range over the key.
#[inline]
fn judge<R>(tag: u64, cover: Seq, value: &[u8], see: impl FnOnce() -> R) -> Result<Seen<R>, Strange> {
    if cover > tag >> 2 {
        return Ok(Seen::Deleted);
    }
    match Kind::of(tag) {
        Some(Kind::Put) => Ok(Seen::Value(see())),
        Some(Kind::Delete) => Ok(Seen::Deleted),
        Some(Kind::Blob) => Pointer::decode(value).map(Seen::Apart).ok_or(Strange),
        None => Err(Strange),
    }
}

/// An entry that makes no sense.
struct Strange;

impl Core {
    /// Shows the value of a key to `see`, as a reader at `seq` sees it. The state must hold all writes up to `seq`, or be
    /// loaded before `seq` was.
    pub(super) fn find<R>(
        &self,
        state: &Super,
        key: &[u8],
        seq: Seq,
        see: impl FnOnce(Value<'_>) -> R,
    ) -> Result<Option<R>> {
        let mut see = Some(see);
        let mut show = |value: Value<'_>| see.take().map(|see| see(value));
        let apart = |pointer| read_apart(&state.version, &self.disk.dir, pointer);
        let hash = hash(key);
        for mem in state.memtables() {
            let cover = mem.cover(key, seq);
            if let Some(found) = mem.get(key, hash, seq) {
                let value = &found.batch[found.value.clone()];
                let part = || Value::Part(found.batch, found.value.clone());
                // What a memtable holds, this process has put there.
                return match judge(found.tag, cover, value, part) {
                    Ok(Seen::Value(value)) => Ok(show(value)),
                    _ => Ok(None),
                };
            }
            if cover > 0 {
                return Ok(None);
            }
        }
        let version = &state.version;
        let [top, sorted @ ..] = &version.levels[..] else { return Ok(None) };
        let candidates = top.iter().filter(|table| table.info.span.contains(key));
        let candidates = candidates.chain(sorted.iter().filter_map(|level| table_for(level, key)));
        for table in candidates {
            match ask(table, key, hash, seq, &mut show)? {
                Seen::Nothing => {}
                Seen::Deleted => return Ok(None),
                Seen::Value(shown) => return Ok(shown),
                Seen::Apart(pointer) => return Ok(show(Value::Read(apart(pointer)?))),
            }
        }
        Ok(None)
    }
}

#[inline]
fn ask<R>(
    table: &Arc<Table>,
    key: &[u8],
    hash: u64,
    seq: Seq,
    show: &mut impl FnMut(Value<'_>) -> Option<R>,
) -> Result<Seen<Option<R>>> {
    let cover = table.ranges.cover(key, seq);
    let seen = table.get(key, hash, seq, |found| {
        let value = &found.block[found.value.clone()];
        judge(found.tag, cover, value, || show(Value::Part(found.block, found.value.clone())))
    })?;
    match seen {
        Some(Ok(seen)) => Ok(seen),
        Some(Err(Strange)) => Err(table.corrupt(0, "an entry of a kind that there is not")),
        None if cover > 0 => Ok(Seen::Deleted),
        None => Ok(Seen::Nothing),
    }
}

/// Reads a value that is kept apart.
pub(super) fn read_apart(version: &Version, dir: &std::path::Path, pointer: Pointer) -> Result<Vec<u8>> {
    let blob = version.blobs.get(&pointer.file);
    let blob = blob.ok_or_else(|| Error::corrupt(dir, 0, format!("file of values {} is missing", pointer.file)))?;
    let mut value = Vec::new();
    blob.read(pointer, &mut value)?;
    Ok(value)
}
