//! Limits around services: what passes, when, and that clones share.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tower::{Layer, Service, ServiceExt, service_fn};
use xs_net::Timer;
use xs_net::limit::adaptive::{AdaptiveLayer, Aimd, AimdOptions, Load};
use xs_net::limit::shared::{MemoryStore, OnFailure, SharedLimitLayer, SharedStore};
use xs_net::limit::{
    AtomicGcra, ConcurrencyLayer, Denied, Error, FixedWindow, Full, Gcra, Keyed, LeakyQueue, Limiter, Rate,
    RateLimitLayer, TokenBucket,
};
use xs_os::{Clock, Rng, VirtualClock};

fn virtual_time() -> (VirtualClock, Timer) {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    (clock, timer)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Answers how many calls it has had, ever.
fn counting() -> (Arc<AtomicU32>, impl Service<u64, Response = u32, Error = Infallible, Future: Send> + Clone) {
    let calls = Arc::new(AtomicU32::new(0));
    let seen = calls.clone();
    (calls, service_fn(move |_| std::future::ready(Ok(seen.fetch_add(1, Ordering::SeqCst) + 1))))
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_cap_of_five_lets_five_through_whatever_is_cloned() {
    let (clock, timer) = virtual_time();
    let (calls, service) = counting();
    let layer = RateLimitLayer::new(Limiter::new(FixedWindow::new(Rate::per_second(5).unwrap())), &timer);
    // A service a connection, and a clone a request: as servers do it.
    for connection in 0..10 {
        let connection =
            if connection % 2 == 0 { layer.layer(service.clone()) } else { layer.clone().layer(service.clone()) };
        for _ in 0..150 {
            let _ = connection.clone().oneshot(0).await;
        }
    }
    assert_eq!(calls.load(Ordering::SeqCst), 5);
    clock.advance(ms(1000));
    assert_eq!(layer.layer(service).oneshot(0).await, Ok(6));
}

#[tokio::test]
async fn a_refusal_says_when_and_a_hopeless_request_that_it_is() {
    let (clock, timer) = virtual_time();
    let (calls, service) = counting();
    let limit = Limiter::new(TokenBucket::new(Rate::per_second(10).unwrap(), 5));
    let mut service = RateLimitLayer::charging(limit, &timer, |cost: &u64| ((), *cost)).layer(service);
    assert_eq!(service.ready().await.unwrap().call(5).await, Ok(1));
    let refused = service.ready().await.unwrap().call(2).await.unwrap_err();
    assert_eq!(refused, Error::Denied(Denied::Busy { retry_after_nanos: 200_000_000 }));
    assert_eq!((refused.retry_after(), refused.into_inner()), (Some(ms(200)), None));
    clock.advance(ms(200));
    assert_eq!(service.ready().await.unwrap().call(2).await, Ok(2));
    let hopeless = service.ready().await.unwrap().call(6).await.unwrap_err();
    assert_eq!(hopeless, Error::Denied(Denied::TooLarge { cost: 6, capacity: 5 }));
    assert_eq!((hopeless.retry_after(), calls.load(Ordering::SeqCst)), (None, 2));
}

#[tokio::test]
async fn refusing_needs_no_clone_and_errors_of_the_service_come_through() {
    struct Grumpy(#[allow(dead_code, reason = "it keeps the service from being Clone")] Box<dyn Fn() + Send>);
    impl Service<()> for Grumpy {
        type Response = ();
        type Error = std::fmt::Error;
        type Future = std::future::Ready<Result<(), std::fmt::Error>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), std::fmt::Error>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, (): ()) -> Self::Future {
            std::future::ready(Err(std::fmt::Error))
        }
    }
    let (clock, timer) = virtual_time();
    let limit = AtomicGcra::new(Rate::per_second(1).unwrap(), 1, clock.nanos()).unwrap();
    let mut service = RateLimitLayer::new(limit, &timer).named("grumpy").layer(Grumpy(Box::new(|| ())));
    let error = service.ready().await.unwrap().call(()).await.unwrap_err();
    assert_eq!((error.retry_after(), error.into_inner()), (None, Some(std::fmt::Error)));
    assert!(matches!(service.ready().await.unwrap().call(()).await, Err(Error::Denied(_))));
}

#[tokio::test]
async fn each_key_has_its_own_limit() {
    let (_clock, timer) = virtual_time();
    let (_, service) = counting();
    let keyed = Keyed::<u64, _>::new(Gcra::new(Rate::per_second(1).unwrap(), 2), 100, 1);
    let layer = RateLimitLayer::charging(keyed, &timer, |user: &u64| (*user, 1));
    for user in 0..3 {
        assert!(layer.layer(service.clone()).oneshot(user).await.is_ok());
        assert!(layer.layer(service.clone()).oneshot(user).await.is_ok());
        let refused = layer.layer(service.clone()).oneshot(user).await.unwrap_err();
        assert_eq!(refused.retry_after(), Some(ms(1000)));
    }
    assert_eq!(layer.limit().len(), 3);
}

#[tokio::test]
async fn who_waits_passes_in_order_and_in_time() {
    let (clock, timer) = virtual_time();
    let (calls, service) = counting();
    let limit = Limiter::new(LeakyQueue::new(Rate::per_second(10).unwrap(), 4));
    let service = RateLimitLayer::new(limit, &timer).waiting(ms(250)).layer(service);
    let tasks: Vec<_> = (0..5).map(|_| tokio::spawn(service.clone().oneshot(0))).collect();
    settle().await;
    // One at once, two wait, the fourth and fifth would wait for too long.
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    clock.advance(ms(99));
    settle().await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    clock.advance(ms(1));
    settle().await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    clock.advance(ms(100));
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    assert_eq!(answers[..3], [Ok(1), Ok(2), Ok(3)]);
    let refused: Vec<_> = answers[3..].iter().map(|answer| answer.as_ref().unwrap_err().retry_after()).collect();
    assert_eq!(refused, [Some(ms(50)), Some(ms(50))]);
}

#[tokio::test]
async fn who_stops_waiting_does_not_hold_up_the_others() {
    let (clock, timer) = virtual_time();
    let (calls, service) = counting();
    let limit = AtomicGcra::new(Rate::per_second(10).unwrap(), 1, clock.nanos()).unwrap();
    let mut service = RateLimitLayer::new(limit, &timer).waiting(ms(1000)).layer(service);
    service.ready().await.unwrap().call(0).await.unwrap();
    let leaves = tokio::spawn(service.clone().oneshot(0));
    settle().await;
    let stays = tokio::spawn(service.clone().oneshot(0));
    settle().await;
    leaves.abort();
    clock.advance(ms(200));
    assert_eq!(stays.await.unwrap(), Ok(2));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

/// Clients that come at random for an hour of virtual time, of which nobody gets more than the rate and nobody is sent
/// away who needn't be.
#[tokio::test]
async fn a_busy_hour() {
    for seed in [1, 2, 3] {
        let (clock, timer) = virtual_time();
        let (calls, service) = counting();
        let mut rng = Rng::from_seed(seed);
        let limit = Limiter::new(Gcra::new(Rate::per_second(7).unwrap(), 10));
        let mut service = RateLimitLayer::new(limit, &timer).layer(service);
        let (mut passed, mut refused, start) = (0_u64, 0_u64, clock.now());
        while clock.now() - start < Duration::from_secs(3600) {
            clock.advance(ms(rng.below(100)));
            match service.ready().await.unwrap().call(0).await {
                Ok(_) => passed += 1,
                Err(error) => {
                    refused += 1;
                    assert!(error.retry_after().is_some_and(|after| after <= ms(143)), "seed {seed}: {error}");
                }
            }
        }
        // Twenty a second ask, so that nothing of the seven is left unused.
        let most = 10 + 7 * (clock.now() - start).as_millis() as u64 / 1000;
        assert!((most - 1..=most).contains(&passed), "seed {seed}: {passed} of {most}, {refused} refused");
        assert_eq!(u64::from(calls.load(Ordering::SeqCst)), passed, "seed {seed}");
    }
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Answers after as many milliseconds as it is asked for.
fn slow(timer: &Timer) -> impl Service<u64, Response = u64, Error = Infallible, Future: Send> + Clone + use<> {
    let timer = timer.clone();
    service_fn(move |millis| {
        let sleep = timer.sleep(ms(millis));
        async move {
            sleep.await;
            Ok(millis)
        }
    })
}

#[tokio::test]
async fn no_more_calls_than_places_whatever_is_cloned_or_dropped() {
    let (clock, timer) = virtual_time();
    let layer = ConcurrencyLayer::new(2).named("two");
    let ready = layer.layer(slow(&timer)).ready_oneshot().await.unwrap(); // ready, and never used
    let mut calls: Vec<_> = (0..2).map(|_| Box::pin(layer.layer(slow(&timer)).oneshot(10))).collect();
    for call in &mut calls {
        assert!(poll_once(call).is_pending());
    }
    assert_eq!(layer.slots().in_flight(), 2);
    assert_eq!(ready.clone().oneshot(1).await, Err(Error::Full(Full { limit: 2 })));
    // One gives up, one is answered; a finished call that is kept around keeps no place.
    drop(calls.pop());
    assert_eq!(layer.slots().in_flight(), 1);
    clock.advance(ms(10));
    assert!(poll_once(&mut calls[0]).is_ready());
    assert_eq!(layer.slots().in_flight(), 0);
    layer.slots().set_max(0);
    assert_eq!(ready.oneshot(1).await, Err(Error::Full(Full { limit: 0 })));
}

#[tokio::test]
async fn a_learned_limit_is_shared_and_listens_to_its_classifier() {
    let (clock, timer) = virtual_time();
    let policy = Aimd::new(AimdOptions { initial: 4, slow: ms(50), backoff: 0.5, ..AimdOptions::default() }).unwrap();
    let says = |result: &Result<u64, Infallible>| match result {
        Ok(13) => Load::Overload,
        Ok(14) => Load::Unknown,
        _ => Load::Served,
    };
    let layer = AdaptiveLayer::classifying(policy, &timer, says);
    let ask = async |millis: u64, at_once: usize| {
        let tasks: Vec<_> = (0..at_once).map(|_| tokio::spawn(layer.layer(slow(&timer)).oneshot(millis))).collect();
        settle().await;
        clock.advance(ms(millis));
        let mut refused = 0;
        for task in tasks {
            refused += usize::from(task.await.unwrap().is_err());
        }
        (layer.slots().max(), refused)
    };
    assert_eq!(ask(14, 5).await, (4, 1));
    // A limit's worth of good calls is worth one more place, about; a limit that is not half used stays.
    assert_eq!(ask(10, 1).await, (4, 0));
    assert_eq!(ask(10, 4).await, (4, 0));
    assert_eq!(ask(10, 4).await, (5, 0));
    // Turned away, or slow: half of it, once for all that were under way.
    assert_eq!(ask(13, 5).await, (2, 0));
    clock.advance(ms(1));
    assert_eq!(ask(51, 2).await, (1, 0));
    assert_eq!(layer.slots().in_flight(), 0);
    // A call that is dropped says nothing, and keeps nothing.
    let mut call = Box::pin(layer.layer(slow(&timer)).oneshot(1000));
    assert!(poll_once(&mut call).is_pending());
    assert!(matches!(layer.layer(slow(&timer)).oneshot(1).await, Err(Error::Full(_))));
    drop(call);
    assert_eq!((layer.slots().in_flight(), layer.slots().max()), (0, 1));
}

#[tokio::test]
async fn a_shared_limit_is_asked_before_each_call() {
    let (clock, timer) = virtual_time();
    let (calls, service) = counting();
    let store = MemoryStore::new(Keyed::new(FixedWindow::new(Rate::per_second(2).unwrap()), 10, 1), &timer);
    let layer = SharedLimitLayer::new(store, &timer, |user: &u64| (Bytes::from(user.to_string()), 1)).named("both");
    for user in [1, 2] {
        assert!(layer.layer(service.clone()).oneshot(user).await.is_ok());
        assert!(layer.clone().layer(service.clone()).oneshot(user).await.is_ok());
        let refused = layer.layer(service.clone()).oneshot(user).await.unwrap_err();
        assert_eq!(refused.retry_after(), Some(ms(1000)));
    }
    clock.advance(ms(1000));
    assert!(layer.layer(service).oneshot(1).await.is_ok());
    assert_eq!(calls.load(Ordering::SeqCst), 5);
}

/// A store that is down, or worse: hangs.
struct Broken {
    hangs: bool,
}

impl SharedStore for Broken {
    type Error = std::io::Error;

    async fn take(&self, _: Bytes, _: u64) -> Result<Result<(), Denied>, std::io::Error> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err(std::io::ErrorKind::ConnectionRefused.into())
    }
}

#[tokio::test]
async fn without_a_store_requests_pass_or_are_refused_as_was_said() {
    let (clock, timer) = virtual_time();
    let (_, service) = counting();
    let make = |hangs, on_failure| {
        let layer = SharedLimitLayer::new(Broken { hangs }, &timer, |_: &u64| (Bytes::new(), 1));
        layer.on_failure(on_failure).timeout(ms(30)).layer(service.clone())
    };
    assert_eq!(make(false, OnFailure::Admit).oneshot(0).await, Ok(1));
    let refused = make(false, OnFailure::Refuse).oneshot(0).await.unwrap_err();
    assert_eq!(refused, Error::Unavailable("connection refused".into()));
    let (admits, refuses) = (make(true, OnFailure::Admit), make(true, OnFailure::Refuse));
    let waiting = [tokio::spawn(admits.oneshot(0)), tokio::spawn(refuses.oneshot(0))];
    settle().await;
    clock.advance(ms(29));
    settle().await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    clock.advance(ms(1));
    let [admitted, refused] = waiting;
    assert_eq!(admitted.await.unwrap(), Ok(2));
    assert_eq!(refused.await.unwrap(), Err(Error::Unavailable("no answer in 30ms".into())));
}
