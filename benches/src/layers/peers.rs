//! Those that aren't tower's.

use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

use axum_prometheus::PrometheusMetricLayerBuilder;
use failsafe::CircuitBreaker;
use governor::clock::MonotonicClock;
use governor::{Quota, RateLimiter};
use tower::{Layer, service_fn};
use tower_http::trace::TraceLayer;
use tower_resilience_adaptive::{AdaptiveLimiterLayer, Aimd, Gradient2};
use tower_resilience_bulkhead::BulkheadLayer;
use tower_resilience_circuitbreaker::CircuitBreakerLayer;
use tower_resilience_ratelimiter::RateLimiterLayer;
use tracing::Dispatch;
use xs_net::observe::Recorder;

use super::limit::{ADAPTIVE, CONCURRENCY, KEYED, PASSES, RATE, REFUSES, keys};
use super::observe::{HTTP, answer, http, watched};
use super::recovery::BREAKER;
use super::{Case, echo};

/// The same, with somebody who listens to all spans and events, and writes nothing.
const HEARD: &str = "a layer that watches requests of HTTP, heard";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    limits(&mut cases);
    limiting_layers(&mut cases);
    breakers(&mut cases);
    watchers(&mut cases);
    cases
}

fn limits(cases: &mut Vec<Case>) {
    let many = NonZeroU32::new(1_000_000_000).expect("it is not zero");
    for (row, quota) in [(PASSES, Quota::per_second(many)), (REFUSES, Quota::per_hour(NonZeroU32::MIN))] {
        let limit = RateLimiter::direct(quota);
        cases.push(Case::new(row, "governor by ticks", false, move || limit.check()));
        let limit = RateLimiter::direct_with_clock(quota, MonotonicClock);
        cases.push(Case::new(row, "governor", false, move || limit.check()));
    }
    let (limit, mut key) = (RateLimiter::dashmap(Quota::per_second(many)), keys());
    cases.push(Case::new(KEYED, "governor, dashmap, by ticks", false, move || limit.check_key(&key())));
    let (limit, mut key) = (RateLimiter::hashmap(Quota::per_second(many)), keys());
    cases.push(Case::new(KEYED, "governor, hashmap, by ticks", false, move || limit.check_key(&key())));
    let (limit, mut key) = (RateLimiter::dashmap_with_clock(Quota::per_second(many), MonotonicClock), keys());
    cases.push(Case::new(KEYED, "governor, dashmap", false, move || limit.check_key(&key())));
}

fn limiting_layers(cases: &mut Vec<Case>) {
    let layer =
        RateLimiterLayer::builder().limit_for_period(1_000_000_000).refresh_period(Duration::from_secs(1)).build();
    let layer = layer.expect("its options are valid");
    cases.push(Case::service(RATE, "tower-resilience", false, layer.layer(service_fn(echo))));
    let layer = BulkheadLayer::builder().max_concurrent_calls(100).build().expect("its options are valid");
    cases.push(Case::service(CONCURRENCY, "tower-resilience", false, layer.layer(service_fn(echo))));
    let layer = AdaptiveLimiterLayer::new(Gradient2::builder().build().expect("its options are valid"));
    cases.push(Case::service(ADAPTIVE, "tower-resilience, Gradient2", false, layer.layer(service_fn(echo))));
    let layer = AdaptiveLimiterLayer::new(Aimd::builder().build().expect("its options are valid"));
    cases.push(Case::service(ADAPTIVE, "tower-resilience, Aimd", false, layer.layer(service_fn(echo))));
}

fn breakers(cases: &mut Vec<Case>) {
    let layer = CircuitBreakerLayer::builder().sliding_window_size(100).minimum_number_of_calls(20).build();
    let layer = layer.expect("its options are valid");
    let inner = service_fn(|n: u64| std::future::ready(Ok::<_, io::Error>(n)));
    cases.push(Case::service(BREAKER, "tower-resilience, last 100 calls", false, layer.layer(inner)));
    // Its default: a rate over a window, or failures in a row. It calls a closure here, so there is no future.
    let failsafe = failsafe::Config::new().build();
    let call = move || failsafe.call(|| Ok::<_, io::Error>(std::hint::black_box(7)));
    cases.push(Case::new(BREAKER, "failsafe, a closure", false, call));
}

fn watchers(cases: &mut Vec<Case>) {
    let traced = || TraceLayer::new_for_http().layer(service_fn(answer));
    cases.push(http(HTTP, "tower-http's TraceLayer", false, traced()));
    cases.push(heard(http(HEARD, "tower-http's TraceLayer", false, traced())));
    cases.push(heard(http(HEARD, "ObserveLayer", true, watched(false).layer(service_fn(answer)))));
    let recorder = Recorder::new();
    let mut case = metrics::with_local_recorder(&recorder, || {
        let mut case = http(HTTP, "ObserveLayer, a Recorder as well", true, watched(false).layer(service_fn(answer)));
        (case.run)(1);
        case
    });
    assert!(recorder.total("xs_requests_total", &[]) > 0.0, "it counts");
    (case.run)(1);
    assert!(recorder.total("xs_requests_total", &[]) > 1.0, "it still does");
    cases.push(case);
    // Makes the exporter the recorder of this process, from here on.
    let (layer, _) = PrometheusMetricLayerBuilder::new().with_default_metrics().build_pair();
    cases.push(http(HTTP, "axum-prometheus", false, layer.layer(service_fn(answer))));
}

/// Somebody listens while this one runs, and nobody while others do: not even a callsite remembers it.
fn heard(mut case: Case) -> Case {
    let mut run = case.run;
    case.run = Box::new(move |calls| {
        let listener = Dispatch::new(tracing_subscriber::registry());
        tracing::dispatcher::with_default(&listener, || run(calls));
        drop(listener);
        tracing::callsite::rebuild_interest_cache();
    });
    case
}
