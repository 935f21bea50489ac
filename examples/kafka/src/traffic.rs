//! What passes through a topic.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::Mutex;

/// Counts of a topic, since the broker has started, and how fast they have grown lately.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    produced_records: AtomicU64,
    produced_bytes: AtomicU64,
    fetched_bytes: AtomicU64,
    looked: Mutex<Looked>,
}

#[derive(Debug, Default)]
struct Looked {
    at: Option<(Instant, Counts)>,
    rates: Rates,
}

/// Records and bytes that producers brought, bytes that consumers took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) produced_records: u64,
    pub(crate) produced_bytes: u64,
    pub(crate) fetched_bytes: u64,
}

/// The same, a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) produced_records: f64,
    pub(crate) produced_bytes: f64,
    pub(crate) fetched_bytes: f64,
}

impl Traffic {
    pub(crate) fn produced(&self, records: u64, bytes: u64) {
        self.produced_records.fetch_add(records, Relaxed);
        self.produced_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn fetched(&self, bytes: u64) {
        self.fetched_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            produced_records: self.produced_records.load(Relaxed),
            produced_bytes: self.produced_bytes.load(Relaxed),
            fetched_bytes: self.fetched_bytes.load(Relaxed),
        }
    }

    /// As fast as between the last two looks.
    pub(crate) fn rates(&self) -> Rates {
        self.looked.lock().rates
    }

    pub(crate) fn look(&self, now: Instant) {
        let counts = self.counts();
        let mut looked = self.looked.lock();
        if let Some((before, then)) = looked.at {
            let seconds = now.saturating_duration_since(before).as_secs_f64();
            if seconds <= 0.0 {
                return;
            }
            let rate = |now: u64, then: u64| (now - then) as f64 / seconds;
            looked.rates = Rates {
                produced_records: rate(counts.produced_records, then.produced_records),
                produced_bytes: rate(counts.produced_bytes, then.produced_bytes),
                fetched_bytes: rate(counts.fetched_bytes, then.fetched_bytes),
            };
        }
        looked.at = Some((now, counts));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use xs_os::{Clock, VirtualClock};

    use super::*;

    #[test]
    fn a_rate_is_what_came_between_two_looks() {
        let (traffic, clock) = (Traffic::default(), VirtualClock::new());
        traffic.produced(1000, 1000);
        traffic.look(clock.now());
        assert_eq!(traffic.rates(), Rates::default());
        clock.advance(Duration::from_secs(2));
        traffic.produced(10, 300);
        traffic.fetched(50);
        traffic.look(clock.now());
        // A second look in the same moment changes nothing.
        traffic.look(clock.now());
        assert_eq!(traffic.rates(), Rates { produced_records: 5.0, produced_bytes: 150.0, fetched_bytes: 25.0 });
        assert_eq!(traffic.counts(), Counts { produced_records: 1010, produced_bytes: 1300, fetched_bytes: 50 });
        clock.advance(Duration::from_secs(1));
        traffic.look(clock.now());
        assert_eq!(traffic.rates(), Rates::default());
    }
}
