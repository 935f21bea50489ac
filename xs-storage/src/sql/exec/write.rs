//! Rows written: constraints first, then the table, then its indexes.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use super::expr::Expr;
use super::frame::{Frame, Outer};
use super::generated::into_registers;
use super::indexed::IndexRules;
use super::keyed::{Identities, entry};
use super::keys::{Clause, Key, keys, not_unique, not_unique_index};
use super::reader::{Reader, table_cursor};
use super::session::Session;
use crate::row::{ValueRef, encode};
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
    pub(super) frame: Frame<S>,
    /// What the statement says is to happen, before what the constraints say.
    pub(in crate::sql) conflict: Option<Conflict>,
    /// What no two rows may have in common, in the order in which that is asked, and the `ON CONFLICT` clause of each.
    pub(in crate::sql) keys: Vec<(Key, Option<Clause>)>,
    /// That rows in the way are told, and not deleted.
    pub(super) announce: bool,
    /// How many keys were made free that way. Once all are, what triggers put there since is an error.
    pub(super) free: usize,
    pub(super) cursor: S::Cursor,
    pub(super) indexes: Vec<S::Cursor>,
    pub(in crate::sql) reader: Reader<S>,
    pub(super) identities: Identities,
    /// What has to be computed for the indexes.
    pub(in crate::sql) rules: IndexRules<S>,
    /// Where the largest rowid is kept, if it has to be.
    pub(in crate::sql) sequence_tree: Option<TreeId>,
}

/// What became of a row.
pub(super) enum Outcome {
    /// Nothing stands in its way, and it is to have this rowid.
    Fits(i64),
    Passed,
    /// Nothing yet, since another row is to be deleted first. It will have the rowid, and so many of its keys will be free.
    InTheWay {
        other: i64,
        rowid: i64,
        free: usize,
    },
    /// Nothing, since another row is updated instead. The row would have had the rowid.
    Upsert {
        clause: usize,
        other: i64,
        rowid: i64,
    },
}

/// A broken constraint.
pub(super) struct Broken {
    pub(super) code: ResultCode,
    pub(super) message: String,
}

/// What a constraint's answer to a row is.
enum Verdict {
    Write,
    Pass,
}

impl<S: Store> Writer<S> {
    /// The database that it writes to; none of a view.
    pub(in crate::sql) fn place(&self) -> Option<usize> {
        (self.table.root != 0).then_some(self.table.schema)
    }

    pub(in crate::sql) fn new(
        session: &Session<S>,
        table: Arc<Table>,
        checks: Vec<(Box<str>, Expr<S>)>,
        defaults: Vec<Option<Expr<S>>>,
        conflict: Option<Conflict>,
    ) -> Self {
        let store = session.store.borrow();
        let indexes = table.indexes.iter().map(|index| store.index_cursor(index.root, index.order.clone())).collect();
        let cursor = table_cursor(&*store, &table);
        drop(store);
        let registers = vec![Value::Null; table.columns.len()];
        let frame = Frame { slots: Vec::new(), registers };
        let reader = Reader::new(table.clone(), Vec::new());
        let keys = keys(&table, conflict).into_iter().map(|key| (key, None)).collect();
        let (announce, free, sequence_tree) = (false, 0, None);
        let identities = Identities::default();
        let rules = IndexRules { rules: Vec::new(), width: 0, plain: true };
        Writer {
            table,
            checks,
            defaults,
            frame,
            conflict,
            keys,
            announce,
            free,
            cursor,
            indexes,
            reader,
            identities,
            rules,
            sequence_tree,
        }
    }

    /// Whether a rowid that is taken is the first thing that is wrong with a row, and another row is updated then.
    pub(super) fn asks_rowid_first(&self) -> bool {
        self.checks.is_empty() && matches!(self.keys.first(), Some((Key::Rowid, Some(Clause::Update(_)))))
    }

    /// Whether it is a view, which triggers write instead.
    pub(super) fn is_view(&self) -> bool {
        self.table.root == 0
    }

    /// The row that was written last, or was to be.
    pub(super) fn values(&self) -> &[Value] {
        self.frame.registers.get(..self.table.columns.len()).unwrap_or_default()
    }

