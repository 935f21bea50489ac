//! What indexes have of a row: the values of their expressions, and whether they have it at all.
//!
//! A row that is written stands in registers, its columns first. Behind them come the values of the expressions that the table's
//! indexes are ordered by, in places that the catalog gave them, and last the rowid.

use super::expr::Expr;
use super::frame::{Frame, Outer};
use super::session::{Run, Session};
use crate::sql::failure::Result;
use crate::sql::store::Store;
use crate::sql::value::{Affinity, Value};

/// One index.
pub(in crate::sql) struct IndexRule<S: Store> {
    /// Where a value goes, what it is, and the affinity that it has.
    pub(in crate::sql) expressions: Vec<(usize, Expr<S>, Affinity)>,
    pub(in crate::sql) filter: Option<Expr<S>>,
}

/// Those of a table.
pub(in crate::sql) struct IndexRules<S: Store> {
    pub(in crate::sql) rules: Vec<IndexRule<S>>,
    /// The registers of a row, the rowid's among them.
    pub(in crate::sql) width: usize,
    /// Nothing has to be computed.
    pub(in crate::sql) plain: bool,
}

impl<S: Store> IndexRules<S> {
    /// Puts what is computed behind a row's columns.
    pub(in crate::sql) fn extend(&self, frame: &mut Frame<S>, rowid: i64, session: &Session<S>) -> Result<()> {
        if self.plain {
            return Ok(());
        }
        frame.registers.resize(self.width, Value::Null);
        if let Some(last) = frame.registers.last_mut() {
            *last = Value::Integer(rowid);
        }
        let run = Run { session, params: &[], number: 0 };
        let outer = Outer { up: None, run: &run };
        for (nth, rule) in self.rules.iter().enumerate() {
            // What is not in an index is not computed for it: the condition may be what makes it possible.
            if rule.expressions.is_empty() || !self.has(nth, frame, session)? {
                continue;
            }
            for (at, expr, affinity) in &rule.expressions {
                let value = affinity.apply_to(expr.eval(&outer.env(frame))?.into_value());
                frame.registers[*at] = value;
            }
        }
        Ok(())
    }

    /// A row of some values, with what is computed of them.
    pub(in crate::sql) fn row(&self, registers: Vec<Value>, rowid: i64, session: &Session<S>) -> Result<Frame<S>> {
        let mut frame = Frame { slots: Vec::new(), registers };
        self.extend(&mut frame, rowid, session)?;
        Ok(frame)
    }

    /// Whether the row in the registers is in an index.
    pub(in crate::sql) fn has(&self, index: usize, frame: &Frame<S>, session: &Session<S>) -> Result<bool> {
        let Some(filter) = self.rules.get(index).and_then(|rule| rule.filter.as_ref()) else { return Ok(true) };
        let run = Run { session, params: &[], number: 0 };
        filter.holds(&Outer { up: None, run: &run }.env(frame))
    }
}
