//! The words of the protocol: who, in which term, at which place of the log, and what stands there.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::Membership;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

number!(
    /// A node's name, unique within its cluster for ever: a machine that lost its disk comes back under a new one.
    NodeId, "n"
);
number!(
    /// A term: Raft's logical clock. At most one leader is elected in each.
    Term, "t"
);
number!(
    /// A place in the log; the first entry has 1, and 0 stands for "in front of the log".
    Index, "i"
);
number!(
    /// Which cluster a message belongs to, so that a node that was set up with another's address list does no harm.
    ClusterId, "c"
);
number!(
    /// The name that a caller gave a read, to know its answer by.
    ReadId, "r"
);

/// Terms and indexes from here on are refused as damage: no cluster lives for that many.
pub(super) const IMPOSSIBLE: u64 = 1 << 62;

impl Index {
    /// The place behind this one.
    pub fn next(self) -> Index {
        Index(self.0 + 1)
    }

    /// The place in front of this one; 0 stays 0.
    pub fn before(self) -> Index {
        Index(self.0.saturating_sub(1))
    }
}

impl Term {
    pub(super) fn next(self) -> Term {
        Term(self.0 + 1)
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: a new leader's first entry, whose commitment commits all before it.
    Noop,
    /// A command of the state machine.
    Command(Bytes),
    /// Who belongs to the cluster from this entry on.
    Membership(Arc<Membership>),
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub index: Index,
    /// The term of the leader that made it.
    pub term: Term,
    /// What it says.
    pub payload: Payload,
}

/// What an entry is counted as beside its payload.
const ENTRY_OVERHEAD: usize = 24;

impl Entry {
    /// Bytes that the entry counts as in every limit: its command's and a constant for the rest.
    pub fn size(&self) -> usize {
        ENTRY_OVERHEAD
            + match &self.payload {
                Payload::Noop => 0,
                Payload::Command(bytes) => bytes.len(),
                Payload::Membership(membership) => 8 * membership.nodes().count(),
            }
    }
}

/// What a node must not forget: Figure 2's `currentTerm` and `votedFor`. The commit index comes along as a hint and may
/// lag behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The latest term that the node has seen.
    pub term: Term,
    /// Whom it gave its vote in that term.
    pub vote: Option<NodeId>,
    /// Up to where it knew the log to be committed.
    pub commit: Index,
}

/// What a snapshot stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// The last entry that it includes.
    pub index: Index,
    /// That entry's term.
    pub term: Term,
    /// The membership in force at `index`.
    pub membership: Arc<Membership>,
    /// The length of the snapshot's bytes.
    pub bytes: u64,
}

/// What a node is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleName {
    /// Takes entries from a leader, or waits for one.
    Follower,
    /// Asks whether an election could be won, without disturbing anybody.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Replicates its log to all others.
    Leader,
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RoleName::Follower => "follower",
            RoleName::PreCandidate => "pre-candidate",
            RoleName::Candidate => "candidate",
            RoleName::Leader => "leader",
        })
    }
}
