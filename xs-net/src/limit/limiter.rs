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

/// One state of any policy, behind a lock.
pub struct Limiter<P: Policy> {
    policy: P,
    state: Mutex<P::State>,
}

impl<P: Policy> Limiter<P> {
    /// A limit by `policy`, of which nothing has been taken.
    pub fn new(policy: P) -> Self {
        Limiter { policy, state: Mutex::default() }
    }

    /// The rule.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// Takes `cost` units now.
    ///
    /// # Errors
    ///
    /// [`Denied`], and nothing was taken.
    pub fn check(&self, now: Instant, cost: u64) -> Result<(), Denied> {
        self.policy.check(&mut self.state.lock(), now, cost)
    }
}

impl<P: Policy> Limit for Limiter<P> {
    fn reserve(&self, (): &(), now: Instant, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        self.policy.reserve(&mut self.state.lock(), now, cost, patience)
    }
}

impl<P: Policy> fmt::Debug for Limiter<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("policy", &self.policy).field("state", &*self.state.lock()).finish()
    }
}
