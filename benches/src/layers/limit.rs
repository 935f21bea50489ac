//! Limits: asked directly, by key, and as layers.

use std::time::Duration;

use tower::Layer;
use tower::limit::{ConcurrencyLimitLayer, RateLimitLayer as TowerRateLimitLayer};
use xs_net::Timer;
use xs_net::limit::adaptive::{AdaptiveLayer, Gradient, GradientOptions};
use xs_net::limit::{
    AtomicGcra, ConcurrencyLayer, Gcra, Keyed, Limiter, Rate, RateLimitLayer, SlidingCounter, TokenBucket,
};

use super::{Case, echo};

const PASSES: &str = "a limit that lets pass";
const REFUSES: &str = "a limit that refuses";
const KEYED: &str = "a limit for each of 10,000 keys";
const RATE: &str = "a layer that limits the rate";
const CONCURRENCY: &str = "a layer that limits concurrency";

const KEYS: u64 = 10_000;

#[cfg(not(feature = "peers-layers"))]
pub(super) const MISSING: &str =
    "governor, tower-http and axum-prometheus aren't built in (`--features peers-layers`): not measured.\n\n";
#[cfg(feature = "peers-layers")]
pub(super) const MISSING: &str = "";

/// Keys in an order that no processor guesses.
fn keys() -> impl FnMut() -> u64 {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % KEYS
    }
}

/// As fast as a limit in whole nanoseconds goes, with a second's worth of burst: nothing is refused.
fn endless() -> Rate {
    Rate::per_second(1_000_000_000).expect("a rate")
}

fn hourly() -> Rate {
    Rate::new(1, Duration::from_secs(3600)).expect("a rate")
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (row, rate, burst) in [(PASSES, endless(), 1_000_000_000), (REFUSES, hourly(), 1)] {
        let timer = Timer::system();
        let limit = AtomicGcra::new(rate, burst, timer.now()).expect("a rate");
        cases.push(Case::new(row, "AtomicGcra", true, move || limit.check(timer.now(), 1)));
        let (limit, timer) = (Limiter::new(Gcra::new(rate, burst)), Timer::system());
        cases.push(Case::new(row, "Limiter<Gcra>", true, move || limit.check(timer.now(), 1)));
        let (limit, timer) = (Limiter::new(TokenBucket::new(rate, burst)), Timer::system());
        cases.push(Case::new(row, "Limiter<TokenBucket>", true, move || limit.check(timer.now(), 1)));
        let (limit, timer) = (Limiter::new(SlidingCounter::new(rate)), Timer::system());
        cases.push(Case::new(row, "Limiter<SlidingCounter>", true, move || limit.check(timer.now(), 1)));
    }
    let (limit, timer, mut key) =
        (Keyed::new(Gcra::new(endless(), 1_000_000_000), 2 * KEYS as usize, 42), Timer::system(), keys());
    cases.push(Case::new(KEYED, "Keyed<Gcra>", true, move || limit.check(&key(), timer.now(), 1)));
    cases.extend(peers::cases());

    let timer = Timer::system();
    let limit = AtomicGcra::new(endless(), 1_000_000_000, timer.now()).expect("a rate");
    let layer = RateLimitLayer::new(limit, &timer);
    cases.push(Case::service(RATE, "RateLimitLayer<AtomicGcra>", true, layer.layer(tower::service_fn(echo))));
    let layer = RateLimitLayer::new(Limiter::new(TokenBucket::new(endless(), 1_000_000_000)), &timer);
    cases.push(Case::service(RATE, "RateLimitLayer<TokenBucket>", true, layer.layer(tower::service_fn(echo))));
    let layer = TowerRateLimitLayer::new(u64::MAX, Duration::from_secs(1));
    cases.push(Case::service(RATE, "tower", false, layer.layer(tower::service_fn(echo))));

    let layer = ConcurrencyLayer::new(100);
    cases.push(Case::service(CONCURRENCY, "ConcurrencyLayer", true, layer.layer(tower::service_fn(echo))));
    let layer = AdaptiveLayer::new(Gradient::new(GradientOptions::default()), &timer);
    cases.push(Case::service(CONCURRENCY, "AdaptiveLayer<Gradient>", true, layer.layer(tower::service_fn(echo))));
    let layer = ConcurrencyLimitLayer::new(100);
    cases.push(Case::service(CONCURRENCY, "tower", false, layer.layer(tower::service_fn(echo))));
    cases
}

#[cfg(not(feature = "peers-layers"))]
mod peers {
    pub(super) fn cases() -> Option<super::Case> {
        None
    }
}

#[cfg(feature = "peers-layers")]
mod peers {
    use std::num::NonZeroU32;

    use governor::clock::MonotonicClock;
    use governor::{Quota, RateLimiter};

    use super::super::Case;
    use super::{KEYED, PASSES, REFUSES, keys};

    pub(super) fn cases() -> Vec<Case> {
        let many = NonZeroU32::new(1_000_000_000).expect("it is not zero");
        let mut cases = Vec::new();
        for (row, quota) in [(PASSES, Quota::per_second(many)), (REFUSES, Quota::per_hour(NonZeroU32::MIN))] {
            // Its own clock counts the processor's ticks; the other one is the standard library's, as ours is.
            let limit = RateLimiter::direct(quota);
            cases.push(Case::new(row, "governor", false, move || limit.check()));
            let limit = RateLimiter::direct_with_clock(quota, MonotonicClock);
            cases.push(Case::new(row, "governor by std's clock", false, move || limit.check()));
        }
        let (limit, mut key) = (RateLimiter::dashmap(Quota::per_second(many)), keys());
        cases.push(Case::new(KEYED, "governor, dashmap", false, move || limit.check_key(&key())));
        let (limit, mut key) = (RateLimiter::hashmap(Quota::per_second(many)), keys());
        cases.push(Case::new(KEYED, "governor, hashmap", false, move || limit.check_key(&key())));
        cases
    }
}
