//! Who gets a connection, when, and what the others notice of it.

use xs_net::tls::Clients;

use super::*;

fn alpn(of: &[&str]) -> Vec<Vec<u8>> {
    of.iter().map(|name| name.as_bytes().to_vec()).collect()
}

#[tokio::test]
async fn silent_clients_hold_up_nobody() {
    let authority = Authority::new("ca");
    let certificates = Certificates::new(vec![authority.identity(&["a.test"])]).unwrap();
    let echo = Echo::start(certificates, AcceptorOptions { handshakes: 1, ..AcceptorOptions::default() });
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(echo.raw().await);
    }
    settle().await;
    assert_eq!(echo.acceptor.under_way(), 0);
    let mut stream = soon(echo.connect(&authority.trust(), "a.test")).await.unwrap();
    assert!(soon(says_back(&mut stream)).await);

    echo.clock.advance(Duration::from_secs(10)); // their time is up, and the connection's is not
    let mut byte = [0];
    for mut silent in silent {
        assert_eq!(soon(silent.read(&mut byte)).await.unwrap(), 0);
    }
    assert!(soon(says_back(&mut stream)).await);
}

#[tokio::test]
async fn no_more_handshakes_are_under_way_than_there_are_places() {
    let authority = Authority::new("ca");
    let certificates = Certificates::new(vec![authority.identity(&["a.test"])]).unwrap();
    let options = AcceptorOptions { handshakes: 2, ..AcceptorOptions::default() };
    let echo = Echo::start(certificates, options);
    // A client's first message, which is all that these clients say.
    let first_message = {
        let (ours, mut theirs) = MemoryStream::pair(4096);
        let connector = echo.connector(authority.trust());
        let task = tokio::spawn(async move { connector.connect("a.test", ours).await.map(drop) });
        let mut bytes = vec![0; 4096];
        let len = theirs.read(&mut bytes).await.unwrap();
        task.abort();
        bytes.truncate(len);
        bytes
    };
    let mut stalled = Vec::new();
    for _ in 0..5 {
        let mut stream = echo.raw().await;
        stream.write_all(&first_message).await.unwrap();
        stalled.push(stream);
    }
    settle().await;
    assert_eq!(echo.acceptor.under_way(), 2);

    echo.clock.advance(Duration::from_secs(5));
    let (connector, raw) = (echo.connector(authority.trust()), echo.raw().await);
    let waiting = tokio::spawn(async move { connector.connect("a.test", raw).await.map(drop) });
    settle().await;
    assert!(!waiting.is_finished());
    echo.clock.advance(Duration::from_secs(5)); // the five that stopped half-way have had their time
    soon(waiting).await.unwrap().unwrap();
    settle().await;
    assert_eq!(echo.acceptor.under_way(), 0);
}

#[tokio::test]
async fn what_is_no_tls_is_refused_and_harms_nobody() {
    let authority = Authority::new("ca");
    let certificates = Certificates::new(vec![authority.identity(&["a.test"])]).unwrap();
    let echo = Echo::start(certificates, AcceptorOptions::default());
    let mut plain = echo.raw().await;
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    soon(plain.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer.first(), Some(&21), "an alert, and the end");

    let (ours, theirs) = MemoryStream::pair(100);
    drop(theirs);
    assert!(matches!(soon(echo.acceptor.accept(ours)).await, Err(HandshakeError::Closed)));
    assert!(echo.connect(&authority.trust(), "a.test").await.is_ok());
}

#[tokio::test]
async fn a_server_that_ends_waits_for_no_handshake() {
    let authority = Authority::new("ca");
    let certificates = Certificates::new(vec![authority.identity(&["a.test"])]).unwrap();
    let echo = Echo::start(certificates, AcceptorOptions::default());
    let (_silent, mut stream) = (echo.raw().await, echo.connect(&authority.trust(), "a.test").await.unwrap());
    assert!(says_back(&mut stream).await);
    echo.stop.send(()).unwrap();
    settle().await;
    stream.shutdown().await.unwrap();
    // In virtual time that stands still, so nothing can have been cut for being late.
    assert_eq!(soon(echo.server).await.unwrap().unwrap(), Drained { aborted: 0 });
}

