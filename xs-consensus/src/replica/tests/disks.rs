//! Disks that fail, fill up, are exchanged or belong to others.

use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};
use xs_os::vfs::{MemoryVfs, Vfs};
use xs_os::{Clock, Rng};

use super::List;
use super::cluster::{Cluster, DIR, id};
use crate::raft::{Membership, NodeId, Refused, Rejected};
use crate::raft_store::{Error as StoreError, Impostor, Start};
use crate::replica::{Event, OpenError, Outcome, Replica, Stopped, Token, Unknown};

fn plain(_: &mut crate::replica::ReplicaOptions) {}

/// The leader's disk fails: nothing of what it was asked then is acknowledged, and the others go on.
fn fails(fault: impl FnOnce(&FaultyVfs)) -> Stopped {
    let mut cluster = Cluster::three(plain);
    cluster.put("before");
    let leader = cluster.leader().unwrap();
    fault(&cluster.nodes[leader].disk);
    cluster.propose(leader, 1, "during");
    let now = cluster.clock.now();
    cluster.replica(leader).read(now, Token(2)).unwrap();
    cluster.until("it stops", |cluster| cluster.replica(leader).stopped().is_some());
    assert_eq!(cluster.outcome(leader, 1), Some(Outcome::Unknown(Unknown::Stopped)));
    let stopped = cluster.nodes[leader].events.iter().filter(|event| matches!(event, Event::Stopped(_))).count();
    assert_eq!(stopped, 1);
    assert!(matches!(cluster.nodes[leader].events.last(), Some(Event::Stopped(_))), "it is the last");
    assert!(matches!(cluster.replica(leader).propose(now, Token(3), "x".into()), Err(Rejected::Stopped(_))));
    assert!(matches!(cluster.replica(leader).read(now, Token(3)), Err(Rejected::Stopped(_))));
    let why = cluster.replica(leader).stopped().unwrap().clone();
    cluster.carried.clear();
    cluster.run(50);
    cluster.put("after");
    // It comes back, and learns what became of it.
    let disk = &cluster.nodes[leader].disk;
    disk.heal();
    disk.set_capacity(None);
    cluster.crash(leader);
    cluster.start(leader).unwrap();
    cluster.put("last");
    let other = (leader + 1) % 3;
    cluster.run(200);
    let items = cluster.items(other);
    assert!(items.first().is_some_and(|first| first == "before") && items.ends_with(&["after".into(), "last".into()]));
    cluster.all_have(&[0, 1, 2], &items);
    why
}

#[test]
fn a_failed_sync_stops_the_replica() {
    let why = fails(|disk| disk.fail(Fault::of(Operation::Sync)));
    assert!(matches!(why, Stopped::Store(_)), "{why}");
}

#[test]
fn a_failed_write_stops_the_replica() {
    let why = fails(|disk| disk.fail(Fault::of(Operation::Write)));
    assert!(matches!(why, Stopped::Store(_)) && !why.is_full(), "{why}");
}

#[test]
fn a_full_disk_stops_the_replica_and_says_so() {
    let mut cluster = Cluster::three(plain);
    let leader = cluster.leader().unwrap();
    let room = cluster.nodes[leader].disk.used() + 20_000;
    cluster.nodes[leader].disk.set_capacity(Some(room));
    let mut proposed = Vec::new();
    for n in 0.. {
        let item = format!("{n:0500}");
        let now = cluster.clock.now();
        if cluster.replica(leader).propose(now, Token(n), item.clone().into()).is_err() {
            break;
        }
        proposed.push(item);
        cluster.run(10);
    }
    let applied = |n: &usize| matches!(cluster.outcome(leader, *n as u64), Some(Outcome::Applied { .. }));
    let acknowledged: Vec<String> = (0..proposed.len()).filter(applied).map(|n| proposed[n].clone()).collect();
    assert!(cluster.replica(leader).stopped().is_some_and(Stopped::is_full));
    assert!(acknowledged.len() > 5);
    cluster.nodes[leader].disk.set_capacity(None);
    cluster.crash(leader);
    cluster.start(leader).unwrap();
    cluster.put("room again");
    cluster.run(300);
    let items = cluster.items(leader);
    assert!(items.starts_with(&acknowledged), "nothing acknowledged is lost");
    cluster.all_have(&[0, 1, 2], &items);
}

#[test]
fn a_state_machine_that_fails_stops_the_replica() {
    let mut cluster = Cluster::three(plain);
    let leader = cluster.leader().unwrap();
    cluster.nodes[leader].replica.as_mut().unwrap().machine.fails = true;
    cluster.propose(leader, 1, "x");
    cluster.until("it stops", |cluster| cluster.replica(leader).stopped().is_some());
    assert!(matches!(cluster.replica(leader).stopped(), Some(Stopped::Machine { doing: "apply", .. })));
    assert_eq!(cluster.outcome(leader, 1), Some(Outcome::Unknown(Unknown::Stopped)));
}

fn open(disk: &MemoryVfs, node: usize, cluster: u64, start: Start) -> Result<Replica<List>, OpenError> {
    let mut options = Cluster::new(3, 3, false, plain).options(node);
    options.raft.cluster.0 = cluster;
    let clock = xs_os::VirtualClock::new();
    let rng = Rng::from_seed(cluster);
    Replica::open(Arc::new(disk.clone()), Path::new(DIR), start, List::default(), options, rng, clock.now())
}

