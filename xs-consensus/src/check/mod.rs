//! **Checkers**: whether a system did what it promised, told from a record of what its clients saw.
//!
//! # The problem
//!
//! A distributed store can be wrong while every one of its parts looks right: two clients read the same key, and the
//! later one sees the older value. No assertion inside the system notices, because no part of it knows both answers.
//! Whether a system is correct is a statement about what its clients were told, and can be decided from that alone.
//!
//! # How it works
//!
//! Clients write down what they asked for and what they were told, with the time of both. Checkers read the record and
//! know nothing of the system:
//!
//! ```text
//!   clients ──▶ system under test                       ┌─▶ linearizability   one object, real time
//!      │                                     History  ──┤
//!      └── asked at 12, answered "7" at 19 ──▶          └─▶ serializability   transactions over many keys
//! ```
//!
//! 1. [`history`]: what was asked and answered, by whom and when; operations that never returned; a text form.
//! 2. [`linearizability`]: each operation seems to take effect at one moment between its call and its return.
//! 3. [`serializability`]: transactions behave as if they had run one behind another; names the anomaly if they don't.
//!
//! The two answer different questions. Linearizability is about single operations and the clock on the wall;
//! serializability is about groups of operations and says nothing about time. Both at once is strict serializability,
//! which the second checker decides when asked for it.
//!
//! # Invariants
//!
//! - A checker never calls a correct history wrong: where the record leaves something open (equal times, a client that
//!   crashed), every reading of it is allowed.
//! - A checker that cannot decide within its bound says so: it neither hangs nor guesses.
//! - Same history, same verdict, same words: no order comes from a hash seed.
//!
//! # Cost
//!
//! Deciding linearizability is NP-complete in general, and linear for the histories that systems produce when they are
//! right. The dependency graph of [`serializability`] is linear in the operations.
//!
//! # Example
//!
//! ```
//! use xs_consensus::check::history::History;
//! use xs_consensus::check::linearizability::{Checker, Register, RegisterOp as Op, RegisterRet as Ret, Verdict};
//!
//! let mut history = History::new();
//! let write = history.invoke(1, 10, Op::Write(7));
//! history.returned(write, 20, Ret::Done);
//! let read = history.invoke(2, 30, Op::Read);
//! history.returned(read, 40, Ret::Value(0)); // the write had returned before this read began
//! let verdict = Checker::new(Register::new(0)).check(&history);
//! assert!(matches!(verdict, Verdict::Violation(_)));
//! ```
//!
//! # How others do it
//!
//! Jepsen drives real clusters and checks with Knossos (linearizability) and Elle (transactions); Porcupine is the
//! checker that most Go systems embed; etcd and TigerBeetle check every run of their test clusters so.
//!
//! # What this leaves out
//!
//! Weaker promises: sequential and causal consistency, session guarantees, read committed as a goal rather than as the
//! first of the anomalies that are missing.
//!
//! # Try next
//!
//! Record a history of a cache in front of a database, and look at which interleaving the violation shows.
//!
//! # Sources
//!
//! M. Herlihy and J. Wing, "Linearizability: A Correctness Condition for Concurrent Objects" (1990); A. Adya, "Weak
//! Consistency" (MIT, 1999).

pub mod history;
pub mod linearizability;
pub mod serializability;
