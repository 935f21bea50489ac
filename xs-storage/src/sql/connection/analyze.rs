//! `ANALYZE`: how many rows there are, and how many have the same values, written down for the planner.

use std::sync::Arc;

use crate::row::{Encoding, ValueRef, encode, record};
use crate::sql::ast::QualifiedName;
use crate::sql::catalog::{Catalog, Index, Relation, STATISTICS, Schema, SchemaRow, Table, displayed};
use crate::sql::connection::Db;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Databases, Store, TEMP, TreeId, TreeKind};
use crate::sql::value::Value;

/// What is counted.
enum Wanted<'a> {
    All,
    Table(&'a Arc<Table>),
    Index(&'a Arc<Table>, &'a Index),
}

/// Counts what a name means: a database, a table, an index; without a name all but `temp`.
pub(super) fn analyze<S: Store>(session: &Db<S>, catalog: &Catalog, name: Option<&QualifiedName>) -> Result<()> {
    let Some(name) = name else {
        let mut all = catalog.all().iter().filter(|schema| schema.number != TEMP && !schema.is_gone);
        return all.try_for_each(|schema| one(session, schema, &Wanted::All));
    };
    if let (None, Some(number)) = (&name.schema, catalog.number(&name.name)) {
        return one(session, catalog.of(number), &Wanted::All);
    }
    let Some(within) = catalog.within(name, None) else {
        let schema = name.schema.as_ref().map_or("", |schema| &schema.text);
        return Err(Failure::error(format!("unknown database {schema}")));
    };
    match (catalog.index(within, &name.name.text), catalog.relation(within, &name.name.text)) {
        (Some((table, index)), _) => one(session, catalog.of(table.schema), &Wanted::Index(table, index)),
        (None, Some(Relation::Table(table))) => one(session, catalog.of(table.schema), &Wanted::Table(table)),
        (None, Some(Relation::View(_))) => Ok(()),
        (None, None) => Err(Failure::error(format!("no such table: {}", displayed(name)))),
    }
}

/// Counts in one database.
fn one<S: Store>(session: &Db<S>, schema: &Schema, wanted: &Wanted<'_>) -> Result<()> {
    let root = statistics_root(session, schema)?;
    match wanted {
        Wanted::All => {
            forget(session, root, &|_, _| true)?;
            // The newest first, as SQLite has them.
            let rows = SchemaRow::all(&mut *session.store.borrow_mut(), schema.number)?;
            for row in rows.iter().rev().filter(|row| row.kind == "table") {
                if let Some(Relation::Table(table)) = schema.relation(&row.name) {
                    count(session, root, table, None)?;
                }
            }
        }
        Wanted::Table(table) => {
            forget(session, root, &|of, _| of.eq_ignore_ascii_case(table.name.as_bytes()))?;
            count(session, root, table, None)?;
        }
        Wanted::Index(table, index) => {
            let own = counted_as(table, index).as_bytes();
            let is = |name: Option<&[u8]>| name.is_some_and(|name| name.eq_ignore_ascii_case(own));
            forget(session, root, &|_, name| is(name))?;
            count(session, root, table, Some(index))?;
        }
    }
    session.schema_changed(schema.number)
}

/// The tree of what was counted, which is made when there is none.
fn statistics_root<S: Store>(session: &Db<S>, schema: &Schema) -> Result<TreeId> {
    if let Some(Relation::Table(table)) = schema.relation(STATISTICS) {
        return Ok(table.root);
    }
    let mut store = session.store.borrow_mut();
    let root = store.create_tree_in(schema.number, TreeKind::Table)?;
    let sql = format!("CREATE TABLE {STATISTICS}(tbl,idx,stat)");
    super::schema::add_row(&mut *store, schema.number, "table", STATISTICS, STATISTICS, root, Some(&sql))?;
    Ok(root)
}

/// Removes what was counted of some tables and indexes.
fn forget<S: Store>(session: &Db<S>, root: TreeId, goes: &dyn Fn(&[u8], Option<&[u8]>) -> bool) -> Result<()> {
    let mut store = session.store.borrow_mut();
    let mut cursor = store.table_cursor(root);
    let mut more = store.first(&mut cursor)?;
    while more {
        store.load(&mut cursor)?;
        let columns = record::decode(cursor.record()).map_err(|what| Failure::new(ResultCode::CORRUPT, what))?;
        let text = |at: usize| match columns.get(at) {
            Some(ValueRef::Text(text)) => Some(*text),
            _ => None,
        };
        if goes(text(0).unwrap_or_default(), text(1)) {
            let rowid = cursor.rowid();
            drop(columns);
            store.delete(root, rowid)?;
        }
        more = store.next(&mut cursor)?;
    }
    Ok(())
}

