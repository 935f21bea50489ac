//! How the rows of one table are found: all of them, one by its rowid, a range, or through an index.

use std::cmp::Ordering;

use super::expr::Expr;
use super::frame::{Frame, Outer, Slot, TableRow};
use crate::row::ValueRef;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{Cursor, Store};
use crate::sql::value::{Affinity, NumberText, Value};

/// A bound of a range.
pub(in crate::sql) struct Bound<S: Store> {
    pub(in crate::sql) value: Expr<S>,
    pub(in crate::sql) inclusive: bool,
}

/// A way to a table's rows. Values that are looked for come from constants, parameters, and tables further out.
pub(in crate::sql) enum Access<S: Store> {
    /// All rows in the order of their rowids, or backwards.
    Scan { backwards: bool },
    /// The row of a rowid.
    Rowid(Expr<S>),
    /// The rows from one rowid to another.
    RowidRange { low: Option<Bound<S>>, high: Option<Bound<S>> },
    /// The records of an index that begin with some values and have the next column within a range.
    Index(Box<IndexAccess<S>>),
    /// The rows of a query.
    Rows,
}

pub(in crate::sql) struct IndexAccess<S: Store> {
    /// The first columns' values, each with the affinity that a comparison with the column gives it.
    pub(in crate::sql) equal: Vec<(Expr<S>, Affinity)>,
    pub(in crate::sql) low: Option<Bound<S>>,
    pub(in crate::sql) high: Option<Bound<S>>,
    /// Of the column that the range is of.
    pub(in crate::sql) affinity: Affinity,
    pub(in crate::sql) descending: bool,
    /// How many columns the index has, without the rowid.
    pub(in crate::sql) parts: usize,
    /// All of it from its end. Only without values and ranges.
    pub(in crate::sql) backwards: bool,
    /// What the columns at hand have to be equal to.
    pub(in crate::sql) prefix: Vec<Value>,
    /// Where the range ends.
    pub(in crate::sql) limit: Option<(Value, bool)>,
    pub(in crate::sql) keys: Vec<crate::row::KeyColumn>,
}

/// Where a scan through rowids ends, if not at the table's end.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sql) struct Until(pub(in crate::sql) Option<i64>);

fn table<S: Store>(frame: &mut Frame<S>, slot: usize) -> Result<&mut TableRow<S::Cursor>> {
    match &mut frame.slots[slot] {
        Slot::Table(row) => Ok(row),
        Slot::Rows(_) => Err(Failure::internal("a table's access to a query's rows")),
    }
}

/// A table's cursor has moved: what it shows is another row.
#[inline]
fn arrived<S: Store>(store: &mut S, row: &mut TableRow<S::Cursor>, load: bool) -> Result<()> {
    // Rows without rowids are counted, so that joins can tell them apart.
    row.rowid = if row.key.is_some() { row.rowid.wrapping_add(1) } else { row.cursor.rowid() };
    row.moved();
    if load {
        store.load(&mut row.cursor)?;
    }
    Ok(())
}

impl<S: Store> Access<S> {
    /// To the first row. `load` says whether columns of it will be read.
    pub(in crate::sql) fn first(
        &mut self,
        frame: &mut Frame<S>,
        slot: usize,
        until: &mut Until,
        load: bool,
        outer: Outer<'_, S>,
    ) -> Result<bool> {
        outer.run.check()?;
        *until = Until(None);
        match self {
            Access::Rows => {
                super::table_call::give_args(frame, slot, outer)?;
                match &mut frame.slots[slot] {
                    Slot::Rows(rows) => rows.first(outer),
                    Slot::Table(_) => Err(Failure::internal("a query's access to a table")),
                }
            }
            Access::Scan { backwards } => {
                let row = table(frame, slot)?;
                row.rowid = 0;
                let mut store = outer.run.session.store.borrow_mut();
                let more = if *backwards { store.last(&mut row.cursor)? } else { store.first(&mut row.cursor)? };
                if more {
                    arrived(&mut *store, row, load)?;
                }
                Ok(more)
            }
            Access::Rowid(value) => {
                let wanted = rowid_of(value.eval(outer.env(frame))?.as_ref());
                let Some(rowid) = wanted else { return Ok(false) };
                let row = table(frame, slot)?;
                let mut store = outer.run.session.store.borrow_mut();
                if store.seek(&mut row.cursor, rowid)? != Some(Ordering::Equal) {
                    return Ok(false);
                }
                arrived(&mut *store, row, load)?;
                Ok(true)
            }
            Access::RowidRange { low, high } => {
                let env = outer.env(frame);
                let end = |bound: &Option<Bound<S>>| -> Result<Option<(Value, bool)>> {
                    let Some(bound) = bound else { return Ok(None) };
                    Ok(Some((bound.value.eval(env)?.into_value(), bound.inclusive)))
                };
                let (from, to) = (end(low)?, end(high)?);
                let from = match from {
                    None => Some(i64::MIN),
                    Some((value, inclusive)) => least(value.as_ref(), inclusive),
                };
                let to = match to {
                    None => Some(i64::MAX),
                    Some((value, inclusive)) => greatest(value.as_ref(), inclusive),
                };
                let (Some(from), Some(to)) = (from, to) else { return Ok(false) };
                *until = Until(Some(to));
                let row = table(frame, slot)?;
                let mut store = outer.run.session.store.borrow_mut();
                if store.seek(&mut row.cursor, from)?.is_none() || row.cursor.rowid() > to {
                    return Ok(false);
                }
                arrived(&mut *store, row, load)?;
                Ok(true)
            }
            Access::Index(index) => index.first(frame, slot, load, outer),
        }
    }

