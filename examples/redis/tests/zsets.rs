//! The sorted set commands, over the wire.

mod raw;

use raw::Subject;

#[tokio::test]
async fn options_of_zadd() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let script = [
        ("ZADD z 1 a 2 b", ":2"),
        ("ZADD z 5 a 3 c", ":1"),
        ("ZADD z CH 6 a 3 c 4 d", ":2"),
        ("ZADD z NX 9 a 9 e", ":1"),
        ("ZADD z XX CH 7 a 9 f", ":1"),
        ("ZADD z GT CH 6 a 8 b", ":1"),
        ("ZADD z LT CH 9 a 7 b", ":1"),
        ("ZADD z GT 1 g", ":1"),
        ("ZMSCORE z a b f g", r#"["7", "7", nil, "1"]"#),
        ("ZADD z INCR 0.5 g", r#""1.5""#),
        ("ZADD z NX INCR 1 g", "nil"),
        ("ZADD missing XX INCR 1 g", "nil"),
        ("ZADD missing XX 1 g", ":0"),
        ("EXISTS missing", ":0"),
        ("ZADD z XX NX 1 a", "-ERR XX and NX options at the same time are not compatible"),
        ("ZADD z GT LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD z GT NX 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair"),
        ("ZADD z 1 a 2", "-ERR syntax error"),
        ("ZADD z NX XX", "-ERR syntax error"),
        ("ZADD z CH NX CH", "-ERR syntax error"),
        // All or nothing.
        ("ZADD z 1 new x other", "-ERR value is not a valid float"),
        ("ZSCORE z new", "nil"),
        ("ZADD z nan a", "-ERR value is not a valid float"),
        ("ZADD z 1e400 a", "-ERR value is not a valid float"),
        ("ZADD z inf a", ":0"),
        ("ZINCRBY z -inf a", "-ERR resulting score is not a number (NaN)"),
        ("ZINCRBY missing 3.5 a", r#""3.5""#),
        ("SET s x", "+OK"),
        ("ZADD s 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn ranges_by_rank_score_and_name() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let script = [
        ("ZADD z 1 a 2 b 3 c 4 d", ":4"),
        ("ZRANGE z 0 -1", r#"["a", "b", "c", "d"]"#),
        ("ZRANGE z -2 100", r#"["c", "d"]"#),
        ("ZRANGE z 0 -9", "[]"),
        ("ZRANGE z 3 1", "[]"),
        ("ZRANGE z 0 1 REV WITHSCORES", r#"["d", "4", "c", "3"]"#),
        ("ZREVRANGE z -1 -1", r#"["a"]"#),
        ("ZRANGE z (1 3 BYSCORE", r#"["b", "c"]"#),
        ("ZRANGE z 3 (1 BYSCORE REV", r#"["c", "b"]"#),
        ("ZRANGE z 1 3 BYSCORE REV", "[]"),
        ("ZRANGE z -inf +inf BYSCORE LIMIT 1 2 WITHSCORES", r#"["b", "2", "c", "3"]"#),
        ("ZRANGE z -inf +inf BYSCORE LIMIT 2 -1", r#"["c", "d"]"#),
        ("ZRANGE z -inf +inf BYSCORE LIMIT -1 2", "[]"),
        ("ZREVRANGEBYSCORE z +inf -inf LIMIT 1 1", r#"["c"]"#),
        (
            "ZRANGE z 0 -1 LIMIT 0 1",
            "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        ("ZRANGE z [a [b BYLEX WITHSCORES", "-ERR syntax error, WITHSCORES not supported in combination with BYLEX"),
        ("ZRANGE z x 3 BYSCORE", "-ERR min or max is not a float"),
        ("ZRANGE z a [b BYLEX", "-ERR min or max not valid string range item"),
        ("ZRANGE z x 1", "-ERR value is not an integer or out of range"),
        ("ZREVRANGE z 0 1 REV", "-ERR syntax error"),
        ("ZADD n 0 alpha 0 bar 0 cool 0 down", ":4"),
        ("ZRANGEBYLEX n - (cool", r#"["alpha", "bar"]"#),
        ("ZRANGEBYLEX n [bar + LIMIT 1 5", r#"["cool", "down"]"#),
        ("ZREVRANGEBYLEX n + (bar", r#"["down", "cool"]"#),
        ("ZRANGE n + - BYLEX REV LIMIT 0 1", r#"["down"]"#),
        ("ZRANGEBYLEX n + -", "[]"),
        ("ZLEXCOUNT n [bar [down", ":3"),
        ("ZCOUNT z (1 inf", ":3"),
        ("ZCOUNT z 3 1", ":0"),
        ("ZRANGESTORE t z 1 2", ":2"),
        ("ZRANGE t 0 -1 WITHSCORES", r#"["b", "2", "c", "3"]"#),
        ("ZRANGESTORE t z 9 9", ":0"),
        ("EXISTS t", ":0"),
        ("ZRANGESTORE t z 0 1 WITHSCORES", "-ERR syntax error"),
        ("ZRANK z c", ":2"),
        ("ZREVRANK z c", ":1"),
        ("ZRANK z x", "nil"),
        ("ZREMRANGEBYRANK z -1 -1", ":1"),
        ("ZREMRANGEBYSCORE z (1 2", ":1"),
        ("ZREMRANGEBYLEX n [alpha (cool", ":2"),
        ("ZREMRANGEBYRANK z 0 -9", ":0"),
        ("ZRANGE z 0 -1", r#"["a", "c"]"#),
        ("ZREM z a c x", ":2"),
        ("EXISTS z", ":0"),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn unions_intersections_and_differences() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let script = [
        ("ZADD a 1 x 2 y 3 z", ":3"),
        ("ZADD b 10 y 20 z 30 w", ":3"),
        ("SADD s z q", ":2"),
        ("ZUNION 2 a b WITHSCORES", r#"["x", "1", "y", "12", "z", "23", "w", "30"]"#),
        (
            "ZUNION 3 a b s WEIGHTS 2 1 100 AGGREGATE MAX WITHSCORES",
            r#"["x", "2", "y", "10", "w", "30", "q", "100", "z", "100"]"#,
        ),
        ("ZINTER 3 a b s WITHSCORES", r#"["z", "24"]"#),
        ("ZINTER 2 a missing", "[]"),
        ("ZINTERCARD 2 a b", ":2"),
        ("ZINTERCARD 2 a b LIMIT 1", ":1"),
        ("ZINTERCARD 2 a b LIMIT -1", "-ERR LIMIT can't be negative"),
        ("ZDIFF 2 a s WITHSCORES", r#"["x", "1", "y", "2"]"#),
        ("ZDIFFSTORE d 2 a b", ":1"),
        ("ZRANGE d 0 -1 WITHSCORES", r#"["x", "1"]"#),
        ("ZINTERSTORE d 2 a b AGGREGATE MIN", ":2"),
        ("ZRANGE d 0 -1 WITHSCORES", r#"["y", "2", "z", "3"]"#),
        ("ZUNIONSTORE d 1 missing", ":0"),
        ("EXISTS d", ":0"),
        // A result may replace its own source.
        ("ZUNIONSTORE a 2 a a", ":3"),
        ("ZSCORE a z", r#""6""#),
        ("ZADD i inf m", ":1"),
        ("ZADD j -inf m", ":1"),
        ("ZUNION 2 i j WITHSCORES", r#"["m", "0"]"#),
        ("ZUNION 1 i WEIGHTS 0 WITHSCORES", r#"["m", "0"]"#),
        ("ZUNION 0 a", "-ERR at least 1 input key is needed for 'zunion' command"),
        ("ZUNIONSTORE d 3 a b", "-ERR syntax error"),
        ("ZUNION 2 a b WEIGHTS 1", "-ERR syntax error"),
        ("ZUNION 2 a b WEIGHTS 1 x", "-ERR weight value is not a float"),
        ("ZDIFF 2 a b WEIGHTS 1 1", "-ERR syntax error"),
        ("SET t x", "+OK"),
        // The type of a key comes before its options.
        ("ZUNION 2 a t JUNK", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn pops() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let script = [
        ("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5"),
        ("ZPOPMIN z", r#"["a", "1"]"#),
        ("ZPOPMAX z 2", r#"["e", "5", "d", "4"]"#),
        ("ZPOPMIN z 0", "[]"),
        ("ZPOPMIN z -1", "-ERR value is out of range, must be positive"),
        ("ZPOPMIN z x", "-ERR value is out of range, must be positive"),
        ("ZPOPMIN missing", "[]"),
        ("ZMPOP 2 missing z MAX", r#"["z", [["c", "3"]]]"#),
        ("ZMPOP 1 z MIN COUNT 10", r#"["z", [["b", "2"]]]"#),
        ("EXISTS z", ":0"),
        ("ZMPOP 1 z MIN", "nil"),
        ("ZMPOP 0 z MIN", "-ERR numkeys should be greater than 0"),
        ("ZMPOP 1 z MIN COUNT 0", "-ERR count should be greater than 0"),
        ("ZMPOP 1 z MID", "-ERR syntax error"),
        ("ZMPOP 2 z MIN", "-ERR syntax error"),
        ("ZMPOP 1 z MIN COUNT 1 COUNT 2", "-ERR syntax error"),
        ("BZMPOP x 1 z MID", "-ERR syntax error"),
        ("BZPOPMIN z x", "-ERR timeout is not a float or out of range"),
        ("BZPOPMIN z -1", "-ERR timeout is negative"),
        ("BZPOPMIN z 0.01", "nil"),
        ("ZADD z 1 a 2 b", ":2"),
        ("BZPOPMAX missing z 1", r#"["z", "b", "2"]"#),
        ("BZMPOP 1 1 z MAX", r#"["z", [["a", "1"]]]"#),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn a_member_that_comes_goes_to_who_waited_first() {
    let server = Subject::start().await;
    let (mut first, mut second, mut third) = (server.connect().await, server.connect().await, server.connect().await);
    let mut writer = server.connect().await;
    first.send("BZPOPMIN q z 0").await;
    assert!(first.is_silent().await);
    second.send("BZMPOP 0 1 z MAX COUNT 5").await;
    assert!(second.is_silent().await);
    third.send("BZPOPMAX z 0").await;
    assert!(third.is_silent().await);
    // A key of another type wakes nobody.
    writer.expect(&[("SET z x", "+OK"), ("DEL z", ":1")]).await;
    assert_eq!(writer.ask("ZADD z 1 a 2 b 3 c").await, ":3");
    assert_eq!(first.next().await, r#"["z", "a", "1"]"#);
    assert_eq!(second.next().await, r#"["z", [["c", "3"], ["b", "2"]]]"#);
    assert_eq!(writer.ask("EXISTS z").await, ":0");
    assert!(third.is_silent().await);
    // What another command leaves counts as well.
    writer.expect(&[("ZADD y 7 m", ":1"), ("ZUNIONSTORE z 1 y", ":1")]).await;
    assert_eq!(third.next().await, r#"["z", "m", "7"]"#);
    // Nothing is waited for in a transaction.
    writer.expect(&[("MULTI", "+OK"), ("BZPOPMIN z 0", "+QUEUED"), ("EXEC", "[nil]")]).await;
}

#[tokio::test]
async fn version_3_has_doubles_and_pairs() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.hello3().await;
    let script = [
        ("ZADD z 1 a 2.5 b inf c", ":3"),
        ("ZSCORE z b", ",2.5"),
        ("ZSCORE z x", "nil"),
        ("ZMSCORE z a c", "[,1, ,inf]"),
        ("ZINCRBY z 0.1 b", ",2.6000000000000001"),
        ("ZADD z INCR 1 a", ",2"),
        ("ZRANGE z 0 1 WITHSCORES", r#"[["a", ,2], ["b", ,2.6000000000000001]]"#),
        ("ZRANGE z 0 0", r#"["a"]"#),
        ("ZINTER 1 z WITHSCORES", r#"[["a", ,2], ["b", ,2.6000000000000001], ["c", ,inf]]"#),
        // A single pop is flat, a counted one isn't.
        ("ZPOPMIN z", r#"["a", ,2]"#),
        ("ZPOPMAX z 1", r#"[["c", ,inf]]"#),
        ("ZSCAN z 0", r#"["0", ["b", "2.6000000000000001"]]"#),
        ("ZRANDMEMBER z 1 WITHSCORES", r#"[["b", ,2.6000000000000001]]"#),
        ("ZRANDMEMBER z", r#""b""#),
        ("ZMPOP 1 z MIN", r#"["z", [["b", ,2.6000000000000001]]]"#),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn members_by_chance() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let script = [
        ("ZADD z 1 a", ":1"),
        ("ZRANDMEMBER z -3 WITHSCORES", r#"["a", "1", "a", "1", "a", "1"]"#),
        ("ZRANDMEMBER z 3", r#"["a"]"#),
        ("ZRANDMEMBER z 0", "[]"),
        ("ZRANDMEMBER missing", "nil"),
        ("ZRANDMEMBER missing 3", "[]"),
        ("ZRANDMEMBER z 3 WITHVALUES", "-ERR syntax error"),
        ("ZRANDMEMBER z 9223372036854775807 WITHSCORES", "-ERR value is out of range"),
        (
            "ZRANDMEMBER z -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
    ];
    client.expect(&script).await;
    if server.is_ours() {
        // Redis would go on until its memory is full. A long member brings the end sooner.
        client.ask(&format!("ZADD z 1 {}", "a".repeat(100_000))).await;
        assert_eq!(client.ask("ZRANDMEMBER z -9223372036854775807").await, "-ERR the reply would be too long");
        assert_eq!(client.ask("PING").await, "+PONG");
    }
}
