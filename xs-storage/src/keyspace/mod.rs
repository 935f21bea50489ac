//! The typed values of a keyspace.

pub mod stream;
