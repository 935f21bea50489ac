use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Key, Wheel};
use crate::Nanos;

fn at(nanos: u64) -> Nanos {
    Nanos::new(nanos)
}

fn drained(wheel: &mut Wheel<u64>, now: u64) -> Vec<u64> {
    std::iter::from_fn(|| wheel.pop(at(now))).collect()
}

#[test]
fn timers_of_every_distance_fire_at_their_tick() {
    for shift in 0..64 {
        let deadline = 1_u64 << shift;
        let mut wheel = Wheel::new(Nanos::ZERO, Duration::from_nanos(1));
        wheel.insert(at(deadline), deadline);
        let mut looked = 0;
        while let Some(next) = wheel.next().filter(|next| next.get() < deadline) {
            assert_eq!(wheel.pop(next), None);
            looked += 1;
        }
        assert!(looked <= super::LEVELS, "{looked} looks for a deadline of 2^{shift}");
        assert_eq!(wheel.pop(at(deadline - 1)), None);
        assert_eq!(wheel.pop(at(deadline)), Some(deadline));
        assert!(wheel.is_empty() && wheel.next().is_none());
    }
}

#[test]
fn deadlines_are_rounded_up_and_the_time_down() {
    let mut wheel = Wheel::new(at(5), Duration::from_nanos(10));
    wheel.insert(at(16), 16);
    assert_eq!(wheel.next(), Some(at(25)));
    assert_eq!(wheel.pop(at(24)), None);
    assert_eq!(wheel.pop(at(25)), Some(16));
    wheel.insert(at(0), 0); // before the wheel began
    assert_eq!(wheel.next(), Some(at(25)));
    assert_eq!(wheel.pop(at(3)), Some(0));
}

#[test]
fn the_last_moment_is_one_like_others() {
    let mut wheel = Wheel::new(Nanos::ZERO, Duration::from_nanos(1));
    wheel.insert(at(u64::MAX), 1);
    assert!(drained(&mut wheel, u64::MAX - 1).is_empty());
    assert_eq!(drained(&mut wheel, u64::MAX), [1]);
    wheel.insert(at(7), 2);
    assert_eq!(drained(&mut wheel, 0), [2], "time does not go back");
    let mut coarse = Wheel::new(Nanos::ZERO, Duration::MAX);
    coarse.insert(at(1), 3);
    assert_eq!(coarse.next(), Some(at(u64::MAX)));
    assert_eq!(drained(&mut coarse, u64::MAX), [3]);
}

#[test]
fn timers_of_a_tick_fire_in_the_order_in_which_they_were_set() {
    let mut wheel = Wheel::new(Nanos::ZERO, Duration::from_nanos(1));
    wheel.insert(at(5000), 0); // two levels up
    assert!(drained(&mut wheel, 4200).is_empty());
    wheel.insert(at(5000), 1); // one level up
    assert!(drained(&mut wheel, 4999).is_empty());
    wheel.insert(at(5000), 2);
    assert_eq!(drained(&mut wheel, 5000), [0, 1, 2]);
}

#[test]
fn an_old_key_is_no_newer_timers() {
    let mut wheel = Wheel::new(Nanos::ZERO, Duration::from_nanos(1));
    let old = wheel.insert(at(1), 1);
    assert_eq!(wheel.pop(at(1)), Some(1));
    let new = wheel.insert(at(9), 2);
    assert_eq!(old.place, new.place);
    assert!(wheel.remove(old).is_none() && !wheel.reset(old, at(2)) && wheel.get_mut(old).is_none());
    assert_eq!(wheel.get_mut(new), Some(&mut 2));
    assert_eq!(wheel.remove(new), Some(2));
    assert!(wheel.remove(new).is_none());
}

#[test]
fn what_is_due_can_be_cancelled_until_it_is_popped() {
    let mut wheel = Wheel::new(Nanos::ZERO, Duration::from_nanos(1));
    let keys: Vec<Key> = (0..3).map(|n| wheel.insert(at(10), n)).collect();
    assert_eq!(wheel.pop(at(10)), Some(0));
    assert_eq!(wheel.remove(keys[1]), Some(1));
    assert!(wheel.reset(keys[2], at(20)));
    assert!(drained(&mut wheel, 19).is_empty());
    assert_eq!(drained(&mut wheel, 20), [2]);
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u64),
    Remove(usize),
    Reset(usize, u64),
    Pass(u64),
    Next,
}

/// Near and far, on every level alike.
fn distance() -> impl Strategy<Value = u64> {
    (0_u32..40, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => distance().prop_map(Op::Insert),
        1 => any::<usize>().prop_map(Op::Remove),
        1 => (any::<usize>(), distance()).prop_map(|(which, by)| Op::Reset(which, by)),
        2 => distance().prop_map(Op::Pass),
        2 => Just(Op::Next),
    ]
}

proptest! {
    /// The model: a map that is sorted by tick and then by the order of setting.
    #[test]
    fn model(tick in 1_u64..100, ops in prop::collection::vec(op(), 1..200)) {
        let start = 1_000;
        let mut wheel = Wheel::new(at(start), Duration::from_nanos(tick));
        let mut model = BTreeMap::new();
        let mut keys: Vec<(Key, (u64, u64))> = Vec::new();
        let (mut now, mut order) = (start, 0_u64);
        let place = |deadline: u64, hand: u64| (deadline - start).div_ceil(tick).max(hand);
        let mut hand = 0;
        for op in ops {
            match op {
                Op::Insert(by) => {
                    order += 1;
                    let key = wheel.insert(at(now + by), order);
                    let of = (place(now + by, hand), order);
                    model.insert(of, order);
                    keys.push((key, of));
                }
                Op::Remove(which) if !keys.is_empty() => {
                    let (key, of) = keys[which % keys.len()];
                    prop_assert_eq!(wheel.remove(key), model.remove(&of));
                }
                Op::Reset(which, by) if !keys.is_empty() => {
                    let index = which % keys.len();
                    let (key, of) = keys[index];
                    let value = model.remove(&of);
                    prop_assert_eq!(wheel.reset(key, at(now + by)), value.is_some());
                    if let Some(value) = value {
                        order += 1;
                        keys[index].1 = (place(now + by, hand), order);
                        model.insert(keys[index].1, value);
                    }
                }
                Op::Pass(by) => {
                    now += by;
                    hand = (now - start) / tick;
                    let rest = model.split_off(&(hand + 1, 0));
                    let due: Vec<u64> = std::mem::replace(&mut model, rest).into_values().collect();
                    prop_assert_eq!(drained(&mut wheel, now), due);
                }
                Op::Next => {
                    let first = model.first_key_value().map(|(of, _)| start + of.0 * tick);
                    let next = wheel.next().map(Nanos::get);
                    prop_assert_eq!(next.is_some(), first.is_some());
                    prop_assert!(next <= first, "{next:?} is later than {first:?}");
                }
                Op::Remove(_) | Op::Reset(..) => {}
            }
            prop_assert_eq!(wheel.len(), model.len());
        }
    }
}
