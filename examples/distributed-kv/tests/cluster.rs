//! Three nodes in one process, on loopback, as another project's test would run them.

mod common;

use common::{Cluster, bind};
use xs_distributed_kv::{Config, Reads};

#[tokio::test]
async fn what_is_written_anywhere_is_read_everywhere() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    for node in 1..=3 {
        let mut writer = cluster.client(node).await;
        assert_eq!(writer.ask(&format!("SET k{node} v{node}")).await, "OK");
        for reader in 1..=3 {
            let mut reader = cluster.client(reader).await;
            assert_eq!(reader.ask(&format!("GET k{node}")).await, format!("v{node}"));
        }
    }
    let mut client = cluster.client(leader).await;
    for (asked, answered) in [
        ("MGET k1 k2 k4", "[v1 v2 nil]"),
        ("DBSIZE", ":3"),
        ("INCR n", ":1"),
        ("CAS n 1 7", ":1"),
        ("CAS n 1 8", ":0"),
        ("APPEND n 0", ":2"),
        ("STRLEN n", ":2"),
        ("TYPE n", "string"),
        ("TTL n", ":-1"),
        ("EXPIRE n 100", ":1"),
        ("TTL n", ":100"),
        ("SETNX n 1", ":0"),
        ("SET n 1 NX", "nil"),
        ("SCAN 0 MATCH k* COUNT 100", "[0 [k1 k2 k3]]"),
        ("DEL k1 k2 nope", ":2"),
        ("LPUSH l x", "ERR unknown command 'lpush', with args beginning with: 'l' 'x' "),
        ("WATCH k", "ERR WATCH is not supported: use CAS key old new, or SET key value NX"),
        ("FLUSHALL", "OK"),
        ("DBSIZE", ":0"),
    ] {
        assert_eq!(client.ask(asked).await, answered, "{asked}");
    }
}

#[tokio::test]
async fn a_pipeline_is_answered_in_order_and_a_transaction_is_one_entry() {
    let cluster = Cluster::start(3).await;
    let mut client = cluster.client(cluster.follower().await).await;
    let mut replies = Vec::new();
    for words in [
        &["SET", "a", "1"][..],
        &["INCR", "a"],
        &["PING"],
        &["GET", "a"],
        &["MULTI"],
        &["INCR", "a"],
        &["GET", "a"],
        &["EXEC"],
        &["GET", "a"],
        &["SCAN", "0"],
        &["GET"],
        &["DISCARD"],
    ] {
        replies.push(client.send(words).await);
    }
    let mut heard = Vec::new();
    for reply in replies {
        heard.push(common::shown(&reply.await.unwrap()));
    }
    let expected = [
        "OK",
        ":2",
        "PONG",
        "2",
        "OK",
        "QUEUED",
        "QUEUED",
        "[:3 3]",
        "3",
        "[0 [a]]",
        "ERR wrong number of arguments for 'get' command",
        "ERR DISCARD without MULTI",
    ];
    assert_eq!(heard, expected);
    assert_eq!(client.ask("MULTI").await, "OK");
    assert_eq!(client.ask("SET a").await, "ERR wrong number of arguments for 'set' command");
    assert_eq!(client.ask("EXEC").await, "EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(client.ask("GET a").await, "3");
}

/// What must wait for those in front of it is not forgotten when nothing comes behind it.
#[tokio::test]
async fn the_last_of_a_pipeline_is_answered() {
    let cluster = Cluster::start(3).await;
    let mut client = cluster.client(cluster.follower().await).await;
    let mut heard = Vec::new();
    for pipeline in [
        &[&["SET", "a", "1"][..], &["SCAN", "0"]][..],
        &[&["SET", "a", "2"], &["GET", "a"]],
        &[&["GET", "a"], &["SET", "a", "3"], &["READONLY"]],
        &[&["READWRITE"], &["GETDEL", "a"], &["RAFT", "STATUS", "MORE"]],
    ] {
        let mut replies = Vec::new();
        for words in pipeline {
            replies.push(client.send(words).await);
        }
        for reply in replies {
            let reply = tokio::time::timeout(std::time::Duration::from_secs(20), reply).await;
            heard.push(common::shown(&reply.expect("an answer").unwrap()));
        }
    }
    assert_eq!(heard[..9], ["OK", "[0 [a]]", "OK", "2", "2", "OK", "OK", "OK", "3"]);
    assert!(heard[9].starts_with("ERR"), "{}", heard[9]);
}

#[tokio::test]
async fn the_cluster_goes_on_without_its_leader_and_takes_it_back() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let survivor = cluster.follower().await;
    let mut client = cluster.client(survivor).await;
    assert_eq!(client.ask("SET k before").await, "OK");
    drop(cluster.servers.remove(&leader));
    // Held until there is a leader, and then done.
    assert_eq!(client.ask("SET k after").await, "OK");
    assert_eq!(client.ask("GET k").await, "after");
    let next = cluster.leader().await;
    assert_ne!(next, leader);
    // It comes back somewhere else, and says so.
    cluster.add(leader, bind());
    let mut old = cluster.client(leader).await;
    assert_eq!(old.ask("GET k").await, "after");
    assert_eq!(old.ask("SET k again").await, "OK");
    assert_eq!(client.ask("GET k").await, "again");
}

