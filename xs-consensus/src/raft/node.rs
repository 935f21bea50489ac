//! The node: its state, and the way of everything that comes in.

use std::sync::Arc;
use std::time::Instant;

use xs_os::Rng;

use super::error::{Error, Lookup, Refused};
use super::log::RaftLog;
use super::membership::Memberships;
use super::message::{AppendOutcome, AppendReply, Body};
use super::progress::Progress;
use super::reads::{LeaderReads, Reads};
use super::ready::{ChunkReceived, ChunkWanted, Persists, Sealed};
use super::replication::Uncommitted;
use super::snapshot::Receiving;
use super::transfer::Transfer;
use super::{Entry, HardState, Index, LogView, Membership, Message, NodeId, Options, Payload, SnapshotMeta, Term};

/// How far a term may be ahead of ours: more elections than a cluster holds in a node's absence.
const TERMS_AT_ONCE: u64 = 1 << 32;

/// What a node starts with: nothing, or what an earlier run of it has made durable.
#[derive(Clone, Debug, Default)]
pub struct Initial {
    /// The hard state that was persisted last.
    pub hard_state: HardState,
    /// The membership at the front of the log: the snapshot's; for a new cluster the first one, equal on all its first
    /// nodes. An empty one is that of a node that will be added: it waits for a leader, and votes for nobody until
    /// then. So must a node that lost its disk, or it would vote twice.
    pub membership: Membership,
    /// The entry that the state machine has applied last, durably.
    pub applied: Index,
}

/// What a node is, with what it needs for it.
#[derive(Debug)]
pub(super) enum Role {
    Follower,
    PreCandidate(Votes),
    Candidate(Votes),
    Leader(Box<Leader>),
}

/// A promise that every message of a leader renews: to elect nobody else for an election timeout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loyal {
    /// To whom; unknown after a restart.
    pub(super) to: Option<NodeId>,
    pub(super) until: Instant,
}

/// Who said what.
pub(super) type Votes = Vec<(NodeId, bool)>;

#[derive(Debug)]
pub(super) struct Leader {
    /// Everybody else, by id.
    pub(super) progress: Vec<Progress>,
    /// The first entry of this leader's term.
    pub(super) noop: Index,
    pub(super) heartbeat_at: Instant,
    /// When a majority must have been heard.
    pub(super) check_at: Instant,
    pub(super) uncommitted: Uncommitted,
    pub(super) transfer: Option<Transfer>,
    pub(super) reads: LeaderReads,
}

impl Leader {
    pub(super) fn progress_of(&mut self, id: NodeId) -> Option<&mut Progress> {
        self.progress.iter_mut().find(|progress| progress.id == id)
    }
}

/// One node of a cluster.
///
/// Every input is a method call with the time. After any of them, call [`Raft::ready`] until it answers `None`, and do
/// what it says.
#[derive(Debug)]
pub struct Raft<L> {
    pub(super) id: NodeId,
    pub(super) options: Options,
    pub(super) rng: Rng,
    pub(super) now: Instant,
    pub(super) log: RaftLog<L>,
    pub(super) memberships: Memberships,

    pub(super) term: Term,
    pub(super) vote: Option<NodeId>,
    pub(super) hard_state_changed: bool,
    pub(super) commit: Index,
    /// Up to here entries were given out to be applied, and up to here they have been.
    pub(super) apply_handed: Index,
    pub(super) applied: Index,

    pub(super) role: Role,
    pub(super) leader: Option<NodeId>,
    /// Whom the node promised to elect nobody else for a while.
    pub(super) loyal: Option<Loyal>,
    /// When the node stands for election.
    pub(super) deadline: Instant,
    /// The latest round of the term's leader.
    pub(super) seen_round: u64,

    pub(super) outbox: Vec<Message>,
    pub(super) sealed: Vec<Sealed>,
    pub(super) persists: Persists,
    pub(super) reads: Reads,
    pub(super) receiving: Option<Receiving>,
    pub(super) installing: Option<SnapshotMeta>,
    pub(super) chunks_wanted: Vec<ChunkWanted>,
    pub(super) chunks_received: Vec<ChunkReceived>,
}

