//! Names for connections, by which the state machine knows an entry that comes twice.
//!
//! ```text
//!   node, mixed with its incarnation: 64 bits   its life: 24   which connection: 40
//! ```
//!
//! A name that came twice would make the first write of a connection look like a copy of another's. So no chance is in it:
//! two nodes of a cluster have different numbers, a node's lives are counted on its disk, and connections here.

use std::sync::atomic::{AtomicU64, Ordering};

use xs_consensus::raft_store::Identity;

#[derive(Debug)]
pub(crate) struct SessionNames {
    process: u128,
    next: AtomicU64,
}

impl SessionNames {
    pub(crate) fn new(identity: Identity, life: u64) -> Self {
        let node = identity.node.0 ^ identity.incarnation;
        let process = u128::from(node) << 64 | u128::from(life & 0xFF_FFFF) << 40;
        SessionNames { process, next: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> u128 {
        let nth = self.next.fetch_add(1, Ordering::Relaxed) & ((1 << 40) - 1);
        self.process | u128::from(nth)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use xs_consensus::raft::{ClusterId, NodeId};

    use super::*;

    #[test]
    fn no_two_connections_of_any_nodes_and_lives_have_the_same_name() {
        let mut seen = BTreeSet::new();
        // The same chance gives the same incarnation.
        for (node, incarnation) in (1..=5).flat_map(|node| [(node, 7), (node, 1 << 40)]) {
            let identity = Identity { cluster: ClusterId(1), node: NodeId(node), incarnation };
            for life in 1..=20 {
                let names = SessionNames::new(identity, life);
                assert!((0..20).all(|_| seen.insert(names.next())), "node {node} in life {life}");
            }
        }
    }
}
