//! The commands of the parts that this server doesn't have: known by name, so that they answer with a clear error.

mod table;
pub(crate) use table::TABLE;
