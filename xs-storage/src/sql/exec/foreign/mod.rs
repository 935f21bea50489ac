//! Foreign keys, watched over.
//!
//! # How it works
//!
//! Nobody looks at whole tables. Each change of a row adds to a counter what it breaks and takes off what it mends:
//!
//! ```text
//! a row comes    to the child:  + 1 if it has no parent          to the parent:  - 1 for each child that waited for it
//! a row goes   from the child:  - 1 if it had no parent        from the parent:  + 1 for each child that it leaves behind
//! ```
//!
//! A change of a row is both. When the statement ends, the counter of the keys that are checked at once must be zero; when the
//! transaction ends, that of the deferred ones. What takes off is not even looked for while the counter is zero.
//!
//! What a key does to the children (`ON DELETE CASCADE` and the like) is a trigger that nobody wrote. It runs when the row has
//! changed, before the triggers of the user's that come behind, and its changes of rows are changes like any other.
//!
//! # Invariants
//!
//! - All that a statement may reach is resolved before its first row: a key that fits no parent is an error even if no row is touched.
//! - A statement that fails, and a savepoint that is gone back to, take their counts with them.
//!
//! # Cost
//!
//! A row of the child is one search in the parent's key. A row of the parent is a search in an index of the child's columns, and
//! without one a look at the whole child.

mod check;
mod children;
mod drop;
mod plan;
mod violations;

pub(in crate::sql) use check::check_table;
pub(in crate::sql) use drop::empty;
pub(in crate::sql) use plan::Watched;
pub(super) use violations::Violations;

use self::check::{has_null, has_parent};
use self::children::Children;
use self::plan::Link;
use super::frame::Outer;
use super::task::Triggers;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::Store;
use crate::sql::value::Value;

/// What a kind of change of a table's rows means to foreign keys.
pub(in crate::sql) struct Foreign<S: Store> {
    /// Keys that the rows have.
    parents: Vec<Link>,
    /// Keys that mean the rows.
    children: Vec<Children<S>>,
    /// What those do.
    pub(in crate::sql) actions: Triggers,
    /// That an update takes the row away before it puts the new one there. Otherwise SQLite finds a row that is its own child
    /// when it looks for the children that wait for the new key.
    pub(in crate::sql) moves: bool,
}

/// The error of a key that does not hold.
pub(in crate::sql) fn failed() -> Failure {
    Failure::new(ResultCode::FOREIGN_KEY, "FOREIGN KEY constraint failed")
}

impl<S: Store> Foreign<S> {
    /// A row goes, and is still there.
    pub(super) fn goes(&self, rowid: i64, row: &[Value], outer: Outer<'_, S>) -> Result<()> {
        let session = outer.run.session;
        let violations = &session.violations;
        for link in &self.parents {
            let deferred = link.key.deferred;
            if !violations.none(deferred) && !has_null(link, row) && !has_parent(link, row, None, session)? {
                violations.add(deferred, -1);
            }
        }
        for children in &self.children {
            let left = children.count((rowid, row), true, outer)?;
            violations.add(children.link.key.deferred, left);
        }
        Ok(())
    }

    /// A row has come.
    pub(super) fn comes(&self, rowid: i64, row: &[Value], outer: Outer<'_, S>) -> Result<()> {
        let session = outer.run.session;
        let violations = &session.violations;
        for link in &self.parents {
            if !has_null(link, row) && !has_parent(link, row, Some(rowid), session)? {
                violations.add(link.key.deferred, 1);
            }
        }
        for children in &self.children {
            let deferred = children.link.key.deferred;
            if !violations.none(deferred) {
                let waited = children.count((rowid, row), self.moves, outer)?;
                violations.add(deferred, -waited);
            }
        }
        Ok(())
    }
}
