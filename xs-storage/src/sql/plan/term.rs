//! A condition, and how it could lead to rows.

use super::alike::{copied, same};
use super::logest::{self, LogEst};
use super::{bit, like};
use crate::row::Collation;
use crate::sql::exec::{AutomaticColumn, Comparison, Expr, Place, Relation, Source};
use crate::sql::stack;
use crate::sql::store::Store;
use crate::sql::value::{Affinity, Value};

/// What a condition says of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Is,
    Null,
    /// Anything but nothing, which is a lower bound.
    NotNull,
    /// One of so many.
    In(LogEst),
    Lt,
    LtEq,
    Gt,
    GtEq,
}

impl Op {
    pub(super) fn is_equal(self) -> bool {
        matches!(self, Op::Eq | Op::Is)
    }

    pub(super) fn is_lower(self) -> bool {
        matches!(self, Op::Gt | Op::GtEq | Op::NotNull)
    }

    pub(super) fn is_upper(self) -> bool {
        matches!(self, Op::Lt | Op::LtEq)
    }
}

/// A comparison of a table's column with something that other tables give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) slot: usize,
    /// None for the rowid; an expression of an index has a number behind those of the columns.
    pub(super) column: Option<usize>,
    pub(super) op: Op,
    /// The tables that the other side needs.
    pub(super) needs: u64,
    pub(super) affinity: Option<Affinity>,
    pub(super) collation: Collation,
    /// The column stands on the right.
    pub(super) turned: bool,
}

/// An expression that an index is ordered by: of which slot, its number, and the expression.
pub(super) type Indexed<S> = (usize, usize, Expr<S>);

pub(super) struct Term<S: Store> {
    /// None once it was taken.
    pub(super) expr: Option<Expr<S>>,
    /// The tables that it is about.
    pub(super) mask: u64,
    /// The outer join that it belongs to, by the slot of the right table.
    pub(super) own: Option<usize>,
    pub(super) probes: Vec<Probe>,
    /// How likely it holds, if somebody said; else 1.
    pub(super) truth: LogEst,
    /// That it compares with -1, 0 or 1: such columns have few values.
    pub(super) small: bool,
    /// It follows from another one, and need not be asked if no way uses it.
    pub(super) follows: Option<usize>,
    /// It is half of one that was written as a whole.
    pub(super) half: bool,
    /// A lower bound that is used with the upper one behind it, as `LIKE` gives them.
    pub(super) paired: bool,
    /// The conditions of which one has to hold, each with what it asks for.
    pub(super) branches: Vec<Vec<Term<S>>>,
}

impl<S: Store> Term<S> {
    pub(super) fn new(expr: Expr<S>, mask: u64, own: Option<usize>, indexed: &[Indexed<S>]) -> Term<S> {
        let mut term = Term {
            expr: None,
            mask,
            own,
            probes: Vec::new(),
            truth: 1,
            small: false,
            follows: None,
            half: false,
            paired: false,
            branches: Vec::new(),
        };
        let mut found = |column: &Expr<S>, needs: Option<u64>, op: Op, how: Comparison, turned: bool| {
            let Some(needs) = needs else { return };
            for (slot, column) in places(column, indexed) {
                if needs & bit(slot) == 0 {
                    let (affinity, collation) = (how.affinity, how.collation);
                    term.probes.push(Probe { slot, column, op, needs, affinity, collation, turned });
                }
            }
        };
        match &expr {
            Expr::Compare(relation, how, operands) => {
                if let Some((op, turned)) = ops(*relation) {
                    found(&operands.0, mask_of(&operands.1), op, *how, false);
                    found(&operands.1, mask_of(&operands.0), turned, *how, true);
                    term.small = op == Op::Eq && matches!(&operands.1, Expr::Constant(Value::Integer(-1..=1)));
                }
            }
            Expr::Is { negated: false, how, operands } => {
                found(&operands.0, mask_of(&operands.1), Op::Is, *how, false);
                found(&operands.1, mask_of(&operands.0), Op::Is, *how, true);
            }
            Expr::IsNull { operand, negated: false } => {
                found(operand, Some(0), Op::Null, Comparison::default(), false);
            }
            Expr::InSet { negated: false, operand, set, list } => {
                if let [how] = set.how[..] {
                    found(operand, Some(0), Op::In(logest::of(list.len() as u64)), how, false);
                }
            }
            Expr::InList { negated: false, how, operand, list } => {
                let needs = list.iter().try_fold(0, |mask, item| Some(mask | mask_of(item)?));
                found(operand, needs, Op::In(logest::of(list.len() as u64)), *how, false);
            }
            Expr::InQuery { negated: false, operands, query } => {
                if let ([operand], false, [how]) = (&operands[..], query.borrow().is_correlated(), query.borrow().how())
                {
                    found(operand, Some(0), Op::In(46), *how, false);
                }
            }
            _ => {}
        }
        term.expr = Some(expr);
        term
    }

