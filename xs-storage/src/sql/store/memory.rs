//! Trees in memory, and the log that undoes what was done to them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::batch::{Batch, Record, Way};
use super::{About, Cursor, SCHEMA, Setting, Store, TreeId, TreeKind, key};
use crate::row::{KeyColumn, ValueRef, record};
use crate::sql::failure::{Failure, Result, ResultCode};

#[derive(Debug)]
enum Tree {
    Table(BTreeMap<i64, Record>),
    /// Under the bytes that order them.
    Index(BTreeMap<Arc<[u8]>, Record>),
}

impl Tree {
    fn new(kind: TreeKind) -> Tree {
        match kind {
            TreeKind::Table => Tree::Table(BTreeMap::new()),
            TreeKind::Index => Tree::Index(BTreeMap::new()),
        }
    }

    fn table(&mut self) -> Result<&mut BTreeMap<i64, Record>> {
        match self {
            Tree::Table(rows) => Ok(rows),
            Tree::Index(_) => Err(wrong_kind()),
        }
    }

    fn index(&mut self) -> Result<&mut BTreeMap<Arc<[u8]>, Record>> {
        match self {
            Tree::Index(records) => Ok(records),
            Tree::Table(_) => Err(wrong_kind()),
        }
    }
}

fn wrong_kind() -> Failure {
    Failure::new(ResultCode::CORRUPT, "a tree of the other kind")
}

/// How to go back by one step.
#[derive(Debug)]
enum Undo {
    Row(TreeId, i64, Option<Record>),
    Entry(TreeId, Arc<[u8]>, Option<Record>),
    /// What was there under the number; nothing, if it was made.
    Tree(TreeId, Option<Tree>),
    Cookie(u32),
    /// The user's number and the application's.
    Numbers([i32; 2]),
}

