//! One snapshot as a file: blocks with checksums, so that a piece of it can be read, and trusted, alone.
//!
//! ```text
//!   0      "xs-snap\n", format u32, length of the meta u32, meta (byte form with a checksum), zeros
//!   4096   block 0: CRC32C u32, 65,536 bytes     the checksum covers the snapshot's index and term and the block's number,
//!          block 1: …                            too, so that no block passes for another
//!          last block: CRC32C u32, the rest
//! ```
//!
//! The header comes last: a file whose header is not there was never finished. It is written under a name that ends in
//! `.part`, synced, renamed, and the directory is synced.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use xs_os::vfs::{File, Open, Vfs};
use xs_storage::Error as StorageError;

use crate::raft::{Index, SnapshotMeta, Term};

const MAGIC: &[u8; 8] = b"xs-snap\n";
const FORMAT: u32 = 1;
const HEADER: usize = 4096;
/// Bytes of the snapshot in a block.
const BLOCK: usize = 64 << 10;
const SUM: usize = 4;

/// The names of a snapshot: as a whole, and while it is written.
pub(super) fn name(index: Index, term: Term) -> String {
    format!("snapshot-{}-{}", index.0, term.0)
}

/// Whether a name is that of a part: a node's own snapshot and one that it receives may be of one place.
pub(super) fn is_part(name: &str) -> bool {
    let stem = name.strip_suffix(".part").map(|stem| stem.strip_suffix(".own").unwrap_or(stem));
    stem.is_some_and(|stem| parse(stem).is_some())
}

/// What a name stands for.
pub(super) fn parse(name: &str) -> Option<(Index, Term)> {
    let (index, term) = name.strip_prefix("snapshot-")?.split_once('-')?;
    let parsed = (Index(index.parse().ok()?), Term(term.parse().ok()?));
    // Only as we write it: no plus, no zeros in front.
    (self::name(parsed.0, parsed.1) == name).then_some(parsed)
}

fn sum(index: Index, term: Term, block: u64, data: &[u8]) -> u32 {
    let mut salt = [0; 24];
    salt[..8].copy_from_slice(&index.0.to_le_bytes());
    salt[8..16].copy_from_slice(&term.0.to_le_bytes());
    salt[16..].copy_from_slice(&block.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&salt), data)
}

fn place(block: u64) -> u64 {
    HEADER as u64 + block * (BLOCK + SUM) as u64
}

/// The length of a file whose snapshot has so many bytes; none if that is beyond all files.
fn file_len(bytes: u64) -> Option<u64> {
    let blocks = bytes.div_ceil(BLOCK as u64);
    bytes.checked_add(blocks.checked_mul(SUM as u64)?)?.checked_add(HEADER as u64)
}

/// A snapshot that is being written. Dropped before [`SnapshotWriter::finish`] it leaves a part that the next opening of
/// the store removes.
pub struct SnapshotWriter {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    file: Arc<dyn File>,
    part: PathBuf,
    index: Index,
    term: Term,
    /// The block that is not full.
    filling: Vec<u8>,
    blocks: u64,
}

impl SnapshotWriter {
    pub(super) fn create(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        index: Index,
        term: Term,
        ending: &str,
    ) -> Result<Self, StorageError> {
        let part = dir.join(name(index, term) + ending);
        let file = vfs.open(&part, Open::Create).map_err(StorageError::io("open", &part))?;
        file.set_len(0).map_err(StorageError::io("cut", &part))?;
        Ok(SnapshotWriter { vfs, dir: dir.to_owned(), file, part, index, term, filling: Vec::new(), blocks: 0 })
    }

    /// How many bytes it has been given.
    pub fn written(&self) -> u64 {
        self.blocks * BLOCK as u64 + self.filling.len() as u64
    }

    /// Adds the next bytes.
    ///
    /// # Errors
    /// From the disk. The snapshot is good for nothing then.
    pub fn write(&mut self, mut data: &[u8]) -> Result<(), StorageError> {
        while !data.is_empty() {
            let (taken, rest) = data.split_at(data.len().min(BLOCK - self.filling.len()));
            self.filling.extend_from_slice(taken);
            data = rest;
            if self.filling.len() == BLOCK {
                self.put_block()?;
            }
        }
        Ok(())
    }

    fn put_block(&mut self) -> Result<(), StorageError> {
        let sum = sum(self.index, self.term, self.blocks, &self.filling);
        let at = place(self.blocks);
        let put = self
            .file
            .write_all_vectored_at(&[io::IoSlice::new(&sum.to_le_bytes()), io::IoSlice::new(&self.filling)], at);
        put.map_err(StorageError::io("write", &self.part))?;
        self.filling.clear();
        self.blocks += 1;
        Ok(())
    }

    /// The snapshot is whole: gives it its name, durably. `meta.bytes` is set to what was written.
    ///
    /// # Errors
    /// From the disk; [`StorageError::Invalid`] if `meta` is another snapshot's than the writer was made for. Its space is
    /// given back, as far as the disk lets.
    pub fn finish(mut self, meta: SnapshotMeta) -> Result<SnapshotFile, StorageError> {
        let finished = self.complete(meta);
        if finished.is_err() {
            self.abandon();
        }
        finished
    }

