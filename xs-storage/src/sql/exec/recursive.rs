//! Recursive common tables: a queue of rows, each of which may give more.
//!
//! A row comes out of the queue, is given, and then is the one that the steps see; what they give goes into the queue. Without an
//! order that is first in, first out; with one, the first in that order. Rows that were are kept only where none may come twice.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::expr::Datum;
use super::frame::Outer;
use super::query::Body;
use super::sort::SortKey;
use crate::row::{Collation, KeyColumn, ValueRef};
use crate::sql::failure::Result;
use crate::sql::store::{Store, key};
use crate::sql::value::Value;

type Row = Rc<Vec<Value>>;

/// The row that the steps see, as a query of one row.
#[derive(Clone, Debug, Default)]
pub(in crate::sql) struct Current {
    row: Rc<RefCell<Row>>,
    /// The row as it was when it was given.
    given: Option<Row>,
}

impl Current {
    pub(super) fn reset(&mut self) {
        self.given = None;
    }

    pub(super) fn next(&mut self) -> bool {
        let first = self.given.is_none();
        self.given = Some(self.row.borrow().clone());
        first
    }

    pub(super) fn output(&self, at: usize) -> ValueRef<'_> {
        self.given.as_ref().and_then(|row| row.get(at)).map_or(ValueRef::Null, Value::as_ref)
    }
}

/// Rows that wait.
#[derive(Debug)]
enum Queue {
    First(VecDeque<Row>),
    /// By their order's key, and by when they came.
    Ordered(BTreeMap<(Vec<u8>, u64), Row>),
}

pub(in crate::sql) struct Recursive<S: Store> {
    setup: Body<S>,
    steps: Vec<Body<S>>,
    current: Current,
    collations: Vec<Collation>,
    keys: Vec<SortKey>,
    /// The rows that were, where each may come once.
    seen: Option<BTreeSet<Vec<u8>>>,
    queue: Queue,
    came: u64,
    begun: bool,
}

impl<S: Store> Recursive<S> {
    pub(in crate::sql) fn new(
        setup: Body<S>,
        steps: Vec<Body<S>>,
        current: Current,
        collations: Vec<Collation>,
        distinct: bool,
        keys: Vec<SortKey>,
    ) -> Self {
        let queue = match keys.is_empty() {
            true => Queue::First(VecDeque::new()),
            false => Queue::Ordered(BTreeMap::new()),
        };
        let seen = distinct.then(BTreeSet::new);
        Recursive { setup, steps, current, collations, keys, seen, queue, came: 0, begun: false }
    }

    pub(in crate::sql) fn reset(&mut self) {
        self.setup.reset();
        if let Some(seen) = &mut self.seen {
            seen.clear();
        }
        match &mut self.queue {
            Queue::First(rows) => rows.clear(),
            Queue::Ordered(rows) => rows.clear(),
        }
        (self.came, self.begun) = (0, false);
    }

    pub(in crate::sql) fn next(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        let Recursive { setup, steps, current, collations, keys, seen, queue, came, begun } = self;
        let mut take = |body: &mut Body<S>| -> Result<()> {
            while body.next(outer)? {
                outer.run.check()?;
                let row = (0..collations.len()).map(|at| Ok(body.output(at, outer)?.into_value()));
                let row: Vec<Value> = row.collect::<Result<_>>()?;
                if let Some(seen) = seen {
                    let mut text = Vec::new();
                    for (value, collation) in row.iter().zip(collations.iter()) {
                        let column = KeyColumn { collation: *collation, descending: false };
                        key::push(&mut text, value.as_ref(), column);
                    }
                    if !seen.insert(text) {
                        continue;
                    }
                }
                match queue {
                    Queue::First(rows) => rows.push_back(Rc::new(row)),
                    Queue::Ordered(rows) => {
                        *came += 1;
                        rows.insert((order_of(&row, keys), *came), Rc::new(row));
                    }
                }
            }
            Ok(())
        };
        match std::mem::replace(begun, true) {
            false => take(setup)?,
            true => {
                for step in steps {
                    step.reset();
                    take(step)?;
                }
            }
        }
        let row = match queue {
            Queue::First(rows) => rows.pop_front(),
            Queue::Ordered(rows) => rows.pop_first().map(|(_, row)| row),
        };
        let more = row.is_some();
        *current.row.borrow_mut() = row.unwrap_or_default();
        Ok(more)
    }

    pub(in crate::sql) fn output(&self, at: usize) -> Datum<'_> {
        let row = self.current.row.borrow();
        Datum::Own(row.get(at).cloned().unwrap_or_default())
    }
}

/// A row's place among those that wait.
fn order_of(row: &[Value], keys: &[SortKey]) -> Vec<u8> {
    let mut out = Vec::new();
    for order in keys {
        let value = row.get(order.output).map_or(ValueRef::Null, Value::as_ref);
        out.push(u8::from(value.is_null() != order.nulls_first));
        key::push(&mut out, value, order.key);
    }
    out
}
