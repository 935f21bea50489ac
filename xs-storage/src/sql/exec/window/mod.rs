//! Window functions: rows that know those around them.
//!
//! All rows are taken in, each as the registers that the query behind asks for. Then each pass sorts them by its partitions and
//! its order, keeping what was equal as it was, finds for each row which others it sees, and puts what its calls answer into
//! registers of the row. What comes out last is in the order of the last pass.
//!
//! ```text
//!   rows ──▶ sort ──▶ partitions ──▶ peers ──▶ the extent of each row's frame ──▶ calls ──┐
//!             ▲                                                                           │ next pass
//!             ╰───────────────────────────────────────────────────────────────────────────╯
//! ```
//!
//! A frame whose ends only move on is followed by an aggregate that rows enter and leave, so that a pass costs no more than its
//! sort. Where rows are left out of the middle, or can't leave, each frame is gone through anew.

mod builtin;
mod extent;
mod slide;

pub(in crate::sql) use extent::{Edge, Extent};

use smallvec::SmallVec;

use super::aggregate::Begin;
use super::expr::{Datum, Expr};
use super::frame::{Frame, Outer};
use super::sort::{SortKey, compare};
use crate::row::{Collation, ValueRef};
use crate::sql::failure::Result;
use crate::sql::function::WindowFunction;
use crate::sql::store::Store;
use crate::sql::value::Value;
use extent::Extents;

/// What a call calls.
pub(in crate::sql) enum Callee {
    Aggregate(Begin),
    Function(WindowFunction),
}

/// A call over a window.
pub(in crate::sql) struct WindowCall {
    pub(in crate::sql) callee: Callee,
    /// The registers that have the arguments.
    pub(in crate::sql) args: Vec<u16>,
    pub(in crate::sql) filter: Option<u16>,
    pub(in crate::sql) collation: Collation,
    /// Where the answer goes.
    pub(in crate::sql) register: u16,
}

/// A window, and the calls over it. Keys are of registers.
pub(in crate::sql) struct WindowPass<S: Store> {
    pub(in crate::sql) partition_by: Vec<SortKey>,
    pub(in crate::sql) order_by: Vec<SortKey>,
    pub(in crate::sql) extent: Extent<S>,
    pub(in crate::sql) calls: Vec<WindowCall>,
}

impl<S: Store> WindowPass<S> {
    /// What the rows are sorted by.
    pub(in crate::sql) fn order(&self) -> Vec<SortKey> {
        self.partition_by.iter().chain(&self.order_by).copied().collect()
    }
}

/// The windows of a query.
pub(in crate::sql) struct Windows<S: Store> {
    /// Columns of the rows that come in, and where they are kept.
    pub(in crate::sql) captured: Vec<(Expr<S>, u16)>,
    /// What is computed of them: arguments and keys.
    pub(in crate::sql) computed: Vec<(Expr<S>, u16)>,
    /// The first one is the last that is gone through.
    pub(in crate::sql) passes: Vec<WindowPass<S>>,
    /// The registers of each row.
    rows: Vec<Vec<Value>>,
    /// Of each row, the registers that have JSON.
    json: Vec<SmallVec<[u16; 2]>>,
    order: Vec<u32>,
    next: usize,
    /// All rows came and have their answers.
    ready: bool,
}

impl<S: Store> Default for Windows<S> {
    fn default() -> Self {
        Windows {
            captured: Vec::new(),
            computed: Vec::new(),
            passes: Vec::new(),
            rows: Vec::new(),
            json: Vec::new(),
            order: Vec::new(),
            next: 0,
            ready: false,
        }
    }
}

