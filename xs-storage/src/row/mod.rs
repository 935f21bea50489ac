//! Rows as SQLite writes them: values, their orders, and the records that hold them.
//!
//! The file format stands on it, and so does whatever runs SQL over other trees.

pub(crate) mod record;
mod value;
pub(crate) mod varint;

pub use record::{Columns, columns, compare, decode, encode};
pub use value::{Collation, Encoding, KeyColumn, ValueRef};
pub(crate) use value::{Number, Packed};
