//! What is known of the tables of a `FROM`, and which loops are made of it.

use std::sync::Arc;

use super::candidate::{Candidate, Pool, Way};
use super::finder::Finder;
use super::logest::LogEst;
use super::order::{Key, Ordered};
use super::search::{self, Asked};
use super::stats::{self, Statistics};
use super::term::{self, Term};
use super::wish::WishKind;
use super::{alike, bit, is_outer, keeps_right};
use crate::sql::ast::JoinKind;
use crate::sql::bind::{FromTable, Rows};
use crate::sql::catalog::Table;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;
use crate::sql::value::Affinity;

/// What the planner knows of the tables of a `FROM`.
pub(super) struct Slots<'a, 'q, S: Store> {
    pub(super) from: &'a [FromTable<'q, S>],
    pub(super) tables: Vec<Statistics>,
    pub(super) terms: &'a [Term<S>],
    pub(super) keys: Vec<Key>,
    /// The last table whose rows without partners are kept.
    pub(super) last_right: Option<usize>,
    /// How often all of it may run.
    pub(super) repeats: LogEst,
    /// The rows are found to be changed.
    pub(super) changes: bool,
}

impl<S: Store> Slots<'_, '_, S> {
    pub(super) fn is_outer(&self, slot: usize) -> bool {
        self.from.get(slot).is_some_and(|table| is_outer(table.kind))
    }

