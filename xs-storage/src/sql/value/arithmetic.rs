//! What operators make of values. Nothing in, nothing out: but for `AND` and `OR`, which may know better.

use super::{NumberText, Value};
use crate::row::ValueRef;

/// Two integers if both are, else two real numbers; nothing if one is nothing.
enum Pair {
    Integers(i64, i64),
    Reals(f64, f64),
    Nothing,
}

#[inline]
fn pair(a: ValueRef<'_>, b: ValueRef<'_>) -> Pair {
    match (a, b) {
        (ValueRef::Integer(a), ValueRef::Integer(b)) => Pair::Integers(a, b),
        (ValueRef::Real(a), ValueRef::Real(b)) => Pair::Reals(a, b),
        (ValueRef::Real(a), ValueRef::Integer(b)) => Pair::Reals(a, b as f64),
        (ValueRef::Integer(a), ValueRef::Real(b)) => Pair::Reals(a as f64, b),
        _ => other_pair(a, b),
    }
}

fn other_pair(a: ValueRef<'_>, b: ValueRef<'_>) -> Pair {
    match (a.to_number(), b.to_number()) {
        (ValueRef::Integer(a), ValueRef::Integer(b)) => Pair::Integers(a, b),
        (ValueRef::Null, _) | (_, ValueRef::Null) => Pair::Nothing,
        // Of the text, not of the integer that it may be: `'-0'` is below zero here.
        _ => Pair::Reals(a.to_real(), b.to_real()),
    }
}

/// A real number; what is none is nothing.
fn real(real: f64) -> ValueRef<'static> {
    if real.is_nan() { ValueRef::Null } else { ValueRef::Real(real) }
}

#[inline]
fn calculate(
    a: ValueRef<'_>,
    b: ValueRef<'_>,
    integers: fn(i64, i64) -> Option<i64>,
    reals: fn(f64, f64) -> f64,
) -> ValueRef<'static> {
    match pair(a, b) {
        Pair::Integers(a, b) => match integers(a, b) {
            Some(integer) => ValueRef::Integer(integer),
            None => real(reals(a as f64, b as f64)),
        },
        Pair::Reals(a, b) => real(reals(a, b)),
        Pair::Nothing => ValueRef::Null,
    }
}

/// `a + b`: a real number where an integer is too small.
pub fn add(a: ValueRef<'_>, b: ValueRef<'_>) -> ValueRef<'static> {
    calculate(a, b, i64::checked_add, |a, b| a + b)
}

/// `a - b`
pub fn subtract(a: ValueRef<'_>, b: ValueRef<'_>) -> ValueRef<'static> {
    calculate(a, b, i64::checked_sub, |a, b| a - b)
}

/// `a * b`
pub fn multiply(a: ValueRef<'_>, b: ValueRef<'_>) -> ValueRef<'static> {
    calculate(a, b, i64::checked_mul, |a, b| a * b)
}

/// `a / b`: towards zero between integers, nothing by zero.
pub fn divide(a: ValueRef<'_>, b: ValueRef<'_>) -> ValueRef<'static> {
    match pair(a, b) {
        Pair::Integers(_, 0) => ValueRef::Null,
        Pair::Reals(_, 0.0) => ValueRef::Null,
        _ => calculate(a, b, i64::checked_div, |a, b| a / b),
    }
}

/// `a % b`: of both as integers, with the sign of `a`; nothing by zero.
pub fn remainder(a: ValueRef<'_>, b: ValueRef<'_>) -> ValueRef<'static> {
    let of = |a: i64, b: i64| (b != 0).then(|| a.wrapping_rem(b));
    match pair(a, b) {
        Pair::Integers(a, b) => of(a, b).map_or(ValueRef::Null, ValueRef::Integer),
        Pair::Reals(..) => {
            of(a.to_integer(), b.to_integer()).map_or(ValueRef::Null, |integer| ValueRef::Real(integer as f64))
        }
        Pair::Nothing => ValueRef::Null,
    }
}

/// `-a`, which is `0 - a`. A literal's sign belongs to the literal.
pub fn negate(a: ValueRef<'_>) -> ValueRef<'static> {
    subtract(ValueRef::Integer(0), a)
}

fn bits(a: ValueRef<'_>, b: ValueRef<'_>, of: fn(i64, i64) -> i64) -> ValueRef<'static> {
    match (a, b) {
        (ValueRef::Null, _) | (_, ValueRef::Null) => ValueRef::Null,
        _ => ValueRef::Integer(of(a.to_integer(), b.to_integer())),
    }
}

/// `a & b`
pub fn bit_and(a: ValueRef<'_>, b: ValueRef<'_>) -> ValueRef<'static> {
    bits(a, b, |a, b| a & b)
}

/// `a | b`
pub fn bit_or(a: ValueRef<'_>, b: ValueRef<'_>) -> ValueRef<'static> {
    bits(a, b, |a, b| a | b)
}

/// `~a`
pub fn bit_not(a: ValueRef<'_>) -> ValueRef<'static> {
    if a.is_null() { ValueRef::Null } else { ValueRef::Integer(!a.to_integer()) }
}

/// `a << b`: to the other side if `b` is negative.
pub fn shift_left(a: ValueRef<'_>, b: ValueRef<'_>) -> ValueRef<'static> {
    bits(a, b, |a, b| shift(a, i128::from(b)))
}

/// `a >> b`, with the sign.
pub fn shift_right(a: ValueRef<'_>, b: ValueRef<'_>) -> ValueRef<'static> {
    bits(a, b, |a, b| shift(a, -i128::from(b)))
}

fn shift(bits: i64, left: i128) -> i64 {
    match left {
        0..64 => bits << left,
        64.. => 0,
        _ => bits >> (-left).min(63),
    }
}

/// `NOT a`
pub fn not(a: Option<bool>) -> Option<bool> {
    a.map(|a| !a)
}

/// `a AND b`: false if one is, whatever the other may be.
pub fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// `a OR b`: true if one is.
pub fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    not(and(not(a), not(b)))
}

/// A value would be longer than its limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("string or blob too big")]
pub struct TooBig;

/// `a || b`: text, of blobs too.
pub fn concat(a: ValueRef<'_>, b: ValueRef<'_>, most: usize) -> Result<Value, TooBig> {
    let (mut room_a, mut room_b) = (NumberText::new(), NumberText::new());
    let (Some(a), Some(b)) = (a.text_in(&mut room_a), b.text_in(&mut room_b)) else { return Ok(Value::Null) };
    if a.len().saturating_add(b.len()) > most {
        return Err(TooBig);
    }
    Ok(Value::Text(a.iter().chain(b).copied().collect()))
}
