//! The expressions and conditions of indexes, bound: to the registers of a row that is written, or to a table of `FROM`.

use super::{Binder, Bound, ScopeColumn, ScopeTable};
use crate::sql::ast::{self, Args, InSet, Literal};
use crate::sql::catalog::{Index, Table};
use crate::sql::exec::{IndexRule, IndexRules, Place};
use crate::sql::failure::{Failure, Result};
use crate::sql::function::{Callable, Registry};
use crate::sql::stack;
use crate::sql::store::Store;
use crate::sql::value::Affinity;

impl<'q, S: Store> Binder<'q, S> {
    /// What some indexes of a table need of a row in registers.
    pub(in crate::sql) fn index_rules(
        &mut self,
        table: &'q Table,
        indexes: impl Iterator<Item = &'q Index>,
    ) -> Result<IndexRules<S>> {
        let indexes: Vec<&'q Index> = indexes.collect();
        let plain = indexes.iter().all(|index| index.is_plain());
        let last = indexes.iter().flat_map(|index| &index.expressions).map(|(at, _)| at + 1).max();
        let rowid = last.unwrap_or(0).max(table.columns.len());
        let mut rules = Vec::with_capacity(indexes.len());
        let mut columns = super::from::table_columns(table, 0);
        for (at, column) in columns.iter_mut().enumerate() {
            column.place = Place::Register(at as u16);
        }
        for index in indexes {
            let mut columns = columns.clone();
            if index.filter.is_some() && table.key.is_none() {
                columns.extend(rowids(table, Place::Register(rowid as u16)));
            }
            let bound = self.of_index(table, columns, index)?;
            let expressions = bound.0.into_iter().map(|(at, bound)| (at, bound.expr, stored(bound.affinity))).collect();
            rules.push(IndexRule { expressions, filter: bound.1.map(|bound| bound.expr) });
        }
        Ok(IndexRules { rules, width: rowid + 1, plain })
    }

    /// The expressions of an index, by the numbers of their columns, and its condition, over some columns.
    fn of_index(
        &mut self,
        table: &Table,
        columns: Vec<ScopeColumn>,
        index: &'q Index,
    ) -> Result<(Vec<(usize, Bound<S>)>, Option<Bound<S>>)> {
        if index.is_plain() {
            return Ok((Vec::new(), None));
        }
        // Nothing around it is seen.
        let levels = std::mem::take(&mut self.levels);
        self.push_level();
        self.level().tables.push(ScopeTable {
            name: table.name.clone(),
            schema: Some(table.schema),
            columns,
            rowid: None,
        });
        let mut bind = || -> Result<_> {
            let mut expressions = Vec::with_capacity(index.expressions.len());
            for (at, expr) in &index.expressions {
                expressions.push((*at, self.expr(expr)?));
            }
            let filter = index.filter.as_ref().map(|filter| self.expr(filter)).transpose()?;
            Ok((expressions, filter))
        };
        let bound = bind();
        self.levels = levels;
        bound
    }

    /// The same as a slot of the innermost level has it.
    pub(in crate::sql) fn index_of_slot(
        &mut self,
        slot: usize,
        table: &Table,
        index: &'q Index,
    ) -> Result<(Vec<(usize, Bound<S>)>, Option<Bound<S>>)> {
        let mut columns = super::from::table_columns(table, slot as u16);
        if table.key.is_none() {
            columns.extend(rowids(table, Place::Rowid { slot: slot as u16 }));
        }
        self.of_index(table, columns, index)
    }
}

/// The affinity that an index keeps an expression's value in.
pub(in crate::sql) fn stored(affinity: Option<Affinity>) -> Affinity {
    match affinity {
        None => Affinity::Blob,
        Some(affinity) if affinity.is_numeric() => Affinity::Numeric,
        Some(affinity) => affinity,
    }
}

/// The rowid under those of its names that are no columns'.
fn rowids(table: &Table, place: Place) -> impl Iterator<Item = ScopeColumn> {
    let free = |name: &&str| table.column(name).is_none();
    ["rowid", "oid", "_rowid_"].into_iter().filter(free).map(move |name| ScopeColumn {
        name: name.into(),
        affinity: Some(Affinity::Integer),
        collation: None,
        declared: "INTEGER".into(),
        place,
        hidden: false,
        joined: Vec::new(),
        used_again: false,
    })
}

