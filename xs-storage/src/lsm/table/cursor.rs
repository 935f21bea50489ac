//! Walking through a table.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::Seq;
use super::super::block::{Block, BlockCursor};
use super::super::entries::Entries;
use super::meta::Meta;
use super::read::Table;
use crate::Result;

/// What to do with blocks that have to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Fill {
    /// Keep them for others.
    Keep,
    /// Read many at once and keep none: for who reads everything once.
    Bypass,
    /// The same, and never take what is kept: for who wants to know what is on the disk.
    Fresh,
}

/// How many bytes are read at once when nothing is kept.
const AHEAD: u64 = 256 << 10;

/// A place in a table: on an entry, or on none.
#[derive(Debug)]
pub(in super::super) struct TableCursor {
    table: Arc<Table>,
    meta: Arc<Meta>,
    /// The block that the cursor is in.
    at: usize,
    block: Option<BlockCursor>,
    fill: Fill,
    /// Blocks that have been read ahead: the first one's number, its offset, their bytes.
    ahead: Option<(std::ops::Range<usize>, u64, Vec<u8>)>,
    /// The last key of the block that was left.
    edge: Vec<u8>,
}

impl TableCursor {
    pub(in super::super) fn new(table: Arc<Table>, fill: Fill) -> Result<Self> {
        let meta = table.meta()?;
        let meta = meta.as_ref().expect("meta() answers with one or with an error").clone();
        Ok(TableCursor { table, meta, at: 0, block: None, fill, ahead: None, edge: Vec::new() })
    }

    fn load(&mut self, at: usize) -> Result<Arc<Block>> {
        if self.fill != Fill::Fresh
            && let Some(block) = self.meta.block(at).as_ref().and_then(|guard| guard.as_ref())
        {
            return Ok(block.clone());
        }
        match self.fill {
            Fill::Keep => self.table.load_block(&self.meta, at, true),
            Fill::Bypass | Fill::Fresh => self.read_ahead(at),
        }
    }

    fn read_ahead(&mut self, at: usize) -> Result<Arc<Block>> {
        let index = &self.meta.index;
        if !self.ahead.as_ref().is_some_and(|(blocks, ..)| blocks.contains(&at)) {
            let from = index.place(at).0;
            let more = (at + 1..index.len()).take_while(|&next| index.place(next).0 - from < AHEAD).count();
            let blocks = at..at + 1 + more;
            let (offset, bytes) = self.table.read_blocks(&self.meta, blocks.clone())?;
            self.ahead = Some((blocks, offset, bytes));
        }
        let (offset, len) = index.place(at);
        let (_, from, bytes) = self.ahead.as_ref().expect("it was just read");
        let framed = bytes[(offset - from) as usize..][..len].to_vec();
        Ok(Arc::new(self.table.decode_block(framed, offset)?))
    }

    /// Enters a block, or leaves all if there is none of this number; true if it entered.
    fn enter(&mut self, at: usize) -> Result<bool> {
        if at >= self.meta.index.len() {
            self.clear();
            return Ok(false);
        }
        let block = match self.load(at) {
            Ok(block) => block,
            Err(error) => {
                self.clear();
                return Err(error);
            }
        };
        match &mut self.block {
            Some(cursor) => cursor.reset(block),
            None => self.block = Some(BlockCursor::new(block)),
        }
        self.at = at;
        Ok(true)
    }

    fn clear(&mut self) {
        if let Some(block) = &mut self.block {
            block.clear();
        }
    }

    /// Moves within the block.
    #[inline]
    fn within(&mut self, go: impl FnOnce(&mut BlockCursor) -> Result<(), super::super::block::Nonsense>) -> Result<()> {
        match &mut self.block {
            Some(block) => go(block).map_err(|nonsense| self.table.nonsense(&self.meta, self.at)(nonsense)),
            None => Ok(()),
        }
    }

    /// To the first entry of the next block, which must be behind all of this one. A table whose entries are out of order,
    /// or beyond its own bounds, is damaged, and a cursor over it might go in circles.
    #[cold]
    fn next_block(&mut self) -> Result<()> {
        let Some(tag) = self.leave() else { return Ok(()) };
        if !self.enter(self.at + 1)? {
            return self.inside(self.table.info.span.contains(&self.edge));
        }
        self.within(BlockCursor::first)?;
        let order = self.edge.as_slice().cmp(self.key()).then_with(|| self.tag_in_file().cmp(&tag));
        self.inside(order == Ordering::Less)
    }

