//! What arrives late, when others have been faster: drivers write pieces of snapshots in their own time.

use std::sync::Arc;

use bytes::Bytes;
use xs_consensus::raft::{
    Append, Body, Change, ChunkReceived, ClusterId, Entry, Index, Initial, Membership, MemoryLog, Message, NodeId,
    Options, Payload, Raft, ReadId, Rejected, SnapshotChunk, SnapshotMeta, Term,
};
use xs_os::{Clock, Rng, VirtualClock};

use crate::cluster::{id, voters};

/// A node on a disk that is always quick, and what it wants besides.
struct Node {
    raft: Raft<MemoryLog>,
    clock: VirtualClock,
    pieces: Vec<ChunkReceived>,
    applied: Vec<Index>,
    /// The state machine takes its time.
    slow: bool,
}

impl Node {
    fn new(membership: Membership, node: u64) -> Node {
        Node::with(membership, node, Options::default())
    }

    fn with(membership: Membership, node: u64, options: Options) -> Node {
        let clock = VirtualClock::new();
        let initial = Initial { membership, ..Initial::default() };
        let log = MemoryLog::new();
        let raft = Raft::new(id(node), log, initial, options, Rng::from_seed(1), clock.now()).unwrap();
        Node { raft, clock, pieces: Vec::new(), applied: Vec::new(), slow: false }
    }

    fn drive(&mut self) {
        while let Some(ready) = self.raft.ready() {
            self.pieces.extend(ready.chunks_received);
            for entry in ready.apply {
                self.applied.push(entry.index);
                if !self.slow {
                    self.raft.applied(entry.index);
                }
            }
            if let Some(persist) = ready.persist {
                self.raft.view_mut().persist(&persist, Bytes::from_static(b"state"));
                self.raft.persisted(persist.done()).unwrap();
            }
        }
    }

    fn takes(&mut self, from: u64, term: u64, body: Body) {
        let message =
            Message { from: id(from), to: self.raft.status().id, term: Term(term), cluster: ClusterId(0), body };
        self.raft.step(self.clock.now(), message).unwrap();
        self.drive();
    }

    /// Entries up to `to` from a leader that has committed up to `commit`, behind `prev`.
    fn append(&mut self, from: u64, term: u64, prev: (u64, u64), entries: Vec<Entry>, commit: u64) {
        let (prev_index, prev_term) = (Index(prev.0), Term(prev.1));
        self.takes(
            from,
            term,
            Body::Append(Append { prev_index, prev_term, commit: Index(commit), round: 1, entries }),
        );
    }
}

fn entry(index: u64, term: u64, payload: Payload) -> Entry {
    Entry { index: Index(index), term: Term(term), payload }
}

fn commands(indexes: std::ops::RangeInclusive<u64>, term: u64) -> Vec<Entry> {
    indexes.map(|index| entry(index, term, Payload::Command(Bytes::from_static(b"x")))).collect()
}

/// A snapshot's last piece is with the driver when another leader sends the entries themselves, and has them acknowledged.
#[test]
fn a_snapshot_that_is_written_late_takes_no_acknowledged_entry_away() {
    let mut follower = Node::new(voters(&[1, 2, 3]), 3);
    follower.append(1, 1, (0, 0), commands(1..=5, 1), 5);
    let membership = Arc::new(voters(&[1, 2, 3]));
    let meta = SnapshotMeta { index: Index(10), term: Term(1), membership, bytes: 5 };
    let data = Bytes::from_static(b"state");
    follower.takes(1, 1, Body::SnapshotChunk(SnapshotChunk { meta, offset: 0, data, round: 1 }));
    let piece = follower.pieces.pop().expect("it has nothing of it");

    follower.append(2, 2, (5, 1), commands(6..=30, 1), 5);
    assert_eq!(follower.raft.status().last.0, Index(30));
    follower.raft.snapshot_written(follower.clock.now(), &piece);
    follower.drive();
    assert_eq!(follower.raft.status().last.0, Index(30), "they are acknowledged");
    assert_eq!(follower.raft.status().commit, Index(10), "what a snapshot has is committed");
    assert_eq!(follower.applied.last(), Some(&Index(10)));
}

/// A membership that makes the node a witness is in its log and not committed, and another leader cuts it off.
#[test]
fn who_is_not_a_witness_yet_applies() {
    let members =
        Membership::of([1, 2, 3].map(NodeId).to_vec()).unwrap().changed(&[Change::AddLearner(id(4))]).unwrap();
    let witness = members.changed(&[Change::AddWitness(id(4))]).unwrap();
    let mut learner = Node::new(members, 4);
    let mut entries = commands(1..=1, 1);
    entries.push(entry(2, 1, Payload::Membership(Arc::new(witness))));
    learner.append(1, 1, (0, 0), entries, 1);
    assert_eq!(learner.applied, [Index(1)]);
    learner.append(2, 2, (1, 1), vec![entry(2, 2, Payload::Noop)], 2);
    assert_eq!(learner.applied, [Index(1), Index(2)]);
}

#[test]
fn reads_that_wait_for_a_slow_state_machine_are_bounded() {
    let mut leader = Node::with(voters(&[1]), 1, Options { max_pending_reads: 3, ..Options::default() });
    let now = leader.clock.now();
    leader.raft.campaign(now);
    leader.drive();
    leader.slow = true;
    leader.raft.propose(now, Bytes::from_static(b"x")).unwrap();
    leader.drive();
    for n in 0..9 {
        let outcome = leader.raft.read(now, ReadId(n));
        assert_eq!(outcome, if n < 3 { Ok(()) } else { Err(Rejected::Overloaded) }, "{n}");
        leader.drive();
    }
}
