//! Whether a query makes groups of its rows, and whether it has windows.

use super::{Binder, FromTable, ScopeColumn};
use crate::row::Collation;
use crate::sql::ast::{Args, Call, Expr, InSet, Over, Query, ResultColumn, Window};
use crate::sql::exec as bound;
use crate::sql::failure::Result;
use crate::sql::function::{Callable, Registry};
use crate::sql::plan::copied;
use crate::sql::stack;
use crate::sql::store::Store;

/// What groups are made by.
pub(super) enum By<'q> {
    Expr(&'q Expr),
    /// A column that `*` brought, and whether it is meant by its name alone.
    Column((ScopeColumn, bool)),
}

impl<'q, S: Store> Binder<'q, S> {
    /// The result that a term of `GROUP BY` means by its number, and how many results there are.
    pub(super) fn grouped_by(
        &mut self,
        number: i64,
        results: &'q [ResultColumn],
        tables: &[FromTable<'q, S>],
    ) -> Result<(Option<By<'q>>, usize)> {
        let mut all = Vec::new();
        for result in results {
            match result {
                ResultColumn::Expr { expr, .. } => all.push(By::Expr(expr)),
                ResultColumn::All => all.extend(self.star(None, tables)?.into_iter().map(By::Column)),
                ResultColumn::AllOf(of) => all.extend(self.star(Some(of), tables)?.into_iter().map(By::Column)),
            }
        }
        let len = all.len();
        let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).filter(|at| *at < len);
        Ok((at.map(|at| all.swap_remove(at)), len))
    }

    /// Whether an aggregate is called in an expression, or in the result that it is the name of.
    pub(super) fn calls_aggregate(&mut self, expr: &Expr, columns: &[ResultColumn]) -> bool {
        let of_table = match expr {
            Expr::Column(name) => self.first_of(&name.name.text).is_some(),
            _ => false,
        };
        let functions = &*self.session.functions.borrow();
        let named = |column: &&ResultColumn| match (column, expr) {
            (ResultColumn::Expr { alias: Some(alias), .. }, Expr::Column(name)) => {
                name.table.is_none() && alias.is(&name.name.text)
            }
            _ => false,
        };
        let of = match columns.iter().find(named) {
            Some(ResultColumn::Expr { expr, .. }) if !of_table => expr,
            _ => expr,
        };
        has_aggregate(expr, functions) || has_aggregate(of, functions)
    }
}

/// Whether an aggregate is called in an expression; those of queries within it are theirs.
pub(super) fn has_aggregate(expr: &Expr, functions: &Registry) -> bool {
    any_call(expr, &|call| is_aggregate(call, functions))
}

/// Whether an aggregate is called whose answer may depend on the order of the rows.
pub(super) fn has_ordered_aggregate(expr: &Expr, functions: &Registry) -> bool {
    let ordered = |call: &Call| !["count", "min", "max"].iter().any(|name| call.name.is(name));
    any_call(expr, &|call| ordered(call) && is_aggregate(call, functions))
}

/// Whether an aggregate is called in what defines a window.
pub(super) fn window_has_aggregate(window: &Window, functions: &Registry) -> bool {
    any_in_window(window, &|call| is_aggregate(call, functions))
}

/// Whether a function is called over a window.
pub(super) fn has_window(expr: &Expr) -> bool {
    any_call(expr, &|call| call.over.is_some())
}

fn is_aggregate(call: &Call, functions: &Registry) -> bool {
    let args = match &call.args {
        Args::Star => 0,
        Args::List { exprs, .. } => exprs.len(),
    };
    let is_aggregate = || {
        let function = functions.find(&call.name.text, args);
        function.is_ok_and(|function| matches!(function.callable, Callable::Aggregate(_)))
    };
    call.over.is_none() && is_aggregate()
}

