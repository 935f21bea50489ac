//! Places by hand: who runs, who waits, and what a dropped call leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::Semaphore;
use tower::{Layer, Service, service_fn};
use xs_os::VirtualClock;

use super::*;
use crate::Timer;
use crate::by_hand::by_hand;

const MS: Duration = Duration::from_millis(1);

fn layer(running: usize, waiting: usize) -> (VirtualClock, BulkheadLayer) {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let options = BulkheadOptions { running, waiting, wait: 10 * MS };
    (clock, BulkheadLayer::new("test", options, &timer))
}

/// Calls that end when the gate lets one through.
fn gated(gate: &Arc<Semaphore>) -> impl Service<u32, Response = u32, Error = &'static str> + Clone {
    let gate = gate.clone();
    service_fn(move |n| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.map_err(|_| "closed")?.forget();
            Ok(n)
        }
    })
}

#[test]
fn who_waits_too_long_gives_up_and_who_got_a_place_just_then_runs() {
    let (clock, layer) = layer(1, 2);
    let gate = Arc::new(Semaphore::new(0));
    let mut service = layer.layer(gated(&gate));
    let mut first = by_hand(service.call(1));
    let mut second = by_hand(service.clone().call(2));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    clock.advance(5 * MS);
    let mut third = by_hand(service.call(3));
    assert!(third.poll().is_pending());
    let full = Full { running: 1, waited: false, retry_after: 10 * MS };
    assert!(matches!(by_hand(service.call(4)).poll(), Poll::Ready(Err(Error::Full(f))) if f == full));

    gate.add_permits(1);
    assert!(matches!(first.poll(), Poll::Ready(Ok(1)))); // the place is the second one's from here on
    clock.advance(10 * MS);
    assert!(second.poll().is_pending());
    let full = Full { waited: true, ..full };
    assert!(matches!(third.poll(), Poll::Ready(Err(Error::Full(f))) if f == full));
    gate.add_permits(1);
    assert!(matches!(second.poll(), Poll::Ready(Ok(2))));
    assert_eq!((layer.running(), layer.waiting()), (0, 0));
}

#[test]
fn a_place_given_to_a_call_that_is_dropped_before_it_looks_goes_on() {
    let (_clock, layer) = layer(1, 2);
    let gate = Arc::new(Semaphore::new(0));
    let mut service = layer.layer(gated(&gate));
    let [mut first, mut second, mut third] = [1, 2, 3].map(|n| by_hand(service.call(n)));
    assert!(first.poll().is_pending() && second.poll().is_pending() && third.poll().is_pending());
    drop(first);
    assert_eq!((layer.running(), layer.waiting()), (1, 1));
    drop(second);
    assert_eq!((layer.running(), layer.waiting()), (1, 0));
    gate.add_permits(1);
    assert!(matches!(third.poll(), Poll::Ready(Ok(3))));
    assert_eq!((layer.running(), layer.waiting()), (0, 0));
}

proptest! {
    /// Calls come, are polled, dropped and let through in any order: never too many run, and no place is ever lost.
    #[test]
    fn no_place_is_lost_whatever_is_dropped(
        running in 1_usize..4,
        waiting in 0_usize..4,
        steps in proptest::collection::vec((0_u8..6, any::<usize>()), 1..120),
    ) {
        let (clock, layer) = layer(running, waiting);
        let (gate, inside) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (seen, behind) = (inside.clone(), gate.clone());
        let mut service = layer.layer(service_fn(move |()| {
            let now = seen.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(now <= running, "{now} calls at once");
            let (out, gate) = (Out(seen.clone()), behind.clone());
            async move {
                let _out = out;
                gate.acquire().await.map_err(|_| "closed")?.forget();
                Ok::<_, &str>(())
            }
        }));
        let mut calls = Vec::new();
        for (step, nth) in steps {
            match step {
                0 | 1 => calls.push(by_hand(service.call(()))),
                2 => gate.add_permits(1),
                3 => clock.advance(4 * MS),
                _ if calls.is_empty() => {}
                4 => drop(calls.swap_remove(nth % calls.len())),
                _ => {
                    let nth = nth % calls.len();
                    if calls[nth].poll().is_ready() {
                        drop(calls.swap_remove(nth));
                    }
                }
            }
            prop_assert!(layer.running() <= running && layer.waiting() <= waiting);
        }
        calls.clear();
        prop_assert_eq!((layer.running(), layer.waiting()), (0, 0));
        prop_assert_eq!(inside.load(Ordering::SeqCst), 0);
    }
}

struct Out(Arc<AtomicUsize>);

impl Drop for Out {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn no_places_are_one() {
    let timer = Timer::new(Arc::new(VirtualClock::new()));
    let options = BulkheadOptions { running: 0, waiting: 0, ..BulkheadOptions::default() };
    let layer = BulkheadLayer::new("test", options, &timer);
    let mut service = layer.layer(service_fn(|()| std::future::pending::<Result<(), &str>>()));
    let _runs = service.call(());
    let full = by_hand(service.call(())).poll();
    assert!(matches!(full, std::task::Poll::Ready(Err(Error::Full(Full { running: 1, .. })))));
}

/// A waker that holds another call, as that of an executor may hold its task.
struct Holds {
    _held: parking_lot::Mutex<Box<dyn Send>>,
}

impl std::task::Wake for Holds {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test]
async fn wakers_are_dropped_after_the_lock_is_given_back() {
    let timer = Timer::system(); // the virtual clock would keep the wakers, too
    let options = BulkheadOptions { running: 1, ..BulkheadOptions::default() };
    let layer = BulkheadLayer::new("test", options, &timer);
    let mut service = layer.layer(service_fn(|()| std::future::pending::<Result<(), &str>>()));
    let runs = service.call(());
    let mut waits = || {
        let inner = service.call(());
        let holds = Arc::new(Holds { _held: parking_lot::Mutex::new(Box::new(inner)) });
        let mut outer = Box::pin(service.call(()));
        let waker = std::task::Waker::from(holds);
        assert!(outer.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        outer
    };
    let (mut other, left) = (waits(), waits());
    assert_eq!((layer.running(), layer.waiting()), (1, 4));
    assert!(other.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
    drop(left);
    assert_eq!((layer.running(), layer.waiting()), (1, 1));
    drop((runs, other));
    assert_eq!((layer.running(), layer.waiting()), (0, 0));
}
