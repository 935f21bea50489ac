//! Who is at fault, and what can be done about it.

use super::{Index, NodeId};

/// Why a node can't be made, or doesn't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's options contradict each other.
    #[error("option {0}")]
    Options(&'static str),
    /// What was kept on disk contradicts itself: another node's directory, or damage. Nothing was changed.
    #[error("the persisted state is not one that this node can have left: {0}")]
    State(&'static str),
    /// A `Persist` or `Persisted` was dropped, or given back out of order. What it held may not be durable, so the node
    /// makes no promise any more: end the process and restart from the disk.
    #[error("a `Persist` was lost: restart the node from its disk")]
    PersistLost,
}

/// Why a message was not taken. The node is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It was meant for another node.
    #[error("the message is for {0}")]
    NotForUs(NodeId),
    /// Its sender belongs to another cluster; check its configuration.
    #[error("the message is from another cluster")]
    OtherCluster,
    /// It answers a question that this node has not asked the sender.
    #[error("{0} is none of our followers")]
    Stranger(NodeId),
    /// No correct node says this.
    #[error("impossible message: {0}")]
    Impossible(&'static str),
    /// The node has stopped; see [`Error::PersistLost`].
    #[error(transparent)]
    Stopped(#[from] Error),
}

/// Why a proposal was not taken; nothing was appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// Ask `hint`, or anybody later.
    #[error("not the leader")]
    NotLeader {
        /// Who is the leader, as far as this node knows.
        hint: Option<NodeId>,
    },
    /// Leadership is being handed to this node; ask it in a moment.
    #[error("leadership is being transferred to {0}")]
    Transferring(NodeId),
    /// Too much waits to be committed; try again when something was.
    #[error("too many uncommitted bytes")]
    Overloaded,
    /// The command is larger than [`Options::max_entry_bytes`](super::Options::max_entry_bytes), and will be next time.
    #[error("the command is too large")]
    TooLarge,
    /// Another change of membership is under way, or the leader is so new that it may not know of one; try again.
    #[error("another change of membership is under way")]
    ChangeUnderWay,
    /// The node must be a learner first, and hold the log up to the entry that said so; try again when it does.
    #[error("{0} must be a learner, and catch up, before it votes")]
    Behind(NodeId),
    /// The change asks for something that can't be.
    #[error("membership: {0}")]
    BadChange(&'static str),
    /// The node has stopped; see [`Error::PersistLost`].
    #[error(transparent)]
    Stopped(#[from] Error),
}

/// Why a read was not answered. It may be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadLost {
    /// No leader confirmed it: leadership changed, or the question or its answer got lost.
    #[error("no leader confirmed the read")]
    NoLeader,
    /// Too many reads wait.
    #[error("too many reads wait")]
    Overloaded,
}

/// What a log view says about an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// This.
    Found(T),
    /// It was compacted away.
    Compacted,
    /// It is there, but not in memory: the view fetches it, and is asked again at the next call of
    /// [`Raft::ready`](super::Raft::ready).
    NotAtHand,
}

impl<T> Lookup<T> {
    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Lookup::Found(found) => Lookup::Found(f(found)),
            Lookup::Compacted => Lookup::Compacted,
            Lookup::NotAtHand => Lookup::NotAtHand,
        }
    }
}

/// Where a log begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The entry in front of the first one: the snapshot's index and term, or zeros.
    pub before: (Index, super::Term),
    /// The last entry; equal to `before` if there is none.
    pub last: (Index, super::Term),
}
