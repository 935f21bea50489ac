//! A page of a tree: a header, the places of the cells in their order, free space, and the cells from the end on.
//!
//! ```text
//!   │ kind │ first free block │ cells │ where they begin │ fragments │ last child │ place │ place │ … free … │ cell │ cell │
//!     1      2                  2       2                  1           4, inner
//! ```

use std::ops::Range;

use smallvec::SmallVec;

use crate::row::varint;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    IndexInner = 2,
    TableInner = 5,
    IndexLeaf = 10,
    TableLeaf = 13,
}

impl Kind {
    pub(super) fn of(byte: u8) -> Option<Self> {
        match byte {
            2 => Some(Kind::IndexInner),
            5 => Some(Kind::TableInner),
            10 => Some(Kind::IndexLeaf),
            13 => Some(Kind::TableLeaf),
            _ => None,
        }
    }

    /// That of a page.
    #[inline]
    pub(super) fn of_page(bytes: &[u8], id: PageId) -> Option<Self> {
        bytes.get(start(id)).and_then(|kind| Kind::of(*kind))
    }

    #[inline]
    pub(super) fn is_leaf(self) -> bool {
        matches!(self, Kind::IndexLeaf | Kind::TableLeaf)
    }

    #[inline]
    pub(super) fn is_table(self) -> bool {
        matches!(self, Kind::TableInner | Kind::TableLeaf)
    }

    /// The kind of the same tree's inner pages.
    pub(super) fn inner(self) -> Self {
        if self.is_table() { Kind::TableInner } else { Kind::IndexInner }
    }

    /// Bytes of the header in front of the places.
    pub(super) fn header(self) -> usize {
        if self.is_leaf() { 8 } else { 12 }
    }
}

/// How a file's pages are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) page_size: usize,
    /// Without what is reserved at the end.
    pub(super) usable: usize,
}

impl Shape {
    /// How long a payload on a page of an index may be that stands there as a whole.
    fn most_of_index(self) -> usize {
        (self.usable - 12) * 64 / 255 - 23
    }

    /// How many bytes of a payload stand in its cell; the rest is on overflow pages.
    pub(super) fn local(self, kind: Kind, payload: u64) -> usize {
        let most = match kind {
            Kind::TableLeaf => self.usable - 35,
            _ => self.most_of_index(),
        };
        if payload <= most as u64 {
            return payload as usize;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let filled = least + ((payload - least as u64) % (self.usable as u64 - 4)) as usize;
        if filled <= most { filled } else { least }
    }

    /// The places of leaf pages that a trunk page of the free list has.
    pub(super) fn leaves_of_trunk(self) -> usize {
        self.usable / 4 - 2
    }
}

/// A page's number within the file, from 1 on.
pub type PageId = u32;

/// Where a page's header begins: behind the file's, on the first.
pub(super) fn start(id: PageId) -> usize {
    if id == 1 { super::header::LEN } else { 0 }
}

pub(super) fn get_u16(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

pub(super) fn get_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(super) fn put_u16(bytes: &mut [u8], at: usize, n: usize) {
    // 65536, where the cells of an empty page of that size begin, is written as 0.
    bytes[at..at + 2].copy_from_slice(&(n as u16).to_be_bytes());
}

pub(super) fn put_u32(bytes: &mut [u8], at: usize, n: u32) {
    bytes[at..at + 4].copy_from_slice(&n.to_be_bytes());
}

/// A cell, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// The child in front of it, on inner pages.
    pub(super) left: PageId,
    /// In a table.
    pub(super) rowid: i64,
    /// Bytes of the payload altogether; none on a table's inner pages.
    pub(super) payload: u64,
    /// Those of them that stand here.
    pub(super) local: Range<usize>,
    /// Where the others begin; 0 if there are none.
    pub(super) overflow: PageId,
    /// The whole cell.
    pub(super) range: Range<usize>,
}

/// Takes a cell apart, which begins at a place of a page or of any other bytes.
pub(super) fn cell(bytes: &[u8], at: usize, kind: Kind, shape: Shape) -> Result<Cell, &'static str> {
    const CUT: &str = "a cell that does not fit into its page";
    let mut rest = at;
    let mut left = 0;
    let number = |rest: &mut usize| -> Result<u64, &'static str> {
        let (n, len) = bytes.get(*rest..).and_then(varint::get).ok_or(CUT)?;
        *rest += len;
        Ok(n)
    };
    if !kind.is_leaf() {
        left = get_u32(bytes.get(at..at + 4).ok_or(CUT)?, 0);
        rest += 4;
    }
    if kind == Kind::TableInner {
        let rowid = number(&mut rest)? as i64;
        return Ok(Cell { left, rowid, payload: 0, local: rest..rest, overflow: 0, range: at..rest });
    }
    let payload = number(&mut rest)?;
    if payload > i32::MAX as u64 {
        return Err("a payload of more than 2 GiB");
    }
    let rowid = if kind == Kind::TableLeaf { number(&mut rest)? as i64 } else { 0 };
    let here = shape.local(kind, payload);
    let mut end = rest + here;
    let mut overflow = 0;
    if (here as u64) < payload {
        overflow = get_u32(bytes.get(end..end + 4).ok_or(CUT)?, 0);
        end += 4;
    }
    if end > bytes.len() {
        return Err(CUT);
    }
    Ok(Cell { left, rowid, payload, local: rest..rest + here, overflow, range: at..end })
}

