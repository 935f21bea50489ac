//! What must hold of all nodes together, watched from outside: the safety properties of figure 3 of the Raft paper.

use std::collections::BTreeMap;

use bytes::Bytes;
use xs_consensus::raft::{Entry, Index, LogView, NodeId, Raft, RoleName, Term};

/// Everything that was ever seen, of all nodes and all their lives.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// Election safety: who led in a term.
    leaders: BTreeMap<Term, NodeId>,
    /// Log matching: what stands at an index with a term, and the term in front of it.
    logs: BTreeMap<(Index, Term), (Term, Entry)>,
    /// State machine safety: what was applied at an index, the term of the first that did, and the state behind it.
    applied: BTreeMap<Index, (Entry, Term, Bytes)>,
    pub(crate) broken: Option<String>,
}

impl Observer {
    fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// Entries go into a node's log behind one of this term.
    pub(crate) fn logged(&mut self, node: NodeId, mut before: Term, entries: &[Entry]) {
        for entry in entries {
            let seen = self.logs.entry((entry.index, entry.term)).or_insert_with(|| (before, entry.clone()));
            if (seen.0, &seen.1) != (before, entry) {
                let what = format!("log matching: {node} has {entry:?} behind {before}, and another {seen:?}");
                return self.breaks(what);
            }
            before = entry.term;
        }
    }

    /// A node of a term has applied an entry, and its state machine is so now.
    pub(crate) fn applied(&mut self, node: NodeId, term: Term, entry: &Entry, state: Bytes) {
        let first = self.applied.entry(entry.index).or_insert_with(|| (entry.clone(), term, state.clone()));
        first.1 = first.1.min(term);
        if first.0 != *entry {
            let what = format!("state machine safety: {node} applied {entry:?}, and another {:?}", first.0);
            self.breaks(what);
        } else if first.2 != state {
            let what = format!("state machine safety: {node} has another state behind {}", entry.index);
            self.breaks(what);
        }
    }

    /// A node's state is that of a snapshot from now on; it had applied entries up to `before`.
    pub(crate) fn installed(&mut self, node: NodeId, before: Index, index: Index, state: &Bytes) {
        if index < before {
            self.breaks(format!("state machine safety: {node} goes back from {before} to a snapshot at {index}"));
        }
        if self.applied.get(&index).is_some_and(|(_, _, seen)| seen != state) {
            self.breaks(format!("state machine safety: the snapshot of {node} at {index} is another state"));
        }
    }

    /// A node has done something; says whether it was elected by that.
    pub(crate) fn looked_at<L: LogView>(&mut self, raft: &Raft<L>) -> bool {
        if raft.role() != RoleName::Leader {
            return false;
        }
        let status = raft.status();
        let (node, term) = (status.id, status.term);
        match self.leaders.get(&term) {
            Some(other) if *other == node => return false,
            Some(other) => {
                self.breaks(format!("election safety: {other} and {node} both lead in {term}"));
                return true;
            }
            None => self.leaders.insert(term, node),
        };
        // Leader completeness: what was committed in an earlier term is in the new leader's log. An entry that a node
        // applied while in term t was committed in t or before.
        let missing = self
            .applied
            .range(status.before.0.next()..)
            .find(|(index, (entry, applied_in, _))| *applied_in < term && raft.term_at(**index) != Some(entry.term));
        if let Some((index, (entry, ..))) = missing {
            let there = raft.term_at(*index);
            self.breaks(format!("leader completeness: {node} leads in {term} and has {there:?} in place of {entry:?}"));
        }
        true
    }
}
