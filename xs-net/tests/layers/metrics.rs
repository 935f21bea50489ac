//! What each layer counts through the `metrics` facade, read from a recorder of this thread alone.

use tower::{Layer, service_fn};
use xs_net::balance::{Balance, Change, CheckOptions, ClusterOptions, Endpoint, RoundRobin, check};
use xs_net::breaker::{BreakerLayer, BreakerOptions, Window};
use xs_net::bulkhead::{BulkheadLayer, BulkheadOptions};
use xs_net::cache::{CacheLayer, Lifetime};
use xs_net::fallback::FallbackLayer;
use xs_net::fault::{FaultLayer, Faults};
use xs_net::hedge::{HedgeLayer, HedgeOptions};
use xs_net::limit::{AtomicGcra, ConcurrencyLayer, Rate, RateLimitLayer};
use xs_net::observe::{ObserveLayer, Recorder, Stats};
use xs_net::retry::{BudgetOptions, RetryLayer, RetryOptions, SharedBudget, Verdict};
use xs_net::shed::{CodelOptions, ShedLayer};
use xs_net::timeout::TimeoutLayer;
use xs_os::Clock;
use xs_storage::cache::LruCache;

use super::{MS, SECOND, World};

/// Runs a test on this thread, and says what was counted under the name "test".
fn counted(test: impl AsyncFnOnce(&World)) -> impl Fn(&str) -> f64 {
    let recorder = Recorder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    metrics::with_local_recorder(&recorder, || runtime.block_on(test(&World::new())));
    // Nothing is counted under any other name, and all of it can be written.
    let page = recorder.render();
    let counts = page.lines().filter(|line| line.starts_with("xs_") && !line.starts_with("xs_metrics_"));
    counts.for_each(|line| assert!(line.contains("{name=\"test\""), "{line}"));
    move |what| recorder.total(what, &[("name", "test")])
}

/// A number is answered; 0 fails, and what is above 100 waits for ever.
async fn serve(number: u64) -> Result<u64, &'static str> {
    match number {
        0 => Err("zero"),
        101.. => std::future::pending().await,
        number => Ok(number),
    }
}

#[test]
fn limit() {
    let count = counted(async |world| {
        let limit = || AtomicGcra::new(Rate::per_second(10).unwrap(), 2, world.clock.nanos()).unwrap();
        let service = RateLimitLayer::new(limit(), &world.timer).named("test").layer(service_fn(serve));
        for _ in 0..5 {
            let _ = world.call(&service, 1).await;
        }
        let waiting = RateLimitLayer::new(limit(), &world.timer).named("test").waiting(150 * MS);
        let service = waiting.layer(service_fn(serve));
        let calls: Vec<_> = (0..4).map(|_| world.begin(&service, 1)).collect();
        for call in calls {
            let _ = world.run(call).await;
        }
        let service = ConcurrencyLayer::new(1).named("test").layer(service_fn(serve));
        let hung = world.begin(&service, 101);
        world.settle().await;
        assert!(world.call(&service, 1).await.is_err());
        hung.abort();
    });
    // Three of the five, and the last of the four: the third waits 100 ms.
    assert_eq!(count("xs_limit_refused_total"), 4.0);
    assert_eq!(count("xs_limit_waited_total"), 1.0);
    assert_eq!(count("xs_limit_full_total"), 1.0);
}

#[test]
fn breaker() {
    let count = counted(async |world| {
        let options = BreakerOptions { window: Window::Count(2), minimum_calls: 2, trials: 1, ..Default::default() };
        let service = BreakerLayer::new("test", options.clone(), &world.timer).layer(service_fn(serve));
        for number in [0, 0, 1, 1, 1] {
            let _ = world.call(&service, number).await;
        }
        world.clock.advance(options.open_for);
        let _ = world.call(&service, 1).await;
    });
    assert_eq!(count("xs_breaker_opened_total"), 1.0);
    assert_eq!(count("xs_breaker_rejected_total"), 3.0);
    assert_eq!(count("xs_breaker_closed_total"), 1.0);
}

