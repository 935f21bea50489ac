//! Every layer, unchanged, over a plain function, over a client of the Redis protocol, and over a client of HTTP.
//!
//! Each test is one function over any [`Kind`] of service, stamped on all of them: what it may ask of a request is in that
//! trait, and `Clone` is not in it. Two layers need a request a second time, [`retry`] and [`hedge`]: they are given
//! a function that says it again, or does not.

mod kinds;
mod metrics;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tower::{Layer, Service, ServiceExt};
use xs_net::balance::{self, Balance, Change, ClusterOptions, Endpoint, RoundRobin};
use xs_net::breaker::{self, BreakerLayer, BreakerOptions, Outcome, State, Window};
use xs_net::bulkhead::{self, BulkheadLayer, BulkheadOptions};
use xs_net::cache::{CacheLayer, Lifetime};
use xs_net::fallback::FallbackLayer;
use xs_net::fault::{self, FaultLayer, Faults, Injected};
use xs_net::hedge::{HedgeLayer, HedgeOptions};
use xs_net::limit::{self, AtomicGcra, ConcurrencyLayer, Rate, RateLimitLayer};
use xs_net::observe::{CANCELLED, ObserveLayer, Propagate, Stats, TraceContext};
use xs_net::retry::{BudgetOptions, RetryLayer, RetryOptions, SharedBudget, Verdict};
use xs_net::shed::{self, CodelOptions, ShedLayer};
use xs_net::timeout::{self, Elapsed, TimeoutLayer};
use xs_net::{Timer, cache};
use xs_os::{Clock, Rng, VirtualClock};
use xs_storage::cache::LruCache;

use kinds::{Act, Backend, Function, Http, Kind, RawHttp, Resp};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Stamps each test on every kind of service.
macro_rules! stamp {
    ($($test:ident),* $(,)?) => {
        stamp!(@ function Function $($test)*);
        stamp!(@ resp Resp $($test)*);
        stamp!(@ http Http $($test)*);
        stamp!(@ raw_http RawHttp $($test)*);
    };
    (@ $module:ident $kind:ident $($test:ident)*) => {
        mod $module {
            $(#[tokio::test]
            async fn $test() {
                super::$test::<super::$kind>(&super::World::new()).await;
            })*
        }
    };
}

stamp!(
    limit_of_rate,
    limit_of_concurrency,
    breaker,
    retry,
    hedge,
    timeout,
    bulkhead,
    shed,
    cache,
    fallback,
    fault,
    balance,
    observe,
);

/// The layers' time, which passes only when nobody can do anything else. Connections have the real one.
struct World {
    clock: VirtualClock,
    timer: Timer,
}

impl World {
    fn new() -> Self {
        let clock = VirtualClock::new();
        World { timer: Timer::new(Arc::new(clock.clone())), clock }
    }

    /// Lets everything happen that can without time.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// Runs a future to its end, and lets time pass where it waits for that.
    async fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        for _ in 0..1000 {
            for _ in 0..20 {
                let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
                if let Poll::Ready(output) = polled {
                    return output;
                }
                tokio::task::yield_now().await;
            }
            if let Some(next) = self.clock.next_deadline() {
                self.clock.advance(next.saturating_duration_since(self.clock.now()));
            }
        }
        panic!("it waits for ever");
    }

    /// Makes a call through any layers.
    async fn call<S, R>(&self, service: &S, request: R) -> Result<S::Response, S::Error>
    where
        S: Service<R> + Clone,
    {
        self.run(service.clone().oneshot(request)).await
    }

    /// Begins a call that goes on while others are made.
    fn begin<S, R>(&self, service: &S, request: R) -> tokio::task::JoinHandle<Result<S::Response, S::Error>>
    where
        R: Send + 'static,
        S: Service<R, Response: Send, Error: Send, Future: Send> + Clone + Send + 'static,
    {
        tokio::spawn(service.clone().oneshot(request))
    }

    fn rng(&self) -> Rng {
        Rng::from_seed(1)
    }

    fn budget(&self) -> SharedBudget {
        SharedBudget::new(BudgetOptions { ratio: 1.0, ..BudgetOptions::default() }, &self.timer)
    }
}

fn answers() -> Backend {
    Backend::new(|_| Act::Answer)
}

