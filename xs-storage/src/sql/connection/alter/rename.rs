//! `RENAME TO` and `RENAME COLUMN`.

use super::edit::{self, NewName, edited};
use super::{Goal, Shapes, check, found_in, is_checked, put, rows, table_row, written};
use crate::row::{ValueRef, encode};
use crate::sql::ast::{Ident, SchemaKind, TableBody};
use crate::sql::catalog::{Relation, Schema, SchemaRow};
use crate::sql::connection::Db;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store, TreeId};

/// Gives a table another name.
pub(super) fn table<S: Store>(session: &Db<S>, own: &Schema, from: &Ident, is_view: bool, to: &Ident) -> Result<()> {
    let (name, schema) = (&*to.text, own.number);
    let refused = [SchemaKind::Table, SchemaKind::Index].iter().any(|kind| own.refused(*kind, name).is_some());
    if own.relation(name).is_some() || own.index(name).is_some() || refused {
        return Err(Failure::error(format!("there is already another table or index with this name: {name}")));
    }
    crate::sql::connection::schema::check_reserved(to)?;
    if is_view {
        return Err(Failure::error(format!("view {} may not be altered", from.text)));
    }
    let legacy = session.legacy_alter.get();
    if !legacy {
        check(session, schema, "", true)?;
    }
    let all = rows(session, schema)?;
    let shapes = Shapes::new(&own.name, &all);
    let goal = Goal { table: &from.text, column: None, strings: true };
    let new = NewName::quoted(to);
    let is_own = |table: &str| from.is(table);
    for row in &all {
        let mut changed = SchemaRow { sql: row.sql.clone(), kind: row.kind.clone(), ..*row_names(row) };
        if is_checked(row) && (row.kind != "index" || is_own(&row.table)) {
            let sql = row.sql.as_deref().unwrap_or("");
            let spans = match legacy {
                true => legacy_spans(session, row, &goal)?,
                false => found_in(row, &shapes, &goal, "")?.tables,
            };
            let edits: Vec<_> = spans.into_iter().map(|span| new.at(span, sql)).collect();
            if !edits.is_empty() {
                changed.sql = Some(edited(sql, edits));
            }
        }
        if is_own(&row.table) && matches!(row.kind.as_str(), "table" | "index" | "trigger") {
            changed.table = name.to_owned();
            let automatic = "sqlite_autoindex_".len() + row.table.len();
            if row.kind == "table" {
                changed.name = name.to_owned();
            } else if row.kind == "index" && row.sql.is_none() {
                let number = row.name.get(automatic..).unwrap_or("");
                changed.name = format!("sqlite_autoindex_{name}{number}");
            }
        }
        if changed.sql != row.sql || changed.table != row.table || changed.name != row.name {
            put(session, schema, &changed)?;
        }
    }
    if let Some(Relation::Table(sequence)) = own.relation(super::SEQUENCE) {
        rename_sequence(session, sequence.root, &from.text, name)?;
    }
    session.schema_changed(schema)?;
    check(session, schema, " after rename", true)
}

/// A row with its names, and nothing else.
fn row_names(row: &SchemaRow) -> Box<SchemaRow> {
    Box::new(SchemaRow {
        rowid: row.rowid,
        kind: String::new(),
        name: row.name.clone(),
        table: row.table.clone(),
        root: row.root,
        sql: None,
    })
}

/// Where a table's name stands outside of all expressions and queries: that is all that old versions followed.
fn legacy_spans<S: Store>(session: &Db<S>, row: &SchemaRow, goal: &Goal<'_>) -> Result<Vec<crate::sql::ast::Span>> {
    use crate::sql::ast::{ColumnConstraintKind, Statement, TableConstraintKind};
    let sql = row.sql.as_deref().unwrap_or("");
    let wrong = |why: String| Failure::error(format!("error in {} {}: {why}", row.kind, row.name));
    let tree = crate::sql::Parser::new(sql).next_statement().map_err(|why| wrong(why.to_string()))?;
    let mut names: Vec<&Ident> = Vec::new();
    match &tree {
        Some(Statement::CreateTable(create)) => {
            names.push(&create.name.name);
            if let (TableBody::Columns { columns, constraints, .. }, true) =
                (&create.body, session.violations.enabled.get())
            {
                names.extend(columns.iter().flat_map(|def| &def.constraints).filter_map(|one| match &one.kind {
                    ColumnConstraintKind::References(references) => Some(&references.table),
                    _ => None,
                }));
                names.extend(constraints.iter().filter_map(|one| match &one.kind {
                    TableConstraintKind::ForeignKey { references, .. } => Some(&references.table),
                    _ => None,
                }));
            }
        }
        Some(Statement::CreateIndex(create)) => names.push(&create.table),
        Some(Statement::CreateTrigger(create)) => names.push(&create.table.name),
        _ => {}
    }
    Ok(names.into_iter().filter(|name| name.is(goal.table)).map(|name| name.span).collect())
}

/// The table's largest rowid goes on under the new name.
fn rename_sequence<S: Store>(session: &Db<S>, tree: TreeId, from: &str, to: &str) -> Result<()> {
    let mut store = session.store.borrow_mut();
    let mut cursor = store.table_cursor(tree);
    let mut more = store.first(&mut cursor)?;
    let mut renamed = Vec::new();
    while more {
        store.load(&mut cursor)?;
        let columns = crate::row::decode(cursor.record()).map_err(|what| Failure::new(ResultCode::CORRUPT, what))?;
        if let Some(ValueRef::Text(name)) = columns.first()
            && *name == from.as_bytes()
        {
            let largest = columns.get(1).copied().unwrap_or(ValueRef::Null);
            renamed.push((cursor.rowid(), encode(&[ValueRef::Text(to.as_bytes()), largest])));
        }
        more = store.next(&mut cursor)?;
    }
    for (rowid, record) in renamed {
        store.insert(tree, rowid, &record)?;
    }
    Ok(())
}

/// Gives a column another name.
pub(super) fn column<S: Store>(
    session: &Db<S>,
    schema: usize,
    table: &str,
    from: &Ident,
    to: &Ident,
    text: &str,
) -> Result<()> {
    let all = rows(session, schema)?;
    let (_, create) = table_row(&all, table)?;
    let TableBody::Columns { columns, .. } = &create.body else { return Ok(()) };
    if !columns.iter().any(|def| def.name.is(&from.text)) {
        return Err(Failure::error(format!("no such column: \"{}\"", written(from, text))));
    }
    check(session, schema, "", true)?;
    let shapes = Shapes::new(session.store.borrow().name(schema), &all);
    let goal = Goal { table, column: Some(&from.text), strings: true };
    let new = NewName::of(to);
    for row in all.iter().filter(|row| is_checked(row)) {
        let sql = row.sql.as_deref().unwrap_or("");
        let found = found_in(row, &shapes, &goal, "")?;
        let mut edits: Vec<_> = found.strings.iter().map(|(span, text)| edit::string(*span, text, sql)).collect();
        edits.extend(found.columns.into_iter().map(|span| new.at(span, sql)));
        if !edits.is_empty() {
            let changed = SchemaRow { sql: Some(edited(sql, edits)), kind: row.kind.clone(), ..*row_names(row) };
            put(session, schema, &changed)?;
        }
    }
    session.schema_changed(schema)?;
    check(session, schema, " after rename", false)
}
