//! How long to wait before trying again.

use std::time::Duration;

use xs_os::Rng;

/// How a [`Backoff`] draws its pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jitter {
    Full,
    Decorrelated,
}

/// Exponential back-off with jitter. A pure policy: it waits for nothing itself.
///
/// - Full jitter: before the attempt number `n` a uniformly random pause between zero and `min(cap, base · 2ⁿ)`. The
///   least work in total.
/// - Decorrelated jitter: a uniformly random pause between `base` and three times the last pause, at most `cap`. It never
///   tries again at once.
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
    jitter: Jitter,
    failures: u32,
    /// The last pause, which decorrelated jitter grows from.
    last: Duration,
    rng: Rng,
}

impl Backoff {
    /// Full jitter: pauses that begin below `base` and never exceed `cap`.
    pub fn new(base: Duration, cap: Duration, rng: Rng) -> Self {
        Backoff { base, cap, jitter: Jitter::Full, failures: 0, last: Duration::ZERO, rng }
    }

    /// Decorrelated jitter: pauses of at least `base` that never exceed `cap`, which is the stronger of the two.
    pub fn decorrelated(base: Duration, cap: Duration, rng: Rng) -> Self {
        Backoff { jitter: Jitter::Decorrelated, ..Backoff::new(base, cap, rng) }
    }

    /// Notes a failure, and answers how long to wait.
    pub fn pause(&mut self) -> Duration {
        let ceiling = self.ceiling();
        let floor = match self.jitter {
            Jitter::Full => Duration::ZERO,
            Jitter::Decorrelated => self.base.min(ceiling),
        };
        self.failures = self.failures.saturating_add(1);
        let nanos = u64::try_from((ceiling - floor).as_nanos()).unwrap_or(u64::MAX - 1);
        self.last = floor + Duration::from_nanos(self.rng.below(nanos.saturating_add(1)));
        self.last
    }

    /// The longest that the next pause can be.
    pub fn ceiling(&self) -> Duration {
        let grown = match self.jitter {
            Jitter::Full => 1_u32.checked_shl(self.failures).and_then(|factor| self.base.checked_mul(factor)),
            // The first pause grows from `base`.
            Jitter::Decorrelated => self.last.max(self.base).checked_mul(3),
        };
        grown.map_or(self.cap, |pause| pause.min(self.cap))
    }

    /// Notes a success: the next pause is short again.
    pub fn reset(&mut self) {
        self.failures = 0;
        self.last = Duration::ZERO;
    }
}

#[cfg(all(test, not(xs_loom)))]
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

    #[test]
    fn decorrelated_pauses_stay_between_the_base_and_thrice_the_last() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::decorrelated(ms(10), ms(500), Rng::from_seed(5));
        let mut last = ms(10);
        let mut longest = Duration::ZERO;
        for _ in 0..1000 {
            let pause = backoff.pause();
            assert!(pause >= ms(10) && pause <= (last * 3).min(ms(500)), "{pause:?} after {last:?}");
            (last, longest) = (pause, longest.max(pause));
        }
        assert!(longest > ms(400));
        backoff.reset();
        assert_eq!(backoff.ceiling(), ms(30));
        assert_eq!(Backoff::decorrelated(ms(10), ms(4), Rng::from_seed(1)).pause(), ms(4)); // the cap is stronger
    }
}
