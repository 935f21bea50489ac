//! SQL that runs: statements by statements, and SQLite's own logic tests.

mod asked;
mod calls;
mod joins;
mod logic;
mod plans;
mod refused;
mod sequence;
mod statements;
mod transcripts;
