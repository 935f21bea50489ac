//! The lists commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "blmove" 6 List "6.2.0" "O(1)"
        "Moves an element from an end of one list to an end of another, and waits for one to move."
        Run::Now(super::blmove),
        flags: [WRITE DENYOOM NOSCRIPT BLOCKING], categories: [LIST],
        keys: [RW ACCESS DELETE => at(1), RW INSERT => at(2)],
        syntax: "source#0 destination#1 (wherefrom: LEFT | RIGHT) (whereto: LEFT | RIGHT) timeout:double",
    },
    row! {
        "blmpop" -5 List "7.0.0" "O(N+M)"
        "Pops elements from the first of several lists that has any, and waits if none has." Run::Now(super::blmpop),
        flags: [WRITE BLOCKING], categories: [LIST], keys: [RW ACCESS DELETE => counted(2)],
        syntax: "timeout:double numkeys:integer key#0... (where: LEFT | RIGHT) [COUNT count:integer]",
    },
    row! {
        "blpop" -3 List "2.0.0" "O(N)"
        "Pops the first element of the first list that has one, and waits if none has." Run::Now(super::blpop),
        flags: [WRITE NOSCRIPT BLOCKING], categories: [LIST], keys: [RW ACCESS DELETE => range(1, -2)],
        syntax: "key#0... timeout:double",
        history: ["6.0.0" "`timeout` takes fractions of a second."],
    },
    row! {
        "brpop" -3 List "2.0.0" "O(N)"
        "Pops the last element of the first list that has one, and waits if none has." Run::Now(super::brpop),
        flags: [WRITE NOSCRIPT BLOCKING], categories: [LIST], keys: [RW ACCESS DELETE => range(1, -2)],
        syntax: "key#0... timeout:double",
        history: ["6.0.0" "`timeout` takes fractions of a second."],
    },
    row! {
        "brpoplpush" 4 List "2.2.0" "O(1)"
        "Moves the last element of one list to the front of another, and waits for one to move."
        Run::Now(super::brpoplpush),
        flags: [WRITE DENYOOM NOSCRIPT BLOCKING], categories: [LIST],
        keys: [RW ACCESS DELETE => at(1), RW INSERT => at(2)],
        deprecated: ["6.2.0" "`BLMOVE` with `RIGHT` and `LEFT`"],
        syntax: "source#0 destination#1 timeout:double",
        history: ["6.0.0" "`timeout` takes fractions of a second."],
    },
    row! {
        "lindex" 3 List "1.0.0" "O(N)" "Tells the element at a position." Run::Now(super::lindex),
        flags: [READONLY], categories: [LIST], keys: [RO ACCESS => at(1)],
        syntax: "key#0 index:integer",
    },
    row! {
        "linsert" 5 List "2.2.0" "O(N)" "Puts an element before or behind another one." Run::Now(super::linsert),
        flags: [WRITE DENYOOM], categories: [LIST], keys: [RW INSERT => at(1)],
        syntax: "key#0 (where: BEFORE | AFTER) pivot element",
    },
    row! {
        "llen" 2 List "1.0.0" "O(1)" "Counts the elements." Run::Now(super::llen),
        flags: [READONLY FAST], categories: [LIST], keys: [RO => at(1)],
        syntax: "key#0",
    },
    row! {
        "lmove" 5 List "6.2.0" "O(1)"
        "Moves an element from an end of one list to an end of another." Run::Now(super::lmove),
        flags: [WRITE DENYOOM], categories: [LIST], keys: [RW ACCESS DELETE => at(1), RW INSERT => at(2)],
        syntax: "source#0 destination#1 (wherefrom: LEFT | RIGHT) (whereto: LEFT | RIGHT)",
    },
    row! {
        "lmpop" -4 List "7.0.0" "O(N+M)"
        "Pops elements from the first of several lists that has any." Run::Now(super::lmpop),
        flags: [WRITE], categories: [LIST], keys: [RW ACCESS DELETE => counted(1)],
        syntax: "numkeys:integer key#0... (where: LEFT | RIGHT) [COUNT count:integer]",
    },
    row! {
        "lpop" -2 List "1.0.0" "O(N)" "Pops elements from the front." Run::Now(super::lpop),
        flags: [WRITE FAST], categories: [LIST], keys: [RW ACCESS DELETE => at(1)],
        syntax: "key#0 [count:integer@6.2.0]",
        history: ["6.2.0" "`count`."],
    },
    row! {
        "lpos" -3 List "6.0.6" "O(N)" "Finds the positions of equal elements." Run::Now(super::lpos),
        flags: [READONLY], categories: [LIST], keys: [RO ACCESS => at(1)],
        syntax: "key#0 element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]",
    },
    row! {
        "lpush" -3 List "1.0.0" "O(1)" "Puts elements in front." Run::Now(super::lpush),
        flags: [WRITE DENYOOM FAST], categories: [LIST], keys: [RW INSERT => at(1)],
        syntax: "key#0 element...",
        history: ["2.4.0" "Several `element`s a call."],
    },
    row! {
        "lpushx" -3 List "2.2.0" "O(1)" "Puts elements in front of a list that exists." Run::Now(super::lpushx),
        flags: [WRITE DENYOOM FAST], categories: [LIST], keys: [RW INSERT => at(1)],
        syntax: "key#0 element...",
        history: ["4.0.0" "Several `element`s a call."],
    },
    row! {
        "lrange" 4 List "1.0.0" "O(S+N)" "Tells the elements between two positions." Run::Now(super::lrange),
        flags: [READONLY], categories: [LIST], keys: [RO ACCESS => at(1)],
        syntax: "key#0 start:integer stop:integer",
    },
    row! {
        "lrem" 4 List "1.0.0" "O(N+M)" "Removes equal elements, from either end." Run::Now(super::lrem),
        flags: [WRITE], categories: [LIST], keys: [RW DELETE => at(1)],
        syntax: "key#0 count:integer element",
    },
    row! {
        "lset" 4 List "1.0.0" "O(N)" "Replaces the element at a position." Run::Now(super::lset),
        flags: [WRITE DENYOOM], categories: [LIST], keys: [RW UPDATE => at(1)],
        syntax: "key#0 index:integer element",
    },
    row! {
        "ltrim" 4 List "1.0.0" "O(N)" "Removes all but the elements between two positions." Run::Now(super::ltrim),
        flags: [WRITE], categories: [LIST], keys: [RW DELETE => at(1)],
        syntax: "key#0 start:integer stop:integer",
    },
    row! {
        "rpop" -2 List "1.0.0" "O(N)" "Pops elements from the end." Run::Now(super::rpop),
        flags: [WRITE FAST], categories: [LIST], keys: [RW ACCESS DELETE => at(1)],
        syntax: "key#0 [count:integer@6.2.0]",
        history: ["6.2.0" "`count`."],
    },
    row! {
        "rpoplpush" 3 List "1.2.0" "O(1)"
        "Moves the last element of one list to the front of another." Run::Now(super::rpoplpush),
        flags: [WRITE DENYOOM], categories: [LIST], keys: [RW ACCESS DELETE => at(1), RW INSERT => at(2)],
        deprecated: ["6.2.0" "`LMOVE` with `RIGHT` and `LEFT`"],
        syntax: "source#0 destination#1",
    },
    row! {
        "rpush" -3 List "1.0.0" "O(1)" "Puts elements at the end." Run::Now(super::rpush),
        flags: [WRITE DENYOOM FAST], categories: [LIST], keys: [RW INSERT => at(1)],
        syntax: "key#0 element...",
        history: ["2.4.0" "Several `element`s a call."],
    },
    row! {
        "rpushx" -3 List "2.2.0" "O(1)" "Puts elements at the end of a list that exists." Run::Now(super::rpushx),
        flags: [WRITE DENYOOM FAST], categories: [LIST], keys: [RW INSERT => at(1)],
        syntax: "key#0 element...",
        history: ["4.0.0" "Several `element`s a call."],
    },
];
