//! What replicas say, and what none can have said.

use super::{Ballot, MAX_OPEN, Slot, Value, Vote};
use crate::paxos::{Cluster, IMPOSSIBLE, NodeId, Refused};

/// What one replica says to another. It may get lost, come twice, late and out of order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// What.
    pub body: Body,
}

/// The phases of "Paxos Made Simple", for many slots at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// 1a: "This ballot begins in all slots. What did you vote for, from `first` on?" The same ballot again asks for the
    /// next page.
    Prepare {
        /// Which ballot.
        ballot: Ballot,
        /// The first slot that is of interest.
        first: Slot,
    },
    /// 1b: "I vote below it no more. These were my votes."
    Promise {
        /// The ballot that began.
        ballot: Ballot,
        /// What was asked for.
        first: Slot,
        /// The last vote in each slot, ascending; what is known to be chosen as a vote in [`Ballot::CHOSEN`].
        votes: Vec<(Slot, Vote<Value>)>,
        /// Where the next page begins; none if this was the last.
        next: Option<Slot>,
    },
    /// 2a: "Vote for these." With nothing to vote for it is a heartbeat.
    Accept {
        /// The leader's ballot.
        ballot: Ballot,
        /// Slots ascending.
        values: Vec<(Slot, Value)>,
        /// All slots up to here are chosen; what you voted for there in this ballot is right.
        commit: Slot,
    },
    /// 2b: "I have."
    Accepted {
        /// In this ballot.
        ballot: Ballot,
        /// For these slots.
        slots: Vec<Slot>,
        /// What was chosen from here on was not told yet; none if nothing is missing.
        missing: Option<Slot>,
    },
    /// "I have promised more."
    Rejected {
        /// What was asked for.
        ballot: Ballot,
        /// What was promised.
        promised: Ballot,
    },
    /// "These are chosen", in consecutive slots.
    Learn {
        /// The first of them.
        first: Slot,
        /// And what stands there.
        values: Vec<Value>,
        /// All slots up to here are chosen.
        commit: Slot,
    },
}

fn possible(slot: Slot) -> Result<(), Refused> {
    if slot.0 < IMPOSSIBLE { Ok(()) } else { Err(Refused::Impossible("a slot out of range")) }
}

/// Slots ascend from `first` on.
fn ascending(first: Slot, mut slots: impl Iterator<Item = Slot>) -> Result<(), Refused> {
    let mut least = first;
    let ordered = slots.all(|slot| {
        let fits = slot >= least && slot.0 < IMPOSSIBLE;
        least = Slot(slot.0.saturating_add(1));
        fits
    });
    if ordered { Ok(()) } else { Err(Refused::Impossible("slots out of order or range")) }
}

impl Message {
    /// Whether a correct member can have said this to `me`, as far as the message alone tells.
    pub(super) fn check(&self, me: NodeId, cluster: &Cluster) -> Result<(), Refused> {
        if self.to != me {
            return Err(Refused::NotForUs);
        }
        cluster.member(self.from)?;
        if self.from == me {
            return Err(Refused::Impossible("from ourselves"));
        }
        match &self.body {
            Body::Prepare { ballot, first } => {
                ballot.check(self.from)?;
                possible(*first)
            }
            Body::Promise { ballot, first, votes, next } => {
                ballot.check(me)?;
                ascending(*first, votes.iter().map(|(slot, _)| *slot).chain(*next))?;
                let below = |vote: &Vote<Value>| vote.ballot < *ballot || vote.ballot == Ballot::CHOSEN;
                match votes.last() {
                    _ if !votes.iter().all(|(_, vote)| below(vote)) => {
                        Err(Refused::Impossible("a vote in a ballot that has no values yet"))
                    }
                    None if next.is_some() => Err(Refused::Impossible("an empty page in front of others")),
                    _ => Ok(()),
                }
            }
            Body::Accept { ballot, values, commit } => {
                ballot.check(self.from)?;
                possible(*commit)?;
                ascending(Slot(1), values.iter().map(|(slot, _)| *slot))?;
                let too_far = values.last().is_some_and(|(slot, _)| slot.0 > commit.0 + MAX_OPEN);
                if too_far { Err(Refused::Impossible("a slot too far ahead")) } else { Ok(()) }
            }
            // Whoever was told what is chosen answers in whatever ballot it has promised.
            Body::Accepted { ballot, slots, missing } => {
                if *ballot != Ballot::NONE {
                    ballot.check(ballot.node)?;
                }
                ascending(Slot(1), slots.iter().copied())?;
                missing.map_or(Ok(()), |slot| ascending(Slot(1), [slot].into_iter()))
            }
            Body::Rejected { ballot, promised } => {
                ballot.check(me)?;
                promised.check(promised.node)?;
                if promised > ballot { Ok(()) } else { Err(Refused::Impossible("rejected without a reason")) }
            }
            Body::Learn { first, values, commit } => {
                possible(*commit)?;
                possible(Slot(first.0.saturating_add(values.len() as u64)))?;
                if first.0 == 0 { Err(Refused::Impossible("slot 0")) } else { Ok(()) }
            }
        }
    }
}
