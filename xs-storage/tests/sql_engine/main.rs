//! SQL that runs: statements by statements, and SQLite's own logic tests.

mod asked;
mod attached;
mod calls;
mod changes;
mod databases;
mod deep;
mod differential;
mod hostile;
mod joins;
mod kinds;
mod logged;
mod logic;
mod plans;
mod refused;
mod sequence;
mod statements;
mod together;
mod transcripts;
