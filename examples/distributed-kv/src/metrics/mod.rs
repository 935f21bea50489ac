//! What a node counts: on a page for Prometheus, and, with the feature `metrics`, through the facade of that name to whatever
//! recorder the process has.

#[cfg(feature = "metrics")]
mod facade;
mod page;

use std::sync::atomic::{AtomicU64, Ordering};

use xs_net::observe::Kind;

use crate::node::Status;

#[cfg(feature = "metrics")]
pub(crate) use facade::Facade;
pub(crate) use page::serve;

/// What clients have asked for.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    pub(crate) commands: AtomicU64,
    pub(crate) connections: AtomicU64,
}

/// A metric that is a number.
struct Number {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    value: fn(&Status, &Clients) -> u64,
}

const fn number(name: &'static str, kind: Kind, help: &'static str, value: fn(&Status, &Clients) -> u64) -> Number {
    Number { name, kind, help, value }
}

const NUMBERS: [Number; 13] = {
    use Kind::{Counter, Gauge};
    [
        number("xs_dkv_is_leader", Gauge, "1 on the leader.", |node, _| u64::from(node.leader == Some(node.id))),
        number("xs_dkv_has_leader", Gauge, "1 if the node knows a leader.", |node, _| u64::from(node.leader.is_some())),
        number("xs_dkv_term", Gauge, "The term of Raft.", |node, _| node.term),
        number("xs_dkv_commit_index", Gauge, "The last entry known to be committed.", |node, _| node.commit),
        number("xs_dkv_applied_index", Gauge, "The last entry in the state.", |node, _| node.applied),
        number("xs_dkv_log_entries", Gauge, "Entries in the log.", |node, _| {
            (node.last + 1).saturating_sub(node.first)
        }),
        number("xs_dkv_elections_won_total", Counter, "How often this node became leader.", |node, _| node.elections),
        number("xs_dkv_entries_proposed_total", Counter, "Entries that this node brought into the log.", |node, _| {
            node.proposed
        }),
        number("xs_dkv_entries_forwarded_total", Counter, "Entries sent on to the leader.", |node, _| node.forwarded),
        number(
            "xs_dkv_snapshots_installed_total",
            Counter,
            "Snapshots that took the place of the state.",
            |node, _| node.snapshots,
        ),
        number("xs_dkv_frames_dropped_total", Counter, "Messages to other nodes that found no room.", |node, _| {
            node.dropped
        }),
        number("xs_dkv_commands_total", Counter, "Requests of clients.", |_, clients| {
            clients.commands.load(Ordering::Relaxed)
        }),
        number("xs_dkv_connections_total", Counter, "Connections of clients.", |_, clients| {
            clients.connections.load(Ordering::Relaxed)
        }),
    ]
};

/// What each follower lacks: a name and a help, and the numbers.
const BEHIND: (&str, &str) = ("xs_dkv_follower_behind_entries", "Entries that a follower lacks; the leader tells.");

fn followers_behind(status: &Status) -> impl Iterator<Item = (u64, u64)> {
    status.followers.iter().map(|(node, follower)| (*node, status.last.saturating_sub(follower.matched)))
}
