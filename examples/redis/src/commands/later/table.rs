//! The later commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "asking" 1 Cluster "3.0.0" "O(1)"
        "Announces a command for a slot that is being moved." Run::Later(Later::Cluster),
        flags: [FAST], categories: [CONNECTION],
    },
    row! {
        "cluster" -2 Cluster "3.0.0" "depends on the subcommand" "Manages a cluster." Run::Later(Later::Cluster),
        sub: [
            row! {
                "addslots" -3 Cluster "3.0.0" "O(N)" "Gives slots to this node." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
                syntax: "slot:integer...",
            }
            row! {
                "addslotsrange" -4 Cluster "7.0.0" "O(N)"
                "Gives ranges of slots to this node." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
                syntax: "(start-slot_end-slot: start-slot:integer end-slot:integer)...",
            }
            row! {
                "bumpepoch" 2 Cluster "3.0.0" "O(1)" "Raises the cluster's epoch." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING], tips: ["nondeterministic_output"],
            }
            row! {
                "count-failure-reports" 3 Cluster "3.0.0" "O(N)"
                "Counts the reports that a node has failed." Run::Later(Later::Cluster),
                flags: [ADMIN STALE], tips: ["nondeterministic_output"],
                syntax: "node-id",
            }
            row! {
                "countkeysinslot" 3 Cluster "3.0.0" "O(1)" "Counts the keys of a slot." Run::Later(Later::Cluster),
                flags: [STALE],
                syntax: "slot:integer",
            }
            row! {
                "delslots" -3 Cluster "3.0.0" "O(N)" "Takes slots from this node." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
                syntax: "slot:integer...",
            }
            row! {
                "delslotsrange" -4 Cluster "7.0.0" "O(N)"
                "Takes ranges of slots from this node." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
                syntax: "(start-slot_end-slot: start-slot:integer end-slot:integer)...",
            }
            row! {
                "failover" -2 Cluster "3.0.0" "O(1)"
                "Makes a replica take its master's place." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
                syntax: "[options: FORCE | TAKEOVER]",
            }
            row! {
                "flushslots" 2 Cluster "3.0.0" "O(1)" "Takes all slots from this node." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
            }
            row! {
                "forget" 3 Cluster "3.0.0" "O(1)"
                "Removes a node from the table of nodes." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
                syntax: "node-id",
            }
            row! {
                "getkeysinslot" 4 Cluster "3.0.0" "O(log(N))" "Lists keys of a slot." Run::Later(Later::Cluster),
                flags: [STALE], tips: ["nondeterministic_output"],
                syntax: "slot:integer count:integer",
            }
            row! {
                "help" 2 Cluster "5.0.0" "O(1)" "Says how the subcommands are used." Run::Later(Later::Cluster),
                flags: [LOADING STALE],
            }
            row! {
                "info" 2 Cluster "3.0.0" "O(1)" "Reports the cluster's state." Run::Later(Later::Cluster),
                flags: [STALE], tips: ["nondeterministic_output"],
            }
            row! {
                "keyslot" 3 Cluster "3.0.0" "O(N)" "Answers the slot of a key." Run::Later(Later::Cluster),
                flags: [STALE],
                syntax: "key",
            }
            row! {
                "links" 2 Cluster "7.0.0" "O(N)" "Lists the connections between nodes." Run::Later(Later::Cluster),
                flags: [STALE], tips: ["nondeterministic_output"],
            }
            row! {
                "meet" -4 Cluster "3.0.0" "O(1)" "Joins another node." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
                syntax: "ip port:integer [cluster_bus_port:integer@4.0.0]",
                history: ["4.0.0" "The bus port can be given."],
            }
            row! {
                "myid" 2 Cluster "3.0.0" "O(1)" "Answers this node's id." Run::Later(Later::Cluster),
                flags: [STALE],
            }
            row! {
                "nodes" 2 Cluster "3.0.0" "O(N)" "Lists the nodes, a line each." Run::Later(Later::Cluster),
                flags: [STALE], tips: ["nondeterministic_output"],
            }
            row! {
                "replicas" 3 Cluster "5.0.0" "O(1)" "Lists the replicas of a node." Run::Later(Later::Cluster),
                flags: [ADMIN STALE], tips: ["nondeterministic_output"],
                syntax: "node-id",
            }
            row! {
                "replicate" 3 Cluster "3.0.0" "O(1)"
                "Makes this node a replica of another one." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
                syntax: "node-id",
            }
            row! {
                "reset" -2 Cluster "3.0.0" "O(N)" "Makes this node forget its cluster." Run::Later(Later::Cluster),
                flags: [ADMIN NOSCRIPT STALE],
                syntax: "[hard_soft: HARD | SOFT]",
            }
            row! {
                "saveconfig" 2 Cluster "3.0.0" "O(1)"
                "Writes the cluster's state to disk." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
            }
            row! {
                "set-config-epoch" 3 Cluster "3.0.0" "O(1)"
                "Sets the epoch of a new node." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
                syntax: "config-epoch:integer",
            }
            row! {
                "setslot" -4 Cluster "3.0.0" "O(1)"
                "Says where a slot is, or where it moves." Run::Later(Later::Cluster),
                flags: [ADMIN STALE NO_ASYNC_LOADING],
                syntax: "slot:integer (subcommand: IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE)",
            }
            row! {
                "shards" 2 Cluster "7.0.0" "O(N)" "Maps slots to shards." Run::Later(Later::Cluster),
                flags: [STALE], tips: ["nondeterministic_output"],
            }
            row! {
                "slaves" 3 Cluster "3.0.0" "O(1)"
                "Lists the replicas of a node, by its old name." Run::Later(Later::Cluster),
                flags: [ADMIN STALE], tips: ["nondeterministic_output"], deprecated: ["5.0.0" "`CLUSTER REPLICAS`"],
                syntax: "node-id",
            }
            row! {
                "slots" 2 Cluster "3.0.0" "O(N)" "Maps slots to nodes." Run::Later(Later::Cluster),
                flags: [STALE], tips: ["nondeterministic_output"], deprecated: ["7.0.0" "`CLUSTER SHARDS`"],
                history: ["4.0.0" "Node IDs.", "7.0.0" "More about how to reach a node."],
            }
        ],
    },
    row! {
        "eval" -3 Scripting "2.6.0" "depends on the script" "Runs a script." Run::Later(Later::Scripting),
        flags: [NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], categories: [SCRIPTING],
        keys: [RW ACCESS UPDATE => counted(2) "whatever the script does, at worst"],
        syntax: "script numkeys:integer [key#0...] [arg...]",
    },
    row! {
        "eval_ro" -3 Scripting "7.0.0" "depends on the script"
        "Runs a script that only reads." Run::Later(Later::Scripting),
        flags: [READONLY NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], categories: [SCRIPTING],
        keys: [RO ACCESS => counted(2) "whatever the script reads, at worst"],
        syntax: "script numkeys:integer [key#0...] [arg...]",
    },
    row! {
        "evalsha" -3 Scripting "2.6.0" "depends on the script"
        "Runs a script that the server knows by its digest." Run::Later(Later::Scripting),
        flags: [NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], categories: [SCRIPTING],
        keys: [RW ACCESS UPDATE => counted(2)],
        syntax: "sha1 numkeys:integer [key#0...] [arg...]",
    },
    row! {
        "evalsha_ro" -3 Scripting "7.0.0" "depends on the script"
        "Runs a script that the server knows by its digest and that only reads." Run::Later(Later::Scripting),
        flags: [READONLY NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], categories: [SCRIPTING],
        keys: [RO ACCESS => counted(2)],
        syntax: "sha1 numkeys:integer [key#0...] [arg...]",
    },
    row! {
        "fcall" -3 Scripting "7.0.0" "depends on the function" "Calls a function." Run::Later(Later::Scripting),
        flags: [NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], categories: [SCRIPTING],
        keys: [RW ACCESS UPDATE => counted(2) "whatever the function does, at worst"],
        syntax: "function numkeys:integer [key#0...] [arg...]",
    },
    row! {
        "fcall_ro" -3 Scripting "7.0.0" "depends on the function"
        "Calls a function that only reads." Run::Later(Later::Scripting),
        flags: [READONLY NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], categories: [SCRIPTING],
        keys: [RO ACCESS => counted(2) "whatever the function reads, at worst"],
        syntax: "function numkeys:integer [key#0...] [arg...]",
    },
    row! {
        "function" -2 Scripting "7.0.0" "depends on the subcommand" "Manages functions." Run::Later(Later::Scripting),
        sub: [
            row! {
                "delete" 3 Scripting "7.0.0" "O(1)" "Removes a library of functions." Run::Later(Later::Scripting),
                flags: [WRITE NOSCRIPT], categories: [SCRIPTING],
                tips: ["request_policy:all_shards" "response_policy:all_succeeded"],
                syntax: "library-name",
            }
            row! {
                "dump" 2 Scripting "7.0.0" "O(N)"
                "Answers all libraries in their stored form." Run::Later(Later::Scripting),
                flags: [NOSCRIPT], categories: [SCRIPTING],
            }
            row! {
                "flush" -2 Scripting "7.0.0" "O(N)" "Removes all libraries of functions." Run::Now(super::flush),
                flags: [WRITE NOSCRIPT], categories: [SCRIPTING],
                tips: ["request_policy:all_shards" "response_policy:all_succeeded"],
                syntax: "[async: ASYNC | SYNC]",
            }
            row! {
                "help" 2 Scripting "7.0.0" "O(1)" "Says how the subcommands are used." Run::Later(Later::Scripting),
                flags: [LOADING STALE], categories: [SCRIPTING],
            }
            row! {
                "kill" 2 Scripting "7.0.0" "O(1)" "Ends a function that runs too long." Run::Later(Later::Scripting),
                flags: [NOSCRIPT ALLOW_BUSY], categories: [SCRIPTING],
                tips: ["request_policy:all_shards" "response_policy:one_succeeded"],
            }
            row! {
                "list" -2 Scripting "7.0.0" "O(N)"
                "Lists the libraries of functions." Run::Now(super::list_functions),
                flags: [NOSCRIPT], categories: [SCRIPTING], tips: ["nondeterministic_output_order"],
                syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
            }
            row! {
                "load" -3 Scripting "7.0.0" "O(1)" "Loads a library of functions." Run::Later(Later::Scripting),
                flags: [WRITE DENYOOM NOSCRIPT], categories: [SCRIPTING],
                tips: ["request_policy:all_shards" "response_policy:all_succeeded"],
                syntax: "[REPLACE] function-code",
            }
            row! {
                "restore" -3 Scripting "7.0.0" "O(N)" "Loads libraries from a dump." Run::Later(Later::Scripting),
                flags: [WRITE DENYOOM NOSCRIPT], categories: [SCRIPTING],
                tips: ["request_policy:all_shards" "response_policy:all_succeeded"],
                syntax: "serialized-value [policy: FLUSH | APPEND | REPLACE]",
            }
            row! {
                "stats" 2 Scripting "7.0.0" "O(1)" "Shows the function that is running." Run::Later(Later::Scripting),
                flags: [NOSCRIPT ALLOW_BUSY], categories: [SCRIPTING],
                tips: ["nondeterministic_output" "request_policy:all_shards" "response_policy:special"],
            }
        ],
    },
    row! {
        "readonly" 1 Cluster "3.0.0" "O(1)"
        "Lets a connection read from a replica in a cluster." Run::Later(Later::Cluster),
        flags: [LOADING STALE FAST], categories: [CONNECTION],
    },
    row! {
        "readwrite" 1 Cluster "3.0.0" "O(1)" "Ends what READONLY began." Run::Later(Later::Cluster),
        flags: [LOADING STALE FAST], categories: [CONNECTION],
    },
    row! {
        "script" -2 Scripting "2.6.0" "depends on the subcommand" "Manages scripts." Run::Later(Later::Scripting),
        sub: [
            row! {
                "debug" 3 Scripting "3.2.0" "O(1)" "Sets how scripts are debugged." Run::Later(Later::Scripting),
                flags: [NOSCRIPT], categories: [SCRIPTING],
                syntax: "(mode: YES | SYNC | NO)",
            }
            row! {
                "exists" -3 Scripting "2.6.0" "O(N)"
                "Says which scripts the server knows." Run::Now(super::scripts_exist),
                flags: [NOSCRIPT], categories: [SCRIPTING],
                tips: ["request_policy:all_shards" "response_policy:agg_logical_and"],
                syntax: "sha1...",
            }
            row! {
                "flush" -2 Scripting "2.6.0" "O(N)" "Forgets all scripts." Run::Now(super::flush),
                flags: [NOSCRIPT], categories: [SCRIPTING],
                tips: ["request_policy:all_nodes" "response_policy:all_succeeded"],
                syntax: "[async: ASYNC | SYNC]@6.2.0",
                history: ["6.2.0" "`ASYNC` and `SYNC`."],
            }
            row! {
                "help" 2 Scripting "5.0.0" "O(1)" "Says how the subcommands are used." Run::Later(Later::Scripting),
                flags: [LOADING STALE], categories: [SCRIPTING],
            }
            row! {
                "kill" 2 Scripting "2.6.0" "O(1)" "Ends a script that runs too long." Run::Later(Later::Scripting),
                flags: [NOSCRIPT ALLOW_BUSY], categories: [SCRIPTING],
                tips: ["request_policy:all_shards" "response_policy:one_succeeded"],
            }
            row! {
                "load" 3 Scripting "2.6.0" "O(N)" "Makes a script known to the server." Run::Later(Later::Scripting),
                flags: [NOSCRIPT STALE], categories: [SCRIPTING],
                tips: ["request_policy:all_nodes" "response_policy:all_succeeded"],
                syntax: "script",
            }
        ],
    },
];
