//! Elections: when a node stands, who gets a vote, and what the winner does first.
//!
//! ```text
//!              timeout              a quorum would              a quorum votes
//!   follower ──────────▶ pre-candidate ──────────▶ candidate ──────────────────▶ leader
//!      ▲                      │                        │                            │
//!      └──────────────────────┴──── a higher term, a leader of this term ───────────┘
//! ```

use super::message::{Body, VoteRequest};
use super::node::{Leader, Loyal, Raft, Role, Votes};
use super::progress::Progress;
use super::quorum::Tally;
use super::reads::LeaderReads;
use super::ready::Sealed;
use super::replication::Uncommitted;
use super::{LogView, Membership, NodeId, Payload, Term};

impl<L: LogView> Raft<L> {
    /// Draws a new waiting time. It is drawn anew for every campaign: two nodes that once drew the same would collide
    /// for ever.
    pub(super) fn draw_deadline(&mut self) {
        let jitter = self.options.election_jitter;
        let witness = self.membership().is_witness(self.id);
        // A witness stands last: what it wins it must hand on.
        let window = if witness { 3 } else { u32::from(3 - self.options.priority.clamp(1, 3)) };
        let drawn = self.rng.below(jitter.as_nanos() as u64);
        let wait = self.options.election_timeout + jitter * window + std::time::Duration::from_nanos(drawn);
        self.deadline = self.now + wait;
    }

    /// The leader has been heard.
    pub(super) fn heard_leader(&mut self) {
        self.loyal = Some(Loyal { to: self.leader, until: self.now + self.options.election_timeout });
        self.draw_deadline();
    }

    /// Whether the node may lead. As long as its removal is not committed, it must be able to: it may be the only one
    /// that has the entry (thesis, 4.2.2).
    fn may_lead(&self) -> bool {
        let votes = |membership: &Membership| membership.is_voter(self.id);
        let voter = votes(self.membership()) || self.memberships.replaced(self.commit).is_some_and(votes);
        voter && self.log.restoring.is_none()
    }

    pub(super) fn election_due(&mut self) {
        if self.may_lead() && self.options.priority > 0 {
            self.campaign_in_steps();
        } else {
            self.draw_deadline();
        }
    }

    /// Stands for election now, for whatever reason the caller has. Nothing happens if the node may not lead or leads
    /// already, nor while it keeps its promise to a leader that answers reads under a lease.
    pub fn campaign(&mut self, now: std::time::Instant) {
        if self.alive().is_ok() {
            self.set_now(now);
            let promised = self.options.lease_skew.is_some() && self.is_loyal_to_another_than(self.id);
            if self.may_lead() && !promised && !matches!(self.role, Role::Leader(_)) {
                self.campaign_in_steps();
            }
        }
    }

    fn campaign_in_steps(&mut self) {
        if !self.options.pre_vote {
            return self.become_candidate(false);
        }
        self.leader = None;
        self.loyal = None;
        self.lose_forwarded();
        self.draw_deadline();
        self.role = Role::PreCandidate(vec![(self.id, true)]);
        let request = self.vote_request(false);
        for node in self.other_voters() {
            self.say(node, Body::PreVote(request));
        }
        self.count_pre_votes();
    }

    /// Stands for election in a new term. The requests wait until the vote for itself, and the log that they speak of,
    /// are durable: else a restarted node could stand in the same term with a shorter log and be elected by answers to
    /// the longer one.
    pub(super) fn become_candidate(&mut self, transfer: bool) {
        self.leader = None;
        self.loyal = None;
        self.lose_forwarded();
        self.draw_deadline();
        self.enter_term(self.term.next(), Some(self.id));
        self.role = Role::Candidate(Votes::new());
        self.sealed.push(Sealed::OwnVote(self.term));
        let request = self.vote_request(transfer);
        for node in self.other_voters() {
            self.promise(node, Body::Vote(request));
        }
    }

    fn vote_request(&self, transfer: bool) -> VoteRequest {
        let (last_index, last_term) = self.log.last();
        VoteRequest { last_index, last_term, transfer }
    }

    fn other_voters(&self) -> Vec<NodeId> {
        let membership = self.membership();
        membership.nodes().filter(|node| *node != self.id && membership.is_voter(*node)).collect()
    }

    /// Whether the node hears a leader and keeps others from disturbing it. The leader itself may ask: it must have
    /// lost its office.
    pub(super) fn is_loyal_against(&self, candidate: NodeId, body: &Body) -> bool {
        if matches!(body, Body::Vote(VoteRequest { transfer: true, .. })) || !self.options.check_quorum {
            return false;
        }
        // A leader is loyal to itself for as long as it is one: check-quorum ends that.
        matches!(self.role, Role::Leader(_)) || self.is_loyal_to_another_than(candidate)
    }

    fn is_loyal_to_another_than(&self, candidate: NodeId) -> bool {
        self.loyal.is_some_and(|loyal| loyal.to != Some(candidate) && self.now < loyal.until)
    }

    pub(super) fn refuse_vote(&mut self, from: NodeId, body: &Body) {
        let granted = false;
        let reply =
            if matches!(body, Body::PreVote(_)) { Body::PreVoteReply { granted } } else { Body::VoteReply { granted } };
        self.say(from, reply);
    }

