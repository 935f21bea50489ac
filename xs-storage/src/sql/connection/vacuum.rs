//! `VACUUM` in place.

use crate::sql::ast::Ident;
use crate::sql::exec::Session;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

/// Refuses a name that is no database.
pub(super) fn check_name(schema: Option<&Ident>) -> Result<()> {
    match schema.filter(|schema| !schema.is("main") && !schema.is("temp")) {
        Some(schema) => Err(Failure::error(format!("unknown database {}", schema.text)).at(schema.span.start)),
        None => Ok(()),
    }
}

pub(super) fn vacuum<S: Store>(session: &Session<S>, schema: Option<&Ident>) -> Result<()> {
    if schema.is_some_and(|schema| schema.is("temp")) {
        return Ok(());
    }
    if session.in_transaction.get() {
        return Err(Failure::error("cannot VACUUM from within a transaction"));
    }
    session.store.borrow_mut().vacuum()
}
