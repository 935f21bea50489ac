//! A row's children, counted.

use std::cell::RefCell;
use std::cmp::Ordering;

use super::plan::Link;
use crate::row::{Collation, ValueRef, record};
use crate::sql::catalog::Table;
use crate::sql::exec::frame::Env;
use crate::sql::exec::pair::pair;
use crate::sql::exec::{Outer, Query};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::Store;
use crate::sql::value::{self, Value};

/// A key that means the rows of a table.
pub(super) struct Children<S: Store> {
    pub(super) link: Link,
    /// What the children of the row in the frame are known by.
    query: RefCell<Query<S>>,
}

impl<S: Store> Children<S> {
    pub(super) fn new(link: Link, query: Query<S>) -> Children<S> {
        Children { link, query: RefCell::new(query) }
    }

    /// How many children a row has; where a table refers to itself, without the row itself if that is asked for.
    pub(super) fn count(&self, row: (i64, &[Value]), but_itself: bool, outer: Outer<'_, S>) -> Result<i64> {
        let Some(parent) = &self.link.parent else { return Ok(0) };
        let null = |(_, of): &(usize, usize)| row.1.get(*of).is_none_or(|value| value.as_ref().is_null());
        if self.link.found.pairs.iter().any(null) {
            return Ok(0);
        }
        let own = Some(row).filter(|_| but_itself && self.link.is_circular());
        let frame = pair(parent.columns.len(), None, Some((row.1, Some(row.0))));
        let env = &Env { frame: &frame, outer };
        let outer = Outer { up: Some(env), run: outer.run };
        let mut query = self.query.borrow_mut();
        query.reset();
        let mut count = 0;
        while query.next(outer)? {
            let is_own = match own {
                Some(own) => is(parent, own, query.output(0, outer)?.as_ref())?,
                None => false,
            };
            count += i64::from(!is_own);
        }
        Ok(count)
    }
}

/// Whether a row is the one that a query says: by its rowid, or by a record of its key.
fn is(table: &Table, (rowid, row): (i64, &[Value]), said: ValueRef<'_>) -> Result<bool> {
    let corrupt = |what| Failure::new(ResultCode::CORRUPT, what);
    match (table.primary(), said) {
        (None, ValueRef::Integer(said)) => Ok(said == rowid),
        (Some(primary), ValueRef::Blob(said)) => {
            let said = record::decode(said).map_err(corrupt)?;
            let own = primary.parts.iter().map(|part| row.get(part.column).map_or(ValueRef::Null, Value::as_ref));
            Ok(own.zip(said).all(|(own, said)| value::order(own, said, Collation::Binary) == Ordering::Equal))
        }
        _ => Ok(false),
    }
}
