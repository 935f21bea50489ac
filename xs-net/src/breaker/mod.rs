//! A circuit breaker: stops calling what fails, and tries again with care.
//!
//! # The problem
//!
//! A backend that is down or drowning is called all the same, and every call waits for its time-out. The callers' threads,
//! connections and queues fill with calls that cannot succeed, so the failure spreads upwards; and the backend, which
//! might recover if it were left alone, is kept down by the load. Somebody has to notice, and to stop asking.
//!
//! # How it works
//!
//! A [`Breaker`] watches the outcomes of calls in a sliding window. When the share that failed, or that was slow, reaches
//! a threshold, it opens: calls are rejected at once, with the time after which asking again makes sense. After that time
//! the next few calls go through as a trial. Their rates decide whether it closes, or opens again for longer.
//!
//! ```text
//!           ┌───────────── window of the last n calls, or the last t seconds ─────────────┐
//!   closed  │ ok ok FAIL ok FAIL FAIL ok FAIL FAIL │ 5 of 9 failed ≥ 50 %  ──▶ open, 5 s  │
//!   open    │ every call: Rejected { retry_after } │ 5 s are over, a call  ──▶ half open  │
//!   half    │ 3 trial calls, the rest rejected     │ all good              ──▶ closed     │
//!   open    │                                      │ too many bad          ──▶ open, 10 s │
//!           └─────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! What a failure is the caller says: a [`Classify`], any `Fn(&Result<T, E>) -> Outcome`. An error that is the request's
//! own fault should be [`Outcome::Ignored`] or a success: it says that the backend lives. [`BreakerLayer`] puts the policy
//! around a service, and [`BreakerHandle`] watches and overrules it.
//!
//! Put time-outs *inside* the breaker. One outside drops the call, and a dropped call tells the breaker nothing.
//!
//! # Invariants
//!
//! - One breaker for all clones: the layer makes it once and services hold it by reference count (`BreakerHandle`).
//! - A call counts only in the generation in which it began: every change of state begins a new one, so a call that was
//!   sent before the breaker opened cannot close it or open it again (`Breaker::end`).
//! - Half open, never more calls are under way than there are trial places; a call that is dropped gives its place back
//!   (`Permit`'s `Drop`).
//! - Trial calls that hang don't keep it half open for ever ([`BreakerOptions::trial_most`]).
//! - While it rejects, nobody begins to wait for the inner service's readiness, and who is rejected hears when to come again
//!   (`BreakerService::poll_ready`). Who waited already when it opened goes on.
//! - Its decisions are those of a model that keeps every outcome and counts anew each time (a property test).
//!
//! # Cost
//!
//! Two short locks, two readings of the clock (20 ns each) and a reference count a call; recording is O(1) in both kinds
//! of window, whatever their size. A window of n calls takes 12 n bytes, one of time 12 bytes a bucket. Nothing is
//! allocated for a call.
//!
//! # Example
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use xs_net::Timer;
//! use xs_net::breaker::{BreakerLayer, BreakerOptions, Error, State};
//! use xs_os::VirtualClock;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let clock = VirtualClock::new();
//! let timer = Timer::new(Arc::new(clock.clone()));
//! let options = BreakerOptions { minimum_calls: 2, trials: 1, ..BreakerOptions::default() };
//! let layer = BreakerLayer::new("users", options, &timer);
//!
//! // A backend that answers even numbers.
//! let mut users = layer.layer(service_fn(|id: u32| async move { if id % 2 == 0 { Ok(id) } else { Err("odd") } }));
//! for _ in 0..2 {
//!     let failed = users.ready().await.unwrap().call(1).await;
//!     assert!(matches!(failed, Err(Error::Inner("odd"))));
//! }
//! let Err(Error::Rejected(rejected)) = users.ready().await.unwrap().call(2).await else { panic!("it is open") };
//! assert_eq!(rejected.retry_after, Duration::from_secs(5));
//!
//! clock.advance(rejected.retry_after);
//! assert_eq!(users.ready().await.unwrap().call(2).await.unwrap(), 2); // the trial
//! assert_eq!(layer.handle().status().state, State::Closed);
//! # }
//! ```
//!
//! # How others do it
//!
//! resilience4j has both kinds of window, slow calls, and a trial of n calls; the vocabulary here is its. Hystrix tripped
//! on a rolling window of ten seconds and tried one call at a time. Envoy's circuit breaking is a limit on concurrency;
//! what this chapter means is its outlier detection, a host at a time. The failsafe crate opens at a rate of successes over
//! a window, or after failures in a row; failures in a row alone, as in Polly's first breaker, are forgotten at one lucky call
//! among a hundred failures. tower has none.
//!
//! # What this leaves out
//!
//! A breaker for each key or host: keep a layer for each, as a balancer does. Rejecting a growing share instead of
//! everything, as Google's client-side throttling does: no state, no trial, and no moment at which a whole fleet comes
//! back, at the price of always sending some calls. Jitter of the time open: a fleet of breakers that opened together
//! tries together, though each with a few calls only.
//!
//! # Try next
//!
//! Write the adaptive throttle (reject with probability `max(0, (requests − 2 · accepts) / (requests + 1))`) as a second
//! policy, and run both against a backend whose capacity drops to a tenth and comes back.
//!
//! # Sources
//!
//! M. Nygard, *Release It!* (2nd edition 2018), "Circuit Breaker"; resilience4j's documentation of its CircuitBreaker;
//! B. Beyer et al., *Site Reliability Engineering* (2016), chapter 21, for the throttle.

mod layer;
mod policy;
#[cfg(all(test, not(xs_loom)))]
mod tests;
mod window;

use std::time::Duration;

pub use crate::outcome::{Classify, Errors, Outcome};
pub use layer::{BreakerFuture, BreakerHandle, BreakerLayer, BreakerService};
pub use policy::{Breaker, BreakerOptions, State, Status, Ticket};
pub use window::{Totals, Window};

/// Why a breaker let a call not through. The inner service has not seen it: it is safe to repeat, later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the circuit breaker is {state:?}; ask again after {retry_after:?}")]
pub struct Rejected {
    /// What the breaker was.
    pub state: State,
    /// When to come again: what is left of the time open. While trial calls are under way, and while it is forced open,
    /// nobody can know, and it is [`BreakerOptions::open_for`].
    pub retry_after: Duration,
}

/// What a call through a breaker fails with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// The breaker rejected it.
    #[error(transparent)]
    Rejected(Rejected),
    /// The inner service failed.
    #[error(transparent)]
    Inner(E),
}

impl<E> Error<E> {
    /// The inner service's error, if it is one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Error::Inner(error) => Some(error),
            Error::Rejected(_) => None,
        }
    }
}
