//! Bugs that others had, each as it was reported, so that it is not had again.

use std::time::Duration;

use xs_consensus::raft::{
    Append, Body, Change, ClusterId, Index, Membership, Message, NodeId, Options, Payload, ReadId, RoleName, Term,
    VoteRequest,
};

use crate::cluster::{Cluster, bytes, id, ids, voters};

fn message(from: u64, to: u64, term: u64, body: Body) -> Message {
    Message { from: id(from), to: id(to), term: Term(term), cluster: ClusterId(0), body }
}

fn append(prev: (u64, u64), terms: &[u64], commit: u64) -> Body {
    let entries = terms.iter().zip(prev.0 + 1..).map(|(term, index)| xs_consensus::raft::Entry {
        index: Index(index),
        term: Term(*term),
        payload: Payload::Command(bytes("x")),
    });
    Body::Append(Append {
        prev_index: Index(prev.0),
        prev_term: Term(prev.1),
        commit: Index(commit),
        round: 1,
        entries: entries.collect(),
    })
}

/// openraft #1220: a leader that saw a higher vote stored it, stepped down, and was then taken to have granted it,
/// although it had never compared the logs.
#[test]
fn openraft_1220_a_higher_term_that_a_leader_takes_over_is_no_vote() {
    let mut c = Cluster::with(&[1, 2, 3], Options { check_quorum: false, pre_vote: false, ..Options::default() });
    c.elect(1);
    c.put(1, "x");
    // 3 has less, and asks for a vote, twice.
    let request = VoteRequest { last_index: Index(1), last_term: Term(1), transfer: false };
    for _ in 0..2 {
        c.hand_over(message(3, 1, 5, Body::Vote(request)));
        assert_eq!((c.raft(1).role(), c.raft(1).status().term), (RoleName::Follower, Term(5)));
        let reply = c.net.pop_back().unwrap();
        assert_eq!(reply.body, Body::VoteReply { granted: false });
        assert_eq!(c.raft(1).status().vote, None);
    }
    // Somebody with a log that is long enough may still have it.
    let request = VoteRequest { last_index: Index(2), last_term: Term(1), transfer: false };
    c.hand_over(message(2, 1, 5, Body::Vote(request)));
    assert_eq!(c.raft(1).status().vote, Some(id(2)));
}

/// openraft #1838: the waiting time was drawn once in a node's life, so that two who drew the same collided in every
/// election.
#[test]
fn openraft_1838_a_split_vote_clears_because_waiting_times_are_drawn_anew() {
    for seed in 0..100 {
        let mut c = Cluster::empty(seed);
        c.options = Options { pre_vote: false, ..Options::default() };
        for node in 1..=3 {
            c.add(node, voters(&[1, 2, 3]));
        }
        c.crash(3);
        // Both stand at the same moment, and again, until chance parts them.
        c.call(1, |raft, now| raft.campaign(now));
        c.call(2, |raft, now| raft.campaign(now));
        c.deliver();
        assert_eq!(c.leader(), None, "each has voted for itself");
        c.run(2000);
        assert!(c.leader().is_some(), "seed {seed}");
    }
}

/// openraft #1796 (and etcd #8501, where a rolling upgrade led to it): one camp has the longer log and a lower term, the
/// other the higher term and a shorter log. Each refuses the other's pre-vote, and as pre-votes carry no term, for ever.
#[test]
fn openraft_1796_etcd_8501_a_longer_log_of_a_lower_term_learns_the_higher_term() {
    let mut c = Cluster::of(&[1, 2, 3, 4]);
    c.elect(1);
    c.put(1, "x");
    // 1 and 2 get one entry more: a change of membership under way.
    c.cut.extend([(id(1), id(3)), (id(1), id(4))]);
    c.change(1, &[Change::AddLearner(id(5))]).unwrap();
    c.deliver();
    let long = c.raft(1).status().last.0;
    assert_eq!((c.raft(2).status().last.0, c.raft(3).status().last.0), (long, Index(2)));
    c.crash(1);
    // 3 has been a candidate in a term that nobody else heard of.
    c.isolate(3);
    let old = c.options.clone();
    c.crash(3);
    c.restart_with(3, Options { pre_vote: false, ..old });
    c.run(3000);
    assert!(c.raft(3).status().term > Term(4));
    c.crash(3);
    c.restart(3);
    c.heal();
    // 2 must win: it is the only one with the entry, and it must hear of the term to do so. 4 and 3 are needed for it.
    c.run(3000);
    assert_eq!(c.leader(), Some(2));
    c.put(2, "y");
}

