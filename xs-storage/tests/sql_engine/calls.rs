//! Functions that statements call: SQLite's, and a program's own.

use std::sync::Arc;

use xs_storage::sql::function::{self, Arity, Callable, Context, Function};
use xs_storage::sql::{Connection, Value, ValueRef};

use super::asked::{fails, gives};

fn filled() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 't1'), (2, 't2')").unwrap();
    db
}

#[test]
fn the_registry_is_called() {
    let db = filled();
    gives(
        &db,
        "SELECT iif(1, 2, 3), likely(3), round(2.5), instr('abc', 'c'), replace('aXa', 'X', 'y'), quote('a''b'), sign(-3)",
        &["2|3|3.0|3|aya|'a''b'|-1"],
    );
    gives(
        &db,
        "SELECT substr('hello', 2, 3), hex('ab'), min(3, 1, 2), max('a', 'b'), zeroblob(2) = x'0000'",
        &["ell|6162|1|b|1"],
    );
    gives(&db, "SELECT likelihood(a, 0.5) FROM t WHERE like('T1', b)", &["1"]);
    gives(&db, "SELECT group_concat(b, a), total(a), avg(b) FROM t", &["t12t2|3.0|0.0"]);
    gives(&db, "SELECT count(b) FILTER (WHERE a > 1), group_concat(DISTINCT b) FROM t", &["1|t1,t2"]);
    gives(&db, "SELECT changes(*)", &["2"]);
    for (sql, message) in [
        ("SELECT abs(*)", "wrong number of arguments to function abs()"),
        ("SELECT sum(a, b) FROM t", "wrong number of arguments to function sum()"),
        ("SELECT abs(1) FILTER (WHERE 1)", "FILTER may not be used with non-aggregate abs()"),
        ("SELECT likelihood(1, 2)", "second argument to likelihood() must be a constant between 0.0 and 1.0"),
    ] {
        fails(&db, sql, message);
    }
}

#[test]
fn columns_beside_an_extreme_are_its_rows() {
    let db = filled();
    for (sql, expected) in [
        ("SELECT min(a), b FROM t", "1|t1"),
        ("SELECT max(a), count(*), b FROM t", "2|2|t2"),
        ("SELECT min(a), max(a), b FROM t", "1|2|t2"),
        ("SELECT max(a), min(a), b FROM t", "2|1|t1"),
        ("SELECT max(a) FILTER (WHERE a < 2), b FROM t", "1|t1"),
        ("SELECT min(b) FILTER (WHERE 0), b FROM t", "NULL|t1"),
        ("SELECT max(NULL), b FROM t", "NULL|t2"),
        ("SELECT count(*), b FROM t", "2|t1"),
    ] {
        gives(&db, sql, &[expected]);
    }
}

#[test]
fn chance_is_given() {
    let db = filled();
    fails(&db, "SELECT random()", "this connection was given no source of chance");
    let mut next = 6;
    db.set_random(move || {
        next += 1;
        next
    });
    gives(&db, "SELECT random(), random() FROM t", &["7|8", "9|10"]);
    gives(&db, "SELECT hex(randomblob(3))", &["0B0000"]);
}

#[test]
fn a_program_adds_functions() {
    let db = filled();
    let twice = |_: &mut Context<'_>, args: &[ValueRef<'_>]| Ok(Value::from(args[0].to_integer() * 2));
    let callable = Callable::Scalar(Arc::new(twice));
    db.add_function(Function { name: "twice".into(), arity: Arity::Exactly(1), deterministic: true, callable });
    gives(&db, "SELECT sum(Twice(a)) FROM t", &["6"]);
    fails(&db, "SELECT twice()", "wrong number of arguments to function twice()");

    /// The last text that came in.
    struct Last(Value);
    impl function::Aggregate for Last {
        fn step(&mut self, _: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), function::Error> {
            self.0 = args[0].into();
            Ok(())
        }

        fn value(&self, _: &mut Context<'_>) -> Result<Value, function::Error> {
            match self.0 {
                Value::Null => Err(function::Error::failed("no last row")),
                _ => Ok(self.0.clone()),
            }
        }
    }
    let callable = Callable::Aggregate(Arc::new(|| Box::new(Last(Value::Null))));
    db.add_function(Function { name: "last".into(), arity: Arity::Exactly(1), deterministic: true, callable });
    gives(&db, "SELECT last(b) FROM t GROUP BY a > 0", &["t2"]);
    fails(&db, "SELECT last(b) FROM t WHERE a > 5", "no last row");
    fails(&db, "SELECT a FROM t WHERE last(b) = 1", "misuse of aggregate function last()");
}

/// The sum of integers, and how often a row came in and one left.
struct Tally {
    sum: i64,
    came: i64,
    left: i64,
    inverts: bool,
}

impl function::Aggregate for Tally {
    fn step(&mut self, _: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), function::Error> {
        (self.sum, self.came) = (self.sum + args[0].to_integer(), self.came + 1);
        Ok(())
    }

    fn can_invert(&self) -> bool {
        self.inverts
    }

    fn inverse(&mut self, _: &mut Context<'_>, args: &[ValueRef<'_>]) -> Result<(), function::Error> {
        (self.sum, self.left) = (self.sum - args[0].to_integer(), self.left + 1);
        Ok(())
    }

    fn value(&self, _: &mut Context<'_>) -> Result<Value, function::Error> {
        Ok(format!("{} after {} and {}", self.sum, self.came, self.left).as_str().into())
    }
}

#[test]
fn a_programs_aggregates_have_windows() {
    let db = filled();
    for (name, inverts) in [("slides", true), ("begins", false)] {
        let begin = move || Box::new(Tally { sum: 0, came: 0, left: 0, inverts }) as Box<dyn function::Aggregate>;
        let callable = Callable::Aggregate(Arc::new(begin));
        db.add_function(Function { name: name.into(), arity: Arity::Exactly(1), deterministic: true, callable });
    }
    let over = |name: &str, frame: &str| {
        format!("SELECT {name}(x) OVER (ORDER BY x ROWS {frame}) FROM (SELECT 1 AS x UNION SELECT 2 UNION SELECT 3)")
    };
    let moving = "BETWEEN 1 PRECEDING AND CURRENT ROW";
    gives(&db, &over("slides", moving), &["1 after 1 and 0", "3 after 2 and 0", "5 after 3 and 1"]);
    gives(&db, &over("begins", moving), &["1 after 1 and 0", "3 after 2 and 0", "5 after 2 and 0"]);
    let growing = "UNBOUNDED PRECEDING";
    gives(&db, &over("begins", growing), &["1 after 1 and 0", "3 after 2 and 0", "6 after 3 and 0"]);
    // Where rows in the middle are left out, each frame is gone through.
    let without = "BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW";
    gives(&db, &over("slides", without), &["2 after 1 and 0", "4 after 2 and 0", "2 after 1 and 0"]);
}

#[test]
fn a_long_recursion_keeps_what_is_queued() {
    let db = filled();
    let sql = "WITH c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c LIMIT 1 OFFSET 20000";
    gives(&db, sql, &["20001"]);
    let handle = db.interrupt_handle();
    let mut calls = 0;
    db.set_random(move || {
        calls += 1;
        if calls == 1000 {
            handle.interrupt();
        }
        calls
    });
    let endless = "WITH c(x) AS (SELECT random() UNION SELECT random() FROM c) SELECT count(*) FROM c";
    fails(&db, endless, "interrupted");
    let endless =
        "WITH c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 300) SELECT count(*) OVER (ORDER BY x) FROM c";
    gives(&db, &format!("SELECT count(*) FROM ({endless})"), &["300"]);
}
