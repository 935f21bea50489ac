//! What a system needs beyond the log: reads, memberships, witnesses, snapshots, transfers, limits.

use std::time::Duration;

use bytes::Bytes;
use xs_consensus::raft::{
    Body, Change, ClusterId, Index, Membership, Message, NodeId, Options, ReadLost, Refused, Rejected, RoleName, Term,
    VoteRequest,
};

use crate::cluster::{Cluster, bytes, id, ids, voters};

fn answers(c: &mut Cluster, node: u64) -> Vec<Result<Index, ReadLost>> {
    c.machine(node).reads.drain(..).map(|answer| answer.outcome).collect()
}

/// Appends on their way.
fn appends(c: &Cluster) -> usize {
    c.net.iter().filter(|message| matches!(message.body, Body::Append(_))).count()
}

// Replication: how much is said.

#[test]
fn however_many_proposals_come_each_follower_gets_one_append() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    let commands: Vec<_> = (0..500).map(|n| bytes(&n.to_string())).collect();
    c.call(1, |raft, now| {
        for command in commands {
            raft.propose(now, command).unwrap();
        }
    });
    assert_eq!(appends(&c), 2);
    let before = c.delivered;
    c.deliver();
    assert_eq!(c.delivered - before, 6, "two appends, two acknowledgements, two that tell of the commit");
    assert_eq!(c.state(3).len(), 500);
}

#[test]
fn a_lazy_commit_travels_with_the_next_append() {
    let options = Options { eager_commit: false, ..Options::default() };
    let mut c = Cluster::with(&[1, 2, 3], options);
    c.elect(1);
    let before = c.delivered;
    c.put(1, "x");
    assert_eq!(c.delivered - before, 4);
    assert_eq!((c.state(1).len(), c.state(2).len()), (1, 0));
    c.run(100);
    assert_eq!(c.state(2), ["x"]);
}

#[test]
fn the_window_stops_a_leader_whose_follower_says_nothing() {
    let options = Options { max_inflight: 3, ..Options::default() };
    let mut c = Cluster::with(&[1, 2, 3], options);
    c.elect(1);
    for n in 0..10 {
        c.propose(1, &n.to_string()).unwrap();
    }
    assert_eq!(appends(&c), 6, "three for each");
    c.deliver();
    assert_eq!(c.state(2).len(), 10);
}

#[test]
fn limits_refuse_what_is_too_much_and_take_it_later() {
    let options = Options { max_uncommitted_bytes: 200, max_entry_bytes: 100, ..Options::default() };
    let mut c = Cluster::with(&[1, 2, 3], options);
    c.elect(1);
    let command = "x".repeat(80);
    assert_eq!(c.propose(1, &"x".repeat(101)), Err(Rejected::TooLarge));
    assert!(c.propose(1, &command).is_ok());
    assert!(c.propose(1, &command).is_ok());
    assert_eq!(c.propose(1, &command), Err(Rejected::Overloaded));
    c.deliver();
    assert!(c.propose(1, &command).is_ok());
    assert_eq!(c.propose(2, "x"), Err(Rejected::NotLeader { hint: Some(id(1)) }));
}

#[test]
fn a_follower_can_pass_commands_on() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.call(2, |raft, now| raft.forward(now, vec![bytes("tea"), bytes("milk")])).unwrap();
    c.deliver();
    assert_eq!(c.state(2), ["tea", "milk"]);
}

#[test]
fn priorities_say_who_leads_and_zero_never_does_by_itself() {
    for seed in 0..20 {
        let mut c = Cluster::empty(seed);
        for (node, priority) in [(1, 0), (2, 1), (3, 3)] {
            c.options.priority = priority;
            c.add(node, voters(&[1, 2, 3]));
        }
        c.run(800);
        assert_eq!(c.leader(), Some(3), "seed {seed}");
        c.crash(3);
        c.run(2000);
        assert_eq!(c.leader(), Some(2), "seed {seed}");
    }
}

// Reads (thesis, 6.4).

