//! From tables and conditions to loops: which table first, by which index, where each condition is asked.
//!
//! # How it works
//!
//! ```text
//!   conditions ──▶ terms ──▶ probes            what each says of which column
//!   tables, sqlite_stat1 ──▶ statistics        how many rows there are, and how many a value has
//!                              │
//!                    candidates: ways to each table's rows, with cost and number, and the tables they need before them
//!                              │
//!                    paths: the best few, longer by one loop each time; an order that is asked for counts as the sort it saves
//!                              │
//!                    loops, of the accesses that the ways become and of the conditions that are left
//! ```
//!
//! Every condition carries the set of tables that it is about. An inner join's conditions and those of `WHERE` are one list; each
//! is asked in the first loop in which all of its tables have rows, or becomes the way to a table's rows. The conditions of an outer
//! join stay with it: they say what a partner is.
//!
//! The estimates are SQLite's, and so is the search: a schema that was made fast for SQLite is to be fast here. Costs are
//! logarithms, see [`logest`]. Where nobody has run `ANALYZE`, a table is taken to have a million rows, a value of an index ten.

mod alike;
mod build;
mod candidate;
mod either;
mod explain;
mod finder;
mod known;
mod like;
pub(in crate::sql) mod logest;
mod order;
mod partial;
mod quick;
mod search;
mod slots;
mod stats;
mod term;
mod wish;

pub(in crate::sql) use alike::{copied, same};
use candidate::{Candidate, Way};
use logest::LogEst;
use order::Ordered;
use slots::{Chosen, Slots, choose};
pub(in crate::sql) use stats::Counted;
use term::{Indexed, Term};
pub(in crate::sql) use wish::Wish;
use wish::WishKind;

use super::ast::{self, JoinKind};
use super::bind::{Binder, FromTable, Rows};
use super::catalog::Table;
use super::exec::{
    Access, COMPUTED, Expr, Frame, Joined, Loop, QueryRows, ROWID, Slot, TableRow, Until, places, table_cursor,
};
use super::failure::{Failure, Result};
use super::store::Store;
use super::value::Affinity;

