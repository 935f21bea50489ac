//! `UNION`, `EXCEPT`, `INTERSECT`: rows of several queries as one set.

use std::collections::BTreeMap;

use super::expr::Datum;
use super::frame::Outer;
use super::query::Body;
use crate::row::{Collation, KeyColumn, ValueRef};
use crate::sql::ast::CompoundOp;
use crate::sql::failure::Result;
use crate::sql::store::{Store, key};
use crate::sql::value::Value;

/// Several queries. If all of it is `UNION ALL`, rows are passed on as they come; otherwise they are gathered first.
pub(in crate::sql) struct Compound<S: Store> {
    pub(in crate::sql) parts: Vec<(CompoundOp, Body<S>)>,
    collations: Vec<Collation>,
    /// That what comes out is sorted. Of rows that are the same SQLite then keeps the first of each query and among those the
    /// last, otherwise the last of all.
    pub(in crate::sql) ordered: bool,
    passes: bool,
    /// The part at hand, where rows are passed on.
    at: usize,
    gathered: Option<Vec<Vec<Value>>>,
    next: usize,
}

impl<S: Store> Compound<S> {
    /// The operator of the first part is not looked at.
    pub(in crate::sql) fn new(parts: Vec<(CompoundOp, Body<S>)>, collations: Vec<Collation>) -> Self {
        let passes = parts.iter().skip(1).all(|(op, _)| *op == CompoundOp::UnionAll);
        Compound { parts, collations, ordered: false, passes, at: 0, gathered: None, next: 0 }
    }

    pub(in crate::sql) fn reset(&mut self) {
        self.parts.iter_mut().for_each(|(_, body)| body.reset());
        (self.at, self.next) = (0, 0);
        self.gathered = None;
    }

    pub(in crate::sql) fn next(&mut self, outer: Outer<'_, S>) -> Result<bool> {
        if self.passes {
            while let Some((_, body)) = self.parts.get_mut(self.at) {
                if body.next(outer)? {
                    return Ok(true);
                }
                self.at += 1;
            }
            return Ok(false);
        }
        if self.gathered.is_none() {
            self.gathered = Some(self.gather(outer)?);
        }
        self.next += 1;
        Ok(self.gathered.as_ref().is_some_and(|rows| self.next <= rows.len()))
    }

    fn gather(&mut self, outer: Outer<'_, S>) -> Result<Vec<Vec<Value>>> {
        let width = self.collations.len();
        let key = |row: &[Value]| {
            let mut out = Vec::new();
            for (value, collation) in row.iter().zip(&self.collations) {
                key::push(&mut out, value.as_ref(), KeyColumn { collation: *collation, descending: false });
            }
            out
        };
        let mut rows: Vec<Vec<Value>> = Vec::new();
        for (number, (op, body)) in self.parts.iter_mut().enumerate() {
            let mut found = Vec::new();
            while body.next(outer)? {
                let row = (0..width).map(|at| Ok(body.output(at, outer)?.into_value())).collect::<Result<Vec<_>>>()?;
                found.push(row);
            }
            if number == 0 || *op == CompoundOp::UnionAll {
                rows.append(&mut found);
                continue;
            }
            let ordered = self.ordered;
            let set_of = |rows: Vec<Vec<Value>>| {
                let mut set: BTreeMap<Vec<u8>, Vec<Value>> = BTreeMap::new();
                for row in rows {
                    let key = key(&row);
                    if !(ordered && set.contains_key(&key)) {
                        set.insert(key, row);
                    }
                }
                set
            };
            let mut set = set_of(rows);
            match op {
                CompoundOp::Union => set.extend(set_of(found)),
                CompoundOp::Except => {
                    for row in found {
                        set.remove(&key(&row));
                    }
                }
                _ => {
                    let others: std::collections::BTreeSet<_> = found.iter().map(|row| key(row)).collect();
                    set.retain(|key, _| others.contains(key));
                }
            }
            rows = set.into_values().collect();
        }
        Ok(rows)
    }

    pub(in crate::sql) fn output<'a>(&'a self, at: usize, outer: Outer<'a, S>) -> Result<Datum<'a>> {
        if self.passes {
            return match self.parts.get(self.at) {
                Some((_, body)) => body.output(at, outer),
                None => Ok(Datum::Ref(ValueRef::Null)),
            };
        }
        let row = self.gathered.as_ref().and_then(|rows| rows.get(self.next.wrapping_sub(1)));
        Ok(Datum::Ref(row.and_then(|row| row.get(at)).map_or(ValueRef::Null, Value::as_ref)))
    }
}
