//! The whole server by a clock that stands still until it is told to move, and by chance from a seed: what takes time
//! takes none here, and happens in the very millisecond in which it must.

mod raw;

use std::sync::Arc;
use std::time::Duration;

use raw::Client;
use xs_os::VirtualClock;
use xs_redis::Server;

/// A server in its own time.
struct World {
    clock: VirtualClock,
    server: Server,
}

impl World {
    async fn new(directives: &[(&str, &str)]) -> World {
        let clock = VirtualClock::new();
        let mut builder = Server::builder().clock(Arc::new(clock.clone())).seed(7);
        for (name, value) in directives {
            builder = builder.directive(name, value).expect("a directive");
        }
        World { server: builder.ephemeral().await.expect("a free port"), clock }
    }

    /// A connection that has been heard of: whatever the server does by itself has begun.
    async fn connect(&self) -> Client {
        let mut client = Client::connect(self.server.port()).await;
        assert_eq!(client.ask("PING").await, "+PONG");
        client
    }

    /// Lets time pass, and whoever waited for that do something.
    async fn pass(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
        settle().await;
    }
}

/// Gives every task a few turns.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Waits until so many clients wait.
async fn until_blocked(client: &mut Client, count: usize) {
    let wanted = format!("blocked_clients:{count}\r\n");
    for _ in 0..1000 {
        if client.ask("INFO clients").await.contains(&wanted) {
            return;
        }
        settle().await;
    }
    panic!("not {count} clients wait");
}

