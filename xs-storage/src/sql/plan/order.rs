//! An order that rows come in without being sorted.

use super::candidate::{Candidate, Way};
use super::term::{Indexed, Op, mask_of, places};
use super::wish::{Wish, WishKind};
use super::{Slots, bit};
use crate::row::KeyColumn;
use crate::sql::exec::{Expr, SortKey};
use crate::sql::store::Store;

/// A term of an order that is wished for.
#[derive(Debug)]
pub(super) struct Key {
    /// What it is, as column or as an index's expression.
    pub(super) columns: Vec<(usize, Option<usize>)>,
    /// The tables that it is about, if that can be told.
    mask: Option<u64>,
    constant: bool,
    key: KeyColumn,
    /// Nulls go where an index doesn't have them.
    odd_nulls: bool,
}

pub(super) fn keys<S: Store>(wish: &Wish<'_, S>, indexed: &[Indexed<S>]) -> Vec<Key> {
    keys_of(&wish.keys, indexed)
}

pub(super) fn keys_of<S: Store>(keys: &[(&Expr<S>, SortKey)], indexed: &[Indexed<S>]) -> Vec<Key> {
    let key = |(expr, sort): &(&Expr<S>, SortKey)| Key {
        columns: places(expr, indexed),
        mask: mask_of(expr),
        constant: matches!(expr, Expr::Constant(_) | Expr::Parameter(_)),
        key: sort.key,
        odd_nulls: sort.nulls_first == sort.key.descending,
    };
    keys.iter().map(key).collect()
}

/// How far a path is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ordered {
    /// In so many terms, and no further.
    By(usize),
    /// So far, and what comes may go on.
    Open,
}

impl<S: Store> Slots<'_, '_, S> {
    /// Whether some index's first column, or the rowid, is a term of the order.
    pub(super) fn may_order(&self, slot: usize, index: Option<usize>) -> bool {
        let Some(tree) = index.map_or(Some(None), |at| self.tables[slot].trees.get(at).map(Some)) else { return false };
        let columns: &[Option<usize>] = tree.map_or(&[None], |tree| &tree.columns[..tree.keys]);
        let is = |key: &Key| columns.iter().any(|column| key.columns.contains(&(slot, *column)));
        self.keys.iter().any(is)
    }

