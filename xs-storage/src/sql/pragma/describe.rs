//! Tables, indexes and foreign keys, listed.

use super::object::{self, Column, Table};
use super::{Rows, optional};
use crate::sql::Parser;
use crate::sql::ast::{Ident, Quote, Statement};
use crate::sql::bind::Binder;
use crate::sql::catalog::{Catalog, Relation, SchemaRow};
use crate::sql::exec::{Session, check_table};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;
use crate::sql::value::Value;

fn rows_of<S: Store>(session: &Session<S>) -> Result<Vec<SchemaRow>> {
    SchemaRow::all(&mut *session.store.borrow_mut())
}

fn is_schema(name: &str) -> bool {
    ["sqlite_schema", "sqlite_master"].iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// The table of a name, if there is one.
fn table_named(rows: &[SchemaRow], name: &str) -> Result<Option<Table>> {
    if is_schema(name) {
        return Ok(Some(object::schema()));
    }
    let row = rows.iter().find(|row| row.kind == "table" && row.name.eq_ignore_ascii_case(name));
    row.map(|row| object::table(row, rows)).transpose()
}

/// The columns that a view's query has.
fn view_columns<S: Store>(session: &Session<S>, catalog: &Catalog, name: &str) -> Result<Vec<Column>> {
    let sql = format!("SELECT * FROM {}", Ident::new(name, Quote::Double));
    let Some(Statement::Select(select)) = Parser::new(&sql).next_statement()? else {
        return Err(Failure::internal("a query that is none"));
    };
    let (query, _) = Binder::new(catalog, session, &sql).select(&select)?;
    Ok(query.columns.iter().map(|column| Column::plain(&column.name, &column.declared)).collect())
}

fn number(at: usize) -> Value {
    Value::Integer(at as i64)
}

pub(super) fn table_info<S: Store>(
    session: &Session<S>,
    catalog: &Catalog,
    name: Option<&str>,
    hidden: bool,
) -> Result<Rows> {
    let Some(name) = name else { return Ok(Vec::new()) };
    let rows = rows_of(session)?;
    let columns = match table_named(&rows, name)? {
        Some(table) => table.columns,
        None if rows.iter().any(|row| row.kind == "view" && row.name.eq_ignore_ascii_case(name)) => {
            view_columns(session, catalog, name)?
        }
        None => return Ok(Vec::new()),
    };
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

pub(super) fn table_list<S: Store>(session: &Session<S>, catalog: &Catalog, name: Option<&str>) -> Result<Rows> {
    let rows = rows_of(session)?;
    let wanted = |of: &str| name.is_none_or(|name| name.eq_ignore_ascii_case(of));
    let line = |schema: &str, name: &str, kind: &str, columns: usize, without_rowid: bool, strict: bool| {
        let flags = [i64::from(without_rowid).into(), i64::from(strict).into()];
        [schema.into(), name.into(), kind.into(), number(columns)].into_iter().chain(flags).collect::<Vec<Value>>()
    };
    let mut list = Vec::new();
    for row in rows.iter().rev().filter(|row| wanted(&row.name)) {
        match row.kind.as_str() {
            "table" => {
                let table = object::table(row, &rows)?;
                list.push(line("main", &row.name, "table", table.columns.len(), table.without_rowid, table.strict));
            }
            "view" => {
                // One whose tables have gone has no columns.
                let columns = view_columns(session, catalog, &row.name).map_or(0, |columns| columns.len());
                list.push(line("main", &row.name, "view", columns, false, false));
            }
            _ => {}
        }
    }
    for (schema, own) in [("main", "sqlite_schema"), ("temp", "sqlite_temp_schema")] {
        if wanted(own) {
            list.push(line(schema, own, "table", 5, false, false));
        }
    }
    Ok(list)
}

pub(super) fn index_list<S: Store>(session: &Session<S>, name: Option<&str>) -> Result<Rows> {
    let Some(name) = name else { return Ok(Vec::new()) };
    let Some(table) = table_named(&rows_of(session)?, name)? else { return Ok(Vec::new()) };
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
pub(super) fn index_info<S: Store>(session: &Session<S>, name: Option<&str>, more: bool) -> Result<Rows> {
    let Some(name) = name else { return Ok(Vec::new()) };
    let rows = rows_of(session)?;
    let of = rows.iter().find(|row| row.kind == "index" && row.name.eq_ignore_ascii_case(name));
    // The key of a table without rowids has a name, and no row.
    let keyed = || {
        rows.iter()
            .find(|row| row.kind == "table" && object::key_name(row).is_some_and(|key| key.eq_ignore_ascii_case(name)))
    };
    if of.is_none()
        && let Some(row) = keyed()
    {
        return index_info(session, Some(&row.name.clone()), more);
    }
    let Some(table) = table_named(&rows, of.map_or(name, |row| &row.table))? else { return Ok(Vec::new()) };
    let index = table.indexes.iter().find(|index| match of {
        Some(row) => index.name.eq_ignore_ascii_case(&row.name),
        None => table.without_rowid && index.origin == "pk",
    });
    // The key of a table without rowids has no row of its own.
    let index = index.or_else(|| table.indexes.iter().find(|index| index.name.eq_ignore_ascii_case(name)));
    let Some(index) = index else { return Ok(Vec::new()) };
    let behind = if more { table.behind(index) } else { Vec::new() };
    let row = |(at, part): (usize, &object::Part)| {
        let mut row = vec![number(at), part.column.into(), optional(table.name_of(part))];
        if more {
            let key = i64::from(at < index.parts.len());
            row.extend([i64::from(part.descending).into(), part.collation.as_str().into(), key.into()]);
        }
        row
    };
    Ok(index.parts.iter().chain(&behind).enumerate().map(row).collect())
}

pub(super) fn foreign_key_list<S: Store>(session: &Session<S>, name: Option<&str>) -> Result<Rows> {
    let Some(name) = name else { return Ok(Vec::new()) };
    let Some(table) = table_named(&rows_of(session)?, name)? else { return Ok(Vec::new()) };
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

/// The rows of a table, or of all, that have no parent.
pub(super) fn foreign_key_check<S: Store>(session: &Session<S>, catalog: &Catalog, name: Option<&str>) -> Result<Rows> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        // The newest first, as SQLite has them.
        None => rows_of(session)?
            .into_iter()
            .rev()
            .filter(|row| row.kind == "table")
            .map(|row| row.name)
            .collect::<Vec<_>>(),
    };
    let mut list = Vec::new();
    for of in &names {
        match catalog.relation(of) {
            Some(Relation::Table(table)) => {
                for (rowid, parent, key) in check_table(session, catalog, table)? {
                    list.push(vec![
                        (&*table.name).into(),
                        rowid.map_or(Value::Null, Value::Integer),
                        (&*parent).into(),
                        number(key),
                    ]);
                }
            }
            None if name.is_some() => return Err(Failure::error(format!("no such table: {of}"))),
            Some(Relation::View(_)) | None => {}
        }
    }
    Ok(list)
}
