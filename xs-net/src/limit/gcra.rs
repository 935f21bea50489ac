//! The generic cell rate algorithm: a bucket of which only one moment is remembered.

use std::time::Duration;

use xs_os::Nanos;

use super::Denied;
use super::policy::{Policy, fits, within};
use super::rate::{LONGEST, Rate, carry, later, nanos_from};

/// The generic cell rate algorithm: all that is remembered is the *theoretical arrival time*, the moment at which the
/// next request would come if all came evenly spaced. A request that comes earlier than that by more than the burst
/// allows may not pass.
///
/// It lets through what a [`TokenBucket`](super::TokenBucket) does, with a smaller state. Fractions of a nanosecond are
/// carried along, so rates that are no whole number of nanoseconds a unit don't drift. A burst that takes more than 292
/// years to come back counts as 292 years.
///
/// There is no room in the state for the latest `now`: an earlier one is taken at its word, and finds the burst smaller by
/// as much as it is late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gcra {
    rate: Rate,
    burst: u64,
    /// The time of one unit.
    unit: Span,
    /// The time of `burst` units.
    tolerance: Span,
}

/// Nanoseconds, and a rest in parts of `rate.amount()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    nanos: u64,
    parts: u64,
}

impl Span {
    fn of(rate: Rate, units: u64) -> Span {
        Span::of_shares(rate, rate.price(units))
    }

    fn of_shares(rate: Rate, shares: u128) -> Span {
        let amount = u128::from(rate.amount());
        match u64::try_from(shares / amount) {
            Ok(nanos) if nanos <= LONGEST => Span { nanos, parts: (shares % amount) as u64 },
            _ => Span { nanos: LONGEST, parts: 0 },
        }
    }
}

/// The theoretical arrival time of a [`Gcra`]: at first a moment before all others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arrival {
    at: Nanos,
    parts: u64,
}

impl Gcra {
    /// Units at `rate`, up to `burst` of them at once.
    pub fn new(rate: Rate, burst: u64) -> Self {
        Gcra { rate, burst, unit: Span::of(rate, 1), tolerance: Span::of(rate, burst) }
    }

    /// How far the theoretical arrival lies ahead.
    #[inline]
    fn ahead(state: &Arrival, now: Nanos) -> Span {
        let parts = if state.at < now { 0 } else { state.parts };
        Span { nanos: nanos_from(now, state.at), parts }
    }

    /// So far ahead of `now`.
    #[inline]
    fn arrival(now: Nanos, ahead: Span) -> Arrival {
        Arrival { at: later(now, u128::from(ahead.nanos)), parts: ahead.parts }
    }

    /// The sum. Both have at most [`LONGEST`] nanoseconds, and less than a nanosecond in parts.
    #[inline]
    fn add(&self, a: Span, b: Span) -> Span {
        let nanos = a.nanos + b.nanos;
        match a.parts.checked_sub(self.rate.amount() - b.parts) {
            Some(parts) => Span { nanos: nanos + 1, parts },
            None => Span { nanos, parts: a.parts + b.parts },
        }
    }
}

impl Policy for Gcra {
    type State = Arrival;

    fn capacity(&self) -> u64 {
        self.burst
    }

    #[inline]
    fn reserve(&self, state: &mut Arrival, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        fits(cost, self.burst)?;
        let step = match cost {
            0 => return Ok(Duration::ZERO),
            1 => self.unit,
            _ => Span::of(self.rate, cost),
        };
        // How far the theoretical arrival would lie ahead after this request.
        let after = self.add(Self::ahead(state, now), step);
        if after <= self.tolerance {
            *state = Self::arrival(now, after);
            return Ok(Duration::ZERO);
        }
        let over = after.nanos.saturating_sub(self.tolerance.nanos);
        let wait = over + u64::from(after.parts > self.tolerance.parts);
        let granted = within(patience, u128::from(wait))?;
        // A wait is rounded up to a nanosecond, and may end after the theoretical arrival.
        *state = Self::arrival(now, after.max(self.add(Span { nanos: wait, parts: 0 }, step)));
        Ok(granted)
    }

    fn fresh_at(&self, state: &Arrival) -> Option<Nanos> {
        (state.at > Nanos::ZERO).then(|| state.at.later(u64::from(state.parts > 0)))
    }

    fn adopt(&self, before: &Self, state: &mut Arrival, now: Nanos) {
        let ahead = Self::ahead(state, now);
        let shares = before.rate.earned(ahead.nanos) + u128::from(ahead.parts);
        let shares = carry(shares, (before.rate, before.burst), (self.rate, self.burst));
        *state = if shares > 0 { Self::arrival(now, Span::of_shares(self.rate, shares)) } else { Arrival::default() };
    }
}
