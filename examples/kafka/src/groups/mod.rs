//! Consumer groups: who is in a group, who reads what, and how far they have come.
//!
//! A [`Group`] is a machine without clock, chance or sockets. Requests go in with `now` and, where the answer may wait, a
//! [`Token`]; answers come out of [`Group::poll_output`] with the token, some of them much later; [`Group::next_deadline`]
//! says when [`Group::handle_timeout`] wants to be called.
//!
//! ```text
//!                 first join                        all have joined, or the time is over
//!   ┌─────────┐ ─────────────▶ ┌─────────────────────┐ ────────────▶ ┌──────────────────────┐
//!   │  Empty  │                │ PreparingRebalance  │               │ CompletingRebalance  │
//!   └─────────┘ ◀───────────── └─────────────────────┘ ◀──────────── └──────────────────────┘
//!        │        all have left    ▲                   a member comes,          │ the leader brings
//!        │ deleted                 │ comes, goes,      goes or is silent        ▼ the assignment
//!        ▼                         │ changes           ┌──────────────────────────┐
//!     Dead                         └────────────────── │          Stable          │
//!                                                      └──────────────────────────┘
//! ```
//!
//! What holds at all times, and what the simulation checks after every step: each join and each sync is answered once;
//! members that are given a generation are given the same one, with one leader and one way of assigning; a generation
//! only rises; who is silent for longer than its session is out.
//!
//! The assignment is the clients' affair: the leader computes it, the coordinator hands it out unread. So cooperative
//! rebalancing needs nothing here.
//!
//! Sources: Kafka's documentation of the consumer; KIP-134 (the initial delay), KIP-345 (static members), KIP-394 (members
//! ask for their name first), KIP-559 (the protocol's name in answers), KIP-814 (a static leader that comes back).

mod answer;
mod coordinator;
mod describe;
mod group;
mod join;
mod kept;
mod member;
pub(crate) mod offsets;
mod rebalance;
mod session;
mod sync;
#[cfg(test)]
mod tests;

pub(crate) use answer::{Join, JoinAnswer, Joined, Output, SyncAnswer, Synced, Token};
pub(crate) use coordinator::Groups;
pub(crate) use describe::{Kept, KeptMember};
pub(crate) use group::{Group, Limits, State};
pub(crate) use member::{Client, Member};
pub(crate) use session::Who;
