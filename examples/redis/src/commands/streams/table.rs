//! The streams commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "xack" -4 Stream "5.0.0" "O(1)"
        "Ends the waiting of delivered entries for a group's confirmation." Run::Now(super::xack),
        flags: [WRITE FAST], categories: [STREAM], keys: [RW UPDATE => at(1)],
        syntax: "key#0 group id...",
    },
    row! {
        "xadd" -5 Stream "5.0.0" "O(1)"
        "Appends an entry, making the stream where there is none." Run::Now(super::xadd),
        flags: [WRITE DENYOOM FAST], categories: [STREAM],
        keys: [RW UPDATE => at(1) "UPDATE, not INSERT, for it may trim"], tips: ["nondeterministic_output"],
        syntax: "key#0 [NOMKSTREAM@6.2.0] [trim: (strategy: MAXLEN | MINID@6.2.0) [operator: equal'=' | \
            approximately'~'] threshold [LIMIT count:integer@6.2.0]] (id_or_auto: auto_id'*' | id) (field_value: \
            field value)...",
        history: ["6.2.0" "`NOMKSTREAM`, `MINID` and `LIMIT`.", "7.0.0" "IDs of the form `<ms>-*`."],
    },
    row! {
        "xautoclaim" -6 Stream "6.2.0" "O(1)"
        "Takes over whatever other consumers have left lying for too long." Run::Now(super::xautoclaim),
        flags: [WRITE FAST], categories: [STREAM], keys: [RW DELETE => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0 group consumer min-idle-time start [COUNT count:integer] [JUSTID]",
        history: ["7.0.0" "Third element: the deleted entries that left the list of pending ones."],
    },
    row! {
        "xclaim" -6 Stream "5.0.0" "O(log N)"
        "Takes over given entries from the consumers that have them." Run::Now(super::xclaim),
        flags: [WRITE FAST], categories: [STREAM], keys: [RW UPDATE => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0 group consumer min-idle-time id... [IDLE ms:integer] [TIME unix-time-milliseconds:time] \
            [RETRYCOUNT count:integer] [FORCE] [JUSTID] [LASTID id]",
    },
    row! {
        "xdel" -3 Stream "5.0.0" "O(1)" "Deletes entries by their identifiers." Run::Now(super::xdel),
        flags: [WRITE FAST], categories: [STREAM], keys: [RW DELETE => at(1)],
        syntax: "key#0 id...",
    },
    row! {
        "xgroup" -2 Stream "5.0.0" "depends on the subcommand" "Manages consumer groups." Run::Container,
        sub: [
            row! {
                "create" -5 Stream "5.0.0" "O(1)" "Makes a consumer group." Run::Now(super::xgroup_create),
                flags: [WRITE DENYOOM], categories: [STREAM], keys: [RW INSERT => at(2)],
                syntax: "key#0 groupname (id: id | new_id'$') [MKSTREAM] [ENTRIESREAD entries_read:integer]",
                history: ["7.0.0" "`ENTRIESREAD`."],
            }
            row! {
                "createconsumer" 5 Stream "6.2.0" "O(1)"
                "Makes a consumer in a group." Run::Now(super::xgroup_createconsumer),
                flags: [WRITE DENYOOM], categories: [STREAM], keys: [RW INSERT => at(2)],
                syntax: "key#0 groupname consumername",
            }
            row! {
                "delconsumer" 5 Stream "5.0.0" "O(1)"
                "Removes a consumer and what it has pending." Run::Now(super::xgroup_delconsumer),
                flags: [WRITE], categories: [STREAM], keys: [RW DELETE => at(2)],
                syntax: "key#0 groupname consumername",
            }
            row! {
                "destroy" 4 Stream "5.0.0" "O(N)" "Removes a consumer group." Run::Now(super::xgroup_destroy),
                flags: [WRITE], categories: [STREAM], keys: [RW DELETE => at(2)],
                syntax: "key#0 groupname",
            }
            row! {
                "help" 2 Stream "5.0.0" "O(1)" "Lists the subcommands of XGROUP." Run::Now(super::xgroup_help),
                flags: [LOADING STALE], categories: [STREAM],
            }
            row! {
                "setid" -5 Stream "5.0.0" "O(1)"
                "Moves a group to another place in the stream." Run::Now(super::xgroup_setid),
                flags: [WRITE], categories: [STREAM], keys: [RW UPDATE => at(2)],
                syntax: "key#0 groupname (id: id | new_id'$') [ENTRIESREAD entries_read:integer]",
                history: ["7.0.0" "`ENTRIESREAD`."],
            }
        ],
    },
    row! {
        "xinfo" -2 Stream "5.0.0" "depends on the subcommand" "Looks into streams." Run::Container,
        sub: [
            row! {
                "consumers" 4 Stream "5.0.0" "O(1)"
                "Lists the consumers of a group." Run::Now(super::xinfo_consumers),
                flags: [READONLY], categories: [STREAM], keys: [RO ACCESS => at(2)],
                tips: ["nondeterministic_output"],
                syntax: "key#0 groupname",
            }
            row! {
                "groups" 3 Stream "5.0.0" "O(1)" "Lists the groups of a stream." Run::Now(super::xinfo_groups),
                flags: [READONLY], categories: [STREAM], keys: [RO ACCESS => at(2)],
                syntax: "key#0",
                history: ["7.0.0" "Fields `entries-read` and `lag`."],
            }
            row! {
                "help" 2 Stream "5.0.0" "O(1)" "Lists the subcommands of XINFO." Run::Now(super::xinfo_help),
                flags: [LOADING STALE], categories: [STREAM],
            }
            row! {
                "stream" -3 Stream "5.0.0" "O(1)"
                "Describes a stream, in short or in full." Run::Now(super::xinfo_stream),
                flags: [READONLY], categories: [STREAM], keys: [RO ACCESS => at(2)],
                syntax: "key#0 [FULL (full: [COUNT count:integer])]",
                history: [
                    "6.0.0" "`FULL`.",
                    "7.0.0" "What was added and deleted for ever; `entries-read` and `lag` of groups.",
                ],
            }
        ],
    },
    row! {
        "xlen" 2 Stream "5.0.0" "O(1)" "Counts the entries of a stream." Run::Now(super::xlen),
        flags: [READONLY FAST], categories: [STREAM], keys: [RO => at(1)],
        syntax: "key#0",
    },
    row! {
        "xpending" -3 Stream "5.0.0" "O(N)"
        "Shows what a group was given and has not confirmed." Run::Now(super::xpending),
        flags: [READONLY], categories: [STREAM], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0 group [filters: [IDLE min-idle-time:integer@6.2.0] start end count:integer [consumer]]",
        history: ["6.2.0" "`IDLE`, and ranges without their ends."],
    },
    row! {
        "xrange" -4 Stream "5.0.0" "O(N)" "Answers the entries between two identifiers." Run::Now(super::xrange),
        flags: [READONLY], categories: [STREAM], keys: [RO ACCESS => at(1)],
        syntax: "key#0 start end [COUNT count:integer]",
        history: ["6.2.0" "Ranges without their ends."],
    },
    row! {
        "xread" -4 Stream "5.0.0" "O(N)"
        "Reads on in several streams, and waits for more if told to." Run::Now(super::xread),
        flags: [READONLY BLOCKING], categories: [STREAM], keys: [RO ACCESS => word("STREAMS", 1).to(-1).limit(2)],
        syntax: "[COUNT count:integer] [BLOCK milliseconds:integer] STREAMS (streams: key#0... id...)",
    },
    row! {
        "xreadgroup" -7 Stream "5.0.0" "O(M)"
        "Reads on in several streams as one consumer of a group." Run::Now(super::xreadgroup),
        flags: [WRITE BLOCKING], categories: [STREAM], keys: [RO ACCESS => word("STREAMS", 4).to(-1).limit(2)],
        syntax: "GROUP (group_consumer: group consumer) [COUNT count:integer] [BLOCK milliseconds:integer] [NOACK] \
            STREAMS (streams: key#0... id...)",
    },
    row! {
        "xrevrange" -4 Stream "5.0.0" "O(N)"
        "Answers the entries between two identifiers, last one first." Run::Now(super::xrevrange),
        flags: [READONLY], categories: [STREAM], keys: [RO ACCESS => at(1)],
        syntax: "key#0 end start [COUNT count:integer]",
        history: ["6.2.0" "Ranges without their ends."],
    },
    row! {
        "xsetid" -3 Stream "5.0.0" "O(1)" "Sets the last identifier of a stream." Run::Now(super::xsetid),
        flags: [WRITE DENYOOM FAST], categories: [STREAM], keys: [RW UPDATE => at(1)],
        syntax: "key#0 last-id [ENTRIESADDED entries_added:integer@7.0.0] [MAXDELETEDID max_deleted_entry_id@7.0.0]",
        history: ["7.0.0" "`ENTRIESADDED` and `MAXDELETEDID`."],
    },
    row! {
        "xtrim" -4 Stream "5.0.0" "O(N)" "Drops the oldest entries of a stream." Run::Now(super::xtrim),
        flags: [WRITE], categories: [STREAM], keys: [RW DELETE => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0 (trim: (strategy: MAXLEN | MINID@6.2.0) [operator: equal'=' | approximately'~'] threshold \
            [LIMIT count:integer@6.2.0])",
        history: ["6.2.0" "`MINID` and `LIMIT`."],
    },
];
