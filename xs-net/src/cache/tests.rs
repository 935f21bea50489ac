//! Flights by hand: who calls, who waits, who takes over; and lifetimes by a virtual clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::oneshot;
use tower::{Layer, Service, service_fn};
use xs_os::VirtualClock;
use xs_storage::cache::LruCache;

use super::*;
use crate::Timer;
use crate::by_hand::by_hand;

const MS: Duration = Duration::from_millis(1);
type Answer = Result<u32, String>;
type Calls = Arc<parking_lot::Mutex<Vec<oneshot::Sender<Answer>>>>;
type ByKey = fn(&u32) -> Option<u32>;
type TestLayer = CacheLayer<u32, u32, String, LruCache<u32, Stored<u32>>, Lifetime, ByKey>;

/// A cache of two entries before a backend that the test answers for. Key 0 goes past the cache.
fn world() -> (
    VirtualClock,
    TestLayer,
    Calls,
    impl Service<u32, Response = u32, Error = Error<String>, Future: Send + 'static> + Clone,
) {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let lifetime = Lifetime { fresh: 10 * MS, stale: 10 * MS };
    let layer: TestLayer =
        CacheLayer::new("test", LruCache::new(2), lifetime, &timer, |key: &u32| (*key > 0).then_some(*key));
    let calls = Calls::default();
    let seen = calls.clone();
    let service = layer.layer(service_fn(move |_: u32| {
        let (send, receive) = oneshot::channel();
        seen.lock().push(send);
        async move { receive.await.unwrap_or(Err("dropped".into())) }
    }));
    (clock, layer, calls, service)
}

fn answer(calls: &Calls, answer: Answer) {
    let call = calls.lock().remove(0);
    call.send(answer).unwrap();
}

fn value<E>(polled: Poll<Result<u32, E>>) -> Option<u32> {
    match polled {
        Poll::Ready(Ok(value)) => Some(value),
        _ => None,
    }
}

#[test]
fn one_calls_all_get_the_answer_and_it_is_kept_for_its_time() {
    let (clock, layer, calls, mut service) = world();
    let mut callers: Vec<_> = (0..5).map(|_| by_hand(service.clone().call(1))).collect();
    assert!(callers.iter_mut().all(|caller| caller.poll().is_pending()));
    assert_eq!((calls.lock().len(), layer.in_flight()), (1, 1));
    answer(&calls, Ok(7));
    // The leader must look first: the call is made by its caller.
    assert!(callers.iter_mut().all(|caller| value(caller.poll()) == Some(7)));
    assert_eq!(layer.in_flight(), 0);
    clock.advance(9 * MS);
    assert_eq!(value(by_hand(service.call(1)).poll()), Some(7));
    clock.advance(11 * MS); // no longer even stale
    assert!(by_hand(service.call(1)).poll().is_pending());
    assert_eq!(calls.lock().len(), 1);
}

#[test]
fn when_the_leader_is_dropped_another_takes_over() {
    let (_clock, layer, calls, mut service) = world();
    let mut callers: Vec<_> = (0..4).map(|_| by_hand(service.call(1))).collect();
    assert!(callers.iter_mut().all(|caller| caller.poll().is_pending()));
    drop(callers.remove(0));
    drop(callers.remove(0)); // who waited longest
    assert!(callers[1].poll().is_pending()); // leads from here on
    assert!(callers[0].poll().is_pending());
    calls.lock().retain(|call| !call.is_closed());
    assert_eq!(calls.lock().len(), 1);
    answer(&calls, Ok(3));
    assert_eq!(value(callers[1].poll()), Some(3));
    assert_eq!(value(callers[0].poll()), Some(3));
    // And when all are dropped nothing is left.
    let mut callers = [by_hand(service.call(2)), by_hand(service.call(2))];
    assert!(callers.iter_mut().all(|caller| caller.poll().is_pending()));
    drop(callers);
    assert_eq!(layer.in_flight(), 0);
}

/// A closure that says how long a response is good may panic like any other code of the user's.
#[test]
fn a_panic_while_the_answer_is_stored_passes_the_lead_on() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let lasts = |value: &u32| {
        assert!(*value > 0, "on purpose");
        Lifetime::fresh(10 * MS)
    };
    let store: LruCache<u32, Stored<u32>> = LruCache::new(2);
    let layer = CacheLayer::new("test", store, lasts, &timer, |key: &u32| Some(*key));
    let answers = Arc::new(parking_lot::Mutex::new(vec![7, 0]));
    let mut service = layer.layer(service_fn(move |_: u32| {
        let answer = answers.lock().pop();
        async move { answer.ok_or("asked too often") }
    }));
    let mut callers = [by_hand(service.call(1)), by_hand(service.call(1))];
    assert!(callers[1].poll().is_pending());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| callers[0].poll().is_ready()));
    assert!(panicked.is_err());
    assert_eq!(value(callers[1].poll()), Some(7));
    assert_eq!(layer.in_flight(), 0);
}

