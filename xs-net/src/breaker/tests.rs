//! The policy beside a model that remembers everything, and the layer with threads and dropped calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt, service_fn};
use xs_os::{Clock, VirtualClock};

use super::*;
use crate::Timer;

const MS: Duration = Duration::from_millis(1);

/// The breaker as its page tells it: every outcome of the generation in a list, counted anew at each call's end.
struct Model {
    options: BreakerOptions,
    state: State,
    generation: u64,
    born: Instant,
    outcomes: Vec<(Instant, bool, bool)>,
    opened: i32,
    until: Instant,
    under_way: u32,
    last_place: Instant,
}

impl Model {
    fn turn(&mut self, state: State, now: Instant) {
        (self.state, self.born, self.under_way) = (state, now, 0);
        self.generation += 1;
        self.outcomes.clear();
    }

    fn open(&mut self, now: Instant) {
        let seconds = self.options.open_for.as_secs_f64() * self.options.open_growth.powi(self.opened);
        self.until = now + Duration::from_secs_f64(seconds).min(self.options.open_most);
        self.opened += 1;
        self.turn(State::Open, now);
    }

    fn begin(&mut self, now: Instant) -> Option<(u64, Instant)> {
        if self.state == State::Open && now >= self.until {
            self.turn(State::HalfOpen, now);
        }
        match self.state {
            State::Open | State::ForcedOpen => return None,
            State::Closed | State::ForcedClosed => {}
            State::HalfOpen if self.under_way + (self.outcomes.len() as u32) < self.options.trials => {
                self.under_way += 1;
                self.last_place = now;
            }
            State::HalfOpen => {
                if now - self.last_place >= self.options.trial_most {
                    self.open(now);
                }
                return None;
            }
        }
        Some((self.generation, now))
    }

