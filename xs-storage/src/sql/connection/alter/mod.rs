//! `ALTER TABLE`: the schema's texts, edited.
//!
//! # How it works
//!
//! A schema is text, and stays what its author wrote but for the names that change. So no text is printed anew. Each object is read,
//! and all its names are looked up as a query would look them up ([`names`]); what comes out is where those tokens stand that mean
//! the table or the column, and only they are replaced ([`edit`]).
//!
//! ```text
//! CREATE VIEW v AS SELECT a, x.a FROM t, s AS x        ALTER TABLE t RENAME a TO z
//!                         ▲                                 a of t: one token, as x.a is a column of s
//! ```
//!
//! Before and after, every view, trigger, table and index is looked through: one that names what isn't there stops the change,
//! with `error in view v after rename: no such column: a`. `PRAGMA legacy_alter_table` has renamed tables leave views and triggers
//! as they are.
//!
//! # What this leaves out
//!
//! As in SQLite, a name after `IN` and the columns of `USING` are not followed, and such a view stops the change.

mod add;
mod drop;
mod edit;
mod names;
mod rename;
mod shapes;
#[cfg(test)]
mod tests;

use self::names::{Found, Goal, Names};
use self::shapes::Shapes;
use crate::row::{ValueRef, encode};
use crate::sql::Parser;
use crate::sql::ast::{AlterTable, Alteration, CreateTable, Ident, SchemaKind, Statement};
use crate::sql::bind::Binder;
use crate::sql::catalog::{Catalog, Relation, Schema, SchemaRow, displayed};
use crate::sql::connection::Db;
use crate::sql::exec::SEQUENCE;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{Store, TEMP, local, schema_tree};

/// Does it.
pub(super) fn alter<S: Store>(session: &Db<S>, catalog: &Catalog, alter: &AlterTable, text: &str) -> Result<()> {
    let name = &alter.table.name;
    let missing = || Failure::error(format!("no such table: {}", displayed(&alter.table)));
    let within = catalog.within(&alter.table, None).ok_or_else(missing)?;
    let is_there = |schema: &&Schema| {
        schema.relation(&name.text).is_some() || schema.refused(SchemaKind::Table, &name.text).is_some()
    };
    let schema = catalog.order(within).find(is_there).ok_or_else(missing)?;
    let number = schema.number;
    let is_view = match schema.relation(&name.text) {
        Some(Relation::Table(table)) => {
            check_alterable(&table.name)?;
            false
        }
        Some(Relation::View(_)) => true,
        None => match schema.refused(SchemaKind::Table, &name.text) {
            Some(refused) if !refused.droppable => return Err(refused.why.clone()),
            Some(_) => false,
            None => return Err(missing()),
        },
    };
    if !matches!(alter.change, Alteration::AddColumn(_)) {
        check_temporary(session, number, &name.text)?;
    }
    if let Alteration::RenameTo(to) = &alter.change {
        return rename::table(session, schema, name, is_view, to);
    }
    if is_view && matches!(alter.change, Alteration::AddColumn(_)) {
        return Err(Failure::error("Cannot add a column to a view"));
    }
    let view = |what: &str| match is_view {
        true => Err(Failure::error(format!("cannot {what} view \"{}\"", name.text))),
        false => Ok(()),
    };
    match &alter.change {
        Alteration::AddColumn(def) => add::column(session, schema, &name.text, def, text),
        Alteration::RenameColumn(from, to) => {
            view("rename columns of")?;
            rename::column(session, number, &name.text, from, to, text)
        }
        Alteration::DropColumn(column) => {
            view("drop column from")?;
            drop::column(session, number, &name.text, column, text)
        }
        // These are of a later SQLite.
        Alteration::DropConstraint(_) | Alteration::AddCheck(..) => Err(later("constraint")),
        Alteration::DropNotNull(_) | Alteration::SetNotNull(..) => Err(later("alter")),
        Alteration::RenameTo(_) => Err(Failure::internal("a table that is renamed as something else")),
    }
}

/// What is temporary may name tables of other databases, and its texts are not edited yet.
fn check_temporary<S: Store>(session: &Db<S>, schema: usize, table: &str) -> Result<()> {
    if schema == TEMP || !session.store.borrow().is_open(TEMP) {
        return Ok(());
    }
    let table = table.to_ascii_lowercase();
    let names = |row: &SchemaRow| {
        let text = row.sql.as_deref().unwrap_or("").to_ascii_lowercase();
        matches!(row.kind.as_str(), "view" | "trigger") && text.contains(&table)
    };
    match rows(session, TEMP)?.iter().find(|row| names(row)) {
        None => Ok(()),
        Some(row) => {
            let what = format!("ALTER TABLE with a temporary {} that may name the table: {}", row.kind, row.name);
            Err(Failure::unsupported(&what))
        }
    }
}

