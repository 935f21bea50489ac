//! The rows at hand: one frame for each query that is open.
//!
//! A frame has a slot for each table of `FROM` and a register for each value that was computed before, such as an aggregate's. An
//! expression names a slot and a column. In a subquery it may name a frame further out, by how many queries lie between.

use super::expr::Datum;
use super::number::number_of;
use super::rows::Rows;
use super::session::Run;
use super::table_row::TableRow;
use crate::row::{Number, Packed, ValueRef};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;
use crate::sql::value::Value;

/// Where a value is in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Place {
    Column {
        slot: u16,
        column: u16,
    },
    /// A column that is a real number, whose integers may be stored as such.
    Real {
        slot: u16,
        column: u16,
    },
    Rowid {
        slot: u16,
    },
    Register(u16),
}

impl Place {
    /// The slot that it is in; none are the last.
    pub(in crate::sql) fn slot(self) -> usize {
        match self {
            Place::Column { slot, .. } | Place::Real { slot, .. } | Place::Rowid { slot } => usize::from(slot),
            Place::Register(_) => usize::MAX,
        }
    }
}

/// The rows of one query.
pub(in crate::sql) struct Frame<S: Store> {
    pub(in crate::sql) slots: Vec<Slot<S>>,
    pub(in crate::sql) registers: Vec<Value>,
}

/// What a slot shows.
pub(in crate::sql) enum Slot<S: Store> {
    Table(TableRow<S::Cursor>),
    /// A row of a query in `FROM`.
    Rows(Box<Rows<S>>),
}

impl<S: Store> Frame<S> {
    /// The one place where values come from: it is worth a call of its own, and what asks for them stays small. A column that is
    /// known costs no further one.
    #[inline(never)]
    pub(in crate::sql) fn get(&self, place: Place) -> Result<ValueRef<'_>> {
        if let Place::Column { slot, column } | Place::Real { slot, column } = place
            && let Some(Slot::Table(row)) = self.slots.get(usize::from(slot))
            && let Some(value) = row.known(column)
        {
            return Ok(match (value, place) {
                (ValueRef::Integer(n), Place::Real { .. }) => ValueRef::Real(n as f64),
                _ => value,
            });
        }
        if let Place::Rowid { slot } = place
            && let Some(Slot::Table(row)) = self.slots.get(usize::from(slot))
            && !row.null
        {
            return Ok(ValueRef::Integer(row.rowid));
        }
        self.find(place)
    }

    /// A text that costs no more than a look, as with numbers.
    #[inline(never)]
    pub(super) fn text(&self, place: Place) -> Option<&[u8]> {
        let Place::Column { slot, column } = place else { return None };
        match self.slots.get(usize::from(slot)) {
            Some(Slot::Table(row)) => row.text(column),
            _ => None,
        }
    }

    /// A number that costs no more than a look: of a column that is not known yet, nothing is said here.
    #[inline(never)]
    pub(super) fn number(&self, place: Place) -> Packed {
        let number = match place {
            Place::Column { slot, column } | Place::Real { slot, column } => match self.slots.get(usize::from(slot)) {
                Some(Slot::Table(row)) => match row.number(column) {
                    Some(Number::Integer(n)) if matches!(place, Place::Real { .. }) => Number::Real(n as f64),
                    Some(number) => number,
                    None => Number::Other,
                },
                _ => Number::Other,
            },
            Place::Rowid { slot } => match self.slots.get(usize::from(slot)) {
                Some(Slot::Table(row)) if !row.null => Number::Integer(row.rowid),
                _ => Number::Other,
            },
            Place::Register(at) => self.registers.get(usize::from(at)).map_or(Number::Other, number_of),
        };
        number.into()
    }

    #[inline(never)]
    fn find(&self, place: Place) -> Result<ValueRef<'_>> {
        match place {
            Place::Column { slot, column } => match &self.slots[usize::from(slot)] {
                Slot::Table(row) => row.column(column),
                Slot::Rows(rows) => Ok(rows.column(column)),
            },
            Place::Real { slot, column } => match self.find(Place::Column { slot, column })? {
                ValueRef::Integer(n) => Ok(ValueRef::Real(n as f64)),
                other => Ok(other),
            },
            Place::Rowid { slot } => match &self.slots[usize::from(slot)] {
                Slot::Table(row) if !row.null => Ok(ValueRef::Integer(row.rowid)),
                Slot::Table(_) => Ok(ValueRef::Null),
                Slot::Rows(rows) => Ok(rows.rowid()),
            },
            Place::Register(at) => Ok(self.registers[usize::from(at)].as_ref()),
        }
    }

    /// The same, and whether it is JSON.
    #[inline]
    pub(in crate::sql) fn datum(&self, place: Place) -> Result<Datum<'_>> {
        if let Place::Column { slot, column } = place
            && let Some(Slot::Rows(rows)) = self.slots.get(usize::from(slot))
        {
            return Ok(rows.datum(column));
        }
        Ok(Datum::Ref(self.get(place)?))
    }

    pub(in crate::sql) fn set_null(&mut self, slot: usize, null: bool) {
        match &mut self.slots[slot] {
            Slot::Table(row) if null => row.hide(),
            Slot::Table(row) => row.null = false,
            Slot::Rows(rows) => rows.null = null,
        }
    }
}

/// What lies around a query: the rows of those that it is in, and the execution.
pub(in crate::sql) struct Outer<'a, S: Store> {
    pub(in crate::sql) up: Option<&'a Env<'a, S>>,
    pub(in crate::sql) run: &'a Run<'a, S>,
}

/// What an expression sees.
pub(in crate::sql) struct Env<'a, S: Store> {
    pub(in crate::sql) frame: &'a Frame<S>,
    pub(in crate::sql) outer: Outer<'a, S>,
}

impl<S: Store> Clone for Outer<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Store> Copy for Outer<'_, S> {}

impl<S: Store> Clone for Env<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Store> Copy for Env<'_, S> {}

impl<'a, S: Store> Outer<'a, S> {
    /// What an expression sees in a frame here.
    #[inline]
    pub(in crate::sql) fn env<'b>(self, frame: &'b Frame<S>) -> Env<'b, S>
    where
        'a: 'b,
    {
        Env { frame, outer: self }
    }
}

impl<'a, S: Store> Env<'a, S> {
    /// The frame so many queries further out.
    #[inline]
    pub(in crate::sql) fn frame_at(&self, depth: u16) -> Result<&'a Frame<S>> {
        let mut env = *self;
        for _ in 0..depth {
            env = *env.outer.up.ok_or_else(|| Failure::internal("a query without the one around it"))?;
        }
        Ok(env.frame)
    }
}
