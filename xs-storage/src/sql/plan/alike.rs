//! Expressions as things: whether two are the same, and copies of those that are simple.

use crate::sql::exec::{Comparison, Expr, Place};
use crate::sql::stack;
use crate::sql::store::Store;

fn plain(place: Place) -> Place {
    match place {
        Place::Real { slot, column } => Place::Column { slot, column },
        other => other,
    }
}

fn compares_alike(a: Comparison, b: Comparison) -> bool {
    a.affinity.unwrap_or_default() == b.affinity.unwrap_or_default() && a.collation == b.collation
}

/// Whether both always give the same value. That it answers no says nothing.
pub(in crate::sql) fn same<S: Store>(a: &Expr<S>, b: &Expr<S>) -> bool {
    let all = |a: &[Expr<S>], b: &[Expr<S>]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    let both = |a: &(Expr<S>, Expr<S>), b: &(Expr<S>, Expr<S>)| same(&a.0, &b.0) && same(&a.1, &b.1);
    match (a, b) {
        (Expr::Constant(a), Expr::Constant(b)) => a == b,
        (Expr::Local(a), Expr::Local(b)) => plain(*a) == plain(*b),
        (Expr::Outer(m, a), Expr::Outer(n, b)) => m == n && plain(*a) == plain(*b),
        (Expr::Operate(f, a), Expr::Operate(g, b)) => f == g && both(a, b),
        (Expr::Apply(f, a), Expr::Apply(g, b)) => std::ptr::fn_addr_eq(*f, *g) && same(a, b),
        (Expr::Concat(a), Expr::Concat(b)) | (Expr::And(a), Expr::And(b)) | (Expr::Or(a), Expr::Or(b)) => both(a, b),
        (Expr::Compare(r, m, a), Expr::Compare(s, n, b)) => r == s && compares_alike(*m, *n) && both(a, b),
        (Expr::Is { negated: r, how: m, operands: a }, Expr::Is { negated: s, how: n, operands: b }) => {
            r == s && compares_alike(*m, *n) && both(a, b)
        }
        (Expr::Not(a), Expr::Not(b)) => same(a, b),
        (Expr::IsNull { operand: a, negated: r }, Expr::IsNull { operand: b, negated: s }) => r == s && same(a, b),
        (Expr::Cast(m, a), Expr::Cast(n, b)) => m == n && same(a, b),
        (Expr::Coalesce(a), Expr::Coalesce(b)) => all(a, b),
        (Expr::Call(a), Expr::Call(b)) => {
            std::sync::Arc::ptr_eq(&a.function, &b.function) && a.collation == b.collation && all(&a.args, &b.args)
        }
        (
            Expr::Between { negated: r, low: m, high: n, operands: a },
            Expr::Between { negated: s, low: o, high: p, operands: b },
        ) => {
            let operands = same(&a.0, &b.0) && same(&a.1, &b.1) && same(&a.2, &b.2);
            r == s && compares_alike(*m, *o) && compares_alike(*n, *p) && operands
        }
        (Expr::Like { negated: r, kind: k, operands: a, .. }, Expr::Like { negated: s, kind: l, operands: b, .. }) => {
            let escapes = match (&a.2, &b.2) {
                (None, None) => true,
                (Some(a), Some(b)) => same(a, b),
                _ => false,
            };
            r == s && k == l && escapes && same(&a.0, &b.0) && same(&a.1, &b.1)
        }
        (
            Expr::InSet { negated: r, operand: a, set: m, list: v },
            Expr::InSet { negated: s, operand: b, set: n, list: w },
        ) => {
            let how = m.how.len() == n.how.len() && m.how.iter().zip(&n.how).all(|(m, n)| compares_alike(*m, *n));
            r == s && v == w && how && same(a, b)
        }
        (Expr::Case(a), Expr::Case(b)) => {
            let optional = |a: &Option<Expr<S>>, b: &Option<Expr<S>>| match (a, b) {
                (None, None) => true,
                (Some(a), Some(b)) => same(a, b),
                _ => false,
            };
            let branches = a.branches.iter().zip(&b.branches).all(|((m, when, then), (n, other, otherwise))| {
                compares_alike(*m, *n) && same(when, other) && same(then, otherwise)
            });
            a.branches.len() == b.branches.len()
                && branches
                && optional(&a.operand, &b.operand)
                && optional(&a.otherwise, &b.otherwise)
        }
        (Expr::Gate(a), b) | (b, Expr::Gate(a)) => stack::enough(|| same(a, b)),
        _ => false,
    }
}

