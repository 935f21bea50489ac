//! Services that compute or block, on a thread pool and not on the reactor.
//!
//! # The problem
//!
//! A password hash takes a tenth of a second of pure computing, a thumbnail more. On a reactor's thread that is a tenth of a
//! second in which no other connection of that core is served.
//!
//! # How it works
//!
//! ```text
//!   reactor:  call(request) ──▶ room in the queue? ──▶ ... ──▶ answer
//!                                 │ none: refused          ▲
//!   pool:                         └──▶ service.call(request)
//! ```
//!
//! [`OffloadLayer`] stands in front of a service and runs each call on a work-stealing [`Pool`](xs_os::pool::Pool), at a priority of the layer's. The call's future
//! is polled on the worker to its end, so the service may compute or block as long as it likes. It has no reactor there: what
//! awaits tokio's timers or sockets belongs on the other side.
//!
//! The pool's queue is the bound. When it is full the call is refused at once ([`Error::Refused`]), because a reactor that
//! waits is what this is against. In front of it, [`shed`](https://docs.rs/xs-net) or a bulkhead decides who is refused.
//!
//! # Invariants
//!
//! - The reactor's thread never runs the service's future, and never waits, if it is not the last to hold the pool: whoever drops a
//!   pool waits for its jobs.
//! - A call that was refused has not reached the service.
//! - A panic of the service is a panic of the task that awaits the call. The worker lives on.
//! - A call from within a call on the same pool runs where it is: its worker would wait for itself.
//! - A caller that goes away doesn't stop its call: a thread can't be stopped. The answer is dropped.
//!
//! # Cost
//!
//! Two wake-ups across threads and four allocations a call: some microseconds. For calls that are shorter than that, don't.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use xs_net::offload::OffloadLayer;
//! use xs_os::pool::Pool;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Arc::new(Pool::builder().threads(2).name("hash").capacity(100).build()?);
//! let slow = service_fn(|n: u64| async move { Ok::<_, std::io::Error>((1..=n).fold(7, u64::wrapping_mul)) });
//! let mut service = OffloadLayer::new(pool).layer(slow);
//! assert_eq!(service.ready().await?.call(5).await?, 840);
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! Tokio's `spawn_blocking` does it for closures, on up to 512 threads and an unbounded queue. actix-web has `web::block`. Netty
//! gives a handler an executor group of its own. [`Bridge`](crate::Bridge) is for a storage engine's calls: first come, first served, on
//! threads that mostly wait for disks; this is for computing, with priorities and stealing.
//!
//! # What this leaves out
//!
//! Waiting for room in `poll_ready`. Priorities by request: two layers over one pool are two priorities.
//!
//! # Try next
//!
//! Put [`OffloadLayer`] in front of a route of `xs-http` that hashes passwords, and watch the others' latency under load.
//!
//! # Sources
//!
//! M. Welsh, D. Culler, E. Brewer, "SEDA: An Architecture for Well-Conditioned, Scalable Internet Services" (SOSP 2001).

mod layer;
#[cfg(all(test, not(xs_loom)))]
mod tests;

use xs_os::pool::Reason;

pub use layer::{OffloadFuture, OffloadLayer, OffloadService};

/// What a call on a pool fails with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// The pool took no more; the service has not seen the request.
    #[error("{}", match .0 { Reason::Full => "the pool's queue is full", Reason::ShutDown => "the pool is shut down" })]
    Refused(Reason),
    /// The pool was shut down before the call was begun.
    #[error("the pool was shut down before the call was begun")]
    Cancelled,
    /// The service failed.
    #[error(transparent)]
    Inner(E),
}
