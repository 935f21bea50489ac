//! What a node tells of itself, for people, metrics and checkers.

use std::sync::Arc;

use super::node::{Raft, Role};
use super::progress::Mode;
use super::{Index, LogView, Membership, NodeId, RoleName, Term};

/// What a node knows at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Who.
    pub id: NodeId,
    /// What it is.
    pub role: RoleName,
    /// Its term.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<NodeId>,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// Up to here the log is committed.
    pub commit: Index,
    /// Up to here the state machine has applied it.
    pub applied: Index,
    /// The place in front of the log's first entry, and its term.
    pub before: (Index, Term),
    /// The log's last entry, and its term.
    pub last: (Index, Term),
    /// Up to here the log is durable.
    pub durable: Index,
    /// The membership that holds, and the entry that said so.
    pub membership: (Index, Arc<Membership>),
    /// To whom leadership is being transferred.
    pub transferring: Option<NodeId>,
    /// What a leader knows of the others; empty on any other node.
    pub followers: Vec<Follower>,
}

/// What a leader knows of a follower.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Follower {
    /// Who.
    pub id: NodeId,
    /// Up to here its log is known to equal the leader's.
    pub matched: Index,
    /// What it is sent next.
    pub next: Index,
    /// How it is sent to: `probe`, `replicate` or `snapshot`.
    pub mode: &'static str,
    /// Whether it was heard within an election timeout.
    pub heard: bool,
}

impl<L: LogView> Raft<L> {
    /// What the node knows now.
    pub fn status(&self) -> Status {
        let followers = match &self.role {
            Role::Leader(leader) => &leader.progress[..],
            _ => &[],
        };
        let followers = followers
            .iter()
            .map(|progress| Follower {
                id: progress.id,
                matched: progress.matched,
                next: progress.next,
                mode: match progress.mode {
                    Mode::Probe { .. } => "probe",
                    Mode::Replicate => "replicate",
                    Mode::Snapshot(_) => "snapshot",
                },
                heard: progress.is_heard(self.now, self.options.election_timeout),
            })
            .collect();
        let transferring = match &self.role {
            Role::Leader(leader) => leader.transfer.as_ref().map(|transfer| transfer.to),
            _ => None,
        };
        Status {
            id: self.id,
            role: self.role(),
            term: self.term,
            vote: self.vote,
            leader: self.leader,
            commit: self.commit,
            applied: self.applied,
            before: self.log.before(),
            last: self.log.last(),
            durable: self.log.stable(),
            membership: self.memberships.latest().clone(),
            transferring,
            followers,
        }
    }

    /// What the node is.
    pub fn role(&self) -> RoleName {
        match self.role {
            Role::Follower => RoleName::Follower,
            Role::PreCandidate(_) => RoleName::PreCandidate,
            Role::Candidate(_) => RoleName::Candidate,
            Role::Leader(_) => RoleName::Leader,
        }
    }

    /// Who leads, as far as the node knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// The term of an entry of the log, the part that is not durable included; `None` if it is not there or not at hand.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        match self.log.term(index) {
            super::Lookup::Found(term) if index <= self.log.last().0 => Some(term),
            _ => None,
        }
    }
}
