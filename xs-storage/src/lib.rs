//! State.
#![deny(unsafe_code)]
#[cfg(feature = "keyspace")]
pub mod keyspace;
