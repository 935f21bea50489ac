//! What an endpoint has to do at the moment, and how long it takes: [`Load`] and the token of a call under way.
//!
//! The latency is a *peak* average, exponentially weighted: a slower answer than expected is believed at once, a faster one
//! by and by. So one slow answer is enough to be avoided, and time alone heals: the estimate of an endpoint that is not
//! called fades, until somebody tries it again.
//!
//! Who was `k` times slower than the others and is well again gets its next call after about `tau · ln k`, while the others
//! have nothing to wait for: 46 s for a hundredfold at 10 s. It comes back as soon as it is needed, because the cost of the
//! others grows with each call that waits there. This is Finagle's rule, with its 10 s, and linkerd's; whoever would rather
//! try again earlier, and pay for it with more slow calls, takes a shorter `tau`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::outcome::Outcome;

/// How latencies are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOptions {
    /// The time in which the weight of an old answer falls to 1/e. Default 10 s. Who was slow comes back after this times the
    /// logarithm of how many times slower it was, or when it is needed.
    pub tau: Duration,
    /// What is assumed of an endpoint that is called and has not answered anything yet. Default 1 s: it gets a call, and
    /// more only after it has answered that, or when everybody else is busy.
    pub unknown: Duration,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions { tau: Duration::from_secs(10), unknown: Duration::from_secs(1) }
    }
}

/// What an endpoint has to do, shared by all who call it. Atomics only: nobody waits for anybody.
#[derive(Debug)]
pub struct Load {
    born: Instant,
    /// Nanoseconds.
    tau: f64,
    /// Nanoseconds.
    unknown: f64,
    outstanding: AtomicU32,
    /// When the average was last brought up to date, in nanoseconds since `born`.
    stamp: AtomicU64,
    /// The bits of the average in nanoseconds; zero: nothing is known.
    average: AtomicU64,
    successes: AtomicU32,
    failures: AtomicU32,
    in_a_row: AtomicU32,
    /// When a call last ended well, in nanoseconds since `born`.
    well: AtomicU64,
}

impl Load {
    /// Nothing to do and nothing known.
    pub fn new(options: &LoadOptions, now: Instant) -> Self {
        Load {
            born: now,
            tau: (options.tau.as_nanos() as f64).max(1.0),
            unknown: options.unknown.as_nanos() as f64,
            outstanding: AtomicU32::new(0),
            stamp: AtomicU64::new(0),
            average: AtomicU64::new(0),
            successes: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            in_a_row: AtomicU32::new(0),
            well: AtomicU64::new(0),
        }
    }

    /// The calls under way.
    pub fn outstanding(&self) -> u32 {
        self.outstanding.load(Relaxed)
    }