    /// To the next row.
    #[inline]
    pub(in crate::sql) fn next(
        &mut self,
        frame: &mut Frame<S>,
        slot: usize,
        until: Until,
        load: bool,
        outer: Outer<'_, S>,
    ) -> Result<bool> {
        outer.run.check()?;
        match self {
            Access::Rows => match &mut frame.slots[slot] {
                Slot::Rows(rows) => rows.next(outer),
                Slot::Table(_) => Err(Failure::internal("a query's access to a table")),
            },
            Access::Scan { .. } | Access::RowidRange { .. } => {
                let backwards = matches!(self, Access::Scan { backwards: true });
                let row = table(frame, slot)?;
                let mut store = outer.run.session.store.borrow_mut();
                let more = if backwards { store.previous(&mut row.cursor)? } else { store.next(&mut row.cursor)? };
                if !more || until.0.is_some_and(|until| row.cursor.rowid() > until) {
                    return Ok(false);
                }
                arrived(&mut *store, row, load)?;
                Ok(true)
            }
            Access::Rowid(_) => Ok(false),
            Access::Index(index) => {
                let row = table(frame, slot)?;
                let mut store = outer.run.session.store.borrow_mut();
                let Some(cursor) = &mut row.index else { return Err(Failure::internal("an index without a cursor")) };
                let more = if index.backwards { store.previous(cursor)? } else { store.next(cursor)? };
                index.settle(&mut *store, row, load, more)
            }
        }
    }
}

