//! Retries over a backend that fails half of the time, or always: what arrives there.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tower::{Layer, Service, service_fn};
use xs_net::retry::{BudgetOptions, RetryLayer, RetryOptions, SharedBudget, Verdict};
use xs_os::Clock;

use crate::World;

const CALLS: u32 = 10_000;
const BUDGET: BudgetOptions = BudgetOptions { ratio: 0.2, per_second: 1, window: Duration::from_secs(10) };

/// A hundred clients make a hundred calls each to a backend that fails so often. Gives what arrived there, how many calls
/// succeeded in the end, and how many retries the budget's promise allows.
fn load(failing: f64, seed: u64) -> (u32, u32, f64) {
    let mut world = World::new(seed);
    let (arrived, good) = (Rc::new(Cell::new(0_u32)), Rc::new(Cell::new(0_u32)));
    let (seen, dice) = (arrived.clone(), Rc::new(std::cell::RefCell::new(world.rng("backend"))));
    let backend = service_fn(move |()| {
        seen.set(seen.get() + 1);
        let fails = dice.borrow_mut().chance(failing);
        async move { if fails { Err(()) } else { Ok(()) } }
    });
    let budget = SharedBudget::new(BUDGET, &world.timer);
    let classify = |result: &Result<(), ()>| if result.is_ok() { Verdict::Done } else { Verdict::Again };
    let (options, replay) = (RetryOptions { max_attempts: 5, ..RetryOptions::default() }, |(): &()| Some(()));
    let layer = RetryLayer::new("backend", options, budget, &world.timer, world.rng("jitter"), replay, classify);
    let service = layer.layer(backend);
    for client in 0..100 {
        let (mut service, timer, good) = (service.clone(), world.timer.clone(), good.clone());
        let mut rng = world.rng(&format!("client {client}"));
        world.spawn(async move {
            for _ in 0..CALLS / 100 {
                timer.sleep(Duration::from_millis(rng.below(1000))).await;
                if service.call(()).await.is_ok() {
                    good.set(good.get() + 1);
                }
            }
        });
    }
    world.run();
    let seconds = (world.clock.now() - world.start + BUDGET.window).as_secs_f64();
    (arrived.get(), good.get(), BUDGET.ratio * f64::from(CALLS) + f64::from(BUDGET.per_second) * seconds)
}

#[test]
fn retries_never_amplify_the_load_beyond_their_budget() {
    for seed in 0..5 {
        for failing in [0.5, 1.0] {
            let (arrived, good, most) = load(failing, seed);
            let retries = arrived - CALLS;
            assert!(f64::from(retries) <= most, "{retries} retries, {most} allowed, seed {seed}");
            // It is the budget that holds them back, and it is used.
            assert!(f64::from(retries) > 0.9 * BUDGET.ratio * f64::from(CALLS), "{retries} retries, seed {seed}");
            let expected = (1.0 - failing) * f64::from(arrived);
            assert!((f64::from(good) - expected).abs() <= 0.05 * expected, "{good} of {arrived}, seed {seed}");
        }
    }
}

#[test]
fn while_few_calls_fail_all_of_them_are_repeated() {
    let (arrived, good, _) = load(0.05, 3);
    assert!(good >= CALLS - 2, "{good}"); // five failures in a row: three in ten million
    assert!((10_400..10_700).contains(&arrived), "{arrived}");
}
