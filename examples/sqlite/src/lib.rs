//! SQLite's shell over xs: the same files, the same SQL, the same command line.
//!
//! # The problem
//!
//! A database in one file is worth most with a program that shows what is in it. Scripts of many years run `sqlite3 file "SELECT
//! ..."`, read what it prints and look at how it ends; people type into it. What takes its place must print the same bytes.
//!
//! # How it works
//!
//! ```text
//!   arguments ─▶ cli ─┐                        ┌─▶ dot: .tables .dump .import .mode …
//!   input, by lines ──┼─▶ shell: is it whole? ─┤
//!   prompt ───────────┘                        └─▶ Connection::prepare ─▶ rows ─▶ output: list, csv, box, json …
//! ```
//!
//! The lines of the input are collected until they end a statement, which the lexer knows; lines that begin with a dot are commands
//! of the shell. Each row is written as it comes, and each statement's rows are flushed, except where columns are aligned: there
//! all rows are needed first.
//!
//! # Invariants
//!
//! - What is printed is what sqlite3 3.40 prints, byte for byte, wherever both know the statement: a test runs both.
//! - Errors go to the standard error in sqlite3's words, and the exit code is the result code of a failed argument, 1 of a failed
//!   line.
//! - A command or an option that is not there is refused, not passed over.
//!
//! # Cost
//!
//! A row is copied once. Aligned forms hold all rows of one statement in memory.
//!
//! # Example
//!
//! ```
//! use xs_sqlite::{Request, Shell, parse};
//!
//! let Ok(Request::Run(options)) = parse(["-json", ":memory:"].map(String::from)) else { panic!() };
//! let shell = Shell::open(*options, Box::new(std::io::stdout()), Box::new(std::io::stderr()))?;
//! let status = shell.run_text("CREATE TABLE t(a); INSERT INTO t VALUES (1); SELECT * FROM t;");
//! assert_eq!(status, 0);
//! # Ok::<(), xs_storage::sql::Failure>(())
//! ```
//!
//! # How others do it
//!
//! SQLite's own shell is one C file of about 25,000 lines with archives, recovery and sessions in it. Turso's shell is written
//! with the same commands; DuckDB's is a fork of SQLite's.
//!
//! # What this leaves out
//!
//! Of SQL, what the table below says. Of the shell: `.archive`, `.recover`, `.session`, `.load`, virtual file systems by name, wrapped columns (`--wrap`).
//!
//! # Try next
//!
//! Open a browser's history with it, and `.schema` it.
//!
//! # Sources
//!
//! - Command Line Shell For SQLite: <https://www.sqlite.org/cli.html>
//!
//! # SQL, page by page
//!
#![doc = include_str!("features.md")]

mod cli;
mod complete;
mod database;
mod dot;
mod output;
mod plan;
mod prompt;
mod series;
mod shell;
mod zone;

pub use cli::{HELP, Options, Request, parse};
pub use database::Database;
pub use output::{Format, Mode, Printer};
pub use shell::Shell;
