//! Statements that change what there is.

use crate::row::{ValueRef, encode};
use crate::sql::ast::{CreateIndex, CreateTable, CreateView, Drop, Ident, QualifiedName, SchemaKind, TableBody};
use crate::sql::bind::{Binder, check_index};
use crate::sql::catalog::{self, Catalog, Index, Relation, SchemaRow, Table, displayed};
use crate::sql::exec::{CREATE_SEQUENCE, Outer, Run, SEQUENCE, Sequence, Session, empty, rebuild};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, SCHEMA, Store, TreeId, TreeKind};
use crate::sql::value::{Affinity, Value};

/// A new object's place: `main`, and a name that isn't SQLite's own.
pub(super) fn check_name(name: &QualifiedName, temporary: bool) -> Result<&str> {
    if temporary || name.schema.as_ref().is_some_and(|schema| schema.is("temp")) {
        return Err(Failure::unsupported("temporary tables and views"));
    }
    if let Some(schema) = &name.schema
        && !schema.is("main")
    {
        return Err(Failure::error(format!("unknown database {}", schema.text)));
    }
    check_reserved(&name.name)
}

pub(super) fn check_reserved(name: &Ident) -> Result<&str> {
    let reserved = name.text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
    match reserved {
        true => Err(Failure::error(format!("object name reserved for internal use: {}", name.text))),
        false => Ok(&name.text),
    }
}

/// Whether a table is SQLite's own, and stays as long as its database.
fn is_internal(table: &Table) -> bool {
    table.root == SCHEMA || table.name.eq_ignore_ascii_case(SEQUENCE)
}

/// Whether the name is taken: an error, unless the statement takes that.
fn is_taken(catalog: &Catalog, name: &QualifiedName, if_not_exists: bool) -> Result<bool> {
    let kind = match catalog.relation(&name.name.text) {
        Some(Relation::Table(_)) => "table",
        Some(Relation::View(_)) => "view",
        None if catalog.refused(SchemaKind::Table, &name.name.text).is_some() => "table",
        None => {
            let refused = catalog.refused(SchemaKind::Index, &name.name.text);
            if refused.is_some() || catalog.index(&name.name.text).is_some() {
                return Err(Failure::error(format!("there is already an index named {}", name.name.text)));
            }
            return Ok(false);
        }
    };
    match if_not_exists {
        true => Ok(true),
        false => Err(Failure::error(format!("{kind} {} already exists", name.name.text))),
    }
}

/// The statement as the schema keeps it: from the name on, behind its first words in their plain form.
pub(super) fn stored(begin: &str, name: &Ident, text: &str) -> String {
    let rest = text.get(name.span.start as usize..).unwrap_or("");
    let rest = rest.trim_end().strip_suffix(';').unwrap_or(rest).trim_end();
    format!("{begin} {rest}")
}

pub(super) fn add_row<S: Store>(
    store: &mut S,
    kind: &str,
    name: &str,
    table: &str,
    root: TreeId,
    sql: Option<&str>,
) -> Result<()> {
    let mut cursor = store.table_cursor(SCHEMA);
    let last = if store.last(&mut cursor)? { cursor.rowid() } else { 0 };
    let full = || Failure::new(ResultCode::FULL, "database or disk is full");
    let rowid = last.checked_add(1).ok_or_else(full)?;
    let record = encode(&[
        ValueRef::Text(kind.as_bytes()),
        ValueRef::Text(name.as_bytes()),
        ValueRef::Text(table.as_bytes()),
        ValueRef::Integer(i64::from(root)),
        sql.map_or(ValueRef::Null, |sql| ValueRef::Text(sql.as_bytes())),
    ]);
    store.insert(SCHEMA, rowid, &record)?;
    Ok(())
}

