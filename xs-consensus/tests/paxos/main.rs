//! Paxos: every state of a small synod, stories, what strangers say, and a replicated map in the simulated world.
//!
//! `XS_SEEDS=2000` runs more seeds, `XS_SEED=42` runs one, `XS_MUTATION=OwnValue` looks for one bug.

mod claims;
mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod disk;
mod model;
mod observer;
mod run;
mod server;
mod strangers;
mod transcripts;
