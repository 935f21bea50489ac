//! Parents and children, looked for.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use super::Foreign;
use super::plan::Link;
use crate::row::{Collation, ValueRef, record};
use crate::sql::catalog::{Catalog, Index, Relation, Table};
use crate::sql::exec::{Outer, Run, Session, TableRow};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store};
use crate::sql::value::{self, Affinity, Value};

fn corrupt() -> Failure {
    Failure::new(ResultCode::CORRUPT, "database disk image is malformed")
}

impl<S: Store> Foreign<S> {
    /// A row goes, and is still there.
    pub(super) fn goes(&self, plan: usize, rowid: i64, row: &[Value], outer: Outer<'_, S>) -> Result<()> {
        let session = outer.run.session;
        let violations = &session.violations;
        for link in &self.plans[plan].parents {
            let deferred = link.key.deferred;
            if !violations.none(deferred) && !has_null(link, row) && !has_parent(link, row, None, session)? {
                violations.add(deferred, -1);
            }
        }
        for consequence in &self.plans[plan].children {
            let link = &consequence.link;
            let left = children(link, row, Some(rowid), outer)?.len();
            violations.add(link.key.deferred, left as i64);
        }
        Ok(())
    }

    /// A row has come.
    pub(super) fn comes(&self, plan: usize, rowid: i64, row: &[Value], outer: Outer<'_, S>) -> Result<()> {
        let session = outer.run.session;
        let violations = &session.violations;
        for link in &self.plans[plan].parents {
            if !has_null(link, row) && !has_parent(link, row, Some(rowid), session)? {
                violations.add(link.key.deferred, 1);
            }
        }
        for consequence in &self.plans[plan].children {
            let link = &consequence.link;
            if !violations.none(link.key.deferred) {
                let own = Some(rowid).filter(|_| self.plans[plan].moves);
                let waited = children(link, row, own, outer)?.len();
                violations.add(link.key.deferred, -(waited as i64));
            }
        }
        Ok(())
    }
}

/// Whether a part of the child's key is nothing, so that it needs no parent.
fn has_null(link: &Link, row: &[Value]) -> bool {
    link.found.pairs.iter().any(|(child, _)| row.get(*child).is_none_or(|value| value.as_ref().is_null()))
}

/// Whether a child has its parent. `own` is the child's rowid, if it has just come: it is its own parent only if its key is the
/// same to the bit.
fn has_parent<S: Store>(link: &Link, row: &[Value], own: Option<i64>, session: &Session<S>) -> Result<bool> {
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
    let key: SmallVec<[Value; 4]> =
        pairs.iter().map(|(child, column)| parent.columns[*column].affinity.apply_to(value(*child))).collect();
    let key: SmallVec<[ValueRef<'_>; 4]> = key.iter().map(Value::as_ref).collect();
    let mut cursor = store.index_cursor(index.root, index.order.clone());
    if store.seek_columns(&mut cursor, &key)? != Some(Ordering::Equal) {
        return Ok(false);
    }
    let Some(own) = own else { return Ok(true) };
    store.load(&mut cursor)?;
    if TableRow::<S::Cursor>::rowid_of_index(cursor.record(), index.parts.len())? != own {
        return Ok(true);
    }
    let same = |(child, column): &(usize, usize)| {
        value::order(value(*child).as_ref(), value(*column).as_ref(), Collation::Binary) == Ordering::Equal
    };
    Ok(pairs.iter().all(same))
}

/// What a child's column has to be.
struct Wanted {
    column: usize,
    value: Value,
    affinity: Option<Affinity>,
    collation: Collation,
}

impl Wanted {
    fn is(&self, found: ValueRef<'_>) -> bool {
        value::compare(self.value.as_ref(), found, self.affinity, self.collation) == Some(Ordering::Equal)
    }
}

/// How the children are found.
enum Way<'a> {
    Rowid(i64),
    /// By so many of the index's first parts.
    Index(&'a Index, Vec<Value>),
    All,
}

/// The rowids of a parent's children, compared as the parent's columns are. Where a table refers to itself, the row of `own` is
/// left out.
pub(super) fn children<S: Store>(
    link: &Link,
    row: &[Value],
    own: Option<i64>,
    outer: Outer<'_, S>,
) -> Result<Vec<i64>> {
    let Some(parent) = &link.parent else { return Ok(Vec::new()) };
    let child = &link.child;
    let own = own.filter(|_| link.is_circular());
    let mut wanted = Vec::with_capacity(link.found.pairs.len());
    for (column, of) in &link.found.pairs {
        let (Some(to), Some(from)) = (parent.columns.get(*of), child.columns.get(*column)) else {
            return Err(corrupt());
        };
        let affinity = Affinity::of_comparison(Some(to.affinity), Some(from.affinity));
        let value = row.get(*of).cloned().unwrap_or_default();
        if value.as_ref().is_null() {
            return Ok(Vec::new());
        }
        let value = if affinity == Some(Affinity::Numeric) { Affinity::Numeric.apply_to(value) } else { value };
        // An entry of the child is found by its bytes, unless its text would have to become a number first.
        let searchable = affinity != Some(Affinity::Numeric) || from.affinity.is_numeric();
        wanted.push((Wanted { column: *column, value, affinity, collation: to.collation }, searchable));
    }
    let way = way(child, &wanted);
    let wanted: Vec<Wanted> = wanted.into_iter().map(|(wanted, _)| wanted).collect();
    let mut found = candidates(child, &way, outer)?;
    found.retain(|rowid| Some(*rowid) != own);
    let session = outer.run.session;
    let mut store = session.store.borrow_mut();
    let mut cursor = store.table_cursor(child.root);
    let defaults = child.defaults();
    let mut matching = Vec::new();
    for rowid in found {
        outer.run.check()?;
        if store.seek(&mut cursor, rowid)? != Some(Ordering::Equal) {
            continue;
        }
        store.load(&mut cursor)?;
        let columns = record::decode(cursor.record()).map_err(|_| corrupt())?;
        let value = |column: usize| match columns.get(column) {
            _ if child.rowid_column == Some(column) => ValueRef::Integer(rowid),
            Some(value) => *value,
            None => defaults.get(column).map_or(ValueRef::Null, Value::as_ref),
        };
        if wanted.iter().all(|wanted| wanted.is(value(wanted.column))) {
            matching.push(rowid);
        }
    }
    Ok(matching)
}

fn way<'a>(child: &'a Table, wanted: &[(Wanted, bool)]) -> Way<'a> {
    if let [(only, _)] = wanted
        && child.rowid_column == Some(only.column)
    {
        return match Affinity::Integer.apply_to(only.value.clone()) {
            Value::Integer(rowid) => Way::Rowid(rowid),
            _ => Way::All,
        };
    }
    let mut best: Option<(&Index, Vec<Value>)> = None;
    for index in &child.indexes {
        let mut key = Vec::new();
        for part in &index.parts {
            let fits = |(wanted, searchable): &&(Wanted, bool)| {
                *searchable && wanted.column == part.column && wanted.collation == part.key.collation
            };
            let Some((wanted, _)) = wanted.iter().find(fits) else { break };
            key.push(wanted.value.clone());
        }
        if key.len() > best.as_ref().map_or(0, |(_, key)| key.len()) {
            best = Some((index, key));
        }
    }
    best.map_or(Way::All, |(index, key)| Way::Index(index, key))
}