/// etcd #9586: with pre-vote and check-quorum both on, one node became a pre-candidate and went on believing in the dead
/// leader, and so refused the other one; and the other way round.
#[test]
fn etcd_9586_pre_vote_and_check_quorum_together_leave_no_cluster_without_a_leader() {
    for seed in 0..100 {
        let mut c = Cluster::empty(seed);
        for node in 1..=3 {
            c.add(node, voters(&[1, 2, 3]));
        }
        c.elect(1);
        c.crash(1);
        // 2 asks while 3 still believes in 1, and then 3 asks.
        c.call(2, |raft, now| raft.campaign(now));
        c.deliver();
        assert_eq!(c.leader(), None, "3 keeps its promise to 1");
        c.call(3, |raft, now| raft.campaign(now));
        c.deliver();
        c.run(1000);
        assert!(c.leader().is_some(), "seed {seed}");
    }
}

/// hashicorp/raft #606: a follower refused the pre-vote of the very node that it followed. With the third node down, a
/// leader that had lost its office could never be elected again.
#[test]
fn hashicorp_606_a_follower_does_not_refuse_its_own_leader() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.crash(3);
    // 1 loses its office, while 2 has just heard it.
    c.crash(1);
    c.restart(1);
    assert_eq!(c.raft(2).leader(), Some(id(1)));
    c.call(1, |raft, now| raft.campaign(now));
    c.deliver();
    assert_eq!(c.leader(), Some(1), "at once: 2 promised loyalty to nobody else");
}

/// hashicorp/raft #696: a transfer was under way when the leader lost its office for another reason; when it led again, it
/// still refused proposals because of "leadership transfer in progress".
#[test]
fn hashicorp_696_a_transfer_ends_with_the_office() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.cut.extend([(id(1), id(2)), (id(2), id(1))]);
    c.put(1, "x");
    c.call(1, |raft, now| raft.transfer(now, id(2))).unwrap();
    c.deliver();
    let term = c.raft(1).status().term.0;
    // A higher term comes along.
    c.hand_over(message(3, 1, term + 1, Body::VoteReply { granted: false }));
    assert_eq!(c.raft(1).role(), RoleName::Follower);
    c.cut.clear();
    c.clock.advance(Duration::from_millis(400));
    c.elect(1);
    assert!(c.propose(1, "y").is_ok());
    c.deliver();
    assert_eq!(c.state(3), ["x", "y"]);
}

/// etcd #12359, first problem: a membership held only when it was *applied*, so that nodes with the same log disagreed on
/// whom to ask, and the one with the shorter log and the newer membership could block the other one for ever. Here:
/// {A B C} → {A B D}, with D ahead of C, C knowing of the commit, A and B taking turns to be dead.
#[test]
fn etcd_12359_a_joint_membership_holds_when_it_is_in_the_log() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.add(4, Membership::default());
    c.elect(1);
    c.change(1, &[Change::AddLearner(id(4))]).unwrap();
    c.deliver();
    c.crash(2);
    c.change(1, &[Change::AddVoter(id(4)), Change::AddLearner(id(3))]).unwrap();
    // 3 and 4 get the joint membership; 4 gets more after it, and nobody's word of the commit.
    for _ in 0..2 {
        c.deliver_at(0);
    }
    c.net.retain(|m| m.to == id(4) || m.from == id(4));
    c.cut.extend([(id(1), id(3)), (id(3), id(1)), (id(4), id(1))]);
    for n in 0..3 {
        c.propose(1, &n.to_string()).unwrap();
    }
    c.deliver();
    assert!(c.raft(4).status().last.0 > c.raft(3).status().last.0);
    c.crash(1);
    c.heal();
    c.restart(2);
    c.run(3000);
    let leader = c.leader().expect("3, 4 and 2 are majorities of both");
    let membership = c.raft(leader).status().membership.1;
    assert_eq!((membership.voters(), membership.is_joint()), (&ids(&[1, 2, 4])[..], false));
    c.put(leader, "on");
}

