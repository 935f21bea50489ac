//! The policies against models that remember everything and try every nanosecond.

use std::fmt::Debug;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use xs_os::{Clock, Nanos, VirtualClock};

use super::*;

/// What passed: when, in nanoseconds from the start, and how much.
pub(super) type History = Vec<(u64, u64)>;

fn sum(history: &[(u64, u64)], keep: impl Fn(u64) -> bool) -> u64 {
    history.iter().filter(|(at, _)| keep(*at)).map(|(_, cost)| cost).sum()
}

/// A bucket by its definition: in no stretch of time that ends now has more passed than the burst and what the rate
/// allows.
fn bucket(rate: Rate, burst: u64, history: &History, now: u64, cost: u64) -> bool {
    history.iter().map(|(at, _)| *at).chain([now]).all(|from| {
        let passed = u128::from(sum(history, |at| at >= from) + cost);
        let period = rate.period().as_nanos();
        passed * period <= u128::from(burst) * period + u128::from(rate.amount()) * u128::from(now - from)
    })
}

/// Where the window began that the last request fell into.
fn window_start(history: &History, period: u64, windows: u64) -> Option<u64> {
    history.iter().fold(None, |start, (at, _)| match start {
        Some(start) if at - start < windows * period => Some(start + (at - start) / period * period),
        _ => Some(*at),
    })
}

fn fixed(rate: Rate, history: &History, now: u64, cost: u64) -> bool {
    let (limit, period) = (rate.amount(), rate.period().as_nanos() as u64);
    match window_start(history, period, 1) {
        Some(start) if now - start < period => sum(history, |at| at >= start) + cost <= limit,
        _ => true,
    }
}

fn sliding_log(rate: Rate, history: &History, now: u64, cost: u64) -> bool {
    let (limit, period) = (rate.amount(), rate.period().as_nanos() as u64);
    sum(history, |at| now - at < period) + cost <= limit
}

fn sliding_counter(rate: Rate, history: &History, now: u64, cost: u64) -> bool {
    let (limit, period) = (rate.amount(), rate.period().as_nanos() as u64);
    match window_start(history, period, 2) {
        Some(start) if now - start < 2 * period => {
            let start = start + (now - start) / period * period;
            let before = sum(history, |at| at < start && start - at <= period);
            let used = sum(history, |at| at >= start);
            // The estimate is below the limit, without dividing.
            before * (period - (now - start)) + (used + cost) * period <= limit * period
        }
        _ => true,
    }
}

/// A step of a trace: the pause before it, the cost, the patience.
pub(super) type Step = (u64, u64, u64);

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![4 => 0_u64..8, 1 => 0_u64..200];
    let patience = prop_oneof![2 => Just(0_u64), 2 => 0_u64..40];
    vec((pause, 0_u64..8, patience), 1..60)
}

pub(super) fn rates() -> impl Strategy<Value = Rate> {
    (1_u64..9, 1_u64..40).prop_map(|(amount, period)| Rate::new(amount, Duration::from_nanos(period)).unwrap())
}

/// Replays a trace on the policy and on the model of what may pass, and returns what passed.
fn replay<P: Policy>(policy: &P, steps: &[Step], passes: impl Fn(&History, u64, u64) -> bool) -> History {
    let mut state = P::State::default();
    let ask = |at, cost, patience| {
        let answer = policy.reserve(&mut state, at, cost, patience);
        fresh_is_fresh(policy, &state, at);
        answer
    };
    follow(policy.capacity(), steps, ask, passes)
}

/// Asks what is asked in a trace, beside a model of what may pass that is asked for every nanosecond until it says yes, and
/// returns what passed.
pub(super) fn follow(
    capacity: u64,
    steps: &[Step],
    mut ask: impl FnMut(Nanos, u64, Duration) -> Result<Duration, Denied>,
    passes: impl Fn(&History, u64, u64) -> bool,
) -> History {
    let start = VirtualClock::new().nanos();
    let (mut history, mut now) = (History::new(), 0);
    for &(pause, cost, patience) in steps {
        now += pause;
        let answer = ask(start + Duration::from_nanos(now), cost, Duration::from_nanos(patience));
        if cost == 0 {
            assert_eq!(answer, Ok(Duration::ZERO));
        } else if cost > capacity {
            assert_eq!(answer, Err(Denied::TooLarge { cost, capacity }));
        } else {
            let first = history.last().map_or(now, |(last, _)| now.max(*last));
            let moment = (first..).find(|moment| passes(&history, *moment, cost)).unwrap();
            let wait = moment - now;
            if wait <= patience {
                assert_eq!(answer, Ok(Duration::from_nanos(wait)), "cost {cost} at {now} after {history:?}");
                history.push((moment, cost));
            } else {
                let retry_after_nanos = wait - patience;
                assert_eq!(answer, Err(Denied::Busy { retry_after_nanos }), "cost {cost} at {now} after {history:?}");
            }
        }
    }
    history
}

