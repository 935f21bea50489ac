//! What connections may take: how many there may be, how much each may send and leave unread, and all of them together.

mod raw;

use raw::{Client, Subject};

/// A number that INFO shows.
async fn info(client: &mut Client, name: &str) -> u64 {
    let text = client.ask("INFO all").await;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in INFO")).trim().parse().expect("a number")
}

/// A number in the line of the client of this name; `None` when there is no such client.
async fn field(client: &mut Client, of: &str, name: &str) -> Option<u64> {
    let list = client.ask("CLIENT LIST").await;
    let line = list.lines().find(|line| line.contains(&format!(" name={of} ")))?;
    line.split(' ').find_map(|field| field.strip_prefix(&format!("{name}=")))?.parse().ok()
}

async fn named(server: &Subject, name: &str) -> Client {
    let mut client = server.connect().await;
    assert_eq!(client.ask(&format!("CLIENT SETNAME {name}")).await, "+OK");
    client
}

/// Sends a part of a request: `bytes` of an argument that is to be one longer.
async fn hoard(client: &mut Client, bytes: usize) {
    client.send_bytes(format!("*1\r\n${}\r\n", bytes + 1).as_bytes()).await;
    client.send_bytes(&vec![b'v'; bytes]).await;
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if done().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never came to that");
}

#[tokio::test]
async fn maxclients_counts_from_the_moment_it_is_set() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let mut other = server.connect().await;
    client.ask("CONFIG RESETSTAT").await;
    other.ask("PING").await;
    client.expect(&[("CONFIG SET maxclients 2", "+OK")]).await;
    let mut refused = server.connect().await;
    assert_eq!(refused.next().await, "-ERR max number of clients reached");
    assert_eq!(refused.next().await, "closed");
    assert_eq!(info(&mut client, "rejected_connections").await, 1);
    client.expect(&[("CONFIG SET maxclients 3", "+OK")]).await;
    assert_eq!(server.connect().await.ask("PING").await, "+PONG");
    // Whoever is there stays.
    client.expect(&[("CONFIG SET maxclients 1", "+OK")]).await;
    assert_eq!(other.ask("PING").await, "+PONG");
    client.expect(&[("CONFIG RESETSTAT", "+OK"), ("CONFIG SET maxclients 10000", "+OK")]).await;
    assert_eq!(info(&mut client, "rejected_connections").await, 0);
}

#[tokio::test]
async fn the_limits_of_requests_reach_connections_that_exist() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let mut sender = server.connect().await;
    sender.expect(&[("PING", "+PONG")]).await;
    client.expect(&[("CONFIG SET client-query-buffer-limit 1mb", "+OK")]).await;
    hoard(&mut sender, 3 << 20).await;
    assert_eq!(sender.next().await, "closed");
    client.expect(&[("CONFIG SET client-query-buffer-limit 1gb", "+OK")]).await;

    let mut sender = server.connect().await;
    sender.expect(&[("PING", "+PONG")]).await;
    client.expect(&[("CONFIG SET proto-max-bulk-len 1mb", "+OK")]).await;
    sender.send_bytes(b"*2\r\n$3\r\nGET\r\n$1048576\r\n").await;
    assert!(sender.is_silent().await);
    let mut sender = server.connect().await;
    // Within one batch, too: the next command already goes by it.
    sender.send_bytes(b"CONFIG SET proto-max-bulk-len 2mb\r\n*2\r\n$3\r\nGET\r\n$2097153\r\n").await;
    assert_eq!(sender.next().await, "+OK");
    assert_eq!(sender.next().await, "-ERR Protocol error: invalid bulk length");
    client.expect(&[("CONFIG SET proto-max-bulk-len 512mb", "+OK")]).await;
}

#[tokio::test]
async fn the_limit_of_output_reaches_connections_that_exist() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let mut slow = named(&server, "slow").await;
    client.expect(&[("SETRANGE k 999999 v", ":1000000")]).await;
    client
        .expect(&[("CONFIG SET client-output-buffer-limit", "-ERR wrong number of arguments for 'config|set' command")])
        .await;
    let set = ["CONFIG", "SET", "client-output-buffer-limit", "normal 2mb 0 0"];
    assert_eq!(client.ask_words(&set).await, "+OK");
    for _ in 0..50 {
        slow.send_bytes(b"GET k\r\n").await;
    }
    until(async || field(&mut client, "slow", "id").await.is_none()).await;
    let set = ["CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0"];
    assert_eq!(client.ask_words(&set).await, "+OK");
}

#[tokio::test]
async fn the_largest_client_goes_first_and_only_as_many_as_must() {
    let server = Subject::start().await;
    let mut control = named(&server, "control").await;
    control.expect(&[("CLIENT NO-EVICT on", "+OK"), ("CONFIG RESETSTAT", "+OK")]).await;
    let mut hoarders = Vec::new();
    for (name, size) in [("a", 300_000), ("b", 600_000), ("c", 500_000), ("d", 400_000)] {
        let mut hoarder = named(&server, name).await;
        hoard(&mut hoarder, size).await;
        until(async || field(&mut control, name, "qbuf").await.is_some_and(|bytes| bytes as usize >= size)).await;
        assert!(field(&mut control, name, "tot-mem").await.unwrap() as usize > size);
        hoarders.push(hoarder);
    }
    control.expect(&[("CONFIG SET maxmemory-clients 1mb", "+OK")]).await;
    let mut left = Vec::new();
    for name in ["a", "b", "c", "d", "control"] {
        if field(&mut control, name, "tot-mem").await.is_some() {
            left.push(name);
        }
    }
    assert_eq!(left, ["a", "d", "control"]);
    assert_eq!(info(&mut control, "evicted_clients").await, 2);
    assert_eq!((hoarders[1].next().await.as_str(), hoarders[2].next().await.as_str()), ("closed", "closed"));
    control.expect(&[("CONFIG SET maxmemory-clients 0", "+OK")]).await;
}

