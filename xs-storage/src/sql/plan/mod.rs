//! From tables and conditions to loops: which table first, which index, where each condition is asked.
//!
//! Every condition carries the set of tables that it is about. An inner join's conditions and those of `WHERE` are one list; each
//! is asked in the first loop in which all of its tables have rows, or becomes the way to a table's rows. The conditions of an outer
//! join stay with it: they say what a partner is.
//!
//! The order of inner joins is found greedily from each table that could come first, by a simple cost: what the rows so far multiply
//! to. Without statistics a table is taken to have a million rows, a value of an index ten.

mod choice;
mod order;
mod term;

use choice::{Choice, Way};
pub(in crate::sql) use order::Wish;
use term::Term;

use super::ast::{Indexed, JoinKind};
use super::bind::{Binder, FromTable, Rows};
use super::catalog::Table;
use super::exec::{Access, Bound, Expr, Frame, IndexAccess, Joined, Loop, QueryRows, Relation, Slot, TableRow, Until};
use super::exec::{places, table_cursor};
use super::failure::{Failure, Result};
use super::store::Store;
use super::value::Affinity;

/// A join that is ready to run.
pub(in crate::sql) struct Planned<S: Store> {
    pub(in crate::sql) frame: Frame<S>,
    pub(in crate::sql) joined: Joined<S>,
    /// The rows come in the order that was wished for.
    pub(in crate::sql) sorted: bool,
}

fn bit(slot: usize) -> u64 {
    1 << slot
}

fn is_outer(kind: JoinKind) -> bool {
    matches!(kind, JoinKind::Left | JoinKind::Right | JoinKind::Full)
}

fn keeps_right(kind: JoinKind) -> bool {
    matches!(kind, JoinKind::Right | JoinKind::Full)
}

