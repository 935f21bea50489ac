//! What foreign keys make of a table that is dropped: its rows go first.

use std::sync::Arc;

use super::failed;
use super::plan::references;
use crate::sql::bind;
use crate::sql::catalog::{Catalog, Table};
use crate::sql::exec::{Outer, Run, Session, run as run_task};
use crate::sql::failure::Result;
use crate::sql::store::Store;

/// Takes out all rows of a table that is about to be dropped, if that may matter to any key, and fails if one must hold now. None
/// of the table's own triggers know.
pub(in crate::sql) fn empty<S: Store>(session: &Session<S>, catalog: &Catalog, table: &Arc<Table>) -> Result<()> {
    let violations = &session.violations;
    if !violations.enabled.get() {
        return Ok(());
    }
    if references(catalog, table).next().is_none() {
        let deferred = table.foreign_keys.iter().any(|key| key.deferred || violations.defer.get());
        if !deferred {
            return Ok(());
        }
        if violations.none(true) {
            session.count(0);
            return Ok(());
        }
    }
    let mut all = bind::emptying(session, catalog, table)?;
    let run = Run { session, params: &[], number: session.begin_run() };
    let done = run_task(&mut all, Outer { up: None, run: &run });
    let holds = violations.none(false) || violations.defer.get();
    let done = done.and_then(|changes| if holds { Ok(changes) } else { Err(failed()) });
    session.count(*done.as_ref().unwrap_or(&0));
    done.map(drop)
}
