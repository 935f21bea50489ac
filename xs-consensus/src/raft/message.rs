//! What nodes say to each other. Every message carries its sender's term and the cluster's name; [`Message::check`]
//! refuses what no correct node can have said before anything looks at it.

use bytes::Bytes;

use super::error::Refused;
use super::types::IMPOSSIBLE;
use super::{ClusterId, Entry, Index, NodeId, Payload, SnapshotMeta, Term};

/// A message between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// The sender's term.
    pub term: Term,
    /// The cluster of both.
    pub cluster: ClusterId,
    /// What is said.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// "Would you vote for me in the term behind mine?" (thesis, 9.6). Nothing is promised by an answer.
    PreVote(VoteRequest),
    /// The answer to [`Body::PreVote`].
    PreVoteReply {
        /// Whether it would.
        granted: bool,
    },
    /// Figure 2's `RequestVote`.
    Vote(VoteRequest),
    /// The answer to [`Body::Vote`]; a grant is durable when it is sent.
    VoteReply {
        /// Whether the vote is given.
        granted: bool,
    },
    /// Figure 2's `AppendEntries`; without entries a heartbeat.
    Append(Append),
    /// The answer to [`Body::Append`].
    AppendReply(AppendReply),
    /// A piece of a snapshot, or an offer of one if it is empty.
    SnapshotChunk(SnapshotChunk),
    /// How much of a snapshot is there.
    SnapshotReply(SnapshotReply),
    /// A follower asks how far it must have applied to answer a read.
    ReadRequest {
        /// The follower's number of the question; it uses none twice.
        ticket: u64,
    },
    /// The leader's answer to [`Body::ReadRequest`].
    ReadReply {
        /// The question's number.
        ticket: u64,
        /// How far; `None` if the leader can't say and the follower must ask again.
        index: Option<Index>,
    },
    /// Commands that a follower was asked to pass on.
    Forward {
        /// Each becomes an entry.
        commands: Vec<Bytes>,
    },
    /// "Stand for election at once": the end of a leadership transfer (thesis, 3.10).
    TimeoutNow {
        /// Where the leader's log ends: a target that has less would lose.
        last: Index,
    },
}

/// What a candidate says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteRequest {
    /// Where the candidate's log ends.
    pub last_index: Index,
    /// The term of its last entry.
    pub last_term: Term,
    /// The leader itself asked for this election, so its followers don't protect it.
    pub transfer: bool,
}

/// Entries for a follower, and what holds for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The place in front of the entries.
    pub prev_index: Index,
    /// The term of the entry there.
    pub prev_term: Term,
    /// How far the leader's log is committed.
    pub commit: Index,
    /// The leader's round: an answer that names it proves that the follower followed when the round began.
    pub round: u64,
    /// One behind the other, the first at `prev_index + 1`.
    pub entries: Vec<Entry>,
}

/// What a follower says to an [`Append`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendReply {
    /// The latest round of this leader that the follower has seen.
    pub round: u64,
    /// How it went.
    pub outcome: AppendOutcome,
}

/// How an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// The follower's log equals the leader's up to here, durably.
    Matched(Index),
    /// The log did not fit.
    Rejected {
        /// The `prev_index` of the append.
        prev_index: Index,
        /// The last place at which the logs may agree.
        hint_index: Index,
        /// The term there.
        hint_term: Term,
    },
}

/// A piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// Of which.
    pub meta: SnapshotMeta,
    /// Where in the snapshot the piece begins.
    pub offset: u64,
    /// The piece; empty when the leader asks how much is there already.
    pub data: Bytes,
    /// As in [`Append`].
    pub round: u64,
}

/// How much of a snapshot is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotReply {
    /// The snapshot's index.
    pub index: Index,
    /// The snapshot's term.
    pub term: Term,
    /// The byte that is missing first.
    pub next: u64,
    /// As in [`AppendReply`].
    pub round: u64,
}

impl Body {
    /// The name of the kind, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Body::PreVote(_) => "pre-vote",
            Body::PreVoteReply { .. } => "pre-vote-reply",
            Body::Vote(_) => "vote",
            Body::VoteReply { .. } => "vote-reply",
            Body::Append(append) if append.entries.is_empty() => "heartbeat",
            Body::Append(_) => "append",
            Body::AppendReply(_) => "append-reply",
            Body::SnapshotChunk(_) => "snapshot-chunk",
            Body::SnapshotReply(_) => "snapshot-reply",
            Body::ReadRequest { .. } => "read-request",
            Body::ReadReply { .. } => "read-reply",
            Body::Forward { .. } => "forward",
            Body::TimeoutNow { .. } => "timeout-now",
        }
    }

    /// Only the leader of the message's term says this.
    pub(super) fn is_leaders(&self) -> bool {
        matches!(self, Body::Append(_) | Body::SnapshotChunk(_) | Body::TimeoutNow { .. } | Body::ReadReply { .. })
    }
}