/// From `fresh_at` on, the state answers like a new one.
fn fresh_is_fresh<P: Policy>(policy: &P, state: &P::State, now: Nanos) {
    let Some(fresh) = policy.fresh_at(state) else { return };
    for cost in 1..=policy.capacity().min(3) {
        let (mut old, mut new) = (state.clone(), P::State::default());
        for pause in [0, 0, 1, 3, 10, 0, 0] {
            let at = fresh.max(now) + Duration::from_nanos(pause);
            let patience = Duration::from_nanos(2);
            let answers = (policy.reserve(&mut old, at, cost, patience), policy.reserve(&mut new, at, cost, patience));
            assert_eq!(answers.0, answers.1, "{state:?} is no longer fresh at {fresh:?}");
        }
    }
}

/// The most that passed in any stretch of `length` nanoseconds.
pub(super) fn densest(history: &History, length: u64) -> u64 {
    history.iter().map(|(from, _)| sum(history, |at| at >= *from && at - from < length)).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn the_three_forms_of_the_bucket_are_its_definition(rate in rates(), burst in 1_u64..12, steps in steps()) {
        let passes = |history: &History, now, cost| bucket(rate, burst, history, now, cost);
        let tokens = replay(&TokenBucket::new(rate, burst), &steps, passes);
        let water = replay(&LeakyBucket::new(rate, burst), &steps, passes);
        let cells = replay(&Gcra::new(rate, burst), &steps, passes);
        prop_assert_eq!(&tokens, &water);
        prop_assert_eq!(&tokens, &cells);
        for length in [1, 5, 17, 100] {
            let earned = rate.amount() * length / rate.period().as_nanos() as u64;
            prop_assert!(densest(&tokens, length) <= burst + earned);
        }
    }

    #[test]
    fn a_fixed_window_lets_through_at_most_twice_its_amount_in_a_period(rate in rates(), steps in steps()) {
        let history = replay(&FixedWindow::new(rate), &steps, |history, now, cost| fixed(rate, history, now, cost));
        prop_assert!(densest(&history, rate.period().as_nanos() as u64) <= 2 * rate.amount());
    }

    #[test]
    fn a_sliding_log_is_exact(rate in rates(), steps in steps()) {
        let history = replay(&SlidingLog::new(rate), &steps, |history, now, cost| sliding_log(rate, history, now, cost));
        prop_assert!(densest(&history, rate.period().as_nanos() as u64) <= rate.amount());
    }

    #[test]
    fn a_sliding_counter_is_its_estimate(rate in rates(), steps in steps()) {
        let policy = SlidingCounter::new(rate);
        let history = replay(&policy, &steps, |history, now, cost| sliding_counter(rate, history, now, cost));
        prop_assert!(densest(&history, rate.period().as_nanos() as u64) <= 2 * rate.amount());
    }

    #[test]
    fn a_leaky_queue_lets_go_at_its_rate(rate in rates(), size in 1_u64..12, steps in steps()) {
        let (start, queue, mut state) = (VirtualClock::new().nanos(), LeakyQueue::new(rate, size), Water::default());
        let (amount, period) = (u128::from(rate.amount()), rate.period().as_nanos());
        // When everything before has left, in parts of a nanosecond.
        let (mut now, mut empty, mut last) = (0, 0_u128, 0);
        for (pause, cost, patience) in steps {
            now += u128::from(pause);
            let at = start + Duration::from_nanos(now as u64);
            let ask = |state: &mut Water, later: u128| {
                queue.reserve(state, at + Duration::from_nanos(later as u64), cost, Duration::from_nanos(patience))
            };
            let answer = ask(&mut state, 0);
            let standing = empty.saturating_sub(now * amount);
            let wait = standing.div_ceil(amount);
            if cost == 0 {
                prop_assert_eq!(answer, Ok(Duration::ZERO));
            } else if cost > size {
                prop_assert_eq!(answer, Err(Denied::TooLarge { cost, capacity: size }));
            } else if standing + u128::from(cost) * period <= u128::from(size) * period && wait <= u128::from(patience) {
                prop_assert_eq!(answer, Ok(Duration::from_nanos(wait as u64)));
                prop_assert!(now + wait >= last);
                last = now + wait;
                empty = empty.max(now * amount) + u128::from(cost) * period;
            } else {
                let retry = answer.unwrap_err().retry_after().unwrap().as_nanos();
                prop_assert!(retry > 0 && ask(&mut state.clone(), retry - 1).is_err());
                prop_assert!(ask(&mut state.clone(), retry).is_ok());
            }
            fresh_is_fresh(&queue, &state, at);
        }
    }

    #[test]
    fn no_rate_cost_or_patience_is_too_much(
        amount in prop_oneof![3 => any::<u64>(), 1 => Just(u64::MAX)],
        period in any::<u64>(),
        burst in prop_oneof![3 => any::<u64>(), 1 => Just(u64::MAX)],
        steps in vec((any::<u64>(), any::<u64>(), any::<u64>()), 1..20),
    ) {
        let Ok(rate) = Rate::new(amount, Duration::from_nanos(period)) else { return Ok(()) };
        survives(&TokenBucket::new(rate, burst), &steps);
        survives(&LeakyBucket::new(rate, burst), &steps);
        survives(&LeakyQueue::new(rate, burst), &steps);
        survives(&Gcra::new(rate, burst), &steps);
        survives(&FixedWindow::new(rate), &steps);
        survives(&SlidingLog::new(rate), &steps);
        survives(&SlidingCounter::new(rate), &steps);
    }
}

