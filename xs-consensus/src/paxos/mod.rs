//! Paxos beside Raft: the same agreement, cut along another line. [`single`] agrees on one value, [`multi`] on a log.
//!
//! # The problem
//!
//! It is that of [`raft`](crate::raft): machines that stop and come back, and a
//! network that loses, doubles and reorders, are to agree on what comes first, second and third, and never to go back on
//! it. Paxos is the older answer, and the one that other answers are explained by. It is told bottom up: first how to
//! agree on *one* value when anybody may propose at any time; then a log as many such values, and a leader as no more
//! than a way to be quick.
//!
//! # How it works
//!
//! A proposal is numbered by a [`Ballot`], which nobody else uses and which is used once. Whoever has a higher ballot
//! asks first what may have been decided below it, and proposes that and nothing else.
//!
//! ```text
//!   phase 1, once a ballot:   "b is begun; say what you voted for, and vote below b no more"    read
//!   phase 2, once a value:    "vote for v in b"                                                write
//!
//!        ┌── phase-1 quorum ──┐
//!        │   n1      n2    ┌──┼── phase-2 quorum of any lower ballot ──┐
//!        │                 │  n3             n4              n5        │
//!        └─────────────────┼──┘                                        │
//!                          └───────────────────────────────────────────┘
//!          the two meet: n3 tells the new ballot what the old one may have decided
//! ```
//!
//! Only quorums of *different* phases must meet. With n nodes, a phase-1 quorum of p and a phase-2 quorum of a are enough
//! if p + a > n ([`Cluster::flexible`], Howard's observation): of five nodes two may be enough to write, if four are asked
//! when a leader changes.
//!
//! **The same things under other names**:
//!
//! | | [`multi`] | `raft` |
//! |---|---|---|
//! | logical clock | ballot: a round and the node that began it, so it belongs to one node | term: belongs to whoever gets a majority's vote |
//! | becoming leader | phase 1: promises, which bring what was voted for | an election: votes, which bring nothing |
//! | who can win | anybody; it then takes over what the quorum has | only whose log has everything committed |
//! | a place in the log | slot, decided by itself and in any order | index, only behind the one in front of it |
//! | what a follower must have | nothing: gaps are allowed, and filled later | every entry up to the one that comes |
//! | a new leader's duty | propose again, in its own ballot, all that is open; no-ops in the gaps | nothing, but commit one entry of its own term |
//! | an old leader's entry | gets the new ballot, then counts like any other | keeps its term, and may not be counted (Figure 8) |
//! | decided | a phase-2 quorum voted in one ballot | a majority holds an entry of the leader's own term |
//! | what must not be forgotten | the promise; the vote in each slot | term and vote; the log |
//!
//! **What really differs** is one decision (Howard and Mortier): when there is a new leader, does the log come to the
//! leader, or the leadership to the log? Paxos lets anybody lead and moves entries in phase 1. Raft lets only the one lead
//! that has them, and so never moves an entry towards a leader; for that, votes depend on logs, and entries of old terms
//! need the rule of its section 5.4.2. Everything else, a stable leader, one round trip a command, one durable write on
//! each side, is the same in both, and so is the speed. Raft's other merit is its paper: it says how the whole thing is
//! built; here much of it is left to the reader, and [`multi`] is one reading.
//!
//! # Invariants
//!
//! - A ballot is used by one node, once: it names the node, and is durable before it is said ([`single::Proposer::prepare`];
//!   `multi`'s candidates promise it to themselves first).
//! - A phase-1 quorum meets every phase-2 quorum: [`Cluster::flexible`] refuses anything else.
//! - A promise, or a vote, is durable before anybody hears of it: it is sealed in a `Persist` of either module.
//!
//! # Cost
//!
//! Two round trips to decide a value from nothing, one under a leader who has done phase 1. See the two modules.
//!
//! # Example
//!
//! ```
//! use xs_consensus::paxos::{Ballot, Cluster, NodeId};
//!
//! let nodes: Vec<NodeId> = (1..=5).map(NodeId).collect();
//! assert_eq!(Cluster::majorities(nodes.clone())?.accept(), 3);
//! assert_eq!(Cluster::flexible(nodes.clone(), 4, 2)?.accept(), 2);
//! assert!(Cluster::flexible(nodes, 3, 2).is_err(), "two and three of five need not meet");
//!
//! let mine = Ballot::NONE.next(NodeId(1));
//! assert!(mine < Ballot::NONE.next(NodeId(2)), "of equal rounds the node decides");
//! # Ok::<(), xs_consensus::paxos::Error>(())
//! ```
//!
//! # How others do it
//!
//! Google's Chubby and Spanner stand on Multi-Paxos, Cassandra's light-weight transactions on a single decree a key, with
//! no leader at all. ZooKeeper's Zab and Viewstamped Replication are of the same family; the latter is older in print.
//! LibPaxos and OmniPaxos are libraries; OmniPaxos lets leadership and log travel apart, so that it survives links that
//! only some nodes have.
//!
//! # What this leaves out
//!
//! Nodes that lie. Fast Paxos, which saves a message delay and needs larger quorums; EPaxos, which has no leader;
//! reconfiguration; Disk Paxos. The bytes of messages and records: `raft` has a codec, these are values.
//!
//! # Try next
//!
//! Switch `Mutation::SmallQuorum` on in the model check of `tests/paxos/model.rs`: it prints the shortest way to two
//! decisions. Then read `raft`'s `advance_commit`, and see why no line of `multi` corresponds to it.
//!
//! # Sources
//!
//! L. Lamport, "The Part-Time Parliament" (1998) and "Paxos Made Simple" (2001); H. Howard, D. Malkhi and A. Spiegelman,
//! "Flexible Paxos: Quorum Intersection Revisited" (2016); H. Howard and R. Mortier, "Paxos vs Raft: Have we reached
//! consensus on distributed consensus?" (PaPoC 2020); R. van Renesse and D. Altinbuken, "Paxos Made Moderately Complex"
//! (2015); T. Chandra, R. Griesemer and J. Redstone, "Paxos Made Live" (2007).

