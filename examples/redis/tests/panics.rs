//! A command that panics ends its own connection, and nobody else's notices.

mod raw;

use raw::Client;

async fn server() -> xs_redis::Server {
    let server = xs_redis::Server::builder().directive("enable-debug-command", "yes").unwrap();
    server.ephemeral().await.unwrap()
}

#[tokio::test]
async fn a_panic_ends_the_connection_that_asked_for_it_and_nothing_else() {
    let server = server().await;
    let connect = || Client::connect(server.port());
    let (mut listener, mut waiting, mut watcher) = (connect().await, connect().await, connect().await);
    assert_eq!(listener.ask("SUBSCRIBE news").await, "[\"subscribe\", \"news\", :1]");
    waiting.send("BLPOP list 0").await;
    watcher.expect(&[("SET k 1", "+OK"), ("WATCH k", "+OK"), ("MULTI", "+OK"), ("INCR k", "+QUEUED")]).await;

    for how in ["alone", "in a transaction", "behind others", "as a subscriber", "waiting for it"] {
        let mut victim = connect().await;
        match how {
            "in a transaction" => {
                victim.expect(&[("MULTI", "+OK"), ("SET half done", "+QUEUED"), ("DEBUG PANIC", "+QUEUED")]).await;
                victim.send("EXEC").await;
            }
            "behind others" => victim.send_bytes(b"SET k2 v\r\nDEBUG PANIC\r\nSET k3 v\r\n").await,
            "as a subscriber" => {
                victim.hello3().await;
                victim.ask("SUBSCRIBE news").await;
                victim.expect(&[("CLIENT TRACKING on", "+OK"), ("GET k", "\"1\"")]).await;
                victim.send("DEBUG PANIC").await;
            }
            "waiting for it" => {
                victim.send("DEBUG PANIC ON key").await;
                let mut other = connect().await;
                while other.ask("INFO clients").await.contains("blocked_clients:1") {}
                // Whoever changes the key goes on as if nothing had happened.
                other.expect(&[("SET key v", "+OK"), ("GET key", "\"v\"")]).await;
            }
            _ => victim.send("DEBUG PANIC").await,
        }
        assert_eq!(victim.next().await, "closed", "{how}");

        let mut other = connect().await;
        other.expect(&[("PUBLISH news x", ":1"), ("PUBSUB NUMSUB news", "[\"news\", :1]")]).await;
        assert_eq!(listener.next().await, "[\"message\", \"news\", \"x\"]", "{how}");
        let info = other.ask("INFO clients").await;
        assert!(info.contains("connected_clients:4\r\n") && info.contains("blocked_clients:1\r\n"), "{how}: {info}");
    }

    let mut other = connect().await;
    // What ran before the panic has happened, what stood behind it hasn't.
    other.expect(&[("GET half", "\"done\""), ("GET k2", "\"v\""), ("GET k3", "nil")]).await;
    other.expect(&[("RPUSH list element", ":1"), ("LLEN list", ":0")]).await;
    assert_eq!(waiting.next().await, "[\"list\", \"element\"]");
    assert_eq!(watcher.ask("EXEC").await, "[:2]");
}
