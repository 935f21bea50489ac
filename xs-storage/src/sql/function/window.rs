//! The functions of windows alone: a row's number, its rank, a value of another row.
//!
//! They have no state that rows go through: their answers come from where a row stands in its partition, which the executor
//! knows. Here is what they are called and what they take.

use super::{Arity, Registry};

/// A function that only a window gives an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowFunction {
    /// `row_number()`
    RowNumber,
    /// `rank()`
    Rank,
    /// `dense_rank()`
    DenseRank,
    /// `percent_rank()`
    PercentRank,
    /// `cume_dist()`
    CumeDist,
    /// `ntile(n)`
    Ntile,
    /// `lag(value, offset, default)`
    Lag,
    /// `lead(value, offset, default)`
    Lead,
    /// `first_value(value)`
    FirstValue,
    /// `last_value(value)`
    LastValue,
    /// `nth_value(value, n)`
    NthValue,
}

pub(super) fn register(registry: &mut Registry) {
    use WindowFunction::*;
    let all: [(&str, &[usize], WindowFunction); 11] = [
        ("row_number", &[0], RowNumber),
        ("rank", &[0], Rank),
        ("dense_rank", &[0], DenseRank),
        ("percent_rank", &[0], PercentRank),
        ("cume_dist", &[0], CumeDist),
        ("ntile", &[1], Ntile),
        ("lag", &[1, 2, 3], Lag),
        ("lead", &[1, 2, 3], Lead),
        ("first_value", &[1], FirstValue),
        ("last_value", &[1], LastValue),
        ("nth_value", &[2], NthValue),
    ];
    for (name, arities, function) in all {
        for args in arities {
            registry.add_window(name, Arity::Exactly(*args), function);
        }
    }
}
