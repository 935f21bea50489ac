//! Row values: `(a, b) = (c, d)`, `(a, b) < (SELECT ...)`, compared column by column.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use super::operators::operator;
use super::{Binder, Bound};
use crate::sql::ast::{self, BinaryOp};
use crate::sql::exec::{Case, Comparison, Expr, OutputColumn, Subquery};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

/// An operand: one value, or several.
pub(super) enum Operand<'q, S: Store> {
    One(Bound<S>),
    Row(&'q [ast::Expr]),
    /// The first row of a query.
    Query(Rc<RefCell<Subquery<S>>>, Vec<OutputColumn>),
}

impl<'q, S: Store> Operand<'q, S> {
    pub(super) fn len(&self) -> usize {
        match self {
            Operand::One(_) => 1,
            Operand::Row(row) => row.len(),
            Operand::Query(_, columns) => columns.len(),
        }
    }

    fn is_row(&self) -> bool {
        !matches!(self, Operand::One(_))
    }

    /// A column of a row. The first one of a query is where the query is asked.
    fn column(&self, binder: &mut Binder<'q, S>, at: usize) -> Result<Bound<S>> {
        match self {
            Operand::One(_) => Err(misused()),
            Operand::Row(row) => binder.expr(row.get(at).ok_or_else(misused)?),
            Operand::Query(query, columns) => {
                let column = columns.get(at).ok_or_else(misused)?;
                let expr = Expr::Column(query.clone(), at);
                Ok(Bound { expr, affinity: column.affinity, collation: column.collation, explicit: false })
            }
        }
    }
}

fn misused() -> Failure {
    Failure::error("row value misused")
}

/// Whether it may be a row.
pub(super) fn may_be_row(expr: &ast::Expr) -> bool {
    let ast::Expr::Subquery(select) = expr else { return matches!(expr, ast::Expr::Row(_)) };
    match &select.first {
        ast::Core::Values(rows) => rows.first().is_some_and(|row| row.len() > 1),
        ast::Core::Query(query) => {
            query.columns.len() > 1 || !matches!(query.columns.first(), Some(ast::ResultColumn::Expr { .. }))
        }
    }
}

