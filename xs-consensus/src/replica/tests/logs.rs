//! Snapshots, and how long the log is.

use std::path::Path;

use xs_os::Clock;
use xs_os::vfs::faulty::{Fault, Operation};

use super::cluster::{Cluster, DIR, id};
use crate::raft::Change;
use crate::replica::{Event, ReplicaOptions, Token};

fn short(options: &mut ReplicaOptions) {
    options.compact_after_bytes = 3000;
    options.keep_entries = 5;
    // What the core still has in memory needs no snapshot.
    options.raft.cache_bytes = 0;
}

/// Puts some items, and says which.
fn fill(cluster: &mut Cluster, from: usize, to: usize) -> Vec<String> {
    for n in from..to {
        cluster.put(&format!("{n:0100}"));
    }
    (0..to).map(|n| format!("{n:0100}")).collect()
}

fn add(cluster: &mut Cluster, node: usize) {
    let leader = cluster.elect();
    let now = cluster.clock.now();
    cluster.replica(leader).change(now, Token(77), &[Change::AddLearner(id(node))]).unwrap();
}

#[test]
fn a_log_that_is_too_long_becomes_a_snapshot_and_both_make_the_state_again() {
    let mut cluster = Cluster::three(short);
    let items = fill(&mut cluster, 0, 100);
    cluster.all_have(&[0, 1, 2], &items);
    for node in 0..3 {
        assert!(cluster.front(node) > 50, "{}", cluster.front(node));
        let whole = cluster.files(node).iter().filter(|name| name.starts_with("snapshot")).count();
        assert_eq!(whole, 1, "{:?}", cluster.files(node));
        cluster.crash(node);
        cluster.start(node).unwrap();
        let known = cluster.items(node).len();
        assert!(known > 50 && items.starts_with(&cluster.items(node)), "from the snapshot alone: {known}");
    }
    cluster.all_have(&[0, 1, 2], &items);
    // The space of what was let go came back.
    assert!(cluster.nodes[0].disk.used() < 100_000, "{}", cluster.nodes[0].disk.used());
}

#[test]
fn a_node_that_is_added_late_gets_the_snapshot_in_pieces_and_the_rest_as_entries() {
    let mut cluster = Cluster::new(4, 3, false, short);
    let mut items = fill(&mut cluster, 0, 100);
    cluster.carried.clear();
    add(&mut cluster, 3);
    cluster.all_have(&[3], &items);
    let pieces = cluster.carried.iter().filter(|(name, _)| *name == "snapshot-chunk").count();
    assert!(pieces > 7, "{pieces}");
    assert!(cluster.nodes[3].events.iter().any(|event| matches!(event, Event::Installed(_))));
    // It is durable there.
    cluster.crash(3);
    cluster.start(3).unwrap();
    assert!(cluster.items(3).len() > 50);
    items = fill(&mut cluster, 100, 110);
    cluster.all_have(&[0, 1, 2, 3], &items);
}

#[test]
fn a_state_machine_that_keeps_itself_is_not_written_twice() {
    let mut cluster = Cluster::new(4, 3, true, short);
    let mut items = fill(&mut cluster, 0, 100);
    for node in 0..3 {
        assert!(cluster.front(node) > 50, "{}", cluster.front(node));
        assert_eq!(cluster.files(node), ["identity", "log"], "no snapshot");
        let kept = cluster.nodes[node].kept.as_ref().unwrap().lock().items.len();
        cluster.crash(node);
        cluster.start(node).unwrap();
        assert_eq!(cluster.items(node).len(), kept);
    }
    cluster.all_have(&[0, 1, 2], &items);
    // Only one that needs it is worth a snapshot; and it goes when nobody needs it any more.
    add(&mut cluster, 3);
    cluster.all_have(&[3], &items);
    let with_snapshot = |cluster: &Cluster| {
        let has = |node: &usize| cluster.files(*node).iter().any(|name| name.starts_with("snapshot"));
        (0..4).filter(has).count()
    };
    assert_eq!(with_snapshot(&cluster), 2, "the leader's, and the one that came");
    items = fill(&mut cluster, 100, 200);
    cluster.all_have(&[0, 1, 2, 3], &items);
    cluster.run(100);
    assert_eq!(with_snapshot(&cluster), 0);
}

#[test]
fn a_snapshot_that_has_rotted_is_not_sent_and_another_is_made() {
    let mut cluster = Cluster::new(4, 3, false, short);
    let items = fill(&mut cluster, 0, 100);
    let leader = cluster.elect();
    let name = cluster.files(leader).into_iter().find(|name| name.starts_with("snapshot")).unwrap();
    cluster.nodes[leader].disk.rot(&Path::new(DIR).join(name), 4096 + 1500, 3).unwrap();
    add(&mut cluster, 3);
    cluster.all_have(&[3], &items);
    let events = &cluster.nodes[leader].events;
    let refused = |event: &Event<usize>| matches!(event, Event::SnapshotFailed(error) if error.is_corrupt());
    assert!(events.iter().any(refused), "{events:?}");
    assert!(events.iter().any(|event| matches!(event, Event::SnapshotMade(_))));
}

