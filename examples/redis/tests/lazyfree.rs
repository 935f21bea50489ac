//! What may take long is done away from the commands, or in pieces: dropping large values, and evicting many keys.

mod raw;

use std::sync::Arc;

use raw::Client;
use xs_os::SteppedJobs;
use xs_redis::Server;

/// A number of INFO.
async fn info(client: &mut Client, field: &str) -> u64 {
    let text = client.ask("INFO").await;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{field} in {text}")).parse().expect("a number")
}

/// A set of so many members.
async fn fill(client: &mut Client, key: &str, members: usize) {
    let members: Vec<String> = (0..members).map(|n| format!("member:{n}")).collect();
    assert_eq!(client.ask(&format!("SADD {key} {}", members.join(" "))).await, format!(":{}", members.len()));
}

#[tokio::test]
async fn large_values_wait_for_the_job_that_drops_them() {
    let jobs = SteppedJobs::new();
    let server = Server::builder().jobs(Arc::new(jobs.clone())).ephemeral().await.unwrap();
    let mut client = Client::connect(server.port()).await;
    for (words, pending) in [
        ("UNLINK large small", 1),
        ("DEL large small", 1),
        ("CONFIG SET lazyfree-lazy-user-del yes", 1),
        ("DEL large small", 2),
        ("SET large x", 2),
        ("RENAME small large", 2),
        ("COPY small large REPLACE", 2),
        ("CONFIG SET lazyfree-lazy-server-del yes", 2),
        ("SUNIONSTORE large small", 3),
        ("RENAME small large", 4),
        ("COPY small large REPLACE", 5),
        ("FLUSHALL", 5),
        ("FLUSHALL ASYNC", 7),
        ("CONFIG SET lazyfree-lazy-user-flush yes", 7),
        ("FLUSHALL", 9),
    ] {
        fill(&mut client, "large", 1000).await;
        fill(&mut client, "small", 10).await;
        let answer = client.ask(words).await;
        assert!(!answer.starts_with('-'), "{words}: {answer}");
        assert_eq!(info(&mut client, "lazyfree_pending_objects").await, pending, "{words}");
        // What this command left behind is none of the next one's business.
        client.ask("DEL small").await;
        client.ask("FLUSHALL SYNC").await;
    }
    assert_eq!(info(&mut client, "lazyfreed_objects").await, 0);
    jobs.run_until_idle(100);
    assert_eq!(info(&mut client, "lazyfree_pending_objects").await, 0);
    assert_eq!(info(&mut client, "lazyfreed_objects").await, 9);
    client.ask("CONFIG RESETSTAT").await;
    assert_eq!(info(&mut client, "lazyfreed_objects").await, 0);
}

#[tokio::test]
async fn keys_that_expire_or_are_evicted_leave_their_values_to_the_job_if_told_to() {
    for (directive, policy, words) in [
        ("lazyfree-lazy-expire", "noeviction", "PEXPIREAT large 1"),
        ("lazyfree-lazy-eviction", "allkeys-lru", "CONFIG SET maxmemory 1"),
    ] {
        for (value, pending) in [("no", 0), ("yes", 1)] {
            let jobs = SteppedJobs::new();
            let builder = Server::builder().jobs(Arc::new(jobs.clone())).directive(directive, value).unwrap();
            let builder = builder.directive("maxmemory-policy", policy).unwrap();
            let server = builder.ephemeral().await.unwrap();
            let mut client = Client::connect(server.port()).await;
            fill(&mut client, "large", 1000).await;
            client.ask(words).await;
            assert_eq!(client.ask("EXISTS large").await, ":0", "{words}");
            assert_eq!(info(&mut client, "lazyfree_pending_objects").await, pending, "{directive} {value}");
        }
    }
}

#[tokio::test]
async fn a_command_does_not_wait_until_all_is_evicted_and_the_server_goes_on_by_itself() {
    let server = Server::builder()
        .directive("maxmemory-policy", "allkeys-random")
        .and_then(|builder| builder.directive("maxmemory-eviction-tenacity", "0"))
        .unwrap()
        .ephemeral()
        .await
        .unwrap();
    let mut client = Client::connect(server.port()).await;
    for block in 0..20 {
        let pairs: Vec<String> = (0..1000).map(|n| format!("{block}:{n} v")).collect();
        assert_eq!(client.ask(&format!("MSET {}", pairs.join(" "))).await, "+OK");
    }
    // The first write finds the memory full by far, and runs all the same.
    client.expect(&[("CONFIG SET maxmemory 400000", "+OK"), ("SET k v", "+OK")]).await;
    for _ in 0..200 {
        if info(&mut client, "used_memory").await <= 400_000 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} bytes are left", info(&mut client, "used_memory").await);
}
