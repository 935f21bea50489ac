//! `a = 1 OR b = 2` by an index for each: one way after the other, and no row twice.

use std::collections::BTreeSet;

use super::access::{Access, Until, table};
use super::frame::{Frame, Outer};
use crate::sql::failure::Result;
use crate::sql::store::Store;

/// One of the ways, with the cursor of its index.
pub(in crate::sql) struct Branch<S: Store> {
    pub(in crate::sql) access: Access<S>,
    pub(in crate::sql) cursor: Option<S::Cursor>,
    until: Until,
}

impl<S: Store> Branch<S> {
    pub(in crate::sql) fn new(access: Access<S>, cursor: Option<S::Cursor>) -> Self {
        Branch { access, cursor, until: Until::default() }
    }
}

/// Several ways to rows of a table. The whole condition is asked of each row besides.
pub(in crate::sql) struct Union<S: Store> {
    branches: Vec<Branch<S>>,
    at: usize,
    seen: BTreeSet<i64>,
}

impl<S: Store> Union<S> {
    pub(in crate::sql) fn new(branches: Vec<Branch<S>>) -> Self {
        Union { branches, at: 0, seen: BTreeSet::new() }
    }

    pub(super) fn first(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
        self.at = 0;
        self.seen.clear();
        self.go_on(frame, slot, load, outer, true)
    }

    pub(super) fn next(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
        self.go_on(frame, slot, load, outer, false)
    }

    fn go_on(
        &mut self,
        frame: &mut Frame<S>,
        slot: usize,
        load: bool,
        outer: Outer<'_, S>,
        mut fresh: bool,
    ) -> Result<bool> {
        while let Some(branch) = self.branches.get_mut(self.at) {
            // The row shows the index of the way that is gone.
            std::mem::swap(&mut table(frame, slot)?.index, &mut branch.cursor);
            let more = match fresh {
                true => branch.access.first(frame, slot, &mut branch.until, load, outer),
                false => branch.access.next(frame, slot, branch.until, load, outer),
            };
            let row = table(frame, slot)?;
            std::mem::swap(&mut row.index, &mut branch.cursor);
            fresh = false;
            if !more? {
                self.at += 1;
                fresh = true;
            } else if self.seen.insert(row.rowid) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