/// Nothing overflows, nothing goes on for ever, and whoever has no patience is never told to wait.
fn survives<P: Policy>(policy: &P, steps: &[Step]) {
    let (mut now, mut state) = (VirtualClock::new().nanos(), P::State::default());
    for &(pause, cost, patience) in steps {
        now += Duration::from_nanos(pause >> (pause % 64));
        for cost in [cost, cost >> (cost % 64), policy.capacity(), 1] {
            let answer = policy.reserve(&mut state, now, cost, Duration::from_nanos(patience >> (patience % 64)));
            assert_eq!(cost > policy.capacity(), matches!(answer, Err(Denied::TooLarge { .. })));
            let answer = policy.reserve(&mut state, now, cost, Duration::ZERO);
            assert!(answer.is_err() || answer == Ok(Duration::ZERO));
            let _ = policy.reserve(&mut state, now, cost, Duration::MAX);
        }
        let _ = policy.fresh_at(&state);
    }
}

#[test]
fn a_rate_that_is_no_whole_number_of_nanoseconds_does_not_drift() {
    fn passed<P: Policy>(policy: &P) -> u64 {
        let (start, mut state) = (VirtualClock::new().nanos(), P::State::default());
        // Asked every microsecond for a second.
        (0..1_000_000).filter(|us| policy.check(&mut state, start + Duration::from_micros(*us), 1).is_ok()).count()
            as u64
    }
    let rate = Rate::per_second(999_983).unwrap();
    let expected = 1 + 999_983 * 999_999 / 1_000_000;
    for passed in [passed(&TokenBucket::new(rate, 1)), passed(&Gcra::new(rate, 1)), passed(&LeakyBucket::new(rate, 1))]
    {
        // With a burst of one, a unit that collects while nobody asks is lost: up to the next microsecond each time.
        assert!(passed <= expected && passed >= expected / 2, "{passed}");
    }
    // With room for what collects in between, every last unit is there.
    for passed in [passed(&TokenBucket::new(rate, 2)), passed(&Gcra::new(rate, 2)), passed(&LeakyBucket::new(rate, 2))]
    {
        assert_eq!(passed, expected + 1);
    }
}

#[test]
fn clocks_that_are_read_before_a_lock_is_had_do_no_harm() {
    fn check<P: Policy + Debug>(policy: &P) {
        let (start, mut state) = (VirtualClock::new().nanos(), P::State::default());
        let us = Duration::from_micros;
        assert_eq!(policy.check(&mut state, start + us(10), 1), Ok(()));
        assert_eq!(policy.check(&mut state, start + us(9), 1), Ok(()), "{policy:?}");
    }
    let rate = Rate::per_second(100).unwrap();
    check(&TokenBucket::new(rate, 2));
    check(&LeakyBucket::new(rate, 2));
    check(&Gcra::new(rate, 3)); // by its word, the burst is smaller by a microsecond
    check(&FixedWindow::new(rate));
    check(&SlidingCounter::new(rate));
    check(&SlidingLog::new(rate));
}
