//! What comes out of a replica beside messages.

use std::io;
use std::sync::Arc;

use crate::raft::{self, Index, Membership, NodeId, ReadLost, SnapshotMeta, Term};
use crate::raft_store;

/// The caller's name for a proposal, a change or a read, to know its answer by. Each is answered exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<R> {
    /// It is committed, and this is what the state machine said. It will never be undone.
    Applied {
        /// Its place in the log.
        index: Index,
        /// The state machine's reply.
        reply: R,
    },
    /// A change of membership: the new one is committed, and holds alone.
    Changed {
        /// The place of the entry that says so.
        index: Index,
    },
    /// Certainly not applied, now or ever: another entry was committed in its place. It may be proposed again.
    NotApplied,
    /// This node can't tell: it may have been applied, may yet be, or never. Who proposes it again must know it by a name
    /// of his own, or it may be done twice.
    Unknown(Unknown),
}

/// Why nothing is known of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unknown {
    /// Neither it nor another entry was committed in its place within
    /// [`ReplicaOptions::patience`](super::ReplicaOptions::patience).
    #[error("no majority has decided in time")]
    TimedOut,
    /// A snapshot came from another leader that includes its place, and does not tell entries apart.
    #[error("a snapshot took the place of the log")]
    Overtaken,
    /// The replica has stopped.
    #[error("the replica has stopped")]
    Stopped,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<R> {
    /// The answer to [`Replica::propose`](super::Replica::propose) or [`Replica::change`](super::Replica::change).
    Proposed {
        /// Which.
        token: Token,
        /// What became of it.
        outcome: Outcome<R>,
    },
    /// The answer to [`Replica::read`](super::Replica::read).
    Read {
        /// Which.
        token: Token,
        /// `Ok`: the state machine has applied everything that the read must see, which is up to this index; read it now
        /// or later.
        outcome: Result<Index, ReadLost>,
    },
    /// Another leader, another term, or nobody any more.
    Leader {
        /// The term.
        term: Term,
        /// Who leads, as far as this node knows; it may be this node.
        leader: Option<NodeId>,
    },
    /// Who belongs to the cluster has changed in the log: where to send messages to.
    Membership(Arc<Membership>),
    /// The state machine has applied everything up to here.
    Applied(Index),
    /// A snapshot from a leader has taken the place of the state.
    Installed(SnapshotMeta),
    /// A snapshot of this node's state was made.
    SnapshotMade(SnapshotMeta),
    /// A snapshot could not be made, sent or received: no space, or damage. It is tried again later; entries pile up until
    /// then.
    SnapshotFailed(xs_storage::Error),
    /// The replica has stopped. It is the last event.
    Stopped(Stopped),
}

/// Why a replica has stopped. Nothing is acknowledged any more. End it, see to the reason, and open it again.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Stopped {
    /// The disk has failed, is full, or gave back something else than was written.
    #[error("the store has failed: {0}")]
    Store(#[from] raft_store::Error),
    /// The state machine could not do what was asked of it.
    #[error("the state machine cannot {doing}: {source}")]
    Machine {
        /// What it was to do: `apply`, `restore`, `flush`, `make a snapshot`.
        doing: &'static str,
        /// Its reason.
        source: Arc<io::Error>,
    },
    /// The core has stopped.
    #[error(transparent)]
    Raft(#[from] raft::Error),
}

impl Stopped {
    pub(super) fn machine(doing: &'static str) -> impl FnOnce(io::Error) -> Stopped {
        move |source| Stopped::Machine { doing, source: Arc::new(source) }
    }

    /// Whether the disk has no space left.
    pub fn is_full(&self) -> bool {
        matches!(self, Stopped::Store(raft_store::Error::Storage(error)) if error.is_full())
    }
}

/// Why a replica can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory; the inner error says what about it.
    #[error(transparent)]
    Store(#[from] raft_store::Error),
    /// The options, or what was found contradicts itself.
    #[error(transparent)]
    Raft(#[from] raft::Error),
    /// The state machine could not be made from its snapshot.
    #[error("the state machine cannot be restored: {0}")]
    Machine(#[source] io::Error),
    /// The log begins at a place that the state machine has not reached, and there is no good snapshot to bring it there.
    /// Its data was lost or exchanged: give the node a new id and an empty directory.
    #[error("the log begins behind {front}, the state machine is at {machine}, and there is no good snapshot{}", why(.damage))]
    Behind {
        /// The entry in front of the log.
        front: Index,
        /// How far the state machine has come.
        machine: Index,
        /// What is wrong with the snapshot, if there is one.
        damage: Option<xs_storage::Error>,
    },
}

fn why(damage: &Option<xs_storage::Error>) -> String {
    damage.as_ref().map_or(String::new(), |damage| format!(": {damage}"))
}
