//! Whether a query makes groups of its rows.

use super::Binder;
use crate::row::Collation;
use crate::sql::ast::{Args, Expr, InSet, OrderTerm, Query, ResultColumn};
use crate::sql::exec as bound;
use crate::sql::function::{Callable, Registry};
use crate::sql::plan::copied;
use crate::sql::store::Store;

/// Whether an aggregate is called in an expression; those of queries within it are theirs.
pub(super) fn has_aggregate(expr: &Expr, functions: &Registry) -> bool {
    let has_aggregate = |expr: &Expr| has_aggregate(expr, functions);
    match expr {
        Expr::Literal(_) | Expr::Parameter(_) | Expr::Column(_) | Expr::Exists(_) | Expr::Subquery(_) => false,
        Expr::Raise(_) => false,
        Expr::Unary(_, operand) | Expr::Collate(operand, _) | Expr::Cast(operand, _) => has_aggregate(operand),
        Expr::IsNull { operand, .. } => has_aggregate(operand),
        Expr::Binary(binary) => has_aggregate(&binary.left) || has_aggregate(&binary.right),
        Expr::Like(like) => {
            has_aggregate(&like.operand)
                || has_aggregate(&like.pattern)
                || like.escape.as_ref().is_some_and(has_aggregate)
        }
        Expr::Between(between) => {
            has_aggregate(&between.operand) || has_aggregate(&between.low) || has_aggregate(&between.high)
        }
        Expr::In(within) => {
            let in_set = match &within.set {
                InSet::List(list) => list.iter().any(has_aggregate),
                InSet::Select(_) | InSet::Table(..) => false,
            };
            in_set || has_aggregate(&within.operand)
        }
        Expr::Row(row) => row.iter().any(has_aggregate),
        Expr::Case(case) => {
            case.operand.as_ref().is_some_and(has_aggregate)
                || case.otherwise.as_ref().is_some_and(has_aggregate)
                || case.branches.iter().any(|(when, then)| has_aggregate(when) || has_aggregate(then))
        }
        Expr::Call(call) => {
            let args = match &call.args {
                Args::Star => &[][..],
                Args::List { exprs, .. } => exprs,
            };
            call.over.is_none() && is_aggregate(functions, &call.name.text, args.len())
                || args.iter().any(has_aggregate)
        }
    }
}

/// Whether rows are to be in the order in which groups come anyway.
pub(super) fn is_order_of_groups(query: &Query, order_by: &[OrderTerm]) -> bool {
    let same = |(term, group): (&OrderTerm, &Expr)| term.nulls.is_none() && term.expr == *group;
    !order_by.is_empty() && order_by.len() == query.group_by.len() && order_by.iter().zip(&query.group_by).all(same)
}

impl<S: Store> Binder<'_, S> {
    /// What the only aggregate of a query without groups is the least or greatest of, if it is one of these: the value, how it is
    /// compared, and whether it is the greatest.
    pub(super) fn extreme(&mut self, query: &Query) -> Option<(bound::Expr<S>, Collation, bool)> {
        let name = query.columns.iter().find_map(|column| match column {
            ResultColumn::Expr { expr: Expr::Call(call), .. } => Some(call.name.text.to_ascii_lowercase()),
            _ => None,
        })?;
        if name != "min" && name != "max" {
            return None;
        }
        let [aggregate] = &self.level().groups.as_ref()?.aggregates[..] else { return None };
        let ([argument], None, false) = (&aggregate.args[..], &aggregate.filter, aggregate.distinct) else {
            return None;
        };
        Some((copied(argument)?, aggregate.collation, name == "max"))
    }
}

fn is_aggregate(functions: &Registry, name: &str, args: usize) -> bool {
    functions.find(name, args).is_ok_and(|function| matches!(function.callable, Callable::Aggregate(_)))
}
