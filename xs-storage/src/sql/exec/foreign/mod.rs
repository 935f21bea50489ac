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
//! What a key does to the children (`ON DELETE CASCADE` and the like) is a change of rows like any other, which breaks and mends,
//! and has consequences of its own. These stand on a stack that is not the thread's, up to the depth that SQLite allows.
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

mod action;
mod check;
mod plan;
mod violations;

pub(in crate::sql) use action::empty;
pub(in crate::sql) use check::check_table;
pub(super) use plan::Watched;
pub(super) use violations::Violations;

use super::frame::Outer;
use super::session::Session;
use super::write::Writer;
use crate::sql::ast::Conflict;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::Store;
use plan::Plan;

/// What a statement has to look after, and what it has still to do.
pub(in crate::sql) struct Foreign<S: Store> {
    plans: Vec<Plan<S>>,
    /// What the statement does itself, if it concerns any key.
    main: Option<usize>,
    /// What goes to make room for other rows.
    replaced: Option<usize>,
    todo: Vec<action::Todo>,
}

/// The error of a key that does not hold.
pub(in crate::sql) fn failed() -> Failure {
    Failure::new(ResultCode::FOREIGN_KEY, "FOREIGN KEY constraint failed")
}

impl<S: Store> Writer<S> {
    /// Rows will be changed so: resolves the keys that this may concern, if somebody asked for foreign keys.
    pub(in crate::sql) fn watch(&mut self, session: &Session<S>, watched: Watched) -> Result<()> {
        if !session.violations.enabled.get() {
            self.foreign = None;
            return Ok(());
        }
        let watched = match watched {
            Watched::Insert { single } => Watched::Insert { single: single && !session.violations.defer.get() },
            other => other,
        };
        if self.foreign.is_none() {
            let replaces = |constraint| self.conflict.unwrap_or(constraint) == Conflict::Replace;
            self.foreign = Foreign::new(&session.catalog.borrow(), &self.table, watched, &replaces)?.map(Box::new);
        }
        Ok(())
    }

    /// Puts the row at hand to its table, with what follows for other tables.
    pub(super) fn put_watched(&mut self, rowid: i64, old: Option<i64>, outer: Outer<'_, S>) -> Result<()> {
        let Some(mut foreign) = self.foreign.take() else { return self.put(rowid, old, outer.run.session) };
        let done = foreign.put(self, rowid, old, outer);
        self.foreign = Some(foreign);
        done
    }

    /// Takes a row out, with what follows for other tables.
    pub(in crate::sql) fn delete(&mut self, rowid: i64, outer: Outer<'_, S>) -> Result<()> {
        let Some(mut foreign) = self.foreign.take() else { return self.remove(rowid, outer.run.session) };
        let done = foreign.delete(self, rowid, outer);
        self.foreign = Some(foreign);
        done
    }
}

impl<S: Store> Foreign<S> {
    fn put(&mut self, writer: &mut Writer<S>, rowid: i64, old: Option<i64>, outer: Outer<'_, S>) -> Result<()> {
        let session = outer.run.session;
        let Some(main) = self.main else { return writer.put(rowid, old, session) };
        let before = match old {
            Some(old) => {
                let row = writer.row(old, session)?;
                self.goes(main, old, &row, outer)?;
                Some(row)
            }
            None => None,
        };
        writer.put(rowid, old, session)?;
        self.comes(main, rowid, writer.values(), outer)?;
        if let Some(before) = before {
            let row = writer.values().to_vec();
            self.follows(main, before, Some(row), 0)?;
            self.run(outer)?;
        }
        Ok(())
    }

    fn delete(&mut self, writer: &mut Writer<S>, rowid: i64, outer: Outer<'_, S>) -> Result<()> {
        let session = outer.run.session;
        let Some(plan) = self.replaced else { return writer.remove(rowid, session) };
        let row = writer.row(rowid, session)?;
        self.goes(plan, rowid, &row, outer)?;
        writer.remove(rowid, session)?;
        self.follows(plan, row, None, 0)?;
        self.run(outer)
    }
}
