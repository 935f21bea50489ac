//! Connections: their names, replies and protocol, and what they do to each other.

mod raw;

use raw::{Client, Subject};

/// A field of the line that `CLIENT INFO` prints.
async fn field(client: &mut Client, name: &str) -> String {
    let line = client.ask("CLIENT INFO").await;
    let field = line.split(' ').find_map(|field| field.strip_prefix(&format!("{name}=")));
    field.unwrap_or_else(|| panic!("no {name} in {line}")).to_owned()
}

#[tokio::test]
async fn small_talk() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    for (words, reply) in [
        ("PING", "+PONG"),
        ("PING x", r#""x""#),
        ("PING x y", "-ERR wrong number of arguments for 'ping' command"),
        ("ECHO x", r#""x""#),
        ("SELECT 16", "-ERR DB index is out of range"),
        ("SELECT -1", "-ERR DB index is out of range"),
        ("SELECT x", "-ERR value is not an integer or out of range"),
        ("SELECT 99999999999", "-ERR value is out of range, value must between -2147483648 and 2147483647"),
        ("SELECT 3", "+OK"),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO x", "-ERR Protocol version is not an integer or out of range"),
        ("HELLO 2 FOO", "-ERR Syntax error in HELLO option 'FOO'"),
        (
            "AUTH a",
            "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
        ),
        ("AUTH a b", "-WRONGPASS invalid username-password pair or user is disabled."),
        ("AUTH default anything", "+OK"),
        ("AUTH a b c", "-ERR syntax error"),
        ("CLIENT", "-ERR wrong number of arguments for 'client' command"),
        ("CLIENT FOO", "-ERR unknown subcommand 'FOO'. Try CLIENT HELP."),
        ("CLIENT GETNAME", "nil"),
        ("CLIENT SETNAME me", "+OK"),
        ("CLIENT GETNAME", r#""me""#),
        ("CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'"),
        ("CLIENT LIST ID x", "-ERR Invalid client ID"),
        ("CLIENT LIST FOO", "-ERR syntax error"),
        ("CLIENT KILL 1.2.3.4:5", "-ERR No such client"),
        ("CLIENT KILL ID 0", "-ERR client-id should be greater than 0"),
        ("CLIENT KILL ID 1000000", ":0"),
        ("CLIENT KILL USER nobody", "-ERR No such user 'nobody'"),
        ("CLIENT KILL FOO bar", "-ERR syntax error"),
        ("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range"),
        ("CLIENT PAUSE -1", "-ERR timeout is negative"),
        ("CLIENT PAUSE 1 FOO", "-ERR CLIENT PAUSE mode must be WRITE or ALL"),
        ("CLIENT UNBLOCK x", "-ERR value is not an integer or out of range"),
        ("CLIENT UNBLOCK 1000000", ":0"),
        ("CLIENT UNBLOCK 1 FOO", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        ("CLIENT NO-EVICT on", "+OK"),
        ("CLIENT NO-EVICT x", "-ERR syntax error"),
        ("CLIENT REPLY x", "-ERR syntax error"),
        ("QUIT", "+OK"),
    ] {
        assert_eq!(client.ask(words).await, reply, "{words}");
    }
    assert_eq!(client.next().await, "closed");
}

#[tokio::test]
async fn a_line_describes_each_client() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let id = client.id().await;
    let line = client.ask("CLIENT INFO").await;
    let names: Vec<&str> = line.split(' ').map(|field| field.split('=').next().unwrap_or_default()).collect();
    assert_eq!(
        names.join(" "),
        "\"id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem rbs rbp obl oll \
         omem tot-mem events cmd user redir resp"
    );
    for (name, value) in [
        ("flags", "N"),
        ("db", "0"),
        ("multi", "-1"),
        ("qbuf", "26"),
        ("argv-mem", "10"),
        ("events", "r"),
        ("cmd", "client|info"),
        ("user", "default"),
        ("redir", "-1"),
        ("resp", "2\n\""),
    ] {
        assert_eq!(field(&mut client, name).await, value, "{name}");
    }
    client.ask("WATCH x").await;
    client.ask("INCR x").await;
    client.ask("CLIENT TRACKING on bcast").await;
    assert_eq!(field(&mut client, "flags").await, "tBd");
    assert_eq!(field(&mut client, "redir").await, "0");
    let mut other = server.connect().await;
    other.ask("MULTI").await;
    other.ask("PING").await;
    let other_id = 1 + id;
    let line = client.ask(&format!("CLIENT LIST ID {other_id}")).await;
    assert!(line.contains(" flags=x ") && line.contains(" multi=1 "), "{line}");
    let list = client.ask("CLIENT LIST").await;
    assert_eq!(list.lines().filter(|line| line.contains("id=")).count(), 2, "{list}");
    assert_eq!(client.ask("CLIENT LIST TYPE pubsub").await, r#""""#);
}

#[tokio::test]
async fn replies_are_turned_off_and_on() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.send("CLIENT REPLY SKIP").await;
    client.send("PING a").await;
    assert_eq!(client.ask("PING b").await, r#""b""#);
    client.send("CLIENT REPLY SKIP").await;
    client.send("CLIENT REPLY SKIP").await;
    client.send("PING a").await;
    assert_eq!(client.ask("PING b").await, r#""b""#);
    client.send("CLIENT REPLY OFF").await;
    client.send("PING a").await;
    client.send("CLIENT REPLY SKIP").await;
    client.send("PING a").await;
    assert_eq!(client.ask("CLIENT REPLY ON").await, "+OK");
    assert_eq!(client.ask("PING b").await, r#""b""#);
    client.send("CLIENT REPLY OFF").await;
    assert_eq!(client.ask("RESET").await, "+RESET");
}

#[tokio::test]
async fn clients_are_killed_by_what_they_are() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let mut victim = server.connect().await;
    let id = victim.id().await;
    assert_eq!(client.ask(&format!("CLIENT KILL ID {id}")).await, ":1");
    assert_eq!(client.ask(&format!("CLIENT LIST ID {id}")).await, r#""""#);
    assert_eq!(victim.next().await, "closed");

    let mut victim = server.connect().await;
    victim.ask("SUBSCRIBE x").await;
    assert_eq!(client.ask("CLIENT KILL TYPE pubsub").await, ":1");
    assert_eq!(client.ask("PUBLISH x y").await, ":0");
    assert_eq!(victim.next().await, "closed");

    let mut victim = server.connect().await;
    let id = victim.id().await;
    let line = client.ask(&format!("CLIENT LIST ID {id}")).await;
    let addr = line.split(' ').find_map(|field| field.strip_prefix("addr=")).unwrap().to_owned();
    assert_eq!(client.ask(&format!("CLIENT KILL {addr}")).await, "+OK");
    assert_eq!(victim.next().await, "closed");

    let id = client.id().await;
    assert_eq!(client.ask(&format!("CLIENT KILL ID {id}")).await, ":0");
    assert_eq!(client.ask(&format!("CLIENT KILL ID {id} SKIPME no")).await, ":1");
    assert_eq!(client.next().await, "closed");
}

#[tokio::test]
async fn a_waiting_client_is_unblocked() {
    let server = Subject::start().await;
    let (mut client, mut waiter) = (server.connect().await, server.connect().await);
    let id = waiter.id().await;
    for (how, reply) in [("", "nil"), (" TIMEOUT", "nil"), (" ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK")]
    {
        waiter.send("BLPOP list 0").await;
        assert!(waiter.is_silent().await);
        assert_eq!(client.ask(&format!("CLIENT UNBLOCK {id}{how}")).await, ":1");
        assert_eq!(waiter.next().await, reply);
    }
    assert_eq!(client.ask(&format!("CLIENT UNBLOCK {id}")).await, ":0");
    assert_eq!(waiter.ask("PING").await, "+PONG");
    client.ask("RPUSH list a").await;
    assert_eq!(client.ask("LLEN list").await, ":1");
}

#[tokio::test]
async fn a_pause_holds_writes_back() {
    let server = Subject::start().await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    assert_eq!(client.ask("CLIENT PAUSE 60000 WRITE").await, "+OK");
    assert_eq!(other.ask("GET x").await, "nil");
    assert_eq!(other.ask("MULTI").await, "+OK");
    assert_eq!(other.ask("GET x").await, "+QUEUED");
    assert_eq!(other.ask("EXEC").await, "[nil]");
    assert!(other.ask("SET").await.starts_with("-ERR wrong number"));
    other.send("SET x 1").await;
    other.send("INCR x").await;
    assert!(other.is_silent().await);
    assert_eq!(client.ask("CLIENT UNPAUSE").await, "+OK");
    assert_eq!(other.next().await, "+OK");
    assert_eq!(other.next().await, ":2");
    // A pause ends by itself, and each that is held back goes on in its turn.
    assert_eq!(client.ask("CLIENT PAUSE 100").await, "+OK");
    other.send("INCR x").await;
    other.send("INCR x").await;
    assert!(other.is_silent().await);
    assert_eq!(other.next().await, ":3");
    assert_eq!(other.next().await, ":4");
}

#[tokio::test]
async fn hello_tells_who_is_who() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let id = client.id().await;
    let wanted = |head: &str, proto: u8| {
        format!(
            r#"{head}["server", "redis", "version", "7.0.15", "proto", :{proto}, "id", :{id}, "mode", "standalone", "role", "master", "modules", []]"#
        )
    };
    assert_eq!(client.ask("HELLO").await, wanted("", 2));
    assert_eq!(client.ask("HELLO 3 SETNAME me AUTH default x").await, wanted("%", 3));
    assert_eq!(client.ask("HELLO").await, wanted("%", 3));
    assert_eq!(client.ask("CLIENT GETNAME").await, r#""me""#);
    assert_eq!(client.ask("HELLO 2").await, wanted("", 2));
}

#[tokio::test]
async fn reset_forgets_everything() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.hello3().await;
    for words in ["SELECT 3", "CLIENT SETNAME me", "CLIENT TRACKING on", "SUBSCRIBE x", "WATCH k", "MULTI"] {
        client.ask(words).await;
    }
    assert_eq!(client.ask("RESET").await, "+RESET");
    let line = client.ask("CLIENT INFO").await;
    for field in [" name= ", " flags=N ", " db=0 ", " sub=0 ", " multi=-1 ", " redir=-1 ", " resp=2"] {
        assert!(line.contains(field), "{field} in {line}");
    }
}

/// A field of the only line in `lines` that has it.
fn field_of<'a>(lines: &'a str, name: &str) -> &'a str {
    let field = lines.split(' ').find_map(|field| field.trim_start_matches('"').strip_prefix(name));
    field.and_then(|field| field.strip_prefix('=')).unwrap_or_else(|| panic!("no {name} in {lines}"))
}

#[tokio::test]
async fn a_client_shows_the_address_that_it_came_to_and_its_descriptor() {
    let everywhere = std::net::Ipv4Addr::UNSPECIFIED.into();
    let server = xs_redis::Server::builder().bind(everywhere).port(0).start().await.unwrap();
    let mut client = Client::connect(server.port()).await;
    let line = client.ask("CLIENT INFO").await;
    assert_eq!(field_of(&line, "laddr"), format!("127.0.0.1:{}", server.port()));
    assert!(field_of(&line, "fd").parse::<i32>().is_ok_and(|fd| fd > 2), "{line}");
    assert!(field_of(&line, "addr").starts_with("127.0.0.1:"), "{line}");
    assert_eq!(field_of(&line, "flags"), "N");
    let mut other = Client::connect(server.port()).await;
    let line = other.ask(&format!("CLIENT KILL LADDR 127.0.0.1:{}", server.port())).await;
    assert_eq!((line.as_str(), client.next().await.as_str()), (":1", "closed"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_client_of_a_socket_file_has_the_file_for_its_address() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("redis.sock");
    let _server = xs_redis::Server::builder().unix_socket(&path).ephemeral().await.unwrap();
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"CLIENT INFO\r\n").await.unwrap();
    let mut buffer = vec![0; 4096];
    let n = stream.read(&mut buffer).await.unwrap();
    let line = String::from_utf8_lossy(&buffer[..n]).into_owned();
    let end = format!("{}:0", path.display());
    assert_eq!((field_of(&line, "addr"), field_of(&line, "laddr"), field_of(&line, "flags")), (&*end, &*end, "U"));
    assert!(field_of(&line, "fd").parse::<i32>().is_ok_and(|fd| fd > 2), "{line}");
}

/// With one lock there is one order of everything, and each client hears of it in that order: whoever reads what was
/// written behind a message has had the message before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_comes_before_the_reply_that_already_knows_what_came_behind_it() {
    const ROUNDS: i64 = 3000;
    let server = xs_redis::Server::ephemeral().await.unwrap();
    let mut reader = Client::connect(server.port()).await;
    reader.hello3().await;
    assert!(reader.ask("SUBSCRIBE news").await.starts_with(">["));
    let port = server.port();
    let writer = tokio::spawn(async move {
        let mut writer = Client::connect(port).await;
        for n in 1..=ROUNDS {
            writer.send(&format!("PUBLISH news {n}")).await;
            writer.send(&format!("SET told {n}")).await;
            assert_eq!((writer.next().await.as_str(), writer.next().await.as_str()), (":1", "+OK"));
        }
    });
    let (mut heard, mut read) = (0, 0);
    while read < ROUNDS {
        reader.send("GET told").await;
        loop {
            let came = reader.next().await;
            let number = |text: &str| text.trim_matches(|c: char| !c.is_ascii_digit()).parse::<i64>().unwrap_or(0);
            match came.strip_prefix(">[\"message\", \"news\", ") {
                Some(payload) => heard = number(payload),
                None => {
                    read = number(&came);
                    assert!(heard >= read, "told {heard}, but read {read}");
                    break;
                }
            }
        }
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn nobody_who_waits_holds_up_the_end() {
    for by_command in [true, false] {
        let server = xs_redis::Server::ephemeral().await.unwrap();
        let mut waiting = Client::connect(server.port()).await;
        waiting.send("BLPOP list 0").await;
        let mut other = Client::connect(server.port()).await;
        while !other.ask("INFO clients").await.contains("blocked_clients:1") {}
        if by_command {
            other.send("SHUTDOWN NOSAVE").await;
            assert_eq!(waiting.next().await, "closed");
        }
        // Connections have five seconds to end; this takes none of them.
        let ended = tokio::time::timeout(std::time::Duration::from_secs(3), server.shutdown()).await;
        assert!(ended.is_ok(), "by a command: {by_command}");
    }
}
