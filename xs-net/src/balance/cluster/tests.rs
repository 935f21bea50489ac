use std::time::Duration;

use proptest::prelude::*;
use xs_os::{Clock, VirtualClock};

use super::*;
use crate::outcome::Outcome;

const SECOND: Duration = Duration::from_secs(1);

fn cluster(names: &str, options: ClusterOptions, clock: &VirtualClock) -> Cluster {
    let mut cluster = Cluster::new("test", options, clock.now());
    for name in names.chars() {
        cluster.apply(Change::Insert(Endpoint::new(name.to_string())), clock.now());
    }
    cluster
}

fn names(cluster: &mut Cluster, clock: &VirtualClock, tried: &[&str]) -> String {
    let tried: Vec<Arc<str>> = tried.iter().map(|&name| name.into()).collect();
    cluster.candidates(clock.now(), &tried).iter().map(|candidate| candidate.name.to_string()).collect()
}

#[test]
fn the_unwell_the_drained_and_the_tried_are_left_out() {
    let clock = VirtualClock::new();
    let mut cluster = cluster("edcba", ClusterOptions::default(), &clock);
    assert_eq!(names(&mut cluster, &clock, &[]), "abcde");
    assert!(cluster.set_well("b", false, clock.now()));
    assert_eq!(cluster.apply(Change::Insert(Endpoint::new("d").weight(0)), clock.now()), Applied::Updated(3));
    assert_eq!(names(&mut cluster, &clock, &["e", "x"]), "ac");
    let tried = ["a".into()];
    let candidates = cluster.candidates(clock.now(), &tried);
    let indices: Vec<_> = (0..6).filter(|&index| candidates.get(index).is_some()).collect();
    assert_eq!(indices, [2, 4]);
    // Whoever belongs to one that drains stays there; not with one that is unwell.
    let pinned: Vec<_> = (0..6).filter(|&index| candidates.pinned(index).is_some()).collect();
    assert_eq!(pinned, [2, 3, 4]);
}

#[test]
fn below_the_threshold_all_count() {
    let clock = VirtualClock::new();
    let mut cluster = cluster("abcd", ClusterOptions::default(), &clock);
    cluster.set_well("a", false, clock.now());
    cluster.set_well("b", false, clock.now());
    assert_eq!(names(&mut cluster, &clock, &[]), "cd");
    cluster.set_well("c", false, clock.now());
    assert!(cluster.candidates(clock.now(), &[]).is_panicking());
    assert_eq!(names(&mut cluster, &clock, &["d"]), "abc");
    cluster.set_well("a", true, clock.now());
    assert!(!cluster.candidates(clock.now(), &[]).is_panicking());
    assert_eq!(names(&mut cluster, &clock, &[]), "ad");
}

#[test]
fn without_a_threshold_there_may_be_nobody() {
    let clock = VirtualClock::new();
    let options = ClusterOptions { panic_percent: 0, well_unchecked: false, ..ClusterOptions::default() };
    let mut cluster = cluster("ab", options, &clock);
    assert_eq!(names(&mut cluster, &clock, &[]), "");
    cluster.set_well("b", true, clock.now());
    assert_eq!(names(&mut cluster, &clock, &[]), "b");
    assert!(!cluster.set_well("z", true, clock.now()));
}

#[test]
fn newcomers_start_slowly_and_so_do_those_who_come_back() {
    let clock = VirtualClock::new();
    let slow_start = SlowStart { window: 100 * SECOND, from_percent: 10 };
    let mut cluster = cluster("ab", ClusterOptions { slow_start, ..ClusterOptions::default() }, &clock);
    let weights = |cluster: &mut Cluster| -> Vec<u64> {
        cluster.candidates(clock.now(), &[]).iter().map(|candidate| candidate.weight).collect()
    };
    clock.advance(100 * SECOND);
    assert!(cluster.candidates(clock.now(), &[]).are_even());
    cluster.apply(Change::Insert(Endpoint::new("c").weight(2)), clock.now());
    assert_eq!(weights(&mut cluster), [256, 256, 50]);
    clock.advance(50 * SECOND);
    assert_eq!(weights(&mut cluster), [256, 256, 256]);
    clock.advance(50 * SECOND);
    assert_eq!(weights(&mut cluster), [256, 256, 512]);
    cluster.set_well("a", false, clock.now());
    cluster.set_well("a", true, clock.now());
    assert_eq!(weights(&mut cluster), [25, 256, 512]);
}

