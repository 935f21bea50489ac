//! A log: one synod a slot, and a leader who does phase 1 for all of them at once: [`Replica`].
//!
//! # The problem
//!
//! A log is a value for slot 1, one for slot 2, and so on, and [`single`](super::single) can decide each. That costs two
//! round trips a command, and proposers that outbid each other. But phase 1 does not speak of values: one `Prepare` can
//! begin a ballot in *every* slot, those that nobody has heard of included. Whoever did that may fill slot after slot with
//! phase 2 alone, for as long as nobody begins a higher ballot. What is left is to say when somebody should; what a new
//! leader does about slots that the old one left half done; and how those that missed something get it.
//!
//! # How it works
//!
//! A replica is all three roles at once: an acceptor for every slot, a learner of what is chosen, and, when it hears
//! nothing from a leader for a while, a proposer.
//!
//! ```text
//!   slot         1     2     3     4     5     6     7     8
//!             ┌─────┬─────┬─────┬─────┬─────┬─────┬─────┬─────┐
//!   voted in  │  *  │  *  │  *  │ 3.2 │     │ 3.2 │  *  │     │     * chosen: a vote that nobody can outvote
//!             └─────┴─────┴─────┴─────┴─────┴─────┴─────┴─────┘
//!                             ▲ commit: all up to here is chosen
//!                               and is applied in this order
//!
//!               silence                 a quorum promises, for all slots
//!   Follower ───────────▶ Candidate ───────────────────────────────────▶ Leader
//!      ▲                      │                                            │
//!      └──────────────────────┴────────── somebody promised more ──────────┘
//! ```
//!
//! **A new leader** asks with `Prepare(ballot, first)` for all votes from its first undecided slot on; they come in pages.
//! When a quorum has told all, it proposes in its own ballot, slot by slot, the value of the highest vote, and a no-op
//! where nobody voted below a slot where somebody did. In the picture: slot 4's and slot 6's values again, a no-op in 5.
//! New commands need not wait for that: they go into slots behind.
//!
//! **A command** is voted for by a quorum, and with that it is chosen; the leader says so with whatever it sends next:
//! *everything up to my commit is chosen*. A follower may believe that only of slots where it voted in *this leader's*
//! ballot. For the rest it asks, and the leader sends the values: what is chosen is a fact and needs no ballot.
//!
//! **Reads go through the log**: a read is a command that changes nothing. It costs a slot, and is linearizable without a
//! word on clocks; a leader that was deposed can't have it chosen. (A lease would answer at once and need bounded drift,
//! and asking a quorum needs the bookkeeping that `raft`'s reads have.)
//!
//! **The order of things is a type.** What a node promises or votes for goes into a [`Persist`], which keeps the messages
//! that speak of it to itself until [`Replica::persisted`] gets it back. A node's own proposer asks its own acceptor by the
//! same messages, so its own vote counts when it is durable, by the same rule and the same code.
//!
//! # Invariants
//!
//! - P1a: no vote below the promise (`acceptor`), before or after a restart (`ready`).
//! - One value a slot and ballot: only the ballot's owner proposes, once a slot (`leader::fill`); a second one is refused
//!   (`message::check`, `acceptor`).
//! - P2c: a leader proposes in an old slot only what a phase-1 quorum told it (`leader::elect`).
//! - What is chosen stays: it is kept as a vote in [`Ballot::CHOSEN`], and no vote replaces that (`acceptor`).
//! - [`Ready::apply`] gives chosen values in the order of slots, each once a life.
//! - A gap has at most [`MAX_OPEN`] slots, for nobody opens a slot so far ahead of what it knows to be chosen; so no lie
//!   about a slot makes a new leader fill the log with no-ops.
//!
//! The campaign of `tests/paxos` watches all of these from outside, from the votes that became durable.
//!
//! # Cost
//!
//! A batch of commands costs a cluster of three four messages and three durable writes; the commit travels with the next
//! batch or heartbeat. A new leader reads from a quorum what it may have missed: nothing, if it was up to date, and up to
//! the whole log, if it was not. The log is in memory, whole.
//!
//! # Example
//!
//! A cluster of three without a network: messages are handed over.
//!
//! ```
//! use bytes::Bytes;
//! use xs_consensus::paxos::{Cluster, NodeId};
//! use xs_consensus::paxos::multi::{Kept, Options, Replica, Value};
//! use xs_os::{Clock, Rng, VirtualClock};
//!
//! let clock = VirtualClock::new();
//! let ids = [NodeId(1), NodeId(2), NodeId(3)];
//! let cluster = Cluster::majorities(ids)?;
//! let start = |id| {
//!     Replica::new(id, cluster.clone(), Kept::default(), Options::default(), Rng::from_seed(id.0), clock.now()).unwrap()
//! };
//! let mut replicas: Vec<Replica> = ids.map(start).into();
//!
//! let run = |replicas: &mut Vec<Replica>| {
//!     let mut applied = Vec::new();
//!     let mut net = Vec::new();
//!     loop {
//!         for replica in &mut *replicas {
//!             while let Some(ready) = replica.ready() {
//!                 if let Some(persist) = ready.persist {
//!                     // write `persist.records()` and sync: only then
//!                     replica.persisted(persist.done()).unwrap();
//!                 }
//!                 net.extend(ready.send);
//!                 applied.extend(ready.apply.into_iter().map(|(slot, value)| (replica.id(), slot, value)));
//!             }
//!         }
//!         let Some(message) = net.pop() else { return applied };
//!         let to = ids.iter().position(|id| *id == message.to).unwrap();
//!         replicas[to].step(clock.now(), message).unwrap();
//!     }
//! };
//!
//! replicas[0].campaign(clock.now());
//! run(&mut replicas);
//! replicas[0].propose(clock.now(), Bytes::from_static(b"tea"))?;
//! let applied = run(&mut replicas);
//! assert!(applied.iter().any(|(id, slot, value)| (id.0, slot.0) == (1, 1) && *value == Value::Command("tea".into())));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! "Paxos Made Moderately Complex" separates what is one replica here into replicas, leaders, acceptors, scouts and
//! commanders, which is easier to prove and has more messages. "Paxos Made Live" adds what Chubby needed: snapshots,
//! master leases, a membership, checksums. Spanner's leaders hold leases of ten seconds by TrueTime. `raft` beside this
//! does the same with a log that has no gaps; [the page above](super) compares them.
//!
//! # What this leaves out
//!
//! Snapshots, so that the log grows for ever and the state machine is made again from it at every start; reconfiguration;
//! reads that bypass the log; leases; a check that a candidate would win before it deposes anybody, so that a node that
//! comes back from a partition costs a change of leader; messages as bytes.
//!
//! # Try next
//!
//! Let followers that lack a slot ask each other instead of waiting for the leader's heartbeat. Then bound the log: a
//! snapshot that stands for all slots up to one, `first` of a `Prepare` below it, and what a candidate does then.
//!
//! # Sources
//!
//! L. Lamport, "Paxos Made Simple" (2001), 3: "Implementing a State Machine"; R. van Renesse and D. Altinbuken, "Paxos
//! Made Moderately Complex" (2015); T. Chandra, R. Griesemer and J. Redstone, "Paxos Made Live" (2007); H. Howard, D.
//! Malkhi and A. Spiegelman, "Flexible Paxos" (2016).

