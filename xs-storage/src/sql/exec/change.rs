//! `UPDATE`, `DELETE`: rows from a query, handed to a writer.

use smallvec::SmallVec;

use super::expr::Expr;
use super::frame::{Frame, Outer};
use super::narrow::Narrow;
use super::pair::{Side, pair};
use super::put::KEPT;
use super::query::Query;
use super::returning::Returning;
use super::row_change::{Hooks, Progress, RowChange, Rules};
use super::task::{Resume, Step, Task};
use super::write::{Old, Outcome, Writer};
use crate::row::ValueRef;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store};
use crate::sql::value::{Affinity, Value};

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Target {
    Column(usize),
    /// The rowid, by one of its own names.
    Rowid,
}

/// `UPDATE` and `DELETE`
pub(in crate::sql) struct Change<S: Store> {
    pub(in crate::sql) writer: Writer<S>,
    /// What rows are known by, or of a view the rows; and behind them the values that a join gave.
    pub(in crate::sql) rows: Query<S>,
    /// What is assigned; nothing to delete.
    pub(in crate::sql) sets: Option<Sets<S>>,
    pub(in crate::sql) hooks: Hooks<S>,
    pub(in crate::sql) deletes: Hooks<S>,
    pub(in crate::sql) returning: Option<Returning<S>>,
    pub(in crate::sql) state: Changing<S>,
}

/// `SET`
pub(in crate::sql) struct Sets<S: Store> {
    pub(in crate::sql) targets: Vec<Target>,
    /// The values, of the row as it is when its turn comes. None, if other tables are joined: the rows have the values then.
    pub(in crate::sql) values: Option<Vec<Expr<S>>>,
}

/// How far an `UPDATE` or `DELETE` came.
pub(in crate::sql) struct Changing<S: Store> {
    rows: std::vec::IntoIter<Vec<Value>>,
    /// The rows, where they are known by their rowids alone.
    rowids: Vec<i64>,
    /// That there is one row, and its record was taken when it was found.
    is_read: bool,
    /// The record of the row that is updated, as it was.
    record: Vec<u8>,
    /// What spares most of an update, where little changes; none before that is known.
    narrow: Option<Narrow>,
    began: bool,
    /// The row that is updated, as it was.
    frame: Frame<S>,
    now: Option<RowChange>,
    changed: i64,
}

impl<S: Store> Default for Changing<S> {
    fn default() -> Self {
        Changing {
            rows: Vec::new().into_iter(),
            rowids: Vec::new(),
            is_read: false,
            record: Vec::new(),
            narrow: None,
            began: false,
            frame: Frame { slots: Vec::new(), registers: Vec::new() },
            now: None,
            changed: 0,
        }
    }
}

/// The rowid that a value is, for a row that is to have it; none asks for a new one.
pub(super) fn rowid(value: &Value) -> Result<Option<i64>> {
    if let Value::Integer(rowid) = value {
        return Ok(Some(*rowid));
    }
    match Affinity::Integer.apply_to(value.clone()) {
        Value::Null => Ok(None),
        Value::Integer(rowid) => Ok(Some(rowid)),
        _ => Err(Failure::new(ResultCode::MISMATCH, "datatype mismatch")),
    }
}

/// Assigns values to a row, and answers the rowid that it has then.
pub(super) fn assign(
    row: &mut [Value],
    old: Option<i64>,
    values: impl IntoIterator<Item = Value>,
    targets: &[Target],
    rowid_column: Option<usize>,
) -> Result<Option<i64>> {
    let mut wanted = old;
    for (value, target) in values.into_iter().zip(targets) {
        match *target {
            Target::Column(at) if rowid_column != Some(at) => {
                if let Some(place) = row.get_mut(at) {
                    *place = value;
                }
            }
            _ => {
                let mismatch = || Failure::new(ResultCode::MISMATCH, "datatype mismatch");
                wanted = Some(rowid(&value)?.ok_or_else(mismatch)?);
            }
        }
    }
    Ok(wanted)
}

