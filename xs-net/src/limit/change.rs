//! Rules that are changed while they are in use.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use xs_os::{Clock, Nanos, VirtualClock};

use super::*;

/// A request: the pause before it, its cost and its patience.
type Step = (u64, u64, u64);

/// Of two that have seen the same, one takes over from itself now and then: nobody can tell.
fn is_no_change<P: Policy>(policy: &P, steps: &[Step]) {
    let (mut now, mut left, mut taken_over) = (VirtualClock::new().nanos(), P::State::default(), P::State::default());
    for &(pause, cost, patience) in steps {
        now += Duration::from_nanos(pause);
        policy.adopt(policy, &mut taken_over, now);
        let patience = Duration::from_nanos(patience);
        let answer = policy.reserve(&mut left, now, cost, patience);
        assert_eq!(policy.reserve(&mut taken_over, now, cost, patience), answer, "{policy:?}");
    }
}

/// How many pass at once, one by one.
fn pass<P: Policy>(limit: &Limiter<P>, now: Nanos) -> u64 {
    (0..1000).filter(|_| limit.check(now, 1).is_ok()).count() as u64
}

/// What was taken counts: of a burst there is as much left as there is more of it than was taken.
fn counts<P: Policy>(old: P, new: P, taken: u64) {
    let (before, after, now) = (old.capacity(), new.capacity(), VirtualClock::new().nanos());
    let limit = Limiter::new(old);
    let taken = (0..taken).filter(|_| limit.check(now, 1).is_ok()).count() as u64;
    limit.change(new, now);
    assert_eq!(pass(&limit, now), after.saturating_sub(taken), "{taken} of {before}, then {after}: {limit:?}");
}

fn rate() -> impl Strategy<Value = Rate> {
    (1_u64..9, 1_u64..1000).prop_map(|(amount, micros)| Rate::new(amount, Duration::from_micros(micros)).unwrap())
}

proptest! {
    #[test]
    fn the_same_rule_again_changes_nothing(
        amount in 1_u64..9,
        period in 1_u64..40,
        burst in 1_u64..12,
        steps in vec((prop_oneof![4 => 0_u64..8, 1 => 0_u64..200], 0_u64..8, 0_u64..40), 1..60),
    ) {
        let rate = Rate::new(amount, Duration::from_nanos(period)).unwrap();
        is_no_change(&TokenBucket::new(rate, burst), &steps);
        is_no_change(&LeakyBucket::new(rate, burst), &steps);
        is_no_change(&LeakyQueue::new(rate, burst), &steps);
        is_no_change(&Gcra::new(rate, burst), &steps);
        is_no_change(&FixedWindow::new(rate), &steps);
        is_no_change(&SlidingCounter::new(rate), &steps);
        is_no_change(&SlidingLog::new(rate), &steps);
    }

    #[test]
    fn what_was_taken_counts_under_the_new_rule(
        rates in (rate(), rate()),
        bursts in (1_u64..50, 1_u64..50),
        amounts in (1_u64..50, 1_u64..50),
        taken in 0_u64..60,
    ) {
        counts(TokenBucket::new(rates.0, bursts.0), TokenBucket::new(rates.1, bursts.1), taken);
        counts(LeakyBucket::new(rates.0, bursts.0), LeakyBucket::new(rates.1, bursts.1), taken);
        counts(Gcra::new(rates.0, bursts.0), Gcra::new(rates.1, bursts.1), taken);
        let windows = [amounts.0, amounts.1].map(|amount| Rate::new(amount, Duration::from_secs(1)).unwrap());
        counts(FixedWindow::new(windows[0]), FixedWindow::new(windows[1]), taken);
        counts(SlidingCounter::new(windows[0]), SlidingCounter::new(windows[1]), taken);
        counts(SlidingLog::new(windows[0]), SlidingLog::new(windows[1]), taken);
    }

    #[test]
    fn no_change_is_too_much(
        changes in vec((any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()), 2..10),
    ) {
        fn survives<P: Policy>(policies: impl Iterator<Item = (P, u64, u64)>) {
            let (mut now, mut limit) = (VirtualClock::new().nanos(), None);
            for (policy, pause, cost) in policies {
                now += Duration::from_nanos(pause >> (pause % 64));
                match &limit {
                    None => limit = Some(Limiter::new(policy)),
                    Some(limit) => limit.change(policy, now),
                }
                let limit = limit.as_ref().unwrap();
                let _ = limit.reserve(&(), now, cost, Duration::MAX);
                let _ = limit.reserve(&(), now, limit.policy().capacity(), Duration::from_nanos(cost));
            }
        }
        let each = || changes.iter().filter_map(|&(amount, period, burst, pause, cost)| {
            let rate = Rate::new(amount, Duration::from_nanos(period)).ok()?;
            Some((rate, burst, pause, cost))
        });
        survives(each().map(|(rate, burst, pause, cost)| (TokenBucket::new(rate, burst), pause, cost)));
        survives(each().map(|(rate, burst, pause, cost)| (LeakyBucket::new(rate, burst), pause, cost)));
        survives(each().map(|(rate, burst, pause, cost)| (LeakyQueue::new(rate, burst), pause, cost)));
        survives(each().map(|(rate, burst, pause, cost)| (Gcra::new(rate, burst), pause, cost)));
        survives(each().map(|(rate, _, pause, cost)| (FixedWindow::new(rate), pause, cost)));
        survives(each().map(|(rate, _, pause, cost)| (SlidingCounter::new(rate), pause, cost)));
        survives(each().map(|(rate, _, pause, cost)| (SlidingLog::new(rate), pause, cost)));
    }
}

