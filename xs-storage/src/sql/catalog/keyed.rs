//! Tables without rowids: a table that is the index of its primary key.
//!
//! ```text
//! CREATE TABLE t (a, b, c, PRIMARY KEY (c, a)) WITHOUT ROWID      records: c a │ b     ordered by c, a
//! CREATE INDEX i ON t (b)                                         records: b c a       ordered by all three
//! ```
//!
//! The key's index stands among the table's [`indexes`](Table::indexes) like any other, with the table's own tree, and has all
//! columns that are stored behind those of the key. The records of other indexes end in those columns of the key that they don't
//! have yet, where another table's end in the rowid.

use std::sync::Arc;

use super::table::{Index, IndexPart, Origin, Table};
use crate::row::KeyColumn;
use crate::sql::ast::Conflict;
use crate::sql::failure::{Failure, Result};

impl Index {
    /// The place of a column in its records.
    pub(in crate::sql) fn place(&self, column: usize) -> Option<usize> {
        self.parts.iter().chain(&self.behind).position(|part| part.column == column)
    }

    /// Says what follows its parts in a table without rowids, and which of all that order its records.
    fn put_behind(&mut self, behind: Vec<IndexPart>, ordered: bool) {
        let more: &[IndexPart] = if ordered { &behind } else { &[] };
        self.order = self.parts.iter().chain(more).map(|part| part.key).collect();
        self.behind = behind;
    }

    /// Ends the records in the key that they don't have yet. What comes with the table has all of that ascending.
    pub(super) fn end_in_key(&mut self, key: &[IndexPart]) {
        let mut behind: Vec<IndexPart> = Vec::new();
        for part in key {
            let same = |other: &&IndexPart| is_same(other, part);
            if self.parts.iter().chain(&behind).find(same).is_none() {
                let descending = part.key.descending && self.origin == Origin::Create;
                behind.push(IndexPart { column: part.column, key: KeyColumn { descending, ..part.key } });
            }
        }
        self.put_behind(behind, true);
    }
}

fn is_same(a: &IndexPart, b: &IndexPart) -> bool {
    a.column == b.column && a.key.collation == b.key.collation
}

impl Table {
    /// The indexes in the order in which constraints are looked at: the newest first, but for those that replace, which come last.
    pub(in crate::sql) fn by_age(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.indexes.len()).rev().collect();
        order.sort_by_key(|at| self.indexes[*at].unique == Some(Conflict::Replace));
        order
    }

    /// The index that is the table, in one without rowids.
    pub(in crate::sql) fn primary(&self) -> Option<&Arc<Index>> {
        self.indexes.get(self.key?)
    }

    /// Whether an index is the table itself.
    pub(in crate::sql) fn is_key(&self, index: usize) -> bool {
        self.key == Some(index)
    }

    /// Takes the rowids away.
    pub(super) fn without_rowid(&mut self) -> Result<()> {
        if self.autoincrement {
            return Err(Failure::error("AUTOINCREMENT not allowed on WITHOUT ROWID tables"));
        }
        let missing = || Failure::error(format!("PRIMARY KEY missing on table {}", self.name));
        let at = self.indexes.iter().position(|index| index.origin == Origin::PrimaryKey).ok_or_else(missing)?;
        let mut parts: Vec<IndexPart> = Vec::new();
        for part in &self.indexes[at].parts {
            if !parts.iter().any(|other| is_same(other, part)) {
                parts.push(*part);
            }
        }
        for part in &parts {
            if let Some(column) = self.columns.get_mut(part.column) {
                column.not_null.get_or_insert(Conflict::Abort);
            }
        }
        let stored = |column: &usize| !self.is_virtual(*column);
        let rest = (0..self.columns.len()).filter(|column| !parts.iter().any(|part| part.column == *column));
        let rest = rest.filter(stored).map(|column| IndexPart { column, key: KeyColumn::default() }).collect();
        let root = self.root;
        for (number, index) in self.indexes.iter_mut().enumerate() {
            let Some(index) = Arc::get_mut(index) else { return Err(Failure::internal("an index in use")) };
            if number == at {
                index.parts = parts.clone();
                index.root = root;
            } else {
                index.end_in_key(&parts);
            }
        }
        let Some(primary) = Arc::get_mut(&mut self.indexes[at]) else {
            return Err(Failure::internal("an index in use"));
        };
        primary.put_behind(rest, false);
        self.key = Some(at);
        Ok(())
    }

    /// Where each column is in the table's records; `u16::MAX`, if it is computed when it is read. None, where each column is at
    /// its own place.
    pub(in crate::sql) fn layout(&self) -> Option<Box<[u16]>> {
        if let Some(primary) = self.primary() {
            let place = |column| primary.place(column).map_or(u16::MAX, |at| at as u16);
            return Some((0..self.columns.len()).map(place).collect());
        }
        if !self.has_virtual() {
            return None;
        }
        let mut next = 0;
        let mut place = |is_virtual| {
            let at = if is_virtual { u16::MAX } else { next };
            next += u16::from(!is_virtual);
            at
        };
        Some(self.columns.iter().map(|column| place(column.is_virtual())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Parser;
    use crate::sql::ast::Statement;

    fn table(sql: &str) -> Table {
        let Ok(Some(Statement::CreateTable(create))) = Parser::new(sql).next_statement() else { panic!("{sql}") };
        Table::new(&create, sql, &[7, 8, 9]).unwrap()
    }

    fn columns(index: &Index) -> Vec<(usize, bool)> {
        index.parts.iter().chain(&index.behind).map(|part| (part.column, part.key.descending)).collect()
    }

    #[test]
    fn records_have_each_column_once_and_others_end_in_the_key() {
        let table = table("CREATE TABLE t (a UNIQUE, b, c AS (a), d, PRIMARY KEY (d DESC, b, d)) WITHOUT ROWID");
        let primary = table.primary().unwrap();
        assert_eq!((primary.root, primary.order.len()), (7, 2));
        assert_eq!(columns(primary), [(3, true), (1, false), (0, false)]);
        assert_eq!(table.layout().as_deref(), Some(&[2, 1, u16::MAX, 0][..]));
        let unique = &table.indexes[0];
        assert_eq!(
            (unique.root, unique.order.len(), columns(unique)),
            (8, 3, vec![(0, false), (3, false), (1, false)])
        );
    }

    #[test]
    fn what_is_computed_takes_no_place() {
        let table = table("CREATE TABLE t (a AS (b), b, c AS (b) STORED, d AS (b) VIRTUAL, e)");
        assert_eq!(table.layout().as_deref(), Some(&[u16::MAX, 0, 1, u16::MAX, 2][..]));
    }
}
