//! The sliding window that remembers everything.

use std::collections::VecDeque;
use std::time::Duration;

use xs_os::Nanos;

use super::Denied;
use super::policy::{Policy, fits, within};
use super::rate::{Rate, later, nanos_from};

/// At most `rate.amount()` in any stretch of `rate.period()`, exactly: every request that passed is remembered for a
/// period.
///
/// The price of exactness is memory: up to one entry (16 bytes) for each unit of the amount, and one for each request that
/// waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlidingLog {
    rate: Rate,
}

/// What passed in the last period, for a [`SlidingLog`].
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// In the order of time; the last ones may lie in the future, if they wait.
    entries: VecDeque<(Nanos, u64)>,
    total: u128,
    seen: Option<Nanos>,
}

impl SlidingLog {
    /// A log of the last `rate.period()`.
    pub fn new(rate: Rate) -> Self {
        SlidingLog { rate }
    }
}

impl Policy for SlidingLog {
    type State = Log;

    fn capacity(&self) -> u64 {
        self.rate.amount()
    }

    fn reserve(&self, state: &mut Log, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        let (limit, period) = (self.rate.amount(), self.rate.period_nanos());
        fits(cost, limit)?;
        if cost == 0 {
            return Ok(Duration::ZERO);
        }
        let now = state.seen.map_or(now, |seen| seen.max(now));
        while state.entries.front().is_some_and(|(at, _)| nanos_from(*at, now) >= period) {
            state.total -= state.entries.pop_front().map_or(0, |(_, units)| u128::from(units));
        }
        // Nobody passes before those who wait; and of what has passed, enough must be old.
        let mut at = state.entries.back().map_or(now, |(last, _)| now.max(*last));
        let mut excess = (state.total + u128::from(cost)).saturating_sub(u128::from(limit));
        for (passed, units) in &state.entries {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(u128::from(*units));
            at = at.max(later(*passed, u128::from(period)));
        }
        let wait = within(patience, u128::from(nanos_from(now, at)))?;
        match state.entries.back_mut() {
            Some((last, units)) if *last == at && units.checked_add(cost).is_some() => *units += cost,
            _ => state.entries.push_back((at, cost)),
        }
        state.total += u128::from(cost);
        state.seen = Some(now);
        Ok(wait)
    }

    fn fresh_at(&self, state: &Log) -> Option<Nanos> {
        let (last, _) = state.entries.back()?;
        Some(later(*last, u128::from(self.rate.period_nanos())))
    }

    /// Nothing to do: it remembers what happened, and not what that meant. Only what the old rule has forgotten already is
    /// not there for a longer period.
    fn adopt(&self, _: &Self, _: &mut Log, _: Nanos) {}
}
