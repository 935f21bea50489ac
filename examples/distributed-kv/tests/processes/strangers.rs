//! Who is not let in: other nodes' directories, lost disks, other clusters, whoever speaks something else.

use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::{MS, Processes};
use crate::common::Client;

#[tokio::test]
async fn another_nodes_directory_and_another_clusters_are_refused() {
    let mut cluster = Processes::start(3).await;
    cluster.stop(1).await;
    cluster.stop(2).await;
    let refused = |mut command: Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let why = refused(cluster.command(2, &cluster.data_dir(1)));
    assert!(why.contains("belongs to node n1, not to n2"), "{why}");
    let mut other = cluster.command(1, &cluster.data_dir(1));
    other.args(["--name", "another"]);
    let why = refused(other);
    assert!(why.contains("belongs to cluster"), "{why}");
    let why = refused(cluster.command(3, &cluster.data_dir(3)));
    assert!(why.contains("cannot listen on"), "{why}");
}

#[tokio::test]
async fn a_node_without_its_disk_and_strangers_are_not_let_in() {
    let mut cluster = Processes::start(3).await;
    let mut client = Client::to(cluster.addr(1)).await.unwrap();
    assert_eq!(client.ask("SET k v").await, "OK");
    // n3 comes back empty, under its old name.
    cluster.kill(3);
    let empty = cluster.dir.path().join("empty");
    cluster.run_in(3, &empty);
    cluster.said(3, "it refuses: n3 has lost its disk since we met it").await;
    assert_eq!(cluster.says(3).await, None);
    assert_eq!(client.ask("SET k w").await, "OK");
    // Somebody who speaks something else.
    let mut stranger = TcpStream::connect(cluster.places[&1].peers()).await.unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\nHost: somewhere else\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = stranger.read_to_end(&mut rest).await;
    assert!(cluster.log(1).contains("a connection is refused: a frame of"), "{}", cluster.log(1));
}

/// A node that was removed and runs on hears of it, is let in no more, and disturbs nobody.
#[tokio::test]
async fn a_removed_node_is_told_and_let_go() {
    // Long enough that a busy machine deposes nobody either.
    let mut cluster = Processes::start_with(4, &["--election-timeout", "1000"]).await;
    let leader = cluster.leader().await;
    let removed = cluster.follower().await;
    let mut client = Client::to(cluster.addr(leader)).await.unwrap();
    assert_eq!(client.ask_again(&format!("RAFT REMOVE {removed}")).await, "OK");
    for node in (1..=4).filter(|node| *node != removed) {
        cluster.said(node, &format!("n{removed} was removed: it is spoken with no more")).await;
    }
    cluster.said(removed, &format!("it refuses: n{removed} was removed from the cluster")).await;
    cluster.timer.sleep(3000 * MS).await;
    assert_eq!(cluster.leader_but(&[removed]).await, leader, "it does not depose anybody");
    // The others start again, and have forgotten it: it is a stranger then, and harmless.
    cluster.kill(leader);
    cluster.run(leader);
    cluster.leader_but(&[removed]).await;
    let mut client = Client::to(cluster.addr(leader)).await.unwrap();
    assert_eq!(client.ask("SET k w").await, "OK");
}

/// A lease counts on every node's promise, so one that gives none is not spoken with.
#[tokio::test]
async fn a_node_that_promises_less_than_the_others_is_not_let_in() {
    let mut cluster = Processes::start_with(3, &["--reads", "lease"]).await;
    let node = cluster.follower().await;
    cluster.stop(node).await;
    let others = [("--reads index", "0ns"), ("--reads lease --election-timeout 200", "200ms")];
    for (arguments, promise) in others {
        cluster.arguments = arguments.split(' ').map(String::from).collect();
        cluster.run(node);
        cluster.said(node, &format!("n{node} elects nobody for {promise} behind its last word to a leader")).await;
        assert_eq!(cluster.says(node).await, None);
        cluster.kill(node);
    }
    cluster.arguments = vec!["--reads".into(), "lease".into()];
    cluster.run(node);
    cluster.leader().await;
}
