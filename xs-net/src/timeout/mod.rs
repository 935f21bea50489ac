//! Time limits for calls, and deadlines that travel with a request.
//!
//! # The problem
//!
//! A call without a limit waits as long as the slowest thing behind it. But limits of their own at every layer don't add up
//! to one: a caller gives up after a second, and behind it three services go on for three more, each within its own
//! limit, working for nobody. The moment at which the answer loses its worth is a property of the *request*, and everybody
//! who works for it has to know it.
//!
//! # How it works
//!
//! A [`Deadline`] is an instant, or never. [`TimeoutLayer`] gives each call the earlier of two: now plus its own limit, and
//! the one that the request brings. It writes the result into the request, so whatever is nested inside takes over what is
//! left, and nothing inside can take longer than what is outside allows.
//!
//! ```text
//!   request { deadline: never } ──▶ limit 1 s ──▶ { deadline: t + 1 s } ──▶ limit 3 s ──▶ { deadline: t + 1 s } ──▶ …
//! ```
//!
//! Where a request keeps its deadline the caller says: a [`Carry`], which a pair of closures is. [`Alone`] carries none: a
//! plain limit.
//!
//! On the wire an instant means nothing, what is left of the time does: [`Deadline::remaining`] goes into a header (gRPC's
//! `grpc-timeout`), and the receiver makes a deadline of it by its own clock.
//!
//! # Invariants
//!
//! - A request whose deadline has passed is not handed to the inner service (`TimeoutService::call`).
//! - Nested limits only shorten: [`Deadline::earlier`] is the one way in which deadlines meet.
//! - An answer that is there when the time is up is given: the call is asked before the clock (`TimeoutFuture::poll`).
//! - When the time is up the call is dropped, at once and not only when the caller looks.
//! - The time is the [`Timer`]'s; with a virtual clock nothing waits.
//!
//! # Cost
//!
//! A call that is ready when it is first asked costs one reading of the clock and a reference count; one that is not
//! arms a timer of the runtime, which is one allocation.
//!
//! # Example
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use xs_net::Timer;
//! use xs_net::timeout::{Deadline, Error, TimeoutLayer};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! struct Request { deadline: Deadline }
//! let carry = || (|r: &Request| r.deadline, |r: &mut Request, d| r.deadline = d);
//!
//! let timer = Timer::system();
//! let (outer, inner) = (Duration::from_millis(20), Duration::from_secs(3));
//! let outer = TimeoutLayer::new("page", outer, &timer).carry(carry());
//! let inner = TimeoutLayer::new("query", inner, &timer).carry(carry());
//!
//! let slow = service_fn(|_: Request| std::future::pending::<Result<(), std::io::Error>>());
//! let mut page = outer.layer(inner.layer(slow));
//! let started = timer.now();
//! let error = page.ready().await.unwrap().call(Request { deadline: Deadline::NEVER }).await.unwrap_err();
//! assert!(matches!(error, Error::Inner(Error::Elapsed(_)) | Error::Elapsed(_)));
//! assert!(timer.now() - started < Duration::from_secs(3));
//! # }
//! ```
//!
//! # How others do it
//!
//! `tower::timeout` is a plain limit by tokio's clock; take it where no test moves the time and no deadline travels. gRPC
//! and Finagle pass deadlines on implicitly, by a context of the call; Go passes its `Context` by hand. Task-locals would
//! need no closure here, and would lose the deadline at each `spawn`.
//!
//! # What this leaves out
//!
//! Telling the other side that nobody waits any more, which is the protocol's (dropping the call is what starts it); a
//! limit on each chunk of a streamed answer. Waiting for readiness, which comes before there is a request:
//! [`Timer::timeout`] around it.
//!
//! # Try next
//!
//! Refuse a request early whose remaining time is shorter than the backend's median: it would be dropped half done.
//!
//! # Sources
//!
//! gRPC's guide on deadlines; B. Beyer et al., *Site Reliability Engineering* (2016), chapter 22, "Deadline propagation".

mod deadline;
mod layer;
#[cfg(all(test, not(xs_loom)))]
mod tests;

pub use deadline::{Alone, Carry, Deadline};
pub use layer::{TimeoutFuture, TimeoutLayer, TimeoutService};

#[cfg(doc)]
use crate::Timer;

/// The time was up before the answer came. Whether the inner service did what it was asked is not known, unless the
/// deadline had passed before it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", if *.called { "the time was up before the answer came" } else { "the time was up before the call" })]
pub struct Elapsed {
    /// Whether the inner service has been called: if not, nothing has happened.
    pub called: bool,
}

/// What a call with a time limit fails with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// It took too long.
    #[error(transparent)]
    Elapsed(Elapsed),
    /// The inner service failed.
    #[error(transparent)]
    Inner(E),
}

impl<E> Error<E> {
    /// The inner service's error, if it is one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Error::Inner(error) => Some(error),
            Error::Elapsed(_) => None,
        }
    }
}
