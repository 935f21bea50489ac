//! What follows for the children of a row that has gone or changed.
//!
//! SQLite makes a trigger of each action. Here they are entries of a stack: the topmost has the children that are left to change,
//! and what follows from a changed child is put above it. So the order is that of nested triggers, without their calls.

use std::sync::Arc;

use super::check::children;
use super::plan::Watched;
use super::{Foreign, failed};
use crate::sql::ast::{Conflict, ReferenceAction};
use crate::sql::bind::Binder;
use crate::sql::catalog::{Catalog, Table};
use crate::sql::exec::{Frame, Outer, Run, Session, Writer};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store};
use crate::sql::value::{self, Affinity, Value};

/// SQLite's `SQLITE_MAX_TRIGGER_DEPTH`.
const DEPTH: usize = 1000;

/// An action on the children of one row.
pub(super) struct Todo {
    plan: usize,
    /// Which key.
    nth: usize,
    /// The parent as it was, and as it is if it has changed.
    old: Arc<[Value]>,
    new: Option<Arc<[Value]>>,
    /// The children, once they were looked for.
    rows: Option<std::vec::IntoIter<i64>>,
    depth: usize,
}

impl<S: Store> Foreign<S> {
    /// Notes what follows from a row of a plan's table that has gone or changed.
    pub(super) fn follows(
        &mut self,
        plan: usize,
        old: Vec<Value>,
        new: Option<Vec<Value>>,
        depth: usize,
    ) -> Result<()> {
        let (old, new): (Arc<[Value]>, Option<Arc<[Value]>>) = (old.into(), new.map(Into::into));
        let children = &self.plans[plan].children;
        // The first to run is the last to be put on the stack.
        for (nth, consequence) in children.iter().enumerate().rev() {
            if consequence.action == ReferenceAction::NoAction {
                continue;
            }
            if depth >= DEPTH {
                return Err(Failure::error("too many levels of trigger recursion"));
            }
            self.todo.push(Todo { plan, nth, old: old.clone(), new: new.clone(), rows: None, depth: depth + 1 });
        }
        Ok(())
    }

    /// Does all that was noted.
    pub(super) fn run(&mut self, outer: Outer<'_, S>) -> Result<()> {
        let done = self.run_all(outer);
        // Whatever went wrong, nothing of it is left for the next statement.
        self.todo.clear();
        done
    }

    fn run_all(&mut self, outer: Outer<'_, S>) -> Result<()> {
        while let Some(mut todo) = self.todo.pop() {
            outer.run.check()?;
            let next = match &mut todo.rows {
                Some(rows) => rows.next(),
                None => {
                    let rows = self.begin(&todo, outer)?;
                    todo.rows.insert(rows.into_iter()).next()
                }
            };
            let Some(child) = next else { continue };
            let (plan, nth, depth) = (todo.plan, todo.nth, todo.depth);
            let new = todo.new.clone();
            self.todo.push(todo);
            self.change(plan, nth, child, new.as_deref(), depth, outer)?;
        }
        Ok(())
    }

    /// The children that an action is about.
    fn begin(&self, todo: &Todo, outer: Outer<'_, S>) -> Result<Vec<i64>> {
        let consequence = &self.plans[todo.plan].children[todo.nth];
        let link = &consequence.link;
        if consequence.action == ReferenceAction::Restrict && outer.run.session.violations.defer.get() {
            return Ok(Vec::new());
        }
        if let (Some(new), Some(parent)) = (&todo.new, &link.parent) {
            let same = |(_, at): &(usize, usize)| match (todo.old.get(*at), new.get(*at), parent.columns.get(*at)) {
                (Some(old), Some(new), Some(column)) => {
                    value::is(old.as_ref(), new.as_ref(), Some(column.affinity), column.collation)
                }
                _ => true,
            };
            if link.found.pairs.iter().all(same) {
                return Ok(Vec::new());
            }
        }
        let rows = children(link, &todo.old, None, outer)?;
        match consequence.action {
            ReferenceAction::Restrict if !rows.is_empty() => Err(failed()),
            ReferenceAction::Restrict => Ok(Vec::new()),
            _ => Ok(rows),
        }
    }

