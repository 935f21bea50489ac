//! All members that are known, and the order in which they are probed.

use std::collections::BTreeMap;

use xs_os::Rng;

use super::{Member, NodeId};

/// The table of members, this one among them.
#[derive(Debug)]
pub(super) struct Table {
    members: BTreeMap<NodeId, Member>,
    /// Whom to probe, one behind the other; a new round begins in a new order (SWIM, 4.3).
    round: Vec<NodeId>,
    next: usize,
    up: usize,
}

impl Table {
    pub(super) fn new(myself: Member) -> Self {
        let members = BTreeMap::from([(myself.id, myself)]);
        Table { members, round: Vec::new(), next: 0, up: 1 }
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Member> {
        self.members.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Those behind one name and up to another.
    pub(super) fn stretch(&self, after: Option<NodeId>, upto: Option<NodeId>) -> impl Iterator<Item = &Member> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        // A stretch that ends before it begins is empty, and a range of the map would panic.
        let empty = after.zip(upto).is_some_and(|(after, upto)| upto <= after);
        let to = if empty { None } else { Some(upto.map_or(Unbounded, Included)) };
        to.into_iter().flat_map(move |to| self.members.range((from, to)).map(|(_, member)| member))
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// How many take part, this one among them.
    pub(super) fn up(&self) -> usize {
        self.up
    }

    /// A new member, which takes a random place in what is left of the round and of what was.
    pub(super) fn insert(&mut self, member: Member, rng: &mut Rng) {
        let id = member.id;
        self.up += usize::from(member.is_up());
        self.members.insert(id, member);
        let at = rng.index(self.round.len() + 1);
        self.round.insert(at, id);
        // Nobody is skipped, and nobody comes twice: what was probed stays in front of `next`.
        if at < self.next {
            self.next += 1;
        }
    }

    pub(super) fn change(&mut self, id: NodeId, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(&id) {
            self.up -= usize::from(member.is_up());
            change(member);
            self.up += usize::from(member.is_up());
        }
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Member) -> bool) {
        self.members.retain(|_, member| keep(member));
        self.up = self.members.values().filter(|member| member.is_up()).count();
        let (members, next) = (&self.members, self.next);
        let gone_before = self.round[..next].iter().filter(|id| !members.contains_key(id)).count();
        self.round.retain(|id| members.contains_key(id));
        self.next -= gone_before;
    }

    /// Whom to probe next: everybody who takes part once in a round, so that nobody waits for more than two rounds.
    pub(super) fn next(&mut self, rng: &mut Rng) -> Option<NodeId> {
        for _ in 0..2 {
            while let Some(id) = self.round.get(self.next).copied() {
                self.next += 1;
                if self.members.get(&id).is_some_and(Member::is_up) {
                    return Some(id);
                }
            }
            rng.shuffle(&mut self.round);
            self.next = 0;
        }
        None
    }

    /// So many at random of those that fit, in random order.
    pub(super) fn some(&self, count: usize, rng: &mut Rng, fits: impl Fn(&Member) -> bool) -> Vec<&Member> {
        // Drawn from the list of the round first: that costs the few tries that it takes, and not a walk over the table.
        let mut found: Vec<&Member> = Vec::new();
        let tries = if self.round.is_empty() { 0 } else { 3 * count + 4 };
        for _ in 0..tries {
            if found.len() == count {
                return found;
            }
            let id = self.round[rng.index(self.round.len())];
            if let Some(member) = self.members.get(&id)
                && fits(member)
                && !found.iter().any(|other| other.id == id)
            {
                found.push(member);
            }
        }
        let mut all: Vec<&Member> =
            self.round.iter().filter_map(|id| self.members.get(id)).filter(|m| fits(m)).collect();
        rng.shuffle(&mut all);
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::State;
    use bytes::Bytes;
    use proptest::prelude::*;
    use xs_os::{Clock, Rng, VirtualClock};

    fn member(id: u64) -> Member {
        Member {
            id: NodeId(id),
            addr: "127.0.0.1:1".parse().unwrap(),
            meta: Bytes::new(),
            state: State::Alive,
            incarnation: 0,
            since: VirtualClock::new().now(),
            profile: 0,
        }
    }

    proptest! {
        /// SWIM, 4.3: between two probes of the same member lie less than two rounds, and every member is probed in each.
        #[test]
        fn nobody_waits_for_more_than_two_rounds(seed: u64, others in 1..40_u64, late in 0..10_u64) {
            let mut rng = Rng::from_seed(seed);
            let mut table = Table::new(member(0));
            (1..=others).for_each(|id| table.insert(member(id), &mut rng));
            let mut last: BTreeMap<NodeId, u64> = (1..=others).map(|id| (NodeId(id), 0)).collect();
            for at in 1..=6 * others {
                if at > others && at <= others + late {
                    let id = 1000 + at;
                    table.insert(member(id), &mut rng);
                    last.insert(NodeId(id), at);
                }
                let probed = table.next(&mut rng).unwrap();
                last.insert(probed, at);
                let longest = last.values().map(|last| at - last).max().unwrap();
                prop_assert!(longest < 2 * last.len() as u64, "{longest} of {}", last.len());
            }
        }

        #[test]
        fn those_drawn_fit_and_differ(seed: u64, others in 0..20_u64, count in 0..6_usize) {
            let mut rng = Rng::from_seed(seed);
            let mut table = Table::new(member(0));
            (1..=others).for_each(|id| table.insert(member(id), &mut rng));
            let some = table.some(count, &mut rng, |member| member.id.0 % 2 == 0);
            prop_assert_eq!(some.len(), count.min(others as usize / 2));
            let names: std::collections::BTreeSet<NodeId> = some.iter().map(|member| member.id).collect();
            prop_assert!(names.len() == some.len() && names.iter().all(|id| id.0 % 2 == 0 && id.0 != 0));
        }
    }

    #[test]
    fn those_who_are_forgotten_leave_the_round_and_its_place() {
        let mut rng = Rng::from_seed(1);
        let mut table = Table::new(member(0));
        (1..=6).for_each(|id| table.insert(member(id), &mut rng));
        let first: Vec<NodeId> = (0..3).filter_map(|_| table.next(&mut rng)).collect();
        table.retain(|member| member.id != first[0] && member.id != first[1]);
        let rest: Vec<NodeId> = (0..3).filter_map(|_| table.next(&mut rng)).collect();
        assert!(rest.iter().all(|id| !first.contains(id)) && table.up() == 5 && table.len() == 5);
    }

    #[test]
    fn a_stretch_that_ends_before_it_begins_is_empty() {
        let table = Table::new(member(5));
        let count = |after: Option<u64>, upto: Option<u64>| table.stretch(after.map(NodeId), upto.map(NodeId)).count();
        assert_eq!(
            [count(None, None), count(Some(5), Some(4)), count(Some(5), Some(5)), count(Some(4), Some(5))],
            [1, 0, 0, 1]
        );
    }
}
