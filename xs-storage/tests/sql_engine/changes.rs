//! Statements that change rows, as programs use them: prepared, run again, asked for what they return.

use xs_storage::sql::function::{Arity, Callable, Context, Function};
use xs_storage::sql::{Connection, Value, ValueRef};

use super::asked::{fails, gives};

fn with(sql: &str) -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(sql).unwrap();
    db
}

#[test]
fn returned_columns_have_names_and_types() {
    let db = with("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)");
    let mut insert = db.prepare("INSERT INTO t (b) VALUES (?), ('y') RETURNING *, b || '!', a AS id").unwrap();
    let names: Vec<_> = (0..insert.column_count()).map(|at| insert.column_name(at).unwrap().to_owned()).collect();
    assert_eq!(names, ["a", "b", "b || '!'", "id"]);
    assert_eq!(insert.column_declared_type(0), Some("INTEGER"));
    assert_eq!(insert.column_declared_type(2), None);
    for run in 0..3 {
        let mut rows = insert.query(("x",)).unwrap();
        // All rows are in before the first is shown.
        assert_eq!(db.changes(), 2);
        let row = rows.next().unwrap().unwrap();
        assert_eq!(row.get::<i64>(0).unwrap(), 2 * run + 1);
        assert_eq!(row.get::<String>(2).unwrap(), "x!");
        assert!(row.get::<Value>(4).is_err());
        assert_eq!(rows.next().unwrap().unwrap().get::<i64>(3).unwrap(), 2 * run + 2);
        assert!(rows.next().unwrap().is_none());
        assert!(rows.next().unwrap().is_none());
    }
    assert_eq!(insert.execute(("z",)).unwrap(), 2);
    gives(&db, "SELECT count(*), sum(b = 'z') FROM t", &["8|1"]);
}

#[test]
fn a_prepared_statement_fires_the_triggers_of_now() {
    let db = with("CREATE TABLE t (a); CREATE TABLE log (x)");
    let mut insert = db.prepare("INSERT INTO t VALUES (?)").unwrap();
    insert.execute((1,)).unwrap();
    db.execute_batch("CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a); END").unwrap();
    insert.execute((2,)).unwrap();
    insert.execute((3,)).unwrap();
    db.execute_batch("DROP TRIGGER r").unwrap();
    insert.execute((4,)).unwrap();
    db.execute_batch("CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (-new.a); END").unwrap();
    insert.execute((5,)).unwrap();
    db.execute_batch("DROP TABLE log").unwrap();
    assert_eq!(insert.execute((6,)).unwrap_err().message(), "no such table: main.log");
    db.execute_batch("CREATE TABLE log (x, y DEFAULT 'new')").unwrap();
    assert_eq!(insert.execute((7,)).unwrap_err().message(), "table log has 2 columns but 1 values were supplied");
    db.execute_batch("DROP TABLE log; CREATE TABLE log (x)").unwrap();
    insert.execute((8,)).unwrap();
    gives(&db, "SELECT group_concat(x) FROM log", &["-8"]);
    gives(&db, "SELECT group_concat(a) FROM t", &["1,2,3,4,5,8"]);
}

#[test]
fn a_trigger_calls_the_function_that_is_there() {
    let db = with("CREATE TABLE t (a); CREATE TABLE log (x)");
    db.execute_batch("CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (twice(new.a)); END").unwrap();
    fails(&db, "INSERT INTO t VALUES (1)", "no such function: twice");
    for factor in [2, 3] {
        let call = move |_: &mut Context<'_>, args: &[ValueRef<'_>]| Ok(Value::from(args[0].to_integer() * factor));
        db.add_function(Function {
            name: "twice".into(),
            arity: Arity::Exactly(1),
            deterministic: true,
            callable: Callable::Scalar(std::sync::Arc::new(call)),
        });
        db.execute("INSERT INTO t VALUES (5)", ()).unwrap();
    }
    gives(&db, "SELECT x FROM log", &["10", "15"]);
}

