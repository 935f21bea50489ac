//! Messages that no correct node sends, with numbers small enough to hit something: whatever comes, a node answers or
//! refuses, and goes on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use xs_consensus::raft::{
    Append, AppendOutcome, AppendReply, Body, Change, ClusterId, Entry, Index, Message, NodeId, Options, Payload,
    ReadId, SnapshotChunk, SnapshotMeta, SnapshotReply, Term, VoteRequest,
};
use xs_os::Rng;

use crate::cluster::{Cluster, id, voters};

struct Nonsense(Rng);

impl Nonsense {
    fn small(&mut self) -> u64 {
        match self.0.below(20) {
            0 => u64::MAX - self.0.below(3),
            1 => (1 << 62) - 1 + self.0.below(2),
            _ => self.0.below(9),
        }
    }

    fn index(&mut self) -> Index {
        Index(self.small())
    }

    fn term(&mut self) -> Term {
        Term(self.small())
    }

    fn meta(&mut self) -> SnapshotMeta {
        let membership = Arc::new(voters(&[1, 2, 3]));
        SnapshotMeta { index: self.index(), term: self.term(), membership, bytes: self.0.below(40) }
    }

    fn entries(&mut self, prev: Index, term: Term) -> Vec<Entry> {
        let sound = self.0.chance(0.8);
        (1..=self.0.below(4))
            .map(|n| Entry {
                index: if sound { Index(prev.0.saturating_add(n)) } else { self.index() },
                term: if sound { term } else { self.term() },
                payload: match self.0.below(3) {
                    0 => Payload::Noop,
                    1 => Payload::Command(Bytes::from_static(b"x")),
                    _ => Payload::Membership(Arc::new(voters(&[1, 2, 3][..1 + self.0.index(3)]))),
                },
            })
            .collect()
    }

    fn body(&mut self, term: Term) -> Body {
        let vote = VoteRequest { last_index: self.index(), last_term: self.term(), transfer: self.0.chance(0.3) };
        match self.0.below(14) {
            0 => Body::PreVote(vote),
            1 => Body::Vote(vote),
            2 => Body::PreVoteReply { granted: self.0.chance(0.7) },
            3 => Body::VoteReply { granted: self.0.chance(0.7) },
            4..7 => {
                let (prev_index, prev_term) = (self.index(), self.term());
                let entries = self.entries(prev_index, term);
                Body::Append(Append { prev_index, prev_term, commit: self.index(), round: self.small(), entries })
            }
            7 | 8 => {
                let outcome = if self.0.chance(0.5) {
                    AppendOutcome::Matched(self.index())
                } else {
                    let (prev_index, hint_index, hint_term) = (self.index(), self.index(), self.term());
                    AppendOutcome::Rejected { prev_index, hint_index, hint_term }
                };
                Body::AppendReply(AppendReply { round: self.small(), outcome })
            }
            9 => {
                let meta = self.meta();
                let offset = self.0.below(40);
                let data = Bytes::from(vec![7; self.0.index(20)]);
                Body::SnapshotChunk(SnapshotChunk { meta, offset, data, round: self.small() })
            }
            10 => {
                let (index, term) = (self.index(), self.term());
                Body::SnapshotReply(SnapshotReply { index, term, next: self.small(), round: self.small() })
            }
            11 => Body::ReadRequest { ticket: self.small() },
            12 => Body::ReadReply { ticket: self.small(), index: self.0.chance(0.8).then(|| self.index()) },
            _ => {
                if self.0.chance(0.5) {
                    Body::TimeoutNow { last: self.index() }
                } else {
                    Body::Forward { commands: vec![Bytes::from_static(b"f"); self.0.index(3)] }
                }
            }
        }
    }
}

#[test]
fn no_message_makes_a_node_panic() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..300 {
        let mut rng = Rng::from_seed(seed);
        let mut c = Cluster { seed, ..Cluster::empty(seed) };
        c.options = Options { pre_vote: rng.chance(0.5), check_quorum: rng.chance(0.5), ..Options::default() };
        c.quick_disks = rng.chance(0.5);
        c.add(1, voters(&[1, 2, 3]));
        let mut nonsense = Nonsense(rng.fork("nonsense"));
        for _ in 0..300 {
            let status = c.raft(1).status();
            let term = if rng.chance(0.7) { status.term } else { nonsense.term() };
            let from = NodeId(1 + rng.below(5));
            let message = Message { from, to: id(1), term, cluster: ClusterId(0), body: nonsense.body(term) };
            match c.call(1, |raft, now| raft.step(now, message)) {
                Ok(()) => taken += 1,
                Err(_) => refused += 1,
            }
            match rng.below(12) {
                0 => c.tick(Duration::from_millis(rng.below(400))),
                1 => c.persist(1),
                2 => drop(c.propose(1, "p")),
                3 => drop(c.read(1, ReadId(1).0)),
                4 => drop(c.change(1, &[Change::AddLearner(id(4)), Change::Remove(id(2))])),
                5 => drop(c.call(1, |raft, now| raft.transfer(now, id(2)))),
                6 => drop(c.compact(1, 1)),
                7 => c.call(1, |raft, now| raft.campaign(now)),
                _ => {}
            }
            c.net.clear();
        }
    }
    assert!(taken > 10_000 && refused > 10_000, "{taken} taken, {refused} refused");
}
