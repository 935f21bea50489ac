//! **State: keyspaces, caches and the compact collections that they are made of.** Everything here is synchronous, takes
//! the time and its chance as arguments, and never sees a socket.
//!
//! Read in this order:
//!
//! 1. [`keyspace`]: typed values under binary-safe keys, with expiry, accounting, eviction and one stream of writes.
//! 2. [`keyspace::table`]: the hash table under all of it, whose scan survives growth.
#![deny(unsafe_code)]
#![cfg_attr(
    not(feature = "keyspace"),
    doc = "",
    doc = "[`keyspace`]: # \"behind a feature\"",
    doc = "[`keyspace::table`]: # \"behind a feature\""
)]

#[cfg(feature = "keyspace")]
pub mod keyspace;
