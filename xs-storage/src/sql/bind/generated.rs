//! Generated columns, and the conditions of rows, bound; and what may not stand in them.

use std::sync::Arc;

use super::{Binder, Level, ScopeTable};
use crate::sql::ast;
use crate::sql::catalog::{Table, parts_of};
use crate::sql::exec::{Expr, Generated, Place};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

impl<'q, S: Store> Binder<'q, S> {
    /// A table as the catalog has it: what it says lives as long as what is bound.
    pub(super) fn lasting(&self, table: &Table) -> Result<&'q Arc<Table>> {
        let catalog = self.catalog;
        catalog.own(table).ok_or_else(|| Failure::internal("a table that is not in the catalog"))
    }

    /// Begins a level that shows a row of a table in registers.
    fn push_row(&mut self, table: &Table) {
        let mut columns = super::from::table_columns(table, 0);
        for (at, column) in columns.iter_mut().enumerate() {
            column.place = Place::Register(at as u16);
        }
        self.push_level();
        self.level().tables.push(ScopeTable {
            name: table.name.clone(),
            schema: Some(table.schema),
            columns,
            rowid: None,
        });
    }

    fn computed_columns(&mut self, table: &'q Table, columns: Vec<usize>) -> Result<Vec<Generated<S>>> {
        let mut bound = Vec::with_capacity(columns.len());
        for column in columns {
            let of = &table.columns[column];
            let Some(generated) = &of.generated else { continue };
            let expr = self.expr(&generated.expr)?.expr;
            bound.push(Generated { column, expr, affinity: of.affinity, stored: generated.stored });
        }
        Ok(bound)
    }

    /// What computes all generated columns of a row in registers, each behind those that it needs.
    pub(in crate::sql) fn generated(&mut self, table: &Table) -> Result<Vec<Generated<S>>> {
        let table = self.lasting(table)?;
        let order = table.order_of(&|_| true, true)?;
        self.push_row(table);
        let bound = self.computed_columns(table, order);
        self.pop_level()?;
        bound
    }

    /// What computes the virtual columns that are read of a slot of the innermost level. What that needs is read as well.
    pub(in crate::sql) fn generated_of(&mut self, slot: usize, table: &Table) -> Result<Vec<Generated<S>>> {
        if !table.has_virtual() {
            return Ok(Vec::new());
        }
        let Some(read) = self.columns_of(slot).cloned() else { return Ok(Vec::new()) };
        let table = self.lasting(table)?;
        let order = table.order_of(&|column| read.contains(&(column as u16)), false)?;
        let columns = super::from::table_columns(table, slot as u16);
        self.push_level();
        self.level().columns = vec![Default::default(); slot + 1];
        self.level().tables.push(ScopeTable {
            name: table.name.clone(),
            schema: Some(table.schema),
            columns,
            rowid: None,
        });
        let bound = self.computed_columns(table, order);
        let Level { mut columns, .. } = self.pop_level()?;
        if let (Some(needed), Some(read)) = (columns.pop(), self.level().columns.get_mut(slot)) {
            read.extend(needed);
        }
        bound
    }

    /// Whether a new table's conditions and generated columns make sense.
    pub(in crate::sql) fn check_table(&mut self, table: &'q Table) -> Result<()> {
        self.push_row(table);
        for (_, check) in &table.checks {
            self.check_parts(check, "CHECK constraints", false)?;
            // SQLite finds out when a row comes that this can't stand here.
            if !parts_of(check).iter().any(|part| matches!(part, ast::Expr::Raise(_))) {
                self.check_bound(check)?;
            }
        }
        for column in &table.columns {
            if let Some(generated) = &column.generated {
                self.check_parts(&generated.expr, "generated columns", true)?;
                self.check_bound(&generated.expr)?;
            }
        }
        self.pop_level().map(drop)
    }

    /// Whether the names in an expression mean something. That `RAISE` is none outside of a trigger is told when rows are written.
    fn check_bound(&mut self, expr: &'q ast::Expr) -> Result<()> {
        match parts_of(expr).iter().any(|part| matches!(part, ast::Expr::Raise(_))) {
            true => Ok(()),
            false => self.expr(expr).map(drop),
        }
    }

    /// Whether an expression of the schema has nothing in it that can't stand there; `pure`, if it has to give the same whenever
    /// it is asked.
    fn check_parts(&self, expr: &ast::Expr, place: &str, pure: bool) -> Result<()> {
        let prohibited = |what: &str| Err(Failure::error(format!("{what} prohibited in {place}")));
        for part in parts_of(expr) {
            match part {
                ast::Expr::Parameter(_) => return prohibited("parameters"),
                ast::Expr::Exists(_) | ast::Expr::Subquery(_) => return prohibited("subqueries"),
                ast::Expr::In(within) if !matches!(within.set, ast::InSet::List(_)) => return prohibited("subqueries"),
                ast::Expr::Column(column) if pure && column.table.is_some() => {
                    return prohibited("the \".\" operator");
                }
                ast::Expr::Literal(
                    ast::Literal::CurrentDate | ast::Literal::CurrentTime | ast::Literal::CurrentTimestamp,
                ) if pure => return prohibited("non-deterministic functions"),
                ast::Expr::Call(call) => {
                    let name = &call.name.text;
                    let args = match &call.args {
                        ast::Args::Star => 0,
                        ast::Args::List { exprs, .. } => exprs.len(),
                    };
                    if call.over.is_some() {
                        return Err(Failure::error(format!("misuse of window function {name}()")));
                    }
                    let functions = self.session.functions.borrow();
                    let function = functions.find(name, args)?;
                    if matches!(function.callable, crate::sql::function::Callable::Aggregate(_)) {
                        return Err(Failure::error(format!("misuse of aggregate function {name}()")));
                    }
                    if pure && !function.deterministic {
                        return prohibited("non-deterministic functions");
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What a query that finds rows to change has as its first column.
    pub(super) fn identity(&mut self, table: &Table) -> Expr<S> {
        let Some(primary) = table.primary() else { return Expr::Local(Place::Rowid { slot: 0 }) };
        let shown = &self.level().tables[0].columns;
        let places: Vec<Place> =
            primary.parts.iter().filter_map(|part| shown.get(part.column)).map(|column| column.place).collect();
        places.iter().for_each(|place| self.level().note(*place));
        Expr::Key(places)
    }
}
