//! The values that an index's columns, or a rowid, are looked up by: one, or each of a list in its turn.

use std::cell::RefCell;
use std::cmp::Ordering;

use super::expr::Expr;
use super::frame::Env;
use super::subquery::Subquery;
use crate::row::{Encoding, KeyColumn};
use crate::sql::failure::Result;
use crate::sql::store::Store;
use crate::sql::value::{Affinity, Value};

/// Where values come from.
pub(in crate::sql) enum Source<S: Store> {
    /// `a = x`, which nothing equals if x is nothing.
    Equal(Expr<S>),
    /// `a IS x`
    Is(Expr<S>),
    /// `a IS NULL`
    Null,
    /// `a IN (x, y)`
    List(Vec<Expr<S>>),
    /// The same of constants.
    Set(Vec<Value>),
    /// `a IN (SELECT x)`
    Query(Box<RefCell<Subquery<S>>>),
}

/// One column of a search.
pub(in crate::sql) struct Probe<S: Store> {
    pub(in crate::sql) source: Source<S>,
    /// What the comparison makes of the value.
    pub(in crate::sql) affinity: Affinity,
    pub(in crate::sql) key: KeyColumn,
    values: Vec<Value>,
    at: usize,
}

impl<S: Store> Probe<S> {
    pub(in crate::sql) fn new(source: Source<S>, affinity: Affinity, key: KeyColumn) -> Self {
        Probe { source, affinity, key, values: Vec::new(), at: 0 }
    }

    /// Finds the values. False if there are none.
    pub(in crate::sql) fn begin(&mut self, env: &Env<'_, S>, backwards: bool) -> Result<bool> {
        self.at = 0;
        self.values.clear();
        let affinity = self.affinity;
        match &self.source {
            Source::Equal(expr) => {
                let value = affinity.apply_to(expr.eval(env)?.into_value());
                if !value.as_ref().is_null() {
                    self.values.push(value);
                }
            }
            Source::Is(expr) => self.values.push(affinity.apply_to(expr.eval(env)?.into_value())),
            Source::Null => self.values.push(Value::Null),
            Source::List(list) => {
                for expr in list {
                    self.values.push(affinity.apply_to(expr.eval(env)?.into_value()));
                }
                self.order(backwards);
            }
            Source::Set(list) => {
                self.values.extend(list.iter().map(|value| affinity.apply_to(value.clone())));
                self.order(backwards);
            }
            Source::Query(query) => {
                query.borrow_mut().values(env, &mut |value| self.values.push(affinity.apply_to(value)))?;
                self.order(backwards);
            }
        }
        Ok(!self.values.is_empty())
    }

    /// A list's values are tried in the order of the column, each once.
    fn order(&mut self, backwards: bool) {
        let key = self.key;
        let compare = |a: &Value, b: &Value| match key.compare(&a.as_ref(), &b.as_ref(), Encoding::Utf8) {
            order if backwards => order.reverse(),
            order => order,
        };
        self.values.retain(|value| !value.as_ref().is_null());
        self.values.sort_by(compare);
        self.values.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
    }

    /// The value at hand; [`Probe::begin`] has said that there is one.
    #[inline]
    pub(in crate::sql) fn value(&self) -> &Value {
        self.values.get(self.at).unwrap_or(&Value::Null)
    }

    fn next(&mut self) -> bool {
        self.at += 1;
        let more = self.at < self.values.len();
        if !more {
            self.at = 0;
        }
        more
    }
}

/// To the next values of several columns, the last one's first. False behind the last.
pub(in crate::sql) fn advance<S: Store>(probes: &mut [Probe<S>]) -> bool {
    probes.iter_mut().rev().any(Probe::next)
}
