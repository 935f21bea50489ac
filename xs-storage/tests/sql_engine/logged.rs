//! Several connections to one file: with a write-ahead log and without.

use std::path::Path;
use std::sync::Arc;

use xs_os::Rng;
use xs_os::vfs::MemoryVfs;
use xs_storage::sql::{Connection, ResultCode, Value};
use xs_storage::sqlite::{Database, Options};

type Db = Connection<Database>;

fn open(disk: &MemoryVfs) -> Db {
    let file = Database::open(Arc::new(disk.clone()), Path::new("db"), Options::default(), Rng::from_seed(1));
    Connection::new(file.unwrap()).unwrap()
}

/// The rows, with `|` between values, or the error.
fn ask(db: &Db, sql: &str) -> String {
    let rows = || {
        let mut statement = db.prepare(sql)?;
        let columns = statement.column_count();
        let (mut found, mut rows) = (Vec::new(), statement.query(())?);
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|at| {
                Ok(match row.get::<Value>(at)? {
                    Value::Integer(n) => n.to_string(),
                    Value::Text(text) => String::from_utf8_lossy(&text).into_owned(),
                    other => format!("{other:?}"),
                })
            });
            found.push(values.collect::<xs_storage::sql::Result<Vec<_>>>()?.join("|"));
        }
        Ok::<_, xs_storage::sql::Failure>(found.join(" "))
    };
    rows().unwrap_or_else(|failure| format!("! {}", failure.message()))
}

fn all(db: &Db, steps: &[(&str, &str)]) {
    for (sql, expected) in steps {
        assert_eq!(ask(db, sql), *expected, "{sql}");
    }
}

#[test]
fn readers_see_what_was_committed_when_they_began() {
    let disk = MemoryVfs::new();
    let (one, two) = (open(&disk), open(&disk));
    all(
        &one,
        &[
            ("PRAGMA journal_mode", "delete"),
            ("PRAGMA journal_mode = WAL", "wal"),
            ("CREATE TABLE t (a)", ""),
            ("INSERT INTO t VALUES (1)", ""),
        ],
    );
    all(&two, &[("BEGIN", ""), ("PRAGMA journal_mode", "wal"), ("SELECT a FROM t", "1")]);
    all(&one, &[("INSERT INTO t VALUES (2)", ""), ("SELECT a FROM t", "1 2")]);
    all(&two, &[("SELECT a FROM t", "1")]);
    let stale = two.execute("INSERT INTO t VALUES (3)", ()).unwrap_err();
    assert_eq!((stale.message(), stale.code()), ("database is locked", ResultCode::BUSY_SNAPSHOT));
    all(&two, &[("ROLLBACK", ""), ("SELECT a FROM t", "1 2"), ("BEGIN", "")]);
    // A transaction that has not read yet is of no time.
    all(&one, &[("INSERT INTO t VALUES (3)", "")]);
    all(&two, &[("INSERT INTO t VALUES (4)", ""), ("SELECT a FROM t", "1 2 3 4")]);
    all(
        &one,
        &[
            ("SELECT a FROM t", "1 2 3"),
            ("INSERT INTO t VALUES (5)", "! database is locked"),
            ("BEGIN EXCLUSIVE", "! database is locked"),
            ("BEGIN", ""),
            ("SELECT count(*) FROM t", "3"),
            ("PRAGMA wal_checkpoint", "! database table is locked"),
            ("COMMIT", ""),
        ],
    );
    all(&two, &[("COMMIT", "")]);
    all(&one, &[("SELECT count(*) FROM t", "4"), ("PRAGMA wal_checkpoint(TRUNCATE)", "0|0|0")]);
}

#[test]
fn modes_change_outside_of_transactions_and_alone() {
    let disk = MemoryVfs::new();
    let one = open(&disk);
    all(
        &one,
        &[
            ("PRAGMA wal_checkpoint", "0|-1|-1"),
            ("CREATE TABLE t (a)", ""),
            ("BEGIN", ""),
            ("PRAGMA journal_mode = wal", "! cannot change into wal mode from within a transaction"),
            ("INSERT INTO t VALUES (1)", ""),
            ("PRAGMA journal_mode = wal", "delete"),
            ("COMMIT", ""),
            ("PRAGMA journal_mode = wal", "wal"),
            ("BEGIN", ""),
            ("PRAGMA journal_mode = delete", "! cannot change out of wal mode from within a transaction"),
            ("PRAGMA synchronous = 1", "! Safety level may not be changed inside a transaction"),
            ("COMMIT", ""),
            ("PRAGMA synchronous = NORMAL", ""),
            ("PRAGMA synchronous", "1"),
            ("PRAGMA wal_autocheckpoint", "1000"),
            ("PRAGMA wal_autocheckpoint = 10", "10"),
            ("PRAGMA wal_autocheckpoint = -1", "0"),
            ("INSERT INTO t VALUES (2)", ""),
        ],
    );
    let two = open(&disk);
    all(&two, &[("SELECT count(*) FROM t", "2")]);
    all(&one, &[("PRAGMA journal_mode = persist", "! database is locked")]);
    drop(two);
    all(&one, &[("PRAGMA journal_mode = persist", "persist"), ("SELECT count(*) FROM t", "2")]);
    all(
        &one,
        &[
            ("PRAGMA journal_mode = memory", "memory"),
            ("BEGIN", ""),
            ("DELETE FROM t", ""),
            ("ROLLBACK", ""),
            ("UPDATE t SET a = 5", ""),
            ("SELECT a FROM t", "5 5"),
            ("PRAGMA journal_mode = off", "memory"),
        ],
    );
}

