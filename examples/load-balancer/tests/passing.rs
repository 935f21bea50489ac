//! What becomes of requests and responses on their way (RFC 9110, RFC 9112, RFC 7239).

mod support;

use std::time::Duration;

use support::{Does, Endpoint, field, get, rig, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_head_arrives_without_what_concerned_the_first_hop_and_with_who_asks() {
    let endpoint = Endpoint::start(Does::Echoes).await;
    let rig = rig(&[endpoint.address], "", "");
    let request = "GET /a?b=c HTTP/1.1\r\nHost: a.example:8080\r\nConnection: close, x-secret, host\r\nX-Secret: 1\r\n\
                   Keep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: close\r\nX-Forwarded-For: 6.6.6.6\r\nCookie: a=b\r\n\
                   X-Order: 1\r\nx-order: 2\r\n\r\n";
    let answer = rig.ask(request).await;
    assert_eq!(status(&answer), 200);
    let (_, seen) = answer.split_once("\r\n\r\n").unwrap();
    let expected = "GET /a?b=c HTTP/1.1\r\nHost: a.example:8080\r\nCookie: a=b\r\nX-Order: 1\r\nx-order: 2\r\n\
                    x-forwarded-host: a.example:8080\r\nx-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n\
                    via: 1.1 xs\r\n\r\n";
    assert_eq!(seen, expected);
    // The client's wish concerns its own connection, which the balancer closes, and not the endpoint's.
    assert_eq!(field(&answer, "connection"), Some("close"));
    rig.get("/").await;
    assert_eq!((endpoint.requests(), endpoint.connections()), (2, 1));
}

#[tokio::test]
async fn routes_choose_pools_and_change_heads() {
    let (app, api) = (Endpoint::start(Does::Names).await, Endpoint::start(Does::Echoes).await);
    let routes = "[[listener.route]]\nhost = \"a.example\"\npath = \"/api\"\nmethods = [\"GET\"]\npool = \"api\"\n\
                  set-host = \"api.internal\"\nset-header = { X-Team = \"blue\" }\nremove-header = [\"cookie\"]\n\
                  set-response-header = { X-Served = \"yes\" }\nremove-response-header = [\"content-type\"]\n";
    let pool = format!("[pool.api]\nendpoints = [\"{}\"]\n", api.address);
    let rig = rig(&[app.address], routes, &pool);
    let answer = rig.ask("GET /api/x HTTP/1.1\r\nHost: A.example\r\nCookie: a\r\nx-team: red\r\n\r\n").await;
    assert_eq!(field(&answer, "x-served"), Some("yes"));
    let (_, seen) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        (field(seen, "host"), field(seen, "x-team"), field(seen, "cookie")),
        (Some("api.internal"), Some("blue"), None)
    );
    assert_eq!(field(seen, "x-forwarded-host"), Some("A.example"));
    for other in [
        "GET /apis HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET /api HTTP/1.1\r\nHost: b.example\r\n\r\n",
        "DELETE /api HTTP/1.1\r\nHost: a.example\r\n\r\n",
    ] {
        assert!(rig.ask(other).await.ends_with(&app.address.to_string()), "{other}");
    }
}

