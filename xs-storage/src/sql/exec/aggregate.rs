//! Groups of rows, and what is computed of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smallvec::SmallVec;

use super::expr::{Data, Datum, Expr, see};
use super::frame::{Env, Frame, Outer};
use crate::row::{Collation, KeyColumn, ValueRef};
use crate::sql::failure::Result;
use crate::sql::function;
use crate::sql::store::{Store, key};
use crate::sql::value::Value;

/// What begins a group.
pub(in crate::sql) type Begin = Arc<dyn Fn() -> Box<dyn function::Aggregate> + Send + Sync>;

/// A call of an aggregate.
pub(in crate::sql) struct Aggregate<S: Store> {
    pub(in crate::sql) begin: Begin,
    pub(in crate::sql) args: Vec<Expr<S>>,
    pub(in crate::sql) distinct: bool,
    pub(in crate::sql) filter: Option<Expr<S>>,
    pub(in crate::sql) collation: Collation,
    pub(in crate::sql) register: u16,
}

/// How rows are grouped.
pub(in crate::sql) struct Grouping<S: Store> {
    /// By what; by nothing, there is one group, even of no rows.
    pub(in crate::sql) keys: Vec<(Expr<S>, KeyColumn)>,
    pub(in crate::sql) aggregates: Vec<Aggregate<S>>,
    /// What else is asked of a group: columns, as they are in one of its rows.
    pub(in crate::sql) captured: Vec<(Expr<S>, u16)>,
    pub(in crate::sql) having: Option<Expr<S>>,
    /// Rows come group by group.
    pub(in crate::sql) in_order: bool,
    /// The row of a least or greatest value comes first: no more of them are needed once there is one.
    pub(in crate::sql) first_only: bool,
    groups: Vec<Group>,
    /// Where each group is, in the order of the keys.
    by_key: BTreeMap<Vec<u8>, usize>,
    order: Vec<usize>,
    next: usize,
    room: Vec<u8>,
}

struct Group {
    captured: Vec<Value>,
    states: Vec<State>,
}

impl<S: Store> Grouping<S> {
    pub(in crate::sql) fn new(keys: Vec<(Expr<S>, KeyColumn)>) -> Self {
        Grouping {
            keys,
            aggregates: Vec::new(),
            captured: Vec::new(),
            having: None,
            in_order: false,
            first_only: false,
            groups: Vec::new(),
            by_key: BTreeMap::new(),
            order: Vec::new(),
            next: 0,
            room: Vec::new(),
        }
    }

    pub(in crate::sql) fn reset(&mut self) {
        self.groups.clear();
        self.by_key.clear();
        self.order.clear();
        self.next = 0;
    }

    fn new_group(&self) -> Group {
        let states = self.aggregates.iter().map(State::new).collect();
        Group { captured: Vec::new(), states }
    }

    /// Makes a row's key.
    fn key(&mut self, env: &Env<'_, S>) -> Result<()> {
        self.room.clear();
        for (expr, column) in &self.keys {
            key::push(&mut self.room, expr.eval(env)?.as_ref(), *column);
        }
        Ok(())
    }

    /// Whether a row belongs to the group that is open, where rows come group by group.
    pub(in crate::sql) fn continues(&mut self, env: &Env<'_, S>) -> Result<bool> {
        if self.groups.is_empty() {
            return Ok(true);
        }
        self.key(env)?;
        Ok(self.by_key.contains_key(&self.room))
    }

    /// Whether no other row can change the answer: a value was found, and it was the first.
    pub(in crate::sql) fn is_decided(&self, env: &Env<'_, S>) -> Result<bool> {
        let Some(argument) = self.aggregates.first().and_then(|aggregate| aggregate.args.first()) else {
            return Ok(false);
        };
        Ok(self.first_only && !argument.eval(env)?.as_ref().is_null())
    }

