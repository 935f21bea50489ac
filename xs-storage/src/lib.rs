//! **State: the collections, keyspaces and caches that systems keep their data in.** Everything here is plain memory
//! behind `&mut self`: no socket, no thread, no clock. The time and the seed are arguments.
//!
//! Read in this order:
#![cfg_attr(feature = "keyspace", doc = "1. [`keyspace`]: the typed values of a Redis-like store.")]
#![cfg_attr(feature = "keyspace", doc = "2. [`sketch`]: counting distinct things in twelve kilobytes.")]
#![cfg_attr(feature = "cache", doc = "3. [`cache`]: bounded maps that decide what to forget.")]

#[cfg(feature = "cache")]
pub mod cache;
#[cfg(feature = "keyspace")]
pub mod keyspace;
#[cfg(feature = "keyspace")]
pub mod sketch;
