//! The token bucket: rights that collect while nobody asks.

use std::time::Duration;

use xs_os::Nanos;

use super::Denied;
use super::policy::{Policy, fits, within};
use super::rate::{Rate, carry, later, nanos_from, nanos_of};

/// A bucket that holds `burst` tokens and is filled at a rate; a request takes as many tokens as it costs.
///
/// In any stretch of time `t` at most `burst + rate · t` passes. A waiting request takes its tokens in advance: the
/// bucket then owes them, and whoever comes next waits until that is paid back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBucket {
    rate: Rate,
    burst: u64,
}

/// The fill of a [`TokenBucket`].
#[derive(Debug, Clone, Default)]
pub struct Tokens(Option<Fill>);

#[derive(Debug, Clone)]
struct Fill {
    /// In shares; below zero is owed.
    shares: i128,
    as_of: Nanos,
}

impl TokenBucket {
    /// A bucket for `burst` tokens that is filled at `rate`.
    pub fn new(rate: Rate, burst: u64) -> Self {
        TokenBucket { rate, burst }
    }

    fn full(&self) -> i128 {
        self.rate.price(self.burst) as i128 // below 2¹²⁷
    }

    /// What is there at `now`, and `now` itself unless a later one has been seen.
    #[inline]
    fn level(&self, fill: &Fill, now: Nanos) -> (i128, Nanos) {
        let earned = self.rate.earned(nanos_from(fill.as_of, now)) as i128;
        (fill.shares.saturating_add(earned).min(self.full()), now.max(fill.as_of))
    }
}

impl Policy for TokenBucket {
    type State = Tokens;

    fn capacity(&self) -> u64 {
        self.burst
    }

    #[inline]
    fn reserve(&self, state: &mut Tokens, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        fits(cost, self.burst)?;
        if cost == 0 {
            return Ok(Duration::ZERO);
        }
        let (shares, now) = match &state.0 {
            None => (self.full(), now),
            Some(fill) => self.level(fill, now),
        };
        // Where this saturates, the wait is above every patience.
        let shares = shares.saturating_sub(self.rate.price(cost) as i128);
        if shares >= 0 {
            state.0 = Some(Fill { shares, as_of: now });
            return Ok(Duration::ZERO);
        }
        let wait = within(patience, self.rate.time_for(shares.unsigned_abs()))?;
        // A wait is rounded up to a nanosecond, in which no more comes in than the bucket holds.
        let earned = self.rate.earned(nanos_of(wait)) as i128;
        let shares = shares.min(self.full() - self.rate.price(cost) as i128 - earned);
        state.0 = Some(Fill { shares, as_of: now });
        Ok(wait)
    }

    fn fresh_at(&self, state: &Tokens) -> Option<Nanos> {
        let fill = state.0.as_ref()?;
        let missing = self.full().abs_diff(fill.shares);
        Some(later(fill.as_of, self.rate.time_for(missing)))
    }

    fn adopt(&self, before: &Self, state: &mut Tokens, now: Nanos) {
        if let Some(fill) = &mut state.0 {
            let (shares, as_of) = before.level(fill, now);
            let missing = carry(before.full().abs_diff(shares), (before.rate, before.burst), (self.rate, self.burst));
            *fill = Fill { shares: self.full().saturating_sub_unsigned(missing), as_of };
        }
    }
}
