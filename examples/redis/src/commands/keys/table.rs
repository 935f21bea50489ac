//! The keys commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "copy" -3 Generic "6.2.0" "O(N)" "Copies a value to another key." Run::Now(super::copy),
        flags: [WRITE DENYOOM], categories: [KEYSPACE], keys: [RO ACCESS => at(1), OW UPDATE => at(2)],
        syntax: "source#0 destination#1 [DB destination-db:integer] [REPLACE]",
    },
    row! {
        "del" -2 Generic "1.0.0" "O(N)" "Removes keys." Run::Now(super::del),
        flags: [WRITE], categories: [KEYSPACE], keys: [RM DELETE => range(1, -1)],
        tips: ["request_policy:multi_shard" "response_policy:agg_sum"],
        syntax: "key#0...",
    },
    row! {
        "dump" 2 Generic "2.6.0" "O(1)" "Answers a value in its stored form." Run::Later(Later::Persistence),
        flags: [READONLY], categories: [KEYSPACE], keys: [RO ACCESS => at(1)], tips: ["nondeterministic_output"],
        syntax: "key#0",
    },
    row! {
        "exists" -2 Generic "1.0.0" "O(N)" "Counts which of the keys exist." Run::Now(super::exists),
        flags: [READONLY FAST], categories: [KEYSPACE], keys: [RO => range(1, -1)],
        tips: ["request_policy:multi_shard" "response_policy:agg_sum"],
        syntax: "key#0...",
        history: ["3.0.3" "Several `key`s a call."],
    },
    row! {
        "expire" -3 Generic "1.0.0" "O(1)" "Sets how many seconds a key lives." Run::Now(super::expire::expire),
        flags: [WRITE FAST], categories: [KEYSPACE], keys: [RW UPDATE => at(1)],
        syntax: "key#0 seconds:integer [condition: NX | XX | GT | LT]@7.0.0",
        history: ["7.0.0" "`NX`, `XX`, `GT` and `LT`."],
    },
    row! {
        "expireat" -3 Generic "1.2.0" "O(1)"
        "Sets the second at which a key expires." Run::Now(super::expire::expireat),
        flags: [WRITE FAST], categories: [KEYSPACE], keys: [RW UPDATE => at(1)],
        syntax: "key#0 unix-time-seconds:time [condition: NX | XX | GT | LT]@7.0.0",
        history: ["7.0.0" "`NX`, `XX`, `GT` and `LT`."],
    },
    row! {
        "expiretime" 2 Generic "7.0.0" "O(1)"
        "Answers the second at which a key expires." Run::Now(super::expire::expiretime),
        flags: [READONLY FAST], categories: [KEYSPACE], keys: [RO ACCESS => at(1)],
        syntax: "key#0",
    },
    row! {
        "keys" 2 Generic "1.0.0" "O(N)" "Lists the keys that match a pattern." Run::Now(super::keys),
        flags: [READONLY], categories: [KEYSPACE DANGEROUS],
        tips: ["request_policy:all_shards" "nondeterministic_output_order"],
        syntax: "pattern:pattern",
    },
    row! {
        "migrate" -6 Generic "2.6.0" "O(N)" "Moves keys to another server." Run::Later(Later::Persistence),
        flags: [WRITE], categories: [KEYSPACE DANGEROUS],
        keys: [RW ACCESS DELETE => at(3), RW ACCESS DELETE INCOMPLETE => word("KEYS", -2).to(-1)],
        tips: ["nondeterministic_output"],
        syntax: "host port:integer (key_or_empty_string: key#0 | empty_string'\"\"') destination-db:integer \
            timeout:integer [COPY@3.0.0] [REPLACE@3.0.0] [authentication: [AUTH password@4.0.7] | [AUTH2 \
            (username_password: username password)@6.0.0]] [KEYS key#1...@3.0.6]",
        history: ["3.0.0" "`COPY` and `REPLACE`.", "3.0.6" "`KEYS`.", "4.0.7" "`AUTH`.", "6.0.0" "`AUTH2`."],
    },
    row! {
        "move" 3 Generic "1.0.0" "O(1)" "Moves a key to another database." Run::Now(super::move_key),
        flags: [WRITE FAST], categories: [KEYSPACE], keys: [RW ACCESS UPDATE => at(1)],
        syntax: "key#0 db:integer",
    },
    row! {
        "object" -2 Generic "2.2.3" "depends on the subcommand" "Shows how a value is kept." Run::Container,
        sub: [
            row! {
                "encoding" 3 Generic "2.2.3" "O(1)"
                "Answers the form in which a value is kept." Run::Now(super::object::encoding),
                flags: [READONLY], categories: [KEYSPACE], keys: [RO => at(2)], tips: ["nondeterministic_output"],
                syntax: "key#0",
            }
            row! {
                "freq" 3 Generic "4.0.0" "O(1)"
                "Answers how often a key is used, as a logarithm." Run::Now(super::object::freq),
                flags: [READONLY], categories: [KEYSPACE], keys: [RO => at(2)], tips: ["nondeterministic_output"],
                syntax: "key#0",
            }
            row! {
                "help" 2 Generic "6.2.0" "O(1)" "Says how the subcommands are used." Run::Now(super::object::help),
                flags: [LOADING STALE], categories: [KEYSPACE],
            }
            row! {
                "idletime" 3 Generic "2.2.3" "O(1)"
                "Answers for how many seconds a key was not used." Run::Now(super::object::idletime),
                flags: [READONLY], categories: [KEYSPACE], keys: [RO => at(2)], tips: ["nondeterministic_output"],
                syntax: "key#0",
            }
            row! {
                "refcount" 3 Generic "2.2.3" "O(1)"
                "Answers how many references a value has." Run::Now(super::object::refcount),
                flags: [READONLY], categories: [KEYSPACE], keys: [RO => at(2)], tips: ["nondeterministic_output"],
                syntax: "key#0",
            }
        ],
    },
    row! {
        "persist" 2 Generic "2.2.0" "O(1)" "Takes off a key's expiry." Run::Now(super::expire::persist),
        flags: [WRITE FAST], categories: [KEYSPACE], keys: [RW UPDATE => at(1)],
        syntax: "key#0",
    },
    row! {
        "pexpire" -3 Generic "2.6.0" "O(1)"
        "Sets how many milliseconds a key lives." Run::Now(super::expire::pexpire),
        flags: [WRITE FAST], categories: [KEYSPACE], keys: [RW UPDATE => at(1)],
        syntax: "key#0 milliseconds:integer [condition: NX | XX | GT | LT]@7.0.0",
        history: ["7.0.0" "`NX`, `XX`, `GT` and `LT`."],
    },
    row! {
        "pexpireat" -3 Generic "2.6.0" "O(1)"
        "Sets the millisecond at which a key expires." Run::Now(super::expire::pexpireat),
        flags: [WRITE FAST], categories: [KEYSPACE], keys: [RW UPDATE => at(1)],
        syntax: "key#0 unix-time-milliseconds:time [condition: NX | XX | GT | LT]@7.0.0",
        history: ["7.0.0" "`NX`, `XX`, `GT` and `LT`."],
    },
    row! {
        "pexpiretime" 2 Generic "7.0.0" "O(1)"
        "Answers the millisecond at which a key expires." Run::Now(super::expire::pexpiretime),
        flags: [READONLY FAST], categories: [KEYSPACE], keys: [RO ACCESS => at(1)],
        syntax: "key#0",
    },
    row! {
        "pttl" 2 Generic "2.6.0" "O(1)" "Answers how many milliseconds a key has left." Run::Now(super::expire::pttl),
        flags: [READONLY FAST], categories: [KEYSPACE], keys: [RO ACCESS => at(1)],
        tips: ["nondeterministic_output"],
        syntax: "key#0",
        history: ["2.8.0" "-2 for a missing key."],
    },
    row! {
        "randomkey" 1 Generic "1.0.0" "O(1)" "Answers any key." Run::Now(super::randomkey),
        flags: [READONLY], categories: [KEYSPACE], tips: ["request_policy:all_shards" "nondeterministic_output"],
    },
    row! {
        "rename" 3 Generic "1.0.0" "O(1)" "Renames a key, over another one if need be." Run::Now(super::rename),
        flags: [WRITE], categories: [KEYSPACE], keys: [RW ACCESS DELETE => at(1), OW UPDATE => at(2)],
        syntax: "key#0 newkey#1",
    },
    row! {
        "renamenx" 3 Generic "1.0.0" "O(1)" "Renames a key unless the new name is taken." Run::Now(super::renamenx),
        flags: [WRITE FAST], categories: [KEYSPACE], keys: [RW ACCESS DELETE => at(1), OW INSERT => at(2)],
        syntax: "key#0 newkey#1",
        history: ["3.2.0" "The same name twice is no error."],
    },
    row! {
        "restore" -4 Generic "2.6.0" "O(1)" "Makes a key from a dump." Run::Later(Later::Persistence),
        flags: [WRITE DENYOOM], categories: [KEYSPACE DANGEROUS], keys: [OW UPDATE => at(1)],
        syntax: "key#0 ttl:integer serialized-value [REPLACE@3.0.0] [ABSTTL@5.0.0] [IDLETIME seconds:integer@5.0.0] \
            [FREQ frequency:integer@5.0.0]",
        history: ["3.0.0" "`REPLACE`.", "5.0.0" "`ABSTTL`.", "5.0.0" "`IDLETIME` and `FREQ`."],
    },
    row! {
        "scan" -2 Generic "2.8.0" "O(1)" "Walks over the keys, some at a time." Run::Now(super::scan),
        flags: [READONLY], categories: [KEYSPACE], tips: ["nondeterministic_output" "request_policy:special"],
        syntax: "cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type@6.0.0]",
        history: ["6.0.0" "`TYPE`."],
    },
    row! {
        "sort" -2 Generic "1.0.0" "O(N+M*log(M))"
        "Sorts a list, a set or a sorted set, and perhaps stores the result." Run::Now(super::sort::sort),
        flags: [WRITE DENYOOM], categories: [SET SORTEDSET LIST DANGEROUS],
        keys: [
            RO ACCESS => at(1),
            RO ACCESS => unknown() "`BY` and `GET` build names from the elements of the first key",
            OW UPDATE => unknown() "`STORE` may stand anywhere",
        ],
        syntax: "key#0 [BY pattern#1:pattern] [LIMIT (offset_count: offset:integer count:integer)] [GET \
            pattern#1:pattern]... [order: ASC | DESC] [sorting'ALPHA'] [STORE destination#2]",
    },
    row! {
        "sort_ro" -2 Generic "7.0.0" "O(N+M*log(M))"
        "Sorts a list, a set or a sorted set." Run::Now(super::sort::sort_ro),
        flags: [READONLY], categories: [SET SORTEDSET LIST DANGEROUS],
        keys: [
            RO ACCESS => at(1),
            RO ACCESS => unknown() "`BY` and `GET` build names from the elements of the first key",
        ],
        syntax: "key#0 [BY pattern#1:pattern] [LIMIT (offset_count: offset:integer count:integer)] [GET \
            pattern#1:pattern]... [order: ASC | DESC] [sorting'ALPHA']",
    },
    row! {
        "touch" -2 Generic "3.2.1" "O(N)" "Marks keys as used, and counts those that exist." Run::Now(super::touch),
        flags: [READONLY FAST], categories: [KEYSPACE], keys: [RO => range(1, -1)],
        tips: ["request_policy:multi_shard" "response_policy:agg_sum"],
        syntax: "key#0...",
    },
    row! {
        "ttl" 2 Generic "1.0.0" "O(1)" "Answers how many seconds a key has left." Run::Now(super::expire::ttl),
        flags: [READONLY FAST], categories: [KEYSPACE], keys: [RO ACCESS => at(1)],
        tips: ["nondeterministic_output"],
        syntax: "key#0",
        history: ["2.8.0" "-2 for a missing key."],
    },
    row! {
        "type" 2 Generic "1.0.0" "O(1)" "Answers the type of a value." Run::Now(super::kind),
        flags: [READONLY FAST], categories: [KEYSPACE], keys: [RO => at(1)],
        syntax: "key#0",
    },
    row! {
        "unlink" -2 Generic "4.0.0" "O(1)" "Removes keys, and frees their memory later." Run::Now(super::unlink),
        flags: [WRITE FAST], categories: [KEYSPACE], keys: [RM DELETE => range(1, -1)],
        tips: ["request_policy:multi_shard" "response_policy:agg_sum"],
        syntax: "key#0...",
    },
    row! {
        "wait" 3 Generic "3.0.0" "O(1)" "Waits until replicas have the writes so far." Run::Now(super::wait),
        flags: [NOSCRIPT], categories: [CONNECTION], tips: ["request_policy:all_shards" "response_policy:agg_min"],
        syntax: "numreplicas:integer timeout:integer",
    },
];
