//! Where searches of tables have ended, so that the next one needs not begin at the root.
//!
//! Rows are mostly put behind all others, or are sought, looked at, and then written. The way to a table's last leaf stays right until
//! pages are dealt anew; the way that the last search took, until anything changes.

use smallvec::SmallVec;

use super::node::{Kind, Node, PageId};
use super::pager::Pager;
use super::tree;
use crate::Result;

/// The way from the root to a page: each page on it, and the cell or child that was taken.
pub(super) type Path = SmallVec<[(PageId, usize); 8]>;

/// Tables whose last leaf is known.
const TABLES: usize = 8;

/// What is known of the pages as they are now.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// The ways to tables' last leaves, with the tables' roots.
    ends: Vec<(PageId, Path)>,
    /// Which of them goes next, when there are too many.
    next: usize,
    sought: Option<Sought>,
}

/// The last search: in which table, for which rowid, and what had changed by then.
#[derive(Debug)]
struct Sought {
    root: PageId,
    rowid: i64,
    changes: u64,
    path: Path,
    found: bool,
}

impl Hints {
    /// Pages may be others' now.
    pub(super) fn forget(&mut self) {
        self.ends.clear();
        self.sought = None;
    }
}

impl Pager {
    /// Notes where a search has ended, and whether that is behind all rows.
    pub(super) fn note_sought(&mut self, root: PageId, rowid: i64, path: &Path, found: bool, is_end: bool) {
        let hints = &mut self.hints;
        match &mut hints.sought {
            Some(sought) => {
                (sought.root, sought.rowid, sought.changes, sought.found) = (root, rowid, self.changes, found);
                sought.path.clone_from(path);
            }
            None => {
                hints.sought = Some(Sought { root, rowid, changes: self.changes, path: path.clone(), found });
            }
        }
        if !is_end || hints.ends.iter().any(|(other, _)| *other == root) {
            return;
        }
        if hints.ends.len() < TABLES {
            hints.ends.push((root, path.clone()));
        } else if let Some(end) = hints.ends.get_mut(hints.next) {
            *end = (root, path.clone());
            hints.next = (hints.next + 1) % TABLES;
        }
    }

    /// The way to a rowid, if it is known: to its cell, or to where it would stand.
    pub(super) fn known_way(&mut self, root: PageId, rowid: i64) -> Result<Option<(Path, bool)>> {
        if let Some(sought) = &self.hints.sought
            && (sought.root, sought.rowid, sought.changes) == (root, rowid, self.changes)
        {
            return Ok(Some((sought.path.clone(), sought.found)));
        }
        let Some((last, count)) = self.known_end(root)? else { return Ok(None) };
        if last >= rowid {
            return Ok(None);
        }
        let Some((_, path)) = self.hints.ends.iter().find(|(other, _)| *other == root) else { return Ok(None) };
        let mut path = path.clone();
        if let Some(leaf) = path.last_mut() {
            leaf.1 = count;
        }
        Ok(Some((path, false)))
    }

    /// The last rowid of a table, and how many are on the last leaf, if that leaf is known and not empty.
    fn known_end(&mut self, root: PageId) -> Result<Option<(i64, usize)>> {
        let Some((_, path)) = self.hints.ends.iter().find(|(other, _)| *other == root) else { return Ok(None) };
        let Some(&(leaf, _)) = path.last() else { return Ok(None) };
        let page = self.node(leaf)?;
        let node = Node::new(&page.bytes, leaf, self.shape);
        match node.count().checked_sub(1).filter(|_| node.kind == Kind::TableLeaf) {
            Some(last) => {
                let rowid = node.rowid(last).map_err(|what| self.corrupt(leaf, what))?;
                Ok(Some((rowid, node.count())))
            }
            None => Ok(None),
        }
    }

    /// The largest rowid of a table, if its last leaf has one.
    pub(super) fn last_rowid(&mut self, root: PageId) -> Result<Option<i64>> {
        if self.known_end(root)?.is_none() {
            tree::find_row(self, root, i64::MAX)?;
        }
        Ok(self.known_end(root)?.map(|(last, _)| last))
    }
}
