//! `SELECT`, from its clauses to a query that runs.

use super::expr::Bound;
use super::from::{FromTable, last_right};
use super::group::has_aggregate;
use super::{Binder, Groups, ScopeColumn};
use crate::row::{Collation, KeyColumn};
use crate::sql::ast::{self, Core as Clause, Literal, Nulls, Order, OrderTerm, ResultColumn};
use crate::sql::exec::{Body, Compound, Core, Distinct, Expr, Grouping, OutputColumn, Query, Sort, SortKey, Values};
use crate::sql::failure::{Failure, Result};
use crate::sql::plan::logest::{self, LogEst};
use crate::sql::plan::{Wish, WishKind};
use crate::sql::store::Store;

/// A result of a `SELECT`, with what an `ORDER BY` can know it by.
struct Output<'q> {
    shown: OutputColumn,
    alias: Option<&'q str>,
    expr: Option<&'q ast::Expr>,
    collation: Option<Collation>,
}

impl<'q, S: Store> Binder<'q, S> {
    /// A whole query, and the outermost level that it names something of; its own, if none.
    pub(in crate::sql) fn select(&mut self, select: &'q ast::Select) -> Result<(Query<S>, usize)> {
        let commons = self.commons.len();
        if let Some(with) = &select.with {
            self.with(with)?;
        }
        let bound = self.select_with(select);
        self.commons.truncate(commons);
        bound
    }

    fn select_with(&mut self, select: &'q ast::Select) -> Result<(Query<S>, usize)> {
        let (mut query, mut reaches) = match select.compounds.is_empty() {
            true => self.single(&select.first, &select.order_by, known_limit(select))?,
            false => self.compound(select)?,
        };
        if let Some(limit) = &select.limit {
            self.push_level();
            query.limit = Some(self.expr(&limit.limit)?.expr);
            query.offset = limit.offset.as_ref().map(|offset| self.expr(offset)).transpose()?.map(|offset| offset.expr);
            reaches = reaches.min(self.pop_level()?.reaches);
        }
        Ok((query, reaches))
    }

    fn compound(&mut self, select: &'q ast::Select) -> Result<(Query<S>, usize)> {
        let (first, mut reaches) = self.single(&select.first, &[], None)?;
        let mut parts = vec![(ast::CompoundOp::UnionAll, first.body)];
        let columns = first.columns;
        for (op, clause) in &select.compounds {
            let (next, out) = self.single(clause, &[], None)?;
            reaches = reaches.min(out);
            if next.columns.len() != columns.len() {
                let name = match op {
                    ast::CompoundOp::Union => "UNION",
                    ast::CompoundOp::UnionAll => "UNION ALL",
                    ast::CompoundOp::Except => "EXCEPT",
                    ast::CompoundOp::Intersect => "INTERSECT",
                };
                return Err(Failure::error(format!(
                    "SELECTs to the left and right of {name} do not have the same number of result columns"
                )));
            }
            parts.push((*op, next.body));
        }
        let collations = columns.iter().map(|column| column.collation.unwrap_or_default()).collect();
        let mut keys = Vec::new();
        let all = || std::iter::once(&select.first).chain(select.compounds.iter().map(|(_, clause)| clause));
        for (at, term) in select.order_by.iter().enumerate() {
            let (expr, collation) = uncollated(&term.expr)?;
            let found = match number(expr, at, columns.len())? {
                Some(output) => Some(output),
                None => all().find_map(|clause| position(clause, expr, &columns)),
            };
            let Some(output) = found else {
                return Err(Failure::error(format!(
                    "{} ORDER BY term does not match any column in the result set",
                    ordinal(at + 1)
                )));
            };
            keys.push(sort_key(term, output, collation.or(columns[output].collation)));
        }
        let width = columns.len();
        let mut query = Query::new(Body::Compound(Box::new(Compound::new(parts, collations))), columns);
        query.sort = (!keys.is_empty()).then(|| Sort::new(keys, width));
        Ok((query, reaches))
    }

