//! The leaky bucket: the token bucket upside down, and the queue that gave it its name.

use std::time::Duration;

use xs_os::Nanos;

use super::Denied;
use super::policy::{Policy, fits, within};
use super::rate::{Rate, carry, later, nanos_from, nanos_of};

/// The leaky bucket as a meter: each request pours in what it costs, the bucket leaks at a rate, and what would spill
/// over may not pass.
///
/// It lets through exactly what a [`TokenBucket`](super::TokenBucket) of the same rate and size does: water here is
/// missing tokens there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakyBucket {
    rate: Rate,
    size: u64,
}

/// The leaky bucket as a queue: requests leave it one after another at the rate, however they came in.
///
/// [`Policy::reserve`] answers when a request's turn is: when all that came before has leaked out. What would spill over
/// is refused. With no patience a request passes only if nothing is before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakyQueue(LeakyBucket);

/// What stands in a [`LeakyBucket`] or a [`LeakyQueue`].
#[derive(Debug, Clone, Default)]
pub struct Water(Option<Level>);

#[derive(Debug, Clone)]
struct Level {
    shares: u128,
    as_of: Nanos,
}

impl LeakyBucket {
    /// A bucket for `size` units that leaks at `rate`.
    pub fn new(rate: Rate, size: u64) -> Self {
        LeakyBucket { rate, size }
    }

    /// What is left at `now`, and `now` itself unless a later one has been seen.
    fn level(&self, state: &Water, now: Nanos) -> (u128, Nanos) {
        match &state.0 {
            None => (0, now),
            Some(level) => {
                let leaked = self.rate.earned(nanos_from(level.as_of, now));
                (level.shares.saturating_sub(leaked), now.max(level.as_of))
            }
        }
    }

    /// Brings over what stands in a bucket of another rule, of which as much as `most` units are kept.
    fn refill(&self, before: &Self, state: &mut Water, now: Nanos, most: u64) {
        if state.0.is_some() {
            let (shares, as_of) = before.level(state, now);
            let shares = carry(shares, (before.rate, before.size), (self.rate, most));
            state.0 = Some(Level { shares, as_of });
        }
    }

    /// How long until `cost` fits in, and what stands there then without what has leaked until then.
    fn pour(&self, level: u128, cost: u64) -> (u128, u128) {
        // Where this saturates, the wait is above every patience.
        let filled = level.saturating_add(self.rate.price(cost));
        (self.rate.time_for(filled.saturating_sub(self.rate.price(self.size))), filled)
    }
}

impl Policy for LeakyBucket {
    type State = Water;

    fn capacity(&self) -> u64 {
        self.size
    }

    #[inline]
    fn reserve(&self, state: &mut Water, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        fits(cost, self.size)?;
        if cost == 0 {
            return Ok(Duration::ZERO);
        }
        let (level, as_of) = self.level(state, now);
        let (wait, shares) = self.pour(level, cost);
        let wait = within(patience, wait)?;
        // A wait is rounded up to a nanosecond, in which no more leaks than there is.
        let shares = shares.max(self.rate.price(cost) + self.rate.earned(nanos_of(wait)));
        state.0 = Some(Level { shares, as_of });
        Ok(wait)
    }

    fn fresh_at(&self, state: &Water) -> Option<Nanos> {
        let level = state.0.as_ref()?;
        Some(later(level.as_of, self.rate.time_for(level.shares)))
    }

    fn adopt(&self, before: &Self, state: &mut Water, now: Nanos) {
        self.refill(before, state, now, self.size);
    }
}

impl LeakyQueue {
    /// A queue for `size` units that lets them go at `rate`.
    pub fn new(rate: Rate, size: u64) -> Self {
        LeakyQueue(LeakyBucket::new(rate, size))
    }
}

impl Policy for LeakyQueue {
    type State = Water;

    fn capacity(&self) -> u64 {
        self.0.size
    }

    #[inline]
    fn reserve(&self, state: &mut Water, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        fits(cost, self.0.size)?;
        if cost == 0 {
            return Ok(Duration::ZERO);
        }
        let (level, as_of) = self.0.level(state, now);
        let (until_room, shares) = self.0.pour(level, cost);
        let until_turn = within(patience, self.0.rate.time_for(level));
        if until_room > 0 {
            let until_turn = match until_turn {
                Err(Denied::Busy { retry_after_nanos }) => retry_after_nanos,
                _ => 0,
            };
            return Err(Denied::Busy { retry_after_nanos: super::rate::cut(until_room).max(until_turn) });
        }
        let wait = until_turn?;
        state.0 = Some(Level { shares, as_of });
        Ok(wait)
    }

    fn fresh_at(&self, state: &Water) -> Option<Nanos> {
        self.0.fresh_at(state)
    }

    fn adopt(&self, before: &Self, state: &mut Water, now: Nanos) {
        // All of it waits, and keeps its turn.
        self.0.refill(&before.0, state, now, u64::MAX);
    }
}
