//! Keys whatever they hold: removing, renaming, copying, listing, sorting, and their time to live.

mod raw;

use std::sync::Arc;
use std::time::Duration;

use raw::{Client, Subject};
use redis::cmd;
use xs_os::VirtualClock;

/// Asks one after the other and compares what comes back.
async fn talk(client: &mut Client, lines: &[(&str, &str)]) {
    for (words, reply) in lines {
        assert_eq!(client.ask(words).await, *reply, "{words}");
    }
}

#[tokio::test]
async fn removing_and_asking() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("MSET a 1 b 2 c 3", "+OK"),
            ("EXISTS a a missing b", ":3"),
            ("TOUCH a missing a", ":2"),
            ("DEL a a missing", ":1"),
            ("UNLINK b missing", ":1"),
            ("TYPE c", "+string"),
            ("TYPE a", "+none"),
            ("RANDOMKEY", "\"c\""),
            ("OBJECT ENCODING c", "\"int\""),
            ("OBJECT REFCOUNT c", ":2147483647"),
            ("SET c 10000", "+OK"),
            ("OBJECT REFCOUNT c", ":1"),
            ("OBJECT IDLETIME c", ":0"),
            ("OBJECT ENCODING a", "nil"),
            ("OBJECT", "-ERR wrong number of arguments for 'object' command"),
            ("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command"),
            ("OBJECT FOO c", "-ERR unknown subcommand 'FOO'. Try OBJECT HELP."),
            ("DEL c", ":1"),
            ("RANDOMKEY", "nil"),
            ("WAIT 0 0", ":0"),
            ("WAIT 1 1", ":0"),
            ("WAIT 1 x", "-ERR timeout is not an integer or out of range"),
            ("WAIT 1 -1", "-ERR timeout is negative"),
        ],
    )
    .await;
    assert!(client.ask("OBJECT HELP").await.starts_with("[+OBJECT <subcommand> [<arg> [value] [opt] ...]."));
}

