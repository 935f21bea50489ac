//! Expressions.

use super::{Names, Shape};
use crate::sql::ast::{Args, Expr, InSet, OrderTerm, Over, Raise};
use crate::sql::failure::{Failure, Result};
use crate::sql::stack;

impl<'a> Names<'a> {
    pub(super) fn exprs(&mut self, exprs: &'a [Expr]) -> Result<()> {
        exprs.iter().try_for_each(|expr| self.expr(expr))
    }

    pub(super) fn optional(&mut self, expr: Option<&'a Expr>) -> Result<()> {
        expr.map_or(Ok(()), |expr| self.expr(expr))
    }

    pub(super) fn terms(&mut self, terms: &'a [OrderTerm]) -> Result<()> {
        terms.iter().try_for_each(|term| self.expr(&term.expr))
    }

    pub(super) fn expr(&mut self, expr: &'a Expr) -> Result<()> {
        stack::enough(|| self.parts(expr))
    }

    fn parts(&mut self, expr: &'a Expr) -> Result<()> {
        match expr {
            Expr::Literal(_) | Expr::Parameter(_) | Expr::Raise(Raise::Ignore) => Ok(()),
            Expr::Column(column) => self.resolve(column),
            Expr::Unary(_, operand) | Expr::Collate(operand, _) | Expr::Cast(operand, _) => self.expr(operand),
            Expr::IsNull { operand, .. } => self.expr(operand),
            Expr::Binary(binary) => {
                self.expr(&binary.left)?;
                self.expr(&binary.right)
            }
            Expr::Like(like) => {
                self.expr(&like.operand)?;
                self.expr(&like.pattern)?;
                self.optional(like.escape.as_ref())
            }
            Expr::Between(between) => {
                self.expr(&between.operand)?;
                self.expr(&between.low)?;
                self.expr(&between.high)
            }
            Expr::In(within) => {
                self.expr(&within.operand)?;
                match &within.set {
                    InSet::List(exprs) => self.exprs(exprs),
                    InSet::Select(select) => self.select(select).map(drop),
                    InSet::Table(name, Some(args)) => {
                        let _ = name;
                        self.exprs(args)
                    }
                    // Such a name is not followed: if it goes, it is missing.
                    InSet::Table(name, None) => {
                        let common = self.commons.iter().any(|common| name.name.is(&common.name));
                        let there = self.shapes.get(&name.name.text);
                        match (there, common) {
                            (Some(Shape::View(..)), _) => self.of_view(&name.name.text).map(drop),
                            (Some(_), _) | (_, true) => Ok(()),
                            (None, false) => {
                                Err(Failure::error(format!("no such table: {}.{}", self.shapes.schema, name.name.text)))
                            }
                        }
                    }
                }
            }
            Expr::Exists(select) | Expr::Subquery(select) => self.select(select).map(drop),
            Expr::Row(exprs) => self.exprs(exprs),
            Expr::Case(case) => {
                self.optional(case.operand.as_ref())?;
                for (when, then) in &case.branches {
                    self.expr(when)?;
                    self.expr(then)?;
                }
                self.optional(case.otherwise.as_ref())
            }
            Expr::Call(call) => {
                if let Args::List { exprs, order_by, .. } = &call.args {
                    self.exprs(exprs)?;
                    self.terms(order_by)?;
                }
                self.optional(call.filter.as_ref())?;
                match &call.over {
                    Some(Over::Window(window)) => self.window(window),
                    Some(Over::Named(_)) | None => Ok(()),
                }
            }
            Expr::Raise(Raise::Rollback(message) | Raise::Abort(message) | Raise::Fail(message)) => self.expr(message),
        }
    }
}
