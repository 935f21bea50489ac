//! A Raft node whole, as one value: [`Replica`].
//!
//! # The problem
//!
//! The core decides, the store keeps, the state machine does; and between the three stands the loop that everybody who
//! builds a replicated system writes again. It must write before it answers, in the right order, without waiting; apply
//! once, and answer whoever asked, also when another leader's entry came in his place; make snapshots beside the work,
//! send them in pieces and take them in pieces; shorten the log, no further than somebody needs it; and when the disk
//! fails, stop in such a way that nothing is promised that will not be kept. It is the same loop for a key-value store, a
//! catalogue of services and the metadata of a log.
//!
//! # How it works
//!
//! ```text
//!                    handle_message ─┐                          ┌─▶ next_message
//!     propose · change · read ───────┤    ┌────────────────┐    │
//!        (token)        transfer ────┼──▶ │  Raft, Pending │ ───┤
//!                                    │    └─┬────┬─────┬───┘    └─▶ next_event
//!                     poll(cx, now) ─┘      │    │     │            Proposed { token, outcome }
//!                                           ▼    ▼     ▼            Read { token, outcome }
//!                                   RaftStore  Worker  StateMachine Leader · Applied · Stopped …
//!                                   log: synced  snapshots, in a job
//!                                   by a job
//! ```
//!
//! It has no thread, no task and no clock: whoever drives it says what came in and what time it is. [`Replica::poll`] does
//! all that can be done. What takes long is done by [`Jobs`](xs_os::Jobs): syncs of the log, and everything about
//! snapshots; they wake the task that polled. In a simulation the jobs are stepped, and the same value runs there.
//!
//! **A batch is what came between two polls.** However many proposals there were, they are one append to the log, one
//! message to each follower, and share a sync with whatever else is on its way: a busy replica batches by itself.
//!
//! **Outcomes.** A proposal that was refused at once ([`Rejected`](crate::raft::Rejected)) was not applied. One that was
//! taken is answered once:
//!
//! ```text
//!                                 its entry (index and term) is applied here ──────────▶ Applied { reply }
//!     taken, at index and term ─┬ another entry is applied at its index ───────────────▶ NotApplied
//!                               └ neither, within `patience`; a snapshot jumps over it;
//!                                 the replica stops ───────────────────────────────────▶ Unknown
//! ```
//!
//! That the leader lost its office decides nothing: the next one may have the entry, and commit it. Nor does it that the
//! entry was cut off here: a third may still have it. Only what is *committed at its index* decides, and so a proposal on
//! a leader that was cut off from the others waits until it hears them again, or its patience ends.
//!
//! **The log's length.** A state machine in memory is written down as a snapshot when enough entries have come behind the
//! last one, by a job, from a [source](StateMachine::snapshot) that shows the state of that moment. One that keeps itself
//! is asked to [flush](StateMachine::flush), and the log begins behind what it says is durable: nothing is written twice. Its
//! snapshots are made when a follower needs what the log no longer has. In both cases some entries stay for followers that
//! are a little behind, and while a follower is sent a snapshot, or reads on behind one, what it needs next stays: as far as
//! [`ReplicaOptions::hold_bytes`] goes.
//!
//! **Who is who.** Before two nodes exchange messages, whatever brings messages lets each say its
//! [identity](Replica::identity), and ends the connection if [`Replica::meet`] refuses the other's: a node that lost its
//! disk, and would vote twice.
//!
//! # Invariants
//!
//! - What was answered with [`Outcome::Applied`] is durable on a majority, and applied here. (`raft`; `drive::settle`: the
//!   core hears that something is durable from the log's own commit only.)
//! - Every token is answered once, and after a [`Stopped`] none is left. (`pending`; `drive::stop`.)
//! - [`Outcome::NotApplied`] is said only when another entry is committed in that place. (`pending::decided`.)
//! - The state machine sees each committed command once, in order, unless it comes back from a crash behind it.
//!   (`raft::ready`, `node::bring_up`.)
//! - The log never begins behind what the state survives a crash with. (`compact`; a snapshot is durable before the front.)
//! - After a failure of the disk nothing is written, said or acknowledged. (`drive::stop` loses what was on its way, and
//!   that stops the core.)
//! - Nothing grows without bound: proposals and reads by [`ReplicaOptions::max_pending`], entries by the core's options,
//!   pieces of snapshots by one a follower, and what comes out by what went in since it was drained.
//!
//! # Cost
//!
//! Beside the core's and the store's: a map's entry for each proposal and read, and a copy of each batch's commands
//! (counted references). `poll` waits for the disk in three cases: a follower is behind what is in memory, so old entries
//! are read; more waits to be written than the log's buffer holds; a snapshot from a leader is
//! [restored](StateMachine::restore).
//!
//! # Example
//!
//! A counter that only grows, on a cluster of one.
//!
//! ```
//! use std::io::{self, Read};
//! use std::path::Path;
//! use std::sync::Arc;
//! use std::task::{Context, Waker};
//! use bytes::Bytes;
//! use xs_consensus::raft::{ClusterId, Index, Membership, NodeId};
//! use xs_consensus::raft_store::Start;
//! use xs_consensus::replica::{Batch, Event, Outcome, Replica, ReplicaOptions, StateMachine, Token};
//! use xs_os::vfs::MemoryVfs;
//! use xs_os::{Clock, Rng, VirtualClock};
//!
//! #[derive(Default)]
//! struct Counter(u64);
//!
//! impl StateMachine for Counter {
//!     type Reply = u64;
//!     fn apply(&mut self, batch: Batch<'_>, replies: &mut Vec<u64>) -> io::Result<()> {
//!         for command in batch.commands {
//!             self.0 += u64::from(command.bytes.first().copied().unwrap_or(0));
//!             replies.push(self.0);
//!         }
//!         Ok(())
//!     }
//!     fn durable(&self) -> Option<Index> {
//!         None // it is in memory
//!     }
//!     fn snapshot(&self) -> io::Result<Box<dyn Read + Send>> {
//!         Ok(Box::new(io::Cursor::new(self.0.to_le_bytes())))
//!     }
//!     fn restore(&mut self, _: Index, snapshot: &mut dyn Read) -> io::Result<()> {
//!         let mut bytes = [0; 8];
//!         snapshot.read_exact(&mut bytes)?;
//!         self.0 = u64::from_le_bytes(bytes);
//!         Ok(())
//!     }
//! }
//!
//! let (disk, clock) = (Arc::new(MemoryVfs::new()), VirtualClock::new());
//! let options = ReplicaOptions::new(ClusterId(1), NodeId(1));
//! let start = Start::Create(Membership::of(vec![NodeId(1)])?);
//! let mut replica = Replica::open(
//!     disk, Path::new("n1"), start, Counter::default(), options, Rng::from_seed(1), clock.now())?;
//!
//! clock.advance(std::time::Duration::from_secs(1));
//! // In a task, the waker is the task's, and the step in between is a wait for the next input.
//! while replica.leader() != Some(NodeId(1)) {
//!     replica.poll(&mut Context::from_waker(Waker::noop()), clock.now());
//!     replica.sync(clock.now());
//! }
//! for (token, by) in [(1, 20), (2, 22)] {
//!     replica.propose(clock.now(), Token(token), Bytes::copy_from_slice(&[by]))?;
//! }
//! let mut replies = Vec::new();
//! while replies.len() < 2 {
//!     replica.sync(clock.now());
//!     while let Some(event) = replica.next_event() {
//!         if let Event::Proposed { outcome: Outcome::Applied { reply, .. }, .. } = event {
//!             replies.push(reply);
//!         }
//!     }
//! }
//! assert_eq!((replies, replica.machine().0), (vec![20, 42], 42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! etcd's `raftexample` and server show the loop as code to copy, over its `raft` package. openraft has it inside, async,
//! with a task for the core and one for the state machine; a client's answer is a channel that closes when leadership is
//! lost, so what became of the entry is not said. hashicorp/raft answers `ErrLeadershipLost` for the same, and "unknown" is
//! what that means. TiKV's loop (`raftstore`) polls thousands of such nodes from a few threads. FoundationDB names the third outcome
//! `commit_unknown_result`.
//!
//! # What this leaves out
//!
//! Sending: messages, and which connections there are. Passing a proposal on to the leader, and doing a repeated one only
//! once: both need a client's name in the command. Applying on another thread than the one that polls, snapshots that only
//! hold what has changed, and restoring in the background.
//!
//! # Try next
//!
//! Drive three replicas in one thread with a queue between them, cut the leader off after it took a proposal, and watch
//! which of the three outcomes you get, depending on whether one of the others had the entry.
//!
//! # Sources
//!
//! D. Ongaro, "Consensus: Bridging Theory and Practice" (2014), 5.1 on snapshots beside the work, 6.3 on clients and what
//! they know, 10.2 on batching; the sources of [`raft`](crate::raft) and [`raft_store`](crate::raft_store).

mod acquaintances;
mod compact;
mod drive;
mod machine;
mod node;
mod options;
mod outcome;
mod pending;
#[cfg(test)]
mod tests;
mod worker;

pub use machine::{Batch, Command, StateMachine};
pub use node::Replica;
pub use options::ReplicaOptions;
pub use outcome::{Event, OpenError, Outcome, Stopped, Token, Unknown};