    fn complete(&mut self, mut meta: SnapshotMeta) -> Result<SnapshotFile, StorageError> {
        if (meta.index, meta.term) != (self.index, self.term) {
            return Err(StorageError::Invalid("the snapshot was begun for another place".into()));
        }
        meta.bytes = self.written();
        if !self.filling.is_empty() {
            self.put_block()?;
        }
        let part = self.part.clone();
        let mut encoded = Vec::new();
        meta.encode(&mut encoded);
        let mut header = MAGIC.to_vec();
        header.extend(FORMAT.to_le_bytes());
        header.extend((encoded.len() as u32).to_le_bytes());
        header.extend(encoded);
        if header.len() > HEADER {
            return Err(StorageError::Invalid("a membership of more nodes than the header has room for".into()));
        }
        header.resize(HEADER, 0);
        self.file.write_all_at(&header, 0).map_err(StorageError::io("write", &part))?;
        self.file.sync().map_err(StorageError::io("sync", &part))?;
        let path = self.dir.join(name(self.index, self.term));
        self.vfs.rename(&part, &path).map_err(StorageError::io("rename", &part))?;
        self.vfs.sync_dir(&self.dir).map_err(StorageError::io("sync", &self.dir))?;
        Ok(SnapshotFile { file: self.file.clone(), path, meta })
    }

    /// It will not be finished: its space is given back, as far as the disk lets.
    pub fn abandon(self) {
        // What stays behind is removed by the next opening.
        let _ = self.vfs.remove(&self.part);
    }
}

impl fmt::Debug for SnapshotWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotWriter").field("index", &self.index).field("written", &self.written()).finish()
    }
}

/// A snapshot that is whole. Clones are the same file, and it can be read for as long as one is held.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    file: Arc<dyn File>,
    path: PathBuf,
    meta: SnapshotMeta,
}

impl SnapshotFile {
    /// Opens a file, and checks its header and length; blocks are checked when they are read.
    pub(super) fn open(vfs: &dyn Vfs, path: &Path) -> Result<SnapshotFile, StorageError> {
        let file = vfs.open(path, Open::Read).map_err(StorageError::io("open", path))?;
        let len = file.len().map_err(StorageError::io("read", path))?;
        let wrong = |at, what: &str| StorageError::corrupt(path, at, what);
        if len < HEADER as u64 {
            return Err(wrong(0, "shorter than a header"));
        }
        let mut header = vec![0; HEADER];
        file.read_exact_at(&mut header, 0).map_err(StorageError::io("read", path))?;
        if header[..8] != *MAGIC {
            return Err(wrong(0, "no header"));
        }
        let short = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        if short(8) > FORMAT {
            return Err(StorageError::NewerFormat { path: path.to_owned(), found: short(8), known: FORMAT });
        }
        let end = (16_usize).checked_add(short(12) as usize).filter(|end| *end <= HEADER);
        let Some(end) = end else { return Err(wrong(12, "a header longer than itself")) };
        let zeros = header[end..].iter().all(|byte| *byte == 0);
        let meta = SnapshotMeta::decode(Bytes::copy_from_slice(&header[16..end]))
            .map_err(|error| wrong(16, &error.to_string()))?;
        if short(8) != FORMAT || !zeros {
            return Err(wrong(8, "a header that was never written"));
        }
        let named = path.file_name().and_then(|name| name.to_str()).and_then(parse);
        if named != Some((meta.index, meta.term)) {
            return Err(wrong(16, "it is another snapshot than its name says"));
        }
        if file_len(meta.bytes) != Some(len) {
            return Err(wrong(len, "its length is not what the header says"));
        }
        Ok(SnapshotFile { file, path: path.to_owned(), meta })
    }

    /// What it stands for.
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// Its name on the disk.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a piece, and checks all of it. Memory for `len` bytes, no more than are there.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if it is not what was written, [`StorageError::Invalid`] beyond the end.
    pub fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StorageError> {
        let end = offset.checked_add(len as u64).filter(|end| *end <= self.meta.bytes);
        let Some(end) = end else { return Err(StorageError::Invalid("a piece beyond the snapshot's end".into())) };
        let mut found = BytesMut::with_capacity(len);
        let mut at = offset;
        let mut buffer = vec![0; BLOCK.min(self.meta.bytes as usize) + SUM];
        while at < end {
            let block = at / BLOCK as u64;
            let first = block * BLOCK as u64;
            let size = (self.meta.bytes - first).min(BLOCK as u64) as usize;
            let bytes = &mut buffer[..size + SUM];
            self.file.read_exact_at(bytes, place(block)).map_err(StorageError::io("read", &self.path))?;
            let (expected, data) = bytes.split_at(SUM);
            if sum(self.meta.index, self.meta.term, block, data).to_le_bytes() != *expected {
                return Err(StorageError::corrupt(&self.path, place(block), format!("block {block} is damaged")));
            }
            let (from, to) = ((at - first) as usize, (end - first).min(size as u64) as usize);
            found.extend_from_slice(&data[from..to]);
            at = first + to as u64;
        }
        Ok(found.freeze())
    }

    /// All of it in order. An error of the reader carries the [`StorageError`] that tells more.
    pub fn reader(&self) -> SnapshotReader {
        SnapshotReader { file: self.clone(), at: 0, piece: Bytes::new() }
    }
}

/// A snapshot's bytes in order, each checked before it is given out.
#[derive(Debug)]
pub struct SnapshotReader {
    file: SnapshotFile,
    at: u64,
    piece: Bytes,
}

impl Read for SnapshotReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            let len = (self.file.meta.bytes - self.at).min(BLOCK as u64) as usize;
            self.piece = self.file.read_at(self.at, len).map_err(io::Error::other)?;
            self.at += len as u64;
        }
        let len = self.piece.len().min(buf.len());
        buf[..len].copy_from_slice(&self.piece.split_to(len));
        Ok(len)
    }
}