#[test]
fn the_directory_of_another_is_refused_and_so_is_an_empty_one() {
    let disk = MemoryVfs::new();
    let first = Membership::of(vec![NodeId(1), NodeId(2)]).unwrap();
    let refused = open(&disk, 0, 1, Start::Open).err();
    assert!(matches!(refused, Some(OpenError::Store(StoreError::NoNode { .. }))), "{refused:?}");
    drop(open(&disk, 0, 1, Start::Create(first.clone())).unwrap());
    let refused = open(&disk, 0, 1, Start::Create(first)).err();
    assert!(matches!(refused, Some(OpenError::Store(StoreError::AlreadyThere { .. }))), "{refused:?}");
    let refused = open(&disk, 1, 1, Start::Open).err();
    assert!(matches!(refused, Some(OpenError::Store(StoreError::OtherNode { .. }))), "{refused:?}");
    let refused = open(&disk, 0, 2, Start::Open).err();
    assert!(matches!(refused, Some(OpenError::Store(StoreError::OtherCluster { .. }))), "{refused:?}");
    let replica = open(&disk, 0, 1, Start::Open).unwrap();
    assert!(matches!(open(&disk, 0, 1, Start::Open), Err(OpenError::Store(StoreError::Storage(_)))), "twice");
    drop(replica);
    disk.remove(&Path::new(DIR).join("identity")).unwrap();
    drop(open(&disk, 0, 1, Start::Open).err().unwrap());
}

#[test]
fn a_node_that_lost_its_disk_is_refused_by_those_who_knew_it_also_after_they_restart() {
    let mut cluster = Cluster::three(plain);
    let old = cluster.replica(1).identity();
    for from in [0, 2] {
        let identity = cluster.replica(from).identity();
        cluster.replica(1).meet(identity).unwrap();
        cluster.replica(from).meet(old).unwrap();
        cluster.replica(from).meet(old).unwrap();
    }
    cluster.put("something");
    cluster.run(100);
    cluster.crash(1);
    cluster.nodes[1].disk = FaultyVfs::new(77);
    cluster.start(1).unwrap();
    let new = cluster.replica(1).identity();
    assert_ne!(old, new);
    for node in [0, 2] {
        assert_eq!(cluster.replica(node).meet(new), Err(Impostor::Reborn { node: id(1) }));
        cluster.crash(node);
        cluster.start(node).unwrap();
        assert_eq!(cluster.replica(node).meet(new), Err(Impostor::Reborn { node: id(1) }));
        assert_eq!(cluster.replica(node).meet(old), Ok(()));
    }
    let own = cluster.replica(0).identity();
    assert_eq!(cluster.replica(0).meet(own), Err(Impostor::Ourselves(id(0))));
}

/// Who belongs to the cluster later than he was met is known by it all the same, and knows the others.
#[test]
fn a_node_that_was_met_before_it_was_added_is_remembered_when_it_is() {
    let mut cluster = Cluster::new(4, 3, false, plain);
    cluster.put("something");
    let old: Vec<_> = (0..4).map(|node| cluster.replica(node).identity()).collect();
    for (node, other) in (0..4).flat_map(|node| (0..4).map(move |other| (node, other))) {
        if node != other {
            cluster.replica(node).meet(old[other]).unwrap();
        }
    }
    let leader = cluster.elect();
    let now = cluster.clock.now();
    cluster.replica(leader).change(now, Token(9), &[crate::raft::Change::AddLearner(id(3))]).unwrap();
    cluster.until("all know it", |cluster| (0..4).all(|node| cluster.replica(node).membership().contains(id(3))));
    cluster.put("later");
    cluster.run(100);
    for node in 0..4 {
        for restarted in [false, true] {
            if restarted {
                cluster.crash(node);
                cluster.start(node).unwrap();
            }
            for (other, identity) in old.iter().enumerate().filter(|(other, _)| *other != node) {
                let reborn = crate::raft_store::Identity { incarnation: identity.incarnation ^ 1, ..*identity };
                let met = cluster.replica(node).meet(reborn);
                assert_eq!(met, Err(Impostor::Reborn { node: id(other) }), "{node} is told, restarted: {restarted}");
                assert_eq!(cluster.replica(node).meet(*identity), Ok(()));
            }
        }
    }
}

#[test]
fn a_state_machine_that_lost_what_it_kept_is_refused() {
    let mut cluster = Cluster::new(3, 3, true, |options| {
        options.compact_after_bytes = 1000;
        options.keep_entries = 0;
    });
    (0..40).for_each(|n| cluster.put(&format!("{n:0100}")));
    cluster.crash(0);
    *cluster.nodes[0].kept.as_ref().unwrap().lock() = Default::default();
    let refused = cluster.start(0).err();
    assert!(matches!(refused, Some(OpenError::Behind { .. })), "{refused:?}");
}

#[test]
fn messages_are_refused_after_the_end() {
    let mut cluster = Cluster::three(plain);
    cluster.nodes[0].disk.fail(Fault::of(Operation::Write).forever());
    cluster.until("it stops", |cluster| {
        let leader = cluster.elect();
        let now = cluster.clock.now();
        let _ = cluster.replica(leader).propose(now, Token(1), "x".into());
        cluster.run(50);
        cluster.replica(0).stopped().is_some()
    });
    let identity = cluster.replica(0).identity();
    let message = crate::raft::Message {
        from: id(1),
        to: id(0),
        term: crate::raft::Term(100),
        cluster: identity.cluster,
        body: crate::raft::Body::ReadRequest { ticket: 1 },
    };
    let now = cluster.clock.now();
    assert!(matches!(cluster.replica(0).handle_message(now, message), Err(Refused::Stopped(_))));
    assert_eq!(cluster.replica(0).next_message(), None);
}
