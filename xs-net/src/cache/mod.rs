//! A cache of responses, with one call for all who miss the same thing at once.
//!
//! # The problem
//!
//! The cheapest call is the one that is not made. But a cache in front of a busy backend has a moment of danger for each
//! popular key: when the entry expires, everybody misses at once, and a thousand callers ask the backend the same question
//! (a stampede, or dogpile). The backend, sized for what the cache lets through, becomes slow; so the answer takes
//! longer, so more callers miss.
//!
//! # How it works
//!
//! ```text
//!   request ─▶ key? ── None ───────────────────────────────────────▶ call
//!               │
//!               ├─ fresh ──▶ answer
//!               ├─ stale ──▶ answer, and one refresh behind it
//!               └─ missing ─▶ under way? ── no ──▶ lead: call ──▶ store, answer all who wait
//!                                └── yes ─▶ wait ──▶ answer; if the leader is dropped, lead
//! ```
//!
//! The first who misses makes the call (*leads the flight*), the others wait for its result. If the leader's caller gives up,
//! the first of the others to be polled makes the call with its own request; nobody notices. A response is fresh for a time and
//! then stale for a time ([`Lifetime`]): a stale one is still the answer, while one call renews it in a task of its own. So a
//! popular key is never waited for again, and a backend that fails for less than that time is not noticed.
//!
//! What stays when the store is full is the store's decision: any [`xs_storage::cache`] will do.
//!
//! # Invariants
//!
//! - At most one call for a key is under way, whoever asks through whichever clone (`Shared::plan`), but for calls that were
//!   under way when the key was forgotten.
//! - A flight ends: its leader finishes, or passes the lead on when it is dropped, a panic included (`Lead`'s `Drop`); one
//!   whom nobody waits for is forgotten. Loom tries leaders that go, seats that are given up and callers that come in every order
//!   (`cache::loom_tests`).
//! - Errors are never stored. All who waited for a failed call get its error, shared ([`Error::Shared`]); they don't try
//!   again one after another.
//! - What was asked before [`CacheLayer::remove`] is not stored after it (`Shared::land`).
//! - Wakers and what was evicted are woken and dropped after the locks are given back.
//!
//! # Cost
//!
//! A hit is a reading of the clock, one lock, a look-up and a clone of the response: make responses cheap to clone ([`Bytes`],
//! an `Arc`). A miss clones the service and allocates its flight. All keys share one lock; a store a shard would divide
//! it.
//!
//! [`Bytes`]: bytes::Bytes
//!
//! # Example
//!
//! ```
//! use std::{sync::Arc, sync::atomic::{AtomicU32, Ordering}, time::Duration};
//! use tower::{Layer, Service, service_fn};
//! use xs_net::Timer;
//! use xs_net::cache::{CacheLayer, Lifetime};
//! use xs_storage::cache::S3FifoCache;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let calls = Arc::new(AtomicU32::new(0));
//! let seen = calls.clone();
//! let backend = service_fn(move |name: &'static str| {
//!     seen.fetch_add(1, Ordering::SeqCst);
//!     async move {
//!         tokio::task::yield_now().await; // an answer takes a while
//!         Ok::<_, std::io::Error>(name.len())
//!     }
//! });
//! let minute = Lifetime::fresh(Duration::from_secs(60));
//! let by_name = |name: &&'static str| Some(*name);
//! let mut service = CacheLayer::new("names", S3FifoCache::new(1000), minute, &Timer::system(), by_name).layer(backend);
//!
//! let (one, two) = tokio::join!(service.call("tea"), service.clone().call("tea"));
//! assert_eq!((one.unwrap(), two.unwrap()), (3, 3));
//! assert_eq!(service.call("tea").await.unwrap(), 3);
//! assert_eq!(calls.load(Ordering::SeqCst), 1);
//! # }
//! ```
//!
//! # How others do it
//!
//! Go's `singleflight` shares one call's result and error and knows no cache and no lifetime; a caller that gives up leaves
//! the call running. moka's `get_with` and Caffeine coalesce loads inside the cache; pingora's cache holds a lock a key with a
//! time-out, after which everybody may call. Varnish calls it request coalescing and its grace mode is the stale time. HTTP
//! has `stale-while-revalidate` as a directive (RFC 5861).
//!
//! # What this leaves out
//!
//! HTTP's rules (`Vary`, validators, `Cache-Control`), which a `key` and a `lifetime` can express; negative caching: let the
//! response be an enum that says "there is none". Early refresh by chance before the expiry (XFetch), which stale answers make
//! unnecessary. Bounds on those who wait: a [`bulkhead`](crate::bulkhead) outside.
//!
//! # Try next
//!
//! Give up the flight (let every miss call) in the test of a thousand callers, and look at what arrives.
//!
//! # Sources
//!
//! RFC 5861; RFC 9111, section 4; A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal Probabilistic Cache Stampede Prevention"
//! (VLDB 2015).

mod flight;
mod layer;
#[cfg(all(test, xs_loom))]
mod loom_tests;
#[cfg(all(test, not(xs_loom)))]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use layer::{CacheFuture, CacheLayer, CacheService};

/// How long a response is good, from the moment at which it came. Both zero: it is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetime {
    /// For so long it is the answer.
    pub fresh: Duration,
    /// For so long after that it is still the answer, and the first who gets it sets off a refresh.
    pub stale: Duration,
}

impl Lifetime {
    /// Fresh for a time, and never stale.
    pub fn fresh(fresh: Duration) -> Self {
        Lifetime { fresh, stale: Duration::ZERO }
    }
}

/// Says how long a response is good. A [`Lifetime`] says the same of all; any `Fn(&T) -> Lifetime` may differ.
pub trait Lasts<T> {
    /// How long this one is good.
    fn lasts(&self, response: &T) -> Lifetime;
}

impl<T> Lasts<T> for Lifetime {
    fn lasts(&self, _: &T) -> Lifetime {
        *self
    }
}

impl<T, F: Fn(&T) -> Lifetime> Lasts<T> for F {
    fn lasts(&self, response: &T) -> Lifetime {
        self(response)
    }
}

/// A response as the store has it.
#[derive(Debug, Clone)]
pub struct Stored<T> {
    value: T,
    fresh_until: Instant,
    stale_until: Instant,
}

impl<T> Stored<T> {
    /// The response, for a store that weighs it.
    pub fn value(&self) -> &T {
        &self.value
    }
}

/// What a call through a cache fails with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// The inner service failed, for this caller alone.
    #[error(transparent)]
    Inner(E),
    /// The inner service failed, and several callers had waited for it: they share the error.
    #[error("{0}")]
    Shared(Arc<E>),
}

impl<E> Error<E> {
    /// The inner service's error, if it is this caller's alone or all others have dropped it.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Error::Inner(error) => Some(error),
            Error::Shared(error) => Arc::into_inner(error),
        }
    }
}
