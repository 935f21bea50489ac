//! Sliding windows over the outcomes of calls: the last so many, or those of the last so long. O(1) a call either way:
//! the totals are kept, and what leaves the window is taken off them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a window holds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Calls that ended, ignored ones apart.
    pub calls: u32,
    /// Those of them that failed.
    pub failures: u32,
    /// Those of them that were slow, failed or not.
    pub slow: u32,
}

impl Totals {
    fn one(failed: bool, slow: bool) -> Self {
        Totals { calls: 1, failures: failed.into(), slow: slow.into() }
    }

    pub(super) fn add(&mut self, other: Totals) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.slow = self.slow.saturating_add(other.slow);
    }

    fn remove(&mut self, other: Totals) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }
}

/// Which calls a breaker looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last so many calls, at least one.
    Count(u32),
    /// The calls that ended in the last `span`, counted in so many buckets, at least one each a nanosecond wide: the
    /// oldest bucket leaves as a whole, so what is looked at is between `span` less a bucket and `span` long.
    Time {
        /// How far back it looks.
        span: Duration,
        /// In how many steps it moves on.
        buckets: u32,
    },
}

/// A window with its contents.
#[derive(Debug)]
pub(super) enum Outcomes {
    Count { last: VecDeque<Totals>, most: usize, totals: Totals },
    Time { ring: Vec<Totals>, width: u64, origin: Instant, newest: u64, totals: Totals },
}

impl Outcomes {
    pub(super) fn new(window: Window, now: Instant) -> Self {
        match window {
            Window::Count(most) => {
                Outcomes::Count { last: VecDeque::new(), most: most.max(1) as usize, totals: Totals::default() }
            }
            Window::Time { span, buckets } => {
                let buckets = buckets.max(1);
                let width = nanos(span) / u64::from(buckets);
                let ring = vec![Totals::default(); buckets as usize];
                Outcomes::Time { ring, width: width.max(1), origin: now, newest: 0, totals: Totals::default() }
            }
        }
    }

    /// Notes a call that ended at `now`, and tells what the window holds then.
    pub(super) fn record(&mut self, failed: bool, slow: bool, now: Instant) -> Totals {
        let one = Totals::one(failed, slow);
        match self {
            Outcomes::Count { last, most, totals } => {
                if last.len() == *most
                    && let Some(oldest) = last.pop_front()
                {
                    totals.remove(oldest);
                }
                last.push_back(one);
                totals.add(one);
                *totals
            }
            Outcomes::Time { ring, width, origin, newest, totals } => {
                // Threads read the clock before they take turns, so `now` may lie a little back: it counts as newest.
                let bucket = nanos(now.saturating_duration_since(*origin)) / *width;
                let steps = bucket.saturating_sub(*newest).min(ring.len() as u64);
                *newest = bucket.max(*newest);
                for back in 0..steps {
                    let place = (*newest - back) as usize % ring.len();
                    totals.remove(std::mem::take(&mut ring[place]));
                }
                let place = *newest as usize % ring.len();
                ring[place].add(one);
                totals.add(one);
                *totals
            }
        }
    }

    pub(super) fn totals(&self) -> Totals {
        match self {
            Outcomes::Count { totals, .. } | Outcomes::Time { totals, .. } => *totals,
        }
    }

    /// Forgets everything, and begins at `now`.
    pub(super) fn clear(&mut self, now: Instant) {
        match self {
            Outcomes::Count { last, totals, .. } => {
                last.clear();
                *totals = Totals::default();
            }
            Outcomes::Time { ring, origin, newest, totals, .. } => {
                ring.fill(Totals::default());
                (*origin, *newest, *totals) = (now, 0, Totals::default());
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
