//! How well each policy balances, beside what is published of it. The chapter's table is written from here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use xs_os::{Clock, Rng, VirtualClock};

use super::*;

/// Members of these weights, named by their place.
pub(super) fn cluster(weights: impl IntoIterator<Item = u32>, now: Instant) -> Cluster {
    let mut cluster = Cluster::new("test", ClusterOptions::default(), now);
    for (nth, weight) in weights.into_iter().enumerate() {
        cluster.apply(Change::Insert(Endpoint::new(format!("{nth:06}")).weight(weight)), now);
    }
    cluster
}

/// So many calls that never end; answers what each has.
pub(super) fn pile(policy: &mut dyn Policy, members: usize, calls: usize, seed: u64) -> Vec<u32> {
    pile_by(policy, std::iter::repeat_n(1, members), calls, seed, |_| None)
}

fn pile_by(
    policy: &mut dyn Policy,
    weights: impl IntoIterator<Item = u32>,
    calls: usize,
    seed: u64,
    mut key: impl FnMut(&mut Rng) -> Option<u64>,
) -> Vec<u32> {
    let now = VirtualClock::new().now();
    let mut cluster = cluster(weights, now);
    policy.changed(cluster.endpoints());
    let mut rng = Rng::from_seed(seed);
    let mut under_way = Vec::new();
    for _ in 0..calls {
        let key = key(&mut rng);
        let picked = policy.pick(&cluster.candidates(now, &[]), key, &mut rng).unwrap();
        under_way.push(cluster.load(picked).unwrap().begin(now));
    }
    (0..cluster.endpoints().len()).map(|index| cluster.load(index).unwrap().outstanding()).collect()
}

/// The fullest, as a multiple of the mean: the worst of three seeds.
fn fullest(mut piles: impl FnMut(u64) -> Vec<u32>) -> f64 {
    let of = |piles: Vec<u32>| {
        let (most, all) = (piles.iter().max().unwrap(), piles.iter().sum::<u32>());
        f64::from(*most) * piles.len() as f64 / f64::from(all)
    };
    (0..3).map(|seed| of(piles(seed))).fold(0.0, f64::max)
}

/// How much a Maglev table's fullest part is above the mean.
fn fullest_part(places: usize, members: usize) -> f64 {
    let mut maglev = Maglev::new(places);
    let endpoints: Vec<_> = (0..members).map(|nth| Endpoint::new(format!("{nth:06}"))).collect();
    maglev.changed(&endpoints);
    let mut parts = vec![0_u32; members];
    maglev.first(0, &mut |index| {
        parts[index] += 1;
        false
    });
    f64::from(*parts.iter().max().unwrap()) * members as f64 / maglev.places() as f64
}

/// What stands beside rings: of a part of the circle, and of the keys in it.
const RING: [&str; 3] = ["1 + √(2 ln n (1 / points + 1 / mean)), 1.89, about", "1.29, about", "1.13, about"];

