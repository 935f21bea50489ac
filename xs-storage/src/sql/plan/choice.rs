//! Which way to a table's rows is the cheapest, and which table comes first.

use super::term::{Probe, Term};
use super::{bit, is_outer};
use crate::sql::ast::{Indexed, JoinKind};
use crate::sql::bind::{FromTable, Rows};
use crate::sql::catalog::Table;
use crate::sql::exec::Relation;
use crate::sql::store::Store;
use crate::sql::value::Affinity;

/// What a table has, as long as nobody has counted.
const ROWS: f64 = 1_000_000.0;
/// What one value of an index has.
const SAME: f64 = 10.0;

/// A way to rows; conditions by their number in the list.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Scan { backwards: bool },
    Rowid { term: usize },
    RowidRange { low: Option<usize>, high: Option<usize> },
    Index { index: usize, equal: Vec<usize>, low: Option<usize>, high: Option<usize>, backwards: bool },
}

#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) way: Way,
    /// Rows that come.
    pub(super) rows: f64,
    /// What they cost.
    cost: f64,
}

impl Choice {
    pub(super) fn scan() -> Choice {
        Choice { way: Way::Scan { backwards: false }, rows: ROWS, cost: ROWS }
    }

    /// Of a table-valued function, which is cheap once its arguments are known.
    fn function(known: bool) -> Choice {
        let cost = if known { 1.0 } else { f64::MAX };
        Choice { way: Way::Scan { backwards: false }, rows: 25.0, cost }
    }
}

/// The best way to a table's rows when some tables have rows already.
pub(super) fn best<S: Store>(table: &FromTable<'_, S>, slot: usize, done: u64, terms: &[Term<S>]) -> Choice {
    let mut best = Choice::scan();
    if let Rows::Query(query, _) = &table.rows
        && query.function().is_some()
    {
        return Choice::function(table.needs & !done == 0);
    }
    let Rows::Table(rows) = &table.rows else { return best };
    let usable = |probe: &&Probe| probe.slot == slot && probe.needs & !done == 0;
    let probes: Vec<(usize, Probe)> = terms
        .iter()
        .enumerate()
        .filter(|(_, term)| term.expr.is_some())
        .flat_map(|(at, term)| term.probes.iter().filter(usable).map(move |probe| (at, *probe)))
        .collect();
    let mut offer = |choice: Choice| {
        if choice.cost < best.cost {
            best = choice;
        }
    };
    let forced = match table.indexed {
        Some(Indexed::By(name)) => Some(name),
        _ => None,
    };
    if forced.is_none() {
        let is_rowid = |probe: &Probe| probe.column.is_none();
        let find = |wanted: &[Relation]| {
            probes.iter().find(|(_, probe)| is_rowid(probe) && wanted.contains(&probe.relation)).map(|(at, _)| *at)
        };
        if let Some(term) = find(&[Relation::Eq]) {
            offer(Choice { way: Way::Rowid { term }, rows: 1.0, cost: 1.0 });
        }
        let (low, high) = (find(&[Relation::Gt, Relation::GtEq]), find(&[Relation::Lt, Relation::LtEq]));
        if low.is_some() || high.is_some() {
            let share = if low.is_some() && high.is_some() { 16.0 } else { 4.0 };
            offer(Choice { way: Way::RowidRange { low, high }, rows: ROWS / share, cost: ROWS / share });
        }
    }
    let only_key = matches!(table.indexed, Some(Indexed::Not));
    for (number, index) in rows.indexes.iter().enumerate() {
        if forced.is_some_and(|name| !name.is(&index.name)) || only_key && !rows.is_key(number) {
            continue;
        }
        let find = |part: usize, wanted: &[Relation]| {
            let part = index.parts.get(part)?;
            let affinity = rows.columns[part.column].affinity;
            let fits = |probe: &Probe| {
                probe.column == Some(part.column)
                    && wanted.contains(&probe.relation)
                    && probe.collation == part.key.collation
                    && keeps(probe.affinity, affinity)
            };
            probes.iter().find(|(_, probe)| fits(probe)).map(|(at, _)| *at)
        };
        let mut equal = Vec::new();
        while let Some(term) = find(equal.len(), &[Relation::Eq]).filter(|term| !equal.contains(term)) {
            equal.push(term);
        }
        let low = find(equal.len(), &[Relation::Gt, Relation::GtEq]);
        let high = find(equal.len(), &[Relation::Lt, Relation::LtEq]);
        if equal.is_empty() && low.is_none() && high.is_none() {
            if forced.is_some() {
                let way = Way::Index { index: number, equal, low, high, backwards: false };
                offer(Choice { way, rows: ROWS, cost: ROWS - 1.0 });
            }
            continue;
        }
        let whole = index.unique.is_some() && equal.len() == index.parts.len();
        let mut found = match equal.len() {
            _ if whole => 1.0,
            0 => ROWS,
            more => (SAME / f64::from(1 << (more - 1).min(4) as u32)).max(1.1),
        };
        if low.is_some() && high.is_some() {
            found /= 16.0;
        } else if low.is_some() || high.is_some() {
            found /= 4.0;
        }
        // Each row is looked up twice, and not in the order in which it stands.
        let cost = if whole { 2.0 } else { found * 2.0 + 1.0 };
        offer(Choice { way: Way::Index { index: number, equal, low, high, backwards: false }, rows: found, cost });
    }
    best
}

