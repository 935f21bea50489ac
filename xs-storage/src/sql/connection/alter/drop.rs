//! `DROP COLUMN`: the definition leaves the text, the values leave the rows.

use super::edit::{self, edited};
use super::{Goal, Shapes, check, found_in, is_checked, put, rows, table_row, written};
use crate::row::{ValueRef, encode, record};
use crate::sql::ast::{
    ColumnConstraintKind, ColumnDef, Expr, Ident, Storage, TableBody, TableConstraint, TableConstraintKind,
};
use crate::sql::catalog::{Index, Relation, SchemaRow};
use crate::sql::connection::Db;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::lexer::{Lexer, TokenKind};
use crate::sql::store::{Cursor, Store, TreeId};

/// Takes a column away.
pub(super) fn column<S: Store>(session: &Db<S>, schema: usize, table: &str, name: &Ident, text: &str) -> Result<()> {
    let all = rows(session, schema)?;
    let (at, create) = table_row(&all, table)?;
    let TableBody::Columns { columns, constraints, without_rowid, .. } = &create.body else { return Ok(()) };
    let Some(place) = columns.iter().position(|def| def.name.is(&name.text)) else {
        return Err(Failure::error(format!("no such column: \"{}\"", written(name, text))));
    };
    let def = &columns[place];
    if let Some(key) = key_of(def, constraints) {
        return Err(Failure::error(format!("cannot drop {key} column: \"{}\"", name.text)));
    }
    if columns.len() == 1 {
        return Err(Failure::error(format!("cannot drop column \"{}\": no other columns exist", name.text)));
    }
    // In a table without rowids, the records are those of its key.
    let keyed = match session.catalog()?.of(schema).relation(table) {
        Some(Relation::Table(old)) if *without_rowid => {
            old.primary().and_then(|primary| Some((primary.clone(), primary.place(place)?)))
        }
        _ => None,
    };
    check(session, schema, "", true)?;
    let shapes = Shapes::new(session.store.borrow().name(schema), &all);
    let goal = Goal { table, column: None, strings: true };
    for row in all.iter().filter(|row| is_checked(row)) {
        let sql = row.sql.as_deref().unwrap_or("");
        let found = found_in(row, &shapes, &goal, "")?;
        let strings: Vec<_> = found.strings.iter().map(|(span, text)| edit::string(*span, text, sql)).collect();
        if !strings.is_empty() {
            put(session, schema, &SchemaRow { sql: Some(edited(sql, strings)), ..copy(row) })?;
        }
    }
    // Strings may have moved it.
    let all = rows(session, schema)?;
    let (_, create) = table_row(&all, table)?;
    let TableBody::Columns { columns, .. } = &create.body else { return Ok(()) };
    let sql = all[at].sql.as_deref().unwrap_or("");
    put(session, schema, &SchemaRow { sql: without(sql, columns, place), ..copy(&all[at]) })?;
    session.schema_changed(schema)?;
    check(session, schema, " after drop column", false)?;
    let generated = def.constraints.iter().find_map(|constraint| match &constraint.kind {
        ColumnConstraintKind::Generated(_, storage) => Some(*storage == Some(Storage::Stored)),
        _ => None,
    });
    // A column that is computed when it is read is in no row.
    if generated == Some(false) {
        return Ok(());
    }
    if let Some((primary, place)) = keyed {
        return take_from_key(session, &primary, place);
    }
    let virtual_before = columns[..place].iter().filter(|def| is_virtual(def)).count();
    take_values(session, all[at].root, place - virtual_before)
}

fn is_virtual(def: &ColumnDef) -> bool {
    let computed = |kind: &ColumnConstraintKind| matches!(kind, ColumnConstraintKind::Generated(_, storage) if *storage != Some(Storage::Stored));
    def.constraints.iter().any(|constraint| computed(&constraint.kind))
}

fn copy(row: &SchemaRow) -> SchemaRow {
    SchemaRow {
        rowid: row.rowid,
        kind: row.kind.clone(),
        name: row.name.clone(),
        table: row.table.clone(),
        root: row.root,
        sql: row.sql.clone(),
    }
}