    fn single(
        &mut self,
        clause: &'q Clause,
        order_by: &'q [OrderTerm],
        limited: Option<LogEst>,
    ) -> Result<(Query<S>, usize)> {
        match clause {
            Clause::Query(query) => self.core(query, order_by, limited),
            Clause::Values(rows) => self.values(rows, order_by),
        }
    }

    fn values(&mut self, rows: &'q [Vec<ast::Expr>], order_by: &[OrderTerm]) -> Result<(Query<S>, usize)> {
        self.push_level();
        let width = rows.first().map_or(0, Vec::len);
        let mut bound = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != width {
                return Err(Failure::error("all VALUES must have the same number of terms"));
            }
            bound.push(self.exprs(row)?);
        }
        let reaches = self.pop_level()?.reaches;
        let column = |at: usize| OutputColumn {
            name: format!("column{}", at + 1).into(),
            affinity: None,
            collation: None,
            declared: "".into(),
        };
        let columns: Vec<_> = (0..width).map(column).collect();
        let mut keys = Vec::new();
        for (at, term) in order_by.iter().enumerate() {
            let (expr, collation) = uncollated(&term.expr)?;
            let named = || {
                columns.iter().position(|column| matches!(expr, ast::Expr::Column(name) if name.name.is(&column.name)))
            };
            match number(expr, at, width)?.or_else(named) {
                Some(output) => keys.push(sort_key(term, output, collation)),
                None => return Err(Failure::unsupported("VALUES in the order of an expression")),
            }
        }
        let mut query = Query::new(Body::Values(Values::new(bound)), columns);
        query.sort = (!keys.is_empty()).then(|| Sort::new(keys, width));
        Ok((query, reaches))
    }

    fn core(
        &mut self,
        query: &'q ast::Query,
        order_by: &'q [OrderTerm],
        limited: Option<LogEst>,
    ) -> Result<(Query<S>, usize)> {
        if !query.windows.is_empty() {
            return Err(Failure::unsupported("window functions"));
        }
        let pending = std::mem::take(&mut self.pending);
        let (mut tables, outside) = self.sources(&query.from)?;
        self.push_level();
        let joins = self.show(&mut tables)?;
        for column in &query.columns {
            if let ResultColumn::Expr { expr, alias: Some(alias), .. } = column {
                self.level().aliases.push((alias, expr));
            }
        }
        let filter = query.filter.as_ref().map(|filter| self.conditions(filter)).transpose()?.unwrap_or_default();
        let grouped = self.grouped(query, order_by);
        let mut keys = Vec::new();
        for (at, expr) in query.group_by.iter().enumerate() {
            let expr = match expr {
                ast::Expr::Literal(Literal::Integer(_)) => match result_number(expr, &query.columns) {
                    Some(result) => result,
                    None => {
                        let (which, columns) = (ordinal(at + 1), query.columns.len());
                        return Err(Failure::error(format!(
                            "{which} GROUP BY term out of range - should be between 1 and {columns}"
                        )));
                    }
                },
                other => other,
            };
            let Bound { expr, collation, .. } = self.expr(expr)?;
            keys.push((expr, collation.unwrap_or_default()));
        }
        if query.having.is_some() && !grouped {
            return Err(Failure::error("HAVING clause on a non-aggregate query"));
        }
        if grouped {
            let level = self.level();
            level.before = false;
            level.groups = Some(Groups { aggregates: Vec::new(), captured: Vec::new(), places: Vec::new() });
        }
        let (mut outputs, results) = self.results(query, &tables)?;
        let width = results.len();
        let having = query.having.as_ref().map(|having| self.expr(having)).transpose()?.map(|having| having.expr);
        let mut sort = self.order(order_by, &results, &mut outputs)?;
        // Groups come in the order of their keys.
        let by_group = grouped && super::group::is_order_of_groups(query, order_by);
        let descending: Vec<bool> = match by_group {
            true => sort.iter().map(|key| key.key.descending).collect(),
            false => Vec::new(),
        };
        if by_group {
            sort.clear();
        }
        let distinct = (query.distinct == Some(ast::Distinct::Distinct))
            .then(|| Distinct::new(results.iter().map(|result| result.collation.unwrap_or_default()).collect()));
        // An order that the rows come in anyway needs no sort.
        let extreme = if keys.is_empty() { self.extreme(query) } else { None };
        let wished = match grouped {
            true => keys.len(),
            false => outputs.len(),
        };
        let key = |collation: Collation, descending: bool| SortKey {
            output: 0,
            key: KeyColumn { collation, descending },
            nulls_first: !descending,
        };
        let wish = match (grouped, &extreme) {
            (false, _) if !sort.is_empty() => Some(Wish {
                keys: sort.iter().map(|key| (&outputs[key.output], *key)).collect(),
                kind: WishKind::Order,
                distinct: outputs
                    .iter()
                    .zip(distinct.iter().flat_map(|distinct| &distinct.columns))
                    .map(|(output, collation)| (output, key(*collation, false)))
                    .collect(),
                limit: limited,
            }),
            (false, _) => distinct.as_ref().map(|distinct| Wish {
                keys: outputs
                    .iter()
                    .zip(&distinct.columns)
                    .map(|(output, collation)| (output, key(*collation, false)))
                    .collect(),
                kind: WishKind::Distinct,
                distinct: Vec::new(),
                limit: None,
            }),
            (true, Some((argument, collation, greatest))) => Some(Wish {
                keys: vec![(argument, key(*collation, *greatest))],
                kind: WishKind::Extreme,
                distinct: Vec::new(),
                limit: None,
            }),
            (true, None) => (!keys.is_empty()).then(|| Wish {
                keys: keys
                    .iter()
                    .enumerate()
                    .map(|(at, (expr, collation))| (expr, key(*collation, descending.get(at) == Some(&true))))
                    .collect(),
                kind: if by_group { WishKind::Order } else { WishKind::Group },
                distinct: Vec::new(),
                limit: None,
            }),
        };
        let planned = self.plan_joins(tables, joins, filter, wish)?;
        let mut level = self.pop_level()?;
        let groups_in_order = planned.sorted >= wished && wished > 0;
        let mut distinct = distinct;
        if let Some(distinct) = &mut distinct {
            distinct.in_order = !grouped && planned.distinct;
        }
        let grouping = level.groups.take().map(|groups| {
            let mut grouping = Grouping::new(keys);
            grouping.in_order = groups_in_order;
            grouping.first_only = extreme.is_some() && planned.sorted > 0;
            grouping.descending = descending;
            (grouping.aggregates, grouping.captured, grouping.having) = (groups.aggregates, groups.captured, having);
            grouping
        });
        let mut frame = planned.frame;
        frame.registers = vec![Default::default(); usize::from(level.registers)];
        let in_order = planned.sorted;
        if query.from.is_empty() {
            self.plan.push((self.depth, "SCAN CONSTANT ROW".to_owned()));
        }
        self.show_subqueries(pending);
        self.show_right_joins(&planned.right);
        if grouped && !query.group_by.is_empty() && !groups_in_order {
            self.plan.push((self.depth, "USE TEMP B-TREE FOR GROUP BY".to_owned()));
        }
        if distinct.as_ref().is_some_and(|distinct| !distinct.in_order) {
            self.plan.push((self.depth, "USE TEMP B-TREE FOR DISTINCT".to_owned()));
        }
        let total = outputs.len();
        let core = Core::new(frame, planned.joined, grouping, outputs, distinct);
        let columns = results.into_iter().map(|result| result.shown).collect::<Vec<_>>();
        debug_assert_eq!(columns.len(), width);
        let mut bound = Query::new(Body::Core(Box::new(core)), columns);
        bound.estimate = planned.rows;
        if in_order < sort.len() {
            let part = if in_order > 0 { "RIGHT PART OF " } else { "" };
            self.plan.push((self.depth, format!("USE TEMP B-TREE FOR {part}ORDER BY")));
            bound.sort = Some(Sort::new(sort, total));
        }
        self.selects += 1;
        Ok((bound, outside.min(level.reaches)))
    }

    fn grouped(&self, query: &ast::Query, order_by: &[OrderTerm]) -> bool {
        let functions = &*self.session.functions.borrow();
        let has_aggregate = |expr: &ast::Expr| has_aggregate(expr, functions);
        let results = query.columns.iter().any(|column| match column {
            ResultColumn::Expr { expr, .. } => has_aggregate(expr),
            _ => false,
        });
        results
            || !query.group_by.is_empty()
            || query.having.as_ref().is_some_and(has_aggregate)
            || order_by.iter().any(|term| has_aggregate(&term.expr))
    }

    fn results(
        &mut self,
        query: &'q ast::Query,
        tables: &[FromTable<'q, S>],
    ) -> Result<(Vec<Expr<S>>, Vec<Output<'q>>)> {
        let (mut outputs, mut results) = (Vec::new(), Vec::new());
        for column in &query.columns {
            match column {
                ResultColumn::Expr { expr, alias, span } => {
                    let busy = std::mem::replace(&mut self.level().busy, true);
                    let bound = self.expr(expr);
                    self.level().busy = busy;
                    let bound = bound?;
                    let mut shown = self.shown(expr, &bound);
                    if let Some(alias) = alias {
                        shown.name = alias.text.clone();
                    } else if shown.name.is_empty() {
                        let text = self.text.get(span.start as usize..span.end as usize).unwrap_or("");
                        shown.name = text.trim().into();
                    }
                    results.push(Output {
                        shown,
                        alias: alias.as_ref().map(|alias| &*alias.text),
                        expr: Some(expr),
                        collation: bound.collation,
                    });
                    outputs.push(bound.expr);
                }
                ResultColumn::All | ResultColumn::AllOf(_) => {
                    if tables.is_empty() {
                        return Err(Failure::error("no tables specified"));
                    }
                    let of = match column {
                        ResultColumn::AllOf(name) => Some(name),
                        _ => None,
                    };
                    let mut any = false;
                    let last_right = last_right(tables).unwrap_or(0);
                    for (at, table) in self.level().tables.clone().into_iter().enumerate() {
                        if of.is_some_and(|of| !of.is(&table.name)) {
                            continue;
                        }
                        any = true;
                        for column in table.columns {
                            if column.hidden && of.is_none() {
                                continue;
                            }
                            // Left of a join that keeps right rows, a table's column is shown as what the joins made of it.
                            let merged = column.hidden && column.used_again && at < last_right;
                            let column = match merged {
                                true => self.first_of(&column.name).unwrap_or(column),
                                false => column,
                            };
                            let bound = self.place(&column, 0, merged || !column.hidden)?;
                            let mut shown = OutputColumn::from(column.shown());
                            (shown.affinity, shown.collation) = (bound.affinity, bound.collation);
                            let collation = bound.collation;
                            results.push(Output { shown, alias: None, expr: None, collation });
                            outputs.push(bound.expr);
                        }
                    }
                    if let (Some(of), false) = (of, any) {
                        return Err(Failure::error(format!("no such table: {}", of.text)));
                    }
                }
            }
        }
        Ok((outputs, results))
    }

    /// The column that a name without a table means in the innermost level.
    fn first_of(&mut self, name: &str) -> Option<ScopeColumn> {
        let mut columns = self.level().tables.iter().flat_map(|table| &table.columns);
        columns.find(|column| !column.hidden && column.name.eq_ignore_ascii_case(name)).cloned()
    }

    /// How a result is shown: as the column that it is, or not named yet.
    fn shown(&mut self, expr: &'q ast::Expr, bound: &Bound<S>) -> OutputColumn {
        let mut shown =
            OutputColumn { name: "".into(), affinity: bound.affinity, collation: bound.collation, declared: "".into() };
        if let ast::Expr::Column(name) = expr {
            let fits = |table: &&super::ScopeTable| name.table.as_ref().is_none_or(|wanted| wanted.is(&table.name));
            let levels = self.levels.iter().rev();
            let mut columns =
                levels.flat_map(|level| level.tables.iter().filter(fits)).flat_map(|table| &table.columns);
            if let Some(column) = columns.find(|column| name.name.is(&column.name)) {
                shown.name = column.name.clone();
                shown.declared = match name.table {
                    Some(_) => column.declared.clone(),
                    None => column.shown().declared,
                };
            }
        }
        shown
    }

    /// `ORDER BY`: results by number, name or likeness, and what isn't a result is computed beside them.
    fn order(
        &mut self,
        order_by: &'q [OrderTerm],
        results: &[Output<'q>],
        outputs: &mut Vec<Expr<S>>,
    ) -> Result<Vec<SortKey>> {
        let mut keys = Vec::with_capacity(order_by.len());
        for (at, term) in order_by.iter().enumerate() {
            let (expr, explicit) = uncollated(&term.expr)?;
            let alias = |result: &Output<'_>| match (expr, result.alias) {
                (ast::Expr::Column(column), Some(alias)) => column.table.is_none() && column.name.is(alias),
                _ => false,
            };
            let known = number(expr, at, results.len())?
                .or_else(|| results.iter().position(alias))
                .or_else(|| results.iter().position(|result| result.expr == Some(expr)));
            match known {
                Some(output) => keys.push(sort_key(term, output, explicit.or(results[output].collation))),
                None => {
                    let bound = self.expr(expr)?;
                    keys.push(sort_key(term, outputs.len(), explicit.or(bound.collation)));
                    outputs.push(bound.expr);
                }
            }
        }
        Ok(keys)
    }
}