impl<'q, S: Store> Binder<'q, S> {
    pub(super) fn operand(&mut self, expr: &'q ast::Expr) -> Result<Operand<'q, S>> {
        match expr {
            ast::Expr::Row(row) => Ok(Operand::Row(row)),
            ast::Expr::Subquery(select) if may_be_row(expr) => {
                let (query, correlated) = self.subquery(select, "SCALAR ")?;
                let columns = query.columns.clone();
                let query = Subquery::new(query, correlated, Vec::new());
                match &columns[..] {
                    [one] => Ok(Operand::One(Bound {
                        expr: Expr::Scalar(Box::new(RefCell::new(query))),
                        affinity: one.affinity,
                        collation: one.collation,
                        explicit: false,
                    })),
                    _ => Ok(Operand::Query(Rc::new(RefCell::new(query)), columns)),
                }
            }
            other => Ok(Operand::One(self.expr(other)?)),
        }
    }

    /// All columns of an operand.
    pub(super) fn columns_of_operand(&mut self, operand: Operand<'q, S>) -> Result<Vec<Bound<S>>> {
        match operand {
            Operand::One(one) => Ok(vec![one]),
            row => (0..row.len()).map(|at| row.column(self, at)).collect(),
        }
    }

    /// Two operands, one of which may be a row.
    pub(super) fn compare_rows(&mut self, op: BinaryOp, left: &'q ast::Expr, right: &'q ast::Expr) -> Result<Bound<S>> {
        match (self.operand(left)?, self.operand(right)?) {
            (Operand::One(left), Operand::One(right)) => Ok(Bound::plain(operator(op, left, right))),
            (left, right) if left.is_row() && right.is_row() && left.len() == right.len() => {
                Ok(Bound::plain(self.rows(op, &left, &right)?))
            }
            _ => Err(misused()),
        }
    }

    fn rows(&mut self, op: BinaryOp, left: &Operand<'q, S>, right: &Operand<'q, S>) -> Result<Expr<S>> {
        let whole = self.by_columns(op, left, right, 0..left.len())?;
        // The first columns alone say something that an index can use; the rest is no alternative to be looked up by itself.
        let loose = match op {
            BinaryOp::Lt | BinaryOp::LtEq => BinaryOp::LtEq,
            BinaryOp::Gt | BinaryOp::GtEq => BinaryOp::GtEq,
            _ => return Ok(whole),
        };
        let first = operator(loose, left.column(self, 0)?, right.column(self, 0)?);
        let whole = Expr::Not(Box::new(Expr::Not(Box::new(whole))));
        Ok(Expr::And(Box::new((first, whole))))
    }

    /// Compares some of the columns. Rows may be long: the tree is about as high as their length has digits.
    fn by_columns(
        &mut self,
        op: BinaryOp,
        left: &Operand<'q, S>,
        right: &Operand<'q, S>,
        columns: Range<usize>,
    ) -> Result<Expr<S>> {
        let (first, end) = (columns.start, columns.end);
        match columns.len() {
            0 => return Err(misused()),
            1 => return Ok(operator(op, left.column(self, first)?, right.column(self, first)?)),
            _ => {}
        }
        // Short ones column by column, as somebody would write it out, and as indexes can use it.
        let middle = if columns.len() <= 8 { first + 1 } else { first + columns.len() / 2 };
        let mut part = |op, columns| self.by_columns(op, left, right, columns);
        let strict = match op {
            BinaryOp::Eq | BinaryOp::Is | BinaryOp::IsNotDistinctFrom => {
                return Ok(Expr::And(Box::new((part(op, first..middle)?, part(op, middle..end)?))));
            }
            BinaryOp::NotEq | BinaryOp::IsNot | BinaryOp::IsDistinctFrom => {
                return Ok(Expr::Or(Box::new((part(op, first..middle)?, part(op, middle..end)?))));
            }
            BinaryOp::Lt | BinaryOp::LtEq => BinaryOp::Lt,
            _ => BinaryOp::Gt,
        };
        let less = part(strict, first..middle)?;
        let (equal, rest) = (part(BinaryOp::Eq, first..middle)?, part(op, middle..end)?);
        Ok(Expr::Or(Box::new((less, Expr::And(Box::new((equal, rest)))))))
    }

    pub(super) fn row_between(&mut self, between: &'q ast::Between) -> Result<Bound<S>> {
        let low = self.compare_rows(BinaryOp::GtEq, &between.operand, &between.low)?.expr;
        let high = self.compare_rows(BinaryOp::LtEq, &between.operand, &between.high)?.expr;
        let both = Expr::And(Box::new((low, high)));
        Ok(Bound::plain(if between.negated { Expr::Not(Box::new(both)) } else { both }))
    }

    /// `CASE (a, b) WHEN (c, d) THEN ...`
    pub(super) fn row_case(&mut self, operand: &'q ast::Expr, case: &'q ast::Case) -> Result<Bound<S>> {
        let mut branches = Vec::with_capacity(case.branches.len());
        for (when, then) in &case.branches {
            let when = self.compare_rows(BinaryOp::Eq, operand, when)?.expr;
            branches.push((Comparison::default(), when, self.expr(then)?.expr));
        }
        let otherwise = case.otherwise.as_ref().map(|otherwise| self.expr(otherwise)).transpose()?;
        let otherwise = otherwise.map(|otherwise| otherwise.expr);
        Ok(Bound::plain(Expr::Case(Box::new(Case { operand: None, branches, otherwise }))))
    }

    /// `(a, b) IN ((c, d), (e, f))`
    pub(super) fn row_in_list(
        &mut self,
        operand: &'q ast::Expr,
        list: &'q [ast::Expr],
        negated: bool,
    ) -> Result<Bound<S>> {
        let wanted = self.operand(operand)?.len();
        let mut any = Vec::with_capacity(list.len() + 1);
        for item in list {
            let terms = match item {
                ast::Expr::Row(row) => row.len(),
                other => self.operand(other)?.len(),
            };
            if terms != wanted {
                let plural = if terms == 1 { "" } else { "s" };
                return Err(Failure::error(format!("IN(...) element has {terms} term{plural} - expected {wanted}")));
            }
            let same = self.compare_rows(BinaryOp::Eq, operand, item)?.expr;
            any.push(same);
        }
        any.push(Expr::Constant(0.into()));
        let any = any_of(any);
        Ok(Bound::plain(if negated { Expr::Not(Box::new(any)) } else { any }))
    }
}

/// Whether one of some conditions holds: a tree that is no higher than it must be, however many there are.
fn any_of<S: Store>(mut conditions: Vec<Expr<S>>) -> Expr<S> {
    while conditions.len() > 1 {
        let mut halved = Vec::with_capacity(conditions.len().div_ceil(2));
        let mut left = conditions.into_iter();
        while let Some(one) = left.next() {
            halved.push(match left.next() {
                Some(other) => Expr::Or(Box::new((one, other))),
                None => one,
            });
        }
        conditions = halved;
    }
    conditions.pop().unwrap_or(Expr::Constant(0.into()))
}

/// Whether an operator compares.
pub(super) fn compares(op: BinaryOp) -> bool {
    use BinaryOp::{Eq, Gt, GtEq, Is, IsDistinctFrom, IsNot, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Is | IsNot | IsDistinctFrom | IsNotDistinctFrom | Lt | LtEq | Gt | GtEq)
}