/// etcd #20418: rounds of reads were told apart by the asker's name for them. A question that was asked again, and answers
/// to heartbeats that were late, confirmed a read of a leader that had been deposed while its process was stopped.
#[test]
fn etcd_20418_late_answers_confirm_no_later_read_and_a_stopped_leader_none() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.put(1, "x");
    // One read under the name 7; its answers come twice, the second time late.
    c.read(1, 7).unwrap();
    while !c.net.is_empty() && c.net.iter().any(|m| m.to != id(1)) {
        c.deliver_at(0);
    }
    let late: Vec<_> = c.net.iter().cloned().collect();
    assert!(late.iter().all(|m| matches!(m.body, Body::AppendReply(_))) && !late.is_empty());
    c.deliver();
    assert_eq!(c.machine(1).reads.drain(..).len(), 1);
    // The process is stopped; the others elect another leader, which commits something.
    let stopped = c.machine(1).raft.take().unwrap();
    c.run(1000);
    let other = c.leader().unwrap();
    c.put(other, "y");
    c.net.clear();
    // It goes on, and the first thing it does is to read again under the same name; then the late answers arrive.
    c.machine(1).raft = Some(stopped);
    c.call(1, |raft, now| raft.read(now, ReadId(7))).unwrap();
    for message in late {
        c.hand_over(message);
    }
    assert!(c.machine(1).reads.is_empty(), "an answer to an earlier round says nothing about this one");
    c.net.clear();
    c.run(300);
    assert!(c.machine(1).reads.iter().all(|answer| answer.outcome.is_err()));
}

/// The same with a lease: what counts is the time of the call, not what the node believed when it was stopped.
#[test]
fn etcd_20418_a_lease_that_ran_out_while_the_process_was_stopped_is_none() {
    let options = Options { lease_skew: Some(Duration::from_millis(10)), ..Options::default() };
    let mut c = Cluster::with(&[1, 2, 3], options);
    c.run(700);
    let leader = c.leader().unwrap();
    let stopped = c.machine(leader).raft.take().unwrap();
    c.run(1000);
    let other = c.leader().unwrap();
    c.put(other, "y");
    c.machine(leader).raft = Some(stopped);
    c.call(leader, |raft, now| raft.read(now, ReadId(1))).unwrap();
    assert!(c.machine(leader).reads.is_empty());
}

/// openraft #1805: a learner that was made a voter, and does not know it yet, was told to stand for election.
#[test]
fn openraft_1805_an_heir_that_is_no_voter_by_its_own_log_does_not_stand() {
    let mut c = Cluster::empty(1);
    c.add(1, Membership::default());
    c.hand_over(message(2, 1, 1, append((0, 0), &[1], 0)));
    c.hand_over(message(2, 1, 1, Body::TimeoutNow { last: Index(1) }));
    assert_eq!(c.raft(1).role(), RoleName::Follower);
    let _ = NodeId(1);
}

/// redpanda #30817: a follower that was behind answered its leader, and did not count that as hearing it; so it went on
/// asking for votes that it couldn't win.
#[test]
fn redpanda_30817_a_follower_that_refuses_an_append_has_heard_its_leader() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.net.clear();
    for _ in 0..20 {
        c.clock.advance(Duration::from_millis(100));
        c.hand_over(message(1, 2, 3, append((9, 2), &[], 0)));
        c.call(2, |raft, now| raft.tick(now));
        assert_eq!(c.raft(2).role(), RoleName::Follower);
    }
}
