//! How long to wait for an answer.

use std::time::Duration;

use super::Limits;

/// How long an answer takes, and how long to wait for one (RFC 6298).
#[derive(Debug)]
pub(super) struct Rtt {
    smooth: Option<Duration>,
    varies: Duration,
    retry: Duration,
    doubled: bool,
}

impl Rtt {
    pub(super) fn new(limits: &Limits) -> Self {
        Rtt { smooth: None, varies: Duration::ZERO, retry: limits.first_retry, doubled: false }
    }

    pub(super) fn sample(&mut self, took: Duration, limits: &Limits) {
        match self.smooth {
            None => (self.smooth, self.varies) = (Some(took), took / 2),
            Some(smooth) => {
                self.varies = (self.varies * 3 + smooth.abs_diff(took)) / 4;
                self.smooth = Some((smooth * 7 + took) / 8);
            }
        }
        // Only now the doubling is over: the answer to something that was sent twice tells nothing (Karn).
        self.doubled = false;
        let smooth = self.smooth.unwrap_or(took);
        self.retry = (smooth + 4 * self.varies).clamp(limits.least_retry, limits.most_retry);
    }

    pub(super) fn double(&mut self, limits: &Limits) {
        self.doubled = true;
        self.retry = (self.retry * 2).min(limits.most_retry);
    }

    /// Whether nothing was answered since something was late.
    pub(super) fn is_doubled(&self) -> bool {
        self.doubled
    }

    pub(super) fn retry(&self) -> Duration {
        self.retry
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_late_is_doubled_until_a_measurement() {
        let limits = Limits::default();
        let mut rtt = Rtt::new(&limits);
        assert_eq!(rtt.retry(), 100 * MS);
        rtt.sample(50 * MS, &limits);
        assert_eq!(rtt.retry(), 150 * MS); // RFC 6298, 2.2: R + 4 · R/2
        (0..10).for_each(|_| rtt.double(&limits));
        assert_eq!((rtt.retry(), rtt.is_doubled()), (2_000 * MS, true));
        rtt.sample(50 * MS, &limits);
        assert_eq!((rtt.retry(), rtt.is_doubled()), (125 * MS, false)); // 50 + 4 · 3/4 · 25
        (0..50).for_each(|_| rtt.sample(MS, &limits));
        assert_eq!(rtt.retry(), 20 * MS, "however fast the way is");
    }
}
