//! Rows written: constraints first, then the table, then its indexes.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use super::expr::Expr;
use super::frame::{Frame, Outer};
use super::indexed::IndexRules;
use super::sequence::Sequence;
use super::session::Session;
use crate::row::{ValueRef, encode, record};
use crate::sql::ast::Conflict;
use crate::sql::catalog::{Index, Table};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store, TreeId};
use crate::sql::value::Value;

/// Writes rows of one table.
pub(in crate::sql) struct Writer<S: Store> {
    pub(in crate::sql) table: Arc<Table>,
    /// Conditions of a row, whose columns are in registers.
    checks: Vec<(Box<str>, Expr<S>)>,
    /// What a column becomes that isn't given.
    pub(in crate::sql) defaults: Vec<Option<Expr<S>>>,
    frame: Frame<S>,
    /// What the statement says is to happen, before what the constraints say.
    conflict: Option<Conflict>,
    cursor: S::Cursor,
    indexes: Vec<S::Cursor>,
    /// What has to be computed for the indexes.
    pub(in crate::sql) rules: IndexRules<S>,
    /// Where the largest rowid is kept, if it has to be, and what it is while rows are inserted.
    pub(in crate::sql) sequence_tree: Option<TreeId>,
    sequence: Option<Sequence>,
}

/// A broken constraint.
struct Broken {
    code: ResultCode,
    message: String,
}

/// What a constraint's answer to a row is.
enum Verdict {
    Write,
    Pass,
}

impl<S: Store> Writer<S> {
    pub(in crate::sql) fn new(
        session: &Session<S>,
        table: Arc<Table>,
        checks: Vec<(Box<str>, Expr<S>)>,
        defaults: Vec<Option<Expr<S>>>,
        conflict: Option<Conflict>,
    ) -> Self {
        let store = session.store.borrow();
        let indexes = table.indexes.iter().map(|index| store.index_cursor(index.root, index.order.clone())).collect();
        let cursor = store.table_cursor(table.root);
        drop(store);
        let registers = vec![Value::Null; table.columns.len()];
        let frame = Frame { slots: Vec::new(), registers };
        let rules = IndexRules { rules: Vec::new(), width: 0, plain: true };
        let (sequence_tree, sequence) = (None, None);
        Writer { table, checks, defaults, frame, conflict, cursor, indexes, rules, sequence_tree, sequence }
    }

    /// Rows will be inserted: where their rowids begin.
    pub(in crate::sql) fn begin_inserts(&mut self, session: &Session<S>) -> Result<()> {
        if let Some(tree) = self.sequence_tree {
            self.sequence = Some(Sequence::read(&mut *session.store.borrow_mut(), tree, &self.table.name)?);
        }
        Ok(())
    }

    /// All rows are in.
    pub(in crate::sql) fn end_inserts(&mut self, session: &Session<S>) -> Result<()> {
        match self.sequence.take() {
            Some(sequence) => sequence.write(&mut *session.store.borrow_mut(), &self.table.name),
            None => Ok(()),
        }
    }