#[test]
fn thesis_6_4_reads_see_what_was_committed_before_and_share_a_round() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    let index = c.put(1, "x");
    c.call(1, |raft, now| {
        for read in 0..100 {
            raft.read(now, xs_consensus::raft::ReadId(read)).unwrap();
        }
    });
    assert_eq!(appends(&c), 2, "one round for all");
    assert!(answers(&mut c, 1).is_empty());
    c.deliver();
    assert_eq!(answers(&mut c, 1), vec![Ok(index); 100]);
}

#[test]
fn thesis_6_4_a_new_leader_answers_no_read_before_it_has_committed() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.put(1, "x");
    c.crash(1);
    c.clock.advance(Duration::from_millis(200));
    c.call(2, |raft, now| raft.campaign(now));
    while c.leader() != Some(2) {
        assert!(!c.net.is_empty());
        c.deliver_at(0);
    }
    c.read(2, 7).unwrap();
    assert!(answers(&mut c, 2).is_empty());
    c.deliver();
    let noop = c.raft(2).status().last.0;
    assert_eq!(answers(&mut c, 2), [Ok(noop)]);
}

#[test]
fn a_follower_reads_after_it_has_applied_what_the_leader_had_committed() {
    let options = Options { eager_commit: false, ..Options::default() };
    let mut c = Cluster::with(&[1, 2, 3], options);
    c.elect(1);
    let index = c.put(1, "x");
    assert!(c.state(3).is_empty(), "it doesn't know yet");
    c.read(3, 1).unwrap();
    c.deliver();
    assert_eq!(answers(&mut c, 3), [Ok(index)]);
    assert_eq!(c.state(3), ["x"]);
}

#[test]
fn reads_without_a_leader_are_answered_with_that() {
    let mut c = Cluster::of(&[1, 2, 3]);
    assert_eq!(c.read(1, 1), Err(Rejected::NotLeader { hint: None }));
    c.elect(1);
    c.isolate(3);
    c.read(3, 2).unwrap();
    c.run(400);
    assert_eq!(answers(&mut c, 3), [Err(ReadLost::NoLeader)]);
}

#[test]
fn thesis_6_4_1_a_lease_answers_at_once_and_ends() {
    let options = Options { lease_skew: Some(Duration::from_millis(10)), ..Options::default() };
    let mut c = Cluster::with(&[1, 2, 3], options);
    c.run(700);
    let leader = c.leader().unwrap();
    c.read(leader, 1).unwrap();
    assert_eq!(answers(&mut c, leader).len(), 1);
    assert!(c.net.is_empty());
    // From the last round on, 140 ms; the clock alone moves, as for a process that was stopped.
    c.clock.advance(Duration::from_millis(141));
    c.read(leader, 2).unwrap();
    assert!(answers(&mut c, leader).is_empty());
}

#[test]
fn a_lease_promise_is_kept_over_a_restart_and_against_oneself() {
    let options = Options { lease_skew: Some(Duration::from_millis(10)), ..Options::default() };
    let mut c = Cluster::with(&[1, 2, 3], options);
    c.run(700);
    let leader = c.leader().unwrap();
    let (a, b) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    c.isolate(leader);
    c.crash(a);
    c.restart(a);
    c.call(b, |raft, now| raft.campaign(now));
    assert_eq!(c.raft(b).role(), RoleName::Follower, "its own promise holds it back");
    c.deliver();
    c.run(130);
    assert!([None, Some(leader)].contains(&c.leader()), "nobody else can have been elected");
    c.run(1000);
    assert_ne!(c.leader(), Some(leader));
}

