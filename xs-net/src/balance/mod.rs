//! One of several endpoints for each call: load balancing.
//!
//! # The problem
//!
//! A service that runs five times is only five times as strong if its callers spread their calls well. "In turns" is not
//! well: one endpoint is slow today, one has just started with cold caches, one fails everything in no time and looks
//! faster than all others, one stands in another building. And sometimes the same key is to come to the same endpoint
//! again, also after the set of endpoints has changed, and also when the key is the one that everybody wants.
//!
//! # How it works
//!
//! ```text
//!   Change ──▶ Cluster ─────────▶ Candidates ──▶ Policy ──▶ index ──▶ call, counted by an Outstanding
//!              │ well? (checks)     without unwell,           │
//!              │ ejected? (outlier)  ejected, drained,        ▼ its end
//!              │ since (slow start)  and tried        Load: calls under way, peak average of latency,
//!              └ Load ◀───────────────────────────────      successes and failures
//! ```
//!
//! A [`Cluster`] knows the members and what is known of each. At each moment it gives the [`Candidates`], an iterator that
//! can also be drawn from in constant time, and a [`Policy`] picks one of them:
//!
//! | policy | looks at | spread of equal calls | a pick |
//! |---|---|---|---|
//! | [`RoundRobin`] | turns | exact | O(log n) |
//! | [`SmoothWeighted`] | turns by weight | exact over each round of all weights | O(n) |
//! | [`Random`] | nothing | of n calls to n, one gets ln n / ln ln n | O(1), by weight O(n) |
//! | [`LeastConnections`] | all loads | exact | O(n) |
//! | [`PowerOfTwoChoices`] | two loads | the mean + ln ln n | O(1), by weight O(n) |
//! | [`Hashed`] over [`Ring`] | the key | 1 + √(2 ln n / points) of the mean | O(log points) |
//! | [`Hashed`] over [`Maglev`] | the key | 1 + n / places of the mean | O(1) |
//! | [`Hashed`] over [`Rendezvous`] | the key | as even as the hash | O(n) |
//! | [`Bounded`] over any of these | the key and all loads | never more than its percentage | O(n) |
//!
//! How much the fullest member gets, as a multiple of the mean, when calls pile up or keys are spread: the worst of three
//! simulations, beside what is published. A test writes this table and holds each line to its bound (`balance::quality`).
//!
//! | policy | members, calls each | the fullest | bound |
//! |---|---|---:|---|
//! | `RoundRobin` | 50, mean 100 | 1.000 | 1 |
//! | `SmoothWeighted` | weights 1 to 10, mean 12 each | 1.000 | 1 |
//! | `LeastConnections` | 50, mean 100 | 1.000 | 1 |
//! | `Random` | 10,000, mean 1 | 7.000 | (1 + o(1)) ln n / ln ln n, 4.1 and more |
//! |  | 100, mean 200 | 1.195 | 1 + √(2 ln n / mean), 1.21, about |
//! | `PowerOfTwoChoices` | 10,000, mean 1 | 3.000 | ln ln n / ln 2 + O(1), 3.2 and more |
//! |  | 100, mean 200 | 1.010 | 1 + (ln ln n / ln 2 + O(1)) / mean, 1.011 and more |
//! | `Ring`, 10 points | 50, mean 1,000 | 1.763 | 1 + √(2 ln n (1 / points + 1 / mean)), 1.89, about |
//! | `Ring`, 100 points | 50, mean 1,000 | 1.298 | 1.29, about |
//! | `Ring`, 1,000 points | 50, mean 1,000 | 1.123 | 1.13, about |
//! | `Maglev`, 251 places | 50, by places | 1.195 | 1 + n / places, 1.199 |
//! | `Maglev`, 5,003 places | 50, by places | 1.009 | 1.010 |
//! | `Maglev`, 65,537 places | 50, by places | 1.000 | 1.001 |
//! | `Rendezvous` | 50, mean 1,000 | 1.086 | as chance: 1 + √(2 ln n / mean), 1.09, about |
//! | `Ring`, nine of ten calls for one key | 50, mean 200 | 45.100 | none |
//! | `Bounded` over it, 125 % | 50, mean 200 | 1.250 | 1 + ε, 1.25 |
//!
//! When one of 100 members leaves, a ring and rendezvous move its own keys and no other. Maglev moves some of the others' too,
//! with 10,007, 65,537 and 655,373 places 1.8, 0.5 and 0.1 % of all.
//!
//! With one of ten endpoints ten times slower than the others, and half as many calls as the nine could answer, the 99th
//! percentile is 144 s in turns, 192 ms by calls under way, 26 ms by peak average: in turns, the slow one's queue grows for as
//! long as the simulation runs.
//!
//! Take [`PowerOfTwoChoices`] unless something speaks against it. Around any of them go [`Zoned`], which prefers the caller's
//! own zone, and [`Sticky`], which keeps a client with the endpoint that it was with.
//!
//! [`Balance`] is all of it as a service: it makes a service for each member, picks in `call`, and counts. Members come and
//! go through [`Members`], as a stream of changes if you like; [`check`] asks each of them whether it is well. Whoever makes
//! the call by other means than a service [picks](Members::pick) a member, and says how it ended. A request
//! that fails is not sent again here: a retry around the balancer does that, and [`Steer`] lets it go elsewhere.
//!
//! # Invariants
//!
//! - A policy only gets to see candidates: nothing picks a member that is unwell, ejected, drained or was tried
//!   (`Candidates::untried`, `Cluster::rebuild`).
//! - When fewer members are well than the panic threshold, all count: the health of so many is more likely to be misjudged
//!   than bad, and the few that are left would go down as well (`Cluster::rebuild`).
//! - Never more members are ejected than the part that may be, also when members leave (`Cluster::eject`,
//!   `Cluster::readmit_surplus`).
//! - A call counts as under way until its token is gone, whatever happens to it ([`Outstanding`]).
//! - A call that is dropped before its end gives its place back, and the time it took is believed (`Watch`).
//! - Clones of a [`Balance`] share members, loads and turns (`tests/balance.rs`).
//! - A check that takes too long or panics has failed, and the checks go on ([`check`]).
//! - What makes a response long is not what makes an endpoint slow, nor what a request waited for before it left: latency is the
//!   time from there to the response's head, and all else counts as work under way ([`Picked::asked_at`], [`Picked::head_at`]).
//!   A [`Balance`] knows neither, and times the whole call.
//! - Only a success lowers an endpoint's latency: failing fast attracts nothing, for how long ever ([`Outstanding::end`]). Who
//!   breaks off what it has begun fast to answer is as slow as before, until a call ends well
//!   ([`Outstanding::began_to_answer`]).
//! - The members' order, and every order of preference, is the same in all processes that know the same members.
//!
//! # Cost
//!
//! The columns above, and O(members) for a change of the members or of their health; hashing rebuilds its table then. A
//! call takes one short lock to pick, and a reference count for its load, its name and its service's clone; its end is a few
//! atomic operations and an exponential. Nothing is allocated for a call unless it brings a list of those tried.
//!
//! # Example
//!
//! ```
//! use xs_net::balance::{Change, Cluster, ClusterOptions, Endpoint, Policy, SmoothWeighted};
//! use xs_os::{Clock, Rng, VirtualClock};
//!
//! let (clock, mut rng) = (VirtualClock::new(), Rng::from_seed(1));
//! let mut cluster = Cluster::new("shop", ClusterOptions::default(), clock.now());
//! for (name, weight) in [("a", 5), ("b", 1), ("c", 1)] {
//!     cluster.apply(Change::Insert(Endpoint::new(name).weight(weight)), clock.now());
//! }
//! let mut policy = SmoothWeighted::new();
//! policy.changed(cluster.endpoints());
//!
//! let mut picks = String::new();
//! for _ in 0..7 {
//!     let picked = policy.pick(&cluster.candidates(clock.now(), &[]), None, &mut rng).unwrap();
//!     picks += &cluster.endpoints()[picked].name;
//! }
//! assert_eq!(picks, "aabacaa");
//! ```
//!
//! # How others do it
//!
//! Finagle brought two choices by peak average to servers, and linkerd took them over; Envoy compares calls under way, and
//! has the panic threshold, outlier detection and zones in the form that everybody copied. nginx's smooth weights are
//! twenty lines of C that have stood unchanged since 2012. HAProxy's leastconn is exact among the calls of one process.
//! With a long body the answers differ: linkerd takes the latency of HTTP until the first data of the body, and that is how long
//! its request counts as under way; Envoy's least requests count it until its stream has ended; tower's measure by default
//! until the head.
//! tower balances by two choices, with peak average or calls under way, over services that are ready, and has none of the
//! rest: no weights, no hashing, no health.
//!
//! # What this leaves out
//!
//! Subsetting, with which a thousand callers of a thousand endpoints do not keep a million connections; loads that
//! endpoints report themselves (ORCA); priorities, of which the second is used when the first is not enough.
//!
//! # Try next
//!
//! Let ten callers, each with a [`Cluster`] of its own, call the same twenty endpoints, first with [`LeastConnections`],
//! then with [`PowerOfTwoChoices`], and plot the longest queue.
//!
//! # Sources
//!
//! M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001); P. Berenbrink et al., "Balanced
//! Allocations: The Heavily Loaded Case" (2000); D. Karger et al., "Consistent Hashing and Random Trees" (1997);
//! G. Gonnet, "Expected Length of the Longest Probe Sequence in Hash Code Searching" (1981), the fullest by chance; M. Raab and
//! A. Steger, "Balls into Bins: A Simple and Tight Analysis" (1998);
//! D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), section 3.4; D. Thaler and
//! C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates" (1998), rendezvous; V. Mirrokni, M. Thorup,
//! M. Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2018); the documentation of Finagle, Envoy and nginx.

mod cluster;
mod hashing;
mod health;
mod layer;
mod load;
mod members;
mod outlier;
mod policy;
#[cfg(all(test, not(xs_loom)))]
mod quality;
mod slow_start;
mod steer;
mod sticky;
mod zone;

pub use cluster::{Applied, Candidate, Candidates, Cluster, ClusterOptions, Status};
pub use hashing::{Bounded, Hashed, Maglev, Order, Rendezvous, Ring, hash};
pub use health::{CheckOptions, Health, check};
pub use layer::{Balance, Balanced, Error, NoCandidate};
pub use load::{Load, LoadOptions, Outstanding};
pub use members::{Members, Picked};
pub use outlier::OutlierOptions;
pub use policy::{LeastConnections, Measure, Policy, PowerOfTwoChoices, Random, RoundRobin, SmoothWeighted};
pub use slow_start::{SlowStart, WHOLE};
pub use steer::{Anywhere, Steer, Tried};
pub use sticky::{InvalidToken, Key, Sticky, Token, source};
pub use zone::Zoned;

pub use crate::endpoint::{Change, Endpoint};
pub use crate::outcome::{Classify, Errors, Outcome};
