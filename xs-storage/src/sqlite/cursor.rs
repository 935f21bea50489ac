//! A place in a tree that moves.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::database::Database;
use super::node::{self, Cell, Node, PageId, Shape};
use super::pager::{Page, Pager};
use super::payload;
use super::seek::{self, Key};
use super::tree;
use crate::row::record;
use crate::row::{KeyColumn, ValueRef};
use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    At,
    After,
}

/// The way one goes through a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Forward,
    Backward,
}

#[derive(Clone, Debug)]
struct Level {
    id: PageId,
    page: Arc<Page>,
    /// The cell, or the child that was taken.
    at: usize,
}

/// A place in a table or an index: on an entry, before the first, or behind the last.
///
/// It borrows nothing: each call takes the [`Database`] again, so many cursors can be open while entries come and go. One
/// whose tree has changed finds its place again by its entry's key; if the entry is gone, the next and the previous one
/// are those of where it was.
#[derive(Clone, Debug)]
pub struct Cursor {
    root: PageId,
    /// None for a table.
    order: Option<Arc<[KeyColumn]>>,
    levels: Vec<Level>,
    state: State,
    /// What had changed when the levels were right, and how their pages are laid out.
    changes: u64,
    shape: Shape,
    /// Pages that were entered since the last seek, in one direction.
    entered: u32,
    way: Way,
    /// The entry's payload, if it does not stand on one page.
    whole: Vec<u8>,
    has_whole: bool,
    /// Where on its page the entry's payload stands, and whether the rest of it stands on others.
    local: Range<usize>,
    is_chained: bool,
    rowid: i64,
    /// On a table's leaf: where the places of its cells begin, and how many there are.
    leaf: (usize, usize),
}

impl Cursor {
    /// In front of a table's first row.
    pub fn table(root: PageId) -> Self {
        Self::new(root, None)
    }

    /// In front of an index's first entry, or that of a table without rowids. The order names the columns that make the key:
    /// those of the index and the rowid behind them, or those of the primary key.
    pub fn index(root: PageId, order: impl Into<Arc<[KeyColumn]>>) -> Self {
        Self::new(root, Some(order.into()))
    }

    fn new(root: PageId, order: Option<Arc<[KeyColumn]>>) -> Self {
        Cursor {
            root,
            order,
            levels: Vec::new(),
            state: State::Before,
            changes: 0,
            shape: Shape { page_size: 0, usable: 0 },
            entered: 0,
            way: Way::Forward,
            whole: Vec::new(),
            has_whole: false,
            local: 0..0,
            is_chained: false,
            rowid: 0,
            leaf: (0, 0),
        }
    }

    /// The tree's root page.
    pub fn root(&self) -> PageId {
        self.root
    }

    /// Whether it stands on an entry.
    pub fn is_at(&self) -> bool {
        self.state == State::At
    }

    /// In front of the first entry. A page that no cursor stands on can be changed without being copied.
    pub fn leave(&mut self) {
        self.levels.clear();
        self.state = State::Before;
        self.has_whole = false;
    }

    /// To the first entry; false if there is none.
    pub fn first(&mut self, db: &mut Database) -> Result<bool> {
        self.start(db, Way::Forward)?;
        self.enter(&mut db.pager, self.root)?;
        self.arrive(db)
    }

    /// To the last entry; false if there is none.
    pub fn last(&mut self, db: &mut Database) -> Result<bool> {
        self.start(db, Way::Backward)?;
        self.enter(&mut db.pager, self.root)?;
        self.arrive(db)
    }

    /// To the next row of the same leaf, if there is one that stands there as a whole, and nothing has happened: what a scan does
    /// but for a few times on each page. False says nothing, and this is where it was.
    #[inline]
    pub(crate) fn step(&mut self, db: &Database) -> bool {
        let (places, count) = self.leaf;
        let undisturbed = self.changes == db.pager.changes && db.pager.is_locked_to_read();
        let Some(level) = self.levels.last_mut() else { return false };
        let at = level.at.wrapping_add(1);
        if at >= count || self.way != Way::Forward || self.state != State::At || !undisturbed {
            return false;
        }
        match node::row(&level.page.bytes, places + 2 * at, self.shape) {
            Some((rowid, local)) => {
                level.at = at;
                (self.rowid, self.local) = (rowid, local);
                (self.is_chained, self.has_whole) = (false, false);
                true
            }
            None => false,
        }
    }

