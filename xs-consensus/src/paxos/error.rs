//! Who is at fault, and what can be done about it.

use super::NodeId;

/// Why a cluster or a node can't be made, or doesn't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's cluster can't be.
    #[error("cluster: {0}")]
    Cluster(&'static str),
    /// The caller's options can't work.
    #[error("option {0}")]
    Options(&'static str),
    /// What was kept on disk contradicts itself: another node's directory, or damage. Nothing was changed.
    #[error("the persisted state is not one that this node can have left: {0}")]
    State(&'static str),
    /// A `Persist` was dropped, or given back out of order. What it held may not be durable, so the node makes no promise
    /// any more: end the process and restart from the disk.
    #[error("a `Persist` was lost: restart the node from its disk")]
    PersistLost,
}

/// Why a message was not taken. The node is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It was meant for another node, or for another role.
    #[error("the message is not for us")]
    NotForUs,
    /// Its sender does not belong to the cluster; check its configuration.
    #[error("{0} does not belong to the cluster")]
    Stranger(NodeId),
    /// No correct node says this.
    #[error("impossible message: {0}")]
    Impossible(&'static str),
    /// The node has stopped; see [`Error::PersistLost`].
    #[error(transparent)]
    Stopped(#[from] Error),
}

/// Why a command was not taken; nothing was proposed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// Ask `hint`, or anybody later.
    #[error("not the leader")]
    NotLeader {
        /// Who is the leader, as far as this node knows.
        hint: Option<NodeId>,
    },
    /// Too many slots are open; try again when something was chosen.
    #[error("too many open slots")]
    Overloaded,
    /// The command is larger than [`Options::max_command_bytes`](super::multi::Options::max_command_bytes), and will be
    /// next time.
    #[error("the command is too large")]
    TooLarge,
    /// The node has stopped; see [`Error::PersistLost`].
    #[error(transparent)]
    Stopped(#[from] Error),
}
