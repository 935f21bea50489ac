//! The sets commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "sadd" -3 Set "1.0.0" "O(1)" "Adds members." Run::Now(super::sadd),
        flags: [WRITE DENYOOM FAST], categories: [SET], keys: [RW INSERT => at(1)],
        syntax: "key#0 member...",
        history: ["2.4.0" "Several `member`s a call."],
    },
    row! {
        "scard" 2 Set "1.0.0" "O(1)" "Counts the members." Run::Now(super::scard),
        flags: [READONLY FAST], categories: [SET], keys: [RO => at(1)],
        syntax: "key#0",
    },
    row! {
        "sdiff" -2 Set "1.0.0" "O(N)"
        "Tells the members of the first set that are in none of the others." Run::Now(super::sdiff),
        flags: [READONLY], categories: [SET], keys: [RO ACCESS => range(1, -1)],
        tips: ["nondeterministic_output_order"],
        syntax: "key#0...",
    },
    row! {
        "sdiffstore" -3 Set "1.0.0" "O(N)"
        "Stores the members of the first set that are in none of the others." Run::Now(super::sdiffstore),
        flags: [WRITE DENYOOM], categories: [SET], keys: [OW UPDATE => at(1), RO ACCESS => range(2, -1)],
        syntax: "destination#0 key#1...",
    },
    row! {
        "sinter" -2 Set "1.0.0" "O(N*M)" "Tells the members that all the sets have." Run::Now(super::sinter),
        flags: [READONLY], categories: [SET], keys: [RO ACCESS => range(1, -1)],
        tips: ["nondeterministic_output_order"],
        syntax: "key#0...",
    },
    row! {
        "sintercard" -3 Set "7.0.0" "O(N*M)"
        "Counts the members that all the sets have, up to a limit." Run::Now(super::sintercard),
        flags: [READONLY], categories: [SET], keys: [RO ACCESS => counted(1)],
        syntax: "numkeys:integer key#0... [LIMIT limit:integer]",
    },
    row! {
        "sinterstore" -3 Set "1.0.0" "O(N*M)"
        "Stores the members that all the sets have." Run::Now(super::sinterstore),
        flags: [WRITE DENYOOM], categories: [SET], keys: [RW UPDATE => at(1), RO ACCESS => range(2, -1)],
        syntax: "destination#0 key#1...",
    },
    row! {
        "sismember" 3 Set "1.0.0" "O(1)" "Tells whether something is a member." Run::Now(super::sismember),
        flags: [READONLY FAST], categories: [SET], keys: [RO => at(1)],
        syntax: "key#0 member",
    },
    row! {
        "smembers" 2 Set "1.0.0" "O(N)" "Tells all members." Run::Now(super::smembers),
        flags: [READONLY], categories: [SET], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output_order"],
        syntax: "key#0",
    },
    row! {
        "smismember" -3 Set "6.2.0" "O(N)"
        "Tells of several things whether they are members." Run::Now(super::smismember),
        flags: [READONLY FAST], categories: [SET], keys: [RO ACCESS => at(1)],
        syntax: "key#0 member...",
    },
    row! {
        "smove" 4 Set "1.0.0" "O(1)" "Moves a member to another set." Run::Now(super::smove),
        flags: [WRITE FAST], categories: [SET], keys: [RW ACCESS DELETE => at(1), RW INSERT => at(2)],
        syntax: "source#0 destination#1 member",
    },
    row! {
        "spop" -2 Set "1.0.0" "O(1)" "Takes members out by chance." Run::Now(super::spop),
        flags: [WRITE FAST], categories: [SET], keys: [RW ACCESS DELETE => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0 [count:integer@3.2.0]",
        history: ["3.2.0" "`count`."],
    },
    row! {
        "srandmember" -2 Set "1.0.0" "O(1)"
        "Picks members by chance and leaves them in." Run::Now(super::srandmember),
        flags: [READONLY], categories: [SET], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0 [count:integer@2.6.0]",
        history: ["2.6.0" "`count`."],
    },
    row! {
        "srem" -3 Set "1.0.0" "O(N)" "Removes members." Run::Now(super::srem),
        flags: [WRITE FAST], categories: [SET], keys: [RW DELETE => at(1)],
        syntax: "key#0 member...",
        history: ["2.4.0" "Several `member`s a call."],
    },
    row! {
        "sscan" -3 Set "2.8.0" "O(1)" "Walks over the members, a few at a time." Run::Now(super::sscan),
        flags: [READONLY], categories: [SET], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0 cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
    },
    row! {
        "sunion" -2 Set "1.0.0" "O(N)" "Tells the members that any of the sets has." Run::Now(super::sunion),
        flags: [READONLY], categories: [SET], keys: [RO ACCESS => range(1, -1)],
        tips: ["nondeterministic_output_order"],
        syntax: "key#0...",
    },
    row! {
        "sunionstore" -3 Set "1.0.0" "O(N)"
        "Stores the members that any of the sets has." Run::Now(super::sunionstore),
        flags: [WRITE DENYOOM], categories: [SET], keys: [OW UPDATE => at(1), RO ACCESS => range(2, -1)],
        syntax: "destination#0 key#1...",
    },
];
