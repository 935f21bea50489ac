//! Statements through a connection, and what comes out.

use xs_storage::sql::{Connection, ResultCode, Value};

use super::asked::{fails, gives, rows};

fn filled() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE t (a INTEGER, b INT, c TEXT);
         INSERT INTO t VALUES (3, 2, 'x'), (1, 2, 'Y'), (2, 1, NULL), (NULL, 2, 'y');
         CREATE TABLE u (id INTEGER PRIMARY KEY, a REFERENCES t, name TEXT UNIQUE);
         INSERT INTO u (a, name) VALUES (1, 'one'), (2, 'two'), (9, 'nine');
         CREATE INDEX t_a ON t (a);",
    )
    .unwrap();
    db
}

#[test]
fn the_smallest_query_runs() {
    let db = filled();
    gives(&db, "SELECT a+1 FROM t WHERE b=2 ORDER BY a", &["NULL", "2", "4"]);
    gives(&db, "SELECT a+1 AS n FROM t WHERE b=2 AND n > 2", &["4"]);
    gives(&db, "SELECT count(*), sum(a), avg(b), min(c), max(c), group_concat(c) FROM t", &["4|6|1.75|Y|y|x,Y,y"]);
    gives(
        &db,
        "SELECT b, count(*), total(a) FROM t GROUP BY b HAVING count(*) > 0 ORDER BY b DESC",
        &["2|3|4.0", "1|1|2.0"],
    );
    gives(&db, "SELECT DISTINCT b FROM t ORDER BY 1", &["1", "2"]);
    gives(&db, "SELECT a FROM t ORDER BY a DESC NULLS FIRST LIMIT 2 OFFSET 1", &["3", "2"]);
    gives(&db, "SELECT c FROM t ORDER BY c COLLATE NOCASE, a", &["NULL", "x", "y", "Y"]);
    gives(&db, "VALUES (1, 2), (3, 4)", &["1|2", "3|4"]);
    gives(&db, "SELECT max(a), c FROM t", &["3|x"]);
}

#[test]
fn joins_of_all_kinds() {
    let db = filled();
    gives(&db, "SELECT t.a, name FROM t JOIN u ON t.a = u.a ORDER BY 1", &["1|one", "2|two"]);
    gives(
        &db,
        "SELECT t.a, name FROM t LEFT JOIN u ON t.a = u.a ORDER BY 1",
        &["NULL|NULL", "1|one", "2|two", "3|NULL"],
    );
    gives(&db, "SELECT t.a, name FROM t LEFT JOIN u USING (a) WHERE name IS NULL ORDER BY 1", &["NULL|NULL", "3|NULL"]);
    gives(&db, "SELECT t.a, name FROM t RIGHT JOIN u ON t.a = u.a ORDER BY 2", &["NULL|nine", "1|one", "2|two"]);
    gives(
        &db,
        "SELECT a, name FROM t FULL JOIN u USING (a) ORDER BY a, name",
        &["NULL|NULL", "1|one", "2|two", "3|NULL", "9|nine"],
    );
    gives(&db, "SELECT * FROM t NATURAL JOIN u ORDER BY a", &["1|2|Y|1|one", "2|1|NULL|2|two"]);
    gives(&db, "SELECT count(*) FROM t, u", &["12"]);
    gives(&db, "SELECT count(*) FROM t CROSS JOIN u WHERE t.a < u.id", &["3"]);
}

