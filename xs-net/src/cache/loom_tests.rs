//! Leaders that are dropped, seats that are given up and callers who come, in every order.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use loom::sync::Notify;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use xs_os::VirtualClock;
use xs_storage::cache::LruCache;

use super::flight::{Lead, News, Plan, Shared};
use super::{Lifetime, Stored};
use crate::Timer;

type Cache = LruCache<u32, Stored<u32>>;
type TestShared = Arc<Shared<u32, u32, &'static str, Cache>>;

const KEY: u32 = 1;

struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// What the callers of one model share.
#[derive(Clone)]
struct World {
    shared: TestShared,
    /// How many make the call at this moment, and how many have made it to its end.
    leading: Arc<AtomicUsize>,
    landed: Arc<AtomicUsize>,
}

impl World {
    fn new() -> Self {
        let timer = Timer::new(Arc::new(VirtualClock::new()));
        let shared = Arc::new(Shared::new("test", &timer, LruCache::new(4)));
        World { shared, leading: Arc::new(AtomicUsize::new(0)), landed: Arc::new(AtomicUsize::new(0)) }
    }

    fn led(&self, lead: Lead<u32, u32, &'static str, Cache>) -> Led {
        assert_eq!(self.leading.fetch_add(1, Ordering::SeqCst), 0, "two make the call");
        Led { lead: Some(lead), leading: self.leading.clone() }
    }

    /// Asks until there is an answer, and makes the call if it is this one's turn. An answer that is always there is the
    /// point: a lost wake-up stops the model.
    fn ask(&self) -> u32 {
        let mut seat = match self.shared.plan(KEY) {
            Plan::Answer(answer) => return answer,
            Plan::Refresh(..) => unreachable!("time stands still"),
            Plan::Lead(lead) => return self.land(self.led(lead)),
            Plan::Wait(seat) => seat,
        };
        let bell = Arc::new(Bell(Notify::new()));
        let waker = Waker::from(bell.clone());
        loop {
            match seat.poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => bell.0.wait(),
                Poll::Ready(News::Landed(answer)) => {
                    return answer.unwrap_or_else(|_| panic!("no call fails here"));
                }
                Poll::Ready(News::Lead(lead)) => return self.land(self.led(lead)),
            }
        }
    }

    fn land(&self, mut led: Led) -> u32 {
        self.landed.fetch_add(1, Ordering::SeqCst);
        // Until it lands nobody else may lead, and from then on somebody may.
        led.leading.fetch_sub(1, Ordering::SeqCst);
        let lead = led.lead.take().expect("it was not dropped");
        let lifetime = |_: &u32| Lifetime::fresh(Duration::from_secs(1));
        lead.finish(Ok(7), lifetime).unwrap_or_else(|_| panic!("the call has not failed"))
    }
}

/// Whoever makes the call. Dropped, it gives up.
struct Led {
    lead: Option<Lead<u32, u32, &'static str, Cache>>,
    leading: Arc<AtomicUsize>,
}

impl Drop for Led {
    fn drop(&mut self) {
        if self.lead.is_some() {
            // Before the lead passes on.
            self.leading.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn first(world: &World) -> Led {
    match world.shared.plan(KEY) {
        Plan::Lead(lead) => world.led(lead),
        _ => unreachable!("nobody has asked before"),
    }
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

#[test]
fn whoever_comes_while_the_leader_goes_gets_an_answer() {
    model(|| {
        let world = World::new();
        let led = first(&world);
        let caller = {
            let world = world.clone();
            thread::spawn(move || world.ask())
        };
        drop(led);
        assert_eq!(world.ask(), 7);
        assert_eq!(caller.join().unwrap(), 7);
        assert_eq!((world.shared.flights(), world.landed.load(Ordering::SeqCst)), (0, 1));
    });
}

#[test]
fn a_seat_that_is_given_up_as_the_leader_goes_keeps_nobody_waiting_and_leaves_no_flight() {
    model(|| {
        let world = World::new();
        let led = first(&world);
        let Plan::Wait(seat) = world.shared.plan(KEY) else { unreachable!("somebody leads") };
        let quitter = thread::spawn(move || drop(seat));
        let caller = {
            let world = world.clone();
            thread::spawn(move || world.ask())
        };
        drop(led);
        quitter.join().unwrap();
        assert_eq!(caller.join().unwrap(), 7);
        assert_eq!((world.shared.flights(), world.landed.load(Ordering::SeqCst)), (0, 1));
    });
}

#[test]
fn a_flight_that_everybody_gives_up_is_forgotten() {
    model(|| {
        let world = World::new();
        let led = first(&world);
        let seats = [(); 2].map(|()| match world.shared.plan(KEY) {
            Plan::Wait(seat) => seat,
            _ => unreachable!("somebody leads"),
        });
        let quitters = seats.map(|seat| thread::spawn(move || drop(seat)));
        drop(led);
        quitters.into_iter().for_each(|quitter| quitter.join().unwrap());
        assert_eq!((world.shared.flights(), world.landed.load(Ordering::SeqCst)), (0, 0));
        assert_eq!(world.ask(), 7);
    });
}
