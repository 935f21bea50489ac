//! Limits: asked directly, by key, and as layers.

use std::time::Duration;

use tower::limit::{ConcurrencyLimitLayer, RateLimitLayer as TowerRateLimitLayer};
use tower::{Layer, service_fn};
use xs_net::bulkhead::{BulkheadLayer, BulkheadOptions};
use xs_net::limit::adaptive::{AdaptiveLayer, Aimd, AimdOptions, Gradient, GradientOptions};
use xs_net::limit::{
    AtomicGcra, AtomicWindow, ConcurrencyLayer, Gcra, Keyed, Limiter, Rate, RateLimitLayer, SlidingCounter, TokenBucket,
};

use super::{Case, echo, timers};

pub(super) const PASSES: &str = "a limit that lets pass";
pub(super) const REFUSES: &str = "a limit that refuses";
pub(super) const KEYED: &str = "a limit for each of 10,000 keys";
pub(super) const RATE: &str = "a layer that limits the rate";
pub(super) const CONCURRENCY: &str = "a layer that limits concurrency";
pub(super) const ADAPTIVE: &str = "a layer that learns its limit of concurrency";

const KEYS: u64 = 10_000;

/// Keys in an order that no processor guesses.
pub(super) fn keys() -> impl FnMut() -> u64 {
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
        for (timer, by) in timers() {
            let limit = AtomicGcra::new(rate, burst, timer.nanos()).expect("a rate");
            let subject = ["AtomicGcra", "AtomicGcra by ticks"][by];
            let its = timer.clone();
            cases.push(Case::new(row, subject, true, move || limit.check(its.nanos(), 1)));
            let limit = Limiter::new(Gcra::new(rate, burst));
            let subject = ["Limiter<Gcra>", "Limiter<Gcra> by ticks"][by];
            cases.push(Case::new(row, subject, true, move || limit.check(timer.nanos(), 1)));
        }
        let [(timer, _), _] = timers();
        let (limit, its) = (Limiter::new(TokenBucket::new(rate, burst)), timer.clone());
        cases.push(Case::new(row, "Limiter<TokenBucket>", true, move || limit.check(its.nanos(), 1)));
        let limit = Limiter::new(SlidingCounter::new(rate));
        cases.push(Case::new(row, "Limiter<SlidingCounter>", true, move || limit.check(timer.nanos(), 1)));
    }
    for (timer, by) in timers() {
        let (limit, mut key) = (Keyed::new(Gcra::new(endless(), 1_000_000_000), 2 * KEYS as usize, 42), keys());
        let subject = ["Keyed<Gcra>", "Keyed<Gcra> by ticks"][by];
        cases.push(Case::new(KEYED, subject, true, move || limit.check(&key(), timer.nanos(), 1)));
    }
    for (timer, by) in timers() {
        let limit = AtomicGcra::new(endless(), 1_000_000_000, timer.nanos()).expect("a rate");
        let layer = RateLimitLayer::new(limit, &timer);
        let subject = ["RateLimitLayer<AtomicGcra>", "RateLimitLayer<AtomicGcra> by ticks"][by];
        cases.push(Case::service(RATE, subject, true, layer.layer(service_fn(echo))));
    }
    for (timer, by) in timers() {
        let layer = RateLimitLayer::new(AtomicWindow::new(endless()), &timer);
        let subject = ["RateLimitLayer<AtomicWindow>", "RateLimitLayer<AtomicWindow> by ticks"][by];
        cases.push(Case::service(RATE, subject, true, layer.layer(service_fn(echo))));
    }
    let [(timer, _), _] = timers();
    let layer = RateLimitLayer::new(Limiter::new(TokenBucket::new(endless(), 1_000_000_000)), &timer);
    cases.push(Case::service(RATE, "RateLimitLayer<TokenBucket>", true, layer.layer(service_fn(echo))));
    let layer = TowerRateLimitLayer::new(u64::MAX, Duration::from_secs(1));
    cases.push(Case::service(RATE, "tower", false, layer.layer(service_fn(echo))));

    let layer = ConcurrencyLayer::new(100);
    cases.push(Case::service(CONCURRENCY, "ConcurrencyLayer", true, layer.layer(service_fn(echo))));
    let layer = BulkheadLayer::new("bench", BulkheadOptions::default(), &timer);
    cases.push(Case::service(CONCURRENCY, "BulkheadLayer", true, layer.layer(service_fn(echo))));
    let gradient = Gradient::new(GradientOptions::default()).expect("they are valid");
    let layer = AdaptiveLayer::new(gradient, &timer);
    cases.push(Case::service(ADAPTIVE, "AdaptiveLayer<Gradient>", true, layer.layer(service_fn(echo))));
    let aimd = Aimd::new(AimdOptions::default()).expect("they are valid");
    let layer = AdaptiveLayer::new(aimd, &timer);
    cases.push(Case::service(ADAPTIVE, "AdaptiveLayer<Aimd>", true, layer.layer(service_fn(echo))));
    for (row, subject) in [(CONCURRENCY, "tower"), (ADAPTIVE, "tower, a fixed limit")] {
        let layer = ConcurrencyLimitLayer::new(100);
        cases.push(Case::service(row, subject, false, layer.layer(service_fn(echo))));
    }
    cases
}
