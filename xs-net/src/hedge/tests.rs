//! Who wins, what is sent, and what is never sent twice: by hand and a virtual clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;
use tower::{Layer, Service, service_fn};
use xs_os::VirtualClock;

use super::*;
use crate::Timer;
use crate::by_hand::by_hand;
use crate::retry::{BudgetOptions, SharedBudget};

const MS: Duration = Duration::from_millis(1);
type Answer = Result<u32, &'static str>;

struct World {
    clock: VirtualClock,
    budget: SharedBudget,
    calls: Arc<parking_lot::Mutex<Vec<oneshot::Sender<Answer>>>>,
}

/// A service whose calls the test answers, hedged after 10 ms: that is what it has measured.
fn world(per_second: u32) -> (World, impl Service<i32, Response = u32, Error = &'static str> + Clone) {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let budget = SharedBudget::new(BudgetOptions { ratio: 0.0, per_second, window: 1000 * MS }, &timer);
    let calls = Arc::new(parking_lot::Mutex::new(Vec::<oneshot::Sender<Answer>>::new()));
    let options = HedgeOptions { minimum_calls: 1, least: 10 * MS, ..HedgeOptions::default() };
    let layer = HedgeLayer::new("test", options, budget.clone(), &timer, |n: &i32| (*n >= 0).then_some(*n));
    let seen = calls.clone();
    let mut service = layer.layer(service_fn(move |_: i32| {
        let (send, receive) = oneshot::channel();
        seen.lock().push(send);
        async move { receive.await.unwrap_or(Err("dropped")) }
    }));
    let world = World { clock, budget, calls };
    let mut first = by_hand(service.call(0));
    world.answer(Ok(0));
    assert_eq!(first.poll(), Poll::Ready(Ok(0)));
    assert_eq!(layer.delay(), Some(10 * MS));
    (world, service)
}

impl World {
    /// Answers the oldest call that waits.
    fn answer(&self, answer: Answer) {
        let call = self.calls.lock().remove(0);
        call.send(answer).unwrap();
    }

    fn waiting(&self) -> usize {
        self.calls.lock().retain(|call| !call.is_closed());
        self.calls.lock().len()
    }
}

#[test]
fn a_late_call_is_made_again_and_the_faster_answer_wins() {
    let (world, mut service) = world(10);
    for second_wins in [true, false] {
        let mut call = by_hand(service.call(1));
        assert!(call.poll().is_pending());
        world.clock.advance(9 * MS);
        assert!(call.poll().is_pending());
        assert_eq!(world.waiting(), 1);
        world.clock.advance(MS);
        assert!(call.poll().is_pending());
        assert_eq!(world.waiting(), 2);
        if second_wins {
            world.calls.lock().swap(0, 1);
        }
        world.answer(Ok(7));
        assert_eq!(call.poll(), Poll::Ready(Ok(7)));
        assert_eq!(world.waiting(), 0); // the other one is dropped, though this one's future is still there
    }
    assert_eq!(world.budget.balance(), 8);
}

#[test]
fn an_error_waits_for_the_other_call_and_only_then() {
    let (world, mut service) = world(10);
    let mut early = by_hand(service.call(1));
    assert!(early.poll().is_pending());
    world.answer(Err("early"));
    assert_eq!(early.poll(), Poll::Ready(Err("early")));
    for (answers, expected) in [([Err("one"), Ok(2)], Ok(2)), ([Err("one"), Err("two")], Err("one"))] {
        let mut call = by_hand(service.call(1));
        assert!(call.poll().is_pending());
        world.clock.advance(10 * MS);
        assert!(call.poll().is_pending());
        world.answer(answers[0]);
        assert!(call.poll().is_pending());
        world.answer(answers[1]);
        assert_eq!(call.poll(), Poll::Ready(expected));
    }
    // The second one fails first, and the first one answers.
    let mut call = by_hand(service.call(1));
    assert!(call.poll().is_pending());
    world.clock.advance(10 * MS);
    assert!(call.poll().is_pending());
    world.calls.lock().swap(0, 1);
    world.answer(Err("two"));
    assert!(call.poll().is_pending());
    world.answer(Ok(1));
    assert_eq!(call.poll(), Poll::Ready(Ok(1)));
}

#[test]
fn without_budget_or_leave_nothing_is_sent_twice() {
    let (world, mut service) = world(1);
    let late = |service: &mut _, n| {
        let mut call = by_hand(Service::<i32>::call(service, n));
        assert!(call.poll().is_pending());
        world.clock.advance(100 * MS);
        assert!(call.poll().is_pending());
        call
    };
    let must_not = late(&mut service, -1);
    assert_eq!(world.waiting(), 1);
    let has_budget = late(&mut service, 1);
    assert_eq!(world.waiting(), 3);
    let mut has_none = late(&mut service, 1);
    assert_eq!(world.waiting(), 4);
    drop((must_not, has_budget));
    assert_eq!(world.waiting(), 1);
    world.answer(Ok(3));
    assert_eq!(has_none.poll(), Poll::Ready(Ok(3)));
}

#[test]
fn a_second_call_waits_until_its_service_is_ready() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let budget = SharedBudget::new(BudgetOptions::default(), &timer);
    let options = HedgeOptions { minimum_calls: 1, ..HedgeOptions::default() };
    let layer = HedgeLayer::new("test", options, budget, &timer, |(): &()| Some(()));
    let calls = AtomicU32::new(0);
    let hangs = service_fn(|()| {
        let nth = calls.fetch_add(1, Ordering::SeqCst);
        async move { if nth == 1 { std::future::pending().await } else { Ok::<_, &str>(nth) } }
    });
    // One place: the second call cannot begin while the first one has it, and must not panic either.
    let mut service = layer.layer(tower::limit::ConcurrencyLimit::new(hangs, 1));
    let ready = |service: &mut _| {
        let mut ready = by_hand(std::future::poll_fn(|cx| Service::<()>::poll_ready(service, cx)));
        assert!(matches!(ready.poll(), Poll::Ready(Ok(()))));
    };
    ready(&mut service);
    assert_eq!(by_hand(service.call(())).poll(), Poll::Ready(Ok(0)));
    ready(&mut service);
    let mut late = by_hand(service.call(()));
    assert!(late.poll().is_pending());
    clock.advance(100 * MS);
    assert!(late.poll().is_pending());
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}
