//! The hyperloglog commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "pfadd" -2 Hyperloglog "2.8.9" "O(1)"
        "Shows elements to a sketch that estimates how many differ." Run::Now(super::pfadd),
        flags: [WRITE DENYOOM FAST], categories: [HYPERLOGLOG], keys: [RW INSERT => at(1)],
        syntax: "key#0 [element...]",
    },
    row! {
        "pfcount" -2 Hyperloglog "2.8.9" "O(1)"
        "Estimates how many different elements sketches have seen." Run::Now(super::pfcount),
        flags: [READONLY MAY_REPLICATE], categories: [HYPERLOGLOG],
        keys: [RW ACCESS => range(1, -1) "the sketch may keep what was counted"],
        syntax: "key#0...",
    },
    row! {
        "pfdebug" 3 Hyperloglog "2.8.9" "not stated"
        "Looks into a sketch, for tests." Run::Now(super::debug::pfdebug),
        flags: [WRITE DENYOOM ADMIN], categories: [HYPERLOGLOG], keys: [RW ACCESS => at(2)], syscmd: true,
        syntax: "subcommand key#0",
    },
    row! {
        "pfmerge" -2 Hyperloglog "2.8.9" "O(N)" "Merges sketches into one." Run::Now(super::pfmerge),
        flags: [WRITE DENYOOM], categories: [HYPERLOGLOG],
        keys: [RW ACCESS INSERT => at(1), RO ACCESS => range(2, -1)],
        syntax: "destkey#0 sourcekey#1...",
    },
    row! {
        "pfselftest" 1 Hyperloglog "2.8.9" "not stated"
        "Tests the sketches themselves." Run::Now(super::debug::pfselftest),
        flags: [ADMIN], categories: [HYPERLOGLOG], syscmd: true,
    },
];
