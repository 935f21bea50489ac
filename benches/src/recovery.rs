//! The layers that recover: nanoseconds a call over a service that is always ready, when nothing goes wrong.
//!
//! Everybody takes turns, a tenth of a second's worth of calls each, and the median round counts. A call is polled by hand:
//! no executor is measured.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tower::{Layer, Service, service_fn};
use xs_net::Timer;
use xs_net::breaker::{BreakerLayer, BreakerOptions, Window};
use xs_net::bulkhead::{BulkheadLayer, BulkheadOptions};
use xs_net::cache::{CacheLayer, Lifetime};
use xs_net::fallback::FallbackLayer;
use xs_net::fault::{FaultLayer, Faults};
use xs_net::hedge::{HedgeLayer, HedgeOptions};
use xs_net::retry::{BudgetOptions, RetryLayer, RetryOptions, SharedBudget, Verdict};
use xs_net::shed::{CodelOptions, ShedLayer};
use xs_net::timeout::TimeoutLayer;
use xs_os::Rng;
use xs_storage::cache::S3FifoCache;

use crate::median;

struct Row {
    name: &'static str,
    whose: &'static str,
    /// Makes so many calls.
    calls: Box<dyn FnMut(u64)>,
    rounds: Vec<f64>,
}

/// A service that is measured: everything is ready at once, or the measurement is wrong.
fn row<S>(whose: &'static str, name: &'static str, mut service: S) -> Row
where
    S: Service<u64, Response = u64> + 'static,
{
    let calls = move |calls| {
        let mut cx = Context::from_waker(Waker::noop());
        for n in 0..calls {
            assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))), "{name} is not ready");
            let call = pin!(service.call(black_box(n)));
            match call.poll(&mut cx) {
                Poll::Ready(Ok(answer)) => drop(black_box(answer)),
                _ => panic!("{name} does not answer"),
            }
        }
    };
    Row { name, whose, calls: Box::new(calls), rounds: Vec::new() }
}

/// tower's policy: retries every error, with its own budget.
#[derive(Clone)]
struct Again(std::sync::Arc<tower::retry::budget::TpsBudget>);

impl<E> tower::retry::Policy<u64, u64, E> for Again {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, E>) -> Option<Self::Future> {
        use tower::retry::budget::Budget;
        match result {
            Ok(_) => {
                self.0.deposit();
                None
            }
            Err(_) => self.0.withdraw().then(|| std::future::ready(())),
        }
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

fn rows() -> Vec<Row> {
    let timer = Timer::system();
    let inner = || service_fn(|n: u64| std::future::ready(Ok::<_, Infallible>(n)));
    let budget = || SharedBudget::new(BudgetOptions::default(), &timer);
    let replay = |n: &u64| Some(*n);
    let classify = |result: &Result<u64, Infallible>| if result.is_ok() { Verdict::Done } else { Verdict::Again };
    let second = Duration::from_secs(1);
    let by_time = Window::Time { span: 10 * second, buckets: 10 };
    let breaker = |window| {
        let options = BreakerOptions { window, ..BreakerOptions::default() };
        BreakerLayer::new("bench", options, &timer).layer(inner())
    };
    let retry =
        RetryLayer::new("bench", RetryOptions::default(), budget(), &timer, Rng::from_seed(1), replay, classify);
    let once = RetryLayer::new(
        "bench",
        RetryOptions::default(),
        budget(),
        &timer,
        Rng::from_seed(1),
        |_: &u64| None,
        classify,
    );
    let hour = Lifetime::fresh(3600 * second);
    let key = |n: &u64| Some(n % 64);
    // Nobody has waited.
    let came = timer.now() + 3600 * second;
    let tps = tower::retry::budget::TpsBudget::new(10 * second, 10, 0.2);
    let mut rows = vec![
        row("", "the service alone", inner()),
        row("xs", "breaker, last 100 calls", breaker(Window::Count(100))),
        row("xs", "breaker, last 10 s", breaker(by_time)),
        row("xs", "timeout", TimeoutLayer::new("bench", 3600 * second, &timer).layer(inner())),
        row("tower", "timeout", tower::timeout::Timeout::new(inner(), 3600 * second)),
        row("xs", "retry with budget", retry.layer(inner())),
        row("xs", "retry, not repeatable", once.layer(inner())),
        row("tower", "retry with budget", tower::retry::Retry::new(Again(tps.into()), inner())),
        row("xs", "bulkhead", BulkheadLayer::new("bench", BulkheadOptions::default(), &timer).layer(inner())),
        row("tower", "concurrency limit", tower::limit::ConcurrencyLimit::new(inner(), 100)),
        row("xs", "shed", ShedLayer::new("bench", CodelOptions::default(), &timer, move |_: &u64| came).layer(inner())),
        row(
            "xs",
            "fallback",
            FallbackLayer::new("bench", |n: &u64| *n, |n, _: Infallible| std::future::ready(Ok::<u64, Infallible>(n)))
                .layer(inner()),
        ),
        row("xs", "hedge", HedgeLayer::new("bench", HedgeOptions::default(), budget(), &timer, replay).layer(inner())),
        row("xs", "fault, none", FaultLayer::new("bench", Faults::default(), &timer, Rng::from_seed(1)).layer(inner())),
        row("xs", "cache, hits", CacheLayer::new("bench", S3FifoCache::new(128), hour, &timer, key).layer(inner())),
    ];
    rows.extend(peers());
    rows
}

#[cfg(not(feature = "peers-layers"))]
fn peers() -> Vec<Row> {
    Vec::new()
}

#[cfg(feature = "peers-layers")]
fn peers() -> Vec<Row> {
    use failsafe::CircuitBreaker;
    use tower_resilience_circuitbreaker::CircuitBreakerLayer;

    let layer = CircuitBreakerLayer::builder().sliding_window_size(100).minimum_number_of_calls(20).build();
    let inner = service_fn(|n: u64| std::future::ready(Ok::<_, std::io::Error>(n)));
    // Its default: a rate over a window, or failures in a row. It calls a closure here, so there is no future.
    let failsafe = failsafe::Config::new().build();
    let calls = move |calls| {
        for n in 0..calls {
            drop(black_box(failsafe.call(|| Ok::<_, std::io::Error>(black_box(n)))));
        }
    };
    vec![
        row("tower-resilience", "breaker, last 100 calls", layer.expect("its options are valid").layer(inner)),
        Row { name: "breaker, closure", whose: "failsafe", calls: Box::new(calls), rounds: Vec::new() },
    ]
}

pub(super) fn run(args: impl Iterator<Item = std::ffi::OsString>) -> Result<(), Box<dyn Error>> {
    let quick = args.into_iter().any(|arg| arg == "--quick");
    let (rounds, slice) = if quick { (3, Duration::from_millis(5)) } else { (15, Duration::from_millis(100)) };
    // Timers of tokio can only be made inside of it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let _inside = runtime.enter();
    let mut rows = rows();
    for _ in 0..rounds {
        for row in &mut rows {
            let (began, mut calls) = (Instant::now(), 0_u64);
            while began.elapsed() < slice {
                (row.calls)(1000);
                calls += 1000;
            }
            row.rounds.push(began.elapsed().as_nanos() as f64 / calls as f64);
        }
    }
    println!("{:<18} {:<26} {:>8} {:>8}", "", "layer", "ns/call", "adds");
    let mut alone = None;
    for row in rows {
        let nanos = median(row.rounds);
        let alone = *alone.get_or_insert(nanos);
        println!("{:<18} {:<26} {nanos:>8.1} {:>8.1}", row.whose, row.name, nanos - alone);
    }
    Ok(())
}
