//! `AUTOINCREMENT`: rowids that are never given twice, by a table that keeps the largest of each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::row::{ValueRef, decode, encode};
use crate::sql::catalog::Table;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store, TreeId};
use crate::sql::value::{Affinity, Value};

/// The name of the table.
pub(in crate::sql) const SEQUENCE: &str = "sqlite_sequence";

/// The statement that it is made by.
pub(in crate::sql) const CREATE: &str = "CREATE TABLE sqlite_sequence(name,seq)";

/// One table's largest rowid, while a statement inserts.
#[derive(Debug)]
pub(in crate::sql) struct Sequence {
    tree: TreeId,
    /// The row that says so, if there is one.
    row: Option<i64>,
    /// What it says.
    before: Option<i64>,
    pub(in crate::sql) largest: i64,
}

/// The largest rowids of the tables that a statement and its triggers insert to, until all are in.
#[derive(Debug, Default)]
pub(in crate::sql) struct Sequences(BTreeMap<TreeId, (Box<str>, Sequence)>);

impl Sequences {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rows will be inserted to a table.
    pub(super) fn begin<S: Store>(&mut self, store: &mut S, tree: TreeId, table: &Table) -> Result<()> {
        if let Entry::Vacant(place) = self.0.entry(table.root) {
            place.insert((table.name.clone(), Sequence::read(store, tree, &table.name)?));
        }
        Ok(())
    }

    /// A row of a table has this rowid, or would have had.
    pub(super) fn saw(&mut self, table: TreeId, rowid: i64) {
        if let Some((_, sequence)) = self.0.get_mut(&table) {
            sequence.saw(rowid);
        }
    }

    /// The rowid behind all that a table ever had.
    pub(super) fn next(&mut self, table: TreeId, largest: Option<i64>) -> Result<i64> {
        let (_, sequence) = self.0.get_mut(&table).ok_or_else(|| Failure::internal("a sequence that has not begun"))?;
        sequence.next(largest)
    }

    /// All rows are in.
    pub(super) fn write<S: Store>(self, store: &mut S) -> Result<()> {
        self.0.values().try_for_each(|(table, sequence)| sequence.write(store, table))
    }
}

impl Sequence {
    /// Reads what is kept of a table.
    pub(in crate::sql) fn read<S: Store>(store: &mut S, tree: TreeId, table: &str) -> Result<Sequence> {
        let mut sequence = Sequence { tree, row: None, before: None, largest: 0 };
        let mut cursor = store.table_cursor(tree);
        let mut more = store.first(&mut cursor)?;
        while more {
            store.load(&mut cursor)?;
            let columns = decode(cursor.record()).map_err(|what| Failure::new(ResultCode::CORRUPT, what))?;
            if matches!(columns.first(), Some(ValueRef::Text(name)) if name.eq_ignore_ascii_case(table.as_bytes())) {
                let largest = columns.get(1).copied().unwrap_or(ValueRef::Null);
                let largest = match Affinity::Integer.apply_to(Value::from(largest)) {
                    Value::Integer(largest) => largest,
                    other => other.as_ref().to_integer(),
                };
                sequence.row = Some(cursor.rowid());
                sequence.before = Some(largest);
                sequence.largest = largest;
                break;
            }
            more = store.next(&mut cursor)?;
        }
        Ok(sequence)
    }

    /// A row has this rowid, or would have had.
    pub(in crate::sql) fn saw(&mut self, rowid: i64) {
        self.largest = self.largest.max(rowid);
    }

    /// The rowid behind all that ever were.
    pub(in crate::sql) fn next(&mut self, largest: Option<i64>) -> Result<i64> {
        let next = self.largest.max(largest.unwrap_or(0)).checked_add(1);
        self.largest = next.ok_or_else(|| Failure::new(ResultCode::FULL, "database or disk is full"))?;
        Ok(self.largest)
    }

    /// Keeps what is known now, once the statement is done.
    pub(in crate::sql) fn write<S: Store>(&self, store: &mut S, table: &str) -> Result<()> {
        if self.before.is_some_and(|before| before >= self.largest) {
            return Ok(());
        }
        let row = match self.row {
            Some(row) => row,
            None => {
                let mut cursor = store.table_cursor(self.tree);
                if store.last(&mut cursor)? { cursor.rowid().saturating_add(1) } else { 1 }
            }
        };
        let record = encode(&[ValueRef::Text(table.as_bytes()), ValueRef::Integer(self.largest)]);
        store.insert(self.tree, row, &record)?;
        Ok(())
    }

    /// Forgets a table that is dropped.
    pub(in crate::sql) fn forget<S: Store>(store: &mut S, tree: TreeId, table: &str) -> Result<()> {
        if let Some(row) = Sequence::read(store, tree, table)?.row {
            store.delete(tree, row)?;
        }
        Ok(())
    }
}
