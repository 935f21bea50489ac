//! Lists, hashes and sets, over the wire.

mod raw;

use raw::Subject;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[tokio::test]
async fn lists_from_both_ends() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let script = [
        ("RPUSH l a b c", ":3"),
        ("LPUSH l y x", ":5"),
        ("LRANGE l 0 -1", r#"["x", "y", "a", "b", "c"]"#),
        ("LRANGE l -2 9", r#"["b", "c"]"#),
        ("LRANGE l 0 -9", "[]"),
        ("LPUSHX missing a", ":0"),
        ("RPUSHX l d", ":6"),
        ("LINDEX l -1", r#""d""#),
        ("LINDEX l 6", "nil"),
        ("LINDEX l -7", "nil"),
        ("LSET l -1 e", "+OK"),
        ("LSET l 6 e", "-ERR index out of range"),
        ("LSET missing 0 e", "-ERR no such key"),
        ("LINSERT l BEFORE a z", ":7"),
        ("LINSERT l AFTER nobody z", ":-1"),
        ("LINSERT missing AFTER a z", ":0"),
        ("LINSERT l NEAR a z", "-ERR syntax error"),
        ("LPOP l", r#""x""#),
        ("RPOP l 2", r#"["e", "c"]"#),
        ("LPOP l 0", "[]"),
        ("LPOP missing 0", "nil"),
        ("LPOP l -1", "-ERR value is out of range, must be positive"),
        ("LPOP l x", "-ERR value is out of range, must be positive"),
        ("LPOP l 1 1", "-ERR wrong number of arguments for 'lpop' command"),
        ("LRANGE l 0 -1", r#"["y", "z", "a", "b"]"#),
        ("LTRIM l 1 -2", "+OK"),
        ("LRANGE l 0 -1", r#"["z", "a"]"#),
        ("LTRIM l 5 9", "+OK"),
        ("EXISTS l", ":0"),
        ("SET s x", "+OK"),
        ("LPUSH s a", WRONG_TYPE),
        ("LLEN s", WRONG_TYPE),
        ("LLEN missing", ":0"),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn equal_elements_are_found_and_removed() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let script = [
        ("RPUSH l a b c 1 2 3 c c", ":8"),
        ("LPOS l c", ":2"),
        ("LPOS l c RANK 2", ":6"),
        ("LPOS l c RANK -1", ":7"),
        ("LPOS l c COUNT 0", "[:2, :6, :7]"),
        ("LPOS l c COUNT 2 RANK -1", "[:7, :6]"),
        ("LPOS l c MAXLEN 2", "nil"),
        ("LPOS l c COUNT 0 MAXLEN 3", "[:2]"),
        ("LPOS l x", "nil"),
        ("LPOS l x COUNT 1", "[]"),
        ("LPOS missing x COUNT 1", "[]"),
        (
            "LPOS l c RANK 0",
            "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
             start from the end of the list",
        ),
        ("LPOS l c COUNT -1", "-ERR COUNT can't be negative"),
        ("LPOS l c MAXLEN -1", "-ERR MAXLEN can't be negative"),
        ("LPOS l c RANK", "-ERR syntax error"),
        ("LREM l 1 c", ":1"),
        ("LREM l -1 c", ":1"),
        ("LRANGE l 0 -1", r#"["a", "b", "1", "2", "3", "c"]"#),
        ("LREM l 0 2", ":1"),
        ("LREM l 0 nobody", ":0"),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn elements_move_between_lists() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let script = [
        ("RPUSH a 1 2 3", ":3"),
        ("LMOVE a b LEFT RIGHT", r#""1""#),
        ("RPOPLPUSH a b", r#""3""#),
        ("LRANGE b 0 -1", r#"["3", "1"]"#),
        // A list may turn in itself.
        ("LMOVE b b LEFT RIGHT", r#""3""#),
        ("LRANGE b 0 -1", r#"["1", "3"]"#),
        ("LMOVE missing b LEFT LEFT", "nil"),
        ("LMOVE a b UP LEFT", "-ERR syntax error"),
        ("BLMOVE a b RIGHT LEFT 1", r#""2""#),
        ("EXISTS a", ":0"),
        ("BLMOVE a b RIGHT LEFT 0.01", "nil"),
        ("SET s x", "+OK"),
        ("LMOVE b s LEFT LEFT", WRONG_TYPE),
        ("LLEN b", ":3"),
        ("LMPOP 2 missing b RIGHT COUNT 2", r#"["b", ["3", "1"]]"#),
        ("LMPOP 1 missing LEFT", "nil"),
        ("LMPOP 1 s LEFT", WRONG_TYPE),
        ("LMPOP x b LEFT", "-ERR numkeys should be greater than 0"),
        ("LMPOP 1 b LEFT COUNT 0 JUNK", "-ERR count should be greater than 0"),
        ("BLMPOP 0.01 1 missing LEFT", "nil"),
        ("BLMPOP x 1 missing UP", "-ERR syntax error"),
        ("BLPOP b x", "-ERR timeout is not a float or out of range"),
        ("BLPOP b inf", "-ERR timeout is negative"),
        ("BRPOP missing b 1", r#"["b", "2"]"#),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn elements_go_to_those_who_wait() {
    let server = Subject::start().await;
    let (mut first, mut second, mut third) = (server.connect().await, server.connect().await, server.connect().await);
    let mut writer = server.connect().await;
    first.send("BLPOP l other 0").await;
    assert!(first.is_silent().await);
    second.send("BLMOVE l target LEFT RIGHT 0").await;
    assert!(second.is_silent().await);
    third.send("BRPOP target 0").await;
    assert!(third.is_silent().await);
    // One push serves three: what the second one moves is what the third one waits for.
    assert_eq!(writer.ask("RPUSH l a b").await, ":2");
    assert_eq!(first.next().await, r#"["l", "a"]"#);
    assert_eq!(second.next().await, r#""b""#);
    assert_eq!(third.next().await, r#"["target", "b"]"#);
    writer.expect(&[("EXISTS l target", ":0")]).await;
    // Those who wait are served when the transaction is over, and see what it has left.
    first.send("BLPOP l 0").await;
    assert!(first.is_silent().await);
    writer.expect(&[("MULTI", "+OK"), ("RPUSH l a", "+QUEUED"), ("DEL l", "+QUEUED"), ("EXEC", "[:1, :1]")]).await;
    assert!(first.is_silent().await);
    writer.expect(&[("MULTI", "+OK"), ("RPUSH l a b", "+QUEUED"), ("LPOP l", "+QUEUED")]).await;
    assert_eq!(writer.ask("EXEC").await, r#"[:2, "a"]"#);
    assert_eq!(first.next().await, r#"["l", "b"]"#);
    // A target of the wrong type is an error where nothing was waited for, and here the end of the wait.
    writer.expect(&[("MULTI", "+OK"), ("BLMOVE l t LEFT LEFT 0", "+QUEUED"), ("BLPOP l 0", "+QUEUED")]).await;
    assert_eq!(writer.ask("EXEC").await, "[nil, nil]");
}

#[tokio::test]
async fn the_key_that_changed_first_serves() {
    let server = Subject::start().await;
    let (mut waiter, mut writer) = (server.connect().await, server.connect().await);
    for (wait, reply) in [("BLPOP a b 0", r#"["b", "1"]"#), ("BLMPOP 0 2 a b LEFT", r#"["b", ["1"]]"#)] {
        waiter.send(wait).await;
        assert!(waiter.is_silent().await);
        writer.expect(&[("MULTI", "+OK"), ("RPUSH b 1", "+QUEUED"), ("RPUSH a 2", "+QUEUED")]).await;
        writer.expect(&[("EXEC", "[:1, :1]")]).await;
        assert_eq!(waiter.next().await, reply);
        writer.expect(&[("DEL a", ":1")]).await;
    }
    // Another key of the wrong type is no hindrance.
    for (wait, put, reply) in [
        ("BLPOP a b 0", "RPUSH b 1", r#"["b", "1"]"#),
        ("BZPOPMIN a b 0", "ZADD b 1 m", r#"["b", "m", "1"]"#),
        ("BZMPOP 0 2 a b MIN", "ZADD b 1 m", r#"["b", [["m", "1"]]]"#),
    ] {
        waiter.send(wait).await;
        assert!(waiter.is_silent().await);
        writer.expect(&[("SET a x", "+OK"), (put, ":1")]).await;
        assert_eq!(waiter.next().await, reply);
        writer.expect(&[("DEL a", ":1")]).await;
    }
}

#[tokio::test]
async fn a_renamed_or_moved_list_serves_too() {
    let server = Subject::start().await;
    let (mut waiter, mut writer) = (server.connect().await, server.connect().await);
    for make in ["RENAME from l", "COPY from l", "LMOVE from l LEFT LEFT", "SORT from ALPHA STORE l"] {
        writer.ask("DEL from").await;
        writer.ask("RPUSH from a").await;
        waiter.send("BLPOP l 0").await;
        assert!(waiter.is_silent().await, "{make}");
        writer.ask(make).await;
        assert_eq!(waiter.next().await, r#"["l", "a"]"#, "{make}");
    }
}

#[tokio::test]
async fn hashes() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let script = [
        ("HSET h a 1 b 2", ":2"),
        ("HSET h a 3 c 4", ":1"),
        ("HSET h a", "-ERR wrong number of arguments for 'hset' command"),
        ("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command"),
        ("HMSET h d 5", "+OK"),
        ("HSETNX h a 9", ":0"),
        ("HSETNX h e x", ":1"),
        ("HGET h a", r#""3""#),
        ("HGET h x", "nil"),
        ("HMGET h a x b", r#"["3", nil, "2"]"#),
        ("HMGET missing a", "[nil]"),
        ("HGETALL h", r#"["a", "3", "b", "2", "c", "4", "d", "5", "e", "x"]"#),
        ("HKEYS h", r#"["a", "b", "c", "d", "e"]"#),
        ("HVALS missing", "[]"),
        ("HEXISTS h a", ":1"),
        ("HSTRLEN h x", ":0"),
        ("HLEN h", ":5"),
        ("HINCRBY h a 4", ":7"),
        ("HINCRBY h new -4", ":-4"),
        ("HINCRBY h e 1", "-ERR hash value is not an integer"),
        ("HINCRBY h a 9223372036854775807", "-ERR increment or decrement would overflow"),
        ("HINCRBY h a 1.5", "-ERR value is not an integer or out of range"),
        ("HINCRBYFLOAT h a 0.1", r#""7.1""#),
        ("HINCRBYFLOAT h e 1", "-ERR hash value is not a float"),
        ("HINCRBYFLOAT h a x", "-ERR value is not a valid float"),
        ("HINCRBYFLOAT h a inf", "-ERR value is NaN or Infinity"),
        ("HDEL h a b c x", ":3"),
        ("HDEL h d e new", ":3"),
        ("EXISTS h", ":0"),
        ("HSCAN missing 0 COUNT x", r#"["0", []]"#),
        ("HSCAN missing x", "-ERR invalid cursor"),
        ("SET s x", "+OK"),
        ("HGET s a", WRONG_TYPE),
        ("HSCAN s 0 COUNT x", WRONG_TYPE),
        ("HSET g f v", ":1"),
        ("HRANDFIELD g -2 WITHVALUES", r#"["f", "v", "f", "v"]"#),
        ("HRANDFIELD g 9", r#"["f"]"#),
        ("HRANDFIELD g 1 WITHSCORES", "-ERR syntax error"),
        ("HRANDFIELD missing", "nil"),
        ("HSCAN g 0 MATCH x*", r#"["0", []]"#),
        ("HSCAN g 0 COUNT 0", "-ERR syntax error"),
    ];
    client.expect(&script).await;
    client.hello3().await;
    let script = [
        ("HGETALL g", r#"%["f", "v"]"#),
        ("HGETALL missing", "%[]"),
        ("HRANDFIELD g 1 WITHVALUES", r#"[["f", "v"]]"#),
        ("HINCRBYFLOAT g n 0.5", r#""0.5""#),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn sets() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let script = [
        ("SADD s 1 2 3 2", ":3"),
        ("OBJECT ENCODING s", r#""intset""#),
        ("SMEMBERS s", r#"["1", "2", "3"]"#),
        ("SISMEMBER s 2", ":1"),
        ("SMISMEMBER s 1 9 3", "[:1, :0, :1]"),
        ("SMISMEMBER missing 1", "[:0]"),
        ("SADD s x", ":1"),
        ("OBJECT ENCODING s", r#""hashtable""#),
        ("SREM s x y 1", ":2"),
        ("SCARD s", ":2"),
        ("SADD t 3 4", ":2"),
        ("SINTER s t", r#"["3"]"#),
        ("SINTER s missing", "[]"),
        ("SDIFF s t", r#"["2"]"#),
        ("SUNIONSTORE u s t", ":3"),
        ("SINTERCARD 2 s t", ":1"),
        ("SINTERCARD 2 u u LIMIT 2", ":2"),
        ("SINTERCARD 0 s", "-ERR numkeys should be greater than 0"),
        ("SINTERCARD 3 s t", "-ERR Number of keys can't be greater than number of args"),
        ("SINTERCARD 1 s LIMIT -1", "-ERR LIMIT can't be negative"),
        ("SDIFFSTORE u s s", ":0"),
        ("EXISTS u", ":0"),
        ("SMOVE s t 2", ":1"),
        ("SMOVE s t 2", ":0"),
        ("SMOVE s s 3", ":1"),
        ("SMOVE s t 3", ":1"),
        ("EXISTS s", ":0"),
        ("SCARD t", ":3"),
        ("SET str x", "+OK"),
        ("SMOVE t str 2", WRONG_TYPE),
        ("SMOVE missing str 2", ":0"),
        ("SUNION t str", WRONG_TYPE),
        ("SPOP t 0", "[]"),
        ("SPOP t x", "-ERR value is out of range, must be positive"),
        ("SPOP t 1 1", "-ERR syntax error"),
        ("SPOP missing", "nil"),
        ("SPOP missing 3", "[]"),
        ("SADD one a", ":1"),
        ("SRANDMEMBER one", r#""a""#),
        ("SRANDMEMBER one -2", r#"["a", "a"]"#),
        ("SRANDMEMBER one 2", r#"["a"]"#),
        ("SRANDMEMBER missing", "nil"),
        ("SSCAN one 0", r#"["0", ["a"]]"#),
        ("SPOP one", r#""a""#),
        ("EXISTS one", ":0"),
    ];
    client.expect(&script).await;
    client.hello3().await;
    let script = [
        ("SADD one a", ":1"),
        ("SMEMBERS one", r#"~["a"]"#),
        ("SUNION one missing", r#"~["a"]"#),
        ("SMEMBERS missing", "~[]"),
        ("SRANDMEMBER one 1", r#"["a"]"#),
        ("SPOP one 1", r#"~["a"]"#),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn an_emptied_collection_says_so_last() {
    let server = Subject::start().await;
    let (mut client, mut listener) = (server.connect().await, server.connect().await);
    client.ask("CONFIG SET notify-keyspace-events EA").await;
    listener.ask("PSUBSCRIBE __keyevent@0__:*").await;
    for (make, empty, event) in [
        ("RPUSH k a", "LPOP k", "lpop"),
        ("RPUSH k a", "LMOVE k k2 LEFT LEFT", "lpush"),
        ("SADD k a", "SPOP k", "spop"),
        ("HSET k f v", "HDEL k f", "hdel"),
        ("ZADD k 1 a", "ZPOPMAX k", "zpopmax"),
        ("ZADD k 1 a", "ZREMRANGEBYRANK k 0 -1", "zremrangebyrank"),
    ] {
        client.ask(make).await;
        listener.next().await;
        client.ask(empty).await;
        let message = listener.next().await;
        assert!(message.contains(&format!("__:{event}")), "{empty}: {message}");
        if event == "lpush" {
            assert!(listener.next().await.contains("__:lpop"));
        }
        assert!(listener.next().await.contains("__:del"), "{empty}");
    }
}

#[tokio::test]
async fn a_claimed_count_fills_no_memory() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.expect(&[("SADD s a", ":1"), ("HSET h f v", ":1"), ("RPUSH l a", ":1")]).await;
    let script = [
        ("LPOP l 9223372036854775807", r#"["a"]"#),
        ("SRANDMEMBER s 9223372036854775807", r#"["a"]"#),
        ("HRANDFIELD h 9223372036854775807", r#"["f"]"#),
        ("HRANDFIELD h -9223372036854775807 WITHVALUES", "-ERR value is out of range"),
        ("LMPOP 9223372036854775807 l LEFT", "-ERR syntax error"),
        ("SINTERCARD 9223372036854775807 l", "-ERR Number of keys can't be greater than number of args"),
        ("SPOP s 9223372036854775807", r#"["a"]"#),
    ];
    client.expect(&script).await;
    if server.is_ours() {
        client.ask(&format!("HSET h {} v", "a".repeat(100_000))).await;
        assert_eq!(client.ask("HRANDFIELD h -9223372036854775807").await, "-ERR the reply would be too long");
    }
}
