//! MULTI, EXEC, DISCARD and WATCH, over the wire.

mod raw;

use raw::Subject;

#[tokio::test]
async fn calls_are_queued_and_run_together() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    assert_eq!(client.ask("EXEC").await, "-ERR EXEC without MULTI");
    assert_eq!(client.ask("DISCARD").await, "-ERR DISCARD without MULTI");
    assert_eq!(client.ask("MULTI").await, "+OK");
    assert_eq!(client.ask("MULTI").await, "-ERR MULTI calls can not be nested");
    assert_eq!(client.ask("WATCH x").await, "-ERR WATCH inside MULTI is not allowed");
    assert_eq!(client.ask("SET x 1").await, "+QUEUED");
    assert_eq!(client.ask("LPUSH x a").await, "+QUEUED");
    assert_eq!(client.ask("INCR x").await, "+QUEUED");
    // What fails while it runs leaves the others alone.
    assert_eq!(
        client.ask("EXEC").await,
        "[+OK, -WRONGTYPE Operation against a key holding the wrong kind of value, :2]"
    );
    assert_eq!(client.ask("MULTI").await, "+OK");
    assert_eq!(client.ask("EXEC").await, "[]");
}

#[tokio::test]
async fn a_call_that_cannot_be_queued_spoils_the_transaction() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    for wrong in ["SET", "NOSUCH a", "GET"] {
        client.ask("MULTI").await;
        client.ask("SET x 1").await;
        assert!(client.ask(wrong).await.starts_with("-ERR"));
        assert_eq!(client.ask("EXEC").await, "-EXECABORT Transaction discarded because of previous errors.");
    }
    client.ask("MULTI").await;
    assert_eq!(
        client.ask("EXEC now").await,
        "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"
    );
    assert_eq!(client.ask("GET x").await, "nil");
}

#[tokio::test]
async fn a_watched_key_that_changes_stops_the_transaction() {
    let server = Subject::start().await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    // Each change by the other one; whether the transaction still runs.
    for (before, watch, change, runs) in [
        ("SET x 1", "WATCH x", "SET x 2", false),
        ("SET x 1", "WATCH x", "SET y 2", true),
        ("DEL x", "WATCH x", "DEL x", true),
        ("DEL x", "WATCH x", "SET x 1", false),
        ("SET x 1", "WATCH x", "DEL x", false),
        ("SET x 1", "WATCH x", "FLUSHALL", false),
        ("DEL x", "WATCH x", "FLUSHALL", true),
        ("SET x 1", "WATCH x", "FLUSHDB", false),
        ("SET x 1", "WATCH x", "SWAPDB 0 1", false),
        ("PING", "WATCH x y z", "SWAPDB 2 3", true),
        ("SET x 1", "WATCH x", "EXPIRE x 100", false),
        ("SET x 1", "WATCH x", "RENAME x y", false),
        ("SET x 1", "WATCH x x", "GET x", true),
    ] {
        other.ask("FLUSHALL").await;
        other.ask(before).await;
        client.ask(watch).await;
        other.ask(change).await;
        client.ask("MULTI").await;
        client.ask("PING").await;
        let wanted = if runs { "[+PONG]" } else { "nil" };
        assert_eq!(client.ask("EXEC").await, wanted, "{before}; {watch}; {change}");
    }
}

#[tokio::test]
async fn exec_discard_and_unwatch_end_the_watch() {
    let server = Subject::start().await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    for end in [&["UNWATCH"][..], &["MULTI", "DISCARD"], &["MULTI", "EXEC"]] {
        client.ask("WATCH x").await;
        other.ask("INCR x").await;
        for command in end {
            client.ask(command).await;
        }
        client.ask("MULTI").await;
        client.ask("PING").await;
        assert_eq!(client.ask("EXEC").await, "[+PONG]", "{end:?}");
    }
    // One's own writes count too, before MULTI.
    client.ask("WATCH x").await;
    client.ask("INCR x").await;
    client.ask("MULTI").await;
    assert_eq!(client.ask("EXEC").await, "nil");
}

#[tokio::test]
async fn time_running_out_is_a_change() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.ask("SET x 1 PX 30").await;
    client.ask("WATCH x").await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    client.ask("MULTI").await;
    client.ask("PING").await;
    assert_eq!(client.ask("EXEC").await, "nil");
    // A key whose time was up before it was watched only goes away.
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0").await;
    client.ask("SET x 1 PX 1").await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    client.ask("WATCH x").await;
    client.ask("GET x").await;
    client.ask("MULTI").await;
    client.ask("PING").await;
    assert_eq!(client.ask("EXEC").await, "[+PONG]");
    client.ask("DEBUG SET-ACTIVE-EXPIRE 1").await;
}

#[tokio::test]
async fn nothing_waits_inside_a_transaction() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.ask("MULTI").await;
    client.ask("BLPOP list 0").await;
    client.ask("BLMOVE a b LEFT LEFT 0").await;
    assert_eq!(client.ask("EXEC").await, "[nil, nil]");
}

#[tokio::test]
async fn a_transaction_serves_those_who_wait_once_it_is_over() {
    let server = Subject::start().await;
    let (mut waiter, mut client) = (server.connect().await, server.connect().await);
    waiter.send("BLPOP list 0").await;
    assert!(waiter.is_silent().await);
    client.ask("MULTI").await;
    client.ask("LPUSH list a").await;
    client.ask("DEL list").await;
    client.ask("LPUSH list b").await;
    assert_eq!(client.ask("EXEC").await, "[:1, :1, :1]");
    assert_eq!(waiter.next().await, r#"["list", "b"]"#);
}

#[tokio::test]
async fn the_database_changes_inside_and_stays_changed() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.ask("MULTI").await;
    client.ask("SELECT 2").await;
    client.ask("SET x 1").await;
    assert_eq!(client.ask("EXEC").await, "[+OK, +OK]");
    assert_eq!(client.ask("GET x").await, r#""1""#);
    assert_eq!(client.ask("RESET").await, "+RESET");
    assert_eq!(client.ask("GET x").await, "nil");
    client.ask("SELECT 2").await;
    client.ask("DEL x").await;
}
