//! A whole world from one seed: nodes, links, clocks, disks and what goes wrong with them, in virtual time.
//!
//! # The problem
//!
//! A distributed system fails in the interleavings: the message that arrives behind the election, the crash between the
//! write and the sync, the pause in the middle of a lease. A test on real machines meets one of them in a million runs,
//! and never again. It must be possible to try millions of them, and to run the one that failed again, step by step.
//!
//! # How it works
//!
//! Everything that a node can see comes from the world, and the world draws it from one seed: when messages arrive and
//! whether, what the clock shows, what the disk does, in which order things happen that could happen at once. A node's
//! program is an [`Actor`]: a state machine that is given messages and timers, and a [`Context`] to act on.
//!
//! ```text
//!    seed ──▶ Nemesis ──▶ plan: a list of Episodes (what, when, how long)
//!      │                    │
//!      ▼                    ▼
//!    World    queue of events, by virtual time ──▶ the next one ──▶ your checks, behind every step
//!      ▲                                             │
//!      │            ┌────────────────────────────────┤
//!      │            ▼                                ▼
//!      │      Actor on node 0                  Actor on node 1   …      dropped by a crash, made again by a start
//!      │      clock · rng · disk · jobs        clock · rng · disk · jobs     the disk keeps what it had synced
//!      │            │ send, set_timer                │
//!      └── Links ◀──┴────────────────────────────────┘      late, lost, doubled, out of order, cut
//! ```
//!
//! **Time** jumps from event to event, so an hour costs nothing. A node's clock runs at a rate of its own. What a call of
//! the disk costs passes before anything else happens on the node. **Crashes** take the process and what its disk had not
//! synced ([`vfs::faulty`](crate::vfs::faulty)): between two steps or, with [`Fault::CrashInStep`], in the middle of one;
//! a killed process keeps its machine's page cache. One that dies closes nothing. A **paused** process wakes up with everything that has arrived, and
//! with timers that are long past.
//!
//! A **run** is a seed and a plan. The plan is a list from which anything can be taken out: when a run fails,
//! [`Campaign::run`] takes out what it can while the failure stays ([`shrink`]), and prints the command, the faults that
//! are left and the end of the timeline. [`World::diagram`] draws it.
//!
//! # Invariants
//!
//! - The same seed, options and plan give the same run, to the last byte: [`World::digest`] is a number over everything
//!   that happened, [`Campaign::twice`] compares, and so does a test over many seeds (`tests::twice`).
//! - A link's chance depends on the seed, its two ends and what was sent on it before, and on nothing else.
//! - Nothing that a node sends after its power went leaves it ([`Context::send`]).
//! - A timer is never early by the node's own clock; a clock never goes backwards.
//! - When the last episode has ended, nothing is cut, paused, down, failing or garbled; what has rotted stays so.
//!
//! # Cost
//!
//! About a microsecond an event beside what the actor does: the queue is a binary heap, and a message's `Debug` form is
//! hashed. A campaign's run of a few thousand events takes some milliseconds.
//!
//! # Example
//!
//! Two nodes that count to ten together, over links that lose every other message:
//!
//! ```
//! use std::time::Duration;
//! use xs_os::sim::{Actor, Context, Link, NodeId, Options, Timer, World};
//!
//! struct Counter(u32);
//! impl Actor for Counter {
//!     type Message = u32;
//!     fn message(&mut self, from: NodeId, n: u32, cx: &mut Context<'_, u32>) {
//!         if n > self.0 {
//!             self.0 = n;
//!             cx.send(from, n + 1);
//!         }
//!     }
//!     fn timer(&mut self, timer: Timer, cx: &mut Context<'_, u32>) {
//!         cx.send(NodeId(1 - cx.node().0), self.0 + 1);       // again, until it arrives
//!         cx.set_timer_after(timer, Duration::from_millis(10));
//!     }
//! }
//!
//! let lossy = Link { loss: 0.5, ..Link::datagrams() };
//! let mut world = World::new(42, Options { link: lossy, ..Options::new(2) }, |cx| {
//!     cx.set_timer_after(Timer(0), Duration::from_millis(10));
//!     Ok(Counter(0))
//! });
//! let counted = world.run_while(
//!     Duration::from_secs(10),
//!     |_, _| Ok(()),                                          // a check behind every step
//!     |world| world.actors().any(|(_, counter)| counter.0 >= 10),
//! );
//! assert_eq!(counted, Ok(true));
//! assert!(world.now() < Duration::from_millis(200));
//! ```
//!
//! # How others do it
//!
//! FoundationDB simulates a whole cluster in one thread, and so made the method known; TigerBeetle's VOPR does it with
//! faulty disks placed so that a quorum can repair them. turmoil and madsim run asynchronous Rust programs unchanged, by
//! standing in for tokio; Antithesis makes the whole virtual machine deterministic. Here the program is asked to be a
//! state machine, which costs it a driver and saves the runtime.
//!
//! # What this leaves out
//!
//! Asynchronous servers: xs-net's `sim` runs them as actors, with streams over these links. Jobs that run at the same time
//! as a step. The search is random: it proves nothing, and looks at no state twice on purpose.
//!
//! # Try next
//!
//! Take `drift` beyond what a lease allows for, and find the seed at which two nodes hold it.
//!
//! # Sources
//!
//! J. Zhou et al., "FoundationDB: A Distributed Unbundled Transactional Key Value Store" (SIGMOD 2021), 4; W. Wilson,
//! "Testing Distributed Systems w/ Deterministic Simulation" (Strange Loop 2014); A. Zeller and R. Hildebrandt,
//! "Simplifying and Isolating Failure-Inducing Input" (2002); J. von Neumann, "Various techniques used in connection
//! with random digits" (1951); A. Alquraan et al., "An Analysis of Network-Partitioning Failures in Cloud Systems" (OSDI
//! 2018), for one-way and partial partitions.

mod actor;
mod campaign;
mod fault;
mod link;
mod nemesis;
mod node;
mod shrink;
#[cfg(test)]
mod tests;
mod timeline;
mod trace;
mod world;

pub use actor::{Actor, Context, NodeId, Timer};
pub use campaign::{Campaign, Found, Report, Run, Tally, Verdict};
pub use fault::{Episode, Fault, Kind};
pub use link::{Latency, Link, Links, Why};
pub use nemesis::Nemesis;
pub use shrink::shrink;
pub use trace::{Entry, Keep, Trace, What};
pub use world::{Happened, Options, Start, World};
