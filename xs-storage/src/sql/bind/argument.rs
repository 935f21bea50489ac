//! Conditions that say what the hidden columns of a function are: its arguments, said in `WHERE`.

use super::{Binder, FromTable};
use crate::sql::ast;
use crate::sql::exec::{Expr, Place, Relation};
use crate::sql::failure::{Failure, Result};
use crate::sql::stack;
use crate::sql::store::Store;

/// A condition, and the tables that it is about.
type Condition<S> = (Expr<S>, u64);

impl<'q, S: Store> Binder<'q, S> {
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

/// Takes the conditions that say what a hidden column is.
fn take_args<S: Store>(table: &mut FromTable<'_, S>, slot: usize, conditions: &mut Vec<Condition<S>>) -> Result<()> {
    let Some(call) = table.call() else { return Ok(()) };
    let shown = call.shown();
    let (mut kept, mut needs) = (Vec::with_capacity(conditions.len()), 0);
    let mut open: Vec<Condition<S>> = std::mem::take(conditions);
    open.reverse();
    while let Some((expr, mask)) = open.pop() {
        let said = match expr {
            // Rows that are compared.
            Expr::And(two) => {
                let (left, right) = *two;
                open.extend([(right, mask), (left, mask)]);
                continue;
            }
            Expr::Compare(Relation::Eq, how, two) => {
                let free =
                    |expr: &Expr<S>| hidden(expr, slot, shown).filter(|at| matches!(call.args.get(*at), Some(None)));
                match (free(&two.0), free(&two.1)) {
                    (Some(at), _) if !names(&two.1, slot)? => Ok((at, two.1)),
                    (_, Some(at)) if !names(&two.0, slot)? => Ok((at, two.0)),
                    _ => Err(Expr::Compare(Relation::Eq, how, two)),
                }
            }
            other => Err(other),
        };
        match said {
            Ok((at, value)) => {
                needs |= mask & !(1 << slot);
                if let Some(arg) = call.args.get_mut(at) {
                    *arg = Some(value);
                }
            }
            Err(expr) => kept.push((expr, mask)),
        }
    }
    let free = |expr: &Expr<S>| hidden(expr, slot, shown).is_some_and(|at| matches!(call.args.get(at), Some(None)));
    if kept.iter().any(|(expr, _)| chooses(expr, &free)) {
        return Err(Failure::unsupported("several values for an argument of a table-valued function in WHERE"));
    }
    *conditions = kept;
    table.needs |= needs;
    Ok(())
}

/// Which hidden column of a slot an expression is.
fn hidden<S: Store>(expr: &Expr<S>, slot: usize, shown: usize) -> Option<usize> {
    match expr {
        Expr::Local(Place::Column { slot: of, column }) if usize::from(*of) == slot => {
            usize::from(*column).checked_sub(shown)
        }
        _ => None,
    }
}

/// Whether a condition says of an argument that it is one of several values: SQLite calls the function with each.
fn chooses<S: Store>(expr: &Expr<S>, free: &dyn Fn(&Expr<S>) -> bool) -> bool {
    match expr {
        Expr::InList { negated: false, operand, .. } | Expr::InSet { negated: false, operand, .. } => free(operand),
        Expr::InQuery { negated: false, operands, .. } => operands.iter().any(free),
        Expr::Or(two) => [&two.0, &two.1].into_iter().any(|part| match part {
            Expr::Compare(Relation::Eq, _, two) => free(&two.0) || free(&two.1),
            Expr::And(two) => chooses(&two.0, free) || chooses(&two.1, free),
            part => chooses(part, free),
        }),
        Expr::Gate(inner) => stack::enough(|| chooses(inner, free)),
        _ => false,
    }
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
        Expr::Gate(inner) => stack::enough(|| names(inner, slot)),
        Expr::Coalesce(all) => any(&mut all.iter()),
        Expr::Call(call) => any(&mut call.args.iter()),
        Expr::Case(case) => {
            let branches = case.branches.iter().flat_map(|(_, when, then)| [when, then]);
            any(&mut case.operand.iter().chain(&case.otherwise).chain(branches))
        }
        Expr::Scalar(query) | Expr::Exists(query) if !query.borrow().is_correlated() => Ok(false),
        _ => Err(Failure::unsupported("this expression as an argument of a table-valued function in WHERE")),
    }
}