impl<S: Store> IndexAccess<S> {
    fn first(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
        self.prefix.clear();
        self.limit = None;
        let env = outer.env(frame);
        for (value, affinity) in &self.equal {
            let value = affinity.apply_to(value.eval(env)?.into_value());
            if value.as_ref().is_null() {
                return Ok(false);
            }
            self.prefix.push(value);
        }
        let bound = |bound: &Option<Bound<S>>| -> Result<Option<(Value, bool)>> {
            let Some(bound) = bound else { return Ok(None) };
            Ok(Some((self.affinity.apply_to(bound.value.eval(env)?.into_value()), bound.inclusive)))
        };
        let (low, high) = (bound(&self.low)?, bound(&self.high)?);
        if [&low, &high].into_iter().flatten().any(|(value, _)| value.as_ref().is_null()) {
            return Ok(false);
        }
        // In a descending column, the search begins at the upper end.
        let (from, to) = if self.descending { (high, low) } else { (low, high) };
        let row = table(frame, slot)?;
        let mut store = outer.run.session.store.borrow_mut();
        let Some(cursor) = &mut row.index else { return Err(Failure::internal("an index without a cursor")) };
        let mut wanted: smallvec::SmallVec<[ValueRef<'_>; 4]> = self.prefix.iter().map(Value::as_ref).collect();
        // A range that is open below begins behind the nulls.
        let behind_nulls = from.is_none() && to.is_some() && !self.descending;
        match &from {
            Some((value, _)) => wanted.push(value.as_ref()),
            None if behind_nulls => wanted.push(ValueRef::Null),
            None => {}
        }
        let mut more = match (self.backwards, wanted.is_empty()) {
            (true, _) => store.last(cursor)?,
            (false, true) => store.first(cursor)?,
            (false, false) => {
                let found = store.seek_columns(cursor, &wanted)?;
                found.is_some()
            }
        };
        if behind_nulls || from.as_ref().is_some_and(|(_, inclusive)| !inclusive) {
            while more && begins(&mut *store, cursor, &wanted, &self.keys)? {
                more = store.next(cursor)?;
            }
        }
        drop(wanted);
        self.limit = to;
        self.settle(&mut *store, row, load, more)
    }

    /// The index's cursor has moved: if it is within the range, to the table's row.
    fn settle(&self, store: &mut S, row: &mut TableRow<S::Cursor>, load: bool, more: bool) -> Result<bool> {
        let Some(cursor) = &mut row.index else { return Err(Failure::internal("an index without a cursor")) };
        if !more {
            return Ok(false);
        }
        store.load(cursor)?;
        let rowid = {
            let corrupt = |what| Failure::new(crate::sql::failure::ResultCode::CORRUPT, what);
            let mut columns = crate::row::columns(cursor.record()).map_err(corrupt)?;
            for (at, wanted) in self.prefix.iter().enumerate() {
                let found = columns.next().ok_or("a record that is too short").map_err(corrupt)?.map_err(corrupt)?;
                if self.keys[at].compare(&found, &wanted.as_ref(), crate::row::Encoding::Utf8).is_ne() {
                    return Ok(false);
                }
            }
            let mut taken = self.prefix.len();
            if self.low.is_some() || self.high.is_some() {
                let found = columns.next().ok_or("a record that is too short").map_err(corrupt)?.map_err(corrupt)?;
                taken += 1;
                if found.is_null() {
                    return Ok(false);
                }
                if let Some((limit, inclusive)) = &self.limit {
                    let order = self.keys[taken - 1].compare(&found, &limit.as_ref(), crate::row::Encoding::Utf8);
                    if order.is_gt() || order.is_eq() && !inclusive {
                        return Ok(false);
                    }
                }
            }
            match columns.nth(self.parts - taken) {
                _ if row.key.is_some() => 0,
                Some(Ok(ValueRef::Integer(rowid))) => rowid,
                _ => return Err(corrupt("an index's record without a rowid")),
            }
        };
        if row.covered.is_some() {
            row.rowid = rowid;
            row.moved();
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
}

fn begins<S: Store>(
    store: &mut S,
    cursor: &mut S::Cursor,
    wanted: &[ValueRef<'_>],
    keys: &[crate::row::KeyColumn],
) -> Result<bool> {
    store.load(cursor)?;
    let order = crate::row::compare(cursor.record(), wanted, keys, crate::row::Encoding::Utf8);
    order.map(Ordering::is_eq).map_err(|what| Failure::new(crate::sql::failure::ResultCode::CORRUPT, what))
}

/// The rowid that a value is equal to.
pub(in crate::sql) fn rowid_of(value: ValueRef<'_>) -> Option<i64> {
    let mut room = NumberText::new();
    match Affinity::Integer.apply(value, &mut room) {
        ValueRef::Integer(rowid) => Some(rowid),
        ValueRef::Real(real) if real as i64 as f64 == real && real.abs() < 9.2e18 => Some(real as i64),
        _ => None,
    }
}

/// The least rowid above a bound; none if there is none.
fn least(bound: ValueRef<'_>, inclusive: bool) -> Option<i64> {
    let mut room = NumberText::new();
    match Affinity::Numeric.apply(bound, &mut room) {
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => None,
        ValueRef::Integer(n) if inclusive => Some(n),
        ValueRef::Integer(n) => n.checked_add(1),
        ValueRef::Real(real) if real < -9_223_372_036_854_775_808.0 => Some(i64::MIN),
        ValueRef::Real(real) if real >= 9_223_372_036_854_775_808.0 => None,
        ValueRef::Real(real) => match real.ceil() {
            ceil if ceil == real && !inclusive => (ceil as i64).checked_add(1),
            ceil if ceil >= 9_223_372_036_854_775_808.0 => None,
            ceil => Some(ceil as i64),
        },
    }
}

/// The greatest rowid below a bound; none if there is none. Every rowid is below any text.
fn greatest(bound: ValueRef<'_>, inclusive: bool) -> Option<i64> {
    let mut room = NumberText::new();
    match Affinity::Numeric.apply(bound, &mut room) {
        ValueRef::Null => None,
        ValueRef::Text(_) | ValueRef::Blob(_) => Some(i64::MAX),
        ValueRef::Integer(n) if inclusive => Some(n),
        ValueRef::Integer(n) => n.checked_sub(1),
        ValueRef::Real(real) if real >= 9_223_372_036_854_775_808.0 => Some(i64::MAX),
        ValueRef::Real(real) if real < -9_223_372_036_854_775_808.0 => None,
        ValueRef::Real(real) => match real.floor() {
            floor if floor == real && !inclusive => (floor as i64).checked_sub(1),
            floor => Some(floor as i64),
        },
    }
}