#[test]
fn failures_in_a_row_eject_for_a_term_that_grows_and_shrinks() {
    let clock = VirtualClock::new();
    let mut cluster = cluster("abc", ClusterOptions::default(), &clock);
    let fail = |cluster: &mut Cluster| {
        for _ in 0..5 {
            let in_a_row = cluster.load(0).unwrap().begin(clock.now()).end(clock.now(), Outcome::Failure);
            cluster.failed("a", in_a_row, clock.now());
        }
    };
    fail(&mut cluster);
    assert_eq!(names(&mut cluster, &clock, &[]), "bc");
    clock.advance(29 * SECOND);
    assert_eq!(names(&mut cluster, &clock, &[]), "bc");
    clock.advance(SECOND);
    assert_eq!(names(&mut cluster, &clock, &[]), "abc");
    assert_eq!(cluster.load(0).unwrap().failures_in_a_row(), 0, "a fresh start");
    // The second term is longer; an interval in which all was well makes the next one shorter again.
    let term = |cluster: &mut Cluster| {
        let until = cluster.status(clock.now()).next().unwrap().ejected_until.unwrap();
        until - clock.now()
    };
    fail(&mut cluster);
    assert_eq!(term(&mut cluster), 60 * SECOND);
    clock.advance(60 * SECOND);
    assert_eq!(names(&mut cluster, &clock, &[]), "abc");
    clock.advance(10 * SECOND);
    assert_eq!(names(&mut cluster, &clock, &[]), "abc");
    fail(&mut cluster);
    assert_eq!(term(&mut cluster), 30 * SECOND);
}

#[test]
fn with_fewer_members_fewer_may_be_out() {
    let clock = VirtualClock::new();
    let mut cluster = cluster("abcdef", ClusterOptions::default(), &clock);
    for name in ["b", "a", "c"] {
        cluster.failed(name, 5, clock.now());
        clock.advance(SECOND);
    }
    assert_eq!(names(&mut cluster, &clock, &[]), "cdef", "two of six may be out, the third stays in");
    cluster.apply(Change::Remove("f".into()), clock.now());
    assert_eq!(names(&mut cluster, &clock, &[]), "bcde", "one of five may be; b came first, so it is back first");
    cluster.apply(Change::Remove("a".into()), clock.now());
    cluster.failed("e", 5, clock.now());
    assert_eq!(names(&mut cluster, &clock, &[]), "bcd", "the place of one that is gone is free");
}

#[test]
fn a_bad_success_rate_ejects_at_the_end_of_the_interval() {
    let clock = VirtualClock::new();
    let outlier = OutlierOptions { failures_in_a_row: 0, ..OutlierOptions::default() };
    let mut cluster =
        cluster("abcdefghij", ClusterOptions { outlier: Some(outlier), ..ClusterOptions::default() }, &clock);
    for index in 0..10 {
        for nth in 0..200 {
            let bad = index == 3 && nth % 3 == 0;
            let outcome = if bad || nth == 7 { Outcome::Failure } else { Outcome::Success };
            let call = cluster.load(index).unwrap().begin(clock.now());
            call.end(clock.now(), outcome);
        }
    }
    clock.advance(9 * SECOND);
    assert_eq!(cluster.candidates(clock.now(), &[]).iter().count(), 10);
    clock.advance(SECOND);
    assert_eq!(names(&mut cluster, &clock, &[]), "abcefghij");
    // The next interval begins at nothing.
    clock.advance(10 * SECOND);
    assert_eq!(names(&mut cluster, &clock, &[]), "abcefghij");
    clock.advance(20 * SECOND);
    assert_eq!(names(&mut cluster, &clock, &[]), "abcdefghij");
}

#[test]
fn zones_part_the_candidates() {
    let clock = VirtualClock::new();
    let mut cluster = Cluster::new("test", ClusterOptions::default(), clock.now());
    for (name, zone) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "z")] {
        cluster.apply(Change::Insert(Endpoint::new(name).zone(zone).weight(3)), clock.now());
    }
    cluster.set_well("d", false, clock.now());
    let candidates = cluster.candidates(clock.now(), &[]);
    let zones: Vec<_> = candidates.zones().map(|(zone, weight, count)| (&**zone.unwrap(), weight, count)).collect();
    assert_eq!(zones, [("x", 6, 2), ("y", 3, 1)]);
    let here = candidates.within(Some(&"x".into())).unwrap();
    assert_eq!(here.iter().map(|candidate| candidate.index).collect::<Vec<_>>(), [0, 2]);
    assert!(here.get(0).is_some() && here.get(1).is_none());
    assert!(candidates.within(Some(&"z".into())).is_none());
}

