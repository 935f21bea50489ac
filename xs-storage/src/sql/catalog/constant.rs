//! Defaults that are constants: what rows have in columns that were added after them.

use super::super::ast::{Expr, Literal, Quote, UnaryOp};
use crate::sql::value::{Affinity, NumberText, Value, negate};

/// The value of a constant; none, if it has to be computed.
pub(in crate::sql) fn constant(expr: &Expr) -> Option<Value> {
    Some(match expr {
        Expr::Literal(Literal::Null) => Value::Null,
        Expr::Literal(Literal::Integer(n)) => i64::try_from(*n).map_or(Value::Real(*n as f64), Value::Integer),
        Expr::Literal(Literal::Hex(bits)) => Value::Integer(*bits as i64),
        Expr::Literal(Literal::Float(real)) => (*real).into(),
        Expr::Literal(Literal::String(text)) => (&**text).into(),
        Expr::Literal(Literal::Blob(bytes)) => (&**bytes).into(),
        Expr::Unary(UnaryOp::Plus, operand) => constant(operand)?,
        Expr::Unary(UnaryOp::Minus, operand) => match &**operand {
            // The smallest integer is the sign of what is one too large.
            Expr::Literal(Literal::Integer(n)) if *n == 1 << 63 => Value::Integer(i64::MIN),
            operand => negate(Affinity::Numeric.apply_to(constant(operand)?).as_ref()).into(),
        },
        Expr::Cast(operand, name) => {
            let affinity = Affinity::of_cast(name.as_ref().map_or("", |name| &name.0));
            constant(operand)?.as_ref().cast(affinity, &mut NumberText::new()).into()
        }
        Expr::Column(column) if column.table.is_none() && column.name.quote == Quote::Bare => match () {
            () if column.name.is("true") => Value::Integer(1),
            () if column.name.is("false") => Value::Integer(0),
            () => return None,
        },
        _ => return None,
    })
}