/// A join that is ready to run.
pub(in crate::sql) struct Planned<S: Store> {
    pub(in crate::sql) frame: Frame<S>,
    pub(in crate::sql) joined: Joined<S>,
    /// In how many terms the rows come in the order that was wished for; all that were, if it is not less.
    pub(in crate::sql) sorted: usize,
    /// How many rows there may be.
    pub(in crate::sql) rows: LogEst,
    /// Rows that are the same come one after the other, where that is asked for beside an order; or there are none.
    pub(in crate::sql) distinct: bool,
    /// The lines about the rows that right joins keep.
    pub(in crate::sql) right: Vec<(u32, String)>,
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

/// The indexes' expressions and conditions of all slots.
struct OfIndexes<S: Store> {
    expressions: Vec<Indexed<S>>,
    affinities: Vec<(usize, usize, Option<Affinity>)>,
    /// By slot and index.
    filters: Vec<(usize, usize, Expr<S>)>,
}

impl<'q, S: Store> Binder<'q, S> {
    pub(in crate::sql) fn plan_joins(
        &mut self,
        mut tables: Vec<FromTable<'q, S>>,
        joins: Vec<Vec<(Expr<S>, u64)>>,
        filter: Vec<(Expr<S>, u64)>,
        wish: Option<Wish<'_, S>>,
    ) -> Result<Planned<S>> {
        let (joins, filter) = self.constrain(&mut tables, joins, filter)?;
        check_indexed(&tables)?;
        partial::reduce(&mut tables, &joins, &filter);
        let last_right = tables.iter().rposition(|table| keeps_right(table.kind));
        let of_indexes = self.of_indexes(&tables)?;
        let mut generated = Vec::with_capacity(tables.len());
        for (slot, table) in tables.iter().enumerate() {
            generated.push(match &table.rows {
                Rows::Table(rows) => self.generated_of(slot, rows)?,
                Rows::Query(..) => Vec::new(),
            });
        }
        let mut terms = Vec::with_capacity(filter.len() + joins.len());
        let mut all: Vec<(usize, (Expr<S>, u64), Option<usize>)> = Vec::new();
        for (slot, conditions) in joins.into_iter().enumerate() {
            let own = (is_outer(tables[slot].kind) || last_right.is_some()).then_some(slot);
            all.extend(conditions.into_iter().map(|condition| (slot, condition, own)));
        }
        // Where `WHERE` is asked, it is asked first.
        for condition in filter {
            term::split(&mut terms, condition, None, &of_indexes.expressions);
        }
        for (slot, condition, own) in all {
            if own.is_some() && slot < 63 && condition.1 >> (slot + 1) != 0 {
                return Err(Failure::error("ON clause references tables to its right"));
            }
            term::split(&mut terms, condition, own, &of_indexes.expressions);
        }
        let quick = match &tables[..] {
            [only] => quick::one_row(only, &terms, &|table, index| self.level_covers(0, table, index)),
            _ => None,
        };
        let extreme = wish.as_ref().is_some_and(|wish| wish.kind == WishKind::Extreme);
        let Chosen { loops: chosen, turned, sorted, rows, distinct } = match quick {
            Some(one) => Chosen::single(one, wish.as_ref().map_or(0, |wish| wish.keys.len())),
            None => self.choose(&tables, &of_indexes, &terms, last_right, wish.as_ref())?,
        };
        let right = self.right_lines(&tables);
        self.explain(&mut tables, &chosen, &terms, extreme);
        let mut loops: Vec<Loop<S>> = Vec::with_capacity(chosen.len());
        let mut indexes = vec![None; tables.len()];
        let mut done = 0_u64;
        for (position, one) in chosen.iter().enumerate() {
            let slot = one.slot;
            let table = match &tables[slot].rows {
                Rows::Table(table) => Some(table.clone()),
                Rows::Query(..) => None,
            };
            let affinities: Vec<_> = of_indexes
                .affinities
                .iter()
                .filter(|(of, ..)| *of == slot)
                .map(|(_, column, affinity)| (*column, *affinity))
                .collect();
            let backwards = turned & bit(slot) != 0;
            let access = self.access(table.as_deref(), one, backwards, &mut terms, &affinities)?;
            if let (Way::Tree { index: Some(index), .. }, Access::Index(_)) = (&one.way, &access) {
                indexes[slot] = Some(*index);
            }
            done |= bit(slot);
            let (mut on, mut filters) = (Vec::new(), Vec::new());
            for term in &mut terms {
                if term.expr.is_none() || term.follows.is_some() && !term.half {
                    continue;
                }
                match term.own {
                    Some(own) if own == slot => on.extend(term.expr.take()),
                    Some(_) => {}
                    None => {
                        let late = last_right.is_none_or(|right| position >= right);
                        if late && term.mask != 0 && term.mask & !done == 0 {
                            filters.extend(term.expr.take());
                        }
                    }
                }
            }
            let columns = self.columns_of(slot);
            let load = match &table {
                Some(table) => columns.is_some_and(|columns| {
                    columns.iter().any(|column| table.rowid_column != Some(usize::from(*column)))
                }),
                None => false,
            };
            let kind = tables[slot].kind;
            loops.push(Loop {
                slot,
                access,
                generated: std::mem::take(&mut generated[slot]),
                on,
                filters,
                left: matches!(kind, JoinKind::Left | JoinKind::Full),
                right: keeps_right(kind).then(Default::default),
                load,
                until: Until::default(),
                matched: false,
                ended: false,
            });
        }
        let constant = terms.iter_mut().filter(|term| term.mask == 0 && term.own.is_none());
        let constant = constant.filter(|term| term.follows.is_none() || term.half);
        let constant = constant.filter_map(|term| term.expr.take()).collect();
        let mut slots = Vec::with_capacity(tables.len());
        for (slot, (table, index)) in tables.into_iter().zip(indexes).enumerate() {
            slots.push(match table.rows {
                Rows::Query(query, correlated) => Slot::Rows(Box::new(QueryRows::new(*query, correlated))),
                Rows::Table(table) => self.slot(slot, &table, index),
            });
        }
        let frame = Frame { slots, registers: Vec::new() };
        Ok(Planned { frame, joined: Joined::new(loops, constant), sorted, rows, distinct, right })
    }

