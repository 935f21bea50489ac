//! What happened before what: [`Lamport`], [`VersionVector`], [`Dots`], [`Siblings`] and [`Hybrid`].
//!
//! # The problem
//!
//! Two machines have two calendars, which disagree by milliseconds and are set back now and then. Whoever orders events by
//! them sees answers in front of their questions, and lets a newer value be overwritten by an older one. What can be known
//! without a common clock is *happened before*: an event comes before the next one on its machine, a message's sending
//! before its receipt, and whatever follows from these two. All else is concurrent, and no clock can order it truly.
//!
//! # How it works
//!
//! Four answers, each with one more piece of information:
//!
//! ```text
//!   a ──1────2──────────────────5──▶        Lamport: a number. 2 → 3, and 1 before 5; but 1 and 1 are concurrent,
//!            └──────────▶┐      ▲           and so are 2 on a and 2 on c: the numbers can't tell.
//!   b ──1────────────────3──4───┘           Vector: a number a machine. {a2,b1…} < {a2,b3} tells the whole truth.
//!   c ──1────2────────────────────────▶     Hybrid: a number that is close to the calendar, and orders like Lamport's.
//! ```
//!
//! - [`Lamport`] counts, and jumps ahead of whatever it hears. If *x* happened before *y*, *x*'s number is smaller; not
//!   the other way round.
//! - [`VersionVector`] counts for each machine. *x* happened before *y* if and only if its vector is smaller; vectors that
//!   are neither smaller nor larger are concurrent ([`PartialOrd`]). One that counts all events, receipts too, is called a
//!   vector clock; one that counts updates of a value is a version vector.
//! - A [`Dot`] is one event: a machine and its count. [`Dots`] is a set of them with gaps, kept as ranges: what a replica
//!   has seen when messages come out of order. [`Siblings`] keeps the concurrent values of one key, each with its dot, and
//!   one vector for all: a *dotted version vector set*.
//! - [`Hybrid`] is the calendar while that moves on, and a count on top of the largest number heard while it does not. Its
//!   [`Stamp`]s are 64 bits: 48 of milliseconds and 16 of count.
//!
//! Riak came to dots the hard way. With one vector a value, a server that takes two concurrent writes of the same key must
//! give both a larger count of its own; the second vector then covers the first, and a value is lost, or both are kept
//! with a vector that never gets smaller, and siblings multiply with each write (*sibling explosion*). A dot says exactly
//! which event wrote the value, and the vector that came with the write says which values its writer had read: those go,
//! and no other.
//!
//! # Invariants
//!
//! - Lamport's clock condition, for [`Lamport`] and [`Hybrid`]: stamps of one clock grow, and a stamp made behind an
//!   observation is larger than what was observed (`lamport`, `hybrid`: both take the maximum first).
//! - Vectors are ordered exactly as events happened (`version::tests::the_order_is_exactly_what_happened_before`).
//! - Equal sets are equal values: no vector keeps a zero, ranges of [`Dots`] neither touch nor overlap (`dots::normal`).
//! - A [`Hybrid`] stamp is never below the calendar at which it was made, and never more than the bound above it
//!   ([`Hybrid::tick`]); a remote one that is further ahead is refused and changes nothing ([`Hybrid::observe`]). While all
//!   calendars are within ε of the truth, so are all stamps, and a bound of 2ε refuses nobody (`tests/blocks/clock.rs`).
//!
//! # Cost
//!
//! A Lamport or hybrid stamp is 8 bytes and one comparison. A vector is 16 bytes a machine that ever wrote, in each value
//! that carries one, and Charron-Bost has shown that fewer entries than machines cannot tell the whole truth: so let
//! servers count, of which there are few, and not clients.
//!
//! # Example
//!
//! ```
//! use std::cmp::Ordering;
//! use std::time::{Duration, SystemTime};
//! use xs_consensus::clock::{Hybrid, ReplicaId, Siblings, VersionVector};
//!
//! // Two writers that have both read nothing: their values are concurrent, and both stay.
//! let server = ReplicaId(1);
//! let mut cart = Siblings::default();
//! cart.write(server, &VersionVector::new(), "tea").unwrap();
//! cart.write(server, &VersionVector::new(), "rum").unwrap();
//! assert_eq!(cart.values().count(), 2);
//! // A third one has read both, and replaces both.
//! cart.write(server, &cart.context(), "grog").unwrap();
//! assert_eq!(cart.values().collect::<Vec<_>>(), [&"grog"]);
//!
//! let (mut x, mut y) = (VersionVector::new(), VersionVector::new());
//! x.increment(ReplicaId(1)).unwrap();
//! y.increment(ReplicaId(2)).unwrap();
//! assert_eq!(x.partial_cmp(&y), None);
//! y.merge(&x);
//! assert_eq!(x.partial_cmp(&y), Some(Ordering::Less));
//!
//! // A machine whose calendar is 100 ms behind answers: its stamp is larger all the same.
//! let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let bound = Duration::from_millis(500);
//! let asked = Hybrid::new(bound).tick(noon).unwrap();
//! let answered = Hybrid::new(bound).observe(noon - Duration::from_millis(100), asked).unwrap();
//! assert!(answered > asked);
//! assert_eq!(answered.millis(), asked.millis());
//! ```
//!
//! # How others do it
//!
//! CockroachDB's hybrid stamps have 64 bits of nanoseconds and 32 of count, and a node that hears of one more than its
//! `max-offset` (500 ms by default) ahead refuses it; a node that finds itself that far from most others stops. MongoDB's
//! cluster time is 32 bits of seconds and 32 of count, and signed, so that no client can push it ahead. Riak 2.0 keeps
//! dotted version vectors; Dynamo kept plain vectors and cut them at ten entries, which loses the truth silently. Cassandra orders by
//! calendars alone. Spanner bounds the error of its calendars with GPS and waits it out, which orders concurrent events by
//! real time: no message is needed for it, and none of the clocks here can do that.
//!
//! # What this leaves out
//!
//! Shrinking vectors when machines leave (they must be known to have left, which is agreement); interval tree clocks, which
//! split and join identities for that; stamps that are kept over a restart: persist the last one, or wait out the bound,
//! before [`Hybrid::resume`]. A peer that lies: [`Lamport`] and [`Hybrid`] bound how far one message pushes them, and a
//! vector believes everything.
//!
//! # Try next
//!
//! Give each *client* an entry in [`Siblings`] instead of each server, and watch the vector grow. Put a uniform error of 250
//! ms on the calendars of the simulated nodes (`tests/blocks/clock.rs`), and see which bound is the least that refuses
//! nobody.
//!
//! # Sources
//!
//! L. Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System" (1978); C. Fidge (1988) and F. Mattern,
//! "Virtual Time and Global States of Distributed Systems" (1989); D. S. Parker et al., "Detection of Mutual Inconsistency in
//! Distributed Systems" (1983); B. Charron-Bost, "Concerning the size of logical clocks" (1991); N. Preguiça et al., "Dotted
//! Version Vectors" (2012); P. S. Almeida et al., "Scalable and Accurate Causality Tracking for Eventually Consistent
//! Stores" (2014), for the set; S. Kulkarni et al., "Logical Physical Clocks" (2014).

mod dots;
mod hybrid;
mod lamport;
mod siblings;
mod version;

pub use dots::Dots;
pub use hybrid::{Hybrid, HybridError, Stamp};
pub use lamport::{Lamport, LamportError};
pub use siblings::Siblings;
pub use version::{Dot, Overflow, ReplicaId, VersionVector};
