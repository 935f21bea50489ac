//! How long a peer may take to take what is sent.
//!
//! A reader of a byte now and then keeps a response in memory for ever, and is never silent for long. So the time for which
//! it is waited is taken off a credit, to which every byte that it takes adds a little.

use std::time::{Duration, Instant};

use super::Options;

#[derive(Debug)]
pub(super) struct Patience {
    timeout: Option<Duration>,
    rate: u32,
    credit: Duration,
    /// Since when the peer is waited for.
    since: Option<Instant>,
    deadline: Option<Instant>,
}

/// The credit where the time for taking nothing is not bounded.
const CREDIT: Duration = Duration::from_secs(30);

impl Patience {
    pub(super) fn new(options: &Options) -> Patience {
        let mut patience = Patience {
            timeout: options.write_timeout,
            rate: options.write_rate,
            credit: Duration::ZERO,
            since: None,
            deadline: None,
        };
        patience.credit = patience.most();
        patience
    }

    fn most(&self) -> Duration {
        if self.rate == 0 { Duration::MAX } else { self.timeout.unwrap_or(CREDIT) }
    }

    /// The peer takes nothing now.
    pub(super) fn wait(&mut self, now: Instant) {
        if self.since.is_none() {
            self.since = Some(now);
            let limit = self.timeout.unwrap_or(Duration::MAX).min(self.credit);
            // A sum beyond what an instant can be is for ever.
            self.deadline = now.checked_add(limit);
        }
    }

    /// The peer has taken so many bytes, or is no longer waited for.
    #[inline]
    pub(super) fn took(&mut self, now: Instant, bytes: usize) {
        if self.since.is_some() || self.credit != self.most() {
            self.settle(now, bytes);
        }
    }

    fn settle(&mut self, now: Instant, bytes: usize) {
        let waited = self.since.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.deadline = None;
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.rate.max(1));
        let earned = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.credit = self.credit.saturating_sub(waited).saturating_add(earned).min(self.most());
    }

    /// When it ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    /// How long a peer is borne with that takes so many bytes every so many seconds.
    fn borne(options: &Options, bytes: usize, seconds: u64) -> Option<Duration> {
        // An anchor: from here on time passes by arithmetic.
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        let (mut patience, mut now) = (Patience::new(options), start);
        for _ in 0..10_000 {
            patience.wait(now);
            let next = now + Duration::from_secs(seconds);
            match patience.deadline() {
                Some(deadline) if deadline <= next => return Some(deadline - start),
                _ => now = next,
            }
            patience.took(now, bytes);
        }
        None
    }

    #[test]
    fn a_byte_now_and_then_is_not_enough_and_a_slow_network_is() {
        let options = Options::DEFAULT;
        let seconds = |options, bytes, every| borne(options, bytes, every).map(|time| time.as_secs());
        assert_eq!(seconds(&options, 1, 29), Some(30));
        assert_eq!(seconds(&options, 1, 1), Some(30));
        assert_eq!(seconds(&options, 120, 1), Some(59));
        assert_eq!(seconds(&options, 240, 1), None);
        // In bursts, as a radio with a bad signal: half a minute without a byte is too long, whatever comes then.
        assert_eq!(seconds(&options, 240 * 29, 29), None);
        assert_eq!(seconds(&options, 1 << 20, 31), Some(30));
    }

    #[test]
    fn each_of_the_two_bounds_can_be_off() {
        let patient = Options { write_rate: 0, ..Options::DEFAULT };
        assert_eq!((borne(&patient, 1, 29), borne(&patient, 1, 31)), (None, Some(Duration::from_secs(30))));
        let lasting = Options { write_timeout: None, ..Options::DEFAULT };
        assert_eq!(borne(&lasting, 1, 29).map(|time| time.as_secs()), Some(30));
        assert_eq!(borne(&lasting, 1 << 20, 29), None);
        let endless = Options { write_timeout: None, write_rate: 0, ..Options::DEFAULT };
        assert_eq!(borne(&endless, 1, 1_000_000), None);
    }
}