#[test]
fn after_the_last_word_of_a_transfer_there_are_no_leases_in_the_term() {
    let options = Options { lease_skew: Some(Duration::from_millis(10)), ..Options::default() };
    let mut c = Cluster::with(&[1, 2, 3], options);
    c.run(700);
    let leader = c.leader().unwrap();
    let heir = leader % 3 + 1;
    c.call(leader, |raft, now| raft.transfer(now, id(heir))).unwrap();
    let late = c.net.pop_front().unwrap();
    assert!(matches!(late.body, Body::TimeoutNow { .. }));
    // The transfer fails, and everybody goes on as before; the message is still somewhere.
    c.run(500);
    assert_eq!(c.raft(leader).status().transferring, None);
    c.read(leader, 1).unwrap();
    assert!(answers(&mut c, leader).is_empty(), "it asks a majority");
    c.deliver();
    assert_eq!(answers(&mut c, leader).len(), 1);
}

// Membership (paper, 6; thesis, 4).

#[test]
fn section_6_a_membership_holds_as_soon_as_it_is_in_the_log_and_no_longer_than_that() {
    let options = Options { pre_vote: false, check_quorum: false, ..Options::default() };
    let mut c = Cluster::with(&[1, 2, 3], options);
    c.elect(1);
    c.isolate(1);
    c.change(1, &[Change::AddLearner(id(4))]).unwrap();
    assert_eq!(c.raft(1).status().membership.1.learners(), ids(&[4]));
    c.deliver();
    c.elect(2);
    c.heal();
    c.run(200);
    assert!(c.raft(1).status().membership.1.learners().is_empty(), "the entry was replaced");
}

#[test]
fn thesis_4_1_one_change_at_a_time() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.change(1, &[Change::AddLearner(id(4))]).unwrap();
    assert_eq!(c.change(1, &[Change::AddLearner(id(5))]), Err(Rejected::ChangeUnderWay));
    c.deliver();
    assert!(c.change(1, &[Change::AddLearner(id(5))]).is_ok());
}

#[test]
fn a_leader_that_has_committed_nothing_in_its_term_changes_no_membership() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.call(1, |raft, now| raft.campaign(now));
    while c.leader() != Some(1) {
        c.deliver_at(0);
    }
    assert_eq!(c.change(1, &[Change::AddLearner(id(4))]), Err(Rejected::ChangeUnderWay));
}

#[test]
fn thesis_4_2_1_a_voter_learns_first() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.add(4, Membership::default());
    c.elect(1);
    c.put(1, "x");
    assert_eq!(c.change(1, &[Change::AddVoter(id(4))]), Err(Rejected::Behind(id(4))));
    c.change(1, &[Change::AddLearner(id(4))]).unwrap();
    assert_eq!(c.change(1, &[Change::AddVoter(id(4))]), Err(Rejected::ChangeUnderWay));
    c.deliver();
    c.change(1, &[Change::AddVoter(id(4))]).unwrap();
    c.deliver();
    assert_eq!(c.raft(4).status().membership.1.voters(), ids(&[1, 2, 3, 4]));
    assert_eq!(c.state(4), ["x"]);
}

#[test]
fn thesis_4_2_2_a_leader_removes_itself_and_goes_when_that_is_committed() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.change(1, &[Change::Remove(id(1))]).unwrap();
    assert_eq!(c.raft(1).role(), RoleName::Leader, "until it is committed, without its own vote");
    c.deliver();
    assert_ne!(c.raft(1).role(), RoleName::Leader);
    assert!(c.leader().is_some(), "it named its heir: nobody waits for a timeout");
    let leader = c.leader().unwrap();
    assert!([2, 3].contains(&leader));
    c.put(leader, "y");
}

#[test]
fn thesis_4_2_2_whoever_alone_has_the_entry_that_removes_it_can_be_elected() {
    let mut c = Cluster::of(&[1, 2]);
    c.elect(1);
    c.isolate(1);
    c.change(1, &[Change::Remove(id(1))]).unwrap();
    c.run(400);
    assert_eq!(c.leader(), None);
    // 2 needs 1's vote and has the shorter log; 1 is no voter any more, by its own log.
    c.heal();
    c.run(2000);
    assert_eq!(c.leader(), Some(2));
    assert_eq!(c.raft(2).status().membership.1.voters(), ids(&[2]));
}