#[test]
fn retry() {
    let count = counted(async |world| {
        let budget = BudgetOptions { ratio: 0.0, per_second: 1, window: 3 * SECOND };
        let budget = SharedBudget::new(budget, &world.timer);
        let judge = |result: &Result<u64, &str>| if result.is_err() { Verdict::Again } else { Verdict::Done };
        let options = RetryOptions { max_attempts: 3, base: MS, cap: MS, ..Default::default() };
        let again = |number: &u64| Some(*number);
        let layer = RetryLayer::new("test", options, budget, &world.timer, world.rng(), again, judge);
        let service = layer.layer(service_fn(serve));
        for _ in 0..3 {
            let _ = world.call(&service, 0).await;
        }
    });
    // Three retries in three seconds: two for the first call, one for the second, none for the third.
    assert_eq!(count("xs_retry_retries_total"), 3.0);
    assert_eq!(count("xs_retry_gave_up_total"), 1.0);
    assert_eq!(count("xs_retry_budget_exhausted_total"), 2.0);
}

#[test]
fn hedge() {
    let count = counted(async |world| {
        let budget = SharedBudget::new(BudgetOptions { ratio: 0.0, per_second: 1, window: SECOND }, &world.timer);
        let options = HedgeOptions { minimum_calls: 10, ..Default::default() };
        // The second time it is an answerable question.
        let layer = HedgeLayer::new("test", options, budget, &world.timer, |number: &u64| Some(number % 100));
        let service = layer.layer(service_fn(serve));
        for _ in 0..10 {
            let _ = world.call(&service, 1).await;
        }
        assert_eq!(world.call(&service, 107).await, Ok(7));
        let late = world.begin(&service, 108);
        world.settle().await;
        world.clock.advance(10 * MS);
        world.settle().await;
        late.abort();
    });
    assert_eq!(count("xs_hedge_hedges_total"), 1.0);
    assert_eq!(count("xs_hedge_won_total"), 1.0);
    assert_eq!(count("xs_hedge_budget_exhausted_total"), 1.0);
}

#[test]
fn timeout() {
    let count = counted(async |world| {
        let service = TimeoutLayer::new("test", MS, &world.timer).layer(service_fn(serve));
        for number in [1, 101, 1, 101] {
            let _ = world.call(&service, number).await;
        }
    });
    assert_eq!(count("xs_timeout_elapsed_total"), 2.0);
}

#[test]
fn bulkhead() {
    let count = counted(async |world| {
        let options = BulkheadOptions { running: 1, waiting: 1, wait: MS };
        let service = BulkheadLayer::new("test", options, &world.timer).layer(service_fn(serve));
        let hung = world.begin(&service, 101);
        world.settle().await;
        let waits = world.begin(&service, 1);
        world.settle().await;
        assert!(world.call(&service, 1).await.is_err()); // no place to wait
        assert!(world.run(waits).await.unwrap().is_err()); // waited too long
        hung.abort();
    });
    assert_eq!(count("xs_bulkhead_rejected_total"), 2.0);
}

#[test]
fn shed() {
    let count = counted(async |world| {
        let came = world.clock.now();
        let layer = ShedLayer::new("test", CodelOptions::default(), &world.timer, move |_: &u64| came);
        let service = layer.layer(service_fn(serve));
        for _ in 0..3 {
            world.clock.advance(60 * MS);
            let _ = world.call(&service, 1).await;
        }
    });
    // After 60 and 120 ms the queue has not stood for an interval yet.
    assert_eq!(count("xs_shed_rejected_total"), 1.0);
}

