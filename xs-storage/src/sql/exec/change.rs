//! `INSERT`, `UPDATE`, `DELETE`: rows from a query, handed to a writer.

use super::foreign::Watched;
use super::frame::{Frame, Outer};
use super::query::Query;
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
    /// The query reads the table: its rows are taken first, lest it sees what is written.
    pub(in crate::sql) gather: bool,
}

/// `UPDATE` and `DELETE`
pub(in crate::sql) struct Change<S: Store> {
    pub(in crate::sql) writer: Writer<S>,
    /// The rowids, and behind them the new values and then the row as it is.
    pub(in crate::sql) rows: Query<S>,
    /// Where the new values go; none to delete.
    pub(in crate::sql) sets: Option<Vec<Target>>,
    /// Whether other tables are joined to it.
    pub(in crate::sql) joins: bool,
}

/// The rowid that a value is, for a row that is to have it; none asks for a new one.
fn rowid(value: &Value) -> Result<Option<i64>> {
    match Affinity::Integer.apply_to(value.clone()) {
        Value::Null => Ok(None),
        Value::Integer(rowid) => Ok(Some(rowid)),
        _ => Err(Failure::new(ResultCode::MISMATCH, "datatype mismatch")),
    }
}

impl<S: Store> Insert<S> {
    pub(in crate::sql) fn run(&mut self, outer: Outer<'_, S>) -> Result<i64> {
        self.writer
            .watch(outer.run.session, Watched::Insert { single: self.source.as_ref().is_none_or(Query::is_one_row) })?;
        self.writer.begin_inserts(outer.run.session)?;
        let done = match self.source.take() {
            None => self.one(None, outer),
            Some(mut source) => {
                source.reset();
                let done = self.all(&mut source, outer);
                self.source = Some(source);
                done
            }
        }?;
        self.writer.end_inserts(outer.run.session)?;
        Ok(done)
    }

    fn all(&mut self, source: &mut Query<S>, outer: Outer<'_, S>) -> Result<i64> {
        let width = source.columns.len();
        let row = |source: &Query<S>| -> Result<Vec<Value>> {
            (0..width).map(|at| Ok(source.output(at, outer)?.into_value())).collect()
        };
        let mut changed = 0;
        if self.gather {
            let mut rows = Vec::new();
            while source.next(outer)? {
                rows.push(row(source)?);
            }
            for row in rows {
                changed += self.one(Some(row), outer)?;
            }
        } else {
            while source.next(outer)? {
                changed += self.one(Some(row(source)?), outer)?;
            }
        }
        Ok(changed)
    }

    fn one(&mut self, row: Option<Vec<Value>>, outer: Outer<'_, S>) -> Result<i64> {
        outer.run.check()?;
        let table = self.writer.table.clone();
        let mut values: Vec<Option<Value>> = vec![None; table.columns.len()];
        let mut wanted = None;
        for (value, target) in row.into_iter().flatten().zip(&self.targets) {
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
                (None, Some(default)) => default.eval(outer.env(&nothing))?.into_value(),
                (None, None) => Value::Null,
            });
        }
        match self.writer.write(whole, wanted, None, outer)? {
            Some(rowid) => {
                outer.run.session.last_rowid.set(rowid);
                Ok(1)
            }
            None => Ok(0),
        }
    }
}

impl<S: Store> Change<S> {
    /// What it does, as foreign keys see it.
    fn watched(&self) -> Watched {
        let Some(sets) = &self.sets else { return Watched::Delete };
        let column = |target: &Target| match target {
            Target::Column(at) => Some(*at),
            Target::Rowid => self.writer.table.rowid_column,
        };
        Watched::Update(sets.iter().filter_map(column).collect())
    }

    pub(in crate::sql) fn run(&mut self, outer: Outer<'_, S>) -> Result<i64> {
        self.rows.reset();
        let session = outer.run.session;
        self.writer.watch(session, self.watched())?;
        let width = self.rows.columns.len();
        // All rows are found before one is changed: a row must not come again where the change has put it.
        let mut found: Vec<Value> = Vec::new();
        while self.rows.next(outer)? {
            for at in 0..width {
                found.push(self.rows.output(at, outer)?.into_value());
            }
        }
        let mut changed = 0;
        // A join may find a row several times: the first counts.
        let mut seen = std::collections::BTreeSet::new();
        for row in found.chunks_mut(width.max(1)) {
            outer.run.check()?;
            let Some(Value::Integer(old)) = row.first().cloned() else { continue };
            if self.joins && !seen.insert(old) || !self.writer.has(old, session)? {
                continue;
            }
            let Some(sets) = &self.sets else {
                self.writer.delete(old, outer)?;
                changed += 1;
                continue;
            };
            let (new, before) = row[1..].split_at_mut(sets.len());
            let mut values: Vec<Value> = match &self.writer.foreign {
                None => before.iter_mut().map(std::mem::take).collect(),
                // An action on a row of this very table may have changed it.
                Some(_) => self.writer.row(old, session)?,
            };
            let mut wanted = old;
            for (value, target) in new.iter_mut().zip(sets) {
                let mismatch = || Failure::new(ResultCode::MISMATCH, "datatype mismatch");
                match target {
                    Target::Rowid => wanted = rowid(value)?.ok_or_else(mismatch)?,
                    Target::Column(at) if self.writer.table.rowid_column == Some(*at) => {
                        wanted = rowid(value)?.ok_or_else(mismatch)?;
                    }
                    Target::Column(at) => values[*at] = std::mem::take(value),
                }
            }
            changed += i64::from(self.writer.write(values, Some(wanted), Some(old), outer)?.is_some());
        }
        Ok(changed)
    }
}