#[tokio::test]
async fn a_key_is_gone_in_the_millisecond_after_its_deadline() {
    let world = World::new(&[("enable-debug-command", "yes")]).await;
    let mut client = world.connect().await;
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0").await;
    for words in ["SET k v PX 1500", "HSET h f v", "PEXPIRE h 1500", "RPUSH l a"] {
        client.ask(words).await;
    }
    assert_eq!(client.ask("PEXPIREAT l 1577836801500").await, ":1");
    world.pass(1499).await;
    assert_eq!(client.ask("PTTL k").await, ":1");
    world.pass(1).await;
    for key in ["k", "h", "l"] {
        assert_eq!(client.ask(&format!("PTTL {key}")).await, ":0");
        assert_eq!(client.ask(&format!("EXISTS {key}")).await, ":1");
    }
    assert_eq!(client.ask("GET k").await, r#""v""#);
    world.pass(1).await;
    assert_eq!(client.ask("DBSIZE").await, ":3");
    for (words, reply) in [("GET k", "nil"), ("HGETALL h", "[]"), ("LLEN l", ":0"), ("DBSIZE", ":0")] {
        assert_eq!(client.ask(words).await, reply, "{words}");
    }
}

#[tokio::test]
async fn keys_that_nobody_asks_for_are_removed_ten_times_a_second() {
    let world = World::new(&[("notify-keyspace-events", "Ex")]).await;
    let (mut client, mut listener) = (world.connect().await, world.connect().await);
    listener.ask("SUBSCRIBE __keyevent@0__:expired").await;
    for words in ["SET late v PX 200", "SET early v PX 99", "SET earlier v PX 98"] {
        client.ask(words).await;
    }
    world.pass(99).await;
    assert_eq!(client.ask("DBSIZE").await, ":3");
    world.pass(1).await;
    for key in ["earlier", "early"] {
        assert_eq!(listener.next().await, format!(r#"["message", "__keyevent@0__:expired", "{key}"]"#));
    }
    assert_eq!(client.ask("DBSIZE").await, ":1");
    world.pass(100).await;
    assert_eq!(client.ask("DBSIZE").await, ":1");
    world.pass(99).await;
    assert_eq!(client.ask("DBSIZE").await, ":1");
    world.pass(1).await;
    assert_eq!(client.ask("DBSIZE").await, ":0");
    assert_eq!(listener.next().await, r#"["message", "__keyevent@0__:expired", "late"]"#);
    assert!(client.ask("INFO stats").await.contains("expired_keys:3\r\n"));
}

#[tokio::test]
async fn commands_that_wait_give_up_exactly_when_told() {
    let world = World::new(&[]).await;
    let (mut waiting, mut other) = (world.connect().await, world.connect().await);
    other.ask("XADD s 1 f v").await;
    for (words, millis, reply) in [
        ("BLPOP l 1.5", 1500, "nil"),
        ("BLPOP l 2.007", 2007, "nil"),
        ("BLPOP l 0.0001", 1, "nil"),
        ("BLMOVE l m LEFT RIGHT 3", 3000, "nil"),
        ("BZPOPMIN z 86400", 86_400_000, "nil"),
        ("XREAD BLOCK 2007 STREAMS s $", 2007, "nil"),
        ("XREAD BLOCK 1 STREAMS s none $ 0", 1, "nil"),
    ] {
        waiting.send(words).await;
        until_blocked(&mut other, 1).await;
        world.pass(millis - 1).await;
        until_blocked(&mut other, 1).await;
        world.pass(1).await;
        until_blocked(&mut other, 0).await;
        assert_eq!(waiting.next().await, reply, "{words}");
    }
    // What comes in the last millisecond still counts.
    waiting.send("BLPOP l 1").await;
    until_blocked(&mut other, 1).await;
    world.pass(999).await;
    other.ask("RPUSH l x").await;
    world.pass(1).await;
    assert_eq!(waiting.next().await, r#"["l", "x"]"#);
    assert_eq!(waiting.ask("LLEN l").await, ":0");
}

#[tokio::test]
async fn a_stream_that_expires_ends_the_wait_for_it() {
    let world = World::new(&[]).await;
    let (mut waiting, mut other) = (world.connect().await, world.connect().await);
    other.ask("XGROUP CREATE s g $ MKSTREAM").await;
    other.ask("PEXPIRE s 350").await;
    waiting.send("XREADGROUP GROUP g ann BLOCK 0 STREAMS s >").await;
    until_blocked(&mut other, 1).await;
    for _ in 0..3 {
        world.pass(100).await;
    }
    until_blocked(&mut other, 1).await;
    world.pass(100).await;
    assert_eq!(waiting.next().await, "-UNBLOCKED the stream key no longer exists");
}

#[tokio::test]
async fn a_pause_ends_exactly_when_told() {
    let world = World::new(&[]).await;
    let (mut writer, mut other) = (world.connect().await, world.connect().await);
    other.ask("SET due x PX 100").await;
    for (words, held_back) in [("CLIENT PAUSE 1000 WRITE", "SET k v"), ("CLIENT PAUSE 1000 ALL", "LPUSH l v")] {
        assert_eq!(other.ask(words).await, "+OK");
        writer.send(held_back).await;
        settle().await;
        world.pass(999).await;
        assert!(writer.is_silent().await, "{held_back}");
        world.pass(1).await;
        assert!(["+OK", ":1"].contains(&writer.next().await.as_str()), "{held_back}");
    }
    // Reads go on while writes are held back, and nothing expires by itself.
    other.ask("SET due x PX 100").await;
    other.ask("CLIENT PAUSE 1000 WRITE").await;
    writer.send("SET k w").await;
    until_blocked(&mut other, 1).await;
    world.pass(999).await;
    assert_eq!(other.ask("GET k").await, r#""v""#);
    assert_eq!(other.ask("DBSIZE").await, ":3");
    // Who ends the pause lets everybody go on at once.
    assert_eq!(other.ask("CLIENT UNPAUSE").await, "+OK");
    assert_eq!(writer.next().await, "+OK");
    world.pass(100).await;
    assert_eq!(other.ask("DBSIZE").await, ":2");
}

#[tokio::test]
async fn idle_connections_are_closed_and_those_that_wait_are_not() {
    let world = World::new(&[("timeout", "8")]).await;
    let (mut idle, mut busy, mut other) = (world.connect().await, world.connect().await, world.connect().await);
    let mut listener = world.connect().await;
    listener.ask("SUBSCRIBE news").await;
    busy.send("BLPOP l 0").await;
    until_blocked(&mut other, 1).await;
    let mut closed_after = None;
    for tenths in 1..=120 {
        world.pass(100).await;
        let clients = other.ask("CLIENT LIST").await;
        if closed_after.is_none() && clients.matches("id=").count() == 3 {
            closed_after = Some(tenths);
        }
    }
    // Not before its time, and a quarter later at most.
    assert!(closed_after.is_some_and(|tenths| (80..=100).contains(&tenths)), "{closed_after:?}");
    assert_eq!(idle.next().await, "closed");
    other.ask("RPUSH l x").await;
    assert_eq!(busy.next().await, r#"["l", "x"]"#);
    other.ask("PUBLISH news x").await;
    assert_eq!(listener.next().await, r#"["message", "news", "x"]"#);

    // A new limit holds for those who are connected already.
    assert_eq!(other.ask("CONFIG SET timeout 0").await, "+OK");
    for _ in 0..10 {
        world.pass(10_000).await;
    }
    assert_eq!(busy.ask("PING").await, "+PONG");
    assert_eq!(other.ask("CONFIG SET timeout 1").await, "+OK");
    for _ in 0..30 {
        world.pass(100).await;
    }
    assert_eq!(busy.next().await, "closed");
    assert_eq!(other.next().await, "closed");
    assert!(listener.is_silent().await);
}

/// Fills a server beyond its memory while time passes, and tells which keys were evicted, in order.
async fn evicted(policy: &str) -> Vec<String> {
    let world =
        World::new(&[("maxmemory", "100kb"), ("maxmemory-policy", policy), ("notify-keyspace-events", "Ee")]).await;
    let (mut client, mut listener) = (world.connect().await, world.connect().await);
    listener.ask("SUBSCRIBE __keyevent@0__:evicted").await;
    let value = "x".repeat(500);
    for number in 0..300 {
        let key = format!("key:{number}");
        let ttl = 100_000 + (number * 7919) % 1000;
        client.ask(&format!("SET {key} {value} EX {ttl}")).await;
        // Some keys are asked for again and again.
        for hot in 0..number.min(8) {
            client.ask(&format!("GET key:{}", hot * 5)).await;
        }
        world.pass(1000).await;
    }
    let count = 300 - client.ask("DBSIZE").await[1..].parse::<usize>().expect("a number");
    let mut keys = Vec::new();
    for _ in 0..count {
        let message = listener.next().await;
        keys.push(message.trim_start_matches(r#"["message", "__keyevent@0__:evicted", "#).to_owned());
    }
    keys
}

#[tokio::test]
async fn the_same_seed_evicts_the_same_keys() {
    let mut all = Vec::new();
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl"] {
        let keys = evicted(policy).await;
        assert!(keys.len() > 50, "{policy}: {}", keys.len());
        assert_eq!(keys, evicted(policy).await, "{policy}");
        let hot =
            keys.iter().filter(|key| ["0", "5", "10", "15"].contains(&key.trim_matches(|c: char| !c.is_ascii_digit())));
        if policy.ends_with("lru") || policy.ends_with("lfu") {
            assert_eq!(hot.count(), 0, "{policy} spares what is asked for");
        }
        all.push(keys);
    }
    assert!(all.windows(2).all(|two| two[0] != two[1]), "each policy has its own order");
}

#[tokio::test]
async fn the_same_seed_draws_the_same_members() {
    let mut drawn = Vec::new();
    for _ in 0..2 {
        let world = World::new(&[]).await;
        let mut client = world.connect().await;
        client.ask("SADD s a b c d e f g h i j k l m n o p q r s t u v w x y z").await;
        let mut talk = Vec::new();
        for words in
            ["SRANDMEMBER s 7", "SPOP s 5", "SRANDMEMBER s -9", "RANDOMKEY", "SSCAN s 0 COUNT 5", "INFO server"]
        {
            talk.push(client.ask(words).await.replace(&world.server.port().to_string(), "PORT"));
        }
        drawn.push(talk);
    }
    assert_eq!(drawn[0], drawn[1]);
}
