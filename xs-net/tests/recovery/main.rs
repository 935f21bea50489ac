//! The layers that recover, in simulated time: what arrives at a backend that fails, and what its callers get.
//!
//! Everything that happens follows from a seed, which is printed when a test fails: `SEED=… cargo test -p xs-net --test
//! recovery` runs it again.

mod breaker;
mod cache;
mod hedge;
mod retry;
mod stack;

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;
use xs_net::Timer;
use xs_os::{Clock, Rng, VirtualClock};

const MS: Duration = Duration::from_millis(1);

/// A world whose time passes only when nobody has anything left to do.
struct World {
    clock: VirtualClock,
    timer: Timer,
    pool: LocalPool,
    start: Instant,
    seed: u64,
}

impl World {
    /// The world of a seed; the environment's is stronger.
    fn new(seed: u64) -> Self {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(seed);
        println!("SEED={seed}");
        let clock = VirtualClock::new();
        let timer = Timer::new(Arc::new(clock.clone()));
        World { start: clock.now(), clock, timer, pool: LocalPool::new(), seed }
    }

    fn rng(&self, name: &str) -> Rng {
        Rng::from_seed(self.seed).fork(name)
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.pool.spawner().spawn_local(task).expect("the pool lives");
    }

    /// Lets everything happen until nobody waits for the time any more.
    fn run(&mut self) {
        loop {
            self.pool.run_until_stalled();
            let Some(next) = self.clock.next_deadline() else { return };
            self.clock.advance(next.saturating_duration_since(self.clock.now()));
        }
    }
}

/// Values that several tasks write down, in the order in which they do.
struct Log<T>(Rc<RefCell<Vec<T>>>);

impl<T> Log<T> {
    fn new() -> Self {
        Log(Rc::default())
    }

    fn push(&self, value: T) {
        self.0.borrow_mut().push(value);
    }

    fn take(&self) -> Vec<T> {
        self.0.take()
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Log(self.0.clone())
    }
}

/// The value that the share `quantile` of them does not exceed.
fn quantile(mut values: Vec<Duration>, quantile: f64) -> Duration {
    values.sort_unstable();
    values[((values.len() as f64 * quantile).ceil() as usize).clamp(1, values.len()) - 1]
}