/// A limit that is a number.
fn known_limit(select: &ast::Select) -> Option<LogEst> {
    match select.limit.as_ref()?.limit {
        ast::Expr::Literal(Literal::Integer(n)) => Some(logest::of(n)),
        _ => None,
    }
}

fn sort_key(term: &OrderTerm, output: usize, collation: Option<Collation>) -> SortKey {
    let descending = term.order == Some(Order::Desc);
    let nulls_first = match term.nulls {
        Some(nulls) => nulls == Nulls::First,
        None => !descending,
    };
    SortKey { output, key: KeyColumn { collation: collation.unwrap_or_default(), descending }, nulls_first }
}

fn uncollated(expr: &ast::Expr) -> Result<(&ast::Expr, Option<Collation>)> {
    match expr {
        ast::Expr::Collate(inner, name) => Ok((inner, Some(crate::sql::catalog::collation_named(&name.text)?))),
        other => Ok((other, None)),
    }
}

/// The result that a number means.
fn number(expr: &ast::Expr, term: usize, results: usize) -> Result<Option<usize>> {
    let ast::Expr::Literal(Literal::Integer(n)) = expr else { return Ok(None) };
    match usize::try_from(*n).ok().filter(|n| (1..=results).contains(n)) {
        Some(n) => Ok(Some(n - 1)),
        None => Err(Failure::error(format!(
            "{} ORDER BY term out of range - should be between 1 and {results}",
            ordinal(term + 1)
        ))),
    }
}

