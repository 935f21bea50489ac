//! Hedging: a second call when the first is late, and the faster answer wins.
//!
//! # The problem
//!
//! A backend that answers in 5 ms but once in a hundred times in half a second seems fast. A page that needs twenty such
//! answers is slow every fifth time. The slow one has seldom to do with the request: a pause of the collector, a queue on one
//! replica, a lost packet. Asked again, somebody else would have answered long ago.
//!
//! # How it works
//!
//! ```text
//!   first call ────────────── late ──────────────────────▶ ✗ dropped
//!                    │ the 95th percentile of the last minute
//!                    └─▶ second call ──▶ answer, at about p95 + median
//! ```
//!
//! [`Hedger`] measures calls into a [histogram](crate::histogram) whose error is known, and says what is late: longer than
//! 95 % of calls take. So at most about one call in twenty is made twice. [`HedgeLayer`] makes the second call, over a clone of
//! the inner service: a balancer there sends it elsewhere.
//!
//! When a backend becomes slow as a whole, every call is late until the percentile has caught up. Then second calls would be
//! load where there is too much already: each is taken from a budget ([`retry::Budget`](crate::retry::Budget)), which
//! calls fill.
//!
//! # Invariants
//!
//! - A request for which `replay` says `None` is sent once. Nothing may be sent twice that must not happen twice: both calls
//!   may be carried out.
//! - At most one second call, and only with budget.
//! - The first answer that is not an error wins, and the other call is dropped. An error waits for the other call, if one is
//!   under way; before that it is the answer at once.
//! - Giving up late calls does not pull the percentile down: they are recorded with the time they had taken, beyond the
//!   delay (`Hedger::record`; a test).
//! - Errors are not measured: failing fast is not being fast.
//!
//! # Cost
//!
//! A call: two locks and a lock of the budget, two readings of the clock, the copy of the request and a clone of the service;
//! one that is not ready at once arms a timer, which is an allocation. 21 KiB for the two histograms; their percentile is
//! looked up once in 64 calls, a microsecond.
//!
//! # Example
//!
//! ```
//! use std::cell::Cell;
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use xs_net::Timer;
//! use xs_net::hedge::{HedgeLayer, HedgeOptions};
//! use xs_net::retry::{BudgetOptions, SharedBudget};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let timer = Timer::system();
//! let budget = SharedBudget::new(BudgetOptions { ratio: 0.1, ..BudgetOptions::default() }, &timer);
//! let options = HedgeOptions { minimum_calls: 10, ..HedgeOptions::default() };
//! let layer = HedgeLayer::new("replica", options, budget, &timer, |n: &u32| Some(*n));
//!
//! let calls = Cell::new(0);
//! let mut replica = layer.layer(service_fn(|n: u32| {
//!     calls.set(calls.get() + 1);
//!     let hangs = calls.get() == 20;
//!     async move { if hangs { std::future::pending().await } else { Ok::<_, std::io::Error>(n) } }
//! }));
//! for n in 0..30 {
//!     assert_eq!(replica.ready().await.unwrap().call(n).await.unwrap(), n); // also the twentieth
//! }
//! assert!(calls.get() > 30);
//! # }
//! ```
//!
//! # How others do it
//!
//! In a benchmark of BigTable, a second request after 10 ms brought the 99.9th percentile of reading a thousand keys from
//! 1.8 s down to 74 ms, for 2 % more requests. `tower::hedge` is the same idea, with a policy that clones requests and a histogram of the last minutes, no
//! budget, and tokio's clock. gRPC hedges after a configured delay and lets a server forbid it. Envoy hedges when a
//! try's time-out strikes.
//!
//! # What this leaves out
//!
//! Telling the two backends of each other, so that the slower one can stop (tied requests); more than one second call. A call
//! that its own caller gives up is not measured, so a time limit inside or outside that often strikes hides slow calls from the
//! percentile.
//!
//! # Try next
//!
//! Set the percentile to 0.5 and 0.99, and plot the load and the p99 of a backend whose latency has a long tail.
//!
//! # Sources
//!
//! J. Dean and L. Barroso, "The Tail at Scale" (CACM 56/2, 2013); G. Tene's HdrHistogram for slots of constant relative width.

mod layer;
mod policy;
#[cfg(all(test, not(xs_loom)))]
mod tests;

pub use layer::{HedgeFuture, HedgeLayer, HedgeService};
pub use policy::{HedgeOptions, Hedger};
