use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use xs_os::{Clock, Rng, VirtualClock};

use super::*;
use crate::balance::{Change, Cluster, ClusterOptions, Outcome, Outstanding};

fn cluster(weights: impl IntoIterator<Item = u32>, now: Instant) -> Cluster {
    let mut cluster = Cluster::new("test", ClusterOptions::default(), now);
    for (nth, weight) in weights.into_iter().enumerate() {
        cluster.apply(Change::Insert(Endpoint::new(format!("{nth:06}")).weight(weight)), now);
    }
    cluster
}

/// So many calls that never end; answers what each has, and keeps the calls.
fn pile(policy: &mut dyn Policy, members: usize, calls: usize, seed: u64) -> Vec<u32> {
    let now = VirtualClock::new().now();
    let mut cluster = cluster(std::iter::repeat_n(1, members), now);
    policy.changed(cluster.endpoints());
    let mut rng = Rng::from_seed(seed);
    let mut under_way = Vec::new();
    for _ in 0..calls {
        let picked = policy.pick(&cluster.candidates(now, &[]), None, &mut rng).unwrap();
        under_way.push(cluster.load(picked).unwrap().begin(now));
    }
    (0..members).map(|index| cluster.load(index).unwrap().outstanding()).collect()
}

fn most(piles: &[u32]) -> f64 {
    f64::from(*piles.iter().max().unwrap())
}

#[test]
fn two_choices_are_exponentially_better_than_one() {
    let n = 10_000;
    let (ln, lnln) = ((n as f64).ln(), (n as f64).ln().ln());
    for seed in 0..3 {
        // n calls to n members: ln n / ln ln n by chance, times 1 + o(1), which is about 1.5 for this n; against
        // ln ln n / ln 2 + O(1) with two choices.
        let one = most(&pile(&mut Random, n, n, seed));
        assert!((ln / lnln..2.0 * ln / lnln).contains(&one), "seed {seed}: {one}, bound {}", ln / lnln);
        let two = most(&pile(&mut PowerOfTwoChoices::new(Measure::Outstanding), n, n, seed));
        assert!(two <= lnln / 2_f64.ln() + 1.0, "seed {seed}: {two}, bound {}", lnln / 2_f64.ln());
        assert!(two < one);
    }
}

#[test]
fn the_gap_of_two_choices_does_not_grow_with_the_calls() {
    let (n, m) = (100, 100_000);
    let mean = (m / n) as f64;
    for seed in 0..3 {
        // By chance the gap is about √(2 · mean · ln n), here 96; with two choices it is that of the case above.
        let one = most(&pile(&mut Random, n, m, seed)) - mean;
        assert!((40.0..200.0).contains(&one), "seed {seed}: {one}");
        let two = most(&pile(&mut PowerOfTwoChoices::new(Measure::Outstanding), n, m, seed)) - mean;
        assert!(two <= 5.0, "seed {seed}: {two}");
    }
}

#[test]
fn turns_and_the_least_are_exact() {
    let mut policies: [Box<dyn Policy>; 3] =
        [Box::new(RoundRobin::new()), Box::new(SmoothWeighted::new()), Box::new(LeastConnections)];
    for policy in &mut policies {
        assert!(pile(policy, 50, 1000, 1).iter().all(|&calls| calls == 20), "{policy:?}");
    }
}

#[test]
fn least_connections_break_ties_by_chance() {
    let first = |seed| pile(&mut LeastConnections, 10, 1, seed).iter().position(|&calls| calls == 1).unwrap();
    let mut seen = [0; 10];
    (0..2000).for_each(|seed| seen[first(seed)] += 1);
    assert!(seen.iter().all(|&times| (140..260).contains(&times)), "{seen:?}");
}

fn picks(policy: &mut dyn Policy, cluster: &mut Cluster, count: usize, now: Instant) -> Vec<usize> {
    let mut rng = Rng::from_seed(5);
    (0..count).map(|_| policy.pick(&cluster.candidates(now, &[]), None, &mut rng).unwrap()).collect()
}

#[test]
fn the_smooth_sequences_are_nginxs() {
    let now = VirtualClock::new().now();
    for (weights, expected) in
        [(vec![5, 1, 1], vec![0, 0, 1, 0, 2, 0, 0]), (vec![4, 3, 2], vec![0, 1, 2, 0, 1, 0, 2, 1, 0])]
    {
        let mut cluster = cluster(weights, now);
        let mut policy = SmoothWeighted::new();
        policy.changed(cluster.endpoints());
        let twice = picks(&mut policy, &mut cluster, 2 * expected.len(), now);
        assert_eq!(twice, expected.repeat(2));
    }
}

