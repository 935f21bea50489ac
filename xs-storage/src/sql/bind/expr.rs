//! Expressions, bound.

use std::cell::RefCell;

use super::operators::operator;
use super::vector::{compares, may_be_row};
use super::{Binder, HEIGHT};
use crate::row::Collation;
use crate::sql::ast::{self, BinaryOp, Literal, UnaryOp};
use crate::sql::catalog::collation_named;
use crate::sql::exec::{Case, Comparison, Expr, Subquery};
use crate::sql::failure::{Failure, Result};
use crate::sql::stack;
use crate::sql::store::Store;
use crate::sql::value::{self, Affinity, Value};

/// A bound expression, and what comparisons need to know of it.
pub(in crate::sql) struct Bound<S: Store> {
    pub(in crate::sql) expr: Expr<S>,
    /// Of a column or a cast.
    pub(in crate::sql) affinity: Option<Affinity>,
    pub(in crate::sql) collation: Option<Collation>,
    /// That `COLLATE` says so.
    pub(in crate::sql) explicit: bool,
}

impl<S: Store> Bound<S> {
    pub(in crate::sql) fn plain(expr: Expr<S>) -> Self {
        Bound { expr, affinity: None, collation: None, explicit: false }
    }

    pub(in crate::sql) fn constant(value: Value) -> Self {
        Bound::plain(Expr::Constant(value))
    }
}

/// How two operands are compared: by the collation that one of them was given, the left one first, else by that of a column.
pub(super) fn comparison<S: Store>(left: &Bound<S>, right: &Bound<S>) -> Comparison {
    let collation = match (left.explicit, right.explicit) {
        (true, _) => left.collation,
        (false, true) => right.collation,
        (false, false) => left.collation.or(right.collation),
    };
    Comparison {
        affinity: Affinity::of_comparison(left.affinity, right.affinity),
        collation: collation.unwrap_or_default(),
    }
}

impl<'q, S: Store> Binder<'q, S> {
    /// Several expressions.
    pub(super) fn exprs(&mut self, exprs: &'q [ast::Expr]) -> Result<Vec<Expr<S>>> {
        exprs.iter().map(|expr| Ok(self.expr(expr)?.expr)).collect()
    }

    pub(in crate::sql) fn expr(&mut self, expr: &'q ast::Expr) -> Result<Bound<S>> {
        // Views and common tables bring expressions within expressions that no text shows.
        if self.height >= HEIGHT {
            return Err(Failure::error(format!("Expression tree is too large (maximum depth {HEIGHT})")));
        }
        self.height += 1;
        self.rise += 1;
        let mut bound = stack::enough(|| self.expr_at(expr));
        if let (Ok(bound), true) = (&mut bound, self.rise.is_multiple_of(stack::RISE)) {
            bound.expr = std::mem::replace(&mut bound.expr, Expr::Constant(Value::Null)).gated();
        }
        self.height -= 1;
        self.rise -= 1;
        bound
    }

