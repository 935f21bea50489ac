//! Comparisons: how, what for, and at once where that is possible.

use std::cmp::Ordering;

use super::expr::Expr;
use super::frame::Env;
use crate::row::{Collation, Encoding};
use crate::sql::store::Store;
use crate::sql::value::{Affinity, Value};

/// How two values are compared.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sql) struct Comparison {
    pub(in crate::sql) affinity: Option<Affinity>,
    pub(in crate::sql) collation: Collation,
}

/// What a comparison asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Relation {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

impl Relation {
    #[inline]
    pub(super) fn holds(self, order: Ordering) -> bool {
        // A bit for less, one for equal, one for greater.
        let holds: u8 = match self {
            Relation::Eq => 0b010,
            Relation::NotEq => 0b101,
            Relation::Lt => 0b001,
            Relation::LtEq => 0b011,
            Relation::Gt => 0b100,
            Relation::GtEq => 0b110,
        };
        holds >> (order as i8 + 1) & 1 == 1
    }
}

impl Comparison {
    /// Whether numbers are compared as they are.
    #[inline]
    pub(super) fn leaves_numbers(&self) -> bool {
        self.affinity != Some(Affinity::Text)
    }
}

/// How two operands stand to each other, where those are the most common ones: numbers, or a column and a text.
#[inline]
pub(super) fn order_at_once<S: Store>(
    how: &Comparison,
    operands: &(Expr<S>, Expr<S>),
    env: &Env<'_, S>,
) -> Option<Ordering> {
    if let (Expr::Local(place), Expr::Constant(Value::Text(text))) = operands {
        return match how.affinity.is_some_and(Affinity::is_numeric) {
            false => Some(how.collation.compare(env.frame.text(*place)?, text, Encoding::Utf8)),
            true => None,
        };
    }
    match how.leaves_numbers() {
        true => operands.0.number(env).order(operands.1.number(env)),
        false => None,
    }
}