    /// Gives a row the types of the columns.
    fn shape(&self, values: &mut [Value]) {
        for (value, column) in values.iter_mut().zip(&self.table.columns) {
            *value = column.affinity.apply_to(std::mem::take(value));
        }
    }

    /// Makes a row what triggers see of it before it is written: of the columns' types, with what is computed.
    pub(super) fn announced(&mut self, values: &mut Vec<Value>, rowid: Option<i64>, outer: Outer<'_, S>) -> Result<()> {
        self.shape(values);
        // The rowid of a row that isn't there yet is -1.
        if let Some(place) = self.table.rowid_column.and_then(|column| values.get_mut(column)) {
            *place = Value::Integer(rowid.unwrap_or(-1));
        }
        self.frame.registers = std::mem::take(values);
        let generated = self.generate(outer);
        values.clone_from(&self.frame.registers);
        generated
    }

    /// Rows will be inserted: where their rowids begin.
    pub(super) fn begin_inserts(&mut self, session: &Session<S>) -> Result<()> {
        match self.sequence_tree {
            Some(tree) => session.sequences.borrow_mut().begin(&mut *session.store.borrow_mut(), tree, &self.table),
            None => Ok(()),
        }
    }

    /// Makes a row ready to be [put](Writer::put), new or in place of another, and makes room for it. `rowid` is the one that it
    /// is to have; a column that is the rowid must be the same.
    pub(super) fn check(
        &mut self,
        mut values: Vec<Value>,
        rowid: Option<i64>,
        old: Option<i64>,
        outer: Outer<'_, S>,
    ) -> Result<Outcome> {
        let table = self.table.clone();
        self.shape(&mut values);
        if old.is_none() && self.free == 0 {
            self.identities.clear();
        }
        let rowid = match rowid {
            _ if table.key.is_some() => 0,
            Some(rowid) => rowid,
            None => self.next_rowid(outer.run.session)?,
        };
        if old.is_none() && self.sequence_tree.is_some() {
            outer.run.session.sequences.borrow_mut().saw(table.root, rowid);
        }
        if let Some(column) = table.rowid_column {
            values[column] = Value::Integer(rowid);
        }
        self.frame.registers = values;
        self.generate(outer)?;
        if let Verdict::Pass = self.check_nulls(outer)? {
            return Ok(Outcome::Passed);
        }
        if !self.checks.is_empty() {
            table.check_types(&self.frame.registers, true)?;
        }
        if let Verdict::Pass = self.check_conditions(outer)? {
            return Ok(Outcome::Passed);
        }
        let rowid = self.identity_of_row().unwrap_or(rowid);
        let session = outer.run.session;
        self.rules.extend(&mut self.frame, rowid, session)?;
        let mut replaced: SmallVec<[i64; 2]> = SmallVec::new();
        let mut typed = false;
        let all = self.keys.len();
        // Once rows were deleted with their triggers, everything is looked at again.
        let end = if self.free > 0 { 2 * all } else { all };
        for step in self.free..end {
            let (at, again) = (step % all, step >= all);
            let (key, clause) = self.keys[at];
            // Where no index has them, SQLite doesn't look at what is generated.
            if !typed && matches!(key, Key::Index(_)) {
                table.check_types(&self.frame.registers, true)?;
                typed = true;
            }
            let (other, said) = match key {
                Key::Rowid if old == Some(rowid) => continue,
                Key::Rowid => (self.has(rowid, session)?.then_some(rowid), table.rowid_conflict),
                Key::Index(index) => match table.indexes[index].unique {
                    _ if !self.rules.has(index, &self.frame, session)? => continue,
                    Some(said) => (self.same(index, session)?, said),
                    None => continue,
                },
            };
            let Some(other) = other.filter(|other| Some(*other) != old && !replaced.contains(other)) else { continue };
            // An update that a clause asked for is asked nothing more.
            match clause.filter(|_| old.is_none() && !again) {
                Some(Clause::Nothing) => return Ok(Outcome::Passed),
                Some(Clause::Update(clause)) => return Ok(Outcome::Upsert { clause, other, rowid }),
                None => {}
            }
            match if again { Conflict::Abort } else { self.conflict.unwrap_or(said) } {
                Conflict::Replace if self.announce => {
                    return Ok(Outcome::InTheWay { other, rowid, free: at + 1 });
                }
                Conflict::Replace => replaced.push(other),
                conflict => return broken(session, conflict, not_unique(&table, key)).map(|_| Outcome::Passed),
            }
        }
        if !typed {
            table.check_types(&self.frame.registers, !table.indexes.is_empty())?;
        }
        for other in replaced {
            self.delete(other, session)?;
        }
        // What followed from a row that made room may have taken this one.
        if let Some(old) = old.filter(|_| self.free > 0)
            && !self.has(old, session)?
        {
            return Ok(Outcome::Passed);
        }
        Ok(Outcome::Fits(rowid))
    }