/// Whether there is a call of some kind in an expression, but for the queries within it.
fn any_call(expr: &Expr, wanted: &dyn Fn(&Call) -> bool) -> bool {
    let any = |expr: &Expr| stack::enough(|| any_call(expr, wanted));
    match expr {
        Expr::Literal(_) | Expr::Parameter(_) | Expr::Column(_) | Expr::Exists(_) | Expr::Subquery(_) => false,
        Expr::Raise(_) => false,
        Expr::Unary(_, operand) | Expr::Collate(operand, _) | Expr::Cast(operand, _) => any(operand),
        Expr::IsNull { operand, .. } => any(operand),
        Expr::Binary(binary) => any(&binary.left) || any(&binary.right),
        Expr::Like(like) => any(&like.operand) || any(&like.pattern) || like.escape.as_ref().is_some_and(any),
        Expr::Between(between) => any(&between.operand) || any(&between.low) || any(&between.high),
        Expr::In(within) => {
            let in_set = match &within.set {
                InSet::List(list) => list.iter().any(any),
                InSet::Select(_) | InSet::Table(..) => false,
            };
            in_set || any(&within.operand)
        }
        Expr::Row(row) => row.iter().any(any),
        Expr::Case(case) => {
            case.operand.as_ref().is_some_and(any)
                || case.otherwise.as_ref().is_some_and(any)
                || case.branches.iter().any(|(when, then)| any(when) || any(then))
        }
        Expr::Call(call) => {
            let args = match &call.args {
                Args::Star => &[][..],
                Args::List { exprs, .. } => exprs,
            };
            let in_window = || match &call.over {
                Some(Over::Window(window)) => any_in_window(window, wanted),
                _ => false,
            };
            wanted(call) || args.iter().any(any) || call.filter.as_ref().is_some_and(any) || in_window()
        }
    }
}

fn any_in_window(window: &Window, wanted: &dyn Fn(&Call) -> bool) -> bool {
    let mut exprs = window.partition_by.iter().chain(window.order_by.iter().map(|term| &term.expr));
    exprs.any(|expr| any_call(expr, wanted))
}

impl<S: Store> Binder<'_, S> {
    /// Whether rows are to be in the order in which groups come anyway. Where a name means a column to `GROUP BY` and a result to
    /// `ORDER BY`, these are two things. Beside each term is whether nulls have a place of their own.
    pub(super) fn is_order_of_groups(&mut self, query: &Query, order_by: &[(&Expr, bool)]) -> bool {
        let tables = &self.level().tables;
        let means_two = |expr: &Expr| {
            let Expr::Column(name) = expr else { return false };
            let renames = |result: &ResultColumn| match result {
                ResultColumn::Expr { expr: of, alias: Some(alias), .. } => alias.is(&name.name.text) && of != expr,
                _ => false,
            };
            let mut columns = tables.iter().flat_map(|table| &table.columns);
            query.columns.iter().any(renames) && columns.any(|column| name.name.is(&column.name))
        };
        let same = |((expr, nulls), group): (&(&Expr, bool), &Expr)| !nulls && *expr == group && !means_two(group);
        !order_by.is_empty() && order_by.len() == query.group_by.len() && order_by.iter().zip(&query.group_by).all(same)
    }

    /// What the only aggregate of a query without groups is the least or greatest of, if it is one of these: the value, how it is
    /// compared, and whether it is the greatest.
    pub(super) fn extreme(&mut self, query: &Query) -> Option<(bound::Expr<S>, Collation, bool)> {
        let greatest = query.columns.iter().find_map(|column| match column {
            ResultColumn::Expr { expr: Expr::Call(call), .. } if call.over.is_none() => match &call.args {
                Args::List { exprs, .. } if exprs.len() == 1 && call.name.is("max") => Some(true),
                Args::List { exprs, .. } if exprs.len() == 1 && call.name.is("min") => Some(false),
                _ => None,
            },
            _ => None,
        })?;
        let [aggregate] = &self.level().groups.as_ref()?.aggregates[..] else { return None };
        let ([argument], None, false) = (&aggregate.args[..], &aggregate.filter, aggregate.distinct) else {
            return None;
        };
        Some((copied(argument)?, aggregate.collation, greatest))
    }
}