#[test]
fn queries_within_queries() {
    let db = filled();
    gives(&db, "SELECT a FROM t WHERE a IN (SELECT a FROM u) ORDER BY a", &["1", "2"]);
    gives(&db, "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a) ORDER BY a", &["1", "2"]);
    gives(
        &db,
        "SELECT a, (SELECT name FROM u WHERE u.a = t.a) FROM t ORDER BY a",
        &["NULL|NULL", "1|one", "2|two", "3|NULL"],
    );
    gives(&db, "SELECT count(*) FROM t AS x WHERE (SELECT count(*) FROM t AS y WHERE y.a < x.a) = 1", &["1"]);
    gives(&db, "SELECT n FROM (SELECT a * 10 AS n FROM t) WHERE n > 10 ORDER BY n", &["20", "30"]);
    gives(
        &db,
        "WITH w (n) AS (SELECT a FROM t WHERE a > 1), v AS (SELECT n + 1 AS m FROM w) SELECT n, m FROM w, v ORDER BY 1, 2",
        &["2|3", "2|4", "3|3", "3|4"],
    );
    gives(&db, "SELECT a FROM t UNION SELECT a FROM u ORDER BY 1", &["NULL", "1", "2", "3", "9"]);
    gives(&db, "SELECT a FROM t EXCEPT SELECT a FROM u", &["NULL", "3"]);
    gives(&db, "SELECT a FROM t INTERSECT SELECT a FROM u", &["1", "2"]);
    gives(&db, "SELECT 1 WHERE (1, 2) IN (SELECT b, a FROM t) OR (2, 1) < (2, 2)", &["1"]);
    db.execute_batch("CREATE VIEW w AS SELECT b AS k, count(*) AS n FROM t GROUP BY b").unwrap();
    gives(&db, "SELECT n FROM w WHERE k = 2", &["3"]);
}

#[test]
fn values_follow_affinity() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE t (i INT, r REAL, x TEXT, b); INSERT INTO t VALUES ('12', '3', 4, '5'), (1.5, 2, 2.0, 6)",
    )
    .unwrap();
    gives(
        &db,
        "SELECT typeof(i), typeof(r), typeof(x), typeof(b) FROM t",
        &["integer|real|text|text", "real|real|text|integer"],
    );
    gives(&db, "SELECT r, x FROM t", &["3.0|4", "2.0|2.0"]);
    gives(&db, "SELECT count(*) FROM t WHERE i = '12'", &["1"]);
    gives(&db, "SELECT count(*) FROM t WHERE b = 5", &["0"]);
    gives(&db, "SELECT x FROM t WHERE x = 4", &["4"]);
    gives(
        &db,
        "SELECT CAST('12abc' AS INTEGER), 7 / 2, 7 % 3, 1 || 2, NOT 3, -9223372036854775808",
        &["12|3|1|12|0|-9223372036854775808"],
    );
    gives(&db, "SELECT CASE 3 WHEN 1 THEN 'a' WHEN 3 THEN 'b' END, coalesce(NULL, 2), 5 BETWEEN 1 AND 9", &["b|2|1"]);
    gives(
        &db,
        "SELECT NULL IN (), 1 IN (2, NULL), 2 NOT IN (1, 3), 'a' LIKE 'A%', 3 IS NOT NULL, 1 IS TRUE",
        &["0|NULL|1|1|1|1"],
    );
}

#[test]
fn rows_are_changed() {
    let db = filled();
    assert_eq!(db.execute("UPDATE t SET a = a + 10, c = 'z' WHERE b = 2", ()).unwrap(), 3);
    gives(&db, "SELECT a, c FROM t ORDER BY a", &["NULL|z", "2|NULL", "11|z", "13|z"]);
    gives(&db, "SELECT a FROM t WHERE a > 10", &["11", "13"]);
    assert_eq!(db.execute("DELETE FROM t WHERE a > ?1", (11,)).unwrap(), 1);
    gives(&db, "SELECT a FROM t INDEXED BY t_a WHERE a >= 2", &["2", "11"]);
    db.execute("INSERT INTO u VALUES (7, 1, 'seven')", ()).unwrap();
    assert_eq!(db.last_insert_rowid(), 7);
    fails(&db, "INSERT INTO u VALUES (7, 1, 'other')", "UNIQUE constraint failed: u.id");
    fails(&db, "INSERT INTO u VALUES (8, 1, 'seven')", "UNIQUE constraint failed: u.name");
    assert_eq!(db.execute("INSERT OR IGNORE INTO u VALUES (8, 1, 'seven'), (9, 2, 'nine')", ()).unwrap(), 0);
    assert_eq!(db.execute("INSERT OR REPLACE INTO u VALUES (7, 5, 'nine')", ()).unwrap(), 1);
    gives(&db, "SELECT id, name FROM u ORDER BY id", &["1|one", "2|two", "7|nine"]);
    // A statement that fails leaves nothing behind.
    fails(&db, "INSERT INTO u (name) VALUES ('a'), ('b'), ('one')", "UNIQUE constraint failed: u.name");
    gives(&db, "SELECT count(*) FROM u", &["3"]);
    assert_eq!(db.execute("INSERT INTO u (name) SELECT name || '!' FROM u", ()).unwrap(), 3);
    assert_eq!(db.execute("UPDATE u SET id = id + 100 WHERE id > 2", ()).unwrap(), 4);
    gives(&db, "SELECT id FROM u WHERE name = 'nine'", &["107"]);
}

