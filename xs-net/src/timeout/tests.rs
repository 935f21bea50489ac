//! Limits by a virtual clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tower::{Layer, Service, ServiceExt, service_fn};
use xs_os::{Clock, VirtualClock};

use super::*;
use crate::Timer;
use crate::by_hand::by_hand;

const MS: Duration = Duration::from_millis(1);

struct Request(Deadline);

fn carry() -> (impl Fn(&Request) -> Deadline + Clone, impl Fn(&mut Request, Deadline) + Clone) {
    (|request: &Request| request.0, |request: &mut Request, deadline| request.0 = deadline)
}

#[tokio::test]
async fn nested_limits_take_the_earlier_deadline() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let seen = service_fn(|request: Request| async move { Ok::<_, &str>(request.0) });
    let now = clock.now();
    for (outer, inner, brought, expected) in [
        (100, 300, Deadline::NEVER, 100),
        (300, 100, Deadline::NEVER, 100),
        (300, 200, Deadline::at(now + 50 * MS), 50),
    ] {
        let outer = TimeoutLayer::new("outer", outer * MS, &timer).carry(carry());
        let inner = TimeoutLayer::new("inner", inner * MS, &timer).carry(carry());
        let mut service = outer.layer(inner.layer(seen));
        let deadline = service.ready().await.unwrap().call(Request(brought)).await.unwrap();
        assert_eq!(deadline.remaining(now), Some(expected * MS));
    }
    let unlimited = TimeoutLayer::new("none", Duration::MAX, &timer).carry(carry());
    let mut service = unlimited.layer(seen);
    assert_eq!(service.ready().await.unwrap().call(Request(Deadline::NEVER)).await.unwrap(), Deadline::NEVER);
}

#[tokio::test]
async fn what_takes_too_long_is_dropped_when_the_time_is_up() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let held = Arc::new(());
    let mut service = TimeoutLayer::new("test", 10 * MS, &timer).layer(service_fn(|held: Arc<()>| async move {
        let _held = held;
        std::future::pending::<Result<(), &str>>().await
    }));
    let mut call = by_hand(service.ready().await.unwrap().call(held.clone()));
    assert!(call.poll().is_pending());
    clock.advance(9 * MS);
    assert!(call.poll().is_pending());
    clock.advance(MS);
    let std::task::Poll::Ready(result) = call.poll() else { panic!("the time is up") };
    assert!(matches!(result, Err(Error::Elapsed(Elapsed { called: true }))));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test]
async fn nobody_is_called_after_the_deadline_and_an_answer_in_time_is_given() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let calls = AtomicU32::new(0);
    let mut service = TimeoutLayer::new("test", 10 * MS, &timer).carry(carry()).layer(service_fn(|_: Request| {
        calls.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, &str>(7) }
    }));
    let late = service.ready().await.unwrap().call(Request(Deadline::at(clock.now()))).await;
    assert!(matches!(late, Err(Error::Elapsed(Elapsed { called: false }))));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    let call = service.ready().await.unwrap().call(Request(Deadline::NEVER));
    clock.advance(20 * MS); // the answer was there all along
    assert_eq!(call.await.unwrap(), 7);
}