/// Which key a column can't leave.
fn key_of(def: &ColumnDef, constraints: &[TableConstraint]) -> Option<&'static str> {
    let named = |expr: &Expr| {
        let expr = if let Expr::Collate(expr, _) = expr { expr } else { expr };
        matches!(expr, Expr::Column(column) if column.name.is(&def.name.text))
    };
    let of_table = constraints.iter().any(|constraint| match &constraint.kind {
        TableConstraintKind::PrimaryKey { columns, .. } => columns.iter().any(|term| named(&term.expr)),
        _ => false,
    });
    let mut kinds = def.constraints.iter().map(|constraint| &constraint.kind);
    let primary = |kind: &ColumnConstraintKind| matches!(kind, ColumnConstraintKind::PrimaryKey { .. });
    let unique = |kind: &ColumnConstraintKind| matches!(kind, ColumnConstraintKind::Unique(_));
    match () {
        () if of_table || kinds.clone().any(primary) => Some("PRIMARY KEY"),
        () if kinds.any(unique) => Some("UNIQUE"),
        () => None,
    }
}

/// The text without a column: up to the next one's name, and of the last one from the comma before it.
fn without(sql: &str, columns: &[ColumnDef], at: usize) -> Option<String> {
    let start = columns.get(at)?.name.span.start as usize;
    if let Some(next) = columns.get(at + 1) {
        return Some(format!("{}{}", sql.get(..start)?, sql.get(next.name.span.start as usize..)?));
    }
    let start = sql.get(..start)?.rfind(',')?;
    Some(format!("{}{}", sql.get(..start)?, sql.get(columns_end(sql, columns)?..)?))
}

/// Where the columns of a table's text end: at the comma before the constraints, or at the parenthesis.
pub(super) fn columns_end(sql: &str, columns: &[ColumnDef]) -> Option<usize> {
    let last = columns.last()?.name.span.end as usize;
    let mut lexer = Lexer::new(sql.get(last..)?);
    let mut depth = 0;
    loop {
        let token = lexer.next_token();
        match token.kind {
            TokenKind::LParen => depth += 1,
            TokenKind::Comma | TokenKind::RParen if depth == 0 => return Some(last + token.start as usize),
            TokenKind::RParen => depth -= 1,
            TokenKind::End => return None,
            _ => {}
        }
    }
}

/// Writes all rows again without one of their values.
fn take_values<S: Store>(session: &Db<S>, root: TreeId, place: usize) -> Result<()> {
    let mut store = session.store.borrow_mut();
    let mut cursor = store.table_cursor(root);
    let mut more = store.first(&mut cursor)?;
    while more {
        session.check()?;
        store.load(&mut cursor)?;
        let columns = record::decode(cursor.record()).map_err(|what| Failure::new(ResultCode::CORRUPT, what))?;
        // One that was written before the column was added doesn't have it.
        let shorter = (columns.len() > place).then(|| {
            let left = columns.iter().enumerate().filter(|(at, _)| *at != place);
            encode(&left.map(|(_, value)| *value).collect::<Vec<ValueRef<'_>>>())
        });
        let rowid = cursor.rowid();
        drop(columns);
        if let Some(shorter) = shorter {
            store.insert(root, rowid, &shorter)?;
        }
        more = store.next(&mut cursor)?;
    }
    Ok(())
}

/// The same in a table without rowids.
fn take_from_key<S: Store>(session: &Db<S>, primary: &Index, place: usize) -> Result<()> {
    let mut store = session.store.borrow_mut();
    let mut cursor = store.index_cursor(primary.root, primary.order.clone());
    let mut records = Vec::new();
    let mut more = store.first(&mut cursor)?;
    while more {
        session.check()?;
        store.load(&mut cursor)?;
        let columns = record::decode(cursor.record()).map_err(|what| Failure::new(ResultCode::CORRUPT, what))?;
        let left = columns.iter().enumerate().filter(|(at, _)| *at != place);
        records.push(encode(&left.map(|(_, value)| *value).collect::<Vec<ValueRef<'_>>>()));
        more = store.next(&mut cursor)?;
    }
    store.clear_tree(primary.root)?;
    for record in records {
        store.insert_record(primary.root, &primary.order, &record)?;
    }
    Ok(())
}
