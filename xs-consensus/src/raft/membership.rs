//! Who belongs to the cluster, and how that changes without two majorities ever deciding apart.
//!
//! A membership is an entry of the log and holds from the moment it is *in* the log (Raft paper, section 6), committed
//! or not; if the entry is cut off again, the membership before it holds again. A change that adds or removes at most
//! one voter is one entry: any majority before it and any after it share a node (thesis, 4.1). Any other goes through a
//! *joint* membership in which both majorities must agree, and which the leader leaves by a second entry as soon as the
//! first is committed.
//!
//! ```text
//!   voters {1 2 3} ─────────────── {1 2 3} and {1 4 5} ─────────────── {1 4 5}
//!                    one entry                            one entry, by itself
//! ```

use std::sync::Arc;

use super::error::Rejected;
use super::node::{Raft, Role};
use super::{Index, LogView, NodeId, Payload, Term};

/// Nodes of one membership, at most: a limit for what a stranger's bytes may claim.
pub const MAX_NODES: usize = 256;

/// Who belongs to the cluster. Lists are sorted and have no doubles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Membership {
    voters: Vec<NodeId>,
    outgoing: Vec<NodeId>,
    learners: Vec<NodeId>,
    witnesses: Vec<NodeId>,
}

/// One step of a change of membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A learner that has caught up becomes a voter (thesis, 4.2.1).
    AddVoter(NodeId),
    /// A learner that has caught up becomes a voter that keeps the log and no state machine.
    AddWitness(NodeId),
    /// A node that gets everything and doesn't count; a voter that becomes one.
    AddLearner(NodeId),
    /// No longer in the cluster.
    Remove(NodeId),
}

impl Membership {
    /// A membership of voters alone.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(voters: Vec<NodeId>) -> Result<Membership, &'static str> {
        Membership { voters, ..Membership::default() }.normal()
    }

    /// A membership of all its parts: the voters, those of before if it is joint (else none), nodes that don't count,
    /// and which of the voters are witnesses.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_parts(
        voters: Vec<NodeId>,
        outgoing: Vec<NodeId>,
        learners: Vec<NodeId>,
        witnesses: Vec<NodeId>,
    ) -> Result<Membership, &'static str> {
        Membership { voters, outgoing, learners, witnesses }.normal()
    }

    fn normal(mut self) -> Result<Membership, &'static str> {
        for list in [&mut self.voters, &mut self.outgoing, &mut self.learners, &mut self.witnesses] {
            list.sort_unstable();
            list.dedup();
        }
        self.check().map(|()| self)
    }

    /// Whether it can be: sorted, not too large, somebody votes and keeps the state, roles don't contradict each other.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let lists = [&self.voters, &self.outgoing, &self.learners, &self.witnesses];
        if lists.iter().any(|list| !list.is_sorted_by(|a, b| a < b)) {
            return Err("unsorted or double");
        }
        if lists.iter().map(|list| list.len()).sum::<usize>() > MAX_NODES {
            return Err("too many nodes");
        }
        if self.voters.iter().all(|voter| self.is_witness(*voter)) {
            return Err("no voter keeps the state");
        }
        if self.learners.iter().any(|learner| self.voters.contains(learner)) {
            return Err("a learner that votes");
        }
        if self.witnesses.iter().any(|witness| !self.is_voter(*witness)) {
            return Err("a witness that doesn't vote");
        }
        Ok(())
    }

    /// The voters; in a joint membership the incoming ones.
    pub fn voters(&self) -> &[NodeId] {
        &self.voters
    }

    /// In a joint membership the voters of before, else nobody.
    pub fn outgoing(&self) -> &[NodeId] {
        &self.outgoing
    }

    /// Nodes that get the log and don't count.
    pub fn learners(&self) -> &[NodeId] {
        &self.learners
    }

    /// Voters that keep no state machine.
    pub fn witnesses(&self) -> &[NodeId] {
        &self.witnesses
    }

    /// Whether two majorities must agree.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether the node's vote counts, in either majority.
    pub fn is_voter(&self, id: NodeId) -> bool {
        self.voters.binary_search(&id).is_ok() || self.outgoing.binary_search(&id).is_ok()
    }

    /// Whether the node keeps no state machine.
    pub fn is_witness(&self, id: NodeId) -> bool {
        self.witnesses.binary_search(&id).is_ok()
    }

    /// Whether the node gets the log.
    pub fn contains(&self, id: NodeId) -> bool {
        self.is_voter(id) || self.learners.binary_search(&id).is_ok()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.voters.is_empty()
    }

    /// All nodes, each once, in no order that means something.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        let outgoing = self.outgoing.iter().filter(|id| self.voters.binary_search(id).is_err());
        let learners = self.learners.iter().filter(|id| !self.is_voter(**id));
        self.voters.iter().chain(outgoing).chain(learners).copied()
    }

    /// The membership after `changes`: joint if more than one voter comes or goes.
    ///
    /// # Errors
    /// What is wrong with the changes.
    pub fn changed(&self, changes: &[Change]) -> Result<Membership, &'static str> {
        let mut next = Membership { outgoing: Vec::new(), ..self.clone() };
        for change in changes {
            let (Change::AddVoter(id) | Change::AddWitness(id) | Change::AddLearner(id) | Change::Remove(id)) = *change;
            let was_witness = self.is_witness(id);
            let stays = !matches!(change, Change::Remove(_));
            if stays && self.is_voter(id) && was_witness != matches!(change, Change::AddWitness(_)) {
                // A witness has nothing that could become a state machine, and the snapshot that it would need is not
                // sent to a node whose log is complete.
                return Err(
                    "a witness can't become something else, nor anything else a witness: remove it, and add a node of another id",
                );
            }
            for list in [&mut next.voters, &mut next.learners, &mut next.witnesses] {
                list.retain(|other| *other != id);
            }
            match change {
                Change::AddVoter(_) => next.voters.push(id),
                Change::AddWitness(_) => {
                    next.voters.push(id);
                    next.witnesses.push(id);
                }
                Change::AddLearner(_) => next.learners.push(id),
                Change::Remove(_) => {}
            }
        }
        let mut next = next.normal()?;
        let differing = next.voters.iter().filter(|id| !self.voters.contains(id)).count()
            + self.voters.iter().filter(|id| !next.voters.contains(id)).count();
        if differing > 1 {
            next.outgoing.clone_from(&self.voters);
            next.witnesses.extend(&self.witnesses);
        }
        let next = next.normal()?;
        if next == *self { Err("it changes nothing") } else { Ok(next) }
    }

    /// The membership behind a joint one.
    pub(super) fn left(&self) -> Membership {
        let mut next = Membership { outgoing: Vec::new(), ..self.clone() };
        next.witnesses.retain(|id| next.voters.contains(id));
        next
    }

    #[cfg(test)]
    pub(super) fn joint_of(outgoing: Vec<NodeId>, voters: Vec<NodeId>) -> Membership {
        Membership { voters, outgoing, ..Membership::default() }.normal().unwrap()
    }
}

