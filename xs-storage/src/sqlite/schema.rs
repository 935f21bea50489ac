//! The rows of the schema's table in the order in which SQLite would make their objects anew.

use crate::row::{Encoding, ValueRef, record};

/// A row of the schema, under its rowid.
type Row = (i64, Vec<u8>);

/// Tables, each with the indexes that were made by themselves; then indexes; then all that has no tree. SQLite makes the table of
/// sequences with the first table that needs it.
pub(super) fn sorted(rows: Vec<Row>, encoding: Encoding) -> Vec<Row> {
    let (mut sequences, mut automatic, mut tables, mut indexes, mut others) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let text = |at: usize| match record::decode(&row.1).ok().and_then(|columns| columns.get(at).copied()) {
            Some(ValueRef::Text(text)) => Some(encoding.decode(text).to_ascii_lowercase()),
            _ => None,
        };
        let has_root =
            record::decode(&row.1).is_ok_and(|columns| matches!(columns.get(3), Some(ValueRef::Integer(1..))));
        let [kind, name, table, sql] = [text(0), text(1), text(2), text(4)];
        match (kind.as_deref(), has_root) {
            (Some("table"), true) if name.as_deref() == Some("sqlite_sequence") => sequences.push(row),
            (Some("table"), true) => tables.push((name, sql, row)),
            (Some("index"), true) if sql.is_none() => automatic.push((table, row)),
            (Some("index"), true) => indexes.push(row),
            _ => others.push(row),
        }
    }
    let mut sorted = Vec::new();
    for (name, sql, row) in tables {
        sorted.push(row);
        let (its, rest) = automatic.into_iter().partition(|(table, _)| *table == name);
        automatic = rest;
        sorted.extend(Vec::into_iter(its).map(|(_, row)| row));
        if sql.is_some_and(|sql| sql.contains("autoincrement")) {
            sorted.append(&mut sequences);
        }
    }
    sorted.append(&mut sequences);
    sorted.extend(automatic.into_iter().map(|(_, row)| row));
    sorted.append(&mut indexes);
    sorted.append(&mut others);
    sorted
}