async fn limit_of_rate<K: Kind>(world: &World) {
    let backend = answers();
    let limit = AtomicGcra::new(Rate::per_second(1).unwrap(), 2, world.clock.nanos()).unwrap();
    let service = RateLimitLayer::new(limit, &world.timer).layer(K::service(&backend));
    for number in [1, 2] {
        assert_eq!(K::read(world.call(&service, K::request(number)).await.unwrap()).await, Some(number));
    }
    let refused = world.call(&service, K::request(3)).await;
    assert!(matches!(refused, Err(limit::Error::Denied(denied)) if denied.retry_after() == Some(SECOND)));
    assert_eq!(backend.calls(), 2, "it never heard of the third");
    world.clock.advance(SECOND);
    assert_eq!(K::read(world.call(&service, K::request(4)).await.unwrap()).await, Some(4));
}

async fn limit_of_concurrency<K: Kind>(world: &World) {
    let backend = Backend::new(|nth| if nth == 0 { Act::Hang } else { Act::Answer });
    let layer = ConcurrencyLayer::new(1);
    let (one, other) = (layer.layer(K::service(&backend)), layer.layer(K::service(&backend)));
    let hung = world.begin(&one, K::request(1));
    world.settle().await;
    assert!(matches!(world.call(&other, K::request(2)).await, Err(limit::Error::Full(_))));
    hung.abort();
    world.settle().await;
    assert_eq!(K::read(world.call(&other, K::request(3)).await.unwrap()).await, Some(3));
    assert_eq!(backend.calls(), 2);
}

async fn breaker<K: Kind>(world: &World) {
    let backend = Backend::new(|nth| if nth < 2 { Act::Fail } else { Act::Answer });
    let options = BreakerOptions { window: Window::Count(2), minimum_calls: 2, trials: 1, ..BreakerOptions::default() };
    let judge = |result: &Result<K::Response, K::Error>| match K::failed(result) {
        true => Outcome::Failure,
        false => Outcome::Success,
    };
    let layer = BreakerLayer::new("backend", options.clone(), &world.timer).classify(judge);
    let service = layer.layer(K::service(&backend));
    for number in [1, 2] {
        let failed = world.call(&service, K::request(number)).await.map_err(|error| error.into_inner().unwrap());
        assert!(K::failed(&failed));
    }
    let rejected = world.call(&service, K::request(3)).await;
    assert!(matches!(rejected, Err(breaker::Error::Rejected(rejected)) if rejected.state == State::Open));
    assert_eq!(backend.calls(), 2);
    world.clock.advance(options.open_for);
    assert_eq!(K::read(world.call(&service, K::request(4)).await.unwrap()).await, Some(4));
    assert_eq!(layer.handle().status().state, State::Closed);
}

async fn retry<K: Kind>(world: &World) {
    let backend = Backend::new(|nth| if nth < 2 { Act::Fail } else { Act::Answer });
    let judge = |result: &Result<K::Response, K::Error>| if K::failed(result) { Verdict::Again } else { Verdict::Done };
    // Even numbers may be said again.
    let again = |request: &K::Request| K::number(request).is_multiple_of(2).then(|| K::again(request)).flatten();
    let options = RetryOptions::default();
    let layer = RetryLayer::new("backend", options, world.budget(), &world.timer, world.rng(), again, judge);
    let service = layer.layer(K::service(&backend));
    assert!(K::failed(&world.call(&service, K::request(1)).await));
    assert_eq!(backend.calls(), 1, "an odd request is sent once");
    assert_eq!(K::read(world.call(&service, K::request(2)).await.unwrap()).await, Some(2));
    assert_eq!(backend.calls(), 3);
}

/// Two connections, since on one the second call would stand behind the first.
async fn hedge<K: Kind>(world: &World) {
    let backend = Backend::new(|nth| if nth == 20 { Act::Hang } else { Act::Answer });
    let service = balanced::<K>(world, &[("a", &backend), ("b", &backend)]);
    let options = HedgeOptions { minimum_calls: 20, ..HedgeOptions::default() };
    let layer = HedgeLayer::new("backend", options, world.budget(), &world.timer, K::again);
    let service = layer.layer(service);
    for number in 0..20 {
        assert_eq!(K::read(world.call(&service, K::request(number)).await.unwrap()).await, Some(number));
    }
    assert_eq!(backend.calls(), 20);
    assert_eq!(K::read(world.call(&service, K::request(77)).await.unwrap()).await, Some(77));
    assert_eq!(backend.calls(), 22, "one hangs, and the other has answered");
}

fn balanced<K: Kind>(world: &World, backends: &[(&str, &Backend)]) -> Balance<K::Service, RoundRobin> {
    let services: Vec<_> = backends.iter().map(|(name, backend)| (name.to_string(), K::service(backend))).collect();
    let services = Mutex::new(services);
    let make = move |endpoint: &Endpoint| {
        let services = services.lock();
        services.iter().find(|(name, _)| **name == *endpoint.name).expect("it is listed").1.clone()
    };
    let (options, policy) = (ClusterOptions::default(), RoundRobin::new());
    let balance = Balance::new("backends", options, policy, &world.timer, world.rng(), make);
    for (name, _) in backends {
        balance.members().apply(Change::Insert(Endpoint::new(*name)));
    }
    balance
}