fn later(word: &str) -> Failure {
    Failure::unsupported(&format!("ALTER TABLE with {}", word.to_ascii_uppercase()))
}

/// SQLite's own tables stay as they are.
fn check_alterable(name: &str) -> Result<()> {
    match name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_")) {
        true => Err(Failure::error(format!("table {name} may not be altered"))),
        false => Ok(()),
    }
}

/// A token as it stands in the statement.
fn written<'a>(name: &'a Ident, text: &'a str) -> &'a str {
    text.get(name.span.start as usize..name.span.end as usize).unwrap_or(&name.text)
}

/// All rows of a schema.
fn rows<S: Store>(session: &Db<S>, schema: usize) -> Result<Vec<SchemaRow>> {
    SchemaRow::all(&mut *session.store.borrow_mut(), schema)
}

/// Writes a row of a schema again.
fn put<S: Store>(session: &Db<S>, schema: usize, row: &SchemaRow) -> Result<()> {
    let record = encode(&[
        ValueRef::Text(row.kind.as_bytes()),
        ValueRef::Text(row.name.as_bytes()),
        ValueRef::Text(row.table.as_bytes()),
        ValueRef::Integer(local(row.root) as i64),
        row.sql.as_ref().map_or(ValueRef::Null, |sql| ValueRef::Text(sql.as_bytes())),
    ]);
    session.store.borrow_mut().insert(schema_tree(schema), row.rowid, &record)?;
    Ok(())
}

/// The row of a table, and what its statement says.
fn table_row(rows: &[SchemaRow], name: &str) -> Result<(usize, CreateTable)> {
    let row = rows.iter().position(|row| row.kind == "table" && row.name.eq_ignore_ascii_case(name));
    let missing = || Failure::internal("a table without a row in the schema");
    let at = row.ok_or_else(missing)?;
    let sql = rows[at].sql.as_deref().unwrap_or("");
    match Parser::new(sql).next_statement()? {
        Some(Statement::CreateTable(create)) => Ok((at, *create)),
        _ => Err(missing()),
    }
}

/// Whether a row's text is looked at at all: SQLite's own objects and virtual tables are not.
fn is_checked(row: &SchemaRow) -> bool {
    let own = |name: &str| name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
    row.sql.is_some() && !own(&row.name)
}

/// What an object says of a table; an error names the object.
fn found_in(row: &SchemaRow, shapes: &Shapes, goal: &Goal<'_>, when: &str) -> Result<Found> {
    let sql = row.sql.as_deref().unwrap_or("");
    let wrong = |why: &str| Failure::error(format!("error in {} {}{when}: {why}", row.kind, row.name));
    let tree = match Parser::new(sql).next_statement() {
        Ok(Some(tree)) => tree,
        Ok(None) => return Err(wrong("incomplete input")),
        Err(why) => return Err(wrong(&why.to_string())),
    };
    let mut names = Names::new(shapes, sql, goal);
    names.object(&tree).map_err(|why| wrong(why.message()))?;
    Ok(names.found)
}

/// Looks through everything for names that mean nothing. `strings` says whether `"x"` in a table's conditions may be a string.
fn check<S: Store>(session: &Db<S>, schema: usize, when: &str, strings: bool) -> Result<()> {
    let catalog = session.catalog()?;
    let rows = rows(session, schema)?;
    let shapes = Shapes::new(&catalog.of(schema).name, &rows);
    let goal = Goal { table: "", column: None, strings };
    for row in rows.iter().filter(|row| is_checked(row)) {
        if session.legacy_alter.get() && (row.kind == "view" || row.kind == "trigger") {
            continue;
        }
        found_in(row, &shapes, &goal, when)?;
        // What else is wrong with a query is the binder's to say.
        if let ("view", Some(Relation::View(view))) = (row.kind.as_str(), catalog.of(schema).relation(&row.name)) {
            let mut binder = Binder::new(&catalog, session, &view.sql);
            binder.home = view.home();
            let bound = binder.select(&view.create.select);
            // More than this SQLite does not look at before somebody reads the view.
            let counts = |why: &Failure| {
                let starts = ["SELECTs to the left and right of", "no such function", "wrong number of arguments"];
                starts.iter().any(|start| why.message().starts_with(start))
            };
            if let Some(why) = bound.err().filter(counts) {
                return Err(Failure::error(format!("error in view {}{when}: {}", row.name, why.message())));
            }
        }
    }
    Ok(())
}