/// A database in memory. It ends with its value.
#[derive(Debug)]
pub struct Memory {
    trees: Vec<Option<Tree>>,
    /// Counts changes, so that cursors know when what they have read ahead is old.
    changes: u64,
    cookie: u32,
    /// The user's number and the application's.
    numbers: [i32; 2],
    /// What it was told of disks and logs, and has none of.
    synchronous: u8,
    autocheckpoint: u32,
    journal_limit: i64,
    undo: Vec<Undo>,
    /// How long the log was at each savepoint.
    marks: Vec<usize>,
    writing: bool,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl Memory {
    /// A database with an empty schema.
    pub fn new() -> Memory {
        let trees = vec![None, Some(Tree::new(TreeKind::Table))];
        let About { synchronous, autocheckpoint, journal_limit, .. } = About::default();
        let (undo, marks) = (Vec::new(), Vec::new());
        let numbers = [0; 2];
        Memory {
            trees,
            changes: 0,
            cookie: 0,
            numbers,
            synchronous,
            autocheckpoint,
            journal_limit,
            undo,
            marks,
            writing: false,
        }
    }

    fn tree(&mut self, tree: TreeId) -> Result<&mut Tree> {
        let missing = || Failure::new(ResultCode::CORRUPT, format!("no tree {tree}"));
        self.trees.get_mut(tree as usize).and_then(Option::as_mut).ok_or_else(missing)
    }

    fn change(&mut self) -> Result<()> {
        if !self.writing {
            return Err(Failure::internal("a change outside of a transaction"));
        }
        self.changes += 1;
        Ok(())
    }

    /// Goes back to when the log was this long.
    fn undo_to(&mut self, mark: usize) {
        self.changes += 1;
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::Row(tree, rowid, old)) => {
                    if let Some(Some(Tree::Table(rows))) = self.trees.get_mut(tree as usize) {
                        match old {
                            Some(record) => rows.insert(rowid, record),
                            None => rows.remove(&rowid),
                        };
                    }
                }
                Some(Undo::Entry(tree, key, old)) => {
                    if let Some(Some(Tree::Index(records))) = self.trees.get_mut(tree as usize) {
                        match old {
                            Some(record) => records.insert(key, record),
                            None => records.remove(&key),
                        };
                    }
                }
                Some(Undo::Tree(tree, old)) => {
                    if let Some(place) = self.trees.get_mut(tree as usize) {
                        *place = old;
                    }
                }
                Some(Undo::Cookie(cookie)) => self.cookie = cookie,
                Some(Undo::Numbers(numbers)) => self.numbers = numbers,
                None => {}
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Place {
    Table(Batch<i64>),
    Index(Batch<Arc<[u8]>>, Arc<[KeyColumn]>),
}

/// A place in a tree in memory.
#[derive(Clone, Debug)]
pub struct MemoryCursor {
    tree: TreeId,
    place: Place,
    /// What had changed when the batch was read.
    changes: u64,
}

impl Cursor for MemoryCursor {
    #[inline]
    fn rowid(&self) -> i64 {
        match &self.place {
            Place::Table(batch) => batch.entries.get(batch.at).map_or(0, |entry| entry.0),
            Place::Index(..) => 0,
        }
    }

    #[inline]
    fn record(&self) -> &[u8] {
        match &self.place {
            Place::Table(batch) => batch.entries.get(batch.at).map_or(&[], |entry| &entry.1),
            Place::Index(batch, _) => batch.entries.get(batch.at).map_or(&[], |entry| &entry.1),
        }
    }

    #[inline]
    fn is_loaded(&self) -> bool {
        true
    }
}

impl Memory {
    fn end(&mut self, cursor: &mut MemoryCursor, way: Way) -> Result<bool> {
        cursor.changes = self.changes;
        match (&mut cursor.place, self.tree(cursor.tree)?) {
            (Place::Table(batch), Tree::Table(map)) => Ok(batch.start(map, Bound::Unbounded, way, 4)),
            (Place::Index(batch, _), Tree::Index(map)) => Ok(batch.start(map, Bound::Unbounded, way, 4)),
            _ => Err(wrong_kind()),
        }
    }

    #[inline]
    fn step(&mut self, cursor: &mut MemoryCursor, way: Way) -> Result<bool> {
        let fresh = std::mem::replace(&mut cursor.changes, self.changes) == self.changes;
        match (&mut cursor.place, self.tree(cursor.tree)?) {
            (Place::Table(batch), Tree::Table(map)) => Ok(batch.step(map, fresh, way)),
            (Place::Index(batch, _), Tree::Index(map)) => Ok(batch.step(map, fresh, way)),
            _ => Err(wrong_kind()),
        }
    }
}

impl Store for Memory {
    type Cursor = MemoryCursor;

    fn create_tree(&mut self, kind: TreeKind) -> Result<TreeId> {
        self.change()?;
        let free = (SCHEMA as usize + 1..self.trees.len()).find(|at| self.trees[*at].is_none());
        let at = free.unwrap_or_else(|| {
            self.trees.push(None);
            self.trees.len() - 1
        });
        let id = TreeId::try_from(at).map_err(|_| Failure::new(ResultCode::FULL, "too many trees"))?;
        self.trees[at] = Some(Tree::new(kind));
        self.undo.push(Undo::Tree(id, None));
        Ok(id)
    }

    fn clear_tree(&mut self, tree: TreeId) -> Result<()> {
        self.change()?;
        let place = self.tree(tree)?;
        let empty = match place {
            Tree::Table(_) => Tree::new(TreeKind::Table),
            Tree::Index(_) => Tree::new(TreeKind::Index),
        };
        let old = std::mem::replace(place, empty);
        self.undo.push(Undo::Tree(tree, Some(old)));
        Ok(())
    }

    fn drop_tree(&mut self, tree: TreeId) -> Result<()> {
        self.change()?;
        self.tree(tree)?;
        let old = self.trees[tree as usize].take();
        self.undo.push(Undo::Tree(tree, old));
        Ok(())
    }

    fn insert(&mut self, tree: TreeId, rowid: i64, record: &[u8]) -> Result<bool> {
        self.change()?;
        let old = self.tree(tree)?.table()?.insert(rowid, record.into());
        let replaced = old.is_some();
        self.undo.push(Undo::Row(tree, rowid, old));
        Ok(replaced)
    }

    fn delete(&mut self, tree: TreeId, rowid: i64) -> Result<bool> {
        self.change()?;
        let Some(old) = self.tree(tree)?.table()?.remove(&rowid) else { return Ok(false) };
        self.undo.push(Undo::Row(tree, rowid, Some(old)));
        Ok(true)
    }

    fn insert_record(&mut self, tree: TreeId, order: &[KeyColumn], record: &[u8]) -> Result<bool> {
        self.change()?;
        let mut columns = record::decode(record).map_err(Failure::internal)?;
        columns.truncate(order.len());
        let key: Arc<[u8]> = key::of(&columns, order).into();
        let old = self.tree(tree)?.index()?.insert(key.clone(), record.into());
        let replaced = old.is_some();
        self.undo.push(Undo::Entry(tree, key, old));
        Ok(replaced)
    }

    fn delete_record(&mut self, tree: TreeId, order: &[KeyColumn], key: &[ValueRef<'_>]) -> Result<bool> {
        self.change()?;
        let key = key::of(key, order);
        let Some((key, old)) = self.tree(tree)?.index()?.remove_entry(&key[..]) else { return Ok(false) };
        self.undo.push(Undo::Entry(tree, key, Some(old)));
        Ok(true)
    }

    fn table_cursor(&self, tree: TreeId) -> MemoryCursor {
        MemoryCursor { tree, place: Place::Table(Batch::new()), changes: self.changes }
    }

    fn index_cursor(&self, tree: TreeId, order: Arc<[KeyColumn]>) -> MemoryCursor {
        MemoryCursor { tree, place: Place::Index(Batch::new(), order), changes: self.changes }
    }

    fn first(&mut self, cursor: &mut MemoryCursor) -> Result<bool> {
        self.end(cursor, Way::Forward)
    }

    fn last(&mut self, cursor: &mut MemoryCursor) -> Result<bool> {
        self.end(cursor, Way::Backward)
    }

    fn next(&mut self, cursor: &mut MemoryCursor) -> Result<bool> {
        self.step(cursor, Way::Forward)
    }

    fn previous(&mut self, cursor: &mut MemoryCursor) -> Result<bool> {
        self.step(cursor, Way::Backward)
    }

    fn seek(&mut self, cursor: &mut MemoryCursor, rowid: i64) -> Result<Option<Ordering>> {
        cursor.changes = self.changes;
        match (&mut cursor.place, self.tree(cursor.tree)?) {
            (Place::Table(batch), Tree::Table(map)) => {
                if !batch.start(map, Bound::Included(rowid), Way::Forward, 1) {
                    return Ok(None);
                }
                Ok(batch.entries.first().map(|entry| entry.0.cmp(&rowid)))
            }
            _ => Err(wrong_kind()),
        }
    }

    fn seek_columns(&mut self, cursor: &mut MemoryCursor, columns: &[ValueRef<'_>]) -> Result<Option<Ordering>> {
        cursor.changes = self.changes;
        match (&mut cursor.place, self.tree(cursor.tree)?) {
            (Place::Index(batch, order), Tree::Index(map)) => {
                let prefix: Arc<[u8]> = key::of(columns, order).into();
                if !batch.start(map, Bound::Included(prefix.clone()), Way::Forward, 1) {
                    return Ok(None);
                }
                let equal = batch.entries.first().is_some_and(|entry| entry.0.starts_with(&prefix));
                Ok(Some(if equal { Ordering::Equal } else { Ordering::Greater }))
            }
            _ => Err(wrong_kind()),
        }
    }

    fn seek_behind(&mut self, cursor: &mut MemoryCursor, columns: &[ValueRef<'_>]) -> Result<bool> {
        cursor.changes = self.changes;
        match (&mut cursor.place, self.tree(cursor.tree)?) {
            (Place::Index(batch, order), Tree::Index(map)) => {
                let mut prefix = key::of(columns, order);
                // No value's key begins with it.
                prefix.push(0xFF);
                Ok(batch.start(map, Bound::Included(prefix.into()), Way::Forward, 1))
            }
            _ => Err(wrong_kind()),
        }
    }

    fn has_row(&mut self, tree: TreeId, rowid: i64) -> Result<bool> {
        Ok(self.tree(tree)?.table()?.contains_key(&rowid))
    }

    fn last_rowid(&mut self, tree: TreeId) -> Result<Option<i64>> {
        Ok(self.tree(tree)?.table()?.last_key_value().map(|(rowid, _)| *rowid))
    }

    #[inline]
    fn load(&mut self, _: &mut MemoryCursor) -> Result<()> {
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        if self.writing {
            return Err(Failure::internal("a transaction within a transaction"));
        }
        self.writing = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        self.undo.clear();
        self.marks.clear();
        self.writing = false;
        Ok(())
    }

    fn roll_back(&mut self) -> Result<()> {
        self.undo_to(0);
        self.marks.clear();
        self.writing = false;
        Ok(())
    }

    fn savepoint(&mut self) -> Result<()> {
        self.marks.push(self.undo.len());
        Ok(())
    }

    fn roll_back_to(&mut self, depth: usize) -> Result<()> {
        let mark = *self.marks.get(depth).ok_or_else(|| Failure::internal("no such savepoint"))?;
        self.undo_to(mark);
        self.marks.truncate(depth + 1);
        Ok(())
    }

    fn release(&mut self, depth: usize) -> Result<()> {
        self.marks.truncate(depth);
        Ok(())
    }

    fn schema_cookie(&mut self) -> Result<u32> {
        Ok(self.cookie)
    }

    fn change_schema(&mut self) -> Result<()> {
        self.change()?;
        self.undo.push(Undo::Cookie(self.cookie));
        self.cookie = self.cookie.wrapping_add(1);
        Ok(())
    }

    /// It knows no files.
    fn beside(&mut self, name: &str) -> Result<Memory> {
        match name {
            "" | ":memory:" => Ok(Memory::new()),
            file => Err(Failure::unsupported(&format!("ATTACH of a file to a store in memory: {file}"))),
        }
    }

    fn temporary(&mut self, _: bool) -> Result<Memory> {
        Ok(Memory::new())
    }

    /// What is gone takes no space.
    fn vacuum(&mut self) -> Result<()> {
        Ok(())
    }

    fn about(&mut self) -> Result<About> {
        let [user_version, application_id] = self.numbers;
        let Memory { synchronous, autocheckpoint, journal_limit, .. } = *self;
        Ok(About { user_version, application_id, synchronous, autocheckpoint, journal_limit, ..About::default() })
    }

    fn set(&mut self, setting: Setting) -> Result<()> {
        let numbers = self.numbers;
        match setting {
            Setting::UserVersion(_) | Setting::ApplicationId(_) | Setting::SchemaCookie(_) => self.change()?,
            _ => {}
        }
        match setting {
            Setting::UserVersion(number) => self.numbers[0] = number,
            Setting::ApplicationId(number) => self.numbers[1] = number,
            Setting::SchemaCookie(cookie) => {
                let old = std::mem::replace(&mut self.cookie, cookie);
                self.undo.push(Undo::Cookie(old));
            }
            Setting::JournalLimit(limit) => self.journal_limit = limit.max(-1),
            Setting::Synchronous(level) => self.synchronous = level,
            Setting::Autocheckpoint(frames) => self.autocheckpoint = frames,
            // Memory has no pages, is its own journal, and is nobody else's.
            Setting::PageSize(_)
            | Setting::DropAutoVacuum(_)
            | Setting::Journal(_)
            | Setting::BusyTimeout(_)
            | Setting::KeepLocks(_) => {}
            Setting::CacheSize(_) => return Err(Failure::unsupported("PRAGMA cache_size of a store in memory")),
        }
        if self.numbers != numbers {
            self.undo.push(Undo::Numbers(numbers));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::encode;

    fn rows(store: &mut Memory, tree: TreeId) -> Vec<i64> {
        let mut cursor = store.table_cursor(tree);
        let (mut found, mut more) = (Vec::new(), store.first(&mut cursor).unwrap());
        while more {
            found.push(cursor.rowid());
            more = store.next(&mut cursor).unwrap();
        }
        found
    }

    #[test]
    fn savepoints_nest_and_everything_can_be_undone() {
        let mut store = Memory::new();
        store.begin().unwrap();
        let tree = store.create_tree(TreeKind::Table).unwrap();
        store.insert(tree, 1, b"a").unwrap();
        store.commit().unwrap();

        store.begin().unwrap();
        store.insert(tree, 2, b"b").unwrap();
        store.savepoint().unwrap();
        store.delete(tree, 1).unwrap();
        store.savepoint().unwrap();
        store.clear_tree(tree).unwrap();
        store.roll_back_to(1).unwrap();
        assert_eq!(rows(&mut store, tree), [2]);
        store.roll_back_to(0).unwrap();
        store.insert(tree, 3, b"c").unwrap();
        assert_eq!(rows(&mut store, tree), [1, 2, 3]);
        store.drop_tree(tree).unwrap();
        store.roll_back().unwrap();
        assert_eq!(rows(&mut store, tree), [1]);
    }

    #[test]
    fn a_cursor_finds_its_place_after_changes_in_both_directions() {
        let mut store = Memory::new();
        store.begin().unwrap();
        let tree = store.create_tree(TreeKind::Table).unwrap();
        for rowid in 0..300 {
            store.insert(tree, rowid, b"").unwrap();
        }
        let mut cursor = store.table_cursor(tree);
        assert_eq!(store.seek(&mut cursor, 100).unwrap(), Some(Ordering::Equal));
        for rowid in 100..150 {
            store.delete(tree, rowid).unwrap();
        }
        assert!(store.next(&mut cursor).unwrap());
        assert_eq!(cursor.rowid(), 150);
        assert!(store.previous(&mut cursor).unwrap());
        assert_eq!(cursor.rowid(), 99);
        let mut left = 99;
        while store.previous(&mut cursor).unwrap() {
            left -= 1;
            assert_eq!(cursor.rowid(), left);
        }
        assert_eq!(left, 0);
    }

    #[test]
    fn an_index_is_in_the_order_of_its_columns() {
        let mut store = Memory::new();
        store.begin().unwrap();
        let tree = store.create_tree(TreeKind::Index).unwrap();
        let order: Arc<[KeyColumn]> =
            [KeyColumn { descending: true, ..KeyColumn::default() }, KeyColumn::default()].into();
        for (a, rowid) in [(5, 1), (7, 2), (5, 3), (9, 4)] {
            let record = encode(&[ValueRef::Integer(a), ValueRef::Integer(rowid)]);
            store.insert_record(tree, &order, &record).unwrap();
        }
        let mut cursor = store.index_cursor(tree, order.clone());
        assert_eq!(store.seek_columns(&mut cursor, &[ValueRef::Integer(6)]).unwrap(), Some(Ordering::Greater));
        let rowid = |cursor: &MemoryCursor| crate::sql::Value::from(record::decode(cursor.record()).unwrap()[1]);
        let mut found = vec![rowid(&cursor)];
        assert!(store.next(&mut cursor).unwrap());
        found.push(rowid(&cursor));
        assert_eq!(found, [1_i64.into(), 3_i64.into()]);
        assert!(store.delete_record(tree, &order, &[ValueRef::Integer(9), ValueRef::Integer(4)]).unwrap());
        assert_eq!(store.seek_columns(&mut cursor, &[ValueRef::Integer(9)]).unwrap(), Some(Ordering::Greater));
        assert_eq!(store.seek_columns(&mut cursor, &[ValueRef::Integer(4)]).unwrap(), None);
    }
}
