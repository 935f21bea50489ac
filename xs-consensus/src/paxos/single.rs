//! One value: the synod of "Paxos Made Simple", as three state machines: [`Proposer`], [`Acceptor`], [`Learner`].
//!
//! # The problem
//!
//! Anybody may propose a value, at any time. One of the proposed values is to be chosen, never two, and never one that was
//! not proposed; and who learns it must learn the right one. A single acceptor would decide in one message, and hold
//! everything up for ever when it dies. So there are several, some of which suffice; and no acceptor knows what the others
//! have done.
//!
//! # How it works
//!
//! ```text
//!   proposer                     acceptors (each)                               learners
//!      │ 1a  Prepare(b)               │
//!      ├─────────────────────────────▶│ b at least promised?  promised = b ─▶ disk
//!      │ 1b  Promise(b, last vote)    │
//!      │◀─────────────────────────────┤ sealed until it is durable
//!      │ a phase-1 quorum: the value of its highest vote, or my own if there is none
//!      │ 2a  Accept(b, v)             │
//!      ├─────────────────────────────▶│ b at least promised?  vote = (b, v) ─▶ disk
//!      │                              ├── 2b  Accepted(b, v) ───────────────────▶│ a phase-2 quorum in one ballot:
//!      │◀── Rejected(b, promised) ────┤ otherwise, so that it can count higher   │ v is chosen
//! ```
//!
//! **How one gets there**, in the paper's steps, each implying the one before it; `tests` and the model check below cite
//! them.
//!
//! - **P1**: an acceptor accepts the first proposal that it gets. So there must be several rounds, for the first proposals
//!   may be three different ones.
//! - **P2**: if v is chosen, every higher-numbered proposal that is *chosen* has value v.
//! - **P2a**: …that is *accepted by anybody* has value v. But an acceptor that slept through it all would, by P1, accept
//!   what comes first.
//! - **P2b**: …that is *issued by anybody* has value v. So the duty is the proposer's.
//! - **P2c**: whoever issues (b, v) knows a quorum of which either nobody has accepted anything below b, or v is the value
//!   of the highest vote below b among them. To know that of the future as well, it has them promise (**P1a**).
//!
//! Two proposers may outbid each other for ever: that is the price of safety without clocks (Fischer, Lynch and Paterson).
//! Whoever drives them makes them wait, for times drawn at random; `multi` does it with a leader.
//!
//! # Invariants
//!
//! - An acceptor votes in no ballot below one that it promised ([`Acceptor::step`]), also after a crash: the answer is
//!   sealed in a [`Persist`] with what must be kept.
//! - A ballot has one value: a proposer's ballots are used once ([`Proposer::prepare`], sealed likewise), and an acceptor
//!   refuses a second one.
//! - P2c, and with it agreement: `tests/paxos/model.rs` visits every state of small configurations, whatever is lost,
//!   doubled, overtaken or crashed.
//!
//! # Cost
//!
//! Two round trips and two durable writes an acceptor for a value that nobody disputes. State: one ballot and one vote.
//!
//! # Example
//!
//! ```
//! use xs_consensus::paxos::{Cluster, NodeId};
//! use xs_consensus::paxos::single::{Acceptor, Kept, Learner, Proposer};
//!
//! let ids = [NodeId(1), NodeId(2), NodeId(3)];
//! let cluster = Cluster::majorities(ids)?;
//! let mut acceptors: Vec<_> = ids.map(|id| Acceptor::new(cluster.clone(), id, Kept::default())).into();
//! let mut learner = Learner::new(cluster.clone());
//!
//! let mut decide = |proposer: &mut Proposer<&'static str>| {
//!     let (me, mut said) = (proposer.id(), vec![proposer.prepare().done()]);      // write its ballot first
//!     while let Some(message) = said.pop() {
//!         for acceptor in &mut acceptors {
//!             let answer = acceptor.step(me, &message).unwrap();                    // write `answer.kept()` first
//!             let (from, answer) = (acceptor.id(), answer.done());
//!             learner.step(from, &answer).unwrap();
//!             said.extend(proposer.step(from, &answer).unwrap());
//!         }
//!     }
//!     learner.chosen().copied()
//! };
//! assert_eq!(decide(&mut Proposer::new(cluster.clone(), NodeId(1), "tea", Default::default())), Some("tea"));
//! // Whoever comes later proposes what was chosen, and not what it wanted.
//! assert_eq!(decide(&mut Proposer::new(cluster, NodeId(2), "coffee", Default::default())), Some("tea"));
//! # Ok::<(), xs_consensus::paxos::Error>(())
//! ```
//!
//! # How others do it
//!
//! Cassandra runs one such synod for every light-weight transaction on a row, and a third phase that commits. Howard's
//! generalisation keeps tables of register sets instead of ballots. CASPaxos makes the value a register: proposers apply a
//! function to what phase 1 found, and so get a compare-and-set without any log.
//!
//! # What this leaves out
//!
//! When to try again, and a distinguished learner that tells the others: a driver's business. Telling late-comers: ask a
//! quorum, by proposing.
//!
//! # Try next
//!
//! Let an acceptor answer a `Prepare` that equals its promise with `Rejected`, and see which loss of a message then costs
//! a ballot. Then turn the proposer into CASPaxos: give [`Proposer`] a function in place of a value.
//!
//! # Sources
//!
//! L. Lamport, "Paxos Made Simple" (2001), 2.2 and 2.3; M. Fischer, N. Lynch and M. Paterson, "Impossibility of
//! Distributed Consensus with One Faulty Process" (1985); D. Rystsov, "CASPaxos: Replicated State Machines without logs"
//! (2018).