proptest! {
    #[test]
    fn smooth_is_exact_over_a_round_and_never_a_call_ahead(weights in proptest::collection::vec(1..20_u32, 1..8)) {
        let now = VirtualClock::new().now();
        let mut cluster = cluster(weights.clone(), now);
        let mut policy = SmoothWeighted::new();
        policy.changed(cluster.endpoints());
        let all: u32 = weights.iter().sum();
        let mut had = vec![0; weights.len()];
        for (nth, picked) in picks(&mut policy, &mut cluster, all as usize, now).into_iter().enumerate() {
            had[picked] += 1;
            // had < part + 1
            prop_assert!((had[picked] - 1) * all < (nth as u32 + 1) * weights[picked]);
        }
        prop_assert_eq!(had, weights);
    }

    /// Every policy picks a candidate whenever there is one, and only a candidate.
    #[test]
    fn picks_are_candidates(
        weights in proptest::collection::vec(0..3_u32, 0..8),
        unwell in proptest::collection::vec(any::<bool>(), 8),
        tried in proptest::collection::vec(any::<bool>(), 8),
        seed: u64,
    ) {
        use crate::balance::{Bounded, Hashed, Maglev, Rendezvous, Ring};
        let now = VirtualClock::new().now();
        let mut cluster = cluster(weights.clone(), now);
        let names: Vec<_> = cluster.endpoints().iter().map(|endpoint| endpoint.name.clone()).collect();
        for (name, _) in names.iter().zip(&unwell).filter(|(_, unwell)| **unwell) {
            cluster.set_well(name, false, now);
        }
        let tried: Vec<_> = names.iter().zip(&tried).filter(|(_, tried)| **tried).map(|(name, _)| name.clone()).collect();
        let mut policies: Vec<Box<dyn Policy>> = vec![
            Box::new(RoundRobin::new()),
            Box::new(SmoothWeighted::new()),
            Box::new(Random),
            Box::new(LeastConnections),
            Box::new(PowerOfTwoChoices::default()),
            Box::new(Hashed::new(Ring::new(3))),
            Box::new(Hashed::new(Maglev::new(3))),
            Box::new(Hashed::new(Rendezvous::new())),
            Box::new(Bounded::new(Ring::new(3), 100)),
        ];
        let mut rng = Rng::from_seed(seed);
        for policy in &mut policies {
            policy.changed(cluster.endpoints());
            for hash in [None, Some(seed)] {
                let candidates = cluster.candidates(now, &tried);
                let some = candidates.iter().count() > 0;
                let picked = policy.pick(&candidates, hash, &mut rng);
                prop_assert_eq!(picked.is_some(), some, "{:?}", policy);
                prop_assert!(picked.is_none_or(|index| candidates.get(index).is_some()), "{:?}", policy);
            }
        }
    }
}

#[test]
fn chance_follows_weights() {
    let now = VirtualClock::new().now();
    let mut cluster = cluster([1, 2, 0, 7], now);
    let mut had = [0; 4];
    picks(&mut Random, &mut cluster, 10_000, now).into_iter().for_each(|picked| had[picked] += 1);
    assert!(had[2] == 0 && (900..1100).contains(&had[0]) && (1850..2150).contains(&had[1]), "{had:?}");
}

#[test]
fn a_turn_goes_to_the_next_when_one_is_out() {
    let now = VirtualClock::new().now();
    let mut cluster = cluster([1, 1, 1, 1], now);
    let mut policy = RoundRobin::new();
    let begins = picks(&mut policy, &mut cluster, 1, now)[0];
    let turns: Vec<usize> = (1..8).map(|nth| (begins + nth) % 4).collect();
    assert_eq!(picks(&mut policy, &mut cluster, 7, now), turns);
    // On to where the second comes next.
    picks(&mut policy, &mut cluster, (5 - begins) % 4 + 1, now);
    cluster.set_well("000001", false, now);
    assert_eq!(picks(&mut policy, &mut cluster, 6, now), [2, 3, 0, 2, 3, 0]);
}

/// Queues that are served one call after another. Answers the 99th percentile of the time from a call's beginning to its
/// end, in milliseconds.
fn p99(policy: &mut dyn Policy, service_ms: &[u64], calls: usize, every_ms: f64, seed: u64) -> u64 {
    let clock = VirtualClock::new();
    let mut rng = Rng::from_seed(seed);
    let mut cluster = cluster(service_ms.iter().map(|_| 1), clock.now());
    policy.changed(cluster.endpoints());
    let start = clock.now();
    let mut free_at = vec![start; service_ms.len()];
    let mut under_way: BTreeMap<(Instant, usize), Outstanding> = BTreeMap::new();
    let mut took = Vec::new();
    let mut at = start;
    for nth in 0..calls {
        // Arrivals of a Poisson process.
        at += Duration::from_secs_f64(-(1.0_f64 - rng.unit()).ln() * every_ms / 1e3);
        let later = under_way.split_off(&(at, usize::MAX));
        for ((end, _), call) in std::mem::replace(&mut under_way, later) {
            call.end(end, Outcome::Success);
        }
        clock.advance(at - clock.now());
        let picked = policy.pick(&cluster.candidates(at, &[]), None, &mut rng).unwrap();
        let end = free_at[picked].max(at) + Duration::from_millis(service_ms[picked]);
        free_at[picked] = end;
        under_way.insert((end, nth), cluster.load(picked).unwrap().begin(at));
        took.push((end - at).as_millis() as u64);
    }
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

#[test]
fn two_choices_route_around_a_slow_one_and_turns_do_not() {
    // Nine that take 10 ms and one that takes 100; a call every 2 ms, so the nine could carry it with ease, and the slow
    // one gets five times what it can do if it gets its turn.
    let service = [10, 10, 10, 10, 100, 10, 10, 10, 10, 10];
    for seed in 0..3 {
        let turns = p99(&mut RoundRobin::new(), &service, 20_000, 2.0, seed);
        for measure in [Measure::PeakEwma, Measure::Outstanding] {
            let two = p99(&mut PowerOfTwoChoices::new(measure), &service, 20_000, 2.0, seed);
            assert!(two * 5 < turns, "seed {seed}, {measure:?}: {two} ms against {turns} ms");
        }
        let peak = p99(&mut PowerOfTwoChoices::new(Measure::PeakEwma), &service, 20_000, 2.0, seed);
        assert!(peak <= 100, "seed {seed}: {peak} ms");
    }
}
