//! `a = 1 OR b = 2` by an index for each: one way after the other, and no row twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::access::{Access, Until, table};
use super::frame::{Frame, Outer};
use crate::row::{KeyColumn, record};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store, key};

/// One of the ways, with the cursor of its index.
pub(in crate::sql) struct Branch<S: Store> {
    pub(in crate::sql) access: Access<S>,
    pub(in crate::sql) cursor: Option<S::Cursor>,
    /// Where that index has the key of a table without rowids.
    key: Option<Box<[u16]>>,
    until: Until,
}

impl<S: Store> Branch<S> {
    pub(in crate::sql) fn new(access: Access<S>, cursor: Option<S::Cursor>, key: Option<Box<[u16]>>) -> Self {
        Branch { access, cursor, key, until: Until::default() }
    }
}

/// Several ways to rows of a table. The whole condition is asked of each row besides.
pub(in crate::sql) struct Union<S: Store> {
    branches: Vec<Branch<S>>,
    at: usize,
    /// Rowids, or what orders the keys of rows without them.
    seen: BTreeSet<i64>,
    seen_keys: BTreeSet<Vec<u8>>,
    /// The order of the table's key, if it has no rowids.
    order: Option<Arc<[KeyColumn]>>,
}

impl<S: Store> Union<S> {
    pub(in crate::sql) fn new(branches: Vec<Branch<S>>, order: Option<Arc<[KeyColumn]>>) -> Self {
        Union { branches, at: 0, seen: BTreeSet::new(), seen_keys: BTreeSet::new(), order }
    }

    pub(super) fn first(&mut self, frame: &mut Frame<S>, slot: usize, load: bool, outer: Outer<'_, S>) -> Result<bool> {
        self.at = 0;
        self.seen.clear();
        self.seen_keys.clear();
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
            let row = table(frame, slot)?;
            std::mem::swap(&mut row.index, &mut branch.cursor);
            std::mem::swap(&mut row.key, &mut branch.key);
            let more = match fresh {
                true => branch.access.first(frame, slot, &mut branch.until, load, outer),
                false => branch.access.next(frame, slot, branch.until, load, outer),
            };
            let row = table(frame, slot)?;
            std::mem::swap(&mut row.index, &mut branch.cursor);
            std::mem::swap(&mut row.key, &mut branch.key);
            fresh = false;
            if !more? {
                self.at += 1;
                fresh = true;
                continue;
            }
            let is_new = match &self.order {
                None => self.seen.insert(row.rowid),
                Some(order) => {
                    outer.run.session.store.borrow_mut().load(&mut row.cursor)?;
                    let corrupt = |what| Failure::new(ResultCode::CORRUPT, what);
                    let columns = record::columns(row.cursor.record()).map_err(corrupt)?.take(order.len());
                    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(corrupt)?;
                    self.seen_keys.insert(key::of(&columns, order))
                }
            };
            if is_new {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
