use super::{Segment, Table};
use proptest::prelude::{ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::collections::{BTreeMap, BTreeSet};
use xs_os::Rng;

/// A good hash of a number: SplitMix64's finisher.
fn mix(n: &u64) -> u64 {
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

fn insert(table: &mut Table<u64>, n: u64) {
    assert_eq!(*table.insert_unique(mix(&n), n, mix), n);
}

fn remove(table: &mut Table<u64>, n: u64) -> Option<u64> {
    table.remove(mix(&n), |item| *item == n)
}

fn contains(table: &Table<u64>, n: u64) -> bool {
    table.find(mix(&n), |item| *item == n).is_some()
}

impl<T> Table<T> {
    /// Everything that the structure promises about itself, and the account from scratch.
    fn check(&self, hash: impl Fn(&T) -> u64) {
        let segments: Vec<&Segment<T>> = match &self.many {
            None => vec![&self.single],
            Some(many) => {
                assert_eq!(many.directory.len(), 1 << many.depth);
                assert!(many.deepest > 0 && many.depth > 0);
                let live: BTreeSet<u32> = many.directory.iter().copied().collect();
                assert_eq!(live.len() + many.free.len(), many.segments.len());
                let deepest = live.iter().filter(|&&n| many.segments[n as usize].depth == many.depth).count();
                assert_eq!(deepest, many.deepest);
                assert_eq!(many.bytes, many.segments.iter().map(Segment::allocated_bytes).sum::<usize>());
                live.iter().map(|&n| &many.segments[n as usize]).collect()
            }
        };
        let mut len = 0;
        for segment in segments {
            let mut linked = BTreeSet::new();
            let mut inside = 0;
            for home in 0..usize::from(segment.homes) {
                let mut at = Some(home);
                while let Some(here) = at {
                    let bucket = &segment.buckets[here];
                    for item in bucket.slots.iter().flatten() {
                        let hash = hash(item);
                        assert_eq!(segment.home(hash), home, "an item is in the chain of its home");
                        assert!(std::ptr::eq(self.segment(hash), segment), "an item is in its segment");
                        inside += 1;
                    }
                    at = bucket.next();
                    if let Some(next) = at {
                        assert!(next >= usize::from(segment.homes) && linked.insert(next));
                        assert!(!segment.buckets[next].is_empty(), "an overflow bucket in use holds something");
                    }
                }
            }
            assert_eq!(inside, segment.len as usize);
            len += inside;
        }
        assert_eq!(len, self.len);
    }
}

#[test]
fn an_empty_table_allocates_nothing_and_a_small_one_is_one_bucket() {
    let mut table = Table::new();
    assert_eq!((table.allocated_bytes(), table.scan(0, |_: &u64| ()), table.iter().count()), (0, 0, 0));
    assert!(!contains(&table, 1) && table.random(&mut Rng::from_seed(1)).is_none());
    let mut small: Table<Box<u64>> = Table::new();
    for n in 0..3 {
        small.insert_unique(mix(&n), Box::new(n), |n| mix(n));
    }
    assert_eq!(small.allocated_bytes(), 128);
    insert(&mut table, 1);
    remove(&mut table, 1);
    assert_eq!(table.allocated_bytes(), 0);
}

#[test]
fn a_large_table_grows_holds_and_shrinks_back_to_nothing() {
    let mut table = Table::new();
    for n in 0..100_000 {
        insert(&mut table, n);
        if n.is_power_of_two() {
            table.check(mix);
        }
    }
    table.check(mix);
    // Option<u64> has no niche: 16 bytes a slot. What matters is the share of slots in use.
    let slots = table.allocated_bytes() as f64 / 240.0 * 14.0;
    assert!(100_000.0 / slots > 0.5, "{} slots", slots);
    assert!((0..100_000).all(|n| contains(&table, n)) && !contains(&table, 100_000));
    let order: Vec<u64> = table.iter().map(|n| mix(n) >> 50).collect();
    assert_eq!(order.len(), 100_000);
    assert!(order.windows(2).filter(|w| w[0] > w[1]).count() < 40_000, "buckets come in hash order");
    let big = table.allocated_bytes();
    for n in 0..99_000 {
        assert_eq!(remove(&mut table, n), Some(n));
    }
    table.check(mix);
    assert!(table.allocated_bytes() * 20 < big, "{} of {big} bytes left", table.allocated_bytes());
    for n in 99_000..100_000 {
        assert_eq!(remove(&mut table, n), Some(n));
    }
    assert_eq!((table.len(), table.allocated_bytes()), (0, 0));
}

#[test]
fn every_item_is_equally_likely_to_be_drawn() {
    for size in [1, 5, 30, 2000] {
        let mut table = Table::new();
        (0..size).for_each(|n| insert(&mut table, n));
        let mut rng = Rng::from_seed(9);
        let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
        let draws = 50 * size;
        for _ in 0..draws {
            *seen.entry(*table.random(&mut rng).unwrap()).or_default() += 1;
        }
        // Chi-squared with size - 1 degrees of freedom; five standard deviations above its mean.
        let chi: f64 = (0..size)
            .map(|n| seen.get(&n).copied().unwrap_or(0))
            .map(|hits| (f64::from(hits) - 50.0).powi(2) / 50.0)
            .sum();
        let freedom = (size - 1) as f64;
        assert!(chi <= freedom + 5.0 * (2.0 * freedom).sqrt(), "{size}: {chi}");
    }
}

#[test]
fn drawing_everything_out_ends() {
    let mut table = Table::new();
    (0..20_000).for_each(|n| insert(&mut table, n));
    let mut rng = Rng::from_seed(2);
    let mut drawn: Vec<u64> = std::iter::from_fn(|| table.take_random(&mut rng, mix)).collect();
    drawn.sort_unstable();
    assert!(drawn.into_iter().eq(0..20_000));
    assert_eq!(table.allocated_bytes(), 0);
}

#[test]
fn a_hash_that_spreads_nothing_costs_time_but_loses_nothing() {
    let mut table = Table::new();
    for n in 0..3000_u64 {
        table.insert_unique(7, n, |_| 7);
    }
    assert!(table.allocated_bytes() < 3000 * 64, "the directory did not run away");
    table.check(|_| 7);
    assert!((0..3000).all(|n| table.find(7, |item| *item == n).is_some()));
    assert!((0..3000).rev().all(|n| table.remove(7, |item| *item == n) == Some(n)));
}

#[test]
fn hashes_that_share_leading_bits_do_not_blow_up_the_directory() {
    let hash = |n: &u64| mix(n) >> 40;
    let mut table = Table::new();
    for n in 0..5000 {
        table.insert_unique(hash(&n), n, hash);
    }
    table.check(hash);
    assert!(table.allocated_bytes() < 5000 * 64);
}

#[test]
fn a_full_scan_of_a_still_table_visits_everything_once() {
    for size in [0, 1, 14, 15, 200, 900, 5000] {
        let mut table = Table::new();
        (0..size).for_each(|n| insert(&mut table, n));
        let (mut seen, mut cursor) = (Vec::new(), 0);
        loop {
            cursor = table.scan(cursor, |n| seen.push(*n));
            if cursor == 0 {
                break;
            }
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..size), "{size}");
        assert_eq!(table.scan(u64::MAX, |_| ()), 0);
    }
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u64, u64),
    Remove(u64, u64),
    Scan(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (1000..6000_u64, 1..2500_u64).prop_map(|(from, n)| Op::Insert(from, n)),
        (1000..6000_u64, 1..4000_u64).prop_map(|(from, n)| Op::Remove(from, n)),
        (1..40_usize).prop_map(Op::Scan),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A scan between whose steps the table grows and shrinks visits everything that stays, and nothing that was never
    /// there; the structure stays sound and agrees with a set.
    #[test]
    fn a_scan_visits_whatever_stays(stay in 0..300_u64, ops in prop::collection::vec(op(), 1..40)) {
        let mut table = Table::new();
        let mut model = BTreeSet::new();
        for n in 0..stay { insert(&mut table, n); model.insert(n); }
        let (mut seen, mut cursor, mut done) = (BTreeSet::new(), 0, false);
        for op in ops.into_iter().chain([Op::Scan(usize::MAX)]) {
            match op {
                Op::Insert(from, n) => for n in from..from + n {
                    if model.insert(n) { insert(&mut table, n); }
                },
                Op::Remove(from, n) => for n in from..from + n {
                    prop_assert_eq!(remove(&mut table, n).is_some(), model.remove(&n));
                },
                Op::Scan(steps) => for _ in 0..steps {
                    if done { break; }
                    cursor = table.scan(cursor, |n| { seen.insert(*n); });
                    done = cursor == 0;
                },
            }
        }
        table.check(mix);
        prop_assert!(table.iter().copied().collect::<BTreeSet<_>>() == model);
        prop_assert_eq!(table.iter_mut().count(), model.len());
        prop_assert!((0..stay).all(|n| seen.contains(&n)));
        prop_assert!(seen.iter().all(|n| *n < stay || *n >= 1000));
        prop_assert_eq!(table.clone().into_items().count(), model.len());
    }
}