/// A row that stands on a table's leaf as a whole, whose place stands at `at`: its rowid, and where its payload is.
#[inline]
pub(super) fn row(page: &[u8], at: usize, shape: Shape) -> Option<(i64, Range<usize>)> {
    let place = usize::from(u16::from_be_bytes(*page.get(at..)?.first_chunk()?));
    let rest = page.get(place..shape.usable)?;
    let (payload, skip) = varint::get(rest)?;
    let (rowid, len) = varint::get(rest.get(skip..)?)?;
    let (payload, start) = (usize::try_from(payload).ok()?, skip + len);
    let is_whole = payload <= shape.usable - 35 && start + payload <= rest.len();
    is_whole.then_some((rowid as i64, place + start..place + start + payload))
}

/// A place behind the end of any page.
const NOWHERE: usize = 1 << 24;

/// A page of a tree that was [checked](Node::check): the places of its cells are on it. Each cell is looked at when it is used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    bytes: &'a [u8],
    pub(super) start: usize,
    pub(super) kind: Kind,
    pub(super) shape: Shape,
    /// Where the cells are, in their order.
    places: &'a [[u8; 2]],
}

impl<'a> Node<'a> {
    /// Looks at the header. What it says of a page stays true until somebody changes the page.
    pub(super) fn check(bytes: &'a [u8], id: PageId, shape: Shape) -> Result<Self, &'static str> {
        let start = start(id);
        let kind = Kind::of(bytes[start]).ok_or("a page of no kind that a tree has")?;
        let node = Node::new(bytes, id, shape);
        let places = start + kind.header() + 2 * get_u16(bytes, start + 3);
        let content = node.content();
        if places > content || content > shape.usable {
            return Err("a page whose cells begin among their places, or behind its end");
        }
        Ok(node)
    }

    /// A page that was checked before.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], id: PageId, shape: Shape) -> Self {
        let start = start(id);
        let kind = Kind::of(bytes[start]).unwrap_or(Kind::TableLeaf);
        let places = start + kind.header();
        let places = bytes.get(places..places + 2 * get_u16(bytes, start + 3)).unwrap_or_default();
        Node { bytes, start, kind, shape, places: places.as_chunks().0 }
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// Where the cells begin.
    pub(super) fn content(&self) -> usize {
        match get_u16(self.bytes, self.start + 5) {
            0 => 65536,
            content => content,
        }
    }

    /// The first free block between cells; 0 if there is none.
    pub(super) fn free_block(&self) -> usize {
        get_u16(self.bytes, self.start + 1)
    }

    /// Bytes in gaps that are too small to be free blocks.
    pub(super) fn fragments(&self) -> usize {
        usize::from(self.bytes[self.start + 7])
    }

    /// Where the places of the cells end.
    pub(super) fn places_end(&self) -> usize {
        self.start + self.kind.header() + 2 * self.count()
    }

    #[inline]
    pub(super) fn place(&self, at: usize) -> usize {
        self.places.get(at).map_or(NOWHERE, |place| usize::from(u16::from_be_bytes(*place)))
    }

    pub(super) fn cell(&self, at: usize) -> Result<Cell, &'static str> {
        cell(&self.bytes[..self.shape.usable], self.place(at), self.kind, self.shape)
    }