    /// To the next entry; false behind the last, where it stays.
    pub fn next(&mut self, db: &mut Database) -> Result<bool> {
        match self.state {
            State::Before => return self.first(db),
            State::After => return Ok(false),
            State::At => {}
        }
        // Most steps are to the next entry of the same leaf.
        if self.changes == db.pager.changes
            && self.way == Way::Forward
            && db.pager.is_locked_to_read()
            && let Some(level) = self.levels.last_mut()
        {
            let node = Node::new(&level.page.bytes, level.id, db.pager.shape);
            if node.kind.is_leaf() && level.at + 1 < node.count() {
                level.at += 1;
                self.has_whole = false;
                self.look(db)?;
                return Ok(true);
            }
        }
        if !self.find_again(db)? {
            // Where it was there is the next one now.
            return Ok(self.state == State::At);
        }
        self.turn(Way::Forward);
        let Some(level) = self.levels.last_mut() else { return Ok(false) };
        level.at += 1;
        let (id, at) = (level.id, level.at);
        let node = Node::new(&level.page.bytes, id, db.pager.shape);
        if !node.kind.is_leaf() {
            let child = node.child(at);
            self.enter(&mut db.pager, child)?;
        }
        self.arrive(db)
    }

    /// To the previous entry; false in front of the first, where it stays.
    pub fn previous(&mut self, db: &mut Database) -> Result<bool> {
        match self.state {
            State::After => return self.last(db),
            State::Before => return Ok(false),
            State::At => {}
        }
        // If the entry is gone, then this stands on the one behind it, and what is in front of that is right as well.
        self.find_again(db)?;
        if self.state == State::After {
            return self.last(db);
        }
        self.turn(Way::Backward);
        let Some(level) = self.levels.last_mut() else { return Ok(false) };
        let node = Node::new(&level.page.bytes, level.id, db.pager.shape);
        if node.kind.is_leaf() {
            // One less; below the first, `arrive` goes up.
            level.at = level.at.wrapping_sub(1);
        } else {
            let child = node.child(level.at);
            self.enter(&mut db.pager, child)?;
        }
        self.arrive(db)
    }

    /// To the row of a rowid, or the first one behind where it would stand. Says which; none behind the last.
    pub fn seek(&mut self, db: &mut Database, rowid: i64) -> Result<Option<Ordering>> {
        match self.order {
            None => self.seek_key(db, Key::Rowid(rowid)),
            Some(_) => Err(Error::Invalid("an index has no rowids to seek".to_owned())),
        }
    }

