//! The hashes commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "hdel" -3 Hash "2.0.0" "O(N)" "Removes fields." Run::Now(super::hdel),
        flags: [WRITE FAST], categories: [HASH], keys: [RW DELETE => at(1)],
        syntax: "key#0 field...",
        history: ["2.4.0" "Several `field`s a call."],
    },
    row! {
        "hexists" 3 Hash "2.0.0" "O(1)" "Tells whether there is such a field." Run::Now(super::hexists),
        flags: [READONLY FAST], categories: [HASH], keys: [RO => at(1)],
        syntax: "key#0 field",
    },
    row! {
        "hget" 3 Hash "2.0.0" "O(1)" "Tells the value of a field." Run::Now(super::hget),
        flags: [READONLY FAST], categories: [HASH], keys: [RO ACCESS => at(1)],
        syntax: "key#0 field",
    },
    row! {
        "hgetall" 2 Hash "2.0.0" "O(N)" "Tells all fields with their values." Run::Now(super::hgetall),
        flags: [READONLY], categories: [HASH], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output_order"],
        syntax: "key#0",
    },
    row! {
        "hincrby" 4 Hash "2.0.0" "O(1)" "Adds a whole number to a field." Run::Now(super::hincrby),
        flags: [WRITE DENYOOM FAST], categories: [HASH], keys: [RW ACCESS UPDATE => at(1)],
        syntax: "key#0 field increment:integer",
    },
    row! {
        "hincrbyfloat" 4 Hash "2.6.0" "O(1)"
        "Adds a number with a fraction to a field." Run::Now(super::hincrbyfloat),
        flags: [WRITE DENYOOM FAST], categories: [HASH], keys: [RW ACCESS UPDATE => at(1)],
        syntax: "key#0 field increment:double",
    },
    row! {
        "hkeys" 2 Hash "2.0.0" "O(N)" "Tells the names of all fields." Run::Now(super::hkeys),
        flags: [READONLY], categories: [HASH], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output_order"],
        syntax: "key#0",
    },
    row! {
        "hlen" 2 Hash "2.0.0" "O(1)" "Counts the fields." Run::Now(super::hlen),
        flags: [READONLY FAST], categories: [HASH], keys: [RO => at(1)],
        syntax: "key#0",
    },
    row! {
        "hmget" -3 Hash "2.0.0" "O(N)" "Tells the values of several fields." Run::Now(super::hmget),
        flags: [READONLY FAST], categories: [HASH], keys: [RO ACCESS => at(1)],
        syntax: "key#0 field...",
    },
    row! {
        "hmset" -4 Hash "2.0.0" "O(N)" "Sets several fields; HSET does the same and counts." Run::Now(super::hmset),
        flags: [WRITE DENYOOM FAST], categories: [HASH], keys: [RW UPDATE => at(1)],
        deprecated: ["4.0.0" "`HSET` with several fields"],
        syntax: "key#0 (field_value: field value)...",
    },
    row! {
        "hrandfield" -2 Hash "6.2.0" "O(N)" "Picks fields by chance." Run::Now(super::hrandfield),
        flags: [READONLY], categories: [HASH], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0 [options: count:integer [WITHVALUES]]",
    },
    row! {
        "hscan" -3 Hash "2.8.0" "O(1)"
        "Walks over the fields with their values, a few at a time." Run::Now(super::hscan),
        flags: [READONLY], categories: [HASH], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0 cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
    },
    row! {
        "hset" -4 Hash "2.0.0" "O(1)" "Sets fields and counts the new ones." Run::Now(super::hset),
        flags: [WRITE DENYOOM FAST], categories: [HASH], keys: [RW UPDATE => at(1)],
        syntax: "key#0 (field_value: field value)...",
        history: ["4.0.0" "Several fields a call."],
    },
    row! {
        "hsetnx" 4 Hash "2.0.0" "O(1)" "Sets a field unless there is one." Run::Now(super::hsetnx),
        flags: [WRITE DENYOOM FAST], categories: [HASH], keys: [RW INSERT => at(1)],
        syntax: "key#0 field value",
    },
    row! {
        "hstrlen" 3 Hash "3.2.0" "O(1)" "Tells how long the value of a field is." Run::Now(super::hstrlen),
        flags: [READONLY FAST], categories: [HASH], keys: [RO => at(1)],
        syntax: "key#0 field",
    },
    row! {
        "hvals" 2 Hash "2.0.0" "O(N)" "Tells the values of all fields." Run::Now(super::hvals),
        flags: [READONLY], categories: [HASH], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output_order"],
        syntax: "key#0",
    },
];
