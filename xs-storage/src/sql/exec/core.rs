//! One `SELECT` without its `ORDER BY` and `LIMIT`: joins, groups, results, `DISTINCT`.

use std::collections::BTreeSet;

use super::aggregate::Grouping;
use super::expr::{Datum, Expr, Kept};
use super::frame::{Frame, Outer, Slot};
use super::joined::Joined;
use super::window::Windows;
use crate::row::{Collation, KeyColumn};
use crate::sql::failure::Result;
use crate::sql::store::{Store, key};

pub(in crate::sql) struct Core<S: Store> {
    pub(in crate::sql) frame: Frame<S>,
    pub(in crate::sql) joined: Joined<S>,
    pub(in crate::sql) grouping: Option<Grouping<S>>,
    pub(in crate::sql) windows: Option<Windows<S>>,
    /// What comes out, and behind it what it is sorted by.
    pub(in crate::sql) outputs: Vec<Expr<S>>,
    /// What was computed when the row was reached; a place is read when somebody asks.
    computed: Vec<Kept>,
    pub(in crate::sql) distinct: Option<Distinct>,
    grouped: bool,
    /// A row is at hand that begins the next group.
    pending: bool,
}

/// The rows that came out so far.
pub(in crate::sql) struct Distinct {
    /// The collations of the columns that count.
    pub(in crate::sql) columns: Vec<Collation>,
    /// The same rows come one after the other.
    pub(in crate::sql) in_order: bool,
    seen: BTreeSet<Vec<u8>>,
    last: Option<Vec<u8>>,
}

impl Distinct {
    pub(in crate::sql) fn new(columns: Vec<Collation>) -> Distinct {
        Distinct { columns, in_order: false, seen: BTreeSet::new(), last: None }
    }
}

impl<S: Store> Core<S> {
    pub(in crate::sql) fn new(
        frame: Frame<S>,
        joined: Joined<S>,
        grouping: Option<Grouping<S>>,
        outputs: Vec<Expr<S>>,
        distinct: Option<Distinct>,
    ) -> Self {
        let computed = vec![Kept::default(); outputs.len()];
        let (grouped, pending) = (false, false);
        Core { frame, joined, grouping, windows: None, outputs, computed, distinct, grouped, pending }
    }

    pub(in crate::sql) fn reset(&mut self) {
        self.joined.reset();
        (self.grouped, self.pending) = (false, false);
        if let Some(grouping) = &mut self.grouping {
            grouping.reset();
        }
        if let Some(windows) = &mut self.windows {
            windows.reset();
        }
        if let Some(distinct) = &mut self.distinct {
            distinct.seen.clear();
            distinct.last = None;
        }
    }

    pub(in crate::sql) fn next(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        loop {
            let more = match self.windows.take() {
                None => self.next_row(outer)?,
                Some(mut windows) => {
                    let more = self.next_windowed(&mut windows, outer);
                    self.windows = Some(windows);
                    more?
                }
            };
            if !more {
                return Ok(false);
            }
            for (output, computed) in self.outputs.iter().zip(&mut self.computed) {
                if !output.is_direct() {
                    *computed = output.eval(&outer.env(&self.frame))?.into();
                }
            }
            if self.is_new(outer)? {
                return Ok(true);
            }
        }
    }

    fn next_row(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        match self.grouping.is_some() {
            true => self.next_group(outer),
            false => self.joined.next(&mut self.frame, outer),
        }
    }

    fn next_windowed(&mut self, windows: &mut Windows<S>, outer: Outer<'_, S>) -> Result<bool> {
        if !windows.is_ready() {
            while self.next_row(outer)? {
                windows.take(&mut self.frame, outer)?;
            }
            windows.compute(&self.frame, outer)?;
        }
        windows.next(&mut self.frame, outer)
    }

    /// One group after the other, of rows that come in their order.
    fn next_in_order(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        let Some(grouping) = &mut self.grouping else { return Ok(false) };
        while !self.grouped || self.pending {
            self.grouped = true;
            grouping.reset();
            let mut any = false;
            loop {
                if !std::mem::replace(&mut self.pending, false) && !self.joined.next(&mut self.frame, outer)? {
                    break;
                }
                let env = &outer.env(&self.frame);
                if any && !grouping.continues(env)? {
                    self.pending = true;
                    break;
                }
                grouping.step(env)?;
                any = true;
            }
            if !any {
                return Ok(false);
            }
            grouping.finish();
            grouping.next(&mut self.frame, outer)?;
            match &grouping.having {
                Some(having) if !having.holds(&outer.env(&self.frame))? => {}
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    fn next_group(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        let Some(grouping) = &mut self.grouping else { return Ok(false) };
        if grouping.in_order {
            return self.next_in_order(outer);
        }
        if !std::mem::replace(&mut self.grouped, true) {
            while self.joined.next(&mut self.frame, outer)? {
                let env = &outer.env(&self.frame);
                grouping.step(env)?;
                if grouping.first_only && grouping.is_decided(env)? {
                    break;
                }
            }
            grouping.finish();
            for slot in &mut self.frame.slots {
                if let Slot::Table(row) = slot {
                    row.hide();
                }
            }
        }
        while grouping.next(&mut self.frame, outer)? {
            match &grouping.having {
                Some(having) if !having.holds(&outer.env(&self.frame))? => {}
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    fn is_new(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        let Some(distinct) = &self.distinct else { return Ok(true) };
        let mut row = Vec::new();
        for (at, collation) in distinct.columns.iter().enumerate() {
            let column = KeyColumn { collation: *collation, descending: false };
            key::push(&mut row, self.output(at, outer)?.as_ref(), column);
        }
        Ok(self.distinct.as_mut().is_some_and(|distinct| {
            if !distinct.in_order {
                return distinct.seen.insert(row);
            }
            let is_new = distinct.last.as_ref() != Some(&row);
            distinct.last = Some(row);
            is_new
        }))
    }

    #[inline]
    pub(in crate::sql) fn output<'a>(&'a self, at: usize, outer: Outer<'a, S>) -> Result<Datum<'a>> {
        match &self.outputs[at] {
            direct if direct.is_direct() => direct.eval(&outer.env(&self.frame)),
            _ => Ok(self.computed[at].datum()),
        }
    }
}
