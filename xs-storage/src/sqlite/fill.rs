//! An index filled at once, from its leaves up: records come in their order, and each page is written when it is full.
//!
//! ```text
//!   level 2   │ … │            a full page goes to the file; its last entry goes up,
//!   level 1   │ … … │          and parts it from the page that begins with the next
//!   leaves    │ … … … ◀─ record
//! ```

use super::node::{self, Kind, Node, PageId, Shape};
use super::pager::Pager;
use super::{payload, tree};
use crate::{Error, Result};

/// The page at the right edge of a level, not yet in the file.
struct Edge {
    kind: Kind,
    page: Vec<u8>,
}

impl Edge {
    fn new(kind: Kind, shape: Shape) -> Edge {
        let mut edge = Edge { kind, page: vec![0; shape.usable] };
        edge.clear(shape);
        edge
    }

    fn clear(&mut self, shape: Shape) {
        node::write(&mut self.page, NOT_FIRST, self.kind, shape, &[], 0);
    }

    fn count(&self, shape: Shape) -> usize {
        Node::new(&self.page, NOT_FIRST, shape).count()
    }

    fn push(&mut self, cell: &[u8], shape: Shape) -> bool {
        let at = self.count(shape);
        node::insert(&mut self.page, NOT_FIRST, shape, at, cell)
    }
}

/// A page is laid out before it has a number. Page 1, which is laid out differently, is never an index's.
const NOT_FIRST: PageId = 2;

/// Fills an index that has no entry yet.
pub(super) fn fill<'a>(pager: &mut Pager, root: PageId, records: &mut dyn Iterator<Item = &'a [u8]>) -> Result<()> {
    let page = tree::step(pager, root, 0, false)?;
    let node = Node::new(&page.bytes, root, pager.shape);
    if root == 1 || !node.kind.is_leaf() || node.count() > 0 {
        return Err(Error::Invalid("an index that is filled at once must be empty".to_owned()));
    }
    let mut edges = vec![Edge::new(Kind::IndexLeaf, pager.shape)];
    let mut cell = Vec::new();
    for record in records {
        payload::write(pager, Kind::IndexLeaf, 0, record, &mut cell, &mut Pager::allocate)?;
        push(pager, &mut edges, &mut cell)?;
    }
    end(pager, root, edges)
}

/// Puts a cell on the leaf at the edge, and what has to go up on the pages above.
fn push(pager: &mut Pager, edges: &mut Vec<Edge>, cell: &mut Vec<u8>) -> Result<()> {
    let shape = pager.shape;
    let too_long = || Error::Invalid("an entry that fits no page".to_owned());
    for level in 0.. {
        if level == edges.len() {
            edges.push(Edge::new(Kind::IndexInner, shape));
        }
        let Some(edge) = edges.get_mut(level) else { break };
        if edge.push(cell, shape) {
            break;
        }
        // A page holds four entries at least, so one is left.
        let last = edge.count(shape).checked_sub(1).filter(|last| *last > 0).ok_or_else(too_long)?;
        let range = Node::new(&edge.page, NOT_FIRST, shape).cell(last).map_err(|_| too_long())?.range;
        let gone = edge.page[range].to_vec();
        node::remove(&mut edge.page, NOT_FIRST, shape, last).map_err(|_| too_long())?;
        let (child, entry) = gone.split_at(if edge.kind.is_leaf() { 0 } else { 4 });
        if !child.is_empty() {
            node::set_last_child(&mut edge.page, NOT_FIRST, node::get_u32(child, 0));
        }
        let id = pager.allocate()?;
        pager.write_node(id)?[..shape.usable].copy_from_slice(&edge.page);
        edge.clear(shape);
        if !edge.push(cell, shape) {
            return Err(too_long());
        }
        cell.clear();
        cell.extend_from_slice(&id.to_be_bytes());
        cell.extend_from_slice(entry);
    }
    Ok(())
}

/// Writes the pages at the edge, each the last child of the one above, and the topmost to the root.
fn end(pager: &mut Pager, root: PageId, edges: Vec<Edge>) -> Result<()> {
    let top = edges.len().saturating_sub(1);
    let mut child = 0;
    for (level, mut edge) in edges.into_iter().enumerate() {
        if level > 0 {
            node::set_last_child(&mut edge.page, NOT_FIRST, child);
        }
        child = if level == top { root } else { pager.allocate()? };
        let usable = pager.shape.usable;
        pager.write_node(child)?[..usable].copy_from_slice(&edge.page);
    }
    Ok(())
}