#[tokio::test]
async fn bodies_of_every_kind_pass_both_ways() {
    let endpoint = Endpoint::start(Does::Echoes).await;
    let rig = rig(&[endpoint.address], "", "");
    let mut wire = rig.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    assert!(wire.answer(false).await.ends_with("hello"));
    // A client that waits for leave gets it from the endpoint.
    wire.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(wire.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    wire.send("there").await;
    assert!(wire.answer(false).await.ends_with("there"));
    let large = "x".repeat(1 << 20);
    wire.send(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{large}", large.len())).await;
    assert!(wire.answer(false).await.ends_with(&large));
    let stats = rig.balancer.listener_stats("web").unwrap();
    assert_eq!(stats.received.get(), 10 + (1 << 20));
    assert!(stats.sent.get() > 10 + (1 << 20));
    assert_eq!(endpoint.connections(), 1);
}

#[tokio::test]
async fn chunks_and_trailers_pass_and_an_endless_body_is_chunked() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n";
    let endpoint = Endpoint::start(Does::Says(chunked.into())).await;
    let first = rig(&[endpoint.address], "", "");
    let mut wire = first.connect().await;
    wire.send(&get("/")).await;
    let head = wire.until("\r\n\r\n").await;
    assert_eq!(field(&head, "transfer-encoding"), Some("chunked"));
    assert_eq!(wire.until("x-sum: 6\r\n\r\n").await, "3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n");
    let endless = Endpoint::start(Does::Leaves("HTTP/1.1 200 OK\r\n\r\nabc".into())).await;
    let second = rig(&[endless.address], "", "");
    let answer = second.get("/").await;
    assert!(field(&answer, "transfer-encoding").is_some() && answer.ends_with("3\r\nabc\r\n0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn responses_without_bodies_keep_the_connections() {
    for (request, said) in [
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        (&*get("/"), "HTTP/1.1 204 No Content\r\n\r\n"),
        (&*get("/"), "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: \"a\"\r\n\r\n"),
    ] {
        let endpoint = Endpoint::start(Does::Says(said.into())).await;
        let rig = rig(&[endpoint.address], "", "");
        let mut wire = rig.connect().await;
        for _ in 0..3 {
            wire.send(request).await;
            let answer = wire.answer(true).await;
            assert_eq!(status(&answer), status(said));
            assert_eq!(field(&answer, "content-length"), field(said, "content-length"), "{answer}");
        }
        assert_eq!(endpoint.connections(), 1);
    }
}

#[tokio::test]
async fn what_only_proxies_are_asked_is_understood_or_refused() {
    let endpoint = Endpoint::start(Does::Echoes).await;
    let rig = rig(&[endpoint.address], "", "");
    let answer = rig.ask("GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    let (_, seen) = answer.split_once("\r\n\r\n").unwrap();
    assert!(seen.starts_with("GET /x?y HTTP/1.1\r\nHost: a.example\r\n"), "{seen}");
    assert_eq!(status(&rig.ask("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n").await), 501);
    let counted = rig.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n").await;
    assert_eq!(field(counted.split_once("\r\n\r\n").unwrap().1, "max-forwards"), Some("2"));
    let before = endpoint.requests();
    assert_eq!(status(&rig.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").await), 200);
    assert_eq!(status(&rig.ask("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").await), 501);
    assert_eq!(endpoint.requests(), before);
}

#[tokio::test]
async fn a_client_of_http_1_0_need_not_know_whom_it_asks() {
    let endpoint = Endpoint::start(Does::Echoes).await;
    let rig = rig(&[endpoint.address], "forwarded = \"both\"", "");
    let answer = rig.ask("GET /old HTTP/1.0\r\n\r\n").await;
    let (head, seen) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!((status(head), field(head, "connection")), (200, Some("close")));
    assert!(seen.starts_with("GET /old HTTP/1.1\r\n") && seen.contains("\r\nhost: \r\n"), "{seen}");
    assert_eq!(field(seen, "forwarded"), Some("for=127.0.0.1;proto=http"));
    assert_eq!(field(seen, "x-forwarded-host"), None);
}

#[tokio::test]
async fn another_protocol_passes_through_and_hidden_http_does_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let n = stream.read(&mut head).await.unwrap();
        let head = String::from_utf8(head[..n].to_vec()).unwrap();
        let yes =
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-X: y\r\n\r\nfirst";
        stream.write_all(yes).await.unwrap();
        let mut word = [0; 5];
        stream.read_exact(&mut word).await.unwrap();
        stream.write_all(b"third").await.unwrap();
        drop(stream);
        (head, word)
    });
    let rig_one = rig(&[address], "", "");
    let mut wire = rig_one.connect().await;
    wire.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let head = wire.until("\r\n\r\n").await;
    assert_eq!(status(&head), 101);
    assert_eq!((field(&head, "upgrade"), field(&head, "sec-x")), (Some("websocket"), Some("y")));
    assert_eq!(wire.until("first").await, "first");
    wire.send("other").await;
    assert_eq!(wire.until("third").await, "third");
    let (seen, word) = endpoint.await.unwrap();
    assert_eq!(
        (field(&seen, "connection"), field(&seen, "upgrade"), &word),
        (Some("upgrade"), Some("websocket"), b"other")
    );

    let echo = Endpoint::start(Does::Echoes).await;
    let rig = rig(&[echo.address], "", "");
    let answer = rig
        .ask(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                          HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        )
        .await;
    let (_, seen) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!((status(&answer), field(seen, "upgrade"), field(seen, "http2-settings")), (200, None, None));
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let endpoint = Endpoint::start(Does::Names).await;
    let limits = "limits = { rate = \"1/m\", burst = 2, by = \"header:x-key\" }";
    let rig = rig(&[endpoint.address], limits, "");
    let ask = |key: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\n\r\n");
    for expected in [200, 200, 429] {
        let answer = rig.ask(&ask("one")).await;
        assert_eq!(status(&answer), expected);
        if expected == 429 {
            let after: u64 = field(&answer, "retry-after").unwrap().parse().unwrap();
            assert!((50..=60).contains(&after), "{after}");
        }
    }
    assert_eq!(status(&rig.ask(&ask("two")).await), 200);
    assert_eq!(rig.balancer.listener_stats("web").unwrap().limited.get(), 1);
}

#[tokio::test]
async fn a_cookie_brings_a_client_back() {
    let endpoints =
        [Endpoint::start(Does::Names).await, Endpoint::start(Does::Names).await, Endpoint::start(Does::Names).await];
    let addresses = endpoints.each_ref().map(|endpoint| endpoint.address);
    let rig = rig(&addresses, "", "policy = \"round-robin\"\nsticky = { cookie = \"lb\" }");
    let first = rig.get("/").await;
    let set = field(&first, "set-cookie").unwrap();
    let cookie = set.split(';').next().unwrap();
    assert!(cookie.starts_with("lb=") && set.contains("HttpOnly"));
    let (_, name) = first.split_once("\r\n\r\n").unwrap();
    for _ in 0..6 {
        let answer = rig.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: x=y; {cookie}\r\n\r\n")).await;
        assert!(answer.ends_with(name) && field(&answer, "set-cookie").is_none(), "{answer}");
    }
    let lie = rig.ask("GET / HTTP/1.1\r\nHost: a\r\nCookie: lb=0123456789abcdef\r\n\r\n").await;
    assert!(field(&lie, "set-cookie").is_some());
    assert!(endpoints.iter().all(|endpoint| endpoint.requests() > 0 || !endpoint.address.to_string().eq(name)));
}

#[tokio::test]
async fn what_passes_after_an_upgrade_is_counted_and_silence_ends_it() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let large = 3 << 20;
    let endpoint = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while support::find(&head, b"\r\n\r\n").is_none() {
            assert!(stream.read_buf(&mut head).await.unwrap() > 0);
        }
        // What the client has sent early may be in it already.
        let early = head.split_off(support::find(&head, b"\r\n\r\n").unwrap() + 4);
        let yes = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: bytes\r\n\r\nat once";
        stream.write_all(yes).await.unwrap();
        let mut came = early.len();
        let mut piece = vec![0; 1 << 16];
        while came < large + 5 {
            came += stream.read(&mut piece).await.unwrap();
        }
        stream.write_all(&vec![b'y'; large]).await.unwrap();
        // And nothing more, without an end.
        (stream, came)
    });
    let rig = rig(&[address], "timeouts = { upgraded = \"400ms\" }", "");
    let stats = rig.balancer.listener_stats("web").unwrap();
    let mut wire = rig.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: bytes\r\n\r\nearly").await;
    assert_eq!(status(&wire.until("\r\n\r\n").await), 101);
    assert_eq!(wire.until("at once").await, "at once");
    wire.stream.write_all(&vec![b'x'; large]).await.unwrap();
    let mut got = 0;
    let mut piece = vec![0; 1 << 16];
    while got < large {
        let n = wire.stream.read(&mut piece).await.unwrap();
        assert!(n > 0 && piece[..n].iter().all(|&byte| byte == b'y'));
        got += n;
    }
    let (_kept, came) = endpoint.await.unwrap();
    assert_eq!((came, got), (large + 5, large));
    let ended = tokio::time::timeout(Duration::from_secs(5), wire.stream.read(&mut piece)).await.expect("it idles on");
    assert!(ended.is_err(), "it is cut, which is not an end");
    assert_eq!((stats.flow.there(), stats.flow.back()), (large as u64 + 5, large as u64 + 7));
}
