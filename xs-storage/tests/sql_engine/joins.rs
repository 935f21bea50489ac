//! Joins that keep right rows, where `USING` makes one column of several. The answers are those of SQLite 3.40.

use xs_storage::sql::Connection;

use super::asked::{fails, gives};

fn filled() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 't1'), (2, 't2');
         CREATE TABLE u (a, c); INSERT INTO u VALUES (2.0, 'u2'), (3, 'u3');
         CREATE TABLE w (a, d); INSERT INTO w VALUES (3, 'w3'), (4, 'w4');
         CREATE TABLE n1 (x TEXT COLLATE NOCASE, y INT); INSERT INTO n1 VALUES ('A', 1);
         CREATE TABLE n2 (x TEXT, y TEXT); INSERT INTO n2 VALUES ('a', '1'), ('b', '2');",
    )
    .unwrap();
    db
}

#[test]
fn a_shared_column_is_the_right_ones_or_the_first_that_is_something() {
    let db = filled();
    gives(&db, "SELECT * FROM t RIGHT JOIN u USING (a)", &["2.0|t2|u2", "3|NULL|u3"]);
    gives(&db, "SELECT * FROM t FULL JOIN u USING (a)", &["1|t1|NULL", "2|t2|u2", "3|NULL|u3"]);
    gives(&db, "SELECT * FROM t NATURAL RIGHT JOIN u", &["2.0|t2|u2", "3|NULL|u3"]);
    gives(&db, "SELECT * FROM t NATURAL FULL JOIN u", &["1|t1|NULL", "2|t2|u2", "3|NULL|u3"]);
    gives(&db, "SELECT a, t.a, u.a FROM t RIGHT JOIN u USING (a)", &["2.0|2|2.0", "3|NULL|3"]);
    gives(&db, "SELECT a, t.a, u.a FROM t FULL JOIN u USING (a)", &["1|1|NULL", "2|2|2.0", "3|NULL|3"]);
    gives(&db, "SELECT count(*), a FROM t FULL JOIN u USING (a) GROUP BY a ORDER BY a DESC", &["1|3", "1|2", "1|1"]);
    gives(&db, "SELECT (SELECT a) FROM t FULL JOIN u USING (a)", &["1", "2", "3"]);
    gives(&db, "SELECT * FROM (SELECT a FROM t) FULL JOIN (SELECT a FROM u) USING (a)", &["1", "2", "3"]);
}

#[test]
fn the_columns_of_one_table_are_shown_merged_too() {
    let db = filled();
    gives(&db, "SELECT t.*, u.* FROM t RIGHT JOIN u USING (a)", &["2.0|t2|2.0|u2", "3|NULL|3|u3"]);
    gives(&db, "SELECT t.*, u.* FROM t FULL JOIN u USING (a)", &["1|t1|NULL|NULL", "2|t2|2.0|u2", "3|NULL|3|u3"]);
    gives(
        &db,
        "SELECT t.*, u.*, w.* FROM t RIGHT JOIN u USING (a) RIGHT JOIN w USING (a)",
        &["3|NULL|3|u3|3|w3", "4|NULL|4|NULL|4|w4"],
    );
}

#[test]
fn three_tables_share_a_column() {
    let db = filled();
    for (from, expected) in [
        (
            "t FULL JOIN u USING (a) FULL JOIN w USING (a)",
            &["1|t1|NULL|NULL", "2|t2|u2|NULL", "3|NULL|u3|w3", "4|NULL|NULL|w4"][..],
        ),
        ("t FULL JOIN u USING (a) LEFT JOIN w USING (a)", &["1|t1|NULL|NULL", "2|t2|u2|NULL", "3|NULL|u3|w3"]),
        ("t RIGHT JOIN u USING (a) JOIN w USING (a)", &["3|NULL|u3|w3"]),
        ("t LEFT JOIN u USING (a) RIGHT JOIN w USING (a)", &["3|NULL|NULL|w3", "4|NULL|NULL|w4"]),
        ("t JOIN u USING (a) FULL JOIN w USING (a)", &["2|t2|u2|NULL", "3|NULL|NULL|w3", "4|NULL|NULL|w4"]),
    ] {
        gives(&db, &format!("SELECT * FROM {from}"), expected);
    }
}

