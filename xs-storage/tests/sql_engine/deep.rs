//! Expressions as high, and queries as deep, as may be: a thread of two megabytes holds them, even where nothing is optimised.

use std::fmt::Write as _;

use xs_storage::sql::Connection;

use super::asked::{fails, gives};

fn open() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2), (3, 4); CREATE INDEX i ON t (a)").unwrap();
    db
}

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

/// Chains of 990 operators behind an operand.
fn chain(first: &str, operator: &str) -> String {
    first.to_owned() + &operator.repeat(990)
}

#[test]
fn each_operator_a_thousand_times() {
    on_a_small_stack(|| {
        let chains = [
            ("1", " + 0", "1"),
            ("1", " || ''", "1"),
            ("1", " = 1", "1"),
            ("1", " IS 1", "1"),
            ("0", " OR 0", "0"),
            ("1", " AND 1", "1"),
            ("1", " IS NULL", "0"),
            ("1", " COLLATE nocase", "1"),
            ("'1'", " LIKE '1'", "1"),
            ("1", " BETWEEN 0 AND 1", "1"),
            ("1", " IN (0, 1)", "1"),
            ("1", " IN (SELECT 1)", "1"),
            ("'[1]'", " -> '$'", "[1]"),
        ];
        for (first, operator, answer) in chains {
            gives(&open(), &format!("SELECT {}", chain(first, operator)), &[answer]);
        }
        let rows = format!("SELECT ({}, 1) = (1, {})", chain("1", " + 0"), chain("1", " + 0"));
        gives(&open(), &rows, &["1"]);
        let case = chain("1", " + 0");
        gives(&open(), &format!("SELECT CASE {case} WHEN {case} THEN {case} ELSE {case} END"), &["1"]);
        fails(
            &open(),
            &format!("SELECT 1{}", " + 0".repeat(1000)),
            "Expression tree is too large (maximum depth 1000)",
        );
    });
}

#[test]
fn each_clause_as_high() {
    on_a_small_stack(|| {
        let (a, b) = (chain("a", " + 0"), chain("b", " + 0"));
        let db = open();
        gives(&db, &format!("SELECT count(*) FROM t WHERE {}", chain("a = 1", " OR a = 3")), &["2"]);
        gives(&db, &format!("SELECT count(*) FROM t WHERE {}", chain("a = 1", " AND b = 2")), &["1"]);
        gives(&db, &format!("SELECT sum({a}) FROM t GROUP BY {b} HAVING sum({a}) > 0 ORDER BY {a}"), &["1", "3"]);
        gives(&db, &format!("SELECT sum({a}) OVER (ORDER BY {b}) FROM t"), &["1", "4"]);
        gives(
            &db,
            &format!("SELECT count(*) FROM t JOIN t AS u ON t.a = u.a AND t.{a} = u.a LIMIT {}", &case()),
            &["2"],
        );
        gives(&db, &format!("UPDATE t SET b = {b} WHERE {a} > 1 RETURNING {b}"), &["4"]);
        gives(&db, &format!("INSERT INTO t VALUES ({}, 6) RETURNING {b}", case()), &["6"]);
        gives(&db, &format!("DELETE FROM t WHERE {b} = 6 RETURNING a"), &["1"]);
        let step = chain("x", " + 1");
        let counted =
            format!("WITH RECURSIVE r (x) AS (SELECT 0 UNION ALL SELECT {step} FROM r LIMIT 3) SELECT x FROM r");
        gives(&db, &counted, &["0", "990", "1980"]);
    });
}

fn case() -> String {
    chain("1", " + 0")
}

#[test]
fn a_schema_as_high() {
    on_a_small_stack(|| {
        let a = chain("a", " + 1");
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(&format!("CREATE TABLE c (a CHECK ({a} > 0), b DEFAULT ({}), d AS ({a}))", case())).unwrap();
        db.execute_batch(&format!("CREATE INDEX i ON c ({a}) WHERE {a} > 5; INSERT INTO c (a) VALUES (1)")).unwrap();
        gives(&db, "SELECT a, b, d FROM c", &["1|1|991"]);
        gives(&db, &format!("SELECT a FROM c WHERE {a} = 991 AND {a} > 5"), &["1"]);
        let x = chain("x", " + 1");
        db.execute_batch(&format!("CREATE VIEW v AS SELECT {a} AS x FROM c")).unwrap();
        gives(&db, &format!("SELECT {x} FROM v WHERE x > 5"), &["1981"]);
        db.execute_batch(&format!(
            "CREATE TABLE log (x); CREATE TRIGGER g AFTER INSERT ON c WHEN new.{a} > 0 BEGIN \
             INSERT INTO log VALUES (new.{a}); END; INSERT INTO c (a) VALUES (2)"
        ))
        .unwrap();
        gives(&db, "SELECT x FROM log", &["992"]);
        db.execute_batch("ALTER TABLE c RENAME COLUMN a TO z").unwrap();
        gives(&db, "SELECT x FROM v", &["991", "992"]);
    });
}

#[test]
fn queries_within_each_other() {
    on_a_small_stack(|| {
        let db = open();
        gives(&db, &format!("SELECT count(*) FROM (SELECT 1{})", " UNION ALL SELECT 1".repeat(499)), &["500"]);
        gives(&db, &format!("SELECT 1{}", " UNION SELECT 1".repeat(499)), &["1"]);
        let within = [
            "SELECT x FROM v",
            "SELECT x FROM v LIMIT 3",
            "SELECT sum(x) AS x FROM v GROUP BY x",
            "SELECT x FROM v UNION SELECT 1",
            "SELECT (SELECT x FROM v) AS x",
        ];
        for query in within {
            let db = open();
            db.execute_batch("CREATE VIEW v0 AS SELECT 1 AS x").unwrap();
            for at in 1..200 {
                let query = query.replace('v', &format!("v{}", at - 1));
                db.execute_batch(&format!("CREATE VIEW v{at} AS {query}")).unwrap();
            }
            gives(&db, "SELECT x FROM v199", &["1"]);
        }
    });
}

#[test]
fn expressions_within_common_tables_have_one_height_together() {
    let mut sql = "WITH c0(x) AS (SELECT 1)".to_owned();
    for at in 1..95 {
        let _ = write!(sql, ", c{at}(x) AS (SELECT (SELECT x FROM c{}){})", at - 1, " + 0".repeat(980));
    }
    sql += " SELECT x FROM c94";
    on_a_small_stack(move || fails(&open(), &sql, "Expression tree is too large (maximum depth 1000)"));
}

#[test]
fn rows_of_many_columns_and_lists_of_many_rows() {
    on_a_small_stack(|| {
        let row = |last: usize| format!("({}{last})", "1, ".repeat(1999));
        for (operator, answer) in [("<", "1"), ("<=", "1"), (">", "0"), ("=", "0"), ("<>", "1"), ("IS", "0")] {
            gives(&open(), &format!("SELECT {} {operator} {}", row(1), row(2)), &[answer]);
        }
        let list = (0..20_000).map(|at| format!("({at}, 1)")).collect::<Vec<_>>().join(", ");
        gives(&open(), &format!("SELECT (19999, 1) IN ({list}), (1, 2) IN ({list})"), &["1|0"]);
    });
}
