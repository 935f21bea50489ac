//! Linearizable reads without a log entry.
//!
//! A leader may have been deposed without knowing it, and its state machine is then behind. Two ways to be sure:
//!
//! *ReadIndex* (thesis, 6.4). The leader notes its commit index, begins a *round*, and reads when a quorum has answered
//! an append of that round or a later one and everything up to the noted index is applied. All reads that come between
//! two [`Raft::ready`]s share a round. A round is a number that the leader counts itself and never uses twice; were it
//! the caller's name for the read, a late answer to one question could confirm the next one of the same name.
//!
//! *Lease* (thesis, 6.4.1). Every answer to an append is also a promise to elect nobody else for an election timeout
//! ([`Loyal`](super::node)). So for that long after the *sending* of a round that a quorum has answered, less the
//! clocks' skew, no other leader can be, and the leader reads at once. The promise is broken by a leadership transfer,
//! whose target may be elected at any moment: once the transfer's last message has been sent, there are no more leases
//! in this term.
//!
//! ```text
//!   leader    read ── round 7 ──▶ ─────────────────── answered by a quorum: index 41 ── applied 41 ─▶ answer
//!                       │                             │
//!   lease               ├───── election timeout − skew ─────┤
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::error::{ReadLost, Rejected};
use super::message::Body;
use super::node::{Raft, Role};
use super::ready::ReadAnswer;
use super::{Index, LogView, NodeId, ReadId};

/// Who asked.
#[derive(Clone, Copy, Debug)]
enum Asker {
    Here(ReadId),
    Follower(NodeId, u64),
}

/// A leader's rounds, and what waits for them.
#[derive(Debug)]
pub(super) struct LeaderReads {
    round: u64,
    /// Rounds that no quorum has answered yet, and when they were begun.
    rounds: VecDeque<(u64, Instant)>,
    /// When the latest round that a quorum has answered was begun.
    confirmed_at: Option<Instant>,
    /// Reads that wait for a round to begin.
    waiting: Vec<Asker>,
    /// Reads that wait for a round to be answered, with the index that was committed before it began.
    asked: VecDeque<(u64, Index, Vec<Asker>)>,
    pending: usize,
    /// Somebody else may be elected in spite of all promises.
    pub(super) lease_broken: bool,
}

impl LeaderReads {
    pub(super) fn new(now: Instant) -> Self {
        LeaderReads {
            round: 1,
            rounds: VecDeque::from([(1, now)]),
            confirmed_at: None,
            waiting: Vec::new(),
            asked: VecDeque::new(),
            pending: 0,
            lease_broken: false,
        }
    }

    pub(super) fn round(&self) -> u64 {
        self.round
    }

    pub(super) fn begin_round(&mut self, now: Instant) {
        self.round += 1;
        self.rounds.push_back((self.round, now));
        if self.rounds.len() > MAX_ROUNDS {
            self.rounds.pop_front();
        }
    }

    /// A quorum has answered `round`.
    fn answered(&mut self, round: u64) {
        while let Some((number, begun)) = self.rounds.front().copied() {
            if number > round {
                break;
            }
            self.rounds.pop_front();
            self.confirmed_at = self.confirmed_at.max(Some(begun));
        }
    }
}

/// Rounds that are remembered while no quorum answers. A forgotten one gives no lease.
const MAX_ROUNDS: usize = 1024;

/// What any node knows about reads.
#[derive(Debug)]
pub(super) struct Reads {
    /// Confirmed: to be answered when the state machine has come so far.
    confirmed: Vec<(ReadId, Index)>,
    answers: Vec<ReadAnswer>,
    /// Questions that the leader was asked.
    forwarded: BTreeMap<u64, (ReadId, Instant)>,
    /// The next question's number. It begins anywhere, so that a restarted node takes no old answer for a new one.
    next_ticket: u64,
}

