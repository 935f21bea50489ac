//! **Agreement between machines**, sans-I/O: messages and `now` in, messages and decisions out. No socket, no clock and
//! no thread, so that a simulator can run a whole cluster from one seed and replay it.
//!
//! Read in this order, each behind the feature of its name:
//!
//! 1. [`raft_lite`]: Raft on three pages, for reading.
//! 2. [`raft`]: Raft with everything that a system needs of it.
//! 3. [`raft_store`]: where a node keeps what it may not forget.
//! 4. [`replica`]: the core, its store and a state machine as one value.
//! 5. [`paxos`]: the same agreement by the older way, one value and then a log of them, and both ways side by side.
//! 6. [`check`]: whether a system, this one or another, kept its promises, told from what its clients saw.
//!
//! Who is there, and how news spread:
//!
//! 7. [`phi_accrual`]: how much a silence means.
//! 8. [`gossip`]: news that reach everybody by chance, and how surely.
//! 9. [`swim`]: who is there.
//!
//! Where no agreement is needed, or one to stand on is there:
//!
//! 10. [`clock`]: what happened before what, by counters, vectors and calendars.
//! 11. [`crdt`]: values that replicas change at the same time, and that end up equal.
//! 12. [`merkle`]: which of a million keys two replicas differ in, found with a few kilobytes.
//! 13. [`lease`]: a right that ends by itself, and the number that keeps out those who missed its end.
//! 14. [`snowflake`]: unique 64-bit numbers, without asking anybody.
#![forbid(unsafe_code)]

#[cfg(feature = "check")]
pub mod check;
#[cfg(feature = "clock")]
pub mod clock;
#[cfg(feature = "crdt")]
pub mod crdt;
#[cfg(feature = "gossip")]
pub mod gossip;
#[cfg(feature = "lease")]
pub mod lease;
#[cfg(feature = "merkle")]
pub mod merkle;
#[cfg(feature = "paxos")]
pub mod paxos;
#[cfg(feature = "phi-accrual")]
pub mod phi_accrual;
#[cfg(feature = "raft")]
pub mod raft;
#[cfg(feature = "raft-lite")]
pub mod raft_lite;
#[cfg(feature = "raft-store")]
pub mod raft_store;
#[cfg(feature = "replica")]
pub mod replica;
#[cfg(feature = "snowflake")]
pub mod snowflake;
#[cfg(feature = "swim")]
pub mod swim;
