//! A whole query: what gives the rows, then their order, then how many of them.

use super::compound::Compound;
use super::core::Core;
use super::expr::{Datum, Expr};
use super::frame::{Frame, Outer, Slot};
use super::recursive::{Current, Recursive};
use super::shared::Reader;
use super::sort::Sort;
use super::table_call::TableCall;
use super::table_row::TableRow;
use crate::row::{Collation, ValueRef};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::stack;
use crate::sql::store::Store;
use crate::sql::value::{Affinity, Value};

/// A column that comes out of a query.
#[derive(Clone, Debug)]
pub(in crate::sql) struct OutputColumn {
    pub(in crate::sql) name: Box<str>,
    pub(in crate::sql) affinity: Option<Affinity>,
    pub(in crate::sql) collation: Option<Collation>,
    /// The type that the column was declared with, if it is one.
    pub(in crate::sql) declared: Box<str>,
}

/// Where rows come from.
pub(in crate::sql) enum Body<S: Store> {
    Core(Box<Core<S>>),
    Compound(Box<Compound<S>>),
    Values(Values<S>),
    /// A table-valued function.
    Function(Box<TableCall<S>>),
    Recursive(Box<Recursive<S>>),
    /// The row that a recursive query is at.
    Current(Current),
    /// Rows that others read too.
    Shared(Reader<S>),
}

/// Rows that were written out.
pub(in crate::sql) struct Values<S: Store> {
    pub(in crate::sql) rows: Vec<Vec<Expr<S>>>,
    /// Of the row at hand.
    values: Vec<Value>,
    next: usize,
    frame: Frame<S>,
}

impl<S: Store> Values<S> {
    pub(in crate::sql) fn new(rows: Vec<Vec<Expr<S>>>) -> Self {
        Values { rows, values: Vec::new(), next: 0, frame: Frame { slots: Vec::new(), registers: Vec::new() } }
    }

    fn next(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        let Some(row) = self.rows.get(self.next) else { return Ok(false) };
        self.next += 1;
        self.values.clear();
        for expr in row {
            self.values.push(match expr {
                // What is owned already is shared.
                Expr::Parameter(at) => outer.run.params.get(*at).cloned().unwrap_or_default(),
                Expr::Constant(value) => value.clone(),
                expr => expr.eval(&outer.env(&self.frame))?.into_value(),
            });
        }
        Ok(true)
    }
}

impl<S: Store> Query<S> {
    /// Whether it is one row that was written out.
    pub(in crate::sql) fn is_one_row(&self) -> bool {
        matches!(&self.body, Body::Values(values) if values.rows.len() == 1)
    }
}

impl<S: Store> Body<S> {
    pub(in crate::sql) fn reset(&mut self) {
        match self {
            Body::Core(core) => core.reset(),
            Body::Compound(compound) => compound.reset(),
            Body::Values(values) => values.next = 0,
            Body::Function(call) => call.reset(),
            Body::Recursive(recursive) => recursive.reset(),
            Body::Current(current) => current.reset(),
            Body::Shared(reader) => reader.reset(),
        }
    }

    #[inline]
    pub(in crate::sql) fn next(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        match self {
            Body::Core(core) => core.next(outer),
            Body::Compound(compound) => compound.next(outer),
            Body::Values(values) => values.next(outer),
            Body::Function(call) => call.next(outer),
            Body::Recursive(recursive) => recursive.next(outer),
            Body::Current(current) => Ok(current.next()),
            Body::Shared(reader) => reader.next(outer),
        }
    }

    #[inline]
    pub(in crate::sql) fn output<'a>(&'a self, at: usize, outer: Outer<'a, S>) -> Result<Datum<'a>> {
        match self {
            Body::Core(core) => core.output(at, outer),
            Body::Compound(compound) => compound.output(at, outer),
            Body::Recursive(recursive) => Ok(recursive.output(at)),
            Body::Current(current) => Ok(Datum::Ref(current.output(at))),
            Body::Shared(reader) => Ok(Datum::Ref(reader.output(at))),
            Body::Values(values) => Ok(Datum::Ref(values.values.get(at).map_or(ValueRef::Null, Value::as_ref))),
            Body::Function(call) => call.output(at),
        }
    }
}

/// How many rows, once it was asked.
#[derive(Clone, Copy, Debug)]
struct Left {
    skip: i64,
    /// None: all.
    take: Option<i64>,
}

