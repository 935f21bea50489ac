//! Names for the two rows that a change is about.

use super::{ScopeColumn, ScopeTable};
use crate::sql::catalog::Table;
use crate::sql::exec::{Place, Side};
use crate::sql::value::Affinity;

/// One of the rows, under a name. `bare` says that its columns go without that.
pub(super) fn side(name: &str, table: &Table, side: Side, bare: bool) -> ScopeTable {
    let first = side.first(table.columns.len());
    let mut columns = super::from::table_columns(table, 0);
    for (at, column) in columns.iter_mut().enumerate() {
        column.place = Place::Register((first + at) as u16);
        column.hidden = !bare;
    }
    let rowid = Place::Register((first + table.columns.len()) as u16);
    if !bare {
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
    ScopeTable { name: name.into(), columns, rowid: bare.then_some(rowid) }
}