#[tokio::test]
async fn the_protocol_is_agreed_on_by_the_servers_preference() {
    let authority = Authority::new("ca");
    let certificates = Certificates::new(vec![authority.identity(&["a.test"])]).unwrap();
    let options = AcceptorOptions { alpn: alpn(&["better", "good"]), ..AcceptorOptions::default() };
    let echo = Echo::start(certificates, options);
    for (offered, agreed) in [(&["good", "better"][..], Some("better")), (&["good"], Some("good")), (&[], None)] {
        let options = ConnectorOptions { alpn: alpn(offered), ..ConnectorOptions::default() };
        let connector = Connector::new(authority.trust(), options, &echo.timer).unwrap();
        let stream = connector.connect("a.test", echo.raw().await).await.unwrap();
        assert_eq!(stream.alpn(), agreed.map(str::as_bytes));
    }
    let options = ConnectorOptions { alpn: alpn(&["other"]), ..ConnectorOptions::default() };
    let connector = Connector::new(authority.trust(), options, &echo.timer).unwrap();
    let refused = connector.connect("a.test", echo.raw().await).await;
    assert!(matches!(refused, Err(HandshakeError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_server_is_believed_for_its_name_its_signature_and_its_time() {
    let (authority, other) = (Authority::new("ca"), Authority::new("another"));
    let (chain, key) = authority.sign_until(&["a.test", "127.0.0.1"], 2100);
    let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let echo = Echo::start(Certificates::new(vec![identity]).unwrap(), AcceptorOptions::default());
    let refused = |outcome: Result<_, HandshakeError>| matches!(outcome, Err(HandshakeError::Refused(_)));

    assert!(echo.connect(&authority.trust(), "a.test").await.is_ok());
    assert!(echo.connect(&authority.trust(), "127.0.0.1").await.is_ok());
    assert!(refused(echo.connect(&authority.trust(), "b.test").await));
    assert!(refused(echo.connect(&other.trust(), "a.test").await));
    assert!(echo.connect(&Trust::Anyone, "b.test").await.is_ok());
    assert!(matches!(echo.connect(&Trust::Anyone, "no name").await, Err(HandshakeError::Name(_))));

    let years = |years: u64| Duration::from_secs(years * 366 * 24 * 3600);
    echo.clock.set_wall(std::time::UNIX_EPOCH + years(140));
    assert!(refused(echo.connect(&authority.trust(), "a.test").await), "it has run out");
    assert!(echo.connect(&Trust::Anyone, "a.test").await.is_ok());
}

#[tokio::test]
async fn a_client_shows_who_it_is_where_it_is_asked() {
    let (authority, other) = (Authority::new("ca"), Authority::new("another"));
    let server = || Certificates::new(vec![authority.identity(&["a.test"])]).unwrap();
    for (clients, nobody_may) in [
        (Clients::OnlyKnown(authority.authorities()), false),
        (Clients::Known(authority.authorities()), true),
        (Clients::Anyone, true),
    ] {
        let asked = !matches!(clients, Clients::Anyone);
        let echo = Echo::start(server(), AcceptorOptions { clients, ..AcceptorOptions::default() });
        for (identity, may) in [
            (None, nobody_may),
            (Some(authority.identity(&["client"])), true),
            (Some(other.identity(&["client"])), !asked),
        ] {
            let options = ConnectorOptions { identity, ..ConnectorOptions::default() };
            let connector = Connector::new(authority.trust(), options, &echo.timer).unwrap();
            // With TLS 1.3 a client is done before the server has seen who it is.
            let welcome = match connector.connect("a.test", echo.raw().await).await {
                Ok(mut stream) => {
                    let _ = stream.write_all(b"word").await;
                    stream.read_exact(&mut [0; 4]).await.is_ok()
                }
                Err(_) => false,
            };
            assert_eq!(welcome, may);
        }
    }
}
