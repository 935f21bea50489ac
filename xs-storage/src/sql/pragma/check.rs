//! `integrity_check`: whether the store is sound, and whether tables and their indexes say the same.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Rows;
use super::describe::missing;
use crate::row::{Encoding, compare};
use crate::sql::Parser;
use crate::sql::ast::{Ident, Quote, Statement};
use crate::sql::bind::Binder;
use crate::sql::catalog::{Catalog, Index, Relation, Table};
use crate::sql::connection::Db;
use crate::sql::exec::{Frame, Outer, Reader, Run, entry, table_cursor};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{Cursor, Databases, Store, local};
use crate::sql::value::Value;

/// So many are told, unless another number is asked for.
const MOST: usize = 100;

/// What `PRAGMA quick_check` says of one table.
pub(in crate::sql) fn quick_check<S: Store>(
    session: &Db<S>,
    catalog: &Catalog,
    schema: usize,
    table: &str,
) -> Result<Vec<String>> {
    let rows = check(session, catalog, Some(schema), Some(table), true)?;
    let text = |value: Value| match value {
        Value::Text(text) => Some(String::from_utf8_lossy(&text).into_owned()),
        _ => None,
    };
    Ok(rows.into_iter().flatten().filter_map(text).collect())
}

struct Found {
    errors: Vec<String>,
    most: usize,
}

impl Found {
    fn add(&mut self, error: String) {
        if self.errors.len() < self.most {
            self.errors.push(error);
        }
    }
}

/// What is wrong in one database or in all, a row each; `ok` if nothing is. `of` is a table, or how many errors to tell.
pub(super) fn check<S: Store>(
    session: &Db<S>,
    catalog: &Catalog,
    within: Option<usize>,
    of: Option<&str>,
    quick: bool,
) -> Result<Rows> {
    let (table, most) = match of.map(|of| (of, of.parse::<i64>())) {
        None => (None, MOST),
        Some((_, Ok(most))) => (None, usize::try_from(most).ok().filter(|most| *most > 0).unwrap_or(MOST)),
        Some((name, Err(_))) => match catalog.relation(within, name) {
            Some(Relation::Table(table)) => (Some(table), MOST),
            Some(Relation::View(_)) => (None, MOST),
            None => return Err(missing(catalog, within, name)),
        },
    };
    let mut found = Found { errors: Vec::new(), most };
    for schema in catalog.all().iter().filter(|schema| within.is_none_or(|within| within == schema.number)) {
        if table.is_none() && session.store.borrow().is_open(schema.number) {
            let indexes = schema.tables().flat_map(|table| &table.indexes);
            let orders: BTreeMap<_, _> = indexes.map(|index| (local(index.root), index.order.clone())).collect();
            let mut store = session.store.borrow_mut();
            if let Some(error) = store.looking(schema.number, |store| store.one(schema.number)?.check(&orders))? {
                found.add(format!("*** in database {} ***\n{error}", schema.name));
                // What can't be read can't be compared.
                continue;
            }
        }
        for table in schema.tables().filter(|other| table.is_none_or(|table| Arc::ptr_eq(table, other))) {
            rows(session, catalog, table, quick, &mut found)?;
            conditions(session, catalog, table, &mut found)?;
        }
    }
    if found.errors.is_empty() {
        found.errors.push("ok".to_owned());
    }
    Ok(found.errors.into_iter().map(|error| vec![error.into()]).collect())
}

/// An index that is compared with its table.
struct Compared<'a, S: Store> {
    number: usize,
    index: &'a Index,
    place: <Databases<S> as Store>::Cursor,
    /// The rows that are to be in it.
    count: u64,
}

/// Each row has an entry in each index, and no index has more.
fn rows<S: Store>(
    session: &Db<S>,
    catalog: &Catalog,
    table: &Arc<Table>,
    quick: bool,
    found: &mut Found,
) -> Result<()> {
    let rules = Binder::new(catalog, session, "").index_rules(table, table.indexes.iter().map(|index| &**index))?;
    let run = Run { session, params: &[], number: session.begin_run() };
    let reader = Reader::of(session, table)?;
    let mut cursor = table_cursor(&*session.store.borrow(), table);
    let mut indexes: Vec<Compared<'_, S>> = Vec::new();
    for (number, index) in table.indexes.iter().enumerate() {
        if !quick && !table.is_key(number) {
            let place = session.store.borrow().index_cursor(index.root, index.order.clone());
            indexes.push(Compared { number, index, place, count: 0 });
        }
    }
    let mut nth = 0;
    let mut more = session.store.borrow_mut().first(&mut cursor)?;
    while more {
        run.check()?;
        nth += 1;
        session.store.borrow_mut().load(&mut cursor)?;
        let values = reader.row(&cursor, session)?;
        for (at, column) in table.columns.iter().enumerate() {
            if column.not_null.is_some() && values[at].as_ref().is_null() {
                found.add(format!("NULL value in {}.{}", table.name, column.name));
            }
            if let Some(kind) = table.misses_type(at, &values[at]) {
                found.add(format!("non-{kind} value in {}.{}", table.name, column.name));
            }
        }
        let row = match quick {
            true => Frame { slots: Vec::new(), registers: values },
            false => rules.row(values, cursor.rowid(), session)?,
        };
        let mut store = session.store.borrow_mut();
        for Compared { number, index, place, count } in &mut indexes {
            if !rules.has(*number, &row, session)? {
                continue;
            }
            *count += 1;
            let entry = entry(table, index, &row.registers, cursor.rowid());
            let parts = &entry[..index.parts.len()];
            if index.unique.is_some() && !parts.iter().any(|value| value.is_null()) {
                let first = store.seek_columns(place, parts)?;
                let mut owned = false;
                if first == Some(Ordering::Equal) {
                    store.load(place)?;
                    let order = compare(place.record(), &entry, &index.order, Encoding::Utf8);
                    owned = order == Ok(Ordering::Equal);
                }
                if first == Some(Ordering::Equal) && !owned {
                    found.add(format!("non-unique entry in index {}", index.name));
                }
            }
            if store.seek_columns(place, &entry)? != Some(Ordering::Equal) {
                found.add(format!("row {nth} missing from index {}", index.name));
            }
        }
        more = store.next(&mut cursor)?;
    }
    for Compared { index, mut place, count, .. } in indexes {
        let mut store = session.store.borrow_mut();
        let mut entries = 0;
        let mut more = store.first(&mut place)?;
        while more {
            run.check()?;
            entries += 1;
            more = store.next(&mut place)?;
        }
        if entries != count {
            found.add(format!("wrong # of entries in index {}", index.name));
        }
    }
    Ok(())
}

/// Whether a row breaks a `CHECK`.
fn conditions<S: Store>(session: &Db<S>, catalog: &Catalog, table: &Table, found: &mut Found) -> Result<()> {
    for (_, condition) in &table.checks {
        let (of, name) = (&catalog.of(table.schema).name, Ident::new(&table.name, Quote::Double));
        let sql = format!("SELECT 1 FROM {}.{name} WHERE NOT ({condition})", Ident::new(of, Quote::Double));
        let Some(Statement::Select(select)) = Parser::new(&sql).next_statement()? else {
            return Err(Failure::internal("a query that is none"));
        };
        let (mut query, _) = Binder::new(catalog, session, &sql).select(&select)?;
        let run = Run { session, params: &[], number: session.begin_run() };
        while query.next(Outer { up: None, run: &run })? {
            found.add(format!("CHECK constraint failed in {}", table.name));
        }
    }
    Ok(())
}
