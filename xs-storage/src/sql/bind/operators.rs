//! Operators between two operands.

use super::expr::comparison;
use super::{Binder, Bound};
use crate::sql::ast::{self, BinaryOp, LikeOp};
use crate::sql::exec::{Expr, Operation, Relation};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;
use crate::sql::value::PatternKind;

pub(super) fn operator<S: Store>(op: BinaryOp, left: Bound<S>, right: Bound<S>) -> Expr<S> {
    let how = comparison(&left, &right);
    let operands = Box::new((left.expr, right.expr));
    match op {
        BinaryOp::Or => Expr::Or(operands),
        BinaryOp::And => Expr::And(operands),
        BinaryOp::Eq => Expr::Compare(Relation::Eq, how, operands),
        BinaryOp::NotEq => Expr::Compare(Relation::NotEq, how, operands),
        BinaryOp::Lt => Expr::Compare(Relation::Lt, how, operands),
        BinaryOp::LtEq => Expr::Compare(Relation::LtEq, how, operands),
        BinaryOp::Gt => Expr::Compare(Relation::Gt, how, operands),
        BinaryOp::GtEq => Expr::Compare(Relation::GtEq, how, operands),
        BinaryOp::Is | BinaryOp::IsNotDistinctFrom => Expr::Is { negated: false, how, operands },
        BinaryOp::IsNot | BinaryOp::IsDistinctFrom => Expr::Is { negated: true, how, operands },
        BinaryOp::BitAnd => Expr::Operate(Operation::BitAnd, operands),
        BinaryOp::BitOr => Expr::Operate(Operation::BitOr, operands),
        BinaryOp::ShiftLeft => Expr::Operate(Operation::ShiftLeft, operands),
        BinaryOp::ShiftRight => Expr::Operate(Operation::ShiftRight, operands),
        BinaryOp::Add => Expr::Operate(Operation::Add, operands),
        BinaryOp::Sub => Expr::Operate(Operation::Subtract, operands),
        BinaryOp::Mul => Expr::Operate(Operation::Multiply, operands),
        BinaryOp::Div => Expr::Operate(Operation::Divide, operands),
        BinaryOp::Rem => Expr::Operate(Operation::Remainder, operands),
        BinaryOp::Concat | BinaryOp::Arrow | BinaryOp::LongArrow => Expr::Concat(operands),
    }
}

impl<'q, S: Store> Binder<'q, S> {
    pub(super) fn like(&mut self, like: &'q ast::Like) -> Result<Bound<S>> {
        let kind = match like.op {
            LikeOp::Like => PatternKind::Like,
            LikeOp::Glob => PatternKind::Glob,
            LikeOp::Regexp => return Err(Failure::error("no such function: REGEXP")),
            LikeOp::Match => return Err(Failure::error("unable to use function MATCH in the requested context")),
        };
        if like.escape.is_some() && kind == PatternKind::Glob {
            return Err(Failure::error("wrong number of arguments to function GLOB()"));
        }
        let (text, pattern) = (self.expr(&like.operand)?.expr, self.expr(&like.pattern)?.expr);
        let escape = like.escape.as_ref().map(|escape| self.expr(escape)).transpose()?.map(|escape| escape.expr);
        Ok(Bound::plain(Expr::like(like.negated, kind, (text, pattern, escape))))
    }
}
