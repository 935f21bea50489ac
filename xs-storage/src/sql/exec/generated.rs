//! Generated columns, computed: when a loop reaches a row, and when a row is written.

use super::expr::Expr;
use super::frame::{Frame, Outer, Slot};
use super::joined::Loop;
use crate::sql::failure::Result;
use crate::sql::store::Store;
use crate::sql::value::{Affinity, Value};

/// How a column is computed.
pub(in crate::sql) struct Generated<S: Store> {
    pub(in crate::sql) column: usize,
    pub(in crate::sql) expr: Expr<S>,
    pub(in crate::sql) affinity: Affinity,
    /// That it is kept in the table's records.
    pub(in crate::sql) stored: bool,
}

impl<S: Store> Generated<S> {
    fn value(&self, frame: &Frame<S>, outer: Outer<'_, S>) -> Result<Value> {
        Ok(self.affinity.apply_to(self.expr.eval(&outer.env(frame))?.into_value()))
    }
}

/// Computes columns of a row whose columns are in registers.
pub(super) fn into_registers<'a, S: Store + 'a>(
    columns: impl Iterator<Item = &'a Generated<S>>,
    frame: &mut Frame<S>,
    outer: Outer<'_, S>,
) -> Result<()> {
    for column in columns {
        let value = column.value(frame, outer)?;
        if let Some(register) = frame.registers.get_mut(column.column) {
            *register = value;
        }
    }
    Ok(())
}

impl<S: Store> Loop<S> {
    /// To the first row that the access gives.
    pub(super) fn first_row(&mut self, frame: &mut Frame<S>, outer: Outer<'_, S>) -> Result<bool> {
        let more = self.access.first(frame, self.slot, &mut self.until, self.load, outer)?;
        self.generate(frame, outer, more)
    }

    /// To the next.
    #[inline(always)]
    pub(super) fn next_row(&mut self, frame: &mut Frame<S>, outer: Outer<'_, S>) -> Result<bool> {
        let more = self.access.next(frame, self.slot, self.until, self.load, outer)?;
        self.generate(frame, outer, more)
    }

    #[inline(always)]
    fn generate(&self, frame: &mut Frame<S>, outer: Outer<'_, S>, more: bool) -> Result<bool> {
        if more {
            for column in &self.generated {
                let value = column.value(frame, outer)?;
                if let Some(Slot::Table(row)) = frame.slots.get_mut(self.slot) {
                    row.put(column.column, value);
                }
            }
        }
        Ok(more)
    }
}
