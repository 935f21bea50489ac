//! The trees of all databases, read and changed as if they were one store's; and commits of several.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Databases, MAIN, One, local, schema_of};
use crate::row::{KeyColumn, ValueRef};
use crate::sql::failure::Result;
use crate::sql::store::{Cursor, Store, TreeId, TreeKind};

impl<S: Store> Databases<S> {
    /// Commits what several have changed. Those without a journal on a disk do it one by one, before the moment of the others.
    fn commit_several(&mut self) -> Result<()> {
        self.all().filter(|one| one.writing).try_for_each(|one| one.store.lock_to_commit())?;
        let journals: Vec<_> = self.all().filter(|one| one.writing).filter_map(|one| one.store.journal()).collect();
        let name = match journals.len() {
            0 | 1 => None,
            _ => self.main.store.begin_super_journal(&journals)?,
        };
        if let Err(failure) = self.prepare_several(name.as_deref()) {
            // Once all journals have ended, nobody asks for it.
            if let (Ok(()), Some(name)) = (self.roll_back(), name) {
                self.main.store.end_super_journal(&name)?;
            }
            return Err(failure);
        }
        match name {
            None => self.all().filter(|one| one.writing).try_for_each(One::commit)?,
            Some(name) => {
                self.main.store.end_super_journal(&name)?;
                // It is done. Whoever can't end its journal now says so when it is used next.
                self.all().filter(|one| one.writing).for_each(|one| drop(one.commit()));
                self.all().for_each(|one| one.writing = false);
            }
        }
        self.end_writing()
    }

    fn prepare_several(&mut self, super_journal: Option<&Path>) -> Result<()> {
        for one in self.all().filter(|one| one.writing) {
            let name = super_journal.filter(|_| one.store.journal().is_some());
            one.store.prepare_commit(name)?;
        }
        let mut others = self.all().filter(|one| one.writing && one.store.journal().is_none());
        others.try_for_each(One::commit)
    }
}

/// A place in a tree of one of them.
pub(in crate::sql) struct Place<C> {
    schema: usize,
    place: C,
}

impl<C: Cursor> Cursor for Place<C> {
    #[inline]
    fn rowid(&self) -> i64 {
        self.place.rowid()
    }

    #[inline]
    fn record(&self) -> &[u8] {
        self.place.record()
    }

    #[inline]
    fn is_loaded(&self) -> bool {
        self.place.is_loaded()
    }
}

impl<S: Store> Store for Databases<S> {
    type Cursor = Place<S::Cursor>;

    fn create_tree(&mut self, kind: TreeKind) -> Result<TreeId> {
        self.create_tree_in(MAIN, kind)
    }

    fn clear_tree(&mut self, tree: TreeId) -> Result<()> {
        self.writable(schema_of(tree))?.clear_tree(local(tree))
    }

    fn drop_tree(&mut self, tree: TreeId) -> Result<()> {
        self.writable(schema_of(tree))?.drop_tree(local(tree))
    }

    #[inline]
    fn insert(&mut self, tree: TreeId, rowid: i64, record: &[u8]) -> Result<bool> {
        self.writable(schema_of(tree))?.insert(local(tree), rowid, record)
    }

    #[inline]
    fn delete(&mut self, tree: TreeId, rowid: i64) -> Result<bool> {
        self.writable(schema_of(tree))?.delete(local(tree), rowid)
    }

    #[inline]
    fn insert_record(&mut self, tree: TreeId, order: &[KeyColumn], record: &[u8]) -> Result<bool> {
        self.writable(schema_of(tree))?.insert_record(local(tree), order, record)
    }