#[test]
fn triggers_go_a_thousand_deep_and_no_deeper() {
    let db = with("CREATE TABLE t (a); PRAGMA recursive_triggers = 1");
    db.execute_batch("CREATE TRIGGER r AFTER INSERT ON t WHEN new.a > 0 BEGIN INSERT INTO t VALUES (new.a - 1); END")
        .unwrap();
    db.execute("INSERT INTO t VALUES (999)", ()).unwrap();
    gives(&db, "SELECT count(*), changes() FROM t", &["1000|1"]);
    // Entering a trigger whose WHEN is false counts too.
    fails(&db, "INSERT INTO t VALUES (1000)", "too many levels of trigger recursion");
    gives(&db, "SELECT count(*) FROM t", &["1000"]);
    fails(&db, "INSERT OR IGNORE INTO t VALUES (5000)", "too many levels of trigger recursion");
    db.execute("INSERT INTO t VALUES (7)", ()).unwrap();
    gives(&db, "SELECT count(*), total_changes() >= 1008 FROM t", &["1008|1"]);
}

#[test]
fn a_chain_of_many_triggers_is_bound() {
    let db = with("CREATE TABLE t0 (a)");
    for at in 1..60 {
        let before = at - 1;
        db.execute_batch(&format!(
            "CREATE TABLE t{at} (a);
             CREATE TRIGGER r{at} AFTER INSERT ON t{before} BEGIN INSERT INTO t{at} VALUES (new.a + 1); END"
        ))
        .unwrap();
    }
    db.execute("INSERT INTO t0 VALUES (0), (100)", ()).unwrap();
    gives(&db, "SELECT group_concat(a) FROM t59", &["59,159"]);
    // What is too deep to be bound ahead fails when it is reached, and all is undone.
    db.execute_batch("DROP TABLE t59").unwrap();
    fails(&db, "INSERT INTO t0 VALUES (1)", "no such table: main.t59");
    gives(&db, "SELECT count(*) FROM t0", &["2"]);
    gives(&db, "SELECT count(*) FROM t58", &["2"]);
}

#[test]
fn a_failed_trigger_leaves_nothing_behind_in_the_connection() {
    let db = with(
        "CREATE TABLE t (a INTEGER PRIMARY KEY); CREATE TABLE u (a UNIQUE); CREATE TABLE l (id INTEGER PRIMARY KEY AUTOINCREMENT, x);
         CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO l (id) VALUES (new.a * 100); INSERT INTO u VALUES (new.a % 2); END",
    );
    db.execute("INSERT INTO t VALUES (1)", ()).unwrap();
    assert_eq!(db.last_insert_rowid(), 1);
    for _ in 0..3 {
        fails(&db, "INSERT INTO t VALUES (2), (3)", "UNIQUE constraint failed: u.a");
        assert_eq!(db.changes(), 0);
        gives(&db, "SELECT seq FROM sqlite_sequence", &["100"]);
    }
    db.execute("INSERT INTO t VALUES (2)", ()).unwrap();
    gives(&db, "SELECT name, seq FROM sqlite_sequence", &["l|200"]);
    gives(&db, "PRAGMA integrity_check", &["ok"]);
}

#[test]
fn parameters_are_numbered_as_they_stand() {
    let db = with("CREATE TABLE t (a UNIQUE, b, c)");
    let mut upsert = db
        .prepare("INSERT INTO t VALUES (?, ?, :c) ON CONFLICT (a) DO UPDATE SET (b, c) = (SELECT ?, b || ?) WHERE b <> ? RETURNING ? || b, c")
        .unwrap();
    assert_eq!(upsert.parameter_count(), 7);
    let mut told = Vec::new();
    for b in ["one", "two"] {
        let mut rows = upsert.query(["key", b, "c", "updated", "!", "nothing", "now "]).unwrap();
        let row = rows.next().unwrap().unwrap();
        told.push(format!("{}, {}", row.get::<String>(0).unwrap(), row.get::<String>(1).unwrap()));
    }
    assert_eq!(told, ["now one, c", "now updated, one!"]);
    let two = |sql: &str| db.query_row(sql, ("x", "key"), |row| row.get::<String>(0)).unwrap();
    assert_eq!(two("SELECT ? || b FROM t WHERE a = ?"), "xupdated");
    assert_eq!(two("WITH w AS (SELECT ? AS n) SELECT o.n || p.n || ? FROM w AS o, w AS p"), "xxkey");
    assert_eq!(two("UPDATE t SET b = ? FROM (SELECT 1) WHERE a = ? RETURNING b"), "x");
    assert_eq!(two("UPDATE t SET b = ?2 || b || ?1 WHERE a = ?2 RETURNING b"), "keyxx");
    assert_eq!(db.execute("DELETE FROM t WHERE b = ? || ? AND a = ?", ("key", "xx", "key")).unwrap(), 1);
}
