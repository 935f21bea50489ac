//! What loops do, in the words of `EXPLAIN QUERY PLAN`.

use super::candidate::{Candidate, Way};
use super::term::Term;
use super::{bit, is_outer, keeps_right};
use crate::sql::ast::JoinKind;
use crate::sql::bind::{Binder, FromTable, Rows};
use crate::sql::catalog::Table;
use crate::sql::exec::{Body, Query};
use crate::sql::store::Store;

/// The lines of a loop, each with how much deeper it is.
fn lines<S: Store>(
    name: &str,
    table: Option<&Table>,
    one: &Candidate,
    terms: &[Term<S>],
    extreme: bool,
) -> Vec<(u32, String)> {
    let Way::Union { term, branches } = &one.way else {
        return vec![(0, line(name, table, one, extreme))];
    };
    let mut lines = vec![(0, "MULTI-INDEX OR".to_owned())];
    for (nth, branch) in branches.iter().enumerate() {
        lines.push((1, format!("INDEX {}", nth + 1)));
        let terms = terms.get(*term).and_then(|term| term.branches.get(nth));
        let inner = self::lines(name, table, branch, terms.map_or(&[][..], |terms| terms), false);
        lines.extend(inner.into_iter().map(|(depth, line)| (depth + 2, line)));
    }
    lines
}

fn line(name: &str, table: Option<&Table>, one: &Candidate, extreme: bool) -> String {
    let scan = || format!("{} {name}", if extreme { "SEARCH" } else { "SCAN" });
    let Some(table) = table else { return scan() };
    match &one.way {
        Way::Scan | Way::Union { .. } | Way::Automatic(_) => scan(),
        Way::Tree { index: None, equal, low, high } => {
            let bounds = match (equal.is_empty(), low, high) {
                (false, ..) => "rowid=?",
                (_, Some(_), Some(_)) => "rowid>? AND rowid<?",
                (_, Some(_), None) => "rowid>?",
                _ => "rowid<?",
            };
            format!("SEARCH {name} USING INTEGER PRIMARY KEY ({bounds})")
        }
        Way::Tree { index: Some(at), equal, low, high } => {
            let Some(index) = table.indexes.get(*at) else { return scan() };
            let column = |part: usize| match index.parts.iter().chain(&index.behind).nth(part) {
                None => "rowid",
                Some(part) => table.columns.get(part.column).map_or("<expr>", |column| &*column.name),
            };
            let mut bounds: Vec<String> = (0..equal.len()).map(|part| format!("{}=?", column(part))).collect();
            bounds.extend(low.map(|_| format!("{}>?", column(equal.len()))));
            bounds.extend(high.map(|_| format!("{}<?", column(equal.len()))));
            let covering = if one.covering { "COVERING " } else { "" };
            let how = match table.is_key(*at) {
                true => "USING PRIMARY KEY".to_owned(),
                false => format!("USING {covering}INDEX {}", index.name),
            };
            match bounds.is_empty() {
                true if table.is_key(*at) && !extreme => scan(),
                true => format!("{} {how}", scan()),
                false => format!("SEARCH {name} {how} ({})", bounds.join(" AND ")),
            }
        }
    }
}

/// A loop over an index that is made for it, by the names of the columns.
fn automatic(name: &str, columns: &[&str], partial: bool) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("{column}=?")).collect();
    let partial = if partial { "PARTIAL " } else { "" };
    format!("SEARCH {name} USING AUTOMATIC {partial}COVERING INDEX ({})", columns.join(" AND "))
}

impl<'q, S: Store> Binder<'q, S> {
    pub(super) fn right_lines(&self, tables: &[FromTable<'q, S>]) -> Vec<(u32, String)> {
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
    pub(super) fn explain(
        &mut self,
        tables: &mut [FromTable<'q, S>],
        chosen: &[Candidate],
        terms: &[Term<S>],
        extreme: bool,
    ) {
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
            let mut lines = self::lines(&name, table, one, terms, extreme);
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
                first.1 = automatic(&name, &columns, partial);
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