#[cfg(feature = "mutations")]
macro_rules! mutated {
    ($cluster:expr, $name:ident) => {
        $cluster.mutation == Some(crate::paxos::Mutation::$name)
    };
}
/// Whether a deliberate bug is switched on; without the feature `mutations` it is a constant.
#[cfg(not(feature = "mutations"))]
macro_rules! mutated {
    ($cluster:expr, $name:ident) => {{
        let _ = &$cluster;
        false
    }};
}

mod error;
pub mod multi;
#[cfg(feature = "mutations")]
mod mutation;
pub mod single;

use std::fmt;
use std::sync::Arc;

pub use error::{Error, Refused, Rejected};
#[cfg(feature = "mutations")]
pub use mutation::Mutation;

/// A node's name, unique within its cluster for ever: a machine that lost its disk comes back under a new one.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Rounds and slots from here on are refused as damage: no cluster lives for that many.
const IMPOSSIBLE: u64 = 1 << 62;

/// The number of a proposal ("Paxos Made Simple", 2.2): rounds first, and of equal rounds the node. It says by itself whose
/// it is, so no two nodes share one.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// From 1.
    pub round: u64,
    /// Who proposes in it.
    pub node: NodeId,
}

impl Ballot {
    /// Below all others: nothing was promised yet.
    pub const NONE: Ballot = Ballot { round: 0, node: NodeId(0) };

    /// Above all others. What is known to be chosen is kept as a vote in it, for nobody can outvote that.
    pub const CHOSEN: Ballot = Ballot { round: u64::MAX, node: NodeId(u64::MAX) };

    /// A node's lowest ballot in the round above this one's.
    #[must_use]
    pub fn next(self, node: NodeId) -> Ballot {
        Ballot { round: self.round.saturating_add(1), node }
    }

    /// Whether `node` can have begun it.
    fn check(self, node: NodeId) -> Result<(), Refused> {
        match self {
            Ballot { round: 0 | IMPOSSIBLE.., .. } => Err(Refused::Impossible("a ballot out of range")),
            _ if self.node != node => Err(Refused::Impossible("somebody else's ballot")),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Ballot::NONE => f.write_str("none"),
            Ballot::CHOSEN => f.write_str("chosen"),
            Ballot { round, node } => write!(f, "{round}.{}", node.0),
        }
    }
}

