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
    start: usize,
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
    fn place(&self, at: usize) -> usize {
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
        let &[payload @ ..0x80, header @ 2..HERE, serial @ 1..10, ..] = self.bytes.get(self.place(at) + skip..)? else {
            return None;
        };
        let width = *WIDTHS.get(usize::from(serial))?;
        if serial == 7 || payload < header + width {
            return None;
        }
        if width == 0 {
            return Some(i64::from(serial - 8));
        }
        let start = self.place(at) + skip + 1 + usize::from(header);
        let bytes = self.bytes.get(start..start + 8)?.first_chunk()?;
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

/// What a cell takes of a page: itself and its place. A freed one must be able to hold a free block.
pub(super) fn room(cell: &[u8]) -> usize {
    cell.len().max(4) + 2
}

/// Writes a page anew: these cells, packed, and behind the last of them a child.
pub(super) fn write(page: &mut [u8], id: PageId, kind: Kind, shape: Shape, cells: &[&[u8]], last: PageId) {
    let start = start(id);
    page[start..shape.usable].fill(0);
    page[start] = kind as u8;
    put_u16(page, start + 3, cells.len());
    if !kind.is_leaf() {
        put_u32(page, start + 8, last);
    }
    let mut content = shape.usable;
    for (at, cell) in cells.iter().enumerate() {
        content -= cell.len().max(4);
        page[content..content + cell.len()].copy_from_slice(cell);
        put_u16(page, start + kind.header() + 2 * at, content);
    }
    put_u16(page, start + 5, content);
}

/// Puts a cell in front of the one that is `at`, if it fits into the gap before the cells.
pub(super) fn insert(page: &mut [u8], id: PageId, shape: Shape, at: usize, cell: &[u8]) -> bool {
    let node = Node::new(page, id, shape);
    let (end, content, count) = (node.places_end(), node.content(), node.count());
    let places = node.start + node.kind.header();
    let start = node.start;
    if at > count || content > shape.usable || end + room(cell) > content {
        return false;
    }
    let content = content - cell.len().max(4);
    page[content..content + cell.len()].copy_from_slice(cell);
    page[content + cell.len()..content + cell.len().max(4)].fill(0);
    page.copy_within(places + 2 * at..end, places + 2 * at + 2);
    put_u16(page, places + 2 * at, content);
    put_u16(page, start + 3, count + 1);
    put_u16(page, start + 5, content);
    true
}

/// Says which child is behind the last cell of an inner page.
pub(super) fn set_last_child(page: &mut [u8], id: PageId, child: PageId) {
    put_u32(page, start(id) + 8, child);
}

/// Takes a cell out of a page whose cells are packed, and packs them again.
pub(super) fn remove(page: &mut [u8], id: PageId, shape: Shape, at: usize) -> Result<(), &'static str> {
    let node = Node::new(page, id, shape);
    let (end, content, count, place) = (node.places_end(), node.content(), node.count(), node.place(at));
    if at >= count {
        return Err("a cell that is not there");
    }
    let (places, start) = (node.start + node.kind.header(), node.start);
    let len = node.cell(at)?.range.len().max(4);
    page.copy_within(content..place, content + len);
    page[content..content + len].fill(0);
    page.copy_within(places + 2 * at + 2..end, places + 2 * at);
    put_u16(page, end - 2, 0);
    for nth in 0..count - 1 {
        let other = get_u16(page, places + 2 * nth);
        if other < place {
            put_u16(page, places + 2 * nth, other + len);
        }
    }
    put_u16(page, start + 3, count - 1);
    put_u16(page, start + 5, content + len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHAPE: Shape = Shape { page_size: 512, usable: 512 };

    #[test]
    fn cells_come_and_go_and_stay_packed() {
        for id in [1, 2] {
            let mut page = vec![0; 512];
            write(&mut page, id, Kind::TableLeaf, SHAPE, &[], 0);
            let mut model: Vec<Vec<u8>> = Vec::new();
            let mut state = 7_usize;
            for step in 0..2000 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let random = state >> 33;
                let len = random % 40;
                let cell = [&[len as u8, (step % 100) as u8][..], &vec![random as u8; len]].concat();
                let at = random % (model.len() + 1);
                if random % 5 < 3 {
                    let used: usize = model.iter().map(|cell| room(cell)).sum();
                    let fits = insert(&mut page, id, SHAPE, at, &cell);
                    assert_eq!(fits, start(id) + 8 + used + room(&cell) <= 512);
                    if fits {
                        model.insert(at, cell);
                    }
                } else if at < model.len() {
                    remove(&mut page, id, SHAPE, at).unwrap();
                    model.remove(at);
                }
                let node = Node::check(&page, id, SHAPE).unwrap();
                assert_eq!(node.cells().collect::<Result<Vec<_>, _>>().unwrap(), model, "step {step}");
                let used: usize = model.iter().map(|cell| cell.len().max(4)).sum();
                assert_eq!(node.content(), 512 - used);
                assert_eq!(node.is_packed(), Ok(true));
            }
        }
    }

    proptest! {
        #[test]
        fn cells_are_packed_if_they_lie_side_by_side(
            lens in proptest::collection::vec(2..20_usize, 1..8),
            moved in proptest::option::of((0..8_usize, 440..512_usize)),
            content in proptest::option::of(440..512_usize),
        ) {
            let cells: Vec<Vec<u8>> = lens.iter().map(|len| vec![(len - 2) as u8; *len]).collect();
            let mut page = vec![0; 512];
            let refs: Vec<&[u8]> = cells.iter().map(Vec::as_slice).collect();
            write(&mut page, 2, Kind::TableLeaf, SHAPE, &refs, 0);
            if let Some((at, place)) = moved {
                put_u16(&mut page, 8 + 2 * (at % cells.len()), place);
            }
            if let Some(content) = content {
                put_u16(&mut page, 5, content);
            }
            let node = Node::new(&page, 2, SHAPE);
            let ranges: Result<Vec<_>, _> = (0..node.count()).map(|at| node.cell(at).map(|cell| cell.range)).collect();
            let Ok(mut ranges) = ranges else {
                prop_assert_ne!(node.is_packed(), Ok(true));
                return Ok(());
            };
            ranges.sort_unstable_by_key(|range| range.start);
            let mut next = node.content();
            let side_by_side = ranges.iter().all(|range| {
                let begins = range.start == next;
                next = range.end.max(range.start + 4);
                begins
            });
            prop_assert_eq!(node.is_packed(), Ok(side_by_side && next == 512));
        }
    }

    #[test]
    fn payloads_are_split_where_the_format_says() {
        // With 512 bytes to use: 477 fit on a table's leaf; beyond, between 39 and 477 stay.
        assert_eq!(SHAPE.local(Kind::TableLeaf, 477), 477);
        assert_eq!(SHAPE.local(Kind::TableLeaf, 478), 39);
        assert_eq!(SHAPE.local(Kind::TableLeaf, 39 + 508 + 438), 477);
        assert_eq!(SHAPE.local(Kind::TableLeaf, 39 + 508 + 439), 39);
        assert_eq!(SHAPE.local(Kind::IndexLeaf, 102), 102);
        assert_eq!(SHAPE.local(Kind::IndexInner, 103), 39);
    }
}
