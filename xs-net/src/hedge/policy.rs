//! After how long a second call is worth it: [`Hedger`].

use std::time::Duration;

use xs_os::Nanos;

use crate::histogram::{Histogram, nanos};

/// When to hedge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HedgeOptions {
    /// The second call is made when the first has taken longer than this share of calls does. Default 0.95.
    pub percentile: f64,
    /// No second calls before so many calls have been measured. Default 100.
    pub minimum_calls: u64,
    /// How long what was measured counts: it is forgotten after once to twice this. Default 30 s.
    pub window: Duration,
    /// No second call before this time, whatever was measured. Default 1 ms.
    pub least: Duration,
}

impl Default for HedgeOptions {
    fn default() -> Self {
        let (window, least) = (Duration::from_secs(30), Duration::from_millis(1));
        HedgeOptions { percentile: 0.95, minimum_calls: 100, window, least }
    }
}

/// Calls between two looks at the percentile, which costs a microsecond.
const REFRESH: u64 = 64;

/// Measures calls, and says when a second one is due. A pure policy.
#[derive(Debug)]
pub struct Hedger {
    options: HedgeOptions,
    /// The window under way and the last one, looked at together.
    current: Histogram,
    last: Histogram,
    since: Nanos,
    /// The delay by the last look, and how many more calls until the next.
    delay: Option<Duration>,
    until_refresh: u64,
}

impl Hedger {
    /// Nothing has been measured.
    pub fn new(options: HedgeOptions, now: impl Into<Nanos>) -> Self {
        let (current, last) = (Histogram::new(), Histogram::new());
        Hedger { options, current, last, since: now.into(), delay: None, until_refresh: 0 }
    }

    /// After how long a call that begins now should be made a second time; `None`: too little is known.
    pub fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// Notes how long a call took. For one that was given up because the second was faster, how long it had taken by then:
    /// that is beyond the delay, as its true time would have been, so the share beyond the delay stays true.
    pub fn record(&mut self, took: Duration, now: impl Into<Nanos>) {
        let now = now.into();
        let age = now - self.since;
        if age >= self.options.window {
            std::mem::swap(&mut self.current, &mut self.last);
            self.current.clear();
            if age >= self.options.window.saturating_mul(2) {
                self.last.clear();
            }
            self.since = now;
            self.until_refresh = 0;
        }
        self.current.record(nanos(took));
        if self.until_refresh > 0 {
            self.until_refresh -= 1;
            return;
        }
        self.until_refresh = REFRESH - 1;
        let enough = self.current.count() + self.last.count() >= self.options.minimum_calls.max(1);
        let percentile = enough.then(|| self.current.quantile_with(&self.last, self.options.percentile)).flatten();
        self.delay = percentile.map(|delay| Duration::from_nanos(delay).max(self.options.least));
        if !enough {
            self.until_refresh = 0;
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use xs_os::{Clock, Rng, VirtualClock};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_delay_follows_the_percentile_and_old_calls_are_forgotten() {
        let clock = VirtualClock::new();
        let mut hedger = Hedger::new(HedgeOptions::default(), clock.now());
        for nth in 1..=99 {
            hedger.record(nth * MS, clock.now());
            assert_eq!(hedger.delay(), None);
        }
        hedger.record(100 * MS, clock.now());
        let delay = hedger.delay().unwrap();
        assert!((95 * MS..=98 * MS).contains(&delay), "{delay:?}");
        for _ in 0..2 {
            clock.advance(Duration::from_secs(30));
            (0..100).for_each(|_| hedger.record(2 * MS, clock.now()));
        }
        let delay = hedger.delay().unwrap();
        assert!((2 * MS..3 * MS).contains(&delay), "{delay:?}");
        (0..200).for_each(|_| hedger.record(Duration::ZERO, clock.now()));
        clock.advance(Duration::from_secs(300));
        (0..100).for_each(|_| hedger.record(Duration::ZERO, clock.now()));
        assert_eq!(hedger.delay(), Some(MS)); // the least
    }

    #[test]
    fn calls_that_were_given_up_at_the_delay_do_not_pull_it_down() {
        let clock = VirtualClock::new();
        let mut hedger = Hedger::new(HedgeOptions::default(), clock.now());
        let mut rng = Rng::from_seed(4);
        for nth in 0..20_000_u32 {
            // Calls take 5 to 15 ms; one in twenty-five is slow. What is late is always given up soon after the delay.
            let takes = if nth % 25 == 0 { 500 * MS } else { Duration::from_micros(5_000 + rng.below(10_000)) };
            let given_up = hedger.delay().map_or(takes, |delay| delay + MS);
            hedger.record(takes.min(given_up), clock.now());
            clock.advance(10 * MS);
        }
        // 95 of 100 calls are 99 of 100 of those that aren't slow.
        let delay = hedger.delay().unwrap();
        assert!((14 * MS..16 * MS).contains(&delay), "{delay:?}");
    }
}
