//! Counting in windows: the fixed window, and the sliding one that is estimated from two counts.

use std::time::Duration;

use xs_os::Nanos;

use super::Denied;
use super::policy::{Policy, fits, within};
use super::rate::{Rate, later, nanos_from};

/// At most `rate.amount()` in a window of `rate.period()`, which begins with the first request after the last window.
///
/// The cheapest to explain, and the loosest: around the border of two windows twice the amount passes in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedWindow {
    rate: Rate,
}

/// The present window of a [`FixedWindow`].
#[derive(Debug, Clone, Default)]
pub struct Window(Option<Count>);

#[derive(Debug, Clone)]
struct Count {
    /// In the future, if what passes next must wait for it.
    start: Nanos,
    used: u64,
    seen: Nanos,
}

impl FixedWindow {
    /// Windows as `rate` says.
    pub fn new(rate: Rate) -> Self {
        FixedWindow { rate }
    }
}

impl Policy for FixedWindow {
    type State = Window;

    fn capacity(&self) -> u64 {
        self.rate.amount()
    }

    #[inline]
    fn reserve(&self, state: &mut Window, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        let (limit, period) = (self.rate.amount(), self.rate.period_nanos());
        fits(cost, limit)?;
        if cost == 0 {
            return Ok(Duration::ZERO);
        }
        let (start, used, now) = match &state.0 {
            None => (now, 0, now),
            Some(count) => {
                let now = now.max(count.seen);
                if nanos_from(count.start, now) >= period { (now, 0, now) } else { (count.start, count.used, now) }
            }
        };
        let (start, used) = if cost <= limit - used { (start, used) } else { (later(start, u128::from(period)), 0) };
        let wait = within(patience, u128::from(nanos_from(now, start)))?;
        state.0 = Some(Count { start, used: used + cost, seen: now });
        Ok(wait)
    }

    fn fresh_at(&self, state: &Window) -> Option<Nanos> {
        let count = state.0.as_ref()?;
        Some(later(count.start, u128::from(self.rate.period_nanos())))
    }

    fn adopt(&self, before: &Self, state: &mut Window, now: Nanos) {
        // A window that is over under the old rule is none under the new one.
        let period = before.rate.period_nanos();
        state.0 = state.0.take().filter(|count| nanos_from(count.start, now.max(count.seen)) < period);
        if let Some(count) = &mut state.0 {
            count.used = count.used.min(self.rate.amount());
            if self.rate.period_nanos() != period {
                // Of a window of another length it is not known which part of it came when: all of it just now.
                count.start = count.start.max(now);
            }
        }
    }
}

/// At most `rate.amount()` in any stretch of `rate.period()`, by an estimate: two windows are counted, and of the one
/// before as much is taken as the stretch still covers of it, as if its requests had come evenly.
///
/// Two counts stand for a whole [`SlidingLog`](super::SlidingLog). If the requests of the window before all came at its
/// end, the estimate is too low, and up to twice the amount passes in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlidingCounter {
    rate: Rate,
}

/// The two windows of a [`SlidingCounter`].
#[derive(Debug, Clone, Default)]
pub struct Windows(Option<Counts>);

#[derive(Debug, Clone, Copy)]
struct Counts {
    /// In the future, if what passes next must wait for it.
    start: Nanos,
    before: u64,
    used: u64,
    seen: Nanos,
}

impl SlidingCounter {
    /// A sliding window as `rate` says.
    pub fn new(rate: Rate) -> Self {
        SlidingCounter { rate }
    }

    /// What the estimate says `into` a window, of which and of the one before these counts are known. `now` is any
    /// moment.
    #[cfg(feature = "limit-redis")]
    pub(super) fn estimate(&self, now: Nanos, before: u64, used: u64, into: Duration, cost: u64) -> Result<(), Denied> {
        let seen = later(now, into.as_nanos());
        self.check(&mut Windows(Some(Counts { start: now, before, used, seen })), seen, cost)
    }

    /// The windows as they are at `now`.
    #[inline]
    fn turned(&self, state: &Windows, now: Nanos) -> Counts {
        let fresh = |now| Counts { start: now, before: 0, used: 0, seen: now };
        let Some(counts) = state.0 else { return fresh(now) };
        let now = now.max(counts.seen);
        let (since, period) = (nanos_from(counts.start, now), self.rate.period_nanos());
        match since.checked_sub(period) {
            None => Counts { seen: now, ..counts },
            Some(since) if since < period => self.next(Counts { seen: now, ..counts }),
            Some(_) => fresh(now),
        }
    }

    /// Whether `cost` fits in now, as [`SlidingCounter::offset`] says, without dividing.
    #[inline]
    fn fits_now(&self, counts: &Counts, cost: u64) -> bool {
        let left = self.rate.period_nanos().saturating_sub(nanos_from(counts.start, counts.seen));
        let spare = (self.rate.amount() - counts.used).checked_sub(cost);
        counts.start <= counts.seen
            && spare.is_some_and(|spare| u128::from(counts.before) * u128::from(left) <= self.rate.price(spare))
    }

    fn next(&self, counts: Counts) -> Counts {
        let start = later(counts.start, u128::from(self.rate.period_nanos()));
        Counts { start, before: counts.used, used: 0, seen: counts.seen }
    }

    /// How far into its window `cost` fits in; `None` if not at all.
    fn offset(&self, counts: &Counts, cost: u64) -> Option<u64> {
        let period = self.rate.period_nanos();
        let spare = (self.rate.amount() - counts.used).checked_sub(cost)?;
        if counts.before == 0 {
            return Some(0);
        }
        // before · (period - offset) / period <= spare
        let covered = self.rate.price(spare) / u128::from(counts.before);
        match u64::try_from(covered) {
            Ok(0) => None,
            Ok(covered) => Some(period.saturating_sub(covered)),
            Err(_) => Some(0),
        }
    }
}

impl Policy for SlidingCounter {
    type State = Windows;

    fn capacity(&self) -> u64 {
        self.rate.amount()
    }

    #[inline]
    fn reserve(&self, state: &mut Windows, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        fits(cost, self.rate.amount())?;
        if cost == 0 {
            return Ok(Duration::ZERO);
        }
        let mut counts = self.turned(state, now);
        if self.fits_now(&counts, cost) {
            state.0 = Some(Counts { used: counts.used + cost, ..counts });
            return Ok(Duration::ZERO);
        }
        let offset = loop {
            // The third window is empty, and so is what lies before it.
            match self.offset(&counts, cost) {
                Some(offset) => break offset,
                None => counts = self.next(counts),
            }
        };
        let wait = within(patience, u128::from(nanos_from(counts.seen, later(counts.start, u128::from(offset)))))?;
        state.0 = Some(Counts { used: counts.used + cost, ..counts });
        Ok(wait)
    }

    fn fresh_at(&self, state: &Windows) -> Option<Nanos> {
        let counts = state.0.as_ref()?;
        Some(later(counts.start, 2 * u128::from(self.rate.period_nanos())))
    }

    fn adopt(&self, before: &Self, state: &mut Windows, now: Nanos) {
        if self.rate.period_nanos() != before.rate.period_nanos() && state.0.is_some() {
            // Of a window of another length it is not known which part of it came when: all of it just now.
            let counts = before.turned(state, now);
            state.0 = Some(Counts { start: counts.start.max(now), ..counts });
        }
        if let Some(counts) = &mut state.0 {
            counts.used = counts.used.min(self.rate.amount());
        }
    }
}
