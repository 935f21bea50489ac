//! Majorities, simple and joint, as functions over what each voter has said.
//!
//! A decision under a joint membership needs a majority of the old voters *and* one of the new (Raft paper, section 6).
//! Each function here asks one question of both.

use super::{Membership, NodeId};

/// How a vote stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// A quorum said yes.
    Won,
    /// So many said no that no quorum can say yes any more.
    Lost,
    /// Neither.
    Open,
}

/// Up to this many voters nothing is allocated.
const SMALL: usize = 9;

/// The greatest value that a majority of `voters` has reached; the default for no voters.
fn majority<T: Ord + Copy + Default>(voters: &[NodeId], reached: impl Fn(NodeId) -> T) -> T {
    let mut small = [T::default(); SMALL];
    let mut large = Vec::new();
    let values = if voters.len() <= SMALL {
        &mut small[..voters.len()]
    } else {
        large.resize(voters.len(), T::default());
        &mut large[..]
    };
    for (value, voter) in values.iter_mut().zip(voters) {
        *value = reached(*voter);
    }
    values.sort_unstable_by(|a, b| b.cmp(a));
    values.get(voters.len() / 2).copied().unwrap_or_default()
}

fn tally(voters: &[NodeId], vote: &impl Fn(NodeId) -> Option<bool>) -> Tally {
    let needed = voters.len() / 2 + 1;
    let (mut yes, mut no) = (0, 0);
    for voter in voters {
        match vote(*voter) {
            Some(true) => yes += 1,
            Some(false) => no += 1,
            None => {}
        }
    }
    if yes >= needed {
        Tally::Won
    } else if voters.len() - no < needed {
        Tally::Lost
    } else {
        Tally::Open
    }
}

impl Membership {
    /// The greatest value that a quorum has reached, given what each voter has.
    pub fn reached<T: Ord + Copy + Default>(&self, reached: impl Fn(NodeId) -> T) -> T {
        let incoming = majority(self.voters(), &reached);
        if self.is_joint() { incoming.min(majority(self.outgoing(), &reached)) } else { incoming }
    }

    /// How a vote stands, given what each voter said.
    pub fn tally(&self, vote: impl Fn(NodeId) -> Option<bool>) -> Tally {
        match (tally(self.voters(), &vote), self.is_joint().then(|| tally(self.outgoing(), &vote))) {
            (one, None) => one,
            (Tally::Won, Some(other)) | (other, Some(Tally::Won)) => other,
            (Tally::Lost, _) | (_, Some(Tally::Lost)) => Tally::Lost,
            _ => Tally::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(ids: &[u64]) -> Vec<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    proptest! {
        /// By definition: a value is reached if more than half of the voters are at or above it.
        #[test]
        fn a_majority_is_more_than_half(values in proptest::collection::vec(0_u64..10, 1..14)) {
            let voters: Vec<_> = (0..values.len() as u64).map(NodeId).collect();
            let found = majority(&voters, |id| values[id.0 as usize]);
            let at_least = |bound: u64| values.iter().filter(|v| **v >= bound).count() * 2 > values.len();
            prop_assert!(at_least(found));
            prop_assert!(!at_least(found + 1));
        }

        /// Any two quorums of one membership share a voter, or two leaders could be elected.
        #[test]
        fn quorums_intersect(old in 1_u64..6, new in 1_u64..6, shift in 0_u64..4, a: u16, b: u16) {
            let (old, new): (Vec<_>, Vec<_>) = ((0..old).collect(), (shift..shift + new).collect());
            let membership = Membership::joint_of(ids(&old), ids(&new));
            let wins = |set: u16| membership.tally(|id| Some(set >> id.0 & 1 == 1)) == Tally::Won;
            prop_assert!(!(wins(a) && wins(b)) || a & b != 0);
            // A joint quorum also meets every quorum of the old voters alone.
            let alone = Membership::of(ids(&old)).unwrap();
            let wins_alone = |set: u16| alone.tally(|id| Some(set >> id.0 & 1 == 1)) == Tally::Won;
            prop_assert!(!(wins(a) && wins_alone(b)) || a & b != 0);
        }

        #[test]
        fn a_tally_is_lost_exactly_when_no_answer_can_win_it(
            voters in 1_u64..7, votes in proptest::collection::vec(proptest::option::of(any::<bool>()), 7)
        ) {
            let membership = Membership::of((0..voters).map(NodeId).collect()).unwrap();
            let best = membership.tally(|id| Some(votes[id.0 as usize].unwrap_or(true)));
            let worst = membership.tally(|id| Some(votes[id.0 as usize].unwrap_or(false)));
            let now = membership.tally(|id| votes[id.0 as usize]);
            prop_assert_eq!(now == Tally::Won, worst == Tally::Won);
            prop_assert_eq!(now == Tally::Lost, best != Tally::Won);
        }
    }

    #[test]
    fn even_clusters_need_more_than_half() {
        assert_eq!(majority(&ids(&[1, 2, 3, 4]), |id| id.0), 2);
        assert_eq!(majority(&ids(&[]), |id| id.0), 0);
    }
}
