//! The generic cell rate algorithm in one atomic word, for the hot path.

#[cfg(not(xs_loom))]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(xs_loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

use xs_os::Nanos;

use super::policy::fits;
use super::rate::{LONGEST, nanos_of};
use super::{Denied, InvalidRate, Limit, Rate};

/// Time is counted in sixteenths of a nanosecond, of which a word holds 36 years.
const TICKS: u64 = 16;

/// [`Gcra`](super::Gcra) in one atomic word: no lock, and nobody waits for anybody who was interrupted.
///
/// The time of a unit is rounded up to sixteenths of a nanosecond, so the rate is kept from above, and from below up to
/// 0.007 % at a million a second. It counts for 36 years from its origin; after that, nothing passes. Its rate is for life: a
/// [`Limiter`](super::Limiter) is for one that may [change](super::Limiter::change).
///
/// ```
/// use xs_net::limit::{AtomicGcra, Rate};
/// use xs_os::{Clock, VirtualClock};
///
/// let clock = VirtualClock::new();
/// let limit = AtomicGcra::new(Rate::per_second(10)?, 1, clock.nanos())?;
/// assert!(limit.check(clock.nanos(), 1).is_ok());
/// assert!(limit.check(clock.nanos(), 1).is_err());
/// # Ok::<(), xs_net::limit::InvalidRate>(())
/// ```
#[derive(Debug)]
pub struct AtomicGcra {
    /// The theoretical arrival time, in ticks from the origin. Nothing else is published through it, and changes of one
    /// word have one order whatever their ordering: relaxed is enough.
    tat: AtomicU64,
    origin: Nanos,
    burst: u64,
    /// The ticks of one unit, and of `burst` units.
    unit: u64,
    tolerance: u64,
}

impl AtomicGcra {
    /// Units at `rate`, up to `burst` at once. `origin` is any moment before the first request; a request that claims to
    /// be earlier counts as of then.
    ///
    /// # Errors
    ///
    /// [`InvalidRate::TooFast`] above one unit a nanosecond.
    pub fn new(rate: Rate, burst: u64, origin: Nanos) -> Result<Self, InvalidRate> {
        if rate.amount() > rate.period_nanos() {
            return Err(InvalidRate::TooFast);
        }
        let unit = rate.time_for(rate.price(1) * u128::from(TICKS));
        let unit = u64::try_from(unit).unwrap_or(u64::MAX);
        let tolerance = unit.saturating_mul(burst);
        Ok(AtomicGcra { tat: AtomicU64::new(0), origin, burst, unit, tolerance })
    }

    /// A moment in ticks from the origin.
    #[inline]
    fn ticks(&self, now: Nanos) -> u64 {
        match now.get().wrapping_sub(self.origin.get()) {
            since if since <= u64::MAX / TICKS => since * TICKS,
            _ => self.far(now),
        }
    }

    /// The same for moments before the origin, and for those that there is no number for.
    #[cold]
    fn far(&self, now: Nanos) -> u64 {
        now.since(self.origin).saturating_mul(TICKS)
    }

    /// Takes `cost` units now.
    ///
    /// # Errors
    ///
    /// [`Denied`], and nothing was taken.
    #[inline]
    pub fn check(&self, now: Nanos, cost: u64) -> Result<(), Denied> {
        self.reserve(&(), now, cost, Duration::ZERO).map(drop)
    }
}

impl Limit for AtomicGcra {
    #[inline]
    fn reserve(&self, (): &(), now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        fits(cost, self.burst)?;
        if cost == 0 {
            return Ok(Duration::ZERO);
        }
        let now = self.ticks(now);
        let step = self.unit.saturating_mul(cost);
        let slack = self.tolerance.saturating_sub(step);
        let patience = nanos_of(patience);
        let mut tat = self.tat.load(Ordering::Relaxed);
        loop {
            // From when on it passes: known from the word alone, and so before the clock has answered.
            let due = tat.saturating_sub(slack);
            let wait = if now >= due { 0 } else { (due - now - 1) / TICKS + 1 };
            if wait > patience {
                let retry_after_nanos = if tat.checked_add(step).is_some() { wait - patience } else { LONGEST };
                return Err(Denied::Busy { retry_after_nanos });
            }
            // A word that is full stays full.
            let Some(after) = tat.max(now).checked_add(step) else {
                return Err(Denied::Busy { retry_after_nanos: LONGEST });
            };
            match self.tat.compare_exchange_weak(tat, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(Duration::from_nanos(wait)),
                Err(present) => tat = present,
            }
        }
    }
}

