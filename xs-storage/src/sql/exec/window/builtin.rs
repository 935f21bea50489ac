//! Functions of windows alone: what a row is among those of its partition.

use super::{Partition, WindowCall, extent::Extents, seen};
use crate::row::ValueRef;
use crate::sql::exec::frame::Outer;
use crate::sql::failure::{Failure, Result};
use crate::sql::function::WindowFunction;
use crate::sql::store::Store;
use crate::sql::value::{self, Affinity, Value};

/// The answer for a row of a partition.
pub(super) fn answer<S: Store>(
    (call, function): (&WindowCall, WindowFunction),
    partition: &Partition<'_>,
    extents: &Extents,
    at: usize,
    outer: Outer<'_, S>,
) -> Result<Value> {
    let len = partition.len();
    let number = |n: usize| Ok(Value::Integer(n as i64));
    match function {
        WindowFunction::RowNumber => number(at + 1),
        WindowFunction::Rank => number(partition.peers(at).0 + 1),
        WindowFunction::DenseRank => number(partition.group_of[at] + 1),
        WindowFunction::PercentRank => Ok(match len {
            0 | 1 => Value::Real(0.0),
            _ => Value::Real(partition.peers(at).0 as f64 / (len - 1) as f64),
        }),
        WindowFunction::CumeDist => Ok(Value::Real(partition.peers(at).1 as f64 / len as f64)),
        WindowFunction::Ntile => {
            // The first row says how many.
            let tiles = call.arg(partition, 0, 0).map_or(0, |tiles| tiles.to_integer());
            let Some(tiles) = usize::try_from(tiles).ok().filter(|tiles| *tiles > 0) else {
                return Err(Failure::error("argument of ntile must be a positive integer"));
            };
            number(tile(at, len, tiles))
        }
        WindowFunction::Lag | WindowFunction::Lead => {
            Ok(distant(call, function == WindowFunction::Lead, partition, at))
        }
        WindowFunction::FirstValue | WindowFunction::LastValue => {
            // Of a frame with all left out, every row is looked at.
            outer.run.check()?;
            let mut seen = seen(partition, extents, at);
            let one = if function == WindowFunction::FirstValue { seen.next() } else { seen.next_back() };
            Ok(shown(call, partition, one))
        }
        WindowFunction::NthValue => outer.run.check().and_then(|()| nth(call, partition, extents, at)),
    }
}

/// The first tiles have one row more, if rows are left over.
fn tile(at: usize, len: usize, tiles: usize) -> usize {
    let size = len / tiles;
    if size == 0 {
        return at + 1;
    }
    let large = len - tiles * size;
    let in_large = large * (size + 1);
    match at < in_large {
        true => 1 + at / (size + 1),
        false => 1 + large + (at - in_large) / size,
    }
}

fn shown(call: &WindowCall, partition: &Partition<'_>, at: Option<usize>) -> Value {
    at.and_then(|at| call.arg(partition, at, 0)).map_or(Value::Null, Value::from)
}

/// The value so many rows before or behind. An offset may be negative; but SQLite gives a row as soon as the next one is known,
/// and `lag` sees no further than that.
fn distant(call: &WindowCall, ahead: bool, partition: &Partition<'_>, at: usize) -> Value {
    let offset = call.arg(partition, at, 1).unwrap_or(ValueRef::Integer(1));
    let place = ValueRef::Integer(at as i64);
    let place = if ahead { value::add(place, offset) } else { value::subtract(place, offset) };
    let limit = if ahead { partition.len() } else { partition.len().min(at + 2) };
    let found = match Affinity::Numeric.apply_to(place.into()) {
        Value::Integer(place) => usize::try_from(place).ok().filter(|place| *place < limit),
        _ => None,
    };
    match found {
        Some(found) => shown(call, partition, Some(found)),
        None => call.arg(partition, at, 2).map_or(Value::Null, Value::from),
    }
}

fn nth(call: &WindowCall, partition: &Partition<'_>, extents: &Extents, at: usize) -> Result<Value> {
    let wanted = |at: usize| {
        let wanted = call.arg(partition, at, 1).map_or(Value::Null, Value::from);
        match Affinity::Numeric.apply_to(wanted) {
            Value::Integer(n) if n > 0 => Ok(n as usize),
            Value::Real(n) if n >= 1.0 && n.fract() == 0.0 && n < 9.2e18 => Ok(n as usize),
            _ => Err(Failure::error("second argument to nth_value must be a positive integer")),
        }
    };
    if extents.exclude.is_none() {
        let (start, end) = extents.frames[at];
        let place = start.checked_add(wanted(at)? - 1).filter(|place| *place < end);
        return Ok(shown(call, partition, place));
    }
    // Here each row of the frame says which it wants.
    let mut found = None;
    for (number, other) in seen(partition, extents, at).enumerate() {
        if wanted(other)? == number + 1 {
            found = Some(other);
        }
    }
    Ok(shown(call, partition, found))
}
