//! All of them on top of each other, over a plain function.

use std::time::Duration;

use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use xs_net::breaker::{BreakerLayer, BreakerOptions};
use xs_net::bulkhead::{BulkheadLayer, BulkheadOptions};
use xs_net::cache::{CacheLayer, Lifetime};
use xs_net::fallback::FallbackLayer;
use xs_net::fault::{FaultLayer, Faults, Injected};
use xs_net::hedge::{HedgeLayer, HedgeOptions};
use xs_net::retry::{BudgetOptions, RetryLayer, RetryOptions, SharedBudget, Verdict};
use xs_net::shed::{CodelOptions, ShedLayer};
use xs_net::timeout::{Deadline, TimeoutLayer};
use xs_net::{breaker, bulkhead, cache, fault, shed, timeout};
use xs_os::Clock;
use xs_storage::cache::LruCache;

use crate::{Log, World};

/// Not `Clone`.
#[derive(Debug)]
struct Request {
    key: u32,
    came: std::time::Instant,
    deadline: Deadline,
}

type Inner = breaker::Error<timeout::Error<fault::Error<&'static str>>>;
type Outer = cache::Error<bulkhead::Error<shed::Error<Inner>>>;

#[test]
fn they_stack_over_a_function_and_a_fault_is_survived() {
    let mut world = World::new(21);
    let timer = &world.timer;
    let again = |request: &Request| Some(Request { ..*request });
    let budget = SharedBudget::new(BudgetOptions::default(), timer);
    let transient = |result: &Result<u32, Inner>| match result {
        Err(breaker::Error::Inner(timeout::Error::Inner(fault::Error::Injected(Injected::Refused)))) => Verdict::Again,
        Err(breaker::Error::Rejected(rejected)) => Verdict::After(rejected.retry_after),
        _ => Verdict::Done,
    };
    let faults = Faults { refuse: 0.2, ..Faults::default() };
    let fallback = |key: u32, error: Outer| async move { if key == 13 { Ok(0) } else { Err(error) } };
    let service = ServiceBuilder::new()
        .layer(FallbackLayer::new("default", |request: &Request| request.key, fallback))
        .layer(CacheLayer::new("answers", LruCache::new(2), Lifetime::default(), timer, |r: &Request| Some(r.key)))
        .layer(BulkheadLayer::new("places", BulkheadOptions::default(), timer))
        .layer(ShedLayer::new("queue", CodelOptions::default(), timer, |request: &Request| request.came))
        .layer(RetryLayer::new(
            "again",
            RetryOptions { max_attempts: 8, ..RetryOptions::default() },
            budget.clone(),
            timer,
            world.rng("jitter"),
            again,
            transient,
        ))
        .layer(HedgeLayer::new("twice", HedgeOptions::default(), budget.nested(), timer, again))
        .layer(BreakerLayer::new("backend", BreakerOptions::default(), timer))
        .layer(TimeoutLayer::new("backend", Duration::from_secs(1), timer).carry((
            |request: &Request| request.deadline,
            |request: &mut Request, deadline| request.deadline = deadline,
        )))
        .layer(FaultLayer::new("backend", faults, timer, world.rng("faults")))
        .service(service_fn(|request: Request| async move {
            if request.key == 13 { Err("unlucky") } else { Ok(request.key * 2) }
        }));
    let answers = Log::new();
    let (log, clock) = (answers.clone(), world.clock.clone());
    world.spawn(async move {
        for key in 0..20 {
            let request = Request { key, came: clock.now(), deadline: Deadline::NEVER };
            log.push(service.clone().oneshot(request).await.unwrap());
        }
    });
    world.run();
    let expected: Vec<u32> = (0..20).map(|key| if key == 13 { 0 } else { key * 2 }).collect();
    assert_eq!(answers.take(), expected, "seed {}", world.seed);
}

/// Clones of a stack share what their layers know: a hundred clones of a service with five places run five at once.
#[test]
fn a_hundred_clones_share_one_limit() {
    let mut world = World::new(1);
    let options = BulkheadOptions { running: 5, waiting: 1000, wait: Duration::from_secs(60) };
    let layer = BulkheadLayer::new("places", options, &world.timer);
    let (timer, most) = (world.timer.clone(), Log::new());
    let (seen, places) = (most.clone(), layer.clone());
    let service = ServiceBuilder::new().layer(layer).service(service_fn(move |()| {
        seen.push(places.running());
        let sleep = timer.sleep(Duration::from_millis(10));
        async move {
            sleep.await;
            Ok::<_, std::io::Error>(())
        }
    }));
    let done = Log::new();
    for _ in 0..100 {
        let (mut service, done) = (service.clone(), done.clone());
        world.spawn(async move { done.push(service.call(()).await.is_ok()) });
    }
    world.run();
    assert_eq!(done.take(), vec![true; 100]);
    assert_eq!(most.take().into_iter().max(), Some(5));
}
