//! Mathematics on doubles. What is no number, or has no real answer, is nothing.

use super::core::numeric;
use super::{Arity, Context, Registry};
use crate::row::ValueRef;
use crate::sql::value::Value;

pub(super) fn register(registry: &mut Registry) {
    use Arity::Exactly;
    let whole: [(&str, fn(f64) -> f64); 4] =
        [("ceil", f64::ceil), ("ceiling", f64::ceil), ("floor", f64::floor), ("trunc", f64::trunc)];
    for (name, function) in whole {
        registry.add_scalar(name, Exactly(1), true, move |_: &mut Context<'_>, args: &[ValueRef<'_>]| {
            Ok(match numeric(args[0]) {
                // Whole already, and perhaps too large for a double.
                Some(ValueRef::Integer(integer)) => Value::Integer(integer),
                Some(real) => function(real.to_real()).into(),
                None => Value::Null,
            })
        });
    }
    let of_one: [(&str, fn(f64) -> f64); 17] = [
        ("exp", f64::exp),
        ("sqrt", f64::sqrt),
        ("sin", f64::sin),
        ("cos", f64::cos),
        ("tan", f64::tan),
        ("asin", f64::asin),
        ("acos", f64::acos),
        ("atan", f64::atan),
        ("sinh", f64::sinh),
        ("cosh", f64::cosh),
        ("tanh", f64::tanh),
        ("asinh", libm::asinh),
        ("acosh", |real| if real < 1.0 { f64::NAN } else { libm::acosh(real) }),
        ("atanh", libm::atanh),
        ("radians", |degrees| degrees * (std::f64::consts::PI / 180.0)),
        ("degrees", |radians| radians * (180.0 / std::f64::consts::PI)),
        ("ln", |real| logarithm(real, f64::ln)),
    ];
    for (name, function) in of_one {
        registry.add_scalar(name, Exactly(1), true, move |_: &mut Context<'_>, args: &[ValueRef<'_>]| {
            Ok(real(args[0]).map(function).into())
        });
    }
    for name in ["log", "log10"] {
        registry.add_scalar(name, Exactly(1), true, |_: &mut Context<'_>, args: &[ValueRef<'_>]| {
            Ok(real(args[0]).map(|real| logarithm(real, f64::log10)).into())
        });
    }
    registry.add_scalar("log2", Exactly(1), true, |_: &mut Context<'_>, args: &[ValueRef<'_>]| {
        Ok(real(args[0]).map(|real| logarithm(real, f64::log2)).into())
    });
    let of_two: [(&str, fn(f64, f64) -> f64); 4] =
        [("pow", f64::powf), ("power", f64::powf), ("atan2", f64::atan2), ("mod", |a, b| a % b)];
    for (name, function) in of_two {
        registry.add_scalar(name, Exactly(2), true, move |_: &mut Context<'_>, args: &[ValueRef<'_>]| {
            Ok(real(args[0]).zip(real(args[1])).map(|(a, b)| function(a, b)).into())
        });
    }
    registry.add_scalar("log", Exactly(2), true, |_: &mut Context<'_>, args: &[ValueRef<'_>]| {
        // SQLite looks whether the base is a number, and takes from the other what it begins with.
        let base = real(args[0]).map(|base| logarithm(base, f64::ln)).filter(|base| *base > 0.0);
        Ok(base.map(|base| logarithm(args[1].to_real(), f64::ln) / base).into())
    });
    registry
        .add_scalar("pi", Exactly(0), true, |_: &mut Context<'_>, _: &[ValueRef<'_>]| Ok(std::f64::consts::PI.into()));
}

fn real(value: ValueRef<'_>) -> Option<f64> {
    numeric(value).map(ValueRef::to_real)
}

/// Only of what is above zero.
fn logarithm(real: f64, function: fn(f64) -> f64) -> f64 {
    if real > 0.0 { function(real) } else { f64::NAN }
}
