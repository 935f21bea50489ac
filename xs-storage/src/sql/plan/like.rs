//! The range of text that `LIKE 'abc%'` leaves.

use super::alike::copied;
use crate::row::Collation;
use crate::sql::exec::{Comparison, Expr, Relation};
use crate::sql::store::Store;
use crate::sql::value::{Affinity, PatternKind, Value};

/// `x >= 'abc'` and `x < 'abd'`, where a pattern begins with letters.
pub(super) fn bounds<S: Store>(
    kind: PatternKind,
    operands: &(Expr<S>, Expr<S>, Option<Expr<S>>),
) -> Option<[Expr<S>; 2]> {
    let (Expr::Local(_), Expr::Constant(Value::Text(pattern)), None) = operands else { return None };
    let (wild, collation): (&[u8], _) = match kind {
        PatternKind::Like => (b"%_", Collation::NoCase),
        PatternKind::CaseSensitiveLike => (b"%_", Collation::Binary),
        PatternKind::Glob => (b"*?[", Collation::Binary),
    };
    let end = pattern.iter().position(|byte| wild.contains(byte) || *byte == 0).unwrap_or(pattern.len());
    let prefix = &pattern[..end];
    // A number is not text, and stands before all of it: no number may begin like this.
    let first = *prefix.first()?;
    if first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.') || first.is_ascii_whitespace() {
        return None;
    }
    // What `Inf` is written as.
    if first.eq_ignore_ascii_case(&b'i') {
        return None;
    }
    let mut above = prefix.to_vec();
    let last = above.last_mut()?;
    if *last == 0xFF {
        return None;
    }
    // `@` is followed by `A`, which without cases stands behind Z.
    if collation == Collation::NoCase {
        if *last == b'@' {
            return None;
        }
        *last = last.to_ascii_lowercase();
    }
    *last += 1;
    let how = Comparison { affinity: Some(Affinity::Blob), collation };
    let text = |bytes: &[u8]| Expr::Constant(Value::Text(bytes.into()));
    let bound = |relation, bytes| Some(Expr::Compare(relation, how, Box::new((copied(&operands.0)?, text(bytes)))));
    Some([bound(Relation::GtEq, prefix)?, bound(Relation::Lt, &above)?])
}