pub(super) fn create_table<S: Store>(
    session: &Session<S>,
    catalog: &Catalog,
    create: &CreateTable,
    text: &str,
) -> Result<()> {
    let name = check_name(&create.name, create.temporary)?;
    if is_taken(catalog, &create.name, create.if_not_exists)? {
        return Ok(());
    }
    match &create.body {
        TableBody::Columns { .. } => add_table(session, name, &stored("CREATE TABLE", &create.name.name, text)),
        TableBody::Select(select) => {
            let mut binder = Binder::new(catalog, session, text);
            let (mut query, _) = binder.select(select)?;
            if !binder.parameters.names.is_empty() {
                return Err(Failure::error("parameters are not allowed in views"));
            }
            drop(binder);
            let mut columns = Vec::new();
            let mut taken: Vec<String> = Vec::new();
            for column in &query.columns {
                let mut name = column.name.to_string();
                let mut number = 0;
                while taken.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
                    number += 1;
                    name = format!("{}:{number}", column.name);
                }
                let declared = match column.affinity {
                    Some(Affinity::Text) => " TEXT",
                    Some(Affinity::Numeric) => " NUM",
                    Some(Affinity::Integer) => " INT",
                    Some(Affinity::Real) => " REAL",
                    Some(Affinity::Blob) | None => "",
                };
                columns.push(format!("{}{declared}", quoted(&name)));
                taken.push(name);
            }
            let sql = format!("CREATE TABLE {}({})", quoted(name), columns.join(","));
            add_table(session, name, &sql)?;
            let Some(Relation::Table(table)) = session.catalog()?.relation(name).cloned() else {
                return Err(Failure::internal("a table that was made is not there"));
            };
            let run = Run { session, params: &[], number: session.begin_run() };
            let outer = Outer { up: None, run: &run };
            let mut rowid = 0;
            while query.next(outer)? {
                let value = |at: usize| -> Result<Value> {
                    Ok(table.columns[at].affinity.apply_to(query.output(at, outer)?.into_value()))
                };
                let row = (0..table.columns.len()).map(value).collect::<Result<Vec<_>>>()?;
                let row: Vec<_> = row.iter().map(Value::as_ref).collect();
                rowid += 1;
                session.store.borrow_mut().insert(table.root, rowid, &encode(&row))?;
            }
            Ok(())
        }
    }
}

