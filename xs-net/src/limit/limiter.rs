//! A limit that many share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use xs_os::Nanos;

use super::{Denied, Policy};
use crate::Timer;

/// A limit that is asked from many threads, for each key apart; `()` is the key of limits that know only one.
pub trait Limit<K: ?Sized = ()> {
    /// Takes `cost` units of what `key` may have, as [`Policy::reserve`] does.
    ///
    /// # Errors
    ///
    /// [`Denied`], and nothing was taken.
    fn reserve(&self, key: &K, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied>;

    /// The same, at the moment that `timer` says: a limit that knows its answer without the time does not ask for it.
    ///
    /// # Errors
    ///
    /// [`Denied`], and nothing was taken.
    #[inline]
    fn reserve_by(&self, key: &K, timer: &Timer, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        self.reserve(key, timer.nanos(), cost, patience)
    }
}

impl<K: ?Sized, L: Limit<K> + ?Sized> Limit<K> for Arc<L> {
    fn reserve(&self, key: &K, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        (**self).reserve(key, now, cost, patience)
    }

    #[inline]
    fn reserve_by(&self, key: &K, timer: &Timer, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        (**self).reserve_by(key, timer, cost, patience)
    }
}

/// One state of any policy, behind a lock. The policy can be [changed](Limiter::change) while it is in use.
///
/// Whoever is refused need not come to the lock: a refusal is exact, so until its moment comes, the next one is known.
pub struct Limiter<P: Policy> {
    inner: Mutex<(P, P::State)>,
    /// Until this moment a single unit is refused to whoever won't wait, because the last one was and nobody has taken anything
    /// since. Written under the lock and read without: whoever reads an old one stands before those who came in between.
    busy: AtomicU64,
}

impl<P: Policy> Limiter<P> {
    /// A limit by `policy`, of which nothing has been taken.
    pub fn new(policy: P) -> Self {
        Limiter { inner: Mutex::new((policy, P::State::default())), busy: AtomicU64::new(0) }
    }

    /// The rule.
    pub fn policy(&self) -> P {
        self.inner.lock().0.clone()
    }

    /// From now on the rule is another one. What was taken before counts ([`Policy::adopt`]): a configuration that is read
    /// again hands nobody a new burst.
    ///
    /// ```
    /// use xs_net::limit::{Gcra, Limiter, Rate};
    /// use xs_os::{Clock, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let limit = Limiter::new(Gcra::new(Rate::per_second(10)?, 3));
    /// while limit.check(clock.nanos(), 1).is_ok() {}
    /// limit.change(Gcra::new(Rate::per_second(20)?, 4), clock.nanos());
    /// assert!(limit.check(clock.nanos(), 1).is_ok(), "three of the four are gone");
    /// assert!(limit.check(clock.nanos(), 1).is_err());
    /// # Ok::<(), xs_net::limit::InvalidRate>(())
    /// ```
    pub fn change(&self, policy: P, now: Nanos) {
        let (before, state) = &mut *self.inner.lock();
        policy.adopt(before, state, now);
        *before = policy;
        self.busy.store(0, Ordering::Relaxed);
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

    fn take(&self, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        let (policy, state) = &mut *self.inner.lock();
        let answer = policy.reserve(state, now, cost, patience);
        match answer {
            // Whoever comes next finds less than was left when the last one was refused.
            Ok(_) if cost > 0 && self.busy.load(Ordering::Relaxed) > now.get() => self.busy.store(0, Ordering::Relaxed),
            Err(Denied::Busy { retry_after_nanos }) if cost == 1 && patience.is_zero() => {
                self.busy.store(now.later(retry_after_nanos).get(), Ordering::Relaxed);
            }
            _ => {}
        }
        answer
    }
}

impl<P: Policy> Limit for Limiter<P> {
    #[inline]
    fn reserve(&self, (): &(), now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        if cost == 1 && patience.is_zero() {
            let wait = Nanos::new(self.busy.load(Ordering::Relaxed)).since(now);
            if wait > 0 {
                return Err(Denied::Busy { retry_after_nanos: wait });
            }
        }
        self.take(now, cost, patience)
    }
}

impl<P: Policy> fmt::Debug for Limiter<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (policy, state) = &*self.inner.lock();
        f.debug_struct("Limiter").field("policy", policy).field("state", state).finish()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::limit::{FixedWindow, Gcra, LeakyBucket, LeakyQueue, Rate, SlidingCounter, SlidingLog, TokenBucket};
    use proptest::prelude::*;
    use xs_os::{Clock, VirtualClock};

    /// A request: the pause before it, its cost and its patience, and whether the rule is then changed to itself.
    type Step = (u64, u64, u64, bool);

    /// Whether it was answered at the lock or before it, nobody can tell.
    fn is_its_policy<P: Policy>(policy: &P, steps: &[Step]) {
        let (mut now, limit, mut state) =
            (VirtualClock::new().nanos(), Limiter::new(policy.clone()), P::State::default());
        for &(pause, cost, patience, changed) in steps {
            now += Duration::from_nanos(pause);
            let patience = Duration::from_nanos(patience);
            let answer = limit.reserve(&(), now, cost, patience);
            assert_eq!(answer, policy.reserve(&mut state, now, cost, patience), "{policy:?}");
            if changed {
                limit.change(policy.clone(), now);
            }
        }
    }

    proptest! {
        #[test]
        fn a_limiter_answers_as_its_policy_does(
            amount in 1_u64..9,
            period in 1_u64..40,
            burst in 0_u64..6,
            steps in proptest::collection::vec(
                (0_u64..8, prop_oneof![3 => Just(1_u64), 1 => 0_u64..6], prop_oneof![3 => Just(0_u64), 1 => 0_u64..20], prop::bool::weighted(0.05)),
                1..100,
            ),
        ) {
            let rate = Rate::new(amount, Duration::from_nanos(period)).unwrap();
            is_its_policy(&TokenBucket::new(rate, burst), &steps);
            is_its_policy(&LeakyBucket::new(rate, burst), &steps);
            is_its_policy(&LeakyQueue::new(rate, burst), &steps);
            is_its_policy(&Gcra::new(rate, burst), &steps);
            is_its_policy(&FixedWindow::new(rate), &steps);
            is_its_policy(&SlidingCounter::new(rate), &steps);
            is_its_policy(&SlidingLog::new(rate), &steps);
        }
    }

    #[test]
    fn a_refusal_that_is_known_is_told_without_the_lock() {
        let clock = VirtualClock::new();
        let limit = Limiter::new(Gcra::new(Rate::per_second(1).unwrap(), 1));
        assert!(limit.check(clock.nanos(), 1).is_ok() && limit.check(clock.nanos(), 1).is_err());
        clock.advance(Duration::from_millis(400));
        let _held = limit.inner.lock();
        assert_eq!(limit.check(clock.nanos(), 1), Err(Denied::Busy { retry_after_nanos: 600_000_000 }));
    }
}
