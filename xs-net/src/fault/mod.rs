//! Faults on purpose: delays, refusals and lost answers, by chance from a seed.
//!
//! # The problem
//!
//! Time-outs, retries and breakers run only when something is broken, so they are the code that is least tried when it is
//! needed most. Whoever waits for a real failure to test them tests in production.
//!
//! # How it works
//!
//! [`FaultLayer`] stands between a client and a service and throws dice for each call, by the probabilities in
//! [`Faults`]:
//!
//! ```text
//!   refuse   call ──✗                         the service never sees it: safe to repeat
//!   lose     call ──▶ service ──▶ answer ✗    it happened, and nobody knows: only what is idempotent may be repeated
//!   delay    … and in each case, also a good one, the answer comes later
//! ```
//!
//! The difference between refusing and losing is the one that retry logic gets wrong. The probabilities can be changed while
//! it runs ([`FaultHandle`]): a drill that begins and ends.
//!
//! # Invariants
//!
//! - The same seed, probabilities and order of calls give the same faults.
//! - Every call draws the same number of times, whatever the probabilities: switching one fault off doesn't change
//!   which calls meet the others (`Faults::draw`).
//! - Off is off: without faults a call passes as it is.
//!
//! # Cost
//!
//! A lock and three draws a call. It is meant for tests and drills.
//!
//! # Example
//!
//! ```
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use xs_net::Timer;
//! use xs_net::fault::{Error, FaultLayer, Faults, Injected};
//! use xs_os::Rng;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let faults = Faults { refuse: 0.5, ..Faults::default() };
//! let layer = FaultLayer::new("drill", faults, &Timer::system(), Rng::from_seed(1));
//! let mut service = layer.layer(service_fn(|n: u32| async move { Ok::<_, std::io::Error>(n) }));
//! let mut refused = 0;
//! for n in 0..100 {
//!     match service.ready().await.unwrap().call(n).await {
//!         Err(Error::Injected(Injected::Refused)) => refused += 1,
//!         other => assert_eq!(other.unwrap(), n),
//!     }
//! }
//! assert!((30..70).contains(&refused));
//! layer.handle().set(Faults::default()); // the drill is over
//! # }
//! ```
//!
//! # How others do it
//!
//! Envoy has a fault filter with delays and aborts by percentage; Toxiproxy does it to TCP streams; Netflix's Chaos Monkey to
//! machines. Turmoil and madsim simulate the whole network, as [`MemoryListener`](crate::MemoryListener) and a virtual
//! clock do here at the level of streams.
//!
//! # What this leaves out
//!
//! Wrong answers, which only the service's own types know how to make: `ServiceExt::map_response` around it.
//!
//! # Try next
//!
//! Lose every tenth answer of a counter's `increment` behind a retry layer whose `replay` says that everything may be
//! repeated, and look at the counter.
//!
//! # Sources
//!
//! P. Alvaro et al., "Lineage-driven Fault Injection" (SIGMOD 2015); A. Basiri et al., "Chaos Engineering" (IEEE Software 2016).

mod layer;

use std::time::Duration;

use xs_os::Rng;

pub use layer::{FaultFuture, FaultHandle, FaultLayer, FaultService};

/// How probable each fault is. A pure policy: [`draw`](Self::draw) decides. By default none ever happens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// The probability that a call is refused.
    pub refuse: f64,
    /// The probability that a call that wasn't refused loses its answer.
    pub lose: f64,
    /// The probability that an answer, good or bad, comes late.
    pub delay: f64,
    /// The shortest such delay.
    pub delay_least: Duration,
    /// The longest. Between the two each is equally probable.
    pub delay_most: Duration,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// How it fails, if it does.
    pub injected: Option<Injected>,
    /// How much later its answer comes.
    pub delay: Duration,
}

impl Faults {
    /// What happens to the next call. Always draws three numbers.
    pub fn draw(&self, rng: &mut Rng) -> Fault {
        let (end, late, how_late) = (rng.unit(), rng.unit(), rng.unit());
        let injected = if end < self.refuse {
            Some(Injected::Refused)
        } else if end < self.refuse + (1.0 - self.refuse) * self.lose {
            Some(Injected::Lost)
        } else {
            None
        };
        let span = self.delay_most.saturating_sub(self.delay_least);
        let delay = if late < self.delay { self.delay_least + span.mul_f64(how_late) } else { Duration::ZERO };
        Fault { injected, delay }
    }
}

/// A failure that was made on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Injected {
    /// The service has not seen the request.
    #[error("refused on purpose")]
    Refused,
    /// The service has done what it was asked, or failed to; its answer was thrown away.
    #[error("answer lost on purpose")]
    Lost,
}

/// What a call through faults fails with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// It was made to fail.
    #[error(transparent)]
    Injected(Injected),
    /// The inner service failed.
    #[error(transparent)]
    Inner(E),
}

impl<E> Error<E> {
    /// The inner service's error, if it is one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Error::Inner(error) => Some(error),
            Error::Injected(_) => None,
        }
    }
}
