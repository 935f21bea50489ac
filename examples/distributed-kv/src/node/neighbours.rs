//! Whom the node speaks with.
//!
//! ```text
//!                        membership has it                 the entry without it is applied
//!   met, or added ──▶ member, linked ──▶ leaving: linked still ──────────────────────────────▶ gone: no link, refused by name
//!                          ▲                  │ the entry is cut off again                      │
//!                          └──────────────────┴───────────── a membership has it again ────────┘
//! ```
//!
//! A node that is behind can't tell a newcomer, or a leader that it has never heard of, from whoever else knows the cluster's
//! name. So it lets in, and answers, some that are no members by its own log, and forgets the one that came first when there are
//! too many.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use xs_consensus::raft::{Index, Membership, NodeId};

/// So many are spoken with that are no members: to a node that joins, at first, all others.
const MAX_STRANGERS: usize = 64;
/// So many that were removed are known by their number, to be told.
const MAX_GONE: usize = 1024;

/// What is known of the others: who belongs to the cluster, who did, and who else came. It holds no connection.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    members: BTreeSet<u64>,
    /// Members once, and the entry that says that they are no more.
    leaving: BTreeMap<u64, Index>,
    /// The same, once that entry is applied.
    gone: BTreeSet<u64>,
    /// Those who came and are no members, the first one first.
    strangers: VecDeque<u64>,
}

impl Neighbours {
    /// A membership holds, by the entry at `index`.
    pub(super) fn hold(&mut self, index: Index, membership: &Membership) {
        let now: BTreeSet<u64> = membership.nodes().map(|node| node.0).collect();
        for node in std::mem::replace(&mut self.members, now).difference(&self.members) {
            self.leaving.entry(*node).or_insert(index);
        }
        self.leaving.retain(|node, _| !membership.contains(NodeId(*node)));
        self.gone.retain(|node| !membership.contains(NodeId(*node)));
        self.strangers.retain(|node| !membership.contains(NodeId(*node)));
    }

    /// So far everything is applied: those who have gone with it.
    pub(super) fn applied(&mut self, index: Index) -> Vec<u64> {
        let gone: Vec<u64> = self.leaving.iter().filter(|(_, at)| **at <= index).map(|(node, _)| *node).collect();
        for node in &gone {
            self.leaving.remove(node);
            self.gone.insert(*node);
        }
        while self.gone.len() > MAX_GONE {
            self.gone.pop_first();
        }
        gone
    }

    /// Whether it was removed.
    pub(super) fn is_gone(&self, node: u64) -> bool {
        self.gone.contains(&node)
    }

    /// A node has come; whom to forget for it.
    ///
    /// # Errors
    /// It has been removed.
    pub(super) fn come(&mut self, node: u64) -> Result<Option<u64>, String> {
        if self.gone.contains(&node) {
            return Err(format!(
                "n{node} was removed from the cluster; under a new number and with an empty directory it may be added"
            ));
        }
        if self.members.contains(&node) || self.leaving.contains_key(&node) || self.strangers.contains(&node) {
            return Ok(None);
        }
        self.strangers.push_back(node);
        Ok(if self.strangers.len() > MAX_STRANGERS { self.strangers.pop_front() } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(nodes: &[u64]) -> Membership {
        Membership::of(nodes.iter().copied().map(NodeId).collect()).unwrap()
    }

    #[test]
    fn who_is_removed_goes_when_that_is_applied_and_not_before() {
        let mut all = Neighbours::default();
        all.hold(Index(1), &of(&[1, 2, 3]));
        all.hold(Index(9), &of(&[1, 2]));
        assert_eq!(all.applied(Index(8)), [0; 0]);
        assert_eq!(all.come(3), Ok(None), "it may lead yet, if the entry is lost");
        all.hold(Index(1), &of(&[1, 2, 3]));
        assert_eq!(all.applied(Index(9)), [0; 0], "the entry was cut off");
        all.hold(Index(10), &of(&[1, 2]));
        all.hold(Index(11), &of(&[1, 2, 4]));
        assert_eq!(all.applied(Index(10)), [3]);
        assert_eq!(all.applied(Index(11)), [0; 0]);
        assert!(all.come(3).is_err());
        all.hold(Index(12), &of(&[1, 2, 3, 4]));
        assert_eq!(all.come(3), Ok(None));
    }

    #[test]
    fn strangers_are_few_and_the_first_one_is_forgotten() {
        let mut all = Neighbours::default();
        all.hold(Index(1), &of(&[1, 2, 3]));
        let most = MAX_STRANGERS as u64;
        for node in 1000..1000 + most {
            assert_eq!(all.come(node), Ok(None));
            assert_eq!(all.come(node), Ok(None));
        }
        assert_eq!(all.come(99), Ok(Some(1000)));
        all.hold(Index(2), &of(&[1, 2, 3, 99]));
        assert_eq!(all.come(100), Ok(None), "a member is no stranger");
        assert_eq!(all.come(2), Ok(None));
    }
}
