//! The rows of a query that several others read: computed once in an execution, as far as the first of them comes.

use std::cell::RefCell;
use std::rc::Rc;

use super::frame::Outer;
use super::query::Query;
use crate::row::ValueRef;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;
use crate::sql::value::Value;

/// The query, and its rows so far. It depends on no rows around it.
pub(in crate::sql) struct Shared<S: Store> {
    query: Query<S>,
    width: usize,
    rows: Vec<Rc<Vec<Value>>>,
    done: bool,
    /// The execution that the rows are of.
    run: u64,
}

/// A place in shared rows.
pub(in crate::sql) struct Reader<S: Store> {
    shared: Rc<RefCell<Shared<S>>>,
    next: usize,
    row: Option<Rc<Vec<Value>>>,
}

impl<S: Store> Shared<S> {
    pub(in crate::sql) fn new(query: Query<S>) -> Self {
        let width = query.columns.len();
        Shared { query, width, rows: Vec::new(), done: false, run: 0 }
    }

    pub(in crate::sql) fn reader(shared: &Rc<RefCell<Self>>) -> Reader<S> {
        Reader { shared: shared.clone(), next: 0, row: None }
    }

    fn row(&mut self, at: usize, outer: Outer<'_, S>) -> Result<Option<Rc<Vec<Value>>>> {
        if self.run != outer.run.number {
            self.query.reset();
            self.rows.clear();
            (self.run, self.done) = (outer.run.number, false);
        }
        let outer = Outer { up: None, run: outer.run };
        while self.rows.len() <= at && !self.done {
            if self.query.next(outer)? {
                let values = (0..self.width).map(|column| Ok(self.query.output(column, outer)?.into_value()));
                let row = values.collect::<Result<Vec<_>>>()?;
                self.rows.push(Rc::new(row));
            } else {
                self.done = true;
            }
        }
        Ok(self.rows.get(at).cloned())
    }
}

impl<S: Store> Reader<S> {
    pub(super) fn reset(&mut self) {
        (self.next, self.row) = (0, None);
    }

    pub(super) fn next(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        outer.run.check()?;
        let shared = self.shared.try_borrow_mut();
        let mut shared = shared.map_err(|_| Failure::internal("a common table within itself"))?;
        self.row = shared.row(self.next, outer)?;
        self.next += 1;
        Ok(self.row.is_some())
    }

    pub(super) fn output(&self, at: usize) -> ValueRef<'_> {
        self.row.as_ref().and_then(|row| row.get(at)).map_or(ValueRef::Null, Value::as_ref)
    }
}