    /// To the first entry of an index whose columns are these or more, as far as there are any here. Equal says that the
    /// entry begins with them, greater that none does; none is behind the last.
    pub fn seek_columns(&mut self, db: &mut Database, columns: &[ValueRef<'_>]) -> Result<Option<Ordering>> {
        match self.order.clone() {
            Some(order) => self.seek_key(db, Key::Columns(columns, &order)),
            None => Err(Error::Invalid("a table is sought by rowid".to_owned())),
        }
    }

    /// To the first entry of an index behind all that begin with these columns; false if there is none.
    pub fn seek_behind(&mut self, db: &mut Database, columns: &[ValueRef<'_>]) -> Result<bool> {
        match self.order.clone() {
            Some(order) => Ok(self.seek_key(db, Key::Behind(columns, &order))?.is_some()),
            None => Err(Error::Invalid("a table is sought by rowid".to_owned())),
        }
    }

    /// The entry's rowid; none for an index, and where there is no entry.
    #[inline]
    pub fn rowid(&self, _: &Database) -> Option<i64> {
        (self.state == State::At && self.order.is_none()).then_some(self.rowid)
    }

    /// The same, where it is known that there is one.
    #[inline]
    pub(crate) fn last_rowid(&self) -> i64 {
        self.rowid
    }

    /// The entry's bytes: a [record](super::decode). None where there is no entry, or where it was deleted meanwhile.
    pub fn payload(&mut self, db: &mut Database) -> Result<Option<&[u8]>> {
        if self.state != State::At {
            return Ok(None);
        }
        if !self.has_whole {
            db.pager.read()?;
        }
        if !self.has_whole && self.changes != db.pager.changes {
            // A copy: this must not move the cursor off the place of an entry that is gone.
            let mut again = self.clone();
            if !again.find_again(db)? {
                return Ok(None);
            }
            *self = again;
        }
        if self.is_chained && !self.has_whole {
            let Some(level) = self.levels.last() else { return Ok(None) };
            let cell = cell_of(&db.pager, level)?;
            payload::read(&mut db.pager, level.id, &level.page, &cell, &mut self.whole)?;
            self.has_whole = true;
        }
        Ok(Some(self.last_payload()))
    }

    /// Whether all of the payload stands on the entry's page, so that it is [there](Cursor::last_payload) without being asked for.
    #[inline]
    pub(crate) fn is_local(&self) -> bool {
        !self.is_chained
    }

    /// What [`Cursor::payload`] gave last, as long as this has not moved since.
    #[inline(always)]
    pub fn last_payload(&self) -> &[u8] {
        match self.levels.last() {
            _ if self.has_whole => &self.whole,
            Some(level) => level.page.bytes.get(self.local.clone()).unwrap_or_default(),
            None => &[],
        }
    }

    fn start(&mut self, db: &mut Database, way: Way) -> Result<()> {
        db.pager.read()?;
        db.check_any()?;
        self.levels.clear();
        (self.changes, self.shape) = (db.pager.changes, db.pager.shape);
        (self.way, self.entered, self.has_whole) = (way, 0, false);
        self.leaf = (0, 0);
        // Should an error end the way, this is nowhere.
        self.state = State::Before;
        Ok(())
    }

    fn turn(&mut self, way: Way) {
        if self.way != way {
            (self.way, self.entered) = (way, 0);
        }
    }

    /// Down one page. `at` is where the way that is gone begins.
    fn push(&mut self, pager: &mut Pager, id: PageId, at: Option<usize>) -> Result<()> {
        self.entered += 1;
        if self.entered > pager.pages {
            return Err(pager.corrupt(id, "a tree that leads back to itself"));
        }
        let page = tree::step(pager, id, self.levels.len(), self.order.is_none())?;
        let node = Node::new(&page.bytes, id, pager.shape);
        let at = at.unwrap_or(match (self.way, node.kind.is_leaf()) {
            (Way::Forward, _) => 0,
            (Way::Backward, false) => node.count(),
            (Way::Backward, true) => node.count().wrapping_sub(1),
        });
        self.levels.push(Level { id, page, at });
        Ok(())
    }

    /// Down to a leaf: to its first entry, or backwards to its last.
    fn enter(&mut self, pager: &mut Pager, mut id: PageId) -> Result<()> {
        loop {
            self.push(pager, id, None)?;
            let Some(level) = self.levels.last() else { return Ok(()) };
            let node = Node::new(&level.page.bytes, id, pager.shape);
            if node.kind.is_leaf() {
                return Ok(());
            }
            id = node.child(level.at);
        }
    }

    /// From a place on a leaf that may be beyond its entries, to an entry.
    fn arrive(&mut self, db: &mut Database) -> Result<bool> {
        let is_table = self.order.is_none();
        self.has_whole = false;
        while let Some(level) = self.levels.last() {
            let node = Node::new(&level.page.bytes, level.id, db.pager.shape);
            if level.at < node.count() {
                self.state = State::At;
                self.leaf = node.table_leaf();
                self.look(db)?;
                return Ok(true);
            }
            self.levels.pop();
            // Up to where there is another child.
            while let Some(level) = self.levels.last_mut() {
                let node = Node::new(&level.page.bytes, level.id, db.pager.shape);
                let more = if self.way == Way::Forward { level.at < node.count() } else { level.at > 0 };
                if !more {
                    self.levels.pop();
                    continue;
                }
                if self.way == Way::Backward {
                    level.at -= 1;
                } else if is_table {
                    level.at += 1;
                }
                if is_table {
                    let child = node.child(level.at);
                    self.enter(&mut db.pager, child)?;
                }
                break;
            }
        }
        self.state = if self.way == Way::Forward { State::After } else { State::Before };
        Ok(false)
    }

    /// Takes the entry's cell apart, once. What stands on chained pages may be overwritten before it is needed to find an index's
    /// place again: that is kept.
    #[inline]
    fn look(&mut self, db: &mut Database) -> Result<()> {
        let Some(level) = self.levels.last() else { return Ok(()) };
        if let Some((rowid, local)) = Node::new(&level.page.bytes, level.id, db.pager.shape).row(level.at) {
            (self.rowid, self.is_chained, self.local) = (rowid, false, local);
            return Ok(());
        }
        let cell = cell_of(&db.pager, level)?;
        (self.rowid, self.is_chained, self.local) = (cell.rowid, cell.overflow != 0, cell.local.clone());
        if self.is_chained && self.order.is_some() {
            payload::read(&mut db.pager, level.id, &level.page, &cell, &mut self.whole)?;
            self.has_whole = true;
        }
        Ok(())
    }

    /// The root, if it was come by and nothing has happened since: who seeks again and again need not ask for its page each time.
    fn take_root(&mut self, pager: &Pager) -> Option<Level> {
        let knows = self.changes == pager.changes && pager.is_locked_to_read() && !pager.is_writing();
        match self.levels.first() {
            Some(level) if knows && level.id == self.root => Some(self.levels.swap_remove(0)),
            _ => None,
        }
    }

    fn seek_key(&mut self, db: &mut Database, key: Key<'_>) -> Result<Option<Ordering>> {
        let root = self.take_root(&db.pager);
        self.start(db, Way::Forward)?;
        let mut is_there = root.is_some();
        self.levels.extend(root);
        // A row that is sought to be written is often sought twice.
        let noted = match key {
            Key::Rowid(rowid) if db.pager.is_writing() => Some(rowid),
            _ => None,
        };
        if let Some(rowid) = noted
            && let Some((path, found)) = db.pager.known_way(self.root, rowid)?
        {
            for (id, at) in path {
                self.push(&mut db.pager, id, Some(at))?;
            }
            return self.arrive_at(db, found);
        }
        let mut id = self.root;
        let mut equal = false;
        loop {
            if !std::mem::take(&mut is_there) {
                self.push(&mut db.pager, id, Some(0))?;
            }
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let (at, found) = seek::search(&mut db.pager, id, &level.page, key)?;
            level.at = at;
            let node = Node::new(&level.page.bytes, id, db.pager.shape);
            // In an index an inner entry can be the one, if none under the child in front of it is.
            equal = found || equal && self.order.is_some();
            if node.kind.is_leaf() {
                break;
            }
            id = node.child(at);
            if self.order.is_none() {
                equal = false;
            }
        }
        if let Some(rowid) = noted {
            let path = self.levels.iter().map(|level| (level.id, level.at)).collect();
            db.pager.note_sought(self.root, rowid, &path, equal, false);
        }
        self.arrive_at(db, equal)
    }

    /// From where a search has ended, on an entry or in front of it.
    fn arrive_at(&mut self, db: &mut Database, found: bool) -> Result<Option<Ordering>> {
        Ok(match self.arrive(db)? {
            true => Some(if found { Ordering::Equal } else { Ordering::Greater }),
            false => None,
        })
    }

    /// Back to the entry after changes. False if it is gone: then this is on the next one, or behind the last.
    fn find_again(&mut self, db: &mut Database) -> Result<bool> {
        db.pager.read()?;
        if self.changes == db.pager.changes {
            return Ok(true);
        }
        if self.shape != db.pager.shape {
            return Err(Error::Invalid(
                "the database was written anew with pages of another size: seek again".to_owned(),
            ));
        }
        let Some(level) = self.levels.last().cloned() else { return Ok(false) };
        let found = match self.order.clone() {
            None => {
                let rowid = Node::new(&level.page.bytes, level.id, db.pager.shape).rowid(level.at);
                let rowid = rowid.map_err(|what| db.pager.corrupt(level.id, what))?;
                self.seek_key(db, Key::Rowid(rowid))?
            }
            Some(order) => {
                let whole = std::mem::take(&mut self.whole);
                let record = match self.has_whole {
                    true => &whole[..],
                    false => &level.page.bytes[cell_of(&db.pager, &level)?.local],
                };
                let columns = record::decode(record).map_err(|what| db.pager.corrupt(level.id, what))?;
                let columns = &columns[..columns.len().min(order.len())];
                self.seek_key(db, Key::Columns(columns, &order))?
            }
        };
        Ok(found == Some(Ordering::Equal))
    }
}

fn cell_of(pager: &Pager, level: &Level) -> Result<Cell> {
    Node::new(&level.page.bytes, level.id, pager.shape).cell(level.at).map_err(|what| pager.corrupt(level.id, what))
}