/// The rows among which the children are.
fn candidates<S: Store>(child: &Table, way: &Way<'_>, outer: Outer<'_, S>) -> Result<Vec<i64>> {
    let mut store = outer.run.session.store.borrow_mut();
    let mut rowids = Vec::new();
    match way {
        Way::Rowid(rowid) => rowids.push(*rowid),
        Way::Index(index, key) => {
            let key: SmallVec<[ValueRef<'_>; 4]> = key.iter().map(Value::as_ref).collect();
            let mut cursor = store.index_cursor(index.root, index.order.clone());
            let mut more = store.seek_columns(&mut cursor, &key)? == Some(Ordering::Equal);
            while more {
                outer.run.check()?;
                store.load(&mut cursor)?;
                let entry = record::decode(cursor.record()).map_err(|_| corrupt())?;
                let same =
                    |((found, wanted), part): ((&ValueRef<'_>, &ValueRef<'_>), &crate::sql::catalog::IndexPart)| {
                        value::order(*found, *wanted, part.key.collation) == Ordering::Equal
                    };
                if !entry.iter().zip(&key).zip(&index.parts).all(same) {
                    break;
                }
                rowids.push(TableRow::<S::Cursor>::rowid_of_index(cursor.record(), index.parts.len())?);
                more = store.next(&mut cursor)?;
            }
        }
        Way::All => {
            let mut cursor = store.table_cursor(child.root);
            let mut more = store.first(&mut cursor)?;
            while more {
                outer.run.check()?;
                rowids.push(cursor.rowid());
                more = store.next(&mut cursor)?;
            }
        }
    }
    Ok(rowids)
}

/// `PRAGMA foreign_key_check` of one table: for each row and key that doesn't hold, the rowid, the parent's name and the key's
/// place.
pub(in crate::sql) fn check_table<S: Store>(
    session: &Session<S>,
    catalog: &Catalog,
    table: &Arc<Table>,
) -> Result<Vec<(i64, Box<str>, usize)>> {
    let mut links = Vec::new();
    for key in &table.foreign_keys {
        let (parent, found) = match catalog.relation(&key.parent) {
            Some(Relation::Table(parent)) => (Some(parent.clone()), key.parent_key(&table.name, parent)?),
            Some(Relation::View(_)) => return Err(key.mismatch(&table.name)),
            None => {
                let pairs = key.columns.iter().map(|column| (*column, 0)).collect();
                (None, crate::sql::catalog::ParentKey { index: None, pairs })
            }
        };
        links.push(Link { child: table.clone(), parent, key: key.clone(), found });
    }
    let run = Run { session, params: &[], number: session.begin_run() };
    let outer = Outer { up: None, run: &run };
    let mut writer = super::Writer::new(session, table.clone(), Vec::new(), Vec::new(), None);
    let mut wrong = Vec::new();
    for rowid in candidates(table, &Way::All, outer)? {
        run.check()?;
        let row = writer.row(rowid, session)?;
        for (at, link) in links.iter().enumerate() {
            if !has_null(link, &row) && !has_parent(link, &row, None, session)? {
                wrong.push((rowid, link.key.parent.clone(), at));
            }
        }
    }
    Ok(wrong)
}