pub(in crate::sql) struct Query<S: Store> {
    pub(in crate::sql) body: Body<S>,
    pub(in crate::sql) columns: Vec<OutputColumn>,
    pub(in crate::sql) sort: Option<Sort>,
    pub(in crate::sql) limit: Option<Expr<S>>,
    pub(in crate::sql) offset: Option<Expr<S>>,
    /// How many rows it may give, as the planner counts.
    pub(in crate::sql) estimate: i16,
    left: Option<Left>,
    nothing: Frame<S>,
    /// That it is so deep in others that it looks how much is left of the stack.
    pub(in crate::sql) gated: bool,
}

impl<S: Store> Query<S> {
    pub(in crate::sql) fn new(body: Body<S>, columns: Vec<OutputColumn>) -> Self {
        let nothing = Frame { slots: Vec::new(), registers: Vec::new() };
        Query { body, columns, sort: None, limit: None, offset: None, estimate: 200, left: None, nothing, gated: false }
    }

    /// The table-valued function that this is.
    pub(in crate::sql) fn function(&self) -> Option<&TableCall<S>> {
        match &self.body {
            Body::Function(call) => Some(call),
            _ => None,
        }
    }

    /// How many values a row has, with those that are not shown.
    pub(in crate::sql) fn width(&self) -> usize {
        match &self.body {
            Body::Function(call) => call.width(),
            _ => self.columns.len(),
        }
    }

    pub(in crate::sql) fn reset(&mut self) {
        self.left = None;
        self.body.reset();
        if let Some(sort) = &mut self.sort {
            sort.reset();
        }
    }

    fn begin(&mut self, outer: Outer<'_, S>) -> Result<Left> {
        let number = |expr: &Option<Expr<S>>| -> Result<Option<i64>> {
            let Some(expr) = expr else { return Ok(None) };
            match Affinity::Integer.apply_to(expr.eval(&outer.env(&self.nothing))?.into_value()) {
                Value::Integer(n) => Ok(Some(n)),
                _ => Err(Failure::new(ResultCode::MISMATCH, "datatype mismatch")),
            }
        };
        // A negative limit is none.
        let take = number(&self.limit)?.filter(|take| *take >= 0);
        let left = Left { skip: number(&self.offset)?.unwrap_or(0).max(0), take };
        self.left = Some(left);
        Ok(left)
    }

    /// To the next row.
    #[inline]
    pub(in crate::sql) fn next(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        match self.gated {
            false => self.next_row(outer),
            true => stack::enough(|| self.next_row(outer)),
        }
    }

    fn next_row(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        let mut left = match self.left {
            Some(left) => left,
            None => {
                let left = self.begin(outer)?;
                if let (Some(sort), Some(take)) = (&mut self.sort, left.take) {
                    sort.expect(left.skip.saturating_add(take));
                }
                left
            }
        };
        loop {
            if left.take.is_some_and(|take| take <= 0) {
                return Ok(false);
            }
            let more = match &mut self.sort {
                Some(sort) => sort.next(&mut self.body, outer)?,
                None => self.body.next(outer)?,
            };
            if !more {
                return Ok(false);
            }
            if left.skip > 0 {
                left.skip -= 1;
                self.left = Some(left);
                continue;
            }
            left.take = left.take.map(|take| take - 1);
            self.left = Some(left);
            return Ok(true);
        }
    }

    /// The row of the one table that this is about, if it was found in the table itself.
    pub(in crate::sql) fn own_row(&mut self) -> Option<&mut TableRow<S::Cursor>> {
        let (None, Body::Core(core)) = (&self.sort, &mut self.body) else { return None };
        match &mut core.frame.slots[..] {
            [Slot::Table(row)] if row.index.is_none() && !row.covered => Some(row),
            _ => None,
        }
    }

    /// Takes all columns of the row at hand, which has none then.
    pub(in crate::sql) fn take(&mut self, row: &mut Vec<Value>, outer: Outer<'_, S>) -> Result<()> {
        row.clear();
        if let (None, Body::Values(values)) = (&self.sort, &mut self.body) {
            row.append(&mut values.values);
            return Ok(());
        }
        for at in 0..self.columns.len() {
            row.push(self.output(at, outer)?.into_value());
        }
        Ok(())
    }

    /// A column of the row at hand.
    #[inline]
    pub(in crate::sql) fn output<'a>(&'a self, at: usize, outer: Outer<'a, S>) -> Result<Datum<'a>> {
        match &self.sort {
            Some(sort) => Ok(Datum::Ref(sort.output(at))),
            None => self.body.output(at, outer),
        }
    }
}