#[tokio::test]
async fn clients_are_evicted_for_what_they_hold() {
    let server = Subject::start().await;
    let mut control = named(&server, "control").await;
    control.expect(&[("CLIENT NO-EVICT on", "+OK"), ("CONFIG SET maxmemory-clients 200000", "+OK")]).await;
    for command in [
        "WATCH key",
        "SUBSCRIBE channel",
        "PSUBSCRIBE pattern",
        "SSUBSCRIBE shard",
        "CLIENT TRACKING on BCAST PREFIX p",
    ] {
        let mut client = server.connect().await;
        let mut last = String::new();
        for n in 0..10_000 {
            client.send_bytes(format!("{command}{n:0300}\r\n").as_bytes()).await;
            last = client.next().await;
            if last == "closed" {
                break;
            }
        }
        assert_eq!(last, "closed", "{command}");
    }
    // What a transaction has queued, and a request that isn't whole yet.
    let mut client = server.connect().await;
    client.expect(&[("MULTI", "+OK")]).await;
    let large = "v".repeat(60_000);
    let queued = async { while client.ask_words(&["SET", "k", &large]).await == "+QUEUED" {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), queued).await.expect("it is dropped in the end");
    let mut client = named(&server, "sender").await;
    hoard(&mut client, 250_000).await;
    assert_eq!(client.next().await, "closed");
    let mut spared = named(&server, "spared").await;
    spared.expect(&[("CLIENT NO-EVICT on", "+OK")]).await;
    hoard(&mut spared, 250_000).await;
    until(async || field(&mut control, "spared", "qbuf").await.is_some_and(|bytes| bytes >= 250_000)).await;
    control.expect(&[("CONFIG SET maxmemory-clients 0", "+OK")]).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_evicted_for_what_waits_for_it() {
    let server = Subject::start().await;
    let mut control = named(&server, "control").await;
    control.expect(&[("CLIENT NO-EVICT on", "+OK"), ("SETRANGE k 199999 v", ":200000")]).await;
    let mut slow = named(&server, "slow").await;
    let mut listener = named(&server, "listener").await;
    listener.ask("SUBSCRIBE news").await;
    control.expect(&[("CONFIG SET maxmemory-clients 3mb", "+OK")]).await;
    for round in 0.. {
        assert!(round < 1000, "it never was too much");
        slow.send_bytes(b"GET k\r\n").await;
        match field(&mut control, "slow", "tot-mem").await {
            Some(memory) => assert!(memory <= 3 << 20, "{memory}"),
            None => break,
        }
    }
    let payload = "v".repeat(200_000);
    for round in 0.. {
        assert!(round < 1000, "it never was too much");
        control.ask_words(&["PUBLISH", "news", &payload]).await;
        match field(&mut control, "listener", "tot-mem").await {
            Some(memory) => assert!(memory <= 3 << 20, "{memory}"),
            None => break,
        }
    }
    control.expect(&[("CONFIG SET maxmemory-clients 0", "+OK")]).await;
}

/// Without a limit, the default, everything that was asked for is kept, as redis-server does: a client may send all
/// of a long pipeline before it reads the first reply, and would wait for ever if the server then waited for it.
#[tokio::test]
async fn without_a_limit_a_pipeline_may_be_sent_whole_before_it_is_read() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.expect(&[("SETRANGE value 1048575 v", ":1048576")]).await;
    client.send_bytes("GET value\r\n".repeat(64).as_bytes()).await;
    let padding = "x".repeat(100_000);
    for _ in 0..64 {
        client.send_words(&["ECHO", &padding]).await;
    }
    for _ in 0..64 {
        assert_eq!(client.next().await.len(), (1 << 20) + 2);
    }
    for _ in 0..64 {
        assert_eq!(client.next().await.len(), 100_002);
    }
}

/// However fast the client reads.
#[tokio::test]
async fn a_reply_beyond_the_hard_limit_is_never_sent() {
    let server = xs_redis::Server::builder().directive("client-output-buffer-limit", "normal 1mb 0 0").unwrap();
    let server = server.ephemeral().await.unwrap();
    let (mut client, mut other) = (Client::connect(server.port()).await, Client::connect(server.port()).await);
    other.expect(&[("SETRANGE large 2000000 x", ":2000001"), ("SETRANGE small 900000 x", ":900001")]).await;
    client.send("GET small").await;
    assert!(client.next().await.len() > 900_000);
    client.send("GET large").await;
    assert_eq!(client.next().await, "closed");
    other.expect(&[("STRLEN large", ":2000001")]).await;
}