#[test]
fn cache() {
    let count = counted(async |world| {
        let lifetime = Lifetime { fresh: SECOND, stale: SECOND };
        let sleeper = world.timer.clone();
        let slow = service_fn(move |number: u64| {
            let sleep = sleeper.sleep(MS);
            async move {
                sleep.await;
                serve(number).await
            }
        });
        let layer = CacheLayer::new("test", LruCache::new(10), lifetime, &world.timer, |number: &u64| Some(*number));
        let service = layer.layer(slow);
        let calls = [world.begin(&service, 1), world.begin(&service, 1), world.begin(&service, 1)];
        for call in calls {
            let _ = world.run(call).await;
        }
        let _ = world.call(&service, 1).await;
        world.clock.advance(SECOND);
        let _ = world.call(&service, 1).await;
        world.settle().await;
    });
    assert_eq!(count("xs_cache_misses_total"), 2.0); // the first, and the refresh of the last
    assert_eq!(count("xs_cache_joined_total"), 2.0);
    assert_eq!(count("xs_cache_hits_total"), 1.0);
    assert_eq!(count("xs_cache_stale_total"), 1.0);
}

#[test]
fn fallback_and_fault() {
    let count = counted(async |world| {
        let faults = Faults { refuse: 1.0, ..Default::default() };
        let layer = FaultLayer::new("test", faults, &world.timer, world.rng());
        let instead = |number: u64, error: xs_net::fault::Error<&'static str>| async move {
            if number == 1 { Ok(number) } else { Err(error) }
        };
        let service = FallbackLayer::new("test", |number: &u64| *number, instead).layer(layer.layer(service_fn(serve)));
        for number in [1, 2, 1] {
            let _ = world.call(&service, number).await;
        }
        layer.handle().set(Faults::default());
        let _ = world.call(&service, 1).await;
    });
    assert_eq!(count("xs_fault_injected_total"), 3.0);
    assert_eq!(count("xs_fallback_used_total"), 3.0);
}

#[test]
fn balance() {
    let count = counted(async |world| {
        let make = |_: &Endpoint| service_fn(serve);
        let (options, policy) = (ClusterOptions::default(), RoundRobin::new());
        let service = Balance::new("test", options, policy, &world.timer, world.rng(), make);
        assert!(world.call(&service, 1).await.is_err()); // nobody is there
        for name in ["a", "b", "c"] {
            service.members().apply(Change::Insert(Endpoint::new(name)));
        }
        // Failures in a row eject.
        for _ in 0..20 {
            let _ = world.call(&service, 0).await;
        }
        let checks = check(service.members(), CheckOptions::default(), world.rng(), |_| async { false });
        tokio::select! {
            () = checks => unreachable!("it goes on for ever"),
            () = world.settle() => {}
        }
    });
    assert_eq!(count("xs_balance_no_candidate_total"), 1.0);
    assert_eq!(count("xs_balance_ejections_total"), 1.0); // a third may be out at once
    assert_eq!(count("xs_balance_failed_checks_total"), 3.0);
}

#[test]
fn observe() {
    let recorder = Recorder::new();
    let reader = recorder.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let test = async |world: &World| {
        let stats = Stats::new("test", ["low", "high"]);
        let layer = ObserveLayer::new(&stats, &world.timer).describe(|number: &u64| usize::from(*number > 10));
        let service = layer.layer(service_fn(serve));
        for number in [1, 11, 0] {
            let _ = world.call(&service, number).await;
        }
        let hung = world.begin(&service, 101);
        world.settle().await;
        assert_eq!(reader.total("xs_requests_in_flight", &[("operation", "high")]), 1.0);
        hung.abort();
        world.settle().await;
    };
    metrics::with_local_recorder(&recorder, || runtime.block_on(test(&World::new())));
    assert_eq!(recorder.total("xs_requests_in_flight", &[("name", "test")]), 0.0);
    for (operation, outcome, ended) in [
        ("low", "ok", 1.0),
        ("low", "error", 1.0),
        ("high", "ok", 1.0),
        ("high", "cancelled", 1.0),
        ("high", "error", 0.0),
    ] {
        let labels = [("name", "test"), ("operation", operation), ("outcome", outcome)];
        assert_eq!(recorder.total("xs_requests_total", &labels), ended, "{labels:?}");
        assert_eq!(recorder.total("xs_request_duration_seconds", &labels), ended, "{labels:?}");
    }
}