    /// Looks for the best loops.
    fn choose(
        &mut self,
        tables: &[FromTable<'q, S>],
        of_indexes: &OfIndexes<S>,
        terms: &[Term<S>],
        last_right: Option<usize>,
        wish: Option<&Wish<'_, S>>,
    ) -> Result<Chosen> {
        let keys = wish.map_or_else(Vec::new, |wish| order::keys(wish, &of_indexes.expressions));
        let distinct_keys = wish.map_or_else(Vec::new, |wish| {
            let wished = if wish.kind == WishKind::Distinct { &wish.keys } else { &wish.distinct };
            order::keys_of(wished, &of_indexes.expressions)
        });
        let statistics = self.statistics(tables, of_indexes, terms, last_right);
        let mut slots = Slots {
            from: tables,
            tables: statistics,
            terms,
            keys: if last_right.is_some() { Vec::new() } else { keys },
            last_right,
            repeats: if self.is_within() { 48 } else { 0 },
            changes: self.changes,
        };
        let asked = wish.filter(|_| last_right.is_none()).map(|wish| (wish.kind, wish.limit));
        let mut chosen = choose(&slots, asked)?;
        slots.complete(&mut chosen.loops);
        if !distinct_keys.is_empty() && last_right.is_none() {
            chosen.distinct = slots.is_unique(&distinct_keys);
            slots.keys = distinct_keys;
            if let (false, [before @ .., last]) = (chosen.distinct, &chosen.loops[..]) {
                let before: Vec<&Candidate> = before.iter().collect();
                let ordered = slots.satisfies(&before, last, WishKind::Distinct).0;
                chosen.distinct = ordered == Ordered::By(slots.keys.len());
            }
        }
        if !self.changes {
            let wants_distinct = wish.is_some_and(|wish| wish.kind == WishKind::Distinct || !wish.distinct.is_empty());
            let used = self.level().used();
            slots.leave_out(&mut chosen.loops, used, wants_distinct);
        }
        Ok(chosen)
    }

    /// What the indexes of the tables compute, and which rows they have.
    fn of_indexes(&mut self, tables: &[FromTable<'q, S>]) -> Result<OfIndexes<S>> {
        let mut of = OfIndexes { expressions: Vec::new(), affinities: Vec::new(), filters: Vec::new() };
        for (slot, table) in tables.iter().enumerate() {
            let Rows::Table(table) = &table.rows else { continue };
            if table.indexes.iter().all(|index| index.is_plain()) {
                continue;
            }
            let Some(table) = self.catalog.own(table) else { continue };
            for (nth, index) in table.indexes.iter().enumerate() {
                // What a program's function is gone for can't be used, and need not be.
                let Ok((expressions, filter)) = self.index_of_slot(slot, table, index) else { continue };
                for (column, bound) in expressions {
                    of.affinities.push((slot, column, bound.affinity));
                    of.expressions.push((slot, column, bound.expr));
                }
                of.filters.extend(filter.map(|filter| (slot, nth, filter.expr)));
            }
        }
        Ok(of)
    }

    fn slot(&mut self, slot: usize, table: &Table, index: Option<usize>) -> Slot<S> {
        let covers = index.filter(|index| self.level_covers(slot, table, &table.indexes[*index]));
        let layout = table.layout();
        let place = |column: usize| {
            let place = match (covers, &layout) {
                _ if table.rowid_column == Some(column) => Some(ROWID),
                (Some(index), _) => table.indexes[index].place(column).map(|at| at as u16),
                (None, Some(layout)) => layout.get(column).copied(),
                (None, None) => Some(column as u16),
            };
            place.unwrap_or(COMPUTED)
        };
        let in_record: Box<[u16]> = (0..table.columns.len()).map(place).collect();
        let store = self.session.store.borrow();
        let index = index.map(|index| &table.indexes[index]);
        let cursor = table_cursor(&*store, table);
        let mut row = TableRow::new(cursor, in_record, covers.is_some(), table.defaults());
        row.index = index.map(|index| store.index_cursor(index.root, index.order.clone()));
        row.key = places(table, index.map(|index| &**index));
        Slot::Table(row)
    }
}

fn check_indexed<S: Store>(tables: &[FromTable<'_, S>]) -> Result<()> {
    for table in tables {
        let (Some(ast::Indexed::By(name)), Rows::Table(rows)) = (table.indexed, &table.rows) else { continue };
        if !rows.indexes.iter().any(|index| name.is(&index.name)) {
            return Err(Failure::error(format!("no such index: {}", name.text)));
        }
    }
    Ok(())
}