    /// The peak average of the latency, as it has faded by now; zero: nothing is known.
    pub fn latency(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.faded(now) as u64)
    }

    /// Latency × (calls under way + 1), in nanoseconds: about how long a call more would take.
    pub fn cost(&self, now: Instant) -> f64 {
        let outstanding = f64::from(self.outstanding());
        let latency = match self.faded(now) {
            0.0 if outstanding > 0.0 => self.unknown,
            latency => latency,
        };
        latency * (outstanding + 1.0)
    }

    /// A call begins.
    pub fn begin(self: &Arc<Self>, now: Instant) -> Outstanding {
        self.outstanding.fetch_add(1, Relaxed);
        Outstanding { load: self.clone(), stage: Stage::Asked(now) }
    }

    /// Failures since the last success.
    pub fn failures_in_a_row(&self) -> u32 {
        self.in_a_row.load(Relaxed)
    }

    /// Successes and failures since this was last asked.
    pub(super) fn take_tally(&self) -> (u32, u32) {
        (self.successes.swap(0, Relaxed), self.failures.swap(0, Relaxed))
    }

    pub(super) fn forgive(&self) {
        self.in_a_row.store(0, Relaxed);
        self.take_tally();
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.born).as_nanos()).unwrap_or(u64::MAX)
    }

    fn faded(&self, now: Instant) -> f64 {
        let average = f64::from_bits(self.average.load(Relaxed));
        if average == 0.0 {
            return 0.0;
        }
        average * self.fade(self.nanos(now).saturating_sub(self.stamp.load(Relaxed)))
    }

    /// What is left after so many nanoseconds.
    fn fade(&self, nanos: u64) -> f64 {
        (-(nanos as f64) / self.tau).exp()
    }

    /// A call ended after `latency`. A success counts in full, all else only if it is slower than expected. Answers the
    /// average's bits before that.
    fn record(&self, now: Instant, latency: Duration, outcome: Outcome) -> u64 {
        let nanos = self.nanos(now);
        // Whoever moves the stamp fades the average for exactly the time by which it was moved: each stretch of time
        // counts once, however many record at once.
        let before = self.stamp.fetch_max(nanos, Relaxed);
        let kept = self.fade(nanos.saturating_sub(before));
        let sample = latency.as_nanos() as f64;
        let next = |bits| {
            let average = f64::from_bits(bits);
            let next = match outcome {
                // Nothing is known of who has only ever failed.
                Outcome::Failure if average == 0.0 => sample.max(self.unknown),
                // Nothing has healed: what was known before counts from now on again.
                Outcome::Failure => average.max(sample),
                Outcome::Ignored => (average * kept).max(sample),
                // The first answer of all, too, is a peak.
                Outcome::Success if sample >= average => sample,
                Outcome::Success => average * kept + sample * (1.0 - kept),
            };
            Some(next.to_bits())
        };
        self.average.fetch_update(Relaxed, Relaxed, next).unwrap_or_else(|bits| bits)
    }

    /// What began to answer at `head` has failed: the average is again what it was `before`, unless a call has ended well since.
    fn take_back(&self, before: u64, head: Instant) {
        if self.well.load(Relaxed) <= self.nanos(head) {
            // Nothing is known of who has only ever failed.
            let before = if before == 0 { self.unknown } else { f64::from_bits(before) };
            let higher = |bits| Some(f64::from_bits(bits).max(before).to_bits());
            let _ = self.average.fetch_update(Relaxed, Relaxed, higher);
        }
    }
}

/// A call under way. Dropping it ends the call without saying anything about it.
#[derive(Debug)]
#[must_use = "the call counts as long as this lives"]
pub struct Outstanding {
    load: Arc<Load>,
    stage: Stage,
}

/// How far a call is.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// It was picked then, or asked.
    Asked(Instant),
    /// The head of the answer came at this moment, and the average's bits were these before it did.
    Answering { head: Instant, before: u64 },
}

impl Outstanding {
    /// The load that this is a part of.
    pub fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// The request leaves now. What was waited for until then (a place, a connection) is work under way and no latency.
    pub fn asked(&mut self, now: Instant) {
        if let Stage::Asked(began) = &mut self.stage {
            *began = now;
        }
    }

    /// The answer has begun: how long that took is its latency, whatever comes of the rest and however long it takes. It still
    /// counts as under way, and how it [ends](Outstanding::end) is still to be said.
    pub fn began_to_answer(&mut self, now: Instant, outcome: Outcome) {
        if let Stage::Asked(began) = self.stage {
            let before = self.load.record(now, now.saturating_duration_since(began), outcome);
            self.stage = Stage::Answering { head: now, before };
        }
    }

    /// The call has ended. Answers how many calls in a row have failed by now.
    ///
    /// Only a success can make the endpoint look faster than before: a broken one often fails in no time, and if that
    /// looked fast, it would attract everything. It doesn't fade while it fails, either, and what the head of an answer has
    /// said is taken back when the rest breaks off. A call that somebody stopped waiting for took at least as long as it was
    /// under way.
    pub fn end(self, now: Instant, outcome: Outcome) -> u32 {
        self.answered(now, outcome)
    }

