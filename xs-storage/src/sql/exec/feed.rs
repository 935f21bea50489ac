//! Where the columns of a row that is inserted are from: which of the values that are given, or their defaults.

use super::change::{Target, rowid};
use super::expr::Expr;
use super::frame::{Frame, Outer};
use crate::sql::catalog::Table;
use crate::sql::failure::Result;
use crate::sql::store::Store;
use crate::sql::value::Value;

/// Known once for all rows of a statement.
#[derive(Debug)]
pub(super) struct Feed {
    /// For each column which of the values; of a column that is named twice, the first holds.
    columns: Box<[Option<usize>]>,
    /// The values that are to be the rowid, of which the last holds.
    rowids: Box<[usize]>,
}

impl Feed {
    pub(super) fn new(table: &Table, targets: &[Target]) -> Feed {
        let is_rowid = |target: &Target| match target {
            Target::Rowid => true,
            Target::Column(at) => table.rowid_column == Some(*at),
        };
        let column = |at: usize| {
            let target = Target::Column(at);
            targets.iter().position(|other| *other == target).filter(|_| !is_rowid(&target))
        };
        let rowids = targets.iter().enumerate().filter(|(_, target)| is_rowid(target)).map(|(at, _)| at);
        Feed { columns: (0..table.columns.len()).map(column).collect(), rowids: rowids.collect() }
    }

    /// Makes a row of values, which are taken, and answers the rowid that it is to have if they say so.
    pub(super) fn fill<S: Store>(
        &self,
        row: &mut Vec<Value>,
        given: &mut [Value],
        defaults: &[Option<Expr<S>>],
        outer: Outer<'_, S>,
    ) -> Result<Option<i64>> {
        let mut wanted = None;
        for at in &self.rowids {
            if let Some(value) = given.get(*at) {
                wanted = rowid(value)?;
            }
        }
        row.clear();
        for (at, from) in self.columns.iter().enumerate() {
            let value = match (from.and_then(|from| given.get_mut(from)), defaults.get(at)) {
                (Some(value), _) => std::mem::take(value),
                (None, Some(Some(default))) => {
                    let nothing = Frame { slots: Vec::new(), registers: Vec::new() };
                    default.eval(&outer.env(&nothing))?.into_value()
                }
                (None, _) => Value::Null,
            };
            row.push(value);
        }
        Ok(wanted)
    }
}
