//! Functions in `FROM`, whose arguments may be columns of other tables: wherever those stand, their rows come first.

use std::sync::Arc;

use super::from::query_columns;
use super::{Binder, FromTable, Rows, ScopeColumn};
use crate::row::{Collation, ValueRef};
use crate::sql::ast::{self, Source};
use crate::sql::exec::{Body, Call, Core, Expr, Given, OutputColumn, Place, Query, Relation, TableCall};
use crate::sql::failure::{Failure, Result};
use crate::sql::function::Context;
use crate::sql::pragma::PragmaTable;
use crate::sql::store::Store;
use crate::sql::value::Value;

/// A condition, and the tables that it is about.
type Condition<S> = (Expr<S>, u64);

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

fn output(name: &str) -> OutputColumn {
    OutputColumn { name: name.into(), affinity: None, collation: None, declared: "".into() }
}

/// An aggregate's answer, marked as JSON where it is that.
pub(super) fn aggregated<S: Store>(name: &str, answer: Expr<S>) -> Expr<S> {
    if !["json_group_array", "json_group_object"].iter().any(|json| json.eq_ignore_ascii_case(name)) {
        return answer;
    }
    let mark = |context: &mut Context<'_>, args: &[ValueRef<'_>]| {
        context.answer_json();
        Ok(Value::from(args[0]))
    };
    Expr::Call(Box::new(Call { function: Arc::new(mark), args: vec![answer], collation: Collation::Binary }))
}

impl<S: Store> FromTable<'_, S> {
    fn call(&mut self) -> Option<&mut TableCall<S>> {
        match &mut self.rows {
            Rows::Query(query, _) => match &mut query.body {
                Body::Function(call) => Some(call),
                _ => None,
            },
            Rows::Table(_) => None,
        }
    }

    /// How many columns `*` shows.
    pub(super) fn shown(&self) -> usize {
        match &self.rows {
            Rows::Query(query, _) => query.columns.len(),
            Rows::Table(table) => table.columns.len(),
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
        let found = self.catalog.find(name);
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

    /// Takes from conditions what they say of the hidden columns of functions: that is their arguments.
    pub(in crate::sql) fn constrain(
        &mut self,
        tables: &mut [FromTable<'q, S>],
        mut joins: Vec<Vec<Condition<S>>>,
        mut filter: Vec<Condition<S>>,
    ) -> Result<(Vec<Vec<Condition<S>>>, Vec<Condition<S>>)> {
        for (slot, table) in tables.iter_mut().enumerate() {
            if table.call().is_none() {
                continue;
            }
            if let Some(own) = joins.get_mut(slot) {
                take_args(table, slot, own)?;
            }
            if !matches!(table.kind, ast::JoinKind::Left | ast::JoinKind::Right | ast::JoinKind::Full) {
                take_args(table, slot, &mut filter)?;
            }
            let read = self.level().columns.get(slot).cloned();
            if let Some(call) = table.call() {
                call.index()?;
                call.read = read;
            }
        }
        Ok((joins, filter))
    }
}

fn unknown() -> Failure {
    Failure::internal("a table that is none")
}

fn no_solution() -> Failure {
    Failure::error("no query solution")
}

/// Takes the conditions that say what a hidden column is.
fn take_args<S: Store>(table: &mut FromTable<'_, S>, slot: usize, conditions: &mut Vec<Condition<S>>) -> Result<()> {
    let Some(call) = table.call() else { return Ok(()) };
    let shown = call.shown();
    let hidden = |expr: &Expr<S>| match expr {
        Expr::Local(Place::Column { slot: of, column }) if usize::from(*of) == slot => {
            usize::from(*column).checked_sub(shown)
        }
        _ => None,
    };
    let mut at = 0;
    let mut needs = 0;
    while at < conditions.len() {
        let (expr, mask) = &conditions[at];
        let (column, left) = match expr {
            Expr::Compare(Relation::Eq, _, operands) => match (hidden(&operands.0), hidden(&operands.1)) {
                (Some(column), _) => (column, true),
                (None, Some(column)) => (column, false),
                (None, None) => {
                    at += 1;
                    continue;
                }
            },
            Expr::InList { negated: false, operand, .. } | Expr::InSet { negated: false, operand, .. }
                if hidden(operand).is_some_and(|column| matches!(call.args.get(column), Some(None))) =>
            {
                return Err(Failure::unsupported("IN for an argument of a table-valued function"));
            }
            Expr::InQuery { negated: false, operands, .. }
                if operands
                    .iter()
                    .any(|one| hidden(one).is_some_and(|column| matches!(call.args.get(column), Some(None)))) =>
            {
                return Err(Failure::unsupported("IN for an argument of a table-valued function"));
            }
            _ => {
                at += 1;
                continue;
            }
        };
        let value = |operands: &(Expr<S>, Expr<S>)| names(if left { &operands.1 } else { &operands.0 }, slot);
        let taken = !matches!(call.args.get(column), Some(None));
        if taken || matches!(expr, Expr::Compare(_, _, operands) if value(operands)?) {
            at += 1;
            continue;
        }
        let mask = *mask;
        let (Expr::Compare(_, _, operands), _) = conditions.remove(at) else { return Err(unknown()) };
        let value = if left { operands.1 } else { operands.0 };
        needs |= mask & !(1 << slot);
        call.args[column] = Some(value);
    }
    table.needs |= needs;
    Ok(())
}

/// Whether an expression is about the row of a slot.
fn names<S: Store>(expr: &Expr<S>, slot: usize) -> Result<bool> {
    let any = |exprs: &mut dyn Iterator<Item = &Expr<S>>| -> Result<bool> {
        for expr in exprs {
            if names(expr, slot)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match expr {
        Expr::Constant(_) | Expr::Parameter(_) | Expr::Outer(..) => Ok(false),
        Expr::Local(place) => Ok(match place {
            Place::Column { slot: of, .. } | Place::Real { slot: of, .. } | Place::Rowid { slot: of } => {
                usize::from(*of) == slot
            }
            Place::Register(_) => false,
        }),
        Expr::Operate(_, two) | Expr::Compare(_, _, two) | Expr::Is { operands: two, .. } => {
            any(&mut [&two.0, &two.1].into_iter())
        }
        Expr::Concat(two) | Expr::And(two) | Expr::Or(two) => any(&mut [&two.0, &two.1].into_iter()),
        Expr::Apply(_, one) | Expr::Not(one) | Expr::Cast(_, one) | Expr::IsNull { operand: one, .. } => {
            names(one, slot)
        }
        Expr::Coalesce(all) => any(&mut all.iter()),
        Expr::Call(call) => any(&mut call.args.iter()),
        Expr::Scalar(query) | Expr::Exists(query) if !query.borrow().is_correlated() => Ok(false),
        _ => Err(Failure::unsupported("this expression as an argument of a table-valued function in WHERE")),
    }
}

/// The order of loops, but each function behind the tables that its arguments need.
pub(in crate::sql) fn after_needs<S: Store>(order: Vec<usize>, tables: &[FromTable<'_, S>]) -> Result<Vec<usize>> {
    let mut open = order;
    let mut sorted = Vec::with_capacity(open.len());
    let mut done = 0_u64;
    while !open.is_empty() {
        let ready = open.iter().position(|slot| tables[*slot].needs & !done == 0).ok_or_else(no_solution)?;
        let slot = open.remove(ready);
        done |= 1 << slot;
        sorted.push(slot);
    }
    Ok(sorted)
}
