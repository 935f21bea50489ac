//! Keyspace events that no command asks for: new keys, misses, keys whose time was up; and their place among the others.

mod raw;

use std::sync::Arc;
use std::time::Duration;

use raw::Client;
use xs_os::VirtualClock;
use xs_redis::Server;

struct World {
    clock: VirtualClock,
    _server: Server,
    asks: Client,
    hears: Client,
}

impl World {
    /// A server that publishes these classes, expires keys only when they are met, and has somebody who listens.
    async fn new(classes: &str) -> World {
        let clock = VirtualClock::new();
        let builder = Server::builder().clock(Arc::new(clock.clone())).seed(7);
        let builder = builder.directive("enable-debug-command", "local").expect("a directive");
        let builder = builder.directive("notify-keyspace-events", classes).expect("a directive");
        let server = builder.ephemeral().await.expect("a free port");
        let (mut asks, mut hears) = (Client::connect(server.port()).await, Client::connect(server.port()).await);
        asks.ask("DEBUG SET-ACTIVE-EXPIRE 0").await;
        hears.ask("PSUBSCRIBE *").await;
        World { clock, _server: server, asks, hears }
    }

    /// The events of a command.
    async fn events(&mut self, words: &str) -> Vec<String> {
        self.asks.ask(words).await;
        // The events of a command are on their way before its answer; this comes behind them.
        self.hears.send("PING end").await;
        let mut events = Vec::new();
        loop {
            let message = self.hears.next().await;
            let parts: Vec<&str> =
                message.trim_matches(['[', ']']).split(", ").map(|part| part.trim_matches('"')).collect();
            match parts[..] {
                ["pong", "end"] => return events,
                [_, _, channel, key] => events.push(format!("{} {key}", channel.trim_start_matches("__keyevent@0__:"))),
                _ => panic!("{message}"),
            }
        }
    }

    async fn expect(&mut self, script: &[(&str, &[&str])]) {
        for (words, events) in script {
            assert_eq!(self.events(words).await, *events, "{words}");
        }
    }

    /// A key whose time is up.
    async fn expired(&mut self, key: &str) {
        self.asks.ask(&format!("SET {key} v PX 1")).await;
        self.clock.advance(Duration::from_millis(2));
        self.events("PING").await;
    }
}

#[tokio::test]
async fn a_new_key_is_told_before_what_was_done_to_it() {
    let mut world = World::new("EAn").await;
    world
        .expect(&[
            ("SET a 1", &["new a", "set a"]),
            ("SET a 2", &["set a"]),
            ("RPUSH l x", &["new l", "rpush l"]),
            ("LMOVE l m LEFT LEFT", &["new m", "lpush m", "lpop l", "del l"]),
            ("ZADD z XX 1 a", &[]),
            ("RENAME a b", &["new b", "rename_from a", "rename_to b"]),
            ("MSET b 1 c 2", &["set b", "new c", "set c"]),
            ("SINTERSTORE d nothing", &[]),
            ("RENAME c b", &["new b", "rename_from c", "rename_to b"]),
        ])
        .await;
}

#[tokio::test]
async fn a_key_that_is_read_in_vain_is_told_and_one_that_is_to_be_written_is_not() {
    let mut world = World::new("Em").await;
    world
        .expect(&[
            ("GET a", &["keymiss a"]),
            ("MGET a b", &["keymiss a", "keymiss b"]),
            ("TTL a", &["keymiss a"]),
            ("EXISTS a", &["keymiss a"]),
            ("OBJECT ENCODING a", &[]),
            ("LPOP a", &[]),
            ("DEL a", &[]),
            ("SET a 1", &[]),
            ("GET a", &[]),
        ])
        .await;
    world.asks.ask("CONFIG SET notify-keyspace-events EAg").await;
    world.expect(&[("GET b", &[])]).await;
}

#[tokio::test]
async fn a_key_whose_time_is_up_goes_before_the_event_of_the_command_that_meets_it() {
    let mut world = World::new("EAnm").await;
    for (words, events) in [
        ("GET k", &["expired k", "keymiss k"][..]),
        ("SET k w", &["expired k", "new k", "set k"]),
        ("RPUSH k x", &["expired k", "new k", "rpush k"]),
        ("DEL k", &["expired k"]),
        ("COPY k other", &["expired k", "keymiss k"]),
    ] {
        world.asks.ask("DEL k").await;
        world.expired("k").await;
        world.expect(&[(words, events)]).await;
    }
}

#[tokio::test]
async fn while_clients_are_paused_reading_removes_nothing() {
    let mut world = World::new("EAnm").await;
    world.expired("k").await;
    world
        .asks
        .expect(&[("CLIENT PAUSE 1000 WRITE", "+OK"), ("DBSIZE", ":1"), ("GET k", "nil"), ("EXISTS k", ":0")])
        .await;
    world.expect(&[("RANDOMKEY", &["keymiss k", "keymiss k"]), ("DBSIZE", &[])]).await;
    world.asks.expect(&[("DBSIZE", ":1"), ("CLIENT UNPAUSE", "+OK"), ("GET k", "nil"), ("DBSIZE", ":0")]).await;
    world.expect(&[("PING", &["expired k", "keymiss k"])]).await;
}