#[test]
fn thesis_4_2_3_removed_servers_disturb_nobody() {
    let mut c = Cluster::of(&[1, 2, 3, 4]);
    c.elect(1);
    c.isolate(4);
    c.change(1, &[Change::Remove(id(4))]).unwrap();
    c.deliver();
    c.heal();
    let term = c.raft(1).status().term;
    c.run(3000);
    assert_eq!((c.leader(), c.raft(1).status().term), (Some(1), term));
}

#[test]
fn thesis_4_3_a_joint_membership_needs_both_majorities() {
    let mut c = Cluster::of(&[1, 2, 3]);
    for node in [4, 5, 6] {
        c.add(node, Membership::default());
    }
    c.elect(1);
    c.change(1, &[Change::AddLearner(id(4)), Change::AddLearner(id(5)), Change::AddLearner(id(6))]).unwrap();
    c.deliver();
    // All of the old voters, one of the new.
    c.isolate(5);
    c.cut.extend([(id(1), id(6)), (id(6), id(1))]);
    let swap: Vec<_> = [4, 5, 6]
        .map(|n| Change::AddVoter(id(n)))
        .into_iter()
        .chain([Change::Remove(id(2)), Change::Remove(id(3))])
        .collect();
    let (_, index) = c.change(1, &swap).unwrap();
    c.deliver();
    assert!(c.raft(1).status().commit < index, "1 and 4 are no majority of 1, 4, 5, 6");
    c.heal();
    c.run(100);
    assert_eq!(c.raft(1).status().membership.1.voters(), ids(&[1, 4, 5, 6]));
    assert!(!c.raft(1).status().membership.1.is_joint(), "it was left without being asked");
}

#[test]
fn a_new_leader_leaves_a_joint_membership_that_an_old_one_began() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.add(4, Membership::default());
    c.elect(1);
    c.change(1, &[Change::AddLearner(id(4))]).unwrap();
    c.deliver();
    c.change(1, &[Change::AddVoter(id(4)), Change::Remove(id(3))]).unwrap();
    while c.raft(1).status().commit < Index(3) {
        c.deliver_at(0);
        if c.raft(2).status().last.0 == Index(3) && c.raft(4).status().last.0 == Index(3) {
            break;
        }
    }
    c.crash(1);
    c.net.clear();
    c.run(1500);
    let leader = c.leader().expect("a majority of both is up");
    let membership = c.raft(leader).status().membership.1;
    assert_eq!((membership.voters(), membership.is_joint()), (&ids(&[1, 2, 4])[..], false));
}

#[test]
fn a_learner_gets_everything_and_counts_for_nothing() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.add(4, Membership::default());
    c.elect(1);
    c.change(1, &[Change::AddLearner(id(4))]).unwrap();
    c.deliver();
    c.isolate(2);
    c.cut.extend([(id(1), id(3)), (id(3), id(1))]);
    let (_, index) = c.propose(1, "x").unwrap();
    c.deliver();
    assert_eq!(c.raft(4).status().last.0, index);
    assert!(c.raft(1).status().commit < index);
    c.run(2000);
    assert_ne!(c.leader(), Some(4));
}

// Witnesses.

fn with_witness() -> Cluster {
    let mut c = Cluster::empty(3);
    let membership = Membership::from_parts(ids(&[1, 2, 3]), vec![], vec![], ids(&[3])).unwrap();
    for node in 1..=3 {
        c.add(node, membership.clone());
    }
    c.elect(1);
    c
}

#[test]
fn a_witness_makes_a_majority_and_has_no_state() {
    let mut c = with_witness();
    c.isolate(2);
    let index = c.put(1, "x");
    assert_eq!(c.raft(1).status().commit, index);
    assert!(c.state(3).is_empty());
    assert_eq!(c.raft(3).status().last.0, index);
}

#[test]
fn a_witness_that_alone_has_an_entry_leads_until_somebody_else_has_it() {
    let mut c = with_witness();
    c.isolate(2);
    c.put(1, "x");
    c.crash(1);
    c.heal();
    c.run(3000);
    assert_eq!(c.leader(), Some(2));
    assert_eq!(c.state(2), ["x"], "what was acknowledged is not lost, and nobody waits for 1");
    assert!(c.story.iter().any(|line| line.contains("n3 is leader")));
}

