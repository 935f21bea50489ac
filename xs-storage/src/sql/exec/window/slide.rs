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

/// The answer for each row of a partition.
pub(super) fn answers<S: Store>(
    call: &WindowCall,
    begin: &Begin,
    partition: &Partition<'_>,
    extents: &Extents,
    outer: Outer<'_, S>,
) -> Result<Vec<Value>> {
    let mut slide = Slide { call, filter: call.filter, partition, outer, state: begin() };
    let mut answers: Vec<Value> = Vec::with_capacity(partition.len());
    if extents.exclude.is_some() {
        for at in 0..partition.len() {
            outer.run.check()?;
            slide.state = begin();
            for other in seen(partition, extents, at) {
                slide.step(other)?;
            }
            answers.push(slide.value()?);
        }
        return Ok(answers);
    }
    if !extents.from_start
        && let Some(sliding) = slide.state.sliding()
    {
        // SQLite asks no filter here.
        (slide.state, slide.filter) = (sliding, None);
    }
    let inverts = slide.state.can_invert();
    // What is in.
    let (mut start, mut end) = (0, 0);
    for (at, frame) in extents.frames.iter().copied().enumerate() {
        if at > 0 && frame == extents.frames[at - 1] {
            let same = answers.last().cloned().unwrap_or_default();
            answers.push(same);
            continue;
        }
        if frame.0 > start && !inverts {
            slide.state = begin();
            (start, end) = (frame.0, frame.0);
        }
        while end < frame.1 {
            slide.step(end)?;
            end += 1;
        }
        while start < frame.0 {
            slide.inverse(start)?;
            start += 1;
        }
        answers.push(slide.value()?);
    }
    Ok(answers)
}

struct Slide<'a, S: Store> {
    call: &'a WindowCall,
    filter: Option<u16>,
    partition: &'a Partition<'a>,
    outer: Outer<'a, S>,
    state: Box<dyn Aggregate>,
}

impl<'a, S: Store> Slide<'a, S> {
    /// The arguments of a row, if it is one that counts.
    fn args(&self, at: usize) -> Option<SmallVec<[ValueRef<'a>; 4]>> {
        let filter = self.filter.map(|filter| self.partition.value(at, usize::from(filter)));
        if filter.is_some_and(|filter| filter.truth() != Some(true)) {
            return None;
        }
        Some(self.call.args.iter().map(|arg| self.partition.value(at, usize::from(*arg))).collect())
    }

    fn step(&mut self, at: usize) -> Result<()> {
        self.outer.run.check()?;
        let Some(args) = self.args(at) else { return Ok(()) };
        let subtypes = self.partition.subtypes(at, &self.call.args);
        let Slide { call, outer, state, .. } = self;
        outer.run.session.in_context(call.collation, |context| {
            context.subtypes = subtypes;
            state.step(context, &args)
        })
    }

    fn inverse(&mut self, at: usize) -> Result<()> {
        let Some(args) = self.args(at) else { return Ok(()) };
        let Slide { call, outer, state, .. } = self;
        outer.run.session.in_context(call.collation, |context| state.inverse(context, &args))
    }

    fn value(&self) -> Result<Value> {
        self.outer.run.session.in_context(self.call.collation, |context| self.state.value(context))
    }
}
