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
use stats::Statistics;
use term::{Indexed, Term};
pub(in crate::sql) use wish::Wish;
use wish::WishKind;

use super::ast::{self, JoinKind};
use super::bind::{Binder, FromTable, Rows};
use super::catalog::{Index, Origin, Relation, Table};
use super::exec::{
    Access, Body, Expr, Frame, Joined, Loop, Query, QueryRows, Slot, TableRow, Until, places, table_cursor,
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
            let Some(Relation::Table(table)) = self.catalog.relation(&table.name) else { continue };
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

    fn statistics(
        &self,
        tables: &[FromTable<'q, S>],
        of: &OfIndexes<S>,
        terms: &[Term<S>],
        last_right: Option<usize>,
    ) -> Vec<Statistics> {
        let made = |(slot, from): (usize, &FromTable<'q, S>)| {
            let keeps_right = keeps_right(from.kind);
            let table = match &from.rows {
                Rows::Table(table) => table,
                Rows::Query(query, correlated) => {
                    let function = query.function().is_some();
                    return Statistics {
                        rows: if function { 46 } else { query.estimate },
                        width: 20,
                        columns: query.columns.len(),
                        query: true,
                        has_rowid: false,
                        function,
                        scan_only: true,
                        automatic: !correlated && !keeps_right && !function,
                        forced: None,
                        not_indexed: false,
                        trees: Vec::new(),
                    };
                }
            };
            let affinities = of.affinities.iter().filter(|(of, ..)| *of == slot);
            let affinities: Vec<_> = affinities.map(|(_, column, affinity)| (*column, *affinity)).collect();
            let counted = |index: Option<&str>| self.catalog.counted(&table.name, index);
            // What is the table has its name.
            let counted_of = |nth: usize, index: &Index| match table.is_key(nth) {
                true => counted(Some(&table.name)),
                false => counted(Some(&index.name)),
            };
            let mut whole = table.indexes.iter().enumerate().rev().filter(|(_, index)| index.filter.is_none());
            let rows = stats::rows(counted(None))
                .or_else(|| whole.find_map(|(nth, index)| stats::rows(counted_of(nth, index))))
                .unwrap_or_else(stats::unknown);
            let mut trees = Vec::with_capacity(table.indexes.len());
            for (nth, index) in table.indexes.iter().enumerate() {
                let mut tree = stats::tree(table, index, rows, counted_of(nth, index), &affinities);
                tree.covers = self.level_covers(slot, table, index);
                let bound = |(at, _): &(usize, ast::Expr)| affinities.iter().any(|(column, _)| column == at);
                tree.usable = index.expressions.iter().all(bound);
                if index.filter.is_some() {
                    let filter = of.filters.iter().find(|(of, at, _)| *of == slot && *at == nth);
                    let may = |term: &Term<S>| match term.own {
                        Some(own) => own == slot,
                        None => !is_outer(from.kind) && last_right.is_none_or(|right| slot > right),
                    };
                    tree.usable &= filter.is_some_and(|(_, _, filter)| partial::implied(filter, terms, &may));
                }
                trees.push(tree);
            }
            let by_name = match from.indexed {
                Some(ast::Indexed::By(name)) => table.indexes.iter().position(|index| name.is(&index.name)),
                _ => None,
            };
            let not_indexed = matches!(from.indexed, Some(ast::Indexed::Not));
            Statistics {
                rows,
                width: stats::width(table),
                columns: table.columns.len(),
                query: false,
                has_rowid: table.key.is_none(),
                function: false,
                scan_only: keeps_right,
                automatic: by_name.is_none() && !not_indexed && !keeps_right && !self.changes && table.key.is_none(),
                forced: by_name,
                not_indexed,
                trees,
            }
        };
        tables.iter().enumerate().map(made).collect()
    }

    /// Whether an index has all columns of a slot that are read. What reads a column that is computed is taken to read all.
    fn level_covers(&self, slot: usize, table: &Table, index: &Index) -> bool {
        let Some(columns) = self.columns_of(slot) else { return false };
        if table.primary().is_some_and(|primary| primary.root == index.root) {
            return true;
        }
        // Of an index that came with its table, SQLite doesn't count what stands behind its parts.
        let behind = if index.origin == Origin::Create { &index.behind[..] } else { &[] };
        let is_part = |column: usize| index.parts.iter().chain(behind).any(|part| part.column == column);
        let has = |column: usize| table.rowid_column == Some(column) || is_part(column);
        let read = |column: u16| table.columns.get(usize::from(column));
        match columns.iter().any(|column| read(*column).is_some_and(|column| column.generated.is_some())) {
            true => (0..table.columns.len()).all(has),
            false => columns.iter().all(|column| has(usize::from(*column))),
        }
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

    fn right_lines(&self, tables: &[FromTable<'q, S>]) -> Vec<(u32, String)> {
        let mut lines = Vec::new();
        for (slot, table) in tables.iter().enumerate().filter(|(_, table)| keeps_right(table.kind)) {
            let shown = name_of(table, slot);
            let name = match &table.rows {
                Rows::Table(table) => table.name.to_string(),
                Rows::Query(..) => origin_of(table, slot),
            };
            lines.push((self.depth(), format!("RIGHT-JOIN {name}")));
            lines.push((self.depth() + 1, format!("SCAN {shown}")));
        }
        lines
    }

    /// Says what the loops do, as `EXPLAIN QUERY PLAN` shows it.
    fn explain(&mut self, tables: &mut [FromTable<'q, S>], chosen: &[Candidate], terms: &[Term<S>], extreme: bool) {
        if !self.explains {
            return;
        }
        let depth = self.depth();
        let count = tables.len();
        for slot in 0..count {
            let plan = std::mem::take(&mut tables[slot].plan);
            if let Rows::Query(query, _) = &tables[slot].rows {
                if is_quiet(query, &plan) {
                    continue;
                }
                let next = tables.get(1).is_none_or(|next| matches!(next.kind, JoinKind::Left | JoinKind::Cross));
                let once = !matches!(query.body, Body::Shared(_));
                let how = if once && slot == 0 && (count == 1 || next) { "CO-ROUTINE" } else { "MATERIALIZE" };
                self.plan.push((depth, format!("{how} {}", origin_of(&tables[slot], slot))));
                self.plan.extend(plan);
            }
        }
        let mut done = 0;
        self.show_pending(done);
        for one in chosen {
            done |= bit(one.slot);
            let from = &tables[one.slot];
            let name = name_of(from, one.slot);
            let left = if matches!(from.kind, JoinKind::Left | JoinKind::Full) { " LEFT-JOIN" } else { "" };
            let table = match &from.rows {
                Rows::Table(table) => Some(&**table),
                Rows::Query(..) => None,
            };
            if let Some(call) = match &from.rows {
                Rows::Query(query, _) => query.function(),
                Rows::Table(_) => None,
            } {
                let number = call.index().unwrap_or(0);
                self.plan.push((depth, format!("SCAN {name} VIRTUAL TABLE INDEX {number}:{left}")));
                self.show_pending(done);
                continue;
            }
            let mut lines = explain::lines(&name, table, one, terms, extreme);
            if let (Way::Automatic(used), [first]) = (&one.way, &mut lines[..]) {
                let column = |(term, probe): &(usize, usize)| {
                    let column = terms.get(*term)?.probes.get(*probe)?.column?;
                    match &from.rows {
                        Rows::Table(table) => table.columns.get(column).map(|column| &*column.name),
                        Rows::Query(query, _) => query.columns.get(column).map(|column| &*column.name),
                    }
                };
                let columns: Vec<&str> = used.iter().filter_map(column).collect();
                let partial = terms.iter().any(|term| {
                    let own = term.own.is_some() == is_outer(from.kind);
                    own && term.mask == bit(one.slot) && term.follows.is_none()
                });
                first.1 = explain::automatic(&name, &columns, partial);
            }
            if let Some(first) = lines.first_mut() {
                first.1.push_str(left);
            }
            self.plan.extend(lines.into_iter().map(|(deeper, line)| (depth + deeper, line)));
            self.show_pending(done);
        }
    }
}

/// Whether the plan has nothing to say of a query itself: of a function, of what was said before, of the row at hand.
fn is_quiet<S: Store>(query: &Query<S>, plan: &[(u32, String)]) -> bool {
    match query.body {
        Body::Function(_) | Body::Current(_) => true,
        Body::Shared(_) => plan.is_empty(),
        _ => false,
    }
}

fn name_of<S: Store>(table: &FromTable<'_, S>, slot: usize) -> String {
    if let Some(flat) = &table.flat {
        return flat.name.to_string();
    }
    if table.name.is_empty() { format!("(subquery-{})", slot + 1) } else { table.name.to_string() }
}

fn origin_of<S: Store>(table: &FromTable<'_, S>, slot: usize) -> String {
    table.origin.as_ref().map_or_else(|| name_of(table, slot), |origin| origin.to_string())
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
