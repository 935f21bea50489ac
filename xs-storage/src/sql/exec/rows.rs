//! The rows of a query in `FROM`, kept as they come so that a join can go through them again.

use super::frame::Outer;
use super::query::Query;
use crate::row::ValueRef;
use crate::sql::failure::Result;
use crate::sql::store::Store;
use crate::sql::value::Value;

/// Rows of one width. They are pulled when somebody comes that far, so that who stops early pays for little, and a query
/// without end can have an end outside of it.
pub(in crate::sql) struct Rows<S: Store> {
    query: Query<S>,
    width: usize,
    values: Vec<Value>,
    count: usize,
    at: usize,
    done: bool,
    pub(in crate::sql) null: bool,
    /// Whether the query depends on rows around it, and so is asked anew each time.
    correlated: bool,
    run: u64,
    /// Whether rows are gone through again; if not, only one is kept.
    pub(in crate::sql) keep: bool,
}

impl<S: Store> Rows<S> {
    pub(in crate::sql) fn new(query: Query<S>, correlated: bool) -> Self {
        let width = query.columns.len();
        Rows {
            query,
            width,
            values: Vec::new(),
            count: 0,
            at: 0,
            done: false,
            null: false,
            correlated,
            run: 0,
            keep: true,
        }
    }

    #[inline]
    pub(in crate::sql) fn column(&self, column: u16) -> ValueRef<'_> {
        if self.null {
            return ValueRef::Null;
        }
        self.values.get(self.at * self.width + usize::from(column)).map_or(ValueRef::Null, Value::as_ref)
    }

    /// The number of the row at hand.
    pub(in crate::sql) fn number(&self) -> i64 {
        self.at as i64
    }

    /// To a row that was there before.
    pub(in crate::sql) fn go_to(&mut self, number: i64) -> bool {
        self.null = false;
        self.at = usize::try_from(number).unwrap_or(usize::MAX);
        self.at < self.count
    }

    /// The query around this one begins: what was kept is old if it depends on that, or on another execution.
    pub(in crate::sql) fn restart(&mut self, run: u64) {
        if self.run != run || self.correlated || !self.keep {
            self.run = run;
            self.query.reset();
            self.values.clear();
            (self.count, self.at, self.done) = (0, 0, false);
        }
    }

    pub(in crate::sql) fn first(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        self.null = false;
        self.at = 0;
        self.reach(outer)
    }

    pub(in crate::sql) fn next(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        self.null = false;
        if !self.keep {
            self.values.clear();
            self.count = 0;
            return self.reach(outer);
        }
        self.at += 1;
        self.reach(outer)
    }

    fn reach(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        while self.count <= self.at && !self.done {
            if self.query.next(outer)? {
                for at in 0..self.width {
                    self.values.push(self.query.output(at, outer)?.into_value());
                }
                self.count += 1;
            } else {
                self.done = true;
            }
        }
        Ok(self.at < self.count)
    }
}
