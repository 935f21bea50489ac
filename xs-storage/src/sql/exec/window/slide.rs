//! Aggregates over frames: rows enter at the end and leave at the start.

use smallvec::SmallVec;

use super::{Partition, WindowCall, extent::Extents, seen};
use crate::row::ValueRef;
use crate::sql::exec::aggregate::Begin;
use crate::sql::exec::frame::Outer;
use crate::sql::failure::Result;
use crate::sql::function::Aggregate;
use crate::sql::store::Store;
use crate::sql::value::Value;

/// What is in the frame of the row at hand.
pub(super) struct Slide {
    state: Box<dyn Aggregate>,
    filter: Option<u16>,
    /// Rows can leave.
    inverts: bool,
    /// Which rows are in.
    start: usize,
    end: usize,
    /// What the row before answered, if the frame of this one is the same.
    same: Option<Value>,
}

impl Slide {
    /// Before the first row of a partition.
    pub(super) fn new(call: &WindowCall, begin: &Begin, extents: &Extents) -> Slide {
        let (mut state, mut filter) = (begin(), call.filter);
        if extents.exclude.is_none()
            && !extents.from_start
            && let Some(sliding) = state.sliding()
        {
            // SQLite asks no filter here.
            (state, filter) = (sliding, None);
        }
        Slide { inverts: state.can_invert(), state, filter, start: 0, end: 0, same: None }
    }

    /// The answer for a row; they are asked for in their order.
    pub(super) fn answer<S: Store>(
        &mut self,
        (call, begin): (&WindowCall, &Begin),
        partition: &Partition<'_>,
        extents: &Extents,
        at: usize,
        outer: Outer<'_, S>,
    ) -> Result<Value> {
        if extents.exclude.is_some() {
            outer.run.check()?;
            self.state = begin();
            for other in seen(partition, extents, at) {
                self.step(call, partition, other, outer)?;
            }
            return self.value(call, outer);
        }
        let frame = extents.frames[at];
        let goes_on = extents.frames.get(at + 1) == Some(&frame);
        if let Some(same) = self.same.take() {
            self.same = goes_on.then(|| same.clone());
            return Ok(same);
        }
        if frame.0 > self.start && !self.inverts {
            self.state = begin();
            (self.start, self.end) = (frame.0, frame.0);
        }
        while self.end < frame.1 {
            self.step(call, partition, self.end, outer)?;
            self.end += 1;
        }
        while self.start < frame.0 {
            self.inverse(call, partition, self.start, outer)?;
            self.start += 1;
        }
        let value = self.value(call, outer)?;
        self.same = goes_on.then(|| value.clone());
        Ok(value)
    }

    /// The arguments of a row, if it is one that counts.
    fn args<'a>(&self, call: &WindowCall, partition: &Partition<'a>, at: usize) -> Option<SmallVec<[ValueRef<'a>; 4]>> {
        let filter = self.filter.map(|filter| partition.value(at, usize::from(filter)));
        if filter.is_some_and(|filter| filter.truth() != Some(true)) {
            return None;
        }
        Some(call.args.iter().map(|arg| partition.value(at, usize::from(*arg))).collect())
    }

    fn step<S: Store>(
        &mut self,
        call: &WindowCall,
        partition: &Partition<'_>,
        at: usize,
        outer: Outer<'_, S>,
    ) -> Result<()> {
        outer.run.check()?;
        let Some(args) = self.args(call, partition, at) else { return Ok(()) };
        outer.run.session.in_context(call.collation, |context| {
            context.subtypes = partition.subtypes(at, &call.args);
            self.state.step(context, &args)
        })
    }

    fn inverse<S: Store>(
        &mut self,
        call: &WindowCall,
        partition: &Partition<'_>,
        at: usize,
        outer: Outer<'_, S>,
    ) -> Result<()> {
        let Some(args) = self.args(call, partition, at) else { return Ok(()) };
        outer.run.session.in_context(call.collation, |context| self.state.inverse(context, &args))
    }

    fn value<S: Store>(&self, call: &WindowCall, outer: Outer<'_, S>) -> Result<Value> {
        outer.run.session.in_context(call.collation, |context| self.state.value(context))
    }
}