    /// Writes a row, new or in place of another. Answers its rowid, unless it was passed over. `rowid` is the one that it is
    /// to have; a column that is the rowid must be the same.
    pub(in crate::sql) fn write(
        &mut self,
        mut values: Vec<Value>,
        rowid: Option<i64>,
        old: Option<i64>,
        outer: Outer<'_, S>,
    ) -> Result<Option<i64>> {
        let table = self.table.clone();
        for (value, column) in values.iter_mut().zip(&table.columns) {
            *value = column.affinity.apply_to(std::mem::take(value));
        }
        let rowid = match rowid {
            Some(rowid) => rowid,
            None => self.next_rowid(outer.run.session)?,
        };
        if let Some(sequence) = &mut self.sequence {
            sequence.saw(rowid);
        }
        if let Some(column) = table.rowid_column {
            values[column] = Value::Integer(rowid);
        }
        if let Verdict::Pass = self.check_nulls(&mut values, outer)? {
            return Ok(None);
        }
        self.frame.registers = values;
        if let Verdict::Pass = self.check_conditions(outer)? {
            return Ok(None);
        }
        let session = outer.run.session;
        self.rules.extend(&mut self.frame, rowid, session)?;
        let mut replaced: SmallVec<[i64; 2]> = SmallVec::new();
        if old != Some(rowid) && session.store.borrow_mut().seek(&mut self.cursor, rowid)? == Some(Ordering::Equal) {
            let (code, column) = match table.rowid_column {
                Some(column) => (ResultCode::PRIMARY_KEY, &*table.columns[column].name),
                None => (ResultCode::ROWID, "rowid"),
            };
            let message = format!("UNIQUE constraint failed: {}.{column}", table.name);
            match self.conflict.unwrap_or(table.rowid_conflict) {
                Conflict::Replace => replaced.push(rowid),
                conflict => return broken(session, conflict, Broken { code, message }).map(|_| None),
            }
        }
        for at in 0..table.indexes.len() {
            let index = &table.indexes[at];
            let Some(conflict) = index.unique else { continue };
            if !self.rules.has(at, &self.frame, session)? {
                continue;
            }
            let Some(other) = self.same(at, session)? else { continue };
            if Some(other) == old || replaced.contains(&other) {
                continue;
            }
            match self.conflict.unwrap_or(conflict) {
                Conflict::Replace => replaced.push(other),
                conflict => return broken(session, conflict, not_unique(&table, index)).map(|_| None),
            }
        }
        for other in replaced {
            self.delete(other, session)?;
        }
        self.put(rowid, old, session)?;
        Ok(Some(rowid))
    }

    fn check_nulls(&self, values: &mut [Value], outer: Outer<'_, S>) -> Result<Verdict> {
        for (at, column) in self.table.columns.iter().enumerate() {
            let Some(conflict) = column.not_null else { continue };
            if !values[at].as_ref().is_null() || self.table.rowid_column == Some(at) {
                continue;
            }
            let mut conflict = self.conflict.unwrap_or(conflict);
            if conflict == Conflict::Replace {
                if let Some(Some(default)) = self.defaults.get(at) {
                    let default = default.eval(outer.env(&self.frame))?.into_value();
                    values[at] = column.affinity.apply_to(default);
                }
                if !values[at].as_ref().is_null() {
                    continue;
                }
                conflict = Conflict::Abort;
            }
            let message = format!("NOT NULL constraint failed: {}.{}", self.table.name, column.name);
            return broken(outer.run.session, conflict, Broken { code: ResultCode::NOT_NULL, message });
        }
        Ok(Verdict::Write)
    }

    fn check_conditions(&self, outer: Outer<'_, S>) -> Result<Verdict> {
        for (name, check) in &self.checks {
            if check.test(outer.env(&self.frame))? != Some(false) {
                continue;
            }
            let conflict = match self.conflict {
                Some(Conflict::Replace) | None => Conflict::Abort,
                Some(conflict) => conflict,
            };
            let message = format!("CHECK constraint failed: {name}");
            return broken(outer.run.session, conflict, Broken { code: ResultCode::CHECK, message });
        }
        Ok(Verdict::Write)
    }