/// The memberships of a log: the one that held at its front, and those of its entries.
#[derive(Debug)]
pub(super) struct Memberships {
    /// Never empty; the last one holds.
    all: Vec<(Index, Arc<Membership>)>,
}

impl Memberships {
    pub(super) fn new(index: Index, membership: Arc<Membership>) -> Self {
        Memberships { all: vec![(index, membership)] }
    }

    /// The one that holds, and where it stands.
    pub(super) fn latest(&self) -> &(Index, Arc<Membership>) {
        self.all.last().expect("one is always there")
    }

    /// The one that holds for the log up to `index`.
    pub(super) fn at(&self, index: Index) -> &Arc<Membership> {
        let found = self.all.iter().rfind(|(at, _)| *at <= index);
        &found.unwrap_or(&self.all[0]).1
    }

    /// The one that held before the latest, if that is not known to be committed.
    pub(super) fn replaced(&self, commit: Index) -> Option<&Membership> {
        let (index, _) = self.latest();
        (*index > commit && self.all.len() > 1).then(|| &*self.all[self.all.len() - 2].1)
    }

    pub(super) fn push(&mut self, index: Index, membership: Arc<Membership>) {
        self.all.push((index, membership));
    }

    /// Forgets those of entries from `index` on, which were cut off.
    pub(super) fn truncate_from(&mut self, index: Index) {
        while self.all.len() > 1 && self.latest().0 >= index {
            self.all.pop();
        }
    }

    /// Forgets what held before `index`.
    pub(super) fn compact(&mut self, index: Index) {
        let keep = self.all.iter().rposition(|(at, _)| *at <= index).unwrap_or(0);
        self.all.drain(..keep);
    }
}

impl<L: LogView> Raft<L> {
    /// Proposes a change of membership. It holds when it is committed *and* no longer joint: see
    /// [`Status::membership`](super::Status::membership).
    ///
    /// # Errors
    /// Those of [`Raft::propose`], [`Rejected::ChangeUnderWay`], [`Rejected::Behind`] and [`Rejected::BadChange`].
    pub fn propose_membership(
        &mut self,
        now: std::time::Instant,
        changes: &[Change],
    ) -> Result<(Term, Index), Rejected> {
        self.alive()?;
        self.set_now(now);
        let Role::Leader(leader) = &self.role else { return Err(Rejected::NotLeader { hint: self.leader }) };
        if let Some(transfer) = &leader.transfer {
            return Err(Rejected::Transferring(transfer.to));
        }
        let (index, membership) = self.memberships.latest();
        // A leader that has committed nothing in its term may not know what an earlier one has begun (the flaw of
        // one-at-a-time changes that was found after the thesis).
        let under_way = *index > self.commit || membership.is_joint() || self.commit < leader.noop;
        if under_way && !mutated!(self, OverlappingMembership) {
            return Err(Rejected::ChangeUnderWay);
        }
        let mut next = membership.changed(changes).map_err(Rejected::BadChange)?;
        // Else the next election could depend on a node that has nothing, knows nobody, and so votes for nobody.
        let behind = next.voters().iter().find(|id| {
            let progress = leader.progress.iter().find(|progress| progress.id == **id);
            !membership.is_voter(**id) && progress.is_none_or(|progress| progress.matched < *index)
        });
        if let Some(behind) = behind {
            return Err(Rejected::Behind(*behind));
        }
        if mutated!(self, OneStepMembership) {
            next = next.left();
        }
        let at = self.append(Payload::Membership(Arc::new(next)));
        self.after_own_append();
        Ok((self.term, at))
    }