    /// To the last entry of the block in front, likewise.
    #[cold]
    fn previous_block(&mut self) -> Result<()> {
        let Some(tag) = self.leave() else { return Ok(()) };
        if self.at == 0 || !self.enter(self.at - 1)? {
            return self.inside(self.table.info.span.contains(&self.edge));
        }
        self.within(BlockCursor::last)?;
        let order = self.edge.as_slice().cmp(self.key()).then_with(|| self.tag_in_file().cmp(&tag));
        self.inside(order == Ordering::Greater)
    }

    /// Keeps the key that the cursor has left in `edge`; answers its sequence number.
    fn leave(&mut self) -> Option<Seq> {
        let block = self.block.as_ref()?;
        self.edge.clear();
        self.edge.extend_from_slice(block.key());
        Some(block.tag() >> 2)
    }

    /// The sequence number as it stands there.
    fn tag_in_file(&self) -> Seq {
        self.block.as_ref().map_or(0, BlockCursor::tag) >> 2
    }

    /// An error, and on no entry, unless it is so.
    fn inside(&mut self, so: bool) -> Result<()> {
        if so {
            return Ok(());
        }
        self.clear();
        Err(self.table.corrupt(0, "its entries are out of order, or beyond its first and last key"))
    }
}

impl Entries for TableCursor {
    fn first(&mut self) -> Result<()> {
        if !self.enter(0)? {
            return Ok(());
        }
        self.within(BlockCursor::first)?;
        self.inside(self.table.info.span.contains(self.key()))
    }

    fn last(&mut self) -> Result<()> {
        match self.meta.index.len().checked_sub(1) {
            Some(last) if self.enter(last)? => {
                self.within(BlockCursor::last)?;
                self.inside(self.table.info.span.contains(self.key()))
            }
            _ => Ok(()),
        }
    }

    fn seek(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        let seq = match self.table.seq {
            Some(own) if own > seq => {
                // All versions of the key here are in front of the place.
                self.seek_in_file(key, 0)?;
                while self.valid() && self.key() == key {
                    self.next()?;
                }
                return Ok(());
            }
            Some(_) => Seq::MAX >> 2,
            None => seq,
        };
        self.seek_in_file(key, seq)
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        self.within(BlockCursor::next)?;
        if self.valid() { Ok(()) } else { self.next_block() }
    }

    fn prev(&mut self) -> Result<()> {
        self.within(BlockCursor::prev)?;
        if self.valid() { Ok(()) } else { self.previous_block() }
    }

    fn seek_before(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        self.seek(key, seq)?;
        if self.valid() {
            self.prev()?;
        } else {
            self.last()?;
        }
        let before = self.key().cmp(key).then_with(|| seq.cmp(&(self.tag() >> 2)));
        self.inside(!self.valid() || before == Ordering::Less)
    }

    #[inline]
    fn valid(&self) -> bool {
        self.block.as_ref().is_some_and(BlockCursor::valid)
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.block.as_ref().map_or(b"", BlockCursor::key)
    }

    #[inline]
    fn tag(&self) -> u64 {
        let tag = self.block.as_ref().map_or(0, BlockCursor::tag);
        self.table.seq.map_or(tag, |seq| seq << 2 | tag & 3)
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.block.as_ref().map_or(b"", BlockCursor::value)
    }
}

impl TableCursor {
    fn seek_in_file(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        let at = self.meta.index.seek(key);
        if self.enter(at)? {
            self.within(|block| block.seek(key, seq))?;
            // The block's key in the index may be greater than all that it holds.
            if !self.valid() {
                self.next_block()?;
                // Versions of one key may go on in further blocks.
                while self.valid() && self.key() == key && self.tag() >> 2 > seq {
                    self.within(|block| block.seek(key, seq))?;
                    if !self.valid() {
                        self.next_block()?;
                    }
                }
                let behind = self.key().cmp(key).then_with(|| seq.cmp(&self.tag_in_file()));
                return self.inside(!self.valid() || behind != Ordering::Less);
            }
        }
        Ok(())
    }
}
