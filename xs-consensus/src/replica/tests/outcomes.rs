//! What becomes of proposals and reads.

use std::time::Duration;

use xs_os::Clock;

use super::cluster::{Cluster, id};
use crate::raft::{Change, ReadLost, Rejected};
use crate::replica::{Event, Outcome, Token, Unknown};

fn plain(_: &mut crate::replica::ReplicaOptions) {}

fn read_outcome(cluster: &Cluster, node: usize, token: u64) -> Option<Result<(), ReadLost>> {
    let mut found = cluster.nodes[node].events.iter().filter_map(|event| match event {
        Event::Read { token: Token(of), outcome } if *of == token => Some(outcome.map(|_| ())),
        _ => None,
    });
    let outcome = found.next();
    assert!(found.next().is_none(), "answered twice");
    outcome
}

#[test]
fn what_is_proposed_is_applied_everywhere_and_answered_once() {
    let mut cluster = Cluster::three(plain);
    let leader = cluster.leader().unwrap();
    for n in 0..5 {
        cluster.propose(leader, n, &format!("item {n}"));
        cluster.run(20);
    }
    let items: Vec<String> = (0..5).map(|n| format!("item {n}")).collect();
    cluster.all_have(&[0, 1, 2], &items);
    for n in 0..5 {
        let outcome = cluster.outcome(leader, n).unwrap();
        assert!(matches!(outcome, Outcome::Applied { reply, .. } if reply == n as usize + 1), "{outcome:?}");
    }
    let follower = (leader + 1) % 3;
    let now = cluster.clock.now();
    let refused = cluster.replica(follower).propose(now, Token(7), "no".into());
    assert_eq!(refused, Err(Rejected::NotLeader { hint: Some(id(leader)) }));
}

#[test]
fn what_comes_between_two_polls_is_one_append() {
    let mut cluster = Cluster::three(plain);
    let leader = cluster.leader().unwrap();
    cluster.run(100);
    cluster.carried.clear();
    (0..200).for_each(|n| cluster.propose(leader, n, "x"));
    cluster.run(5);
    let appends: Vec<_> = cluster.carried.iter().filter(|(_, entries)| *entries > 0).collect();
    assert_eq!(appends, [&("append", 200), &("append", 200)]);
    cluster.until("answered", |cluster| (0..200).all(|n| cluster.outcome(leader, n).is_some()));
}

#[test]
fn a_proposal_whose_place_another_leader_took_is_certainly_not_applied() {
    let mut cluster = Cluster::three(plain);
    let old = cluster.leader().unwrap();
    cluster.cut.insert(old);
    cluster.propose(old, 1, "lost");
    cluster.run(20);
    cluster.put("kept");
    assert_eq!(cluster.outcome(old, 1), None, "nothing is known while it hears nobody");
    cluster.cut.clear();
    cluster.until("an outcome", |cluster| cluster.outcome(old, 1).is_some());
    assert_eq!(cluster.outcome(old, 1), Some(Outcome::NotApplied));
    cluster.all_have(&[0, 1, 2], &["kept".into()]);
}

#[test]
fn a_proposal_that_a_later_leader_commits_is_applied_and_answered_by_the_one_that_took_it() {
    let mut cluster = Cluster::three(plain);
    let old = cluster.leader().unwrap();
    cluster.run(100);
    // Its append gets out, and the answers don't come back.
    cluster.propose(old, 1, "taken over");
    cluster.turn();
    cluster.cut.insert(old);
    cluster.run(1000);
    let new = cluster.elect();
    assert_ne!(old, new);
    cluster.cut.clear();
    cluster.until("an outcome", |cluster| cluster.outcome(old, 1).is_some());
    assert!(matches!(cluster.outcome(old, 1), Some(Outcome::Applied { reply: 1, .. })));
}

#[test]
fn who_hears_nobody_says_unknown_when_its_patience_ends() {
    let mut cluster = Cluster::three(|options| {
        options.patience = Duration::from_secs(2);
        options.raft.check_quorum = false;
    });
    let leader = cluster.leader().unwrap();
    cluster.run(100);
    cluster.cut.insert(leader);
    cluster.propose(leader, 1, "?");
    let now = cluster.clock.now();
    cluster.replica(leader).read(now, Token(2)).unwrap();
    assert!(cluster.replica(leader).next_deadline() <= now + Duration::from_secs(2));
    cluster.run(1900);
    assert_eq!((cluster.outcome(leader, 1), read_outcome(&cluster, leader, 2)), (None, None));
    cluster.run(200);
    assert_eq!(cluster.outcome(leader, 1), Some(Outcome::Unknown(Unknown::TimedOut)));
    assert_eq!(read_outcome(&cluster, leader, 2), Some(Err(ReadLost::NoLeader)));
}

