//! Generated columns: values that are computed of a row's other columns, when it is read (`VIRTUAL`) or when it is written (`STORED`).
//!
//! A virtual column takes no place in the table's records, so a column's number is not its place there. What a generated column
//! needs may be generated itself: they are computed in an order in which everything needed is there, whatever the order in which
//! they stand. That there is none, because of a loop, is told to who reads or writes them, as SQLite does.

use std::collections::BTreeSet;

use super::refers::{columns_in, without_queries};
use super::table::{Column, Table};
use crate::sql::ast::{ColumnConstraintKind, ColumnDef, Expr, Storage};
use crate::sql::failure::{Failure, Result};

/// How a generated column is computed.
#[derive(Debug)]
pub(in crate::sql) struct Generated {
    pub(in crate::sql) expr: Expr,
    /// That it is kept in the table's records.
    pub(in crate::sql) stored: bool,
}

impl Generated {
    /// Of a column's definition, if it is generated. The constraints' order matters to what is an error.
    pub(super) fn of(def: &ColumnDef) -> Result<Option<Generated>> {
        let mut generated = None;
        let mut has_default = false;
        for constraint in &def.constraints {
            match &constraint.kind {
                ColumnConstraintKind::Default(_) if generated.is_some() => {
                    return Err(Failure::error("cannot use DEFAULT on a generated column"));
                }
                ColumnConstraintKind::Default(_) => has_default = true,
                ColumnConstraintKind::Generated(..) if has_default || generated.is_some() => {
                    return Err(Failure::error(format!("error in generated column \"{}\"", def.name.text)));
                }
                ColumnConstraintKind::Generated(expr, storage) => {
                    without_queries(expr, "generated columns")?;
                    let stored = *storage == Some(Storage::Stored);
                    generated = Some(Generated { expr: expr.clone(), stored });
                }
                _ => {}
            }
        }
        Ok(generated)
    }
}

impl Column {
    /// Whether it is computed when it is read.
    pub(in crate::sql) fn is_virtual(&self) -> bool {
        self.generated.as_ref().is_some_and(|generated| !generated.stored)
    }
}

impl Table {
    /// Fails if there is nothing that its generated columns could be computed of.
    pub(super) fn check_ordinary(&self) -> Result<()> {
        match self.columns.iter().any(|column| column.generated.is_none()) {
            true => Ok(()),
            false => Err(Failure::error("must have at least one non-generated column")),
        }
    }

    pub(in crate::sql) fn has_virtual(&self) -> bool {
        self.columns.iter().any(Column::is_virtual)
    }

    /// Whether a column is computed when it is read.
    pub(in crate::sql) fn is_virtual(&self, column: usize) -> bool {
        self.columns.get(column).is_some_and(Column::is_virtual)
    }

    /// The columns that a generated column is computed of.
    pub(in crate::sql) fn needs(&self, column: usize) -> impl Iterator<Item = usize> {
        let generated = self.columns.get(column).and_then(|column| column.generated.as_ref());
        let names = generated.map(|generated| columns_in(&generated.expr)).unwrap_or_default();
        names.into_iter().filter_map(|name| self.column(&name.text))
    }

    /// The generated columns of `wanted`, and those that they need, in an order in which each finds what it needs. What is stored
    /// is there to be read, unless all are `computed`.
    pub(in crate::sql) fn order_of(&self, wanted: &dyn Fn(usize) -> bool, computed: bool) -> Result<Vec<usize>> {
        let expr = |column: usize| {
            let generated = self.columns.get(column)?.generated.as_ref()?;
            (computed || !generated.stored).then_some(&generated.expr)
        };
        let needs = |column: usize| -> Vec<usize> {
            let names = expr(column).map(columns_in).unwrap_or_default();
            names.into_iter().filter_map(|name| self.column(&name.text)).filter(|at| expr(*at).is_some()).collect()
        };
        let asked: Vec<usize> = (0..self.columns.len()).filter(|at| wanted(*at) && expr(*at).is_some()).collect();
        let mut missing: BTreeSet<usize> = BTreeSet::new();
        let mut open = asked.clone();
        while let Some(column) = open.pop() {
            if missing.insert(column) {
                open.extend(needs(column));
            }
        }
        let mut waiting: Vec<(usize, Vec<usize>)> = missing.iter().map(|column| (*column, needs(*column))).collect();
        let mut order = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|(column, needs)| {
                let ready = !needs.iter().any(|need| missing.contains(need));
                if ready {
                    missing.remove(column);
                    order.push(*column);
                }
                !ready
            });
            if waiting.len() == before {
                let stuck = asked.iter().rev().find(|column| missing.contains(column)).copied();
                let name = stuck.and_then(|column| self.columns.get(column)).map_or("", |column| &*column.name);
                return Err(Failure::error(format!("generated column loop on \"{name}\"")));
            }
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Parser;
    use crate::sql::ast::Statement;

    fn table(sql: &str) -> Table {
        let Ok(Some(Statement::CreateTable(create))) = Parser::new(sql).next_statement() else { panic!("{sql}") };
        Table::new(&create, sql, &[]).unwrap()
    }

    #[test]
    fn what_is_needed_comes_first() {
        let table = table("CREATE TABLE t (a AS (b + c), b AS (d) STORED, c AS (b), d, e AS (d))");
        assert_eq!(table.order_of(&|_| true, true).unwrap(), [1, 2, 4, 0]);
        // Only what is asked for and what that needs; what is stored can be read.
        assert_eq!(table.order_of(&|column| column == 0, false).unwrap(), [2, 0]);
        assert!(table.order_of(&|column| column == 3, true).unwrap().is_empty());
    }

    #[test]
    fn a_loop_is_named_by_the_last_that_was_asked_for() {
        let table = table("CREATE TABLE t (a, b AS (c), c AS (d), d AS (b), e AS (a))");
        let named =
            |wanted: &dyn Fn(usize) -> bool| table.order_of(wanted, true).map_err(|why| why.message().to_owned());
        assert_eq!(named(&|_| true), Err("generated column loop on \"d\"".into()));
        assert_eq!(named(&|column| column == 1), Err("generated column loop on \"b\"".into()));
        assert_eq!(named(&|column| column == 4), Ok(vec![4]));
    }
}