#[test]
fn what_is_good_for_ever_is_kept() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    for lifetime in [Lifetime::fresh(Duration::MAX), Lifetime { fresh: 10 * MS, stale: Duration::MAX }] {
        let calls = Arc::new(AtomicU32::new(0));
        let seen = calls.clone();
        let store: LruCache<u32, Stored<u32>> = LruCache::new(2);
        let layer = CacheLayer::new("test", store, lifetime, &timer, |key: &u32| Some(*key));
        let mut service = layer.layer(service_fn(move |n: u32| {
            seen.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok::<_, String>(n))
        }));
        for _ in 0..3 {
            assert_eq!(value(by_hand(service.call(1)).poll()), Some(1));
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn errors_are_shared_and_not_kept() {
    let (_clock, _layer, calls, mut service) = world();
    let mut callers: Vec<_> = (0..3).map(|_| by_hand(service.call(1))).collect();
    assert!(callers.iter_mut().all(|caller| caller.poll().is_pending()));
    answer(&calls, Err("broken".into()));
    for caller in &mut callers {
        assert!(matches!(caller.poll(), Poll::Ready(Err(Error::Shared(error))) if *error == "broken"));
    }
    let mut alone = by_hand(service.call(1));
    assert!(alone.poll().is_pending());
    answer(&calls, Err("again".into()));
    assert!(matches!(alone.poll(), Poll::Ready(Err(Error::Inner(error))) if error == "again"));
}

#[test]
fn what_has_no_key_goes_past_and_what_was_forgotten_is_not_stored() {
    let (_clock, layer, calls, mut service) = world();
    let mut past = [by_hand(service.call(0)), by_hand(service.call(0))];
    assert!(past.iter_mut().all(|caller| caller.poll().is_pending()));
    assert_eq!((calls.lock().len(), layer.in_flight()), (2, 0));
    calls.lock().clear();

    let mut before = by_hand(service.call(1));
    assert!(before.poll().is_pending());
    layer.remove(&1);
    let mut after = by_hand(service.call(1));
    assert!(after.poll().is_pending());
    assert_eq!(calls.lock().len(), 2);
    answer(&calls, Ok(1));
    assert_eq!(value(before.poll()), Some(1));
    assert!(by_hand(service.call(1)).poll().is_pending()); // joins the second flight
    answer(&calls, Ok(2));
    assert_eq!(value(after.poll()), Some(2));
    assert_eq!(value(by_hand(service.call(1)).poll()), Some(2));
    layer.clear();
    assert!(by_hand(service.call(1)).poll().is_pending());
}

#[tokio::test]
async fn a_stale_answer_is_given_at_once_and_renewed_once_behind_it() {
    let (clock, layer, calls, mut service) = world();
    let mut first = by_hand(service.call(1));
    assert!(first.poll().is_pending());
    answer(&calls, Ok(1));
    assert_eq!(value(first.poll()), Some(1));
    for renewed in [Err("down".to_owned()), Ok(2)] {
        clock.advance(if renewed.is_err() { 10 * MS } else { 5 * MS });
        for _ in 0..3 {
            assert_eq!(value(by_hand(service.call(1)).poll()), Some(1));
        }
        assert_eq!(layer.in_flight(), 1);
        tokio::task::yield_now().await; // lets the refresh begin
        assert_eq!(calls.lock().len(), 1);
        answer(&calls, renewed);
        tokio::task::yield_now().await; // lets it end
        assert_eq!(layer.in_flight(), 0);
    }
    assert_eq!(value(by_hand(service.call(1)).poll()), Some(2));
}

#[test]
fn without_a_runtime_who_finds_it_stale_renews_it() {
    let (clock, _layer, calls, mut service) = world();
    let mut first = by_hand(service.call(1));
    assert!(first.poll().is_pending());
    answer(&calls, Ok(1));
    assert_eq!(value(first.poll()), Some(1));
    clock.advance(15 * MS);
    let mut renews = by_hand(service.call(1));
    assert!(renews.poll().is_pending());
    assert_eq!(value(by_hand(service.call(1)).poll()), Some(1)); // the others have the old one
    answer(&calls, Ok(2));
    assert_eq!(value(renews.poll()), Some(2));
}

#[test]
fn hits_are_served_although_the_inner_service_is_not_ready() {
    let timer = Timer::system();
    let layer = CacheLayer::new("test", LruCache::new(2), Lifetime::fresh(1000 * MS), &timer, |n: &u32| Some(*n));
    let semaphore = Arc::new(tokio::sync::Semaphore::new(1));
    let limit = tower::limit::ConcurrencyLimit::with_semaphore(
        service_fn(|n: u32| async move { Ok::<_, &str>(n) }),
        semaphore.clone(),
    );
    let mut service = layer.layer(limit);
    assert_eq!(value(by_hand(service.call(1)).poll()), Some(1));
    let _taken = semaphore.try_acquire().unwrap();
    let mut ready = by_hand(std::future::poll_fn(|cx| Service::<u32>::poll_ready(&mut service, cx)));
    assert!(matches!(ready.poll(), Poll::Ready(Ok(()))));
    drop(ready);
    assert_eq!(value(by_hand(service.call(1)).poll()), Some(1));
    assert!(by_hand(service.call(2)).poll().is_pending());
}

proptest! {
    /// Callers come, look, give up and are answered in any order: a key is asked for once at a time, everybody who stays is
    /// answered, and no flight is left over.
    #[test]
    fn a_key_is_asked_for_once_at_a_time_whoever_gives_up(
        steps in proptest::collection::vec((0_u8..6, any::<usize>(), 1_u32..3), 1..120),
    ) {
        let (clock, layer, calls, mut service) = world();
        let mut callers = Vec::new();
        for (nth, (step, which, key)) in (0_u32..).zip(steps) {
            match step {
                0 | 1 => callers.push(by_hand(service.call(key))),
                2 => clock.advance(20 * MS), // what was kept is over
                3 if !calls.lock().is_empty() => {
                    let call = calls.lock().remove(0);
                    // Who asked may be gone.
                    let _ = call.send(if nth % 3 == 0 { Err("no".into()) } else { Ok(nth) });
                }
                4 if !callers.is_empty() => drop(callers.swap_remove(which % callers.len())),
                5 if !callers.is_empty() => {
                    let which = which % callers.len();
                    if callers[which].poll().is_ready() {
                        drop(callers.swap_remove(which));
                    }
                }
                _ => {}
            }
            calls.lock().retain(|call| !call.is_closed());
            prop_assert!(calls.lock().len() <= 2);
            prop_assert!(layer.in_flight() <= 2);
        }
        // Two rounds: one to take over what was left without a leader, one to hear.
        for _ in 0..3 {
            callers.retain_mut(|caller| caller.poll().is_pending());
            calls.lock().drain(..).for_each(|call| drop(call.send(Ok(0))));
        }
        callers.retain_mut(|caller| caller.poll().is_pending());
        callers.retain_mut(|caller| caller.poll().is_pending());
        prop_assert!(callers.is_empty());
        prop_assert_eq!(layer.in_flight(), 0);
    }
}

/// Threads ask for one key, and give up as they like: never are two calls for it under way.
#[test]
fn threads_never_make_two_calls_for_a_key() {
    let under_way = Arc::new(AtomicU32::new(0));
    let seen = under_way.clone();
    let timer = Timer::new(Arc::new(VirtualClock::new()));
    let key = |_: &u32| Some(());
    let layer = CacheLayer::new("test", LruCache::new(2), Lifetime::default(), &timer, key);
    let service = layer.layer(service_fn(move |n: u32| {
        assert_eq!(seen.fetch_add(1, Ordering::SeqCst), 0, "two calls at once");
        let call = Call(seen.clone());
        async move {
            let _call = call;
            tokio::task::yield_now().await;
            Ok::<_, &str>(n)
        }
    }));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let mut service = service.clone();
            scope.spawn(move || {
                let mut rng = xs_os::Rng::from_seed(thread);
                for n in 0..3000 {
                    let mut call = by_hand(service.call(n));
                    // Looks once to four times, and gives up if it has no answer by then.
                    let _answered = (0..=rng.below(4)).any(|_| call.poll().is_ready());
                }
            });
        }
    });
    assert_eq!((layer.in_flight(), under_way.load(Ordering::SeqCst)), (0, 0));
}

struct Call(Arc<AtomicU32>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A waker that holds another caller, as that of an executor may hold its task.
struct Holds {
    _held: parking_lot::Mutex<Box<dyn Send>>,
}

impl std::task::Wake for Holds {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn wakers_are_dropped_after_the_locks_are_given_back() {
    let (_clock, layer, _calls, mut service) = world();
    let mut leader = by_hand(service.call(1));
    assert!(leader.poll().is_pending());
    let mut waits = || {
        let mut inner = by_hand(service.call(1));
        assert!(inner.poll().is_pending());
        let holds = Arc::new(Holds { _held: parking_lot::Mutex::new(Box::new(inner)) });
        let mut outer = Box::pin(service.call(1));
        let waker = std::task::Waker::from(holds);
        assert!(outer.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        outer
    };
    // Another waker comes, the caller leaves, or takes the lead: in each case the inner caller leaves the same flight.
    let (mut other, left, mut leads) = (waits(), waits(), waits());
    let mut noop = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(other.as_mut().poll(&mut noop).is_pending());
    drop(left);
    drop(leader);
    assert!(leads.as_mut().poll(&mut noop).is_pending());
    drop((other, leads));
    assert_eq!(layer.in_flight(), 0);
}
