//! **Agreement between machines**, sans-I/O: messages, ticks and `now` in, messages and decisions out. No socket, no
//! clock and no thread, so that a simulator can run a whole cluster from one seed and replay it.
//!
//! This crate is the next floor to be built. Its reading order will be: the log and its terms; election; replication;
//! membership; snapshots and linearizable reads; then the simulator that breaks each of them.
//!
//! What stands is the other end: [`check`] finds out from outside whether a system, this one or another, kept its
//! promises.
#![forbid(unsafe_code)]

#[cfg(feature = "check")]
pub mod check;
