//! The schema's table, read.
//!
//! What uses a feature that isn't there is kept by its name, with the error that its use gives: a file with one such table is a
//! file all the same. A table that has an index of that kind can be read; to change it is an error.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Index, Refused, Relation, Schema, Table, Trigger, View, folded};
use crate::row::{ValueRef, record};
use crate::sql::Parser;
use crate::sql::ast::{SchemaKind, Statement};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::plan::Counted;
use crate::sql::store::{Cursor, Databases, Store, TEMP, TreeId, schema_tree, tree_in};

/// The table of what `ANALYZE` counts.
pub(in crate::sql) const STATISTICS: &str = "sqlite_stat1";

/// The names of the schema's table.
pub(super) const MASTER: [&str; 2] = ["sqlite_master", "sqlite_schema"];

/// A row of the schema's table.
#[derive(Debug)]
pub(in crate::sql) struct SchemaRow {
    pub(in crate::sql) rowid: i64,
    pub(in crate::sql) kind: String,
    pub(in crate::sql) name: String,
    pub(in crate::sql) table: String,
    pub(in crate::sql) root: TreeId,
    pub(in crate::sql) sql: Option<String>,
}

impl SchemaRow {
    /// All rows of a database, in their order.
    pub(in crate::sql) fn all<S: Store>(store: &mut S, schema: usize) -> Result<Vec<SchemaRow>> {
        let mut rows = Vec::new();
        let mut cursor = store.table_cursor(schema_tree(schema));
        let mut more = store.first(&mut cursor)?;
        while more {
            store.load(&mut cursor)?;
            let columns = record::decode(cursor.record()).map_err(malformed)?;
            let row = SchemaRow::of(cursor.rowid(), &columns, schema)
                .ok_or_else(|| malformed("a row that makes no sense"))?;
            rows.push(row);
            more = store.next(&mut cursor)?;
        }
        Ok(rows)
    }

