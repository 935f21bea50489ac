//! Calls of functions.

use std::sync::Arc;

use super::window::misuse;
use super::{Binder, Bound};
use crate::row::Collation;
use crate::sql::ast::{self, Args, Literal};
use crate::sql::exec::{Aggregate, Begin, Call, Case, Comparison, Expr, Place};
use crate::sql::failure::{Failure, Result};
use crate::sql::function::{Callable, Function, Scalar};
use crate::sql::store::Store;

fn call_of<S: Store>(function: Arc<dyn Scalar>, args: Vec<Expr<S>>, collation: Option<Collation>) -> Expr<S> {
    Expr::Call(Box::new(Call { function, args, collation: collation.unwrap_or_default() }))
}

impl<'q, S: Store> Binder<'q, S> {
    pub(super) fn call(&mut self, call: &'q ast::Call) -> Result<Bound<S>> {
        let name = &*call.name.text;
        if let Some(over) = &call.over {
            return self.window_call(call, over);
        }
        let (distinct, args): (bool, &'q [ast::Expr]) = match &call.args {
            Args::Star => (false, &[]),
            Args::List { distinct, exprs, order_by } => {
                if !order_by.is_empty() {
                    return Err(Failure::unsupported("ORDER BY within an aggregate"));
                }
                (*distinct == Some(ast::Distinct::Distinct), exprs)
            }
        };
        let function = self.function(name, args.len()).map_err(|failure| failure.at(call.name.span.start))?;
        let scalar = match &function.callable {
            Callable::Aggregate(begin) => return self.aggregate(call, begin.clone(), distinct, args),
            Callable::Scalar(scalar) => scalar.clone(),
            Callable::Window(_) => return Err(misuse("window", name).at(call.name.span.start)),
        };
        if call.filter.is_some() {
            return Err(Failure::error(format!("FILTER may not be used with non-aggregate {name}()")));
        }
        // These evaluate no more of their arguments than they need, or say something of them.
        match (&*function.name, args) {
            ("coalesce" | "ifnull", _) => return Ok(Bound::plain(Expr::Coalesce(self.exprs(args)?))),
            ("iif" | "if", _) => return self.iif(args),
            ("likely" | "unlikely", [operand]) => return self.expr(operand),
            ("likelihood", [operand, share]) => {
                return match share {
                    ast::Expr::Literal(Literal::Float(share)) if (0.0..=1.0).contains(share) => self.expr(operand),
                    _ => Err(Failure::error("second argument to likelihood() must be a constant between 0.0 and 1.0")),
                };
            }
            _ => {}
        }
        let mut bound = Vec::with_capacity(args.len());
        let mut collation = None;
        for arg in args {
            let arg = self.expr(arg)?;
            collation = collation.or(arg.collation);
            bound.push(arg.expr);
        }
        Ok(Bound::plain(call_of(scalar, bound, collation)))
    }

    /// The function that a name means.
    fn function(&self, name: &str, args: usize) -> Result<Arc<Function>> {
        Ok(self.session.functions.borrow().find(name, args)?.clone())
    }

    /// A call of a function that the grammar has words of its own for.
    pub(super) fn word(&mut self, name: &str, feature: &str, args: Vec<Bound<S>>) -> Result<Bound<S>> {
        let unsupported = |_| Failure::unsupported(feature);
        let function = self.function(name, args.len()).map_err(unsupported)?;
        let Callable::Scalar(scalar) = &function.callable else { return Err(Failure::unsupported(feature)) };
        let collation = args.iter().find_map(|arg| arg.collation);
        let args = args.into_iter().map(|arg| arg.expr).collect();
        Ok(Bound::plain(call_of(scalar.clone(), args, collation)))
    }

    fn iif(&mut self, args: &'q [ast::Expr]) -> Result<Bound<S>> {
        let (mut branches, mut otherwise) = (Vec::with_capacity(args.len() / 2), None);
        for branch in args.chunks(2) {
            match branch {
                [condition, then] => {
                    branches.push((Comparison::default(), self.expr(condition)?.expr, self.expr(then)?.expr));
                }
                rest => otherwise = rest.first().map(|rest| self.expr(rest)).transpose()?.map(|rest| rest.expr),
            }
        }
        Ok(Bound::plain(Expr::Case(Box::new(Case { operand: None, branches, otherwise }))))
    }

    fn aggregate(
        &mut self,
        call: &'q ast::Call,
        begin: Begin,
        distinct: bool,
        args: &'q [ast::Expr],
    ) -> Result<Bound<S>> {
        let name = &*call.name.text;
        let at = self.levels.len().checked_sub(1);
        let misused = || {
            let level = self.levels.last().filter(|level| level.groups.is_none() || !level.before);
            let failure = match level.is_some_and(|level| level.grouped || level.ordering) {
                true => Failure::error(format!("misuse of aggregate: {name}()")),
                false => misuse("aggregate", name),
            };
            failure.at(call.name.span.start)
        };
        let takes = |level: &super::Level<'_, S>| !level.before && level.grouped && level.groups.is_some();
        let at = at.filter(|at| takes(&self.levels[*at])).ok_or_else(misused)?;
        if distinct && args.len() != 1 {
            return Err(Failure::error("DISTINCT aggregates must have exactly one argument"));
        }
        self.levels[at].before = true;
        let (used, busy, reaches) = (self.levels[at].used, self.levels[at].busy, self.levels[at].reaches);
        (self.levels[at].used, self.levels[at].reaches) = (0, at);
        let bound = self.arguments(call, args);
        let level = &mut self.levels[at];
        (level.before, level.busy) = (false, busy);
        let own = level.used != 0;
        level.used |= used;
        let outside = level.reaches < at;
        level.reaches = level.reaches.min(reaches);
        let (args, collation, filter) = bound?;
        if outside && !own {
            return Err(Failure::unsupported("an aggregate of an outer query's columns"));
        }
        let level = &mut self.levels[at];
        let register = level.registers;
        level.registers = register.checked_add(1).ok_or_else(|| Failure::error("too many columns"))?;
        if let Some(groups) = &mut level.groups {
            groups.aggregates.push(Aggregate { begin, args, distinct, filter, collation, register });
        }
        Ok(Bound::plain(super::function::aggregated(name, Expr::Local(Place::Register(register)))))
    }

    /// The arguments of an aggregate, their collation, and its filter.
    fn arguments(
        &mut self,
        call: &'q ast::Call,
        args: &'q [ast::Expr],
    ) -> Result<(Vec<Expr<S>>, crate::row::Collation, Option<Expr<S>>)> {
        let mut bound = Vec::with_capacity(args.len());
        let mut collation = None;
        for arg in args {
            let arg = self.expr(arg)?;
            collation = collation.or(arg.collation);
            bound.push(arg.expr);
        }
        let filter = call.filter.as_ref().map(|filter| self.expr(filter)).transpose()?.map(|filter| filter.expr);
        Ok((bound, collation.unwrap_or_default(), filter))
    }
}
