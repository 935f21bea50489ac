//! What a page holds, taken off the page: it may be more than fits, until it has been dealt to several.

use std::ops::Range;

use super::cells;
use super::node::{self, Kind, Node, PageId, Shape};

/// Cells in their order, and the child behind the last.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) kind: Kind,
    pub(super) last: PageId,
    /// The bytes of all cells, in the order in which they came.
    bytes: Vec<u8>,
    cells: Vec<Range<usize>>,
}

impl Content {
    pub(super) fn new(kind: Kind, last: PageId) -> Self {
        Content { kind, last, bytes: Vec::new(), cells: Vec::new() }
    }

    pub(super) fn of(node: &Node<'_>) -> Result<Self, &'static str> {
        let last = if node.kind.is_leaf() { 0 } else { node.child(node.count()) };
        let mut content = Content::new(node.kind, last);
        content.reserve(node.count() + 1, node.shape.usable);
        for cell in node.cells() {
            content.push(&[cell?]);
            // Cells that lie over each other would be more than the page.
            if content.bytes.len() > node.shape.usable {
                return Err("cells that overlap");
            }
        }
        Ok(content)
    }

    /// Room for so many more cells of so many bytes.
    pub(super) fn reserve(&mut self, cells: usize, bytes: usize) {
        self.cells.reserve(cells);
        self.bytes.reserve(bytes);
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn cell(&self, at: usize) -> &[u8] {
        &self.bytes[self.cells[at].clone()]
    }

    /// Appends a cell of several parts.
    pub(super) fn push(&mut self, parts: &[&[u8]]) {
        let start = self.bytes.len();
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.cells.push(start..self.bytes.len());
    }

    pub(super) fn insert(&mut self, at: usize, parts: &[&[u8]]) {
        let start = self.bytes.len();
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.cells.insert(at, start..self.bytes.len());
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.cells.remove(at);
    }

    fn room(&self, at: usize) -> usize {
        cells::room(self.cell(at))
    }

    /// Bytes that it takes on a page, without the page's header.
    fn used(&self) -> usize {
        (0..self.len()).map(|at| self.room(at)).sum()
    }

    pub(super) fn fits(&self, id: PageId, shape: Shape) -> bool {
        node::start(id) + self.kind.header() + self.used() <= shape.usable
    }

    /// Whether it leaves more than two thirds of a page empty.
    pub(super) fn is_thin(&self, shape: Shape) -> bool {
        self.len() == 0 || (self.used() + self.kind.header()) * 3 < shape.usable
    }

    /// Writes some of its cells to a page.
    pub(super) fn write(&self, page: &mut [u8], id: PageId, shape: Shape, cells: Range<usize>, last: PageId) {
        let cells: Vec<_> = cells.map(|at| self.cell(at)).collect();
        cells::write(page, id, self.kind, shape, &cells, last);
    }

    /// How to deal the cells to pages: as few as can be, and the last not much emptier than the others. Between two pages
    /// one cell goes up to the parent, but for a table's leaves, whose cells all stay.
    pub(super) fn deal(&self, shape: Shape) -> Vec<Range<usize>> {
        let room = shape.usable - self.kind.header();
        let apart = usize::from(self.kind != Kind::TableLeaf);
        let (mut pages, mut sizes) = (Vec::new(), Vec::new());
        let mut start = 0;
        loop {
            let (mut end, mut size) = (start, 0);
            while end < self.len() && (size + self.room(end) <= room || end == start) {
                size += self.room(end);
                end += 1;
            }
            // Behind the cell that goes up there must be one more.
            if end < self.len() && end + apart == self.len() {
                end -= 1;
                size -= self.room(end);
            }
            pages.push(start..end);
            sizes.push(size);
            if end == self.len() {
                break;
            }
            start = end + apart;
        }
        for right in (1..pages.len()).rev() {
            let left = right - 1;
            while pages[left].len() > 1 {
                let goes = pages[left].end - 1;
                // What comes to the right is what stood between them.
                let comes = if apart == 1 { pages[left].end } else { goes };
                let (less, more) = (sizes[left] - self.room(goes), sizes[right] + self.room(comes));
                if more > less || more > room {
                    break;
                }
                (sizes[left], sizes[right]) = (less, more);
                pages[left].end -= 1;
                pages[right].start -= 1;
            }
        }
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cells_are_dealt_once_each_and_fit(lens in proptest::collection::vec(1..110_usize, 1..60), kind in 0..4_u8) {
            let shape = Shape { page_size: 512, usable: 512 };
            let kind = [Kind::IndexInner, Kind::TableInner, Kind::IndexLeaf, Kind::TableLeaf][usize::from(kind)];
            let mut content = Content::new(kind, 9);
            lens.iter().for_each(|len| content.push(&[&vec![0; *len]]));
            let pages = content.deal(shape);
            let apart = usize::from(kind != Kind::TableLeaf);
            let mut next = 0;
            for page in &pages {
                prop_assert_eq!(page.start, next);
                next = page.end + apart;
                let used: usize = page.clone().map(|at| content.room(at)).sum();
                prop_assert!(used + kind.header() <= 512 && !page.is_empty());
            }
            prop_assert_eq!(next, content.len() + apart);
        }
    }
}