#[cfg(all(test, xs_loom))]
mod loom_tests {
    use super::*;
    use loom::thread;
    use std::sync::Arc;
    use xs_os::{Clock, VirtualClock};

    #[test]
    fn no_more_pass_than_the_burst_whatever_the_interleaving() {
        let now = VirtualClock::new().nanos();
        loom::model(move || {
            let limit = Arc::new(AtomicGcra::new(Rate::per_second(1).unwrap(), 2, now).unwrap());
            let ask = |limit: Arc<AtomicGcra>| thread::spawn(move || limit.check(now, 1).is_ok());
            let others = [ask(limit.clone()), ask(limit.clone())];
            let mut passed = usize::from(limit.check(now, 1).is_ok());
            passed += others.into_iter().map(|other| usize::from(other.join().unwrap())).sum::<usize>();
            assert_eq!(passed, 2);
        });
    }

    #[test]
    fn two_who_wait_get_two_places() {
        let now = VirtualClock::new().nanos();
        loom::model(move || {
            let limit = Arc::new(AtomicGcra::new(Rate::per_second(1).unwrap(), 1, now).unwrap());
            let theirs = limit.clone();
            let other = thread::spawn(move || theirs.reserve(&(), now, 1, Duration::MAX).unwrap());
            let mut waits = [limit.reserve(&(), now, 1, Duration::MAX).unwrap(), other.join().unwrap()];
            waits.sort();
            assert_eq!(waits, [Duration::ZERO, Duration::from_secs(1)]);
        });
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::limit::{Gcra, Policy};
    use proptest::prelude::*;
    use xs_os::{Clock, VirtualClock};

    proptest! {
        #[test]
        fn one_word_answers_like_the_policy(
            unit in 1_u64..50,
            burst in 1_u64..10,
            steps in proptest::collection::vec((0_u64..60, 0_u64..12, 0_u64..100), 1..100),
        ) {
            let rate = Rate::new(1, Duration::from_nanos(unit)).unwrap();
            let mut now = VirtualClock::new().nanos();
            let (word, policy, mut state) = (AtomicGcra::new(rate, burst, now).unwrap(), Gcra::new(rate, burst), Default::default());
            for (pause, cost, patience) in steps {
                now += Duration::from_nanos(pause);
                let patience = Duration::from_nanos(patience);
                prop_assert_eq!(word.reserve(&(), now, cost, patience), policy.reserve(&mut state, now, cost, patience));
            }
        }

        #[test]
        fn nothing_is_too_much(
            amount in 1_u64..=u64::MAX,
            period in 1_u64..(1 << 63),
            burst in prop_oneof![any::<u64>(), Just(u64::MAX)],
            steps in proptest::collection::vec((any::<u64>(), any::<u64>()), 1..20),
        ) {
            let Ok(rate) = Rate::new(amount, Duration::from_nanos(period)) else { return Ok(()) };
            let origin = VirtualClock::new().nanos();
            let Ok(word) = AtomicGcra::new(rate, burst, origin) else { return Ok(()) };
            for (at, cost) in steps {
                let now = origin + Duration::from_nanos(at >> (at % 64));
                let _ = word.reserve(&(), now, cost >> (cost % 64), Duration::from_nanos(at));
                let _ = word.reserve(&(), now, 1, Duration::MAX);
                let _ = word.check(now, 1);
            }
        }
    }

    #[test]
    fn threads_share_it_exactly() {
        let now = VirtualClock::new().nanos();
        let limit = AtomicGcra::new(Rate::per_second(1).unwrap(), 1000, now).unwrap();
        let ask = || (0..1000).filter(|_| limit.check(now, 1).is_ok()).count();
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 1000);
    }

    #[test]
    fn more_than_a_unit_a_nanosecond_is_refused_when_made() {
        let now = VirtualClock::new().nanos();
        let rate = Rate::per_second(1_000_000_001).unwrap();
        assert_eq!(AtomicGcra::new(rate, 1, now).unwrap_err(), InvalidRate::TooFast);
        assert!(AtomicGcra::new(Rate::per_second(1_000_000_000).unwrap(), 1, now).is_ok());
    }
}