    /// Like [`end`](Outstanding::end), but the call goes on: a connection was taken, and lives. It counts as under way until
    /// this is dropped, and how long that takes says nothing.
    pub fn answered(&self, now: Instant, outcome: Outcome) -> u32 {
        let load = &self.load;
        match self.stage {
            Stage::Asked(began) => {
                load.record(now, now.saturating_duration_since(began), outcome);
            }
            Stage::Answering { head, before } if outcome == Outcome::Failure => load.take_back(before, head),
            Stage::Answering { .. } => {}
        }
        match outcome {
            Outcome::Success => {
                load.well.fetch_max(load.nanos(now), Relaxed);
                load.successes.fetch_add(1, Relaxed);
                load.in_a_row.store(0, Relaxed);
                0
            }
            Outcome::Failure => {
                load.failures.fetch_add(1, Relaxed);
                load.in_a_row.fetch_add(1, Relaxed).saturating_add(1)
            }
            Outcome::Ignored => load.in_a_row.load(Relaxed),
        }
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.load.outstanding.fetch_sub(1, Relaxed);
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use xs_os::{Clock, VirtualClock};

    const MS: Duration = Duration::from_millis(1);

    fn answer(load: &Arc<Load>, clock: &VirtualClock, after: Duration, outcome: Outcome) {
        let call = load.begin(clock.now());
        clock.advance(after);
        call.end(clock.now(), outcome);
    }

    #[test]
    fn it_rises_to_the_peak_at_once_and_comes_down_with_tau() {
        let clock = VirtualClock::new();
        let load = Arc::new(Load::new(&LoadOptions::default(), clock.now()));
        answer(&load, &clock, 10 * MS, Outcome::Success);
        assert_eq!(load.latency(clock.now()), 10 * MS);
        answer(&load, &clock, 100 * MS, Outcome::Success);
        assert_eq!(load.latency(clock.now()), 100 * MS);
        // A thousand fast answers within a second hardly help; a tau later it has come down by 1 − 1/e of the way.
        for _ in 0..10_000 {
            answer(&load, &clock, MS, Outcome::Success);
        }
        let latency = load.latency(clock.now()).as_secs_f64() * 1e3;
        let expected = 1.0 + 99.0 / std::f64::consts::E;
        assert!((latency - expected).abs() < 0.1, "{latency} ms, expected {expected}");
    }

    #[test]
    fn time_alone_heals() {
        let clock = VirtualClock::new();
        let load = Arc::new(Load::new(&LoadOptions::default(), clock.now()));
        answer(&load, &clock, Duration::from_secs(1), Outcome::Success);
        clock.advance(Duration::from_secs(10));
        let latency = load.latency(clock.now()).as_secs_f64();
        assert!((latency - 1.0 / std::f64::consts::E).abs() < 1e-6, "{latency}");
    }

    #[test]
    fn failing_fast_does_not_look_fast_and_giving_up_looks_slow() {
        let clock = VirtualClock::new();
        let load = Arc::new(Load::new(&LoadOptions::default(), clock.now()));
        answer(&load, &clock, 50 * MS, Outcome::Success);
        for nth in 1..=20 {
            assert_eq!(load.begin(clock.now()).end(clock.now(), Outcome::Failure), nth);
        }
        assert_eq!(load.latency(clock.now()), 50 * MS);
        answer(&load, &clock, 900 * MS, Outcome::Ignored);
        assert_eq!(load.latency(clock.now()), 900 * MS);
        assert_eq!(load.take_tally(), (1, 20));
        assert_eq!(load.take_tally(), (0, 0));
    }

    #[test]
    fn failing_for_long_does_not_look_fast_either() {
        let clock = VirtualClock::new();
        let load = Arc::new(Load::new(&LoadOptions::default(), clock.now()));
        answer(&load, &clock, 50 * MS, Outcome::Success);
        for _ in 0..10_000 {
            clock.advance(9 * MS);
            answer(&load, &clock, MS, Outcome::Failure);
        }
        assert_eq!(load.latency(clock.now()), 50 * MS);
        // Left alone it may be tried again, and looks as before if it fails again.
        clock.advance(Duration::from_secs(30));
        assert!(load.latency(clock.now()) < 3 * MS);
        answer(&load, &clock, MS, Outcome::Failure);
        assert_eq!(load.latency(clock.now()), 50 * MS);
        // Who has never worked looks like whoever is not known.
        let load = Arc::new(Load::new(&LoadOptions::default(), clock.now()));
        answer(&load, &clock, MS, Outcome::Failure);
        assert_eq!(load.latency(clock.now()), LoadOptions::default().unknown);
    }

    #[test]
    fn who_has_not_answered_yet_is_taken_for_slow_while_it_is_asked() {
        let clock = VirtualClock::new();
        let load = Arc::new(Load::new(&LoadOptions::default(), clock.now()));
        assert_eq!(load.cost(clock.now()), 0.0);
        let call = load.begin(clock.now());
        assert_eq!(load.cost(clock.now()), 2e9);
        drop(call);
        assert_eq!((load.outstanding(), load.cost(clock.now())), (0, 0.0));
    }

    #[test]
    fn what_comes_after_the_beginning_of_an_answer_is_load_and_no_latency() {
        let clock = VirtualClock::new();
        let load = Arc::new(Load::new(&LoadOptions::default(), clock.now()));
        for outcome in [Outcome::Success, Outcome::Ignored] {
            let mut call = load.begin(clock.now());
            clock.advance(10 * MS);
            call.began_to_answer(clock.now(), Outcome::Success);
            assert_eq!((load.latency(clock.now()), load.outstanding()), (10 * MS, 1));
            clock.advance(MS);
            call.began_to_answer(clock.now(), Outcome::Success);
            assert!(load.latency(clock.now()) < 10 * MS, "it is told once");
            clock.advance(Duration::from_secs(60));
            let fails = call.end(clock.now(), outcome);
            assert!(load.latency(clock.now()) < MS, "{outcome:?}");
            assert_eq!((load.outstanding(), fails), (0, 0));
        }
        assert_eq!(load.take_tally(), (1, 0));
    }

    #[test]
    fn what_comes_before_the_request_leaves_is_load_and_no_latency() {
        let clock = VirtualClock::new();
        let load = Arc::new(Load::new(&LoadOptions::default(), clock.now()));
        let mut call = load.begin(clock.now());
        clock.advance(Duration::from_secs(3));
        assert_eq!(load.outstanding(), 1);
        call.asked(clock.now());
        clock.advance(10 * MS);
        call.began_to_answer(clock.now(), Outcome::Success);
        call.asked(clock.now());
        call.end(clock.now(), Outcome::Success);
        assert_eq!(load.latency(clock.now()), 10 * MS);
    }

    #[test]
    fn who_answers_fast_and_breaks_off_does_not_look_fast() {
        let clock = VirtualClock::new();
        let load = Arc::new(Load::new(&LoadOptions::default(), clock.now()));
        let breaks_off = |load: &Arc<Load>, after: Duration| {
            let mut call = load.begin(clock.now());
            clock.advance(MS);
            call.began_to_answer(clock.now(), Outcome::Success);
            clock.advance(after);
            call.end(clock.now(), Outcome::Failure)
        };
        // Who has never brought an answer to its end is as slow as whoever is not known.
        assert_eq!(breaks_off(&load, MS), 1);
        assert!(load.latency(clock.now()) > 990 * MS, "{:?}", load.latency(clock.now()));
        let load = Arc::new(Load::new(&LoadOptions::default(), clock.now()));
        answer(&load, &clock, 50 * MS, Outcome::Success);
        for nth in 1..=10_000 {
            clock.advance(8 * MS);
            assert_eq!(breaks_off(&load, MS), nth);
            assert!(load.latency(clock.now()) > 49 * MS, "after {nth} it looks like {:?}", load.latency(clock.now()));
        }
        // One that ended well meanwhile has the last word.
        let mut call = load.begin(clock.now());
        clock.advance(MS);
        call.began_to_answer(clock.now(), Outcome::Success);
        clock.advance(Duration::from_secs(60));
        answer(&load, &clock, MS, Outcome::Success);
        let known = load.latency(clock.now());
        assert!(known < 2 * MS, "{known:?}");
        call.end(clock.now(), Outcome::Failure);
        assert_eq!(load.latency(clock.now()), known);
    }

    #[test]
    fn threads_lose_neither_a_call_nor_a_peak() {
        let now = VirtualClock::new().now();
        let load = Arc::new(Load::new(&LoadOptions::default(), now));
        let work = |thread: u64| {
            let load = load.clone();
            move || {
                for n in 0..2000_u64 {
                    let call = load.begin(now);
                    // The peak of all comes in the middle of one thread's work; nothing fades, as no time passes.
                    let latency = if (thread, n) == (1, 1000) { 9 * MS } else { MS };
                    load.record(now, latency, Outcome::Success);
                    drop(call);
                }
            }
        };
        std::thread::scope(|scope| (0..2).for_each(|thread| drop(scope.spawn(work(thread)))));
        assert_eq!(load.outstanding(), 0);
        assert_eq!(load.latency(now), 9 * MS);
    }
}
