//! The rows that an index leads to: its records that begin with some values, with the next column within a range.

use std::cmp::Ordering;

use super::access::{Bound, arrived, table};
use super::frame::{Frame, Outer};
use super::probe::{Probe, advance};
use super::table_row::TableRow;
use crate::row::ValueRef;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{Cursor, Store};
use crate::sql::value::{Affinity, Value};

pub(in crate::sql) struct IndexAccess<S: Store> {
    /// The first columns' values.
    pub(in crate::sql) equal: Vec<Probe<S>>,
    pub(in crate::sql) low: Option<Bound<S>>,
    pub(in crate::sql) high: Option<Bound<S>>,
    /// That the column behind them is something, which any end of a range says as well.
    pub(in crate::sql) not_null: bool,
    /// What the comparisons of the range make of its ends.
    pub(in crate::sql) affinity: Affinity,
    pub(in crate::sql) descending: bool,
    /// How many columns the index has, without the rowid.
    pub(in crate::sql) parts: usize,
    /// From its end.
    pub(in crate::sql) backwards: bool,
    /// The ends of the range, as they are at hand.
    pub(in crate::sql) ends: (Option<Value>, Option<Value>),
    pub(in crate::sql) keys: Vec<crate::row::KeyColumn>,
}

impl<S: Store> IndexAccess<S> {
    pub(super) fn first(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
        let env = &outer.env(frame);
        for probe in &mut self.equal {
            let backwards = self.backwards;
            if !probe.begin(env, backwards)? {
                return Ok(false);
            }
        }
        let bound = |bound: &Option<Bound<S>>| -> Result<Option<Value>> {
            let Some(bound) = bound else { return Ok(None) };
            Ok(Some(self.affinity.apply_to(bound.value.eval(env)?.into_value())))
        };
        let ends = (bound(&self.low)?, bound(&self.high)?);
        if [&ends.0, &ends.1].into_iter().flatten().any(|value| value.as_ref().is_null()) {
            return Ok(false);
        }
        self.ends = ends;
        let row = table(frame, slot)?;
        let mut store = outer.run.session.store.borrow_mut();
        let more = self.seek(&mut *store, row)?;
        self.settle(&mut *store, row, load, more)
    }

    #[inline]
    pub(super) fn next(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
        let row = table(frame, slot)?;
        let mut store = outer.run.session.store.borrow_mut();
        let Some(cursor) = &mut row.index else { return Err(without_cursor()) };
        let more = if self.backwards { store.previous(cursor)? } else { store.next(cursor)? };
        self.settle(&mut *store, row, load, more)
    }

