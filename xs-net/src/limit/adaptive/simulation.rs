//! The policies in front of a simulated server: so many workers, a queue, and twice the requests that it can serve.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use xs_os::{Clock, Nanos, Rng, VirtualClock};

use super::*;

/// A server with `workers`, on which a call takes 8 to 12 ms, and a queue without a bound.
struct Server {
    workers: usize,
    rng: Rng,
    /// When calls end, and which.
    running: BinaryHeap<Reverse<(Nanos, usize)>>,
    queue: VecDeque<usize>,
    /// Of each call: when it began, and how many were under way.
    calls: Vec<(Nanos, usize)>,
}

/// What happened in a stretch of the simulation.
#[derive(Debug)]
struct Outcome {
    /// The mean of the limit.
    limit: f64,
    /// Calls served, by what the server could have served.
    used: f64,
    /// The mean latency.
    latency: Duration,
}

impl Server {
    fn new(workers: usize, seed: u64) -> Self {
        Server {
            workers,
            rng: Rng::from_seed(seed),
            running: BinaryHeap::new(),
            queue: VecDeque::new(),
            calls: Vec::new(),
        }
    }

    fn in_flight(&self) -> usize {
        self.running.len() + self.queue.len()
    }

    fn start(&mut self, now: Nanos) {
        while self.running.len() < self.workers {
            let Some(call) = self.queue.pop_front() else { return };
            let takes = Duration::from_micros(8000 + self.rng.below(4000));
            self.running.push(Reverse((now + takes, call)));
        }
    }

    /// Lets `load` times what the server can serve arrive, at random moments.
    fn run(&mut self, policy: &mut impl Adapt, from: Nanos, length: Duration, load: f64) -> Outcome {
        let (until, mut arrival) = (from + length, from);
        let (mut limits, mut arrivals, mut served, mut waited) = (0, 0, 0_u32, Duration::ZERO);
        while arrival < until {
            while let Some(Reverse((now, call))) =
                self.running.peek().copied().filter(|Reverse((at, _))| *at <= arrival)
            {
                self.running.pop();
                let (started, in_flight) = self.calls[call];
                policy.update(&Sample { started, ended: now, in_flight, overload: false });
                (served, waited) = (served + 1, waited + (now - started));
                self.start(now);
            }
            if self.in_flight() < policy.limit() {
                self.calls.push((arrival, self.in_flight() + 1));
                self.queue.push_back(self.calls.len() - 1);
                self.start(arrival);
            }
            (limits, arrivals) = (limits + policy.limit(), arrivals + 1);
            let mean = 0.010 / (self.workers as f64 * load);
            arrival += Duration::from_secs_f64(-mean * (1.0 - self.rng.unit()).ln());
        }
        let could = self.workers as f64 * length.as_secs_f64() / 0.010;
        Outcome {
            limit: limits as f64 / f64::from(arrivals),
            used: f64::from(served) / could,
            latency: waited / served.max(1),
        }
    }
}

/// A minute to learn, and a minute that counts.
fn learn_and_run(policy: &mut impl Adapt, server: &mut Server, start: &mut Nanos) -> Outcome {
    let minute = Duration::from_secs(60);
    server.run(policy, *start, minute, 2.0);
    let outcome = server.run(policy, *start + minute, minute, 2.0);
    *start += 2 * minute;
    outcome
}

fn finds_the_capacity(policy: &mut impl Adapt, most: impl Fn(f64) -> f64) {
    let mut start = VirtualClock::new().nanos();
    let mut server = Server::new(20, 1);
    // The capacity becomes five times as much, and then a tenth of that.
    for workers in [20, 100, 10] {
        server.workers = workers;
        let outcome = learn_and_run(policy, &mut server, &mut start);
        let capacity = workers as f64;
        assert!(outcome.limit > 0.9 * capacity && outcome.limit < most(capacity), "{workers} workers: {outcome:?}");
        assert!(outcome.used > 0.9, "{workers} workers: {outcome:?}");
        // By Little's law, if nothing but the limit makes calls wait.
        assert!(
            outcome.latency < Duration::from_millis(12).mul_f64(most(capacity) / capacity),
            "{workers}: {outcome:?}"
        );
    }
}

#[test]
fn aimd_finds_the_capacity() {
    // Slow is a quarter longer than without a queue.
    let options = AimdOptions { slow: Duration::from_micros(15_000), ..AimdOptions::default() };
    finds_the_capacity(&mut Aimd::new(options).unwrap(), |capacity| 1.5 * capacity);
}

#[test]
fn the_gradient_finds_the_capacity_without_being_told_what_slow_is() {
    let rests = |capacity: f64| 1.15 * capacity + 2.0 * capacity.sqrt();
    finds_the_capacity(&mut Gradient::new(GradientOptions::default()).unwrap(), rests);
}

