//! How many calls may be under way, learned from how they fare: [`AdaptiveLayer`].
//!
//! # The problem
//!
//! A fixed limit of concurrency is right on the day it is measured. Then the database grows, a neighbour takes half of
//! the processor, the next release is faster; too low a limit wastes what is there, too high a one only makes a queue of
//! everybody. The right limit can be seen from outside, as TCP sees a path's: while there is room, more calls at once
//! take no longer; past the capacity every further one makes all wait.
//!
//! # How it works
//!
//! ```text
//!   latency                         ╱          in flight = throughput · latency (Little's law)
//!      │                         ╱
//!      │                      ╱                Aimd:     up by one a round trip; × 0.9 when calls are slow or refused
//!      │   ────────────────╱                   Gradient: × (latency without a queue / latency now), and a little room
//!      └───────────────────┼───────── in flight
//!                       capacity
//! ```
//!
//! An [`Adapt`] is the policy: it takes a [`Sample`] for each call that ended, and says how many may be under way. The
//! layer counts calls, measures them, asks its classifier what a result says about the load ([`Load`]), and refuses what
//! is over the limit, as [`ConcurrencyLayer`](super::ConcurrencyLayer) does.
//!
//! [`Aimd`] needs to be told what slow is. [`Gradient`] finds out: the latency without a queue is measured in short
//! probes, during which half as many calls are let in, and the queue, if there is one, empties.
//!
//! # Invariants
//!
//! - The limit stays between its `min` and `max`, whatever the samples say (each policy clamps; a property test feeds them
//!   nonsense). Options of which that could not be said, such as a factor that is no number, make no policy
//!   ([`InvalidOptions`]).
//! - A limit that isn't used doesn't grow: a quiet night proves nothing about the capacity.
//! - Calls that began before a cut don't cause another one: they met the old limit (`Aimd`; `Gradient` decides once a
//!   window).
//! - A place is free when its call is over or dropped, once.
//!
//! # Cost
//!
//! Two readings of the clock and one lock a call.
//!
//! # Example
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use xs_net::Timer;
//! use xs_net::limit::adaptive::{AdaptiveLayer, Gradient, GradientOptions};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = AdaptiveLayer::new(Gradient::new(GradientOptions::default())?, &Timer::system());
//! let echo = service_fn(|n: u32| async move { Ok::<_, std::io::Error>(n) });
//! let service = ServiceBuilder::new().layer(layer.clone()).service(echo);
//! assert_eq!(service.oneshot(7).await?, 7);
//! assert_eq!(layer.slots().in_flight(), 0);
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! Netflix' concurrency-limits has AIMD, a Vegas and two gradients. The second one compares with a long average of the
//! latency; under an overload that lasts, the average learns the queue, and the limit drifts up with it. Envoy's gradient
//! measures the latency anew every so often with almost no calls let in, and BBR does so for a path; the probes here are
//! those, with half of the calls.
//!
//! # What this leaves out
//!
//! Classes of calls that share a limit by priority. Telling slow calls from fast ones by kind: a service whose calls
//! take a millisecond or a minute wants a limit for each. A call that is dropped says nothing, so put time-outs inside of
//! this layer, where they are results.
//!
//! # Try next
//!
//! Set [`GradientOptions::probe_every`] to an hour, start the simulation above the capacity, and watch what the policy
//! takes for normal.
//!
//! # Sources
//!
//! D.-M. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance" (1989); J. Little,
//! "A Proof for the Queuing Formula: L = λW" (1961); the source of Netflix' `concurrency-limits`; N. Cardwell et al.,
//! "BBR: Congestion-Based Congestion Control" (2016).

mod aimd;
mod gradient;
mod layer;

#[cfg(all(test, not(xs_loom)))]
mod simulation;

use std::fmt::Debug;
use std::time::Duration;

use xs_os::Nanos;

pub use aimd::{Aimd, AimdOptions};
pub use gradient::{Gradient, GradientOptions};
pub use layer::{Adaptive, AdaptiveLayer, Classify, Measuring, OkIsFine};

/// What no adaptive limit can be made of. The mistake is in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOptions {
    /// The lowest limit is zero, which would let nothing through and learn nothing, or above the highest one.
    #[error("a limit between {min} and {max}: the lower one must be at least 1, and not above the other")]
    Bounds {
        /// The lowest limit that was asked for.
        min: usize,
        /// The highest.
        max: usize,
    },
    /// A factor is no number, or outside of what it can be.
    #[error("{option} of {value}: it must be a number {expected}")]
    Factor {
        /// Which one.
        option: &'static str,
        /// What it is.
        value: f64,
        /// What it could be.
        expected: &'static str,
    },
}

/// The first thing that every policy checks.
fn bounds(min: usize, max: usize) -> Result<(), InvalidOptions> {
    if 1 <= min && min <= max { Ok(()) } else { Err(InvalidOptions::Bounds { min, max }) }
}

/// What a result says about the load of the one who gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// It was served: its latency counts.
    Served,
    /// It was turned away, or took too long: a sign of too much.
    Overload,
    /// Nothing: a request that was wrong, say.
    Unknown,
}

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it began.
    pub started: Nanos,
    /// When it ended.
    pub ended: Nanos,
    /// How many calls were under way when it began, itself included.
    pub in_flight: usize,
    /// Whether it was turned away or took too long.
    pub overload: bool,
}

impl Sample {
    /// How long it took.
    pub fn latency(&self) -> Duration {
        self.ended - self.started
    }
}

/// A rule that learns how many calls may be under way.
pub trait Adapt: Debug {
    /// How many may be under way now. At least one.
    fn limit(&self) -> usize;

    /// Learns from a call that has ended. Samples come in the order in which calls end, about.
    fn update(&mut self, sample: &Sample);
}
