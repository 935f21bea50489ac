//! What loops do, in the words of `EXPLAIN QUERY PLAN`.

use super::candidate::{Candidate, Way};
use super::term::Term;
use crate::sql::catalog::Table;
use crate::sql::store::Store;

/// The lines of a loop, each with how much deeper it is.
pub(super) fn lines<S: Store>(
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
pub(super) fn automatic(name: &str, columns: &[&str], partial: bool) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("{column}=?")).collect();
    let partial = if partial { "PARTIAL " } else { "" };
    format!("SEARCH {name} USING AUTOMATIC {partial}COVERING INDEX ({})", columns.join(" AND "))
}
