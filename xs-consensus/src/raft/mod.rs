//! Raft: a log that a majority of machines agrees on, as a value that takes messages and time: [`Raft`].
//!
//! # The problem
//!
//! Several machines are to hold the same state, and go on when some of them fail. If all apply the same commands in the
//! same order, they do; so the whole problem is to agree on a log. Messages get lost, come twice, late and out of order;
//! machines stop at any moment and come back with what was on their disks; clocks lie. Nothing that was once
//! acknowledged may be lost, no two machines may ever apply different commands at one place, and as long as a majority
//! can talk to each other, things must move on.
//!
//! # How it works
//!
//! Time is cut into **terms**. In each, at most one **leader** is elected, by a majority of votes, one vote a node and
//! term. Only the leader adds entries, and sends them to all others; an entry that a majority holds durably is
//! **committed**, and is applied everywhere.
//!
//! ```text
//!   the log of one node                              commit           last
//!                                                      ▼               ▼
//!   index      1     2     3     4     5     6     7     8     9    10
//!            ┌─────┬─────┬─────┬─────┬─────┬─────┬─────┬─────┬─────┬─────┐
//!   term     │  1  │  1  │  1  │  2  │  3  │  3  │  3  │  3  │  3  │  3  │
//!            └─────┴─────┴─────┴─────┴─────┴─────┴─────┴─────┴─────┴─────┘
//!            └── in a snapshot ──┘ └ applied ────┘     └─ may yet be replaced ─┘
//!                                                        by a later leader's
//! ```
//!
//! ```text
//!                silence for an           would be            is elected
//!               election timeout          elected
//!   Follower ──────────────────▶ PreCandidate ─────▶ Candidate ─────▶ Leader
//!      ▲                               │                 │               │
//!      └───────────────────────────────┴─────────────────┴───────────────┘
//!          somebody else leads, a higher term is seen, no majority is heard
//! ```
//!
//! **The way of a proposal** through three nodes. What is sent is at most one append a follower for each
//! [`Raft::ready`], however many proposals came before it; the leader's own disk and the network work at the same time.
//!
//! ```text
//!   client    leader n1                          n2                      n3
//!     │ propose │                                 │                       │
//!     ├────────▶│ append to the tail              │                       │
//!     │         ├── Append ──────────────────────▶│                       │
//!     │         ├── Append ────────────────────────────────────────────────▶
//!     │         ├─ Persist ─▶ disk                ├─ Persist ─▶ disk      ├─ Persist ─▶ disk
//!     │         │          ◀─ done                │          ◀─ done      │
//!     │         │◀──────────── AppendReply ───────┤  sealed until then    │
//!     │         │ a majority holds it: committed  │                       │
//!     │◀────────┤ apply                           │                       │
//!     │         ├── Append: commit ──────────────▶│ apply                 │
//! ```
//!
//! **Why it is safe** in four sentences. A candidate gets a vote only from nodes whose logs are not ahead of its own
//! (5.4.1), and a majority holds everything committed, so a leader has it all. A follower takes entries only behind an
//! entry that it has itself, with the same term (5.3), so two logs that agree at one place agree up to there. A leader
//! commits by counting only what it wrote in its own term (5.4.2), for an older entry may be held by a majority and still
//! be replaced. And what a node promises, it says only when it can't forget it.
//!
//! That last point is a type here. A vote or an acknowledgement is **sealed** inside of a [`Persist`], with the entries
//! and the hard state that it speaks of. The driver writes and syncs, calls [`Persist::done`], and hands the
//! [`Persisted`] to [`Raft::persisted`], which lets the messages out. There is no other way to them. Several `Persist`s
//! may be under way at once, so a slow disk does not stop the rest (thesis, 10.2.1). One that is dropped stops the node.
//!
//! **Where to read on**, in this order: `types`, `message` (what is said); `node` (the way of everything that comes in);
//! `election`; `log`, `progress`, `replication`; `ready` (what goes out, and when); `quorum`, `membership`; `reads`;
//! `transfer`; `snapshot`.
//!
//! **Elections that don't disturb.** Before it stands in a new term a node asks whether it would win (*pre-vote*): one that
//! was cut off comes back without a higher term. A leader that hears no majority steps down (*check-quorum*), and a node
//! that hears its leader doesn't listen to candidates. The three together have famous ways to lock up; each is a test.
//! Terms are told to whoever asks from an earlier one, so that no two camps can refuse each other for ever. Waiting times
//! are drawn anew each time.
//!
//! **Witnesses** vote, and keep the log, and no state machine: two machines and a small third one survive the loss of any.
//! They keep the *whole* log, commands included. Only an entry's term and index would do for voting; but if the leader
//! and the witness alone hold an entry and the leader dies, nobody could bring it to the other machine, and the cluster
//! would wait for the dead one. So a witness may even be elected, last of all; it takes no proposals, brings the others up
//! to date and hands on. It never makes a snapshot, so it never lets go of an entry: [`Raft::snapshot_meta`] is `None`.
//!
//! **Learners** get the log and count for nothing, until a change of membership makes them voters. A node votes when it
//! is asked, whatever it believes to be itself: it may have been made a voter and not know it yet.
//!
//! # Invariants
//!
//! - *Election safety*: at most one leader a term. (`election`: one vote a term, durable before it is said, its own
//!   included; [`Persist`].)
//! - *Leader append-only*: a leader never changes its own entries. (`replication`: only `accept` cuts, and a leader
//!   refuses appends of its term.)
//! - *Log matching*: same index and term, same entry and same past. (`replication::on_append`'s check of `prev`.)
//! - *Leader completeness*: what is committed is in every later leader's log. (`election::may_win`,
//!   `replication::advance_commit`; quorums intersect: `quorum`'s property tests.)
//! - *State machine safety*: [`Ready::apply`] gives committed entries, in order, each once, and durable here.
//! - A read sees all that was committed when it was asked. (`reads`.)
//! - A `LogView` is asked for nothing that a `Persist` under way is about to replace. (`log`: the tail is asked first.)
//! - Whatever comes in, no call panics, and what no correct node can have said changes nothing. (`message::check`;
//!   `codec` for bytes.)
//!
//! # Cost
//!
//! A batch of proposals costs a cluster of three six messages: two appends, two acknowledgements, two that tell of the
//! commit (none with [`Options::eager_commit`] off: then it travels with the next append). A read costs a share in one
//! round of four messages, or nothing under a lease. Entries are counted references: a command's bytes are not copied.
//! In memory: [`Options::cache_bytes`] of recent entries, what is not durable, and a few hundred bytes a follower.
//! Starting reads the log once.
//!
//! Three nodes in memory and on one thread, entries of 256 bytes, 100,000 proposals a round, medians of nine rounds taken in
//! turns (`cargo run --release -p xs-benches --features peers-raft -- raft`); raft-rs with its `batch_append` on, openraft 0.9:
//!
//! | proposals at a time | a CPU-second | raft-rs | openraft | messages a proposal | raft-rs | openraft |
//! |--:|--:|--:|--:|--:|--:|--:|
//! | 1 | 165,132 | 121,571 | 22,312 | 6 | 8 | 8 |
//! | 64 | 763,857 | 455,297 | 272,798 | 0.09 | 0.13 | 0.19 |
//! | 1024 | 804,322 | 509,535 | 382,310 | 0.006 | 0.008 | 0.012 |
//!
//! # Example
//!
//! A cluster of one: everything but the network.
//!
//! ```
//! use bytes::Bytes;
//! use xs_consensus::raft::{Initial, Membership, MemoryLog, NodeId, Options, Payload, Raft};
//! use xs_os::{Clock, Rng, VirtualClock};
//!
//! let clock = VirtualClock::new();
//! let membership = Membership::of(vec![NodeId(1)])?;
//! let initial = Initial { membership, ..Initial::default() };
//! let mut raft =
//!     Raft::new(NodeId(1), MemoryLog::new(), initial, Options::default(), Rng::from_seed(1), clock.now()).unwrap();
//!
//! let mut applied = Vec::new();
//! let mut drive = |raft: &mut Raft<MemoryLog>| {
//!     while let Some(ready) = raft.ready() {
//!         if let Some(persist) = ready.persist {
//!             raft.view_mut().persist(&persist, Bytes::new()); // and sync, on a disk
//!             raft.persisted(persist.done()).unwrap();         // only now its messages are let out
//!         }
//!         for entry in ready.apply {
//!             if let Payload::Command(command) = &entry.payload {
//!                 applied.push(command.clone());
//!             }
//!             raft.applied(entry.index);
//!         }
//!     }
//! };
//!
//! clock.advance(std::time::Duration::from_secs(1));
//! raft.tick(clock.now());                                      // silence: it stands for election, and wins
//! drive(&mut raft);
//! raft.propose(clock.now(), Bytes::from_static(b"tea"))?;
//! drive(&mut raft);
//! assert_eq!(applied, ["tea"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! etcd's raft, and raft-rs after it, are such values too; what must be persisted before what may be sent is a sentence
//! in their documentation (raft-rs keeps the two kinds of messages apart), time is counted in ticks, and a change of
//! membership holds when it is *applied*, which needs care of its own in elections. Here it holds when it is in the log,
//! as in the paper. openraft is async, and gives storage and network as traits to implement; its votes are ordered by
//! term and node, which lets two candidates of one term settle it. hashicorp/raft brings threads, stores and transports.
//! TigerBeetle's Viewstamped Replication chooses leaders in turn instead of by votes.
//!
//! # What this leaves out
//!
//! A disk that lies about syncs, and nodes that lie: Raft stands neither. A machine that lost its disk must come back
//! under a new id. If it returns under its old one with an empty [`Initial::membership`], it votes for nobody until a
//! leader has told it of the cluster; that makes a double vote improbable, and not impossible. Automatic promotion of
//! learners, weights of votes, a received part of a snapshot that outlives a restart, batching across many groups in one
//! process (multi-Raft), and compressing entries.
//!
//! # Try next
//!
//! Take the line with `of_this_term` out of `advance_commit`, and find a seed of the random network test that shows
//! Figure 8. Then give followers a delay before they apply, and watch which reads wait.
//!
//! # Sources
//!
//! D. Ongaro and J. Ousterhout, "In Search of an Understandable Consensus Algorithm (Extended Version)" (2014), the
//! numbers in parentheses; D. Ongaro, "Consensus: Bridging Theory and Practice" (dissertation, Stanford 2014), "thesis";
//! its author's note "bug in single-server membership changes" (raft-dev, 2015); H. Howard, "ARC: Analysis of Raft
//! Consensus" (2014); the threads of peers' bugs that `tests/raft/peers.rs` names.