impl<'q, S: Store> Binder<'q, S> {
    pub(in crate::sql) fn plan_joins(
        &mut self,
        mut tables: Vec<FromTable<'q, S>>,
        joins: Vec<Vec<(Expr<S>, u64)>>,
        filter: Vec<(Expr<S>, u64)>,
        wish: Option<Wish>,
    ) -> Result<Planned<S>> {
        let (joins, filter) = self.constrain(&mut tables, joins, filter)?;
        let last_right = tables.iter().rposition(|table| keeps_right(table.kind));
        let mut free: Vec<Term<S>> = filter.into_iter().flat_map(Term::split).collect();
        let mut own: Vec<Vec<Term<S>>> = Vec::with_capacity(tables.len());
        for (slot, conditions) in joins.into_iter().enumerate() {
            let terms = conditions.into_iter().flat_map(Term::split);
            if is_outer(tables[slot].kind) || last_right.is_some() {
                own.push(terms.collect());
            } else {
                free.extend(terms);
                own.push(Vec::new());
            }
        }
        own.resize_with(tables.len(), Vec::new);
        check_indexed(&tables)?;
        let mut generated = Vec::with_capacity(tables.len());
        for (slot, table) in tables.iter().enumerate() {
            generated.push(match &table.rows {
                Rows::Table(rows) => self.generated_of(slot, rows)?,
                Rows::Query(..) => Vec::new(),
            });
        }
        let order = match last_right {
            Some(_) => (0..tables.len()).collect(),
            None => choice::order(&tables, &free),
        };
        let order = super::bind::after_needs(order, &tables)?;
        let mut loops: Vec<Loop<S>> = Vec::with_capacity(order.len());
        let mut indexes = Vec::with_capacity(order.len());
        let (mut sorted, mut done) = (false, 0_u64);
        for (position, slot) in order.iter().copied().enumerate() {
            let table = &tables[slot];
            let terms = if is_outer(table.kind) || last_right.is_some() { &mut own[slot] } else { &mut free };
            let mut choice = match keeps_right(table.kind) {
                // Its rows without partners are found by going through all of them.
                true => Choice::scan(),
                false => choice::best(table, slot, done, terms),
            };
            if let (0, Some(wish), Rows::Table(rows), None) = (position, &wish, &table.rows, last_right) {
                let covers = |index: &crate::sql::catalog::Index| self.level_covers(slot, rows, index);
                sorted = wish.fulfil(slot, rows, &mut choice, table.indexed, order.len() == 1, &covers);
            }
            let (access, index) = self.access(table, slot, &choice, terms)?;
            done |= bit(slot);
            let on = std::mem::take(&mut own[slot]).into_iter().filter_map(|term| Some((term.expr?, term.mask)));
            let mut conditions = Vec::new();
            for (expr, mask) in on {
                if mask & !done != 0 {
                    return Err(Failure::error("ON clause references tables to its right"));
                }
                conditions.push(expr);
            }
            let mut filters = Vec::new();
            if last_right.is_none_or(|right| position >= right) {
                for term in &mut free {
                    if term.mask != 0 && term.mask & !done == 0 {
                        filters.extend(term.expr.take());
                    }
                }
            }
            let level = self.level();
            let columns = &level.columns[slot];
            let load = match &table.rows {
                Rows::Table(rows) => columns.iter().any(|column| rows.rowid_column != Some(usize::from(*column))),
                Rows::Query(..) => false,
            };
            indexes.push((slot, index));
            loops.push(Loop {
                slot,
                access,
                generated: std::mem::take(&mut generated[slot]),
                on: conditions,
                filters,
                left: matches!(table.kind, JoinKind::Left | JoinKind::Full),
                right: keeps_right(table.kind).then(Default::default),
                load,
                until: Until::default(),
                matched: false,
                ended: false,
            });
            self.explain(slot, &mut tables, &choice, &loops[position]);
        }
        indexes.sort_unstable_by_key(|(slot, _)| *slot);
        let constant = free.into_iter().filter_map(|term| term.expr).collect();
        let mut slots = Vec::with_capacity(tables.len());
        for (slot, (table, (_, index))) in tables.into_iter().zip(indexes).enumerate() {
            slots.push(match table.rows {
                Rows::Query(query, correlated) => Slot::Rows(Box::new(QueryRows::new(*query, correlated))),
                Rows::Table(table) => self.slot(slot, &table, index),
            });
        }
        let frame = Frame { slots, registers: Vec::new() };
        Ok(Planned { frame, joined: Joined::new(loops, constant), sorted })
    }

    /// Whether an index has all columns of a slot that are read.
    fn level_covers(&self, slot: usize, table: &Table, index: &crate::sql::catalog::Index) -> bool {
        let Some(columns) = self.columns_of(slot) else { return false };
        columns.iter().all(|column| {
            let column = usize::from(*column);
            // What is computed is made of others, which are read as well.
            table.rowid_column == Some(column) || index.place(column).is_some() || table.is_virtual(column)
        })
    }

    fn slot(&mut self, slot: usize, table: &Table, index: Option<usize>) -> Slot<S> {
        let covered = index.filter(|index| self.level_covers(slot, table, &table.indexes[*index])).map(|index| {
            let place = |column: usize| table.indexes[index].place(column);
            (0..table.columns.len()).map(|column| place(column).map_or(u16::MAX, |at| at as u16)).collect::<Vec<_>>()
        });
        let store = self.session.store.borrow();
        let index = index.map(|index| &table.indexes[index]);
        let width = table.columns.len().max(index.map_or(0, |index| index.parts.len() + index.behind.len() + 1));
        let cursor = table_cursor(&*store, table);
        let mut row = TableRow::new(cursor, width, table.rowid_column, table.defaults());
        row.index = index.map(|index| store.index_cursor(index.root, index.order.clone()));
        row.covered = covered;
        row.layout = table.layout();
        row.key = places(table, index.map(|index| &**index));
        Slot::Table(row)
    }