mod acceptor;
mod leader;
mod message;
mod options;
mod ready;
mod replica;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use super::{Ballot, Vote};

pub use message::{Body, Message};
pub use options::Options;
pub use ready::{Persist, Persisted, Ready};
pub use replica::{Replica, RoleName, Status};

/// The most slots that are open at a time, on any node, whatever [`Options::max_open`] says.
pub const MAX_OPEN: u64 = 1 << 16;

/// A place in the log; the first is 1, and 0 stands for "in front of the log".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u64);

impl Slot {
    /// The place behind this one.
    pub fn next(self) -> Slot {
        Slot(self.0 + 1)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is chosen in a slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Nothing: what a new leader fills a gap with.
    Noop,
    /// A command of the state machine.
    Command(Bytes),
}

/// What a value is counted as beside its bytes.
const OVERHEAD: usize = 24;

impl Value {
    /// Bytes that it counts as in every limit.
    pub fn size(&self) -> usize {
        match self {
            Value::Noop => OVERHEAD,
            Value::Command(bytes) => OVERHEAD + bytes.len(),
        }
    }
}

/// One thing that must not be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// It votes in no ballot below this.
    Promised(Ballot),
    /// Its last vote in a slot; in [`Ballot::CHOSEN`], what it was told is chosen there.
    Voted(Slot, Vote<Value>),
    /// Its votes up to here are for what was chosen. A hint, which lags behind.
    Commit(Slot),
}

/// All that was not forgotten: the sum of all records, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// It votes in no ballot below this.
    pub promised: Ballot,
    /// Its last vote in each slot.
    pub votes: BTreeMap<Slot, Vote<Value>>,
    /// Its votes up to here are for what was chosen.
    pub commit: Slot,
}

impl Kept {
    /// Adds a record.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Promised(ballot) => self.promised = self.promised.max(ballot),
            Record::Voted(slot, vote) => drop(self.votes.insert(slot, vote)),
            Record::Commit(slot) => self.commit = slot,
        }
    }
}
