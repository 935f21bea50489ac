//! A backend that is down for twenty seconds, and twenty clients who go on asking.

use std::time::Duration;

use tower::{Layer, Service, service_fn};
use xs_net::breaker::{BreakerLayer, BreakerOptions, Error, State};
use xs_net::timeout::TimeoutLayer;

use crate::{Log, MS, World};

const DOWN: std::ops::Range<Duration> = Duration::from_secs(10)..Duration::from_secs(30);

#[test]
fn a_backend_that_is_down_is_left_alone_and_used_again_when_it_is_back() {
    let mut world = World::new(11);
    let options = BreakerOptions { open_for: Duration::from_secs(1), ..BreakerOptions::default() };
    let layer = BreakerLayer::new("backend", options, &world.timer);
    let handle = layer.handle();
    let (arrived, ended) = (Log::new(), Log::new());
    let (seen, timer, start) = (arrived.clone(), world.timer.clone(), world.start);
    // Down, it takes every call and answers none: the time-out, inside the breaker, makes a failure of it.
    let backend = service_fn(move |()| {
        let (now, timer) = (timer.now() - start, timer.clone());
        seen.push(now);
        async move {
            timer.sleep(if DOWN.contains(&now) { Duration::from_secs(3600) } else { 5 * MS }).await;
            Ok::<_, std::io::Error>(())
        }
    });
    let service = layer.layer(TimeoutLayer::new("backend", 500 * MS, &world.timer).layer(backend));
    for client in 0..20 {
        let (mut service, timer, ended) = (service.clone(), world.timer.clone(), ended.clone());
        let mut rng = world.rng(&format!("client {client}"));
        world.spawn(async move {
            while timer.now() - start < Duration::from_secs(60) {
                timer.sleep(MS * rng.below(200) as u32).await;
                let asked = timer.now() - start;
                let result = service.call(()).await;
                ended.push((asked, timer.now() - start, result));
            }
        });
    }
    world.run();

    let (arrived, ended) = (arrived.take(), ended.take());
    let during = arrived.iter().filter(|at| DOWN.contains(at)).count();
    // Those under way when it opened (a call a client), then trials of three after 1, 2, 4, 8 s, each ending in a time-out.
    assert!(during <= 100 + 5 * 3, "{during} calls to a backend that is down");
    let slow = ended.iter().filter(|(asked, end, _)| *end - *asked >= 500 * MS).count();
    assert!(slow <= during, "{slow} callers waited for a backend that is down");
    let rejected = |result: &Result<(), _>| matches!(result, Err(Error::Rejected(_)));
    let shielded = ended.iter().filter(|(.., result)| rejected(result)).count();
    assert!(shielded > 2000, "{shielded} calls were rejected at once");
    // Nobody is rejected before, and nobody once it has had the longest time open to find out that the backend is back.
    assert!(ended.iter().all(|(asked, _, result)| !rejected(result) || *asked >= DOWN.start));
    let back = DOWN.end + Duration::from_secs(17);
    assert!(ended.iter().all(|(asked, _, result)| !rejected(result) || *asked < back), "seed {}", world.seed);
    assert_eq!(handle.status().state, State::Closed);
}
