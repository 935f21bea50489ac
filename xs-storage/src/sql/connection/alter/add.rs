//! `ADD COLUMN`: the text gets a column, and no row is touched. A row that is too short has the default.

use super::drop::columns_end;
use super::{Goal, Shapes, found_in, put, rows, table_row};
use crate::sql::ast::{ColumnConstraintKind, ColumnDef, DefaultValue, Expr, Literal, SchemaKind, Storage, TableBody};
use crate::sql::catalog::{Relation, Schema, SchemaRow, Table, constant};
use crate::sql::connection::Db;
use crate::sql::exec::table_cursor;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::pragma::quick_check;
use crate::sql::store::Store;

/// Adds a column behind the others.
pub(super) fn column<S: Store>(session: &Db<S>, own: &Schema, table: &str, def: &ColumnDef, text: &str) -> Result<()> {
    let schema = own.number;
    let all = rows(session, schema)?;
    let (at, create) = table_row(&all, table)?;
    let TableBody::Columns { columns, strict, .. } = &create.body else { return Ok(()) };
    if let Some(refused) = own.refused(SchemaKind::Table, table) {
        return Err(refused.why.clone());
    }
    if columns.iter().any(|other| other.name.is(&def.name.text)) {
        return Err(Failure::error(format!("duplicate column name: {}", def.name.text)));
    }
    if let Some(Relation::Table(table)) = own.relation(table) {
        check_constraints(session, def, table)?;
    }
    let row = &all[at];
    let sql = row.sql.as_deref().unwrap_or("");
    let added = text.get(def.name.span.start as usize..).unwrap_or("");
    let added = added.trim_end_matches(|char: char| char == ';' || char.is_ascii_whitespace());
    let end = columns_end(sql, columns).ok_or_else(|| Failure::internal("a table without an end"))?;
    let (before, behind) = sql.split_at_checked(end).unwrap_or((sql, ""));
    let changed = SchemaRow {
        rowid: row.rowid,
        kind: row.kind.clone(),
        name: row.name.clone(),
        table: row.table.clone(),
        root: row.root,
        sql: Some(format!("{before}, {added}{behind}")),
    };
    let mut now = rows(session, schema)?;
    if let Some(row) = now.get_mut(at) {
        row.sql.clone_from(&changed.sql);
    }
    let goal = Goal { table: "", column: None, strings: true };
    found_in(&changed, &Shapes::new(&own.name, &now), &goal, " after add column")?;
    put(session, schema, &changed)?;
    session.schema_changed(schema)?;
    let computed = |kind: &ColumnConstraintKind| matches!(kind, ColumnConstraintKind::Generated(..));
    let computed = def.constraints.iter().any(|constraint| computed(&constraint.kind));
    check_rows(session, schema, table, *strict, computed.then_some(&*def.name.text))
}

/// What a column may not ask for of rows that are there already.
fn check_constraints<S: Store>(session: &Db<S>, def: &ColumnDef, table: &Table) -> Result<()> {
    let kinds = || def.constraints.iter().map(|constraint| &constraint.kind);
    let has = |wanted: &dyn Fn(&ColumnConstraintKind) -> bool| kinds().any(wanted);
    for kind in kinds() {
        if let ColumnConstraintKind::Collate(name) = kind {
            crate::sql::catalog::collation_named(&name.text)?;
        }
    }
    if has(&|kind| matches!(kind, ColumnConstraintKind::PrimaryKey { .. })) {
        return Err(Failure::error("Cannot add a PRIMARY KEY column"));
    }
    if has(&|kind| matches!(kind, ColumnConstraintKind::Unique(_))) {
        return Err(Failure::error("Cannot add a UNIQUE column"));
    }
    let not_empty = |message: &str| {
        let mut store = session.store.borrow_mut();
        let mut cursor = table_cursor(&*store, table);
        if store.first(&mut cursor)? { Err(Failure::error(message)) } else { Ok(()) }
    };
    let generated = kinds().find_map(|kind| match kind {
        ColumnConstraintKind::Generated(_, storage) => Some(*storage),
        _ => None,
    });
    if let Some(storage) = generated {
        return match storage {
            Some(Storage::Stored) => not_empty("cannot add a STORED column"),
            _ => Ok(()),
        };
    }
    let mut default = kinds().filter_map(|kind| match kind {
        ColumnConstraintKind::Default(default) => Some(default),
        _ => None,
    });
    let null = |default: &&DefaultValue| {
        matches!(
            default,
            DefaultValue::Constant(Expr::Literal(Literal::Null)) | DefaultValue::Expr(Expr::Literal(Literal::Null))
        )
    };
    let default = default.next_back().filter(|default| !null(default));
    let references = has(&|kind| matches!(kind, ColumnConstraintKind::References(_)));
    if session.violations.enabled.get() && references && default.is_some() {
        not_empty("Cannot add a REFERENCES column with non-NULL default value")?;
    }
    if has(&|kind| matches!(kind, ColumnConstraintKind::NotNull(_))) && default.is_none() {
        not_empty("Cannot add a NOT NULL column with default value NULL")?;
    }
    match default {
        Some(DefaultValue::Constant(expr) | DefaultValue::Expr(expr)) if constant(expr).is_none() => {
            not_empty("Cannot add a column with non-constant default")
        }
        _ => Ok(()),
    }
}

/// Whether all rows keep what the table now asks of them.
fn check_rows<S: Store>(
    session: &Db<S>,
    schema: usize,
    name: &str,
    strict: bool,
    computed: Option<&str>,
) -> Result<()> {
    let catalog = session.catalog()?;
    let own = catalog.of(schema);
    // What it has now may be something that is refused: nobody could use it.
    if let Some(refused) = own.refused(SchemaKind::Table, name) {
        let why = refused.why.message();
        return Err(Failure::error(format!("error in table {name} after add column: {why}")));
    }
    let checked = matches!(own.relation(name), Some(Relation::Table(table)) if !table.checks.is_empty());
    if !(checked || strict || computed.is_some()) {
        return Ok(());
    }
    for line in quick_check(session, &catalog, schema, name)? {
        if line.starts_with("CHECK") {
            return Err(Failure::new(ResultCode::CHECK, "CHECK constraint failed"));
        }
        // SQLite doesn't look at a default that no row has yet.
        let is_own = computed.is_some_and(|column| line.ends_with(&format!(".{column}")));
        if is_own && line.starts_with("non-") && line.contains(" value in") {
            return Err(Failure::new(ResultCode::CONSTRAINT, "type mismatch on DEFAULT"));
        }
        if line.starts_with("NULL") {
            return Err(Failure::new(ResultCode::NOT_NULL, "NOT NULL constraint failed"));
        }
    }
    Ok(())
}