impl<S: Store> Windows<S> {
    pub(in crate::sql) fn reset(&mut self) {
        self.rows.clear();
        self.json.clear();
        self.order.clear();
        (self.next, self.ready) = (0, false);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Takes the row at hand.
    pub(super) fn take(&mut self, frame: &mut Frame<S>, outer: Outer<'_, S>) -> Result<()> {
        for (expr, register) in &self.captured {
            let value = expr.eval(&outer.env(frame))?.into_value();
            frame.registers[usize::from(*register)] = value;
        }
        // A column is no JSON any more when it comes to windows; what a call makes of it may be.
        let mut json = SmallVec::new();
        for (expr, register) in &self.computed {
            let datum = expr.eval(&outer.env(frame))?;
            if matches!(datum, Datum::Json(_)) {
                json.push(*register);
            }
            let value = datum.into_value();
            frame.registers[usize::from(*register)] = value;
        }
        self.json.push(json);
        let empty = vec![Value::Null; frame.registers.len()];
        self.rows.push(std::mem::replace(&mut frame.registers, empty));
        Ok(())
    }

    /// All rows have come.
    pub(super) fn compute(&mut self, frame: &Frame<S>, outer: Outer<'_, S>) -> Result<()> {
        self.order = (0..self.rows.len() as u32).collect();
        for pass in self.passes.iter().rev() {
            let rows = &mut self.rows;
            let order = &mut self.order;
            let by_order = |a: &Vec<Value>, b: &Vec<Value>| {
                compare(&pass.partition_by, a, b).then_with(|| compare(&pass.order_by, a, b))
            };
            if !(pass.partition_by.is_empty() && pass.order_by.is_empty()) {
                order.sort_by(|a, b| by_order(&rows[*a as usize], &rows[*b as usize]));
            }
            let mut start = 0;
            while start < order.len() {
                outer.run.check()?;
                let first = &rows[order[start] as usize];
                let same = |at: &&u32| compare(&pass.partition_by, first, &rows[**at as usize]).is_eq();
                let end = start + order[start..].iter().take_while(same).count();
                let partition = Partition::new(rows, &self.json, &order[start..end], &pass.order_by);
                let extents = pass.extent.of(&partition, &outer.env(frame))?;
                let mut answers = Vec::with_capacity(pass.calls.len());
                for call in &pass.calls {
                    answers.push(match &call.callee {
                        Callee::Aggregate(begin) => slide::answers(call, begin, &partition, &extents, outer)?,
                        Callee::Function(function) => builtin::answers(call, *function, &partition, &extents, outer)?,
                    });
                }
                for (call, answers) in pass.calls.iter().zip(answers) {
                    for (at, answer) in order[start..end].iter().zip(answers) {
                        rows[*at as usize][usize::from(call.register)] = answer;
                    }
                }
                start = end;
            }
        }
        self.ready = true;
        Ok(())
    }

    /// Shows the next row in the registers. Each row is given once.
    pub(super) fn next(&mut self, frame: &mut Frame<S>) -> bool {
        let Some(row) = self.order.get(self.next).and_then(|at| self.rows.get_mut(*at as usize)) else { return false };
        self.next += 1;
        frame.registers = std::mem::take(row);
        true
    }
}

/// Rows that belong together, in their order.
struct Partition<'a> {
    rows: &'a [Vec<Value>],
    json: &'a [SmallVec<[u16; 2]>],
    order: &'a [u32],
    keys: &'a [SortKey],
    /// Where each group of peers begins, and behind the last one the end.
    groups: Vec<usize>,
    /// The group of each row.
    group_of: Vec<usize>,
}

impl<'a> Partition<'a> {
    fn new(
        rows: &'a [Vec<Value>],
        json: &'a [SmallVec<[u16; 2]>],
        order: &'a [u32],
        keys: &'a [SortKey],
    ) -> Partition<'a> {
        let mut groups = Vec::new();
        let mut group_of = Vec::with_capacity(order.len());
        for (at, row) in order.iter().enumerate() {
            let differs = |before: u32| compare(keys, &rows[before as usize], &rows[*row as usize]).is_ne();
            if at == 0 || differs(order[at - 1]) {
                groups.push(at);
            }
            group_of.push(groups.len() - 1);
        }
        groups.push(order.len());
        Partition { rows, json, order, keys, groups, group_of }
    }

    fn len(&self) -> usize {
        self.order.len()
    }

    /// The rows of a row's group: where they begin and end.
    fn peers(&self, at: usize) -> (usize, usize) {
        let group = self.group_of[at];
        (self.groups[group], self.groups[group + 1])
    }

    /// Which arguments of a call are JSON, a bit each.
    fn subtypes(&self, at: usize, args: &[u16]) -> u128 {
        let json = &self.json[self.order[at] as usize];
        let of = args.iter().take(128).enumerate().filter(|(_, arg)| json.contains(arg));
        of.fold(0, |bits, (number, _)| bits | 1 << number)
    }

    fn value(&self, at: usize, register: usize) -> ValueRef<'a> {
        self.rows[self.order[at] as usize][register].as_ref()
    }
}

impl WindowCall {
    fn arg<'a>(&self, partition: &Partition<'a>, at: usize, number: usize) -> Option<ValueRef<'a>> {
        let register = self.args.get(number)?;
        Some(partition.value(at, usize::from(*register)))
    }
}

/// The rows of a frame, without those that are excluded.
fn seen<'a>(
    partition: &'a Partition<'_>,
    extents: &'a Extents,
    at: usize,
) -> impl DoubleEndedIterator<Item = usize> + 'a {
    let (start, end) = extents.frames[at];
    (start..end).filter(move |other| !extents.excludes(partition, at, *other))
}