/// A line of the chapter's table: who, when, what was found, the bound, and how it is written.
struct Line(&'static str, &'static str, f64, f64, &'static str);

#[test]
fn the_fullest_is_within_its_published_bound() {
    let (many, few, v) = (10_000, 50, 50_000);
    let lnln = |n: usize| (n as f64).ln().ln();
    let ln = |n: usize| (n as f64).ln();
    let by_key = |rng: &mut Rng| Some(rng.next_u64());
    // Nine of ten calls are for one key.
    let hot = |rng: &mut Rng| Some(if rng.chance(0.9) { 1 } else { rng.next_u64() });
    let ones = |n| std::iter::repeat_n(1, n);
    let equal = |policy: fn() -> Box<dyn Policy>, n, calls| fullest(|seed| pile(&mut *policy(), n, calls, seed));
    let keyed = |policy: &dyn Fn() -> Box<dyn Policy>, calls| {
        fullest(|seed| pile_by(&mut *policy(), ones(few), calls, seed, by_key))
    };
    // Each has what its weight says, or the part of it that has been served: 1 to 10, and all of them twelve times.
    let smooth = fullest(|seed| {
        let served = pile_by(&mut SmoothWeighted::new(), 1..=10, 55 * 12, seed, |_| None);
        served.iter().zip(1..).map(|(calls, weight)| calls / weight).collect()
    });
    let random = |calls, n| equal(|| Box::new(Random), n, calls);
    let two = |calls, n| equal(|| Box::new(PowerOfTwoChoices::new(Measure::Outstanding)), n, calls);
    let ring = |points| keyed(&move || Box::new(Hashed::new(Ring::new(points))), v);
    // The deviation of a part of the circle, and that of the keys that fall into it.
    let ring_bound = |points: f64| 1.0 + 1.1 * (2.0 * ln(few) * (1.0 / points + 1.0 / 1000.0)).sqrt();
    let bounded = fullest(|seed| pile_by(&mut Bounded::new(Ring::default(), 125), ones(few), 10_000, seed, hot));
    let alone = fullest(|seed| pile_by(&mut Hashed::new(Ring::default()), ones(few), 10_000, seed, hot));
    let heavy = 20_000.0 / 100.0;
    let chance = |n, mean: f64| 1.0 + 1.1 * (2.0 * ln(n) / mean).sqrt();
    let rendezvous = keyed(&|| Box::new(Hashed::new(Rendezvous::new())), v);
    let lines = [
        Line("`RoundRobin`", "50, mean 100", equal(|| Box::new(RoundRobin::new()), few, 5000), 1.0, "1"),
        Line("`SmoothWeighted`", "weights 1 to 10, mean 12 each", smooth, 1.0, "1"),
        Line("`LeastConnections`", "50, mean 100", equal(|| Box::new(LeastConnections), few, 5000), 1.0, "1"),
        // Gonnet's, the inverse of the gamma function of n less 3/2, is 6.8 here.
        Line("`Random`", "10,000, mean 1", random(many, many), 8.0, "(1 + o(1)) ln n / ln ln n, 4.1 and more"),
        Line("", "100, mean 200", random(20_000, 100), chance(100, heavy), "1 + √(2 ln n / mean), 1.21, about"),
        Line("`PowerOfTwoChoices`", "10,000, mean 1", two(many, many), 4.2, "ln ln n / ln 2 + O(1), 3.2 and more"),
        Line("", "100, mean 200", two(20_000, 100), 1.016, "1 + (ln ln n / ln 2 + O(1)) / mean, 1.011 and more"),
        Line("`Ring`, 10 points", "50, mean 1,000", ring(10), ring_bound(10.0), RING[0]),
        Line("`Ring`, 100 points", "50, mean 1,000", ring(100), ring_bound(100.0), RING[1]),
        Line("`Ring`, 1,000 points", "50, mean 1,000", ring(1000), ring_bound(1000.0), RING[2]),
        Line("`Maglev`, 251 places", "50, by places", fullest_part(251, few), 1.2, "1 + n / places, 1.199"),
        Line("`Maglev`, 5,003 places", "50, by places", fullest_part(5003, few), 1.01, "1.010"),
        Line("`Maglev`, 65,537 places", "50, by places", fullest_part(65_537, few), 1.001, "1.001"),
        Line(
            "`Rendezvous`",
            "50, mean 1,000",
            rendezvous,
            chance(few, 1000.0),
            "as chance: 1 + √(2 ln n / mean), 1.09, about",
        ),
        Line("`Ring`, nine of ten calls for one key", "50, mean 200", alone, f64::INFINITY, "none"),
        Line("`Bounded` over it, 125 %", "50, mean 200", bounded, 1.25, "1 + ε, 1.25"),
    ];
    let mut table = String::new();
    for Line(who, when, found, bound, says) in &lines {
        assert!(found <= bound, "{who}, {when}: {found:.3}, bound {bound:.3}, {says}");
        table += &format!("//! | {who} | {when} | {found:.3} | {says} |\n");
    }
    // Chance alone is not even, and neither is a ring with few points: that is what the others are for.
    assert!(lines[3].2 > ln(many) / lnln(many) && lines[3].2 > 1.5 * lines[5].2);
    assert!(lines[4].2 - 1.0 > 5.0 * (lines[6].2 - 1.0));
    assert!(alone > 40.0);
    let chapter = include_str!("mod.rs");
    let written = |line: &str| chapter.contains(line);
    assert!(table.lines().all(written), "the chapter's table should say:\n{table}");
}

/// A member that leaves moves few keys but its own: how many of the others', in ten thousand.
#[test]
fn a_larger_table_moves_fewer_keys_of_others() {
    let all: Vec<_> = (0..100).map(|nth| Endpoint::new(format!("{nth:06}"))).collect();
    let owners = |maglev: &mut Maglev, endpoints: &[Endpoint]| -> Vec<Arc<str>> {
        maglev.changed(endpoints);
        let key = |nth: u64| hash(&nth.to_le_bytes());
        (0..20_000).map(|nth| endpoints[maglev.first(key(nth), &mut |_| true).unwrap()].name.clone()).collect()
    };
    let mut moved = Vec::new();
    for places in [10_007, 65_537, 655_373] {
        let mut maglev = Maglev::new(places);
        let before = owners(&mut maglev, &all);
        let mut strangers = 0;
        for gone in [7, 42, 99] {
            let fewer: Vec<_> = all.iter().filter(|endpoint| **endpoint != all[gone]).cloned().collect();
            let after = owners(&mut maglev, &fewer);
            let others = before.iter().zip(&after).filter(|(before, _)| **before != all[gone].name);
            strangers += others.filter(|(before, after)| before != after).count();
        }
        moved.push(strangers as f64 / 3.0 / 20_000.0 * 100.0);
    }
    let line = format!("{:.1}, {:.1} and {:.1} %", moved[0], moved[1], moved[2]);
    assert!(
        moved[0] < 10.0 && moved[1] < 4.0 && moved[2] < 2.0 && moved[2] < moved[1] && moved[1] < moved[0],
        "{line}"
    );
    assert!(include_str!("mod.rs").contains(&line), "the chapter should say: {line}");
}

/// Queues that are served one call after another. Answers the 99th percentile of the time from a call's beginning to its
/// end, in milliseconds.
fn p99(policy: &mut dyn Policy, service_ms: &[u64], calls: usize, every_ms: f64, seed: u64) -> u64 {
    let mut took: Vec<_> = Queues::new(policy, service_ms, every_ms, seed).take(calls).map(|(_, took)| took).collect();
    took.sort_unstable();
    took[took.len() * 99 / 100].as_millis() as u64
}

/// Calls of a Poisson process to queues that are served one call after another: whom each came to, and how long it took.
struct Queues<'a> {
    policy: &'a mut dyn Policy,
    service_ms: Vec<u64>,
    every_ms: f64,
    clock: VirtualClock,
    rng: Rng,
    cluster: Cluster,
    free_at: Vec<Instant>,
    under_way: BTreeMap<(Instant, usize), Outstanding>,
    calls: usize,
}

