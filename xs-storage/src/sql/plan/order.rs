//! An order that rows come in without being sorted.

use super::choice::{Choice, Way};
use super::term::slot_of;
use crate::row::KeyColumn;
use crate::sql::ast::Indexed;
use crate::sql::catalog::{Index, Table};
use crate::sql::exec::{Expr, Place, SortKey};
use crate::sql::store::Store;

/// The order that a query asks for.
#[derive(Clone, Debug)]
pub(in crate::sql) struct Wish {
    /// None if it isn't one of columns.
    keys: Option<Vec<(Place, KeyColumn)>>,
    /// That few rows are wanted, so that to begin early is worth a slower way.
    limited: bool,
}

impl Wish {
    pub(in crate::sql) fn new<S: Store>(keys: &[(&Expr<S>, SortKey)], limited: bool) -> Wish {
        let column = |(expr, key): &(&Expr<S>, SortKey)| match expr {
            Expr::Local(place) if key.nulls_first != key.key.descending => Some((*place, key.key)),
            _ => None,
        };
        Wish { keys: keys.iter().map(column).collect(), limited }
    }

    /// Whether rows of the first table come in this order, for which its way may change to one that is as good.
    pub(super) fn fulfil(
        &self,
        slot: usize,
        table: &Table,
        choice: &mut Choice,
        indexed: Option<&Indexed>,
        alone: bool,
        covers: &dyn Fn(&Index) -> bool,
    ) -> bool {
        let Some(keys) = &self.keys else { return false };
        if keys.iter().any(|(place, _)| slot_of(*place) != Some(slot)) {
            return false;
        }
        // The order in which the table itself stands.
        let own = match table.primary() {
            Some(primary) => sequence(table, primary, slot),
            None => vec![(Place::Rowid { slot: slot as u16 }, KeyColumn::default())],
        };
        match &mut choice.way {
            Way::Rowid { .. } => true,
            Way::RowidRange { .. } => follows(keys, 0, &own) == Some(false),
            Way::Scan { backwards } => {
                if let Some(turned) = follows(keys, 0, &own) {
                    *backwards = turned;
                    return true;
                }
                if indexed.is_some() {
                    return false;
                }
                for (number, index) in table.indexes.iter().enumerate() {
                    if !(covers(index) || self.limited && alone) {
                        continue;
                    }
                    if let Some(backwards) = follows(keys, 0, &sequence(table, index, slot)) {
                        let (equal, low, high) = (Vec::new(), None, None);
                        choice.way = Way::Index { index: number, equal, low, high, backwards };
                        return true;
                    }
                }
                false
            }
            Way::Index { index, equal, low, high, backwards } => {
                let index = &table.indexes[*index];
                let turned = follows(keys, equal.len(), &sequence(table, index, slot));
                match turned {
                    Some(false) => true,
                    // Backwards only where all of it is gone through.
                    Some(true) if equal.is_empty() && low.is_none() && high.is_none() => {
                        *backwards = true;
                        true
                    }
                    _ => false,
                }
            }
        }
    }
}

fn sequence(table: &Table, index: &Index, slot: usize) -> Vec<(Place, KeyColumn)> {
    let slot = slot as u16;
    let part = |part: &crate::sql::catalog::IndexPart| (Place::Column { slot, column: part.column as u16 }, part.key);
    let (rowid, behind) = match table.key {
        None => (Some((Place::Rowid { slot }, KeyColumn::default())), &[][..]),
        // The key itself is enough: no two rows have the same.
        Some(_) => (None, &index.behind[..index.order.len().saturating_sub(index.parts.len())]),
    };
    index.parts.iter().chain(behind).map(part).chain(rowid).collect()
}

/// Whether a sequence of columns, of which the first are constant, is in the order of some keys, and whether backwards.
fn follows(keys: &[(Place, KeyColumn)], constant: usize, sequence: &[(Place, KeyColumn)]) -> Option<bool> {
    let plain = |place: Place| match place {
        Place::Real { slot, column } => Place::Column { slot, column },
        other => other,
    };
    let mut next = constant;
    let mut backwards = None;
    for (place, key) in keys {
        let fixed = |(fixed, order): &(Place, KeyColumn)| *fixed == plain(*place) && order.collation == key.collation;
        if sequence[..constant].iter().any(fixed) {
            continue;
        }
        // Behind the rowid no two rows are left to be ordered.
        let Some((column, order)) = sequence.get(next) else { break };
        if *column != plain(*place) || (order.collation != key.collation && !matches!(place, Place::Rowid { .. })) {
            return None;
        }
        let turned = order.descending != key.descending;
        if *backwards.get_or_insert(turned) != turned {
            return None;
        }
        next += 1;
    }
    Some(backwards.unwrap_or(false))
}
