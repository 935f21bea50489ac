//! What is sent, how often and when, by a virtual clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tower::{Layer, Service, ServiceExt, service_fn};
use xs_os::{Clock, Rng, VirtualClock};

use super::*;
use crate::Timer;

const MS: Duration = Duration::from_millis(1);

/// Runs `call` while the clock jumps from one deadline to the next.
async fn run<T>(clock: &VirtualClock, call: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        result = call => result,
        () = async {
            loop {
                tokio::task::yield_now().await;
                if let Some(next) = clock.next_deadline() {
                    clock.advance(next.saturating_duration_since(clock.now()));
                }
            }
        } => unreachable!("the clock runs for ever"),
    }
}

struct World {
    clock: VirtualClock,
    timer: Timer,
    budget: SharedBudget,
    sent: Arc<AtomicU32>,
}

fn world(per_second: u32) -> World {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let budget = SharedBudget::new(BudgetOptions { ratio: 0.0, per_second, window: 1000 * MS }, &timer);
    World { clock, timer, budget, sent: Arc::default() }
}

impl World {
    /// Sends a request that fails so often; a negative one may not be repeated.
    async fn send(&self, options: RetryOptions, verdict: Verdict, fails: i32) -> Result<(), ()> {
        let replay = |fails: &i32| (*fails > 0).then(|| fails - 1);
        let classify = move |result: &Result<(), ()>| if result.is_ok() { Verdict::Done } else { verdict };
        let (budget, rng) = (self.budget.clone(), Rng::from_seed(1));
        let layer = RetryLayer::new("test", options, budget, &self.timer, rng, replay, classify);
        let mut service = layer.layer(service_fn(|fails: i32| {
            self.sent.fetch_add(1, Ordering::SeqCst);
            async move { if fails == 0 { Ok(()) } else { Err(()) } }
        }));
        run(&self.clock, service.ready().await.unwrap().call(fails)).await
    }

    fn sent(&self) -> u32 {
        self.sent.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn it_repeats_until_it_works_or_the_attempts_are_over() {
    let world = world(100);
    let options = RetryOptions { max_attempts: 4, ..RetryOptions::default() };
    assert_eq!(world.send(options, Verdict::Again, 3).await, Ok(()));
    assert_eq!(world.sent(), 4);
    assert_eq!(world.send(options, Verdict::Again, 4).await, Err(()));
    assert_eq!(world.sent(), 4);
    assert_eq!(world.send(options, Verdict::Done, 2).await, Err(()));
    assert_eq!(world.sent(), 1);
    assert_eq!(world.send(RetryOptions { max_attempts: 0, ..options }, Verdict::Again, 1).await, Err(()));
    assert_eq!(world.sent(), 1);
    assert_eq!(world.budget.balance(), 100 - 6);
}

#[tokio::test]
async fn what_must_not_be_sent_twice_is_sent_once_and_spends_nothing() {
    let world = world(100);
    assert_eq!(world.send(RetryOptions::default(), Verdict::Again, -1).await, Err(()));
    assert_eq!((world.sent(), world.budget.balance()), (1, 100));
}

#[tokio::test]
async fn a_hint_is_waited_for_unless_it_is_too_long() {
    let world = world(100);
    let start = world.clock.now();
    assert_eq!(world.send(RetryOptions::default(), Verdict::After(3000 * MS), 1).await, Ok(()));
    assert_eq!(world.clock.now() - start, 3000 * MS);
    assert_eq!(world.sent(), 2);
    assert_eq!(world.send(RetryOptions::default(), Verdict::After(5001 * MS), 1).await, Err(()));
    assert_eq!(world.clock.now() - start, 3000 * MS);
    assert_eq!(world.sent(), 1);
}

#[tokio::test]
async fn without_a_budget_there_is_no_second_attempt() {
    let world = world(2);
    let options = RetryOptions { max_attempts: 10, base: MS, cap: MS, ..RetryOptions::default() };
    assert_eq!(world.send(options, Verdict::Again, 9).await, Err(()));
    assert_eq!(world.sent(), 3);
    world.clock.advance(1000 * MS);
    assert_eq!(world.send(options, Verdict::Again, 2).await, Ok(()));
}

#[tokio::test]
async fn a_call_deposits_once_however_often_it_is_attempted() {
    let world = world(0);
    // Each call pays for half a retry: of forty calls that always fail, twenty are repeated, and those pay for nothing.
    let budget = SharedBudget::new(BudgetOptions { ratio: 0.5, per_second: 0, window: 1_000_000 * MS }, &world.timer);
    let world = World { budget, ..world };
    for _ in 0..40 {
        world.send(RetryOptions { max_attempts: 9, ..RetryOptions::default() }, Verdict::Again, 99).await.unwrap_err();
    }
    assert_eq!(world.sent(), 40 + 20);
}

/// Finagle's issue 956: two layers on top of each other, each of which counts a call, and the inner one each repetition of
/// it as well.
#[tokio::test]
async fn a_call_through_two_layers_counts_once() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let options = BudgetOptions { ratio: 0.2, per_second: 0, window: Duration::from_secs(3600) };
    let budget = SharedBudget::new(options, &timer);
    let (sent, replay) = (AtomicU32::new(0), |(): &()| Some(()));
    let again = |result: &Result<(), ()>| if result.is_ok() { Verdict::Done } else { Verdict::Again };
    let layer =
        |budget| RetryLayer::new("test", RetryOptions::default(), budget, &timer, Rng::from_seed(1), replay, again);
    let failing = service_fn(|()| {
        sent.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Err::<(), ()>(()))
    });
    let mut service = layer(budget.clone()).layer(layer(budget.nested()).layer(failing));
    for _ in 0..100 {
        run(&clock, service.ready().await.unwrap().call(())).await.unwrap_err();
    }
    assert_eq!(sent.load(Ordering::SeqCst), 120);
}
