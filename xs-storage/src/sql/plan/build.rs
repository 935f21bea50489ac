//! Ways that were chosen, made of the conditions that they take.

use super::candidate::{Candidate, Use, Way};
use super::term::{Op, Term};
use crate::row::KeyColumn;
use crate::sql::bind::{Binder, stored};
use crate::sql::catalog::Table;
use crate::sql::exec::{Access, Automatic, Bound, Branch, IndexAccess, Probe, Rowids, Source, Union, places};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;
use crate::sql::value::Affinity;

fn missing() -> Failure {
    Failure::internal("a condition was taken twice")
}

fn bound<S: Store>(terms: &mut [Term<S>], used: Option<Use>) -> Result<Option<Bound<S>>> {
    let Some((term, probe)) = used else { return Ok(None) };
    if terms.get(term).and_then(|term| term.probes.get(probe)).is_some_and(|probe| probe.op == Op::NotNull) {
        return Ok(None);
    }
    let taken = terms.get_mut(term).and_then(|term| term.take(probe));
    match taken {
        Some((op, Source::Equal(value))) => Ok(Some(Bound { value, inclusive: matches!(op, Op::LtEq | Op::GtEq) })),
        _ => Err(missing()),
    }
}

/// What a comparison makes of a value that a column of some affinity is compared with.
fn affinity<S: Store>(terms: &[Term<S>], (term, probe): Use, column: Affinity) -> Affinity {
    let compared = terms.get(term).and_then(|term| term.probes.get(probe)).and_then(|probe| probe.affinity);
    match compared {
        None | Some(Affinity::Blob) => Affinity::Blob,
        Some(_) => column,
    }
}

impl<'q, S: Store> Binder<'q, S> {
    /// The access of a way. `affinities` are those of expressions, by their numbers as columns.
    pub(super) fn access(
        &self,
        table: Option<&Table>,
        one: &Candidate,
        backwards: bool,
        terms: &mut [Term<S>],
        affinities: &[(usize, Option<Affinity>)],
    ) -> Result<Access<S>> {
        let (way, table) = match (&one.way, table) {
            (Way::Automatic(used), _) => {
                let mut columns = Vec::with_capacity(used.len());
                for (term, probe) in used {
                    let taken = terms.get_mut(*term).and_then(|term| term.take_both(*probe));
                    columns.push(taken.ok_or_else(missing)?);
                }
                return Ok(Access::Automatic(Box::new(Automatic::new(columns))));
            }
            (_, None) => return Ok(Access::Rows),
            (way, Some(table)) => (way, table),
        };
        match way {
            Way::Scan | Way::Automatic(_) => Ok(Access::Scan { backwards }),
            Way::Union { term, branches } => {
                let mut parts = std::mem::take(&mut terms.get_mut(*term).ok_or_else(missing)?.branches);
                let mut made = Vec::with_capacity(branches.len());
                for (branch, terms) in branches.iter().zip(&mut parts) {
                    let access = self.access(Some(table), branch, false, terms, affinities)?;
                    let cursor = match &branch.way {
                        Way::Tree { index: Some(index), .. } => {
                            let index = table.indexes.get(*index).ok_or_else(missing)?;
                            Some(self.session.store.borrow().index_cursor(index.root, index.order.clone()))
                        }
                        _ => None,
                    };
                    let index = match &branch.way {
                        Way::Tree { index: Some(index), .. } => table.indexes.get(*index).map(|index| &**index),
                        _ => None,
                    };
                    made.push(Branch::new(access, cursor, places(table, index)));
                }
                let order = table.primary().map(|primary| primary.order.clone());
                Ok(Access::Union(Box::new(Union::new(made, order))))
            }
            Way::Tree { index: None, equal, low, high } => {
                let Some(used) = equal.first().copied() else {
                    let (low, high) = (bound(terms, *low)?, bound(terms, *high)?);
                    return Ok(Access::RowidRange { low, high, backwards });
                };
                let affinity = affinity(terms, used, Affinity::Integer);
                let taken = terms.get_mut(used.0).and_then(|term| term.take(used.1));
                match taken.ok_or_else(missing)?.1 {
                    Source::Equal(value) | Source::Is(value) => Ok(Access::Rowid(value)),
                    source => {
                        let probe = Probe::new(source, affinity, KeyColumn::default());
                        Ok(Access::Rowids(Box::new(Rowids::new(probe, backwards))))
                    }
                }
            }
            Way::Tree { index: Some(index), equal, low: None, high: None }
                if equal.is_empty() && table.is_key(*index) =>
            {
                Ok(Access::Scan { backwards })
            }
            Way::Tree { index: Some(index), equal, low, high } => {
                let index = table.indexes.get(*index).ok_or_else(missing)?;
                let of = |part: usize| match index.parts.iter().chain(&index.behind).nth(part) {
                    None => Affinity::Integer,
                    Some(part) => match table.columns.get(part.column) {
                        Some(column) => column.affinity,
                        None => {
                            let known = affinities.iter().find(|(at, _)| *at == part.column);
                            stored(known.and_then(|(_, affinity)| *affinity))
                        }
                    },
                };
                let keys = index.order.to_vec();
                let mut probes = Vec::with_capacity(equal.len());
                for (part, used) in equal.iter().copied().enumerate() {
                    let affinity = affinity(terms, used, of(part));
                    let taken = terms.get_mut(used.0).and_then(|term| term.take(used.1));
                    let (_, source) = taken.ok_or_else(missing)?;
                    probes.push(Probe::new(source, affinity, keys.get(part).copied().unwrap_or_default()));
                }
                let next = keys.get(equal.len()).copied().unwrap_or_default();
                let is_not_null = |used: &Use| {
                    let probe = terms.get(used.0).and_then(|term| term.probes.get(used.1));
                    probe.is_some_and(|probe| probe.op == Op::NotNull)
                };
                let end = low.filter(|used| !is_not_null(used)).or(*high);
                let range = end.map_or(Affinity::Blob, |used| affinity(terms, used, of(equal.len())));
                let not_null = low.as_ref().is_some_and(is_not_null);
                let access = IndexAccess {
                    equal: probes,
                    not_null,
                    low: bound(terms, *low)?,
                    high: bound(terms, *high)?,
                    affinity: range,
                    descending: next.descending,
                    parts: index.parts.len(),
                    backwards,
                    ends: (None, None),
                    keys,
                };
                Ok(Access::Index(Box::new(access)))
            }
        }
    }
}
