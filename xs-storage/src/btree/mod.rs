//! A B+tree in one file: [`BTree`].
//!
//! # The problem
//!
//! # How it works
//!
//! # Invariants
//!
//! # Cost
//!
//! # Example
//!
//! # How others do it
//!
//! # What this leaves out
//!
//! # Try next
//!
//! # Sources

mod batch;
mod bulk;
mod check;
mod checkpoint;
mod cursor;
mod edit;
mod grow;
mod header;
mod node;
mod open;
mod options;
mod page;
mod shrink;
mod space;
mod store;
mod table;
mod transaction;
mod tree;
mod write;

#[cfg(test)]
mod tests;

pub use check::Report;
pub use options::Options;
pub use transaction::{Savepoint, Transaction};
pub use tree::BTree;
