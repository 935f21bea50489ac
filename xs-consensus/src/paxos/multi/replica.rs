//! A replica: what it knows, and the way of everything that comes in.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use xs_os::Rng;

use super::leader::Role;
use super::{Ballot, Body, Kept, Message, Options, Record, Slot, Value, Vote};
use crate::paxos::{Cluster, Error, NodeId, Refused, Rejected};

/// One of the machines that agree on a log: a value that takes messages and time, and says in [`Replica::ready`] what it
/// wants done. See the [module page](super).
#[derive(Debug)]
pub struct Replica {
    pub(super) id: NodeId,
    pub(super) cluster: Cluster,
    pub(super) options: Options,
    pub(super) rng: Rng,
    /// The latest moment that it was told of.
    pub(super) now: Instant,
    /// As an acceptor: no vote below this.
    pub(super) promised: Ballot,
    /// As an acceptor, its last vote in each slot; as a learner, what was chosen there, as a vote in [`Ballot::CHOSEN`].
    pub(super) votes: BTreeMap<Slot, Vote<Value>>,
    /// All slots up to here are chosen.
    pub(super) commit: Slot,
    /// All slots up to here were given out to be applied.
    pub(super) applied: Slot,
    pub(super) role: Role,
    /// The highest ballot that it has heard of, promised or not.
    pub(super) seen: Ballot,
    /// Whether the owner of the promised ballot is known to lead.
    pub(super) led: bool,
    pub(super) deadline: Instant,
    /// When it may ask again for what was chosen.
    pub(super) ask_at: Instant,
    /// Messages to itself.
    pub(super) local: VecDeque<Body>,
    pub(super) outbox: Vec<Message>,
    /// What must become durable, and what waits for that.
    pub(super) records: Vec<Record>,
    pub(super) sealed: Vec<(NodeId, Body)>,
    /// The commit that the last record says.
    pub(super) commit_recorded: Slot,
    /// `Persist`s that were handed out, and that came back.
    pub(super) handed: u64,
    pub(super) done: u64,
    pub(super) lost: bool,
}

/// What a replica is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleName {
    /// Votes, and waits for a leader's word.
    Follower,
    /// Asks for promises.
    Candidate,
    /// Has a quorum's promises, and proposes.
    Leader,
}

/// A replica at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Who it is.
    pub id: NodeId,
    /// What it is.
    pub role: RoleName,
    /// What it has promised: as candidate and leader, its own ballot.
    pub promised: Ballot,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// All slots up to here are chosen.
    pub commit: Slot,
    /// The last slot in which it voted.
    pub last: Slot,
}

impl Replica {
    /// A replica, with what it kept when it ran before.
    ///
    /// # Errors
    /// [`Error::Cluster`] if it is no member, [`Error::Options`], [`Error::State`].
    pub fn new(
        id: NodeId,
        cluster: Cluster,
        kept: Kept,
        options: Options,
        rng: Rng,
        now: Instant,
    ) -> Result<Replica, Error> {
        options.check()?;
        cluster.member(id).map_err(|_| Error::Cluster("the node itself does not belong to it"))?;
        let Kept { mut promised, mut votes, commit } = kept;
        if votes.contains_key(&Slot(0)) || votes.range(..=commit).count() as u64 != commit.0 {
            return Err(Error::State("a slot below the commit has no value"));
        }
        let beyond = |vote: &Vote<Value>| vote.ballot > promised && vote.ballot != Ballot::CHOSEN;
        if votes.values().any(beyond) {
            return Err(Error::State("a vote in a ballot that was not promised"));
        }
        votes.range_mut(..=commit).for_each(|(_, vote)| vote.ballot = Ballot::CHOSEN);
        if mutated!(cluster, ForgetPromise) {
            promised = Ballot::NONE;
        }
        let mut replica = Replica {
            id,
            cluster,
            options,
            rng,
            now,
            promised,
            votes,
            commit,
            applied: Slot(0),
            role: Role::Follower,
            seen: promised,
            led: false,
            deadline: now,
            ask_at: now,
            local: VecDeque::new(),
            outbox: Vec::new(),
            records: Vec::new(),
            sealed: Vec::new(),
            commit_recorded: commit,
            handed: 0,
            done: 0,
            lost: false,
        };
        replica.advance();
        replica.wait();
        Ok(replica)
    }

    /// Its name.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// What it is and knows.
    pub fn status(&self) -> Status {
        let role = match self.role {
            Role::Follower => RoleName::Follower,
            Role::Candidate(_) => RoleName::Candidate,
            Role::Leader(_) => RoleName::Leader,
        };
        let leader = self.led.then_some(self.promised.node);
        let last = self.votes.last_key_value().map_or(Slot(0), |(slot, _)| *slot);
        Status { id: self.id, role, promised: self.promised, leader, commit: self.commit, last }
    }

    /// Its vote in a slot; in [`Ballot::CHOSEN`], what it knows to be chosen there.
    pub fn vote(&self, slot: Slot) -> Option<&Vote<Value>> {
        self.votes.get(&slot)
    }

