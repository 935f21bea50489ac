//! The order of the loops: SQLite's search, which extends the best few paths by one loop at a time.

use super::candidate::Candidate;
use super::logest::{self, LogEst};
use super::order::Ordered;
use super::wish::WishKind;
use super::{Slots, bit};
use crate::sql::store::Store;

/// Loops, outermost first.
#[derive(Clone, Debug)]
pub(super) struct Path {
    mask: u64,
    /// The loops that go backwards, by their position.
    pub(super) turned: u64,
    pub(super) rows: LogEst,
    cost: LogEst,
    unsorted: LogEst,
    pub(super) ordered: Ordered,
    pub(super) loops: Vec<usize>,
}

/// What is asked of the order of a path's rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) kind: WishKind,
    pub(super) limit: Option<LogEst>,
    /// How many rows would be sorted.
    pub(super) rows: LogEst,
}

/// The best path through all slots; none if there is no way.
pub(super) fn best<S: Store>(slots: &Slots<'_, '_, S>, all: &[Candidate], asked: Option<Asked>) -> Option<Path> {
    let count = slots.tables.len();
    let most = match count {
        0 | 1 => 1,
        2 => 5,
        _ => 10,
    };
    let terms = if asked.is_some() { slots.keys.len() } else { 0 };
    let ordered = if terms > 0 { Ordered::Open } else { Ordered::By(0) };
    let mut from =
        vec![Path { mask: 0, turned: 0, rows: slots.repeats, cost: 0, unsorted: 0, ordered, loops: Vec::new() }];
    for position in 0..count {
        let mut to: Vec<Path> = Vec::with_capacity(most);
        for path in &from {
            for (at, one) in all.iter().enumerate() {
                if one.prereq & !path.mask != 0 || path.mask & bit(one.slot) != 0 {
                    continue;
                }
                // An index that is made for it must pay.
                if one.is_automatic() && path.rows < 3 {
                    continue;
                }
                let mut unsorted = logest::add(one.setup, one.run.saturating_add(path.rows));
                unsorted = logest::add(unsorted, path.unsorted);
                let mut rows = path.rows.saturating_add(one.out);
                let (mut ordered, mut turned) = (path.ordered, path.turned);
                if let (Ordered::Open, Some(asked)) = (ordered, asked) {
                    let before: Vec<&Candidate> = path.loops.iter().filter_map(|at| all.get(*at)).collect();
                    (ordered, turned) = slots.satisfies(&before, one, asked.kind);
                }
                let mut cost = unsorted;
                match (ordered, asked) {
                    (Ordered::By(sorted), Some(asked)) if sorted < terms => {
                        cost = logest::add(unsorted, sorting(asked, terms, sorted)).saturating_add(3);
                    }
                    _ => unsorted = unsorted.saturating_sub(2),
                }
                let table = &slots.tables[one.slot];
                if position == 0 && table.query && !table.function && !one.is_automatic() {
                    cost = cost.saturating_sub(10);
                    rows = rows.saturating_sub(30);
                }
                let new = Path {
                    mask: path.mask | bit(one.slot),
                    turned,
                    rows,
                    cost,
                    unsorted,
                    ordered,
                    loops: path.loops.iter().copied().chain([at]).collect(),
                };
                keep(&mut to, new, most);
            }
        }
        from = to;
    }
    let mut paths = from.into_iter();
    let first = paths.next()?;
    Some(paths.fold(first, |best, path| if best.cost > path.cost { path } else { best }))
}

/// Puts a path to the best, if it is one of them.
fn keep(to: &mut Vec<Path>, new: Path, most: usize) {
    let open = |path: &Path| path.ordered == Ordered::Open;
    if let Some(same) = to.iter_mut().find(|path| path.mask == new.mask && open(path) == open(&new)) {
        let wins = (same.cost, same.rows, same.unsorted) <= (new.cost, new.rows, new.unsorted);
        if !wins {
            *same = new;
        }
        return;
    }
    if to.len() < most {
        to.push(new);
        return;
    }
    let worst = (0..to.len()).fold(0, |worst, at| {
        if (to[at].cost, to[at].unsorted) > (to[worst].cost, to[worst].unsorted) { at } else { worst }
    });
    if (new.cost, new.unsorted) < (to[worst].cost, to[worst].unsorted) {
        to[worst] = new;
    }
}

/// What it costs to sort by the terms that the rows are not in order by.
fn sorting(asked: Asked, terms: usize, sorted: usize) -> LogEst {
    let scale = logest::of(((terms - sorted) * 100 / terms) as u64) - 66;
    let mut rows = asked.rows;
    let mut cost = rows.saturating_add(scale + 16);
    match (asked.limit, asked.kind) {
        (Some(limit), _) => {
            cost = cost.saturating_add(10);
            if sorted != 0 {
                cost = cost.saturating_add(6);
            }
            rows = rows.min(limit);
        }
        (None, WishKind::Distinct) if rows > 10 => rows -= 10,
        _ => {}
    }
    cost.saturating_add(logest::log(rows))
}
