//! The connection commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "auth" -2 Connection "1.0.0" "O(N)" "Says who the client is." Run::Now(super::auth),
        flags: [NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY], categories: [CONNECTION],
        syntax: "[username@6.0.0] password",
        history: ["6.0.0" "With a user name."],
    },
    row! {
        "client" -2 Connection "2.4.0" "depends on the subcommand" "Shows and changes connections." Run::Container,
        sub: [
            row! {
                "caching" 3 Connection "6.0.0" "O(1)"
                "Says whether the keys of the next command are tracked." Run::Now(super::client::caching),
                flags: [NOSCRIPT LOADING STALE], categories: [CONNECTION],
                syntax: "(mode: YES | NO)",
            }
            row! {
                "getname" 2 Connection "2.6.9" "O(1)" "Gets the connection's name." Run::Now(super::client::getname),
                flags: [NOSCRIPT LOADING STALE], categories: [CONNECTION],
            }
            row! {
                "getredir" 2 Connection "6.0.0" "O(1)"
                "Gets the client that invalidations are sent to." Run::Now(super::client::getredir),
                flags: [NOSCRIPT LOADING STALE], categories: [CONNECTION],
            }
            row! {
                "help" 2 Connection "5.0.0" "O(1)" "Shows how to use CLIENT." Run::Now(super::client::help),
                flags: [LOADING STALE], categories: [CONNECTION],
            }
            row! {
                "id" 2 Connection "5.0.0" "O(1)" "Gets the connection's number." Run::Now(super::client::id),
                flags: [NOSCRIPT LOADING STALE], categories: [CONNECTION],
            }
            row! {
                "info" 2 Connection "6.2.0" "O(1)" "Describes the connection." Run::Now(super::client::info),
                flags: [NOSCRIPT LOADING STALE], categories: [CONNECTION], tips: ["nondeterministic_output"],
            }
            row! {
                "kill" -3 Connection "2.4.0" "O(N)" "Ends connections." Run::Now(super::client::kill),
                flags: [ADMIN NOSCRIPT LOADING STALE], categories: [CONNECTION],
                syntax: "(filter: ip:port!2.8.12 | (new-format: [ID client-id:integer@2.8.12] | [TYPE \
                    (normal_master_slave_pubsub: NORMAL | MASTER@3.2.0 | SLAVE | REPLICA@5.0.0 | \
                    PUBSUB)@2.8.12] | [USER username] | [ADDR ip:port] | [LADDR ip:port@6.2.0] | [SKIPME \
                    yes/no])...)",
                history: [
                    "2.8.12" "Filters instead of an address.", "2.8.12" "Filter by `ID`.", "3.2.0" "`TYPE master`.",
                    "5.0.0" "`TYPE replica`, which `slave` now stands for.", "6.2.0" "Filter by `LADDR`.",
                ],
            }
            row! {
                "list" -2 Connection "2.4.0" "O(N)" "Describes all connections." Run::Now(super::client::list),
                flags: [ADMIN NOSCRIPT LOADING STALE], categories: [CONNECTION], tips: ["nondeterministic_output"],
                syntax: "[TYPE (normal_master_replica_pubsub: NORMAL | MASTER | REPLICA | PUBSUB)@5.0.0] \
                    [ID (id: client-id:integer...)@6.2.0]",
                history: [
                    "2.8.12" "Field `id`.", "5.0.0" "Filter by `TYPE`.", "6.0.0" "Field `user`.",
                    "6.2.0" "Fields `argv-mem`, `tot-mem`, `laddr` and `redir`; filter by `ID`.",
                    "7.0.0" "Fields `resp`, `multi-mem`, `rbs` and `rbp`.", "7.0.3" "Field `ssub`.",
                ],
            }
            row! {
                "no-evict" 3 Connection "7.0.0" "O(1)"
                "Keeps the connection when memory runs out." Run::Now(super::client::no_evict),
                flags: [ADMIN NOSCRIPT LOADING STALE], categories: [CONNECTION],
                syntax: "(enabled: ON | OFF)",
            }
            row! {
                "pause" -3 Connection "2.9.50" "O(1)"
                "Holds all clients' commands back for a while." Run::Now(super::client::pause),
                flags: [ADMIN NOSCRIPT LOADING STALE], categories: [CONNECTION],
                syntax: "timeout:integer [mode: WRITE | ALL]@6.2.0",
                history: ["6.2.0" "A mode, and `WRITE` as the new one."],
            }
            row! {
                "reply" 3 Connection "3.2.0" "O(1)"
                "Says whether commands are answered." Run::Now(super::client::reply),
                flags: [NOSCRIPT LOADING STALE], categories: [CONNECTION],
                syntax: "(on_off_skip: ON | OFF | SKIP)",
            }
            row! {
                "setname" 3 Connection "2.6.9" "O(1)" "Gives the connection a name." Run::Now(super::client::setname),
                flags: [NOSCRIPT LOADING STALE], categories: [CONNECTION],
                syntax: "connection-name",
            }
            row! {
                "tracking" -3 Connection "6.0.0" "O(1)"
                "Tells the connection, or not, when keys change that it has read." Run::Now(super::client::tracking),
                flags: [NOSCRIPT LOADING STALE], categories: [CONNECTION],
                syntax: "(status: ON | OFF) [REDIRECT client-id:integer] [PREFIX prefix]... [BCAST] \
                    [OPTIN] [OPTOUT] [NOLOOP]",
            }
            row! {
                "trackinginfo" 2 Connection "6.2.0" "O(1)"
                "Describes how the connection tracks keys." Run::Now(super::client::trackinginfo),
                flags: [NOSCRIPT LOADING STALE], categories: [CONNECTION],
            }
            row! {
                "unblock" -3 Connection "5.0.0" "O(log N)"
                "Ends another client's wait." Run::Now(super::client::unblock),
                flags: [ADMIN NOSCRIPT LOADING STALE], categories: [CONNECTION],
                syntax: "client-id:integer [timeout_error: TIMEOUT | ERROR]",
            }
            row! {
                "unpause" 2 Connection "6.2.0" "O(N)" "Ends a pause." Run::Now(super::client::unpause),
                flags: [ADMIN NOSCRIPT LOADING STALE], categories: [CONNECTION],
            }
        ],
    },
    row! {
        "echo" 2 Connection "1.0.0" "O(1)" "Answers with its argument." Run::Now(super::echo),
        flags: [LOADING STALE FAST], categories: [CONNECTION],
        syntax: "message",
    },
    row! {
        "hello" -1 Connection "6.0.0" "O(1)"
        "Agrees on the protocol version, and says who is who." Run::Now(super::hello),
        flags: [NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY], categories: [CONNECTION],
        syntax: "[arguments: protover:integer [AUTH (username_password: username password)] [SETNAME clientname]]",
        history: ["6.2.0" "Without `protover`: how the connection stands."],
    },
    row! {
        "ping" -1 Connection "1.0.0" "O(1)" "Shows that the server is there." Run::Now(super::ping),
        flags: [FAST], categories: [CONNECTION], tips: ["request_policy:all_shards" "response_policy:all_succeeded"],
        syntax: "[message]",
    },
    row! {
        "quit" -1 Connection "1.0.0" "O(1)" "Ends the connection." Run::Now(super::quit),
        flags: [NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY], categories: [CONNECTION],
    },
    row! {
        "reset" 1 Connection "6.2.0" "O(1)" "Makes the connection as good as new." Run::Now(super::reset),
        flags: [NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY], categories: [CONNECTION],
    },
    row! {
        "select" 2 Connection "1.0.0" "O(1)" "Changes the database of the connection." Run::Now(super::select),
        flags: [LOADING STALE FAST], categories: [CONNECTION],
        syntax: "index:integer",
    },
];