    fn expr_at(&mut self, expr: &'q ast::Expr) -> Result<Bound<S>> {
        Ok(match expr {
            ast::Expr::Literal(literal) => match literal {
                Literal::CurrentDate => return self.word("current_date", "dates and times", Vec::new()),
                Literal::CurrentTime => return self.word("current_time", "dates and times", Vec::new()),
                Literal::CurrentTimestamp => return self.word("current_timestamp", "dates and times", Vec::new()),
                literal => Bound::constant(constant(literal)?),
            },
            ast::Expr::Parameter(parameter) => {
                Bound::plain(Expr::Parameter(self.parameters.number(parameter, self.text)))
            }
            ast::Expr::Column(column) => return self.resolve(column),
            ast::Expr::Unary(op, operand) => return self.unary(*op, operand),
            ast::Expr::Binary(binary) => return self.binary(binary),
            ast::Expr::IsNull { operand, negated } => {
                let operand = Box::new(self.expr(operand)?.expr);
                Bound::plain(Expr::IsNull { operand, negated: *negated })
            }
            ast::Expr::Collate(operand, name) => {
                let collation = collation_named(&name.text)?;
                Bound { collation: Some(collation), explicit: true, ..self.expr(operand)? }
            }
            ast::Expr::Like(like) => return self.like(like),
            ast::Expr::Between(between) if may_be_row(&between.operand) => return self.row_between(between),
            ast::Expr::Between(between) => {
                let operand = self.expr(&between.operand)?;
                let (least, greatest) = (self.expr(&between.low)?, self.expr(&between.high)?);
                let (low, high) = (comparison(&operand, &least), comparison(&operand, &greatest));
                let operands = Box::new((operand.expr, least.expr, greatest.expr));
                Bound::plain(Expr::Between { negated: between.negated, low, high, operands })
            }
            ast::Expr::In(within) => return self.within(within),
            ast::Expr::Exists(select) => {
                let (query, correlated) = self.subquery(select, "")?;
                let query = Subquery::new(query, correlated, Vec::new());
                Bound::plain(Expr::Exists(Box::new(RefCell::new(query))))
            }
            ast::Expr::Subquery(select) => {
                let (query, correlated) = self.subquery(select, "SCALAR ")?;
                if query.columns.len() != 1 {
                    let columns = query.columns.len();
                    return Err(Failure::error(format!("sub-select returns {columns} columns - expected 1")));
                }
                let (affinity, collation) = (query.columns[0].affinity, query.columns[0].collation);
                let query = Subquery::new(query, correlated, Vec::new());
                let expr = Expr::Scalar(Box::new(RefCell::new(query)));
                Bound { expr, affinity, collation, explicit: false }
            }
            ast::Expr::Row(_) => return Err(Failure::error("row value misused")),
            ast::Expr::Case(case) => return self.case(case),
            ast::Expr::Cast(operand, name) => {
                let affinity = Affinity::of_cast(name.as_ref().map_or("", |name| &name.0));
                let operand = self.expr(operand)?;
                Bound {
                    affinity: Some(affinity),
                    expr: Expr::Cast(affinity, Box::new(operand.expr)),
                    ..operand_only(operand.collation, operand.explicit)
                }
            }
            ast::Expr::Call(call) => return self.call(call),
            ast::Expr::Raise(raise) => Bound::plain(self.raise(raise)?),
        })
    }

    fn unary(&mut self, op: UnaryOp, operand: &'q ast::Expr) -> Result<Bound<S>> {
        // The smallest integer is written as the sign of what is one too large.
        if let (UnaryOp::Minus, ast::Expr::Literal(Literal::Integer(n))) = (op, operand)
            && *n == 1 << 63
        {
            return Ok(Bound::constant(i64::MIN.into()));
        }
        let operand = self.expr(operand)?;
        let expr = match op {
            // Nothing is done, but what it stands before is hidden from the planner: that is what the sign is written for.
            UnaryOp::Plus => {
                let expr = match operand.expr {
                    Expr::Constant(value) => Expr::Constant(value),
                    other => Expr::Coalesce(vec![other]),
                };
                return Ok(Bound { affinity: None, expr, ..operand });
            }
            UnaryOp::Not => Expr::Not(Box::new(operand.expr)),
            UnaryOp::Minus => match operand.expr {
                Expr::Constant(Value::Real(real)) => Expr::Constant(Value::Real(-real)),
                Expr::Constant(value) => Expr::Constant(value::negate(value.as_ref()).into()),
                other => Expr::Apply(value::negate, Box::new(other)),
            },
            UnaryOp::BitNot => Expr::Apply(value::bit_not, Box::new(operand.expr)),
        };
        Ok(Bound::plain(expr))
    }