// Snapshots (paper, 7).

fn fallen_behind(options: Options) -> Cluster {
    let mut c = Cluster::with(&[1, 2, 3], Options { cache_bytes: 0, ..options });
    c.elect(1);
    c.isolate(3);
    for n in 0..20 {
        c.put(1, &format!("command {n}"));
    }
    assert!(c.compact(1, 0));
    c
}

#[test]
fn section_7_a_follower_that_is_too_far_behind_gets_a_snapshot_in_pieces() {
    let mut c = fallen_behind(Options { snapshot_chunk_bytes: 50, ..Options::default() });
    c.heal();
    c.run(200);
    assert_eq!(c.state(3).len(), 20);
    let pieces = c.story.iter().filter(|line| line.contains("snapshot of i21, bytes")).count();
    assert!(pieces >= 9, "{pieces}");
    c.put(1, "more");
    assert_eq!(c.state(3).len(), 21);
    // And it can be restarted from that.
    c.crash(3);
    c.restart(3);
    c.run(200);
    assert_eq!(c.state(3).len(), 21);
}

#[test]
fn a_snapshot_goes_on_where_it_stopped_whatever_broke() {
    let mut c = fallen_behind(Options { snapshot_chunk_bytes: 50, ..Options::default() });
    c.heal();
    c.tick(Duration::from_millis(50));
    while !c.story.iter().any(|line| line.contains("bytes 200..250")) {
        c.deliver_at(0);
    }
    c.net.clear();
    c.story.clear();
    c.run(300);
    assert_eq!(c.state(3).len(), 20);
    assert!(!c.story.iter().any(|line| line.contains("bytes 0..50")), "nothing is sent twice");
}

#[test]
fn a_damaged_snapshot_is_sent_anew() {
    let mut c = fallen_behind(Options { snapshot_chunk_bytes: 50, ..Options::default() });
    c.heal();
    c.tick(Duration::from_millis(50));
    while !c.story.iter().any(|line| line.contains("bytes 200..250")) {
        c.deliver_at(0);
    }
    c.call(3, |raft, now| raft.snapshot_failed(now));
    c.story.clear();
    c.run(300);
    assert_eq!(c.state(3).len(), 20);
    assert!(c.story.iter().any(|line| line.contains("bytes 0..50")));
}

#[test]
fn a_snapshot_of_what_the_log_has_throws_nothing_away() {
    let mut c = fallen_behind(Options::default());
    c.heal();
    c.tick(Duration::from_millis(50));
    let chunk = loop {
        let chunk =
            c.net.iter().find(|message| matches!(&message.body, Body::SnapshotChunk(chunk) if !chunk.data.is_empty()));
        if let Some(chunk) = chunk {
            break chunk.clone();
        }
        c.deliver_at(0);
    };
    c.deliver();
    c.put(1, "later");
    let before = c.raft(3).status();
    c.hand_over(chunk);
    c.deliver();
    let after = c.raft(3).status();
    assert_eq!((after.last, after.commit, after.applied), (before.last, before.commit, before.applied));
}

#[test]
fn a_snapshot_that_is_too_large_is_refused() {
    let mut c = fallen_behind(Options::default());
    let small = Options { max_snapshot_bytes: 10, ..Options::default() };
    c.crash(3);
    c.heal();
    c.restart_with(3, small);
    c.run(300);
    assert!(c.state(3).is_empty());
    assert!(c.story.iter().any(|line| line.contains("larger than the limit")));
}

// Transfer (thesis, 3.10).

#[test]
fn thesis_3_10_leadership_is_handed_over_without_a_timeout() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.put(1, "x");
    c.call(1, |raft, now| raft.transfer(now, id(2))).unwrap();
    assert_eq!(c.propose(1, "y"), Err(Rejected::Transferring(id(2))));
    c.deliver();
    assert_eq!(c.leader(), Some(2));
    assert_eq!(c.raft(1).role(), RoleName::Follower);
}

