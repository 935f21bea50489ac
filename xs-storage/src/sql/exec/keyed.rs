//! What a row is known by: its rowid, or in a table without rowids its key.
//!
//! Everything that changes rows knows them by a number. In a table without rowids that is one that its [`Writer`] gives to a key
//! when it first meets it; equal keys have equal numbers. So whoever finds rows, keeps them for later and comes back to change
//! them needs no second way for such tables: the query that finds them has as its first column a rowid, or a record of the key
//! ([`Expr::Key`](super::Expr)), and [`Writer::identity`] makes the number of either.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::session::Session;
use super::table_row::TableRow;
use super::write::Writer;
use crate::row::{ValueRef, record};
use crate::sql::catalog::{Index, Table};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store, key};
use crate::sql::value::Value;

/// The keys that were met, and their numbers.
#[derive(Debug, Default)]
pub(super) struct Identities {
    /// Under the bytes that order them.
    numbers: BTreeMap<Vec<u8>, i64>,
    keys: BTreeMap<i64, Vec<Value>>,
    next: i64,
}

impl Identities {
    fn number(&mut self, values: Vec<Value>, primary: &Index) -> i64 {
        let refs: Vec<ValueRef<'_>> = values.iter().map(Value::as_ref).collect();
        let bytes = key::of(&refs, &primary.order);
        if let Some(number) = self.numbers.get(&bytes) {
            return *number;
        }
        // A number is never given a second time: who still has one of a key that was forgotten finds no row by it.
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.numbers.insert(bytes, number);
        self.keys.insert(number, values);
        number
    }

    /// Forgets all, before the next row is inserted.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.keys.clear();
    }
}

fn corrupt(what: &str) -> Failure {
    Failure::new(ResultCode::CORRUPT, what)
}

/// What an index's record has of a row: its parts, and behind them its rowid, or what the table's key needs.
pub(in crate::sql) fn entry<'a>(
    table: &Table,
    index: &Index,
    values: &'a [Value],
    rowid: i64,
) -> SmallVec<[ValueRef<'a>; 8]> {
    let value = |column: usize| values.get(column).map_or(ValueRef::Null, Value::as_ref);
    let parts = index.parts.iter().chain(&index.behind).map(|part| value(part.column));
    let rowid = table.key.is_none().then_some(ValueRef::Integer(rowid));
    parts.chain(rowid).collect()
}

impl<S: Store> Writer<S> {
    /// Brings rows that a query found into the order of the rowids or keys that their first columns are: SQLite changes them in
    /// that order, by whatever index they were found, unless it changes them as it finds them, where that makes no difference.
    pub(super) fn sort_by_key(&self, found: &mut [Vec<Value>]) {
        if self.is_view() {
            return;
        }
        let Some(primary) = self.table.primary() else {
            found.sort_by_key(|row| match row.first() {
                Some(Value::Integer(rowid)) => *rowid,
                _ => i64::MIN,
            });
            return;
        };
        let bytes = |row: &Vec<Value>| match row.first() {
            Some(Value::Blob(record)) => {
                record::decode(record).map(|key| key::of(&key, &primary.order)).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        found.sort_by_cached_key(bytes);
    }

    /// The number of the row that the first column of a query says.
    pub(in crate::sql) fn identity(&mut self, first: Option<&Value>) -> Result<Option<i64>> {
        let table = self.table.clone();
        match (first, table.primary()) {
            (Some(Value::Integer(rowid)), None) => Ok(Some(*rowid)),
            (Some(Value::Blob(key)), Some(primary)) => {
                let key = record::decode(key).map_err(corrupt)?.into_iter().map(Value::from).collect();
                Ok(Some(self.identities.number(key, primary)))
            }
            _ => Ok(None),
        }
    }

    /// The number of the row in the registers, in a table without rowids.
    pub(super) fn identity_of_row(&mut self) -> Option<i64> {
        self.table.key?;
        let values = &self.frame.registers;
        let table = self.table.clone();
        let primary = table.primary()?;
        let key = primary.parts.iter().map(|part| values[part.column].clone()).collect();
        Some(self.identities.number(key, primary))
    }

    /// The number of the row that an index's cursor is on.
    pub(super) fn identity_at(&mut self, at: usize) -> Result<i64> {
        let table = self.table.clone();
        let index = &table.indexes[at];
        let record = self.indexes[at].record();
        let Some(primary) = table.primary() else {
            return TableRow::<S::Cursor>::rowid_of_index(record, index.parts.len());
        };
        let columns = record::decode(record).map_err(corrupt)?;
        let value = |column| index.place(column).and_then(|place| columns.get(place));
        let key: Option<Vec<Value>> =
            primary.parts.iter().map(|part| value(part.column).map(|v| (*v).into())).collect();
        let key = key.ok_or_else(|| corrupt("a record that is too short"))?;
        Ok(self.identities.number(key, primary))
    }

    /// Moves to a row; false if it isn't there.
    pub(super) fn seek(&mut self, row: i64, session: &Session<S>) -> Result<bool> {
        let mut store = session.store.borrow_mut();
        let found = match self.table.key {
            None => store.seek(&mut self.cursor, row)?,
            Some(_) => match self.identities.keys.get(&row) {
                Some(key) => {
                    let key: SmallVec<[ValueRef<'_>; 4]> = key.iter().map(Value::as_ref).collect();
                    store.seek_columns(&mut self.cursor, &key)?
                }
                None => None,
            },
        };
        Ok(found == Some(Ordering::Equal))
    }
}

/// How the row of a table without rowids is found by a record of one of its indexes: the places of the key's columns there.
pub(in crate::sql) fn places(table: &Table, index: Option<&Index>) -> Option<Box<[u16]>> {
    let primary = table.primary()?;
    let Some(index) = index else { return Some(Box::default()) };
    let place = |column| index.place(column).map_or(u16::MAX, |place| place as u16);
    Some(primary.parts.iter().map(|part| place(part.column)).collect())
}

impl<C: Cursor> TableRow<C> {
    /// From a record of an index to the table's row; false if there is none.
    pub(super) fn follow<S: Store<Cursor = C>>(&mut self, store: &mut S) -> Result<bool> {
        let (Some(places), Some(index)) = (&self.key, &self.index) else { return Ok(false) };
        let columns = record::decode(index.record()).map_err(corrupt)?;
        let value = |place: &u16| columns.get(usize::from(*place)).copied();
        let key: Option<SmallVec<[ValueRef<'_>; 4]>> = places.iter().map(value).collect();
        let key = key.ok_or_else(|| corrupt("a record that is too short"))?;
        Ok(store.seek_columns(&mut self.cursor, &key)? == Some(Ordering::Equal))
    }
}
