//! Ends of ranges in arguments.

use std::ops::Bound;

use xs_storage::keyspace::zset::LexBound;

use crate::fault::Fault;
use crate::parse;

/// A score: `1.5`, `(1.5`, `-inf`.
pub(super) fn score_bound(text: &[u8]) -> Result<Bound<f64>, Fault> {
    let invalid = Fault::new("ERR min or max is not a float");
    match text {
        [b'(', text @ ..] => parse::loose_float(text).map(Bound::Excluded).ok_or(invalid),
        _ => parse::loose_float(text).map(Bound::Included).ok_or(invalid),
    }
}

/// A name: `[a`, `(a`, `-`, `+`.
pub(super) fn lex_bound(text: &[u8]) -> Result<LexBound<'_>, Fault> {
    match text {
        b"-" => Ok(LexBound::Lowest),
        b"+" => Ok(LexBound::Highest),
        [b'[', name @ ..] => Ok(LexBound::Included(name)),
        [b'(', name @ ..] => Ok(LexBound::Excluded(name)),
        _ => Err(Fault::new("ERR min or max not valid string range item")),
    }
}
