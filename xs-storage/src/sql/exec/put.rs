//! Rows into a table and its indexes, and out of them.

use smallvec::SmallVec;

use super::expr::{LONGEST, too_big};
use super::frame::Frame;
use super::keyed::entry;
use super::session::Session;
use super::write::{Old, Writer};
use crate::row::ValueRef;
use crate::row::record::encode_into;
use crate::sql::catalog::Index;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{Cursor, Store};
use crate::sql::value::Value;

/// What of an index's record orders it.
fn key_of<'a, 'v>(index: &Index, entry: &'a [ValueRef<'v>]) -> &'a [ValueRef<'v>] {
    entry.get(..index.order.len()).unwrap_or(entry)
}

/// Room is kept for records of this many bytes.
pub(super) const KEPT: usize = 1 << 16;

impl<S: Store> Writer<S> {
    /// Puts the row in the registers to the table and its indexes.
    pub(super) fn put(&mut self, rowid: i64, old: Option<Old<'_>>, session: &Session<S>) -> Result<()> {
        let before = match old {
            Some(Old { values: Some(_), .. }) if self.table.indexes.is_empty() || self.rules.plain => None,
            Some(old) => Some(self.indexed_row(old, session)?),
            None => None,
        };
        let values = &self.frame.registers;
        let stored = |at: usize| match self.table.rowid_column == Some(at) {
            true => ValueRef::Null,
            false => values[at].as_ref(),
        };
        let kept = |at: &usize| !self.table.columns[*at].is_virtual();
        let record: SmallVec<[ValueRef<'_>; 16]> = (0..self.table.columns.len()).filter(kept).map(stored).collect();
        let [bytes, entry_bytes] = &mut self.room;
        bytes.clear();
        encode_into(bytes, &record);
        drop(record);
        if bytes.len() > LONGEST {
            return Err(too_big());
        }
        session.touch();
        let mut store = session.store.borrow_mut();
        for (at, index) in self.table.indexes.iter().enumerate() {
            let comes = self.rules.has(at, &self.frame, session)?;
            let new = entry(&self.table, index, values, rowid);
            if let Some(old) = old {
                let went = match &before {
                    Some(before) => (&before.registers[..], self.rules.has(at, before, session)?),
                    None => (old.values.unwrap_or_default(), true),
                };
                let was = entry(&self.table, index, went.0, old.rowid);
                if went.1 && comes && was == new {
                    continue;
                }
                if went.1 {
                    store.delete_record(index.root, &index.order, key_of(index, &was))?;
                }
            }
            if comes {
                entry_bytes.clear();
                encode_into(entry_bytes, &new);
                store.insert_record(index.root, &index.order, entry_bytes)?;
            }
        }
        if self.table.key.is_some() {
            return Ok(());
        }
        if let Some(old) = old
            && old.rowid != rowid
        {
            store.delete(self.table.root, old.rowid)?;
        }
        store.insert(self.table.root, rowid, bytes)?;
        drop(store);
        self.tidy();
        Ok(())
    }

    /// The values of a row, and what its indexes have of it.
    fn indexed_row(&mut self, row: Old<'_>, session: &Session<S>) -> Result<Frame<S>> {
        let values = match row.values {
            Some(values) => values.to_vec(),
            None => self.row(row.rowid, session)?,
        };
        self.rules.row(values, row.rowid, session)
    }

    /// The values of a row.
    pub(super) fn row(&mut self, rowid: i64, session: &Session<S>) -> Result<Vec<Value>> {
        let mut row = Vec::with_capacity(self.table.columns.len());
        match self.read(rowid, &mut row, session)? {
            true => Ok(row),
            false => Err(Failure::internal("a row that is changed is gone")),
        }
    }

    /// Appends the values of a row; false if it is gone.
    pub(super) fn read(&mut self, rowid: i64, row: &mut Vec<Value>, session: &Session<S>) -> Result<bool> {
        if !self.seek(rowid, session)? {
            return Ok(false);
        }
        session.store.borrow_mut().load(&mut self.cursor)?;
        self.reader.read((self.cursor.rowid(), self.cursor.record()), row, session)?;
        session.store.borrow_mut().leave(&mut self.cursor);
        Ok(true)
    }

    /// Copies the record of a row; false if it is gone.
    pub(super) fn record(&mut self, rowid: i64, record: &mut Vec<u8>, session: &Session<S>) -> Result<bool> {
        if !self.seek(rowid, session)? {
            return Ok(false);
        }
        let mut store = session.store.borrow_mut();
        store.load(&mut self.cursor)?;
        record.clear();
        record.extend_from_slice(self.cursor.record());
        store.leave(&mut self.cursor);
        Ok(true)
    }

    /// Gives room back that a large record took.
    pub(super) fn tidy(&mut self) {
        for bytes in &mut self.room {
            bytes.clear();
            bytes.shrink_to(KEPT);
        }
    }

    /// Takes a row out of the table and its indexes.
    pub(super) fn delete(&mut self, rowid: i64, session: &Session<S>) -> Result<()> {
        if !self.table.indexes.is_empty() {
            let row = self.indexed_row(Old { rowid, values: None }, session)?;
            session.touch();
            let mut store = session.store.borrow_mut();
            for (at, index) in self.table.indexes.iter().enumerate() {
                if !self.rules.has(at, &row, session)? {
                    continue;
                }
                let entry = entry(&self.table, index, &row.registers, rowid);
                store.delete_record(index.root, &index.order, key_of(index, &entry))?;
            }
        }
        if self.table.key.is_none() {
            session.touch();
            session.store.borrow_mut().delete(self.table.root, rowid)?;
        }
        Ok(())
    }

    /// Whether a row is still there.
    pub(in crate::sql) fn has(&mut self, rowid: i64, session: &Session<S>) -> Result<bool> {
        match self.table.key {
            None => session.store.borrow_mut().has_row(self.table.root, rowid),
            Some(_) => self.seek(rowid, session),
        }
    }
}