#[test]
fn there_is_an_end_to_members() {
    let clock = VirtualClock::new();
    let mut cluster = cluster("ab", ClusterOptions { most_members: 2, ..ClusterOptions::default() }, &clock);
    assert_eq!(cluster.apply(Change::Insert(Endpoint::new("c")), clock.now()), Applied::Full);
    assert_eq!(cluster.apply(Change::Insert(Endpoint::new("b")), clock.now()), Applied::Nothing);
    assert_eq!(cluster.apply(Change::Remove("c".into()), clock.now()), Applied::Nothing);
    assert_eq!(cluster.apply(Change::Remove("a".into()), clock.now()), Applied::Removed(0));
    assert_eq!(cluster.apply(Change::Insert(Endpoint::new("c")), clock.now()), Applied::Inserted(1));
}

#[derive(Debug, Clone)]
enum Event {
    Insert(u8, u32, u8),
    Remove(u8),
    Well(u8, bool),
    Fail(u8, u32),
    Advance(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let name = 0..12_u8;
    prop_oneof![
        3 => (name.clone(), 0..4_u32, 0..3_u8).prop_map(|(name, weight, zone)| Event::Insert(name, weight, zone)),
        2 => name.clone().prop_map(Event::Remove),
        1 => (name.clone(), any::<bool>()).prop_map(|(name, well)| Event::Well(name, well)),
        3 => (name, 3..9_u32).prop_map(|(name, in_a_row)| Event::Fail(name, in_a_row)),
        1 => (0..50_u32).prop_map(Event::Advance),
    ]
}

proptest! {
    /// The candidates are those that the rules name, counted anew from what is known of each member; and never are more
    /// ejected than may be.
    #[test]
    fn candidates_are_what_the_rules_say(events in proptest::collection::vec(event(), 1..60), most_percent in 0..=100_u8) {
        let clock = VirtualClock::new();
        let outlier = OutlierOptions { most_percent, ..OutlierOptions::default() };
        let mut cluster = cluster("", ClusterOptions { outlier: Some(outlier), ..ClusterOptions::default() }, &clock);
        let name = |n: u8| -> Arc<str> { n.to_string().into() };
        for event in events {
            let now = clock.now();
            match event {
                Event::Insert(n, weight, zone) => {
                    let endpoint = Endpoint { name: name(n), weight, zone: (zone > 0).then(|| name(zone)) };
                    cluster.apply(Change::Insert(endpoint), now);
                }
                Event::Remove(n) => drop(cluster.apply(Change::Remove(name(n)), now)),
                Event::Well(n, well) => drop(cluster.set_well(&name(n), well, now)),
                Event::Fail(n, in_a_row) => cluster.failed(&name(n), in_a_row, now),
                Event::Advance(seconds) => clock.advance(seconds * SECOND),
            }
            let now = clock.now();
            let found: Vec<usize> = cluster.candidates(now, &[]).iter().map(|candidate| candidate.index).collect();
            let status: Vec<Status> = cluster.status(now).collect();
            prop_assert!(status.is_sorted_by(|a, b| a.endpoint.name < b.endpoint.name));
            let ejected = status.iter().filter(|status| status.ejected_until.is_some()).count();
            prop_assert_eq!(ejected, cluster.ejected());
            prop_assert!(ejected * 100 <= status.len() * usize::from(most_percent));
            prop_assert!(status.iter().all(|status| status.ejected_until.is_none_or(|until| until > now)));
            let is_in = |status: &Status| status.well && status.ejected_until.is_none();
            let working: Vec<usize> = (0..status.len()).filter(|&index| status[index].endpoint.weight > 0).collect();
            let well: Vec<usize> = working.iter().copied().filter(|&index| is_in(&status[index])).collect();
            let expected = if well.len() * 2 < working.len() { working } else { well };
            prop_assert_eq!(&found, &expected);
            let candidates = cluster.candidates(now, &[]);
            let mut zoned: Vec<usize> = candidates
                .zones()
                .flat_map(|(zone, ..)| candidates.within(zone).unwrap().iter().map(|candidate| candidate.index))
                .collect();
            zoned.sort_unstable();
            prop_assert_eq!(zoned, expected);
        }
    }
}