impl Message {
    /// Whether a correct node can have said this, as far as the message alone shows.
    ///
    /// # Errors
    /// [`Refused::Impossible`] with what is wrong.
    pub fn check(&self) -> Result<(), Refused> {
        let low = |number: u64| number < IMPOSSIBLE;
        let sound = match &self.body {
            Body::PreVote(vote) | Body::Vote(vote) => low(vote.last_index.0) && vote.last_term <= self.term,
            Body::Append(append) => {
                let mut expected = (append.prev_index, append.prev_term);
                let in_order = low(append.prev_index.0)
                    && append.entries.iter().all(|entry| {
                        let fits =
                            entry.index == expected.0.next() && entry.term >= expected.1 && entry.term <= self.term;
                        expected = (entry.index, entry.term);
                        let sound = match &entry.payload {
                            Payload::Membership(membership) => membership.check().is_ok(),
                            Payload::Noop | Payload::Command(_) => true,
                        };
                        fits && sound
                    });
                let origin = append.prev_index.0 > 0 || append.prev_term.0 == 0;
                low(append.commit.0) && origin && append.prev_term <= self.term && in_order
            }
            Body::AppendReply(reply) => match reply.outcome {
                AppendOutcome::Matched(index) => low(index.0),
                AppendOutcome::Rejected { prev_index, hint_index, hint_term } => {
                    low(prev_index.0) && hint_index < prev_index && hint_term <= self.term
                }
            },
            Body::SnapshotChunk(chunk) => {
                let end = chunk.offset.checked_add(chunk.data.len() as u64);
                low(chunk.meta.index.0)
                    && chunk.meta.index.0 > 0
                    && chunk.meta.term <= self.term
                    && chunk.meta.membership.check().is_ok()
                    && end.is_some_and(|end| end <= chunk.meta.bytes)
            }
            Body::SnapshotReply(reply) => low(reply.index.0),
            Body::TimeoutNow { last } => low(last.0),
            Body::ReadReply { index, .. } => index.is_none_or(|index| low(index.0)),
            Body::PreVoteReply { .. } | Body::VoteReply { .. } | Body::ReadRequest { .. } | Body::Forward { .. } => {
                true
            }
        };
        // In term 0 nothing happens but the question whether there should be a first one.
        let early = matches!(self.body, Body::PreVote(_) | Body::PreVoteReply { .. });
        if !low(self.term.0) || self.term.0 == 0 && !early {
            return Err(Refused::Impossible("a term that no cluster reaches"));
        }
        if sound { Ok(()) } else { Err(Refused::Impossible("numbers that contradict each other")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::Payload;

    fn message(term: u64, body: Body) -> Message {
        Message { from: NodeId(1), to: NodeId(2), term: Term(term), cluster: ClusterId(1), body }
    }

    fn append(prev: (u64, u64), entries: &[(u64, u64)]) -> Body {
        let entries = entries
            .iter()
            .map(|&(index, term)| Entry { index: Index(index), term: Term(term), payload: Payload::Noop })
            .collect();
        let (prev_index, prev_term) = (Index(prev.0), Term(prev.1));
        Body::Append(Append { prev_index, prev_term, commit: Index(0), round: 1, entries })
    }

    #[test]
    fn entries_must_follow_each_other_and_terms_must_not_fall_or_come_from_the_future() {
        assert!(message(3, append((4, 1), &[(5, 2), (6, 3)])).check().is_ok());
        assert!(message(3, append((4, 1), &[(6, 3)])).check().is_err(), "a hole");
        assert!(message(3, append((4, 2), &[(5, 1)])).check().is_err(), "a falling term");
        assert!(message(3, append((4, 1), &[(5, 4)])).check().is_err(), "a term above the leader's");
        assert!(message(3, append((0, 1), &[(1, 1)])).check().is_err(), "a term in front of the log");
        assert!(message(3, append((u64::MAX, 1), &[])).check().is_err());
    }

    #[test]
    fn terms_that_no_cluster_reaches_are_refused() {
        assert!(message(u64::MAX, Body::VoteReply { granted: true }).check().is_err());
        assert!(message(0, Body::VoteReply { granted: true }).check().is_err());
        assert!(message(0, Body::PreVoteReply { granted: true }).check().is_ok());
        assert!(message(1, Body::VoteReply { granted: true }).check().is_ok());
    }
}
