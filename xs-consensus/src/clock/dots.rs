//! A set of events with gaps.

use std::collections::BTreeMap;

use super::version::{Dot, Overflow, ReplicaId, VersionVector};

/// A set of [`Dot`]s as ranges of counts: what a replica has seen when messages may be lost or overtake one another.
///
/// Without gaps it is as small as a [`VersionVector`]. No operation takes longer than the number of ranges, whatever
/// counts they claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dots {
    /// First and last of each range, ascending; there is at least one count between two ranges. No empty lists.
    ranges: BTreeMap<ReplicaId, Vec<(u64, u64)>>,
}

impl Dots {
    /// No event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an event is among them.
    pub fn contains(&self, dot: Dot) -> bool {
        self.of(dot.replica).iter().any(|(first, last)| *first <= dot.count && dot.count <= *last)
    }

    /// Takes in an event. A count of 0 is none.
    pub fn insert(&mut self, dot: Dot) {
        self.insert_range(dot.replica, dot.count, dot.count);
    }

    /// Takes in the events of a replica from one count to another, both included.
    pub fn insert_range(&mut self, replica: ReplicaId, first: u64, last: u64) {
        let first = first.max(1);
        if first > last {
            return;
        }
        let ranges = self.ranges.entry(replica).or_default();
        // The common case: the next event of a replica.
        match ranges.last_mut() {
            Some((_, end)) if *end < u64::MAX && *end + 1 == first => *end = last,
            _ => {
                ranges.push((first, last));
                normal(ranges);
            }
        }
    }

    /// The event that a replica makes next: the one behind all of its own that are known. It is not inserted.
    pub fn next(&self, replica: ReplicaId) -> Result<Dot, Overflow> {
        let last = self.of(replica).last().map_or(0, |(_, last)| *last);
        Ok(Dot { replica, count: last.checked_add(1).ok_or(Overflow(replica))? })
    }

    /// What either has.
    pub fn merge(&mut self, other: &Dots) {
        for (replica, theirs) in &other.ranges {
            let ours = self.ranges.entry(*replica).or_default();
            if ours != theirs {
                ours.extend_from_slice(theirs);
                normal(ours);
            }
        }
    }

    /// What these have and others have not.
    pub fn without(&self, others: &Dots) -> Dots {
        let mut rest = Dots::new();
        for (replica, ours) in &self.ranges {
            for (first, last) in ours {
                let mut from = Some(*first);
                for (gone, till) in others.of(*replica) {
                    let Some(start) = from.filter(|start| till >= start && gone <= last) else { continue };
                    if *gone > start {
                        rest.insert_range(*replica, start, gone - 1);
                    }
                    from = till.checked_add(1).filter(|next| next <= last);
                }
                if let Some(start) = from {
                    rest.insert_range(*replica, start, *last);
                }
            }
        }
        rest
    }

    /// Whether others have all of these.
    pub fn within(&self, others: &Dots) -> bool {
        // Ranges are as long as they can be, so each lies within one of the others or not at all.
        self.ranges().all(|(replica, first, last)| others.of(replica).iter().any(|(f, l)| *f <= first && last <= *l))
    }

    /// The events from 1 on without a gap.
    pub fn prefix(&self) -> VersionVector {
        let first = |(replica, ranges): (&ReplicaId, &Vec<(u64, u64)>)| (*replica, ranges.first().copied());
        self.ranges
            .iter()
            .map(first)
            .filter_map(|(replica, range)| range.filter(|(first, _)| *first == 1).map(|(_, last)| (replica, last)))
            .collect()
    }

    /// The ranges: replica, first and last count.
    pub fn ranges(&self) -> impl Iterator<Item = (ReplicaId, u64, u64)> {
        self.ranges.iter().flat_map(|(replica, ranges)| ranges.iter().map(|(first, last)| (*replica, *first, *last)))
    }

    /// Every event, one at a time: as many as the counts claim.
    pub fn iter(&self) -> impl Iterator<Item = Dot> {
        self.ranges().flat_map(|(replica, first, last)| (first..=last).map(move |count| Dot { replica, count }))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    fn of(&self, replica: ReplicaId) -> &[(u64, u64)] {
        self.ranges.get(&replica).map_or(&[], Vec::as_slice)
    }
}

impl FromIterator<Dot> for Dots {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut set = Dots::new();
        dots.into_iter().for_each(|dot| set.insert(dot));
        set
    }
}

impl From<&VersionVector> for Dots {
    fn from(vector: &VersionVector) -> Self {
        let mut set = Dots::new();
        vector.iter().for_each(|(replica, count)| set.insert_range(replica, 1, count));
        set
    }
}

/// Sorts ranges and joins those that touch.
fn normal(ranges: &mut Vec<(u64, u64)>) {
    ranges.sort_unstable();
    let mut kept = 0;
    for nth in 1..ranges.len() {
        let (first, last) = ranges[nth];
        if first <= ranges[kept].1.saturating_add(1) {
            ranges[kept].1 = ranges[kept].1.max(last);
        } else {
            kept += 1;
            ranges[kept] = (first, last);
        }
    }
    ranges.truncate(kept + 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn drawn() -> impl Strategy<Value = BTreeSet<Dot>> {
        prop::collection::btree_set((0_u64..3, 1_u64..20).prop_map(|(r, n)| Dot::new(ReplicaId(r), n)), 0..30)
    }

    fn set(dots: &BTreeSet<Dot>) -> Dots {
        // Against the order, so that ranges come together from both sides.
        dots.iter().rev().copied().collect()
    }

    proptest! {
        #[test]
        fn it_is_a_set(a in drawn(), b in drawn()) {
            let (ours, theirs) = (set(&a), set(&b));
            prop_assert_eq!(&ours, &a.iter().copied().collect::<Dots>(), "the order does not show");
            prop_assert!(ours.iter().eq(a.iter().copied()));
            let mut both = ours.clone();
            both.merge(&theirs);
            prop_assert!(both.iter().eq(a.union(&b).copied()));
            prop_assert!(ours.without(&theirs).iter().eq(a.difference(&b).copied()));
            prop_assert_eq!(ours.within(&theirs), a.is_subset(&b));
            for dot in a.union(&b) {
                prop_assert_eq!(ours.contains(*dot), a.contains(dot));
            }
            for replica in (0..3).map(ReplicaId) {
                let mine = || a.iter().filter(|dot| dot.replica == replica).map(|dot| dot.count);
                prop_assert_eq!(ours.next(replica).unwrap().count, mine().max().unwrap_or(0) + 1);
                let prefix = (1..).zip(mine()).take_while(|(nth, count)| nth == count).count() as u64;
                prop_assert_eq!(ours.prefix().get(replica), prefix);
            }
        }
    }

    #[test]
    fn a_claim_of_all_events_costs_one_range() {
        let replica = ReplicaId(1);
        let mut all = Dots::new();
        all.insert_range(replica, 0, u64::MAX);
        all.insert_range(replica, 5, u64::MAX);
        assert_eq!(all.ranges().collect::<Vec<_>>(), [(replica, 1, u64::MAX)]);
        assert_eq!(all.next(replica), Err(Overflow(replica)));
        let some: Dots = [Dot::new(replica, 7), Dot::new(replica, u64::MAX)].into_iter().collect();
        assert_eq!(all.without(&some).ranges().count(), 2);
        assert!(some.without(&all).is_empty() && some.within(&all));
        assert_eq!(Dots::from(&all.prefix()), all);
    }
}
