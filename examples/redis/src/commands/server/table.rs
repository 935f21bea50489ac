//! The server commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "acl" -2 Server "6.0.0" "depends on the subcommand"
        "Shows and changes users and their rights." Run::Container,
        sub: [
            row! {
                "cat" -2 Server "6.0.0" "O(1)"
                "Lists the categories of commands, or the commands of one." Run::Now(super::acl::cat),
                flags: [NOSCRIPT LOADING STALE],
                syntax: "[categoryname]",
            }
            row! {
                "deluser" -3 Server "6.0.0" "O(1)"
                "Removes users and ends their connections." Run::Now(super::acl::deluser),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                syntax: "username...",
            }
            row! {
                "dryrun" -4 Server "7.0.0" "O(1)" "Says whether a user may run a call." Run::Now(super::acl::dryrun),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                syntax: "username command [arg...]",
            }
            row! {
                "genpass" -2 Server "6.0.0" "O(1)" "Makes up a password." Run::Now(super::acl::genpass),
                flags: [NOSCRIPT LOADING STALE],
                syntax: "[bits:integer]",
            }
            row! {
                "getuser" 3 Server "6.0.0" "O(N)" "Shows a user's rights." Run::Now(super::acl::getuser),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                syntax: "username",
                history: [
                    "6.2.0" "Channel patterns.",
                    "7.0.0" "Selectors; key and channel patterns as rules instead of lists.",
                ],
            }
            row! {
                "help" 2 Server "6.0.0" "O(1)" "Shows how to use ACL." Run::Now(super::acl::help),
                flags: [LOADING STALE],
            }
            row! {
                "list" 2 Server "6.0.0" "O(N)" "Shows all users as rules." Run::Now(super::acl::list),
                flags: [ADMIN NOSCRIPT LOADING STALE],
            }
            row! {
                "load" 2 Server "6.0.0" "O(N)" "Reads the users from their file again." Run::Now(super::acl::no_file),
                flags: [ADMIN NOSCRIPT LOADING STALE],
            }
            row! {
                "log" -2 Server "6.0.0" "O(N)" "Shows the calls that were refused lately." Run::Now(super::acl::log),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                syntax: "[operation: count:integer | RESET]",
            }
            row! {
                "save" 2 Server "6.0.0" "O(N)" "Writes the users to their file." Run::Now(super::acl::no_file),
                flags: [ADMIN NOSCRIPT LOADING STALE],
            }
            row! {
                "setuser" -3 Server "6.0.0" "O(N)" "Makes or changes a user." Run::Now(super::acl::setuser),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                syntax: "username [rule...]",
                history: ["6.2.0" "Channel patterns.", "7.0.0" "Selectors and permissions by key."],
            }
            row! {
                "users" 2 Server "6.0.0" "O(N)" "Lists the names of the users." Run::Now(super::acl::users),
                flags: [ADMIN NOSCRIPT LOADING STALE],
            }
            row! {
                "whoami" 2 Server "6.0.0" "O(1)"
                "Gets the name of the connection's user." Run::Now(super::acl::whoami),
                flags: [NOSCRIPT LOADING STALE],
            }
        ],
    },
    row! {
        "bgrewriteaof" 1 Server "1.0.0" "O(1)"
        "Rewrites the append-only file in the background." Run::Later(Later::Persistence),
        flags: [ADMIN NOSCRIPT NO_ASYNC_LOADING],
    },
    row! {
        "bgsave" -1 Server "1.0.0" "O(1)" "Writes a snapshot in the background." Run::Later(Later::Persistence),
        flags: [ADMIN NOSCRIPT NO_ASYNC_LOADING],
        syntax: "[SCHEDULE@3.2.2]",
        history: ["3.2.2" "`SCHEDULE`."],
    },
    row! {
        "command" -1 Server "2.8.13" "O(N)" "Describes every command." Run::Now(super::command::all),
        flags: [LOADING STALE], categories: [CONNECTION], tips: ["nondeterministic_output_order"],
        sub: [
            row! {
                "count" 2 Server "2.8.13" "O(1)" "Counts the commands." Run::Now(super::command::count),
                flags: [LOADING STALE], categories: [CONNECTION],
            }
            row! {
                "docs" -2 Server "7.0.0" "O(N)"
                "Answers what commands are for, in words." Run::Now(super::docs::docs),
                flags: [LOADING STALE], categories: [CONNECTION], tips: ["nondeterministic_output_order"],
                syntax: "[command-name...]",
            }
            row! {
                "getkeys" -4 Server "2.8.13" "O(N)" "Finds the keys in a call." Run::Now(super::command::get_keys),
                flags: [LOADING STALE], categories: [CONNECTION],
            }
            row! {
                "getkeysandflags" -4 Server "7.0.0" "O(N)"
                "Finds the keys in a call, and what it does with each." Run::Now(super::command::get_keys_and_flags),
                flags: [LOADING STALE], categories: [CONNECTION],
            }
            row! {
                "help" 2 Server "5.0.0" "O(1)" "Says how the subcommands are used." Run::Now(super::command::help),
                flags: [LOADING STALE], categories: [CONNECTION],
            }
            row! {
                "info" -2 Server "2.8.13" "O(N)" "Describes some commands." Run::Now(super::command::info),
                flags: [LOADING STALE], categories: [CONNECTION], tips: ["nondeterministic_output_order"],
                syntax: "[command-name...]",
                history: ["7.0.0" "Without a name: every command."],
            }
            row! {
                "list" -2 Server "7.0.0" "O(N)" "Lists the commands' names." Run::Now(super::command::list),
                flags: [LOADING STALE], categories: [CONNECTION], tips: ["nondeterministic_output_order"],
                syntax: "[FILTERBY (filterby: MODULE module-name | ACLCAT category | PATTERN pattern:pattern)]",
            }
        ],
    },
    row! {
        "config" -2 Server "2.0.0" "depends on the subcommand" "Shows and changes the configuration." Run::Container,
        sub: [
            row! {
                "get" -3 Server "2.0.0" "O(N)" "Shows directives with their values." Run::Now(super::config::get),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                syntax: "(parameter: parameter)...",
                history: ["7.0.0" "Several patterns a call."],
            }
            row! {
                "help" 2 Server "5.0.0" "O(1)" "Says how the subcommands are used." Run::Now(super::config::help),
                flags: [LOADING STALE],
            }
            row! {
                "resetstat" 2 Server "2.0.0" "O(1)"
                "Sets the counters of INFO to zero." Run::Now(super::config::resetstat),
                flags: [ADMIN NOSCRIPT LOADING STALE],
            }
            row! {
                "rewrite" 2 Server "2.8.0" "O(1)"
                "Writes the values in force into the configuration file." Run::Now(super::config::rewrite),
                flags: [ADMIN NOSCRIPT LOADING STALE],
            }
            row! {
                "set" -4 Server "2.0.0" "O(N)"
                "Changes directives while the server runs." Run::Now(super::config::set),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                tips: ["request_policy:all_nodes" "response_policy:all_succeeded"],
                syntax: "(parameter_value: parameter value)...",
                history: ["7.0.0" "Several parameters a call."],
            }
        ],
    },
    row! {
        "dbsize" 1 Server "1.0.0" "O(1)" "Counts the keys of the selected database." Run::Now(super::dbsize),
        flags: [READONLY FAST], categories: [KEYSPACE],
        tips: ["request_policy:all_shards" "response_policy:agg_sum"],
    },
    row! {
        "debug" -2 Server "1.0.0" "depends on the subcommand"
        "Looks into the server and disturbs it, for tests." Run::Now(super::debug::debug),
        flags: [ADMIN NOSCRIPT LOADING STALE], syscmd: true,
    },
    row! {
        "failover" -1 Server "6.2.0" "O(1)"
        "Hands the role of the master to a replica." Run::Later(Later::Replication),
        flags: [ADMIN NOSCRIPT STALE],
        syntax: "[TO (target: host port:integer [FORCE])] [ABORT] [TIMEOUT milliseconds:integer]",
    },
    row! {
        "flushall" -1 Server "1.0.0" "O(N)" "Empties every database." Run::Now(super::flushall),
        flags: [WRITE], categories: [KEYSPACE DANGEROUS],
        tips: ["request_policy:all_shards" "response_policy:all_succeeded"],
        syntax: "[async: ASYNC@4.0.0 | SYNC@6.2.0]",
        history: ["4.0.0" "`ASYNC`.", "6.2.0" "`SYNC`."],
    },
    row! {
        "flushdb" -1 Server "1.0.0" "O(N)" "Empties the selected database." Run::Now(super::flushdb),
        flags: [WRITE], categories: [KEYSPACE DANGEROUS],
        tips: ["request_policy:all_shards" "response_policy:all_succeeded"],
        syntax: "[async: ASYNC@4.0.0 | SYNC@6.2.0]",
        history: ["4.0.0" "`ASYNC`.", "6.2.0" "`SYNC`."],
    },
    row! {
        "info" -1 Server "1.0.0" "O(1)" "Reports on the server, section by section." Run::Now(super::info::info),
        flags: [LOADING STALE], categories: [DANGEROUS],
        tips: ["nondeterministic_output" "request_policy:all_shards" "response_policy:special"],
        syntax: "[section...]",
        history: ["7.0.0" "Several sections a call."],
    },
    row! {
        "lastsave" 1 Server "1.0.0" "O(1)" "Answers when the data was last saved." Run::Now(super::last_save),
        flags: [LOADING STALE FAST], categories: [ADMIN DANGEROUS], tips: ["nondeterministic_output"],
    },
    row! {
        "latency" -2 Server "2.8.13" "depends on the subcommand" "Shows what took long." Run::Container,
        sub: [
            row! {
                "doctor" 2 Server "2.8.13" "O(1)" "Says in words what took long." Run::Now(super::latency::doctor),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                tips: ["nondeterministic_output" "request_policy:all_nodes" "response_policy:special"],
            }
            row! {
                "graph" 3 Server "2.8.13" "O(1)" "Draws an event's last spikes." Run::Now(super::latency::graph),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                tips: ["nondeterministic_output" "request_policy:all_nodes" "response_policy:special"],
                syntax: "event",
            }
            row! {
                "help" 2 Server "2.8.13" "O(1)" "Says how the subcommands are used." Run::Now(super::latency::help),
                flags: [LOADING STALE],
            }
            row! {
                "histogram" -2 Server "7.0.0" "O(N)"
                "Shows how long the calls of commands took." Run::Now(super::latency::histogram),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                tips: ["nondeterministic_output" "request_policy:all_nodes" "response_policy:special"],
                syntax: "[command...]",
            }
            row! {
                "history" 3 Server "2.8.13" "O(1)" "Lists an event's spikes." Run::Now(super::latency::history),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                tips: ["nondeterministic_output" "request_policy:all_nodes" "response_policy:special"],
                syntax: "event",
            }
            row! {
                "latest" 2 Server "2.8.13" "O(1)"
                "Shows the last spike of every event." Run::Now(super::latency::latest),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                tips: ["nondeterministic_output" "request_policy:all_nodes" "response_policy:special"],
            }
            row! {
                "reset" -2 Server "2.8.13" "O(1)" "Forgets the spikes of events." Run::Now(super::latency::reset),
                flags: [ADMIN NOSCRIPT LOADING STALE],
                tips: ["request_policy:all_nodes" "response_policy:all_succeeded"],
                syntax: "[event...]",
            }
        ],
    },
    row! {
        "lolwut" -1 Server "5.0.0" "" "Draws a picture, and shows the version." Run::Now(super::lolwut),
        flags: [READONLY FAST],
        syntax: "[VERSION version:integer]",
    },
    row! {
        "memory" -2 Server "4.0.0" "depends on the subcommand" "Shows what memory is used for." Run::Container,
        sub: [
            row! {
                "doctor" 2 Server "4.0.0" "O(1)"
                "Says in words what is wrong with the memory." Run::Now(super::memory::doctor),
                tips: ["nondeterministic_output" "request_policy:all_shards" "response_policy:special"],
            }
            row! {
                "help" 2 Server "4.0.0" "O(1)" "Says how the subcommands are used." Run::Now(super::memory::help),
                flags: [LOADING STALE],
            }
            row! {
                "malloc-stats" 2 Server "4.0.0" "depends on the memory in use"
                "Shows the allocator's own figures." Run::Now(super::memory::malloc_stats),
                tips: ["nondeterministic_output" "request_policy:all_shards" "response_policy:special"],
            }
            row! {
                "purge" 2 Server "4.0.0" "depends on the memory in use"
                "Asks the allocator to give memory back." Run::Now(super::memory::purge),
                tips: ["request_policy:all_shards" "response_policy:all_succeeded"],
            }
            row! {
                "stats" 2 Server "4.0.0" "O(1)" "Breaks the used memory down." Run::Now(super::memory::stats),
                tips: ["nondeterministic_output" "request_policy:all_shards" "response_policy:special"],
            }
            row! {
                "usage" -3 Server "4.0.0" "O(N)" "Answers the bytes that a key takes." Run::Now(super::memory::usage),
                flags: [READONLY], keys: [RO => at(2)],
                syntax: "key#0 [SAMPLES count:integer]",
            }
        ],
    },
    row! {
        "module" -2 Server "4.0.0" "depends on the subcommand" "Manages modules." Run::Later(Later::Modules),
        sub: [
            row! {
                "help" 2 Server "5.0.0" "O(1)" "Says how the subcommands are used." Run::Later(Later::Modules),
                flags: [LOADING STALE],
            }
            row! {
                "list" 2 Server "4.0.0" "O(N)" "Lists the loaded modules." Run::Now(super::no_modules),
                flags: [ADMIN NOSCRIPT], tips: ["nondeterministic_output_order"],
            }
            row! {
                "load" -3 Server "4.0.0" "O(1)" "Loads a module." Run::Later(Later::Modules),
                flags: [ADMIN NOSCRIPT NO_ASYNC_LOADING],
                syntax: "path [arg...]",
            }
            row! {
                "loadex" -3 Server "7.0.0" "O(1)" "Loads a module with a configuration." Run::Later(Later::Modules),
                flags: [ADMIN NOSCRIPT NO_ASYNC_LOADING],
                syntax: "path [CONFIG (configs: name value)]... [ARGS (args: arg)...]",
            }
            row! {
                "unload" 3 Server "4.0.0" "O(1)" "Unloads a module." Run::Later(Later::Modules),
                flags: [ADMIN NOSCRIPT NO_ASYNC_LOADING],
                syntax: "name",
            }
        ],
    },
    row! {
        "monitor" 1 Server "1.0.0" "" "Tells every command as it runs." Run::Now(super::monitor),
        flags: [ADMIN NOSCRIPT LOADING STALE],
    },
    row! {
        "psync" -3 Server "2.8.0" ""
        "Asks a master for its stream of writes, from some point on." Run::Later(Later::Replication),
        flags: [ADMIN NOSCRIPT NO_ASYNC_LOADING NO_MULTI],
        syntax: "replicationid offset:integer",
    },
    row! {
        "replconf" -1 Server "3.0.0" "O(1)" "Tells a master about a replica." Run::Later(Later::Replication),
        flags: [ADMIN NOSCRIPT LOADING STALE ALLOW_BUSY], syscmd: true,
    },
    row! {
        "replicaof" 3 Server "5.0.0" "O(1)"
        "Makes the server a replica, or a master again." Run::Later(Later::Replication),
        flags: [ADMIN NOSCRIPT STALE NO_ASYNC_LOADING],
        syntax: "(args: (host-port: host port:integer) | (no-one: NO ONE))",
    },
    row! {
        "restore-asking" -4 Server "3.0.0" "O(1)"
        "Makes a key from a dump while its slot moves." Run::Later(Later::Persistence),
        flags: [WRITE DENYOOM ASKING], categories: [KEYSPACE DANGEROUS], keys: [OW UPDATE => at(1)], syscmd: true,
        syntax: "key#0 ttl:integer serialized-value [REPLACE@3.0.0] [ABSTTL@5.0.0] [IDLETIME seconds:integer@5.0.0] \
            [FREQ frequency:integer@5.0.0]",
        history: ["3.0.0" "`REPLACE`.", "5.0.0" "`ABSTTL`.", "5.0.0" "`IDLETIME` and `FREQ`."],
    },
    row! {
        "role" 1 Server "2.8.12" "O(1)" "Answers the server's role in replication." Run::Now(super::role),
        flags: [NOSCRIPT LOADING STALE FAST], categories: [ADMIN DANGEROUS],
    },
    row! {
        "save" 1 Server "1.0.0" "O(N)" "Writes a snapshot while everybody waits." Run::Later(Later::Persistence),
        flags: [ADMIN NOSCRIPT NO_ASYNC_LOADING NO_MULTI],
    },
    row! {
        "shutdown" -1 Server "1.0.0" "O(N)" "Stops the server." Run::Now(super::shutdown),
        flags: [ADMIN NOSCRIPT LOADING STALE NO_MULTI ALLOW_BUSY],
        syntax: "[nosave_save: NOSAVE | SAVE] [NOW@7.0.0] [FORCE@7.0.0] [ABORT@7.0.0]",
        history: ["7.0.0" "`NOW`, `FORCE` and `ABORT`."],
    },
    row! {
        "slaveof" 3 Server "1.0.0" "O(1)"
        "Makes the server a replica, or a master again." Run::Later(Later::Replication),
        flags: [ADMIN NOSCRIPT STALE NO_ASYNC_LOADING], deprecated: ["5.0.0" "`REPLICAOF`"],
        syntax: "(args: (host-port: host port:integer) | (no-one: NO ONE))",
    },
    row! {
        "slowlog" -2 Server "2.2.12" "depends on the subcommand"
        "Shows the commands that took longest lately." Run::Container,
        sub: [
            row! {
                "get" -2 Server "2.2.12" "O(N)"
                "Lists the newest entries of the slow log." Run::Now(super::slow::get),
                flags: [ADMIN LOADING STALE], tips: ["request_policy:all_nodes" "nondeterministic_output"],
                syntax: "[count:integer]",
                history: ["4.0.0" "Who called: address and name."],
            }
            row! {
                "help" 2 Server "6.2.0" "O(1)" "Says how the subcommands are used." Run::Now(super::slow::help),
                flags: [LOADING STALE],
            }
            row! {
                "len" 2 Server "2.2.12" "O(1)" "Counts the entries of the slow log." Run::Now(super::slow::len),
                flags: [ADMIN LOADING STALE],
                tips: ["request_policy:all_nodes" "response_policy:agg_sum" "nondeterministic_output"],
            }
            row! {
                "reset" 2 Server "2.2.12" "O(N)" "Empties the slow log." Run::Now(super::slow::reset),
                flags: [ADMIN LOADING STALE], tips: ["request_policy:all_nodes" "response_policy:all_succeeded"],
            }
        ],
    },
    row! {
        "swapdb" 3 Server "4.0.0" "O(N)" "Lets two databases change places." Run::Now(super::swapdb),
        flags: [WRITE FAST], categories: [KEYSPACE DANGEROUS],
        syntax: "index1:integer index2:integer",
    },
    row! {
        "sync" 1 Server "1.0.0" "" "Asks a master for all its data." Run::Later(Later::Replication),
        flags: [ADMIN NOSCRIPT NO_ASYNC_LOADING NO_MULTI],
    },
    row! {
        "time" 1 Server "2.6.0" "O(1)" "Answers the server's time." Run::Now(super::time),
        flags: [LOADING STALE FAST], tips: ["nondeterministic_output"],
    },
];
