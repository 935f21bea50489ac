//! Typed values under binary-safe keys, in memory.

pub mod hash;
pub mod intset;
pub mod list;
pub mod listpack;
pub mod rank_tree;
pub mod set;
pub mod table;
pub mod zset;

mod item;
mod limits;
mod members;
mod size;
// The allocations that Rust's own containers cannot express. Everything else in this crate is safe code.
#[allow(unsafe_code)]
pub(crate) mod thin;

pub use item::Item;
pub use limits::Limits;
pub use size::alloc_size;
