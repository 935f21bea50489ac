//! What SQLite says, and whether we say the same.

use xs_storage::sql::{ErrorKind, Parser};

use super::sqlite::{Refusal, Sqlite};

/// The real one, with a few tables, so that it finds what the corpus names and goes on.
pub(crate) fn open() -> Sqlite {
    let mut db = Sqlite::start();
    for sql in ["CREATE TABLE t (a, b, c)", "CREATE INDEX i ON t (a)", "CREATE VIEW v AS SELECT 1 AS a"] {
        db.run(sql, &[]).unwrap();
    }
    db
}

/// The error is one of the grammar, not of names and meanings.
pub(crate) fn is_syntax(message: &str) -> bool {
    message.ends_with(": syntax error") || message == "incomplete input" || message.starts_with("unrecognized token: ")
}

/// SQLite looks names up while it reads, and stops there: of what comes behind it has said nothing.
fn stopped_early(message: &str) -> bool {
    const EARLY: [&str; 21] = [
        "too many SQL variables",
        "IN(...) element has",
        "no such table",
        "no such view",
        "no such index",
        "no such column",
        "unknown database",
        "already exists",
        "already another table",
        "already an index",
        "duplicate column name",
        "cannot create",
        "object name reserved",
        "view v may not be",
        "cannot modify",
        "more than one primary key",
        "AUTOINCREMENT",
        "default value of column",
        "PRIMARY KEY",
        "foreign key",
        "generated column",
    ];
    EARLY.iter().any(|early| message.contains(early))
        || message.contains("temporary t")
        || message.contains("qualified")
}

/// How our answer differs from SQLite's, if it does.
pub(crate) fn difference(db: &mut Sqlite, sql: &str) -> Option<String> {
    let mut parser = Parser::new(sql);
    let ours = parser.next_statement();
    let theirs = db.prepare(sql);
    let same = match (&theirs, &ours) {
        (Ok(read), Ok(_)) => *read == parser.offset(),
        (Err(refusal), Err(error)) if is_syntax(&refusal.message) => {
            error.to_string() == refusal.message
                && (refusal.offset < 0 || refusal.offset == error.position.offset as i64)
        }
        // What is wrong is a name or a meaning, which may be nothing to a parser.
        (Err(refusal), Ok(_)) => !is_syntax(&refusal.message),
        (Err(Refusal { message, .. }), Err(error)) => {
            let meaning = matches!(error.kind, ErrorKind::Meaning(_) | ErrorKind::Limit(_));
            stopped_early(message) || (meaning && message.starts_with(&error.to_string()))
        }
        (Ok(_), Err(_)) => false,
    };
    let told = ours.map_err(|error| (error.to_string(), error.position.offset)).map(|_| parser.offset());
    (!same && super::versions::excuse(sql, &theirs).is_none())
        .then(|| format!("{sql}\n  SQLite: {theirs:?}\n  ours:   {told:?}\n"))
}
