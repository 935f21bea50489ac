//! Publish and subscribe, over the wire.

mod raw;

use raw::Subject;

#[tokio::test]
async fn a_message_reaches_channels_and_patterns() {
    let server = Subject::start().await;
    let (mut sub, mut publisher) = (server.connect().await, server.connect().await);
    sub.send("SUBSCRIBE a b").await;
    assert_eq!(sub.next().await, r#"["subscribe", "a", :1]"#);
    assert_eq!(sub.next().await, r#"["subscribe", "b", :2]"#);
    assert_eq!(sub.ask("PSUBSCRIBE a*").await, r#"["psubscribe", "a*", :3]"#);
    assert_eq!(sub.ask("SUBSCRIBE a").await, r#"["subscribe", "a", :3]"#);
    assert_eq!(sub.ask("SSUBSCRIBE a").await, r#"["ssubscribe", "a", :1]"#);
    assert_eq!(publisher.ask("PUBLISH a hello").await, ":2");
    assert_eq!(sub.next().await, r#"["message", "a", "hello"]"#);
    assert_eq!(sub.next().await, r#"["pmessage", "a*", "a", "hello"]"#);
    assert_eq!(publisher.ask("SPUBLISH a shard").await, ":1");
    assert_eq!(sub.next().await, r#"["smessage", "a", "shard"]"#);
    assert_eq!(publisher.ask("PUBSUB CHANNELS").await.len(), r#"["a", "b"]"#.len());
    assert_eq!(publisher.ask("PUBSUB CHANNELS a*").await, r#"["a"]"#);
    assert_eq!(publisher.ask("PUBSUB NUMSUB a x").await, r#"["a", :1, "x", :0]"#);
    assert_eq!(publisher.ask("PUBSUB NUMPAT").await, ":1");
    assert_eq!(publisher.ask("PUBSUB SHARDCHANNELS").await, r#"["a"]"#);
    assert_eq!(publisher.ask("PUBSUB SHARDNUMSUB a b").await, r#"["a", :1, "b", :0]"#);
    assert_eq!(
        publisher.ask("PUBSUB CHANNELS a b").await,
        "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP."
    );
}

#[tokio::test]
async fn subscriptions_are_given_up_one_by_one_or_all_at_once() {
    let server = Subject::start().await;
    let mut sub = server.connect().await;
    assert_eq!(sub.ask("UNSUBSCRIBE").await, r#"["unsubscribe", nil, :0]"#);
    assert_eq!(sub.ask("PUNSUBSCRIBE x").await, r#"["punsubscribe", "x", :0]"#);
    sub.send("PSUBSCRIBE z* a*").await;
    sub.next().await;
    sub.next().await;
    assert_eq!(
        sub.ask("GET x").await,
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    );
    assert_eq!(sub.ask("PING").await, r#"["pong", ""]"#);
    assert_eq!(sub.ask("PING x").await, r#"["pong", "x"]"#);
    sub.send("PUNSUBSCRIBE").await;
    assert_eq!(sub.next().await, r#"["punsubscribe", "z*", :1]"#);
    assert_eq!(sub.next().await, r#"["punsubscribe", "a*", :0]"#);
    assert_eq!(sub.ask("GET x").await, "nil");
}

#[tokio::test]
async fn version_3_has_pushes_and_no_limits() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.hello3().await;
    assert_eq!(client.ask("SUBSCRIBE a").await, r#">["subscribe", "a", :1]"#);
    assert_eq!(client.ask("PING").await, "+PONG");
    // A message to the client itself comes before the reply that counts it.
    client.send("PUBLISH a x").await;
    assert_eq!(client.next().await, r#">["message", "a", "x"]"#);
    assert_eq!(client.next().await, ":1");
    assert_eq!(client.ask("RESET").await, "+RESET");
    assert_eq!(client.ask("PUBSUB CHANNELS").await, "[]");
}

#[tokio::test]
async fn subscribing_inside_a_transaction() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.ask("MULTI").await;
    assert_eq!(client.ask("SUBSCRIBE a").await, "+QUEUED");
    assert_eq!(client.ask("SSUBSCRIBE a").await, "+QUEUED");
    assert_eq!(
        client.ask("EXEC").await,
        r#"[["subscribe", "a", :1], -ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client]"#
    );
}

#[tokio::test]
async fn a_departed_subscriber_is_forgotten() {
    let server = Subject::start().await;
    let (mut sub, mut publisher) = (server.connect().await, server.connect().await);
    sub.ask("SUBSCRIBE a").await;
    drop(sub);
    for _ in 0..50 {
        if publisher.ask("PUBLISH a x").await == ":0" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the subscriber is still there");
}

#[tokio::test]
async fn confirmations_are_heard_where_replies_are_off() {
    let server = Subject::start().await;
    let (mut client, mut publisher) = (server.connect().await, server.connect().await);
    client.send("CLIENT REPLY OFF").await;
    client.send("PING").await;
    assert_eq!(client.ask("SUBSCRIBE a").await, r#"["subscribe", "a", :1]"#);
    publisher.ask("PUBLISH a x").await;
    assert_eq!(client.next().await, r#"["message", "a", "x"]"#);
}

#[tokio::test]
async fn keyspace_events_are_messages() {
    let server = Subject::start().await;
    let (mut sub, mut writer) = (server.connect().await, server.connect().await);
    assert_eq!(writer.ask("CONFIG SET notify-keyspace-events KEA").await, "+OK");
    sub.ask("PSUBSCRIBE __key*@*__:*").await;
    writer.ask("SET k v").await;
    assert_eq!(sub.next().await, r#"["pmessage", "__key*@*__:*", "__keyspace@0__:k", "set"]"#);
    assert_eq!(sub.next().await, r#"["pmessage", "__key*@*__:*", "__keyevent@0__:set", "k"]"#);
    writer.ask_words(&["CONFIG", "SET", "notify-keyspace-events", ""]).await;
}

#[tokio::test]
async fn subscribers_that_do_not_read_are_cut() {
    let server = Subject::start().await;
    let mut publisher = server.connect().await;
    let limit = ["CONFIG", "SET", "client-output-buffer-limit", "pubsub 200000 0 0"];
    assert_eq!(publisher.ask_words(&limit).await, "+OK");
    let mut subscribers = Vec::new();
    for _ in 0..10 {
        let mut subscriber = server.connect().await;
        subscriber.ask("SUBSCRIBE a").await;
        subscribers.push(subscriber);
    }
    let payload = "x".repeat(100_000);
    for _ in 0..500 {
        // The kernel's own buffers take some megabytes before ours begins to fill.
        publisher.ask_words(&["PUBLISH", "a", &payload]).await;
        if publisher.ask("PUBSUB NUMSUB a").await == r#"["a", :0]"# {
            let limit = ["CONFIG", "SET", "client-output-buffer-limit", "pubsub 33554432 8388608 60"];
            assert_eq!(publisher.ask_words(&limit).await, "+OK");
            return;
        }
    }
    panic!("somebody who never reads still listens");
}
