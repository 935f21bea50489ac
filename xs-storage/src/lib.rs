//! **State: keyspaces, caches, storage engines, and what they are made of.** Nothing here knows a socket, a thread or a
//! clock: time, chance, disks and background work are arguments.
//!
//! Read in this order:
#![cfg_attr(
    feature = "keyspace",
    doc = "1. [`keyspace`]: typed values under keys, expiry, accounting, one stream of writes."
)]
#![cfg_attr(
    feature = "keyspace",
    doc = "2. [`keyspace::table`]: the hash table under all of it, whose scan survives growth."
)]
#![cfg_attr(feature = "keyspace", doc = "3. [`keyspace::string`]: the value that most keys have.")]
#![cfg_attr(feature = "keyspace", doc = "4. [`keyspace::rank_tree`]: order with positions; sorted sets and deadlines.")]
#![cfg_attr(feature = "sketch", doc = "5. [`sketch`]: counting distinct things in twelve kilobytes.")]
#![cfg_attr(feature = "geohash", doc = "6. [`geohash`]: places as scores, searches around a place as ranges of them.")]
#![cfg_attr(feature = "cache", doc = "7. [`cache`]: bounded maps that decide what to forget.")]
#![cfg_attr(feature = "engine", doc = "8. [`engine`]: ordered bytes as a contract, and an engine in memory.")]
#![cfg_attr(feature = "log", doc = "9. [`log`]: entries in order, durable together; what every store writes first.")]
#![cfg_attr(feature = "btree", doc = "10. [`btree`]: an engine that reads fast: pages, copied on write.")]
#![cfg_attr(feature = "lsm", doc = "11. [`lsm`]: an engine that writes in sequence and sorts later.")]
#![cfg_attr(feature = "mvcc", doc = "12. [`mvcc`]: transactions over any engine.")]
#![cfg_attr(
    feature = "dump",
    doc = "13. [`dump`]: any engine's entries as one stream, for backups that outlive the engine."
)]
#![cfg_attr(feature = "partition", doc = "14. [`partition`]: a topic's partition, as Kafka's brokers keep it.")]
#![cfg_attr(feature = "testing", doc = "15. [`testing`]: the suites that prove an engine: contract, crashes, rot.")]
#![cfg_attr(feature = "glob", doc = "16. [`glob`]: which names are meant by `user:*`.")]
#![cfg_attr(feature = "sqlite", doc = "17. [`sqlite`]: the file format of SQLite 3, read and written.")]
#![cfg_attr(feature = "sql", doc = "18. [`sql`]: SQLite's dialect, read into trees and run.")]
#![deny(unsafe_code)]

#[cfg(any(feature = "btree", feature = "sqlite"))]
mod bits;
#[cfg(feature = "btree")]
pub mod btree;
#[cfg(feature = "cache")]
pub mod cache;
#[cfg(feature = "dump")]
pub mod dump;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
mod error;
#[cfg(feature = "geohash")]
pub mod geohash;
#[cfg(feature = "glob")]
pub mod glob;
#[cfg(feature = "keyspace")]
pub mod keyspace;
#[cfg(feature = "engine")]
mod lock;
#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "lsm")]
pub mod lsm;
#[cfg(feature = "mvcc")]
pub mod mvcc;
#[cfg(feature = "partition")]
pub mod partition;
#[cfg(all(any(feature = "sql", feature = "sqlite"), not(xs_loom)))]
mod row;
#[cfg(feature = "sketch")]
pub mod sketch;
// Loom has nothing to try in SQL, and would compile it all the same.
#[cfg(all(feature = "sql", not(xs_loom)))]
pub mod sql;
#[cfg(all(feature = "sqlite", not(xs_loom)))]
pub mod sqlite;
#[cfg(all(feature = "engine", any(test, feature = "testing")))]
pub mod testing;

#[cfg(any(feature = "engine", feature = "keyspace"))]
mod varint;

#[cfg(feature = "engine")]
pub use error::{Error, Result};
#[cfg(feature = "engine")]
pub use lock::lock;
