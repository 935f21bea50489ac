//! What a replica does as a proposer: begins a ballot in all slots, takes over what it finds there, and proposes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ballot, Body, MAX_OPEN, Record, Replica, Slot, Value, Vote};
use crate::paxos::NodeId;

/// What a replica is, and what it remembers for that.
#[derive(Debug)]
pub(super) enum Role {
    Follower,
    Candidate(Candidate),
    Leader(Leader),
}

/// Phase 1 under way, in the ballot that the node has promised.
#[derive(Debug)]
pub(super) struct Candidate {
    /// What comes next from each acceptor; none: it has told all.
    pages: BTreeMap<NodeId, Option<Slot>>,
    /// The highest vote in each slot, of all that was told.
    found: BTreeMap<Slot, Vote<Value>>,
}

/// Phase 2, in the ballot that the node has promised.
#[derive(Debug)]
pub(super) struct Leader {
    /// Proposed, and not known to be chosen.
    open: BTreeMap<Slot, Open>,
    /// The first slot in which nothing was proposed.
    pub(super) next: Slot,
    /// The first slot whose proposal was not sent yet.
    unsent: Slot,
    /// What phase 1 found in slots from `next` on.
    pub(super) recovered: BTreeMap<Slot, Value>,
}

#[derive(Debug)]
struct Open {
    value: Value,
    voters: BTreeSet<NodeId>,
}

impl Leader {
    /// Proposes a value in the next slot.
    pub(super) fn open(&mut self, value: Value) -> Slot {
        let slot = self.next;
        self.open.insert(slot, Open { value, voters: BTreeSet::new() });
        self.next = slot.next();
        slot
    }
}

impl Replica {
    /// Begins a ballot above all that it has heard of. It is promised here first, so that it is used once.
    pub(super) fn begin(&mut self) {
        self.follow();
        self.promised = self.seen.max(self.promised).next(self.id);
        self.seen = self.promised;
        self.records.push(Record::Promised(self.promised));
        let mut first = self.commit.next();
        let mut found = BTreeMap::new();
        if mutated!(self.cluster, SkipOldSlots) {
            found = self.votes.range(first..).map(|(slot, vote)| (*slot, vote.clone())).collect();
            first = self.votes.last_key_value().map_or(first, |(slot, _)| slot.next().max(first));
        }
        let pages = self.nodes().iter().map(|node| (*node, Some(first))).collect();
        self.role = Role::Candidate(Candidate { pages, found });
        for &node in &*self.nodes() {
            self.promise(node, Body::Prepare { ballot: self.promised, first });
        }
    }

    /// 1b.
    pub(super) fn on_promise(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        first: Slot,
        votes: Vec<(Slot, Vote<Value>)>,
        next: Option<Slot>,
    ) {
        let Role::Candidate(candidate) = &mut self.role else { return };
        if ballot != self.promised || candidate.pages.get(&from) != Some(&Some(first)) {
            return;
        }
        candidate.pages.insert(from, next);
        let first_wins = mutated!(self.cluster, FirstVote);
        let mut chosen = Vec::new();
        for (slot, vote) in votes {
            if vote.ballot == Ballot::CHOSEN {
                chosen.push((slot, vote.value));
            } else if candidate.found.get(&slot).is_none_or(|other| other.ballot < vote.ballot && !first_wins) {
                candidate.found.insert(slot, vote);
            }
        }
        let told = candidate.pages.values().filter(|page| page.is_none()).count();
        for (slot, value) in chosen {
            if !self.is_chosen(slot) {
                self.learn(slot, value);
            }
        }
        self.advance();
        // It goes on, so there is no reason to begin anew: a long log would never be told to the end.
        self.wait();
        match next {
            Some(first) => self.say(from, Body::Prepare { ballot, first }),
            None if told >= self.cluster.prepare() => self.elect(),
            None => {}
        }
    }

