//! Functions of numbers and of values as such, and those that ask the connection.

use std::cmp::Ordering;

use super::format::{self, Spec};
use super::{Arity, Context, Error, Registry};
use crate::row::{Collation, ValueRef};
use crate::sql::value::{self, Affinity, NumberText, PatternKind, Value};

pub(super) type Answer = Result<Value, Error>;

pub(super) fn register(registry: &mut Registry) {
    use Arity::{AtLeast, Exactly};
    registry.add_scalar("abs", Exactly(1), true, abs);
    registry.add_scalar("sign", Exactly(1), true, sign);
    registry.add_scalar("round", Exactly(1), true, round);
    registry.add_scalar("round", Exactly(2), true, round);
    registry.add_scalar("typeof", Exactly(1), true, |_: &mut Context<'_>, args: &[ValueRef<'_>]| {
        Ok(args[0].type_name().into())
    });
    registry.add_scalar("coalesce", AtLeast(2), true, coalesce);
    registry.add_scalar("ifnull", Exactly(2), true, coalesce);
    registry.add_scalar("nullif", Exactly(2), true, nullif);
    for name in ["iif", "if"] {
        registry.add_scalar(name, AtLeast(2), true, iif);
    }
    registry.add_scalar("min", AtLeast(2), true, min);
    registry.add_scalar("max", AtLeast(2), true, max);
    for name in ["likely", "unlikely"] {
        registry.add_scalar(name, Exactly(1), true, first);
    }
    registry.add_scalar("likelihood", Exactly(2), true, first);
    registry.add_scalar("like", Exactly(2), true, like);
    registry.add_scalar("like", Exactly(3), true, like);
    registry.add_scalar("glob", Exactly(2), true, glob);
    registry.add_scalar("random", Exactly(0), false, |context: &mut Context<'_>, _: &[ValueRef<'_>]| {
        Ok(Value::Integer((context.random)() as i64))
    });
    registry.add_scalar("randomblob", Exactly(1), false, randomblob);
    registry.add_scalar("changes", Exactly(0), false, |context: &mut Context<'_>, _: &[ValueRef<'_>]| {
        Ok(context.changes.into())
    });
    registry.add_scalar("total_changes", Exactly(0), false, |context: &mut Context<'_>, _: &[ValueRef<'_>]| {
        Ok(context.total_changes.into())
    });
    registry.add_scalar("last_insert_rowid", Exactly(0), false, |context: &mut Context<'_>, _: &[ValueRef<'_>]| {
        Ok(context.last_insert_rowid.into())
    });
}

fn first(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    Ok(args[0].into())
}

fn abs(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    match args[0] {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(integer) => {
            integer.checked_abs().map(Value::Integer).ok_or_else(|| Error::failed("integer overflow"))
        }
        other => match other.to_real() {
            real if real < 0.0 => Ok(Value::Real(-real)),
            real => Ok(Value::Real(real)),
        },
    }
}

/// A number as it is, text as the number that all of it is; else nothing.
pub(super) fn numeric(value: ValueRef<'_>) -> Option<ValueRef<'static>> {
    if matches!(value, ValueRef::Integer(_) | ValueRef::Real(_)) {
        return Some(value.to_number());
    }
    let mut room = NumberText::new();
    match Affinity::Numeric.for_comparison(value, &mut room) {
        ValueRef::Integer(integer) => Some(ValueRef::Integer(integer)),
        ValueRef::Real(real) => Some(ValueRef::Real(real)),
        _ => None,
    }
}

fn sign(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    Ok(numeric(args[0]).map(ValueRef::to_real).map_or(Value::Null, |real| match real {
        _ if real > 0.0 => 1.into(),
        _ if real < 0.0 => (-1).into(),
        _ => 0.into(),
    }))
}

fn round(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    // From here on, doubles have no digits behind the point.
    const WHOLE: f64 = 4_503_599_627_370_496.0;
    if args.iter().any(|arg| arg.is_null()) {
        return Ok(Value::Null);
    }
    let digits = args.get(1).map_or(0, |digits| digits.to_integer().clamp(0, 30)) as i32;
    let real = args[0].to_real();
    Ok(Value::Real(match digits {
        _ if !(-WHOLE..=WHOLE).contains(&real) => real,
        0 => (real + if real < 0.0 { -0.5 } else { 0.5 }).trunc() + 0.0,
        // As it would be written with so many.
        _ => {
            let spec = Spec { precision: Some(digits), ..Spec::default() };
            ValueRef::Text(&format::real(&spec, b'f', real)).to_real()
        }
    }))
}

fn coalesce(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    Ok(args.iter().find(|arg| !arg.is_null()).copied().unwrap_or(ValueRef::Null).into())
}

fn nullif(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let same = value::order(args[0], args[1], context.collation) == Ordering::Equal;
    if context.is_json(0) {
        context.answer_json();
    }
    Ok(if same { Value::Null } else { args[0].into() })
}

/// Conditions and values in turn, and at the end, if there is one more, the value if no condition holds.
fn iif(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    for branch in args.chunks(2) {
        match *branch {
            [condition, value] if condition.truth() == Some(true) => return Ok(value.into()),
            [otherwise] => return Ok(otherwise.into()),
            _ => {}
        }
    }
    Ok(Value::Null)
}

/// Of values that are the same, such as 1 and 1.0, the last.
fn min(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    extreme(context, args, |best, next, collation| value::order(best, next, collation).is_ge())
}

/// Of values that are the same, the first.
fn max(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    extreme(context, args, |best, next, collation| value::order(best, next, collation).is_lt())
}

fn extreme(
    context: &mut Context<'_>,
    args: &[ValueRef<'_>],
    better: impl Fn(ValueRef<'_>, ValueRef<'_>, Collation) -> bool,
) -> Answer {
    if args.iter().any(|arg| arg.is_null()) {
        return Ok(Value::Null);
    }
    let collation = context.collation;
    let all = args.iter().copied().enumerate();
    let best = all.reduce(|best, next| if better(best.1, next.1, collation) { next } else { best });
    let (at, best) = best.unwrap_or((0, ValueRef::Null));
    if context.is_json(at) {
        context.answer_json();
    }
    Ok(best.into())
}

fn like(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    matched(args, PatternKind::Like)
}

fn glob(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    matched(args, PatternKind::Glob)
}

/// The pattern comes first, other than in the operator.
fn matched(args: &[ValueRef<'_>], kind: PatternKind) -> Answer {
    let matched = value::like(args[1], args[0], args.get(2).copied(), kind);
    matched.map(Value::from).map_err(|error| Error::failed(error.to_string()))
}

fn randomblob(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let len = usize::try_from(args[0].to_integer().max(1)).unwrap_or(usize::MAX);
    context.fits(len)?;
    let mut blob = Vec::with_capacity(len);
    while blob.len() < len {
        let bits = (context.random)().to_le_bytes();
        blob.extend_from_slice(&bits[..bits.len().min(len - blob.len())]);
    }
    Ok(blob.into())
}