#[test]
fn affinity_and_collation_are_those_of_what_is_shown() {
    let db = filled();
    // Of several columns in one, none gives its affinity or collation.
    gives(&db, "SELECT a FROM t FULL JOIN u USING (a) WHERE a = '2'", &[]);
    gives(&db, "SELECT * FROM n1 FULL JOIN n2 USING (x)", &["A|1|1", "b|NULL|2"]);
    gives(&db, "SELECT * FROM n1 RIGHT JOIN n2 USING (x)", &["a|1|1", "b|NULL|2"]);
    gives(&db, "SELECT * FROM n1 FULL JOIN n2 USING (y)", &["A|1|a", "NULL|2|b"]);
    gives(&db, "SELECT x = 'A', x FROM n1 FULL JOIN n2 USING (x)", &["1|A", "0|b"]);
    gives(&db, "SELECT y = 1, typeof(y) FROM n1 FULL JOIN n2 USING (y)", &["1|integer", "0|text"]);
    gives(&db, "SELECT y = 1, typeof(y) FROM n1 RIGHT JOIN n2 USING (y)", &["1|text", "0|text"]);
    gives(&db, "SELECT * FROM n2 FULL JOIN n1 USING (x, y)", &["a|1", "b|2", "A|1"]);
}

#[test]
fn what_is_ambiguous_is_refused() {
    let db = filled();
    for (sql, message) in [
        ("SELECT * FROM t JOIN u ON t.a = u.a FULL JOIN w USING (a)", "ambiguous reference to a in USING()"),
        ("SELECT a FROM t JOIN u ON t.a = u.a JOIN w USING (a)", "ambiguous column name: a"),
        ("SELECT a FROM t FULL JOIN u ON t.a = u.a", "ambiguous column name: a"),
        ("SELECT * FROM t NATURAL JOIN u ON t.a = u.a", "a NATURAL join may not have an ON or USING clause"),
        ("SELECT * FROM t NATURAL FULL JOIN u USING (a)", "a NATURAL join may not have an ON or USING clause"),
        ("SELECT * FROM t FULL JOIN u USING (b)", "cannot join using column b - column not present in both tables"),
        ("SELECT * FROM t FULL JOIN u ON t.a = u.a AND t.b = w.d JOIN w", "ON clause references tables to its right"),
    ] {
        fails(&db, sql, message);
    }
    gives(&db, "SELECT * FROM t JOIN u ON t.a = u.a JOIN w USING (a)", &[]);
}

#[test]
fn a_common_table_sees_the_rows_around_where_it_is_used_and_no_neighbours() {
    let db = filled();
    gives(&db, "SELECT (WITH c AS (SELECT t.a) SELECT * FROM c) FROM t", &["1", "2"]);
    gives(&db, "WITH c AS (SELECT b) SELECT (SELECT * FROM c) FROM t", &["t1", "t2"]);
    gives(&db, "WITH c AS (SELECT a, b FROM t) SELECT (SELECT b FROM c WHERE c.a = t.a) FROM t", &["t1", "t2"]);
    fails(&db, "WITH c AS (SELECT b) SELECT * FROM t, c", "no such column: b");
    fails(&db, "SELECT * FROM t, (SELECT b)", "no such column: b");
    gives(&db, "WITH c AS (SELECT t.a) SELECT a FROM t WHERE a IN c", &["1", "2"]);
    gives(&db, "WITH c AS (SELECT t.a) SELECT a FROM t WHERE a IN (SELECT 1 FROM u, c)", &["1"]);
}
