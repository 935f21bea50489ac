//! How the rows of one table are found: all of them, one by its rowid, a range, or through an index.

use std::cmp::Ordering;

use super::automatic::Automatic;
use super::expr::Expr;
use super::frame::{Frame, Outer, Slot, TableRow};
use super::probe::{Probe, advance};
use super::union::Union;
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
#[repr(u8)]
pub(in crate::sql) enum Access<S: Store> {
    /// All rows in the order of their rowids, or backwards.
    Scan { backwards: bool },
    /// The row of a rowid.
    Rowid(Expr<S>),
    /// The rows of several rowids.
    Rowids(Box<Rowids<S>>),
    /// The rows from one rowid to another.
    RowidRange { low: Option<Bound<S>>, high: Option<Bound<S>>, backwards: bool },
    /// The records of an index that begin with some values and have the next column within a range.
    Index(Box<IndexAccess<S>>),
    /// The rows that one of several ways leads to.
    Union(Box<Union<S>>),
    /// The rows of an index that is made for this execution.
    Automatic(Box<Automatic<S>>),
    /// The rows of a query.
    Rows,
}

/// The rows of several rowids.
pub(in crate::sql) struct Rowids<S: Store> {
    pub(in crate::sql) probe: Probe<S>,
    pub(in crate::sql) backwards: bool,
    found: Vec<i64>,
    at: usize,
}

impl<S: Store> Rowids<S> {
    pub(in crate::sql) fn new(probe: Probe<S>, backwards: bool) -> Self {
        Rowids { probe, backwards, found: Vec::new(), at: 0 }
    }

    fn next(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
        let row = table(frame, slot)?;
        let mut store = outer.run.session.store.borrow_mut();
        while let Some(rowid) = self.found.get(self.at) {
            self.at += 1;
            if store.seek(&mut row.cursor, *rowid)? == Some(Ordering::Equal) {
                arrived(&mut *store, row, load)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn first(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
        self.found.clear();
        self.at = 0;
        let mut more = self.probe.begin(&outer.env(frame), self.backwards)?;
        while more {
            self.found.extend(rowid_of(self.probe.value().as_ref()));
            more = advance(std::slice::from_mut(&mut self.probe));
        }
        self.next(frame, slot, load, outer)
    }
}

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

/// Where a scan through rowids ends, if not at the table's end.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sql) struct Until(pub(in crate::sql) Option<i64>);

pub(super) fn table<S: Store>(frame: &mut Frame<S>, slot: usize) -> Result<&mut TableRow<S::Cursor>> {
    match &mut frame.slots[slot] {
        Slot::Table(row) => Ok(row),
        Slot::Rows(_) => Err(Failure::internal("a table's access to a query's rows")),
    }
}

/// A table's cursor has moved: what it shows is another row.
#[inline]
pub(super) fn arrived<S: Store>(store: &mut S, row: &mut TableRow<S::Cursor>, load: bool) -> Result<()> {
    // Rows without rowids are counted, so that joins can tell them apart.
    row.rowid = if row.key.is_some() { row.rowid.wrapping_add(1) } else { row.cursor.rowid() };
    row.moved();
    if load {
        if !row.cursor.is_loaded() {
            store.load(&mut row.cursor)?;
        }
        row.arrived();
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
                let wanted = rowid_of(value.eval(&outer.env(frame))?.as_ref());
                let Some(rowid) = wanted else { return Ok(false) };
                let row = table(frame, slot)?;
                let mut store = outer.run.session.store.borrow_mut();
                if store.seek(&mut row.cursor, rowid)? != Some(Ordering::Equal) {
                    return Ok(false);
                }
                arrived(&mut *store, row, load)?;
                Ok(true)
            }
            Access::Rowids(rowids) => rowids.first(frame, slot, load, outer),
            Access::RowidRange { low, high, backwards } => {
                let env = &outer.env(frame);
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
                let row = table(frame, slot)?;
                let mut store = outer.run.session.store.borrow_mut();
                if *backwards {
                    *until = Until(Some(from));
                    let more = match store.seek(&mut row.cursor, to)? {
                        None => store.last(&mut row.cursor)?,
                        Some(Ordering::Equal) => true,
                        Some(_) => store.previous(&mut row.cursor)?,
                    };
                    if !more || row.cursor.rowid() < from || row.cursor.rowid() > to {
                        return Ok(false);
                    }
                    arrived(&mut *store, row, load)?;
                    return Ok(true);
                }
                *until = Until(Some(to));
                if store.seek(&mut row.cursor, from)?.is_none() || row.cursor.rowid() > to {
                    return Ok(false);
                }
                arrived(&mut *store, row, load)?;
                Ok(true)
            }
            Access::Index(index) => index.first(frame, slot, load, outer),
            Access::Union(union) => union.first(frame, slot, load, outer),
            Access::Automatic(index) => index.first(frame, slot, load, outer),
        }
    }

    /// To the next row.
    #[inline(always)]
    pub(in crate::sql) fn next(
        &mut self,
        frame: &mut Frame<S>,
        slot: usize,
        until: Until,
        load: bool,
        outer: Outer<'_, S>,
    ) -> Result<bool> {
        outer.run.check()?;
        if let Access::Scan { backwards: false } | Access::RowidRange { backwards: false, .. } = self {
            let row = table(frame, slot)?;
            let mut store = outer.run.session.store.borrow_mut();
            if !store.next(&mut row.cursor)? || until.0.is_some_and(|until| row.cursor.rowid() > until) {
                return Ok(false);
            }
            arrived(&mut *store, row, load)?;
            return Ok(true);
        }
        self.next_otherwise(frame, slot, until, load, outer)
    }

    /// The same of all ways but the most common one.
    fn next_otherwise(
        &mut self,
        frame: &mut Frame<S>,
        slot: usize,
        until: Until,
        load: bool,
        outer: Outer<'_, S>,
    ) -> Result<bool> {
        match self {
            Access::Rows => match &mut frame.slots[slot] {
                Slot::Rows(rows) => rows.next(outer),
                Slot::Table(_) => Err(Failure::internal("a query's access to a table")),
            },
            Access::Scan { .. } | Access::RowidRange { .. } => {
                let row = table(frame, slot)?;
                let mut store = outer.run.session.store.borrow_mut();
                let more = store.previous(&mut row.cursor)?;
                if !more || until.0.is_some_and(|until| row.cursor.rowid() < until) {
                    return Ok(false);
                }
                arrived(&mut *store, row, load)?;
                Ok(true)
            }
            Access::Rowid(_) => Ok(false),
            Access::Rowids(rowids) => rowids.next(frame, slot, load, outer),
            Access::Index(index) => index.next(frame, slot, load, outer),
            Access::Union(union) => union.next(frame, slot, load, outer),
            Access::Automatic(index) => index.next(frame, slot, load, outer),
        }
    }
}

impl<S: Store> IndexAccess<S> {
    fn first(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
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
    fn next(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
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
