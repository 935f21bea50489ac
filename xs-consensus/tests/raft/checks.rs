//! The four properties of the paper's Figure 3 that can be seen from outside, after every step.

use std::collections::BTreeMap;

use xs_consensus::raft::{Entry, Index, MemoryLog, NodeId, Payload, Raft, RoleName, Term};

/// What was ever seen in a cluster.
#[derive(Default)]
pub(crate) struct Checks {
    leaders: BTreeMap<Term, NodeId>,
    /// What stood at an index in a term, and the term in front of it.
    seen: BTreeMap<(Index, Term), Term>,
    payloads: BTreeMap<(Index, Term), Payload>,
    /// What was applied at an index, by whoever was first.
    pub(crate) applied: BTreeMap<Index, Entry>,
    /// What was looked at last, to do it once.
    last: BTreeMap<NodeId, (Index, Term, Index)>,
}

impl Checks {
    /// Looks at a node after something happened to it.
    pub(crate) fn node(&mut self, raft: &Raft<MemoryLog>) -> Result<(), String> {
        let status = raft.status();
        if status.role == RoleName::Leader {
            let first = *self.leaders.entry(status.term).or_insert(status.id);
            if first != status.id {
                return Err(format!("election safety: {first} and {} lead {}", status.id, status.term));
            }
            self.complete(raft)?;
        }
        if status.commit > status.last.0 {
            return Err(format!("{} has committed {} and ends at {}", status.id, status.commit, status.last.0));
        }
        let key = (status.last.0, status.last.1, status.before.0);
        if self.last.insert(status.id, key) == Some(key) {
            return Ok(());
        }
        let mut before = status.before;
        for index in status.before.0.0 + 1..=status.last.0.0 {
            let index = Index(index);
            let term = raft.term_at(index).ok_or_else(|| format!("{} has a hole at {index}", status.id))?;
            if index.before() == before.0 {
                let other = *self.seen.entry((index, term)).or_insert(before.1);
                if other != before.1 {
                    let (a, b) = (other, before.1);
                    return Err(format!("log matching: {index} {term} follows on {a} and on {b} (at {})", status.id));
                }
            }
            before = (index, term);
        }
        Ok(())
    }

    /// Leader completeness: everything that was applied anywhere is in the leader's log. (A deposed leader may lack it.)
    fn complete(&self, raft: &Raft<MemoryLog>) -> Result<(), String> {
        let status = raft.status();
        if self.leaders.keys().next_back() != Some(&status.term) {
            return Ok(());
        }
        for (index, entry) in self.applied.range(status.before.0.next()..).rev().take(64) {
            if raft.term_at(*index) != Some(entry.term) {
                return Err(format!("leader completeness: {} leads {} without {index}", status.id, status.term));
            }
        }
        Ok(())
    }

    /// An entry is being written somewhere.
    pub(crate) fn written(&mut self, entry: &Entry) -> Result<(), String> {
        let first = self.payloads.entry((entry.index, entry.term)).or_insert_with(|| entry.payload.clone());
        if *first != entry.payload {
            return Err(format!("log matching: two entries at {} {}", entry.index, entry.term));
        }
        Ok(())
    }

    /// An entry is being applied somewhere.
    pub(crate) fn applied(&mut self, node: NodeId, entry: &Entry) -> Result<(), String> {
        let first = self.applied.entry(entry.index).or_insert_with(|| entry.clone());
        if first != entry {
            return Err(format!("state machine safety: {node} applies {entry:?}, another one applied {first:?}"));
        }
        Ok(())
    }
}