    pub(super) fn table(&self, slot: usize) -> Option<&Arc<Table>> {
        match self.from.get(slot).map(|table| &table.rows) {
            Some(Rows::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// Whether a condition may lead to a slot's rows: what an outer join asks for leads to its right table's only, and no other
    /// condition does.
    pub(super) fn usable(&self, own: Option<usize>, slot: usize) -> bool {
        match own {
            Some(own) => own == slot,
            None => !self.is_outer(slot) && self.last_right.is_none_or(|right| slot > right),
        }
    }

    /// Lets indexes that are made for a loop have all columns that could be looked up in it.
    pub(super) fn complete(&self, chosen: &mut [Candidate]) {
        let mut done = 0;
        for one in chosen {
            if let Way::Automatic(used) = &mut one.way {
                let mut all: Vec<(usize, usize)> = Vec::new();
                for (at, term) in self.terms.iter().enumerate().filter(|(_, term)| self.usable(term.own, one.slot)) {
                    let fits = |probe: &term::Probe| {
                        let column = probe.column.is_some_and(|column| self.keeps(one.slot, column, probe.affinity));
                        probe.slot == one.slot && probe.op.is_equal() && column && probe.needs & !done == 0
                    };
                    let Some(nth) = term.probes.iter().position(fits) else { continue };
                    let column = term.probes[nth].column;
                    let known = |(term, probe): &(usize, usize)| self.terms[*term].probes[*probe].column == column;
                    if !all.iter().any(known) {
                        all.push((at, nth));
                    }
                }
                // Comparisons that are turned around come last, and the last of them first.
                all.sort_by_key(|(at, nth)| match self.terms[*at].probes[*nth].turned {
                    true => (1, self.terms.len() - at),
                    false => (0, *at),
                });
                if all.len() > 1 {
                    *used = all;
                }
            }
            done |= bit(one.slot);
        }
    }

    /// Leaves out the right tables of left joins whose columns nobody reads and that could only repeat rows where they don't count.
    pub(super) fn leave_out(&self, chosen: &mut Vec<Candidate>, used: u64, distinct: bool) {
        for at in (1..chosen.len()).rev() {
            let (slot, one_row) = (chosen[at].slot, chosen[at].one_row);
            let is_left = self.from.get(slot).is_some_and(|from| from.kind == JoinKind::Left);
            let asked = |term: &Term<S>| term.mask & bit(slot) != 0 && term.own != Some(slot);
            let needed = |from: &FromTable<'_, S>| from.needs & bit(slot) != 0;
            if is_left
                && (distinct || one_row)
                && used & bit(slot) == 0
                && self.last_right.is_none()
                && !self.terms.iter().any(asked)
                && !self.from.iter().any(needed)
            {
                chosen.remove(at);
            }
        }
    }

    /// Whether a comparison leaves the values of a column as they are.
    pub(super) fn keeps(&self, slot: usize, column: usize, compared: Option<Affinity>) -> bool {
        let affinity = match self.from.get(slot).map(|table| &table.rows) {
            // What is computed of a row is there when the row is.
            Some(Rows::Table(table)) => {
                table.columns.get(column).filter(|column| !column.is_virtual()).map(|column| column.affinity)
            }
            Some(Rows::Query(query, _)) => query.columns.get(column).map(|column| column.affinity.unwrap_or_default()),
            None => None,
        };
        affinity.is_some_and(|affinity| stats::keeps(compared, affinity))
    }

    /// Whether an index has all of a slot's columns that a condition reads.
    pub(super) fn covered(&self, slot: usize, index: usize, term: &Term<S>) -> bool {
        let (Some(table), Some(expr)) = (self.table(slot), &term.expr) else { return false };
        let Some(index) = table.indexes.get(index) else { return false };
        alike::columns(expr).is_some_and(|places| {
            places
                .iter()
                .filter(|(of, _)| *of == slot)
                .all(|(_, column)| column.is_none_or(|column| index.parts.iter().any(|part| part.column == column)))
        })
    }
}

/// So many ways are looked at, and so many more for each table, as in SQLite.
const LOOKED_AT: usize = 20_000;
const FOR_EACH: usize = 1_000;

/// The loops that were chosen.
pub(super) struct Chosen {
    pub(super) loops: Vec<Candidate>,
    /// The slots whose loops go backwards.
    pub(super) turned: u64,
    pub(super) sorted: usize,
    pub(super) distinct: bool,
    pub(super) rows: LogEst,
}

impl Chosen {
    pub(super) fn single(one: Candidate, sorted: usize) -> Chosen {
        Chosen { loops: vec![one], turned: 0, sorted, distinct: true, rows: 0 }
    }
}

pub(super) fn choose<S: Store>(slots: &Slots<'_, '_, S>, asked: Option<(WishKind, Option<LogEst>)>) -> Result<Chosen> {
    let mut pool = Pool::new(false, LOOKED_AT);
    let (mut before, mut prereq, mut past_right) = (0_u64, 0_u64, false);
    for (slot, from) in slots.from.iter().enumerate() {
        let fixed = is_outer(from.kind) || from.kind == JoinKind::Cross || slots.last_right.is_some();
        pool.left += FOR_EACH;
        if past_right || fixed {
            prereq |= before;
            past_right = keeps_right(from.kind);
        } else {
            prereq = 0;
        }
        let prereq = prereq | from.needs;
        Finder { slots, terms: slots.terms, slot, prereq, pool: &mut pool, part: false }.find();
        before |= bit(slot);
    }
    let none = || Failure::error("no query solution");
    let mut path = search::best(slots, &pool.all, None).ok_or_else(none)?;
    if let (Some((kind, limit)), false) = (asked, slots.keys.is_empty()) {
        let asked = Asked { kind, limit, rows: path.rows.saturating_add(1) };
        path = search::best(slots, &pool.all, Some(asked)).ok_or_else(none)?;
    }
    let sorted = match (path.ordered, asked) {
        (Ordered::By(sorted), Some(_)) => sorted,
        _ => 0,
    };
    let loops: Vec<Candidate> = path.loops.iter().filter_map(|at| pool.all.get(*at).cloned()).collect();
    let turned = loops.iter().enumerate().filter(|(position, _)| asked.is_some() && path.turned & bit(*position) != 0);
    let turned = turned.fold(0, |mask, (_, one)| mask | bit(one.slot));
    Ok(Chosen { loops, turned, sorted, distinct: false, rows: path.rows })
}
