//! The transactions commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "discard" 1 Transactions "2.0.0" "O(N)" "Drops the queued calls." Run::Now(super::discard),
        flags: [NOSCRIPT LOADING STALE FAST ALLOW_BUSY], categories: [TRANSACTION],
    },
    row! {
        "exec" 1 Transactions "1.2.0" "depends on the calls" "Runs the queued calls with nobody in between." Run::Outer(super::exec),
        flags: [NOSCRIPT LOADING STALE SKIP_SLOWLOG], categories: [TRANSACTION],
    },
    row! {
        "multi" 1 Transactions "1.2.0" "O(1)"
        "Begins a transaction: the calls that follow are queued." Run::Now(super::multi),
        flags: [NOSCRIPT LOADING STALE FAST ALLOW_BUSY], categories: [TRANSACTION],
    },
    row! {
        "unwatch" 1 Transactions "2.2.0" "O(1)" "Forgets all watched keys." Run::Now(super::unwatch),
        flags: [NOSCRIPT LOADING STALE FAST ALLOW_BUSY], categories: [TRANSACTION],
    },
    row! {
        "watch" -2 Transactions "2.2.0" "O(1)"
        "Lets the next transaction fail if a key changes before it." Run::Now(super::watch),
        flags: [NOSCRIPT LOADING STALE FAST ALLOW_BUSY], categories: [TRANSACTION], keys: [RO => range(1, -1)],
        syntax: "key#0...",
    },
];
