//! How fast it is: run with `--release --ignored --nocapture`.

use std::time::Instant;

use xs_storage::sql::Parser;
use xs_storage::sql::lexer::{Lexer, TokenKind};

/// Statements as programs send them.
const STATEMENTS: [&str; 6] = [
    "SELECT id, name, email FROM users WHERE id = ?1",
    "INSERT INTO orders (id, user_id, total, note) VALUES (1, 2, 3.5, 'a note of some length'), (2, 3, 4.5, NULL)",
    "UPDATE accounts SET balance = balance - :amount, changed = CURRENT_TIMESTAMP WHERE id = :id AND balance >= :amount",
    "SELECT u.name, count(*) AS orders, sum(o.total) FROM users AS u LEFT JOIN orders AS o ON o.user_id = u.id \
     WHERE u.created BETWEEN '2020-01-01' AND '2021-01-01' GROUP BY u.id HAVING sum(o.total) > 100 ORDER BY 3 DESC LIMIT 10",
    "CREATE TABLE events (id INTEGER PRIMARY KEY, at TEXT NOT NULL DEFAULT (datetime('now')), kind TEXT CHECK (kind <> ''), \
     user_id INT REFERENCES users(id) ON DELETE CASCADE, UNIQUE (at, kind))",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i, i * i, i % 7 = 0 OR i IN (1, 2) FROM n",
];

/// Megabytes and rounds in a second of `work`, the best of five.
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn rate(bytes: usize, mut work: impl FnMut()) -> (f64, f64) {
    const ROUNDS: usize = 3_000;
    let seconds = (0..5).map(|_| {
        let begin = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        begin.elapsed().as_secs_f64() / ROUNDS as f64
    });
    let best = seconds.fold(f64::INFINITY, f64::min);
    (bytes as f64 / best / 1e6, STATEMENTS.len() as f64 / best)
}

#[test]
#[ignore = "measures; run it alone, in release"]
fn how_fast_it_is() {
    let bytes = STATEMENTS.iter().map(|sql| sql.len()).sum();
    let show = |what: &str, (megabytes, statements): (f64, f64)| {
        println!("{what}: {megabytes:.0} MB/s, {statements:.0} statements/s");
    };
    show(
        "lexer",
        rate(bytes, || {
            for sql in STATEMENTS {
                let mut lexer = Lexer::new(sql);
                while std::hint::black_box(lexer.next_token()).kind != TokenKind::End {}
            }
        }),
    );
    show(
        "parser",
        rate(bytes, || {
            for sql in STATEMENTS {
                std::hint::black_box(Parser::new(sql).next_statement().unwrap());
            }
        }),
    );
    let parsed = STATEMENTS.map(|sql| Parser::new(sql).next_statement().unwrap().unwrap());
    show(
        "printer",
        rate(bytes, || {
            for statement in &parsed {
                std::hint::black_box(statement.to_string());
            }
        }),
    );
}
