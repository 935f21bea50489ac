//! A limit that many share.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Denied, Policy};

/// A limit that is asked from many threads, for each key apart; `()` is the key of limits that know only one.
pub trait Limit<K: ?Sized = ()> {
    /// Takes `cost` units of what `key` may have, as [`Policy::reserve`] does.
    ///
    /// # Errors
    ///
    /// [`Denied`], and nothing was taken.
    fn reserve(&self, key: &K, now: Instant, cost: u64, patience: Duration) -> Result<Duration, Denied>;
}

impl<K: ?Sized, L: Limit<K> + ?Sized> Limit<K> for Arc<L> {
    fn reserve(&self, key: &K, now: Instant, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        (**self).reserve(key, now, cost, patience)
    }
}

/// One state of any policy, behind a lock. The policy can be [changed](Limiter::change) while it is in use.
pub struct Limiter<P: Policy> {
    inner: Mutex<(P, P::State)>,
}

impl<P: Policy> Limiter<P> {
    /// A limit by `policy`, of which nothing has been taken.
    pub fn new(policy: P) -> Self {
        Limiter { inner: Mutex::new((policy, P::State::default())) }
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
    /// while limit.check(clock.now(), 1).is_ok() {}
    /// limit.change(Gcra::new(Rate::per_second(20)?, 4), clock.now());
    /// assert!(limit.check(clock.now(), 1).is_ok(), "three of the four are gone");
    /// assert!(limit.check(clock.now(), 1).is_err());
    /// # Ok::<(), xs_net::limit::InvalidRate>(())
    /// ```
    pub fn change(&self, policy: P, now: Instant) {
        let (before, state) = &mut *self.inner.lock();
        policy.adopt(before, state, now);
        *before = policy;
    }

    /// Takes `cost` units now.
    ///
    /// # Errors
    ///
    /// [`Denied`], and nothing was taken.
    pub fn check(&self, now: Instant, cost: u64) -> Result<(), Denied> {
        let (policy, state) = &mut *self.inner.lock();
        policy.check(state, now, cost)
    }
}

impl<P: Policy> Limit for Limiter<P> {
    fn reserve(&self, (): &(), now: Instant, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        let (policy, state) = &mut *self.inner.lock();
        policy.reserve(state, now, cost, patience)
    }
}

impl<P: Policy> fmt::Debug for Limiter<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (policy, state) = &*self.inner.lock();
        f.debug_struct("Limiter").field("policy", policy).field("state", state).finish()
    }
}
