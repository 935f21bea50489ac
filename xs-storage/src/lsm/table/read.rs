//! Reading a table.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::Guard;
use bytes::Bytes;

use super::super::Seq;
use super::super::block::{Block, Find, Nonsense, open};
use super::super::codec::{HEADER, check_header};
use super::super::disk::{Disk, Doomed, Name};
use super::super::files::Handle as FileHandle;
use super::super::ranges::Ranges;
use super::filter::Filter;
use super::index::Index;
use super::meta::{Meta, MetaCell};
use super::props::{Handle, Props, TableInfo};
use super::{END_MAGIC, FOOTER, MAGIC};
use crate::{Error, Result};

/// The most that a filter, an index or the like may take in a file.
const MAX_PIECE: u64 = 1 << 30;

/// An open table. Its file goes when it is dropped, if it has been [doomed](Table::doom).
#[derive(Debug)]
pub(in super::super) struct Table {
    pub(in super::super) info: Arc<TableInfo>,
    /// The sequence number of all its entries, if it was ingested.
    pub(in super::super) seq: Option<Seq>,
    pub(in super::super) ranges: Arc<Ranges>,
    cell: Arc<MetaCell>,
    filter: Handle,
    index: Handle,
    file: Arc<FileHandle>,
    disk: Arc<Disk>,
    name: Doomed,
}

/// An entry of a block.
#[derive(Debug)]
pub(in super::super) struct Found<'a> {
    pub(in super::super) tag: u64,
    pub(in super::super) block: &'a Bytes,
    pub(in super::super) value: Range<usize>,
}

impl Table {
    /// Opens a table; `bytes` is its length as the manifest has it, `seq` the number of an ingested one.
    pub(in super::super) fn open(disk: &Arc<Disk>, id: u64, bytes: u64, seq: Option<Seq>) -> Result<Arc<Table>> {
        let path = disk.path(Name::Table(id));
        let file = disk.handle(path.clone());
        let len = file.get()?.len().map_err(Error::io("read", &path))?;
        if len != bytes {
            return Err(Error::corrupt(&path, len.min(bytes), format!("the file has {len} bytes, and had {bytes}")));
        }
        let read = |at: u64, len: usize| {
            let mut buf = vec![0; len];
            file.read_exact_at(&mut buf, at)?;
            Ok::<_, Error>(buf)
        };
        check_header(&read(0, HEADER.min(len as usize))?, MAGIC, &path, "table")?;
        let at = len.saturating_sub(FOOTER as u64);
        let footer = read(at, FOOTER.min(len as usize))?;
        let (props_at, props_len) = parse_footer(&footer, len)
            .ok_or_else(|| Error::corrupt(&path, at, "the end of the file is not that of a table of this length"))?;
        let raw = read(props_at, props_len as usize)?;
        let raw = open(&raw, &path, props_at)?;
        let mut props = Props::decode(&raw, id, len)
            .ok_or_else(|| Error::corrupt(&path, props_at, "the properties make no sense"))?;
        if let Some(seq) = seq {
            props.info.seqs = (seq, seq);
        }
        let ranges = if props.info.range_deletes == 0 {
            Ranges::default()
        } else {
            let raw = read_piece(&file, &path, props.ranges)?;
            Ranges::decode(&raw)
                .ok_or_else(|| Error::corrupt(&path, props.ranges.0, "the deleted ranges make no sense"))?
        };
        Ok(Arc::new(Table {
            info: Arc::new(props.info),
            seq,
            ranges: Arc::new(ranges),
            cell: Arc::default(),
            filter: props.filter,
            index: props.index,
            file,
            disk: disk.clone(),
            name: Doomed::new(disk.options.vfs.clone(), path),
        }))
    }

    /// The file is to go with the last handle.
    pub(in super::super) fn doom(&self) {
        self.name.doom();
    }

    pub(in super::super) fn corrupt(&self, offset: u64, what: &str) -> Error {
        Error::corrupt(&self.name.path, offset, what)
    }

    /// Index and filter, read if they are not in memory.
    #[inline]
    pub(super) fn meta(&self) -> Result<Guard<Option<Arc<Meta>>>> {
        let meta = self.cell.load();
        if meta.is_some() { Ok(meta) } else { self.load_meta() }
    }

    #[cold]
    fn load_meta(&self) -> Result<Guard<Option<Arc<Meta>>>> {
        let path = &self.name.path;
        let raw = read_piece(&self.file, path, self.filter)?;
        let filter = Filter::decode(&raw).ok_or_else(|| self.corrupt(self.filter.0, "the filter makes no sense"))?;
        let raw = read_piece(&self.file, path, self.index)?;
        let index = Index::decode(&raw, HEADER as u64, self.filter.0);
        let index = index.ok_or_else(|| self.corrupt(self.index.0, "the index makes no sense"))?;
        let meta = Arc::new(Meta::new(index, filter));
        self.cell.put(meta.clone());
        self.disk.cache.add_meta(self.info.id, &self.cell, &meta);
        Ok(Guard::from_inner(Some(meta)))
    }