    fn binary(&mut self, binary: &'q ast::Binary) -> Result<Bound<S>> {
        if compares(binary.op) && (may_be_row(&binary.left) || may_be_row(&binary.right)) {
            return self.compare_rows(binary.op, &binary.left, &binary.right);
        }
        if matches!(binary.op, BinaryOp::Arrow | BinaryOp::LongArrow) {
            let name = if binary.op == BinaryOp::Arrow { "->" } else { "->>" };
            let args = vec![self.expr(&binary.left)?, self.expr(&binary.right)?];
            return self.word(name, "JSON", args);
        }
        // `a IS TRUE` asks for truth, not for one.
        if matches!(binary.op, BinaryOp::Is | BinaryOp::IsNot)
            && let ast::Expr::Column(column) = &binary.right
            && column.table.is_none()
            && column.name.quote == ast::Quote::Bare
            && (column.name.is("true") || column.name.is("false"))
        {
            let truth = Expr::Coalesce(vec![
                Expr::Not(Box::new(Expr::Not(Box::new(self.expr(&binary.left)?.expr)))),
                Expr::Constant(if column.name.is("true") { 0 } else { 1 }.into()),
            ]);
            let wanted = column.name.is("true") == (binary.op == BinaryOp::Is);
            return Ok(Bound::plain(if wanted { truth } else { Expr::Not(Box::new(truth)) }));
        }
        if matches!(binary.op, BinaryOp::Is | BinaryOp::IsNot) && binary.right == ast::Expr::Literal(Literal::Null) {
            let operand = Box::new(self.expr(&binary.left)?.expr);
            return Ok(Bound::plain(Expr::IsNull { operand, negated: binary.op == BinaryOp::IsNot }));
        }
        let left = self.expr(&binary.left)?;
        let right = self.expr(&binary.right)?;
        Ok(Bound::plain(operator(binary.op, left, right)))
    }

    fn case(&mut self, case: &'q ast::Case) -> Result<Bound<S>> {
        if let Some(operand) = case.operand.as_ref().filter(|operand| may_be_row(operand)) {
            return self.row_case(operand, case);
        }
        let operand = case.operand.as_ref().map(|operand| self.expr(operand)).transpose()?;
        let mut branches = Vec::with_capacity(case.branches.len());
        for (when, then) in &case.branches {
            let when = self.expr(when)?;
            let how = operand.as_ref().map_or(Comparison::default(), |operand| comparison(operand, &when));
            branches.push((how, when.expr, self.expr(then)?.expr));
        }
        let otherwise = case.otherwise.as_ref().map(|otherwise| self.expr(otherwise)).transpose()?;
        let operand = operand.map(|operand| operand.expr);
        let otherwise = otherwise.map(|otherwise| otherwise.expr);
        Ok(Bound::plain(Expr::Case(Box::new(Case { operand, branches, otherwise }))))
    }

    /// A query within an expression, and whether it depends on what is around it.
    pub(super) fn subquery(
        &mut self,
        select: &'q ast::Select,
        kind: &str,
    ) -> Result<(crate::sql::exec::Query<S>, bool)> {
        let plan = std::mem::take(&mut self.plan);
        self.depth += 1;
        let bound = self.select(select);
        self.depth -= 1;
        let mut lines = std::mem::replace(&mut self.plan, plan);
        let (query, reaches) = bound?;
        let correlated = reaches < self.levels.len();
        let correlation = if correlated { "CORRELATED " } else { "" };
        let kind = if kind.is_empty() { "SCALAR " } else { kind };
        lines.insert(0, (self.depth, format!("{correlation}{kind}SUBQUERY {}", self.selects)));
        self.pending.push((None, lines));
        Ok((query, correlated))
    }
}

fn operand_only<S: Store>(collation: Option<Collation>, explicit: bool) -> Bound<S> {
    Bound { collation, explicit, ..Bound::constant(Value::Null) }
}

/// A constant's value.
pub(super) fn constant(literal: &Literal) -> Result<Value> {
    Ok(match literal {
        Literal::Null => Value::Null,
        Literal::Integer(n) => i64::try_from(*n).map_or(Value::Real(*n as f64), Value::Integer),
        Literal::Hex(bits) => Value::Integer(*bits as i64),
        Literal::Float(real) => (*real).into(),
        Literal::String(text) => (&**text).into(),
        Literal::Blob(bytes) => (&**bytes).into(),
        Literal::CurrentDate | Literal::CurrentTime | Literal::CurrentTimestamp => {
            return Err(Failure::unsupported("dates and times"));
        }
    })
}
