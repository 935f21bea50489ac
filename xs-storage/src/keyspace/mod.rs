//! Typed values under binary-safe keys, in memory.

pub mod list;
pub mod listpack;
pub mod rank_tree;
pub mod stream;
pub mod string;
pub mod table;

mod item;
mod limits;
mod size;
// The allocations that Rust's own containers cannot express. Everything else in this crate is safe code.
#[allow(unsafe_code)]
pub(crate) mod thin;

pub use item::Item;
pub use limits::Limits;
pub use size::alloc_size;
