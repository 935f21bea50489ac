//! Names for the two rows that a change is about.

use super::{ScopeColumn, ScopeTable};
use crate::sql::catalog::Table;
use crate::sql::exec::{Place, Side};
use crate::sql::value::Affinity;

/// What a row's columns are where they are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// The table's columns, as anywhere else.
    Columns,
    /// `NEW` and `OLD`, which must be said. SQLite gives them the collations of the columns, but their affinity only where that
    /// is the rowid's.
    Trigger,
    /// `excluded`, which has neither.
    Excluded,
}

/// One of the rows, under a name.
pub(super) fn side(name: &str, table: &Table, side: Side, names: Names) -> ScopeTable {
    let bare = names == Names::Columns;
    let first = side.first(table.columns.len());
    let mut columns = super::from::table_columns(table, 0);
    for (at, column) in columns.iter_mut().enumerate() {
        column.place = Place::Register((first + at) as u16);
        column.hidden = !bare;
        if !bare {
            column.affinity = (table.rowid_column == Some(at)).then_some(Affinity::Integer);
        }
        if names == Names::Excluded {
            (column.affinity, column.collation) = (None, None);
        }
    }
    let rowid = Place::Register((first + table.columns.len()) as u16);
    if !bare && table.key.is_none() {
        for name in ["rowid", "oid", "_rowid_"].into_iter().filter(|name| table.column(name).is_none()) {
            columns.push(ScopeColumn {
                name: name.into(),
                affinity: Some(Affinity::Integer),
                collation: None,
                declared: "INTEGER".into(),
                place: rowid,
                hidden: true,
                joined: Vec::new(),
                used_again: false,
            });
        }
    }
    let schema = bare.then_some(table.schema);
    ScopeTable { name: name.into(), schema, columns, rowid: (bare && table.key.is_none()).then_some(rowid) }
}