    /// Reads a block from the file, and keeps it if it is likely to be read again.
    #[cold]
    pub(super) fn load_block(&self, meta: &Arc<Meta>, at: usize, keep: bool) -> Result<Arc<Block>> {
        let (offset, len) = meta.index.place(at);
        let mut framed = vec![0; len];
        self.file.read_exact_at(&mut framed, offset)?;
        let block = Arc::new(self.decode_block(framed, offset)?);
        if keep {
            self.disk.cache.misses.fetch_add(1, Ordering::Relaxed);
            meta.put(at, block.clone());
            self.disk.cache.add_block(self.info.id, at as u32, meta, block.weight());
        }
        Ok(block)
    }

    /// The bytes of several blocks one behind the other, in one read.
    pub(super) fn read_blocks(&self, meta: &Meta, blocks: Range<usize>) -> Result<(u64, Vec<u8>)> {
        let (from, _) = meta.index.place(blocks.start);
        let (last, len) = meta.index.place(blocks.end - 1);
        let mut framed = vec![0; (last - from) as usize + len];
        self.file.read_exact_at(&mut framed, from)?;
        Ok((from, framed))
    }

    pub(super) fn decode_block(&self, mut framed: Vec<u8>, offset: u64) -> Result<Block> {
        let raw = match open(&framed, &self.name.path, offset)? {
            std::borrow::Cow::Owned(raw) => raw,
            std::borrow::Cow::Borrowed(raw) => {
                let len = raw.len();
                framed.truncate(len);
                framed.shrink_to_fit();
                framed
            }
        };
        Block::new(raw.into()).ok_or_else(|| self.corrupt(offset, "the block makes no sense"))
    }

    pub(super) fn nonsense(&self, meta: &Meta, block: usize) -> impl FnOnce(Nonsense) -> Error {
        let error = self.corrupt(meta.index.place(block).0, "an entry of the block makes no sense");
        |Nonsense| error
    }

    /// Shows the newest entry of a key that is not newer than `seq`, if there is one. `hash` is the key's.
    pub(in super::super) fn get<R>(
        &self,
        key: &[u8],
        hash: u64,
        seq: Seq,
        see: impl FnOnce(Found<'_>) -> R,
    ) -> Result<Option<R>> {
        // In the file of an ingested table every number is 0.
        if self.seq.is_some_and(|own| own > seq) {
            return Ok(None);
        }
        let guard = self.meta()?;
        let Some(meta) = &*guard else { return Ok(None) };
        if !meta.filter.may_contain(hash) {
            return Ok(None);
        }
        let mut at = meta.index.seek(key);
        while at < meta.index.len() {
            let cached = meta.block(at);
            let loaded;
            let block = match cached.as_ref().and_then(|guard| guard.as_ref()) {
                Some(block) => block,
                None => {
                    loaded = self.load_block(meta, at, true)?;
                    &loaded
                }
            };
            match block.find(key, seq).map_err(|nonsense| self.nonsense(meta, at)(nonsense))? {
                Find::Entry { tag, value } => {
                    let tag = self.seq.map_or(tag, |seq| seq << 2 | tag & 3);
                    return Ok(Some(see(Found { tag, block: block.bytes(), value })));
                }
                Find::Missing => return Ok(None),
                // Versions of one key may go on in the next block.
                Find::BehindAll => at += 1,
            }
        }
        Ok(None)
    }

    /// Whether the filter lets a key through: for `check`.
    pub(in super::super) fn filter_passes(&self, hash: u64) -> Result<bool> {
        Ok(self.meta()?.as_ref().is_none_or(|meta| meta.filter.may_contain(hash)))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let meta = self.cell.load();
        let loaded: Vec<u32> = meta.iter().flat_map(|meta| meta.loaded()).collect();
        self.disk.cache.forget(self.info.id, loaded.into_iter());
    }
}

fn parse_footer(footer: &[u8], len: u64) -> Option<(u64, u64)> {
    let footer = footer.first_chunk::<FOOTER>()?;
    let number = |at: usize| footer[at..].first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    let crc = u32::from_le_bytes(*footer[28..].first_chunk::<4>()?);
    let sound = footer[32..] == END_MAGIC[..] && crc == crc32c::crc32c(&footer[..28]) && number(16)? == len;
    let (at, props_len) = (number(0)?, number(8)?);
    let ends = at.checked_add(props_len)?.checked_add(FOOTER as u64)? == len;
    (sound && ends && props_len <= MAX_PIECE).then_some((at, props_len))
}

fn read_piece(file: &Arc<FileHandle>, path: &std::path::Path, (at, len): Handle) -> Result<Vec<u8>> {
    if len > MAX_PIECE {
        return Err(Error::corrupt(path, at, "a piece of a wild length"));
    }
    let mut framed = vec![0; len as usize];
    file.read_exact_at(&mut framed, at)?;
    Ok(open(&framed, path, at)?.into_owned())
}
