//! **State: keyspaces, caches and the compact collections that they are made of.** Everything here is plain memory
//! behind `&mut self`: no socket, no thread, no clock. The time, chance and seeds are arguments.
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
#![deny(unsafe_code)]

#[cfg(feature = "cache")]
pub mod cache;
#[cfg(feature = "geohash")]
pub mod geohash;
#[cfg(feature = "keyspace")]
pub mod keyspace;
#[cfg(feature = "sketch")]
pub mod sketch;
