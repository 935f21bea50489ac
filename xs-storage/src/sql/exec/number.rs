//! Numbers on a way of their own.
//!
//! A value may be text that lies anywhere, so it takes three words and goes from hand to hand in memory. Most of what is computed and
//! compared for each row is a number, which two registers have room for. So comparisons, arithmetic and aggregates ask for a number
//! first. Where there is something else, or where two numbers make something else, they ask again for the value, by the rules for all
//! values: nothing happened meanwhile, since only what is at hand can be a number here.

use super::expr::Expr;
use super::frame::Env;
use crate::row::{Number, Packed, ValueRef};
use crate::sql::store::Store;
use crate::sql::value::{self, Value};

/// Arithmetic on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    BitAnd,
    BitOr,
    ShiftLeft,
    ShiftRight,
}

impl Operation {
    /// Of any values.
    pub(super) fn of(self, a: ValueRef<'_>, b: ValueRef<'_>) -> ValueRef<'static> {
        match self {
            Operation::Add => value::add(a, b),
            Operation::Subtract => value::subtract(a, b),
            Operation::Multiply => value::multiply(a, b),
            Operation::Divide => value::divide(a, b),
            Operation::Remainder => value::remainder(a, b),
            Operation::BitAnd => value::bit_and(a, b),
            Operation::BitOr => value::bit_or(a, b),
            Operation::ShiftLeft => value::shift_left(a, b),
            Operation::ShiftRight => value::shift_right(a, b),
        }
    }

    /// Of two numbers, where that is one and no rule of its own is needed.
    #[inline]
    fn of_numbers(self, a: Number, b: Number) -> Number {
        let (a, b) = match (a, b) {
            (Number::Integer(a), Number::Integer(b)) => {
                let integer = match self {
                    Operation::Add => a.checked_add(b),
                    Operation::Subtract => a.checked_sub(b),
                    Operation::Multiply => a.checked_mul(b),
                    Operation::Divide => a.checked_div(b),
                    Operation::Remainder => a.checked_rem(b),
                    Operation::BitAnd => Some(a & b),
                    Operation::BitOr => Some(a | b),
                    Operation::ShiftLeft | Operation::ShiftRight => None,
                };
                return integer.map_or(Number::Other, Number::Integer);
            }
            (Number::Real(a), Number::Real(b)) => (a, b),
            (Number::Real(a), Number::Integer(b)) => (a, b as f64),
            (Number::Integer(a), Number::Real(b)) => (a as f64, b),
            _ => return Number::Other,
        };
        let real = match self {
            Operation::Add => a + b,
            Operation::Subtract => a - b,
            Operation::Multiply => a * b,
            Operation::Divide if b != 0.0 => a / b,
            _ => return Number::Other,
        };
        if real.is_nan() { Number::Other } else { Number::Real(real) }
    }
}

impl<S: Store> Expr<S> {
    /// The value as a number, if it is at hand and one.
    #[inline(always)]
    pub(super) fn number(&self, env: &Env<'_, S>) -> Number {
        match self {
            Expr::Local(place) => env.frame.number(*place).into(),
            Expr::Constant(value) => number_of(value),
            _ => self.number_made(env).into(),
        }
    }

    #[inline(never)]
    fn number_made(&self, env: &Env<'_, S>) -> Packed {
        let number = match self {
            Expr::Operate(operation, operands) => {
                let a = operands.0.number(env);
                operation.of_numbers(a, operands.1.number(env))
            }
            Expr::Parameter(at) => env.outer.run.params.get(*at).map_or(Number::Other, number_of),
            _ => Number::Other,
        };
        number.into()
    }
}

#[inline]
pub(super) fn number_of(value: &Value) -> Number {
    match value {
        Value::Integer(integer) => Number::Integer(*integer),
        Value::Real(real) => Number::Real(*real),
        _ => Number::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Operation; 9] = [
        Operation::Add,
        Operation::Subtract,
        Operation::Multiply,
        Operation::Divide,
        Operation::Remainder,
        Operation::BitAnd,
        Operation::BitOr,
        Operation::ShiftLeft,
        Operation::ShiftRight,
    ];

    fn number() -> impl Strategy<Value = Number> {
        prop_oneof![
            any::<i64>().prop_map(Number::Integer),
            (-3..4_i64).prop_map(Number::Integer),
            Just(Number::Integer(i64::MIN)),
            any::<f64>().prop_filter("no number", |real| !real.is_nan()).prop_map(Number::Real),
            (-3..4_i64).prop_map(|n| Number::Real(n as f64)),
            Just(Number::Real(f64::INFINITY)),
        ]
    }

    proptest! {
        #[test]
        fn numbers_are_what_values_are(a in number(), b in number(), operation in 0..9_usize) {
            let operation = ALL[operation];
            let (Some(x), Some(y)) = (a.value(), b.value()) else { return Ok(()) };
            if let Some(found) = operation.of_numbers(a, b).value() {
                prop_assert_eq!(found, operation.of(x, y));
            }
            let order = value::compare(x, y, None, crate::row::Collation::Binary);
            prop_assert_eq!(a.order(b), order);
        }
    }
}
