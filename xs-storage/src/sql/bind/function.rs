//! Functions in `FROM`, whose arguments may be columns of other tables: wherever those stand, their rows come first.

use std::sync::Arc;

use super::from::query_columns;
use super::{Binder, FromTable, Rows, ScopeColumn};
use crate::row::{Collation, ValueRef};
use crate::sql::ast::{self, Source};
use crate::sql::exec::{Body, Call, Core, Expr, Given, OutputColumn, Query, TableCall};
use crate::sql::failure::{Failure, Result};
use crate::sql::function::Context;
use crate::sql::pragma::PragmaTable;
use crate::sql::store::Store;
use crate::sql::value::{Affinity, Value};

/// The arguments that a source is given.
pub(super) fn args_of(source: &Source) -> &[ast::Expr] {
    match source {
        Source::Function(_, args) => args,
        _ => &[],
    }
}

/// The columns of a query, and those that a function doesn't show.
pub(super) fn columns<S: Store>(query: &Query<S>, slot: u16) -> Vec<ScopeColumn> {
    match query.function() {
        None => query_columns(&query.columns, slot),
        Some(call) => {
            let all: Vec<_> = call.columns.iter().map(|column| output(&column.name)).collect();
            query_columns(&all, slot)
        }
    }
}

/// A column like one that was declared without a type.
fn output(name: &str) -> OutputColumn {
    let affinity = Some(Affinity::Blob);
    OutputColumn { name: name.into(), affinity, collation: None, declared: "".into() }
}

/// Whether an aggregate's answer is JSON.
fn gives_json(name: &str) -> bool {
    ["json_group_array", "json_group_object"].iter().any(|json| json.eq_ignore_ascii_case(name))
}

/// An aggregate's answer without its mark: JSON that comes to windows from groups is text.
pub(super) fn unmarked<S: Store>(arg: &ast::Expr, bound: Expr<S>) -> Expr<S> {
    match (arg, bound) {
        (ast::Expr::Call(call), Expr::Call(mut mark)) if gives_json(&call.name.text) && mark.args.len() == 1 => {
            mark.args.remove(0)
        }
        (_, bound) => bound,
    }
}

/// An aggregate's answer, marked as JSON where it is that.
pub(super) fn aggregated<S: Store>(name: &str, answer: Expr<S>) -> Expr<S> {
    if !gives_json(name) {
        return answer;
    }
    let mark = |context: &mut Context<'_>, args: &[ValueRef<'_>]| {
        context.answer_json();
        Ok(Value::from(args[0]))
    };
    Expr::Call(Box::new(Call { function: Arc::new(mark), args: vec![answer], collation: Collation::Binary }))
}

impl<S: Store> FromTable<'_, S> {
    pub(super) fn call(&mut self) -> Option<&mut TableCall<S>> {
        match &mut self.rows {
            Rows::Query(query, _) => match &mut query.body {
                Body::Function(call) => Some(call),
                _ => None,
            },
            _ => None,
        }
    }

    /// How many columns `*` shows at most: those of a function that are hidden come last.
    pub(super) fn shown(&self) -> usize {
        match &self.rows {
            Rows::Query(query, _) => query.function().map_or(usize::MAX, TableCall::shown),
            _ => usize::MAX,
        }
    }

    pub(super) fn has_rowid(&self) -> bool {
        match &self.rows {
            Rows::Query(query, _) => query.function().is_some(),
            Rows::Table(table) => table.key.is_none(),
        }
    }
}

impl<'q, S: Store> Binder<'q, S> {
    /// The rows of a function that gives a table, if a name means one.
    pub(super) fn table_function(&self, name: &str) -> Result<Option<Query<S>>> {
        let given = match self.session.functions.borrow().find_table(name) {
            Some(function) => Given::Function(function.clone()),
            None => match PragmaTable::named(name) {
                Some(pragma) => Given::Pragma(pragma),
                None => return Ok(None),
            },
        };
        let call = TableCall::new(given);
        let shown = call.columns.iter().take(call.shown()).map(|column| output(&column.name)).collect();
        Ok(Some(Query::new(Body::Function(Box::new(call)), shown)))
    }

    /// What `name(args)` means in `FROM`.
    pub(super) fn function_named(&mut self, name: &'q ast::QualifiedName, args: usize) -> Result<Query<S>> {
        let called = &*name.name.text;
        let is_common = name.schema.is_none() && self.commons.iter().any(|common| common.table.name.is(called));
        let found = self.find(name);
        if is_common || found.is_ok() {
            return Err(Failure::error(format!("'{called}' is not a function")));
        }
        let Some(query) = self.table_function(called)? else { return Err(found.err().unwrap_or_else(unknown)) };
        let most = query.function().map_or(0, |call| call.args.len());
        match args > most {
            true => Err(Failure::error(format!("too many arguments on {called}() - max {most}"))),
            false => Ok(query),
        }
    }

    /// All rows that a function gives, as `IN f(args)` has it.
    pub(super) fn whole_function(
        &mut self,
        name: &'q ast::QualifiedName,
        args: &'q [ast::Expr],
    ) -> Result<(Query<S>, usize)> {
        let query = self.function_named(name, args.len())?;
        let shown = query.columns.clone();
        let mut table = FromTable::of_rows(name.name.text.clone(), Rows::Query(Box::new(query), false));
        table.args = args;
        let mut tables = vec![table];
        self.push_level();
        self.show(&mut tables)?;
        let columns = self.level().tables.first().map(|table| table.columns.clone()).unwrap_or_default();
        let mut outputs = Vec::with_capacity(shown.len());
        for column in columns.iter().take(shown.len()) {
            self.level().note(column.place);
            outputs.push(Expr::Local(column.place));
        }
        let planned = self.plan_joins(tables, Vec::new(), Vec::new(), None)?;
        let reaches = self.pop_level()?.reaches;
        let core = Core::new(planned.frame, planned.joined, None, outputs, None);
        Ok((Query::new(Body::Core(Box::new(core)), shown), reaches))
    }

    /// Why what is not in the catalog can't be changed.
    pub(super) fn unchangeable(&self, name: &ast::QualifiedName, failure: Failure) -> Failure {
        let called = &*name.name.text;
        match self.table_function(called) {
            Ok(Some(_)) => Failure::error(format!("table {called} may not be modified")),
            _ => failure,
        }
    }

    /// Binds the arguments of a function, which may name all tables of the level.
    pub(super) fn bind_args(&mut self, slot: usize, table: &mut FromTable<'q, S>) -> Result<()> {
        for (at, arg) in std::mem::take(&mut table.args).iter().enumerate() {
            let used = std::mem::take(&mut self.level().used);
            let bound = self.expr(arg);
            let needs = std::mem::replace(&mut self.level().used, used);
            let bound = bound?;
            // What is to be found out by it can be no argument: it is as if there were none.
            if needs >> slot & 1 == 1 {
                continue;
            }
            table.needs |= needs;
            if let Some(place) = table.call().and_then(|call| call.args.get_mut(at)) {
                *place = Some(bound.expr);
            }
        }
        Ok(())
    }
}

fn unknown() -> Failure {
    Failure::internal("a table that is none")
}
