//! Listeners of bytes: endpoints picked, tried and counted, headers read and written, bytes passed on.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::{nobody, rig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// An endpoint that says its number, and then echoes until the client ends.
struct Echo {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

async fn echo(number: u8) -> Echo {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            open.spawn(async move {
                let _ = stream.write_u8(number).await;
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
    Echo { address, _tasks: tasks }
}

/// An endpoint of which the test sees each connection.
async fn watched() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("nothing came")
}

/// Whether a connection is cut off before a byte comes. The reset may be faster than the client.
async fn is_reset(address: SocketAddr) -> bool {
    match TcpStream::connect(address).await {
        Ok(mut stream) => within(stream.read_u8()).await.is_err(),
        Err(_) => true,
    }
}

/// Connects, and tells which endpoint has answered.
async fn who(address: SocketAddr) -> (u8, TcpStream) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let number = within(stream.read_u8()).await.unwrap();
    (number, stream)
}

#[tokio::test]
async fn bytes_pass_both_ways_and_are_counted() {
    let endpoint = echo(7).await;
    let rig = rig(&[endpoint.address], "mode = \"tcp\"", "");
    let stats = rig.balancer.listener_stats("web").unwrap();
    let (number, mut stream) = who(rig.address).await;
    assert_eq!((number, stats.open.get()), (7, 1));
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut got = Vec::new();
    let (mut read, mut write) = stream.split();
    let say = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let (_, heard) = within(async { tokio::join!(say, read.read_to_end(&mut got)) }).await;
    heard.unwrap();
    assert!(got == sent);
    drop(stream);
    within(async {
        while stats.open.get() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!((stats.connections.get(), stats.flow.there(), stats.flow.back()), (1, 3_000_000, 3_000_001));
}

#[tokio::test]
async fn an_endpoint_that_takes_nothing_costs_no_connection() {
    let (a, b) = (echo(1).await, echo(2).await);
    let rig =
        rig(&[nobody().await, a.address, nobody().await, b.address], "mode = \"tcp\"", "policy = \"round-robin\"");
    let mut seen = [0; 3];
    for _ in 0..20 {
        seen[usize::from(who(rig.address).await.0)] += 1;
    }
    assert_eq!(seen[1] + seen[2], 20);
    assert!(seen[1] >= 5 && seen[2] >= 5, "{seen:?}");
}

#[tokio::test]
async fn with_nobody_there_a_client_is_reset() {
    let rig = rig(&[nobody().await], "mode = \"tcp\"", "");
    assert!(is_reset(rig.address).await);
    assert_eq!(rig.balancer.listener_stats("web").unwrap().connections.get(), 1);
}

#[tokio::test]
async fn the_one_with_the_fewest_connections_gets_the_next_one() {
    let endpoints = [echo(0).await, echo(1).await, echo(2).await];
    let addresses = endpoints.each_ref().map(|endpoint| endpoint.address);
    let rig = rig(&addresses, "mode = \"tcp\"", "policy = \"least-connections\"");
    let mut open = Vec::new();
    for _ in 0..9 {
        open.push(who(rig.address).await);
    }
    for number in 0..3 {
        assert_eq!(
            open.iter().filter(|(other, _)| *other == number).count(),
            3,
            "connections are counted while they live"
        );
    }
}

#[tokio::test]
async fn a_source_stays_with_its_endpoint() {
    let endpoints = [echo(0).await, echo(1).await, echo(2).await];
    let addresses = endpoints.each_ref().map(|endpoint| endpoint.address);
    for pool in ["sticky = { source = true }", "policy = \"maglev\"", "policy = \"ring-hash\"\nhash = \"source\""] {
        let rig = rig(&addresses, "mode = \"tcp\"", pool);
        let first = who(rig.address).await.0;
        for _ in 0..10 {
            assert_eq!(who(rig.address).await.0, first, "{pool}");
        }
    }
}

#[tokio::test]
async fn too_many_connections_are_reset() {
    let endpoint = echo(1).await;
    let rig = rig(&[endpoint.address], "mode = \"tcp\"\nlimits = { rate = \"1/h\", burst = 3, by = \"source\" }", "");
    for _ in 0..3 {
        who(rig.address).await;
    }
    assert!(is_reset(rig.address).await);
    assert_eq!(rig.balancer.listener_stats("web").unwrap().limited.get(), 1);
}

#[tokio::test]
async fn an_endpoint_has_no_more_connections_than_it_may() {
    let (endpoint, other) = (echo(1).await, echo(2).await);
    let pool = "policy = \"round-robin\"\nconnections = { max = 2, wait = \"50ms\" }";
    let rig = rig(&[endpoint.address, other.address], "mode = \"tcp\"", pool);
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(who(rig.address).await);
    }
    assert_eq!(open.iter().filter(|(number, _)| *number == 1).count(), 2);
    assert!(is_reset(rig.address).await);
    open.clear();
    // Both sides of the others end in their own time.
    within(async { while is_reset(rig.address).await {} }).await;
}

#[tokio::test]
async fn headers_are_read_from_those_who_are_trusted_and_written_for_those_who_want_them() {
    let (listener, address) = watched().await;
    for (version, expected) in [("v1", 0), ("v2", 1)] {
        let rig = rig(
            &[address],
            "mode = \"tcp\"\naccept-proxy = true\ntrusted = [\"127.0.0.0/8\"]",
            &format!("send-proxy = \"{version}\""),
        );
        let mut client = TcpStream::connect(rig.address).await.unwrap();
        client.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nhello").await.unwrap();
        let (mut upstream, _) = within(listener.accept()).await.unwrap();
        let wanted: &[u8] = if expected == 0 {
            b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nhello"
        } else {
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbbhello"
        };
        let mut got = vec![0; wanted.len()];
        within(upstream.read_exact(&mut got)).await.unwrap();
        assert_eq!(got, wanted, "{version}");
    }
}

#[tokio::test]
async fn a_trusted_peer_without_a_header_is_cut_off_and_others_need_none() {
    let endpoint = echo(1).await;
    let strict = rig(&[endpoint.address], "mode = \"tcp\"\naccept-proxy = true\ntrusted = [\"127.0.0.1\"]", "");
    let mut client = TcpStream::connect(strict.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(within(client.read_u8()).await.is_err());
    let other = rig(&[endpoint.address], "mode = \"tcp\"\naccept-proxy = true\ntrusted = [\"10.0.0.0/8\"]", "");
    assert_eq!(who(other.address).await.0, 1);
}

#[tokio::test]
async fn requests_come_from_whom_the_header_names() {
    let endpoint = support::Endpoint::start(support::Does::Echoes).await;
    let rig = rig(&[endpoint.address], "accept-proxy = true\ntrusted = [\"127.0.0.0/8\"]", "");
    let answer =
        within(rig.ask("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    assert!(answer.to_ascii_lowercase().contains("x-forwarded-for: 192.0.2.7\r\n"), "{answer}");
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_ends() {
    let endpoint = echo(1).await;
    let rig = rig(&[endpoint.address], "mode = \"tcp\"\ntimeouts = { idle = \"200ms\" }", "");
    let (_, mut stream) = who(rig.address).await;
    assert!(within(stream.read_u8()).await.is_err(), "it is cut, which is not an end");
}

#[tokio::test]
async fn a_balancer_that_stops_waits_for_connections_and_then_cuts_them() {
    let endpoint = echo(1).await;
    let rig = rig(&[endpoint.address], "mode = \"tcp\"", "");
    let (_, mut ends) = who(rig.address).await;
    let (_, mut stays) = who(rig.address).await;
    let began = xs_net::Timer::system().now();
    let stopping = tokio::spawn(rig.balancer.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(rig.address).await.is_err(), "nobody listens any more");
    ends.write_all(b"still here").await.unwrap();
    ends.shutdown().await.unwrap();
    let mut heard = String::new();
    within(ends.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "still here");
    within(stopping).await.unwrap().unwrap();
    // `drain` of the rig is two seconds.
    assert!((1900..6000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(within(stays.read(&mut [0])).await.unwrap_or(0), 0);
}
