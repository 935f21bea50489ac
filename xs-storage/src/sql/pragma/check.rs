//! `integrity_check`: whether the store is sound, and whether tables and their indexes say the same.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Rows;
use crate::row::{ValueRef, record};
use crate::sql::Parser;
use crate::sql::ast::{Ident, Quote, Statement};
use crate::sql::bind::Binder;
use crate::sql::catalog::{Catalog, Index, Relation, Table};
use crate::sql::exec::{Frame, Outer, Run, Session, real_columns};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store};

/// So many are told, unless another number is asked for.
const MOST: usize = 100;

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

/// What is wrong, a row each; `ok` if nothing is. `of` is a table, or how many errors to tell.
pub(super) fn check<S: Store>(session: &Session<S>, catalog: &Catalog, of: Option<&str>, quick: bool) -> Result<Rows> {
    let (table, most) = match of.map(|of| (of, of.parse::<i64>())) {
        None => (None, MOST),
        Some((_, Ok(most))) => (None, usize::try_from(most).ok().filter(|most| *most > 0).unwrap_or(MOST)),
        Some((name, Err(_))) => match catalog.relation(name) {
            Some(Relation::Table(table)) => (Some(table), MOST),
            Some(Relation::View(_)) => (None, MOST),
            None => return Err(Failure::error(format!("no such table: {name}"))),
        },
    };
    let mut found = Found { errors: Vec::new(), most };
    if table.is_none() {
        let indexes = catalog.tables().flat_map(|table| &table.indexes);
        let orders: BTreeMap<_, _> = indexes.map(|index| (index.root, index.order.clone())).collect();
        if let Some(error) = session.store.borrow_mut().check(&orders)? {
            found.add(format!("*** in database main ***\n{error}"));
        }
    }
    // What can't be read can't be compared.
    if found.errors.is_empty() {
        for table in catalog.tables().filter(|other| table.is_none_or(|table| table.name == other.name)) {
            rows(session, catalog, table, quick, &mut found)?;
            conditions(session, catalog, table, &mut found)?;
        }
    }
    if found.errors.is_empty() {
        found.errors.push("ok".to_owned());
    }
    Ok(found.errors.into_iter().map(|error| vec![error.into()]).collect())
}

/// Each row has an entry in each index, and no index has more.
fn rows<S: Store>(
    session: &Session<S>,
    catalog: &Catalog,
    table: &Table,
    quick: bool,
    found: &mut Found,
) -> Result<()> {
    let rules = Binder::new(catalog, session, "").index_rules(table, table.indexes.iter().map(|index| &**index))?;
    let run = Run { session, params: &[], number: session.begin_run() };
    let mut store = session.store.borrow_mut();
    let mut cursor = store.table_cursor(table.root);
    let mut indexes: Vec<(&Index, S::Cursor)> = match quick {
        true => Vec::new(),
        false => {
            let cursor = |index: &std::sync::Arc<Index>| store.index_cursor(index.root, index.order.clone());
            table.indexes.iter().map(|index| (&**index, cursor(index))).collect()
        }
    };
    let defaults = table.defaults();
    let mut counts = vec![0_u64; indexes.len()];
    let mut nth = 0;
    let mut more = store.first(&mut cursor)?;
    while more {
        run.check()?;
        nth += 1;
        store.load(&mut cursor)?;
        let columns = record::decode(cursor.record()).map_err(|what| Failure::new(ResultCode::CORRUPT, what))?;
        let rowid = cursor.rowid();
        let value = |column: usize| match columns.get(column) {
            _ if table.rowid_column == Some(column) => ValueRef::Integer(rowid),
            Some(value) => *value,
            None => defaults.get(column).map_or(ValueRef::Null, |value| value.as_ref()),
        };
        for (at, column) in table.columns.iter().enumerate() {
            if column.not_null.is_some() && value(at).is_null() {
                found.add(format!("NULL value in {}.{}", table.name, column.name));
            }
        }
        let mut row = Frame { slots: Vec::new(), registers: Vec::new() };
        if !rules.plain && !quick {
            row.registers = (0..table.columns.len()).map(|at| value(at).into()).collect();
            real_columns(table, &mut row.registers);
            rules.extend(&mut row, rowid, session)?;
        }
        for (at, (index, place)) in indexes.iter_mut().enumerate() {
            if !rules.has(at, &row, session)? {
                continue;
            }
            counts[at] += 1;
            let part = |at: usize| row.registers.get(at).map_or_else(|| value(at), |value| value.as_ref());
            let mut key: Vec<_> = index.parts.iter().map(|one| part(one.column)).collect();
            if index.unique.is_some() && !key.iter().any(|value| value.is_null()) {
                let first = store.seek_columns(place, &key)?;
                store.load(place)?;
                let owner = record::decode(place.record()).ok().and_then(|entry| entry.get(key.len()).copied());
                if first == Some(Ordering::Equal) && owner != Some(ValueRef::Integer(rowid)) {
                    found.add(format!("non-unique entry in index {}", index.name));
                }
            }
            key.push(ValueRef::Integer(rowid));
            if store.seek_columns(place, &key)? != Some(Ordering::Equal) {
                found.add(format!("row {nth} missing from index {}", index.name));
            }
        }
        more = store.next(&mut cursor)?;
    }
    for ((index, mut place), count) in indexes.into_iter().zip(counts) {
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
fn conditions<S: Store>(session: &Session<S>, catalog: &Catalog, table: &Table, found: &mut Found) -> Result<()> {
    for (_, condition) in &table.checks {
        let name = Ident::new(&table.name, Quote::Double);
        let sql = format!("SELECT 1 FROM {name} WHERE NOT ({condition})");
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