    /// A cell's rowid, on a page of a table.
    #[inline]
    pub(super) fn rowid(&self, at: usize) -> Result<i64, &'static str> {
        const CUT: &str = "a cell that is cut off";
        let place = self.place(at);
        let skip = match self.kind {
            Kind::TableInner => 4,
            _ => self.bytes.get(place..).and_then(varint::get).ok_or(CUT)?.1,
        };
        let rowid = self.bytes.get(place + skip..).and_then(varint::get).ok_or(CUT)?;
        Ok(rowid.0 as i64)
    }

    /// An entry that stands there as a whole: its rowid, 0 in an index, and where its payload is. None on a table's inner pages.
    #[inline]
    pub(super) fn row(&self, at: usize) -> Option<(i64, Range<usize>)> {
        let place = self.place(at);
        let (skip, most) = match self.kind {
            Kind::TableLeaf => (0, self.shape.usable - 35),
            Kind::IndexLeaf => (0, self.shape.most_of_index()),
            Kind::IndexInner => (4, self.shape.most_of_index()),
            Kind::TableInner => return None,
        };
        let mut start = place + skip;
        let rest = self.bytes.get(start..self.shape.usable)?;
        let (payload, len) = varint::get(rest)?;
        start += len;
        let mut rowid = 0;
        if self.kind == Kind::TableLeaf {
            let (found, len) = varint::get(&rest[len..])?;
            (rowid, start) = (found as i64, start + len);
        }
        let end = usize::try_from(payload).ok().filter(|payload| *payload <= most)? + start;
        (end <= self.shape.usable).then_some((rowid, start..end))
    }

    /// The first column of an index's entry, if it is an integer that is easy to find. Whatever says none is to be looked at as a
    /// whole.
    #[inline]
    pub(super) fn first_integer(&self, at: usize) -> Option<i64> {
        const WIDTHS: [u8; 10] = [0, 1, 2, 3, 4, 6, 8, 0, 0, 0];
        // So much of a payload stands on its page in any case.
        const HERE: u8 = 27;
        let skip = if self.kind.is_leaf() { 0 } else { 4 };
        let cell = self.bytes.get(self.place(at) + skip..)?;
        let &[payload @ ..0x80, header @ 2..HERE, serial @ 1..10, ..] = cell else { return None };
        let width = *WIDTHS.get(usize::from(serial))?;
        if serial == 7 || payload < header + width {
            return None;
        }
        if width == 0 {
            return Some(i64::from(serial - 8));
        }
        let bytes = cell.get(1 + usize::from(header)..)?.first_chunk()?;
        Some(i64::from_be_bytes(*bytes) >> (64 - 8 * u32::from(width)))
    }

    /// On a table's leaf, where the places of the cells begin, and how many there are; none elsewhere.
    pub(super) fn table_leaf(&self) -> (usize, usize) {
        match self.kind {
            Kind::TableLeaf => (self.start + self.kind.header(), self.count()),
            _ => (0, 0),
        }
    }

    /// A child of an inner page: those in front of the cells, and the one behind the last.
    pub(super) fn child(&self, at: usize) -> PageId {
        let place = if at < self.count() { self.place(at) } else { self.start + 8 };
        // There is no page 0: whoever goes there is told.
        self.bytes.get(place..place + 4).map_or(0, |child| get_u32(child, 0))
    }

    /// Whether its cells lie side by side up to its end, each byte in one cell: as they are written here. Others may have left free
    /// blocks between them, and lies.
    pub(super) fn is_packed(&self) -> Result<bool, &'static str> {
        if self.free_block() != 0 || self.fragments() != 0 {
            return Ok(false);
        }
        // If no two begin at one place, each ends where another begins or at the end, and together they are as long as the space
        // that they are in, then a way from its start to its end meets all of them.
        let mut starts: SmallVec<[u64; 65]> = SmallVec::from_elem(0, self.shape.usable / 64 + 1);
        let bit = |at: usize| (at / 64, 1_u64 << (at % 64));
        let mut used = 0;
        for at in 0..self.count() {
            let (word, bit) = bit(self.place(at));
            match starts.get_mut(word) {
                Some(starts) if *starts & bit == 0 => *starts |= bit,
                _ => return Ok(false),
            }
        }
        let (word, last) = bit(self.shape.usable);
        starts[word] |= last;
        for at in 0..self.count() {
            let Range { start, end } = self.cell(at)?.range;
            let end = end.max(start + 4);
            let (word, bit) = bit(end);
            if starts.get(word).is_none_or(|starts| starts & bit == 0) {
                return Ok(false);
            }
            used += end - start;
        }
        let (word, first) = bit(self.content());
        let begins = starts.get(word).is_some_and(|starts| starts & first != 0);
        Ok(begins && used == self.shape.usable - self.content())
    }

    /// The bytes of all cells, in their order, with none of what is between them.
    pub(super) fn cells(&self) -> impl Iterator<Item = Result<&'a [u8], &'static str>> {
        (0..self.count()).map(|at| Ok(&self.bytes[self.cell(at)?.range]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_split_where_the_format_says() {
        const SHAPE: Shape = Shape { page_size: 512, usable: 512 };
        // With 512 bytes to use: 477 fit on a table's leaf; beyond, between 39 and 477 stay.
        assert_eq!(SHAPE.local(Kind::TableLeaf, 477), 477);
        assert_eq!(SHAPE.local(Kind::TableLeaf, 478), 39);
        assert_eq!(SHAPE.local(Kind::TableLeaf, 39 + 508 + 438), 477);
        assert_eq!(SHAPE.local(Kind::TableLeaf, 39 + 508 + 439), 39);
        assert_eq!(SHAPE.local(Kind::IndexLeaf, 102), 102);
        assert_eq!(SHAPE.local(Kind::IndexInner, 103), 39);
    }
}
