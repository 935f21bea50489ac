//! SQL as SQLite speaks it: read into trees, printed, and run.
//!
//! # The problem
//!
//! A database is asked in a language that people write by hand and programs glue together. Before anything can be planned, the
//! text must become a tree, and a wrong text an error that says what is wrong and where. The dialect is SQLite's, whose users
//! know its messages and whose schemas are stored as text: a table is what its `CREATE TABLE` says whenever a file is opened.
//!
//! # How it works
//!
//! ```text
//! "SELECT a FROM t"  ──[lexer]──▶  tokens  ──[parser]──▶  Statement  ──[print]──▶  "SELECT a FROM t"
//!                                                            │
//!                                                            ▼  binder, planner, executor
//! ```
//!
//! [`lexer`] cuts the text into tokens without copying any of it. [`parser`] reads them by recursive descent, and expressions by
//! the binding strength of their operators. [`ast`] is what comes out. [`mod@print`] makes text of it again. [`value`] is what
//! expressions compute with, [`function`] what they call.
//!
//! A tree is bound: names become places in the rows of numbered tables, operators learn their affinity and collation, and how far
//! out each subquery reaches is noted. The planner makes loops of the tables of `FROM`: which comes first, by which index, and in
//! which loop each condition is asked. What comes out is a tree of queries that is pulled, one row at a time, over a [`store`].
//!
//! ```text
//! Connection ─▶ Statement ─▶ Rows      Query ─▶ sort ─▶ groups ─▶ loop t ─▶ loop u      one frame a query:
//!                                                       ╰────── columns are read from records when asked ──────╯
//! ```
//!
//! SQLite compiles to instructions of a virtual machine instead. A tree needs no loop that fetches and decodes them, borrows text
//! from the row where it stands, and can be read beside the grammar; instructions can be listed, stepped and cut off anywhere. A
//! vectorized engine would be faster on wide scans and slower on the point queries that an embedded database mostly has.
//!
//! # Invariants
//!
//! - No text panics. What a text can cost is bounded by [`Limits`]: its length, its depth, the widths of its lists.
//! - The error is SQLite's, at SQLite's token: `near "x": syntax error`, `incomplete input`, `unrecognized token: "x"`.
//! - A tree that was parsed is printed as a text that is parsed as the same tree.
//!
//! # Cost
//!
//! One pass; one token of lookahead, and a few more behind some words. A tree is boxes and vectors; a token allocates nothing.
//!
//! # Example
//!
//! ```
//! use xs_storage::sql::Parser;
//!
//! let mut parser = Parser::new("SELECT a+b FROM t WHERE(a)>1; SELEC 2");
//! let statement = parser.next_statement()?.unwrap();
//! assert_eq!(statement.to_string(), "SELECT a + b FROM t WHERE a > 1");
//!
//! let error = parser.next_statement().unwrap_err();
//! assert_eq!(error.to_string(), "near \"SELEC\": syntax error");
//! assert_eq!(error.position.to_string(), "1:31");
//! # Ok::<(), xs_storage::sql::Error>(())
//! ```
//!
//! Statements run over a [`Connection`]:
//!
//! ```
//! use xs_storage::sql::Connection;
//!
//! let db = Connection::open_in_memory()?;
//! db.execute_batch("CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t (b) VALUES ('x'), ('y')")?;
//! assert_eq!(db.query_row("SELECT a FROM t WHERE b = ?", ("y",), |row| row.get::<i64>(0))?, 2);
//! # Ok::<(), xs_storage::sql::Failure>(())
//! ```
//!
//! # How others do it
//!
//! SQLite generates an LALR(1) parser with its own generator, Lemon, from one grammar file. PostgreSQL uses Bison. The crate
//! `sqlparser` is a hand-written parser for a dozen dialects at once, `sqlite3-parser` SQLite's grammar through a port of Lemon.
//!
//! # What this leaves out
//!
//! Of what is read, this is refused when it should run, with `not supported yet`: temporary tables, virtual tables, `ATTACH`, `EXPLAIN`
//! (but not `EXPLAIN QUERY PLAN`), several values for one argument of a table-valued function. A schema may have such objects: a table
//! is refused when it is named. Text is UTF-8: a file in UTF-16 can be read by [`sqlite`](crate::sqlite), not asked in SQL. The planner flattens only
//! queries of one table whose results are columns, and knows no skip-scan, no Bloom filters and no constraints that follow from
//! others. Options of SQLite's build that are off by default: `UPDATE ... LIMIT`, ordered-set aggregates. Statements of the schema say
//! what is wrong with them when they run, not when they are prepared.
//!
//! # Try next
//!
//! Change one binding strength and see which tests notice. Then [`parser`].
//!
//! # Sources
//!
//! - SQLite's documentation of its language: <https://www.sqlite.org/lang.html>
//! - Vaughan Pratt, "Top down operator precedence", 1973

pub mod ast;
mod bind;
mod binding;
mod catalog;
mod connection;
mod error;
mod exec;
mod failure;
pub mod function;
mod json;
pub mod lexer;
pub mod parser;
mod plan;
mod pragma;
pub mod print;
mod stack;
pub mod store;
mod utf8;
pub mod value;

pub use connection::{Connection, FromValue, InterruptHandle, Params, Row, Rows, Statement};
pub use error::{Error, ErrorKind, Position};
pub use failure::{Failure, Result, ResultCode};
pub use parser::{Limits, Parser};
pub use value::{Affinity, Value};

pub use crate::row::{Collation, Columns, Encoding, KeyColumn, ValueRef, columns, compare, decode, encode};
