//! Frames: which rows of its partition a row sees.

use std::cmp::Ordering;

use super::Partition;
use crate::row::ValueRef;
use crate::sql::ast::{FrameExclude, FrameUnit};
use crate::sql::exec::expr::Expr;
use crate::sql::exec::frame::Env;
use crate::sql::exec::sort::SortKey;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;
use crate::sql::value::{self, Affinity, Value};

/// An end of a frame.
pub(in crate::sql) enum Edge<S: Store> {
    Unbounded,
    Preceding(Expr<S>),
    Current,
    Following(Expr<S>),
}

/// How far frames reach.
pub(in crate::sql) struct Extent<S: Store> {
    pub(in crate::sql) unit: FrameUnit,
    pub(in crate::sql) start: Edge<S>,
    pub(in crate::sql) end: Edge<S>,
    /// None, if nothing was said.
    pub(in crate::sql) exclude: Option<FrameExclude>,
}

/// The frames of a partition.
pub(super) struct Extents {
    /// The first row and the one behind the last, for each row. Neither ever goes back from one row to the next.
    pub(super) frames: Vec<(usize, usize)>,
    pub(super) exclude: Option<FrameExclude>,
    /// All frames begin with the partition.
    pub(super) from_start: bool,
}

impl Extents {
    /// Whether a row within the frame of another is left out of it.
    pub(super) fn excludes(&self, partition: &Partition<'_>, at: usize, other: usize) -> bool {
        let peers = || partition.group_of[at] == partition.group_of[other];
        match self.exclude {
            None | Some(FrameExclude::NoOthers) => false,
            Some(FrameExclude::CurrentRow) => at == other,
            Some(FrameExclude::Group) => peers(),
            Some(FrameExclude::Ties) => at != other && peers(),
        }
    }
}

/// An end whose offset is known.
enum Known {
    Unbounded,
    Current,
    Preceding(Value),
    Following(Value),
}

impl Known {
    /// An offset as a number of rows or groups, of which no partition has more than `most`.
    fn steps(offset: &Value, most: usize) -> usize {
        match offset {
            Value::Integer(n) => usize::try_from(*n).unwrap_or(0).min(most),
            _ => 0,
        }
    }
}

impl<S: Store> Edge<S> {
    fn known(&self, unit: FrameUnit, which: &str, env: &Env<'_, S>) -> Result<Known> {
        let offset = |expr: &Expr<S>| -> Result<Value> {
            let offset = Affinity::Numeric.apply_to(expr.eval(env)?.into_value());
            let (good, what) = match (unit, &offset) {
                (FrameUnit::Range, Value::Integer(n)) => (*n >= 0, "number"),
                (FrameUnit::Range, Value::Real(real)) => (*real >= 0.0, "number"),
                (FrameUnit::Range, _) => (false, "number"),
                (_, Value::Integer(n)) => (*n >= 0, "integer"),
                _ => (false, "integer"),
            };
            match good {
                true => Ok(offset),
                false => Err(Failure::error(format!("frame {which} offset must be a non-negative {what}"))),
            }
        };
        Ok(match self {
            Edge::Unbounded => Known::Unbounded,
            Edge::Current => Known::Current,
            Edge::Preceding(by) => Known::Preceding(offset(by)?),
            Edge::Following(by) => Known::Following(offset(by)?),
        })
    }
}

impl<S: Store> Extent<S> {
    pub(super) fn of(&self, partition: &Partition<'_>, env: &Env<'_, S>) -> Result<Extents> {
        let start = self.start.known(self.unit, "starting", env)?;
        let end = self.end.known(self.unit, "ending", env)?;
        let from_start = matches!(start, Known::Unbounded);
        let mut frames = Vec::with_capacity(partition.len());
        match self.unit {
            FrameUnit::Rows => {
                let len = partition.len();
                frames.extend((0..len).map(|at| counted(&start, &end, at, len)));
            }
            FrameUnit::Groups | FrameUnit::Range => {
                let groups = partition.groups.len() - 1;
                let mut range = Moving { partition, start: 0, end: 0 };
                for group in 0..groups {
                    let (first, last) = match self.unit {
                        FrameUnit::Groups => counted(&start, &end, group, groups),
                        _ => range.next(&start, &end, group, groups),
                    };
                    let frame = (partition.groups[first], partition.groups[last]);
                    let rows = partition.groups[group + 1] - partition.groups[group];
                    frames.extend(std::iter::repeat_n(frame, rows));
                }
            }
        }
        Ok(Extents { frames, exclude: self.exclude, from_start })
    }
}

