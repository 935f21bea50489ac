//! Hedging over a backend that is slow once in a hundred calls.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tower::{Layer, Service, service_fn};
use xs_net::hedge::{HedgeLayer, HedgeOptions};
use xs_net::retry::{BudgetOptions, SharedBudget};

use crate::{Log, MS, World, quantile};

const CALLS: u32 = 20_000;

/// Calls take 2 to 10 ms, and one in a hundred half a second. Gives all latencies, and how many calls arrived.
fn latencies(hedged: bool, seed: u64) -> (Vec<Duration>, u32) {
    let mut world = World::new(seed);
    let arrived = Rc::new(Cell::new(0_u32));
    let (seen, timer, dice) = (arrived.clone(), world.timer.clone(), Rc::new(RefCell::new(world.rng("backend"))));
    let backend = service_fn(move |()| {
        seen.set(seen.get() + 1);
        let mut rng = dice.borrow_mut();
        let takes = if rng.chance(0.01) { 500 * MS } else { Duration::from_micros(2000 + rng.below(8000)) };
        let sleep = timer.sleep(takes);
        async move {
            sleep.await;
            Ok::<_, std::io::Error>(())
        }
    });
    let options = HedgeOptions { minimum_calls: if hedged { 100 } else { u64::MAX }, ..HedgeOptions::default() };
    let budget = SharedBudget::new(BudgetOptions { ratio: 0.1, ..BudgetOptions::default() }, &world.timer);
    let layer = HedgeLayer::new("replica", options, budget, &world.timer, |(): &()| Some(()));
    let service = layer.layer(backend);
    let latencies = Log::new();
    for client in 0..20 {
        let (mut service, timer, latencies) = (service.clone(), world.timer.clone(), latencies.clone());
        let mut rng = world.rng(&format!("client {client}"));
        world.spawn(async move {
            for _ in 0..CALLS / 20 {
                timer.sleep(Duration::from_micros(rng.below(20_000))).await;
                let began = timer.now();
                service.call(()).await.unwrap();
                latencies.push(timer.now() - began);
            }
        });
    }
    world.run();
    (latencies.take(), arrived.get())
}

#[test]
fn hedging_takes_the_tail_off_for_a_few_calls_more() {
    for seed in [1, 2, 3] {
        let (without, arrived) = latencies(false, seed);
        assert_eq!(arrived, CALLS);
        let (with, arrived) = latencies(true, seed);
        // One in a hundred is slow: the 99.5th percentile is one of those.
        let (before, after) = (quantile(without, 0.995), quantile(with, 0.995));
        assert_eq!(before, 500 * MS, "seed {seed}");
        assert!(after <= 20 * MS, "{after:?}, seed {seed}"); // the delay, and a second call
        let more = f64::from(arrived - CALLS) / f64::from(CALLS);
        assert!((0.02..0.07).contains(&more), "{more} more calls, seed {seed}");
    }
}
