//! Tables, indexes and foreign keys, listed.

use std::sync::Arc;

use super::object::{self, Column, Table};
use super::{Rows, optional};
use crate::sql::Parser;
use crate::sql::ast::{Ident, Quote, Statement};
use crate::sql::bind::Binder;
use crate::sql::catalog::{self, Catalog, Relation, SchemaRow};
use crate::sql::connection::Db;
use crate::sql::exec::check_table;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{MAIN, Store, TEMP};
use crate::sql::value::Value;

/// Where something is looked for.
pub(super) struct Place<'a, S: Store> {
    pub(super) session: &'a Db<S>,
    pub(super) catalog: &'a Catalog,
    /// One database, or any.
    pub(super) within: Option<usize>,
}

fn is_schema(name: &str) -> bool {
    let names = ["sqlite_schema", "sqlite_master", "sqlite_temp_schema", "sqlite_temp_master"];
    names.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// The table of a name, if there is one.
fn table_named(rows: &[SchemaRow], name: &str) -> Result<Option<Table>> {
    if is_schema(name) {
        return Ok(Some(object::schema()));
    }
    let row = rows.iter().find(|row| row.kind == "table" && row.name.eq_ignore_ascii_case(name));
    row.map(|row| object::table(row, rows)).transpose()
}

fn number(at: usize) -> Value {
    Value::Integer(at as i64)
}

impl<S: Store> Place<'_, S> {
    fn rows_of(&self, schema: usize) -> Result<Vec<SchemaRow>> {
        let mut store = self.session.store.borrow_mut();
        // To look is not to use it.
        if store.is_open(schema) { SchemaRow::all(&mut *store, schema) } else { Ok(Vec::new()) }
    }

    /// What the first database has that has something.
    fn first<T>(&self, find: impl Fn(usize, &[SchemaRow]) -> Result<Option<T>>) -> Result<Option<T>> {
        for schema in self.catalog.order(self.within) {
            let rows = self.rows_of(schema.number)?;
            if let Some(found) = find(schema.number, &rows)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The columns that a view's query has.
    fn view_columns(&self, schema: usize, name: &str) -> Result<Vec<Column>> {
        let (of, name) = (&self.catalog.of(schema).name, Ident::new(name, Quote::Double));
        let sql = format!("SELECT * FROM {}.{name}", Ident::new(of, Quote::Double));
        let Some(Statement::Select(select)) = Parser::new(&sql).next_statement()? else {
            return Err(Failure::internal("a query that is none"));
        };
        let (query, _) = Binder::new(self.catalog, self.session, &sql).select(&select)?;
        Ok(query.columns.iter().map(|column| Column::plain(&column.name, &column.declared)).collect())
    }

    pub(super) fn table_info(&self, name: Option<&str>, hidden: bool) -> Result<Rows> {
        let Some(name) = name else { return Ok(Vec::new()) };
        let columns = self.first(|schema, rows| match table_named(rows, name)? {
            Some(table) => Ok(Some(table.columns)),
            None if rows.iter().any(|row| row.kind == "view" && row.name.eq_ignore_ascii_case(name)) => {
                self.view_columns(schema, name).map(Some)
            }
            None => Ok(None),
        })?;
        let Some(columns) = columns else { return Ok(Vec::new()) };
        let shown = columns.iter().filter(|column| hidden || column.hidden == 0);
        let row = |(at, column): (usize, &Column)| {
            let mut row = vec![
                number(at),
                column.name.as_str().into(),
                column.declared.as_str().into(),
                i64::from(column.not_null).into(),
                optional(column.default.as_deref()),
                number(column.key),
            ];
            row.extend(hidden.then_some(Value::Integer(column.hidden)));
            row
        };
        Ok(shown.enumerate().map(row).collect())
    }

    pub(super) fn table_list(&self, name: Option<&str>) -> Result<Rows> {
        let wanted = |of: &str| name.is_none_or(|name| name.eq_ignore_ascii_case(of));
        let mut list = Vec::new();
        for schema in self
            .catalog
            .all()
            .iter()
            .filter(|schema| !schema.is_gone && self.within.is_none_or(|within| within == schema.number))
        {
            let line = |name: &str, kind: &str, columns: usize, without_rowid: bool, strict: bool| {
                let flags = [i64::from(without_rowid).into(), i64::from(strict).into()];
                let names = [(&*schema.name).into(), name.into(), kind.into(), number(columns)];
                names.into_iter().chain(flags).collect::<Vec<Value>>()
            };
            let rows = self.rows_of(schema.number)?;
            for row in rows.iter().rev().filter(|row| wanted(&row.name)) {
                match row.kind.as_str() {
                    "table" => {
                        let table = object::table(row, &rows)?;
                        list.push(line(&row.name, "table", table.columns.len(), table.without_rowid, table.strict));
                    }
                    "view" => {
                        // One whose tables have gone has no columns.
                        let columns = self.view_columns(schema.number, &row.name).map_or(0, |columns| columns.len());
                        list.push(line(&row.name, "view", columns, false, false));
                    }
                    _ => {}
                }
            }
            let own = if schema.number == TEMP { "sqlite_temp_schema" } else { "sqlite_schema" };
            if wanted(own) {
                list.push(line(own, "table", 5, false, false));
            }
        }
        Ok(list)
    }

    pub(super) fn index_list(&self, name: Option<&str>) -> Result<Rows> {
        let Some(name) = name else { return Ok(Vec::new()) };
        let Some(table) = self.first(|_, rows| table_named(rows, name))? else { return Ok(Vec::new()) };
        let row = |(at, index): (usize, &object::Index)| {
            vec![
                number(at),
                index.name.as_str().into(),
                i64::from(index.unique).into(),
                index.origin.into(),
                i64::from(index.partial).into(),
            ]
        };
        Ok(table.indexes.iter().enumerate().map(row).collect())
    }

    /// Of an index, or of the primary key of a table that has no rowids.
    pub(super) fn index_info(&self, name: Option<&str>, more: bool) -> Result<Rows> {
        let Some(name) = name else { return Ok(Vec::new()) };
        Ok(self.first(|_, rows| index_parts(rows, name, more))?.unwrap_or_default())
    }

    pub(super) fn foreign_key_list(&self, name: Option<&str>) -> Result<Rows> {
        let Some(name) = name else { return Ok(Vec::new()) };
        let Some(table) = self.first(|_, rows| table_named(rows, name))? else { return Ok(Vec::new()) };
        let mut list = Vec::new();
        for (id, key) in table.foreign_keys.iter().enumerate() {
            for (nth, (from, to)) in key.columns.iter().enumerate() {
                list.push(vec![
                    number(id),
                    number(nth),
                    key.table.as_str().into(),
                    from.as_str().into(),
                    optional(to.as_deref()),
                    key.on_update.into(),
                    key.on_delete.into(),
                    "NONE".into(),
                ]);
            }
        }
        Ok(list)
    }

    /// The rows of a table, or of all of a database, that have no parent.
    pub(super) fn foreign_key_check(&self, name: Option<&str>) -> Result<Rows> {
        let tables: Vec<&Arc<catalog::Table>> = match name {
            Some(name) => match self.catalog.relation(self.within, name) {
                Some(Relation::Table(table)) => vec![table],
                Some(Relation::View(_)) => Vec::new(),
                None => return Err(missing(self.catalog, self.within, name)),
            },
            None => {
                let schema = self.catalog.of(self.within.unwrap_or(MAIN));
                let mut tables: Vec<_> = schema.tables().collect();
                // The newest first, as SQLite has them.
                tables.sort_by_key(|table| std::cmp::Reverse(table.row));
                tables
            }
        };
        let mut list = Vec::new();
        for table in tables {
            for (rowid, parent, key) in check_table(self.session, self.catalog, table)? {
                list.push(vec![
                    (&*table.name).into(),
                    rowid.map_or(Value::Null, Value::Integer),
                    (&*parent).into(),
                    number(key),
                ]);
            }
        }
        Ok(list)
    }
}

/// What is said of a table that is not there.
pub(super) fn missing(catalog: &Catalog, within: Option<usize>, name: &str) -> Failure {
    match within {
        Some(schema) => Failure::error(format!("no such table: {}.{name}", catalog.of(schema).name)),
        None => Failure::error(format!("no such table: {name}")),
    }
}

/// What an index of one database is ordered by, if it has one of the name.
fn index_parts(rows: &[SchemaRow], name: &str, more: bool) -> Result<Option<Rows>> {
    let of = rows.iter().find(|row| row.kind == "index" && row.name.eq_ignore_ascii_case(name));
    // The key of a table without rowids has a name, and no row.
    let keyed = || {
        rows.iter()
            .find(|row| row.kind == "table" && object::key_name(row).is_some_and(|key| key.eq_ignore_ascii_case(name)))
    };
    if of.is_none()
        && let Some(row) = keyed()
    {
        return index_parts(rows, &row.name, more);
    }
    let Some(table) = table_named(rows, of.map_or(name, |row| &row.table))? else { return Ok(None) };
    let index = table.indexes.iter().find(|index| match of {
        Some(row) => index.name.eq_ignore_ascii_case(&row.name),
        None => table.without_rowid && index.origin == "pk",
    });
    // The key of a table without rowids has no row of its own.
    let index = index.or_else(|| table.indexes.iter().find(|index| index.name.eq_ignore_ascii_case(name)));
    let Some(index) = index else { return Ok(None) };
    let behind = if more { table.behind(index) } else { Vec::new() };
    let row = |(at, part): (usize, &object::Part)| {
        let mut row = vec![number(at), part.column.into(), optional(table.name_of(part))];
        if more {
            let key = i64::from(at < index.parts.len());
            row.extend([i64::from(part.descending).into(), part.collation.as_str().into(), key.into()]);
        }
        row
    };
    Ok(Some(index.parts.iter().chain(&behind).enumerate().map(row).collect()))
}