/// The frame in steps: rows, or groups. The end is behind the last one.
fn counted(start: &Known, end: &Known, at: usize, len: usize) -> (usize, usize) {
    let start = match start {
        Known::Unbounded => 0,
        Known::Current => at,
        Known::Preceding(by) => at.saturating_sub(Known::steps(by, len)),
        Known::Following(by) => (at + Known::steps(by, len)).min(len),
    };
    let end = match end {
        Known::Unbounded => len,
        Known::Current => at + 1,
        Known::Preceding(by) => (at + 1).saturating_sub(Known::steps(by, len + 1)),
        Known::Following(by) => (at + Known::steps(by, len) + 1).min(len),
    };
    (start.min(end), end)
}

/// The ends of frames that are values apart; they move on from group to group.
struct Moving<'a> {
    partition: &'a Partition<'a>,
    start: usize,
    end: usize,
}

/// What is asked of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Ge,
    Gt,
    Le,
    Lt,
}

impl Moving<'_> {
    fn next(&mut self, start: &Known, end: &Known, group: usize, groups: usize) -> (usize, usize) {
        let Moving { partition, .. } = *self;
        let Some(key) = partition.keys.first() else { return (0, groups) };
        let value = |group: usize| partition.value(partition.groups[group], key.output);
        let end = match end {
            Known::Unbounded => groups,
            Known::Current => group + 1,
            Known::Preceding(by) => {
                while self.end < groups && !holds(Test::Gt, value(self.end), by, value(group), key) {
                    self.end += 1;
                }
                self.end
            }
            Known::Following(by) => {
                while self.end < groups && holds(Test::Ge, value(group), by, value(self.end), key) {
                    self.end += 1;
                }
                self.end
            }
        };
        let start = match start {
            Known::Unbounded => 0,
            Known::Current => group,
            Known::Preceding(by) => {
                while self.start < end && !holds(Test::Ge, value(self.start), by, value(group), key) {
                    self.start += 1;
                }
                self.start
            }
            Known::Following(by) => {
                while self.start < end && !holds(Test::Le, value(group), by, value(self.start), key) {
                    self.start += 1;
                }
                self.start
            }
        };
        (start.min(end), end)
    }
}

/// Whether the first value, moved on by an offset along the order, compares so with the second. Text and blobs don't move;
/// nothing moves to nothing, and stands where the order has it.
fn holds(test: Test, a: ValueRef<'_>, by: &Value, b: ValueRef<'_>, key: &SortKey) -> bool {
    let descending = key.key.descending;
    let test = match (descending, test) {
        (false, test) => test,
        (true, Test::Ge) => Test::Le,
        (true, Test::Gt) => Test::Lt,
        (true, _) => Test::Ge,
    };
    // Where nulls are the largest, they are told apart before anything is compared.
    if key.nulls_first == descending {
        match (a.is_null(), b.is_null()) {
            (true, other) => return test == Test::Ge || test == Test::Gt && !other || test == Test::Le && other,
            (false, true) => return matches!(test, Test::Le | Test::Lt),
            _ => {}
        }
    }
    let moved = match a {
        ValueRef::Text(_) | ValueRef::Blob(_) => a,
        _ if descending => value::subtract(a, by.as_ref()),
        _ => value::add(a, by.as_ref()),
    };
    let order = value::order(moved, b, key.key.collation);
    match test {
        Test::Ge => order != Ordering::Less,
        Test::Gt => order == Ordering::Greater,
        Test::Le => order != Ordering::Greater,
        Test::Lt => order == Ordering::Less,
    }
}