    /// The way that was chosen, made of the conditions that it takes away.
    fn access(
        &mut self,
        table: &FromTable<'q, S>,
        slot: usize,
        choice: &Choice,
        terms: &mut [Term<S>],
    ) -> Result<(Access<S>, Option<usize>)> {
        let Rows::Table(table) = &table.rows else { return Ok((Access::Rows, None)) };
        let missing = || Failure::internal("a condition was taken twice");
        let mut take = |term: Option<usize>| -> Result<Option<(Relation, Expr<S>)>> {
            let Some(term) = term else { return Ok(None) };
            terms[term].take(slot).ok_or_else(missing).map(Some)
        };
        let mut bound = |term| -> Result<Option<Bound<S>>> {
            Ok(take(term)?.map(|(relation, value)| Bound {
                value,
                inclusive: matches!(relation, Relation::LtEq | Relation::GtEq),
            }))
        };
        Ok(match &choice.way {
            Way::Scan { backwards } => (Access::Scan { backwards: *backwards }, None),
            Way::Rowid { term } => {
                let bound = bound(Some(*term))?.ok_or_else(missing)?;
                (Access::Rowid(bound.value), None)
            }
            Way::RowidRange { low, high } => {
                let (low, high) = (bound(*low)?, bound(*high)?);
                (Access::RowidRange { low, high }, None)
            }
            Way::Index { index: number, equal, low, high, backwards } => {
                let index = &table.indexes[*number];
                let mut values = Vec::with_capacity(equal.len());
                for (part, term) in index.parts.iter().zip(equal) {
                    let bound = bound(Some(*term))?.ok_or_else(missing)?;
                    values.push((bound.value, table.columns[part.column].affinity));
                }
                let next = index.parts.get(equal.len());
                let access = IndexAccess {
                    equal: values,
                    low: bound(*low)?,
                    high: bound(*high)?,
                    affinity: next.map_or(Affinity::Blob, |part| table.columns[part.column].affinity),
                    descending: next.is_some_and(|part| part.key.descending),
                    parts: index.parts.len(),
                    backwards: *backwards,
                    prefix: Vec::new(),
                    limit: None,
                    keys: index.order.to_vec(),
                };
                (Access::Index(Box::new(access)), Some(*number))
            }
        })
    }

    /// Says what a loop does, as `EXPLAIN QUERY PLAN` shows it.
    fn explain(&mut self, slot: usize, tables: &mut [FromTable<'q, S>], choice: &Choice, one: &Loop<S>) {
        let depth = self.depth();
        let plan = std::mem::take(&mut tables[slot].plan);
        let table = &tables[slot];
        let name = if table.name.is_empty() { format!("(subquery-{slot})") } else { table.name.to_string() };
        let mut text = match &table.rows {
            Rows::Query(query, _) if query.function().is_some() => {
                format!(
                    "SCAN {name} VIRTUAL TABLE INDEX {}:",
                    query.function().and_then(|call| call.index().ok()).unwrap_or(0)
                )
            }
            Rows::Query(..) => {
                self.plan.push((depth, format!("CO-ROUTINE {name}")));
                self.plan.extend(plan);
                format!("SCAN {name}")
            }
            Rows::Table(rows) => {
                let covers = |index: usize| self.level_covers(slot, rows, &rows.indexes[index]);
                choice.explain(&name, rows, &covers)
            }
        };
        if one.left {
            text.push_str(" LEFT-JOIN");
        }
        self.plan.push((depth, text));
    }
}

fn check_indexed<S: Store>(tables: &[FromTable<'_, S>]) -> Result<()> {
    for table in tables {
        let (Some(Indexed::By(name)), Rows::Table(rows)) = (table.indexed, &table.rows) else { continue };
        if !rows.indexes.iter().any(|index| name.is(&index.name)) {
            return Err(Failure::error(format!("no such index: {}", name.text)));
        }
    }
    Ok(())
}
