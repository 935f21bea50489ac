//! `INSERT`: rows from a query, or written out, handed to a writer.

use super::change::Target;
use super::feed::Feed;
use super::frame::Outer;
use super::query::Query;
use super::returning::Returning;
use super::row_change::{Hooks, Progress, RowChange, Rules};
use super::task::{Resume, Step, Task};
use super::upsert::Upsert;
use super::write::{Outcome, Writer};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;
use crate::sql::value::Value;

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
    /// The values of the row at hand, and what becomes of them.
    given: Vec<Value>,
    feed: Option<Feed>,
    now: Option<RowChange>,
    /// The clause by which the row at hand is updated instead.
    clause: Option<usize>,
    changed: i64,
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

    /// Whether nobody is told of the rows, and nothing else follows.
    fn is_direct(&self) -> bool {
        let told = self.returning.is_some() || !self.hooks.is_empty() || !self.deletes.is_empty();
        !told && self.upserts.is_empty() && !self.writer.is_view()
    }

    fn begin(&mut self, outer: Outer<'_, S>) -> Result<()> {
        (self.state.fresh, self.state.changed) = (true, 0);
        (self.state.now, self.state.clause) = (None, None);
        if self.state.feed.is_none() {
            self.state.feed = Some(Feed::new(&self.writer.table, &self.targets));
        }
        if let Some(returning) = &mut self.returning {
            returning.rows.clear();
        }
        let one = self.source.as_ref().is_none_or(Query::is_one_row) && self.is_direct();
        if !one || !self.writer.rules.plain {
            outer.run.session.guard()?;
        }
        self.writer.begin_inserts(outer.run.session)?;
        let Some(source) = &mut self.source else { return Ok(()) };
        source.reset();
        if self.gather {
            let mut rows = Vec::new();
            while source.next(outer)? {
                let mut row = Vec::with_capacity(self.targets.len());
                source.take(&mut row, outer)?;
                rows.push(row);
            }
            self.state.rows = rows.into_iter();
        }
        Ok(())
    }

    /// Takes the values of the next row; none at all, if there is no source. False at the end.
    fn next(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        let fresh = std::mem::replace(&mut self.state.fresh, false);
        match &mut self.source {
            None => self.state.given.clear(),
            Some(_) if self.gather => match self.state.rows.next() {
                Some(row) => self.state.given = row,
                None => return Ok(false),
            },
            Some(source) => {
                let more = source.next(outer)?;
                if more {
                    source.take(&mut self.state.given, outer)?;
                }
                return Ok(more);
            }
        }
        Ok(fresh || self.source.is_some())
    }

    /// Makes a row of the values at hand, and answers the rowid that it is to have.
    fn fill(&mut self, row: &mut Vec<Value>, outer: Outer<'_, S>) -> Result<Option<i64>> {
        match &self.state.feed {
            Some(feed) => feed.fill(row, &mut self.state.given, &self.writer.defaults, outer),
            None => Err(Failure::internal("an insert that has not begun")),
        }
    }

    /// Inserts the rows, where nobody is told of them.
    fn insert_all(&mut self, outer: Outer<'_, S>) -> Result<()> {
        let session = outer.run.session;
        (self.writer.announce, self.writer.free) = (false, 0);
        while self.next(outer)? {
            outer.run.check()?;
            // The row's place is where the last one stood.
            let mut row = std::mem::take(&mut self.writer.frame.registers);
            let wanted = self.fill(&mut row, outer);
            self.writer.frame.registers = row;
            if let Outcome::Fits(rowid) = self.writer.check(wanted?, None, outer)? {
                self.writer.put(rowid, None, session)?;
                if self.writer.table.key.is_none() {
                    session.last_rowid.set(rowid);
                }
                self.state.changed += 1;
            }
        }
        Ok(())
    }
}

impl<S: Store> Task<S> for Insert<S> {
    fn step(&mut self, resume: Resume, outer: Outer<'_, S>) -> Result<Step<S>> {
        if resume == Resume::Begin {
            self.begin(outer)?;
            if self.is_direct() {
                self.insert_all(outer)?;
                return Ok(Step::Done);
            }
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
            if !self.next(outer)? {
                return Ok(Step::Done);
            }
            let mut row = Vec::with_capacity(self.targets.len());
            let wanted = self.fill(&mut row, outer)?;
            let conflict = self.writer.conflict;
            (self.state.now, self.state.clause) = (Some(RowChange::insert(row, wanted, conflict)), None);
        }
    }

    fn changed(&self) -> i64 {
        self.state.changed
    }
}