fn result_number<'q>(expr: &ast::Expr, columns: &'q [ResultColumn]) -> Option<&'q ast::Expr> {
    let ast::Expr::Literal(Literal::Integer(n)) = expr else { return None };
    match columns.get(usize::try_from(*n).ok()?.checked_sub(1)?)? {
        ResultColumn::Expr { expr, .. } => Some(expr),
        _ => None,
    }
}

/// Which result of a part of a compound an expression names.
fn position(clause: &Clause, expr: &ast::Expr, columns: &[OutputColumn]) -> Option<usize> {
    if let ast::Expr::Column(column) = expr
        && column.table.is_none()
        && let Some(at) = columns.iter().position(|shown| column.name.is(&shown.name))
    {
        return Some(at);
    }
    let Clause::Query(query) = clause else { return None };
    query.columns.iter().position(|result| match result {
        ResultColumn::Expr { expr: result, alias, .. } => {
            let named =
                matches!((expr, alias), (ast::Expr::Column(column), Some(alias)) if alias.is(&column.name.text));
            named || result == expr
        }
        _ => false,
    })
}

pub(in crate::sql) fn ordinal(n: usize) -> String {
    let ending = match (n % 10, n % 100) {
        (1, last) if last != 11 => "st",
        (2, last) if last != 12 => "nd",
        (3, last) if last != 13 => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}