impl<S: Store> Change<S> {
    fn begin(&mut self, outer: Outer<'_, S>) -> Result<()> {
        (self.state.now, self.state.changed) = (None, 0);
        if let Some(returning) = &mut self.returning {
            returning.rows.clear();
        }
        self.rows.reset();
        // All rows are found before one is changed: a row must not come again where the change has put it.
        if self.is_by_rowid() {
            return self.find_rowids(outer);
        }
        let mut rows = Vec::new();
        while self.rows.next(outer)? {
            let mut row = Vec::with_capacity(self.rows.columns.len());
            self.rows.take(&mut row, outer)?;
            rows.push(row);
        }
        if !self.writer.is_view() && self.keeps_order() {
            self.writer.sort_by_key(&mut rows);
        }
        let joins = self.sets.as_ref().is_some_and(|sets| sets.values.is_none());
        if joins && !self.writer.is_view() {
            // A join may find a row several times: the last counts.
            let mut last = std::collections::BTreeMap::new();
            for row in rows {
                if let Some(identity) = self.writer.identity(row.first())? {
                    last.insert(identity, row);
                }
            }
            rows = last.into_values().collect();
        }
        if rows.len() > 1 || !self.is_direct() || !self.writer.rules.plain {
            outer.run.session.guard()?;
        }
        self.state.rows = rows.into_iter();
        Ok(())
    }

    /// Whether nobody is told of the rows, and nothing else follows.
    fn is_direct(&self) -> bool {
        self.hooks.is_empty() && self.deletes.is_empty() && self.returning.is_none() && !self.writer.is_view()
    }

    /// Whether that is so, and a rowid is all that has to be known of a row to change it.
    fn is_by_rowid(&self) -> bool {
        let joins = self.sets.as_ref().is_some_and(|sets| sets.values.is_none());
        self.is_direct() && self.writer.table.key.is_none() && !joins
    }

    fn find_rowids(&mut self, outer: Outer<'_, S>) -> Result<()> {
        if !std::mem::replace(&mut self.state.began, true) {
            self.state.narrow = self.sets.as_ref().and_then(|sets| Narrow::of(&self.writer, sets));
        }
        self.state.rowids.clear();
        self.state.is_read = false;
        while self.rows.next(outer)? {
            let ValueRef::Integer(rowid) = self.rows.output(0, outer)?.as_ref() else { continue };
            // Of one row alone, what it was is taken while the query stands on it.
            self.state.is_read =
                self.state.rowids.is_empty() && self.sets.is_some() && self.read_found(rowid, outer)?;
            self.state.rowids.push(rowid);
        }
        if let Some(row) = self.rows.own_row() {
            outer.run.session.store.borrow_mut().leave(&mut row.cursor);
        }
        if self.keeps_order() {
            self.state.rowids.sort_unstable();
        }
        if self.state.rowids.len() > 1 || !self.writer.rules.plain {
            outer.run.session.guard()?;
        }
        Ok(())
    }

    /// Reads the row that the query stands on; false if it isn't on the row itself.
    fn read_found(&mut self, rowid: i64, outer: Outer<'_, S>) -> Result<bool> {
        let Some(row) = self.rows.own_row().filter(|row| row.cursor.rowid() == rowid) else { return Ok(false) };
        outer.run.session.store.borrow_mut().load(&mut row.cursor)?;
        self.state.record.clear();
        self.state.record.extend_from_slice(row.cursor.record());
        Ok(true)
    }

    /// Changes the rows that were found.
    fn change_all(&mut self, outer: Outer<'_, S>) -> Result<()> {
        let rowids = std::mem::take(&mut self.state.rowids);
        (self.writer.announce, self.writer.free) = (false, 0);
        for rowid in &rowids {
            outer.run.check()?;
            let changed = match self.sets {
                None => {
                    self.writer.has(*rowid, outer.run.session)? && {
                        self.writer.delete(*rowid, outer.run.session)?;
                        true
                    }
                }
                Some(_) => self.update(*rowid, outer)?,
            };
            self.state.changed += i64::from(changed);
        }
        self.state.rowids = rowids;
        self.state.record.clear();
        self.state.record.shrink_to(KEPT);
        Ok(())
    }

