//! Counters: a count for each replica, of which the larger is the later.

use std::collections::BTreeMap;

use super::Merge;
use crate::clock::{Overflow, ReplicaId};

/// A counter that only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GCounter {
    /// What each replica has added. No zeros.
    counts: BTreeMap<ReplicaId, u64>,
}

impl GCounter {
    /// Adds, as a replica; the answer is the delta.
    pub fn add(&mut self, replica: ReplicaId, by: u64) -> Result<Self, Overflow> {
        let count = self.counts.get(&replica).unwrap_or(&0).checked_add(by).ok_or(Overflow(replica))?;
        let delta = GCounter { counts: (count > 0).then_some((replica, count)).into_iter().collect() };
        self.merge(&delta);
        Ok(delta)
    }

    /// What all replicas have added.
    pub fn value(&self) -> u128 {
        self.counts.values().map(|count| u128::from(*count)).sum()
    }
}

impl Merge for GCounter {
    fn merge(&mut self, other: &Self) {
        for (replica, count) in &other.counts {
            let ours = self.counts.entry(*replica).or_default();
            *ours = count.max(ours).to_owned();
        }
    }

    fn parts(&self) -> Vec<Self> {
        self.counts.iter().map(|(replica, count)| GCounter { counts: [(*replica, *count)].into() }).collect()
    }
}

/// A counter that grows and shrinks: one [`GCounter`] for each direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PnCounter {
    up: GCounter,
    down: GCounter,
}

impl PnCounter {
    /// Adds, as a replica; the answer is the delta.
    pub fn add(&mut self, replica: ReplicaId, by: i64) -> Result<Self, Overflow> {
        let mut delta = Self::default();
        match by >= 0 {
            true => delta.up = self.up.add(replica, by.unsigned_abs())?,
            false => delta.down = self.down.add(replica, by.unsigned_abs())?,
        }
        Ok(delta)
    }

    /// What all replicas have added, less what they have taken away.
    pub fn value(&self) -> i128 {
        // Each sum is below 2¹²⁷ unless there are 2⁶³ replicas.
        self.up.value() as i128 - self.down.value() as i128
    }
}

impl Merge for PnCounter {
    fn merge(&mut self, other: &Self) {
        self.up.merge(&other.up);
        self.down.merge(&other.down);
    }

    fn parts(&self) -> Vec<Self> {
        let up = self.up.parts().into_iter().map(|up| PnCounter { up, ..Self::default() });
        up.chain(self.down.parts().into_iter().map(|down| PnCounter { down, ..Self::default() })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::merge::laws::{Play, stamp};
    use super::*;

    impl Play for GCounter {
        fn play(&mut self, replica: ReplicaId, _: u64, _: u8, with: u8) -> Self {
            self.add(replica, with.into()).unwrap()
        }
    }

    impl Play for PnCounter {
        fn play(&mut self, replica: ReplicaId, _: u64, what: u8, with: u8) -> Self {
            let by = i64::from(with);
            self.add(replica, if what.is_multiple_of(2) { by } else { -by }).unwrap()
        }
    }

    stamp!(growing_counters: GCounter, counters: PnCounter);

    #[test]
    fn counters_count() {
        let (here, there) = (ReplicaId(1), ReplicaId(2));
        let mut ours = PnCounter::default();
        let mut theirs = ours.clone();
        ours.add(here, 5).unwrap();
        theirs.add(there, -7).unwrap();
        ours.merge(&theirs);
        ours.merge(&theirs);
        assert_eq!(ours.value(), -2);
        assert_eq!(ours.add(here, i64::MIN).unwrap().value(), i128::from(i64::MIN));
        let mut full = GCounter::default();
        full.add(here, u64::MAX).unwrap();
        assert_eq!(full.add(here, 1), Err(Overflow(here)));
        full.add(there, u64::MAX).unwrap();
        assert_eq!(full.value(), 2 * u128::from(u64::MAX));
    }
}
