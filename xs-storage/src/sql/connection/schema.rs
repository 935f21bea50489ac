//! Statements that change what there is.

use crate::row::{ValueRef, encode};
use crate::sql::Parser;
use crate::sql::ast::{CreateIndex, CreateTable, CreateView, Drop, Ident, QualifiedName, SchemaKind, TableBody};
use crate::sql::bind::{Binder, check_index};
use crate::sql::catalog::{self, Catalog, Index, Relation, Schema, SchemaRow, Table, Trigger, displayed};
use crate::sql::connection::Db;
use crate::sql::exec::{CREATE_SEQUENCE, Outer, Run, SEQUENCE, Sequence, empty, rebuild};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::lexer::{Lexer, TokenKind};
use crate::sql::store::{Cursor, MAIN, Store, TEMP, TreeId, TreeKind, local, schema_tree};
use crate::sql::value::{Affinity, Value};

/// The database of a new object: the one that is said, or `main`.
pub(super) fn place(catalog: &Catalog, name: &QualifiedName) -> Result<usize> {
    let Some(schema) = &name.schema else { return Ok(MAIN) };
    catalog.number(schema).ok_or_else(|| Failure::error(format!("unknown database {}", schema.text)))
}

/// The same of what may be made `TEMP`.
pub(super) fn temporary_place(catalog: &Catalog, name: &QualifiedName, temporary: bool) -> Result<usize> {
    let place = place(catalog, name)?;
    match temporary && name.schema.is_some() && place != TEMP {
        true => Err(Failure::error("temporary table name must be unqualified")),
        false => Ok(if temporary { TEMP } else { place }),
    }
}

/// What is in a database names nothing of another; what is temporary may.
pub(super) fn check_references(
    catalog: &Catalog,
    schema: usize,
    kind: &str,
    name: &QualifiedName,
    text: &str,
) -> Result<()> {
    if schema == TEMP {
        return Ok(());
    }
    let mut parser = Parser::new(text);
    parser.next_statement()?;
    // The first is its own.
    let named = parser.schemas().iter().skip(usize::from(name.schema.is_some()));
    match named.into_iter().find(|named| catalog.number(named) != Some(schema)) {
        None => Ok(()),
        Some(other) => {
            let (name, other) = (&name.name.text, &other.text);
            Err(Failure::error(format!("{kind} {name} cannot reference objects in database {other}")))
        }
    }
}

/// The database of a new index: that of a table of `temp`, if none is said.
pub(super) fn index_place(catalog: &Catalog, create: &CreateIndex) -> Result<usize> {
    let table = catalog.relation(None, &create.table.text);
    match (&create.name.schema, table) {
        (None, Some(Relation::Table(table))) if table.schema == TEMP => Ok(TEMP),
        _ => place(catalog, &create.name),
    }
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
    table.is_schema() || table.name.eq_ignore_ascii_case(SEQUENCE)
}

