//! A thousand callers and a few popular keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tower::{Layer, Service, service_fn};
use xs_net::cache::{CacheLayer, Lifetime};
use xs_os::Clock;
use xs_storage::cache::S3FifoCache;

use crate::{Log, MS, World};

/// How many calls for each key are under way, were at most, and were at all.
type Seen = Arc<Mutex<BTreeMap<u64, (u32, u32, u32)>>>;

/// A call that is counted out when it ends or is dropped.
struct Call(Seen, u64);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.lock().get_mut(&self.1).expect("it was counted in").0 -= 1;
    }
}

#[test]
fn a_thousand_callers_make_one_call_a_key_and_lifetime_although_some_give_up() {
    let mut world = World::new(5);
    let seen = Seen::default();
    let (calls, timer) = (seen.clone(), world.timer.clone());
    let backend = service_fn(move |key: u64| {
        let mut all = calls.lock();
        let counts = all.entry(key).or_default();
        *counts = (counts.0 + 1, counts.1.max(counts.0 + 1), counts.2 + 1);
        let (call, sleep) = (Call(calls.clone(), key), timer.sleep(50 * MS));
        async move {
            let call = call;
            sleep.await;
            Ok::<_, std::io::Error>(call.1 * 10)
        }
    });
    let lifetime = Lifetime::fresh(Duration::from_secs(1));
    let layer = CacheLayer::new("keys", S3FifoCache::new(100), lifetime, &world.timer, |key: &u64| Some(*key));
    let service = layer.layer(backend);
    let (answered, gave_up) = (Log::new(), Log::new());
    for caller in 0..1000 {
        let (mut service, timer) = (service.clone(), world.timer.clone());
        let (answered, gave_up) = (answered.clone(), gave_up.clone());
        let mut rng = world.rng(&format!("caller {caller}"));
        world.spawn(async move {
            for _ in 0..20 {
                timer.sleep(MS * rng.below(500) as u32).await;
                let key = rng.below(10);
                // One in ten has little patience: also leaders give up.
                let patience = if rng.chance(0.1) { MS * rng.below(50) as u32 } else { Duration::from_secs(3600) };
                match timer.timeout(patience, service.call(key)).await {
                    Some(answer) => answered.push(answer.unwrap() == key * 10),
                    None => gave_up.push(()),
                }
            }
        });
    }
    world.run();

    let (answered, gave_up) = (answered.take(), gave_up.take().len());
    assert_eq!(answered.len() + gave_up, 20_000, "seed {}", world.seed);
    assert!(answered.iter().all(|right| *right) && gave_up > 0);
    assert_eq!(layer.in_flight(), 0);
    let seconds = (world.clock.now() - world.start).as_secs_f64().min(11.0);
    for (key, (_, at_once, calls)) in &*seen.lock() {
        assert_eq!(*at_once, 1, "key {key}, seed {}", world.seed);
        // One for each second, and one more for each leader who gave up.
        assert!(*calls <= seconds as u32 + 20, "{calls} calls for key {key}, seed {}", world.seed);
    }
}
