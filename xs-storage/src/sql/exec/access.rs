//! How the rows of one table are found: all of them, one by its rowid, a range, or through an index.

use std::cmp::Ordering;

use super::automatic::Automatic;
use super::expr::Expr;
use super::frame::{Frame, Outer, Slot};
use super::index_access::IndexAccess;
use super::probe::{Probe, advance};
use super::table_row::TableRow;
use super::union::Union;
use crate::row::{Number, ValueRef};
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
    /// Whether there is no row behind the first.
    pub(super) fn is_of_one(&self) -> bool {
        matches!(self, Access::Rowid(_))
    }

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
                let env = &outer.env(frame);
                let wanted = match value.number(env) {
                    Number::Integer(rowid) => Some(rowid),
                    _ => rowid_of(value.eval(env)?.as_ref()),
                };
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
