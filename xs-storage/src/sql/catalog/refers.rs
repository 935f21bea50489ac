//! What an expression refers to, as it stands in the schema: the columns of its row, and what may not stand there.

use crate::sql::ast::{Args, Expr, Ident, InSet};
use crate::sql::failure::{Failure, Result};

/// The operands of an expression.
fn operands(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Literal(_) | Expr::Parameter(_) | Expr::Column(_) | Expr::Exists(_) | Expr::Subquery(_) => Vec::new(),
        Expr::Raise(_) => Vec::new(),
        Expr::Unary(_, operand) | Expr::Collate(operand, _) | Expr::Cast(operand, _) => vec![operand],
        Expr::IsNull { operand, .. } => vec![operand],
        Expr::Binary(binary) => vec![&binary.left, &binary.right],
        Expr::Like(like) => [&like.operand, &like.pattern].into_iter().chain(&like.escape).collect(),
        Expr::Between(between) => vec![&between.operand, &between.low, &between.high],
        Expr::In(within) => {
            let list = match &within.set {
                InSet::List(list) => &list[..],
                InSet::Select(_) | InSet::Table(..) => &[],
            };
            std::iter::once(&within.operand).chain(list).collect()
        }
        Expr::Row(row) => row.iter().collect(),
        Expr::Case(case) => {
            let branches = case.branches.iter().flat_map(|(when, then)| [when, then]);
            case.operand.iter().chain(branches).chain(&case.otherwise).collect()
        }
        Expr::Call(call) => match &call.args {
            Args::Star => Vec::new(),
            Args::List { exprs, .. } => exprs.iter().collect(),
        },
    }
}

/// An expression and all that it is made of, from left to right; not what queries within it are made of.
pub(in crate::sql) fn parts(expr: &Expr) -> Vec<&Expr> {
    let (mut parts, mut open) = (Vec::new(), vec![expr]);
    while let Some(expr) = open.pop() {
        parts.push(expr);
        open.extend(operands(expr).into_iter().rev());
    }
    parts
}

/// The names of columns in an expression.
pub(in crate::sql) fn columns_in<'e>(expr: &'e Expr) -> Vec<&'e Ident> {
    let name = |part: &'e Expr| match part {
        Expr::Column(column) => Some(&column.name),
        _ => None,
    };
    parts(expr).into_iter().filter_map(name).collect()
}

/// Fails if there is a query in an expression of the schema: what is computed of a row may read nothing else, whoever wrote the
/// schema's text.
pub(in crate::sql) fn without_queries(expr: &Expr, place: &str) -> Result<()> {
    let is_query = |part: &&Expr| match part {
        Expr::Exists(_) | Expr::Subquery(_) => true,
        Expr::In(within) => !matches!(within.set, InSet::List(_)),
        _ => false,
    };
    match parts(expr).iter().any(is_query) {
        true => Err(Failure::error(format!("subqueries prohibited in {place}"))),
        false => Ok(()),
    }
}
