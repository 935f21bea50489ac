//! A bulkhead: so many calls at once, so many that wait, and no more.
//!
//! # The problem
//!
//! A process has one memory and one set of threads, and calls to many backends. When one backend becomes slow, the calls to
//! it pile up until they hold everything, and the calls to all others starve with them. A ship survives a leak because its
//! hull is divided; so each backend gets its own share of calls, and what it does with them is its own trouble.
//!
//! # How it works
//!
//! ```text
//!             running, at most n               waiting, at most m, for w at most
//!   call ──▶ [ ● ● ● ● ] ◀── a free place ──── 5 ◀─ 6 ◀─ 7 ◀── call
//!               │          goes to the oldest
//!               ▼                               full, or waited too long: Full { retry_after }
//!            response
//! ```
//!
//! A short queue takes up a burst; a long one only makes everybody late. With none, what doesn't fit is rejected at once.
//!
//! Waiting happens in the call and not in `poll_ready`: a service that reserves a place while it is polled can be dropped
//! with it, and one that blocks there blocks whoever asks it.
//!
//! # Invariants
//!
//! - Never more than n calls run, of all clones together, and never more than m wait ([`Places`]; a property test beside
//!   two lists, and loom among threads).
//! - First come, first served: a place is handed over and never put up for grabs, so a newcomer cannot overtake.
//! - No place is lost: it belongs to a `Place`, whose `Drop` hands it on wherever the call was in its life, also between
//!   being given a place and being woken for it.
//! - A call that has got its place just when its time is up runs.
//!
//! # Cost
//!
//! Two exchanges of one word and a reference count a call that runs at once while nobody waits: no lock. One that waits is
//! O(log m) under a lock, and keeps its request and the ready inner service. Whatever that service has reserved in being ready it holds while it waits: put layers that
//! reserve (a pool) inside with care.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use xs_net::Timer;
//! use xs_net::bulkhead::{BulkheadLayer, BulkheadOptions, Error};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let options = BulkheadOptions { running: 2, waiting: 0, wait: Duration::from_millis(100) };
//! let layer = BulkheadLayer::new("search", options, &Timer::system());
//! let mut search = layer.layer(service_fn(|n: u32| async move { Ok::<_, std::io::Error>(n) }));
//!
//! let one = search.ready().await.unwrap().call(1);
//! let two = search.clone().ready().await.unwrap().call(2); // a clone shares the places
//! let three = search.ready().await.unwrap().call(3).await;
//! assert!(matches!(three, Err(Error::Full(full)) if full.retry_after == options.wait));
//! assert_eq!((one.await.unwrap(), two.await.unwrap()), (1, 2));
//! assert_eq!(layer.running(), 0);
//! # }
//! ```
//!
//! # How others do it
//!
//! `tower::limit::ConcurrencyLimit` reserves in `poll_ready` and lets callers wait there without a bound; its layer makes a
//! limit for each service unless one takes `GlobalConcurrencyLimitLayer`. Take it where waiting for ever is right.
//! Hystrix ran each dependency in a thread pool of its own, whose size was the limit; resilience4j has that and a
//! semaphore with a longest wait. Envoy's `max_pending_requests` is the queue.
//!
//! # What this leaves out
//!
//! Finding the right number: that is adaptive concurrency's. Priorities. Newest first under overload, as Facebook's
//! adaptive LIFO: it serves those who may still be waiting, and the policy would be a `pop_last`.
//!
//! # Try next
//!
//! Write that `pop_last`, for when the oldest has waited longer than half the limit, and count the calls that are answered
//! in time at 120 % load.
//!
//! # Sources
//!
//! M. Nygard, *Release It!* (2nd edition 2018), "Bulkheads"; B. Maurer, "Fail at Scale" (ACM Queue 13/8, 2015).

mod layer;
mod policy;
#[cfg(all(test, not(xs_loom)))]
mod tests;

use std::time::Duration;

pub use layer::{BulkheadFuture, BulkheadLayer, BulkheadService};
pub use policy::{Entry, Places, Waiting};

/// How many, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkheadOptions {
    /// How many calls run at once, at least one. Default 100.
    pub running: usize,
    /// How many wait for a place. Default 100.
    pub waiting: usize,
    /// How long one waits at most. Default 100 ms.
    pub wait: Duration,
}

impl Default for BulkheadOptions {
    fn default() -> Self {
        BulkheadOptions { running: 100, waiting: 100, wait: Duration::from_millis(100) }
    }
}

/// No place for this call. The inner service has not seen it: it is safe to repeat, later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all {running} places are taken; ask again after {retry_after:?}")]
pub struct Full {
    /// How many calls may run.
    pub running: usize,
    /// Whether it waited as long as it may. If not, those who wait were too many.
    pub waited: bool,
    /// When to come again: nobody who waits now will do so any longer than this ([`BulkheadOptions::wait`]).
    pub retry_after: Duration,
}

/// What a call through a bulkhead fails with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// There was no place for it.
    #[error(transparent)]
    Full(Full),
    /// The inner service failed.
    #[error(transparent)]
    Inner(E),
}

impl<E> Error<E> {
    /// The inner service's error, if it is one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Error::Inner(error) => Some(error),
            Error::Full(_) => None,
        }
    }
}