    /// Puts a row to its group.
    pub(in crate::sql) fn step(&mut self, env: &Env<'_, S>) -> Result<()> {
        let at = if self.keys.is_empty() {
            if self.groups.is_empty() {
                self.groups.push(self.new_group());
            }
            0
        } else {
            self.key(env)?;
            match self.by_key.get(&self.room) {
                Some(at) => *at,
                None => {
                    self.by_key.insert(self.room.clone(), self.groups.len());
                    self.groups.push(self.new_group());
                    self.groups.len() - 1
                }
            }
        };
        let group = &mut self.groups[at];
        if self.captured.is_empty() {
            for (aggregate, state) in self.aggregates.iter().zip(&mut group.states) {
                state.step(aggregate, env)?;
            }
            return Ok(());
        }
        let first = group.captured.is_empty();
        let mut capture = first;
        for (aggregate, state) in self.aggregates.iter().zip(&mut group.states) {
            // Columns beside a minimum or maximum are those of its row; of several, the last one's.
            if let Some(chose) = state.step(aggregate, env)? {
                capture = chose;
            }
        }
        if capture || first {
            group.captured.clear();
            for (expr, _) in &self.captured {
                group.captured.push(expr.eval(env)?.into_value());
            }
        }
        Ok(())
    }

    /// All rows have come.
    pub(in crate::sql) fn finish(&mut self) {
        if self.keys.is_empty() && self.groups.is_empty() {
            self.groups.push(self.new_group());
        }
        self.order = match self.keys.is_empty() {
            true => vec![0],
            false => self.by_key.values().copied().collect(),
        };
    }

    /// Puts the next group's values into the registers; false if there is no other.
    pub(in crate::sql) fn next(&mut self, frame: &mut Frame<S>, outer: Outer<'_, S>) -> Result<bool> {
        let Some(at) = self.order.get(self.next) else { return Ok(false) };
        self.next += 1;
        let group = &mut self.groups[*at];
        for (aggregate, state) in self.aggregates.iter().zip(std::mem::take(&mut group.states)) {
            let session = outer.run.session;
            let value = session.in_context(aggregate.collation, |context| state.state.value(context))?;
            frame.registers[usize::from(aggregate.register)] = value;
        }
        let mut captured = std::mem::take(&mut group.captured).into_iter();
        for (_, register) in &self.captured {
            frame.registers[usize::from(*register)] = captured.next().unwrap_or_default();
        }
        Ok(true)
    }
}

/// What an aggregate knows of the rows so far.
struct State {
    seen: Option<BTreeSet<Vec<u8>>>,
    /// It needs no context.
    plain: bool,
    state: Box<dyn function::Aggregate>,
}

impl State {
    fn new<S: Store>(aggregate: &Aggregate<S>) -> State {
        let (seen, state) = (aggregate.distinct.then(BTreeSet::new), (aggregate.begin)());
        State { plain: seen.is_none() && state.is_plain(), seen, state }
    }

    /// Takes a row. Answers whether the aggregate's answer is this row's, if it is one that is a row's.
    #[inline]
    fn step<S: Store>(&mut self, aggregate: &Aggregate<S>, env: &Env<'_, S>) -> Result<Option<bool>> {
        if let Some(filter) = &aggregate.filter
            && !filter.holds(env)?
        {
            return Ok(self.state.chose().map(|_| false));
        }
        match &*aggregate.args {
            [] if self.plain => return Ok(self.state.take(aggregate.collation, &[])),
            [one] if self.plain => {
                if let Some(number) = one.number(env).value() {
                    return Ok(self.state.take(aggregate.collation, &[number]));
                }
                let room;
                let arg = see!(one, env, room);
                return Ok(self.state.take(aggregate.collation, &[arg]));
            }
            _ => {}
        }
        let args: Data<'_> = aggregate.args.iter().map(|arg| arg.eval(env)).collect::<Result<_>>()?;
        let subtypes = super::call::subtypes(&args);
        let args: SmallVec<[ValueRef<'_>; 4]> = args.iter().map(Datum::as_ref).collect();
        if let (Some(seen), Some(first)) = (&mut self.seen, args.first())
            && !seen.insert(key::of(&[*first], &[KeyColumn { collation: aggregate.collation, descending: false }]))
        {
            return Ok(self.state.chose().map(|_| false));
        }
        self.take(aggregate, env, subtypes, &args)
    }

    #[inline]
    fn take<S: Store>(
        &mut self,
        aggregate: &Aggregate<S>,
        env: &Env<'_, S>,
        subtypes: u128,
        args: &[ValueRef<'_>],
    ) -> Result<Option<bool>> {
        let state = &mut self.state;
        env.outer.run.session.in_context(aggregate.collation, |context| {
            context.subtypes = subtypes;
            state.step(context, args)
        })?;
        Ok(self.state.chose())
    }
}