    /// How far the rows of some loops and of one more behind them come in order, and the loops that go backwards for it.
    pub(super) fn satisfies(&self, path: &[&Candidate], last: &Candidate, kind: WishKind) -> (Ordered, u64) {
        let all = self.keys.len();
        let mut satisfied = vec![false; all];
        let (mut distinct, mut distinct_mask, mut ready, mut turned) = (true, 0_u64, 0_u64, 0_u64);
        let unordered = matches!(kind, WishKind::Group | WishKind::Distinct);
        for (position, one) in path.iter().copied().chain([last]).enumerate() {
            if !distinct || satisfied.iter().all(|done| *done) {
                break;
            }
            let slot = one.slot;
            // What is the same in all rows of a loop is in any order.
            for (at, key) in self.keys.iter().enumerate() {
                if !satisfied[at] && self.is_fixed(key, slot, ready, one, kind) {
                    satisfied[at] = true;
                }
            }
            if !one.one_row {
                let (index, equal) = match &one.way {
                    Way::Scan if self.tables[slot].query => return (Ordered::By(0), turned),
                    Way::Scan => (None, &[][..]),
                    Way::Tree { index, equal, .. } => (*index, &equal[..]),
                    Way::Automatic(_) | Way::Union { .. } => return (Ordered::By(0), turned),
                };
                let tree = index.and_then(|at| self.tables[slot].trees.get(at));
                let key_of = |depth: usize| match tree.and_then(|tree| tree.orders.get(depth)) {
                    Some((_, key)) => *key,
                    None => KeyColumn::default(),
                };
                if let Some(tree) = tree {
                    distinct = tree.unique;
                }
                let (count, keys) = tree.map_or((1, 0), |tree| (tree.columns.len(), tree.keys));
                let (mut direction, mut by_rowid) = (None, false);
                let mut column = 0;
                while column < count {
                    if let Some((term, probe)) = equal.get(column) {
                        let op = self.terms[*term].probes[*probe].op;
                        match op {
                            Op::Eq => {
                                column += 1;
                                continue;
                            }
                            Op::Is | Op::Null => {
                                distinct = false;
                                column += 1;
                                continue;
                            }
                            Op::In(_) if kind == WishKind::Extreme => {
                                column += 1;
                                continue;
                            }
                            _ => {}
                        }
                    }
                    let (place, order) =
                        (tree.and_then(|tree| tree.columns.get(column).copied().flatten()), key_of(column));
                    if let (true, Some(tree)) = (distinct, tree)
                        && place.is_some()
                        && column >= equal.len()
                        && !tree.not_null(column)
                    {
                        distinct = false;
                    }
                    let mut matched = None;
                    for (at, key) in self.keys.iter().enumerate() {
                        if satisfied[at] {
                            continue;
                        }
                        let is = key.columns.contains(&(slot, place))
                            && (place.is_none() || key.key.collation == order.collation);
                        if is {
                            matched = Some(at);
                            break;
                        }
                        if !unordered {
                            break;
                        }
                    }
                    let fits = matched.filter(|at| {
                        let key = &self.keys[*at];
                        if unordered {
                            return true;
                        }
                        let back = order.descending != key.key.descending;
                        let fits = *direction.get_or_insert(back) == back && !key.odd_nulls;
                        if fits && back {
                            turned |= 1 << position;
                        }
                        fits
                    });
                    match fits {
                        Some(at) => {
                            by_rowid |= place.is_none();
                            satisfied[at] = true;
                        }
                        None => {
                            if column == 0 || column < keys {
                                distinct = false;
                            }
                            break;
                        }
                    }
                    column += 1;
                }
                if by_rowid {
                    distinct = true;
                }
            }
            if distinct {
                distinct_mask |= bit(slot);
                for (at, key) in self.keys.iter().enumerate() {
                    let within = |mask: u64| mask & !distinct_mask == 0 && (mask != 0 || key.constant);
                    if !satisfied[at] && key.mask.is_some_and(within) {
                        satisfied[at] = true;
                    }
                }
            }
            ready |= bit(slot);
        }
        if satisfied.iter().all(|done| *done) {
            return (Ordered::By(all), turned);
        }
        if distinct {
            return (Ordered::Open, turned);
        }
        (Ordered::By(satisfied.iter().take_while(|done| **done).count()), turned)
    }

    /// Whether no two rows of the only table can be the same in some terms.
    pub(super) fn is_unique(&self, keys: &[Key]) -> bool {
        let [table] = &self.tables[..] else { return false };
        let has = |column: Option<usize>, collation: Option<crate::row::Collation>| {
            let is = |key: &Key| {
                key.columns.contains(&(0, column)) && collation.is_none_or(|collation| key.key.collation == collation)
            };
            keys.iter().any(is)
        };
        let unique = |tree: &super::stats::TreeStatistics| {
            let all = (0..tree.keys).all(|depth| {
                let collation = tree.orders.get(depth).map(|(_, key)| key.collation);
                tree.columns.get(depth).is_some_and(|column| has(*column, collation))
            });
            tree.unique_not_null && all
        };
        !table.query && (has(None, None) || table.trees.iter().any(unique))
    }

    /// Whether conditions fix a column of a slot, given the tables before it.
    fn is_fixed(&self, key: &Key, slot: usize, ready: u64, one: &Candidate, kind: WishKind) -> bool {
        if self.is_outer(slot) {
            return false;
        }
        let Some((_, column)) = key.columns.iter().find(|(of, _)| *of == slot).copied() else { return false };
        if column.is_some_and(|column| column >= self.tables[slot].columns) {
            return false;
        }
        self.terms.iter().enumerate().any(|(at, term)| {
            let fixes = |probe: &super::term::Probe| {
                let op = match probe.op {
                    Op::Eq | Op::Is => column.is_none() || probe.collation == key.key.collation,
                    Op::Null => true,
                    Op::In(_) => kind == WishKind::Extreme && one.terms.contains(&at),
                    _ => false,
                };
                probe.slot == slot && probe.column == column && op && probe.needs & !ready == 0
            };
            term.own.is_none() && term.probes.iter().any(fixes)
        })
    }
}