#[test]
fn who_waits_keeps_its_place_and_nobody_gets_before_it() {
    let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    let limit = Limiter::new(LeakyQueue::new(Rate::per_second(1).unwrap(), 10));
    for nth in 0..4 {
        assert_eq!(limit.reserve(&(), clock.nanos(), 1, 60 * second), Ok(nth * second));
    }
    // Four stand in the queue, which now goes twice as fast and holds only two.
    limit.change(LeakyQueue::new(Rate::per_second(2).unwrap(), 2), clock.nanos());
    let denied = limit.reserve(&(), clock.nanos(), 1, 60 * second).unwrap_err();
    assert_eq!(denied.retry_after(), Some(3 * second / 2));
    clock.advance(3 * second / 2);
    assert_eq!(limit.reserve(&(), clock.nanos(), 1, 60 * second), Ok(second / 2));
}

#[test]
fn a_window_of_another_length_counts_what_the_old_one_held() {
    fn check<P: Policy>(windows: impl Fn(Rate) -> P) {
        let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
        for [old, new] in [[hour, minute], [minute, hour]] {
            let clock = VirtualClock::new();
            let limit = Limiter::new(windows(Rate::new(10, old).unwrap()));
            assert_eq!(pass(&limit, clock.nanos()), 10);
            clock.advance(old * 3 / 4);
            limit.change(windows(Rate::new(10, new).unwrap()), clock.nanos());
            assert_eq!(pass(&limit, clock.nanos()), 0, "{old:?}, then {new:?}: {limit:?}");
            clock.advance(2 * new);
            assert_eq!(pass(&limit, clock.nanos()), 10, "{old:?}, then {new:?}: {limit:?}");
        }
    }
    check(FixedWindow::new);
    check(SlidingCounter::new);
}

#[test]
fn keys_are_carried_over_and_become_idle_under_the_new_rule() {
    let clock = VirtualClock::new();
    let hourly = Rate::new(1, Duration::from_secs(3600)).unwrap();
    let keyed = Keyed::new(Gcra::new(hourly, 2), 3, 1);
    for key in ["a", "b", "b", "c"] {
        assert!(keyed.check(&key, clock.nanos(), 1).is_ok());
    }
    // All places are taken for an hour, so this one gets what is left for those without one.
    assert_eq!((keyed.check(&"d", clock.nanos(), 2), keyed.overflowed()), (Ok(()), 1));
    keyed.change(Gcra::new(Rate::per_second(1).unwrap(), 2), clock.nanos());
    let left = |key| (0..5).filter(|_| keyed.check(&key, clock.nanos(), 1).is_ok()).count();
    assert_eq!([left("a"), left("b"), left("c"), left("d")], [1, 0, 1, 0]);
    // Two seconds later nobody's state is more than fresh, whatever was written down for them.
    clock.advance(Duration::from_secs(2));
    assert_eq!(keyed.check(&"d", clock.nanos(), 2), Ok(()));
    assert_eq!((keyed.overflowed(), keyed.len()), (6, 3));
    assert_eq!(keyed.policy(), Gcra::new(Rate::per_second(1).unwrap(), 2));
}
