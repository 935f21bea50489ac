//! Retries: repeats what failed, if that is safe, and never so often that it becomes the problem.
//!
//! # The problem
//!
//! A lost packet, a restarted backend, a full queue: many failures are over a moment later, and asking again is all that
//! is needed. But a retry is a call more. When everything fails, three attempts are three times the load, and with three
//! layers of services that each try three times it is 27 times: the retries keep down what they were to help over. And a
//! payment that is made twice because an answer was lost is worse than an error.
//!
//! # How it works
//!
//! Three questions stand between a failure and the next attempt, each answered by a part of its own:
//!
//! ```text
//!   call ──▶ replay(&request)? ── None: sent once, whatever happens
//!     │ deposit
//!     ▼
//!   result ──▶ classify? ── Done ─────────────────────────▶ result
//!                 │ Again, After(hint)
//!                 ▼
//!              attempts, hint, budget left? ── no ────────▶ result
//!                 │ withdraw
//!                 ▼
//!              sleep max(back-off, hint) ──▶ ready ──▶ call the spare request
//! ```
//!
//! - *May it be sent twice?* `replay` looks at the request before it is gone, and gives what to send the second time. So no
//!   request has to be `Clone`, and a body that is a stream, or a method that is not idempotent, says `None`.
//! - *Could it help?* `classify` looks at the result: [`Verdict::Done`] for a success, and for an error that would come
//!   again; [`Verdict::After`] if the other side said when to come again.
//! - *Can we afford it?* A [`Budget`] is filled by calls and emptied by retries. When few calls fail, each failure is
//!   retried; when all fail, one call in five (by default) is, and the load grows by a fifth and not threefold.
//!
//! The pause is [`Backoff`]'s: random, so that callers who failed together do not come back together.
//!
//! A breaker goes inside of this layer: what it rejects comes with a hint, which `classify` can hand on.
//!
//! # Invariants
//!
//! - A request for which `replay` says `None` is sent once (`RetryService::call`).
//! - A call deposits once, however often it is attempted; each further attempt has withdrawn first (`Shared::pause`).
//! - Retries never exceed `ratio · calls + per_second · (time + window)` ([`Budget`]; a property test beside a list of
//!   everything).
//! - No attempt is made before the other side's hint is over, nor after a hint longer than
//!   [`RetryOptions::longest_hint`], nor on a service that has not said that it is ready.
//! - Clones share the budget: it belongs to the layer, or is handed in to be shared by several. Layers on top of each other
//!   that share it count a call once, if all but the outermost take it [`nested`](SharedBudget::nested).
//!
//! # Cost
//!
//! A call that is not repeated costs a deposit (a lock, the clock, O(1)), its copy, and a clone of the service. The future
//! holds the copy until the end. Nothing is allocated; back-off and timer come into being with the first failure.
//!
//! # Example
//!
//! ```
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use xs_net::Timer;
//! use xs_net::retry::{BudgetOptions, RetryLayer, RetryOptions, SharedBudget, Verdict};
//! use xs_os::Rng;
//! use std::{cell::Cell, rc::Rc};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! #[derive(Debug)]
//! enum Request { Get(&'static str), Pay(u32) } // not Clone
//!
//! let timer = Timer::system();
//! let budget = SharedBudget::new(BudgetOptions::default(), &timer);
//! let replay = |request: &Request| match request {
//!     Request::Get(key) => Some(Request::Get(key)),
//!     Request::Pay(_) => None,
//! };
//! let classify = |result: &Result<&str, &str>| if result.is_ok() { Verdict::Done } else { Verdict::Again };
//! let (options, rng) = (RetryOptions::default(), Rng::from_seed(1));
//! let layer = RetryLayer::new("shop", options, budget, &timer, rng, replay, classify);
//!
//! let calls = Rc::new(Cell::new(0));
//! let seen = calls.clone();
//! let mut shop = layer.layer(service_fn(move |_: Request| {
//!     seen.set(seen.get() + 1);
//!     let answer = if seen.get() % 2 == 1 { Err("busy") } else { Ok("done") };
//!     async move { answer }
//! }));
//! assert_eq!(shop.ready().await.unwrap().call(Request::Get("cart")).await, Ok("done"));
//! assert_eq!(calls.get(), 2);
//! assert_eq!(shop.ready().await.unwrap().call(Request::Pay(9)).await, Err("busy"));
//! assert_eq!(calls.get(), 3);
//! # }
//! ```
//!
//! # How others do it
//!
//! Finagle brought the retry budget: deposits that expire, and a minimum rate. Where two of its filters shared one budget,
//! both deposited for the same request (its issue 956), which doubled what could be retried. tower's `retry` has a
//! budget after Finagle's model, but leaves to each policy when to deposit and withdraw. Envoy's budget is a share of the
//! requests under way. gRPC's throttle takes a token for each failure, gives back a part of one for each success, and stops
//! retries below half. This layer deposits in one place, where a call comes in; what is left to get wrong is Finagle's case,
//! for which there is [`SharedBudget::nested`].
//!
//! # What this leaves out
//!
//! Telling the backend that a request is a second attempt, so that it can refuse to be retried by its own clients' clients;
//! a time limit for all attempts together, which is a [`Timer::timeout`](crate::Timer::timeout) around this layer.
//!
//! # Try next
//!
//! Stack three of these layers over a backend that fails always, with and without budgets, and count what arrives.
//!
//! # Sources
//!
//! Finagle's user's guide on retry budgets; M. Brooker, "Exponential Backoff And Jitter" (2015) and "Timeouts, retries, and
//! backoff with jitter" (Amazon Builders' Library); B. Beyer et al., *Site Reliability Engineering* (2016), chapters 21
//! and 22; RFC 9110, sections 9.2.2 (idempotent methods) and 10.2.3 (`Retry-After`).

mod budget;
mod layer;
#[cfg(all(test, not(xs_loom)))]
mod tests;

use std::time::Duration;

pub use crate::client::Backoff;
pub use budget::{Budget, BudgetOptions, SharedBudget};
pub use layer::{RetryFuture, RetryLayer, RetryService};

/// How often, and how soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOptions {
    /// How often a request is sent at most, the first time included. 0 counts as 1. Default 3.
    pub max_attempts: u32,
    /// Where the pauses begin. Default 25 ms.
    pub base: Duration,
    /// The longest pause, but for a hint. Default 1 s.
    pub cap: Duration,
    /// Decorrelated jitter instead of full jitter ([`Backoff`]): never again at once. Default no.
    pub decorrelated: bool,
    /// A hint to come again later than this ends the call: its caller should know, and not wait. Default 5 s.
    pub longest_hint: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        RetryOptions {
            max_attempts: 3,
            base: Duration::from_millis(25),
            cap: Duration::from_secs(1),
            decorrelated: false,
            longest_hint: Duration::from_secs(5),
        }
    }
}

/// Whether to repeat a call that ended so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No: it is good, or it would come out the same, or it must not happen twice.
    Done,
    /// It may help, and does no harm.
    Again,
    /// The same, but not before this time has passed: the other side said so.
    After(Duration),
}
