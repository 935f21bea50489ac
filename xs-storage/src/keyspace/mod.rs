//! Typed values under binary-safe keys, in memory.

pub mod rank_tree;

mod size;

pub use size::alloc_size;
