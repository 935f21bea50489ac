//! A condition, and how it could lead to rows.

use super::bit;
use crate::row::Collation;
use crate::sql::exec::{Comparison, Expr, Place, Relation};
use crate::sql::store::Store;
use crate::sql::value::Affinity;

/// A comparison of a table's column with something that other tables give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) slot: usize,
    /// None for the rowid.
    pub(super) column: Option<usize>,
    /// As seen from the column.
    pub(super) relation: Relation,
    /// The tables that the other side needs.
    pub(super) needs: u64,
    pub(super) affinity: Option<Affinity>,
    pub(super) collation: Collation,
}

pub(super) struct Term<S: Store> {
    /// None once it was taken.
    pub(super) expr: Option<Expr<S>>,
    /// The tables that it is about.
    pub(super) mask: u64,
    pub(super) probes: Vec<Probe>,
}

impl<S: Store> Term<S> {
    /// A condition as one term, or a `BETWEEN` of a column as two.
    pub(super) fn split((expr, mask): (Expr<S>, u64)) -> Vec<Term<S>> {
        match expr {
            Expr::Between { negated: false, low, high, operands } if place(&operands.0).is_some() => {
                let (value, least, greatest) = *operands;
                let Some(place) = place(&value) else { return Vec::new() };
                let above = Expr::Compare(Relation::GtEq, low, Box::new((Expr::Local(place), least)));
                let below = Expr::Compare(Relation::LtEq, high, Box::new((value, greatest)));
                vec![Term::new(above, mask), Term::new(below, mask)]
            }
            other => vec![Term::new(other, mask)],
        }
    }

    fn new(expr: Expr<S>, mask: u64) -> Term<S> {
        let mut probes = Vec::new();
        if let Expr::Compare(relation, how, operands) = &expr {
            probes.extend(probe(*relation, *how, &operands.0, &operands.1));
            probes.extend(probe(turned(*relation), *how, &operands.1, &operands.0));
        }
        Term { expr: Some(expr), mask, probes }
    }

    /// Takes the side of the comparison that a slot's column is compared with.
    pub(super) fn take(&mut self, slot: usize) -> Option<(Relation, Expr<S>)> {
        let expr = self.expr.take()?;
        let Expr::Compare(relation, _, operands) = expr else { return None };
        let (left, right) = *operands;
        let is_left = place(&left).is_some_and(|place| slot_of(place) == Some(slot));
        Some(if is_left { (relation, right) } else { (turned(relation), left) })
    }
}

fn probe<S: Store>(relation: Relation, how: Comparison, column: &Expr<S>, other: &Expr<S>) -> Option<Probe> {
    if relation == Relation::NotEq {
        return None;
    }
    let place = place(column)?;
    let slot = slot_of(place)?;
    let needs = mask_of(other)?;
    if needs & bit(slot) != 0 {
        return None;
    }
    let column = match place {
        Place::Column { column, .. } | Place::Real { column, .. } => Some(usize::from(column)),
        Place::Rowid { .. } | Place::Register(_) => None,
    };
    Some(Probe { slot, column, relation, needs, affinity: how.affinity, collation: how.collation })
}

fn place<S: Store>(expr: &Expr<S>) -> Option<Place> {
    match expr {
        Expr::Local(place) => Some(*place),
        _ => None,
    }
}

pub(super) fn slot_of(place: Place) -> Option<usize> {
    match place {
        Place::Column { slot, .. } | Place::Real { slot, .. } | Place::Rowid { slot } => Some(usize::from(slot)),
        Place::Register(_) => None,
    }
}

fn turned(relation: Relation) -> Relation {
    match relation {
        Relation::Lt => Relation::Gt,
        Relation::LtEq => Relation::GtEq,
        Relation::Gt => Relation::Lt,
        Relation::GtEq => Relation::LtEq,
        other => other,
    }
}

/// The tables that a simple expression needs; none if that isn't easily told.
fn mask_of<S: Store>(expr: &Expr<S>) -> Option<u64> {
    Some(match expr {
        Expr::Constant(_) | Expr::Parameter(_) | Expr::Outer(..) => 0,
        Expr::Local(place) => bit(slot_of(*place)?),
        Expr::Operate(_, operands) | Expr::Concat(operands) => mask_of(&operands.0)? | mask_of(&operands.1)?,
        Expr::Apply(_, operand) | Expr::Cast(_, operand) => mask_of(operand)?,
        Expr::Coalesce(operands) => {
            let mut mask = 0;
            for operand in operands {
                mask |= mask_of(operand)?;
            }
            mask
        }
        Expr::Scalar(query) if !query.borrow().is_correlated() => 0,
        _ => return None,
    })
}
