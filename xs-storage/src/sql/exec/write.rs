//! Rows written: constraints first, then the table, then its indexes.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use super::expr::Expr;
use super::frame::{Frame, Outer};
use super::generated::into_registers;
use super::indexed::IndexRules;
use super::keyed::Identities;
use super::keys::{Clause, Key, keys, not_unique};
use super::reader::{Reader, table_cursor};
use super::session::Session;
use crate::row::ValueRef;
use crate::sql::ast::Conflict;
use crate::sql::catalog::Table;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store, TreeId};
use crate::sql::value::Value;

/// Writes rows of one table.
pub(in crate::sql) struct Writer<S: Store> {
    pub(in crate::sql) table: Arc<Table>,
    /// Conditions of a row, whose columns are in registers.
    pub(super) checks: Vec<(Box<str>, Expr<S>)>,
    /// The columns that must be something, those that are generated behind all others.
    not_null: Vec<usize>,
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
    /// Room for a record of the table and one of an index.
    pub(super) room: [Vec<u8>; 2],
    /// Where the largest rowid is kept, if it has to be.
    pub(in crate::sql) sequence_tree: Option<TreeId>,
}

/// The row that another takes the place of.
#[derive(Clone, Copy)]
pub(super) struct Old<'a> {
    pub(super) rowid: i64,
    /// Its values, if they are known.
    pub(super) values: Option<&'a [Value]>,
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
pub(super) enum Verdict {
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
        let must = |at: &usize| table.columns[*at].not_null.is_some() && table.rowid_column != Some(*at);
        let mut not_null: Vec<usize> = (0..table.columns.len()).filter(must).collect();
        not_null.sort_by_key(|at| table.columns[*at].generated.is_some());
        let rules = IndexRules { rules: Vec::new(), width: 0, plain: true };
        Writer {
            table,
            checks,
            not_null,
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
            room: Default::default(),
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

    /// Gives the row in the registers the types of the columns.
    fn shape(&mut self) {
        for (value, column) in self.frame.registers.iter_mut().zip(&self.table.columns) {
            if !column.affinity.keeps(value) {
                *value = column.affinity.apply_to(std::mem::take(value));
            }
        }
    }

    /// Makes a row what triggers see of it before it is written: of the columns' types, with what is computed.
    pub(super) fn announced(&mut self, values: &mut Vec<Value>, rowid: Option<i64>, outer: Outer<'_, S>) -> Result<()> {
        self.frame.registers = std::mem::take(values);
        self.shape();
        // The rowid of a row that isn't there yet is -1.
        if let Some(place) = self.table.rowid_column.and_then(|column| self.frame.registers.get_mut(column)) {
            *place = Value::Integer(rowid.unwrap_or(-1));
        }
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

    /// Makes the row in the registers ready to be [put](Writer::put), new or in place of another, and makes room for it. `rowid` is
    /// the one that it is to have; a column that is the rowid must be the same.
    pub(super) fn check(&mut self, rowid: Option<i64>, old: Option<Old<'_>>, outer: Outer<'_, S>) -> Result<Outcome> {
        self.shape();
        if old.is_none() && self.free == 0 && self.table.key.is_some() {
            self.identities.clear();
        }
        let session = outer.run.session;
        // One that comes behind all others is nobody's.
        let is_new = rowid.is_none();
        let rowid = match rowid {
            _ if self.table.key.is_some() => 0,
            Some(rowid) => rowid,
            None => self.next_rowid(session)?,
        };
        if old.is_none() && self.sequence_tree.is_some() {
            session.sequences.borrow_mut().saw(self.table.root, rowid);
        }
        if let Some(value) = self.table.rowid_column.and_then(|column| self.frame.registers.get_mut(column)) {
            *value = Value::Integer(rowid);
        }
        self.generate(outer)?;
        if let Verdict::Pass = self.check_nulls(outer)? {
            return Ok(Outcome::Passed);
        }
        if !self.checks.is_empty() {
            self.table.check_types(&self.frame.registers, true)?;
        }
        if let Verdict::Pass = self.check_conditions(outer)? {
            return Ok(Outcome::Passed);
        }
        let rowid = self.identity_of_row().unwrap_or(rowid);
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
                self.table.check_types(&self.frame.registers, true)?;
                typed = true;
            }
            let (other, said) = match key {
                Key::Rowid if is_new || old.is_some_and(|old| old.rowid == rowid) => continue,
                Key::Rowid => (self.has(rowid, session)?.then_some(rowid), self.table.rowid_conflict),
                Key::Index(index) => match self.table.indexes[index].unique {
                    _ if self.stays(index, rowid, old) => continue,
                    _ if !self.rules.has(index, &self.frame, session)? => continue,
                    Some(said) => (self.same(index, session)?, said),
                    None => continue,
                },
            };
            let Some(other) =
                other.filter(|other| old.is_none_or(|old| old.rowid != *other) && !replaced.contains(other))
            else {
                continue;
            };
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
                conflict => return broken(session, conflict, not_unique(&self.table, key)).map(|_| Outcome::Passed),
            }
        }
        if !typed {
            self.table.check_types(&self.frame.registers, !self.table.indexes.is_empty())?;
        }
        for other in replaced {
            self.delete(other, session)?;
        }
        // What followed from a row that made room may have taken this one.
        if let Some(old) = old.filter(|_| self.free > 0)
            && !self.has(old.rowid, session)?
        {
            return Ok(Outcome::Passed);
        }
        Ok(Outcome::Fits(rowid))
    }

    /// Whether an index has of the row in the registers what it has of the row that was there, as far as that is known.
    fn stays(&self, index: usize, rowid: i64, old: Option<Old<'_>>) -> bool {
        let Some(Old { rowid: before, values: Some(old) }) = old.filter(|_| self.rules.plain) else { return false };
        let Some(index) = self.table.indexes.get(index) else { return false };
        let mut columns = index.parts.iter().chain(&index.behind).map(|part| part.column);
        before == rowid && columns.all(|column| self.frame.registers.get(column) == old.get(column))
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
        let mut replaced = false;
        for nth in 0..self.not_null.len() {
            let at = self.not_null[nth];
            if replaced && self.table.columns[at].generated.is_some() {
                self.generate(outer)?;
                replaced = false;
            }
            if !matches!(self.frame.registers[at], Value::Null) {
                continue;
            }
            let column = &self.table.columns[at];
            let Some(mut conflict) = self.conflict.or(column.not_null) else { continue };
            if conflict == Conflict::Replace {
                if let Some(Some(default)) = self.defaults.get(at) {
                    let default = default.eval(&outer.env(&self.frame))?.into_value();
                    self.frame.registers[at] = column.affinity.apply_to(default);
                    replaced = true;
                }
                if !matches!(self.frame.registers[at], Value::Null) {
                    continue;
                }
                conflict = Conflict::Abort;
            }
            return self.is_null(at, conflict, outer.run.session);
        }
        if replaced {
            self.generate(outer)?;
        }
        Ok(Verdict::Write)
    }

    /// What follows from a column that is nothing and is not to be filled, if it may not be.
    pub(super) fn check_null(&self, column: usize, session: &Session<S>) -> Result<Verdict> {
        match self.table.columns.get(column).and_then(|column| column.not_null) {
            Some(said) => self.is_null(column, self.conflict.unwrap_or(said), session),
            None => Ok(Verdict::Write),
        }
    }

    fn is_null(&self, column: usize, conflict: Conflict, session: &Session<S>) -> Result<Verdict> {
        let message = format!("NOT NULL constraint failed: {}.{}", self.table.name, self.table.columns[column].name);
        broken(session, conflict, Broken { code: ResultCode::NOT_NULL, message })
    }

    fn check_conditions(&self, outer: Outer<'_, S>) -> Result<Verdict> {
        for (name, check) in &self.checks {
            if check.test(&outer.env(&self.frame))? != Some(false) {
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
        let found = store.seek_columns(cursor, &key)? == Some(Ordering::Equal);
        if found {
            store.load(cursor)?;
        }
        drop((key, store));
        let other = if found { Some(self.identity_at(at)?) } else { None };
        session.store.borrow_mut().leave(&mut self.indexes[at]);
        Ok(other)
    }

    /// One more than the largest, or the least that is free when there is none.
    fn next_rowid(&mut self, session: &Session<S>) -> Result<i64> {
        let mut store = session.store.borrow_mut();
        let last = store.last_rowid(self.table.root)?;
        if self.sequence_tree.is_some() {
            return session.sequences.borrow_mut().next(self.table.root, last);
        }
        let Some(last) = last else { return Ok(1) };
        if let Some(next) = last.checked_add(1) {
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
}

/// What follows from a broken constraint.
fn broken<S: Store>(session: &Session<S>, conflict: Conflict, broken: Broken) -> Result<Verdict> {
    if conflict == Conflict::Ignore {
        return Ok(Verdict::Pass);
    }
    session.consequence.set(conflict);
    Err(Failure::new(broken.code, broken.message))
}
