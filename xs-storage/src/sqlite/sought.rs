//! The way that the last search for a row took. A row that is written is sought first, to see whether it is there or what it was.

use super::node::{Node, PageId};
use super::pager::Pager;
use super::tree::{self, Path};
use crate::Result;

/// Right until something changes.
#[derive(Debug)]
pub(super) struct Sought {
    root: PageId,
    rowid: i64,
    changes: u64,
    path: Path,
    found: bool,
}

impl Pager {
    /// Notes where a search has ended, and whether it found the row.
    pub(super) fn note_sought(&mut self, root: PageId, rowid: i64, path: &[(PageId, usize)], found: bool) {
        let path = Path::from_slice(path);
        self.sought = Some(Sought { root, rowid, changes: self.changes, path, found });
    }

    /// The way to a row, or to where it would stand, if that was sought last.
    #[inline]
    pub(super) fn sought(&self, root: PageId, rowid: i64) -> Option<(Path, bool)> {
        let is_it = |sought: &&Sought| (sought.root, sought.rowid, sought.changes) == (root, rowid, self.changes);
        self.sought.as_ref().filter(is_it).map(|sought| (Path::from_slice(&sought.path), sought.found))
    }

    /// The rowid at the end of a table; none, if nothing stands on the last leaf.
    pub(super) fn last_rowid(&mut self, root: PageId) -> Result<Option<i64>> {
        let leaf = tree::last_leaf(self, root)?;
        let page = self.node(leaf)?;
        let node = Node::new(&page.bytes, leaf, self.shape);
        let last = node.count().checked_sub(1).map(|last| node.rowid(last));
        last.transpose().map_err(|what| self.corrupt(leaf, what))
    }
}
