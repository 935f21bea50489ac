//! What a replica does as an acceptor and a learner: promises, votes, and takes over what was chosen.

use super::{Ballot, Body, Record, Replica, Slot, Value, Vote};
use crate::paxos::{NodeId, Refused};

impl Replica {
    /// Promises a ballot, if it is above the promise; false if it is below.
    fn obey(&mut self, from: NodeId, ballot: Ballot) -> bool {
        self.seen = self.seen.max(ballot);
        if ballot < self.promised {
            self.say(from, Body::Rejected { ballot, promised: self.promised });
            return false;
        }
        if ballot > self.promised {
            self.promised = ballot;
            self.records.push(Record::Promised(ballot));
            self.follow();
        }
        if from != self.id {
            self.wait();
        }
        true
    }

    /// 1a.
    pub(super) fn on_prepare(&mut self, from: NodeId, ballot: Ballot, first: Slot) {
        if !self.obey(from, ballot) {
            return;
        }
        let told = self.votes.range(first..).map(|(slot, vote)| (*slot, vote.clone()));
        let votes = self.batch(told, |(_, vote)| vote.value.size());
        let behind = votes.last().map_or(first, |(slot, _)| slot.next());
        let next = self.votes.range(behind..).next().map(|(slot, _)| *slot);
        self.promise(from, Body::Promise { ballot, first, votes, next });
    }

    /// 2a.
    pub(super) fn on_accept(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        values: Vec<(Slot, Value)>,
        commit: Slot,
    ) -> Result<(), Refused> {
        let other = |(slot, value): &(Slot, Value)| {
            let vote = self.votes.get(slot);
            vote.is_some_and(|vote| vote.value != *value && (vote.ballot == ballot || vote.ballot == Ballot::CHOSEN))
        };
        if values.iter().any(other) {
            return Err(Refused::Impossible("a second value for a slot and ballot, or for what is chosen"));
        }
        let anyway = mutated!(self.cluster, AcceptWithoutPromise) && ballot < self.promised;
        if !anyway && !self.obey(from, ballot) {
            return Ok(());
        }
        self.led = true;
        let slots = values.iter().map(|(slot, _)| *slot).collect();
        for (slot, value) in values {
            // What is chosen can't be outvoted, and a vote that was given is not given again.
            if self.votes.get(&slot).is_none_or(|vote| vote.ballot != ballot && vote.ballot != Ballot::CHOSEN) {
                let vote = Vote { ballot, value };
                self.records.push(Record::Voted(slot, vote.clone()));
                self.votes.insert(slot, vote);
            }
        }
        // The leader of this ballot has proposed one value a slot; so its commit speaks of ours where we voted in it.
        let any = mutated!(self.cluster, CommitAnyBallot);
        while self.commit < commit
            && let Some(vote) = self.votes.get_mut(&self.commit.next())
            && (any || vote.ballot == ballot || vote.ballot == Ballot::CHOSEN)
        {
            vote.ballot = Ballot::CHOSEN;
            self.commit = self.commit.next();
        }
        self.advance();
        // Once a heartbeat: what is missing may only be late.
        let ask = self.commit < commit && self.now >= self.ask_at;
        let missing = ask.then(|| self.ask());
        self.promise(from, Body::Accepted { ballot, slots, missing });
        Ok(())
    }

    fn ask(&mut self) -> Slot {
        self.ask_at = self.now + self.options.heartbeat;
        self.commit.next()
    }

    /// Somebody knows more of what is chosen.
    pub(super) fn on_learn(
        &mut self,
        from: NodeId,
        first: Slot,
        values: Vec<Value>,
        commit: Slot,
    ) -> Result<(), Refused> {
        let slots = || (first.0..).map(Slot);
        let differs = |(slot, value): (Slot, &Value)| self.is_chosen(slot) && self.votes[&slot].value != *value;
        if slots().zip(&values).any(differs) {
            return Err(Refused::Impossible("a second value for what is chosen"));
        }
        // Something in between got lost: it comes again.
        if first > self.commit.next() {
            return Ok(());
        }
        let before = self.commit;
        for (slot, value) in slots().zip(values) {
            if !self.is_chosen(slot) {
                self.learn(slot, value);
            }
        }
        self.advance();
        self.fill();
        // Whoever hears it twice answers once, so that no second stream of these begins.
        if before < self.commit && self.commit < commit {
            let missing = Some(self.ask());
            self.promise(from, Body::Accepted { ballot: self.promised, slots: Vec::new(), missing });
        }
        Ok(())
    }
}