#[test]
fn constraints_hold() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE TABLE t (a INT NOT NULL DEFAULT 7, b INT CHECK (b > 0), CONSTRAINT big CHECK (a + b < 100), UNIQUE (a, b))").unwrap();
    fails(&db, "INSERT INTO t VALUES (NULL, 1)", "NOT NULL constraint failed: t.a");
    fails(&db, "INSERT INTO t VALUES (1, 0)", "CHECK constraint failed: b > 0");
    fails(&db, "INSERT INTO t VALUES (99, 1)", "CHECK constraint failed: big");
    db.execute("INSERT INTO t (b) VALUES (1)", ()).unwrap();
    let error = db.execute("INSERT INTO t (b) VALUES (1)", ()).unwrap_err();
    assert_eq!((error.message(), error.code()), ("UNIQUE constraint failed: t.a, t.b", ResultCode::UNIQUE));
    assert_eq!(error.code().class(), ResultCode::CONSTRAINT);
    db.execute("INSERT OR REPLACE INTO t VALUES (NULL, 2)", ()).unwrap();
    gives(&db, "SELECT a, b FROM t ORDER BY b", &["7|1", "7|2"]);
}

#[test]
fn transactions_and_savepoints() {
    let db = filled();
    db.execute_batch("BEGIN; DELETE FROM t; SAVEPOINT s; CREATE TABLE v (x); INSERT INTO v VALUES (1); ROLLBACK TO s")
        .unwrap();
    fails(&db, "SELECT * FROM v", "no such table: v");
    fails(&db, "BEGIN", "cannot start a transaction within a transaction");
    db.execute_batch("INSERT INTO t VALUES (1, 1, 1); ROLLBACK").unwrap();
    gives(&db, "SELECT count(*) FROM t", &["4"]);
    db.execute_batch("SAVEPOINT a; DELETE FROM t; SAVEPOINT b; INSERT INTO t (a) VALUES (5); RELEASE b; RELEASE a")
        .unwrap();
    assert!(db.is_autocommit());
    gives(&db, "SELECT a FROM t", &["5"]);
    fails(&db, "COMMIT", "cannot commit - no transaction is active");
    fails(&db, "ROLLBACK", "cannot rollback - no transaction is active");
    fails(&db, "RELEASE x", "no such savepoint: x");
}

#[test]
fn errors_are_sqlites() {
    let db = filled();
    for (sql, message) in [
        ("SELECT x FROM t", "no such column: x"),
        ("SELECT t.x FROM t", "no such column: t.x"),
        ("SELECT * FROM x", "no such table: x"),
        ("SELECT a FROM t, u", "ambiguous column name: a"),
        ("SELECT *", "no tables specified"),
        ("SELECT nope(1)", "no such function: nope"),
        ("SELECT abs(1, 2)", "wrong number of arguments to function abs()"),
        ("SELECT a FROM t WHERE sum(a) > 1", "misuse of aggregate function sum()"),
        ("SELECT a FROM t ORDER BY 2", "1st ORDER BY term out of range - should be between 1 and 1"),
        ("SELECT (SELECT a, b FROM t)", "sub-select returns 2 columns - expected 1"),
        (
            "SELECT 1 UNION SELECT 1, 2",
            "SELECTs to the left and right of UNION do not have the same number of result columns",
        ),
        ("INSERT INTO t VALUES (1)", "table t has 3 columns but 1 values were supplied"),
        ("INSERT INTO t (a, b) VALUES (1)", "1 values for 2 columns"),
        ("INSERT INTO t (x) VALUES (1)", "table t has no column named x"),
        ("UPDATE t SET x = 1", "no such column: x"),
        ("CREATE TABLE t (a)", "table t already exists"),
        ("CREATE TABLE x (a, A)", "duplicate column name: A"),
        ("CREATE INDEX t_a ON t (b)", "index t_a already exists"),
        ("CREATE INDEX i ON t (x)", "no such column: x"),
        ("CREATE TABLE sqlite_x (a)", "object name reserved for internal use: sqlite_x"),
        ("DROP TABLE x", "no such table: x"),
        ("DROP INDEX sqlite_autoindex_u_1", "index associated with UNIQUE or PRIMARY KEY constraint cannot be dropped"),
        ("SELECT abs(-9223372036854775808)", "integer overflow"),
        ("SELECT 1 FROM t LIMIT 'x'", "datatype mismatch"),
        ("INSERT INTO u (id) VALUES ('x')", "datatype mismatch"),
        ("DELETE FROM sqlite_master", "table sqlite_master may not be modified"),
    ] {
        fails(&db, sql, message);
    }
}

