//! The zsets commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "bzmpop" -5 SortedSet "7.0.0" "O(K)"
        "Pops members from the first of several sorted sets that has any, and waits if none has."
        Run::Now(super::bzmpop),
        flags: [WRITE BLOCKING], categories: [SORTEDSET], keys: [RW ACCESS DELETE => counted(2)],
        syntax: "timeout:double numkeys:integer key#0... (where: MIN | MAX) [COUNT count:integer]",
    },
    row! {
        "bzpopmax" -3 SortedSet "5.0.0" "O(log(N))"
        "Pops the member with the highest score from the first sorted set that has one, and waits if none has."
        Run::Now(super::bzpopmax),
        flags: [WRITE NOSCRIPT BLOCKING FAST], categories: [SORTEDSET], keys: [RW ACCESS DELETE => range(1, -2)],
        syntax: "key#0... timeout:double",
        history: ["6.0.0" "`timeout` takes fractions of a second."],
    },
    row! {
        "bzpopmin" -3 SortedSet "5.0.0" "O(log(N))"
        "Pops the member with the lowest score from the first sorted set that has one, and waits if none has."
        Run::Now(super::bzpopmin),
        flags: [WRITE NOSCRIPT BLOCKING FAST], categories: [SORTEDSET], keys: [RW ACCESS DELETE => range(1, -2)],
        syntax: "key#0... timeout:double",
        history: ["6.0.0" "`timeout` takes fractions of a second."],
    },
    row! {
        "zadd" -4 SortedSet "1.2.0" "O(log(N))"
        "Gives members scores, under conditions if wanted." Run::Now(super::zadd),
        flags: [WRITE DENYOOM FAST], categories: [SORTEDSET], keys: [RW UPDATE => at(1)],
        syntax: "key#0 [condition: NX | XX]@3.0.2 [comparison: GT | LT]@6.2.0 [change'CH'@3.0.2] \
            [increment'INCR'@3.0.2] (score_member: score:double member)...",
        history: [
            "2.4.0" "Several members a call.", "3.0.2" "`XX`, `NX`, `CH` and `INCR`.", "6.2.0" "`GT` and `LT`.",
        ],
    },
    row! {
        "zcard" 2 SortedSet "1.2.0" "O(1)" "Counts the members." Run::Now(super::zcard),
        flags: [READONLY FAST], categories: [SORTEDSET], keys: [RO => at(1)],
        syntax: "key#0",
    },
    row! {
        "zcount" 4 SortedSet "2.0.0" "O(log(N))" "Counts the members between two scores." Run::Now(super::zcount),
        flags: [READONLY FAST], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        syntax: "key#0 min:double max:double",
    },
    row! {
        "zdiff" -3 SortedSet "6.2.0" "O(L + (N-K)log(N))"
        "Tells the members of the first sorted set that are in none of the others." Run::Now(super::zdiff),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => counted(1)],
        syntax: "numkeys:integer key#0... [WITHSCORES]",
    },
    row! {
        "zdiffstore" -4 SortedSet "6.2.0" "O(L + (N-K)log(N))"
        "Stores the members of the first sorted set that are in none of the others." Run::Now(super::zdiffstore),
        flags: [WRITE DENYOOM], categories: [SORTEDSET], keys: [OW UPDATE => at(1), RO ACCESS => counted(2)],
        syntax: "destination#0 numkeys:integer key#1...",
    },
    row! {
        "zincrby" 4 SortedSet "1.2.0" "O(log(N))" "Adds to the score of a member." Run::Now(super::zincrby),
        flags: [WRITE DENYOOM FAST], categories: [SORTEDSET], keys: [RW ACCESS UPDATE => at(1)],
        syntax: "key#0 increment:integer member",
    },
    row! {
        "zinter" -3 SortedSet "6.2.0" "O(N*K)"
        "Tells the members that all the sorted sets have, with their scores combined." Run::Now(super::zinter),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => counted(1)],
        syntax: "numkeys:integer key#0... [WEIGHTS weight:integer...] [AGGREGATE (aggregate: SUM | MIN | MAX)] \
            [WITHSCORES]",
    },
    row! {
        "zintercard" -3 SortedSet "7.0.0" "O(N*K)"
        "Counts the members that all the sorted sets have, up to a limit." Run::Now(super::zintercard),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => counted(1)],
        syntax: "numkeys:integer key#0... [LIMIT limit:integer]",
    },
    row! {
        "zinterstore" -4 SortedSet "2.0.0" "O(N*K)"
        "Stores the members that all the sorted sets have, with their scores combined." Run::Now(super::zinterstore),
        flags: [WRITE DENYOOM], categories: [SORTEDSET], keys: [OW UPDATE => at(1), RO ACCESS => counted(2)],
        syntax: "destination#0 numkeys:integer key#1... [WEIGHTS weight:integer...] [AGGREGATE (aggregate: SUM | \
            MIN | MAX)]",
    },
    row! {
        "zlexcount" 4 SortedSet "2.8.9" "O(log(N))"
        "Counts the members between two names, where all scores are equal." Run::Now(super::zlexcount),
        flags: [READONLY FAST], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        syntax: "key#0 min max",
    },
    row! {
        "zmpop" -4 SortedSet "7.0.0" "O(K)"
        "Pops members from either end of the first of several sorted sets that has any." Run::Now(super::zmpop),
        flags: [WRITE], categories: [SORTEDSET], keys: [RW ACCESS DELETE => counted(1)],
        syntax: "numkeys:integer key#0... (where: MIN | MAX) [COUNT count:integer]",
    },
    row! {
        "zmscore" -3 SortedSet "6.2.0" "O(N)" "Tells the scores of several members." Run::Now(super::zmscore),
        flags: [READONLY FAST], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        syntax: "key#0 member...",
    },
    row! {
        "zpopmax" -2 SortedSet "5.0.0" "O(log(N)*M)"
        "Pops the members with the highest scores." Run::Now(super::zpopmax),
        flags: [WRITE FAST], categories: [SORTEDSET], keys: [RW ACCESS DELETE => at(1)],
        syntax: "key#0 [count:integer]",
    },
    row! {
        "zpopmin" -2 SortedSet "5.0.0" "O(log(N)*M)"
        "Pops the members with the lowest scores." Run::Now(super::zpopmin),
        flags: [WRITE FAST], categories: [SORTEDSET], keys: [RW ACCESS DELETE => at(1)],
        syntax: "key#0 [count:integer]",
    },
    row! {
        "zrandmember" -2 SortedSet "6.2.0" "O(N)" "Picks members by chance." Run::Now(super::zrandmember),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0 [options: count:integer [WITHSCORES]]",
    },
    row! {
        "zrange" -4 SortedSet "1.2.0" "O(log(N)+M)"
        "Tells a range of members, by rank, score or name, in either direction." Run::Now(super::zrange),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        syntax: "key#0 start stop [sortby: BYSCORE | BYLEX]@6.2.0 [REV@6.2.0] [LIMIT (offset_count: offset:integer \
            count:integer)@6.2.0] [WITHSCORES]",
        history: ["6.2.0" "`REV`, `BYSCORE`, `BYLEX` and `LIMIT`."],
    },
    row! {
        "zrangebylex" -4 SortedSet "2.8.9" "O(log(N)+M)"
        "Tells the members between two names, where all scores are equal." Run::Now(super::zrangebylex),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        deprecated: ["6.2.0" "`ZRANGE` with `BYLEX`"],
        syntax: "key#0 min max [LIMIT (offset_count: offset:integer count:integer)]",
    },
    row! {
        "zrangebyscore" -4 SortedSet "1.0.5" "O(log(N)+M)"
        "Tells the members between two scores." Run::Now(super::zrangebyscore),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        deprecated: ["6.2.0" "`ZRANGE` with `BYSCORE`"],
        syntax: "key#0 min:double max:double [WITHSCORES@2.0.0] [LIMIT (offset_count: offset:integer \
            count:integer)]",
        history: ["2.0.0" "`WITHSCORES`."],
    },
    row! {
        "zrangestore" -5 SortedSet "6.2.0" "O(log(N)+M)"
        "Stores a range of members under another key." Run::Now(super::zrangestore),
        flags: [WRITE DENYOOM], categories: [SORTEDSET], keys: [OW UPDATE => at(1), RO ACCESS => at(2)],
        syntax: "dst#0 src#1 min max [sortby: BYSCORE | BYLEX] [REV] [LIMIT (offset_count: offset:integer \
            count:integer)]",
    },
    row! {
        "zrank" 3 SortedSet "2.0.0" "O(log(N))"
        "Tells the position of a member, counted from the lowest score." Run::Now(super::zrank),
        flags: [READONLY FAST], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        syntax: "key#0 member",
    },
    row! {
        "zrem" -3 SortedSet "1.2.0" "O(M*log(N))" "Removes members." Run::Now(super::zrem),
        flags: [WRITE FAST], categories: [SORTEDSET], keys: [RW DELETE => at(1)],
        syntax: "key#0 member...",
        history: ["2.4.0" "Several members a call."],
    },
    row! {
        "zremrangebylex" 4 SortedSet "2.8.9" "O(log(N)+M)"
        "Removes the members between two names, where all scores are equal." Run::Now(super::zremrangebylex),
        flags: [WRITE], categories: [SORTEDSET], keys: [RW DELETE => at(1)],
        syntax: "key#0 min max",
    },
    row! {
        "zremrangebyrank" 4 SortedSet "2.0.0" "O(log(N)+M)"
        "Removes the members between two positions." Run::Now(super::zremrangebyrank),
        flags: [WRITE], categories: [SORTEDSET], keys: [RW DELETE => at(1)],
        syntax: "key#0 start:integer stop:integer",
    },
    row! {
        "zremrangebyscore" 4 SortedSet "1.2.0" "O(log(N)+M)"
        "Removes the members between two scores." Run::Now(super::zremrangebyscore),
        flags: [WRITE], categories: [SORTEDSET], keys: [RW DELETE => at(1)],
        syntax: "key#0 min:double max:double",
    },
    row! {
        "zrevrange" -4 SortedSet "1.2.0" "O(log(N)+M)"
        "Tells the members between two positions, from the highest score down." Run::Now(super::zrevrange),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        deprecated: ["6.2.0" "`ZRANGE` with `REV`"],
        syntax: "key#0 start:integer stop:integer [WITHSCORES]",
    },
    row! {
        "zrevrangebylex" -4 SortedSet "2.8.9" "O(log(N)+M)"
        "Tells the members between two names from the last to the first, where all scores are equal."
        Run::Now(super::zrevrangebylex),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        deprecated: ["6.2.0" "`ZRANGE` with `REV` and `BYLEX`"],
        syntax: "key#0 max min [LIMIT (offset_count: offset:integer count:integer)]",
    },
    row! {
        "zrevrangebyscore" -4 SortedSet "2.2.0" "O(log(N)+M)"
        "Tells the members between two scores, from the highest down." Run::Now(super::zrevrangebyscore),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        deprecated: ["6.2.0" "`ZRANGE` with `REV` and `BYSCORE`"],
        syntax: "key#0 max:double min:double [WITHSCORES] [LIMIT (offset_count: offset:integer count:integer)]",
        history: ["2.1.6" "Ends can be left out with `(`."],
    },
    row! {
        "zrevrank" 3 SortedSet "2.0.0" "O(log(N))"
        "Tells the position of a member, counted from the highest score." Run::Now(super::zrevrank),
        flags: [READONLY FAST], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        syntax: "key#0 member",
    },
    row! {
        "zscan" -3 SortedSet "2.8.0" "O(1)"
        "Walks over the members with their scores, a few at a time." Run::Now(super::zscan),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0 cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
    },
    row! {
        "zscore" 3 SortedSet "1.2.0" "O(1)" "Tells the score of a member." Run::Now(super::zscore),
        flags: [READONLY FAST], categories: [SORTEDSET], keys: [RO ACCESS => at(1)],
        syntax: "key#0 member",
    },
    row! {
        "zunion" -3 SortedSet "6.2.0" "O(N)"
        "Tells the members that any of the sorted sets has, with their scores combined." Run::Now(super::zunion),
        flags: [READONLY], categories: [SORTEDSET], keys: [RO ACCESS => counted(1)],
        syntax: "numkeys:integer key#0... [WEIGHTS weight:integer...] [AGGREGATE (aggregate: SUM | MIN | MAX)] \
            [WITHSCORES]",
    },
    row! {
        "zunionstore" -4 SortedSet "2.0.0" "O(N)"
        "Stores the members that any of the sorted sets has, with their scores combined."
        Run::Now(super::zunionstore),
        flags: [WRITE DENYOOM], categories: [SORTEDSET], keys: [OW UPDATE => at(1), RO ACCESS => counted(2)],
        syntax: "destination#0 numkeys:integer key#1... [WEIGHTS weight:integer...] [AGGREGATE (aggregate: SUM | \
            MIN | MAX)]",
    },
];