    fn end(&mut self, (generation, began): (u64, Instant), outcome: Option<bool>, now: Instant) {
        if generation != self.generation {
            return;
        }
        self.under_way = self.under_way.saturating_sub(1);
        let Some(failed) = outcome else { return };
        self.outcomes.push((now, failed, now - began >= self.options.slow_after));
        let window: Vec<_> = match (self.state, self.options.window) {
            (State::Closed, Window::Count(most)) => self.outcomes.iter().rev().take(most as usize).collect(),
            (State::Closed, Window::Time { span, buckets }) => {
                let bucket = |at: Instant| (at - self.born).as_nanos() / (span / buckets).as_nanos();
                let oldest = (bucket(now) + 1).saturating_sub(u128::from(buckets));
                self.outcomes.iter().filter(|(at, ..)| bucket(*at) >= oldest).collect()
            }
            _ => self.outcomes.iter().collect(),
        };
        let (calls, failed) = (window.len() as u32, window.iter().filter(|(_, failed, _)| *failed).count());
        let slow = window.iter().filter(|(.., slow)| *slow).count();
        let bad = |of: u32| {
            (failed > 0 && failed as f64 >= self.options.failure_rate * f64::from(of))
                || (slow > 0 && slow as f64 >= self.options.slow_rate * f64::from(of))
        };
        match self.state {
            State::Closed if calls >= self.options.minimum_calls && bad(calls) => self.open(now),
            State::HalfOpen if bad(self.options.trials) => self.open(now),
            State::HalfOpen if calls == self.options.trials => {
                self.opened = 0;
                self.turn(State::Closed, now);
            }
            _ => {}
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Begin,
    /// Ends the call at this place among those under way.
    End(usize, Outcome),
    Cancel(usize),
    Pass(u64),
    Force(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![4 => Just(Outcome::Success), 4 => Just(Outcome::Failure), 1 => Just(Outcome::Ignored)];
    prop_oneof![
        8 => Just(Step::Begin),
        8 => (any::<usize>(), outcome).prop_map(|(nth, outcome)| Step::End(nth, outcome)),
        1 => any::<usize>().prop_map(Step::Cancel),
        6 => (0_u64..40).prop_map(Step::Pass),
        1 => prop_oneof![20 => Just(9_u8), 1 => 0_u8..3].prop_map(Step::Force),
    ]
}

fn options() -> impl Strategy<Value = BreakerOptions> {
    let window = prop_oneof![
        (1_u32..12).prop_map(Window::Count),
        (1_u32..5).prop_map(|buckets| Window::Time { span: 20 * buckets * MS, buckets }),
    ];
    (window, 1_u32..8, 1_u32..=10, 1_u32..=12, 1_u32..4, 10_u32..40).prop_map(
        |(window, minimum, failures, slow, trials, open)| BreakerOptions {
            window,
            minimum_calls: if let Window::Count(most) = window { minimum.min(most) } else { minimum },
            failure_rate: f64::from(failures) / 10.0,
            slow_after: 30 * MS,
            slow_rate: f64::from(slow) / 10.0,
            open_for: open * MS,
            open_growth: 2.0,
            open_most: 100 * MS,
            trials,
            trial_most: 80 * MS,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 512 }))]

    #[test]
    fn it_decides_as_a_model_that_remembers_everything(
        options in options(),
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let clock = VirtualClock::new();
        let start = clock.now();
        let mut breaker = Breaker::new(options.clone(), start);
        let mut model = Model {
            options, state: State::Closed, generation: 0, born: start, outcomes: Vec::new(), opened: 0, until: start,
            under_way: 0, last_place: start,
        };
        let mut calls = Vec::new();
        for step in steps {
            let now = clock.now();
            match step {
                Step::Begin => {
                    let refuses = breaker.refuses(now);
                    let begun = breaker.begin(now);
                    prop_assert_eq!(refuses, begun.is_err());
                    let expected = model.begin(now);
                    prop_assert_eq!(begun.is_ok(), expected.is_some());
                    calls.extend(begun.ok().zip(expected));
                }
                Step::End(nth, outcome) if !calls.is_empty() => {
                    let (ticket, expected) = calls.swap_remove(nth % calls.len());
                    breaker.end(ticket, outcome, now);
                    let failed = (outcome != Outcome::Ignored).then_some(outcome == Outcome::Failure);
                    model.end(expected, failed, now);
                }
                Step::Cancel(nth) if !calls.is_empty() => {
                    let (ticket, expected) = calls.swap_remove(nth % calls.len());
                    breaker.cancel(ticket);
                    model.end(expected, None, now);
                }
                Step::End(..) | Step::Cancel(_) => {}
                Step::Pass(ms) => clock.advance(Duration::from_millis(ms)),
                Step::Force(0) => (breaker.force_open(now), model.turn(State::ForcedOpen, now)).0,
                Step::Force(1) => (breaker.force_closed(now), model.turn(State::ForcedClosed, now)).0,
                Step::Force(2) => {
                    breaker.reset(now);
                    model.opened = 0;
                    model.turn(State::Closed, now);
                }
                Step::Force(_) => {}
            }
            prop_assert_eq!(breaker.status(), Status { state: model.state, generation: model.generation });
        }
    }
}

fn quick() -> BreakerOptions {
    BreakerOptions { minimum_calls: 2, trials: 2, open_for: 10 * MS, ..BreakerOptions::default() }
}

fn at_a_virtual_time() -> (VirtualClock, Timer) {
    let clock = VirtualClock::new();
    (clock.clone(), Timer::new(Arc::new(clock)))
}

#[tokio::test]
async fn a_dropped_trial_call_gives_its_place_back() {
    let (clock, timer) = at_a_virtual_time();
    let layer = BreakerLayer::new("test", quick(), &timer);
    let mut failing = layer.layer(service_fn(|()| async { Err::<(), _>("no") }));
    let mut hanging = layer.layer(service_fn(|()| std::future::pending::<Result<(), &str>>()));
    for _ in 0..2 {
        failing.ready().await.unwrap().call(()).await.unwrap_err();
    }
    clock.advance(10 * MS);
    let trials = [hanging.ready().await.unwrap().call(()), hanging.ready().await.unwrap().call(())];
    let third = hanging.ready().await.unwrap().call(()).await;
    assert!(matches!(third, Err(Error::Rejected(Rejected { state: State::HalfOpen, .. }))));
    drop(trials);
    let mut well = layer.layer(service_fn(|()| async { Ok::<_, &str>(()) }));
    for _ in 0..2 {
        well.ready().await.unwrap().call(()).await.unwrap();
    }
    assert_eq!(layer.handle().status().state, State::Closed);
}

#[tokio::test]
async fn clones_and_services_of_one_layer_share_the_breaker() {
    let (_clock, timer) = at_a_virtual_time();
    let layer = BreakerLayer::new("test", quick(), &timer);
    let fail = || service_fn(|()| async { Err::<(), _>("no") });
    let (mut one, mut other) = (layer.layer(fail()), layer.clone().layer(fail()));
    let mut watched = layer.handle().watch();
    one.clone().ready().await.unwrap().call(()).await.unwrap_err();
    other.ready().await.unwrap().call(()).await.unwrap_err();
    let third = one.ready().await.unwrap().call(()).await;
    assert!(matches!(third, Err(Error::Rejected(Rejected { state: State::Open, .. }))));
    assert_eq!(*watched.borrow_and_update(), Status { state: State::Open, generation: 1 });
    layer.handle().force_closed();
    assert!(one.ready().await.unwrap().call(()).await.unwrap_err().into_inner().is_some());
    assert_eq!(watched.borrow_and_update().state, State::ForcedClosed);
}

#[tokio::test]
async fn an_open_breaker_rejects_although_the_inner_service_is_not_ready() {
    let (_clock, timer) = at_a_virtual_time();
    let layer = BreakerLayer::new("test", quick(), &timer);
    layer.handle().force_open();
    let busy = tower::limit::ConcurrencyLimit::new(service_fn(|()| async { Ok::<_, &str>(()) }), 0);
    let rejected = layer.layer(busy).ready().await.unwrap().call(()).await;
    assert!(matches!(rejected, Err(Error::Rejected(Rejected { state: State::ForcedOpen, .. }))));
}

#[tokio::test]
async fn who_is_rejected_before_an_inner_service_that_is_not_ready_hears_when_to_come_again() {
    let (clock, timer) = at_a_virtual_time();
    let layer = BreakerLayer::new("test", quick(), &timer);
    let mut failing = layer.layer(service_fn(|()| async { Err::<(), _>("no") }));
    for _ in 0..2 {
        failing.ready().await.unwrap().call(()).await.unwrap_err();
    }
    clock.advance(3 * MS);
    let mut busy = layer.layer(tower::limit::ConcurrencyLimit::new(service_fn(|()| async { Ok::<_, &str>(()) }), 0));
    let mut rejected = async || match busy.ready().await.unwrap().call(()).await {
        Err(Error::Rejected(rejected)) => rejected,
        other => panic!("{other:?}"),
    };
    assert_eq!(rejected().await, Rejected { state: State::Open, retry_after: 7 * MS });
    layer.handle().force_open();
    assert_eq!(rejected().await, Rejected { state: State::ForcedOpen, retry_after: quick().open_for });
}

#[tokio::test]
async fn the_classifier_decides_what_a_failure_is() {
    let (_clock, timer) = at_a_virtual_time();
    let classify = |result: &Result<u16, &str>| match result {
        Ok(500..) => Outcome::Failure,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Ignored,
    };
    let layer = BreakerLayer::new("test", quick(), &timer).classify(classify);
    let mut http = layer.layer(service_fn(|status: Result<u16, &'static str>| async move { status }));
    for status in [Err("aborted"), Err("aborted"), Ok(200), Err("aborted")] {
        assert_eq!(http.ready().await.unwrap().call(status).await.ok(), status.ok());
    }
    assert_eq!(layer.handle().totals(), Totals { calls: 1, failures: 0, slow: 0 });
    http.ready().await.unwrap().call(Ok(503)).await.unwrap();
    assert_eq!(layer.handle().status().state, State::Open);
}

/// Threads begin, end and drop trial calls as they like: never more are under way than there are places, and when they
/// have all gone the places are there again.
#[test]
fn threads_never_get_more_trial_places_than_there_are() {
    let (clock, timer) = at_a_virtual_time();
    let handle = BreakerHandle::new("test", BreakerOptions { trials: 3, ..quick() }, &timer);
    let under_way = AtomicU32::new(0);
    for round in 0..200 {
        handle.reset();
        (0..2).for_each(|_| handle.begin().unwrap().end(Outcome::Failure));
        assert_eq!(handle.status().state, State::Open);
        clock.advance(10 * MS);
        let trial = |ends: bool| {
            let Ok(mut permit) = handle.begin() else { return };
            let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(now <= 3, "{now} trial calls at once");
            std::thread::yield_now();
            under_way.fetch_sub(1, Ordering::SeqCst);
            if ends {
                permit.end(Outcome::Success);
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                // Two calls of one thread count, every second round; all others are dropped.
                scope.spawn(move || (0..20).for_each(|nth| trial(thread == 0 && nth < 2 && round % 2 == 0)));
            }
        });
        assert_eq!(handle.status().state, State::HalfOpen);
        assert_eq!(handle.rejection(), None);
    }
}