/// The same again, if it is simple and asks for no query.
pub(in crate::sql) fn copied<S: Store>(expr: &Expr<S>) -> Option<Expr<S>> {
    let both = |both: &(Expr<S>, Expr<S>)| Some(Box::new((copied(&both.0)?, copied(&both.1)?)));
    let all = |all: &[Expr<S>]| all.iter().map(copied).collect::<Option<Vec<_>>>();
    Some(match expr {
        Expr::Constant(value) => Expr::Constant(value.clone()),
        Expr::Parameter(at) => Expr::Parameter(*at),
        Expr::Local(place) => Expr::Local(*place),
        Expr::Outer(depth, place) => Expr::Outer(*depth, *place),
        Expr::Operate(operation, operands) => Expr::Operate(*operation, both(operands)?),
        Expr::Apply(operation, operand) => Expr::Apply(*operation, Box::new(copied(operand)?)),
        Expr::Concat(operands) => Expr::Concat(both(operands)?),
        Expr::Compare(relation, how, operands) => Expr::Compare(*relation, *how, both(operands)?),
        Expr::Is { negated, how, operands } => Expr::Is { negated: *negated, how: *how, operands: both(operands)? },
        Expr::And(operands) => Expr::And(both(operands)?),
        Expr::Or(operands) => Expr::Or(both(operands)?),
        Expr::Not(operand) => Expr::Not(Box::new(copied(operand)?)),
        Expr::IsNull { operand, negated } => Expr::IsNull { operand: Box::new(copied(operand)?), negated: *negated },
        Expr::Between { negated, low, high, operands } => {
            let operands = (copied(&operands.0)?, copied(&operands.1)?, copied(&operands.2)?);
            Expr::Between { negated: *negated, low: *low, high: *high, operands: Box::new(operands) }
        }
        Expr::InList { negated, how, operand, list } => {
            Expr::InList { negated: *negated, how: *how, operand: Box::new(copied(operand)?), list: all(list)? }
        }
        // As a list: the set is made for being asked, and a copy is made for looking up.
        Expr::InSet { negated, operand, set, list } => Expr::InList {
            negated: *negated,
            how: *set.how.first()?,
            operand: Box::new(copied(operand)?),
            list: list.iter().cloned().map(Expr::Constant).collect(),
        },
        Expr::Cast(affinity, operand) => Expr::Cast(*affinity, Box::new(copied(operand)?)),
        Expr::Coalesce(operands) => Expr::Coalesce(all(operands)?),
        Expr::Like { negated, kind, operands, .. } => {
            let escape = match &operands.2 {
                Some(escape) => Some(copied(escape)?),
                None => None,
            };
            let operands = (copied(&operands.0)?, copied(&operands.1)?, escape);
            Expr::like(*negated, *kind, operands)
        }
        Expr::Call(call) => {
            let (function, args) = (call.function.clone(), all(&call.args)?);
            Expr::Call(Box::new(crate::sql::exec::Call { function, args, collation: call.collation }))
        }
        Expr::Gate(inner) => Expr::Gate(Box::new(stack::enough(|| copied(inner))?)),
        _ => return None,
    })
}

/// The columns that an expression reads, none for a rowid; nothing, if it asks a query.
pub(super) fn columns<S: Store>(expr: &Expr<S>) -> Option<Vec<(usize, Option<usize>)>> {
    let (mut found, mut open) = (Vec::new(), vec![expr]);
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Local(place) => found.extend(super::term::column_of(*place)),
            Expr::Constant(_) | Expr::Parameter(_) | Expr::Outer(..) => {}
            Expr::Operate(_, both) | Expr::Concat(both) | Expr::Compare(_, _, both) => open.extend([&both.0, &both.1]),
            Expr::And(both) | Expr::Or(both) | Expr::Is { operands: both, .. } => open.extend([&both.0, &both.1]),
            Expr::Apply(_, one) | Expr::Not(one) | Expr::Cast(_, one) | Expr::Likely(_, one) => open.push(one),
            Expr::IsNull { operand, .. } | Expr::InSet { operand, .. } | Expr::Gate(operand) => open.push(operand),
            Expr::InList { operand, list, .. } => {
                open.push(operand);
                open.extend(list);
            }
            Expr::Between { operands, .. } => open.extend([&operands.0, &operands.1, &operands.2]),
            Expr::Like { operands, .. } => {
                open.extend([&operands.0, &operands.1]);
                open.extend(&operands.2);
            }
            Expr::Coalesce(all) => open.extend(all),
            Expr::Call(call) => open.extend(&call.args),
            Expr::Case(case) => {
                open.extend(case.operand.iter().chain(&case.otherwise));
                open.extend(case.branches.iter().flat_map(|(_, when, then)| [when, then]));
            }
            Expr::Key(places) => found.extend(places.iter().filter_map(|place| super::term::column_of(*place))),
            Expr::InQuery { .. } | Expr::Scalar(_) | Expr::Exists(_) | Expr::Column(..) | Expr::Raise(_) => {
                return None;
            }
        }
    }
    Some(found)
}
