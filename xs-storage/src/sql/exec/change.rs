//! `INSERT`, `UPDATE`, `DELETE`: rows from a query, handed to a writer.

use super::expr::Expr;
use super::frame::{Frame, Outer};
use super::pair::pair;
use super::query::Query;
use super::returning::Returning;
use super::row_change::{Hooks, Progress, RowChange, Rules};
use super::task::{Resume, Step, Task};
use super::upsert::Upsert;
use super::write::Writer;
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::Store;
use crate::sql::value::{Affinity, Value};

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Target {
    Column(usize),
    /// The rowid, by one of its own names.
    Rowid,
}

/// `INSERT`
pub(in crate::sql) struct Insert<S: Store> {
    pub(in crate::sql) writer: Writer<S>,
    /// The rows; one of defaults, if there is none.
    pub(in crate::sql) source: Option<Query<S>>,
    /// Where the query's columns go.
    pub(in crate::sql) targets: Vec<Target>,
    /// The query reads what is written, or triggers may write what it reads: its rows are taken first.
    pub(in crate::sql) gather: bool,
    pub(in crate::sql) hooks: Hooks<S>,
    /// Those of the rows that are replaced.
    pub(in crate::sql) deletes: Hooks<S>,
    pub(in crate::sql) upserts: Vec<Upsert<S>>,
    pub(in crate::sql) returning: Option<Returning<S>>,
    pub(in crate::sql) state: Inserting,
}

/// How far an `INSERT` came.
#[derive(Default)]
pub(in crate::sql) struct Inserting {
    rows: std::vec::IntoIter<Vec<Value>>,
    /// That no row was taken yet.
    fresh: bool,
    now: Option<RowChange>,
    /// The clause by which the row at hand is updated instead.
    clause: Option<usize>,
    changed: i64,
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
    pub(in crate::sql) state: Changing,
}

/// `SET`
pub(in crate::sql) struct Sets<S: Store> {
    pub(in crate::sql) targets: Vec<Target>,
    /// The values, of the row as it is when its turn comes. None, if other tables are joined: the rows have the values then.
    pub(in crate::sql) values: Option<Vec<Expr<S>>>,
}

/// How far an `UPDATE` or `DELETE` came.
#[derive(Default)]
pub(in crate::sql) struct Changing {
    rows: std::vec::IntoIter<Vec<Value>>,
    now: Option<RowChange>,
    changed: i64,
}

/// The rowid that a value is, for a row that is to have it; none asks for a new one.
fn rowid(value: &Value) -> Result<Option<i64>> {
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

impl<S: Store> Insert<S> {
    /// Whether rows come with their rowids.
    pub(in crate::sql) fn names_rowid(&self) -> bool {
        self.source.is_some()
            && self.targets.iter().any(|target| match target {
                Target::Rowid => true,
                Target::Column(at) => self.writer.table.rowid_column == Some(*at),
            })
    }

    fn begin(&mut self, outer: Outer<'_, S>) -> Result<()> {
        self.state = Inserting { fresh: true, ..Inserting::default() };
        if let Some(returning) = &mut self.returning {
            returning.rows.clear();
        }
        self.writer.begin_inserts(outer.run.session)?;
        let Some(source) = &mut self.source else { return Ok(()) };
        source.reset();
        if self.gather {
            let mut rows = Vec::new();
            while source.next(outer)? {
                rows.push(whole(source, outer)?);
            }
            self.state.rows = rows.into_iter();
        }
        Ok(())
    }

    /// The next row of the source; one without any values, if there is none.
    fn next(&mut self, outer: Outer<'_, S>) -> Result<Option<Vec<Value>>> {
        let fresh = std::mem::replace(&mut self.state.fresh, false);
        Ok(match &mut self.source {
            None => fresh.then(Vec::new),
            Some(_) if self.gather => self.state.rows.next(),
            Some(source) => match source.next(outer)? {
                true => Some(whole(source, outer)?),
                false => None,
            },
        })
    }

    fn one(&self, row: Vec<Value>, outer: Outer<'_, S>) -> Result<RowChange> {
        let table = &self.writer.table;
        let mut values: Vec<Option<Value>> = vec![None; table.columns.len()];
        let mut wanted = None;
        for (value, target) in row.into_iter().zip(&self.targets) {
            match target {
                Target::Rowid => wanted = rowid(&value)?,
                Target::Column(at) if table.rowid_column == Some(*at) => wanted = rowid(&value)?,
                // Of a column that is named twice, the first holds.
                Target::Column(at) => {
                    values[*at].get_or_insert(value);
                }
            }
        }
        let nothing = Frame { slots: Vec::new(), registers: Vec::new() };
        let mut whole = Vec::with_capacity(values.len());
        for (value, default) in values.into_iter().zip(&self.writer.defaults) {
            whole.push(match (value, default) {
                (Some(value), _) => value,
                (None, Some(default)) => default.eval(&outer.env(&nothing))?.into_value(),
                (None, None) => Value::Null,
            });
        }
        Ok(RowChange::insert(whole, wanted, self.writer.conflict))
    }
}

/// The row at hand of a query.
fn whole<S: Store>(query: &Query<S>, outer: Outer<'_, S>) -> Result<Vec<Value>> {
    (0..query.columns.len()).map(|at| Ok(query.output(at, outer)?.into_value())).collect()
}

impl<S: Store> Task<S> for Insert<S> {
    fn step(&mut self, resume: Resume, outer: Outer<'_, S>) -> Result<Step<S>> {
        if resume == Resume::Begin {
            self.begin(outer)?;
        }
        let mut resume = resume;
        loop {
            if let Some(now) = &mut self.state.now {
                let upsert = self.state.clause.and_then(|clause| self.upserts.get(clause));
                let mut rules = Rules {
                    hooks: upsert.map_or(&self.hooks, |upsert| &upsert.hooks),
                    deletes: &self.deletes,
                    targets: upsert.map_or(&[], |upsert| &upsert.targets),
                    returning: self.returning.as_mut(),
                    way: self.state.clause.map_or(0, |clause| clause + 1),
                    changed: &mut self.state.changed,
                };
                let progress = now.step(&mut self.writer, &mut rules, resume, outer)?;
                resume = Resume::Fired;
                (self.state.now, self.state.clause) = match progress {
                    Progress::Fire(firing) => return Ok(Step::Fire(firing)),
                    Progress::Over => (None, None),
                    Progress::Upsert { clause, other, new, rowid } => match self.upserts.get(clause) {
                        Some(upsert) => (upsert.begin(&mut self.writer, other, (new, rowid), outer)?, Some(clause)),
                        None => (None, None),
                    },
                };
                continue;
            }
            resume = Resume::Fired;
            outer.run.check()?;
            let Some(row) = self.next(outer)? else { return Ok(Step::Done) };
            (self.state.now, self.state.clause) = (Some(self.one(row, outer)?), None);
        }
    }

    fn changed(&self) -> i64 {
        self.state.changed
    }
}

impl<S: Store> Change<S> {
    fn begin(&mut self, outer: Outer<'_, S>) -> Result<()> {
        self.state = Changing::default();
        if let Some(returning) = &mut self.returning {
            returning.rows.clear();
        }
        self.rows.reset();
        // All rows are found before one is changed: a row must not come again where the change has put it.
        let mut rows = Vec::new();
        while self.rows.next(outer)? {
            rows.push(whole(&self.rows, outer)?);
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
        self.state.rows = rows.into_iter();
        Ok(())
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
