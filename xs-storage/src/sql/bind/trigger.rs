//! Triggers: which of them a statement fires, and what each does.

use std::sync::Arc;

use super::change::no_aggregate;
use super::{Binder, pair};
use crate::sql::ast::{self, Conflict, TriggerStep};
use crate::sql::catalog::{Catalog, Event, Relation, Table, Trigger};
use crate::sql::exec::{Expr, Hooks, Part, Raise, Routine, Session, Side, Target, Watched, Writer};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

/// What the statements of a trigger know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within {
    /// What the statement that fired it says of conflicts.
    conflict: Option<Conflict>,
}

impl<'q, S: Store> Binder<'q, S> {
    /// Binds what a statement fires, so that what makes no sense is known before anything is done.
    pub(super) fn expect(&self, triggers: &[Arc<Trigger>], conflict: Option<Conflict>) -> Result<()> {
        triggers.iter().try_for_each(|trigger| Routine::expect(self.session, trigger, conflict))
    }

    /// The same of all that a table's updates or deletions fire, before and after: SQLite looks at the newest first.
    pub(super) fn expect_all(&self, table: &Table, event: Event<'_>, conflict: Option<Conflict>) -> Result<()> {
        let mut triggers = self.catalog.waiting(table, event);
        triggers.try_for_each(|trigger| Routine::expect(self.session, trigger, conflict))
    }

    /// What goes with the rows that may be replaced by a statement that assigns to some columns, or inserts, and `moves` rows.
    pub(super) fn deletes(&self, writer: &Writer<S>, assigned: &[Target], moves: bool) -> Result<Hooks<S>> {
        let mut hooks = Hooks::default();
        if !writer.may_replace(assigned, moves) {
            return Ok(hooks);
        }
        if self.session.recursive_triggers.get() {
            hooks = self.hooks(&writer.table, Event::Delete);
        }
        self.watch(&mut hooks, &writer.table, &Watched::Delete)?;
        if hooks.has_triggers() {
            self.expect_all(&writer.table, Event::Delete, Some(Conflict::Replace))?;
        }
        self.expect_actions(&hooks)?;
        Ok(hooks)
    }

    /// The triggers that a statement fires.
    pub(super) fn hooks(&self, table: &Table, event: Event<'_>) -> Hooks<S> {
        let all = || self.catalog.waiting(table, event);
        Hooks {
            before: all().filter(|trigger| !trigger.is_after()).cloned().collect(),
            foreign: None,
            after: all().filter(|trigger| trigger.is_after()).cloned().collect(),
        }
    }

    /// What a statement does about conflicts: what the one that fired it says goes first.
    pub(super) fn conflict(&self, said: Option<Conflict>) -> Option<Conflict> {
        self.within.and_then(|within| within.conflict).or(said)
    }

    pub(super) fn raise(&mut self, raise: &'q ast::Raise) -> Result<Expr<S>> {
        if self.within.is_none() {
            return Err(Failure::error("RAISE() may only be used within a trigger-program"));
        }
        let (conflict, message) = match raise {
            ast::Raise::Ignore => (Conflict::Ignore, None),
            ast::Raise::Rollback(message) => (Conflict::Rollback, Some(message)),
            ast::Raise::Abort(message) => (Conflict::Abort, Some(message)),
            ast::Raise::Fail(message) => (Conflict::Fail, Some(message)),
        };
        let message = match message.map(|message| &**message) {
            // A bare word is the message.
            Some(ast::Expr::Column(column)) if column.table.is_none() => {
                Some(Expr::Constant((&*column.name.text).into()))
            }
            Some(message) => Some(self.expr(message)?.expr),
            None => None,
        };
        Ok(Expr::Raise(Box::new(Raise { conflict, message })))
    }
}

/// Binds a trigger's program.
pub(in crate::sql) fn routine<S: Store>(
    session: &Session<S>,
    catalog: &Catalog,
    trigger: &Trigger,
    conflict: Option<Conflict>,
) -> Result<Routine<S>> {
    let mut binder = Binder::new(catalog, session, &trigger.sql);
    binder.within = Some(Within { conflict });
    binder.home = trigger.home();
    binder.routine(trigger)
}

impl<'q, S: Store> Binder<'q, S> {
    fn routine(&mut self, trigger: &'q Trigger) -> Result<Routine<S>> {
        let view;
        let name = &trigger.create.table;
        let table: &Table = match self.catalog.relation(Some(trigger.on), &name.name.text) {
            None => {
                return Err(self.find(name).err().unwrap_or_else(|| Failure::internal("a trigger without a table")));
            }
            Some(Relation::Table(table)) => table,
            Some(Relation::View(named)) => {
                view = self.view_table(named)?.0;
                &view
            }
        };
        self.push_level();
        let event = &trigger.create.event;
        if *event != ast::TriggerEvent::Delete {
            self.level().tables.push(pair::side("new", table, Side::New, pair::Names::Trigger));
        }
        if *event != ast::TriggerEvent::Insert {
            self.level().tables.push(pair::side("old", table, Side::Old, pair::Names::Trigger));
        }
        let when = trigger.create.when.as_ref().map(|when| self.expr(when).map_err(no_aggregate)).transpose()?;
        let when = when.map(|when| when.expr);
        let mut parts = Vec::with_capacity(trigger.create.steps.len());
        for step in &trigger.create.steps {
            parts.push(match step {
                TriggerStep::Select(select) => Part::Query(Box::new(self.select(select)?.0)),
                TriggerStep::Insert(insert) => Part::Insert(Box::new(self.insert(insert)?)),
                TriggerStep::Update(update) => Part::Change(Box::new(self.update(update)?)),
                TriggerStep::Delete(delete) => Part::Change(Box::new(self.delete(delete)?)),
            });
        }
        self.pop_level()?;
        Ok(Routine { when, parts })
    }
}
