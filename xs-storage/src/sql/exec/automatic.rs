//! An index that nobody made: where a join would go through all of a table for each row before it, the table's rows are put in
//! order once in an execution.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::access::{arrived, table};
use super::comparison::Comparison;
use super::expr::Expr;
use super::frame::{Frame, Outer, Slot};
use crate::row::{KeyColumn, ValueRef};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{Cursor, Store, key};
use crate::sql::value::NumberText;

/// A column of it.
pub(in crate::sql) struct Column<S: Store> {
    pub(in crate::sql) column: Expr<S>,
    /// What it is compared with, and how.
    pub(in crate::sql) value: Expr<S>,
    pub(in crate::sql) how: Comparison,
    /// Nothing is equal to nothing, as `IS` has it.
    pub(in crate::sql) nulls: bool,
}

pub(in crate::sql) struct Automatic<S: Store> {
    columns: Vec<Column<S>>,
    /// Rowids, or the numbers of a query's rows.
    rows: BTreeMap<Vec<u8>, Vec<i64>>,
    /// The execution that it was made in.
    run: u64,
    found: Vec<i64>,
    at: usize,
    room: Vec<u8>,
}

impl<S: Store> Automatic<S> {
    pub(in crate::sql) fn new(columns: Vec<Column<S>>) -> Self {
        Automatic { columns, rows: BTreeMap::new(), run: 0, found: Vec::new(), at: 0, room: Vec::new() }
    }

    fn put(&mut self, number: i64, frame: &Frame<S>, outer: Outer<'_, S>) -> Result<()> {
        self.room.clear();
        for Column { column, how, nulls, .. } in &self.columns {
            if !push(&mut self.room, column.eval(&outer.env(frame))?.as_ref(), *how) && !nulls {
                return Ok(());
            }
        }
        match self.rows.get_mut(&self.room) {
            Some(rows) => rows.push(number),
            None => drop(self.rows.insert(self.room.clone(), vec![number])),
        }
        Ok(())
    }

    fn build(&mut self, frame: &mut Frame<S>, slot: usize, outer: Outer<'_, S>) -> Result<()> {
        self.rows.clear();
        let mut more = match &mut frame.slots[slot] {
            Slot::Rows(rows) => rows.first(outer)?,
            Slot::Table(row) => {
                let mut store = outer.run.session.store.borrow_mut();
                let more = store.first(&mut row.cursor)?;
                if more {
                    arrived(&mut *store, row, true)?;
                }
                more
            }
        };
        while more {
            outer.run.check()?;
            let number = match &frame.slots[slot] {
                Slot::Rows(rows) => rows.number(),
                Slot::Table(row) => row.cursor.rowid(),
            };
            self.put(number, frame, outer)?;
            more = match &mut frame.slots[slot] {
                Slot::Rows(rows) => rows.next(outer)?,
                Slot::Table(row) => {
                    let mut store = outer.run.session.store.borrow_mut();
                    let more = store.next(&mut row.cursor)?;
                    if more {
                        arrived(&mut *store, row, true)?;
                    }
                    more
                }
            };
        }
        self.run = outer.run.number;
        Ok(())
    }

    pub(super) fn first(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
        if self.run != outer.run.number {
            self.build(frame, slot, outer)?;
        }
        self.found.clear();
        self.at = 0;
        self.room.clear();
        for Column { value, how, nulls, .. } in &self.columns {
            if !push(&mut self.room, value.eval(&outer.env(frame))?.as_ref(), *how) && !nulls {
                return Ok(false);
            }
        }
        if let Some(rows) = self.rows.get(&self.room) {
            self.found.extend_from_slice(rows);
        }
        self.next(frame, slot, load, outer)
    }

    pub(super) fn next(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
        let Some(number) = self.found.get(self.at) else { return Ok(false) };
        self.at += 1;
        match &mut frame.slots[slot] {
            Slot::Rows(rows) => Ok(rows.go_to(*number)),
            Slot::Table(_) => {
                let row = table(frame, slot)?;
                let mut store = outer.run.session.store.borrow_mut();
                if store.seek(&mut row.cursor, *number)? != Some(Ordering::Equal) {
                    return Err(Failure::internal("a row that a join has seen is gone"));
                }
                arrived(&mut *store, row, load)?;
                Ok(true)
            }
        }
    }
}

/// Appends what a comparison sees of a value; false if that is nothing.
fn push(out: &mut Vec<u8>, value: ValueRef<'_>, how: Comparison) -> bool {
    let mut room = NumberText::new();
    let value = how.affinity.unwrap_or_default().for_comparison(value, &mut room);
    key::push(out, value, KeyColumn { collation: how.collation, descending: false });
    !value.is_null()
}
