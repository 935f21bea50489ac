//! Real processes: killed, stopped, restarted, cut off, damaged, given wrong directories, changed by an operator; while
//! clients record what they are told.
//!
//! `XS_KILLS=50` kills the leader so many times, `XS_ROUNDS=20` goes through all cuts of links so many times.

#[path = "../common/mod.rs"]
mod common;

mod cluster;
mod crashes;
mod damage;
mod namespaces;
mod operators;
mod partitions;
mod redirected;
mod strangers;