/// Refuses what must not stand in an index.
pub(in crate::sql) fn check_index(index: &Index, table: &Table, functions: &Registry) -> Result<()> {
    for (_, expr) in &index.expressions {
        check(expr, table, functions, "index expressions", true)?;
    }
    match &index.filter {
        Some(filter) => check(filter, table, functions, "partial index WHERE clauses", false),
        None => Ok(()),
    }
}

fn check(expr: &ast::Expr, table: &Table, functions: &Registry, of: &str, dotless: bool) -> Result<()> {
    use ast::Expr;
    let check = |expr: &Expr| stack::enough(|| check(expr, table, functions, of, dotless));
    let prohibited = |what: &str| Err(Failure::error(format!("{what} prohibited in {of}")));
    match expr {
        Expr::Literal(Literal::CurrentDate | Literal::CurrentTime | Literal::CurrentTimestamp) => {
            prohibited("non-deterministic functions")
        }
        Expr::Literal(_) | Expr::Raise(_) => Ok(()),
        Expr::Parameter(_) => prohibited("parameters"),
        Expr::Column(column) => match &column.table {
            Some(name) if dotless && name.is(&table.name) => prohibited("the \".\" operator"),
            _ => Ok(()),
        },
        Expr::Unary(_, operand) | Expr::Collate(operand, _) | Expr::Cast(operand, _) => check(operand),
        Expr::IsNull { operand, .. } => check(operand),
        Expr::Binary(binary) => check(&binary.left).and_then(|()| check(&binary.right)),
        Expr::Like(like) => {
            if matches!(like.op, ast::LikeOp::Match | ast::LikeOp::Regexp) {
                return prohibited("non-deterministic functions");
            }
            check(&like.operand)?;
            check(&like.pattern)?;
            like.escape.as_ref().map_or(Ok(()), check)
        }
        Expr::Between(between) => [&between.operand, &between.low, &between.high].into_iter().try_for_each(check),
        Expr::In(within) => {
            check(&within.operand)?;
            match &within.set {
                InSet::List(list) => list.iter().try_for_each(check),
                InSet::Select(_) | InSet::Table(..) => prohibited("subqueries"),
            }
        }
        Expr::Exists(_) | Expr::Subquery(_) => prohibited("subqueries"),
        Expr::Row(row) => row.iter().try_for_each(check),
        Expr::Case(case) => {
            case.operand.iter().chain(&case.otherwise).try_for_each(check)?;
            case.branches.iter().try_for_each(|(when, then)| check(when).and_then(|()| check(then)))
        }
        Expr::Call(call) => {
            let name = &*call.name.text;
            let args = match &call.args {
                Args::Star => &[][..],
                Args::List { exprs, .. } => exprs,
            };
            if call.over.is_some() {
                return Err(Failure::error(format!("misuse of window function {name}()")));
            }
            let function = functions.find(name, args.len())?;
            if matches!(function.callable, Callable::Aggregate(_)) {
                return Err(Failure::error(format!("misuse of aggregate function {name}()")));
            }
            if !function.deterministic {
                return prohibited("non-deterministic functions");
            }
            args.iter().try_for_each(check)
        }
    }
}

/// What share of rows a condition is said to hold for, as the logarithm that the planner counts with.
pub(super) fn likelihood(expr: &ast::Expr) -> Option<i16> {
    let ast::Expr::Call(call) = expr else { return None };
    let Args::List { exprs, .. } = &call.args else { return None };
    let share = match (&*call.name.text.to_ascii_lowercase(), &exprs[..]) {
        ("likely", [_]) => 0.9375,
        ("unlikely", [_]) => 0.0625,
        ("likelihood", [_, ast::Expr::Literal(Literal::Float(share))]) => *share,
        _ => return None,
    };
    // Of 2²⁷, which is 270.
    let part = (share * 134_217_728.0) as u64;
    Some(crate::sql::plan::logest::of(part) - 270)
}