    /// To where the range of the values at hand begins, seen in the direction in which it is gone through.
    fn seek(&self, store: &mut S, row: &mut TableRow<S::Cursor>) -> Result<bool> {
        let Some(cursor) = &mut row.index else { return Err(without_cursor()) };
        let mut wanted: smallvec::SmallVec<[ValueRef<'_>; 4]> =
            self.equal.iter().map(|probe| probe.value().as_ref()).collect();
        let (low, high) = (self.ends.0.as_ref(), self.ends.1.as_ref());
        // In a descending column, the upper end comes first; and going backwards, whatever comes last.
        let from_high = self.descending != self.backwards;
        let (end, inclusive) = match from_high {
            true => (high, self.high.as_ref().is_some_and(|bound| bound.inclusive)),
            false => (low, self.low.as_ref().is_some_and(|bound| bound.inclusive)),
        };
        // A range that is open below begins behind the nulls.
        let behind_nulls = end.is_none() && !from_high && (high.is_some() || self.not_null);
        match end {
            Some(value) => wanted.push(value.as_ref()),
            None if behind_nulls => wanted.push(ValueRef::Null),
            None => {}
        }
        if wanted.is_empty() {
            return if self.backwards { store.last(cursor) } else { store.first(cursor) };
        }
        let skips = behind_nulls || end.is_some() && !inclusive;
        match (self.backwards, skips) {
            (false, false) => Ok(store.seek_columns(cursor, &wanted)?.is_some()),
            (false, true) => store.seek_behind(cursor, &wanted),
            (true, skips) => {
                let found = match skips {
                    true => store.seek_columns(cursor, &wanted)?.is_some(),
                    false => store.seek_behind(cursor, &wanted)?,
                };
                if found { store.previous(cursor) } else { store.last(cursor) }
            }
        }
    }

    /// The index's cursor has moved: if it is within the range, to the table's row; if not, on with the next values.
    fn settle(&mut self, store: &mut S, row: &mut TableRow<S::Cursor>, load: bool, mut more: bool) -> Result<bool> {
        let rowid = loop {
            let found = match more {
                true => self.within(store, row)?,
                false => None,
            };
            if let Some(rowid) = found {
                break rowid;
            }
            if !advance(&mut self.equal) {
                return Ok(false);
            }
            more = self.seek(store, row)?;
        };
        if row.covered {
            row.rowid = rowid;
            row.moved();
            row.arrived();
            return Ok(true);
        }
        let found = match row.key {
            Some(_) => row.follow(store)?,
            None => store.seek(&mut row.cursor, rowid)? == Some(Ordering::Equal),
        };
        if !found {
            return Err(Failure::new(
                crate::sql::failure::ResultCode::CORRUPT,
                "an index has a row that its table doesn't have",
            ));
        }
        arrived(store, row, load)?;
        Ok(true)
    }

    /// The rowid of the record at hand, if that is within the range.
    #[inline]
    fn within(&self, store: &mut S, row: &mut TableRow<S::Cursor>) -> Result<Option<i64>> {
        let Some(cursor) = &mut row.index else { return Err(without_cursor()) };
        if !cursor.is_loaded() {
            store.load(cursor)?;
        }
        let corrupt = |what| Failure::new(crate::sql::failure::ResultCode::CORRUPT, what);
        let mut columns = crate::row::columns(cursor.record()).map_err(corrupt)?;
        let (mut taken, mut last) = (0, ValueRef::Null);
        for (probe, key) in self.equal.iter().zip(&self.keys) {
            let found = columns.next().ok_or("a record that is too short").map_err(corrupt)?.map_err(corrupt)?;
            taken += 1;
            if key.compare(&found, &probe.value().as_ref(), crate::row::Encoding::Utf8).is_ne() {
                return Ok(None);
            }
        }
        if self.low.is_some() || self.high.is_some() || self.not_null {
            let found = columns.next().ok_or("a record that is too short").map_err(corrupt)?.map_err(corrupt)?;
            let key = self.keys.get(taken).copied().unwrap_or_default();
            taken += 1;
            if found.is_null() {
                return Ok(None);
            }
            last = found;
            let key = crate::row::KeyColumn { descending: false, ..key };
            let order = |end: &Value| key.compare(&found, &end.as_ref(), crate::row::Encoding::Utf8);
            if let (Some(end), Some(bound)) = (&self.ends.0, &self.low) {
                let order = order(end);
                if order.is_lt() || order.is_eq() && !bound.inclusive {
                    return Ok(None);
                }
            }
            if let (Some(end), Some(bound)) = (&self.ends.1, &self.high) {
                let order = order(end);
                if order.is_gt() || order.is_eq() && !bound.inclusive {
                    return Ok(None);
                }
            }
        }
        if row.key.is_some() {
            return Ok(Some(0));
        }
        // A range may be of the rowid itself.
        let rowid = match self.parts.checked_sub(taken) {
            Some(rest) => columns.nth(rest),
            None => Some(Ok(last)),
        };
        match rowid {
            Some(Ok(ValueRef::Integer(rowid))) => Ok(Some(rowid)),
            _ => Err(corrupt("an index's record without a rowid")),
        }
    }
}

fn without_cursor() -> Failure {
    Failure::internal("an index without a cursor")
}
