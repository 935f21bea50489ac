//! Operators between two operands, rows of values among them.

use super::expr::comparison;
use super::{Binder, Bound};
use crate::sql::ast::{self, BinaryOp, LikeOp};
use crate::sql::exec::{Expr, Relation};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;
use crate::sql::value::{self, PatternKind};

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
        BinaryOp::BitAnd => Expr::Operate(value::bit_and, operands),
        BinaryOp::BitOr => Expr::Operate(value::bit_or, operands),
        BinaryOp::ShiftLeft => Expr::Operate(value::shift_left, operands),
        BinaryOp::ShiftRight => Expr::Operate(value::shift_right, operands),
        BinaryOp::Add => Expr::Operate(value::add, operands),
        BinaryOp::Sub => Expr::Operate(value::subtract, operands),
        BinaryOp::Mul => Expr::Operate(value::multiply, operands),
        BinaryOp::Div => Expr::Operate(value::divide, operands),
        BinaryOp::Rem => Expr::Operate(value::remainder, operands),
        BinaryOp::Concat | BinaryOp::Arrow | BinaryOp::LongArrow => Expr::Concat(operands),
    }
}

impl<'q, S: Store> Binder<'q, S> {
    /// `(a, b) = (c, d)`, `(a, b) < (c, d)`: column by column.
    pub(super) fn rows(&mut self, binary: &'q ast::Binary) -> Result<Bound<S>> {
        let (ast::Expr::Row(left), ast::Expr::Row(right)) = (&binary.left, &binary.right) else {
            return match (&binary.left, &binary.right) {
                (ast::Expr::Row(_), ast::Expr::Subquery(_)) | (ast::Expr::Subquery(_), ast::Expr::Row(_)) => {
                    Err(Failure::unsupported("a row compared with a query"))
                }
                _ => Err(Failure::error("row value misused")),
            };
        };
        if left.len() != right.len() {
            return Err(Failure::error("row value misused"));
        }
        let mut result: Option<Expr<S>> = None;
        for at in (0..left.len()).rev() {
            let mut one = |op| -> Result<Expr<S>> {
                let (left, right) = (self.expr(&left[at])?, self.expr(&right[at])?);
                Ok(operator(op, left, right))
            };
            result = Some(match (binary.op, result) {
                (op @ (BinaryOp::Eq | BinaryOp::Is | BinaryOp::IsNotDistinctFrom), rest) => match rest {
                    None => one(op)?,
                    Some(rest) => Expr::And(Box::new((one(op)?, rest))),
                },
                (op @ (BinaryOp::NotEq | BinaryOp::IsNot | BinaryOp::IsDistinctFrom), rest) => match rest {
                    None => one(op)?,
                    Some(rest) => Expr::Or(Box::new((one(op)?, rest))),
                },
                (op @ (BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq), rest) => match rest {
                    None => one(op)?,
                    Some(rest) => {
                        let strict = match op {
                            BinaryOp::Lt | BinaryOp::LtEq => BinaryOp::Lt,
                            _ => BinaryOp::Gt,
                        };
                        let (less, equal) = (one(strict)?, one(BinaryOp::Eq)?);
                        Expr::Or(Box::new((less, Expr::And(Box::new((equal, rest))))))
                    }
                },
                _ => return Err(Failure::error("row value misused")),
            });
        }
        // The first columns alone say something that an index can use; the rest is no alternative to be looked up by itself.
        if let (BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq, [first, _, ..], Some(all)) =
            (binary.op, &left[..], &mut result)
        {
            let loose = match binary.op {
                BinaryOp::Lt | BinaryOp::LtEq => BinaryOp::LtEq,
                _ => BinaryOp::GtEq,
            };
            let (left, right) = (self.expr(first)?, self.expr(&right[0])?);
            let whole =
                Expr::Not(Box::new(Expr::Not(Box::new(std::mem::replace(all, Expr::Constant(value::Value::Null))))));
            return Ok(Bound::plain(Expr::And(Box::new((operator(loose, left, right), whole)))));
        }
        result.map(Bound::plain).ok_or_else(|| Failure::error("row value misused"))
    }

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
        Ok(Bound::plain(Expr::Like { negated: like.negated, kind, operands: Box::new((text, pattern, escape)) }))
    }
}