use std::collections::BTreeMap;

use super::{Ballot, Cluster, NodeId, Refused, Vote};

/// What is said. Prepares and accepts go to all acceptors; the answers go to whoever asked, and `Accepted` also to all
/// learners.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message<V> {
    /// 1a: "This ballot begins."
    Prepare(Ballot),
    /// 1b: "I vote below it no more; this was my last vote."
    Promise {
        /// The ballot that began.
        ballot: Ballot,
        /// The highest vote below it.
        voted: Option<Vote<V>>,
    },
    /// 2a: "Vote for this."
    Accept(Vote<V>),
    /// 2b: "I have."
    Accepted(Vote<V>),
    /// "I have promised more."
    Rejected {
        /// What was asked for.
        ballot: Ballot,
        /// What was promised.
        promised: Ballot,
    },
}

/// What must be durable, and behind it what may be said then. Dropping it is losing a message: what must be kept is whole
/// in every later one.
#[must_use = "without it nobody hears the answer"]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Persist<K, V> {
    kept: K,
    sealed: Message<V>,
}

impl<K, V> Persist<K, V> {
    /// What must be durable, in place of what was kept before.
    pub fn kept(&self) -> &K {
        &self.kept
    }

    /// It is durable: this may be said.
    pub fn done(self) -> Message<V> {
        self.sealed
    }
}

/// What an acceptor must not forget.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kept<V> {
    /// It votes in no ballot below this.
    pub promised: Ballot,
    /// Its last vote.
    pub voted: Option<Vote<V>>,
}

/// Votes, and remembers its votes and promises.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acceptor<V> {
    cluster: Cluster,
    id: NodeId,
    kept: Kept<V>,
}

impl<V: Clone + Eq> Acceptor<V> {
    /// An acceptor with what it kept when it ran before.
    pub fn new(cluster: Cluster, id: NodeId, mut kept: Kept<V>) -> Self {
        if mutated!(cluster, ForgetPromise) {
            kept.promised = Ballot::NONE;
        }
        Acceptor { cluster, id, kept }
    }