impl<L: LogView> Raft<L> {
    /// A node, as it was or new. Reads the whole log once, for the memberships in it.
    ///
    /// # Errors
    /// [`Error::Options`]; [`Error::State`] if `initial` and `log` can't belong together.
    pub fn new(
        id: NodeId,
        log: L,
        initial: Initial,
        options: Options,
        mut rng: Rng,
        now: Instant,
    ) -> Result<Self, Error> {
        options.check()?;
        let bounds = log.bounds();
        let (before, last) = (bounds.before, bounds.last);
        let HardState { term, mut vote, commit } = initial.hard_state;
        if last.1 > term || before > last {
            return Err(Error::State("the log is newer than the hard state"));
        }
        // A commit index is persisted behind the entries that it speaks of.
        if commit > last.0 {
            return Err(Error::State("the log has lost entries that were committed"));
        }
        let commit = commit.max(before.0).max(initial.applied);
        if initial.applied > last.0 || initial.applied < before.0 {
            return Err(Error::State("the state machine is behind the log's front, or ahead of its end"));
        }
        if !initial.membership.is_empty() {
            initial.membership.check().map_err(Error::State)?;
        }
        let mut memberships = Memberships::new(before.0, Arc::new(initial.membership));
        for (index, membership) in memberships_in(&log)? {
            memberships.push(index, membership);
        }
        if mutated_in!(options, ForgetVote) {
            vote = None;
        }
        // A node that promised loyalty for a lease may not forget that by restarting.
        let loyal = options.lease_skew.map(|_| Loyal { to: None, until: now + options.election_timeout });
        let reads = Reads::new(rng.next_u64() >> 1);
        let mut raft = Raft {
            id,
            log: RaftLog::new(log, options.cache_bytes),
            options,
            rng,
            now,
            memberships,
            term,
            vote,
            hard_state_changed: false,
            commit,
            apply_handed: initial.applied,
            applied: initial.applied,
            role: Role::Follower,
            leader: None,
            loyal,
            deadline: now,
            seen_round: 0,
            outbox: Vec::new(),
            sealed: Vec::new(),
            persists: Persists::default(),
            reads,
            receiving: None,
            installing: None,
            chunks_wanted: Vec::new(),
            chunks_received: Vec::new(),
        };
        raft.draw_deadline();
        Ok(raft)
    }

    /// The log as it was given.
    pub fn view(&self) -> &L {
        &self.log.view
    }

    /// The log as it was given, for a driver whose log lies in it.
    pub fn view_mut(&mut self) -> &mut L {
        &mut self.log.view
    }

    /// Whether the node goes on. One that has stopped takes nothing, says nothing and asks for nothing.
    ///
    /// # Errors
    /// [`Error::PersistLost`]: why it doesn't.
    pub fn alive(&self) -> Result<(), Error> {
        if self.persists.lost() { Err(Error::PersistLost) } else { Ok(()) }
    }