#[tokio::test]
async fn a_node_joins_learns_votes_and_leaves() {
    let mut cluster = Cluster::start(3).await;
    let mut client = cluster.client(cluster.leader().await).await;
    assert_eq!(client.ask("SET k v").await, "OK");
    let bound = bind();
    let peer = bound.peer_addr();
    cluster.add(4, bound);
    assert_eq!(client.ask_again(&format!("RAFT ADD 4 {peer}")).await, "OK");
    assert_eq!(client.ask(&format!("RAFT ADD 4 {peer}")).await, "ERR it is a member already");
    let mut fourth = cluster.client(4).await;
    assert_eq!(fourth.ask("GET k").await, "v");
    assert_eq!(client.ask_again("RAFT PROMOTE 4").await, "OK");
    // The others may not have heard yet where it is, and can't vote for it then.
    for _ in 0..20 {
        let leader = cluster.leader().await;
        if leader == 4 {
            break;
        }
        cluster.client(leader).await.ask("RAFT TRANSFER 4").await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert_eq!(cluster.leader().await, 4);
    assert_eq!(fourth.ask("SET k w").await, "OK");
    assert_eq!(fourth.ask_again("RAFT REMOVE 1").await, "OK");
    assert!(fourth.ask("RAFT STATUS").await.contains("leader :4"));
    assert_eq!(fourth.ask("GET k").await, "w");
}

#[tokio::test]
async fn a_node_that_fell_far_behind_is_given_a_snapshot() {
    let mut cluster = Cluster::start_with(3, |config| (config.log_bytes, config.log_entries) = (1 << 14, 10)).await;
    let behind = cluster.follower().await;
    drop(cluster.servers.remove(&behind));
    let mut client = cluster.client(cluster.leader().await).await;
    // More than the leader keeps in memory.
    let value = "x".repeat(40_000);
    for n in 0..200 {
        assert_eq!(client.ask(&format!("SET key:{n} {value}")).await, "OK");
    }
    let mut info = String::new();
    let mut first = 0;
    for _ in 0..500 {
        assert_eq!(client.ask("RAFT COMPACT").await, "OK");
        info = client.ask("INFO").await;
        let told = info.split("raft_log_first:").nth(1).and_then(|rest| rest.lines().next());
        first = told.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
        if first > 100 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(first > 100, "the log is shortened: {info}");
    cluster.add(behind, bind());
    let mut late = cluster.client(behind).await;
    assert_eq!(late.ask("GET key:199").await, value);
    assert_eq!(late.ask("DBSIZE").await, ":200");
    for _ in 0..100 {
        info = late.ask("INFO").await;
        if info.contains("raft_snapshots_installed:1") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it came there without a snapshot: {info}");
}

#[tokio::test]
async fn keys_go_when_nobody_writes() {
    let cluster = Cluster::start(3).await;
    let mut client = cluster.client(1).await;
    assert_eq!(client.ask("SET k v PX 2000").await, "OK");
    assert_eq!(client.ask("GET k").await, "v");
    for node in 1..=3 {
        let mut client = cluster.client(node).await;
        let mut said = String::new();
        for _ in 0..500 {
            said = client.ask("GET k").await;
            if said == "nil" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(said, "nil", "node {node}");
    }
    assert_eq!(client.ask("DBSIZE").await, ":0");
}

#[tokio::test]
async fn a_connection_may_choose_to_read_what_its_node_has() {
    let mut cluster = Cluster::start(3).await;
    let mut client = cluster.client(1).await;
    assert_eq!(client.ask("SET k v").await, "OK");
    assert_eq!(client.ask("GET k").await, "v");
    // Without a majority there are no reads that are sure to be new.
    let lonely = 1;
    for node in 2..=3 {
        drop(cluster.servers.remove(&node));
    }
    assert_eq!(client.ask("READONLY").await, "OK");
    assert_eq!(client.ask("GET k").await, "v");
    assert_eq!(client.ask("READWRITE").await, "OK");
    let refused = client.ask("GET k").await;
    assert!(refused.starts_with("CLUSTERDOWN"), "{refused}");
    let refused = cluster.client(lonely).await.ask("SET k w").await;
    assert!(refused.starts_with("UNCERTAIN") || refused.starts_with("CLUSTERDOWN"), "{refused}");
}

/// With a lease the leader needs nobody for a read, until the promises that it has are over.
#[tokio::test]
async fn a_lease_answers_without_the_others_and_ends() {
    let timeout = std::time::Duration::from_secs(2);
    let change = |config: &mut Config| {
        config.election_timeout = timeout;
        // The write may take long where the machine is busy.
        config.patience = 2 * timeout;
        config.reads = Reads::Lease { skew: timeout / 10 };
    };
    let mut cluster = Cluster::start_with(3, change).await;
    let leader = cluster.leader().await;
    let mut client = cluster.client(leader).await;
    assert_eq!(client.ask("SET k v").await, "OK");
    for node in (1..=3).filter(|node| *node != leader) {
        drop(cluster.servers.remove(&node));
    }
    assert_eq!(client.ask("GET k").await, "v", "the others have promised to elect nobody else");
    tokio::time::sleep(timeout).await;
    let refused = client.ask("GET k").await;
    assert!(refused.starts_with("CLUSTERDOWN"), "{refused}");
}

/// The same without leases: a read needs a majority.
#[tokio::test]
async fn without_a_lease_a_read_asks_the_others() {
    // The write may take long where the machine is busy.
    let patience = std::time::Duration::from_secs(4);
    let mut cluster = Cluster::start_with(3, |config| config.patience = patience).await;
    let leader = cluster.leader().await;
    let mut client = cluster.client(leader).await;
    assert_eq!(client.ask("SET k v").await, "OK");
    for node in (1..=3).filter(|node| *node != leader) {
        drop(cluster.servers.remove(&node));
    }
    let refused = client.ask("GET k").await;
    assert!(refused.starts_with("CLUSTERDOWN"), "{refused}");
}
