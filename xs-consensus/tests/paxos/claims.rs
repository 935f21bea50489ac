//! What `multi`'s page promises, one by one.

use std::time::Duration;

use bytes::Bytes;
use xs_consensus::paxos::multi::{Body, Kept, Message, Options, Replica, RoleName, Slot, Value};
use xs_consensus::paxos::{Ballot, Cluster, NodeId, Rejected, Vote};
use xs_os::{Clock, Rng, VirtualClock};

use super::cluster::Replicas;

const MS: Duration = Duration::from_millis(1);

fn nodes(count: u64) -> Vec<NodeId> {
    (1..=count).map(NodeId).collect()
}

fn replica(cluster: Cluster, options: Options, clock: &VirtualClock) -> Replica {
    Replica::new(NodeId(1), cluster, Kept::default(), options, Rng::from_seed(1), clock.now()).unwrap()
}

/// Does all at once, and says what was sent.
fn drive(replica: &mut Replica) -> Vec<Message> {
    let mut sent = Vec::new();
    while let Some(ready) = replica.ready() {
        sent.extend(ready.send);
        ready.persist.into_iter().for_each(|persist| replica.persisted(persist.done()).unwrap());
    }
    sent
}

#[test]
fn a_promise_is_heard_of_only_when_it_is_durable() {
    let clock = VirtualClock::new();
    let mut replica = replica(Cluster::majorities(nodes(3)).unwrap(), Options::default(), &clock);
    let ballot = Ballot { round: 1, node: NodeId(2) };
    let body = Body::Prepare { ballot, first: Slot(1) };
    let prepare = Message { from: NodeId(2), to: NodeId(1), body };
    replica.step(clock.now(), prepare.clone()).unwrap();
    let first = replica.ready().unwrap();
    assert!(first.send.is_empty());
    // Asked again while the write is under way, it has nothing to write, and must wait all the same.
    replica.step(clock.now(), prepare).unwrap();
    let second = replica.ready().unwrap();
    assert!(second.send.is_empty());
    let (first, second) = (first.persist.unwrap(), second.persist.unwrap());
    assert_eq!((first.records().len(), second.records().len()), (1, 0));
    replica.persisted(first.done()).unwrap();
    assert_eq!(replica.ready().unwrap().send.len(), 1);
    replica.persisted(second.done()).unwrap();
    assert_eq!(replica.ready().unwrap().send.len(), 1);
}

/// Its ballots go on as well: one that was used before a restart might get a second value.
#[test]
fn a_ballot_is_used_once_even_if_nobody_heard_of_it() {
    let clock = VirtualClock::new();
    let cluster = Cluster::majorities(nodes(3)).unwrap();
    let mut before = replica(cluster.clone(), Options::default(), &clock);
    before.campaign(clock.now());
    let used = before.status().promised;
    let ready = before.ready().unwrap();
    assert!(ready.send.is_empty());
    let mut kept = Kept::default();
    ready.persist.unwrap().records().iter().cloned().for_each(|record| kept.apply(record));
    let rng = Rng::from_seed(2);
    let mut after = Replica::new(NodeId(1), cluster, kept, Options::default(), rng, clock.now()).unwrap();
    after.campaign(clock.now());
    assert!(after.status().promised > used);
}

/// One page after another comes, each in time, and all of them take longer than its patience.
#[test]
fn a_candidate_is_patient_while_votes_come_in() {
    let clock = VirtualClock::new();
    let mut replica = replica(Cluster::majorities(nodes(3)).unwrap(), Options::default(), &clock);
    replica.campaign(clock.now());
    drive(&mut replica);
    let ballot = replica.status().promised;
    let old = Ballot { round: 0, node: NodeId(2) };
    for slot in 1..=20 {
        clock.advance(100 * MS);
        replica.tick(clock.now());
        let votes = vec![(Slot(slot), Vote { ballot: old, value: Value::Noop })];
        let next = (slot < 20).then_some(Slot(slot + 1));
        let body = Body::Promise { ballot, first: Slot(slot), votes, next };
        replica.step(clock.now(), Message { from: NodeId(2), to: NodeId(1), body }).unwrap();
        drive(&mut replica);
    }
    let status = replica.status();
    assert_eq!((status.role, status.promised, status.last), (RoleName::Leader, ballot, Slot(20)));
}

#[test]
fn two_of_five_choose_if_four_are_asked_when_leaders_change() {
    let mut c = Replicas::new(Cluster::flexible(nodes(5), 4, 2).unwrap());
    c.campaign(NodeId(1));
    c.deliver();
    (3..=5).for_each(|far| c.isolate(NodeId(far)));
    c.propose(NodeId(1), "tea").unwrap();
    c.deliver();
    assert_eq!(c.up[&NodeId(1)].status().commit, Slot(1));
    // Three are not enough to lead: they may be those that know nothing.
    c.heal();
    (1..=2).for_each(|far| c.isolate(NodeId(far)));
    c.campaign(NodeId(3));
    c.deliver();
    assert_eq!(c.up[&NodeId(3)].status().role, RoleName::Candidate);
    c.heal();
    c.isolate(NodeId(1));
    c.campaign(NodeId(3));
    c.deliver();
    assert_eq!(c.applied[&NodeId(3)], [Value::Command("tea".into())]);
}

#[test]
fn a_cluster_of_one_decides_when_its_disk_has() {
    let clock = VirtualClock::new();
    let options = Options { max_open: 2, max_command_bytes: 3, ..Options::default() };
    let mut replica = replica(Cluster::majorities(nodes(1)).unwrap(), options, &clock);
    let tea = || Bytes::from_static(b"tea");
    assert_eq!(replica.propose(clock.now(), tea()), Err(Rejected::NotLeader { hint: None }));
    clock.advance(300 * MS);
    replica.tick(clock.now());
    drive(&mut replica);
    assert_eq!(replica.propose(clock.now(), tea()), Ok(Slot(1)));
    assert_eq!(replica.propose(clock.now(), tea()), Ok(Slot(2)));
    assert_eq!(replica.propose(clock.now(), tea()), Err(Rejected::Overloaded));
    assert_eq!(replica.propose(clock.now(), Bytes::from_static(b"milk")), Err(Rejected::TooLarge));
    let ready = replica.ready().unwrap();
    assert!(ready.apply.is_empty());
    replica.persisted(ready.persist.unwrap().done()).unwrap();
    let applied = replica.ready().unwrap().apply;
    assert_eq!(applied, [(Slot(1), Value::Command(tea())), (Slot(2), Value::Command(tea()))]);
    assert_eq!(replica.propose(clock.now(), tea()), Ok(Slot(3)));
}
