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
//! The last pass stops when its answers are many bytes, and goes on when they have been given: text that grows with each row would
//! take the square of what the rows take.
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
use super::frame::{Env, Frame, Outer};
use super::sort::{SortKey, compare};
use crate::row::{Collation, ValueRef};
use crate::sql::failure::{Failure, Result};
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
    /// All rows came, and this is how many of them have the last pass's answers.
    done: Option<usize>,
    /// The partition that the last pass stopped in.
    open: Option<Open>,
}

/// So many bytes of answers wait to be given.
const MOST: usize = 1 << 20;

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
            done: None,
            open: None,
        }
    }
}

impl<S: Store> Windows<S> {
    pub(in crate::sql) fn reset(&mut self) {
        self.rows.clear();
        self.json.clear();
        self.order.clear();
        (self.next, self.done, self.open) = (0, None, None);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.done.is_some()
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
        for number in (0..self.passes.len()).rev() {
            let pass = &self.passes[number];
            let (rows, order) = (&self.rows, &mut self.order);
            let by_order = |a: &Vec<Value>, b: &Vec<Value>| {
                compare(&pass.partition_by, a, b).then_with(|| compare(&pass.order_by, a, b))
            };
            if !(pass.partition_by.is_empty() && pass.order_by.is_empty()) {
                order.sort_by(|a, b| by_order(&rows[*a as usize], &rows[*b as usize]));
            }
            let mut done = 0;
            while number > 0 && done < self.order.len() {
                done = self.answer(number, done, usize::MAX, frame, outer)?;
            }
        }
        self.done = Some(0);
        Ok(())
    }

    /// Goes on with a pass behind so many rows, and stops at the end of the partition, or where the answers are too many. Says how
    /// many rows have theirs.
    fn answer(
        &mut self,
        number: usize,
        done: usize,
        most: usize,
        frame: &Frame<S>,
        outer: Outer<'_, S>,
    ) -> Result<usize> {
        outer.run.check()?;
        let Some(pass) = self.passes.get(number) else { return Ok(self.order.len()) };
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::new(pass, &self.rows, &self.json, &self.order, done, outer.env(frame))?,
        };
        let mut bytes = 0;
        let mut answers: SmallVec<[Value; 4]> = SmallVec::new();
        while open.at < open.end - open.start && bytes < most {
            let partition = Partition {
                rows: &self.rows,
                json: &self.json,
                order: &self.order[open.start..open.end],
                keys: &pass.order_by,
                groups: &open.groups,
                group_of: &open.group_of,
            };
            for (call, state) in pass.calls.iter().zip(&mut open.states) {
                let answer = match (&call.callee, state) {
                    (Callee::Aggregate(begin), Some(slide)) => {
                        slide.answer((call, begin), &partition, &open.extents, open.at, outer)?
                    }
                    (Callee::Function(function), _) => {
                        builtin::answer((call, *function), &partition, &open.extents, open.at, outer)?
                    }
                    (Callee::Aggregate(_), None) => return Err(Failure::internal("an aggregate that was not begun")),
                };
                bytes += match answer.as_ref() {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
                    _ => 0,
                };
                answers.push(answer);
            }
            let row = self.order[open.start + open.at] as usize;
            for (call, answer) in pass.calls.iter().zip(answers.drain(..)) {
                self.rows[row][usize::from(call.register)] = answer;
            }
            open.at += 1;
        }
        let done = open.start + open.at;
        if done < open.end {
            self.open = Some(open);
        }
        Ok(done)
    }

    /// Shows the next row in the registers. Each row is given once.
    pub(super) fn next(&mut self, frame: &mut Frame<S>, outer: Outer<'_, S>) -> Result<bool> {
        let mut done = self.done.unwrap_or(0);
        if self.next == done && done < self.order.len() {
            done = self.answer(0, done, MOST, frame, outer)?;
            self.done = Some(done);
        }
        let Some(row) = self.order.get(self.next).and_then(|at| self.rows.get_mut(*at as usize)) else {
            return Ok(false);
        };
        let is_open = self.open.as_ref().is_some_and(|open| self.next >= open.start);
        self.next += 1;
        frame.registers = match is_open {
            false => std::mem::take(row),
            // Those behind it may still ask for all but its answers.
            true => {
                let calls = self.passes.first().map_or(&[][..], |pass| &pass.calls);
                let registers = || calls.iter().map(|call| usize::from(call.register));
                let answers: SmallVec<[Value; 4]> = registers().map(|at| std::mem::take(&mut row[at])).collect();
                let mut shown = row.clone();
                registers().zip(answers).for_each(|(at, answer)| shown[at] = answer);
                shown
            }
        };
        Ok(true)
    }
}

/// A partition on the way through it.
struct Open {
    start: usize,
    end: usize,
    groups: Vec<usize>,
    group_of: Vec<usize>,
    extents: Extents,
    /// Of each call, if it is of an aggregate.
    states: Vec<Option<slide::Slide>>,
    /// The row that is next.
    at: usize,
}

impl Open {
    /// The partition that begins there.
    fn new<S: Store>(
        pass: &WindowPass<S>,
        rows: &[Vec<Value>],
        json: &[SmallVec<[u16; 2]>],
        order: &[u32],
        start: usize,
        env: Env<'_, S>,
    ) -> Result<Open> {
        let first = &rows[order[start] as usize];
        let same = |at: &&u32| compare(&pass.partition_by, first, &rows[**at as usize]).is_eq();
        let end = start + order[start..].iter().take_while(same).count();
        let (mut groups, mut group_of) = (Vec::new(), Vec::with_capacity(end - start));
        let order = &order[start..end];
        for (at, row) in order.iter().enumerate() {
            let differs = |before: u32| compare(&pass.order_by, &rows[before as usize], &rows[*row as usize]).is_ne();
            if at == 0 || differs(order[at - 1]) {
                groups.push(at);
            }
            group_of.push(groups.len() - 1);
        }
        groups.push(order.len());
        let keys = &pass.order_by;
        let partition = Partition { rows, json, order, keys, groups: &groups, group_of: &group_of };
        let extents = pass.extent.of(&partition, &env)?;
        let state = |call: &WindowCall| match &call.callee {
            Callee::Aggregate(begin) => Some(slide::Slide::new(call, begin, &extents)),
            Callee::Function(_) => None,
        };
        let states = pass.calls.iter().map(state).collect();
        Ok(Open { start, end, groups, group_of, extents, states, at: 0 })
    }
}

/// Rows that belong together, in their order.
struct Partition<'a> {
    rows: &'a [Vec<Value>],
    json: &'a [SmallVec<[u16; 2]>],
    order: &'a [u32],
    keys: &'a [SortKey],
    /// Where each group of peers begins, and behind the last one the end.
    groups: &'a [usize],
    /// The group of each row.
    group_of: &'a [usize],
}

impl<'a> Partition<'a> {
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
