//! What no two rows of a table have in common: its rowid, and the columns of unique indexes.

use super::change::Target;
use super::write::{Broken, Writer};
use crate::sql::ast::Conflict;
use crate::sql::catalog::{Index, Table};
use crate::sql::failure::ResultCode;
use crate::sql::store::Store;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Key {
    Rowid,
    /// The columns of a unique index.
    Index(usize),
}

/// What an `ON CONFLICT` clause says is done with the row that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Clause {
    Nothing,
    /// It is updated, by the clause of this number.
    Update(usize),
}

/// The keys of a table in the order in which SQLite looks at them: the rowid, then the newest index first, and behind them those
/// that replace, so that nothing is deleted for a row that is refused.
pub(super) fn keys(table: &Table, conflict: Option<Conflict>) -> Vec<Key> {
    let unique = |at: &usize| table.indexes[*at].unique.is_some();
    let indexes = table.by_age().into_iter().filter(unique).map(Key::Index);
    if table.key.is_some() {
        return indexes.collect();
    }
    match conflict.is_none() && table.rowid_conflict == Conflict::Replace {
        true => indexes.chain([Key::Rowid]).collect(),
        false => [Key::Rowid].into_iter().chain(indexes).collect(),
    }
}

impl<S: Store> Writer<S> {
    /// Whether rows may be deleted for others, if no more is assigned than this. An update that `moves` rows asks all keys.
    pub(in crate::sql) fn may_replace(&self, assigned: &[Target], moves: bool) -> bool {
        let column = self.table.rowid_column.map_or(Target::Rowid, Target::Column);
        let numbered = assigned.contains(&Target::Rowid) || assigned.contains(&column);
        let whole = numbered || moves;
        let said = |key: &Key| match key {
            Key::Rowid => Some(self.table.rowid_conflict).filter(|_| numbered),
            Key::Index(at) => {
                let index = self.table.indexes.get(*at)?;
                let named = index.reads(&self.table).any(|column| assigned.contains(&Target::Column(column)));
                index.unique.filter(|_| whole || named)
            }
        };
        let replaces = |said: Conflict| self.conflict.unwrap_or(said) == Conflict::Replace;
        self.keys.iter().any(|(key, clause)| clause.is_none() && said(key).is_some_and(replaces))
    }
}

/// A row has what another has.
pub(super) fn not_unique(table: &Table, key: Key) -> Broken {
    let name = |column: usize| format!("{}.{}", table.name, table.columns[column].name);
    let (code, columns) = match (key, table.rowid_column) {
        (Key::Rowid, Some(column)) => (ResultCode::PRIMARY_KEY, name(column)),
        (Key::Rowid, None) => (ResultCode::ROWID, format!("{}.rowid", table.name)),
        (Key::Index(at), _) => return not_unique_index(table, &table.indexes[at]),
    };
    Broken { code, message: format!("UNIQUE constraint failed: {columns}") }
}

/// The same, of an index.
pub(super) fn not_unique_index(table: &Table, index: &Index) -> Broken {
    let column = |part: &crate::sql::catalog::IndexPart| format!("{}.{}", table.name, table.columns[part.column].name);
    let columns = match index.expressions.is_empty() {
        true => index.parts.iter().map(column).collect::<Vec<_>>().join(", "),
        false => format!("index '{}'", index.name),
    };
    let code = match index.origin {
        crate::sql::catalog::Origin::PrimaryKey => ResultCode::PRIMARY_KEY,
        _ => ResultCode::UNIQUE,
    };
    Broken { code, message: format!("UNIQUE constraint failed: {columns}") }
}
