//! What a trigger does, bound, and kept for its next row.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::Change;
use super::expr::Expr;
use super::insert::Insert;
use super::query::Query;
use super::session::Session;
use crate::sql::ast::Conflict;
use crate::sql::bind;
use crate::sql::catalog::{Catalog, Trigger};
use crate::sql::failure::Result;
use crate::sql::store::Store;

/// A trigger, bound.
pub(in crate::sql) struct Routine<S: Store> {
    pub(in crate::sql) when: Option<Expr<S>>,
    pub(in crate::sql) parts: Vec<Part<S>>,
}

/// A statement of a trigger.
pub(in crate::sql) enum Part<S: Store> {
    Query(Box<Query<S>>),
    Insert(Box<Insert<S>>),
    Change(Box<Change<S>>),
}

/// A trigger, which the catalog keeps where it is, and what the statement around it says of conflicts.
type Key = (usize, Option<u8>);

/// Routines that nobody runs. One that is within itself has several.
pub(in crate::sql) struct Routines<S: Store> {
    /// What they were bound against.
    catalog: Option<Arc<Catalog>>,
    idle: BTreeMap<Key, Vec<Routine<S>>>,
    /// Those that are being bound.
    begun: Vec<Key>,
}

/// Triggers whose triggers are bound before they run. Deeper ones are bound when they are reached.
const AHEAD: usize = 12;

impl<S: Store> Default for Routines<S> {
    fn default() -> Self {
        Routines { catalog: None, idle: BTreeMap::new(), begun: Vec::new() }
    }
}

impl<S: Store> Routines<S> {
    /// Forgets all, since what names mean has changed.
    pub(in crate::sql) fn clear(&mut self) {
        self.idle.clear();
    }

    fn of(&mut self, catalog: &Arc<Catalog>) -> &mut Self {
        if !self.catalog.as_ref().is_some_and(|known| Arc::ptr_eq(known, catalog)) {
            self.clear();
            self.catalog = Some(catalog.clone());
        }
        self
    }
}

fn key(trigger: &Trigger, conflict: Option<Conflict>) -> Key {
    (std::ptr::from_ref(trigger).addr(), conflict.map(|conflict| conflict as u8))
}

impl<S: Store> Routine<S> {
    /// Binds a trigger that will be fired, and those that it fires, so that what makes no sense is known before anything is done.
    pub(in crate::sql) fn expect(
        session: &Session<S>,
        trigger: &Arc<Trigger>,
        conflict: Option<Conflict>,
    ) -> Result<()> {
        let key = key(trigger, conflict);
        let catalog = session.catalog.borrow().clone();
        {
            let mut routines = session.routines.borrow_mut();
            let routines = routines.of(&catalog);
            let known = routines.idle.get(&key).is_some_and(|idle| !idle.is_empty());
            if known || routines.begun.contains(&key) || routines.begun.len() >= AHEAD {
                return Ok(());
            }
            routines.begun.push(key);
        }
        let bound = bind::routine(session, &catalog, trigger, conflict);
        session.routines.borrow_mut().begun.pop();
        bound?.give_back(session, trigger, conflict);
        Ok(())
    }

    /// A trigger that is to run.
    pub(in crate::sql) fn take(
        session: &Session<S>,
        trigger: &Arc<Trigger>,
        conflict: Option<Conflict>,
    ) -> Result<Routine<S>> {
        let catalog = session.catalog.borrow().clone();
        let idle = session.routines.borrow_mut().of(&catalog).idle.get_mut(&key(trigger, conflict)).and_then(Vec::pop);
        match idle {
            Some(routine) => Ok(routine),
            None => bind::routine(session, &catalog, trigger, conflict),
        }
    }

    /// It has run.
    pub(in crate::sql) fn give_back(self, session: &Session<S>, trigger: &Trigger, conflict: Option<Conflict>) {
        session.routines.borrow_mut().idle.entry(key(trigger, conflict)).or_default().push(self);
    }
}
