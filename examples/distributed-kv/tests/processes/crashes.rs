//! Nodes that end, sleep, are restarted, or run out of disk.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::cluster::{MS, Processes, judge};
use crate::common::{Client, is_root};

/// Kills the leader again and again, and all nodes at once in the end.
async fn stands_kills(arguments: &[&str]) {
    let kills = std::env::var("XS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let mut cluster = Processes::start_with(3, arguments).await;
    let (record, tasks) = cluster.clients(4);
    let mut took = Vec::new();
    for _ in 0..kills {
        cluster.timer.sleep(300 * MS).await;
        let leader = cluster.leader().await;
        let killed = cluster.timer.now();
        cluster.kill(leader);
        cluster.leader_but(&[leader]).await;
        took.push(cluster.timer.now() - killed);
        cluster.run(leader);
    }
    cluster.leader().await;
    took.sort();
    println!("a new leader after {:?} in the median, {:?} at most", took[took.len() / 2], took[took.len() - 1]);
    (1..=3).for_each(|node| cluster.kill(node));
    (1..=3).for_each(|node| cluster.run(node));
    cluster.leader().await;
    let answered = record.answered();
    while record.answered() < answered + 20 {
        cluster.timer.sleep(10 * MS).await;
    }
    judge(&record, &tasks);
}

#[tokio::test]
async fn a_leader_that_is_killed_takes_nothing_with_it() {
    stands_kills(&[]).await;
}

/// Short logs, so that kills also meet snapshots and compactions.
#[tokio::test]
async fn a_leader_over_a_merge_tree_that_is_killed_takes_nothing_with_it() {
    stands_kills(&["--engine", "lsm", "--log-bytes", "20000", "--log-entries", "20"]).await;
}

#[tokio::test]
async fn a_leader_that_slept_tells_nothing_old() {
    stands_sleep(&[]).await;
}

/// Its lease ran out while it slept.
#[tokio::test]
async fn a_leader_that_slept_on_its_lease_tells_nothing_old() {
    stands_sleep(&["--reads", "lease"]).await;
}

async fn stands_sleep(arguments: &[&str]) {
    let cluster = Processes::start_with(3, arguments).await;
    let (record, tasks) = cluster.clients(4);
    for _ in 0..2 {
        cluster.timer.sleep(300 * MS).await;
        let leader = cluster.leader().await;
        cluster.signal(leader, Signal::SIGSTOP);
        cluster.leader_but(&[leader]).await;
        cluster.timer.sleep(300 * MS).await;
        cluster.signal(leader, Signal::SIGCONT);
    }
    cluster.leader().await;
    judge(&record, &tasks);
}

#[tokio::test]
async fn a_rolling_restart_shows_no_error_to_a_client_that_tries_again() {
    // However long elections take on a busy machine, requests wait for them.
    let mut cluster = Processes::start_with(3, &["--patience", "60000"]).await;
    let addresses: Vec<_> = cluster.places.keys().map(|node| cluster.addr(*node)).collect();
    let timer = cluster.timer.clone();
    let client = tokio::spawn(async move {
        let (mut client, mut at, mut done) = (None, 0, 0u64);
        loop {
            if client.is_none() {
                client = Client::to(addresses[at % 3]).await.ok();
                at += usize::from(client.is_none());
            }
            let answer = match &mut client {
                Some(client) => client.try_ask(&format!("SET done {done}")).await,
                None => None,
            };
            match answer {
                Some(answer) => assert_eq!(answer, "OK"),
                None => client = None,
            }
            done += 1;
            timer.sleep(MS).await;
        }
    });
    for node in 1..=3 {
        let status = cluster.stop(node).await;
        assert!(status.success(), "n{node}: {status}");
        cluster.run(node);
        cluster.leader().await;
        cluster.timer.sleep(300 * MS).await;
    }
    assert!(!client.is_finished(), "{:?}", client.await);
    client.abort();
}

#[tokio::test]
#[ignore = "mounts a small file system: for root"]
async fn a_node_whose_disk_is_full_ends_and_the_others_go_on() {
    if !is_root() {
        return println!("not tried: only root mounts");
    }
    let mut cluster = Processes::start(3).await;
    let node = if cluster.leader().await == 3 { 2 } else { 3 };
    cluster.stop(node).await;
    let small = cluster.dir.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(&small).status().unwrap();
    assert!(mounted.success(), "mount");
    let copied = Command::new("cp").arg("-a").arg(cluster.data_dir(node)).arg(small.join("data")).status().unwrap();
    assert!(copied.success(), "cp");
    cluster.run_in(node, &small.join("data"));
    cluster.leader().await;
    let (record, tasks) = cluster.clients(2);
    let mut client = Client::to(cluster.addr(cluster.leader().await)).await.unwrap();
    let value = "x".repeat(500_000);
    let mut ended = None;
    for n in 0..400 {
        assert_eq!(client.ask(&format!("SET big:{} {value}", n % 5)).await, "OK");
        ended = cluster.running.get_mut(&node).and_then(|child| child.try_wait().unwrap());
        if ended.is_some() {
            break;
        }
    }
    let log = cluster.log(node);
    cluster.running.remove(&node).map(|mut child| child.kill());
    let _ = Command::new("umount").arg("-l").arg(&small).status();
    assert_eq!(ended.and_then(|status| status.code()), Some(3), "{log}");
    assert!(log.contains("No space left on device"), "{log}");
    judge(&record, &tasks);
}
