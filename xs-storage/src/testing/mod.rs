//! The suites that prove a store, for every implementation to be stamped with: [`engine`], [`crash`], [`failures`],
//! [`rot`]; and `log`, for a log's framings.
//!
//! # The problem
//!
//! Three engines that promise the same contract will differ in the corners of it: an empty key, a cursor that turns
//! round behind the last entry, a range delete that meets a snapshot. Tests written beside each engine find what its
//! author thought of. One public suite finds what anybody thought of, in every engine, also in yours.
//!
//! # How it works
//!
//! A test says how to open its engine on a machine ([`Subject`]); a suite makes machines, opens, uses, drops and opens
//! again.
//!
//! ```text
//!                      ┌────────────── suite ──────────────┐
//!   Machine ───────────▶ Subject::open ──▶ your engine ◀───┤ the same calls
//!     vfs, jobs, clock                                     ├──▶ a BTreeMap
//!                      └──── answers compared ─────────────┘
//! ```
//!
//! Read and run them in this order:
//!
//! 1. [`engine`]: the contract, against a `BTreeMap`.
//! 2. [`crash`]: a crash at every sync, in every state that the disk may be left in.
//! 3. [`failures`]: calls of the disk that fail, and a disk that is full.
//! 4. [`rot`]: flipped bits, and files that are noise.
//! 5. `log`, with the feature of that name: framings and disks of a log, against a `Vec`.
//!
//! Those of an engine take the same [`Subject`], and three lines each. Most of a suite runs on a [stepped](Machine::stepped) machine: no thread, no clock but the suite's own, a disk in
//! memory. What happens then follows from a seed, which every failure prints.
//!
//! # Invariants
//!
//! - A machine is used for one opening: an engine that is opened again gets the same disk and new jobs, as a new process
//!   would. So nothing of it may live on in a job.
//! - Suites panic with what they saw, what they expected and how to see it again; they never print and pass.
//!
//! # Cost
//!
//! A run of [`engine::check`] on memory takes half a second in a debug build; the others say.
//!
//! # Example
//!
//! ```
//! use xs_storage::Result;
//! use xs_storage::engine::MemoryEngine;
//! use xs_storage::testing::{Machine, Subject, engine};
//!
//! /// Memory has no disk to come back from: its clones share what there is.
//! struct Memory(MemoryEngine);
//!
//! impl Subject for Memory {
//!     type Engine = MemoryEngine;
//!     fn open(&self, _: &Machine) -> Result<MemoryEngine> {
//!         Ok(self.0.clone())
//!     }
//! }
//!
//! engine::check_random(&|| Memory(MemoryEngine::new()), 1..3, 50);
//! ```
//!
//! # How others do it
//!
//! openraft ships a suite for implementations of its log storage; RocksDB runs one `DBTest` under dozens of option
//! sets; toydb stamps both of its engines with the same scripts. Jepsen's checkers stand outside of the system, as these
//! do.
//!
//! # What this leaves out
//!
//! Speed: that is for benches, on a quiet machine.
//!
//! # Try next
//!
//! Stamp an engine of somebody else's with the suite: an adapter over a crate is some fifty lines.
//!
//! # Sources
//!
//! K. Claessen and J. Hughes, "QuickCheck" (ICFP 2000); A. Zeller and R. Hildebrandt, "Simplifying and Isolating
//! Failure-Inducing Input" (TSE 2002) for how failing sequences are made short.

pub mod crash;
pub mod engine;
pub mod failures;
#[cfg(feature = "log")]
pub mod log;
mod machine;
pub mod rot;
#[cfg(all(test, not(xs_loom)))]
mod toy;
mod workload;

pub use machine::{Machine, Subject};
