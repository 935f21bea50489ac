//! What has happened so far, in numbers that anyone may read at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use xs_net::relay::Flow;

/// A number that only grows, or, as a gauge, goes up and down.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn take(&self, count: u64) {
        self.0.fetch_sub(count, Relaxed);
    }
}

/// How many buckets each doubling has.
const STEPS: u32 = 4;
const BUCKETS: usize = (STEPS * 40) as usize;

/// How long things took. Buckets grow by a quarter of their octave, so that a quantile is at most 25 % too high.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
    /// Microseconds.
    sum: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]), sum: AtomicU64::new(0) }
    }
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.sum.fetch_add(micros, Relaxed);
        self.buckets[bucket(micros)].fetch_add(1, Relaxed);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// How long all of them took together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum.load(Relaxed))
    }

    /// The time that a part of them, from 0 to 1, did not take longer than; at most 25 % too high. Zero if there were none.
    pub fn quantile(&self, part: f64) -> Duration {
        let rank = (self.count() as f64 * part).ceil() as u64;
        let mut seen = 0;
        self.cumulative()
            .find(|&(_, count)| {
                seen = count;
                seen > 0 && seen >= rank
            })
            .map_or(Duration::ZERO, |(bound, _)| bound)
    }

    /// Times, and how many took less than each: what a Prometheus histogram is made of.
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.buckets.iter().enumerate().scan(0, |seen, (index, bucket)| {
            *seen += bucket.load(Relaxed);
            Some((Duration::from_micros(bound(index)), *seen))
        })
    }
}

/// Which bucket so many microseconds belong to.
fn bucket(micros: u64) -> usize {
    let octave = (micros | (STEPS as u64)).ilog2();
    let step = (micros >> (octave - STEPS.ilog2())) as u32 & (STEPS - 1);
    let low = micros < u64::from(STEPS);
    let index = if low { micros as u32 } else { (octave - 1) * STEPS + step };
    (index as usize).min(BUCKETS - 1)
}

/// The first number of microseconds that is too much for a bucket.
fn bound(index: usize) -> u64 {
    let (index, steps) = (index as u64 + 1, u64::from(STEPS));
    if index <= steps { index } else { (steps + index % steps) << (index / steps - 1) }
}

/// What came to a listener.
#[derive(Debug, Default)]
pub struct ListenerStats {
    /// Connections that were taken.
    pub connections: Counter,
    /// Connections that are open now.
    pub open: Counter,
    /// Requests that came.
    pub requests: Counter,
    /// Responses, by the hundreds of their status; 0 is for those that broke off.
    pub responses: [Counter; 6],
    /// Requests, or connections, that were too many.
    pub limited: Counter,
    /// Bytes of bodies that came.
    pub received: Counter,
    /// Bytes of bodies that were sent.
    pub sent: Counter,
    /// Bytes that were relayed, counted while they pass: there from the client, back to it.
    pub flow: Arc<Flow>,
    /// From a request's head to the end of its response; in mode "tcp" until an endpoint has taken the connection.
    pub latency: Histogram,
}

/// What a pool had to do.
#[derive(Debug, Default)]
pub struct PoolStats {
    /// Requests, or connections, that were for it.
    pub requests: Counter,
    /// Requests, or connections, that were tried again.
    pub retries: Counter,
    /// Requests that would have been tried again, if the budget had allowed it.
    pub over_budget: Counter,
    /// Requests for which there was no endpoint.
    pub nobody: Counter,
}

/// What an endpoint did.
#[derive(Debug, Default)]
pub struct EndpointStats {
    /// Requests, or connections, that it was given.
    pub requests: Counter,
    /// Connections that were opened to it.
    pub connects: Counter,
    /// Connections that could not be opened.
    pub connect_failures: Counter,
    /// Requests that it did not answer in time.
    pub timeouts: Counter,
    /// Requests that it broke off, or answered with something else than HTTP.
    pub breaks: Counter,
    /// Responses of 500 and above.
    pub errors: Counter,
    /// From giving it a request to the end of its response; in mode "tcp" until it has taken the connection.
    pub latency: Histogram,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_next_to_each_other_and_no_wider_than_a_quarter() {
        let mut index = 0;
        for micros in (0..100_000_u64).chain((17..40).map(|shift| 1 << shift)) {
            let found = bucket(micros);
            assert!(found >= index, "{micros}");
            assert!(micros < bound(found), "{micros} in {found}");
            assert!(found == 0 || micros >= bound(found - 1), "{micros} in {found}");
            assert!(micros < 4 || bound(found) as f64 <= micros as f64 * 1.25 + 1.0, "{micros}");
            index = found;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_right_or_a_little_high() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        (1..=1000).for_each(|millis| histogram.record(Duration::from_millis(millis)));
        for (part, exact) in [(0.01, 10.0), (0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = histogram.quantile(part).as_secs_f64() * 1e3;
            assert!((exact..=exact * 1.25).contains(&found), "{part}: {found}");
        }
        assert_eq!((histogram.count(), histogram.sum()), (1000, Duration::from_millis(500_500)));
    }
}
