//! What every policy answers, and how it refuses.

use std::fmt::Debug;
use std::time::Duration;

use xs_os::Nanos;

use super::rate::{cut, duration, nanos_of};

/// A rule about how much may pass when.
///
/// A policy is the rule alone and never changes; what it remembers of the past is a [`Policy::State`], of which there is
/// one for each thing that is limited: one in a [`Limiter`](super::Limiter), one a key in [`Keyed`](super::Keyed).
///
/// Time comes from the caller. A `now` that lies before one that was seen already, as two threads that read the clock and
/// then queue for a lock may produce, lets no more through than that one would; all but [`Gcra`](super::Gcra) take it for
/// that one.
pub trait Policy: Debug + Clone {
    /// What is remembered. The default state is that of somebody who has never been seen.
    type State: Debug + Default + Clone + Send;

    /// The most that a single request may ever take.
    fn capacity(&self) -> u64;

    /// Takes `cost` units for the first moment at which they may pass, if that is at most `patience` away, and answers
    /// how far. Who is promised a moment is served before everybody who asks later. A cost of zero passes at once.
    ///
    /// # Errors
    ///
    /// [`Denied`], and the state says the same as before.
    fn reserve(&self, state: &mut Self::State, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied>;

    /// Takes `cost` units now.
    ///
    /// # Errors
    ///
    /// [`Denied`], and the state says the same as before.
    #[inline]
    fn check(&self, state: &mut Self::State, now: Nanos, cost: u64) -> Result<(), Denied> {
        self.reserve(state, now, cost, Duration::ZERO).map(drop)
    }

    /// From when on the state is as good as a fresh one, if nobody takes anything. `None`: it is fresh.
    ///
    /// Taking moves this moment to a later one and never to an earlier one.
    fn fresh_at(&self, state: &Self::State) -> Option<Nanos>;

    /// Takes over at `now` a state that another rule of this kind, `before`, has left. Units that were taken there count as
    /// taken here, up to all that may be; moments that were promised stay promised, and are waited for at the new rate.
    ///
    /// Taking over from an equal rule changes no answer.
    fn adopt(&self, before: &Self, state: &mut Self::State, now: Nanos);
}

/// The request may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// Too much has passed lately.
    #[error("over the limit: try again in {:?}", Duration::from_nanos(*.retry_after_nanos))]
    Busy {
        /// The same request is accepted after this time, and not before, if nobody takes anything in between. Dividing it into
        /// a [`Duration`] is left to [`Denied::retry_after`]: most refusals are only counted.
        retry_after_nanos: u64,
    },
    /// It asks for more than may ever pass at once. Asking again is useless; asking for less may help.
    #[error("a cost of {cost} is above the capacity of {capacity}: it can never pass")]
    TooLarge {
        /// What was asked for.
        cost: u64,
        /// What can be had at most.
        capacity: u64,
    },
}

impl Denied {
    /// When the same request can pass; `None` if it never can.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Denied::Busy { retry_after_nanos } => Some(Duration::from_nanos(*retry_after_nanos)),
            Denied::TooLarge { .. } => None,
        }
    }
}

/// The end of every `reserve`: a wait in nanoseconds is granted, or is too long.
#[inline]
pub(super) fn within(patience: Duration, wait: u128) -> Result<Duration, Denied> {
    if wait == 0 {
        return Ok(Duration::ZERO);
    }
    let patience = u128::from(nanos_of(patience));
    if wait <= patience { Ok(duration(wait)) } else { Err(Denied::Busy { retry_after_nanos: cut(wait - patience) }) }
}

/// The beginning of every `reserve`.
#[inline]
pub(super) fn fits(cost: u64, capacity: u64) -> Result<(), Denied> {
    if cost <= capacity { Ok(()) } else { Err(Denied::TooLarge { cost, capacity }) }
}