impl Reads {
    pub(super) fn new(first_ticket: u64) -> Self {
        Reads { confirmed: Vec::new(), answers: Vec::new(), forwarded: BTreeMap::new(), next_ticket: first_ticket }
    }

    pub(super) fn forwarded_deadline(&self) -> Option<Instant> {
        self.forwarded.first_key_value().map(|(_, (_, deadline))| *deadline)
    }

    fn lost(&mut self, id: ReadId, why: ReadLost) {
        self.answers.push(ReadAnswer { id, outcome: Err(why) });
    }
}

impl<L: LogView> Raft<L> {
    /// Asks for a linearizable read, on any node. The answer is in a [`Ready`](super::Ready), once for each call: then
    /// the state machine of this node shows all that was committed when the call was made.
    ///
    /// # Errors
    /// [`Rejected::NotLeader`] if no leader is known; [`Rejected::Overloaded`]; nothing more follows then.
    pub fn read(&mut self, now: Instant, id: ReadId) -> Result<(), Rejected> {
        self.alive()?;
        self.set_now(now);
        if self.memberships.latest().1.is_witness(self.id) {
            return Err(Rejected::NotLeader { hint: self.leader.filter(|leader| *leader != self.id) });
        }
        if self.reads.confirmed.len() >= self.options.max_pending_reads {
            // The state machine is behind.
            return Err(Rejected::Overloaded);
        }
        if matches!(self.role, Role::Leader(_)) {
            return if self.ask(Asker::Here(id)) { Ok(()) } else { Err(Rejected::Overloaded) };
        }
        if mutated!(self, StaleReads) {
            self.reads.confirmed.push((id, self.commit));
            return Ok(());
        }
        let Some(leader) = self.leader else { return Err(Rejected::NotLeader { hint: None }) };
        if self.reads.forwarded.len() >= self.options.max_pending_reads {
            return Err(Rejected::Overloaded);
        }
        let ticket = self.reads.next_ticket;
        self.reads.next_ticket = ticket.wrapping_add(1);
        self.reads.forwarded.insert(ticket, (id, self.now + self.options.election_timeout));
        self.say(leader, Body::ReadRequest { ticket });
        Ok(())
    }

    /// A read on the leader. False if there is no room.
    fn ask(&mut self, asker: Asker) -> bool {
        let (leased, max) = (self.has_lease(), self.options.max_pending_reads);
        let commit = self.commit;
        let Role::Leader(leader) = &mut self.role else { return false };
        if leased {
            self.confirm(asker, commit);
            return true;
        }
        if leader.reads.pending >= max {
            return false;
        }
        leader.reads.pending += 1;
        leader.reads.waiting.push(asker);
        true
    }