impl<'a> Queues<'a> {
    fn new(policy: &'a mut dyn Policy, service_ms: &[u64], every_ms: f64, seed: u64) -> Self {
        let clock = VirtualClock::new();
        let cluster = cluster(service_ms.iter().map(|_| 1), clock.now());
        policy.changed(cluster.endpoints());
        let free_at = vec![clock.now(); service_ms.len()];
        let (rng, under_way, service_ms) = (Rng::from_seed(seed), BTreeMap::new(), service_ms.to_vec());
        Queues { policy, service_ms, every_ms, clock, rng, cluster, free_at, under_way, calls: 0 }
    }
}

impl Iterator for Queues<'_> {
    type Item = (usize, Duration);

    fn next(&mut self) -> Option<(usize, Duration)> {
        let pause = -(1.0_f64 - self.rng.unit()).ln() * self.every_ms / 1e3;
        self.clock.advance(Duration::from_secs_f64(pause));
        let at = self.clock.now();
        let later = self.under_way.split_off(&(at, usize::MAX));
        for ((end, _), call) in std::mem::replace(&mut self.under_way, later) {
            call.end(end, Outcome::Success);
        }
        let picked = self.policy.pick(&self.cluster.candidates(at, &[]), None, &mut self.rng)?;
        let end = self.free_at[picked].max(at) + Duration::from_millis(self.service_ms[picked]);
        self.free_at[picked] = end;
        self.calls += 1;
        self.under_way.insert((end, self.calls), self.cluster.load(picked)?.begin(at));
        Some((picked, end - at))
    }
}

#[test]
fn two_choices_route_around_a_slow_one_and_turns_do_not() {
    // Nine that take 10 ms and one that takes 100; a call every 2 ms, so the nine could carry it with ease, and the slow
    // one gets five times what it can do if it gets its turn.
    let service = [10, 10, 10, 10, 100, 10, 10, 10, 10, 10];
    let worst =
        |policy: fn() -> Box<dyn Policy>| (0..3).map(|seed| p99(&mut *policy(), &service, 20_000, 2.0, seed)).max();
    let turns = worst(|| Box::new(RoundRobin::new())).unwrap();
    let peak = worst(|| Box::new(PowerOfTwoChoices::new(Measure::PeakEwma))).unwrap();
    let outstanding = worst(|| Box::new(PowerOfTwoChoices::new(Measure::Outstanding))).unwrap();
    let line = format!("{} s in turns, {outstanding} ms by calls under way, {peak} ms by peak average", turns / 1000);
    assert!(peak <= 100 && peak * 5 < turns && outstanding * 5 < turns, "{line}");
    assert!(include_str!("mod.rs").contains(&line), "the chapter should say: {line}");
}

/// An endpoint answers one call a hundred times too late, and is well again. How long it gets nothing, in seconds.
fn comes_back_after(members: usize, every_ms: f64, seed: u64) -> f64 {
    let mut policy = PowerOfTwoChoices::new(Measure::PeakEwma);
    let mut queues = Queues::new(&mut policy, &vec![10; members], every_ms, seed);
    // All are known, and have about the same average.
    queues.by_ref().take(100 * members).for_each(drop);
    let (clock, load) = (queues.clock.clone(), queues.cluster.load(0).unwrap().clone());
    let call = load.begin(clock.now());
    call.end(clock.now() + Duration::from_secs(1), Outcome::Success);
    let since = clock.now() + Duration::from_secs(1);
    queues.find(|(picked, _)| *picked == 0).unwrap();
    clock.now().saturating_duration_since(since).as_secs_f64()
}

#[test]
fn who_was_slow_once_comes_back_with_time_or_with_need() {
    let tau = LoadOptions::default().tau.as_secs_f64();
    for seed in 0..3 {
        // While the others are idle, time alone brings it back: when a second has faded to their 10 ms.
        let idle = comes_back_after(10, 200.0, seed);
        let law = tau * 100_f64.ln();
        assert!((0.7 * law..1.3 * law).contains(&idle), "seed {seed}: {idle} s, tau · ln 100 is {law} s");
        // Three of which two are not enough: as soon as a call more at the others costs as much as it does.
        let needed = comes_back_after(3, 4.0, seed);
        assert!(needed < 2.0, "seed {seed}: {needed} s");
    }
}