#[test]
fn locks_are_kept_if_that_is_asked_for() {
    let disk = MemoryVfs::new();
    let (one, two) = (open(&disk), open(&disk));
    all(
        &one,
        &[
            ("CREATE TABLE t (a)", ""),
            ("PRAGMA locking_mode", "normal"),
            ("PRAGMA locking_mode = exclusive", "exclusive"),
            ("SELECT count(*) FROM t", "0"),
        ],
    );
    all(&two, &[("SELECT count(*) FROM t", "0"), ("INSERT INTO t VALUES (1)", "! database is locked")]);
    all(&one, &[("INSERT INTO t VALUES (2)", "")]);
    all(&two, &[("SELECT count(*) FROM t", "! database is locked")]);
    all(&one, &[("PRAGMA locking_mode = normal", "normal"), ("SELECT count(*) FROM t", "1")]);
    all(&two, &[("INSERT INTO t VALUES (1)", ""), ("BEGIN EXCLUSIVE", "")]);
    all(&one, &[("SELECT count(*) FROM t", "! database is locked"), ("BEGIN", "")]);
    all(&two, &[("COMMIT", "")]);
    all(&one, &[("SELECT count(*) FROM t", "2")]);
    all(&two, &[("BEGIN EXCLUSIVE", "! database is locked"), ("BEGIN IMMEDIATE", ""), ("ROLLBACK", "")]);
}

#[test]
fn a_vacuum_takes_what_is_free_away() {
    let disk = MemoryVfs::new();
    let (one, two) = (open(&disk), open(&disk));
    all(
        &one,
        &[
            ("VACUUM", ""),
            ("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", ""),
            ("CREATE INDEX i ON t (b)", ""),
            ("CREATE TABLE u (x)", ""),
            ("INSERT INTO t (b) VALUES (zeroblob(9000)), (zeroblob(9000)), (zeroblob(10))", ""),
            ("DELETE FROM t WHERE a = 2", ""),
        ],
    );
    all(&two, &[("SELECT count(*) FROM u", "0")]);
    all(
        &one,
        &[
            ("VACUUM nope", "! unknown database nope"),
            ("BEGIN", ""),
            ("VACUUM", "! cannot VACUUM from within a transaction"),
            ("COMMIT", ""),
            ("PRAGMA page_size = 1024", ""),
            ("VACUUM main", ""),
            ("PRAGMA page_size", "1024"),
            ("PRAGMA freelist_count", "0"),
            ("SELECT a, length(b) FROM t", "1|9000 3|10"),
            ("SELECT rowid, name FROM sqlite_schema", "1|t 2|u 3|i"),
            ("PRAGMA incremental_vacuum", ""),
            ("PRAGMA integrity_check", "ok"),
        ],
    );
    // Its trees are elsewhere now.
    all(&two, &[("INSERT INTO u VALUES (1)", ""), ("SELECT count(*) FROM u", "1"), ("PRAGMA integrity_check", "ok")]);
    let mut statement = one.prepare("SELECT a FROM t").unwrap();
    let mut rows = statement.query(()).unwrap();
    rows.next().unwrap();
    assert_eq!(ask(&one, "VACUUM"), "! cannot VACUUM - SQL statements in progress");
}

#[test]
fn who_only_reads_writes_nothing() {
    let disk = MemoryVfs::new();
    let one = open(&disk);
    all(&one, &[("PRAGMA journal_mode = wal", "wal"), ("CREATE TABLE t (a)", ""), ("INSERT INTO t VALUES (1)", "")]);
    let options = Options { read_only: true, ..Options::default() };
    let file = Database::open(Arc::new(disk.clone()), Path::new("db"), options, Rng::from_seed(1)).unwrap();
    let two = Connection::new(file).unwrap();
    all(
        &two,
        &[
            ("SELECT a FROM t", "1"),
            ("INSERT INTO t VALUES (2)", "! attempt to write a readonly database"),
            ("BEGIN EXCLUSIVE", "! attempt to write a readonly database"),
            ("VACUUM", "! attempt to write a readonly database"),
        ],
    );
    all(&one, &[("INSERT INTO t VALUES (2)", "")]);
    all(&two, &[("SELECT a FROM t", "1 2")]);
}