/// What is known of a table or an index that is dropped goes with it.
pub(super) fn dropped<S: Store>(
    session: &Db<S>,
    schema: &Schema,
    table: Option<&str>,
    index: Option<&str>,
) -> Result<()> {
    let Some(Relation::Table(statistics)) = schema.relation(STATISTICS) else { return Ok(()) };
    if table.is_some_and(|table| table.eq_ignore_ascii_case(STATISTICS)) {
        return Ok(());
    }
    forget(session, statistics.root, &|of, name| {
        let of_table = table.is_some_and(|table| of.eq_ignore_ascii_case(table.as_bytes()));
        let of_index = index.is_some_and(|index| name.is_some_and(|name| name.eq_ignore_ascii_case(index.as_bytes())));
        of_table || of_index
    })
}

/// The name that an index has among what was counted. What is the table has its name.
fn counted_as<'a>(table: &'a Table, index: &'a Index) -> &'a str {
    let is_table = table.primary().is_some_and(|primary| primary.root == index.root);
    if is_table { &table.name } else { &index.name }
}

fn count<S: Store>(session: &Db<S>, root: TreeId, table: &Table, only: Option<&Index>) -> Result<()> {
    if table.name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_")) {
        return Ok(());
    }
    let mut store = session.store.borrow_mut();
    let mut whole = only.is_some();
    for index in table.indexes.iter().rev() {
        if only.is_some_and(|only| only.name != index.name) {
            continue;
        }
        whole |= index.filter.is_none();
        if let Some(text) = of_index(session, &mut *store, index)? {
            put(&mut *store, root, &table.name, Some(counted_as(table, index)), &text)?;
        }
    }
    // Some index has as many entries as the table has rows.
    if whole {
        return Ok(());
    }
    let mut cursor = store.table_cursor(table.root);
    let (mut rows, mut more) = (0_u64, store.first(&mut cursor)?);
    while more {
        session.check()?;
        rows += 1;
        more = store.next(&mut cursor)?;
    }
    match rows {
        0 => Ok(()),
        rows => put(&mut *store, root, &table.name, None, &rows.to_string()),
    }
}

/// How many entries an index has, and how many of them are alike in the first column, in the first two, and so on.
fn of_index<S: Store>(session: &Db<S>, store: &mut Databases<S>, index: &Index) -> Result<Option<String>> {
    let corrupt = |what| Failure::new(ResultCode::CORRUPT, what);
    let keys = index.parts.len();
    let mut cursor = store.index_cursor(index.root, index.order.clone());
    let mut distinct = vec![1_u64; keys];
    let (mut rows, mut before) = (0_u64, Vec::<Value>::new());
    let mut more = store.first(&mut cursor)?;
    while more {
        session.check()?;
        store.load(&mut cursor)?;
        let columns = record::columns(cursor.record()).map_err(corrupt)?;
        let mut differs = rows == 0;
        if rows == 0 {
            before.resize(keys, Value::Null);
        }
        for (at, value) in columns.take(keys).enumerate() {
            let value = value.map_err(corrupt)?;
            let key = index.order.get(at).copied().unwrap_or_default();
            if !differs && key.compare(&value, &before[at].as_ref(), Encoding::Utf8).is_ne() {
                differs = true;
                distinct[at..].iter_mut().for_each(|distinct| *distinct += 1);
            }
            if differs {
                before[at] = value.into();
            }
        }
        rows += 1;
        more = store.next(&mut cursor)?;
    }
    if rows == 0 {
        return Ok(None);
    }
    let mut text = rows.to_string();
    for distinct in distinct {
        let mut alike = rows.div_ceil(distinct);
        // Nearly unique is unique.
        if alike == 2 && rows * 10 <= distinct * 11 {
            alike = 1;
        }
        text.push_str(&format!(" {alike}"));
    }
    Ok(Some(text))
}

fn put<S: Store>(store: &mut S, root: TreeId, table: &str, index: Option<&str>, text: &str) -> Result<()> {
    let mut cursor = store.table_cursor(root);
    let rowid = if store.last(&mut cursor)? { cursor.rowid().saturating_add(1) } else { 1 };
    let record = encode(&[
        ValueRef::Text(table.as_bytes()),
        index.map_or(ValueRef::Null, |index| ValueRef::Text(index.as_bytes())),
        ValueRef::Text(text.as_bytes()),
    ]);
    store.insert(root, rowid, &record)?;
    Ok(())
}
