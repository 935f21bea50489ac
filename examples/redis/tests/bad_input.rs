//! Whatever comes in: malformed frames, claims of size, sockets closed by half, readers that don't read, commands with
//! the wrong arguments. The answer is Redis' own error or a closed connection, and none of it takes memory.

mod raw;

use std::time::Duration;

use raw::{Client, Subject};

/// Sends bytes on a connection of their own, and gives what came back until nothing more did.
async fn exchange(server: &Subject, bytes: &[u8]) -> Vec<String> {
    let mut client = server.connect().await;
    client.send_bytes(bytes).await;
    client.send_bytes(b"\r\n*1\r\n$4\r\nquit\r\n").await;
    let mut answers = Vec::new();
    loop {
        answers.push(client.next().await);
        if matches!(answers.last().map(String::as_str), Some("closed" | "nothing came")) {
            return answers;
        }
    }
}

#[tokio::test]
async fn a_malformed_frame_is_answered_and_the_connection_closed() {
    let server = Subject::start().await;
    for (bytes, error) in [
        ("*x\r\n", "invalid multibulk length"),
        ("*\r\n", "invalid multibulk length"),
        ("*1x\r\n", "invalid multibulk length"),
        ("* 1\r\n", "invalid multibulk length"),
        ("*+1\r\n", "invalid multibulk length"),
        ("*2147483648\r\n", "invalid multibulk length"),
        ("*99999999999999999999\r\n", "invalid multibulk length"),
        ("*1\n$4\r\nPING\r\n", "invalid multibulk length"),
        ("*1\r\nPING\r\n", "expected '$', got 'P'"),
        ("*1\r\n*1\r\n$4\r\nPING\r\n", "expected '$', got '*'"),
        ("*2\r\n$4\r\nPING\r\n%1\r\n", "expected '$', got '%'"),
        ("*1\r\n\r\n", "expected '$', got ' '"),
        ("*1\r\n$\r\n", "invalid bulk length"),
        ("*1\r\n$x\r\n", "invalid bulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
        ("*1\r\n$536870913\r\n", "invalid bulk length"),
        ("*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        ("ping \"x\r\n", "unbalanced quotes in request"),
        ("ping 'x\r\n", "unbalanced quotes in request"),
        ("ping \"x\"y\r\n", "unbalanced quotes in request"),
    ] {
        let answers = exchange(&server, bytes.as_bytes()).await;
        assert_eq!(answers, [&format!("-ERR Protocol error: {error}"), "closed"], "{:.40}", bytes);
    }
    // No line goes on for ever.
    let digits = "1".repeat(70_000);
    for (bytes, error) in [
        (format!("*{digits}"), "too big mbulk count string"),
        (format!("*1\r\n${digits}"), "too big bulk count string"),
        (digits.clone(), "too big inline request"),
    ] {
        let mut client = server.connect().await;
        client.send_bytes(bytes.as_bytes()).await;
        assert_eq!(client.next().await, format!("-ERR Protocol error: {error}"));
        assert_eq!(client.next().await, "closed");
    }
    // What was asked before it is answered before it, and what comes behind it isn't looked at.
    let answers = exchange(&server, b"PING\r\n*1\r\n$4\r\nPING\r\n*x\r\nSET k v\r\n").await;
    assert_eq!(answers, ["+PONG", "+PONG", "-ERR Protocol error: invalid multibulk length", "closed"]);
    assert_eq!(server.connect().await.ask("EXISTS k").await, ":0");
}

#[tokio::test]
async fn what_only_looks_malformed_is_taken() {
    let server = Subject::start().await;
    for (bytes, answer) in [
        (&b"*0\r\n*-1\r\n*-9\r\nPING\r\n"[..], "+PONG"),
        (b"\r\n\n   \r\nPING\n", "+PONG"),
        (b"ping 'a\\'b'\r\n", r#""a'b""#),
        (b"ping \"\\x41\\tb\"\r\n", "\"A\tb\""),
        // Nobody looks at the two bytes behind a bulk.
        (b"*1\r\n$4\r\nPINGxx", "+PONG"),
        (b"*1\r\n$0\r\n\r\n", "-ERR unknown command '', with args beginning with: "),
        (b"%1\r\n", "-ERR unknown command '%1', with args beginning with: "),
        (b"*2\r\n$3\r\na\0b\r\n$4\r\nx\r\ny\r\n", "-ERR unknown command 'a', with args beginning with: 'x  y' "),
    ] {
        assert_eq!(exchange(&server, bytes).await, [answer, "+OK", "closed"], "{}", bytes.escape_ascii());
    }
    let (b, c) = ("b".repeat(100), "c".repeat(100));
    let answer = format!("-ERR unknown command 'a', with args beginning with: '{b}' '{}' ", &c[..25]);
    assert_eq!(exchange(&server, format!("a {b} {c} d\r\n").as_bytes()).await, [&answer, "+OK", "closed"]);
    // A browser that was led here by somebody else is not listened to, nor is what it asked before it shows.
    assert_eq!(exchange(&server, b"PING\r\nHost: here\r\n").await, ["closed"]);
    assert_eq!(exchange(&server, b"POST / HTTP/1.1\r\nHost: here\r\n\r\nSET k v\r\n").await, ["closed"]);
    assert_eq!(exchange(&server, b"Host: here\r\nSET k v\r\n").await, ["closed"]);
}

#[tokio::test]
async fn errors_repeat_what_was_sent_byte_for_byte() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    for (request, reply) in [
        (&b"f\xff x\xe9\r\n"[..], &b"-ERR unknown command 'f\xff', with args beginning with: 'x\xe9' \r\n"[..]),
        (b"client \xff\r\n", b"-ERR unknown subcommand '\xff'. Try CLIENT HELP.\r\n"),
        (b"object \"a\\x00b\" x\r\n", b"-ERR unknown subcommand 'a'. Try OBJECT HELP.\r\n"),
        (b"config set \xff\xfe 1\r\n", b"-ERR Unknown option or number of arguments for CONFIG SET - '\xff\xfe'\r\n"),
        (
            b"xreadgroup group \xff c streams \xfe >\r\n",
            b"-NOGROUP No such key '\xfe' or consumer group '\xff' in XREADGROUP with GROUP option\r\n",
        ),
        (b"acl cat \xff\r\n", b"-ERR Unknown category '\xff'\r\n"),
        (b"latency graph \xff\r\n", b"-ERR No samples available for event '\xff'\r\n"),
        (b"hello 3 \xff\r\n", b"-ERR Syntax error in HELLO option '\xff'\r\n"),
        (b"client kill type \xff\r\n", b"-ERR Unknown client type '\xff'\r\n"),
    ] {
        client.send_bytes(request).await;
        assert_eq!(client.next_line().await.escape_ascii().to_string(), reply.escape_ascii().to_string());
    }
}

#[tokio::test]
async fn lines_end_where_a_c_text_would() {
    let server = Subject::start().await;
    // Behind a zero byte no end is seen, until so much has come that a line should have ended.
    for line in [&b"PI\0NG\r\n"[..], b"\0\r\nPING\r\n", b"*1\0\r\n", b"*1\r\n$4\0\r\nPING\r\n"] {
        let mut client = server.connect().await;
        client.send_bytes(line).await;
        assert!(client.is_silent().await, "{}", line.escape_ascii());
        client.send_bytes(&[b'\n'; 70_000]).await;
        assert!(client.next().await.starts_with("-ERR Protocol error: too big "));
        assert_eq!(client.next().await, "closed");
    }
    // A long line within the limit.
    let mut client = server.connect().await;
    client.send_bytes(format!("GET {}\r\n", "x".repeat(60_000)).as_bytes()).await;
    assert_eq!(client.next().await, "nil");
}

#[tokio::test]
async fn strangers_may_claim_less() {
    let server = Subject::start().await;
    let mut admin = server.connect().await;
    assert_eq!(admin.ask("CONFIG SET requirepass secret").await, "+OK");
    for (bytes, answer) in [
        ("*10\r\n", None),
        ("*11\r\n", Some("-ERR Protocol error: unauthenticated multibulk length")),
        ("*1\r\n$16385\r\n", Some("-ERR Protocol error: unauthenticated bulk length")),
        ("*1\r\n$3\r\nGET\r\n", Some("-NOAUTH Authentication required.")),
    ] {
        let mut client = server.connect().await;
        client.send_bytes(bytes.as_bytes()).await;
        match answer {
            None => assert!(client.is_silent().await, "{bytes}"),
            Some(answer) if bytes.contains("GET") => assert!(
                [answer, "-ERR wrong number of arguments for 'get' command"].contains(&client.next().await.as_str())
            ),
            Some(answer) => {
                assert_eq!(client.next().await, answer, "{bytes}");
                assert_eq!(client.next().await, "closed");
            }
        }
    }
    let mut client = server.connect().await;
    client.send_bytes(b"AUTH secret\r\n*11\r\n$16385\r\n").await;
    assert_eq!(client.next().await, "+OK");
    assert!(client.is_silent().await);
    assert_eq!(admin.ask_words(&["CONFIG", "SET", "requirepass", ""]).await, "+OK");
}

/// How much address space this process has, in bytes.
#[cfg(target_os = "linux")]
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmSize:")).expect("a line for the size");
    1024 * line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("a number")
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_claim_of_size_takes_nothing() {
    let server = Subject::start().await;
    let mut clients = Vec::new();
    let before = address_space();
    for claim in ["*2147483647\r\n", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n", "*1000000\r\n$536870912\r\n"] {
        for _ in 0..10 {
            let mut client = server.connect().await;
            client.send_bytes(claim.as_bytes()).await;
            client.send_bytes(b"x").await;
            clients.push(client);
        }
    }
    let mut other = server.connect().await;
    for (words, reply) in [
        ("SETRANGE k 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("SETRANGE k -1 x", "-ERR offset is out of range"),
        ("SETRANGE k 9223372036854775807 xy", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("SETBIT k 4294967296 1", "-ERR bit offset is not an integer or out of range"),
        ("BITFIELD k SET u8 4294967296 1", "-ERR bit offset is not an integer or out of range"),
        ("LPOP none 9223372036854775807", "nil"),
        ("SPOP none 9223372036854775807", "[]"),
        ("SRANDMEMBER none 4611686018427387904", "[]"),
        (
            "SRANDMEMBER none -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        ("ZRANDMEMBER none 4611686018427387904 WITHSCORES", "-ERR value is out of range"),
        ("HRANDFIELD none -4611686018427387904 WITHVALUES", "-ERR value is out of range"),
        ("LMPOP 9223372036854775807 k LEFT", "-ERR syntax error"),
        ("ZINTERSTORE d 9223372036854775807 k", "-ERR syntax error"),
        ("SINTERCARD 9223372036854775807 k", "-ERR Number of keys can't be greater than number of args"),
        ("XAUTOCLAIM s g c 0 0 COUNT 9223372036854775807", "-ERR COUNT must be > 0"),
        ("SCAN 0 COUNT 9223372036854775807", "[\"0\", []]"),
        ("LRANGE k -9223372036854775808 9223372036854775807", "[]"),
        ("GETRANGE k -9223372036854775808 9223372036854775807", r#""""#),
        ("SUBSTR k 9223372036854775807 -9223372036854775808", r#""""#),
        ("EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
        ("SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command"),
    ] {
        assert_eq!(other.ask(words).await, reply, "{words}");
    }
    // Thirty claims of half a gigabyte each; what the tests beside this one take is small beside that.
    assert!(address_space().saturating_sub(before) < 1 << 30);
    assert_eq!(other.ask("PING").await, "+PONG");
}

#[tokio::test]
async fn a_socket_closed_by_half_is_answered() {
    let server = Subject::start().await;
    for (bytes, answers) in [
        (&b"SET k v\r\nGET k\r\n*1\r\n$4\r\nPING\r\n"[..], &["+OK", r#""v""#, "+PONG", "closed"][..]),
        (b"PING\r\n*2\r\n$3\r\nGET\r\n$1", &["+PONG", "closed"]),
        (b"PING\r\nGET k", &["+PONG", "closed"]),
        (b"", &["closed"]),
    ] {
        let mut client = server.connect().await;
        client.send_bytes(bytes).await;
        client.finish().await;
        for answer in answers {
            assert_eq!(&client.next().await, answer, "{}", bytes.escape_ascii());
        }
    }
    // Who waits and closes has left.
    let (mut waiting, mut other) = (server.connect().await, server.connect().await);
    waiting.send("BLPOP l 0").await;
    until(&mut other, "INFO clients", "blocked_clients:1\r\n").await;
    waiting.finish().await;
    until(&mut other, "INFO clients", "blocked_clients:0\r\n").await;
    assert_eq!(other.ask("RPUSH l x").await, ":1");
    assert_eq!(other.ask("LLEN l").await, ":1");
}

/// Asks until the answer contains what is wanted.
async fn until(client: &mut Client, words: &str, wanted: &str) {
    for _ in 0..500 {
        if client.ask(words).await.contains(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{words} never says {wanted}");
}

#[tokio::test]
async fn a_request_beyond_the_query_buffer_ends_the_connection() {
    let server = Subject::start().await;
    let mut admin = server.connect().await;
    assert_eq!(admin.ask("CONFIG SET client-query-buffer-limit 1mb").await, "+OK");
    let mut client = server.connect().await;
    let request = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3000000\r\n{}\r\n", "x".repeat(3_000_000));
    client.send_bytes(request.as_bytes()).await;
    assert_eq!(client.next().await, "closed");
    let mut client = server.connect().await;
    let request = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000\r\n{}\r\n", "x".repeat(500_000));
    client.send_bytes(request.as_bytes()).await;
    assert_eq!(client.next().await, "+OK");
    assert_eq!(admin.ask("STRLEN k").await, ":500000");
    assert_eq!(admin.ask("CONFIG SET client-query-buffer-limit 1gb").await, "+OK");
}

/// A number behind `name=` on each line of CLIENT LIST.
fn column(list: &str, name: &str) -> Vec<u64> {
    let fields = list.split([' ', '\n']).filter_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    fields.map(|number| number.parse().expect("a number")).collect()
}

#[tokio::test]
async fn readers_that_never_read_cost_no_more_than_their_limit() {
    const LIMIT: u64 = 256 * 1024;
    let server = Subject::start().await;
    let mut publisher = server.connect().await;
    let limits = format!("pubsub {LIMIT} 0 0");
    assert_eq!(publisher.ask_words(&["CONFIG", "SET", "client-output-buffer-limit", &limits]).await, "+OK");
    let mut readers = Vec::new();
    for _ in 0..10 {
        let mut reader = server.connect().await;
        reader.ask("SUBSCRIBE news").await;
        readers.push(reader);
    }
    let news = "x".repeat(20_000);
    let mut rounds = 0;
    while publisher.ask(&format!("PUBLISH news {news}")).await != ":0" {
        let list = publisher.ask("CLIENT LIST TYPE pubsub").await;
        let waiting = column(&list, "omem");
        assert!(waiting.iter().all(|bytes| *bytes <= LIMIT + 20_000), "{waiting:?}");
        rounds += 1;
        assert!(rounds < 2000, "the sockets take only so much");
    }
    until(&mut publisher, "INFO clients", "connected_clients:1\r\n").await;
    // They hear what reached their sockets, and then that it is over.
    for mut reader in readers {
        loop {
            let message = reader.next().await;
            if message == "closed" {
                break;
            }
            assert!(message.starts_with(r#"["message", "news", "x"#), "{:.100}", message);
        }
    }
}

#[tokio::test]
async fn wrong_arguments_and_types_are_refused_by_every_family() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    for words in ["SET text x", "RPUSH list x", "SADD set x", "HSET hash f v", "ZADD zset 1 x", "XADD stream 1 f v"] {
        assert!(!client.ask(words).await.starts_with('-'), "{words}");
    }
    for words in [
        "GET",
        "SET k",
        "MSET a",
        "MSET a b c",
        "INCRBY k",
        "APPEND k",
        "SETRANGE k 0",
        "GETEX",
        "LPUSH k",
        "LRANGE k 0",
        "LINSERT k BEFORE x",
        "BLPOP k",
        "LMPOP 1 k",
        "SADD k",
        "SMOVE a b",
        "SPOP",
        "HSET k f",
        "HSET k f v g",
        "HGET k",
        "HINCRBY k f",
        "ZADD k 1",
        "ZRANGE k 0",
        "ZINCRBY k 1",
        "ZPOPMIN",
        "XADD k *",
        "XADD k * f",
        "XREAD STREAMS",
        "XACK k g",
        "GEOADD k 1 2",
        "GEODIST k a",
        "PFADD",
        "PFCOUNT",
        "SETBIT k 1",
        "BITCOUNT",
        "BITOP AND d",
        "DEL",
        "EXPIRE k",
        "RENAME k",
        "SORT",
        "SCAN",
        "TYPE",
        "OBJECT ENCODING",
        "PUBLISH c",
        "SUBSCRIBE",
        "MULTI x",
        "WATCH",
        "CONFIG GET",
        "CLIENT KILL",
        "SELECT",
        "ECHO",
        "ACL SETUSER",
        "MEMORY USAGE",
        "SWAPDB 1",
        "XGROUP CREATE k g",
    ] {
        let mut name: Vec<String> = words.split(' ').map(str::to_lowercase).collect();
        let has_subcommands = ["object", "config", "client", "acl", "memory", "xgroup"].contains(&name[0].as_str());
        name.truncate(if has_subcommands { 2 } else { 1 });
        let wanted = format!("-ERR wrong number of arguments for '{}' command", name.join("|"));
        assert_eq!(client.ask(words).await, wanted, "{words}");
    }
    for words in [
        "GET list",
        "APPEND set x",
        "INCR hash",
        "GETRANGE zset 0 1",
        "STRLEN stream",
        "SETBIT list 0 1",
        "BITCOUNT set",
        "BITFIELD hash GET u8 0",
        "LPUSH text x",
        "LPOP set",
        "LRANGE hash 0 1",
        "LLEN zset",
        "BLPOP text 1",
        "LMOVE list text LEFT LEFT",
        "SADD text x",
        "SPOP list",
        "SINTER set list",
        "SMOVE set text x",
        "SCARD hash",
        "HSET text f v",
        "HGETALL list",
        "HINCRBY set f 1",
        "HSCAN zset 0",
        "ZADD text 1 x",
        "ZSCORE list x",
        "ZUNION 2 zset list",
        "ZRANGESTORE d text 0 1",
        "BZPOPMIN text 1",
        "XADD text * f v",
        "XLEN list",
        "XREAD STREAMS set 0",
        "XGROUP CREATE text g 0",
        "GEOADD text 1 2 m",
        "GEOPOS list m",
        "PFADD list x",
        "SORT hash",
        "SETRANGE list 0 x",
        "GETDEL list",
        "GETEX set",
        "SUBSTR zset 0 1",
    ] {
        let wanted = "-WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(client.ask(words).await, wanted, "{words}");
    }
    for (words, reply) in [
        ("PFCOUNT text", "-WRONGTYPE Key is not a valid HyperLogLog string value."),
        ("INCR text", "-ERR value is not an integer or out of range"),
        ("INCRBYFLOAT text 1", "-ERR value is not a valid float"),
        ("HINCRBY hash f 1", "-ERR hash value is not an integer"),
        ("ZADD zset nan x", "-ERR value is not a valid float"),
        ("ZADD zset 1 a x b", "-ERR value is not a valid float"),
        ("ZRANGEBYSCORE zset x y", "-ERR min or max is not a float"),
        ("ZRANGEBYLEX zset x y", "-ERR min or max not valid string range item"),
        ("GEOADD geo 181 0 m", "-ERR invalid longitude,latitude pair 181.000000,0.000000"),
        ("SETBIT text 0 2", "-ERR bit is not an integer or out of range"),
        (
            "BITFIELD text GET u64 0",
            "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        ),
        ("LINDEX list x", "-ERR value is not an integer or out of range"),
        ("LSET list 9 x", "-ERR index out of range"),
        ("LPOP list -1", "-ERR value is out of range, must be positive"),
        ("SPOP set -1", "-ERR value is out of range, must be positive"),
        ("SET text x EX 0", "-ERR invalid expire time in 'set' command"),
        ("SET text x PX x", "-ERR value is not an integer or out of range"),
        ("SET text x NX XX", "-ERR syntax error"),
        ("EXPIRE text x", "-ERR value is not an integer or out of range"),
        ("RENAME none x", "-ERR no such key"),
        ("SCAN x", "-ERR invalid cursor"),
        (
            "OBJECT FREQ text",
            concat!(
                "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching ",
                "between policies at runtime LRU and LFU data will take some time to adjust.",
            ),
        ),
    ] {
        assert_eq!(client.ask(words).await, reply, "{words}");
    }
}