    fn change(
        &mut self,
        plan: usize,
        nth: usize,
        child: i64,
        new: Option<&[Value]>,
        depth: usize,
        outer: Outer<'_, S>,
    ) -> Result<()> {
        let session = outer.run.session;
        let consequence = &self.plans[plan].children[nth];
        let (action, pairs) = (consequence.action, consequence.link.found.pairs.clone());
        let Some(then) = consequence.then else { return Ok(()) };
        let mut writer = match self.plans[then].writer.take() {
            Some(writer) => writer,
            None => writer_of(session, &self.plans[then].table)?,
        };
        let done = self.change_with(&mut writer, then, (action, &pairs), child, new, depth, outer);
        self.plans[then].writer = Some(writer);
        done
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of an entry that has gone back to the stack")]
    fn change_with(
        &mut self,
        writer: &mut Writer<S>,
        then: usize,
        (action, pairs): (ReferenceAction, &[(usize, usize)]),
        child: i64,
        new: Option<&[Value]>,
        depth: usize,
        outer: Outer<'_, S>,
    ) -> Result<()> {
        let session = outer.run.session;
        // What was done to the children before may have taken this one.
        if !writer.has(child, session)? {
            return Ok(());
        }
        let row = writer.row(child, session)?;
        session.total_changes.set(session.total_changes.get() + 1);
        if action == ReferenceAction::Cascade && new.is_none() {
            self.goes(then, child, &row, outer)?;
            writer.remove(child, session)?;
            return self.follows(then, row, None, depth);
        }
        let mut values = row.clone();
        let mut rowid = child;
        for (column, of) in pairs {
            let value = match (action, new) {
                (ReferenceAction::Cascade, Some(new)) => new.get(*of).cloned().unwrap_or_default(),
                (ReferenceAction::SetDefault, _) => match writer.defaults.get(*column) {
                    Some(Some(default)) => {
                        let nothing = Frame { slots: Vec::new(), registers: Vec::new() };
                        default.eval(outer.env(&nothing))?.into_value()
                    }
                    _ => Value::Null,
                },
                _ => Value::Null,
            };
            if writer.table.rowid_column == Some(*column) {
                match Affinity::Integer.apply_to(value) {
                    Value::Integer(wanted) => rowid = wanted,
                    _ => return Err(Failure::new(ResultCode::MISMATCH, "datatype mismatch")),
                }
            } else if let Some(place) = values.get_mut(*column) {
                *place = value;
            }
        }
        self.goes(then, child, &row, outer)?;
        writer.write(values, Some(rowid), Some(child), outer)?;
        self.comes(then, rowid, writer.values(), outer)?;
        let now = writer.values().to_vec();
        self.follows(then, row, Some(now), depth)
    }
}

/// What writes to a child. Nothing but the statement's own rows may go for others.
fn writer_of<S: Store>(session: &Session<S>, table: &Arc<Table>) -> Result<Writer<S>> {
    let catalog = session.catalog.borrow().clone();
    catalog.check_changeable(&table.name)?;
    Binder::new(&catalog, session, "").writer(table, Some(Conflict::Abort))
}

/// Takes out all rows of a table that is about to be dropped, if that may matter to any key, and fails if one must hold now.
pub(in crate::sql) fn empty<S: Store>(session: &Session<S>, catalog: &Catalog, table: &Arc<Table>) -> Result<()> {
    let violations = &session.violations;
    if !violations.enabled.get() {
        return Ok(());
    }
    if super::plan::references(catalog, &table.name).next().is_none() {
        let deferred = table.foreign_keys.iter().any(|key| key.deferred || violations.defer.get());
        if !deferred || violations.none(true) {
            return Ok(());
        }
    }
    let mut writer = Writer::new(session, table.clone(), Vec::new(), Vec::new(), None);
    writer.watch(session, Watched::Drop)?;
    let run = Run { session, params: &[], number: session.begin_run() };
    let mut cursor = session.store.borrow().table_cursor(table.root);
    let mut rowids = Vec::new();
    let mut more = session.store.borrow_mut().first(&mut cursor)?;
    while more {
        rowids.push(cursor.rowid());
        more = session.store.borrow_mut().next(&mut cursor)?;
    }
    for rowid in rowids {
        if writer.has(rowid, session)? {
            writer.delete(rowid, Outer { up: None, run: &run })?;
        }
    }
    match violations.none(false) || violations.defer.get() {
        true => Ok(()),
        false => Err(failed()),
    }
}