/// Whether a comparison leaves the column's values as they are, so that the index has them in the order of the comparison.
fn keeps(comparison: Option<Affinity>, column: Affinity) -> bool {
    match comparison {
        None | Some(Affinity::Blob) => true,
        Some(Affinity::Text) => column == Affinity::Text,
        Some(_) => column.is_numeric(),
    }
}

/// What share of the rows passes the conditions that can be asked now and are no way to them.
fn share<S: Store>(slot: usize, done: u64, choice: &Choice, terms: &[Term<S>]) -> f64 {
    let taken: Vec<usize> = match &choice.way {
        Way::Scan { .. } => Vec::new(),
        Way::Rowid { term } => vec![*term],
        Way::RowidRange { low, high } => low.iter().chain(high).copied().collect(),
        Way::Index { equal, low, high, .. } => equal.iter().chain(low).chain(high).copied().collect(),
    };
    let mut share = 1.0;
    for (at, term) in terms.iter().enumerate() {
        let now = term.mask & bit(slot) != 0 && term.mask & !(done | bit(slot)) == 0;
        if now && !taken.contains(&at) {
            let equal = term.probes.iter().any(|probe| probe.relation == Relation::Eq);
            share *= if equal { 0.01 } else { 0.5 };
        }
    }
    share
}

/// The order of the loops.
pub(super) fn order<S: Store>(tables: &[FromTable<'_, S>], terms: &[Term<S>]) -> Vec<usize> {
    let all: Vec<usize> = (0..tables.len()).collect();
    if tables.iter().any(|table| table.kind == JoinKind::Cross) {
        return all;
    }
    // What comes behind an outer join stays where it is.
    let movable = tables.iter().position(|table| is_outer(table.kind)).unwrap_or(tables.len());
    if movable < 2 {
        return all;
    }
    let mut starts: Vec<usize> = (0..movable).collect();
    if movable > 10 {
        let weight = |slot: usize| {
            let choice = best(&tables[slot], slot, 0, terms);
            choice.rows * share(slot, 0, &choice, terms)
        };
        starts.sort_by(|a, b| weight(*a).total_cmp(&weight(*b)));
        starts.truncate(3);
    }
    let tried = starts.into_iter().map(|start| greedy(tables, terms, movable, start));
    let chosen = tried.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, order)| order);
    let mut order = chosen.unwrap_or_default();
    order.extend(movable..tables.len());
    order
}

fn greedy<S: Store>(tables: &[FromTable<'_, S>], terms: &[Term<S>], movable: usize, start: usize) -> (f64, Vec<usize>) {
    let (mut order, mut done) = (Vec::with_capacity(movable), 0);
    let (mut total, mut rows) = (0.0, 1.0_f64);
    let mut next = Some(start);
    while let Some(slot) = next {
        let choice = best(&tables[slot], slot, done, terms);
        total += rows * choice.cost;
        rows = (rows * choice.rows * share(slot, done, &choice, terms)).clamp(1.0, 1e30);
        done |= bit(slot);
        order.push(slot);
        let candidates = (0..movable).filter(|slot| done & bit(*slot) == 0).map(|slot| {
            let choice = best(&tables[slot], slot, done, terms);
            (choice.cost, choice.rows * share(slot, done, &choice, terms), slot)
        });
        next = candidates.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))).map(|(_, _, slot)| slot);
    }
    (total, order)
}

impl Choice {
    /// In the words of SQLite.
    pub(super) fn explain(&self, name: &str, table: &Table, covers: &dyn Fn(usize) -> bool) -> String {
        match &self.way {
            Way::Scan { .. } => format!("SCAN {name}"),
            Way::Rowid { .. } => format!("SEARCH {name} USING INTEGER PRIMARY KEY (rowid=?)"),
            Way::RowidRange { low, high } => {
                let bounds: Vec<_> = [low.map(|_| "rowid>?"), high.map(|_| "rowid<?")].into_iter().flatten().collect();
                format!("SEARCH {name} USING INTEGER PRIMARY KEY ({})", bounds.join(" AND "))
            }
            Way::Index { index: number, equal, low, high, .. } => {
                let index = &table.indexes[*number];
                let covering = if covers(*number) { "COVERING " } else { "" };
                let column = |part: usize| index.parts.get(part).map_or("", |part| &*table.columns[part.column].name);
                let mut bounds: Vec<String> = (0..equal.len()).map(|part| format!("{}=?", column(part))).collect();
                bounds.extend(low.map(|_| format!("{}>?", column(equal.len()))));
                bounds.extend(high.map(|_| format!("{}<?", column(equal.len()))));
                match bounds.is_empty() {
                    true if table.is_key(*number) => format!("SCAN {name}"),
                    false if table.is_key(*number) => {
                        format!("SEARCH {name} USING PRIMARY KEY ({})", bounds.join(" AND "))
                    }
                    true => format!("SCAN {name} USING {covering}INDEX {}", index.name),
                    false => format!("SEARCH {name} USING {covering}INDEX {} ({})", index.name, bounds.join(" AND ")),
                }
            }
        }
    }
}
