//! Typed values under binary-safe keys, in memory.

pub mod table;

mod size;
// The allocations that Rust's own containers cannot express. Everything else in this crate is safe code.
#[allow(unsafe_code)]
pub(crate) mod thin;

pub use size::alloc_size;
