//! How long to wait before trying again.

use std::time::Duration;

use xs_os::Rng;

/// Exponential back-off with full jitter: before the attempt number `n` a uniformly random pause between zero and
/// `min(cap, base · 2ⁿ)`. A pure policy: it waits for nothing itself.
///
/// ```
/// use std::time::Duration;
/// use xs_net::client::Backoff;
/// use xs_os::Rng;
///
/// let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1), Rng::from_seed(1));
/// assert!(backoff.pause() <= Duration::from_millis(10));
/// assert!(backoff.pause() <= Duration::from_millis(20));
/// (0..100).for_each(|_| assert!(backoff.pause() <= Duration::from_secs(1)));
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
    rng: Rng,
}

impl Backoff {
    /// Pauses that begin below `base` and never exceed `cap`.
    pub fn new(base: Duration, cap: Duration, rng: Rng) -> Self {
        Backoff { base, cap, failures: 0, rng }
    }

    /// Notes a failure, and answers how long to wait.
    pub fn pause(&mut self) -> Duration {
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX - 1);
        Duration::from_nanos(self.rng.below(nanos + 1))
    }

    /// The longest that the next pause can be.
    pub fn ceiling(&self) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).and_then(|factor| self.base.checked_mul(factor));
        doubled.map_or(self.cap, |pause| pause.min(self.cap))
    }

    /// Notes a success: the next pause is short again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_and_the_pauses_spread_below_it() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(10), ms(100), Rng::from_seed(3));
        let mut ceilings = Vec::new();
        for _ in 0..40 {
            ceilings.push(backoff.ceiling());
            backoff.pause();
        }
        assert_eq!(ceilings[..5], [ms(10), ms(20), ms(40), ms(80), ms(100)]);
        assert_eq!(ceilings[39], ms(100)); // also when the factor no longer fits
        let pauses: Vec<_> = (0..1000).map(|_| backoff.pause()).collect();
        assert!(pauses.iter().any(|&p| p < ms(10)) && pauses.iter().any(|&p| p > ms(90)));
        backoff.reset();
        assert_eq!(backoff.ceiling(), ms(10));
    }
}
