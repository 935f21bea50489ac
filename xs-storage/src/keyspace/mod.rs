//! Typed values under binary-safe keys, in memory.

pub mod hash;
pub mod intset;
pub mod list;
pub mod listpack;
pub mod rank_tree;
pub mod set;
pub mod stream;
pub mod string;
pub mod table;
pub mod zset;

mod access;
mod change;
mod entry;
mod evict;
mod hasher;
mod item;
mod limits;
mod members;
mod size;
mod space;
// The allocations that Rust's own containers cannot express. Everything else in this crate is safe code.
#[allow(unsafe_code)]
pub(crate) mod thin;
mod value;

pub use access::Tracking;
pub use change::{Change, ChangeKind};
pub use entry::EntryMut;
pub use evict::Policy;
pub use item::Item;
pub use limits::Limits;
pub use hash::Hash;
pub use list::List;
pub use set::Set;
pub use size::alloc_size;
pub use string::Str;
pub use stream::{Stream, StreamId};
pub use space::{Config, Garbage, Keyspace, MAX_KEY, Ttl};
pub use value::Value;
pub use zset::Zset;
