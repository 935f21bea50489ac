//! `VACUUM` in place.

use crate::sql::ast::Ident;
use crate::sql::catalog::Catalog;
use crate::sql::connection::Db;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{MAIN, Store, TEMP};

/// The database that is meant.
pub(super) fn place(catalog: &Catalog, schema: Option<&Ident>) -> Result<usize> {
    let Some(schema) = schema else { return Ok(MAIN) };
    let unknown = || Failure::error(format!("unknown database {}", schema.text)).at(schema.span.start);
    catalog.number(schema).ok_or_else(unknown)
}

pub(super) fn vacuum<S: Store>(session: &Db<S>, catalog: &Catalog, schema: Option<&Ident>) -> Result<()> {
    let schema = place(catalog, schema)?;
    if schema == TEMP {
        return Ok(());
    }
    if session.in_transaction.get() {
        return Err(Failure::error("cannot VACUUM from within a transaction"));
    }
    session.store.borrow_mut().one(schema)?.vacuum()
}
