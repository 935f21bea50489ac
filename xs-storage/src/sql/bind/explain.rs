//! What `EXPLAIN QUERY PLAN` says of compounds and common tables.

use super::{Binder, FromTable, Rows};
use crate::sql::ast::CompoundOp;
use crate::sql::exec::Body;
use crate::sql::store::Store;

/// The lines of a part of a plan, and how deep each is.
pub(super) type Lines = Vec<(u32, String)>;

pub(super) fn name_of(op: CompoundOp) -> &'static str {
    match op {
        CompoundOp::Union => "UNION",
        CompoundOp::UnionAll => "UNION ALL",
        CompoundOp::Except => "EXCEPT",
        CompoundOp::Intersect => "INTERSECT",
    }
}

/// A compound whose parts follow each other. The lines of the parts are two deeper.
pub(super) fn compound(parts: Vec<(CompoundOp, Lines)>, depth: u32) -> Lines {
    let mut lines = vec![(depth, "COMPOUND QUERY".to_owned())];
    for (at, (op, part)) in parts.into_iter().enumerate() {
        let kept = if op == CompoundOp::UnionAll { "" } else { " USING TEMP B-TREE" };
        let how = match at {
            0 => "LEFT-MOST SUBQUERY".to_owned(),
            _ => format!("{}{kept}", name_of(op)),
        };
        lines.push((depth + 1, how));
        lines.extend(part);
    }
    lines
}

/// A compound whose parts are sorted and merged, the last two ones last.
pub(super) fn merged(mut parts: Vec<(CompoundOp, Lines)>, depth: u32) -> Lines {
    let Some((op, right)) = parts.pop() else { return Lines::new() };
    let of = |mut part: Lines| {
        let least = part.iter().map(|(depth, _)| *depth).min().unwrap_or(0);
        part.iter_mut().for_each(|(at, _)| *at = *at - least + depth + 2);
        if !part[..].iter().all(|(_, line)| line == "SCAN CONSTANT ROW") {
            part.push((depth + 2, "USE TEMP B-TREE FOR ORDER BY".to_owned()));
        }
        part
    };
    let left = match parts.len() {
        0 => return right,
        1 => of(parts.pop().map(|(_, part)| part).unwrap_or_default()),
        _ => merged(parts, depth + 2),
    };
    let mut lines = vec![(depth, format!("MERGE ({})", name_of(op))), (depth + 1, "LEFT".to_owned())];
    lines.extend(left);
    lines.push((depth + 1, "RIGHT".to_owned()));
    lines.extend(of(right));
    lines
}

/// The names of tables that others read too.
pub(super) fn shared<S: Store>(tables: &[FromTable<'_, S>]) -> Vec<Box<str>> {
    let is_shared = |table: &&FromTable<'_, S>| match &table.rows {
        Rows::Query(query, _) => matches!(query.body, Body::Shared(_)),
        Rows::Table(_) => false,
    };
    tables.iter().filter(is_shared).map(|table| table.name.clone()).collect()
}

impl<S: Store> Binder<'_, S> {
    /// The row at hand of a recursion, and rows that were computed before, are no queries that the plan could tell of: what has
    /// nothing below it is no line.
    pub(super) fn uncover(&mut self, from: usize, shared: &[Box<str>]) {
        let mut at = from;
        while let Some((depth, line)) = self.plan.get(at) {
            let has_more = self.plan.get(at + 1).is_some_and(|(next, _)| next > depth);
            let name = line.strip_prefix("CO-ROUTINE ");
            if !has_more && (name.is_some() || line.starts_with("MATERIALIZE ")) {
                self.plan.remove(at);
                continue;
            }
            let kept = name.filter(|name| *depth == self.depth && shared.iter().any(|shared| **shared == **name));
            if let Some(kept) = kept.map(|name| format!("MATERIALIZE {name}")) {
                self.plan[at].1 = kept;
            }
            at += 1;
        }
    }
}
