//! Whole rows of a table, made of its records: what was not written yet when a column was added, what stands elsewhere than in its
//! column's place, and what is computed.

use std::sync::Arc;

use smallvec::SmallVec;

use super::frame::{Frame, Outer};
use super::generated::{Generated, into_registers};
use super::session::{Run, Session};
use crate::row::{ValueRef, record};
use crate::sql::bind::Binder;
use crate::sql::catalog::Table;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store};
use crate::sql::value::{Affinity, Value};

pub(super) fn malformed(what: &str) -> Failure {
    Failure::new(ResultCode::CORRUPT, what)
}

/// Makes rows of records.
pub(in crate::sql) struct Reader<S: Store> {
    table: Arc<Table>,
    layout: Option<Box<[u16]>>,
    defaults: Vec<Value>,
    /// All generated columns, in an order in which they can be computed.
    pub(in crate::sql) generated: Vec<Generated<S>>,
}

/// A cursor over a table's own tree.
pub(in crate::sql) fn table_cursor<S: Store>(store: &S, table: &Table) -> S::Cursor {
    match table.primary() {
        Some(primary) => store.index_cursor(primary.root, primary.order.clone()),
        None => store.table_cursor(table.root),
    }
}

impl<S: Store> Reader<S> {
    pub(in crate::sql) fn new(table: Arc<Table>, generated: Vec<Generated<S>>) -> Self {
        let (layout, defaults) = (table.layout(), table.defaults());
        Reader { table, layout, defaults, generated }
    }

    /// Of a table that the catalog has.
    pub(in crate::sql) fn of(session: &Session<S>, table: &Arc<Table>) -> Result<Self> {
        let mut generated = Vec::new();
        if table.has_virtual() {
            let catalog = session.catalog.borrow().clone();
            generated = Binder::new(&catalog, session, "").generated(table)?;
        }
        Ok(Reader::new(table.clone(), generated))
    }

    /// Some columns of a row by its rowid and its record, none of which may have to be computed.
    pub(in crate::sql) fn columns<'a>(
        &'a self,
        (rowid, record): (i64, &'a [u8]),
        wanted: &[usize],
    ) -> Result<SmallVec<[ValueRef<'a>; 4]>> {
        let place = |at: usize| match &self.layout {
            None => at,
            Some(layout) => layout.get(at).map_or(usize::MAX, |place| usize::from(*place)),
        };
        let end = wanted.iter().map(|at| place(*at).saturating_add(1)).max().unwrap_or(0);
        let mut stored: SmallVec<[ValueRef<'_>; 16]> = SmallVec::new();
        for value in record::columns(record).map_err(malformed)?.take(end) {
            stored.push(value.map_err(malformed)?);
        }
        Ok(wanted.iter().map(|at| self.shown(*at, rowid, stored.get(place(*at)).copied())).collect())
    }

    /// What a column is whose record says this, or is too short to say anything.
    #[inline]
    pub(super) fn shown<'a>(&'a self, column: usize, rowid: i64, stored: Option<ValueRef<'a>>) -> ValueRef<'a> {
        match stored {
            _ if self.table.rowid_column == Some(column) => ValueRef::Integer(rowid),
            // A real number may be stored as the integer that it is.
            Some(ValueRef::Integer(n)) if self.is_real(column) => ValueRef::Real(n as f64),
            Some(value) => value,
            None => self.default(column),
        }
    }

    /// What a column is that a record is too short for.
    pub(super) fn default(&self, column: usize) -> ValueRef<'_> {
        self.defaults.get(column).map_or(ValueRef::Null, Value::as_ref)
    }

    fn is_real(&self, column: usize) -> bool {
        self.table.columns.get(column).is_some_and(|column| column.affinity == Affinity::Real)
    }

    /// The row that a cursor over the table's own tree is on.
    pub(in crate::sql) fn row(&self, cursor: &S::Cursor, session: &Session<S>) -> Result<Vec<Value>> {
        let mut row = Vec::with_capacity(self.table.columns.len());
        self.read((cursor.rowid(), cursor.record()), &mut row, session)?;
        Ok(row)
    }

    /// Appends the columns of a row by its rowid and its record.
    pub(in crate::sql) fn read(
        &self,
        (rowid, record): (i64, &[u8]),
        row: &mut Vec<Value>,
        session: &Session<S>,
    ) -> Result<()> {
        let first = row.len();
        let mut stored: SmallVec<[ValueRef<'_>; 16]> = SmallVec::new();
        for value in record::columns(record).map_err(malformed)? {
            stored.push(value.map_err(malformed)?);
        }
        for at in 0..self.table.columns.len() {
            let place = self.layout.as_ref().map_or(Some(at), |layout| layout.get(at).map(|place| usize::from(*place)));
            row.push(match place.and_then(|place| stored.get(place)) {
                // What is owned already is shared.
                None if self.table.rowid_column != Some(at) => self.defaults.get(at).cloned().unwrap_or_default(),
                stored => self.shown(at, rowid, stored.copied()).into(),
            });
        }
        if self.generated.iter().all(|column| column.stored) {
            return Ok(());
        }
        let run = Run { session, params: &[], number: 0 };
        let mut frame = Frame { slots: Vec::new(), registers: row.split_off(first) };
        let computed = self.generated.iter().filter(|column| !column.stored);
        let done = into_registers(computed, &mut frame, Outer { up: None, run: &run });
        row.append(&mut frame.registers);
        done
    }
}
