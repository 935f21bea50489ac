//! The server's account of its memory: what counts for `maxmemory`, and what INFO and MEMORY tell.

mod raw;

use raw::Client;

async fn info(client: &mut Client, field: &str) -> u64 {
    let text = client.ask("INFO memory").await;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{field} in {text}")).parse().expect("a number")
}

#[tokio::test]
async fn a_server_without_keys_takes_memory_too() {
    let server = xs_redis::Server::ephemeral().await.unwrap();
    let mut client = Client::connect(server.port()).await;
    let (startup, used) = (info(&mut client, "used_memory_startup").await, info(&mut client, "used_memory").await);
    assert!(startup > 10_000 && used >= startup, "{startup} {used}");
    assert_eq!(info(&mut client, "used_memory_dataset").await, 0);
    // Less than the server itself takes is less than anything needs.
    client.expect(&[("CONFIG SET maxmemory 1", "+OK"), ("EXISTS a", ":0"), ("DEL a", ":0")]).await;
    assert!(client.ask("SET a 1").await.starts_with("-OOM command not allowed"));
    client.expect(&[("CONFIG SET maxmemory 0", "+OK"), ("SET a 1", "+OK")]).await;
    assert!(info(&mut client, "used_memory_dataset").await > 0);
}

#[tokio::test]
async fn what_connections_hold_counts_for_maxmemory() {
    let server = xs_redis::Server::ephemeral().await.unwrap();
    let (mut client, mut queuing) = (Client::connect(server.port()).await, Client::connect(server.port()).await);
    let before = info(&mut client, "used_memory").await;
    let large = "x".repeat(1 << 20);
    queuing.expect(&[("MULTI", "+OK")]).await;
    assert_eq!(queuing.ask_words(&["SET", "large", &large]).await, "+QUEUED");
    // The cron counts ten times a second.
    let mut used = before;
    for _ in 0..200 {
        used = info(&mut client, "used_memory").await;
        if used > before + (1 << 20) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(used > before + (1 << 20), "{before} {used}");
    assert_eq!(info(&mut client, "used_memory_dataset").await, 0);
    client.ask("CONFIG SET maxmemory 1000000").await;
    assert!(client.ask("SET a 1").await.starts_with("-OOM command not allowed"));
    queuing.expect(&[("DISCARD", "+OK")]).await;
    for _ in 0..200 {
        if client.ask("SET a 1").await == "+OK" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} bytes are still counted", info(&mut client, "used_memory").await);
}
