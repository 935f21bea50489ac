//! **Agreement between machines**, sans-I/O: messages and `now` in, messages and decisions out. No socket, no clock and
//! no thread, so that a simulator can run a whole cluster from one seed and replay it.
//!
//! Read in this order, each behind the feature of its name:
//!
//! 1. [`raft_lite`]: Raft on three pages, for reading.
//! 2. [`raft`]: Raft with everything that a system needs of it.
//! 3. [`raft_store`]: where a node keeps what it may not forget.
//! 4. [`replica`]: the core, its store and a state machine as one value.
//! 5. [`check`]: whether a system, this one or another, kept its promises, told from what its clients saw.
#![forbid(unsafe_code)]

#[cfg(feature = "check")]
pub mod check;
#[cfg(feature = "raft")]
pub mod raft;
#[cfg(feature = "raft-lite")]
pub mod raft_lite;
#[cfg(feature = "raft-store")]
pub mod raft_store;
#[cfg(feature = "replica")]
pub mod replica;
