//! What runs: a tree of queries that are asked for one row after the other.

mod access;
mod aggregate;
mod call;
mod change;
mod compound;
mod core;
mod expr;
mod foreign;
mod frame;
mod joined;
mod query;
mod rows;
mod sequence;
mod session;
mod sort;
mod subquery;
mod write;

pub(in crate::sql) use access::{Access, Bound, IndexAccess, Until};
pub(in crate::sql) use aggregate::{Aggregate, Begin, Grouping};
pub(in crate::sql) use call::Call;
pub(in crate::sql) use change::{Change, Insert, Target};
pub(in crate::sql) use compound::Compound;
pub(in crate::sql) use core::{Core, Distinct};
pub(in crate::sql) use expr::{Case, Comparison, Datum, Expr, Relation};
pub(in crate::sql) use foreign::{check_table, empty};
pub(in crate::sql) use frame::{Frame, Outer, Place, Slot, TableRow};
pub(in crate::sql) use joined::{Joined, Loop};
pub(in crate::sql) use query::{Body, OutputColumn, Query, Values};
pub(in crate::sql) use rows::Rows as QueryRows;
pub(in crate::sql) use sequence::{CREATE as CREATE_SEQUENCE, SEQUENCE, Sequence};
pub(in crate::sql) use session::{Reading, Run, Session};
pub(in crate::sql) use sort::{Sort, SortKey};
pub(in crate::sql) use subquery::{InSet, Subquery};
pub(in crate::sql) use write::{Writer, rebuild};
