//! Foreign keys, bound: what a change of rows has to look after.

use std::sync::Arc;

use super::Binder;
use super::pair::{self, Names};
use crate::sql::ast::Conflict;
use crate::sql::catalog::{self, Catalog, ParentKey, Table};
use crate::sql::exec::{Change, Changing, Foreign, Hooks, Query, Session, Side, Watched};
use crate::sql::failure::Result;
use crate::sql::store::Store;

impl<S: Store> Binder<'_, S> {
    /// Puts foreign keys to what goes with a change, if somebody asked for them.
    pub(super) fn watch(&self, hooks: &mut Hooks<S>, table: &Arc<Table>, watched: &Watched) -> Result<()> {
        if table.root != 0 && self.session.violations.enabled.get() {
            hooks.foreign = Foreign::new(self.session, self.catalog, table, watched)?.map(Box::new);
        }
        Ok(())
    }

    /// Binds what foreign keys do to the children, so that what makes no sense is known before anything is done.
    pub(super) fn expect_actions(&self, hooks: &Hooks<S>) -> Result<()> {
        hooks.actions().map_or(Ok(()), |actions| self.expect(actions, Some(Conflict::Abort)))
    }
}

/// The query of what the children of a row in the frame around it are known by.
pub(in crate::sql) fn children<S: Store>(
    session: &Session<S>,
    catalog: &Catalog,
    child: &Arc<Table>,
    parent: &Table,
    key: &ParentKey,
) -> Result<Query<S>> {
    let (target, filter) = (catalog::target(child), key.children(child, parent));
    let mut binder = Binder::new(catalog, session, "");
    binder.home = Some(child.schema);
    binder.push_level();
    let row = pair::side("old", parent, Side::Old, Names::Columns);
    binder.level().tables.push(row);
    binder.changed((child, None), &target, None, &[], filter.as_ref(), &[])
}

/// A deletion of all rows of a table that is dropped.
pub(in crate::sql) fn emptying<S: Store>(
    session: &Session<S>,
    catalog: &Catalog,
    table: &Arc<Table>,
) -> Result<Change<S>> {
    let target = catalog::target(table);
    let mut binder = Binder::new(catalog, session, "");
    binder.home = Some(table.schema);
    let rows = binder.changed((table, None), &target, None, &[], None, &[])?;
    let writer = binder.writer(table, None)?;
    let mut hooks = Hooks::default();
    binder.watch(&mut hooks, table, &Watched::Drop)?;
    binder.expect_actions(&hooks)?;
    let (deletes, state) = (Hooks::default(), Changing::default());
    Ok(Change { writer, rows, sets: None, hooks, deletes, returning: None, state })
}
