//! Who said who they are before they belonged to the cluster.

use std::collections::BTreeMap;

use super::machine::StateMachine;
use super::node::Replica;
use crate::raft::NodeId;
use crate::raft_store::Identity;

/// So many are kept in mind; whoever comes beyond is remembered the next time that he says who he is.
const MOST: usize = 1024;

/// Nodes that were met and are no members.
#[derive(Debug, Default)]
pub(super) struct Acquaintances {
    met: BTreeMap<NodeId, Identity>,
}

impl Acquaintances {
    pub(super) fn add(&mut self, other: Identity) {
        if self.met.len() < MOST || self.met.contains_key(&other.node) {
            self.met.insert(other.node, other);
        }
    }
}

impl<S: StateMachine> Replica<S> {
    /// The membership is another one: its members are remembered if they were met before. Called ahead of the write of what
    /// says so, so that nothing that follows from their votes is ever durable without it.
    pub(super) fn remember_members(&mut self) {
        let membership = self.raft.membership().clone();
        let joined = self.acquaintances.met.extract_if(.., |node, _| membership.contains(*node));
        for identity in joined.map(|(_, identity)| identity).collect::<Vec<_>>() {
            // One that is remembered under another number was refused when it was met.
            let _ = self.raft.view_mut().meet(identity, true);
        }
    }
}
