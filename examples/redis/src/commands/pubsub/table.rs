//! The pubsub commands as data: see `row.rs` for the notation.

use crate::command::*;
use crate::row::row;

pub(crate) static TABLE: &[Spec] = &[
    row! {
        "psubscribe" -2 Pubsub "2.0.0" "O(N)"
        "Listens to all channels that match a pattern." Run::Now(super::psubscribe),
        flags: [PUBSUB NOSCRIPT LOADING STALE],
        syntax: "(pattern: pattern:pattern)...",
    },
    row! {
        "publish" 3 Pubsub "2.0.0" "O(N+M)" "Sends a message to a channel." Run::Now(super::publish),
        flags: [PUBSUB LOADING STALE FAST MAY_REPLICATE],
        syntax: "channel message",
    },
    row! {
        "pubsub" -2 Pubsub "2.8.0" "depends on the subcommand" "Shows who listens to what." Run::Container,
        sub: [
            row! {
                "channels" -2 Pubsub "2.8.0" "O(N)"
                "Lists the channels that have subscribers." Run::Now(super::channels),
                flags: [PUBSUB LOADING STALE],
                syntax: "[pattern:pattern]",
            }
            row! {
                "help" 2 Pubsub "6.2.0" "O(1)" "Shows how to use PUBSUB." Run::Now(super::help),
                flags: [LOADING STALE],
            }
            row! {
                "numpat" 2 Pubsub "2.8.0" "O(1)" "Counts the patterns that have subscribers." Run::Now(super::numpat),
                flags: [PUBSUB LOADING STALE],
            }
            row! {
                "numsub" -2 Pubsub "2.8.0" "O(N)" "Counts the subscribers of channels." Run::Now(super::numsub),
                flags: [PUBSUB LOADING STALE],
                syntax: "[channel...]",
            }
            row! {
                "shardchannels" -2 Pubsub "7.0.0" "O(N)"
                "Lists the shard channels that have subscribers." Run::Now(super::shard_channels),
                flags: [PUBSUB LOADING STALE],
                syntax: "[pattern:pattern]",
            }
            row! {
                "shardnumsub" -2 Pubsub "7.0.0" "O(N)"
                "Counts the subscribers of shard channels." Run::Now(super::shard_numsub),
                flags: [PUBSUB LOADING STALE],
                syntax: "[shardchannel...]",
            }
        ],
    },
    row! {
        "punsubscribe" -1 Pubsub "2.0.0" "O(N+M)" "Stops listening to patterns." Run::Now(super::punsubscribe),
        flags: [PUBSUB NOSCRIPT LOADING STALE],
        syntax: "[pattern:pattern...]",
    },
    row! {
        "spublish" 3 Pubsub "7.0.0" "O(N)" "Sends a message to a shard channel." Run::Now(super::spublish),
        flags: [PUBSUB LOADING STALE FAST MAY_REPLICATE], keys: [NOT_KEY => at(1)],
        syntax: "shardchannel message",
    },
    row! {
        "ssubscribe" -2 Pubsub "7.0.0" "O(N)" "Listens to shard channels." Run::Now(super::ssubscribe),
        flags: [PUBSUB NOSCRIPT LOADING STALE], keys: [NOT_KEY => range(1, -1)],
        syntax: "shardchannel...",
    },
    row! {
        "subscribe" -2 Pubsub "2.0.0" "O(N)" "Listens to channels." Run::Now(super::subscribe),
        flags: [PUBSUB NOSCRIPT LOADING STALE],
        syntax: "channel...",
    },
    row! {
        "sunsubscribe" -1 Pubsub "7.0.0" "O(N)" "Stops listening to shard channels." Run::Now(super::sunsubscribe),
        flags: [PUBSUB NOSCRIPT LOADING STALE], keys: [NOT_KEY => range(1, -1)],
        syntax: "[shardchannel...]",
    },
    row! {
        "unsubscribe" -1 Pubsub "2.0.0" "O(N)" "Stops listening to channels." Run::Now(super::unsubscribe),
        flags: [PUBSUB NOSCRIPT LOADING STALE],
        syntax: "[channel...]",
    },
];