#[test]
fn the_schema_is_a_table() {
    let db = filled();
    gives(
        &db,
        "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE tbl_name = 'u'",
        &[
            "table|u|u|3|CREATE TABLE u (id INTEGER PRIMARY KEY, a REFERENCES t, name TEXT UNIQUE)",
            "index|sqlite_autoindex_u_1|u|4|NULL",
        ],
    );
    db.execute_batch("CREATE TABLE copy AS SELECT a, name AS n FROM u; DROP TABLE u").unwrap();
    gives(&db, "SELECT n FROM copy ORDER BY n", &["nine", "one", "two"]);
    gives(&db, "SELECT name FROM sqlite_master ORDER BY name", &["copy", "t", "t_a"]);
}

#[test]
fn the_plan_says_what_it_does() {
    let db = filled();
    let plan = |sql: &str| -> Vec<String> {
        let found = rows(&db, &format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        found.into_iter().map(|line| line.rsplit('|').next().unwrap().to_owned()).collect()
    };
    assert_eq!(plan("SELECT * FROM t WHERE a = 1"), ["SEARCH t USING INDEX t_a (a=?)"]);
    assert_eq!(plan("SELECT a FROM t WHERE a > 1 AND a < 5"), ["SEARCH t USING COVERING INDEX t_a (a>? AND a<?)"]);
    assert_eq!(plan("SELECT * FROM u WHERE id = 3"), ["SEARCH u USING INTEGER PRIMARY KEY (rowid=?)"]);
    assert_eq!(plan("SELECT * FROM t ORDER BY b"), ["SCAN t", "USE TEMP B-TREE FOR ORDER BY"]);
    assert_eq!(plan("SELECT a FROM t ORDER BY a DESC"), ["SCAN t USING COVERING INDEX t_a"]);
    assert_eq!(plan("SELECT * FROM u, t WHERE t.b = u.id"), ["SCAN t", "SEARCH u USING INTEGER PRIMARY KEY (rowid=?)"]);
}

#[test]
fn parameters_have_numbers_and_names() {
    let db = filled();
    let mut statement = db.prepare("SELECT ?1 + ?2, :name || ?1").unwrap();
    assert_eq!(statement.parameter_count(), 3);
    for n in 0..3_i64 {
        let mut rows = statement.query((n, 2, "x")).unwrap();
        let row = rows.next().unwrap().unwrap();
        assert_eq!((row.get::<i64>(0).unwrap(), row.get::<String>(1).unwrap()), (n + 2, format!("x{n}")));
    }
    let named: &[(&str, Value)] = &[(":name", "y".into())];
    let mut rows = statement.query(named).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().get::<Option<i64>>(0).unwrap(), None);
    assert_eq!(statement.query((1, 2, 3, 4)).unwrap_err().code(), ResultCode::RANGE);
    // The schema changes under a statement that is ready.
    let mut statement = db.prepare("SELECT count(*) FROM t").unwrap();
    db.execute_batch("DROP TABLE t; CREATE TABLE t (z); INSERT INTO t VALUES (1)").unwrap();
    let mut rows = statement.query(()).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().get::<i64>(0).unwrap(), 1);
}