#[test]
fn a_snapshot_over_its_place_leaves_a_proposal_unknown() {
    let mut cluster = Cluster::three(|options| {
        options.compact_after_bytes = 1500;
        options.keep_entries = 2;
        options.raft.cache_bytes = 0;
        options.patience = Duration::from_secs(1000);
    });
    let old = cluster.leader().unwrap();
    cluster.run(100);
    cluster.cut.insert(old);
    cluster.propose(old, 1, "overtaken");
    (0..60).for_each(|n| cluster.put(&format!("{n:0100}")));
    cluster.cut.clear();
    cluster.until("an outcome", |cluster| cluster.outcome(old, 1).is_some());
    assert_eq!(cluster.outcome(old, 1), Some(Outcome::Unknown(Unknown::Overtaken)));
    assert!(cluster.nodes[old].events.iter().any(|event| matches!(event, Event::Installed(_))));
}

#[test]
fn a_read_on_a_follower_sees_what_was_answered_before() {
    let mut cluster = Cluster::three(plain);
    let leader = cluster.leader().unwrap();
    cluster.put("seen");
    let follower = (leader + 1) % 3;
    let now = cluster.clock.now();
    cluster.replica(follower).read(now, Token(5)).unwrap();
    cluster.until("the answer", |cluster| read_outcome(cluster, follower, 5).is_some());
    assert_eq!(read_outcome(&cluster, follower, 5), Some(Ok(())));
    assert_eq!(cluster.items(follower), ["seen"]);
}

#[test]
fn proposals_and_reads_that_wait_are_bounded() {
    let mut cluster = Cluster::three(|options| options.max_pending = 3);
    let leader = cluster.leader().unwrap();
    cluster.cut.insert(leader);
    let now = cluster.clock.now();
    for n in 0..3 {
        cluster.propose(leader, n, "x");
        cluster.replica(leader).read(now, Token(n)).unwrap();
    }
    assert_eq!(cluster.replica(leader).propose(now, Token(3), "x".into()), Err(Rejected::Overloaded));
    assert_eq!(cluster.replica(leader).read(now, Token(3)), Err(Rejected::Overloaded));
}

#[test]
fn a_change_of_several_voters_is_answered_when_the_new_ones_hold_alone() {
    let mut cluster = Cluster::new(5, 3, false, plain);
    let leader = cluster.elect();
    let change = |cluster: &mut Cluster, token, changes: &[Change]| {
        let now = cluster.clock.now();
        cluster.until("taken", |cluster| cluster.replica(leader).change(now, Token(token), changes).is_ok());
        cluster.until("changed", |cluster| cluster.outcome(leader, token).is_some());
        assert!(matches!(cluster.outcome(leader, token), Some(Outcome::Changed { .. })));
    };
    change(&mut cluster, 1, &[Change::AddLearner(id(3)), Change::AddLearner(id(4))]);
    cluster.run(200);
    let gone = id((leader + 1) % 3);
    change(&mut cluster, 2, &[Change::AddVoter(id(3)), Change::AddVoter(id(4)), Change::Remove(gone)]);
    let membership = cluster.replica(leader).membership();
    assert!(!membership.is_joint() && !membership.contains(gone) && membership.voters().len() == 4);
    let told = |event: &Event<usize>| matches!(event, Event::Membership(told) if *told == membership);
    assert!(cluster.nodes[leader].events.iter().any(told));
}

#[test]
fn leadership_is_handed_on_and_told() {
    let mut cluster = Cluster::three(plain);
    let leader = cluster.leader().unwrap();
    cluster.run(100);
    let heir = (leader + 1) % 3;
    let now = cluster.clock.now();
    cluster.replica(leader).transfer(now, id(heir)).unwrap();
    cluster.until("the heir leads", |cluster| cluster.leader() == Some(heir));
    let told = |event: &Event<usize>| matches!(event, Event::Leader { leader, .. } if *leader == Some(id(heir)));
    cluster.until("all are told", |cluster| cluster.nodes.iter().all(|node| node.events.iter().any(told)));
}
