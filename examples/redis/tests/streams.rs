//! Streams: entries, groups and what is pending in them, and readers that wait.

mod raw;

use std::time::Duration;

use raw::{Client, Subject};

async fn ask_all(client: &mut Client, talk: &[(&str, &str)]) {
    for (words, reply) in talk {
        assert_eq!(&client.ask(words).await, reply, "{words}");
    }
}

/// Waits until so many clients wait.
async fn until_blocked(client: &mut Client, count: usize) {
    let wanted = format!("blocked_clients:{count}\r\n");
    for _ in 0..500 {
        if client.ask("INFO clients").await.contains(&wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not {count} clients wait");
}

#[tokio::test]
async fn entries_come_back_in_order_and_identifiers_only_rise() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let talk = [
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 1-* b 2 b 3", r#""1-2""#),
        ("XADD s 5 c 4", r#""5-0""#),
        ("XADD s 5-* c 5", r#""5-1""#),
        ("XADD s 5-1 c 6", "-ERR The ID specified in XADD is equal or smaller than the target stream top item"),
        ("XADD s 4-* c 6", "-ERR The ID specified in XADD is equal or smaller than the target stream top item"),
        ("XADD s 0-0 c 6", "-ERR The ID specified in XADD must be greater than 0-0"),
        ("XADD s 6-1 c", "-ERR wrong number of arguments for 'xadd' command"),
        ("XADD s 6-1 c 1 d", "-ERR wrong number of arguments for 'xadd' command"),
        ("XADD s x c 1", "-ERR Invalid stream ID specified as stream command argument"),
        ("XADD s - c 1", "-ERR Invalid stream ID specified as stream command argument"),
        ("XADD new NOMKSTREAM * a b", "nil"),
        ("EXISTS new", ":0"),
        ("XADD new 0-* a b", r#""0-1""#),
        ("XLEN s", ":4"),
        ("XLEN none", ":0"),
        (
            "XRANGE s - +",
            r#"[["1-1", ["a", "1"]], ["1-2", ["b", "2", "b", "3"]], ["5-0", ["c", "4"]], ["5-1", ["c", "5"]]]"#,
        ),
        ("XRANGE s 1 1", r#"[["1-1", ["a", "1"]], ["1-2", ["b", "2", "b", "3"]]]"#),
        ("XRANGE s (1-1 (5-1 COUNT 1", r#"[["1-2", ["b", "2", "b", "3"]]]"#),
        ("XRANGE s - + COUNT 9 COUNT 1", r#"[["1-1", ["a", "1"]]]"#),
        ("XREVRANGE s + (5-0", r#"[["5-1", ["c", "5"]]]"#),
        ("XREVRANGE s 5-0 2", r#"[["5-0", ["c", "4"]]]"#),
        ("XRANGE s 3 2", "[]"),
        ("XRANGE s - + COUNT 0", "nil"),
        ("XRANGE none - + COUNT 0", "[]"),
        ("XRANGE s - + COUNT", "-ERR syntax error"),
        ("XRANGE s x +", "-ERR Invalid stream ID specified as stream command argument"),
        ("XRANGE s (18446744073709551615-18446744073709551615 +", "-ERR invalid start ID for the interval"),
        ("XRANGE s - (0-0", "-ERR invalid end ID for the interval"),
        ("XDEL s 1-1 1-1 7-7", ":1"),
        ("XDEL s x", "-ERR Invalid stream ID specified as stream command argument"),
        ("XDEL none x", ":0"),
        ("XSETID s 3-3", "-ERR The ID specified in XSETID is smaller than the target stream top item"),
        (
            "XSETID s 9-9 ENTRIESADDED 2",
            "-ERR The entries_added specified in XSETID is smaller than the target stream length",
        ),
        (
            "XSETID s 9-9 MAXDELETEDID 9-10",
            "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        ),
        ("XSETID s 9-9 ENTRIESADDED 50 MAXDELETEDID 2-2", "+OK"),
        ("XSETID none 1-1", "-ERR no such key"),
        ("XADD s 9-* a b", r#""9-10""#),
        ("TYPE s", "+stream"),
        ("SET text x", "+OK"),
        ("XADD text * a b", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("XLEN text", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("XADD top 18446744073709551615-18446744073709551615 a b", r#""18446744073709551615-18446744073709551615""#),
        ("XADD top * a b", "-ERR The stream has exhausted the last possible ID, unable to add more items"),
    ];
    ask_all(&mut client, &talk).await;
}

#[tokio::test]
async fn a_stream_is_trimmed_exactly_or_by_whole_nodes() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    for ms in 1..=250 {
        client.ask(&format!("XADD s {ms} f v")).await;
    }
    let talk = [
        ("XTRIM s MAXLEN ~ 240", ":0"),
        ("XTRIM s MAXLEN ~ 100", ":100"),
        ("XTRIM s MAXLEN ~ 0 LIMIT 50", ":0"),
        ("XTRIM s MINID = 111", ":10"),
        ("XTRIM s MAXLEN 120", ":20"),
        ("XADD s MAXLEN = 5 251 f v", r#""251-0""#),
        ("XLEN s", ":5"),
        ("XADD s MINID 250 * f v LIMIT", "-ERR wrong number of arguments for 'xadd' command"),
        ("XTRIM s", "-ERR wrong number of arguments for 'xtrim' command"),
        ("XTRIM s LIMIT 3", "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
        ("XTRIM s LIMIT 0", "-ERR syntax error, XTRIM must be called with a trimming strategy"),
        ("XTRIM s MAXLEN 3 LIMIT 3", "-ERR syntax error, LIMIT cannot be used without the special ~ option"),
        ("XTRIM s MAXLEN 3 MINID 3", "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible"),
        ("XTRIM s MAXLEN -1", "-ERR The MAXLEN argument must be >= 0."),
        ("XTRIM s MAXLEN ~ 1 LIMIT -1", "-ERR The LIMIT argument must be >= 0."),
        ("XTRIM s MAXLEN x", "-ERR value is not an integer or out of range"),
        ("XTRIM none MAXLEN 1", ":0"),
        ("XTRIM s MAXLEN 0", ":5"),
        ("XLEN s", ":0"),
        ("EXISTS s", ":1"),
    ];
    ask_all(&mut client, &talk).await;
}

#[tokio::test]
async fn a_group_hands_out_each_entry_once_until_it_is_acknowledged() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let talk = [
        (
            "XGROUP CREATE s g $",
            "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
             option to create an empty stream automatically.",
        ),
        ("XGROUP CREATE s g $ MKSTREAM", "+OK"),
        ("XGROUP CREATE s g $", "-BUSYGROUP Consumer Group name already exists"),
        ("XREADGROUP GROUP g ann STREAMS s >", "nil"),
        ("XINFO CONSUMERS s g", "[]"),
        ("XADD s 1 f a", r#""1-0""#),
        ("XADD s 2 f b", r#""2-0""#),
        ("XADD s 3 f c", r#""3-0""#),
        ("XREADGROUP GROUP g ann COUNT 1 STREAMS s >", r#"[["s", [["1-0", ["f", "a"]]]]]"#),
        ("XREADGROUP GROUP g bob STREAMS s >", r#"[["s", [["2-0", ["f", "b"]], ["3-0", ["f", "c"]]]]]"#),
        ("XREADGROUP GROUP g bob STREAMS s >", "nil"),
        ("XREADGROUP GROUP g ann STREAMS s 0", r#"[["s", [["1-0", ["f", "a"]]]]]"#),
        ("XREADGROUP GROUP g eve STREAMS s 0", r#"[["s", []]]"#),
        ("XPENDING s g", r#"[:3, "1-0", "3-0", [["ann", "1"], ["bob", "2"]]]"#),
        ("XPENDING s g - + 10 eve", "[]"),
        ("XPENDING s g - +", "-ERR syntax error"),
        ("XPENDING s g IDLE 0 - +", "-ERR syntax error"),
        ("XPENDING s g - + x", "-ERR value is not an integer or out of range"),
        ("XPENDING s nobody", "-NOGROUP No such key 's' or consumer group 'nobody'"),
        ("XACK s g 1-0 1-0 9-9", ":1"),
        ("XACK s nobody 1-0", ":0"),
        ("XACK s g x", "-ERR Invalid stream ID specified as stream command argument"),
        // Of a deleted entry only the identifier is left, until it is claimed.
        ("XDEL s 2-0", ":1"),
        ("XREADGROUP GROUP g bob STREAMS s 0", r#"[["s", [["2-0", nil], ["3-0", ["f", "c"]]]]]"#),
        ("XCLAIM s g ann 100000 2-0 3-0", "[]"),
        ("XCLAIM s g ann 0 3-0", r#"[["3-0", ["f", "c"]]]"#),
        ("XPENDING s g", r#"[:1, "3-0", "3-0", [["ann", "1"]]]"#),
        ("XCLAIM s g bob 0 1-0", "[]"),
        ("XCLAIM s g bob 0 1-0 FORCE JUSTID", r#"["1-0"]"#),
        ("XCLAIM s g bob 0 1-0 RETRYCOUNT x", "-ERR Invalid RETRYCOUNT option argument for XCLAIM"),
        ("XCLAIM s g bob 0 1-0 WHAT", "-ERR Unrecognized XCLAIM option 'WHAT'"),
        ("XCLAIM s g bob x 1-0", "-ERR Invalid min-idle-time argument for XCLAIM"),
        ("XAUTOCLAIM s g eve 0 - COUNT 1", r#"["3-0", [["1-0", ["f", "a"]]], []]"#),
        ("XDEL s 3-0", ":1"),
        ("XAUTOCLAIM s g eve 0 2 JUSTID", r#"["0-0", [], ["3-0"]]"#),
        ("XAUTOCLAIM s g eve 0 0 COUNT 0", "-ERR COUNT must be > 0"),
        ("XAUTOCLAIM s nobody eve 0 0", "-NOGROUP No such key 's' or consumer group 'nobody'"),
        ("XREADGROUP GROUP g ann NOACK STREAMS s >", "nil"),
        ("XADD s 4 f d", r#""4-0""#),
        ("XREADGROUP GROUP g ann NOACK STREAMS s >", r#"[["s", [["4-0", ["f", "d"]]]]]"#),
        ("XPENDING s g", r#"[:1, "1-0", "1-0", [["eve", "1"]]]"#),
        ("XGROUP DELCONSUMER s g eve", ":1"),
        ("XGROUP DELCONSUMER s g eve", ":0"),
        ("XPENDING s g", "[:0, nil, nil, nil]"),
        ("XGROUP CREATECONSUMER s g eve", ":1"),
        ("XGROUP CREATECONSUMER s g eve", ":0"),
        ("XGROUP SETID s g 0 ENTRIESREAD -2", "-ERR value for ENTRIESREAD must be positive or -1"),
        ("XGROUP SETID s nobody 0", "-NOGROUP No such consumer group 'nobody' for key name 's'"),
        ("XGROUP SETID s g -", "+OK"),
        (
            "XREADGROUP GROUP g ann COUNT 1 STREAMS s s > >",
            r#"[["s", [["1-0", ["f", "a"]]]], ["s", [["4-0", ["f", "d"]]]]]"#,
        ),
        (
            "XREADGROUP GROUP g ann STREAMS s $",
            concat!(
                "-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by ",
                "specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
            ),
        ),
        (
            "XREADGROUP GROUP nobody ann STREAMS s >",
            "-NOGROUP No such key 's' or consumer group 'nobody' in XREADGROUP with GROUP option",
        ),
        ("XREADGROUP COUNT 1 COUNT 1 STREAMS s >", "-ERR Missing GROUP option for XREADGROUP"),
        (
            "XREAD STREAMS s >",
            "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        (
            "XREAD STREAMS a b 0",
            "-ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
        ),
        ("XREAD COUNT 1", "-ERR wrong number of arguments for 'xread' command"),
        ("XREAD NOACK STREAMS s 0", "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."),
        ("XGROUP DESTROY s g", ":1"),
        ("XGROUP DESTROY s g", ":0"),
    ];
    ask_all(&mut client, &talk).await;
}

#[tokio::test]
async fn information_has_the_shapes_of_the_protocol_in_use() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let talk = [
        ("XADD s 1 f a", r#""1-0""#),
        ("XADD s 2 f b", r#""2-0""#),
        ("XGROUP CREATE s g 0", "+OK"),
        (
            "XINFO GROUPS s",
            r#"[["name", "g", "consumers", :0, "pending", :0, "last-delivered-id", "0-0", "entries-read", nil, "lag", :2]]"#,
        ),
        ("XREADGROUP GROUP g ann COUNT 1 STREAMS s >", r#"[["s", [["1-0", ["f", "a"]]]]]"#),
        (
            "XINFO STREAM s",
            concat!(
                r#"["length", :2, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "2-0", "#,
                r#""max-deleted-entry-id", "0-0", "entries-added", :2, "recorded-first-entry-id", "1-0", "groups", :1, "#,
                r#""first-entry", ["1-0", ["f", "a"]], "last-entry", ["2-0", ["f", "b"]]]"#,
            ),
        ),
        ("XINFO STREAM none", "-ERR no such key"),
        ("XINFO STREAM none FOO", "-ERR no such key"),
        ("XINFO STREAM s FOO", "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."),
        ("XINFO CONSUMERS s nobody", "-NOGROUP No such consumer group 'nobody' for key name 's'"),
    ];
    ask_all(&mut client, &talk).await;
    client.hello3().await;
    let talk = [
        ("XREAD STREAMS s none 1 0", r#"%["s", [["2-0", ["f", "b"]]]]"#),
        ("XREAD STREAMS s 9", "nil"),
        ("XREADGROUP GROUP g ann STREAMS s 0", r#"%["s", [["1-0", ["f", "a"]]]]"#),
        (
            "XINFO GROUPS s",
            r#"[%["name", "g", "consumers", :1, "pending", :1, "last-delivered-id", "1-0", "entries-read", :1, "lag", :1]]"#,
        ),
        ("XRANGE s 2 2", r#"[["2-0", ["f", "b"]]]"#),
    ];
    ask_all(&mut client, &talk).await;
    let full = client.ask("XINFO STREAM s FULL COUNT 1").await;
    let groups = full.strip_prefix(concat!(
        r#"%["length", :2, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "2-0", "#,
        r#""max-deleted-entry-id", "0-0", "entries-added", :2, "recorded-first-entry-id", "1-0", "#,
        r#""entries", [["1-0", ["f", "a"]]], "groups", [%["name", "g", "last-delivered-id", "1-0", "entries-read", :1, "#,
        r#""lag", :1, "pel-count", :1, "pending", [["1-0", "ann", :"#,
    ));
    assert!(groups.is_some_and(|rest| rest.contains(r#""consumers", [%["name", "ann", "seen-time", :"#)), "{full}");
}

#[tokio::test]
async fn a_reader_that_waits_gets_what_comes_after_its_identifier() {
    let server = Subject::start().await;
    let (mut reader, mut writer) = (server.connect().await, server.connect().await);
    assert_eq!(writer.ask("XADD s 1 f old").await, r#""1-0""#);
    reader.send("XREAD BLOCK 0 STREAMS s other $ $").await;
    until_blocked(&mut writer, 1).await;
    // Neither another type, nor its removal, nor an empty stream is what it waits for.
    for words in ["LPUSH other x", "DEL other", "XDEL s 1-0", "XGROUP CREATE other g $ MKSTREAM"] {
        writer.ask(words).await;
    }
    assert!(reader.is_silent().await);
    writer.ask("XADD s 2 f new").await;
    assert_eq!(reader.next().await, r#"[["s", [["2-0", ["f", "new"]]]]]"#);

    // One answer, from the stream that changed first, with all that a transaction added to it.
    reader.send("XREAD BLOCK 0 STREAMS s other 2 0").await;
    until_blocked(&mut writer, 1).await;
    for words in ["MULTI", "XADD other 7 f v", "XADD other 8 f v", "XADD s 9 f v", "EXEC"] {
        writer.ask(words).await;
    }
    assert_eq!(reader.next().await, r#"[["other", [["7-0", ["f", "v"]], ["8-0", ["f", "v"]]]]]"#);

    // What was added and dropped at once leaves an answer with nothing in it.
    reader.hello3().await;
    reader.send("XREAD BLOCK 0 STREAMS s $").await;
    until_blocked(&mut writer, 1).await;
    writer.ask("XADD s MAXLEN 0 10 f v").await;
    assert_eq!(reader.next().await, r#"%["s", []]"#);

    // Time may run out, and a transaction doesn't wait at all.
    assert_eq!(reader.ask("XREAD BLOCK 1 STREAMS s $").await, "nil");
    assert_eq!(reader.ask("MULTI").await, "+OK");
    assert_eq!(reader.ask("XREAD BLOCK 0 STREAMS s $").await, "+QUEUED");
    assert_eq!(reader.ask("EXEC").await, "[nil]");
    assert_eq!(reader.ask("XREAD BLOCK -1 STREAMS s $").await, "-ERR timeout is negative");
    assert_eq!(reader.ask("XREAD BLOCK x STREAMS s $").await, "-ERR timeout is not an integer or out of range");
}

#[tokio::test]
async fn consumers_that_wait_are_served_in_turn() {
    let server = Subject::start().await;
    let mut writer = server.connect().await;
    writer.ask("XGROUP CREATE s g $ MKSTREAM").await;
    let mut consumers = Vec::new();
    for name in ["ann", "bob"] {
        let mut consumer = server.connect().await;
        consumer.send(&format!("XREADGROUP GROUP g {name} COUNT 2 BLOCK 0 STREAMS s >")).await;
        consumers.push(consumer);
        until_blocked(&mut writer, consumers.len()).await;
    }
    assert_eq!(writer.ask("XINFO CONSUMERS s g").await, "[]");
    for words in ["MULTI", "XADD s 1 f a", "XADD s 2 f b", "XADD s 3 f c", "EXEC"] {
        writer.ask(words).await;
    }
    assert_eq!(consumers[0].next().await, r#"[["s", [["1-0", ["f", "a"]], ["2-0", ["f", "b"]]]]]"#);
    assert_eq!(consumers[1].next().await, r#"[["s", [["3-0", ["f", "c"]]]]]"#);
    assert_eq!(writer.ask("XPENDING s g").await, r#"[:3, "1-0", "3-0", [["ann", "2"], ["bob", "1"]]]"#);
    // History is answered at once, however long one would wait.
    assert_eq!(
        consumers[1].ask("XREADGROUP GROUP g bob BLOCK 0 STREAMS s 0").await,
        r#"[["s", [["3-0", ["f", "c"]]]]]"#
    );
}

#[tokio::test]
async fn a_consumer_does_not_wait_for_what_is_gone() {
    let server = Subject::start().await;
    let (mut consumer, mut writer) = (server.connect().await, server.connect().await);
    let group_gone = "-NOGROUP the consumer group this client was blocked on no longer exists";
    let key_gone = "-UNBLOCKED the stream key no longer exists";
    for (words, answer) in [
        ("XGROUP DESTROY s g", group_gone),
        ("DEL s", key_gone),
        ("SET s text", key_gone),
        ("RENAME s elsewhere", key_gone),
        ("PEXPIRE s 1", key_gone),
        ("FLUSHDB", key_gone),
        ("SWAPDB 0 1", key_gone),
    ] {
        writer.ask("FLUSHALL").await;
        assert_eq!(writer.ask("XGROUP CREATE s g $ MKSTREAM").await, "+OK");
        consumer.send("XREADGROUP GROUP g ann BLOCK 0 STREAMS s >").await;
        until_blocked(&mut writer, 1).await;
        writer.ask(words).await;
        assert_eq!(consumer.next().await, answer, "{words}");
    }
    // A reader without a group goes on waiting.
    writer.ask("FLUSHALL").await;
    consumer.send("XREAD BLOCK 0 STREAMS s $").await;
    until_blocked(&mut writer, 1).await;
    for words in ["XADD s 5 f v", "DEL s", "SET s x", "FLUSHALL", "XADD s 6 f v"] {
        writer.ask(words).await;
    }
    assert_eq!(consumer.next().await, r#"[["s", [["5-0", ["f", "v"]]]]]"#);
}

#[tokio::test]
async fn events_tell_what_happened_to_a_stream_and_its_groups() {
    let server = Subject::start().await;
    let (mut listener, mut client) = (server.connect().await, server.connect().await);
    client.ask("CONFIG SET notify-keyspace-events KEt").await;
    listener.ask("PSUBSCRIBE __keyevent*").await;
    let talk: &[(&str, &[&str])] = &[
        ("XADD s 1 f v", &["xadd"]),
        ("XADD s MAXLEN 1 2 f v", &["xadd", "xtrim"]),
        ("XGROUP CREATE s g 0", &["xgroup-create"]),
        ("XGROUP CREATECONSUMER s g ann", &["xgroup-createconsumer"]),
        ("XREADGROUP GROUP g bob STREAMS s >", &["xgroup-createconsumer"]),
        ("XCLAIM s g eve 0 2-0", &["xgroup-createconsumer"]),
        ("XAUTOCLAIM s g zoe 0 0", &["xgroup-createconsumer"]),
        ("XACK s g 2-0", &[]),
        ("XGROUP DELCONSUMER s g zoe", &["xgroup-delconsumer"]),
        ("XGROUP SETID s g 0", &["xgroup-setid"]),
        ("XGROUP DESTROY s g", &["xgroup-destroy"]),
        ("XSETID s 9", &["xsetid"]),
        ("XDEL s 2-0", &["xdel"]),
        ("XTRIM s MAXLEN 0", &[]),
    ];
    for (words, events) in talk {
        client.ask(words).await;
        for event in *events {
            let wanted = format!(r#"["pmessage", "__keyevent*", "__keyevent@0__:{event}", "s"]"#);
            assert_eq!(listener.next().await, wanted, "{words}");
        }
    }
    client.ask("CONFIG SET notify-keyspace-events ").await;
    assert!(listener.is_silent().await);
}

#[tokio::test]
async fn a_watch_sees_entries_and_not_groups() {
    let server = Subject::start().await;
    let (mut watcher, mut client) = (server.connect().await, server.connect().await);
    client.ask("XADD s 1 f v").await;
    for (words, outcome) in [
        ("XGROUP CREATE s g 0", "[:1]"),
        ("XREADGROUP GROUP g ann STREAMS s >", "[:1]"),
        ("XCLAIM s g bob 0 1-0", "[:1]"),
        ("XACK s g 1-0", "[:1]"),
        ("XGROUP DESTROY s g", "[:1]"),
        ("XADD s 2 f v", "nil"),
        ("XDEL s 2", "nil"),
        ("XTRIM s MAXLEN 9", "[:1]"),
        ("XTRIM s MAXLEN 0", "nil"),
    ] {
        watcher.ask("WATCH s").await;
        client.ask(words).await;
        watcher.ask("MULTI").await;
        watcher.ask("EXISTS s").await;
        assert_eq!(watcher.ask("EXEC").await, outcome, "{words}");
    }
}
