//! Transactions: records in several partitions, and offsets of groups, that count together or not at all.
//!
//! [`Transaction`] is what is known of one transactional id: a machine without clock and disk. [`Transactions`] runs all of
//! them: it stores each step before it is answered.
//!
//! ```text
//!   InitProducerId ─▶ Empty ──AddPartitions, AddOffsets──▶ Ongoing ──────────────┐
//!                       ▲                                     │ EndTxn(commit)   │ EndTxn(abort), too late, fenced
//!                       │                                     ▼                  ▼
//!                       │                               PrepareCommit      PrepareAbort      durable, then
//!                       │                                     │                  │           a marker in each partition,
//!                       └──── the next AddPartitions ──── CompleteCommit   CompleteAbort     durable, then this, with
//!                             begins the next one                                            the offsets of groups
//! ```
//!
//! The decision is the Prepare entry: whatever is killed behind it, the next start writes the markers that are missing.
//! In front of it nothing is decided, so records are made durable before it. A transaction that stands open in a partition
//! while nobody here knows of it is aborted at the start.
//!
//! A producer's epoch fences: InitProducerId with the same id gives a higher one, and whoever comes with a lower one is
//! refused. One whose transaction is open when another takes its id, or who takes too long, is aborted with a higher epoch.
//!
//! Sources: KIP-98 (transactions), KIP-360 (epochs that are raised by their owner), KIP-447 (offsets with their group's
//! generation), KIP-664 (looking at transactions).

mod coordinator;
mod finish;
mod machine;
mod stored;
#[cfg(test)]
mod tests;

pub(crate) use coordinator::{Limits, Producer, Transactions};
pub(crate) use machine::{State, Transaction};