#[test]
fn thesis_3_10_a_transfer_that_fails_ends_after_an_election_timeout() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.isolate(2);
    c.put(1, "x");
    c.call(1, |raft, now| raft.transfer(now, id(2))).unwrap();
    c.run(140);
    assert!(c.propose(1, "y").is_err());
    c.run(20);
    assert!(c.propose(1, "y").is_ok());
}

#[test]
fn an_heir_that_lacks_what_the_leader_has_does_not_stand() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    let early = Message {
        from: id(1),
        to: id(2),
        term: c.raft(1).status().term,
        cluster: ClusterId(0),
        body: Body::TimeoutNow { last: Index(9) },
    };
    c.hand_over(early);
    assert_eq!(c.raft(2).role(), RoleName::Follower);
}

// Strangers.

#[test]
fn what_strangers_say_is_refused_with_a_reason() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    let term = c.raft(1).status().term;
    let reply = Body::AppendReply(xs_consensus::raft::AppendReply {
        round: 0,
        outcome: xs_consensus::raft::AppendOutcome::Matched(Index(1)),
    });
    let message = |from: u64, to: u64, term: Term, cluster: u64, body: Body| Message {
        from: NodeId(from),
        to: NodeId(to),
        term,
        cluster: ClusterId(cluster),
        body,
    };
    let mut step = |message: Message| c.call(1, |raft, now| raft.step(now, message));
    assert_eq!(step(message(2, 3, term, 0, reply.clone())), Err(Refused::NotForUs(id(3))));
    assert_eq!(step(message(2, 1, term, 9, reply.clone())), Err(Refused::OtherCluster));
    assert_eq!(step(message(9, 1, term, 0, reply.clone())), Err(Refused::Stranger(id(9))));
    assert!(matches!(step(message(1, 1, term, 0, reply)), Err(Refused::Impossible(_))));
    let far = xs_consensus::raft::AppendOutcome::Matched(Index(99));
    let far = Body::AppendReply(xs_consensus::raft::AppendReply { round: 0, outcome: far });
    assert!(matches!(step(message(2, 1, term, 0, far)), Err(Refused::Impossible(_))));
    let heartbeat = Body::Append(xs_consensus::raft::Append {
        prev_index: Index(0),
        prev_term: Term(0),
        commit: Index(0),
        round: 1,
        entries: vec![],
    });
    assert!(matches!(step(message(2, 1, term, 0, heartbeat)), Err(Refused::Impossible(_))), "a second leader");
    assert_eq!(c.leader(), Some(1));
}

#[test]
fn a_node_that_knows_no_cluster_votes_for_nobody() {
    let mut c = Cluster::empty(1);
    c.add(1, Membership::default());
    let request = VoteRequest { last_index: Index(5), last_term: Term(1), transfer: false };
    c.hand_over(Message { from: id(2), to: id(1), term: Term(2), cluster: ClusterId(0), body: Body::Vote(request) });
    assert_eq!(c.net.pop_front().unwrap().body, Body::VoteReply { granted: false });
    c.run(1000);
    assert_eq!(c.raft(1).role(), RoleName::Follower);
    let _ = Bytes::new();
}

#[test]
fn a_read_is_answered_when_those_whom_it_waited_for_are_removed() {
    let mut c = Cluster::of(&[1, 2]);
    c.elect(1);
    c.put(1, "x");
    c.isolate(2);
    c.read(1, 7).unwrap();
    c.deliver();
    assert!(c.machine(1).reads.is_empty());
    c.heal();
    c.change(1, &[Change::Remove(id(2))]).unwrap();
    // The other one takes the change, and its answers to the read's round are lost.
    c.net.retain(|message| !matches!(&message.body, Body::Append(append) if append.entries.is_empty()));
    c.deliver();
    assert_eq!(c.machine(1).reads.len(), 1);
}
