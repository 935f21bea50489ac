use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use xs_os::Rng;

use crate::keyspace::alloc_size;

impl Zset {
    fn check(&self) {
        if let Form::Ranked(ranked) = &self.0 {
            ranked.check();
        }
    }
}

type Model = BTreeMap<Vec<u8>, f64>;

fn ordered(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut all: Vec<_> = model.iter().map(|(m, s)| (m.clone(), *s)).collect();
    all.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then(a.0.cmp(&b.0)));
    all
}

fn owned<'a>(items: impl Iterator<Item = (Item<'a>, f64)>) -> Vec<(Vec<u8>, f64)> {
    items.map(|(m, s)| (m.to_vec(), s)).collect()
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => (0..90_i64).prop_map(|n| n.to_string().into_bytes()),
        10 => (0..60_i64).prop_map(|n| format!("m{n}").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..90),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        10 => (-5..5_i32).prop_map(f64::from),
        5 => (-40..40_i32).prop_map(|n| f64::from(n) / 8.0),
        2 => any::<f64>().prop_filter("not a number", |s| !s.is_nan()),
        1 => Just(f64::INFINITY),
        1 => Just(-0.0),
    ]
}

#[derive(Debug, Clone)]
enum Op {
    Insert(f64, Vec<u8>),
    Remove(Vec<u8>),
    PopMin,
    PopMax,
    RemoveRange(usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        20 => (score(), member()).prop_map(|(s, m)| Op::Insert(s, m)),
        5 => member().prop_map(Op::Remove),
        1 => Just(Op::PopMin),
        1 => Just(Op::PopMax),
        1 => (0..100_usize, 0..20_usize).prop_map(|(a, n)| Op::RemoveRange(a, a + n)),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_sorted_vector(ops in prop::collection::vec(op(), 0..250), max in 0..130_usize) {
        let limits = Limits { zset_max_listpack_entries: max, ..Limits::default() };
        let (mut zset, mut model, mut converted) = (Zset::new(), Model::new(), false);
        for op in ops {
            match op {
                Op::Insert(s, m) => {
                    let expected = match model.get(&m) {
                        None => Inserted::Added,
                        Some(old) if *old == s => Inserted::Unchanged,
                        Some(_) => Inserted::Updated,
                    };
                    prop_assert_eq!(zset.insert(s, &m, &limits), expected);
                    if expected != Inserted::Unchanged { model.insert(m.clone(), s); }
                    converted |= model.len() > max || m.len() > 64;
                    prop_assert_eq!(zset.score(&m), model.get(&m).copied());
                }
                Op::Remove(m) => prop_assert_eq!(zset.remove(&m), model.remove(&m)),
                Op::PopMin => {
                    let expected = ordered(&model).first().cloned();
                    prop_assert_eq!(zset.pop_min(|m, s| (m.to_vec(), s)), expected.clone());
                    if let Some((m, _)) = expected { model.remove(&m); }
                }
                Op::PopMax => {
                    let expected = ordered(&model).last().cloned();
                    prop_assert_eq!(zset.pop_max(|m, s| (m.to_vec(), s)), expected.clone());
                    if let Some((m, _)) = expected { model.remove(&m); }
                }
                Op::RemoveRange(a, b) => {
                    let all = ordered(&model);
                    let expected = &all[a.min(all.len())..b.min(all.len())];
                    let mut got = Vec::new();
                    prop_assert_eq!(zset.remove_range(a..b, |m, s| got.push((m.to_vec(), s))), expected.len());
                    prop_assert_eq!(&got, expected);
                    for (m, _) in expected { model.remove(m); }
                }
            }
            zset.check();
            prop_assert_eq!(zset.len(), model.len());
            prop_assert_eq!(zset.encoding(), if converted { "skiplist" } else { "listpack" });
        }
        let all = ordered(&model);
        prop_assert_eq!(owned(zset.iter()), all.clone());
        prop_assert_eq!(owned(zset.clone().iter().rev()), all.iter().rev().cloned().collect::<Vec<_>>());
        let (a, b) = (all.len() / 4, all.len() * 3 / 4);
        prop_assert_eq!(owned(zset.range(a..b)), all[a..b].to_vec());
        prop_assert_eq!(owned(zset.range(a..b).rev()), all[a..b].iter().rev().cloned().collect::<Vec<_>>());
        prop_assert_eq!(zset.range(b..a).len(), 0);
        for (rank, (m, _)) in all.iter().enumerate() {
            prop_assert_eq!(zset.rank(m), Some(rank));
            prop_assert_eq!(zset.rev_rank(m), Some(all.len() - 1 - rank));
        }
        prop_assert_eq!(zset.rank(b"no such"), None);
        let bounds = |s: f64| [Bound::Included(s), Bound::Excluded(s), Bound::Unbounded];
        for (low, high) in [(-2.0, 2.0), (0.0, 0.0), (2.0, -2.0), (f64::NEG_INFINITY, f64::INFINITY)] {
            for min in bounds(low) {
                for max in bounds(high) {
                    use std::ops::RangeBounds;
                    let expected: Vec<_> = all.iter().filter(|(_, s)| (min, max).contains(s)).cloned().collect();
                    let got = zset.score_range(min, max);
                    prop_assert_eq!(got.len(), expected.len());
                    prop_assert_eq!(owned(zset.range(got)), expected);
                }
            }
        }
        let mut rng = Rng::from_seed(2);
        for n in [1, all.len() / 2, all.len() + 1] {
            let drawn: BTreeSet<_> = zset.random_distinct(n, &mut rng).iter().map(|(m, _)| m.to_vec()).collect();
            prop_assert_eq!(drawn.len(), n.min(all.len()));
        }
        let mut scanned = Model::new();
        let mut cursor = 0;
        loop {
            cursor = zset.scan(cursor, 7, |m, s| _ = scanned.insert(m.to_vec(), s));
            if cursor == 0 { break; }
        }
        prop_assert_eq!(scanned, model);
    }

    #[test]
    fn names_in_order(names in prop::collection::btree_set("[a-c]{0,4}|[0-9]{1,3}", 0..40), a in "[a-c0-9]{0,3}",
                      b in "[a-c0-9]{0,3}", max in 0..60_usize) {
        let limits = Limits { zset_max_listpack_entries: max, ..Limits::default() };
        let mut zset = Zset::new();
        names.iter().for_each(|n| _ = zset.insert(0.0, n.as_bytes(), &limits));
        let (a, b) = (a.as_bytes(), b.as_bytes());
        for min in [LexBound::Lowest, LexBound::Highest, LexBound::Included(a), LexBound::Excluded(a)] {
            for max in [LexBound::Lowest, LexBound::Highest, LexBound::Included(b), LexBound::Excluded(b)] {
                let inside = |n: &[u8]| {
                    (match min {
                        LexBound::Lowest => true,
                        LexBound::Highest => false,
                        LexBound::Included(a) => n >= a,
                        LexBound::Excluded(a) => n > a,
                    }) && match max {
                        LexBound::Lowest => false,
                        LexBound::Highest => true,
                        LexBound::Included(b) => n <= b,
                        LexBound::Excluded(b) => n < b,
                    }
                };
                let expected: Vec<_> = names.iter().map(|n| n.as_bytes().to_vec()).filter(|n| inside(n)).collect();
                let got: Vec<_> = zset.range(zset.lex_range(min, max)).map(|(m, _)| m.to_vec()).collect();
                prop_assert_eq!(got, expected);
            }
        }
    }
}

#[test]
fn a_20_byte_member_takes_less_than_100_bytes() {
    let (limits, mut zset, mut rng) = (Limits::default(), Zset::new(), Rng::from_seed(4));
    for i in 0..100_000 {
        zset.insert(rng.below(100_000) as f64, format!("element:{i:012}").as_bytes(), &limits);
    }
    let each = zset.allocated_bytes() as f64 / 100_000.0;
    assert!(each < 90.0, "{each}");
    while zset.pop_min(|_, _| ()).is_some() {}
    assert!(zset.allocated_bytes() < 1000, "{}", zset.allocated_bytes());
    assert_eq!(zset.encoding(), "skiplist");
}

#[test]
fn a_score_that_is_no_number_breaks_nothing() {
    for max in [0, 128] {
        let limits = Limits { zset_max_listpack_entries: max, ..Limits::default() };
        let mut zset = Zset::new();
        for (i, score) in [1.0, f64::NAN, -1.0, f64::INFINITY, f64::NAN].into_iter().enumerate() {
            zset.insert(score, &[b'a' + i as u8], &limits);
        }
        let names: Vec<u8> = zset.iter().flat_map(|(m, _)| m.to_vec()).collect();
        assert_eq!(names, b"cbead");
        assert_eq!(zset.remove(b"b"), Some(0.0));
    }
}

#[test]
fn what_is_expected_is_allocated_once() {
    let limits = Limits::default();
    let strings: Vec<String> = (0..10).flat_map(|i| [format!("{i}"), format!("member:{i}")]).collect();
    let mut zset = Zset::new();
    zset.expect(strings.iter().map(String::as_bytes), &limits);
    let room = zset.allocated_bytes();
    assert_eq!(room, alloc_size(10 * (2 + 10) + 7 + 8));
    for pair in strings.chunks(2) {
        zset.insert(pair[0].parse().unwrap(), pair[1].as_bytes(), &limits);
        assert_eq!(zset.allocated_bytes(), room);
    }
    let mut zset = Zset::new();
    zset.expect([&b"1"[..], &[b'x'; 100]].into_iter(), &limits);
    assert_eq!(zset.allocated_bytes(), Zset::new().allocated_bytes());
}