#[test]
fn a_snapshot_that_cannot_be_made_or_taken_is_tried_again_and_nothing_else_suffers() {
    let mut cluster = Cluster::new(4, 3, false, short);
    for node in 0..4 {
        let fault = Fault::of(Operation::Write).within("snapshot").times(3);
        cluster.nodes[node].disk.fail(fault);
    }
    let mut items = fill(&mut cluster, 0, 60);
    let failed = |event: &Event<usize>| matches!(event, Event::SnapshotFailed(_));
    cluster.run(20_000);
    items.extend(fill(&mut cluster, 60, 100).drain(60..));
    cluster.all_have(&[0, 1, 2], &items);
    assert!((0..3).all(|node| cluster.front(node) > 0));
    add(&mut cluster, 3);
    cluster.all_have(&[3], &items);
    assert!(cluster.nodes[3].events.iter().any(failed), "its pieces failed to be written");
    assert!((0..4).all(|node| cluster.nodes[node].replica.as_ref().unwrap().stopped().is_none()));
}

/// What is written while a snapshot is on its way is more than the log may have.
fn busy(options: &mut ReplicaOptions) {
    short(options);
    options.hold_bytes = 300_000;
}

/// Some turns in which ten items each are proposed.
fn under_load(cluster: &mut Cluster, turns: usize, mut done: impl FnMut(&mut Cluster) -> bool) -> bool {
    for turn in 0..turns as u64 {
        let leader = cluster.elect();
        for n in 0..10 {
            cluster.propose(leader, 1000 + turn * 10 + n, &format!("{turn:050}{n:050}"));
        }
        cluster.run(5);
        if done(cluster) {
            return true;
        }
    }
    false
}

#[test]
fn a_follower_comes_up_to_a_log_that_grows_faster_than_its_snapshot_is_sent() {
    for keeps in [false, true] {
        let mut cluster = Cluster::new(4, 3, keeps, busy);
        fill(&mut cluster, 0, 300);
        add(&mut cluster, 3);
        let there = under_load(&mut cluster, 600, |cluster| {
            let leader = cluster.elect();
            let behind = cluster.items(leader).len().saturating_sub(cluster.items(3).len());
            behind < 50
        });
        let installed = |event: &&Event<usize>| matches!(event, Event::Installed(_));
        let snapshots = cluster.nodes[3].events.iter().filter(installed).count();
        assert!(there && (1..3).contains(&snapshots), "keeps {keeps}: {there}, {snapshots} snapshots");
        // Nobody needs it any more, so it is short again.
        let short_again = under_load(&mut cluster, 100, |cluster| {
            let leader = cluster.elect();
            let front = crate::raft::Index(cluster.front(leader));
            cluster.replica(leader).store().bytes_behind(front) < 8000
        });
        assert!(short_again, "keeps {keeps}");
    }
}

#[test]
fn a_follower_that_takes_no_snapshot_holds_the_log_no_further_than_it_may() {
    for keeps in [false, true] {
        let mut cluster = Cluster::new(4, 3, keeps, |options| {
            short(options);
            options.hold_bytes = 30_000;
        });
        cluster.nodes[3].disk.fail(Fault::of(Operation::Write).within("snapshot").forever());
        fill(&mut cluster, 0, 100);
        add(&mut cluster, 3);
        let mut most = 0;
        under_load(&mut cluster, 300, |cluster| {
            let leader = cluster.elect();
            let front = crate::raft::Index(cluster.front(leader));
            most = cluster.replica(leader).store().bytes_behind(front).max(most);
            false
        });
        assert!((25_000..40_000).contains(&most), "keeps {keeps}: {most}");
        assert!(cluster.items(3).is_empty());
    }
}

#[test]
fn a_part_of_a_snapshot_goes_when_a_newer_one_begins() {
    let mut cluster = Cluster::new(4, 3, false, busy);
    fill(&mut cluster, 0, 300);
    let parts = |cluster: &Cluster| {
        let files = cluster.files(3).into_iter();
        files.filter(|name| name.ends_with(".part")).collect::<Vec<_>>()
    };
    add(&mut cluster, 3);
    cluster.until("a part is there", |cluster| !parts(cluster).is_empty());
    let first = parts(&cluster);
    let leader = cluster.elect();
    let items = fill(&mut cluster, 300, 301);
    cluster.replica(leader).compact();
    cluster.until("another begins", |cluster| parts(cluster) != first);
    let second = parts(&cluster);
    assert!(second.len() <= 1 && !second.contains(&first[0]), "{first:?}, then {second:?}");
    cluster.all_have(&[3], &items);
    assert!(parts(&cluster).is_empty());
}
