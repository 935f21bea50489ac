//! `RETURNING`, bound.

use super::change::no_aggregate;
use super::{Binder, ScopeTable, pair};
use crate::sql::ast::{self, ResultColumn};
use crate::sql::catalog::Table;
use crate::sql::exec::{Expr, OutputColumn, Returning, Side};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

impl<'q, S: Store> Binder<'q, S> {
    /// The results of a changed row, if there are any. Of one that is deleted, `row` is the old one. `ways` is in how many ways a
    /// row can be changed: queries in the results are asked once in each of them.
    pub(super) fn returning(
        &mut self,
        results: &'q [ResultColumn],
        table: &Table,
        row: Side,
        ways: usize,
    ) -> Result<Option<Returning<S>>> {
        if results.is_empty() {
            return Ok(None);
        }
        let shown = pair::side(&table.name, table, row, pair::Names::Columns);
        let (mut columns, mut outputs) = (Vec::new(), Vec::new());
        for _ in 0..ways {
            self.push_level();
            self.level().tables.push(shown.clone());
            let (named, bound) = self.returned(results, &shown)?;
            self.pop_level()?;
            columns = named;
            outputs.push(bound);
        }
        Ok(Some(Returning::new(columns, outputs)))
    }

    fn returned(
        &mut self,
        results: &'q [ResultColumn],
        shown: &ScopeTable,
    ) -> Result<(Vec<OutputColumn>, Vec<Expr<S>>)> {
        let (mut columns, mut outputs) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                ResultColumn::All => {
                    for column in &shown.columns {
                        outputs.push(Expr::Local(column.place));
                        columns.push(OutputColumn::from(column.clone()));
                    }
                }
                ResultColumn::AllOf(_) => {
                    return Err(Failure::error("RETURNING may not use \"TABLE.*\" wildcards"));
                }
                ResultColumn::Expr { expr, alias, span } => {
                    if let ast::Expr::Column(column) = expr
                        && column.schema.is_some()
                    {
                        // The row is in no database.
                        return Err(self.no_column(column));
                    }
                    let bound = self.expr(expr).map_err(no_aggregate)?;
                    let mut column = self.shown(expr, &bound);
                    if let Some(alias) = alias {
                        column.name = alias.text.clone();
                    } else if column.name.is_empty() {
                        let text = self.text.get(span.start as usize..span.end as usize).unwrap_or("");
                        column.name = text.trim().into();
                    }
                    outputs.push(bound.expr);
                    columns.push(column);
                }
            }
        }
        Ok((columns, outputs))
    }
}