fn quoted(name: &str) -> String {
    let plain = name
        .bytes()
        .enumerate()
        .all(|(at, byte)| byte.is_ascii_alphabetic() || byte == b'_' || at > 0 && byte.is_ascii_digit());
    match plain && !name.is_empty() && !crate::sql::lexer::is_keyword(name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

fn add_table<S: Store>(session: &Session<S>, name: &str, sql: &str) -> Result<()> {
    // What it would be, to know which indexes come with it and that it makes sense.
    let stored = crate::sql::Parser::new(sql).next_statement()?;
    let Some(crate::sql::ast::Statement::CreateTable(stored)) = stored else {
        return Err(Failure::internal("a table that is stored as something else"));
    };
    let table = Table::new(&stored, sql, &[])?;
    let catalog = session.catalog.borrow().clone();
    Binder::new(&catalog, session, sql).check_table(&table)?;
    {
        let mut store = session.store.borrow_mut();
        let kind = if table.key.is_some() { TreeKind::Index } else { TreeKind::Table };
        let root = store.create_tree(kind)?;
        add_row(&mut *store, "table", name, name, root, Some(sql))?;
        for (_, index) in table.indexes.iter().enumerate().filter(|(number, _)| !table.is_key(*number)) {
            let root = store.create_tree(TreeKind::Index)?;
            add_row(&mut *store, "index", &index.name, name, root, None)?;
        }
        if table.autoincrement && session.catalog.borrow().relation(SEQUENCE).is_none() {
            let root = store.create_tree(TreeKind::Table)?;
            add_row(&mut *store, "table", SEQUENCE, SEQUENCE, root, Some(CREATE_SEQUENCE))?;
        }
    }
    session.schema_changed()
}

pub(super) fn create_index<S: Store>(
    session: &Session<S>,
    catalog: &Catalog,
    create: &CreateIndex,
    text: &str,
) -> Result<()> {
    let name = check_name(&create.name, false)?;
    let table = match catalog.relation(&create.table.text) {
        Some(Relation::Table(table)) if is_internal(table) => {
            return Err(Failure::error(format!("table {} may not be indexed", table.name)));
        }
        Some(Relation::Table(table)) => table.clone(),
        Some(Relation::View(_)) => return Err(Failure::error("views may not be indexed")),
        None => {
            return Err(match catalog.refused(SchemaKind::Table, &create.table.text) {
                Some(refused) => refused.why.clone(),
                None => Failure::error(format!("no such table: main.{}", create.table.text)),
            });
        }
    };
    if catalog.relation(name).is_some() || catalog.refused(SchemaKind::Table, name).is_some() {
        return Err(Failure::error(format!("there is already a table named {name}")));
    }
    if catalog.index(name).is_some() || catalog.refused(SchemaKind::Index, name).is_some() {
        return match create.if_not_exists {
            true => Ok(()),
            false => Err(Failure::error(format!("index {name} already exists"))),
        };
    }
    let root = session.store.borrow_mut().create_tree(TreeKind::Index)?;
    let index = Index::create(create, &table, root)?;
    check_index(&index, &table, &session.functions.borrow())?;
    let rules = Binder::new(catalog, session, text).index_rules(&table, std::iter::once(&index))?;
    rebuild(session, &table, &index, &rules)?;
    let begin = if create.unique { "CREATE UNIQUE INDEX" } else { "CREATE INDEX" };
    let sql = stored(begin, &create.name.name, text);
    add_row(&mut *session.store.borrow_mut(), "index", name, &table.name, root, Some(&sql))?;
    session.schema_changed()
}

pub(super) fn create_view<S: Store>(
    session: &Session<S>,
    catalog: &Catalog,
    create: &CreateView,
    text: &str,
) -> Result<()> {
    let name = check_name(&create.name, create.temporary)?;
    if is_taken(catalog, &create.name, create.if_not_exists)? {
        return Ok(());
    }
    let sql = stored("CREATE VIEW", &create.name.name, text);
    add_row(&mut *session.store.borrow_mut(), "view", name, name, 0, Some(&sql))?;
    session.schema_changed()
}

pub(super) fn drop_object<S: Store>(session: &Session<S>, catalog: &Catalog, what: &Drop) -> Result<()> {
    let name = &*what.name.name.text;
    let missing = |kind: &str| match what.if_exists {
        true => Ok(()),
        false => Err(Failure::error(format!("no such {kind}: {}", displayed(&what.name)))),
    };
    let here = catalog::is_main(what.name.schema.as_ref());
    let relation = catalog.relation(name).filter(|_| here);
    match what.kind {
        SchemaKind::Table => match relation {
            Some(Relation::Table(table)) if is_internal(table) => {
                return Err(Failure::error(format!("table {} may not be dropped", table.name)));
            }
            Some(Relation::Table(table)) => {
                empty(session, catalog, table)?;
                drop_table(session, catalog, name)?;
            }
            Some(Relation::View(_)) => return Err(Failure::error(format!("use DROP VIEW to delete view {name}"))),
            None => match catalog.refused(SchemaKind::Table, name).filter(|_| here) {
                Some(refused) if !refused.droppable => return Err(refused.why.clone()),
                Some(_) => drop_table(session, catalog, name)?,
                None => return missing("table"),
            },
        },
        SchemaKind::View => match relation {
            Some(Relation::View(_)) => {
                // Its triggers go with it.
                remove(session, &|row| row.table.eq_ignore_ascii_case(name))?;
            }
            Some(Relation::Table(_)) => return Err(Failure::error(format!("use DROP TABLE to delete table {name}"))),
            None => return missing("view"),
        },
        SchemaKind::Index => match catalog.index(name).filter(|_| here) {
            Some((_, index)) if index.origin != catalog::Origin::Create => {
                return Err(Failure::error("index associated with UNIQUE or PRIMARY KEY constraint cannot be dropped"));
            }
            Some(_) => {
                super::analyze::dropped(session, catalog, None, Some(name))?;
                remove(session, &|row| row.kind == "index" && row.name.eq_ignore_ascii_case(name))?;
            }
            None if here && catalog.refused(SchemaKind::Index, name).is_some() => {
                remove(session, &|row| row.kind == "index" && row.name.eq_ignore_ascii_case(name))?;
            }
            None => return missing("index"),
        },
        SchemaKind::Trigger if here && catalog.has_trigger(name) => {
            remove(session, &|row| row.kind == "trigger" && row.name.eq_ignore_ascii_case(name))?;
        }
        SchemaKind::Trigger => return missing("trigger"),
    }
    session.schema_changed()
}

fn drop_table<S: Store>(session: &Session<S>, catalog: &Catalog, name: &str) -> Result<()> {
    if let Some(Relation::Table(sequence)) = catalog.relation(SEQUENCE) {
        Sequence::forget(&mut *session.store.borrow_mut(), sequence.root, name)?;
    }
    super::analyze::dropped(session, catalog, Some(name), None)?;
    remove(session, &|row| row.table.eq_ignore_ascii_case(name))
}

/// Removes rows of the schema, with their trees.
fn remove<S: Store>(session: &Session<S>, goes: &dyn Fn(&SchemaRow) -> bool) -> Result<()> {
    let mut store = session.store.borrow_mut();
    // The highest tree first: a store that keeps its file dense would move it otherwise.
    let mut rows: Vec<_> = SchemaRow::all(&mut *store)?.into_iter().filter(|row| goes(row)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.root));
    for row in rows {
        if row.root > 0 {
            store.drop_tree(row.root)?;
        }
        store.delete(SCHEMA, row.rowid)?;
    }
    Ok(())
}

/// `REINDEX`: of an index, a table, a collation, everything.
pub(super) fn reindex<S: Store>(session: &Session<S>, catalog: &Catalog, name: Option<&QualifiedName>) -> Result<()> {
    let unknown = || Failure::error("unable to identify the object to be reindexed");
    let mut made: Vec<(std::sync::Arc<Table>, usize)> = Vec::new();
    let mut add = |table: &std::sync::Arc<Table>, wanted: &dyn Fn(&Index) -> bool| {
        let indexes = table.indexes.iter().enumerate().filter(|(_, index)| wanted(index));
        made.extend(indexes.map(|(at, _)| (table.clone(), at)));
    };
    match name {
        None => catalog.tables().for_each(|table| add(table, &|_| true)),
        Some(name) => {
            if !catalog::is_main(name.schema.as_ref()) {
                return Err(unknown());
            }
            let text = &*name.name.text;
            if let Some((table, index)) = catalog.index(text) {
                add(table, &|other| other.name == index.name);
            } else if let Some(Relation::Table(table)) = catalog.relation(text) {
                add(table, &|_| true);
            } else if let Ok(collation) = catalog::collation_named(text) {
                let uses = |index: &Index| index.parts.iter().any(|part| part.key.collation == collation);
                catalog.tables().for_each(|table| add(table, &uses));
            } else {
                let refused = [SchemaKind::Table, SchemaKind::Index].map(|kind| catalog.refused(kind, text));
                return Err(refused.into_iter().flatten().next().map_or_else(unknown, |refused| refused.why.clone()));
            }
        }
    }
    // A table is not made of itself.
    for (table, at) in made.into_iter().filter(|(table, at)| !table.is_key(*at)) {
        let index = &table.indexes[at];
        let rules = Binder::new(catalog, session, "").index_rules(&table, std::iter::once(&**index))?;
        session.store.borrow_mut().clear_tree(index.root)?;
        rebuild(session, &table, index, &rules)?;
    }
    Ok(())
}