    /// Its name.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Answers a `Prepare` or an `Accept`.
    ///
    /// # Errors
    /// Whoever sent it is no member, or no correct node.
    pub fn step(&mut self, from: NodeId, message: &Message<V>) -> Result<Persist<Kept<V>, V>, Refused> {
        self.cluster.member(from)?;
        let (Message::Prepare(ballot) | Message::Accept(Vote { ballot, .. })) = message else {
            return Err(Refused::NotForUs);
        };
        let ballot = *ballot;
        ballot.check(from)?;
        let low = ballot < self.kept.promised;
        let sealed = match message {
            Message::Accept(vote) if !low || mutated!(self.cluster, AcceptWithoutPromise) => {
                if self.kept.voted.as_ref().is_some_and(|voted| voted.ballot == ballot && voted.value != vote.value) {
                    return Err(Refused::Impossible("two values in one ballot"));
                }
                self.kept.promised = self.kept.promised.max(ballot);
                self.kept.voted = Some(vote.clone());
                Message::Accepted(vote.clone())
            }
            // P1a. The same again gets the same answer: the first one may be lost.
            Message::Prepare(_) if !low => {
                self.kept.promised = ballot;
                Message::Promise { ballot, voted: self.kept.voted.clone() }
            }
            _ => Message::Rejected { ballot, promised: self.kept.promised },
        };
        Ok(Persist { kept: self.kept.clone(), sealed })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase<V> {
    /// Nothing was asked since the start.
    Idle,
    /// Who has promised, and the last vote of each.
    Preparing(BTreeMap<NodeId, Option<Vote<V>>>),
    /// A value was proposed in this ballot.
    Proposed,
}

/// Tries to have a value chosen, and settles for another that may have been.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proposer<V> {
    cluster: Cluster,
    id: NodeId,
    value: V,
    ballot: Ballot,
    /// The highest ballot that it has heard of.
    seen: Ballot,
    phase: Phase<V>,
}

impl<V: Clone + Eq> Proposer<V> {
    /// A proposer of a value; `used` is the last ballot that it kept.
    pub fn new(cluster: Cluster, id: NodeId, value: V, used: Ballot) -> Self {
        Proposer { cluster, id, value, ballot: used, seen: used, phase: Phase::Idle }
    }

    /// Its name.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The ballot that it is in.
    pub fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// Begins a ballot above all that it has heard of, which must be durable before anybody hears of it: a ballot that is
    /// used again after a crash may get a second value. The message is for all acceptors.
    pub fn prepare(&mut self) -> Persist<Ballot, V> {
        self.ballot = self.seen.next(self.id);
        self.seen = self.ballot;
        self.phase = Phase::Preparing(BTreeMap::new());
        Persist { kept: self.ballot, sealed: Message::Prepare(self.ballot) }
    }

    /// Takes an acceptor's answer; once a quorum has promised, the proposal for all acceptors.
    ///
    /// # Errors
    /// Whoever sent it is no member, or no correct acceptor.
    pub fn step(&mut self, from: NodeId, message: &Message<V>) -> Result<Option<Message<V>>, Refused> {
        self.cluster.member(from)?;
        match message {
            Message::Rejected { ballot, promised } => {
                promised.check(promised.node)?;
                if promised <= ballot {
                    return Err(Refused::Impossible("rejected without a reason"));
                }
                self.seen = self.seen.max(*promised);
                Ok(None)
            }
            Message::Promise { ballot, voted } if *ballot == self.ballot => {
                let Phase::Preparing(promises) = &mut self.phase else { return Ok(None) };
                if voted.as_ref().is_some_and(|vote| vote.ballot >= self.ballot) {
                    return Err(Refused::Impossible("a vote in a ballot that has no value yet"));
                }
                promises.insert(from, voted.clone());
                if promises.len() < self.cluster.prepare() {
                    return Ok(None);
                }
                // P2c.
                let mut votes = promises.values().flatten();
                let bound = if mutated!(self.cluster, OwnValue) {
                    None
                } else if mutated!(self.cluster, FirstVote) {
                    votes.next()
                } else {
                    votes.max_by_key(|vote| vote.ballot)
                };
                let value = bound.map_or(&self.value, |vote| &vote.value).clone();
                self.phase = Phase::Proposed;
                Ok(Some(Message::Accept(Vote { ballot: self.ballot, value })))
            }
            // Answers to earlier ballots are late, and votes are the learners'.
            Message::Promise { .. } | Message::Accepted(_) => Ok(None),
            Message::Prepare(_) | Message::Accept(_) => Err(Refused::NotForUs),
        }
    }
}

/// Counts votes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Learner<V> {
    cluster: Cluster,
    /// The highest vote of each acceptor.
    votes: BTreeMap<NodeId, Vote<V>>,
    chosen: Option<V>,
}

