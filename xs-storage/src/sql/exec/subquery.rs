//! Queries within expressions, and sets that values are looked for in.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::comparison::Comparison;
use super::expr::{Datum, Kept};
use super::frame::{Env, Outer};
use super::query::Query;
use crate::row::KeyColumn;
use crate::sql::failure::Result;
use crate::sql::store::{Store, key};
use crate::sql::value::{NumberText, Value};

/// A set of rows, for `IN`.
#[derive(Debug, Default)]
pub(in crate::sql) struct InSet {
    /// How each column is compared.
    pub(in crate::sql) how: Vec<Comparison>,
    keys: BTreeSet<Vec<u8>>,
    /// The rows that have a null somewhere: no value equals them, and none is known to differ.
    nulls: Vec<Vec<Value>>,
    /// Where a key is made, so that a search allocates nothing.
    room: RefCell<Vec<u8>>,
}

impl InSet {
    pub(in crate::sql) fn new(how: Vec<Comparison>) -> InSet {
        InSet { how, ..InSet::default() }
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.nulls.clear();
    }

    fn key_of<'a>(&self, row: impl Iterator<Item = crate::row::ValueRef<'a>>, out: &mut Vec<u8>) {
        for (value, how) in row.zip(&self.how) {
            let mut room = NumberText::new();
            let value = how.affinity.unwrap_or_default().apply(value, &mut room);
            key::push(out, value, KeyColumn { collation: how.collation, descending: false });
        }
    }

    pub(in crate::sql) fn insert(&mut self, row: &[Datum<'_>]) {
        if row.iter().any(|value| value.as_ref().is_null()) {
            if self.how.len() > 1 {
                self.nulls.push(row.iter().map(|value| value.as_ref().into()).collect());
            } else if self.nulls.is_empty() {
                self.nulls.push(Vec::new());
            }
            return;
        }
        let mut out = Vec::new();
        self.key_of(row.iter().map(Datum::as_ref), &mut out);
        self.keys.insert(out);
    }

    /// Whether a row is in it, if that is known.
    pub(in crate::sql) fn holds(&self, row: &[Datum<'_>]) -> Option<bool> {
        if self.keys.is_empty() && self.nulls.is_empty() {
            return Some(false);
        }
        if row.iter().any(|value| value.as_ref().is_null()) {
            return match self.how.len() {
                1 => None,
                _ => self.unknown(row),
            };
        }
        let mut room = self.room.borrow_mut();
        room.clear();
        self.key_of(row.iter().map(Datum::as_ref), &mut room);
        if self.keys.contains(&room[..]) {
            return Some(true);
        }
        match self.how.len() {
            1 if !self.nulls.is_empty() => None,
            1 => Some(false),
            _ => self.unknown(row),
        }
    }

    /// Of rows with nulls: nothing is known if a row here agrees wherever both have values.
    fn unknown(&self, row: &[Datum<'_>]) -> Option<bool> {
        let agrees = |values: &mut dyn Iterator<Item = Vec<u8>>| {
            row.iter().zip(values).zip(&self.how).all(|((value, other), how)| {
                let mut mine = Vec::new();
                let one = InSet::new(vec![*how]);
                one.key_of(std::iter::once(value.as_ref()), &mut mine);
                value.as_ref().is_null() || other.is_empty() || mine == other
            })
        };
        for nulls in &self.nulls {
            let mut keys = nulls.iter().zip(&self.how).map(|(value, how)| {
                let mut out = Vec::new();
                if !value.as_ref().is_null() {
                    InSet::new(vec![*how]).key_of(std::iter::once(value.as_ref()), &mut out);
                }
                out
            });
            if agrees(&mut keys) {
                return None;
            }
        }
        // A row that was asked for with a null agrees with those that begin alike only column by column: the keys tell.
        if row.iter().any(|value| value.as_ref().is_null()) {
            for whole in &self.keys {
                let mut rest = &whole[..];
                let mut all = true;
                for (value, how) in row.iter().zip(&self.how) {
                    let Some((column, behind)) = key::split(rest) else { break };
                    rest = behind;
                    if !value.as_ref().is_null() {
                        let mut mine = Vec::new();
                        InSet::new(vec![*how]).key_of(std::iter::once(value.as_ref()), &mut mine);
                        all &= mine == column;
                    }
                }
                if all {
                    return None;
                }
            }
        }
        Some(false)
    }
}

/// A query within an expression. What doesn't depend on the rows around it is computed once in an execution.
pub(in crate::sql) struct Subquery<S: Store> {
    query: Query<S>,
    correlated: bool,
    /// In which execution the answer was computed.
    run: u64,
    answer: Kept,
    /// The first row, where several of its columns are asked for.
    row: Vec<Value>,
    set: InSet,
    /// Which column is its value.
    pub(in crate::sql) column: usize,
    /// Its rows, where they are looked up one by one.
    list: Vec<Value>,
}

impl<S: Store> Subquery<S> {
    pub(in crate::sql) fn new(query: Query<S>, correlated: bool, how: Vec<Comparison>) -> Self {
        Subquery {
            query,
            correlated,
            run: 0,
            answer: Kept::default(),
            row: Vec::new(),
            set: InSet::new(how),
            column: 0,
            list: Vec::new(),
        }
    }

    /// Whether it depends on rows around it.
    pub(in crate::sql) fn is_correlated(&self) -> bool {
        self.correlated
    }

    /// How its columns are compared, where values are looked for in it.
    pub(in crate::sql) fn how(&self) -> &[Comparison] {
        &self.set.how
    }

    /// Begins again, unless the answer of this execution is known.
    fn begin(&mut self, env: &Env<'_, S>) -> bool {
        if self.run == env.outer.run.number && !self.correlated {
            return false;
        }
        self.run = env.outer.run.number;
        self.query.reset();
        true
    }

    pub(in crate::sql) fn scalar<'a>(&mut self, env: &Env<'_, S>) -> Result<Datum<'a>> {
        if self.begin(env) {
            let outer = Outer { up: Some(env), run: env.outer.run };
            self.answer = match self.query.next(outer)? {
                true => self.query.output(self.column, outer)?.into(),
                false => Kept::default(),
            };
        }
        Ok(self.answer.clone().into_datum())
    }

    /// A column of the first row. Where that depends on the rows around, whoever wants others asks for the first one before.
    pub(in crate::sql) fn column(&mut self, at: usize, env: &Env<'_, S>) -> Result<Value> {
        if (at == 0 || !self.correlated) && self.begin(env) {
            let outer = Outer { up: Some(env), run: env.outer.run };
            self.row.clear();
            if self.query.next(outer)? {
                for at in 0..self.query.columns.len() {
                    self.row.push(self.query.output(at, outer)?.into_value());
                }
            }
        }
        Ok(self.row.get(at).cloned().unwrap_or_default())
    }

    pub(in crate::sql) fn exists(&mut self, env: &Env<'_, S>) -> Result<bool> {
        if self.begin(env) {
            let outer = Outer { up: Some(env), run: env.outer.run };
            self.answer = Value::Integer(i64::from(self.query.next(outer)?)).into();
        }
        Ok(self.answer.value == Value::Integer(1))
    }

    /// The first column of all its rows.
    pub(in crate::sql) fn values(&mut self, env: &Env<'_, S>, take: &mut dyn FnMut(Value)) -> Result<()> {
        if self.begin(env) {
            let outer = Outer { up: Some(env), run: env.outer.run };
            self.list.clear();
            while self.query.next(outer)? {
                self.list.push(self.query.output(0, outer)?.into_value());
            }
        }
        self.list.iter().cloned().for_each(take);
        Ok(())
    }

    pub(in crate::sql) fn holds(&mut self, row: &[Datum<'_>], env: &Env<'_, S>) -> Result<Option<bool>> {
        if self.begin(env) {
            let outer = Outer { up: Some(env), run: env.outer.run };
            self.set.clear();
            while self.query.next(outer)? {
                let width = self.set.how.len();
                let found = (0..width).map(|at| self.query.output(at, outer)).collect::<Result<Vec<_>>>()?;
                self.set.insert(&found);
            }
        }
        Ok(self.set.holds(row))
    }
}