    /// The candidate's log is at least as up-to-date as ours (5.4.1), and we know of a cluster at all.
    fn may_win(&self, request: VoteRequest) -> bool {
        let (index, term) = self.log.last();
        let current = (request.last_term, request.last_index) >= (term, index);
        (current || mutated!(self, IgnoreLogInVotes)) && !self.membership().is_empty()
    }

    /// Answers in favour if an election would be won here; nothing of ours changes.
    pub(super) fn on_pre_vote(&mut self, from: NodeId, request: VoteRequest) {
        let loyal = self.is_loyal_against(from, &Body::PreVote(request));
        let granted = !loyal && self.may_win(request);
        self.say(from, Body::PreVoteReply { granted });
    }

    pub(super) fn on_vote(&mut self, from: NodeId, request: VoteRequest) {
        let free = self.vote.is_none() && self.leader.is_none() || mutated!(self, VoteTwice);
        // Its term may have reached us by another way, but the promise to the leader of an earlier one holds on.
        let loyal = self.is_loyal_against(from, &Body::Vote(request));
        let granted = (self.vote == Some(from) || free && !loyal) && self.may_win(request);
        if !granted {
            return self.say(from, Body::VoteReply { granted });
        }
        if self.vote != Some(from) {
            self.vote = Some(from);
            self.hard_state_changed = true;
        }
        self.draw_deadline();
        self.promise(from, Body::VoteReply { granted });
    }

    pub(super) fn on_pre_vote_reply(&mut self, from: NodeId, granted: bool) {
        let Role::PreCandidate(votes) = &mut self.role else { return };
        note(votes, from, granted);
        self.count_pre_votes();
    }

    fn count_pre_votes(&mut self) {
        let Role::PreCandidate(votes) = &self.role else { return };
        match self.membership().tally(|id| said(votes, id)) {
            Tally::Won => self.become_candidate(false),
            Tally::Lost => self.become_follower(self.term, None),
            Tally::Open => {}
        }
    }

    pub(super) fn on_vote_reply(&mut self, from: NodeId, granted: bool) {
        let Role::Candidate(votes) = &mut self.role else { return };
        note(votes, from, granted);
        self.count_votes();
    }

    /// Our own vote is durable.
    pub(super) fn own_vote(&mut self, term: Term) {
        if term == self.term
            && let Role::Candidate(votes) = &mut self.role
        {
            note(votes, self.id, true);
            self.count_votes();
        }
    }

    fn count_votes(&mut self) {
        let Role::Candidate(votes) = &self.role else { return };
        match self.membership().tally(|id| said(votes, id)) {
            Tally::Won => self.become_leader(),
            Tally::Lost => self.become_follower(self.term, None),
            Tally::Open => {}
        }
    }

    fn become_leader(&mut self) {
        let (last, now) = (self.log.last().0, self.now);
        self.leader = Some(self.id);
        self.receiving = None;
        let others = self.membership().nodes().filter(|node| *node != self.id);
        let mut progress: Vec<_> = others.map(|node| Progress::new(node, last.next(), now)).collect();
        progress.sort_by_key(|progress| progress.id);
        self.role = Role::Leader(Box::new(Leader {
            progress,
            noop: last.next(),
            heartbeat_at: now + self.options.heartbeat,
            check_at: now + self.options.election_timeout,
            uncommitted: Uncommitted::default(),
            transfer: None,
            reads: LeaderReads::new(now),
        }));
        // Committing this entry commits everything before it (5.4.2), and tells the leader how far that is (8).
        self.append(Payload::Noop);
        self.after_own_append();
    }

    pub(super) fn tick_leader(&mut self) {
        let Role::Leader(leader) = &mut self.role else { return };
        if self.now >= leader.heartbeat_at {
            leader.heartbeat_at = self.now + self.options.heartbeat;
            leader.reads.begin_round(self.now);
            leader.nudge(self.now, self.options.election_timeout);
        }
        leader.expire_transfer(self.now);
        if self.now >= leader.check_at {
            leader.check_at = self.now + self.options.election_timeout;
            if self.options.check_quorum && !self.hears_quorum() {
                return self.become_follower(self.term, None);
            }
        }
        self.hand_on_if_witness();
    }

    /// Whether a quorum was heard within the last election timeout.
    fn hears_quorum(&self) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        let heard = |id| {
            let of = leader.progress.iter().find(|progress| progress.id == id);
            id == self.id || of.is_some_and(|progress| progress.heard + self.options.election_timeout > self.now)
        };
        self.membership().reached(heard)
    }

    /// Follower or candidate: `from` leads this term.
    pub(super) fn follow(&mut self, from: NodeId) {
        self.become_follower(self.term, Some(from));
    }

    /// Entries of our own were appended: alone we are a quorum as soon as they are durable.
    pub(super) fn after_own_append(&mut self) {
        self.advance_commit();
    }
}

/// The first answer of a node counts.
fn note(votes: &mut Votes, from: NodeId, granted: bool) {
    if said(votes, from).is_none() {
        votes.push((from, granted));
    }
}

fn said(votes: &Votes, id: NodeId) -> Option<bool> {
    votes.iter().find(|(from, _)| *from == id).map(|(_, granted)| *granted)
}