    fn of(rowid: i64, columns: &[ValueRef<'_>], schema: usize) -> Option<SchemaRow> {
        let text = |at: usize| match columns.get(at) {
            Some(ValueRef::Text(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        };
        let root = match columns.get(3) {
            Some(ValueRef::Integer(0)) => 0,
            Some(ValueRef::Integer(root)) => tree_in(schema, u32::try_from(*root).ok()?.into()),
            _ => 0,
        };
        Some(SchemaRow { rowid, kind: text(0)?, name: text(1)?, table: text(2)?, root, sql: text(4) })
    }
}

fn malformed(what: &str) -> Failure {
    Failure::new(ResultCode::CORRUPT, format!("malformed database schema: {what}"))
}

/// Reads what a database has, while it is read.
pub(in crate::sql) fn read<S: Store>(store: &mut Databases<S>, number: usize) -> Result<Schema> {
    let mut catalog = Schema { number, name: store.name(number).into(), ..Schema::default() };
    let own = Arc::new(Table::schema(number));
    for name in if number == TEMP { ["sqlite_temp_master", "sqlite_temp_schema"] } else { MASTER } {
        catalog.relations.insert(name.to_owned(), Relation::Table(own.clone()));
    }
    if !store.is_open(number) {
        catalog.is_gone = number != TEMP;
        return Ok(catalog);
    }
    catalog.cookie = store.cookie(number)?;
    let rows = SchemaRow::all(store, number)?;
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    // The roots of what comes with a table stand in rows of their own, without a statement.
    let mut numbered: BTreeMap<String, Vec<(usize, TreeId)>> = BTreeMap::new();
    for row in &rows {
        let name = folded(&row.name);
        let parts = name.strip_prefix("sqlite_autoindex_").and_then(|rest| rest.rsplit_once('_'));
        if let Some((table, Ok(number))) = parts.map(|(table, number)| (table, number.parse())) {
            numbered.entry(table.to_owned()).or_default().push((number, row.root));
        }
    }
    let automatic = |table: &str| {
        let mut roots = Vec::new();
        for (number, root) in numbered.get(&folded(table)).into_iter().flatten().copied() {
            // One number may be missing, that of a key which is the table.
            if (1..=rows.len() + 1).contains(&number) {
                roots.resize(roots.len().max(number), 0);
                roots[number - 1] = root;
            }
        }
        roots
    };
    for row in rows.iter().filter(|row| row.kind == "table") {
        let sql = row.sql.as_deref().unwrap_or("");
        let create = match statement(row, sql)? {
            Some(Statement::CreateTable(create)) => create,
            Some(Statement::CreateVirtualTable(_)) => {
                let why = Failure::unsupported(&format!("virtual tables: {}", row.name));
                let refused = Refused { kind: SchemaKind::Table, droppable: false, why };
                catalog.refused.insert(folded(&row.name), refused);
                continue;
            }
            _ => return Err(malformed(&row.name)),
        };
        let roots: Vec<_> = std::iter::once(row.root).chain(automatic(&row.name)).collect();
        match Table::new(&create, sql, &roots) {
            Ok(table) => drop(tables.insert(folded(&row.name), Table { row: row.rowid, schema: number, ..table })),
            Err(why) => {
                let refused = Refused { kind: SchemaKind::Table, droppable: true, why: why.of(&row.name) };
                catalog.refused.insert(folded(&row.name), refused);
            }
        }
    }
    for row in &rows {
        match (row.kind.as_str(), &row.sql) {
            ("index", Some(sql)) => {
                let Some(Statement::CreateIndex(create)) = statement(row, sql)? else {
                    return Err(malformed(&row.name));
                };
                let index = match (tables.get_mut(&folded(&row.table)), catalog.refused.get(&folded(&row.table))) {
                    (Some(table), _) => Index::create(&create, table, row.root).map(|index| (table, index)),
                    (None, Some(refused)) => Err(refused.why.clone()),
                    (None, None) => return Err(malformed(&row.name)),
                };
                match index {
                    Ok((table, index)) => table.indexes.push(Arc::new(index)),
                    // Rows are found without it, but a change would leave it behind.
                    Err(why) => {
                        let why = why.of(&row.name);
                        catalog.unchangeable.entry(folded(&row.table)).or_insert_with(|| why.clone());
                        let refused = Refused { kind: SchemaKind::Index, droppable: true, why };
                        catalog.refused.insert(folded(&row.name), refused);
                    }
                }
            }
            ("view", Some(sql)) => {
                let Some(Statement::CreateView(create)) = statement(row, sql)? else {
                    return Err(malformed(&row.name));
                };
                catalog.relations.insert(
                    folded(&row.name),
                    Relation::View(Arc::new(View { create: *create, sql: sql.clone(), schema: number })),
                );
            }
            ("trigger", Some(sql)) => {
                let Some(Statement::CreateTrigger(create)) = statement(row, sql)? else {
                    return Err(malformed(&row.name));
                };
                let triggers = catalog.triggers.entry(folded(&row.table)).or_default();
                triggers.insert(
                    0,
                    Arc::new(Trigger {
                        create: *create,
                        sql: sql.clone(),
                        schema: number,
                        on: number,
                        is_action: false,
                    }),
                );
            }
            _ => {}
        }
    }
    catalog.counted = match tables.get(STATISTICS) {
        Some(table) => counted(store, table.root)?,
        None => BTreeMap::new(),
    };
    for (name, table) in tables {
        for index in &table.indexes {
            catalog.indexes.insert(folded(&index.name), name.clone());
        }
        catalog.relations.insert(name, Relation::Table(Arc::new(table)));
    }
    Ok(catalog)
}

/// What `ANALYZE` counted; rows that make no sense are passed over.
fn counted<S: Store>(store: &mut S, root: TreeId) -> Result<BTreeMap<(String, Option<String>), Counted>> {
    let mut all = BTreeMap::new();
    let mut cursor = store.table_cursor(root);
    let mut more = store.first(&mut cursor)?;
    while more {
        store.load(&mut cursor)?;
        let columns = record::decode(cursor.record()).map_err(malformed)?;
        let text = |at: usize| match columns.get(at) {
            Some(ValueRef::Text(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        };
        let number = |at: usize| match columns.get(at) {
            Some(ValueRef::Integer(n)) => Some(n.to_string()),
            _ => None,
        };
        if let (Some(table), Some(counts)) = (text(0), text(2).or_else(|| number(2))) {
            all.insert((folded(&table), text(1).as_deref().map(folded)), Counted::read(&counts));
        }
        more = store.next(&mut cursor)?;
    }
    Ok(all)
}

fn statement(row: &SchemaRow, sql: &str) -> Result<Option<Statement>> {
    Parser::new(sql).next_statement().map_err(|error| malformed(&format!("{}: {error}", row.name)))
}
