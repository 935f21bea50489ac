//! `RETURNING`: what a statement tells of the rows that it changed, once it has changed all of them.

use super::expr::Expr;
use super::frame::{Frame, Outer};
use super::query::OutputColumn;
use crate::sql::failure::Result;
use crate::sql::store::Store;
use crate::sql::value::Value;

pub(in crate::sql) struct Returning<S: Store> {
    pub(in crate::sql) columns: Vec<OutputColumn>,
    /// For each way in which a row is changed: by the insert, or by one of its `ON CONFLICT` clauses.
    outputs: Vec<Vec<Expr<S>>>,
    /// Of each row that was changed so far.
    pub(in crate::sql) rows: Vec<Vec<Value>>,
}

impl<S: Store> Returning<S> {
    pub(in crate::sql) fn new(columns: Vec<OutputColumn>, outputs: Vec<Vec<Expr<S>>>) -> Self {
        Returning { columns, outputs, rows: Vec::new() }
    }

    /// A row was changed.
    pub(super) fn tell(&mut self, way: usize, frame: &Frame<S>, outer: Outer<'_, S>) -> Result<()> {
        let value = |output: &Expr<S>| Ok(output.eval(&outer.env(frame))?.into_value());
        self.rows.push(self.outputs.get(way).into_iter().flatten().map(value).collect::<Result<_>>()?);
        Ok(())
    }
}
