use std::time::Instant;

use proptest::prelude::*;
use xs_os::{Clock, Rng, VirtualClock};

use super::*;
use crate::balance::Cluster;
use crate::balance::quality::{cluster, pile};

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
