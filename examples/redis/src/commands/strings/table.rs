//! The strings commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "append" 3 String "2.0.0" "O(1)" "Adds to the end of a string." Run::Now(super::append),
        flags: [WRITE DENYOOM FAST], categories: [STRING], keys: [RW INSERT => at(1)],
        syntax: "key#0 value",
    },
    row! {
        "decr" 2 String "1.0.0" "O(1)" "Takes one from a number." Run::Now(super::decr),
        flags: [WRITE DENYOOM FAST], categories: [STRING], keys: [RW ACCESS UPDATE => at(1)],
        syntax: "key#0",
    },
    row! {
        "decrby" 3 String "1.0.0" "O(1)" "Takes a number from a number." Run::Now(super::decrby),
        flags: [WRITE DENYOOM FAST], categories: [STRING], keys: [RW ACCESS UPDATE => at(1)],
        syntax: "key#0 decrement:integer",
    },
    row! {
        "get" 2 String "1.0.0" "O(1)" "Answers a string." Run::Now(super::get),
        flags: [READONLY FAST], categories: [STRING], keys: [RO ACCESS => at(1)],
        syntax: "key#0",
    },
    row! {
        "getdel" 2 String "6.2.0" "O(1)" "Answers a string and removes its key." Run::Now(super::getdel),
        flags: [WRITE FAST], categories: [STRING], keys: [RW ACCESS DELETE => at(1)],
        syntax: "key#0",
    },
    row! {
        "getex" -2 String "6.2.0" "O(1)" "Answers a string and changes its key's expiry." Run::Now(super::getex),
        flags: [WRITE FAST], categories: [STRING], keys: [RW ACCESS UPDATE => at(1) "it writes the time to live"],
        syntax: "key#0 [expiration: EX seconds:integer | PX milliseconds:integer | EXAT unix-time-seconds:time | \
            PXAT unix-time-milliseconds:time | PERSIST]",
    },
    row! {
        "getrange" 4 String "2.4.0" "O(N)" "Answers a part of a string." Run::Now(super::getrange),
        flags: [READONLY], categories: [STRING], keys: [RO ACCESS => at(1)],
        syntax: "key#0 start:integer end:integer",
    },
    row! {
        "getset" 3 String "1.0.0" "O(1)" "Sets a string and answers the one before." Run::Now(super::getset),
        flags: [WRITE DENYOOM FAST], categories: [STRING], keys: [RW ACCESS UPDATE => at(1)],
        deprecated: ["6.2.0" "`SET` with `GET`"],
        syntax: "key#0 value",
    },
    row! {
        "incr" 2 String "1.0.0" "O(1)" "Adds one to a number." Run::Now(super::incr),
        flags: [WRITE DENYOOM FAST], categories: [STRING], keys: [RW ACCESS UPDATE => at(1)],
        syntax: "key#0",
    },
    row! {
        "incrby" 3 String "1.0.0" "O(1)" "Adds a number to a number." Run::Now(super::incrby),
        flags: [WRITE DENYOOM FAST], categories: [STRING], keys: [RW ACCESS UPDATE => at(1)],
        syntax: "key#0 increment:integer",
    },
    row! {
        "incrbyfloat" 3 String "2.6.0" "O(1)"
        "Adds a number with a fraction to a number." Run::Now(super::incrbyfloat),
        flags: [WRITE DENYOOM FAST], categories: [STRING], keys: [RW ACCESS UPDATE => at(1)],
        syntax: "key#0 increment:double",
    },
    row! {
        "lcs" -3 String "7.0.0" "O(N*M)" "Finds the longest subsequence that two strings share." Run::Now(super::lcs),
        flags: [READONLY], categories: [STRING], keys: [RO ACCESS => range(1, 1)],
        syntax: "key1#0 key2#0 [LEN] [IDX] [MINMATCHLEN len:integer] [WITHMATCHLEN]",
    },
    row! {
        "mget" -2 String "1.0.0" "O(N)" "Answers several strings." Run::Now(super::mget),
        flags: [READONLY FAST], categories: [STRING], keys: [RO ACCESS => range(1, -1)],
        tips: ["request_policy:multi_shard"],
        syntax: "key#0...",
    },
    row! {
        "mset" -3 String "1.0.1" "O(N)" "Sets several strings." Run::Now(super::mset),
        flags: [WRITE DENYOOM], categories: [STRING], keys: [OW UPDATE => range(1, -1).step(2)],
        tips: ["request_policy:multi_shard" "response_policy:all_succeeded"],
        syntax: "(key_value: key#0 value)...",
    },
    row! {
        "msetnx" -3 String "1.0.1" "O(N)"
        "Sets several strings if none of their keys exists." Run::Now(super::msetnx),
        flags: [WRITE DENYOOM], categories: [STRING], keys: [OW INSERT => range(1, -1).step(2)],
        tips: ["request_policy:multi_shard" "response_policy:agg_min"],
        syntax: "(key_value: key#0 value)...",
    },
    row! {
        "psetex" 4 String "2.6.0" "O(1)" "Sets a string that lives for some milliseconds." Run::Now(super::psetex),
        flags: [WRITE DENYOOM], categories: [STRING], keys: [OW UPDATE => at(1)],
        syntax: "key#0 milliseconds:integer value",
    },
    row! {
        "set" -3 String "1.0.0" "O(1)" "Sets a string, with conditions and an expiry if wanted." Run::Now(super::set),
        flags: [WRITE DENYOOM], categories: [STRING],
        keys: [RW ACCESS UPDATE VARIABLE_FLAGS => at(1) "ACCESS for `GET`"],
        syntax: "key#0 value [condition: NX | XX]@2.6.12 [GET@6.2.0] [expiration: EX seconds:integer@2.6.12 | PX \
            milliseconds:integer@2.6.12 | EXAT unix-time-seconds:time@6.2.0 | PXAT \
            unix-time-milliseconds:time@6.2.0 | KEEPTTL@6.0.0]",
        history: [
            "2.6.12" "`EX`, `PX`, `NX` and `XX`.", "6.0.0" "`KEEPTTL`.", "6.2.0" "`GET`, `EXAT` and `PXAT`.",
            "7.0.0" "`NX` and `GET` together.",
        ],
    },
    row! {
        "setex" 4 String "2.0.0" "O(1)" "Sets a string that lives for some seconds." Run::Now(super::setex),
        flags: [WRITE DENYOOM], categories: [STRING], keys: [OW UPDATE => at(1)],
        syntax: "key#0 seconds:integer value",
    },
    row! {
        "setnx" 3 String "1.0.0" "O(1)" "Sets a string if its key does not exist." Run::Now(super::setnx),
        flags: [WRITE DENYOOM FAST], categories: [STRING], keys: [OW INSERT => at(1)],
        syntax: "key#0 value",
    },
    row! {
        "setrange" 4 String "2.2.0" "O(1)" "Overwrites a part of a string." Run::Now(super::setrange),
        flags: [WRITE DENYOOM], categories: [STRING], keys: [RW UPDATE => at(1)],
        syntax: "key#0 offset:integer value",
    },
    row! {
        "strlen" 2 String "2.2.0" "O(1)" "Answers the length of a string." Run::Now(super::strlen),
        flags: [READONLY FAST], categories: [STRING], keys: [RO => at(1)],
        syntax: "key#0",
    },
    row! {
        "substr" 4 String "1.0.0" "O(N)" "Answers a part of a string, by its old name." Run::Now(super::substr),
        flags: [READONLY], categories: [STRING], keys: [RO ACCESS => at(1)], deprecated: ["2.0.0" "`GETRANGE`"],
        syntax: "key#0 start:integer end:integer",
    },
];
