//! A table-valued function in `FROM`: its rows for the arguments that the rows before it give.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::expr::{Datum, Expr};
use super::frame::{Frame, Outer, Slot};
use crate::row::ValueRef;
use crate::sql::failure::Result;
use crate::sql::function::{TableColumn, TableFunction, TableRows};
use crate::sql::pragma::PragmaTable;
use crate::sql::store::Store;
use crate::sql::value::Value;

/// What is called.
pub(in crate::sql) enum Given {
    Function(Arc<dyn TableFunction>),
    Pragma(PragmaTable),
}

/// A call. The arguments belong to the frame that the function's rows are in, which evaluates them.
pub(in crate::sql) struct TableCall<S: Store> {
    function: Given,
    /// Those that are shown, and behind them the arguments.
    pub(in crate::sql) columns: Vec<TableColumn>,
    /// For each hidden column, what it is to be.
    pub(in crate::sql) args: Vec<Option<Expr<S>>>,
    /// The same, evaluated.
    pub(in crate::sql) given: Vec<Option<Value>>,
    /// The columns that somebody reads; all, if that isn't known.
    pub(in crate::sql) read: Option<BTreeSet<u16>>,
    rows: Option<Box<dyn TableRows>>,
}

impl<S: Store> TableCall<S> {
    pub(in crate::sql) fn new(function: Given) -> Self {
        let columns = match &function {
            Given::Function(function) => function.columns(),
            Given::Pragma(pragma) => pragma.columns(),
        };
        let hidden = columns.iter().filter(|column| column.hidden).count();
        let args = std::iter::repeat_with(|| None).take(hidden).collect();
        TableCall { function, columns, args, given: Vec::new(), read: None, rows: None }
    }

    /// How many columns are shown.
    pub(in crate::sql) fn shown(&self) -> usize {
        self.columns.len() - self.args.len()
    }

    /// The columns and the rowid.
    pub(in crate::sql) fn width(&self) -> usize {
        self.columns.len() + 1
    }

    /// What the plan shows.
    pub(in crate::sql) fn index(&self) -> Result<u64> {
        let bits = self.args.iter().take(64).enumerate().map(|(at, arg)| u64::from(arg.is_some()) << at);
        match &self.function {
            Given::Function(function) => Ok(function.index(bits.fold(0, |all, bit| all | bit))?),
            Given::Pragma(_) => Ok(0),
        }
    }

    pub(in crate::sql) fn reset(&mut self) {
        self.rows = None;
    }

    pub(in crate::sql) fn next(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        outer.run.check()?;
        let rows = match &mut self.rows {
            Some(rows) => rows,
            none => none.insert(match &self.function {
                Given::Pragma(pragma) => pragma.open(outer.run.session, &self.given)?,
                Given::Function(function) => {
                    let given: Vec<_> = self.given.iter().map(|arg| arg.as_ref().map(Value::as_ref)).collect();
                    function.open(&given)?
                }
            }),
        };
        Ok(rows.next()?)
    }

    pub(in crate::sql) fn output<'a>(&self, at: usize) -> Result<Datum<'a>> {
        let Some(rows) = &self.rows else { return Ok(Datum::Ref(ValueRef::Null)) };
        Ok(match at {
            rowid if rowid == self.columns.len() => Datum::Ref(ValueRef::Integer(rows.rowid())),
            unread if self.read.as_ref().is_some_and(|read| !read.contains(&(unread as u16))) => {
                Datum::Ref(ValueRef::Null)
            }
            column if rows.is_json(column) => Datum::Json(rows.value(column)?),
            column => Datum::Own(rows.value(column)?),
        })
    }
}

/// Evaluates the arguments of the function in a slot, if there is one, for the rows at hand: its rows begin anew.
pub(super) fn give_args<S: Store>(frame: &mut Frame<S>, slot: usize, outer: Outer<'_, S>) -> Result<()> {
    let Some(Slot::Rows(rows)) = frame.slots.get_mut(slot) else { return Ok(()) };
    let Some(args) = rows.take_args() else { return Ok(()) };
    let values: Result<Vec<_>> = args
        .iter()
        .map(|arg| arg.as_ref().map(|arg| Ok(arg.eval(&outer.env(frame))?.into_value())).transpose())
        .collect();
    let (values, failure) = match values {
        Ok(values) => (values, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    if let Some(Slot::Rows(rows)) = frame.slots.get_mut(slot) {
        rows.give_args(args, values);
    }
    failure.map_or(Ok(()), Err)
}
