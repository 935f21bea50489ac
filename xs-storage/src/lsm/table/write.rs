//! Writing a table.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use xs_os::vfs::{File, Open, Vfs};

use super::super::blob::Pointer;
use super::super::block::{BlockBuilder, close};
use super::super::codec::{HEADER, header};
use super::super::options::{Compression, Options};
use super::super::ranges::Ranges;
use super::super::span::Span;
use super::super::{Kind, Seq};
use super::filter::{Filter, hash};
use super::index::{IndexBuilder, separator};
use super::props::{Props, TableInfo};
use super::{END_MAGIC, MAGIC};
use crate::{Error, Result};

/// What is gathered before it is written.
const BUFFER: usize = 256 << 10;

/// Takes entries in order and makes a table of them.
#[derive(Debug)]
pub(in super::super) struct TableWriter {
    id: u64,
    path: PathBuf,
    file: Arc<dyn File>,
    compression: Compression,
    block_bytes: usize,
    filter_bits: u32,
    block: BlockBuilder,
    index: IndexBuilder,
    hashes: Vec<u64>,
    buffer: Vec<u8>,
    /// Bytes that have been written, and those that were when the last block ended.
    written: u64,
    /// The end of the block that is not in the index yet: its last key and its length.
    pending: Option<(Vec<u8>, usize)>,
    entries: u64,
    deletes: u64,
    seqs: (Seq, Seq),
    first: Option<Bytes>,
    last: Vec<u8>,
    blobs: Vec<(u64, u64)>,
}

impl TableWriter {
    pub(in super::super) fn new(vfs: &dyn Vfs, path: PathBuf, id: u64, options: &Options) -> Result<Self> {
        let file = match vfs.open(&path, Open::New) {
            // What an earlier attempt left behind: a table that counts is in a manifest. The name goes and not the bytes,
            // which may have another name by now.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                vfs.remove(&path).map_err(Error::io("remove", &path))?;
                vfs.open(&path, Open::New)
            }
            opened => opened,
        };
        let file = file.map_err(Error::io("create", &path))?;
        Ok(TableWriter {
            id,
            file,
            compression: options.compression,
            block_bytes: options.block_bytes,
            filter_bits: options.filter_bits,
            block: BlockBuilder::new(options.restart_interval),
            index: IndexBuilder::default(),
            hashes: Vec::new(),
            buffer: header(MAGIC).to_vec(),
            written: 0,
            pending: None,
            entries: 0,
            deletes: 0,
            seqs: (Seq::MAX, 0),
            first: None,
            last: Vec::new(),
            blobs: Vec::new(),
            path,
        })
    }

    /// Adds an entry behind all others.
    pub(in super::super) fn add(&mut self, key: &[u8], tag: u64, value: &[u8]) -> Result<()> {
        let fresh = self.first.is_none() || self.last != key;
        if fresh {
            if self.filter_bits > 0 {
                self.hashes.push(hash(key));
            }
            self.last.clear();
            self.last.extend_from_slice(key);
            if self.first.is_none() {
                self.first = Some(Bytes::copy_from_slice(key));
            }
        }
        if let Some((last, len)) = self.pending.take() {
            self.index.add(separator(&last, key), len);
        }
        self.block.add(key, tag, value);
        self.entries += 1;
        let seq = tag >> 2;
        self.seqs = (self.seqs.0.min(seq), self.seqs.1.max(seq));
        match Kind::of(tag) {
            Some(Kind::Delete) => self.deletes += 1,
            Some(Kind::Blob) => {
                if let Some(pointer) = Pointer::decode(value) {
                    self.add_blob(pointer);
                }
            }
            _ => {}
        }
        if self.block.len() >= self.block_bytes { self.end_block() } else { Ok(()) }
    }

    fn add_blob(&mut self, pointer: Pointer) {
        match self.blobs.iter_mut().find(|(file, _)| *file == pointer.file) {
            Some((_, bytes)) => *bytes += pointer.bytes(),
            None => self.blobs.push((pointer.file, pointer.bytes())),
        }
    }

    fn end_block(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let from = self.buffer.len();
        let last = self.block.last_key().to_vec();
        let (buffer, compression) = (&mut self.buffer, self.compression);
        self.block.finish(|raw| close(raw, compression, buffer));
        self.pending = Some((last, self.buffer.len() - from));
        if self.buffer.len() >= BUFFER { self.write_out() } else { Ok(()) }
    }

    fn write_out(&mut self) -> Result<()> {
        self.file.write_all_at(&self.buffer, self.written).map_err(Error::io("write", &self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// About how long the file is by now.
    pub(in super::super) fn len(&self) -> u64 {
        self.written + (self.buffer.len() + self.block.len()) as u64
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The last key that was added.
    pub(in super::super) fn last_key(&self) -> &[u8] {
        &self.last
    }

    /// Appends a piece and says where it is.
    fn piece(&mut self, raw: &[u8]) -> (u64, u64) {
        let at = self.written + self.buffer.len() as u64;
        close(raw, self.compression, &mut self.buffer);
        (at, self.written + self.buffer.len() as u64 - at)
    }

    /// Ends the table, whose entries or deleted ranges must be some, and makes its bytes durable, but not its name.
    pub(in super::super) fn finish(mut self, ranges: &Ranges, created_ms: u64) -> Result<TableInfo> {
        self.end_block()?;
        if let Some((last, len)) = self.pending.take() {
            self.index.add(&last, len);
        }
        let entries =
            self.first.take().map(|first| Span { first, last: std::mem::take(&mut self.last).into(), open: false });
        let deleted = match (ranges.pieces().first(), ranges.pieces().last()) {
            (Some(first), Some(last)) => Some(Span { first: first.start.clone(), last: last.end.clone(), open: true }),
            _ => None,
        };
        let span = Span::of(entries.iter().chain(&deleted)).expect("a table of nothing is not made");
        for piece in ranges.pieces() {
            for &seq in &piece.seqs {
                self.seqs = (self.seqs.0.min(seq), self.seqs.1.max(seq));
            }
        }
        let filter = Filter::build(&std::mem::take(&mut self.hashes), self.filter_bits).encode();
        let filter = self.piece(&filter);
        let mut bytes = Vec::new();
        ranges.encode(&mut bytes);
        let ranges_at = self.piece(&bytes);
        let index = std::mem::take(&mut self.index).finish();
        let index = self.piece(&index);
        self.blobs.sort_unstable();
        let info = TableInfo {
            id: self.id,
            bytes: 0,
            entries: self.entries,
            deletes: self.deletes,
            range_deletes: ranges.pieces().len() as u64,
            span,
            created_ms,
            seqs: self.seqs,
            blobs: std::mem::take(&mut self.blobs),
        };
        let mut props = Props { info, filter, ranges: ranges_at, index };
        let (at, len) = self.piece(&props.encode());
        let mut footer = Vec::with_capacity(super::FOOTER);
        footer.extend_from_slice(&at.to_le_bytes());
        footer.extend_from_slice(&len.to_le_bytes());
        let total = at + len + super::FOOTER as u64;
        footer.extend_from_slice(&total.to_le_bytes());
        footer.extend_from_slice(&[0; 4]);
        let crc = crc32c::crc32c(&footer);
        footer.extend_from_slice(&crc.to_le_bytes());
        footer.extend_from_slice(END_MAGIC);
        self.buffer.extend_from_slice(&footer);
        self.write_out()?;
        self.file.sync().map_err(Error::io("sync", &self.path))?;
        props.info.bytes = total;
        debug_assert!(total > HEADER as u64);
        Ok(props.info)
    }
}
