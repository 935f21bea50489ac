//! What `EXPLAIN QUERY PLAN` says of compounds.

use crate::sql::ast::CompoundOp;

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
