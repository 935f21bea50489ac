//! Nested loops: one for each table of `FROM`, the next begins anew for each row of those before it.

use std::collections::BTreeSet;

use super::access::{Access, Until};
use super::expr::Expr;
use super::frame::{Env, Frame, Outer, Slot};
use super::generated::Generated;
use crate::sql::failure::Result;
use crate::sql::store::Store;

/// A table of a join.
pub(in crate::sql) struct Loop<S: Store> {
    pub(in crate::sql) slot: usize,
    pub(in crate::sql) access: Access<S>,
    /// The columns that are computed of each row.
    pub(in crate::sql) generated: Vec<Generated<S>>,
    /// What makes a row a partner of those before it.
    pub(in crate::sql) on: Vec<Expr<S>>,
    /// What is asked of rows once they are joined.
    pub(in crate::sql) filters: Vec<Expr<S>>,
    /// That rows before it without a partner are kept.
    pub(in crate::sql) left: bool,
    /// The rows that had a partner, where those that had none are kept.
    pub(in crate::sql) right: Option<BTreeSet<i64>>,
    /// Whether columns of its records are read.
    pub(in crate::sql) load: bool,
    pub(in crate::sql) until: Until,
    pub(in crate::sql) matched: bool,
    pub(in crate::sql) ended: bool,
}

impl<S: Store> Loop<S> {
    fn first(&mut self, frame: &mut Frame<S>, outer: Outer<'_, S>) -> Result<bool> {
        self.matched = false;
        self.ended = false;
        frame.set_null(self.slot, false);
        let is_of_one = self.access.is_of_one();
        match self.first_row(frame, outer)? {
            true if self.admits(frame, outer)? => {
                self.ended = is_of_one;
                Ok(true)
            }
            true if !is_of_one => self.next(frame, outer),
            _ => self.end(frame, outer),
        }
    }

    /// To the next row that is a partner, and wanted.
    fn next(&mut self, frame: &mut Frame<S>, outer: Outer<'_, S>) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        while self.next_row(frame, outer)? {
            if self.admits(frame, outer)? {
                return Ok(true);
            }
        }
        self.end(frame, outer)
    }

    /// Whether a row is a partner, and wanted.
    #[inline]
    fn admits(&mut self, frame: &Frame<S>, outer: Outer<'_, S>) -> Result<bool> {
        let env = &outer.env(frame);
        if !all(&self.on, env)? {
            return Ok(false);
        }
        self.matched = true;
        if let Some(partners) = &mut self.right {
            partners.insert(number(frame, self.slot));
        }
        all(&self.filters, env)
    }

    /// There are no more rows, but that of nulls where none was a partner.
    fn end(&mut self, frame: &mut Frame<S>, outer: Outer<'_, S>) -> Result<bool> {
        self.ended = true;
        if self.left && !self.matched {
            frame.set_null(self.slot, true);
            return all(&self.filters, &outer.env(frame));
        }
        Ok(false)
    }

    /// Goes on among the rows without a partner.
    fn unpartnered(&mut self, frame: &mut Frame<S>, outer: Outer<'_, S>, mut more: bool) -> Result<bool> {
        while more {
            let partners = self.right.as_ref();
            if partners.is_some_and(|partners| !partners.contains(&number(frame, self.slot)))
                && all(&self.filters, &outer.env(frame))?
            {
                return Ok(true);
            }
            more = self.next_row(frame, outer)?;
        }
        Ok(false)
    }
}

fn number<S: Store>(frame: &Frame<S>, slot: usize) -> i64 {
    match &frame.slots[slot] {
        Slot::Table(row) => row.rowid,
        Slot::Rows(rows) => rows.number(),
    }
}

#[inline]
fn all<S: Store>(conditions: &[Expr<S>], env: &Env<'_, S>) -> Result<bool> {
    for condition in conditions {
        if !condition.holds(env)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    /// A row was given.
    Given,
    Done,
}

/// All loops of a query.
pub(in crate::sql) struct Joined<S: Store> {
    pub(in crate::sql) loops: Vec<Loop<S>>,
    /// Conditions without any table.
    pub(in crate::sql) constant: Vec<Expr<S>>,
    state: State,
    /// The right join whose rows without partners are at hand.
    pass: Option<usize>,
}

impl<S: Store> Joined<S> {
    pub(in crate::sql) fn new(loops: Vec<Loop<S>>, constant: Vec<Expr<S>>) -> Self {
        Joined { loops, constant, state: State::Start, pass: None }
    }

    pub(in crate::sql) fn reset(&mut self) {
        self.state = State::Start;
        self.pass = None;
    }

    pub(in crate::sql) fn next(&mut self, frame: &mut Frame<S>, outer: Outer<'_, S>) -> Result<bool> {
        // Mostly it is the innermost loop that has another row.
        if let (State::Given, None, Some(last)) = (self.state, self.pass, self.loops.last_mut())
            && last.next(frame, outer)?
        {
            return Ok(true);
        }
        self.next_outside(frame, outer)
    }

    /// The innermost loop has ended, or none has begun.
    fn next_outside(&mut self, frame: &mut Frame<S>, outer: Outer<'_, S>) -> Result<bool> {
        let last = self.loops.len().wrapping_sub(1);
        let (mut depth, mut fresh) = match self.state {
            State::Done => return Ok(false),
            State::Given if self.loops.is_empty() => {
                self.state = State::Done;
                return Ok(false);
            }
            State::Given => (last, false),
            State::Start => {
                for slot in &mut frame.slots {
                    if let Slot::Rows(rows) = slot {
                        rows.restart(outer.run.number);
                    }
                }
                for one in &mut self.loops {
                    if let Some(partners) = &mut one.right {
                        partners.clear();
                    }
                }
                if !all(&self.constant, &outer.env(frame))? {
                    self.state = State::Done;
                    return Ok(false);
                }
                self.state = State::Given;
                if self.loops.is_empty() {
                    return Ok(true);
                }
                (0, true)
            }
        };
        loop {
            let one = &mut self.loops[depth];
            let more = match (self.pass == Some(depth), fresh) {
                (false, true) => one.first(frame, outer)?,
                (false, false) => one.next(frame, outer)?,
                (true, true) => {
                    frame.set_null(one.slot, false);
                    let more = one.first_row(frame, outer)?;
                    one.unpartnered(frame, outer, more)?
                }
                (true, false) => {
                    let more = one.next_row(frame, outer)?;
                    one.unpartnered(frame, outer, more)?
                }
            };
            if more {
                if depth == last {
                    return Ok(true);
                }
                depth += 1;
                fresh = true;
            } else if depth > self.pass.unwrap_or(0) {
                depth -= 1;
                fresh = false;
            } else {
                // The rows of the next right join that had no partner, with nulls for everything before it.
                let from = self.pass.map_or(0, |pass| pass + 1);
                let Some(next) = (from..self.loops.len()).find(|at| self.loops[*at].right.is_some()) else {
                    self.state = State::Done;
                    return Ok(false);
                };
                for before in &self.loops[..next] {
                    frame.set_null(before.slot, true);
                }
                self.pass = Some(next);
                (depth, fresh) = (next, true);
            }
        }
    }
}
