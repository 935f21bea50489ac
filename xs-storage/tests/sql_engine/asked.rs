//! A database is asked, and the answer looked at.

use xs_storage::sql::store::Store;
use xs_storage::sql::{Connection, Result};

/// The rows of a query, as the shell prints them.
pub(super) fn rows<S: Store>(db: &Connection<S>, sql: &str) -> Result<Vec<String>> {
    let mut statement = db.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let shown = (0..columns).map(|at| {
            row.with(at, |value| {
                Ok(value.to_text().map_or_else(|| "NULL".into(), |text| String::from_utf8_lossy(&text).into_owned()))
            })
        });
        found.push(shown.collect::<Result<Vec<_>>>()?.join("|"));
    }
    Ok(found)
}

#[track_caller]
pub(super) fn gives<S: Store>(db: &Connection<S>, sql: &str, expected: &[&str]) {
    match rows(db, sql) {
        Ok(found) => assert_eq!(found, expected, "{sql}"),
        Err(error) => panic!("{sql}: {error}"),
    }
}

#[track_caller]
pub(super) fn fails<S: Store>(db: &Connection<S>, sql: &str, message: &str) {
    match rows(db, sql) {
        Ok(found) => panic!("{sql}: {found:?}"),
        Err(error) => assert_eq!(error.message(), message, "{sql}"),
    }
}