impl<V: Clone + Eq> Learner<V> {
    /// One that knows nothing yet.
    pub fn new(cluster: Cluster) -> Self {
        Learner { cluster, votes: BTreeMap::new(), chosen: None }
    }

    /// What was chosen, if it knows.
    pub fn chosen(&self) -> Option<&V> {
        self.chosen.as_ref()
    }

    /// Takes an acceptor's `Accepted`, and lets everything else pass; says what is chosen now.
    ///
    /// # Errors
    /// Whoever sent it is no member, or no correct acceptor.
    pub fn step(&mut self, from: NodeId, message: &Message<V>) -> Result<Option<&V>, Refused> {
        self.cluster.member(from)?;
        if let Message::Accepted(vote) = message {
            vote.ballot.check(vote.ballot.node)?;
            let newer = self.votes.get(&from).is_none_or(|last| last.ballot < vote.ballot);
            if newer {
                self.votes.insert(from, vote.clone());
            }
            let same = self.votes.values().filter(|other| **other == *vote).count();
            if self.chosen.is_none() && same >= self.cluster.accept() {
                self.chosen = Some(vote.value.clone());
            }
        }
        Ok(self.chosen.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

    fn cluster() -> Cluster {
        Cluster::majorities(N).unwrap()
    }

    fn ballot(round: u64, node: u64) -> Ballot {
        Ballot { round, node: NodeId(node) }
    }

    fn vote(round: u64, node: u64, value: char) -> Vote<char> {
        Vote { ballot: ballot(round, node), value }
    }

    fn acceptor() -> Acceptor<char> {
        Acceptor::new(cluster(), N[0], Kept::default())
    }

    #[test]
    fn p1_an_acceptor_accepts_the_first_proposal_that_it_gets() {
        let answer = acceptor().step(N[1], &Message::Accept(vote(1, 2, 'x'))).unwrap();
        assert_eq!(answer.kept().voted, Some(vote(1, 2, 'x')));
        assert_eq!(answer.done(), Message::Accepted(vote(1, 2, 'x')));
    }

    #[test]
    fn p1a_it_accepts_unless_it_has_promised_more_and_remembers_that() {
        let mut first = acceptor();
        let promise = first.step(N[2], &Message::Prepare(ballot(2, 3))).unwrap();
        let mut again = Acceptor::new(cluster(), N[0], promise.kept().clone());
        let below = again.step(N[1], &Message::Accept(vote(2, 2, 'x'))).unwrap().done();
        assert_eq!(below, Message::Rejected { ballot: ballot(2, 2), promised: ballot(2, 3) });
        let prepare = again.step(N[1], &Message::Prepare(ballot(1, 2))).unwrap().done();
        assert_eq!(prepare, Message::Rejected { ballot: ballot(1, 2), promised: ballot(2, 3) });
        // Its own ballot, or a higher one without any promise, is as good.
        let own = again.step(N[2], &Message::Accept(vote(2, 3, 'x'))).unwrap().done();
        assert_eq!(own, Message::Accepted(vote(2, 3, 'x')));
        let above = again.step(N[1], &Message::Accept(vote(3, 2, 'x'))).unwrap();
        assert_eq!(above.kept().promised, ballot(3, 2));
    }

    #[test]
    fn p2c_the_highest_vote_of_the_quorum_is_proposed_and_ones_own_only_without_any() {
        let table = [
            ([None, None], 'm'),
            ([Some(vote(1, 1, 'x')), None], 'x'),
            ([Some(vote(1, 1, 'x')), Some(vote(2, 1, 'y'))], 'y'),
            ([Some(vote(1, 3, 'x')), Some(vote(1, 1, 'y'))], 'x'),
        ];
        for (votes, expected) in table {
            let mut proposer = Proposer::new(cluster(), N[1], 'm', ballot(6, 2));
            assert_eq!(proposer.prepare().done(), Message::Prepare(ballot(7, 2)));
            let mut said = None;
            for (from, voted) in N.into_iter().zip(votes) {
                assert_eq!(said, None, "not before there is a quorum");
                let promise = Message::Promise { ballot: ballot(7, 2), voted };
                said = proposer.step(from, &promise).unwrap();
                // One acceptor that answers twice is not two.
                assert!(said.is_some() || proposer.step(from, &promise) == Ok(None));
            }
            assert_eq!(said, Some(Message::Accept(vote(7, 2, expected))));
        }
    }

    #[test]
    fn a_rejected_proposer_counts_higher_next_time_and_never_uses_a_ballot_twice() {
        let mut proposer = Proposer::new(cluster(), N[0], 'm', Ballot::NONE);
        let begun = proposer.prepare();
        let used = *begun.kept();
        let rejected = Message::Rejected { ballot: used, promised: ballot(9, 3) };
        proposer.step(N[2], &rejected).unwrap();
        assert_eq!(*proposer.prepare().kept(), ballot(10, 1));
        let mut restarted = Proposer::new(cluster(), N[0], 'm', used);
        assert!(*restarted.prepare().kept() > used);
    }

    #[test]
    fn votes_of_different_ballots_choose_nothing() {
        let mut learner = Learner::new(cluster());
        assert_eq!(learner.step(N[0], &Message::Accepted(vote(1, 1, 'x'))), Ok(None));
        assert_eq!(learner.step(N[0], &Message::Accepted(vote(1, 1, 'x'))), Ok(None), "the same voter");
        assert_eq!(learner.step(N[1], &Message::Accepted(vote(2, 1, 'x'))), Ok(None), "another ballot");
        assert_eq!(learner.step(N[2], &Message::Accepted(vote(2, 1, 'x'))), Ok(Some(&'x')));
    }

    #[test]
    fn what_no_member_and_no_correct_node_says_is_refused() {
        let mut acceptor = acceptor();
        let stranger = NodeId(9);
        assert_eq!(acceptor.step(stranger, &Message::Prepare(ballot(1, 9))), Err(Refused::Stranger(stranger)));
        let impossible = [
            Message::Prepare(ballot(1, 3)),       // another's
            Message::Prepare(ballot(0, 2)),       // none
            Message::Prepare(ballot(1 << 62, 2)), // nobody counts so far
            Message::Prepare(Ballot::CHOSEN),     // nor this
            Message::Accept(Vote { ballot: ballot(u64::MAX, 2), value: 'x' }),
        ];
        for message in impossible {
            assert!(matches!(acceptor.step(N[1], &message), Err(Refused::Impossible(_))), "{message:?}");
        }
        acceptor.step(N[1], &Message::Accept(vote(1, 2, 'x'))).unwrap().done();
        let second = acceptor.step(N[1], &Message::Accept(vote(1, 2, 'y')));
        assert_eq!(second, Err(Refused::Impossible("two values in one ballot")));
        assert_eq!(acceptor.step(N[1], &Message::Accepted(vote(1, 2, 'x'))), Err(Refused::NotForUs));

        let mut proposer = Proposer::new(cluster(), N[0], 'm', Ballot::NONE);
        let begun = *proposer.prepare().kept();
        let promise = Message::Promise { ballot: begun, voted: Some(vote(5, 1, 'x')) };
        assert!(matches!(proposer.step(N[1], &promise), Err(Refused::Impossible(_))));
        let promise = Message::Promise { ballot: begun, voted: None };
        assert_eq!(proposer.step(stranger, &promise), Err(Refused::Stranger(stranger)));
        let rejected = Message::Rejected { ballot: begun, promised: Ballot::CHOSEN };
        assert!(matches!(proposer.step(N[1], &rejected), Err(Refused::Impossible(_))));

        let mut learner = Learner::new(cluster());
        assert_eq!(learner.step(stranger, &Message::Accepted(vote(1, 1, 'x'))), Err(Refused::Stranger(stranger)));
        assert!(learner.step(N[0], &Message::Accepted(Vote { ballot: Ballot::NONE, value: 'x' })).is_err());
    }
}
