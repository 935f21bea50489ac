//! Load shedding by queueing delay: when a queue stands, some must go so that the rest is in time.
//!
//! # The problem
//!
//! Under more load than it can serve, a server with a queue answers everybody too late: the queue fills, each request waits
//! as long as the queue is deep, its client has given up by the time it is served, and the server works at full speed
//! for nobody. The length of a queue says little about this (a long one may be a burst that is gone in a moment); how
//! long requests *wait* in it does.
//!
//! # How it works
//!
//! [`Codel`] watches the shortest wait of each interval. A burst comes and goes: at some moment of the interval somebody
//! waits briefly. If even the shortest wait was above the target, the queue never drained: it stands. Then, for the next
//! interval, whoever has waited for more than twice the target is refused.
//!
//! ```text
//!   wait │        ╭╮ burst                 ╭──╮  ╭─── standing: the shortest is above the target
//!        │       ╭╯╰╮                   ╭──╯  ╰──╯
//!   2·target ────┼──┼──────────────────┼─────────────── refused above, if the last interval stood
//!   target ──────┼──┼──────────────────┼───────────────
//!        │ ──────╯  ╰──────────────────╯
//!        └──────────────┼──────────────┼──────────────┼── intervals
//! ```
//!
//! When a request came the caller says, by a closure: what it noted when it read the request from its socket, or put
//! it into a queue. Put this layer where the waiting is over: behind a [`bulkhead`](crate::bulkhead), say, whose queue
//! then never stands for long.
//!
//! # Invariants
//!
//! - Nobody is refused who waited for at most twice the target, and nobody while the shortest wait of the last whole
//!   interval was within the target.
//! - Nobody is refused after an interval in which nobody came: old knowledge is no reason.
//! - One state for all clones of the service.
//!
//! # Cost
//!
//! A reading of the clock and a short lock a call; 40 bytes.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use xs_net::shed::{Codel, CodelOptions};
//! use xs_os::{Clock, VirtualClock};
//!
//! let ms = Duration::from_millis;
//! let clock = VirtualClock::new();
//! let mut codel = Codel::new(CodelOptions { target: ms(5), interval: ms(100) });
//! assert!(codel.admits(ms(80), clock.now())); // a burst: nothing is known yet
//! clock.advance(ms(100));
//! assert!(!codel.admits(ms(80), clock.now())); // in a whole interval nobody waited for less
//! assert!(codel.admits(ms(10), clock.now())); // but this one is hardly late
//! ```
//!
//! # How others do it
//!
//! CoDel was made for routers, where it drops at growing frequency because TCP slows down for a drop. Requests don't slow
//! down, so Facebook's servers use the form that is here: a shorter limit on waiting while the queue stands.
//! `tower::load_shed` refuses what comes while the inner service isn't ready: no queue at all. Take it where nothing should
//! ever wait.
//!
//! # What this leaves out
//!
//! Priorities: who is refused is decided by waiting alone. The queue itself.
//!
//! # Try next
//!
//! Run a queue at 150 % load first come, first served and last come, first served, both with this in front of the server, and
//! compare the share that is answered within 50 ms.
//!
//! # Sources
//!
//! K. Nichols and V. Jacobson, "Controlling Queue Delay" (ACM Queue 10/5, 2012); B. Maurer, "Fail at Scale" (ACM Queue 13/8,
//! 2015); RFC 8289.

mod codel;
mod layer;

use std::time::Duration;

pub use codel::{Codel, CodelOptions};
pub use layer::{ShedFuture, ShedLayer, ShedService};

/// Refused: the queue stands, and this request has waited too long in it. The inner service has not seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("overloaded: waited for {waited:?}; ask again after {retry_after:?}")]
pub struct Shed {
    /// How long it has waited.
    pub waited: Duration,
    /// When to come again: after an interval the queue may have drained.
    pub retry_after: Duration,
}

/// What a call through a shedding service fails with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// There is too much to do.
    #[error(transparent)]
    Shed(Shed),
    /// The inner service failed.
    #[error(transparent)]
    Inner(E),
}

impl<E> Error<E> {
    /// The inner service's error, if it is one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Error::Inner(error) => Some(error),
            Error::Shed(_) => None,
        }
    }
}