#[tokio::test]
async fn renaming_moving_and_copying() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("SET a 1 EX 100", "+OK"),
            ("RENAME missing b", "-ERR no such key"),
            ("RENAMENX missing a", "-ERR no such key"),
            ("RENAME a a", "+OK"),
            ("RENAMENX a a", ":0"),
            ("SET b 2", "+OK"),
            ("RENAMENX a b", ":0"),
            ("RENAME a b", "+OK"),
            ("GET b", "\"1\""),
            ("TTL b", ":100"),
            ("COPY b b", "-ERR source and destination objects are the same"),
            ("COPY b c DB x", "-ERR value is not an integer or out of range"),
            ("COPY b c DB 3000000000", "-ERR value is out of range, value must between -2147483648 and 2147483647"),
            ("COPY b c DB 16", "-ERR DB index is out of range"),
            ("COPY b c DB", "-ERR syntax error"),
            ("COPY missing c", ":0"),
            ("COPY b c", ":1"),
            ("TTL c", ":100"),
            ("PERSIST b", ":1"),
            ("COPY b c", ":0"),
            ("COPY b c REPLACE", ":1"),
            ("TTL c", ":-1"),
            ("COPY b b DB 9", ":1"),
            ("MOVE b 9", ":0"),
            ("MOVE b 0", "-ERR source and destination objects are the same"),
            ("MOVE b 16", "-ERR DB index is out of range"),
            ("MOVE c 9", ":1"),
            ("EXISTS b c", ":1"),
            ("SELECT 9", "+OK"),
            ("MGET b c", r#"["1", "1"]"#),
            ("RPUSH l 1 2", ":2"),
            ("COPY l m", ":1"),
            ("RPUSH l 3", ":3"),
            ("LRANGE m 0 -1", r#"["1", "2"]"#),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_new_name_serves_those_who_wait_for_it() {
    let server = Subject::start().await;
    let (mut client, mut waiter) = (server.connect().await, server.connect().await);
    // The first change after nobody waited is the one that matters.
    waiter.send("BLPOP target 5").await;
    assert!(waiter.is_silent().await);
    client.ask("RPUSH target 1").await;
    assert_eq!(waiter.next().await, r#"["target", "1"]"#);
    for way in ["RENAME source target", "COPY source target", "SORT source STORE target"] {
        client.ask("FLUSHALL").await;
        waiter.send("BLPOP target 5").await;
        assert!(waiter.is_silent().await);
        client.ask("RPUSH source 1").await;
        client.ask(way).await;
        assert_eq!(waiter.next().await, r#"["target", "1"]"#, "{way}");
    }
}

#[tokio::test]
async fn deadlines() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("TTL a", ":-2"),
            ("EXPIRE a 10", ":0"),
            ("SET a 1", "+OK"),
            ("TTL a", ":-1"),
            ("PEXPIRETIME a", ":-1"),
            ("EXPIRE a x", "-ERR value is not an integer or out of range"),
            ("EXPIRE a 10 FOO", "-ERR Unsupported option FOO"),
            ("EXPIRE a x FOO", "-ERR Unsupported option FOO"),
            ("EXPIRE a 10 NX LT", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
            ("EXPIRE a 10 GT LT", "-ERR GT and LT options at the same time are not compatible"),
            ("EXPIRE a 9223372036854776", "-ERR invalid expire time in 'expire' command"),
            ("PEXPIRE a 9223372036854775807", "-ERR invalid expire time in 'pexpire' command"),
            // No deadline is later than every other.
            ("EXPIRE a 10 XX", ":0"),
            ("EXPIRE a 10 GT", ":0"),
            ("EXPIRE a 10 LT", ":1"),
            ("EXPIRE a 20 NX", ":0"),
            ("EXPIRE a 20 LT", ":0"),
            ("EXPIRE a 20 XX GT", ":1"),
            ("TTL a", ":20"),
            ("EXPIREAT a 33177117420", ":1"),
            ("EXPIRETIME a", ":33177117420"),
            ("PEXPIREAT a 33177117420499", ":1"),
            ("EXPIRETIME a", ":33177117420"),
            ("PEXPIREAT a 33177117420500", ":1"),
            ("EXPIRETIME a", ":33177117421"),
            ("PEXPIRETIME a", ":33177117420500"),
            ("APPEND a 2", ":2"),
            ("PEXPIRETIME a", ":33177117420500"),
            ("PERSIST a", ":1"),
            ("PERSIST a", ":0"),
            ("PERSIST missing", ":0"),
            ("EXPIRE a -1", ":1"),
            ("EXISTS a", ":0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn time_passes() {
    let clock = VirtualClock::new();
    let server = xs_redis::Server::builder().clock(Arc::new(clock.clone())).ephemeral().await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let () = redis::pipe()
        .cmd("SET")
        .arg("a")
        .arg(1)
        .cmd("PEXPIRE")
        .arg("a")
        .arg(1500)
        .cmd("SET")
        .arg("b")
        .arg(1)
        .query_async(&mut redis)
        .await
        .map(|_: redis::Value| ())
        .unwrap();
    clock.advance(Duration::from_millis(600));
    assert_eq!(cmd("PTTL").arg("a").query_async::<i64>(&mut redis).await.unwrap(), 900);
    assert_eq!(cmd("TTL").arg("a").query_async::<i64>(&mut redis).await.unwrap(), 1);
    clock.advance(Duration::from_millis(500));
    assert_eq!(cmd("TTL").arg("a").query_async::<i64>(&mut redis).await.unwrap(), 0);
    clock.advance(Duration::from_millis(400));
    assert_eq!(cmd("EXISTS").arg("a").query_async::<i64>(&mut redis).await.unwrap(), 1, "the last millisecond counts");
    clock.advance(Duration::from_millis(1));
    assert_eq!(cmd("EXISTS").arg("a").query_async::<i64>(&mut redis).await.unwrap(), 0);
    assert_eq!(
        cmd("DBSIZE").query_async::<i64>(&mut redis).await.unwrap(),
        1,
        "who asks for an expired key removes it"
    );
    clock.advance(Duration::from_secs(10));
    for question in ["TYPE", "TTL", "EXISTS"] {
        let _: redis::Value = cmd(question).arg("b").query_async(&mut redis).await.unwrap();
        let idle: i64 = cmd("OBJECT").arg("IDLETIME").arg("b").query_async(&mut redis).await.unwrap();
        assert!((11..=12).contains(&idle), "{question} is no use of the key: {idle}");
    }
    let _: redis::Value = cmd("TOUCH").arg("b").query_async(&mut redis).await.unwrap();
    assert_eq!(cmd("OBJECT").arg("IDLETIME").arg("b").query_async::<i64>(&mut redis).await.unwrap(), 0);
}

#[tokio::test]
async fn frequency_is_counted_under_an_lfu_policy() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.ask("SET a 1").await;
    assert!(client.ask("OBJECT FREQ a").await.starts_with("-ERR An LFU maxmemory policy is not selected,"));
    assert_eq!(client.ask("OBJECT FREQ missing").await, "nil");
    client.ask("CONFIG SET maxmemory-policy allkeys-lfu").await;
    client.ask("SET b x").await;
    assert_eq!(client.ask("OBJECT FREQ b").await, ":5");
    assert!(client.ask("OBJECT IDLETIME b").await.starts_with("-ERR An LFU maxmemory policy is selected,"));
    client.ask("CONFIG SET maxmemory-policy noeviction").await;
}

#[tokio::test]
async fn listing() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    for number in 0..1000 {
        client.send(&format!("SET key:{number} x")).await;
    }
    for _ in 0..1000 {
        client.next().await;
    }
    client.ask("RPUSH list 1").await;
    client.ask_words(&["SET", "", "empty name"]).await;
    talk(
        &mut client,
        &[
            ("KEYS li?t", r#"["list"]"#),
            ("KEYS key:99[89]x", "[]"),
            ("KEYS nothing", "[]"),
            ("SCAN x", "-ERR invalid cursor"),
            ("SCAN 0 COUNT 0", "-ERR syntax error"),
            ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range"),
            ("SCAN 0 MATCH", "-ERR syntax error"),
            ("SCAN 0 COUNT 5000 TYPE LIST", r#"["0", ["list"]]"#),
            ("SCAN 0 COUNT 5000 TYPE foo", r#"["0", []]"#),
            ("SCAN 0 COUNT 9223372036854775807 MATCH l*", r#"["0", ["list"]]"#),
        ],
    )
    .await;
    assert_eq!(client.ask("KEYS *").await.split(", ").count(), 1002, "the star alone finds the empty name, too");
    let (mut cursor, mut found, mut steps) = ("0".to_owned(), std::collections::BTreeSet::new(), 0);
    loop {
        let page = client.ask(&format!("SCAN {cursor} COUNT 50 MATCH key:*")).await;
        let (next, keys) = page.split_once(", ").expect("a cursor and keys");
        found.extend(keys.split(", ").map(|key| key.trim_matches(['[', ']', '"']).to_owned()));
        cursor = next.trim_matches(['[', '"']).to_owned();
        steps += 1;
        // What comes and goes meanwhile doesn't matter to what stays.
        client.ask(&format!("SET later:{steps} x")).await;
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(found.iter().filter(|key| key.starts_with("key:")).count(), 1000);
    assert!((5..=50).contains(&steps), "{steps}");
}

#[tokio::test]
async fn sorting() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("RPUSH l 10 9 2 1 2", ":5"),
            ("SORT missing", "[]"),
            ("SORT l", r#"["1", "2", "2", "9", "10"]"#),
            ("SORT l DESC LIMIT 1 2", r#"["9", "2"]"#),
            ("SORT l LIMIT -5 -1 ALPHA", r#"["1", "10", "2", "2", "9"]"#),
            ("SORT l LIMIT 9 9223372036854775807", "[]"),
            ("SORT l LIMIT 1", "-ERR syntax error"),
            ("SORT l LIMIT x 1", "-ERR value is not an integer or out of range"),
            ("SORT_RO l STORE x", "-ERR syntax error"),
            ("MSET w_1 30 w_2 20 w_9 10 w_10 x", "+OK"),
            ("SORT l BY w_*", "-ERR One or more scores can't be converted into double"),
            ("SET w_10 ", "+OK"),
            ("SORT l BY w_* GET # GET w_*", r#"["10", "", "9", "10", "2", "20", "2", "20", "1", "30"]"#),
            ("SORT l BY nosort DESC LIMIT 0 3", r#"["2", "1", "2"]"#),
            ("HSET o_1 name one", ":1"),
            ("HSET o_2 name two", ":1"),
            ("SORT l GET o_*->name LIMIT 0 4", r#"["one", "two", "two", nil]"#),
            ("SORT l GET o_*->name LIMIT 0 4 STORE to", ":4"),
            ("LRANGE to 0 -1", r#"["one", "two", "two", ""]"#),
            ("SORT l GET fixed LIMIT 0 1", "[nil]"),
            ("SORT l BY o_*->name ALPHA DESC LIMIT 0 2", r#"["2", "2"]"#),
            ("SORT missing STORE to", ":0"),
            ("EXISTS to", ":0"),
            ("ZADD z 3 a 2 b 1 c", ":3"),
            ("SORT z", "-ERR One or more scores can't be converted into double"),
            ("SORT z ALPHA", r#"["a", "b", "c"]"#),
            ("SORT z BY nosort", r#"["c", "b", "a"]"#),
            ("SORT z BY nosort DESC LIMIT 1 5", r#"["b", "c"]"#),
            ("SADD s d b c a", ":4"),
            ("SORT s BY nosort STORE to", ":4"),
            ("LRANGE to 0 -1", r#"["a", "b", "c", "d"]"#),
            ("SORT s ALPHA STORE s", ":4"),
            ("TYPE s", "+list"),
            ("SORT w_1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("COMMAND GETKEYS SORT abc STORE def", r#"["abc", "def"]"#),
            ("COMMAND GETKEYS SORT abc BY store LIMIT 0 1 STORE x STORE def", r#"["abc", "def"]"#),
        ],
    )
    .await;
}

#[tokio::test]
async fn patterns_of_sort_need_the_right_to_read_every_key() {
    let server = Subject::start().await;
    let (mut admin, mut client) = (server.connect().await, server.connect().await);
    admin.ask("RPUSH l 2 1").await;
    admin.ask("ACL SETUSER sorter on nopass +@all %R~l %W~w*").await;
    talk(
        &mut client,
        &[
            ("AUTH sorter x", "+OK"),
            ("SORT l", r#"["1", "2"]"#),
            ("SORT l STORE w", ":2"),
            ("SORT l BY nosort", r#"["2", "1"]"#),
            ("SORT l BY w*", "-ERR BY option of SORT denied due to insufficient ACL permissions."),
            ("SORT l GET #", "-ERR GET option of SORT denied due to insufficient ACL permissions."),
        ],
    )
    .await;
    assert!(client.ask("SORT l STORE x").await.starts_with("-NOPERM"));
    admin.ask("ACL SETUSER sorter %R~*").await;
    assert_eq!(client.ask("SORT l BY w* GET #").await, r#"["1", "2"]"#);
    admin.ask("ACL DELUSER sorter").await;
}

#[tokio::test]
async fn events_are_named_as_by_redis() {
    let server = Subject::start().await;
    let (mut client, mut listener) = (server.connect().await, server.connect().await);
    client.ask("CONFIG SET notify-keyspace-events EA").await;
    listener.ask("PSUBSCRIBE __keyevent@*").await;
    for (words, events) in [
        ("SET a 1", "0 set a"),
        ("EXPIRE a 100", "0 expire a"),
        ("PERSIST a", "0 persist a"),
        ("COPY a b DB 9", "9 copy_to b"),
        ("RENAME a c", "0 rename_from a, 0 rename_to c"),
        ("MOVE c 9", "0 move_from c, 9 move_to c"),
        ("RPUSH l 1", "0 rpush l"),
        ("SORT l STORE l", "0 sortstore l"),
        ("SORT missing STORE l", "0 del l"),
        ("SETBIT a 1 1", "0 setbit a"),
        ("EXPIRE a -1", "0 del a"),
        ("PFADD h x", "0 pfadd h"),
        ("PFMERGE h", "0 pfadd h"),
        ("BITOP NOT a h", "0 set a"),
        ("BITOP NOT a missing", "0 del a"),
        ("UNLINK h", "0 del h"),
    ] {
        client.ask(words).await;
        for event in events.split(", ") {
            let [db, event, key] = event.split(' ').collect::<Vec<_>>()[..] else { panic!("{event}") };
            let wanted = format!(r#"["pmessage", "__keyevent@*", "__keyevent@{db}__:{event}", "{key}"]"#);
            assert_eq!(listener.next().await, wanted, "{words}");
        }
    }
    client.ask_words(&["CONFIG", "SET", "notify-keyspace-events", ""]).await;
}