    #[inline]
    fn delete_record(&mut self, tree: TreeId, order: &[KeyColumn], key: &[ValueRef<'_>]) -> Result<bool> {
        self.writable(schema_of(tree))?.delete_record(local(tree), order, key)
    }

    fn fill_index(
        &mut self,
        tree: TreeId,
        order: &[KeyColumn],
        records: &mut dyn Iterator<Item = &[u8]>,
    ) -> Result<()> {
        self.writable(schema_of(tree))?.fill_index(local(tree), order, records)
    }

    #[inline]
    fn has_row(&mut self, tree: TreeId, rowid: i64) -> Result<bool> {
        self.readable(schema_of(tree))?.has_row(local(tree), rowid)
    }

    #[inline]
    fn last_rowid(&mut self, tree: TreeId) -> Result<Option<i64>> {
        self.readable(schema_of(tree))?.last_rowid(local(tree))
    }

    fn table_cursor(&self, tree: TreeId) -> Self::Cursor {
        Place { schema: schema_of(tree), place: self.of(tree).table_cursor(local(tree)) }
    }

    fn index_cursor(&self, tree: TreeId, order: Arc<[KeyColumn]>) -> Self::Cursor {
        Place { schema: schema_of(tree), place: self.of(tree).index_cursor(local(tree), order) }
    }

    #[inline]
    fn first(&mut self, cursor: &mut Self::Cursor) -> Result<bool> {
        self.readable(cursor.schema)?.first(&mut cursor.place)
    }

    #[inline]
    fn last(&mut self, cursor: &mut Self::Cursor) -> Result<bool> {
        self.readable(cursor.schema)?.last(&mut cursor.place)
    }

    #[inline]
    fn next(&mut self, cursor: &mut Self::Cursor) -> Result<bool> {
        self.opened(cursor.schema)?.store.next(&mut cursor.place)
    }

    #[inline]
    fn previous(&mut self, cursor: &mut Self::Cursor) -> Result<bool> {
        self.opened(cursor.schema)?.store.previous(&mut cursor.place)
    }

    #[inline]
    fn seek(&mut self, cursor: &mut Self::Cursor, rowid: i64) -> Result<Option<Ordering>> {
        self.readable(cursor.schema)?.seek(&mut cursor.place, rowid)
    }

    #[inline]
    fn seek_columns(&mut self, cursor: &mut Self::Cursor, columns: &[ValueRef<'_>]) -> Result<Option<Ordering>> {
        self.readable(cursor.schema)?.seek_columns(&mut cursor.place, columns)
    }

    #[inline]
    fn seek_behind(&mut self, cursor: &mut Self::Cursor, columns: &[ValueRef<'_>]) -> Result<bool> {
        self.readable(cursor.schema)?.seek_behind(&mut cursor.place, columns)
    }

    #[inline]
    fn load(&mut self, cursor: &mut Self::Cursor) -> Result<()> {
        self.opened(cursor.schema)?.store.load(&mut cursor.place)
    }

    #[inline]
    fn leave(&mut self, cursor: &mut Self::Cursor) {
        if let Ok(one) = self.opened(cursor.schema) {
            one.store.leave(&mut cursor.place);
        }
    }

    fn set_interrupt(&mut self, interrupt: Arc<AtomicBool>) {
        self.all().for_each(|one| one.store.set_interrupt(interrupt.clone()));
        self.interrupt = interrupt;
    }

    fn begin_read(&mut self) -> Result<()> {
        self.reading = true;
        Ok(())
    }

    fn end_read(&mut self) -> Result<()> {
        self.reading = false;
        if self.writing { Ok(()) } else { self.end_reads() }
    }

    fn begin(&mut self) -> Result<()> {
        self.writing = true;
        Ok(())
    }

    /// All or nothing: where several have journals on disks, a super-journal holds them together.
    fn commit(&mut self) -> Result<()> {
        if self.all().filter(|one| one.writing).count() > 1 {
            return self.commit_several();
        }
        self.all().filter(|one| one.writing).try_for_each(One::commit)?;
        self.end_writing()
    }

    fn roll_back(&mut self) -> Result<()> {
        let mut undone = Ok(());
        for one in self.all().filter(|one| one.writing) {
            one.writing = false;
            undone = undone.and(one.store.roll_back());
        }
        undone.and(self.end_writing())
    }

    fn savepoint(&mut self) -> Result<()> {
        self.savepoints += 1;
        self.all().filter(|one| one.writing).try_for_each(|one| one.store.savepoint())
    }

    fn roll_back_to(&mut self, depth: usize) -> Result<()> {
        self.savepoints = self.savepoints.min(depth + 1);
        self.all().filter(|one| one.writing).try_for_each(|one| one.store.roll_back_to(depth))
    }

    fn release(&mut self, depth: usize) -> Result<()> {
        self.savepoints = self.savepoints.min(depth);
        self.all().filter(|one| one.writing).try_for_each(|one| one.store.release(depth))
    }

    fn schema_cookie(&mut self) -> Result<u32> {
        self.cookie(MAIN)
    }

    fn change_schema(&mut self) -> Result<()> {
        self.change_schema_of(MAIN)
    }
}
