//! The table of what is there and what is not, row by row.

use xs_storage::sql::{Connection, Failure};

const TABLE: &str = include_str!("../src/features.md");

fn prepared() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    let schema = "CREATE TABLE t(a INTEGER PRIMARY KEY, b, c); CREATE INDEX t_b ON t(b); CREATE TABLE u(a, c); \
                  INSERT INTO t VALUES (1, 'x', 2), (2, 'y', 3); INSERT INTO u VALUES (1, 5)";
    db.execute_batch(schema).unwrap();
    db
}

/// Each statement to its end, rows and all.
fn run(sql: &str) -> Result<(), Failure> {
    let db = prepared();
    // A trigger's body has semicolons of its own.
    let statements: Vec<&str> = if sql.contains("BEGIN SELECT") { vec![sql] } else { sql.split(';').collect() };
    statements.iter().try_for_each(|one| db.execute(one, ()).map(drop))
}

#[test]
fn what_is_said_to_be_there_works_and_what_is_not_is_refused() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for line in TABLE.lines().filter(|line| line.starts_with('|') && line.contains('`')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [.., here, tried_with] = cells[..] else { panic!("{line}") };
        let sql = tried_with.trim_matches(['`', ' ', '|']);
        if sql.is_empty() {
            continue;
        }
        tried += 1;
        match (here == "no", run(sql)) {
            (false, Err(failure)) => wrong.push(format!("{sql}\n    fails: {failure}")),
            (true, Ok(())) => wrong.push(format!("{sql}\n    works")),
            _ => {}
        }
    }
    assert!(tried > 40, "{tried}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
