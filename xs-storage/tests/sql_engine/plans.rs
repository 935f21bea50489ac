//! The plans that SQLite 3.40 makes; `plans.py` says how the file is read and written.

use xs_storage::sql::Connection;

#[test]
fn plans_are_sqlites() {
    let db = Connection::open_in_memory().unwrap();
    let mut lines = include_str!("plans.txt").lines().peekable();
    let mut wrong = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(sql) = line.strip_prefix("> ") {
            db.execute_batch(sql).unwrap();
        }
        let Some(sql) = line.strip_prefix("? ") else { continue };
        let mut expected = Vec::new();
        let goes_on = |line: &str| !(line.is_empty() || line.starts_with(['#', '>', '?']));
        while let Some(line) = lines.next_if(|line| goes_on(line)) {
            expected.push(line.to_owned());
        }
        let mut found: Vec<String> = Vec::new();
        let mut depths = vec![0_usize];
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = statement.query(()).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let depth = depths[row.get::<i64>(1).unwrap() as usize];
            depths.push(depth + 1);
            found.push(".".repeat(depth) + &row.get::<String>(3).unwrap());
        }
        if found != expected {
            wrong.push(format!("{sql}\n  SQLite: {expected:?}\n  ours:   {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} plans differ:\n{}", wrong.len(), wrong.join("\n"));
}