impl fmt::Debug for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an acceptor voted for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote<V> {
    /// In which ballot.
    pub ballot: Ballot,
    /// For what.
    pub value: V,
}

/// Clusters have at most this many nodes.
pub const MAX_NODES: usize = 64;

/// Who takes part, and how many of them decide. It is the same on all nodes, and for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    nodes: Arc<[NodeId]>,
    prepare: usize,
    accept: usize,
    /// The bug that this node has.
    #[cfg(feature = "mutations")]
    pub mutation: Option<Mutation>,
}

impl Cluster {
    /// More than half of the nodes, in both phases.
    ///
    /// # Errors
    /// [`Error::Cluster`] for no nodes, one twice, or more than [`MAX_NODES`].
    pub fn majorities(nodes: impl Into<Vec<NodeId>>) -> Result<Cluster, Error> {
        let nodes = nodes.into();
        let most = nodes.len() / 2 + 1;
        Self::flexible(nodes, most, most)
    }

    /// `prepare` nodes for phase 1, which is asked when a leader changes, and `accept` for phase 2, which every value
    /// needs. A smaller `accept` makes writes quicker, and the loss of `n - prepare + 1` nodes fatal to elections.
    ///
    /// # Errors
    /// [`Error::Cluster`] if two such quorums may miss each other, and as in [`Cluster::majorities`].
    pub fn flexible(nodes: impl Into<Vec<NodeId>>, prepare: usize, accept: usize) -> Result<Cluster, Error> {
        let mut nodes = nodes.into();
        nodes.sort_unstable();
        if nodes.is_empty() || nodes.len() > MAX_NODES {
            return Err(Error::Cluster("1 to 64 nodes"));
        }
        if nodes.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::Cluster("a node stands in it twice"));
        }
        if prepare > nodes.len() || accept > nodes.len() || prepare + accept <= nodes.len() {
            return Err(Error::Cluster(
                "a quorum of phase 1 must meet every quorum of phase 2: prepare + accept > nodes",
            ));
        }
        let nodes = nodes.into();
        #[cfg(feature = "mutations")]
        return Ok(Cluster { nodes, prepare, accept, mutation: None });
        #[cfg(not(feature = "mutations"))]
        Ok(Cluster { nodes, prepare, accept })
    }

    /// All nodes, ascending.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// How many promises a ballot needs before it proposes.
    pub fn prepare(&self) -> usize {
        if mutated!(self, SmallQuorum) { self.prepare - 1 } else { self.prepare }
    }

    /// How many votes choose a value.
    pub fn accept(&self) -> usize {
        if mutated!(self, SmallQuorum) { (self.accept - 1).max(1) } else { self.accept }
    }

    fn member(&self, node: NodeId) -> Result<(), Refused> {
        self.nodes.binary_search(&node).map(drop).map_err(|_| Refused::Stranger(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever sizes are taken, no phase-1 quorum misses a phase-2 quorum; and what is refused has two that do.
        #[test]
        fn quorums_of_different_phases_meet(nodes in 1_u64..8, prepare in 0_usize..9, accept in 0_usize..9, a: u16, b: u16) {
            let all: Vec<_> = (0..nodes).map(NodeId).collect();
            let fits = prepare <= all.len() && accept <= all.len();
            let (a, b) = (a & ((1 << nodes) - 1), b & ((1 << nodes) - 1));
            match Cluster::flexible(all.clone(), prepare, accept) {
                Ok(_) => prop_assert!(
                    (a.count_ones() as usize) < prepare || (b.count_ones() as usize) < accept || a & b != 0
                ),
                // The first so many and the last so many.
                Err(_) => prop_assert!(!fits || prepare + accept <= all.len()),
            }
        }
    }

    #[test]
    fn clusters_that_cannot_be_are_refused() {
        let ids = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
        assert!(Cluster::majorities(ids(&[])).is_err());
        assert!(Cluster::majorities(ids(&[1, 2, 1])).is_err());
        assert!(Cluster::majorities((0..65).map(NodeId).collect::<Vec<_>>()).is_err());
        let four = Cluster::majorities(ids(&[1, 2, 3, 4])).unwrap();
        assert_eq!((four.prepare(), four.accept()), (3, 3));
    }
}
