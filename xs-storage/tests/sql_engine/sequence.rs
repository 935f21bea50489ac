//! `AUTOINCREMENT`, by the answers of SQLite 3.40.

use xs_storage::sql::Connection;

use super::asked::{fails, gives};

#[track_caller]
fn kept(db: &Connection, expected: &[&str]) {
    gives(db, "SELECT name, seq FROM sqlite_sequence", expected);
}

#[test]
fn no_rowid_comes_again() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, x UNIQUE)").unwrap();
    gives(
        &db,
        "SELECT type, name, rootpage, sql FROM sqlite_master WHERE name <> 't'",
        &["index|sqlite_autoindex_t_1|3|NULL", "table|sqlite_sequence|4|CREATE TABLE sqlite_sequence(name,seq)"],
    );
    for (sql, expected) in [
        ("INSERT INTO t (x) SELECT 1 WHERE 0", "t|0"),
        ("INSERT INTO t (x) VALUES ('a'), ('b')", "t|2"),
        ("DELETE FROM t", "t|2"),
        ("INSERT INTO t (x) VALUES ('c')", "t|3"),
        ("INSERT INTO t VALUES (100, 'd')", "t|100"),
        ("INSERT INTO t (x) VALUES ('e')", "t|101"),
        ("INSERT OR IGNORE INTO t (x) VALUES ('e')", "t|102"),
        ("INSERT OR IGNORE INTO t VALUES (500, 'e')", "t|500"),
        ("INSERT INTO t VALUES (-5, 'n')", "t|500"),
        ("INSERT INTO t (x) VALUES ('f')", "t|501"),
        ("UPDATE t SET id = 1000 WHERE x = 'f'", "t|501"),
        ("INSERT INTO t (x) VALUES ('g')", "t|1001"),
    ] {
        db.execute(sql, ()).unwrap();
        kept(&db, &[expected]);
    }
    fails(&db, "INSERT INTO t (x) VALUES ('g')", "UNIQUE constraint failed: t.x");
    kept(&db, &["t|1001"]);
    // What is kept is a table that may be changed.
    db.execute_batch("DELETE FROM sqlite_sequence; INSERT INTO t (x) VALUES ('h')").unwrap();
    kept(&db, &["t|1002"]);
    db.execute_batch("UPDATE sqlite_sequence SET seq = 'abc'; INSERT INTO t (x) VALUES ('i')").unwrap();
    kept(&db, &["t|1003"]);
    db.execute("UPDATE sqlite_sequence SET seq = 9223372036854775807", ()).unwrap();
    fails(&db, "INSERT INTO t (x) VALUES ('j')", "database or disk is full");
    db.execute("INSERT INTO t VALUES (77, 'k')", ()).unwrap();
    gives(&db, "SELECT id FROM t ORDER BY id", &["-5", "3", "77", "100", "101", "1000", "1001", "1002", "1003"]);
}

#[test]
fn the_table_of_sequences_stays() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t DEFAULT VALUES;
         CREATE TABLE u (a INTEGER, PRIMARY KEY (a AUTOINCREMENT)); INSERT INTO u VALUES (NULL), (5), (2)",
    )
    .unwrap();
    kept(&db, &["t|1", "u|5"]);
    fails(&db, "DROP TABLE sqlite_sequence", "table sqlite_sequence may not be dropped");
    fails(&db, "CREATE INDEX i ON sqlite_sequence (name)", "table sqlite_sequence may not be indexed");
    let only = "AUTOINCREMENT is only allowed on an INTEGER PRIMARY KEY";
    fails(&db, "CREATE TABLE v (a INT PRIMARY KEY AUTOINCREMENT)", only);
    fails(&db, "CREATE TABLE v (a TEXT, PRIMARY KEY (a AUTOINCREMENT))", only);
    db.execute("DROP TABLE t", ()).unwrap();
    kept(&db, &["u|5"]);
    db.execute_batch("BEGIN; INSERT INTO u VALUES (NULL); ROLLBACK; INSERT INTO u VALUES (NULL)").unwrap();
    assert_eq!(db.last_insert_rowid(), 6);
}
