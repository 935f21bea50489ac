//! What is known of the tables of a `FROM` before anything is weighed.

use super::stats::{self, Statistics};
use super::term::Term;
use super::{OfIndexes, is_outer, keeps_right, partial};
use crate::sql::ast;
use crate::sql::bind::{Binder, FromTable, Rows};
use crate::sql::catalog::{Index, Origin, Table};
use crate::sql::store::Store;

impl<'q, S: Store> Binder<'q, S> {
    pub(super) fn statistics(
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
            let counted = |index: Option<&str>| self.catalog.counted(table, index);
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
    pub(super) fn level_covers(&self, slot: usize, table: &Table, index: &Index) -> bool {
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
}