#[cfg(feature = "mutations")]
macro_rules! mutated {
    ($raft:expr, $name:ident) => {
        $raft.options.mutation == Some(crate::raft::Mutation::$name)
    };
}
/// Whether a deliberate bug is switched on; without the feature `mutations` it is a constant.
#[cfg(not(feature = "mutations"))]
macro_rules! mutated {
    ($raft:expr, $name:ident) => {
        false
    };
}
#[cfg(feature = "mutations")]
macro_rules! mutated_in {
    ($options:expr, $name:ident) => {
        $options.mutation == Some(crate::raft::Mutation::$name)
    };
}
/// The same for options.
#[cfg(not(feature = "mutations"))]
macro_rules! mutated_in {
    ($options:expr, $name:ident) => {
        false
    };
}

mod codec;
mod election;
mod error;
mod log;
mod membership;
mod memory;
mod message;
#[cfg(feature = "mutations")]
mod mutation;
mod node;
mod options;
mod progress;
mod quorum;
mod reads;
mod ready;
mod replication;
mod snapshot;
mod status;
mod transfer;
mod types;

pub use codec::DecodeError;
pub use error::{Bounds, Error, Lookup, ReadLost, Refused, Rejected};
pub use log::LogView;
pub use membership::{Change, MAX_NODES, Membership};
pub use memory::MemoryLog;
pub use message::{Append, AppendOutcome, AppendReply, Body, Message, SnapshotChunk, SnapshotReply, VoteRequest};
#[cfg(feature = "mutations")]
pub use mutation::Mutation;
pub use node::{Initial, Raft};
pub use options::Options;
pub use quorum::Tally;
pub use ready::{ChunkReceived, ChunkWanted, Persist, Persisted, ReadAnswer, Ready};
pub use status::{Follower, Status};
pub use types::{ClusterId, Entry, HardState, Index, NodeId, Payload, ReadId, RoleName, SnapshotMeta, Term};