    /// Computes the generated columns of the row in the registers.
    fn generate(&mut self, outer: Outer<'_, S>) -> Result<()> {
        if !self.reader.generated.is_empty() {
            self.table.check_types(&self.frame.registers, false)?;
        }
        into_registers(self.reader.generated.iter(), &mut self.frame, outer)
    }

    /// Columns that are given come first: what they become in the end is what the generated ones are computed of.
    fn check_nulls(&mut self, outer: Outer<'_, S>) -> Result<Verdict> {
        let table = self.table.clone();
        let mut replaced = false;
        for generated in [false, true] {
            if generated && replaced {
                self.generate(outer)?;
            }
            for (at, column) in table.columns.iter().enumerate() {
                let Some(conflict) = column.not_null.filter(|_| column.generated.is_some() == generated) else {
                    continue;
                };
                if !self.frame.registers[at].as_ref().is_null() || table.rowid_column == Some(at) {
                    continue;
                }
                let mut conflict = self.conflict.unwrap_or(conflict);
                if conflict == Conflict::Replace {
                    if let Some(Some(default)) = self.defaults.get(at) {
                        let default = default.eval(outer.env(&self.frame))?.into_value();
                        self.frame.registers[at] = column.affinity.apply_to(default);
                        replaced = true;
                    }
                    if !self.frame.registers[at].as_ref().is_null() {
                        continue;
                    }
                    conflict = Conflict::Abort;
                }
                let message = format!("NOT NULL constraint failed: {}.{}", table.name, column.name);
                return broken(outer.run.session, conflict, Broken { code: ResultCode::NOT_NULL, message });
            }
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
        drop((key, store));
        self.identity_at(at).map(Some)
    }

    /// One more than the largest, or the least that is free when there is none.
    fn next_rowid(&mut self, session: &Session<S>) -> Result<i64> {
        let mut store = session.store.borrow_mut();
        let any = store.last(&mut self.cursor)?;
        if self.sequence_tree.is_some() {
            return session.sequences.borrow_mut().next(self.table.root, any.then(|| self.cursor.rowid()));
        }
        if !any {
            return Ok(1);
        }
        if let Some(next) = self.cursor.rowid().checked_add(1) {
            return Ok(next);
        }
        let (mut free, mut more) = (1, store.seek(&mut self.cursor, 1)?.is_some());
        while more && self.cursor.rowid() == free {
            session.check()?;
            free = free.checked_add(1).ok_or_else(|| Failure::new(ResultCode::FULL, "database or disk is full"))?;
            more = store.next(&mut self.cursor)?;
        }
        Ok(free)
    }

    /// Puts the row in the registers to the table and its indexes.
    pub(super) fn put(&mut self, rowid: i64, old: Option<i64>, session: &Session<S>) -> Result<()> {
        let before = match old {
            Some(old) => Some((old, self.indexed_row(old, session)?)),
            None => None,
        };
        let mut store = session.store.borrow_mut();
        let values = &self.frame.registers;
        let stored = |at: usize| match self.table.rowid_column == Some(at) {
            true => ValueRef::Null,
            false => values[at].as_ref(),
        };
        let kept = |at: &usize| !self.table.columns[*at].is_virtual();
        let record: SmallVec<[ValueRef<'_>; 16]> = (0..self.table.columns.len()).filter(kept).map(stored).collect();
        for (at, index) in self.table.indexes.iter().enumerate() {
            let new = entry(&self.table, index, values, rowid);
            let stays = self.rules.has(at, &self.frame, session)?;
            if let Some((old, before)) = &before
                && self.rules.has(at, before, session)?
            {
                let was = entry(&self.table, index, &before.registers, *old);
                if was == new && stays {
                    continue;
                }
                store.delete_record(index.root, &index.order, &refs(&was)[..index.order.len()])?;
            }
            if !stays {
                continue;
            }
            store.insert_record(index.root, &index.order, &encode(&refs(&new)))?;
        }
        if self.table.key.is_some() {
            return Ok(());
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
    fn indexed_row(&mut self, rowid: i64, session: &Session<S>) -> Result<Frame<S>> {
        let values = self.row(rowid, session)?;
        self.rules.row(values, rowid, session)
    }

    /// The values of a row.
    pub(super) fn row(&mut self, rowid: i64, session: &Session<S>) -> Result<Vec<Value>> {
        if !self.seek(rowid, session)? {
            return Err(Failure::internal("a row that is changed is gone"));
        }
        session.store.borrow_mut().load(&mut self.cursor)?;
        self.reader.row(&self.cursor, session)
    }

    /// Takes a row out of the table and its indexes.
    pub(super) fn delete(&mut self, rowid: i64, session: &Session<S>) -> Result<()> {
        if !self.table.indexes.is_empty() {
            let row = self.indexed_row(rowid, session)?;
            let mut store = session.store.borrow_mut();
            for (at, index) in self.table.indexes.iter().enumerate() {
                if !self.rules.has(at, &row, session)? {
                    continue;
                }
                let entry = entry(&self.table, index, &row.registers, rowid);
                store.delete_record(index.root, &index.order, &refs(&entry)[..index.order.len()])?;
            }
        }
        if self.table.key.is_none() {
            session.store.borrow_mut().delete(self.table.root, rowid)?;
        }
        Ok(())
    }

    /// Whether a row is still there.
    pub(in crate::sql) fn has(&mut self, rowid: i64, session: &Session<S>) -> Result<bool> {
        self.seek(rowid, session)
    }
}

fn refs(values: &[Value]) -> SmallVec<[ValueRef<'_>; 4]> {
    values.iter().map(Value::as_ref).collect()
}

/// What follows from a broken constraint.
fn broken<S: Store>(session: &Session<S>, conflict: Conflict, broken: Broken) -> Result<Verdict> {
    if conflict == Conflict::Ignore {
        return Ok(Verdict::Pass);
    }
    session.consequence.set(conflict);
    Err(Failure::new(broken.code, broken.message))
}

/// Fills an index with a table's rows. `rules` are this index's alone.
pub(in crate::sql) fn rebuild<S: Store>(
    session: &Session<S>,
    table: &Arc<Table>,
    index: &Index,
    rules: &IndexRules<S>,
) -> Result<()> {
    let reader = Reader::of(session, table)?;
    let (mut cursor, mut found) = {
        let store = session.store.borrow();
        (table_cursor(&*store, table), store.index_cursor(index.root, index.order.clone()))
    };
    let mut more = session.store.borrow_mut().first(&mut cursor)?;
    while more {
        session.check()?;
        session.store.borrow_mut().load(&mut cursor)?;
        let rowid = cursor.rowid();
        let row = rules.row(reader.row(&cursor, session)?, rowid, session)?;
        if !rules.has(0, &row, session)? {
            more = session.store.borrow_mut().next(&mut cursor)?;
            continue;
        }
        let entry = entry(table, index, &row.registers, rowid);
        let entry = refs(&entry);
        let key = &entry[..index.parts.len()];
        let mut store = session.store.borrow_mut();
        if index.unique.is_some()
            && !key.iter().any(|value| value.is_null())
            && store.seek_columns(&mut found, key)? == Some(Ordering::Equal)
        {
            let broken = not_unique_index(table, index);
            return Err(Failure::new(ResultCode::UNIQUE, broken.message));
        }
        store.insert_record(index.root, &index.order, &encode(&entry))?;
        more = store.next(&mut cursor)?;
    }
    Ok(())
}
