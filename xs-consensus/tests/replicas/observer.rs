//! What must hold of all replicas together, watched from outside.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use xs_consensus::raft::{Index, NodeId, RoleName, Status, Term};

/// How often something happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) made: u64,
    pub(crate) installed: u64,
    pub(crate) failed: u64,
    pub(crate) stopped: u64,
    pub(crate) not_applied: u64,
    pub(crate) unknown: u64,
    /// Messages that a codec refused, disks that an opening did, and those that a running node came upon.
    pub(crate) refused_messages: u64,
    pub(crate) refused_disks: u64,
    pub(crate) stopped_by_rot: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Seen) {
        self.made += other.made;
        self.installed += other.installed;
        self.failed += other.failed;
        self.stopped += other.stopped;
        self.not_applied += other.not_applied;
        self.unknown += other.unknown;
        self.refused_messages += other.refused_messages;
        self.refused_disks += other.refused_disks;
        self.stopped_by_rot += other.stopped_by_rot;
    }
}

/// Everything that was ever seen, of all replicas and all their lives.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    leaders: BTreeMap<Term, NodeId>,
    /// What was applied at an index: the term, the command, and the state behind it.
    applied: BTreeMap<Index, (Term, Bytes, Bytes)>,
    /// The numbers of proposals that were applied, and of those that are said never to be.
    done: BTreeSet<u64>,
    never: BTreeSet<u64>,
    pub(crate) broken: Option<String>,
    pub(crate) seen: Seen,
}

impl Observer {
    pub(crate) fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    pub(crate) fn applied(&mut self, index: Index, term: Term, proposal: u64, command: &Bytes, state: Bytes) {
        let now = (term, command.clone(), state);
        let first = self.applied.entry(index).or_insert_with(|| now.clone());
        if *first != now {
            self.breaks(format!(
                "state machine safety: at {index} one applies {now:?}, another {:?}",
                self.applied[&index]
            ));
        }
        self.done.insert(proposal);
        if self.never.contains(&proposal) {
            self.breaks(format!("proposal {proposal} is applied at {index}, and was said never to be"));
        }
    }

    pub(crate) fn restored(&mut self, index: Index, state: &Bytes) {
        // The last command in front of it made the state.
        if let Some((_, (_, _, seen))) = self.applied.range(..=index).next_back()
            && seen != state
        {
            self.breaks(format!("state machine safety: the snapshot at {index} is another state"));
        }
    }

    pub(crate) fn never(&mut self, proposal: u64) {
        self.seen.not_applied += 1;
        self.never.insert(proposal);
        if self.done.contains(&proposal) {
            self.breaks(format!("proposal {proposal} was applied, and is said never to be"));
        }
    }

    pub(crate) fn answered(&mut self, proposal: u64) {
        if !self.done.contains(&proposal) {
            self.breaks(format!("proposal {proposal} is answered, and nobody has applied it"));
        }
    }

    pub(crate) fn looked_at(&mut self, status: &Status) {
        if status.role == RoleName::Leader {
            let first = *self.leaders.entry(status.term).or_insert(status.id);
            if first != status.id {
                self.breaks(format!("election safety: {first} and {} both lead in {}", status.id, status.term));
            }
        }
    }
}