    pub(super) fn set_now(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// The membership that holds: the last that the log says, committed or not.
    pub fn membership(&self) -> &Arc<Membership> {
        &self.memberships.latest().1
    }

    pub(super) fn message(&self, to: NodeId, body: Body) -> Message {
        Message { from: self.id, to, term: self.term, cluster: self.options.cluster, body }
    }

    /// Says something that promises nothing.
    pub(super) fn say(&mut self, to: NodeId, body: Body) {
        let message = self.message(to, body);
        self.outbox.push(message);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        if self.alive().is_err() {
            return;
        }
        self.set_now(now);
        self.expire_forwarded();
        if matches!(self.role, Role::Leader(_)) {
            self.tick_leader();
        } else if self.now >= self.deadline {
            self.election_due();
        }
    }

    /// A message has come.
    ///
    /// # Errors
    /// Why it was not taken; a driver counts it, and goes on.
    pub fn step(&mut self, now: Instant, message: Message) -> Result<(), Refused> {
        self.alive()?;
        if message.to != self.id {
            return Err(Refused::NotForUs(message.to));
        }
        if message.cluster != self.options.cluster {
            return Err(Refused::OtherCluster);
        }
        if message.from == self.id {
            return Err(Refused::Impossible("a message from ourselves"));
        }
        message.check()?;
        // Terms rise by ones. A leap would leave none for those who come after.
        if message.term.0 > self.term.0.saturating_add(TERMS_AT_ONCE) {
            return Err(Refused::Impossible("a term that no cluster reaches"));
        }
        self.set_now(now);
        let Message { from, term, body, .. } = message;
        if matches!((&body, &self.role), (Body::Append(_) | Body::SnapshotChunk(_), Role::Leader(_)))
            && term == self.term
        {
            return Err(Refused::Impossible("two leaders in one term"));
        }
        if term > self.term {
            if matches!(body, Body::PreVote(_) | Body::Vote(_)) && self.is_loyal_against(from, &body) {
                // A candidate that disturbs a leader whom we hear: its term must not reach anybody.
                self.refuse_vote(from, &body);
                return Ok(());
            }
            self.become_follower(term, body.is_leaders().then_some(from));
        }
        if term < self.term {
            self.answer_from_the_past(from, &body);
            return Ok(());
        }
        self.dispatch(from, body)
    }

    fn dispatch(&mut self, from: NodeId, body: Body) -> Result<(), Refused> {
        match body {
            Body::PreVote(request) => self.on_pre_vote(from, request),
            Body::Vote(request) => self.on_vote(from, request),
            Body::PreVoteReply { granted } => self.on_pre_vote_reply(from, granted),
            Body::VoteReply { granted } => self.on_vote_reply(from, granted),
            Body::Append(append) => return self.on_append(from, append),
            Body::AppendReply(reply) => return self.on_append_reply(from, reply),
            Body::SnapshotChunk(chunk) => return self.on_snapshot_chunk(from, chunk),
            Body::SnapshotReply(reply) => return self.on_snapshot_reply(from, reply),
            Body::ReadRequest { ticket } => self.on_read_request(from, ticket),
            Body::ReadReply { ticket, index } => self.on_read_reply(ticket, index),
            Body::Forward { commands } => self.on_forward(commands),
            Body::TimeoutNow { last } => self.on_timeout_now(from, last),
        }
        Ok(())
    }

    /// Who speaks from an earlier term is told the term, if he waits for an answer. Without this a node with a higher
    /// term and a shorter log, and the others with a lower term and a longer one, would refuse each other for ever.
    fn answer_from_the_past(&mut self, from: NodeId, body: &Body) {
        match body {
            Body::PreVote(_) | Body::Vote(_) => self.refuse_vote(from, body),
            Body::Append(_) | Body::SnapshotChunk(_) => {
                let outcome = AppendOutcome::Matched(Index(0));
                self.say(from, Body::AppendReply(AppendReply { round: 0, outcome }));
            }
            _ => {}
        }
    }

    /// Follows `leader`, or nobody yet, in `term`.
    pub(super) fn become_follower(&mut self, term: Term, leader: Option<NodeId>) {
        if term > self.term {
            self.enter_term(term, None);
        }
        if matches!(self.role, Role::Leader(_)) {
            self.lose_reads();
            self.chunks_wanted.clear();
        }
        if !matches!(self.role, Role::Follower) {
            self.role = Role::Follower;
            self.draw_deadline();
        }
        if leader != self.leader {
            self.leader = leader;
            self.lose_forwarded();
        }
        if leader.is_some() {
            self.heard_leader();
        }
    }

    pub(super) fn enter_term(&mut self, term: Term, vote: Option<NodeId>) {
        self.term = term;
        self.vote = vote;
        self.hard_state_changed = true;
        self.seen_round = 0;
    }

    /// The membership has changed, in the log: the leader's list of followers changes with it.
    pub(super) fn follow_membership(&mut self) {
        let membership = self.memberships.latest().1.clone();
        let (id, last, now) = (self.id, self.log.last().0, self.now);
        let Role::Leader(leader) = &mut self.role else { return };
        leader.progress.retain(|progress| membership.contains(progress.id));
        for node in membership.nodes().filter(|node| *node != id) {
            if leader.progress_of(node).is_none() {
                leader.progress.push(Progress::new(node, last.next(), now));
            }
        }
        leader.progress.sort_by_key(|progress| progress.id);
        if leader.transfer.as_ref().is_some_and(|transfer| !membership.is_voter(transfer.to)) {
            leader.transfer = None;
        }
    }
}

/// The memberships that a log's entries say.
fn memberships_in(log: &impl LogView) -> Result<Vec<(Index, Arc<Membership>)>, Error> {
    const STEP: usize = 1 << 20;
    let bounds = log.bounds();
    let (mut found, mut entries): (Vec<_>, Vec<Entry>) = (Vec::new(), Vec::new());
    let mut next = bounds.before.0.next();
    while next <= bounds.last.0 {
        entries.clear();
        if log.entries(next, bounds.last.0, STEP, &mut entries) != Lookup::Found(()) || entries.is_empty() {
            return Err(Error::State("the log does not give the entries that it claims to have"));
        }
        for entry in &entries {
            if entry.index != next {
                return Err(Error::State("the log has a hole"));
            }
            if let Payload::Membership(membership) = &entry.payload {
                found.push((entry.index, membership.clone()));
            }
            next = next.next();
        }
    }
    Ok(found)
}