/// Whether the name is taken: an error, unless the statement takes that.
fn is_taken(catalog: &Schema, name: &QualifiedName, if_not_exists: bool) -> Result<bool> {
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

/// Adds a row to the schema of a database.
pub(super) fn add_row<S: Store>(
    store: &mut S,
    schema: usize,
    kind: &str,
    name: &str,
    table: &str,
    root: TreeId,
    sql: Option<&str>,
) -> Result<()> {
    let mut cursor = store.table_cursor(schema_tree(schema));
    let last = if store.last(&mut cursor)? { cursor.rowid() } else { 0 };
    let full = || Failure::new(ResultCode::FULL, "database or disk is full");
    let rowid = last.checked_add(1).ok_or_else(full)?;
    let record = encode(&[
        ValueRef::Text(kind.as_bytes()),
        ValueRef::Text(name.as_bytes()),
        ValueRef::Text(table.as_bytes()),
        ValueRef::Integer(local(root) as i64),
        sql.map_or(ValueRef::Null, |sql| ValueRef::Text(sql.as_bytes())),
    ]);
    store.insert(schema_tree(schema), rowid, &record)?;
    Ok(())
}

pub(super) fn create_table<S: Store>(
    session: &Db<S>,
    catalog: &Catalog,
    create: &CreateTable,
    text: &str,
) -> Result<()> {
    let schema = temporary_place(catalog, &create.name, create.temporary)?;
    let name = check_reserved(&create.name.name)?;
    if is_taken(catalog.of(schema), &create.name, create.if_not_exists)? {
        return Ok(());
    }
    match &create.body {
        TableBody::Columns { .. } => add_table(session, schema, name, &stored("CREATE TABLE", &create.name.name, text)),
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
            add_table(session, schema, name, &sql)?;
            let Some(Relation::Table(table)) = session.catalog()?.of(schema).relation(name).cloned() else {
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

fn add_table<S: Store>(session: &Db<S>, schema: usize, name: &str, sql: &str) -> Result<()> {
    // What it would be, to know which indexes come with it and that it makes sense.
    let stored = Parser::new(sql).next_statement()?;
    let Some(crate::sql::ast::Statement::CreateTable(stored)) = stored else {
        return Err(Failure::internal("a table that is stored as something else"));
    };
    let table = Table { schema, ..Table::new(&stored, sql, &[])? };
    let catalog = session.catalog.borrow().clone();
    Binder::new(&catalog, session, sql).check_table(&table)?;
    {
        let mut store = session.store.borrow_mut();
        let kind = if table.key.is_some() { TreeKind::Index } else { TreeKind::Table };
        let root = store.create_tree_in(schema, kind)?;
        add_row(&mut *store, schema, "table", name, name, root, Some(sql))?;
        for (_, index) in table.indexes.iter().enumerate().filter(|(number, _)| !table.is_key(*number)) {
            let root = store.create_tree_in(schema, TreeKind::Index)?;
            add_row(&mut *store, schema, "index", &index.name, name, root, None)?;
        }
        if table.autoincrement && session.catalog.borrow().of(schema).relation(SEQUENCE).is_none() {
            let root = store.create_tree_in(schema, TreeKind::Table)?;
            add_row(&mut *store, schema, "table", SEQUENCE, SEQUENCE, root, Some(CREATE_SEQUENCE))?;
        }
    }
    session.schema_changed(schema)
}

pub(super) fn create_index<S: Store>(
    session: &Db<S>,
    catalog: &Catalog,
    create: &CreateIndex,
    text: &str,
) -> Result<()> {
    let number = index_place(catalog, create)?;
    let schema = catalog.of(number);
    if let (TEMP, Some(Relation::Table(table))) = (number, catalog.relation(None, &create.table.text))
        && table.schema != TEMP
    {
        return Err(Failure::error(format!("cannot create a TEMP index on non-TEMP table \"{}\"", table.name)));
    }
    let name = check_reserved(&create.name.name)?;
    let table = match schema.relation(&create.table.text) {
        Some(Relation::Table(table)) if is_internal(table) => {
            return Err(Failure::error(format!("table {} may not be indexed", table.name)));
        }
        Some(Relation::Table(table)) => table.clone(),
        Some(Relation::View(_)) => return Err(Failure::error("views may not be indexed")),
        None => {
            return Err(match schema.refused(SchemaKind::Table, &create.table.text) {
                Some(refused) => refused.why.clone(),
                None => Failure::error(format!("no such table: {}.{}", schema.name, create.table.text)),
            });
        }
    };
    if schema.relation(name).is_some() || schema.refused(SchemaKind::Table, name).is_some() {
        return Err(Failure::error(format!("there is already a table named {name}")));
    }
    if schema.index(name).is_some() || schema.refused(SchemaKind::Index, name).is_some() {
        return match create.if_not_exists {
            true => Ok(()),
            false => Err(Failure::error(format!("index {name} already exists"))),
        };
    }
    let root = session.store.borrow_mut().create_tree_in(number, TreeKind::Index)?;
    let index = Index::create(create, &table, root)?;
    check_index(&index, &table, &session.functions.borrow())?;
    let rules = Binder::new(catalog, session, text).index_rules(&table, std::iter::once(&index))?;
    rebuild(session, &table, &index, &rules)?;
    let begin = if create.unique { "CREATE UNIQUE INDEX" } else { "CREATE INDEX" };
    let sql = stored(begin, &create.name.name, text);
    add_row(&mut *session.store.borrow_mut(), number, "index", name, &table.name, root, Some(&sql))?;
    session.schema_changed(number)
}

/// Whether a text has a parameter somewhere.
fn has_parameters(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    loop {
        match lexer.next_token().kind {
            TokenKind::Variable => return true,
            TokenKind::End | TokenKind::Illegal => return false,
            _ => {}
        }
    }
}

pub(super) fn create_view<S: Store>(session: &Db<S>, catalog: &Catalog, create: &CreateView, text: &str) -> Result<()> {
    if has_parameters(text) {
        return Err(Failure::error("parameters are not allowed in views"));
    }
    let schema = temporary_place(catalog, &create.name, create.temporary)?;
    let name = check_reserved(&create.name.name)?;
    if is_taken(catalog.of(schema), &create.name, create.if_not_exists)? {
        return Ok(());
    }
    check_references(catalog, schema, "view", &create.name, text)?;
    let sql = stored("CREATE VIEW", &create.name.name, text);
    add_row(&mut *session.store.borrow_mut(), schema, "view", name, name, 0, Some(&sql))?;
    session.schema_changed(schema)
}

/// The database of what is dropped; none if it is nowhere.
pub(super) fn dropped_place(catalog: &Catalog, what: &Drop) -> Option<usize> {
    let name = &*what.name.name.text;
    let has = |schema: &&Schema| match what.kind {
        SchemaKind::Table | SchemaKind::View => {
            schema.relation(name).is_some() || schema.refused(SchemaKind::Table, name).is_some()
        }
        SchemaKind::Index => schema.index(name).is_some() || schema.refused(SchemaKind::Index, name).is_some(),
        SchemaKind::Trigger => schema.has_trigger(name),
    };
    let within = catalog.within(&what.name, None)?;
    catalog.order(within).find(has).map(|schema| schema.number)
}

pub(super) fn drop_object<S: Store>(session: &Db<S>, catalog: &Catalog, what: &Drop) -> Result<()> {
    let name = &*what.name.name.text;
    let missing = |kind: &str| match what.if_exists {
        true => Ok(()),
        false => Err(Failure::error(format!("no such {kind}: {}", displayed(&what.name)))),
    };
    let kind = match what.kind {
        SchemaKind::Table => "table",
        SchemaKind::View => "view",
        SchemaKind::Index => "index",
        SchemaKind::Trigger => "trigger",
    };
    let Some(number) = dropped_place(catalog, what) else { return missing(kind) };
    let schema = catalog.of(number);
    let is = |kind: &'static str| move |row: &SchemaRow| row.kind == kind && row.name.eq_ignore_ascii_case(name);
    let relation = schema.relation(name);
    match what.kind {
        SchemaKind::Table => match relation {
            Some(Relation::Table(table)) if is_internal(table) => {
                return Err(Failure::error(format!("table {} may not be dropped", table.name)));
            }
            Some(Relation::Table(table)) => {
                empty(session, catalog, table)?;
                drop_table(session, catalog, number, name)?;
            }
            Some(Relation::View(_)) => return Err(Failure::error(format!("use DROP VIEW to delete view {name}"))),
            None => match schema.refused(SchemaKind::Table, name) {
                Some(refused) if !refused.droppable => return Err(refused.why.clone()),
                _ => drop_table(session, catalog, number, name)?,
            },
        },
        SchemaKind::View => match relation {
            Some(Relation::View(_)) => {
                // Its triggers go with it.
                remove_triggers(session, catalog, number, name)?;
                remove(session, number, &|row| row.table.eq_ignore_ascii_case(name))?;
            }
            Some(Relation::Table(_)) => return Err(Failure::error(format!("use DROP TABLE to delete table {name}"))),
            None => return missing("view"),
        },
        SchemaKind::Index => match schema.index(name) {
            Some((_, index)) if index.origin != catalog::Origin::Create => {
                return Err(Failure::error("index associated with UNIQUE or PRIMARY KEY constraint cannot be dropped"));
            }
            Some(_) => {
                super::analyze::dropped(session, schema, None, Some(name))?;
                remove(session, number, &is("index"))?;
            }
            None => remove(session, number, &is("index"))?,
        },
        SchemaKind::Trigger => remove(session, number, &is("trigger"))?,
    }
    session.schema_changed(number)
}

fn drop_table<S: Store>(session: &Db<S>, catalog: &Catalog, number: usize, name: &str) -> Result<()> {
    let schema = catalog.of(number);
    remove_triggers(session, catalog, number, name)?;
    if let Some(Relation::Table(sequence)) = schema.relation(SEQUENCE) {
        Sequence::forget(&mut *session.store.borrow_mut(), sequence.root, name)?;
    }
    super::analyze::dropped(session, schema, Some(name), None)?;
    remove(session, number, &|row| row.kind != "trigger" && row.table.eq_ignore_ascii_case(name))
}

/// Removes the triggers of a table, those too that are temporary while it is not.
fn remove_triggers<S: Store>(session: &Db<S>, catalog: &Catalog, number: usize, table: &str) -> Result<()> {
    let triggers: Vec<_> = catalog.triggers_on(number, table).collect();
    for schema in [TEMP, number] {
        let goes = |row: &SchemaRow| {
            let is = |trigger: &&std::sync::Arc<Trigger>| {
                trigger.schema == schema && trigger.name().eq_ignore_ascii_case(&row.name)
            };
            row.kind == "trigger" && triggers.iter().any(is)
        };
        if triggers.iter().any(|trigger| trigger.schema == schema) {
            remove(session, schema, &goes)?;
            if schema != number {
                session.schema_changed(schema)?;
            }
        }
    }
    Ok(())
}

/// Removes rows of a schema, with their trees.
fn remove<S: Store>(session: &Db<S>, schema: usize, goes: &dyn Fn(&SchemaRow) -> bool) -> Result<()> {
    let mut store = session.store.borrow_mut();
    // The highest tree first: a store that keeps its file dense would move it otherwise.
    let mut rows: Vec<_> = SchemaRow::all(&mut *store, schema)?.into_iter().filter(|row| goes(row)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.root));
    for row in rows {
        if row.root > 0 {
            store.drop_tree(row.root)?;
        }
        store.delete(schema_tree(schema), row.rowid)?;
    }
    Ok(())
}

/// `REINDEX`: of an index, a table, a collation, everything.
pub(super) fn reindex<S: Store>(session: &Db<S>, catalog: &Catalog, name: Option<&QualifiedName>) -> Result<()> {
    let unknown = || Failure::error("unable to identify the object to be reindexed");
    let mut made: Vec<(std::sync::Arc<Table>, usize)> = Vec::new();
    let mut add = |table: &std::sync::Arc<Table>, wanted: &dyn Fn(&Index) -> bool| {
        let indexes = table.indexes.iter().enumerate().filter(|(_, index)| wanted(index));
        made.extend(indexes.map(|(at, _)| (table.clone(), at)));
    };
    let mut of_all = |wanted: &dyn Fn(&Index) -> bool| {
        catalog.all().iter().flat_map(|schema| schema.tables()).for_each(|table| add(table, wanted));
    };
    match name {
        None => of_all(&|_| true),
        Some(QualifiedName { schema: None, name }) if catalog::collation_named(&name.text).is_ok() => {
            let collation = catalog::collation_named(&name.text)?;
            of_all(&|index: &Index| index.parts.iter().any(|part| part.key.collation == collation));
        }
        Some(name) => {
            let Some(within) = catalog.within(name, None) else {
                let schema = name.schema.as_ref().map_or("", |schema| &schema.text);
                return Err(Failure::error(format!("unknown database {schema}")));
            };
            // Without a database it is one of main.
            let (within, text) = (within.or(Some(MAIN)), &*name.name.text);
            if let Some(Relation::Table(table)) = catalog.relation(within, text) {
                add(table, &|_| true);
            } else if let Some((table, index)) = catalog.index(within, text) {
                add(table, &|other| other.name == index.name);
            } else {
                let kinds = [SchemaKind::Table, SchemaKind::Index];
                let refused = |schema: &Schema| kinds.iter().find_map(|kind| schema.refused(*kind, text).cloned());
                return Err(catalog.order(within).find_map(refused).map_or_else(unknown, |refused| refused.why));
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