    /// Takes what a slot's column is compared with.
    pub(super) fn take(&mut self, probe: usize) -> Option<(Op, Source<S>)> {
        let Probe { op, turned, .. } = *self.probes.get(probe)?;
        let source = match self.expr.take()? {
            Expr::Compare(_, _, operands) => Source::Equal(if turned { operands.0 } else { operands.1 }),
            Expr::Is { operands, .. } => Source::Is(if turned { operands.0 } else { operands.1 }),
            Expr::IsNull { .. } => Source::Null,
            Expr::InSet { list, .. } => Source::Set(list),
            Expr::InList { list, .. } => Source::List(list),
            Expr::InQuery { query, .. } => Source::Query(query),
            _ => return None,
        };
        Some((op, source))
    }

    /// Takes both sides of a comparison, the column first, and how they compare.
    pub(super) fn take_both(&mut self, probe: usize) -> Option<AutomaticColumn<S>> {
        let turned = self.probes.get(probe)?.turned;
        let (how, operands, nulls) = match self.expr.take()? {
            Expr::Compare(_, how, operands) => (how, operands, false),
            Expr::Is { how, operands, .. } => (how, operands, true),
            _ => return None,
        };
        let (left, right) = *operands;
        let (column, value) = if turned { (right, left) } else { (left, right) };
        Some(AutomaticColumn { column, value, how, nulls })
    }
}

/// The terms of a condition: itself, the parts that all have to hold, and what follows from it.
pub(super) fn split<S: Store>(
    terms: &mut Vec<Term<S>>,
    (expr, mask): (Expr<S>, u64),
    own: Option<usize>,
    indexed: &[Indexed<S>],
) {
    match expr {
        Expr::And(parts) => {
            let (left, right) = *parts;
            split(terms, (left, mask), own, indexed);
            split(terms, (right, mask), own, indexed);
        }
        Expr::Gate(inner) => stack::enough(|| split(terms, (*inner, mask), own, indexed)),
        Expr::Between { negated: false, low, high, operands } if copied(&operands.0).is_some() => {
            let (value, least, greatest) = *operands;
            let Some(copy) = copied(&value) else { return };
            let first = terms.len();
            terms.push(Term::new(Expr::Compare(Relation::GtEq, low, Box::new((copy, least))), mask, own, indexed));
            let above = Expr::Compare(Relation::LtEq, high, Box::new((value, greatest)));
            let mut above = Term::new(above, mask, own, indexed);
            above.half = true;
            above.follows = Some(first);
            terms.push(above);
        }
        Expr::Like { negated: false, kind, ref operands, .. } => {
            let whole = terms.len();
            let bounds = like::bounds(kind, operands);
            terms.push(Term::new(expr, mask, own, indexed));
            for (nth, bound) in bounds.into_iter().flatten().enumerate() {
                let mut bound = Term::new(bound, mask, own, indexed);
                bound.follows = Some(whole);
                bound.paired = nth == 0;
                terms.push(bound);
            }
        }
        Expr::Or(parts) => {
            let whole = Expr::Or(parts);
            let (branches, list) = super::either::branches(&whole, own, indexed);
            let at = terms.len();
            let mut term = Term::new(whole, mask, own, indexed);
            term.branches = branches;
            terms.push(term);
            if let Some(list) = list {
                let mut list = Term::new(list, mask, own, indexed);
                list.follows = Some(at);
                terms.push(list);
            }
        }
        Expr::Likely(truth, operand) => {
            let first = terms.len();
            split(terms, (*operand, mask), own, indexed);
            terms[first..].iter_mut().for_each(|term| term.truth = truth);
        }
        Expr::IsNull { operand, negated: true } => {
            let copy = copied(&operand).filter(|_| matches!(&*operand, Expr::Local(_)));
            let whole = terms.len();
            terms.push(Term::new(Expr::IsNull { operand, negated: true }, mask, own, indexed));
            if let (Some(copy), true) = (copy, own.is_none()) {
                let mut bound = Term::new(Expr::IsNull { operand: Box::new(copy), negated: true }, mask, own, indexed);
                if let Some(Expr::IsNull { operand, .. }) = &bound.expr {
                    let column = places(operand, indexed).into_iter().find(|(_, column)| column.is_some());
                    bound.probes.extend(column.map(|(slot, column)| Probe {
                        slot,
                        column,
                        op: Op::NotNull,
                        needs: 0,
                        affinity: None,
                        collation: Collation::Binary,
                        turned: false,
                    }));
                }
                bound.follows = Some(whole);
                terms.push(bound);
            }
        }
        other => terms.push(Term::new(other, mask, own, indexed)),
    }
}

