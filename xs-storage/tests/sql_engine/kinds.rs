//! Tables of other kinds: what transcripts can't tell of generated columns, `STRICT` and `WITHOUT ROWID`.

use xs_storage::sql::store::{Memory, SCHEMA, Store, TreeKind};
use xs_storage::sql::{Connection, ValueRef, encode};

use super::asked::{fails, gives, rows};

fn plan(db: &Connection, sql: &str, expected: &[&str]) {
    let lines = rows(db, &format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines: Vec<_> = lines.iter().map(|line| line.rsplit('|').next().unwrap_or("")).collect();
    assert_eq!(lines, expected, "{sql}");
}

#[test]
fn plans_name_the_primary_key() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE TABLE t (a, b, c, PRIMARY KEY (b DESC, a)) WITHOUT ROWID; CREATE INDEX i ON t (c)")
        .unwrap();
    plan(&db, "SELECT * FROM t WHERE b = 1", &["SEARCH t USING PRIMARY KEY (b=?)"]);
    plan(&db, "SELECT * FROM t WHERE b = 1 AND a > 2", &["SEARCH t USING PRIMARY KEY (b=? AND a>?)"]);
    plan(&db, "SELECT * FROM t NOT INDEXED WHERE b < 1", &["SEARCH t USING PRIMARY KEY (b<?)"]);
    plan(&db, "SELECT * FROM t ORDER BY b DESC, a", &["SCAN t"]);
    plan(&db, "SELECT a, b FROM t WHERE c = 1 ORDER BY b DESC, a", &["SEARCH t USING COVERING INDEX i (c=?)"]);
    plan(&db, "UPDATE t SET a = 2 WHERE b = 1 AND a = 1", &["SEARCH t USING PRIMARY KEY (b=? AND a=?)"]);
}

#[test]
fn a_key_that_moves_is_found_where_it_was_and_where_it_is() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, v UNIQUE) WITHOUT ROWID;
         INSERT INTO t VALUES ('b', 1), ('A', 2), ('c', 3)",
    )
    .unwrap();
    // The same key in other letters is the same row.
    assert_eq!(db.execute("UPDATE t SET k = upper(k)", ()).unwrap(), 3);
    gives(&db, "SELECT k FROM t ORDER BY k", &["A", "B", "C"]);
    fails(&db, "UPDATE t SET k = 'a' WHERE v = 1", "UNIQUE constraint failed: t.k");
    fails(&db, "UPDATE t SET v = v + 1", "UNIQUE constraint failed: t.v");
    gives(&db, "SELECT k, v FROM t ORDER BY k", &["A|2", "B|1", "C|3"]);
    db.execute("UPDATE t SET k = k || 'x', v = v + 10", ()).unwrap();
    gives(&db, "SELECT k FROM t WHERE v = 12", &["Ax"]);
    gives(&db, "PRAGMA integrity_check", &["ok"]);
    // Rows without rowids have no last one.
    assert_eq!(db.last_insert_rowid(), 0);
}

#[test]
fn right_joins_tell_rows_without_rowids_apart() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE t (k PRIMARY KEY) WITHOUT ROWID; INSERT INTO t VALUES (1), (2), (3);
         CREATE TABLE u (k, g AS (k * 10)); INSERT INTO u VALUES (2), (4)",
    )
    .unwrap();
    gives(&db, "SELECT u.k, t.k FROM u RIGHT JOIN t USING (k) ORDER BY 2", &["NULL|1", "2|2", "NULL|3"]);
    gives(&db, "SELECT t.k, g FROM t FULL JOIN u ON t.k = u.k ORDER BY 1, 2", &["NULL|40", "1|NULL", "2|20", "3|NULL"]);
}

#[test]
fn a_schema_that_lies_is_an_error() {
    let mut store: Memory = Memory::new();
    store.begin().unwrap();
    let objects = [
        ("w", TreeKind::Table, "CREATE TABLE w (a PRIMARY KEY, b) WITHOUT ROWID"),
        ("r", TreeKind::Index, "CREATE TABLE r (a, b)"),
        ("l", TreeKind::Table, "CREATE TABLE l (a, b AS (c), c AS (b))"),
        ("m", TreeKind::Table, "CREATE TABLE m (a, b AS (missing))"),
        ("n", TreeKind::Index, "CREATE TABLE n (a, b) WITHOUT ROWID"),
    ];
    for (at, (name, kind, sql)) in objects.into_iter().enumerate() {
        let root = store.create_tree(kind).unwrap();
        let record = encode(&[
            ValueRef::Text(b"table"),
            ValueRef::Text(name.as_bytes()),
            ValueRef::Text(name.as_bytes()),
            ValueRef::Integer(root as i64),
            ValueRef::Text(sql.as_bytes()),
        ]);
        store.insert(SCHEMA, 1 + at as i64, &record).unwrap();
    }
    store.change_schema().unwrap();
    store.commit().unwrap();
    let db = Connection::new(store).unwrap();
    fails(&db, "SELECT * FROM w", "a tree of the other kind");
    fails(&db, "INSERT INTO w VALUES (1, 2)", "a tree of the other kind");
    fails(&db, "SELECT * FROM r", "a tree of the other kind");
    gives(&db, "SELECT a FROM l", &[]);
    fails(&db, "SELECT b FROM l", "generated column loop on \"b\"");
    fails(&db, "INSERT INTO l VALUES (1)", "generated column loop on \"c\"");
    gives(&db, "SELECT a FROM m", &[]);
    fails(&db, "SELECT b FROM m", "no such column: missing");
    fails(&db, "SELECT a FROM n", "PRIMARY KEY missing on table n");
}

#[test]
fn long_chains_of_generated_columns_are_computed() {
    let db = Connection::open_in_memory().unwrap();
    let columns: Vec<String> = (1..500).map(|at| format!("c{at} AS (c{} + 1)", at - 1)).rev().collect();
    db.execute_batch(&format!("CREATE TABLE t (c0, {})", columns.join(", "))).unwrap();
    db.execute_batch("INSERT INTO t VALUES (1); CREATE INDEX i ON t (c499)").unwrap();
    gives(&db, "SELECT c499, c1 FROM t WHERE c499 = 500", &["500|2"]);
    db.execute_batch("UPDATE t SET c0 = 11; DELETE FROM t WHERE c250 = 261").unwrap();
    gives(&db, "PRAGMA integrity_check", &["ok"]);
}
