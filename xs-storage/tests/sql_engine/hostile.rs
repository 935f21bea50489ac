//! Statements and schemas that want more than there is: each is an error, soon.

use std::fmt::Write as _;

use xs_storage::sql::Connection;

use super::asked::{fails, gives, rows};
use super::refused::with;

fn open() -> Connection {
    Connection::open_in_memory().unwrap()
}

#[test]
fn windows_that_are_based_on_each_other_are_a_row_and_no_tower() {
    let mut sql = "SELECT sum(a) OVER w20000 FROM (SELECT 1 AS a) WINDOW w0 AS (PARTITION BY a)".to_owned();
    for at in 1..=20_000 {
        let _ = write!(sql, ", w{at} AS (w{})", at - 1);
    }
    gives(&open(), &sql, &["1"]);
}

#[test]
fn an_update_joins_no_more_tables_than_a_query() {
    let db = open();
    db.execute_batch("CREATE TABLE t (a)").unwrap();
    let tables = (0..64).map(|at| format!("t AS t{at}")).collect::<Vec<_>>().join(", ");
    fails(&db, &format!("UPDATE t SET a = 1 FROM {tables}"), "at most 64 tables in a join");
}

#[test]
fn views_that_double_end() {
    let db = open();
    db.execute_batch("CREATE VIEW v0 AS SELECT 1 AS x").unwrap();
    for at in 1..=40 {
        db.execute_batch(&format!("CREATE VIEW v{at} AS SELECT a.x FROM v{0} a, v{0} b", at - 1)).unwrap();
    }
    let message = rows(&db, "SELECT * FROM v40").unwrap_err().message().to_owned();
    assert!(message.starts_with("too many references"), "{message}");
    gives(&db, "SELECT * FROM v10", &["1"]);
}

#[test]
fn results_have_no_more_columns_than_tables() {
    let columns = (0..2001).map(|at| format!("{at} AS c{at}")).collect::<Vec<_>>().join(", ");
    fails(&open(), &format!("SELECT c0 FROM (SELECT {columns})"), "too many columns in result set");
}

#[test]
fn what_a_schema_computes_asks_for_nothing_else() {
    let db = with(&[("table", "g", "g", "CREATE TABLE g (a, b AS ((SELECT b FROM g)))")]);
    fails(&db, "SELECT b FROM g", "subqueries prohibited in generated columns");
    let db =
        with(&[("index", "i", "t", "CREATE INDEX i ON t (a) WHERE (SELECT count(*) FROM t x WHERE x.a = t.a) >= 0")]);
    fails(&db, "INSERT INTO t VALUES (1, 1)", "subqueries prohibited in partial index WHERE clauses");
    gives(&db, "SELECT a FROM t", &["1"]);
}

#[test]
fn long_texts_of_functions_cost_what_they_are() {
    let db = open();
    gives(&db, "SELECT substr(hex(zeroblob(3000000)), -1)", &["0"]);
    gives(&db, "SELECT printf('%,d', 1234567), printf('%,d', -12), printf('%,d', 123)", &["1,234,567|-12|123"]);
}

#[test]
fn answers_of_windows_that_grow_are_not_kept() {
    // All of them together would be tens of gigabytes.
    let sql = "WITH RECURSIVE r (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM r LIMIT 30000)
        SELECT length(group_concat(printf('%099d', a)) OVER (ORDER BY a)) FROM r LIMIT 3 OFFSET 200";
    gives(&open(), sql, &["20099", "20199", "20299"]);
    // What was given is still asked for by those behind it.
    let sql = "WITH RECURSIVE r (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM r LIMIT 200)
        SELECT sum(n), sum(o), sum(l), max(b) FROM (SELECT length(group_concat(b, '') OVER w) AS n,
            lag(a) OVER w AS o, length(lead(b, 1, 'x') OVER w) AS l, a || substr(b, 1, 1) AS b
            FROM (SELECT a, printf('%020000d', a) AS b FROM r) WINDOW w AS (ORDER BY a ROWS 2 PRECEDING))";
    gives(&open(), sql, &["11940000|19900|3980001|990"]);
}
