//! Conditions of which one has to hold.

use super::alike::copied;
use super::term::{Indexed, Term, split};
use crate::sql::exec::{Comparison, Expr, Relation};
use crate::sql::store::Store;

/// More alternatives than anybody would look up one by one.
const MOST: usize = 64;

/// The alternatives, each as what has to hold; none if one of them can't be told. And all of them as a list that a column's value
/// is in, if they are nothing else.
pub(super) fn branches<S: Store>(
    expr: &Expr<S>,
    own: Option<usize>,
    indexed: &[Indexed<S>],
) -> (Vec<Vec<Term<S>>>, Option<Expr<S>>) {
    let (mut open, mut parts) = (vec![expr], Vec::new());
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Or(both) => open.extend([&both.1, &both.0]),
            Expr::Gate(inner) => open.push(inner),
            other => parts.push(other),
        }
    }
    if parts.len() > MOST {
        return (Vec::new(), None);
    }
    if let Some(list) = list(&parts) {
        return (Vec::new(), Some(list));
    }
    let mut branches = Vec::with_capacity(parts.len());
    for part in parts {
        let mut terms = Vec::new();
        let mut open = vec![part];
        while let Some(expr) = open.pop() {
            match expr {
                Expr::And(both) => open.extend([&both.1, &both.0]),
                Expr::Gate(inner) => open.push(inner),
                // What has alternatives itself is left to the whole condition.
                Expr::Or(_) => {}
                other => {
                    if let (Some(copy), Some(mask)) = (copied(other), mask(other)) {
                        split(&mut terms, (copy, mask), own, indexed);
                    }
                }
            }
        }
        if terms.iter().all(|term| term.probes.is_empty()) {
            return (Vec::new(), None);
        }
        branches.push(terms);
    }
    (branches, None)
}

fn mask<S: Store>(expr: &Expr<S>) -> Option<u64> {
    use super::term::mask_of;
    match expr {
        Expr::InSet { operand, .. } => mask_of(operand),
        Expr::InList { operand, list, .. } => {
            list.iter().try_fold(mask_of(operand)?, |mask, item| Some(mask | mask_of(item)?))
        }
        Expr::Between { operands, .. } => Some(mask_of(&operands.0)? | mask_of(&operands.1)? | mask_of(&operands.2)?),
        Expr::Like { operands, .. } => Some(mask_of(&operands.0)? | mask_of(&operands.1)?),
        other => mask_of(other),
    }
}

/// `a = 1 OR a = 2` as `a IN (1, 2)`.
fn list<S: Store>(parts: &[&Expr<S>]) -> Option<Expr<S>> {
    let mut column = None;
    let mut how: Option<Comparison> = None;
    let mut values = Vec::with_capacity(parts.len());
    for part in parts {
        let Expr::Compare(Relation::Eq, compared, operands) = part else { return None };
        let (place, value) = match (&operands.0, &operands.1) {
            (Expr::Local(place), value) if column.is_none_or(|known| known == *place) => (*place, value),
            (value, Expr::Local(place)) if column.is_none_or(|known| known == *place) => (*place, value),
            _ => return None,
        };
        let own = super::term::column_of(place)?.0;
        if super::term::mask_of(value)? & super::bit(own) != 0 {
            return None;
        }
        let alike = |how: Comparison| how.affinity == compared.affinity && how.collation == compared.collation;
        if !how.is_none_or(alike) {
            return None;
        }
        column = Some(place);
        how = Some(*compared);
        values.push(copied(value)?);
    }
    Some(Expr::InList { negated: false, how: how?, operand: Box::new(Expr::Local(column?)), list: values })
}

/// Whether something of it can be looked up in a slot.
pub(super) fn has_probe<S: Store>(branches: &[Vec<Term<S>>], slot: usize) -> bool {
    let probes = |terms: &Vec<Term<S>>| terms.iter().flat_map(|term| &term.probes).any(|probe| probe.slot == slot);
    !branches.is_empty() && branches.iter().all(probes)
}