    /// Whether no other leader can be at this moment.
    fn has_lease(&self) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        if self.commit < leader.noop && !mutated!(self, ReadBeforeNoop) {
            return false;
        }
        if mutated!(self, StaleReads) {
            return true;
        }
        let skew = if mutated!(self, LeaseWithoutSkew) { Some(Duration::ZERO) } else { self.options.lease_skew };
        let (Some(skew), Some(begun)) = (skew, leader.reads.confirmed_at) else { return false };
        let mut length = self.options.election_timeout - skew;
        if mutated!(self, LeaseWithoutSkew) {
            // As if the followers' promise were as long as their patience.
            length += self.options.election_jitter * 4;
        }
        !leader.reads.lease_broken && self.now < begun + length
    }

    /// Begins a round for the reads that came since the last time. A leader that has committed nothing in its term does
    /// not know yet what is committed (thesis, 6.4), so they wait for that.
    pub(super) fn flush_reads(&mut self) {
        let (now, commit) = (self.now, self.commit);
        let early = mutated!(self, ReadBeforeNoop);
        let alone = self.memberships.latest().1.reached(|id| id == self.id);
        if alone {
            // The others whose answers a read waited for may be gone from the membership.
            self.confirm_reads();
        }
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.reads.waiting.is_empty() || commit < leader.noop && !early {
            return;
        }
        let askers = std::mem::take(&mut leader.reads.waiting);
        if alone {
            leader.reads.pending -= askers.len();
            askers.into_iter().for_each(|asker| self.confirm(asker, commit));
            return;
        }
        leader.reads.begin_round(now);
        let round = leader.reads.round;
        leader.reads.asked.push_back((round, commit, askers));
    }

    /// Answers have come: confirms the reads whose round a quorum has answered.
    pub(super) fn confirm_reads(&mut self) {
        let id = self.id;
        let Role::Leader(leader) = &mut self.role else { return };
        let current = leader.reads.round;
        let (progress, membership) = (&leader.progress, &self.memberships.latest().1);
        let round = membership.reached(|node| {
            if node == id {
                return current;
            }
            progress.iter().find(|progress| progress.id == node).map_or(0, |progress| progress.acked_round)
        });
        leader.reads.answered(round);
        let mut confirmed = Vec::new();
        while leader.reads.asked.front().is_some_and(|(asked, ..)| *asked <= round) {
            confirmed.extend(leader.reads.asked.pop_front());
        }
        leader.reads.pending -= confirmed.iter().map(|(_, _, askers)| askers.len()).sum::<usize>();
        for (_, index, askers) in confirmed {
            askers.into_iter().for_each(|asker| self.confirm(asker, index));
        }
    }

    fn confirm(&mut self, asker: Asker, index: Index) {
        match asker {
            Asker::Here(id) => self.reads.confirmed.push((id, index)),
            Asker::Follower(node, ticket) => self.say(node, Body::ReadReply { ticket, index: Some(index) }),
        }
    }

    pub(super) fn on_read_request(&mut self, from: NodeId, ticket: u64) {
        if !self.ask(Asker::Follower(from, ticket)) {
            self.say(from, Body::ReadReply { ticket, index: None });
        }
    }

    pub(super) fn on_read_reply(&mut self, ticket: u64, index: Option<Index>) {
        let Some((id, _)) = self.reads.forwarded.remove(&ticket) else { return };
        match index {
            Some(index) => self.reads.confirmed.push((id, index)),
            None => self.reads.lost(id, ReadLost::Overloaded),
        }
    }

    /// The node leads no more: what it was asked, it can't say.
    pub(super) fn lose_reads(&mut self) {
        let Role::Leader(leader) = &mut self.role else { return };
        let asked = std::mem::take(&mut leader.reads.asked).into_iter().flat_map(|(_, _, askers)| askers);
        let waiting = std::mem::take(&mut leader.reads.waiting);
        for asker in asked.chain(waiting) {
            match asker {
                Asker::Here(id) => self.reads.lost(id, ReadLost::NoLeader),
                // It has noticed by itself, or will.
                Asker::Follower(..) => {}
            }
        }
    }

    /// The leader that was asked leads no more.
    pub(super) fn lose_forwarded(&mut self) {
        for (_, (id, _)) in std::mem::take(&mut self.reads.forwarded) {
            self.reads.lost(id, ReadLost::NoLeader);
        }
    }

    /// Gives up questions that were not answered in an election timeout.
    pub(super) fn expire_forwarded(&mut self) {
        while let Some(entry) = self.reads.forwarded.first_entry() {
            if entry.get().1 > self.now {
                break;
            }
            let (id, _) = entry.remove();
            self.reads.lost(id, ReadLost::NoLeader);
        }
    }

    pub(super) fn take_reads(&mut self, into: &mut Vec<ReadAnswer>) {
        into.append(&mut self.reads.answers);
        let applied = self.applied;
        self.reads.confirmed.retain(|(id, index)| {
            let ready = *index <= applied;
            if ready {
                into.push(ReadAnswer { id: *id, outcome: Ok(*index) });
            }
            !ready
        });
    }
}