async fn timeout<K: Kind>(world: &World) {
    let backend = Backend::new(|nth| if nth == 1 { Act::Hang } else { Act::Answer });
    let service = TimeoutLayer::new("backend", 10 * MS, &world.timer).layer(K::service(&backend));
    assert_eq!(K::read(world.call(&service, K::request(1)).await.unwrap()).await, Some(1));
    let began = world.clock.now();
    let late = world.call(&service, K::request(2)).await;
    assert!(matches!(late, Err(timeout::Error::Elapsed(Elapsed { called: true }))));
    assert_eq!(world.clock.now() - began, 10 * MS);
}

async fn bulkhead<K: Kind>(world: &World) {
    let backend = Backend::new(|nth| if nth == 0 { Act::Hang } else { Act::Answer });
    let options = BulkheadOptions { running: 1, waiting: 1, wait: 50 * MS };
    let layer = BulkheadLayer::new("backend", options, &world.timer);
    let (one, other) = (layer.layer(K::service(&backend)), layer.layer(K::service(&backend)));
    let hung = world.begin(&one, K::request(1));
    world.settle().await;
    let waits = world.begin(&other, K::request(2));
    world.settle().await;
    let full = world.call(&other, K::request(3)).await;
    assert!(matches!(full, Err(bulkhead::Error::Full(full)) if !full.waited));
    assert_eq!((layer.running(), layer.waiting(), backend.calls()), (1, 1, 1));
    hung.abort();
    assert_eq!(K::read(world.run(waits).await.unwrap().unwrap()).await, Some(2), "the place was free in time");
    assert_eq!(backend.calls(), 2);
}

async fn shed<K: Kind>(world: &World) {
    let backend = answers();
    let came = world.clock.now();
    let options = CodelOptions::default();
    let layer = ShedLayer::new("backend", options, &world.timer, move |_: &K::Request| came);
    let service = layer.layer(K::service(&backend));
    world.clock.advance(50 * MS);
    let waited = world.call(&service, K::request(1)).await.unwrap();
    assert_eq!(K::read(waited).await, Some(1), "a queue may stand for a moment");
    world.clock.advance(100 * MS);
    let shed = world.call(&service, K::request(2)).await;
    assert!(matches!(shed, Err(shed::Error::Shed(shed)) if shed.waited == 150 * MS));
    assert_eq!(backend.calls(), 1);
}