    /// The membership that holds for the log up to `index`: what a snapshot of the state machine at `index` says.
    pub fn membership_at(&self, index: Index) -> Arc<Membership> {
        self.memberships.at(index).clone()
    }

    /// What follows when a membership is committed: a joint one is left, a leader that is not in the new one goes.
    pub(super) fn membership_committed(&mut self) {
        let Role::Leader(leader) = &self.role else { return };
        let (index, membership) = self.memberships.latest();
        if *index > self.commit || self.commit < leader.noop {
            return;
        }
        if membership.is_joint() {
            let next = Arc::new(membership.left());
            self.append(Payload::Membership(next));
        } else if !membership.is_voter(self.id) {
            // Whoever has it all need not wait for a timeout to lead the others.
            let last = self.log.last().0;
            let heir = leader.progress.iter().find(|p| p.matched == last && membership.is_voter(p.id)).map(|p| p.id);
            if let Some(heir) = heir {
                self.say(heir, super::Body::TimeoutNow { last });
            }
            self.become_follower(self.term, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Change::{AddLearner, AddVoter, AddWitness, Remove};

    fn ids(ids: &[u64]) -> Vec<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    #[test]
    fn one_voter_more_or_less_needs_no_joint_membership_and_two_do() {
        let three = Membership::of(ids(&[1, 2, 3])).unwrap();
        let four = three.changed(&[AddVoter(NodeId(4))]).unwrap();
        assert!(!four.is_joint());
        assert_eq!(four.voters(), ids(&[1, 2, 3, 4]));
        let swapped = three.changed(&[AddVoter(NodeId(4)), Remove(NodeId(1))]).unwrap();
        assert_eq!((swapped.voters(), swapped.outgoing()), (&ids(&[2, 3, 4])[..], &ids(&[1, 2, 3])[..]));
        assert_eq!(swapped.nodes().count(), 4);
        let left = swapped.left();
        assert_eq!((left.voters(), left.is_joint()), (&ids(&[2, 3, 4])[..], false));
    }

    #[test]
    fn a_voter_that_becomes_a_learner_counts_until_the_joint_membership_is_left() {
        let three = Membership::of(ids(&[1, 2, 3])).unwrap();
        let joint = three.changed(&[AddLearner(NodeId(3)), AddVoter(NodeId(4))]).unwrap();
        assert!(joint.is_joint() && joint.is_voter(NodeId(3)));
        assert_eq!(joint.nodes().filter(|id| id.0 == 3).count(), 1);
        assert!(!joint.left().is_voter(NodeId(3)) && joint.left().contains(NodeId(3)));
    }

    #[test]
    fn changes_that_make_no_sense_are_refused() {
        let three = Membership::from_parts(ids(&[1, 2, 3]), vec![], vec![], ids(&[3])).unwrap();
        assert!(three.changed(&[]).is_err());
        assert!(three.changed(&[AddVoter(NodeId(3))]).is_err(), "a witness has no state");
        assert!(three.changed(&[AddWitness(NodeId(2))]).is_err());
        assert!(three.changed(&[Remove(NodeId(1)), Remove(NodeId(2))]).is_err(), "nobody would keep the state");
        assert!(three.changed(&[Remove(NodeId(3))]).unwrap().witnesses().is_empty());
        assert!(Membership::of(vec![]).is_err());
        assert!(Membership::from_parts(ids(&[1]), vec![], ids(&[1]), vec![]).is_err());
        assert!(Membership::of((0..300).map(NodeId).collect()).is_err());
    }

    #[test]
    fn a_membership_whose_entry_is_cut_off_holds_no_more() {
        let (a, b) = (Membership::of(ids(&[1])).unwrap(), Membership::of(ids(&[1, 2])).unwrap());
        let mut all = Memberships::new(Index(0), Arc::new(a.clone()));
        all.push(Index(5), Arc::new(b.clone()));
        assert_eq!((&**all.at(Index(4)), &**all.at(Index(5))), (&a, &b));
        all.truncate_from(Index(6));
        assert_eq!(all.latest().0, Index(5));
        all.truncate_from(Index(5));
        assert_eq!(*all.latest().1, a);
        all.push(Index(7), Arc::new(b.clone()));
        all.compact(Index(9));
        assert_eq!((all.latest().0, &**all.at(Index(8))), (Index(7), &b));
    }
}
