//! How much may pass, and how fast: rate limits, one for everybody or one for each key.
//!
//! # The problem
//!
//! A service that takes everything falls over under the first client with a loop in it, and takes all others along. A
//! limit refuses early, while refusing is cheap, and says when to come again, so that the client need not guess. The hard
//! parts are small: what exactly is promised ("a hundred a second" has at least four meanings), that clones of a service
//! share one limit, that nothing drifts at three requests a second or overflows at three thousand million, and that a
//! map of limits by client does not become the way to exhaust the memory.
//!
//! # How it works
//!
//! A [`Policy`] is a rule without memory of its own, without a clock, and without tokio. It looks at a state and at `now`,
//! and answers *pass*, *pass in so long*, or [`Denied`]:
//!
//! ```text
//!                       reserve(&mut state, now, cost, patience)
//!                                         │
//!       ┌─────────────────────────────────┼────────────────────────────────────┐
//!   Ok(0): pass          Ok(wait): a place at now + wait        Denied::Busy: come again in so long
//!                        nobody later gets an earlier one       Denied::TooLarge: never
//! ```
//!
//! | policy | remembers | in any stretch `t` passes at most | bursts |
//! |---|---|---|---|
//! | [`TokenBucket`] | a level | `burst + rate · t` | `burst` |
//! | [`LeakyBucket`] | a level | the same: it is the same bucket upside down | `size` |
//! | [`Gcra`] | a moment | the same, with the smallest state | `burst` |
//! | [`LeakyQueue`] | a level | one after another, evenly spaced | none: they wait |
//! | [`FixedWindow`] | a count | in a period: twice the amount | the amount |
//! | [`AtomicWindow`] | a count | the same, but without a look at the clock while it lasts | twice the amount |
//! | [`SlidingCounter`] | two counts | in a period: twice the amount at worst, about the amount as a rule | the amount |
//! | [`SlidingLog`] | everything | in a period: the amount, exactly | the amount |
//!
//! Take [`Gcra`] unless something speaks against it. The windows are for rules that somebody wrote down as "so many an
//! hour".
//!
//! Around a policy stand, from the inside out:
//!
//! ```text
//!   Limiter<P>      one state behind a lock            ┐
//!   AtomicGcra      one word without a lock            ├─ Limit<K> ── RateLimitLayer ── service
//!   AtomicWindow    a count, the clock at its end      │                    │
//!   Keyed<K, P>     a state for each key, bounded      ┘   a Charge says who pays, and how much
//! ```
//!
//! [`RateLimitLayer`] refuses at once, or lets requests [wait](RateLimitLayer::waiting) for the place they are promised.
//! [`ConcurrencyLayer`] limits how many calls are under way instead, and [`adaptive`] finds out how many that should be.
//! [`shared`] asks a store, so that several processes have one limit.
//!
//! # Invariants
//!
//! - What passes is bounded as the table says; each policy equals a model that remembers everything and tries every
//!   nanosecond (`limit::model`).
//! - [`Denied::Busy`] is exact: the same request is accepted after that time and not a nanosecond earlier.
//! - A request whose cost is above the capacity is told so ([`Denied::TooLarge`]) instead of being sent into an endless
//!   circle of retries.
//! - A refusal takes nothing, and a [`Limiter`] that knows it beforehand answers as its policy would (a property test of all
//!   policies, with and without).
//! - All services that a layer makes, and all their clones, share one limit (`tests/limit.rs`: five pass, not five a clone).
//! - Nothing is taken in `poll_ready`: a service that was ready and is dropped costs nobody a place.
//! - [`Keyed`] remembers no more keys than it was told to; a key is forgotten only when its state is as good as fresh, so
//!   no answer changes (a property test against a map without a bound).
//! - A rule that is changed while it is in use ([`Limiter::change`], [`Keyed::change`]) starts nobody anew: what was taken counts
//!   (`limit::change`).
//! - [`AtomicGcra`] and [`AtomicWindow`] are exact among threads: loom tries every interleaving (`.ci/loom`).
//! - Whole numbers only: a bucket counts in shares of a unit, of which a nanosecond brings a whole number (`rate.rs`).
//!   Three a second are three a second after a year. Whatever would not fit saturates to the strict side.
//!
//! # Cost
//!
//! A check is a handful of integer operations: no allocation, no division unless the answer is a wait. Moments are one number
//! ([`Nanos`](xs_os::Nanos)), of which a difference is one subtraction. [`SlidingLog`]
//! keeps 16 bytes for each unit that passed in the last period. A [`Keyed`] key costs itself, its state (16 bytes for
//! [`Gcra`]), and 21 bytes or so of index; a check is one hash and one lock of a shard. A [`Limiter`] remembers until when it
//! refuses, and whoever comes before that is told so without the lock: a flood of requests over the limit costs a reading of
//! the clock each, and hinders nobody who may pass.
//!
//! Reading the clock is most of a check. A layer over [`AtomicGcra`] costs that and one compare-and-exchange, which is the price of
//! being shared: 22 ns by ticks and 25 by the system's clock, where tower's limit, a plain number for each clone, takes 20, and
//! tower-resilience's 119. [`AtomicWindow`] is the window that tower has, shared, and without the clock: 9 ns. Asked directly,
//! `AtomicGcra` passes in 22 ns and refuses in 11, as governor does by ticks, and by the system's clock in 25 and 20 where governor
//! takes 29 and 25. A [`Limiter`] has a lock, which is two exchanges: 27 and 30 ns to pass, and 10 and 19 to refuse.
//! (`xs-benches -- layers` with all its peers, the least of 15 rounds.)
//!
//! What is done for the clock: [`Timer::default`](crate::Timer) counts ticks where it may, as governor does;
//! [`Timer`](crate::Timer) knows the system's and the counter of ticks by name, because the compiler can't look into a call
//! through a table; the system's is read as a number where that is possible ([`SystemClock`](xs_os::SystemClock)), because an
//! `Instant` has to be taken apart for each difference; ticks become nanoseconds by one multiplication
//! ([`TickClock`](xs_os::TickClock)); when the present word would let a request pass is computed before the clock has answered; and
//! a refusal says in nanoseconds when to come again, because a `Duration` is a division and most callers never look at it.
//!
//! Other ways to share a limit were tried, as multiples of the exchange's time, with the clock: adding without looking first and
//! putting it right afterwards, 1.17; a plain number in each clone, as tower has it, 0.68, but a hundred clones are a hundred
//! limits then; clones that take eight units at once and let seven calls pass without a look at anything, 0.07, but whatever a
//! clone holds is lost with it, which with a clone for each connection is nearly everything, and no refusal could say exactly
//! when to come again. Not tried is a lock for the [`Limiter`] that is let go by a plain store, with one exchange less: nobody can
//! sleep at it, so whoever holds it and is interrupted would stop all others for a time slice.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use xs_net::limit::{Denied, Gcra, Policy, Rate};
//! use xs_os::{Clock, VirtualClock};
//!
//! let (clock, hundred_a_second) = (VirtualClock::new(), Gcra::new(Rate::per_second(100)?, 2));
//! let mut alice = Default::default();
//! assert_eq!(hundred_a_second.check(&mut alice, clock.nanos(), 1), Ok(()));
//! assert_eq!(hundred_a_second.check(&mut alice, clock.nanos(), 1), Ok(()));
//! let denied = hundred_a_second.check(&mut alice, clock.nanos(), 1).unwrap_err();
//! assert_eq!(denied.retry_after(), Some(Duration::from_millis(10)));
//! clock.advance(Duration::from_millis(10));
//! assert_eq!(hundred_a_second.check(&mut alice, clock.nanos(), 1), Ok(()));
//! # Ok::<(), xs_net::limit::InvalidRate>(())
//! ```
//!
//! # How others do it
//!
//! `governor` is GCRA over atomics, with intervals cut to whole nanoseconds. nginx's `limit_req` is a leaky bucket, as a
//! queue or, with `nodelay`, as a meter. Go's `x/time/rate` is a token bucket in floating point, whose reservations can
//! be given back. Cloudflare and many gateways count in two windows. tower's `RateLimit` is a fixed window whose clones
//! don't share it, and which reads the clock for each request.
//!
//! # What this leaves out
//!
//! Waiting for a place under [`ConcurrencyLayer`], which refuses: a bulkhead with a queue is a block of its own. Giving back
//! what was taken: whoever leaves after having been promised a place has used it, as if the request had been sent and
//! cancelled.
//!
//! # Try next
//!
//! Send a burst at the end of one period and another at the beginning of the next through a [`FixedWindow`], a
//! [`SlidingCounter`] and a [`SlidingLog`], and plot what passes.
//!
//! # Sources
//!
//! ITU-T I.371, "Traffic control and congestion control in B-ISDN", annex A (GCRA, and that its two forms are the same);
//! J. Turner, "New Directions in Communications (or Which Way to the Information Age?)" (1986), the leaky bucket;
//! J.-Y. Le Boudec and P. Thiran, "Network Calculus" (2001), chapter 1, arrival curves: the definition of the bucket that
//! the tests use.

pub mod adaptive;
pub mod shared;

mod atomic;
mod atomic_window;
mod concurrency;
mod error;
mod gcra;
mod keyed;
mod layer;
mod leaky;
mod limiter;
mod log;
mod policy;
mod rate;
mod token;
mod window;

#[cfg(all(test, not(xs_loom)))]
mod change;
#[cfg(all(test, not(xs_loom)))]
mod model;

pub use atomic::AtomicGcra;
pub use atomic_window::AtomicWindow;
pub use concurrency::{Concurrency, ConcurrencyLayer, Holding, Slot, Slots};
pub use error::{Error, Full};
pub use gcra::{Arrival, Gcra};
pub use keyed::Keyed;
pub use layer::{Charge, Flat, RateLimit, RateLimitLayer, Refuse, Refusing, Wait, Waiting};
pub use leaky::{LeakyBucket, LeakyQueue, Water};
pub use limiter::{Limit, Limiter};
pub use log::{Log, SlidingLog};
pub use policy::{Denied, Policy};
pub use rate::{InvalidRate, Rate};
pub use token::{TokenBucket, Tokens};
pub use window::{FixedWindow, SlidingCounter, Window, Windows};