/// There was no response, or one that says so.
struct Failed<E>(#[allow(dead_code)] Option<E>);

impl<E> From<E> for Failed<E> {
    fn from(error: E) -> Self {
        Failed(Some(error))
    }
}

/// A response that is kept must be `Clone`, so a streamed one is read first.
async fn cache<K: Kind>(world: &World) {
    let backend = Backend::new(|nth| if nth == 0 { Act::Fail } else { Act::Answer });
    let read = |result: Result<K::Response, K::Error>| async move {
        // An answer that says "it failed" is none: not to be kept.
        match result {
            result if K::failed(&result) => Err(Failed(result.err())),
            Ok(response) => Ok(K::read(response).await),
            Err(error) => Err(error.into()),
        }
    };
    let lifetime = Lifetime::fresh(SECOND);
    let key = |request: &K::Request| Some(K::number(request));
    let layer = CacheLayer::new("answers", LruCache::new(10), lifetime, &world.timer, key);
    let service = layer.layer(K::service(&backend).then(read));
    let (one, other) = (world.begin(&service, K::request(1)), world.begin(&service, K::request(1)));
    for failed in [world.run(one).await.unwrap(), world.run(other).await.unwrap()] {
        assert!(matches!(failed, Err(cache::Error::Shared(_))), "both asked, and one call was made for them");
    }
    assert_eq!(backend.calls(), 1);
    for _ in 0..3 {
        assert!(matches!(world.call(&service, K::request(1)).await, Ok(Some(1))));
    }
    assert_eq!(backend.calls(), 2, "a failure is not kept, an answer is");
    world.clock.advance(SECOND);
    assert!(matches!(world.call(&service, K::request(1)).await, Ok(Some(1))));
    assert!(matches!(world.call(&service, K::request(2)).await, Ok(Some(2))));
    assert_eq!(backend.calls(), 4);
}

async fn fallback<K: Kind>(world: &World) {
    let (first, second) = (answers(), answers());
    let faults = FaultLayer::new("backend", Faults::default(), &world.timer, world.rng());
    let elsewhere = K::service(&second);
    let instead = move |number: u64, _: fault::Error<K::Error>| {
        elsewhere.clone().oneshot(K::request(number + 100)).map(|result| result.map_err(fault::Error::Inner))
    };
    let layer = FallbackLayer::new("backend", |request: &K::Request| K::number(request), instead);
    let service = layer.layer(faults.layer(K::service(&first)));
    assert_eq!(K::read(world.call(&service, K::request(1)).await.unwrap()).await, Some(1));
    faults.handle().set(Faults { refuse: 1.0, ..Faults::default() });
    assert_eq!(K::read(world.call(&service, K::request(2)).await.unwrap()).await, Some(102));
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

async fn fault<K: Kind>(world: &World) {
    let backend = answers();
    let layer = FaultLayer::new("backend", Faults::default(), &world.timer, world.rng());
    let service = layer.layer(K::service(&backend));
    assert_eq!(K::read(world.call(&service, K::request(1)).await.unwrap()).await, Some(1));
    for (faults, injected, calls) in [
        (Faults { refuse: 1.0, ..Faults::default() }, Injected::Refused, 1),
        (Faults { lose: 1.0, ..Faults::default() }, Injected::Lost, 2),
    ] {
        layer.handle().set(faults);
        let failed = world.call(&service, K::request(2)).await;
        assert!(matches!(failed, Err(fault::Error::Injected(got)) if got == injected));
        assert_eq!(backend.calls(), calls);
    }
}

async fn balance<K: Kind>(world: &World) {
    let backends = [answers(), answers(), answers()];
    let [a, b, c] = &backends;
    let service = balanced::<K>(world, &[("a", a), ("b", b), ("c", c)]);
    for number in 0..6 {
        assert_eq!(K::read(world.call(&service, K::request(number)).await.unwrap()).await, Some(number));
    }
    assert_eq!(backends.each_ref().map(Backend::calls), [2, 2, 2]);
    assert!(service.members().set_well("b", false));
    for number in 0..6 {
        assert_eq!(K::read(world.call(&service, K::request(number)).await.unwrap()).await, Some(number));
    }
    assert_eq!(backends.each_ref().map(Backend::calls), [5, 2, 5]);
    for name in ["a", "b", "c"] {
        service.members().apply(Change::Remove(name.into()));
    }
    let nobody = world.call(&service, K::request(1)).await;
    assert!(matches!(nobody, Err(balance::Error::NoCandidate(_))));
}

async fn observe<K: Kind>(world: &World) {
    let backend = Backend::new(|nth| [Act::Answer, Act::Fail, Act::Answer, Act::Hang][nth as usize]);
    let stats = Stats::new("backend", ["even", "odd"]);
    let judge = |result: &Result<K::Response, K::Error>| if K::failed(result) { "failed" } else { "answered" };
    let layer = ObserveLayer::new(&stats, &world.timer)
        .describe(|request: &K::Request| (K::number(request) % 2) as usize)
        .judge(judge)
        .traced(K::Carrier::default(), world.rng());
    let service = layer.layer(K::service(&backend));
    let root = TraceContext::root(true, &mut Rng::from_seed(9));
    for number in 0..3 {
        let mut request = K::request(number);
        if number == 2 {
            K::Carrier::default().inject(&mut request, &root);
        }
        let answer = world.call(&service, request).await;
        if let Ok(answer) = answer {
            K::read(answer).await;
        }
    }
    let hung = world.begin(&service, K::request(3));
    world.settle().await;
    assert_eq!(stats.in_flight(), 1);
    world.clock.advance(SECOND);
    hung.abort();
    world.settle().await;

    let [even, odd] = &stats.operations()[..] else { panic!("there are two") };
    assert_eq!((even.count_of("answered"), even.count_of("failed"), even.in_flight()), (2, 0, 0));
    assert_eq!((odd.count_of("failed"), odd.count_of(CANCELLED), odd.in_flight()), (1, 1, 0));
    let traces: Vec<TraceContext> = backend
        .traces()
        .iter()
        .map(|trace| TraceContext::parse(trace.as_deref().map(str::as_bytes), []).unwrap().expect("every call has one"))
        .collect();
    assert_eq!(traces[2].trace_id, root.trace_id);
    assert!(traces[2].sampled && traces[2].span_id != root.span_id);
    assert!(traces[0].trace_id != traces[1].trace_id && !traces[0].sampled);
}
