//! Nodes that send writes away instead of forwarding them, and a client that goes where it is sent.

use std::net::SocketAddr;

use crate::cluster::{MS, Processes};
use crate::common::Client;

const REDIRECT: [&str; 2] = ["--at-follower", "redirect"];

/// Where an answer sends its client.
fn moved(answer: &str) -> Option<SocketAddr> {
    answer.strip_prefix("MOVED 0 ")?.parse().ok()
}

#[tokio::test]
async fn a_follower_tells_where_the_leader_is() {
    let arguments = [&REDIRECT[..], &["--election-timeout", "3000"]].concat();
    let cluster = Processes::start_with(3, &arguments).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    let mut there = Client::to(cluster.addr(leader)).await.unwrap();
    let mut here = Client::to(cluster.addr(follower)).await.unwrap();
    assert_eq!(there.ask("SET k v").await, "OK");
    for write in ["SET k w", "INCR n", "DEL k", "CAS k v w", "FLUSHALL"] {
        assert_eq!(moved(&here.ask(write).await), Some(cluster.addr(leader)), "{write}");
    }
    assert_eq!(here.ask("MULTI").await, "OK");
    assert_eq!(here.ask("SET k w").await, "QUEUED");
    assert_eq!(moved(&here.ask("EXEC").await), Some(cluster.addr(leader)));
    // Reads are answered here, and nothing of the above was done.
    assert_eq!(here.ask("GET k").await, "v");
    assert_eq!(here.ask("EXISTS n").await, ":0");
}

/// Counts up as one client would that follows redirections, while leaders are killed under it.
#[tokio::test]
async fn a_client_that_follows_redirections_loses_nothing() {
    let mut cluster = Processes::start_with(3, &REDIRECT).await;
    let addresses: Vec<_> = (1..=3).map(|node| cluster.addr(node)).collect();
    let timer = cluster.timer.clone();
    let (tell, mut told) = tokio::sync::watch::channel((0u64, 0u64));
    let work = tokio::spawn(async move {
        let (mut at, mut tries) = (addresses[0], 0);
        let (mut client, mut done, mut redirected) = (None, 0u64, 0u64);
        loop {
            if client.is_none() {
                client = Client::to(at).await.ok();
            }
            let answer = match &mut client {
                // What was done already is not done twice, and answered alike.
                Some(client) => {
                    let asked = async { client.try_ask(&format!("SET done:{done} {done}")).await };
                    timer.timeout(3000 * MS, asked).await.flatten()
                }
                None => None,
            };
            match answer.as_deref() {
                Some("OK") => {
                    done += 1;
                    tell.send_replace((done, redirected));
                }
                Some(answer) if moved(answer).is_some() => {
                    (at, client) = (moved(answer).unwrap(), None);
                    redirected += 1;
                }
                Some(answer) if answer.starts_with("CLUSTERDOWN") || answer.starts_with("UNCERTAIN") => {
                    timer.sleep(20 * MS).await;
                }
                Some(answer) => panic!("{answer}"),
                None => {
                    tries += 1;
                    (at, client) = (addresses[tries % 3], None);
                    timer.sleep(5 * MS).await;
                }
            }
        }
    });
    for _ in 0..3 {
        let leader = cluster.leader().await;
        cluster.kill(leader);
        cluster.leader_but(&[leader]).await;
        let (done, _) = *told.borrow();
        let served = told.wait_for(|(now, _)| *now > done + 20);
        cluster.timer.timeout(20_000 * MS, served).await.expect("the client is served again").unwrap();
        cluster.run(leader);
    }
    assert!(!work.is_finished(), "{:?}", work.await);
    work.abort();
    let (done, redirected) = *told.borrow();
    println!("{done} writes, {redirected} redirections");
    assert!(redirected > 0);
    let mut client = Client::to(cluster.addr(cluster.follower().await)).await.unwrap();
    for n in 0..done {
        assert_eq!(client.ask(&format!("GET done:{n}")).await, n.to_string());
    }
}
