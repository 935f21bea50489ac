//! `SELECT`, from its clauses to a query that runs.

use super::explain;
use super::expr::Bound;
use super::from::FromTable;
use super::group::{By, has_aggregate, has_ordered_aggregate, has_window, window_has_aggregate};
use super::results::Output;
use super::window::{LevelWindows, windowed};
use super::{Binder, Groups};
use crate::row::{Collation, KeyColumn};
use crate::sql::ast::{self, Core as Clause, Literal, Nulls, Order, OrderTerm, ResultColumn};
use crate::sql::exec::{Body, Compound, Core, Distinct, Expr, Grouping, OutputColumn, Query, Sort, SortKey, Values};
use crate::sql::failure::{Failure, Result};
use crate::sql::plan::Wish;
use crate::sql::plan::logest::{self, LogEst};
use crate::sql::stack;
use crate::sql::store::Store;

impl<'q, S: Store> Binder<'q, S> {
    /// A whole query, and the outermost level that it names something of; its own, if none.
    pub(in crate::sql) fn select(&mut self, select: &'q ast::Select) -> Result<(Query<S>, usize)> {
        let commons = self.commons.len();
        if let Some(with) = &select.with {
            self.with(with)?;
        }
        let rise = std::mem::take(&mut self.rise);
        self.nested += 1;
        let mut bound = stack::enough(|| self.select_with(select));
        if let Ok((query, _)) = &mut bound {
            query.gated = self.nested.is_multiple_of(stack::QUERIES);
        }
        self.nested -= 1;
        self.rise = rise;
        self.commons.truncate(commons);
        bound
    }

    fn select_with(&mut self, select: &'q ast::Select) -> Result<(Query<S>, usize)> {
        let unordered = std::mem::take(&mut self.unordered) && select.limit.is_none();
        let order_by = if unordered { &[][..] } else { &select.order_by[..] };
        let (mut query, reaches) = match select.compounds.is_empty() {
            true => self.single(&select.first, order_by, known_limit(select))?,
            false => self.compound_of(&select.first, &select.compounds, order_by)?,
        };
        self.limit(&mut query, select.limit.as_ref())?;
        Ok((query, reaches))
    }

    /// `LIMIT`, which sees no names of where the query stands.
    pub(super) fn limit(&mut self, query: &mut Query<S>, limit: Option<&'q ast::Limit>) -> Result<()> {
        let Some(limit) = limit else { return Ok(()) };
        let levels = std::mem::take(&mut self.levels);
        self.push_level();
        query.limit = Some(self.expr(&limit.limit)?.expr);
        query.offset = limit.offset.as_ref().map(|offset| self.expr(offset)).transpose()?.map(|offset| offset.expr);
        self.levels = levels;
        Ok(())
    }

    pub(super) fn compound_of(
        &mut self,
        first: &'q Clause,
        compounds: &'q [(ast::CompoundOp, Clause)],
        order_by: &'q [OrderTerm],
    ) -> Result<(Query<S>, usize)> {
        let around = std::mem::take(&mut self.plan);
        self.depth += 2;
        let (left, mut reaches) = self.single(first, &[], None)?;
        let mut lines = vec![(ast::CompoundOp::UnionAll, std::mem::take(&mut self.plan))];
        let mut parts = vec![(ast::CompoundOp::UnionAll, left.body)];
        let columns = left.columns;
        let mut collations: Vec<_> = columns.iter().map(|column| column.collation).collect();
        let mut widths = vec![(ast::CompoundOp::UnionAll, columns.len())];
        for (op, clause) in compounds {
            let (next, out) = self.single(clause, &[], None)?;
            reaches = reaches.min(out);
            parts.push((*op, next.body));
            first_collations(&mut collations, &next.columns);
            widths.push((*op, next.columns.len()));
            lines.push((*op, std::mem::take(&mut self.plan)));
        }
        self.depth -= 2;
        self.plan = around;
        self.plan.extend(match order_by.is_empty() {
            true => explain::compound(lines, self.depth),
            false => explain::merged(lines, self.depth),
        });
        // Of several that differ, the last one is told of.
        for pair in widths.windows(2).rev() {
            same_width(pair[1].0, pair[0].1, pair[1].1)?;
        }
        let keys = self.compound_order(order_by, first, compounds, &columns, &collations)?;
        let collations = collations.into_iter().map(Option::unwrap_or_default).collect();
        let width = columns.len();
        let mut compound = Compound::new(parts, collations);
        compound.ordered = !keys.is_empty();
        let mut query = Query::new(Body::Compound(Box::new(compound)), columns);
        query.sort = (!keys.is_empty()).then(|| Sort::new(keys, width));
        Ok((query, reaches))
    }

