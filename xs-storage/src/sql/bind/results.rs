//! The results of a `SELECT`, and what they are called.

use super::expr::Bound;
use super::from::{FromTable, last_right};
use super::{Binder, ScopeColumn};
use crate::row::Collation;
use crate::sql::ast::{self, ResultColumn};
use crate::sql::exec::{Expr, OutputColumn};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

/// SQLite's `SQLITE_MAX_COLUMN`. The numbers of columns have sixteen bits.
const COLUMNS: usize = 2000;

/// A result of a `SELECT`, with what an `ORDER BY` can know it by.
pub(super) struct Output<'q> {
    pub(super) shown: OutputColumn,
    pub(super) alias: Option<&'q str>,
    pub(super) expr: Option<&'q ast::Expr>,
    pub(super) collation: Option<Collation>,
}

impl<'q, S: Store> Binder<'q, S> {
    pub(super) fn results(
        &mut self,
        query: &'q ast::Query,
        tables: &[FromTable<'q, S>],
    ) -> Result<(Vec<Expr<S>>, Vec<Output<'q>>)> {
        let (mut outputs, mut results) = (Vec::new(), Vec::new());
        for column in &query.columns {
            match column {
                ResultColumn::Expr { expr, alias, span } => {
                    let busy = std::mem::replace(&mut self.level().busy, true);
                    let bound = self.expr(expr);
                    self.level().busy = busy;
                    let bound = bound?;
                    let mut shown = self.shown(expr, &bound);
                    if let Some(alias) = alias {
                        shown.name = alias.text.clone();
                    } else if shown.name.is_empty() {
                        let text = self.text.get(span.start as usize..span.end as usize).unwrap_or("");
                        shown.name = text.trim().into();
                    }
                    results.push(Output {
                        shown,
                        alias: alias.as_ref().map(|alias| &*alias.text),
                        expr: Some(expr),
                        collation: bound.collation,
                    });
                    outputs.push(bound.expr);
                }
                ResultColumn::All | ResultColumn::AllOf(_) => {
                    if tables.is_empty() {
                        return Err(Failure::error("no tables specified"));
                    }
                    let of = match column {
                        ResultColumn::AllOf(name) => Some(name),
                        _ => None,
                    };
                    for (column, alone) in self.star(of, tables)? {
                        let bound = self.place(&column, 0, alone)?;
                        let mut shown = OutputColumn::from(column.shown());
                        (shown.affinity, shown.collation) = (bound.affinity, bound.collation);
                        let collation = bound.collation;
                        results.push(Output { shown, alias: None, expr: None, collation });
                        outputs.push(bound.expr);
                    }
                }
            }
        }
        if outputs.len() > COLUMNS {
            return Err(Failure::error("too many columns in result set"));
        }
        Ok((outputs, results))
    }

    /// The columns of `*`, each with whether it is meant by its name alone.
    pub(super) fn star(
        &mut self,
        of: Option<&ast::Ident>,
        tables: &[FromTable<'q, S>],
    ) -> Result<Vec<(ScopeColumn, bool)>> {
        let (mut columns, mut any) = (Vec::new(), false);
        let last_right = last_right(tables).unwrap_or(0);
        for table in self.level().tables.clone() {
            if of.is_some_and(|of| !of.is(&table.name)) {
                continue;
            }
            any = true;
            let of_slot = |column: &ScopeColumn| tables.get(column.place.slot());
            let most = table.columns.first().and_then(of_slot).map_or(usize::MAX, FromTable::shown);
            for column in table.columns.into_iter().take(most) {
                if column.hidden && of.is_none() {
                    continue;
                }
                // Left of a join that keeps right rows, a table's column is shown as what the joins made of it.
                let merged = column.hidden && column.used_again && column.place.slot() < last_right;
                let column = match merged {
                    true => self.first_of(&column.name).unwrap_or(column),
                    false => column,
                };
                let alone = merged || !column.hidden;
                columns.push((column, alone));
            }
        }
        match of {
            Some(of) if !any => Err(Failure::error(format!("no such table: {}", of.text))),
            _ => Ok(columns),
        }
    }

    /// The column that a name without a table means in the innermost level.
    pub(super) fn first_of(&mut self, name: &str) -> Option<ScopeColumn> {
        let mut columns = self.level().tables.iter().flat_map(|table| &table.columns);
        columns.find(|column| !column.hidden && column.name.eq_ignore_ascii_case(name)).cloned()
    }

    /// How a result is shown: as the column that it is, or not named yet.
    pub(super) fn shown(&mut self, expr: &'q ast::Expr, bound: &Bound<S>) -> OutputColumn {
        let mut shown =
            OutputColumn { name: "".into(), affinity: bound.affinity, collation: bound.collation, declared: "".into() };
        if let ast::Expr::Column(name) = expr {
            let fits = |table: &&super::ScopeTable| name.table.as_ref().is_none_or(|wanted| wanted.is(&table.name));
            let levels = self.levels.iter().rev();
            let mut columns =
                levels.flat_map(|level| level.tables.iter().filter(fits)).flat_map(|table| &table.columns);
            if let Some(column) = columns.find(|column| name.name.is(&column.name)) {
                shown.name = column.name.clone();
                shown.declared = match name.table {
                    Some(_) => column.declared.clone(),
                    None => column.shown().declared,
                };
            }
        }
        shown
    }
}
