//! Parents, looked for.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use super::plan::Link;
use crate::row::{Collation, ValueRef, record};
use crate::sql::catalog::{Catalog, Index, Relation, Table};
use crate::sql::exec::{Reader, Run, Session, TableRow, table_cursor};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store};
use crate::sql::value::{self, Affinity, Value};

/// Whether a part of the child's key is nothing, so that it needs no parent.
pub(super) fn has_null(link: &Link, row: &[Value]) -> bool {
    link.found.pairs.iter().any(|(child, _)| row.get(*child).is_none_or(|value| value.as_ref().is_null()))
}

/// Whether a child has its parent. `own` is the child's rowid, if it has just come: it is its own parent only if its key is the
/// same to the bit.
pub(super) fn has_parent<S: Store>(link: &Link, row: &[Value], own: Option<i64>, session: &Session<S>) -> Result<bool> {
    let Some(parent) = &link.parent else { return Ok(false) };
    let own = own.filter(|_| link.is_circular());
    let value = |at: usize| row.get(at).cloned().unwrap_or_default();
    let mut store = session.store.borrow_mut();
    let Some(index) = link.found.index.and_then(|at| parent.indexes.get(at)) else {
        let key = link.found.pairs.first().map(|(child, _)| Affinity::Integer.apply_to(value(*child)));
        let Some(Value::Integer(rowid)) = key else { return Ok(false) };
        let mut cursor = store.table_cursor(parent.root);
        return Ok(store.seek(&mut cursor, rowid)? == Some(Ordering::Equal));
    };
    let pairs = &link.found.pairs;
    let affinity = |column: usize| parent.columns.get(column).map_or(Affinity::Blob, |column| column.affinity);
    let key: SmallVec<[Value; 4]> =
        pairs.iter().map(|(child, column)| affinity(*column).apply_to(value(*child))).collect();
    let key: SmallVec<[ValueRef<'_>; 4]> = key.iter().map(Value::as_ref).collect();
    let mut cursor = store.index_cursor(index.root, index.order.clone());
    if store.seek_columns(&mut cursor, &key)? != Some(Ordering::Equal) {
        return Ok(false);
    }
    let Some(own) = own else { return Ok(true) };
    store.load(&mut cursor)?;
    if !is_own::<S>(parent, index, cursor.record(), (own, row))? {
        return Ok(true);
    }
    let same = |(child, column): &(usize, usize)| {
        value::order(value(*child).as_ref(), value(*column).as_ref(), Collation::Binary) == Ordering::Equal
    };
    Ok(pairs.iter().all(same))
}

/// Whether a record of an index is of a row.
fn is_own<S: Store>(table: &Table, index: &Index, record: &[u8], (rowid, row): (i64, &[Value])) -> Result<bool> {
    let Some(primary) = table.primary() else {
        return Ok(TableRow::<S::Cursor>::rowid_of_index(record, index.parts.len())? == rowid);
    };
    let columns = record::decode(record).map_err(|what| Failure::new(ResultCode::CORRUPT, what))?;
    let same = |part: &crate::sql::catalog::IndexPart| {
        let found = index.place(part.column).and_then(|place| columns.get(place)).copied().unwrap_or(ValueRef::Null);
        let own = row.get(part.column).map_or(ValueRef::Null, Value::as_ref);
        value::order(own, found, Collation::Binary) == Ordering::Equal
    };
    Ok(primary.parts.iter().all(same))
}

/// `PRAGMA foreign_key_check` of one table: for each row and key that doesn't hold, the rowid, if there are rowids, the parent's
/// name and the key's place.
pub(in crate::sql) fn check_table<S: Store>(
    session: &Session<S>,
    catalog: &Catalog,
    table: &Arc<Table>,
) -> Result<Vec<(Option<i64>, Box<str>, usize)>> {
    let mut links = Vec::new();
    for key in &table.foreign_keys {
        let (parent, found) = match catalog.of(table.schema).relation(&key.parent) {
            Some(Relation::Table(parent)) => (Some(parent.clone()), key.parent_key(&table.name, parent)?),
            Some(Relation::View(_)) => return Err(key.mismatch(&table.name)),
            None => {
                let pairs = key.columns.iter().map(|column| (*column, 0)).collect();
                (None, crate::sql::catalog::ParentKey { index: None, pairs })
            }
        };
        links.push(Link { child: table.clone(), parent, key: key.clone(), found });
    }
    let mut wrong = Vec::new();
    if links.is_empty() {
        return Ok(wrong);
    }
    let run = Run { session, params: &[], number: session.begin_run() };
    let reader = Reader::of(session, table)?;
    let mut cursor = table_cursor(&*session.store.borrow(), table);
    let mut more = session.store.borrow_mut().first(&mut cursor)?;
    while more {
        run.check()?;
        session.store.borrow_mut().load(&mut cursor)?;
        let row = reader.row(&cursor, session)?;
        for (at, link) in links.iter().enumerate() {
            if !has_null(link, &row) && !has_parent(link, &row, None, session)? {
                let rowid = table.key.is_none().then(|| cursor.rowid());
                wrong.push((rowid, link.key.parent.clone(), at));
            }
        }
        more = session.store.borrow_mut().next(&mut cursor)?;
    }
    Ok(wrong)
}
