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
    ends: Vec<End>,
    /// Which of them goes next, when there are too many.
    next: usize,
    sought: Option<Sought>,
}

/// The way to a table's last leaf.
#[derive(Debug)]
struct End {
    root: PageId,
    path: Path,
    /// What was there when so much had changed.
    last: Last,
    changes: u64,
}

/// The last rowid of a leaf, and how many it has.
type Last = (i64, usize);

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
        if !is_end || hints.ends.iter().any(|end| end.root == root) {
            return;
        }
        // Nothing has changed as often as this: the leaf is looked at first.
        let end = End { root, path: path.clone(), last: (0, 0), changes: u64::MAX };
        if hints.ends.len() < TABLES {
            hints.ends.push(end);
        } else if let Some(place) = hints.ends.get_mut(hints.next) {
            *place = end;
            hints.next = (hints.next + 1) % TABLES;
        }
    }

    /// Notes that a row was put at a place of a leaf, and what had changed before that.
    pub(super) fn note_put(&mut self, root: PageId, rowid: i64, place: (PageId, usize), before: u64) {
        if let Some(end) = self.hints.ends.iter_mut().find(|end| end.root == root)
            && (end.changes, end.last.1) == (before, place.1)
            && end.path.last().is_some_and(|leaf| leaf.0 == place.0)
        {
            (end.last, end.changes) = ((rowid, place.1 + 1), self.changes);
        }
    }

    /// The way to a rowid, if it is known: to its cell, or to where it would stand.
    pub(super) fn known_way(&mut self, root: PageId, rowid: i64) -> Result<Option<(Path, bool)>> {
        if let Some(sought) = &self.hints.sought
            && (sought.root, sought.rowid, sought.changes) == (root, rowid, self.changes)
        {
            return Ok(Some((Path::from_slice(&sought.path), sought.found)));
        }
        let Some((at, (last, count))) = self.known_end(root)? else { return Ok(None) };
        let Some(end) = self.hints.ends.get(at).filter(|_| last < rowid) else { return Ok(None) };
        let mut path = Path::from_slice(&end.path);
        if let Some(leaf) = path.last_mut() {
            leaf.1 = count;
        }
        Ok(Some((path, false)))
    }

    /// Which end is a table's, if its last leaf is known and not empty, and what is there.
    fn known_end(&mut self, root: PageId) -> Result<Option<(usize, Last)>> {
        let Some(at) = self.hints.ends.iter().position(|end| end.root == root) else { return Ok(None) };
        let Some(end) = self.hints.ends.get(at) else { return Ok(None) };
        if end.changes == self.changes {
            return Ok(Some((at, end.last)));
        }
        let Some(&(leaf, _)) = end.path.last() else { return Ok(None) };
        let page = self.node(leaf)?;
        let node = Node::new(&page.bytes, leaf, self.shape);
        let count = node.count();
        let Some(last) = count.checked_sub(1).filter(|_| node.kind == Kind::TableLeaf) else { return Ok(None) };
        let rowid = node.rowid(last).map_err(|what| self.corrupt(leaf, what))?;
        if let Some(end) = self.hints.ends.get_mut(at) {
            (end.last, end.changes) = ((rowid, count), self.changes);
        }
        Ok(Some((at, (rowid, count))))
    }

    /// The largest rowid of a table, if its last leaf has one.
    pub(super) fn last_rowid(&mut self, root: PageId) -> Result<Option<i64>> {
        let known = match self.known_end(root)? {
            Some(known) => Some(known),
            None => {
                tree::find_row(self, root, i64::MAX)?;
                self.known_end(root)?
            }
        };
        Ok(known.map(|(_, (last, _))| last))
    }
}
