//! How tightly operators bind, from SQLite's grammar: the parser and the printer go by the same numbers. An operand takes
//! what binds at least as tightly as it is asked for.

use super::ast::{BinaryOp, Expr, UnaryOp};

pub(super) const ANY: u8 = 0;
pub(super) const OR: u8 = 1;
pub(super) const AND: u8 = 2;
pub(super) const NOT: u8 = 3;
pub(super) const EQUAL: u8 = 4;
pub(super) const COMPARE: u8 = 5;
pub(super) const BITS: u8 = 6;
pub(super) const ADD: u8 = 7;
pub(super) const MULTIPLY: u8 = 8;
pub(super) const CONCAT: u8 = 9;
pub(super) const COLLATE: u8 = 10;
pub(super) const SIGN: u8 = 11;
/// What has an end of its own and needs no parentheses anywhere.
const CLOSED: u8 = u8::MAX;

impl BinaryOp {
    /// How tightly it binds.
    pub(super) fn binding(self) -> u8 {
        match self {
            BinaryOp::Or => OR,
            BinaryOp::And => AND,
            BinaryOp::Eq | BinaryOp::NotEq => EQUAL,
            BinaryOp::Is | BinaryOp::IsNot | BinaryOp::IsDistinctFrom | BinaryOp::IsNotDistinctFrom => EQUAL,
            BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq => COMPARE,
            BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::ShiftLeft | BinaryOp::ShiftRight => BITS,
            BinaryOp::Add | BinaryOp::Sub => ADD,
            BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => MULTIPLY,
            BinaryOp::Concat | BinaryOp::Arrow | BinaryOp::LongArrow => CONCAT,
        }
    }
}

impl Expr {
    /// How tightly its outermost operator binds.
    pub(super) fn binding(&self) -> u8 {
        match self {
            Expr::Unary(UnaryOp::Not, _) => NOT,
            Expr::Unary(..) => SIGN,
            Expr::Binary(binary) => binary.op.binding(),
            Expr::IsNull { .. } | Expr::Like(_) | Expr::Between(_) | Expr::In(_) => EQUAL,
            Expr::Collate(..) => COLLATE,
            _ => CLOSED,
        }
    }
}
