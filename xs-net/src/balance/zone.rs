//! The caller's own zone first: what it cannot take goes to the others.

use std::sync::Arc;

use xs_os::Rng;

use super::{Candidates, Policy};
use crate::endpoint::Endpoint;

/// Prefers the caller's own zone, and sends to the others only what it cannot take.
///
/// Callers are assumed to be spread evenly over the zones that have candidates, so each zone calls the same part, 1 of `z`.
/// A zone that holds at least that part of the weights keeps all its calls at home. One that holds less keeps what makes
/// its endpoints as busy as all others, and the rest goes to the zones that hold more, in proportion to how much more:
///
/// ```text
///   zones            a: 1     b: 2     c: 3      (of 6; each calls 2)
///   from a           ½ at home,         ½ to c
///   from b                    all at home
///   from c                             all at home:  c serves 2 + 1, b 2, a 1: everybody is as busy as it is strong
/// ```
///
/// Which calls leave is a matter of chance; of requests with a hash, of the hash, so that a key stays with its zone. Each zone
/// has a policy of its own, so that turns in one don't disturb those in another. While few members are well, or
/// if no candidate of the drawn zone is left, it picks among all.
#[derive(Debug, Clone)]
pub struct Zoned<P> {
    own: Arc<str>,
    minimum: usize,
    whole: P,
    zones: Vec<(Option<Arc<str>>, P)>,
}

impl<P: Policy + Clone> Zoned<P> {
    /// For a caller in the zone `own`; within a zone by `policy`. With fewer than `minimum` candidates zones don't matter:
    /// a zone of one would be a poor choice. Envoy takes 6.
    pub fn new(own: impl Into<Arc<str>>, minimum: usize, policy: P) -> Self {
        Zoned { own: own.into(), minimum, whole: policy, zones: Vec::new() }
    }

    /// The zone for the next call; `None`: any.
    fn draw<'a>(&self, candidates: &Candidates<'a>, rng: &mut Rng) -> Option<Candidates<'a>> {
        let (mut zones, mut all, mut own) = (0_u128, 0_u128, 0_u128);
        for (zone, weight, _) in candidates.zones() {
            zones += 1;
            all += u128::from(weight);
            own += if zone == Some(&self.own) { u128::from(weight) } else { 0 };
        }
        if candidates.is_panicking() || candidates.places() < self.minimum || own == 0 {
            return None;
        }
        // A zone calls `all`, and holds `zones` × its weight, both in units of 1/(zones · all).
        let more = |weight: u64| (u128::from(weight) * zones).saturating_sub(all);
        if own * zones >= all || u128::from(rng.next_u64() >> 32) * all < (own * zones) << 32 {
            return candidates.within(Some(&self.own));
        }
        let spare: u128 = candidates.zones().map(|(_, weight, _)| more(weight)).sum();
        let mut rest = (u128::from(rng.next_u64() >> 32) * spare) >> 32;
        for (zone, weight, _) in candidates.zones() {
            match rest.checked_sub(more(weight)) {
                None => return candidates.within(zone),
                Some(less) => rest = less,
            }
        }
        None
    }
}

impl<P: Policy + Clone> Policy for Zoned<P> {
    fn changed(&mut self, endpoints: &[Endpoint]) {
        self.zones.retain(|(zone, _)| endpoints.iter().any(|endpoint| endpoint.zone == *zone));
        for endpoint in endpoints {
            if !self.zones.iter().any(|(zone, _)| *zone == endpoint.zone) {
                self.zones.push((endpoint.zone.clone(), self.whole.clone()));
            }
        }
        let policies = self.zones.iter_mut().map(|(_, policy)| policy);
        policies.chain([&mut self.whole]).for_each(|policy| policy.changed(endpoints));
    }

