//! What a query asks of the order of its rows.

use super::logest::LogEst;
use crate::row::{Collation, KeyColumn};
use crate::sql::exec::{Expr, SortKey};
use crate::sql::store::Store;

/// What an order is wished for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum WishKind {
    /// `ORDER BY`
    Order,
    /// `GROUP BY`: that groups come one after the other, in whatever order.
    Group,
    /// `DISTINCT`: the same.
    Distinct,
    /// The row of a least or greatest value.
    Extreme,
}

/// The order that a query asks for.
pub(in crate::sql) struct Wish<'w, S: Store> {
    pub(in crate::sql) keys: Vec<(&'w Expr<S>, SortKey)>,
    pub(in crate::sql) kind: WishKind,
    /// What rows are distinct by, where that is asked for beside an order.
    pub(in crate::sql) distinct: Vec<(&'w Expr<S>, SortKey)>,
    /// How many rows are wanted, if that is known and few.
    pub(in crate::sql) limit: Option<LogEst>,
}

fn sort_key(collation: Collation, descending: bool) -> SortKey {
    SortKey { output: 0, key: KeyColumn { collation, descending }, nulls_first: !descending }
}

impl<'w, S: Store> Wish<'w, S> {
    fn new(kind: WishKind, keys: Vec<(&'w Expr<S>, SortKey)>) -> Self {
        Wish { keys, kind, distinct: Vec::new(), limit: None }
    }

    /// The row of the least or greatest value first.
    pub(in crate::sql) fn extreme(argument: &'w Expr<S>, collation: Collation, greatest: bool) -> Self {
        Wish::new(WishKind::Extreme, vec![(argument, sort_key(collation, greatest))])
    }

    /// One group after the other, and if they are `ordered`, in the order of their keys.
    pub(in crate::sql) fn groups(keys: &'w [(Expr<S>, KeyColumn)], ordered: bool) -> Option<Self> {
        let kind = if ordered { WishKind::Order } else { WishKind::Group };
        let keys = keys.iter().map(|(expr, key)| (expr, sort_key(key.collation, key.descending))).collect::<Vec<_>>();
        (!keys.is_empty()).then(|| Wish::new(kind, keys))
    }

    /// As the first pass over windows goes through them.
    pub(in crate::sql) fn windows(keys: &'w [(Expr<S>, SortKey)]) -> Self {
        Wish::new(WishKind::Order, keys.iter().map(|(expr, key)| (expr, *key)).collect())
    }

    /// As results are sorted; `distinct` are the collations of those that rows are distinct by.
    pub(in crate::sql) fn rows(
        outputs: &'w [Expr<S>],
        sort: &[SortKey],
        distinct: Option<&[Collation]>,
        limit: Option<LogEst>,
    ) -> Option<Self> {
        let of = |collations: &[Collation]| -> Vec<_> {
            let results = outputs.iter().zip(collations);
            results.map(|(output, collation)| (output, sort_key(*collation, false))).collect()
        };
        let distinct = distinct.map(of);
        if sort.is_empty() {
            return distinct.map(|keys| Wish::new(WishKind::Distinct, keys));
        }
        let keys = sort.iter().filter_map(|key| Some((outputs.get(key.output)?, *key))).collect();
        Some(Wish { distinct: distinct.unwrap_or_default(), limit, ..Wish::new(WishKind::Order, keys) })
    }
}
