//! A count for each machine.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// Who counts. Two that count at the same time must never have the same one, and a replica that has lost what it had
/// counted must take a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u64);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// One event: the `count`-th of a replica, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// Whose event.
    pub replica: ReplicaId,
    /// Which one.
    pub count: u64,
}

impl Dot {
    /// The `count`-th event of a replica.
    pub fn new(replica: ReplicaId, count: u64) -> Self {
        Dot { replica, count }
    }
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.replica, self.count)
    }
}

/// A count cannot go on. It takes 2⁶⁴ events, or a state that no honest replica sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a count is used up: give {0} a new identity")]
pub struct Overflow(pub ReplicaId);

/// How many events of each replica are known: vector clock and version vector. See the [module page](super).
///
/// One vector is less than another (`<`) if what it knows happened before; [`PartialOrd::partial_cmp`] answers `None` if
/// both know something that the other does not: they are concurrent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VersionVector {
    /// No zeros.
    counts: BTreeMap<ReplicaId, u64>,
}

impl VersionVector {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many events of a replica are known.
    pub fn get(&self, replica: ReplicaId) -> u64 {
        self.counts.get(&replica).copied().unwrap_or(0)
    }

    /// Whether an event is known.
    pub fn contains(&self, dot: Dot) -> bool {
        0 < dot.count && dot.count <= self.get(dot.replica)
    }

    /// A further event of a replica.
    pub fn increment(&mut self, replica: ReplicaId) -> Result<Dot, Overflow> {
        let count = self.get(replica).checked_add(1).ok_or(Overflow(replica))?;
        self.counts.insert(replica, count);
        Ok(Dot { replica, count })
    }

    /// Takes in that so many events of a replica are known, at least.
    pub fn raise(&mut self, replica: ReplicaId, count: u64) {
        if count > self.get(replica) {
            self.counts.insert(replica, count);
        }
    }

    /// What either knows.
    pub fn merge(&mut self, other: &VersionVector) {
        other.iter().for_each(|(replica, count)| self.raise(replica, count));
    }

    /// The replicas of which something is known, with how much.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, u64)> {
        self.counts.iter().map(|(replica, count)| (*replica, *count))
    }

    /// Of how many replicas something is known.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn within(&self, other: &VersionVector) -> bool {
        self.iter().all(|(replica, count)| count <= other.get(replica))
    }
}

impl PartialOrd for VersionVector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.within(other), other.within(self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            (false, false) => None,
        }
    }
}

impl FromIterator<(ReplicaId, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, u64)>>(counts: I) -> Self {
        let mut vector = Self::new();
        counts.into_iter().for_each(|(replica, count)| vector.raise(replica, count));
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Lamport;
    use proptest::prelude::*;

    /// Machines that do something or receive what another one had sent, as drawn: for each event its vector, its Lamport
    /// number, and which events happened before it, found by walking.
    fn run(choices: &[(usize, Option<usize>)]) -> Vec<(VersionVector, u64, Vec<bool>)> {
        const MACHINES: usize = 4;
        let mut machines: Vec<_> =
            (0..MACHINES).map(|_| (VersionVector::new(), Lamport::new(1000), vec![false; choices.len()])).collect();
        let mut events: Vec<(VersionVector, u64, Vec<bool>)> = Vec::new();
        for (nth, (machine, heard)) in choices.iter().enumerate() {
            let machine = machine % MACHINES;
            let (vector, lamport, past) = &mut machines[machine];
            // Every event is sent to whoever wants it.
            let number = match heard.filter(|_| nth > 0).map(|heard| &events[heard % nth]) {
                Some((theirs, number, before)) => {
                    vector.merge(theirs);
                    past.iter_mut().zip(before).for_each(|(ours, theirs)| *ours |= theirs);
                    past[heard.unwrap() % nth] = true;
                    lamport.observe(*number).unwrap()
                }
                None => lamport.tick().unwrap(),
            };
            vector.increment(ReplicaId(machine as u64)).unwrap();
            events.push((vector.clone(), number, past.clone()));
            past[nth] = true;
        }
        events
    }

    proptest! {
        #[test]
        fn the_order_is_exactly_what_happened_before(
            choices in prop::collection::vec((0_usize..4, prop::option::of(0_usize..1000)), 1..60),
        ) {
            let events = run(&choices);
            for (x, (vector, number, _)) in events.iter().enumerate() {
                for (y, (later, larger, past)) in events.iter().enumerate() {
                    let before = past[x];
                    prop_assert_eq!(vector < later, before, "{} and {}", x, y);
                    prop_assert_eq!(vector == later, x == y);
                    prop_assert!(!before || number < larger, "Lamport's clock condition");
                }
            }
        }

        #[test]
        fn merge_is_the_least_upper_bound(counts in prop::array::uniform3(prop::collection::vec((0_u64..4, 0_u64..4), 0..5))) {
            let [a, b, c] = counts.map(|counts| {
                counts.into_iter().map(|(replica, count)| (ReplicaId(replica), count)).collect::<VersionVector>()
            });
            let mut both = a.clone();
            both.merge(&b);
            prop_assert!(a <= both && b <= both);
            prop_assert!(!(a <= c && b <= c) || both <= c);
        }
    }

    #[test]
    fn concurrent_numbers_of_lamport_tell_nothing() {
        // Two machines that never talk, and one that counts more.
        let events = run(&[(0, None), (1, None), (1, None)]);
        assert!(events[0].1 < events[2].1);
        assert_eq!(events[0].0.partial_cmp(&events[2].0), None);
    }

    #[test]
    fn the_last_count_is_the_last() {
        let mut vector: VersionVector = [(ReplicaId(1), u64::MAX)].into_iter().collect();
        assert_eq!(vector.increment(ReplicaId(1)), Err(Overflow(ReplicaId(1))));
        assert!(vector.contains(Dot::new(ReplicaId(1), u64::MAX)));
        assert!(!vector.contains(Dot::new(ReplicaId(1), 0)));
    }
}