    /// When [`Replica::tick`] must be called at the latest.
    pub fn next_deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn alive(&self) -> Result<(), Error> {
        if self.lost { Err(Error::PersistLost) } else { Ok(()) }
    }

    /// Proposes a command, as leader; the answer is its slot. It is decided when that slot is applied, for this command or,
    /// if this leader was deposed, for another's: compare. Unless it is seen there, it may yet be chosen or never be.
    ///
    /// # Errors
    /// Whom to ask instead, or when; see [`Rejected`].
    pub fn propose(&mut self, now: Instant, command: Bytes) -> Result<Slot, Rejected> {
        self.alive()?;
        self.now = self.now.max(now);
        if command.len() > self.options.max_command_bytes {
            return Err(Rejected::TooLarge);
        }
        let limit = self.commit.0 + self.options.max_open;
        let hint = self.led.then_some(self.promised.node);
        let Role::Leader(leader) = &mut self.role else { return Err(Rejected::NotLeader { hint }) };
        if leader.next.0 > limit || !leader.recovered.is_empty() {
            return Err(Rejected::Overloaded);
        }
        Ok(leader.open(Value::Command(command)))
    }

    /// A message has come.
    ///
    /// # Errors
    /// No correct member said this to us: nothing has changed. See [`Refused`].
    pub fn step(&mut self, now: Instant, message: Message) -> Result<(), Refused> {
        self.alive()?;
        message.check(self.id, &self.cluster)?;
        self.now = self.now.max(now);
        self.take(message.from, message.body)
    }

    /// What anybody says, this node itself included.
    pub(super) fn take(&mut self, from: NodeId, body: Body) -> Result<(), Refused> {
        match body {
            Body::Prepare { ballot, first } => self.on_prepare(from, ballot, first),
            Body::Accept { ballot, values, commit } => return self.on_accept(from, ballot, values, commit),
            Body::Learn { first, values, commit } => return self.on_learn(from, first, values, commit),
            Body::Promise { ballot, first, votes, next } => self.on_promise(from, ballot, first, votes, next),
            Body::Accepted { ballot, slots, missing } => self.on_accepted(from, ballot, slots, missing),
            Body::Rejected { ballot, promised } => {
                self.seen = self.seen.max(promised);
                let mine = matches!(self.role, Role::Candidate(_) | Role::Leader(_)) && ballot == self.promised;
                if mine {
                    self.follow();
                }
            }
        }
        Ok(())
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.alive().is_err() || self.now < self.deadline {
            return;
        }
        match self.role {
            Role::Leader(_) => self.beat(),
            _ => self.begin(),
        }
    }

    /// Stands for leader at once, whoever leads: for whoever knows better than the clock.
    pub fn campaign(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.alive().is_ok() {
            self.begin();
        }
    }

    /// Is patient once more, for a time drawn anew.
    pub(super) fn wait(&mut self) {
        let jitter = self.rng.below(self.options.jitter.as_micros() as u64);
        self.deadline = self.now + self.options.patience + std::time::Duration::from_micros(jitter);
    }

    /// Leads no more, nor tries to.
    pub(super) fn follow(&mut self) {
        self.role = Role::Follower;
        self.led = false;
        self.wait();
    }

    /// Says what promises nothing, or only what is durable.
    pub(super) fn say(&mut self, to: NodeId, body: Body) {
        if to == self.id {
            self.local.push_back(body);
        } else {
            self.outbox.push(Message { from: self.id, to, body });
        }
    }

    /// Says something when all that the node knows now is durable.
    pub(super) fn promise(&mut self, to: NodeId, body: Body) {
        if mutated!(self.cluster, SkipSync) {
            self.say(to, body);
        } else {
            self.sealed.push((to, body));
        }
    }

    /// What is chosen in a slot is known now.
    pub(super) fn learn(&mut self, slot: Slot, value: Value) {
        let vote = self.votes.get_mut(&slot).filter(|vote| vote.value == value);
        if let Some(vote) = vote {
            // On the disk it stays a vote, and a true one, until a `Commit` says more.
            vote.ballot = Ballot::CHOSEN;
        } else {
            let vote = Vote { ballot: Ballot::CHOSEN, value };
            self.records.push(Record::Voted(slot, vote.clone()));
            self.votes.insert(slot, vote);
        }
    }

    pub(super) fn is_chosen(&self, slot: Slot) -> bool {
        self.votes.get(&slot).is_some_and(|vote| vote.ballot == Ballot::CHOSEN)
    }

    /// Moves the commit over all that is chosen.
    pub(super) fn advance(&mut self) {
        while self.is_chosen(self.commit.next()) {
            self.commit = self.commit.next();
        }
    }

    /// The first values from a slot on that fit into one batch, at least one.
    pub(super) fn batch<T>(&self, items: impl Iterator<Item = T>, size: impl Fn(&T) -> usize) -> Vec<T> {
        let mut bytes = 0;
        let mut batch = Vec::new();
        for item in items {
            bytes += size(&item);
            if bytes > self.options.max_batch_bytes && !batch.is_empty() {
                break;
            }
            batch.push(item);
        }
        batch
    }

    pub(super) fn nodes(&self) -> Arc<[NodeId]> {
        self.cluster.nodes.clone()
    }
}