    /// Updates a row; false if it is gone, or passed over.
    fn update(&mut self, rowid: i64, outer: Outer<'_, S>) -> Result<bool> {
        let Change { writer, sets: Some(Sets { targets, values: Some(values) }), state, .. } = self else {
            return Err(Failure::internal("an update of nothing"));
        };
        let session = outer.run.session;
        let columns = writer.table.columns.len();
        let first = Side::Old.first(columns);
        if !state.is_read && !writer.record(rowid, &mut state.record, session)? {
            return Ok(false);
        }
        if let Some(narrow) = &state.narrow {
            return narrow.update(writer, values, (rowid, &state.record), &mut state.frame, outer);
        }
        let registers = &mut state.frame.registers;
        registers.resize(first, Value::Null);
        writer.reader.read((rowid, &state.record), registers, session)?;
        registers.truncate(first + columns);
        registers.push(Value::Integer(rowid));
        let given = values.iter().map(|value| Ok(value.eval(&outer.env(&state.frame))?.into_value()));
        let given: SmallVec<[Value; 4]> = given.collect::<Result<_>>()?;
        let old = state.frame.registers.get(first..first + columns).unwrap_or_default();
        let new = &mut writer.frame.registers;
        new.clear();
        new.extend_from_slice(old);
        let wanted = assign(new, Some(rowid), given, targets, writer.table.rowid_column)?;
        let old = Old { rowid, values: Some(old) };
        let Outcome::Fits(rowid) = writer.check(wanted, Some(old), outer)? else { return Ok(false) };
        writer.put(rowid, Some(old), session)?;
        Ok(true)
    }

    /// Whether somebody may see in which order rows are changed.
    fn keeps_order(&self) -> bool {
        let moves = |sets: &Sets<S>| {
            let rowid = self.writer.table.rowid_column.map_or(Target::Rowid, Target::Column);
            let unique = self.writer.table.indexes.iter().filter(|index| index.unique.is_some());
            let mut keys = unique.flat_map(|index| &index.parts).map(|part| Target::Column(part.column));
            sets.targets.contains(&Target::Rowid)
                || sets.targets.contains(&rowid)
                || keys.any(|key| sets.targets.contains(&key))
        };
        let told = self.returning.is_some() || !self.hooks.is_empty() || !self.deletes.is_empty();
        told || self.writer.table.key.is_some() || self.sets.as_ref().is_some_and(moves)
    }

    /// The change of a row, unless the row is gone.
    fn one(&mut self, mut row: Vec<Value>, outer: Outer<'_, S>) -> Result<Option<RowChange>> {
        let session = outer.run.session;
        let asked = self.sets.is_some() || self.returning.is_some() || !self.hooks.is_empty();
        let (rowid, old, given) = if self.writer.is_view() {
            let given = row.split_off(self.writer.table.columns.len().min(row.len()));
            (None, row, given)
        } else {
            let Some(rowid) = self.writer.identity(row.first())? else { return Ok(None) };
            if !self.writer.has(rowid, session)? {
                return Ok(None);
            }
            let old = if asked { self.writer.row(rowid, session)? } else { Vec::new() };
            (Some(rowid), old, row.split_off(1))
        };
        let Some(sets) = &self.sets else { return Ok(Some(RowChange::delete((rowid, old), None))) };
        let given = match &sets.values {
            None => given,
            Some(values) => {
                let frame = pair(old.len(), None, Some((&old, rowid)));
                let value = |value: &Expr<S>| Ok(value.eval(&outer.env(&frame))?.into_value());
                values.iter().map(value).collect::<Result<_>>()?
            }
        };
        let mut new = old.clone();
        let wanted = assign(&mut new, rowid, given, &sets.targets, self.writer.table.rowid_column)?;
        Ok(Some(RowChange::update((rowid, old), new, wanted, self.writer.conflict)))
    }
}

impl<S: Store> Task<S> for Change<S> {
    fn step(&mut self, resume: Resume, outer: Outer<'_, S>) -> Result<Step<S>> {
        if resume == Resume::Begin {
            self.begin(outer)?;
            if self.is_by_rowid() {
                self.change_all(outer)?;
                return Ok(Step::Done);
            }
        }
        let mut resume = resume;
        loop {
            if let Some(now) = &mut self.state.now {
                let mut rules = Rules {
                    hooks: &self.hooks,
                    deletes: &self.deletes,
                    targets: self.sets.as_ref().map_or(&[], |sets| &sets.targets),
                    returning: self.returning.as_mut(),
                    way: 0,
                    changed: &mut self.state.changed,
                };
                match now.step(&mut self.writer, &mut rules, resume, outer)? {
                    Progress::Fire(firing) => return Ok(Step::Fire(firing)),
                    Progress::Over | Progress::Upsert { .. } => self.state.now = None,
                }
            }
            resume = Resume::Fired;
            outer.run.check()?;
            let Some(row) = self.state.rows.next() else { return Ok(Step::Done) };
            self.state.now = self.one(row, outer)?;
        }
    }

    fn changed(&self) -> i64 {
        self.state.changed
    }
}
