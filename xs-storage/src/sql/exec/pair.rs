//! The two rows that a change is about, in the registers of one frame.
//!
//! ```text
//! register   0 … n-1   n           n+1 … 2n   2n+1
//!            NEW       its rowid   OLD        its rowid
//! ```
//!
//! Triggers, `RETURNING`, `SET` and `excluded` all name columns of them.

use super::frame::Frame;
use crate::sql::store::Store;
use crate::sql::value::Value;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Side {
    New,
    Old,
}

impl Side {
    /// The register of its first column, in a table of so many. Its rowid is behind the last.
    pub(in crate::sql) fn first(self, columns: usize) -> usize {
        match self {
            Side::New => 0,
            Side::Old => columns + 1,
        }
    }
}

/// A row, and its rowid if it has one.
pub(in crate::sql) type WholeRow<'a> = (&'a [Value], Option<i64>);

/// The frame of two rows of so many columns; one that isn't there is null.
pub(in crate::sql) fn pair<S: Store>(columns: usize, new: Option<WholeRow<'_>>, old: Option<WholeRow<'_>>) -> Frame<S> {
    let mut registers = Vec::with_capacity(2 * columns + 2);
    for (row, end) in [(new, columns + 1), (old, 2 * columns + 2)] {
        if let Some((values, rowid)) = row {
            registers.extend(values.iter().take(columns).cloned());
            registers.resize(end - 1, Value::Null);
            registers.push(rowid.map_or(Value::Null, Value::Integer));
        }
        registers.resize(end, Value::Null);
    }
    Frame { slots: Vec::new(), registers }
}
