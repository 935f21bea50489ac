//! A row that is found by its rowid or by a key: there is nothing to weigh, and most queries of most programs are such.

use super::candidate::{Candidate, Use};
use super::is_outer;
use super::stats::keeps;
use super::term::{Op, Probe, Term};
use crate::sql::ast::Indexed;
use crate::sql::bind::{FromTable, Rows};
use crate::sql::catalog::{Index, Table};
use crate::sql::store::Store;

/// The way to the row, if the only table's conditions tell one.
pub(super) fn one_row<S: Store>(
    from: &FromTable<'_, S>,
    terms: &[Term<S>],
    covers: &dyn Fn(&Table, &Index) -> bool,
) -> Option<Candidate> {
    let Rows::Table(table) = &from.rows else { return None };
    if matches!(from.indexed, Some(Indexed::By(_))) || is_outer(from.kind) {
        return None;
    }
    let find = |column: Option<usize>, fits: &dyn Fn(&Probe) -> bool| -> Option<Use> {
        terms.iter().enumerate().find_map(|(at, term)| {
            let is = |probe: &Probe| probe.column == column && probe.needs == 0 && fits(probe);
            Some((at, term.probes.iter().position(is)?))
        })
    };
    if let Some(used) = find(None, &|probe| probe.op.is_equal()) {
        return Some(Candidate::single(None, vec![used], false));
    }
    if from.indexed.is_some() {
        return None;
    }
    for (nth, index) in table.indexes.iter().enumerate().rev() {
        if index.unique.is_none() || !index.is_plain() {
            continue;
        }
        let mut equal: Vec<Use> = Vec::with_capacity(index.parts.len());
        for part in &index.parts {
            let Some(column) = table.columns.get(part.column) else { break };
            let fits = |probe: &Probe| {
                let op = probe.op == Op::Eq;
                op && probe.collation == part.key.collation && keeps(probe.affinity, column.affinity)
            };
            match find(Some(part.column), &fits) {
                Some(used) if !equal.contains(&used) => equal.push(used),
                _ => break,
            }
        }
        if equal.len() == index.parts.len() {
            return Some(Candidate::single(Some(nth), equal, covers(table, index)));
        }
    }
    None
}
