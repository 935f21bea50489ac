//! Schemas that have something in them that is not supported: the rest works.

use xs_storage::sql::store::{Memory, SCHEMA, Store, TreeKind};
use xs_storage::sql::{Connection, ValueRef, encode};

use super::asked::{fails, gives};

/// A database whose schema SQLite could have written.
pub(super) fn with(objects: &[(&str, &str, &str, &str)]) -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2)").unwrap();
    let mut store: Memory = db.into_store().unwrap();
    store.begin().unwrap();
    for (at, (kind, name, table, sql)) in objects.iter().enumerate() {
        let root = match *kind {
            "table" if !sql.contains("VIRTUAL") => store.create_tree(TreeKind::Table).unwrap(),
            "index" => store.create_tree(TreeKind::Index).unwrap(),
            _ => 0,
        };
        let record = encode(&[
            ValueRef::Text(kind.as_bytes()),
            ValueRef::Text(name.as_bytes()),
            ValueRef::Text(table.as_bytes()),
            ValueRef::Integer(root as i64),
            ValueRef::Text(sql.as_bytes()),
        ]);
        store.insert(SCHEMA, 100 + at as i64, &record).unwrap();
    }
    store.change_schema().unwrap();
    store.commit().unwrap();
    Connection::new(store).unwrap()
}

#[test]
fn a_refused_table_is_there_by_name() {
    let db = with(&[
        ("table", "w", "w", "CREATE TABLE w (a COLLATE odd)"),
        ("index", "w_a", "w", "CREATE INDEX w_a ON w (a)"),
        ("table", "v", "v", "CREATE VIRTUAL TABLE v USING fts5 (x)"),
        ("table", "c", "c", "CREATE TABLE c (a COLLATE strange)"),
    ]);
    gives(&db, "SELECT a, b FROM t", &["1|2"]);
    fails(&db, "SELECT * FROM w", "no such collation sequence: odd");
    fails(&db, "INSERT INTO w VALUES (1)", "no such collation sequence: odd");
    fails(&db, "SELECT * FROM v", "not supported yet: virtual tables: v");
    fails(&db, "SELECT * FROM c", "no such collation sequence: strange");
    fails(&db, "CREATE TABLE w (a)", "table w already exists");
    fails(&db, "CREATE INDEX w ON t (a)", "there is already a table named w");
    fails(&db, "CREATE INDEX w_a ON t (a)", "index w_a already exists");
    fails(&db, "CREATE INDEX i ON w (a)", "no such collation sequence: odd");
    fails(&db, "DROP TABLE v", "not supported yet: virtual tables: v");
    db.execute_batch("DROP TABLE w; CREATE TABLE w (a); INSERT INTO w VALUES (3)").unwrap();
    gives(&db, "SELECT * FROM w", &["3"]);
    gives(&db, "SELECT name FROM sqlite_master", &["t", "v", "c", "w"]);
}

#[test]
fn a_table_with_indexes_of_every_kind_is_changed() {
    let db = with(&[
        ("index", "i", "t", "CREATE INDEX i ON t (a + b)"),
        ("index", "p", "t", "CREATE INDEX p ON t (a) WHERE b"),
    ]);
    // What was put there lacks the row's entries.
    db.execute_batch("REINDEX").unwrap();
    gives(&db, "SELECT a, b FROM t WHERE a + b = 3", &["1|2"]);
    db.execute_batch("INSERT INTO t VALUES (3, 4); UPDATE t SET a = 0 WHERE a + b = 3; DELETE FROM t WHERE b").unwrap();
    gives(&db, "PRAGMA integrity_check", &["ok"]);
    db.execute_batch("DROP INDEX i; DROP INDEX p").unwrap();
    gives(&db, "SELECT count(*) FROM t", &["0"]);
}

#[test]
fn triggers_of_a_file_run() {
    let db = with(&[
        ("trigger", "tr", "t", "CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t; END"),
        ("view", "v", "v", "CREATE VIEW v AS SELECT a FROM t"),
        ("trigger", "tv", "v", "CREATE TRIGGER tv INSTEAD OF DELETE ON v BEGIN DELETE FROM t; END"),
        ("table", "w", "w", "CREATE VIRTUAL TABLE w USING fts5 (x)"),
        ("trigger", "tw", "w", "CREATE TRIGGER tw AFTER INSERT ON w BEGIN DELETE FROM t; END"),
    ]);
    gives(&db, "SELECT a FROM v", &["1"]);
    fails(&db, "INSERT INTO w VALUES (1)", "not supported yet: virtual tables: w");
    fails(&db, "DROP TRIGGER nope", "no such trigger: nope");
    db.execute_batch("INSERT INTO t VALUES (1, 1)").unwrap();
    gives(&db, "SELECT a FROM v", &[]);
    db.execute_batch("DROP TRIGGER tr; DROP TRIGGER tw; INSERT INTO t VALUES (3, 4)").unwrap();
    gives(&db, "SELECT a FROM v", &["3"]);
    db.execute_batch("DELETE FROM v").unwrap();
    gives(&db, "SELECT a FROM v", &[]);
}