    /// The row that has the same values in a unique index as the one at hand.
    fn same(&mut self, at: usize, session: &Session<S>) -> Result<Option<i64>> {
        let index = &self.table.indexes[at];
        let key: SmallVec<[ValueRef<'_>; 4]> =
            index.parts.iter().map(|part| self.frame.registers[part.column].as_ref()).collect();
        if key.iter().any(|value| value.is_null()) {
            return Ok(None);
        }
        let cursor = &mut self.indexes[at];
        let mut store = session.store.borrow_mut();
        if store.seek_columns(cursor, &key)? != Some(Ordering::Equal) {
            return Ok(None);
        }
        store.load(cursor)?;
        super::frame::TableRow::<S::Cursor>::rowid_of_index(cursor.record(), index.parts.len()).map(Some)
    }

    /// One more than the largest, or the least that is free when there is none.
    fn next_rowid(&mut self, session: &Session<S>) -> Result<i64> {
        let mut store = session.store.borrow_mut();
        let any = store.last(&mut self.cursor)?;
        if let Some(sequence) = &mut self.sequence {
            return sequence.next(any.then(|| self.cursor.rowid()));
        }
        if !any {
            return Ok(1);
        }
        if let Some(next) = self.cursor.rowid().checked_add(1) {
            return Ok(next);
        }
        let (mut free, mut more) = (1, store.seek(&mut self.cursor, 1)?.is_some());
        while more && self.cursor.rowid() == free {
            free = free.checked_add(1).ok_or_else(|| Failure::new(ResultCode::FULL, "database or disk is full"))?;
            more = store.next(&mut self.cursor)?;
        }
        Ok(free)
    }

    /// Puts the row in the registers to the table and its indexes.
    fn put(&mut self, rowid: i64, old: Option<i64>, session: &Session<S>) -> Result<()> {
        let before = match old {
            Some(old) => Some((old, self.read(old, session)?)),
            None => None,
        };
        let mut store = session.store.borrow_mut();
        let values = &self.frame.registers;
        let stored = |at: usize| match self.table.rowid_column == Some(at) {
            true => ValueRef::Null,
            false => values[at].as_ref(),
        };
        let record: SmallVec<[ValueRef<'_>; 16]> = (0..self.table.columns.len()).map(stored).collect();
        for (at, index) in self.table.indexes.iter().enumerate() {
            let key = |values: &[Value], rowid: i64| -> SmallVec<[Value; 4]> {
                let parts = index.parts.iter().map(|part| values[part.column].clone());
                parts.chain([Value::Integer(rowid)]).collect()
            };
            let new = key(values, rowid);
            let stays = self.rules.has(at, &self.frame, session)?;
            if let Some((old, before)) = &before
                && self.rules.has(at, before, session)?
            {
                let was = key(&before.registers, *old);
                if was == new && stays {
                    continue;
                }
                store.delete_record(index.root, &index.order, &refs(&was))?;
            }
            if !stays {
                continue;
            }
            store.insert_record(index.root, &index.order, &encode(&refs(&new)))?;
        }
        if let Some(old) = old
            && old != rowid
        {
            store.delete(self.table.root, old)?;
        }
        store.insert(self.table.root, rowid, &encode(&record))?;
        Ok(())
    }

    /// The values of a row, and what its indexes have of it.
    fn read(&mut self, rowid: i64, session: &Session<S>) -> Result<Frame<S>> {
        let registers = self.columns(rowid, session)?;
        let mut frame = Frame { slots: Vec::new(), registers };
        if !self.rules.plain {
            real_columns(&self.table, &mut frame.registers);
            self.rules.extend(&mut frame, rowid, session)?;
        }
        Ok(frame)
    }

    /// The values of a row.
    fn columns(&mut self, rowid: i64, session: &Session<S>) -> Result<Vec<Value>> {
        let mut store = session.store.borrow_mut();
        if store.seek(&mut self.cursor, rowid)? != Some(Ordering::Equal) {
            return Err(Failure::internal("a row that is changed is gone"));
        }
        store.load(&mut self.cursor)?;
        let malformed = |what| Failure::new(ResultCode::CORRUPT, what);
        let columns = record::decode(self.cursor.record()).map_err(malformed)?;
        let mut values: Vec<Value> = columns.into_iter().map(Value::from).collect();
        if values.len() < self.table.columns.len() {
            values.extend(self.table.defaults().split_off(values.len()));
        }
        if let Some(column) = self.table.rowid_column {
            values[column] = Value::Integer(rowid);
        }
        Ok(values)
    }

    /// Takes a row out.
    pub(in crate::sql) fn delete(&mut self, rowid: i64, session: &Session<S>) -> Result<()> {
        if !self.table.indexes.is_empty() {
            let row = self.read(rowid, session)?;
            let mut store = session.store.borrow_mut();
            for (at, index) in self.table.indexes.iter().enumerate() {
                if !self.rules.has(at, &row, session)? {
                    continue;
                }
                let parts = index.parts.iter().map(|part| row.registers[part.column].as_ref());
                let key: SmallVec<[ValueRef<'_>; 4]> = parts.chain([ValueRef::Integer(rowid)]).collect();
                store.delete_record(index.root, &index.order, &key)?;
            }
        }
        session.store.borrow_mut().delete(self.table.root, rowid)?;
        Ok(())
    }

    /// Whether a row is still there.
    pub(in crate::sql) fn has(&mut self, rowid: i64, session: &Session<S>) -> Result<bool> {
        Ok(session.store.borrow_mut().seek(&mut self.cursor, rowid)? == Some(Ordering::Equal))
    }
}

fn refs(values: &[Value]) -> SmallVec<[ValueRef<'_>; 4]> {
    values.iter().map(Value::as_ref).collect()
}

fn not_unique(table: &Table, index: &Index) -> Broken {
    let column = |part: &crate::sql::catalog::IndexPart| format!("{}.{}", table.name, table.columns[part.column].name);
    let columns = match index.expressions.is_empty() {
        true => index.parts.iter().map(column).collect::<Vec<_>>().join(", "),
        false => format!("index '{}'", index.name),
    };
    let code = match index.origin {
        crate::sql::catalog::Origin::PrimaryKey => ResultCode::PRIMARY_KEY,
        _ => ResultCode::UNIQUE,
    };
    Broken { code, message: format!("UNIQUE constraint failed: {columns}") }
}

/// What follows from a broken constraint.
fn broken<S: Store>(session: &Session<S>, conflict: Conflict, broken: Broken) -> Result<Verdict> {
    if conflict == Conflict::Ignore {
        return Ok(Verdict::Pass);
    }
    session.consequence.set(conflict);
    Err(Failure::new(broken.code, broken.message))
}

/// Columns of real numbers, whose integers may be stored as such, as they are computed with.
pub(in crate::sql) fn real_columns(table: &Table, values: &mut [Value]) {
    for (value, column) in values.iter_mut().zip(&table.columns) {
        if let (Value::Integer(n), crate::sql::value::Affinity::Real) = (&value, column.affinity) {
            *value = Value::Real(*n as f64);
        }
    }
}

/// Fills an index with a table's rows. `rules` are this index's alone.
pub(in crate::sql) fn rebuild<S: Store>(
    session: &Session<S>,
    table: &Table,
    index: &Index,
    rules: &IndexRules<S>,
) -> Result<()> {
    let mut store = session.store.borrow_mut();
    let mut cursor = store.table_cursor(table.root);
    let mut found = store.index_cursor(index.root, index.order.clone());
    let defaults = table.defaults();
    let mut more = store.first(&mut cursor)?;
    while more {
        store.load(&mut cursor)?;
        let columns = record::decode(cursor.record()).map_err(|what| Failure::new(ResultCode::CORRUPT, what))?;
        let rowid = cursor.rowid();
        let column = |at: usize| match columns.get(at) {
            _ if table.rowid_column == Some(at) => ValueRef::Integer(rowid),
            Some(value) => *value,
            None => defaults.get(at).map_or(ValueRef::Null, Value::as_ref),
        };
        let mut row = Frame { slots: Vec::new(), registers: Vec::new() };
        if !rules.plain {
            row.registers = (0..table.columns.len()).map(|at| column(at).into()).collect();
            real_columns(table, &mut row.registers);
            rules.extend(&mut row, rowid, session)?;
            if !rules.has(0, &row, session)? {
                drop(columns);
                more = store.next(&mut cursor)?;
                continue;
            }
        }
        let value = |part: &crate::sql::catalog::IndexPart| match row.registers.get(part.column) {
            Some(value) => value.as_ref(),
            None => column(part.column),
        };
        let mut key: SmallVec<[ValueRef<'_>; 4]> = index.parts.iter().map(value).collect();
        if index.unique.is_some()
            && !key.iter().any(|value| value.is_null())
            && store.seek_columns(&mut found, &key)? == Some(Ordering::Equal)
        {
            let broken = not_unique(table, index);
            return Err(Failure::new(ResultCode::UNIQUE, broken.message));
        }
        key.push(ValueRef::Integer(rowid));
        let record = encode(&key);
        drop((key, columns));
        store.insert_record(index.root, &index.order, &record)?;
        more = store.next(&mut cursor)?;
    }
    Ok(())
}
