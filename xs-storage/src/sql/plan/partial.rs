//! What conditions imply: that a row is in a partial index, that a row of nulls can't come.

use super::alike::same;
use super::term::{Term, column_of};
use super::{is_outer, keeps_right};
use crate::sql::ast::JoinKind;
use crate::sql::bind::FromTable;
use crate::sql::exec::{Expr, Relation};
use crate::sql::stack;
use crate::sql::store::Store;

/// Whether all rows that conditions leave are in an index of a condition.
pub(super) fn implied<S: Store>(filter: &Expr<S>, terms: &[Term<S>], may: &dyn Fn(&Term<S>) -> bool) -> bool {
    if let Expr::And(both) = filter {
        return implied(&both.0, terms, may) && implied(&both.1, terms, may);
    }
    let mut exprs = terms.iter().filter(|term| may(term)).filter_map(|term| term.expr.as_ref());
    if let Expr::Between { negated: false, low, high, operands } = filter {
        // Conditions are kept as the two that it is.
        let is = |relation: Relation, how: &crate::sql::exec::Comparison, side: &Expr<S>| {
            let mut exprs = terms.iter().filter(|term| may(term)).filter_map(|term| term.expr.as_ref());
            exprs.any(|expr| match expr {
                Expr::Compare(other, compared, both) => {
                    *other == relation
                        && compared.collation == how.collation
                        && same(&both.0, &operands.0)
                        && same(&both.1, side)
                }
                _ => false,
            })
        };
        return is(Relation::GtEq, low, &operands.1) && is(Relation::LtEq, high, &operands.2);
    }
    exprs.any(|expr| implies(expr, filter))
}

fn implies<S: Store>(known: &Expr<S>, asked: &Expr<S>) -> bool {
    if same(known, asked) {
        return true;
    }
    match asked {
        Expr::Or(both) => implies(known, &both.0) || implies(known, &both.1),
        Expr::Gate(inner) => stack::enough(|| implies(known, inner)),
        Expr::IsNull { operand, negated: true } => not_null(known, operand, false),
        _ => false,
    }
}

/// Whether a condition that holds says that something is not null. `strict`: that the value of what is looked at is known not to
/// be null, which for a condition means that it is true or false.
fn not_null<S: Store>(known: &Expr<S>, value: &Expr<S>, strict: bool) -> bool {
    if same(known, value) {
        return !matches!(value, Expr::Constant(crate::sql::value::Value::Null));
    }
    match known {
        Expr::Compare(_, _, both) | Expr::Concat(both) | Expr::Operate(_, both) => {
            not_null(&both.0, value, true) || not_null(&both.1, value, true)
        }
        Expr::Between { operands, .. } if !strict => {
            [&operands.0, &operands.1, &operands.2].into_iter().any(|part| not_null(part, value, true))
        }
        Expr::InSet { operand, negated: false, .. } | Expr::InList { operand, negated: false, .. } => {
            not_null(operand, value, true)
        }
        Expr::Apply(_, operand) | Expr::Not(operand) => not_null(operand, value, true),
        Expr::Gate(inner) => stack::enough(|| not_null(inner, value, strict)),
        _ => false,
    }
}

/// Makes left joins inner ones where conditions let no row of nulls through.
pub(super) fn reduce<S: Store>(
    tables: &mut [FromTable<'_, S>],
    joins: &[Vec<(Expr<S>, u64)>],
    filter: &[(Expr<S>, u64)],
) {
    if tables.iter().any(|table| keeps_right(table.kind)) {
        return;
    }
    let inner: Vec<bool> = tables.iter().map(|table| !is_outer(table.kind)).collect();
    for (slot, table) in tables.iter_mut().enumerate() {
        if table.kind != JoinKind::Left {
            continue;
        }
        let of_joins = joins.iter().zip(&inner).filter(|(_, inner)| **inner).flat_map(|(conditions, _)| conditions);
        let mut all = filter.iter().chain(of_joins).peekable();
        let mut first = true;
        while let Some((condition, _)) = all.next() {
            // SQLite has an eye for `IS NOT NULL` unless it comes last, and another plan then.
            let is_last = all.peek().is_none() && !first;
            first = false;
            if refuses(condition, slot) && !(is_last && matches!(condition, Expr::IsNull { .. })) {
                table.kind = JoinKind::Inner;
                break;
            }
        }
    }
}

/// Whether a condition is never true of a slot's row of nulls.
fn refuses<S: Store>(condition: &Expr<S>, slot: usize) -> bool {
    match condition {
        Expr::And(both) => refuses(&both.0, slot) || refuses(&both.1, slot),
        Expr::Likely(_, condition) => refuses(condition, slot),
        Expr::IsNull { operand, negated: true } => is_null(operand, slot),
        Expr::Between { negated: false, operands, .. } => is_null(&operands.0, slot),
        other => is_null(other, slot),
    }
}

/// Whether it is null of a slot's row of nulls.
fn is_null<S: Store>(expr: &Expr<S>, slot: usize) -> bool {
    match expr {
        Expr::Local(place) => column_of(*place).is_some_and(|(of, _)| of == slot),
        Expr::Compare(_, _, both) | Expr::Operate(_, both) | Expr::Concat(both) => {
            is_null(&both.0, slot) || is_null(&both.1, slot)
        }
        Expr::Apply(_, operand) | Expr::Cast(_, operand) | Expr::Not(operand) => is_null(operand, slot),
        Expr::Gate(inner) => stack::enough(|| is_null(inner, slot)),
        _ => false,
    }
}