    /// P2c for all slots at once: what a quorum voted for highest is proposed, and nothing where nobody voted.
    fn elect(&mut self) {
        let Role::Candidate(candidate) = std::mem::replace(&mut self.role, Role::Follower) else { return };
        let mut found = candidate.found;
        let own = mutated!(self.cluster, OwnValue);
        found.retain(|slot, _| *slot > self.commit && !self.is_chosen(*slot));
        let behind = self.votes.range(self.commit.next()..).filter(|(_, vote)| vote.ballot == Ballot::CHOSEN);
        let chosen: Vec<Slot> = behind.map(|(slot, _)| *slot).collect();
        let last = found.last_key_value().map(|(slot, _)| *slot).max(chosen.last().copied()).unwrap_or(self.commit);
        // Whoever opened the last slot knew all but so many to be chosen, and a quorum would have told of those.
        let known = found.len() + chosen.len();
        if last.0 - self.commit.0 - known as u64 > MAX_OPEN {
            return self.follow();
        }
        let mut recovered: BTreeMap<Slot, Value> = BTreeMap::new();
        for slot in (self.commit.0 + 1..=last.0).map(Slot) {
            let value = found.remove(&slot).filter(|_| !own).map_or(Value::Noop, |vote| vote.value);
            recovered.insert(slot, value);
        }
        let next = self.commit.next();
        self.role = Role::Leader(Leader { open: BTreeMap::new(), next, unsent: next, recovered });
        self.led = true;
        self.deadline = self.now + self.options.heartbeat;
        self.fill();
        if let Role::Leader(leader) = &self.role
            && leader.open.is_empty()
        {
            self.beat();
        }
    }

    /// Opens what phase 1 found, as far as the window goes.
    pub(super) fn fill(&mut self) {
        let limit = Slot(self.commit.0 + self.options.max_open);
        let Role::Leader(leader) = &mut self.role else { return };
        while leader.next <= limit
            && let Some(value) = leader.recovered.remove(&leader.next)
        {
            let known = self.votes.get(&leader.next).is_some_and(|vote| vote.ballot == Ballot::CHOSEN);
            if known {
                leader.next = leader.next.next();
            } else {
                leader.open(value);
            }
        }
    }

    /// Sends the proposals that nobody has seen.
    pub(super) fn flush(&mut self) {
        loop {
            let Role::Leader(leader) = &self.role else { return };
            let unsent = leader.open.range(leader.unsent..).map(|(slot, open)| (*slot, open.value.clone()));
            let values = self.batch(unsent, |(_, value)| value.size());
            let Some((last, _)) = values.last() else { return };
            let last = *last;
            for &node in &*self.nodes() {
                let body = Body::Accept { ballot: self.promised, values: values.clone(), commit: self.commit };
                self.say(node, body);
            }
            if let Role::Leader(leader) = &mut self.role {
                leader.unsent = last.next();
            }
        }
    }

    /// Tells all that it is there, and each again what it has not voted for.
    pub(super) fn beat(&mut self) {
        self.deadline = self.now + self.options.heartbeat;
        for &node in &*self.nodes() {
            let Role::Leader(leader) = &self.role else { return };
            if node == self.id {
                continue;
            }
            let open = leader.open.range(..leader.unsent);
            let missing = open.filter(|(_, open)| !open.voters.contains(&node));
            let values = missing.map(|(slot, open)| (*slot, open.value.clone()));
            let values = self.batch(values, |(_, value)| value.size());
            self.say(node, Body::Accept { ballot: self.promised, values, commit: self.commit });
        }
    }

    /// 2b.
    pub(super) fn on_accepted(&mut self, from: NodeId, ballot: Ballot, slots: Vec<Slot>, missing: Option<Slot>) {
        let enough = if mutated!(self.cluster, CommitWithoutQuorum) { 1 } else { self.cluster.accept() };
        let Role::Leader(leader) = &mut self.role else { return };
        if ballot != self.promised && !mutated!(self.cluster, CountOldVotes) {
            return;
        }
        let mut chosen = Vec::new();
        for slot in &slots {
            let Some(open) = leader.open.get_mut(slot) else { continue };
            open.voters.insert(from);
            if open.voters.len() >= enough
                && let Some(open) = leader.open.remove(slot)
            {
                chosen.push((*slot, open.value));
            }
        }
        for (slot, value) in chosen {
            self.learn(slot, value);
        }
        self.advance();
        self.fill();
        if let Some(first) = missing
            && first <= self.commit
        {
            let values = self.votes.range(first..=self.commit).map(|(_, vote)| vote.value.clone());
            let values = self.batch(values, Value::size);
            self.say(from, Body::Learn { first, values, commit: self.commit });
        }
    }
}