    fn pick(&mut self, candidates: &Candidates<'_>, hash: Option<u64>, rng: &mut Rng) -> Option<usize> {
        let drawn = match hash {
            Some(hash) => self.draw(candidates, &mut Rng::from_seed(hash)),
            None => self.draw(candidates, rng),
        };
        let picked = drawn.and_then(|drawn| {
            let (_, policy) = self.zones.iter_mut().find(|(zone, _)| zone.as_ref() == drawn.zone())?;
            policy.pick(&drawn, hash, rng)
        });
        picked.or_else(|| self.whole.pick(candidates, hash, rng))
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::balance::{Change, Cluster, ClusterOptions, RoundRobin};
    use xs_os::{Clock, VirtualClock};

    fn cluster(zones: &[(&str, usize)]) -> Cluster {
        let now = VirtualClock::new().now();
        let mut cluster = Cluster::new("test", ClusterOptions::default(), now);
        for (zone, count) in zones {
            for nth in 0..*count {
                cluster.apply(Change::Insert(Endpoint::new(format!("{zone}{nth}")).zone(*zone)), now);
            }
        }
        cluster
    }

    /// How many of so many calls from `own` each zone gets.
    fn calls(cluster: &mut Cluster, own: &str, tried: &[Arc<str>]) -> [u32; 3] {
        let (now, mut rng) = (VirtualClock::new().now(), Rng::from_seed(3));
        let mut policy = Zoned::new(own, 3, RoundRobin::new());
        policy.changed(cluster.endpoints());
        let mut had = [0; 3];
        for _ in 0..6000 {
            let picked = policy.pick(&cluster.candidates(now, tried), None, &mut rng).unwrap();
            had[usize::from(cluster.endpoints()[picked].name.as_bytes()[0] - b'a')] += 1;
        }
        had
    }

    #[test]
    fn a_zone_keeps_what_it_can_take_and_all_are_as_busy_as_they_are_strong() {
        let mut cluster = cluster(&[("a", 1), ("b", 2), ("c", 3)]);
        let [home, to_b, to_c] = calls(&mut cluster, "a", &[]);
        assert!(to_b == 0 && (2850..3150).contains(&home) && home + to_c == 6000, "{home} {to_b} {to_c}");
        assert_eq!(calls(&mut cluster, "b", &[]), [0, 6000, 0]);
        assert_eq!(calls(&mut cluster, "c", &[]), [0, 0, 6000]);
    }

    #[test]
    fn spare_parts_share_what_is_too_much() {
        let mut cluster = cluster(&[("a", 1), ("b", 6), ("c", 5)]);
        let [home, to_b, to_c] = calls(&mut cluster, "a", &[]);
        // Of 12, each calls 4: a keeps a quarter, b has 2 to spare and c 1.
        assert!((1400..1600).contains(&home), "{home}");
        assert!((2850..3150).contains(&to_b) && (1400..1600).contains(&to_c), "{to_b} {to_c}");
    }

    #[test]
    fn a_key_stays_with_its_zone() {
        use crate::balance::{Hashed, Rendezvous};
        let now = VirtualClock::new().now();
        let mut cluster = cluster(&[("a", 1), ("b", 2), ("c", 3)]);
        let mut policy = Zoned::new("a", 3, Hashed::new(Rendezvous::new()));
        policy.changed(cluster.endpoints());
        let mut picks = |seed| -> Vec<_> {
            let (candidates, mut rng) = (cluster.candidates(now, &[]), Rng::from_seed(seed));
            (0..100).map(|key| policy.pick(&candidates, Some(key), &mut rng).unwrap()).collect()
        };
        let first = picks(1);
        assert_eq!(first, picks(2));
        let home = first.iter().filter(|&&index| index == 0).count();
        assert!((30..70).contains(&home), "{home} of 100");
    }

    #[test]
    fn nobody_at_home_and_few_members_make_zones_matter_nothing() {
        let mut cluster = cluster(&[("a", 2), ("b", 2)]);
        let tried = ["a0".into(), "a1".into()];
        assert_eq!(calls(&mut cluster, "a", &tried), [0, 6000, 0]);
        assert_eq!(calls(&mut cluster, "z", &[]), [3000, 3000, 0]);
        let mut two = self::cluster(&[("a", 1), ("b", 1)]);
        assert_eq!(calls(&mut two, "a", &[]), [3000, 3000, 0]);
    }
}