    /// `ORDER BY` of a compound: each term is a result of one of its parts.
    pub(super) fn compound_order(
        &mut self,
        order_by: &'q [OrderTerm],
        first: &'q Clause,
        compounds: &'q [(ast::CompoundOp, Clause)],
        columns: &[OutputColumn],
        collations: &[Option<Collation>],
    ) -> Result<Vec<SortKey>> {
        let mut keys = Vec::new();
        let all = || std::iter::once(first).chain(compounds.iter().map(|(_, clause)| clause));
        for (at, term) in order_by.iter().enumerate() {
            let (expr, collation) = uncollated(&term.expr)?;
            let found = match number(expr, at, columns.len())? {
                Some(output) => Some(output),
                None => all().find_map(|clause| position(clause, expr, columns)),
            };
            let Some(output) = found else {
                return Err(Failure::error(format!(
                    "{} ORDER BY term does not match any column in the result set",
                    ordinal(at + 1)
                )));
            };
            keys.push(sort_key(term, output, collation.or(collations[output])));
        }
        Ok(keys)
    }

    pub(super) fn single(
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
        self.plan.push(match rows.len() {
            1 => (self.depth, "SCAN CONSTANT ROW".to_owned()),
            rows => (self.depth, format!("SCAN {rows} CONSTANT ROWS")),
        });
        let mut columns: Vec<OutputColumn> = Vec::with_capacity(width);
        let mut bound = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != width {
                return Err(Failure::error("all VALUES must have the same number of terms"));
            }
            let row = row.iter().map(|expr| self.expr(expr)).collect::<Result<Vec<_>>>()?;
            // The columns are what the first row's are.
            if columns.is_empty() {
                columns.extend(row.iter().enumerate().map(|(at, Bound { affinity, collation, .. })| OutputColumn {
                    name: format!("column{}", at + 1).into(),
                    affinity: *affinity,
                    collation: *collation,
                    declared: "".into(),
                }));
            }
            bound.push(row.into_iter().map(|value| value.expr).collect());
        }
        let reaches = self.pop_level()?.reaches;
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
        let pending = std::mem::take(&mut self.pending);
        self.unordered = self.orders_anew(query, order_by);
        let sources = self.sources(&query.from);
        self.unordered = false;
        let (mut tables, outside) = sources?;
        let grouped = self.grouped(query);
        self.push_level();
        self.level().grouped = grouped;
        let joins = self.show(&mut tables)?;
        for column in &query.columns {
            if let ResultColumn::Expr { expr, alias: Some(alias), .. } = column {
                self.level().aliases.push((alias, expr));
            }
        }
        let filter = query.filter.as_ref().map(|filter| self.conditions(filter)).transpose()?.unwrap_or_default();
        let mut keys = Vec::new();
        for (at, expr) in query.group_by.iter().enumerate() {
            let by = match integer(expr) {
                Some(number) => match self.grouped_by(number, &query.columns, &tables)? {
                    (Some(by), _) => by,
                    (None, columns) => {
                        let which = ordinal(at + 1);
                        return Err(Failure::error(format!(
                            "{which} GROUP BY term out of range - should be between 1 and {columns}"
                        )));
                    }
                },
                None => By::Expr(expr),
            };
            let Bound { expr, collation, .. } = match by {
                By::Column((column, alone)) => self.place(&column, 0, alone)?,
                By::Expr(expr) if self.calls_aggregate(expr, &query.columns) => {
                    return Err(Failure::error("aggregate functions are not allowed in the GROUP BY clause"));
                }
                By::Expr(expr) => self.expr(expr)?,
            };
            keys.push((expr, KeyColumn { collation: collation.unwrap_or_default(), descending: false }));
        }
        if query.having.is_some() && !grouped {
            return Err(Failure::error("HAVING clause on a non-aggregate query"));
        }
        let windows = LevelWindows::new(&query.windows)?;
        let windowed = windowed(query, order_by);
        if grouped || windowed {
            let level = self.level();
            level.before = false;
            level.groups = Some(Groups { aggregates: Vec::new(), captured: Vec::new(), places: Vec::new() });
            level.windows = windowed.then_some(windows);
        }
        let (mut outputs, results) = self.results(query, &tables)?;
        let width = results.len();
        self.allow_windows(false);
        let having = query.having.as_ref().map(|having| self.expr(having)).transpose()?.map(|having| having.expr);
        self.allow_windows(true);
        self.level().ordering = true;
        let mut sort = self.order(order_by, &results, &mut outputs)?;
        // Groups come in the directions of what sorts them next, if that is as many terms.
        let order = match &self.level().windows {
            Some(windows) => windows.first_order(),
            None => sort.clone(),
        };
        if order.len() == keys.len() {
            keys.iter_mut().zip(order).for_each(|((_, key), order)| key.descending = order.key.descending);
        }
        // And so in the order that is asked for, if that is of the same terms.
        let terms = match &self.level().windows {
            Some(windows) => windows.first_terms(),
            None => order_by.iter().map(|term| (&term.expr, term.nulls.is_some())).collect(),
        };
        let by_group = grouped && self.is_order_of_groups(query, &terms);
        if by_group && !windowed {
            sort.clear();
        }
        let mut distinct = (query.distinct == Some(ast::Distinct::Distinct))
            .then(|| Distinct::new(results.iter().map(|result| result.collation.unwrap_or_default()).collect()));
        let extreme = if grouped && !windowed && keys.is_empty() { self.extreme(query) } else { None };
        let windows = self.window_order();
        let wish = match (grouped, &extreme) {
            (true, Some((argument, collation, greatest))) => Some(Wish::extreme(argument, *collation, *greatest)),
            (true, None) => Wish::groups(&keys, by_group),
            (false, _) if windowed => windows.as_ref().map(|keys| Wish::windows(keys)),
            (false, _) => Wish::rows(&outputs, &sort, distinct.as_ref().map(|distinct| &distinct.columns[..]), limited),
        };
        let wished = wish.as_ref().map_or(0, |wish| wish.keys.len());
        let (line, passes) = (self.plan.len(), self.level().windows.as_ref().map_or(0, LevelWindows::passes));
        self.deepen(&mut tables, passes);
        self.depth += passes;
        let planned = self.plan_joins(tables, joins, filter, wish)?;
        self.depth -= passes;
        let mut level = self.pop_level()?;
        let in_order = wished > 0 && planned.sorted >= wished;
        if let Some(distinct) = &mut distinct {
            distinct.in_order = !grouped && !windowed && planned.distinct;
        }
        let (mut grouping, mut captured) = (None, Vec::new());
        match level.groups.take() {
            Some(groups) if grouped => {
                let grouping = grouping.insert(Grouping::new(keys));
                grouping.in_order = extreme.is_none() && in_order;
                grouping.first_only = extreme.is_some() && planned.sorted > 0;
                (grouping.aggregates, grouping.captured, grouping.having) =
                    (groups.aggregates, groups.captured, having);
            }
            groups => captured.extend(groups.into_iter().flat_map(|groups| groups.captured)),
        }
        let mut frame = planned.frame;
        frame.registers = vec![Default::default(); usize::from(level.registers)];
        self.stream(&mut frame, &planned.joined);
        if query.from.is_empty() {
            self.plan.push((self.depth + passes, "SCAN CONSTANT ROW".to_owned()));
        }
        if passes == 0 {
            self.show_subqueries(Vec::new());
        }
        self.show_right_joins(&planned.right);
        if grouped && !query.group_by.is_empty() && !in_order {
            self.plan.push((self.depth + passes, "USE TEMP B-TREE FOR GROUP BY".to_owned()));
        }
        let mut sorted = match grouped {
            true if by_group => wished,
            true => 0,
            false => planned.sorted,
        };
        if let Some(windows) = &level.windows {
            windows.explain(&mut self.plan, line, self.depth, sorted);
            sorted = if windows.comes_in(order_by) { sort.len() } else { 0 };
        }
        self.show_subqueries(pending);
        if distinct.as_ref().is_some_and(|distinct| !distinct.in_order) {
            self.plan.push((self.depth, "USE TEMP B-TREE FOR DISTINCT".to_owned()));
        }
        let mut core = Core::new(frame, planned.joined, grouping, outputs, distinct);
        core.windows = level.windows.take().map(|windows| windows.finish(captured));
        let columns = results.into_iter().map(|result| result.shown).collect::<Vec<_>>();
        debug_assert_eq!(columns.len(), width);
        let mut bound = Query::new(Body::Core(Box::new(core)), columns);
        bound.estimate = planned.rows;
        if sorted < sort.len() {
            let part = if sorted > 0 { "RIGHT PART OF " } else { "" };
            self.plan.push((self.depth, format!("USE TEMP B-TREE FOR {part}ORDER BY")));
            bound.sort = Some(Sort::new(sort, width));
        }
        self.selects += 1;
        Ok((bound, outside.min(level.reaches)))
    }

    /// Whether the order of the queries that it reads is lost, and nothing depends on it.
    fn orders_anew(&self, query: &ast::Query, order_by: &[OrderTerm]) -> bool {
        let functions = &*self.session.functions.borrow();
        let depends = |expr: &ast::Expr| has_ordered_aggregate(expr, functions) || has_window(expr);
        let in_result = |column: &ResultColumn| matches!(column, ResultColumn::Expr { expr, .. } if depends(expr));
        (query.from.len() > 1 || !order_by.is_empty())
            && !query.columns.iter().any(in_result)
            && !query.having.iter().chain(order_by.iter().map(|term| &term.expr)).any(depends)
    }

    /// What is told already of where rows come from is told so much deeper.
    fn deepen(&mut self, tables: &mut [FromTable<'q, S>], by: u32) {
        let of_tables = tables.iter_mut().flat_map(|table| &mut table.plan);
        let of_conditions = self.pending.iter_mut().filter(|(mask, _)| mask.is_some()).flat_map(|(_, lines)| lines);
        of_tables.chain(of_conditions).for_each(|(depth, _)| *depth += by);
    }

    fn grouped(&self, query: &ast::Query) -> bool {
        let functions = &*self.session.functions.borrow();
        let has_aggregate = |expr: &ast::Expr| has_aggregate(expr, functions);
        let results = query.columns.iter().any(|column| match column {
            ResultColumn::Expr { expr, .. } => has_aggregate(expr),
            _ => false,
        });
        let in_windows = query.windows.iter().any(|(_, window)| window_has_aggregate(window, functions));
        results || in_windows || !query.group_by.is_empty()
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

/// Of a compound's column, the collation is that of the first part that has one.
pub(super) fn first_collations(collations: &mut [Option<Collation>], columns: &[OutputColumn]) {
    for (collation, column) in collations.iter_mut().zip(columns) {
        *collation = collation.or(column.collation);
    }
}

/// The parts of a compound have as many results.
pub(super) fn same_width(op: ast::CompoundOp, left: usize, right: usize) -> Result<()> {
    let name = explain::name_of(op);
    match left == right {
        true => Ok(()),
        false => Err(Failure::error(format!(
            "SELECTs to the left and right of {name} do not have the same number of result columns"
        ))),
    }
}

/// A limit that is a number.
fn known_limit(select: &ast::Select) -> Option<LogEst> {
    match select.limit.as_ref()?.limit {
        ast::Expr::Literal(Literal::Integer(n)) => Some(logest::of(n)),
        _ => None,
    }
}

pub(super) fn sort_key(term: &OrderTerm, output: usize, collation: Option<Collation>) -> SortKey {
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

/// A small integer that is written out, with its sign.
fn integer(expr: &ast::Expr) -> Option<i64> {
    match expr {
        ast::Expr::Literal(Literal::Integer(n)) => i32::try_from(*n).ok().map(i64::from),
        ast::Expr::Unary(ast::UnaryOp::Plus, operand) => integer(operand),
        ast::Expr::Unary(ast::UnaryOp::Minus, operand) => integer(operand).map(|n| -n),
        _ => None,
    }
}

/// The result that a number means.
fn number(expr: &ast::Expr, term: usize, results: usize) -> Result<Option<usize>> {
    let Some(n) = integer(expr) else { return Ok(None) };
    match usize::try_from(n).ok().filter(|n| (1..=results).contains(n)) {
        Some(n) => Ok(Some(n - 1)),
        None => Err(Failure::error(format!(
            "{} ORDER BY term out of range - should be between 1 and {results}",
            ordinal(term + 1)
        ))),
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
