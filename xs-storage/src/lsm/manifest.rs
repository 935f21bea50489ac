//! The manifest: the one small file that says which files count.
//!
//! ```text
//!   "xs-lsmm\0" │ u32 version │ four zeros
//!   varint next file number │ varint flushed up to │ varint levels
//!     for each level: varint tables │ for each: varint number │ varint bytes │ varint 0, or 1 + sequence number
//!   varint files of values │ for each: varint number │ varint bytes
//!   u32 CRC32C of all before
//! ```
//! It is written whole and put in place of the old one by a rename. Others append edits to a log of them, which costs
//! less per edit and leaves, at its end, the question whether a damaged record was torn or rotted. Whole, every byte is
//! either right or corruption. The price is some 12 bytes a table with each edit: for 64 GB in tables of 64 MB, 12 KB.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xs_os::vfs::{Vfs, VfsExt};

use super::blob::Blob;
use super::codec::{HEADER, Reader, check_header, header};
use super::disk::Disk;
use super::table::Table;
use super::version::Version;
use super::{LEVELS, Seq};
use crate::varint::put_varint;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"xs-lsmm\0";

/// The most that is read: some ten million tables.
const MAX_BYTES: usize = 256 << 20;

/// What the manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) next_file: u64,
    pub(super) flushed: Seq,
    /// For each level, in its order: number, bytes, the sequence number of an ingested table.
    pub(super) levels: Vec<Vec<(u64, u64, Option<Seq>)>>,
    pub(super) blobs: Vec<(u64, u64)>,
}

impl Manifest {
    pub(super) fn path(dir: &Path) -> PathBuf {
        dir.join("manifest")
    }

    pub(super) fn of(version: &Version, next_file: u64) -> Manifest {
        let tables = |level: &super::version::Level| {
            level.iter().map(|table| (table.info.id, table.info.bytes, table.seq)).collect()
        };
        Manifest {
            next_file,
            flushed: version.flushed,
            levels: version.levels.iter().map(tables).collect(),
            blobs: version.blobs.values().map(|blob| (blob.id, blob.bytes)).collect(),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = header(MAGIC).to_vec();
        put_varint(&mut out, self.next_file);
        put_varint(&mut out, self.flushed);
        put_varint(&mut out, self.levels.len() as u64);
        for level in &self.levels {
            put_varint(&mut out, level.len() as u64);
            for (id, bytes, seq) in level {
                put_varint(&mut out, *id);
                put_varint(&mut out, *bytes);
                put_varint(&mut out, seq.map_or(0, |seq| seq + 1));
            }
        }
        put_varint(&mut out, self.blobs.len() as u64);
        for (id, bytes) in &self.blobs {
            put_varint(&mut out, *id);
            put_varint(&mut out, *bytes);
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<Manifest> {
        check_header(bytes, MAGIC, path, "store of this kind")?;
        let corrupt = |offset: usize, what: &str| Error::corrupt(path, offset as u64, what);
        let body = match bytes.split_last_chunk::<4>() {
            Some((body, crc)) if body.len() >= HEADER && crc32c::crc32c(body) == u32::from_le_bytes(*crc) => body,
            _ => return Err(corrupt(HEADER, "the checksum does not fit the bytes")),
        };
        Self::parse(&body[HEADER..]).ok_or_else(|| corrupt(HEADER, "the list of files makes no sense"))
    }

    fn parse(body: &[u8]) -> Option<Manifest> {
        let mut reader = Reader::new(body);
        let (next_file, flushed, count) = (reader.varint()?, reader.varint()?, reader.varint()?);
        if count != LEVELS as u64 {
            return None;
        }
        let mut levels = Vec::new();
        for _ in 0..count {
            let mut level = Vec::new();
            for _ in 0..reader.varint()? {
                level.push((reader.varint()?, reader.varint()?, reader.varint()?.checked_sub(1)));
            }
            levels.push(level);
        }
        let mut blobs = Vec::new();
        for _ in 0..reader.varint()? {
            blobs.push((reader.varint()?, reader.varint()?));
        }
        let numbers = levels.iter().flatten().map(|(id, ..)| *id).chain(blobs.iter().map(|(id, _)| *id));
        let known = numbers.clone().all(|id| id < next_file);
        (reader.is_empty() && known).then_some(Manifest { next_file, flushed, levels, blobs })
    }

    /// None if there is none.
    pub(super) fn read(vfs: &dyn Vfs, dir: &Path) -> Result<Option<Manifest>> {
        let path = Self::path(dir);
        match vfs.read(&path, MAX_BYTES) {
            Ok(bytes) => Self::decode(&bytes, &path).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Puts this one in place of the old one; durable when it returns. Returns its length.
    pub(super) fn write(&self, vfs: &dyn Vfs, dir: &Path) -> Result<u64> {
        let path = Self::path(dir);
        let bytes = self.encode();
        vfs.replace(&path, &bytes).map_err(Error::io("write", &path))?;
        Ok(bytes.len() as u64)
    }

    /// Opens all that it names.
    pub(super) fn open(&self, disk: &Arc<Disk>) -> Result<Version> {
        let mut version = Version { flushed: self.flushed, ..Version::empty() };
        for (to, level) in version.levels.iter_mut().zip(&self.levels) {
            let tables = level.iter().map(|(id, bytes, seq)| Table::open(disk, *id, *bytes, *seq));
            *to = Arc::new(tables.collect::<Result<_>>()?);
        }
        version.check_levels(disk)?;
        for (id, bytes) in &self.blobs {
            version.blobs.insert(*id, Blob::open(disk, *id, *bytes)?);
        }
        Ok(version)
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest() -> impl Strategy<Value = Manifest> {
        let table = (0..1000_u64, any::<u64>(), proptest::option::of(0..u64::MAX));
        let levels = proptest::collection::vec(proptest::collection::vec(table, 0..5), LEVELS);
        let blobs = proptest::collection::vec((0..1000_u64, any::<u64>()), 0..4);
        (1000..u64::MAX, any::<u64>(), levels, blobs).prop_map(|(next_file, flushed, levels, blobs)| Manifest {
            next_file,
            flushed,
            levels,
            blobs,
        })
    }

    proptest! {
        #[test]
        fn it_comes_back_and_every_flip_is_noticed(manifest in manifest(), bit in any::<prop::sample::Index>()) {
            let mut bytes = manifest.encode();
            prop_assert_eq!(Manifest::decode(&bytes, Path::new("m")).unwrap(), manifest);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Manifest::decode(&bytes, Path::new("m")).is_err());
        }

        #[test]
        fn any_bytes_are_a_manifest_or_refused(bytes in any::<Vec<u8>>()) {
            let _ = Manifest::decode(&bytes, Path::new("m"));
            let _ = Manifest::parse(&bytes);
        }
    }
}