/// The columns that an expression is.
pub(super) fn places<S: Store>(expr: &Expr<S>, indexed: &[Indexed<S>]) -> Vec<(usize, Option<usize>)> {
    match expr {
        Expr::Local(place) => column_of(*place).into_iter().collect(),
        other => {
            let like = |(_, _, indexed): &&Indexed<S>| same(indexed, other);
            indexed.iter().filter(like).map(|(slot, column, _)| (*slot, Some(*column))).collect()
        }
    }
}

/// A slot, and a column of it or the rowid.
pub(super) fn column_of(place: Place) -> Option<(usize, Option<usize>)> {
    match place {
        Place::Column { slot, column } | Place::Real { slot, column } => {
            Some((usize::from(slot), Some(usize::from(column))))
        }
        Place::Rowid { slot } => Some((usize::from(slot), None)),
        Place::Register(_) => None,
    }
}

/// A relation, and the same seen from the right.
fn ops(relation: Relation) -> Option<(Op, Op)> {
    Some(match relation {
        Relation::Eq => (Op::Eq, Op::Eq),
        Relation::NotEq => return None,
        Relation::Lt => (Op::Lt, Op::Gt),
        Relation::LtEq => (Op::LtEq, Op::GtEq),
        Relation::Gt => (Op::Gt, Op::Lt),
        Relation::GtEq => (Op::GtEq, Op::LtEq),
    })
}

/// The tables that a simple expression needs; none if that isn't easily told.
pub(super) fn mask_of<S: Store>(expr: &Expr<S>) -> Option<u64> {
    let all = |exprs: &[Expr<S>]| exprs.iter().try_fold(0, |mask, expr| Some(mask | mask_of(expr)?));
    Some(match expr {
        Expr::Constant(_) | Expr::Parameter(_) | Expr::Outer(..) => 0,
        Expr::Local(place) => bit(column_of(*place)?.0),
        Expr::Operate(_, operands) | Expr::Concat(operands) | Expr::Compare(_, _, operands) => {
            mask_of(&operands.0)? | mask_of(&operands.1)?
        }
        Expr::And(operands) | Expr::Or(operands) | Expr::Is { operands, .. } => {
            mask_of(&operands.0)? | mask_of(&operands.1)?
        }
        Expr::Apply(_, operand) | Expr::Cast(_, operand) | Expr::Not(operand) => mask_of(operand)?,
        Expr::IsNull { operand, .. } => mask_of(operand)?,
        Expr::Coalesce(operands) => all(operands)?,
        Expr::Call(call) => all(&call.args)?,
        Expr::Scalar(query) | Expr::Exists(query) if !query.borrow().is_correlated() => 0,
        Expr::Column(query, _) if !query.borrow().is_correlated() => 0,
        Expr::Gate(inner) => stack::enough(|| mask_of(inner))?,
        _ => return None,
    })
}
