//! The rows of a query in `FROM`, kept as they come so that a join can go through them again.

use super::expr::{Datum, Expr, Kept};
use super::frame::Outer;
use super::query::{Body, Query};
use crate::row::ValueRef;
use crate::sql::failure::Result;
use crate::sql::store::Store;
use crate::sql::value::Value;

/// Rows of one width. They are pulled when somebody comes that far, so that who stops early pays for little, and a query
/// without end can have an end outside of it.
pub(in crate::sql) struct Rows<S: Store> {
    query: Query<S>,
    width: usize,
    values: Vec<Kept>,
    /// Rows that were not kept.
    passed: i64,
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
        let width = query.width();
        // A function's rows are for the arguments of one row before them.
        let keep = !matches!(query.body, Body::Function(_));
        Rows {
            query,
            width,
            values: Vec::new(),
            passed: 0,
            count: 0,
            at: 0,
            done: false,
            null: false,
            correlated,
            run: 0,
            keep,
        }
    }

    #[inline]
    pub(in crate::sql) fn column(&self, column: u16) -> ValueRef<'_> {
        if self.null {
            return ValueRef::Null;
        }
        self.values.get(self.at * self.width + usize::from(column)).map_or(ValueRef::Null, |kept| kept.value.as_ref())
    }

    /// The same, and whether it is JSON, which only a function's column can be.
    #[inline]
    pub(in crate::sql) fn datum(&self, column: u16) -> Datum<'_> {
        match self.values.get(self.at * self.width + usize::from(column)) {
            Some(kept) if !self.null => kept.datum(),
            _ => Datum::Ref(ValueRef::Null),
        }
    }

    /// The rowid, which only a function's row has.
    pub(in crate::sql) fn rowid(&self) -> ValueRef<'_> {
        match self.query.body {
            Body::Function(_) => self.column((self.width - 1) as u16),
            _ => ValueRef::Null,
        }
    }

    /// The arguments of a function, taken to be evaluated in the frame that this is in.
    pub(in crate::sql) fn take_args(&mut self) -> Option<Vec<Option<Expr<S>>>> {
        match &mut self.query.body {
            Body::Function(call) => Some(std::mem::take(&mut call.args)),
            _ => None,
        }
    }

    /// Gives the arguments back, with their values, and begins anew.
    pub(in crate::sql) fn give_args(&mut self, args: Vec<Option<Expr<S>>>, values: Vec<Option<Value>>) {
        if let Body::Function(call) = &mut self.query.body {
            call.args = args;
            call.given = values;
        }
        self.query.reset();
        self.values.clear();
        (self.count, self.at, self.passed, self.done) = (0, 0, 0, false);
    }

    /// The number of the row at hand.
    pub(in crate::sql) fn number(&self) -> i64 {
        self.at as i64 + self.passed
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
            self.passed += 1;
            return self.reach(outer);
        }
        self.at += 1;
        self.reach(outer)
    }

    fn reach(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        while self.count <= self.at && !self.done {
            if self.query.next(outer)? {
                for at in 0..self.width {
                    let value = self.query.output(at, outer)?;
                    self.values.push(match self.query.body {
                        Body::Function(_) => value.into(),
                        _ => value.into_value().into(),
                    });
                }
                self.count += 1;
            } else {
                self.done = true;
            }
        }
        Ok(self.at < self.count)
    }
}