#[test]
fn a_first_limit_far_above_the_capacity_is_not_taken_for_normal() {
    let (mut start, mut server) = (VirtualClock::new().nanos(), Server::new(20, 2));
    let mut policy = Gradient::new(GradientOptions { initial: 1000, ..GradientOptions::default() }).unwrap();
    let outcome = learn_and_run(&mut policy, &mut server, &mut start);
    assert!(outcome.limit < 40.0, "{outcome:?}");
    assert!(policy.baseline().is_some_and(|baseline| baseline < Duration::from_millis(13)), "{policy:?}");
}

#[test]
fn a_quiet_night_does_not_raise_the_limit() {
    let start = VirtualClock::new().nanos();
    let mut aimd = Aimd::new(AimdOptions::default()).unwrap();
    let mut gradient = Gradient::new(GradientOptions::default()).unwrap();
    let hour = Duration::from_secs(3600);
    assert!(Server::new(100, 3).run(&mut aimd, start, hour, 0.01).limit < 21.0);
    assert!(Server::new(100, 3).run(&mut gradient, start, hour, 0.01).limit < 21.0);
}

#[test]
fn what_is_no_number_makes_no_policy() {
    let of = |error: InvalidOptions| error.to_string();
    let aimd = |change: fn(&mut AimdOptions)| {
        let mut options = AimdOptions::default();
        change(&mut options);
        Aimd::new(options).map(|aimd| aimd.limit()).map_err(of)
    };
    assert_eq!(aimd(|options| options.initial = 5000), Ok(1000));
    for change in [
        (|options| options.backoff = f64::NAN) as fn(&mut AimdOptions),
        |options| options.backoff = 1.0,
        |options| options.backoff = -0.1,
        |options| options.backoff = f64::INFINITY,
        |options| options.min = 0,
        |options| options.max = 0,
    ] {
        assert!(aimd(change).is_err());
    }
    let gradient = |change: fn(&mut GradientOptions)| {
        let mut options = GradientOptions::default();
        change(&mut options);
        Gradient::new(options).map(|gradient| gradient.limit()).map_err(of)
    };
    assert_eq!(gradient(|options| options.initial = 0), Ok(4));
    let said = gradient(|options| options.tolerance = f64::NAN);
    assert_eq!(said, Err("tolerance of NaN: it must be a number of at least 1".into()));
    for change in [
        (|options| options.tolerance = 0.9) as fn(&mut GradientOptions),
        |options| options.tolerance = f64::INFINITY,
        |options| options.smoothing = f64::NAN,
        |options| options.smoothing = 0.0,
        |options| options.smoothing = 1.1,
        |options| (options.min, options.max) = (3, 2),
    ] {
        assert!(gradient(change).is_err());
    }
}

#[test]
fn endless_latencies_saturate() {
    let (start, never) = (VirtualClock::new().nanos(), Duration::from_secs(u64::MAX >> 2));
    // A clock that jumps by more than the age of the world, and calls that took no time at all.
    let end = start + never;
    let mut aimd = Aimd::new(AimdOptions::default()).unwrap();
    let mut gradient = Gradient::new(GradientOptions { min_samples: 1, ..GradientOptions::default() }).unwrap();
    for (started, ended) in [(start, start), (start, end), (end, start), (end, end), (start, end)].repeat(100) {
        for in_flight in [0, usize::MAX] {
            let sample = Sample { started, ended, in_flight, overload: false };
            aimd.update(&sample);
            gradient.update(&sample);
            assert!((1..=1000).contains(&aimd.limit()) && (4..=1000).contains(&gradient.limit()));
        }
    }
}

proptest! {
    #[test]
    fn limits_stay_within_their_bounds(
        samples in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<usize>(), any::<bool>()), 0..200),
    ) {
        let start = VirtualClock::new().nanos();
        let (initial, min, max) = (5, 3, 9);
        let mut aimd = Aimd::new(AimdOptions { initial, min, max, ..AimdOptions::default() }).unwrap();
        let mut gradient = Gradient::new(GradientOptions { initial, min, max, min_samples: 1, ..GradientOptions::default() }).unwrap();
        for (started, ended, in_flight, overload) in samples {
            let at = |micros| start + Duration::from_micros(u64::from(micros));
            let sample = Sample { started: at(started), ended: at(ended), in_flight: in_flight / 2, overload };
            aimd.update(&sample);
            gradient.update(&sample);
            prop_assert!((min..=max).contains(&aimd.limit()));
            prop_assert!((min..=max).contains(&gradient.limit()));
        }
    }
}
