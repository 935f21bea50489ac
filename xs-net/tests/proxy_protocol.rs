//! Connections that begin with a header of the PROXY protocol.

mod common;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::*;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Service, ServiceExt, service_fn};
use xs_net::listener::{Addr, MemoryListener, MemoryStream, TcpListener, TcpOptions};
use xs_net::proxy_protocol::{
    Accept, AcceptOptions, Error, Header, HeaderCodec, Others, Peer, Refused, Version, read, write,
};
use xs_net::serve::{Conn, Drain, serve};
use xs_net::{Timer, Transport};
use xs_os::VirtualClock;
use xs_proto::proxy_protocol::{Error as Wrong, Extensions, Origin};

fn header() -> Header {
    Header::proxied("192.0.2.7:56324".parse().unwrap(), "198.51.100.1:443".parse().unwrap())
}

fn conn<Io>(io: Io, number: u64) -> Conn<Io, Addr> {
    Conn { io, peer: Addr::Memory(number), local: Addr::Memory(0), descriptor: None, drain: Drain::never() }
}

/// Tells whose connection it is, and echoes what it reads.
async fn echo<Io: Transport + Unpin>(mut conn: Conn<Io, Peer>) -> Result<(Peer, Addr), Infallible> {
    let mut line = Vec::new();
    let _ = conn.io.read_to_end(&mut line).await;
    let _ = conn.io.write_all(&line).await;
    Ok((conn.peer, conn.local))
}

/// Trusts connection 1 alone.
fn accept(
    options: AcceptOptions,
    timer: &Timer,
) -> impl Service<Conn<MemoryStream, Addr>, Response = (Peer, Addr), Error = Error<Infallible>> {
    Accept::new(service_fn(echo), options, timer, |peer: &Addr| *peer == Addr::Memory(1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_stream_begins_behind_the_header(first in any::<bool>(), step in 1..120usize, room in 1..200usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut upstream, io) = MemoryStream::pair(room);
            let (mut wire, mut scratch) = MemoryStream::pair(4096);
            let version = if first { Version::V1 } else { Version::V2 };
            write(&mut wire, &header(), version).await.unwrap();
            wire.write_all(b"the client's own").await.unwrap();
            drop(wire);
            let mut bytes = Vec::new();
            scratch.read_to_end(&mut bytes).await.unwrap();

            let timer = Timer::new(Arc::new(VirtualClock::new()));
            let served = accept(AcceptOptions::new("test"), &timer).oneshot(conn(io, 1));
            let send = async {
                for piece in bytes.chunks(step) {
                    upstream.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                upstream.shutdown().await.unwrap();
                let mut echoed = String::new();
                upstream.read_to_string(&mut echoed).await.unwrap();
                echoed
            };
            let (served, echoed) = tokio::join!(served, send);
            let (peer, local) = served.unwrap();
            assert_eq!(echoed, "the client's own");
            assert_eq!((peer.addr.to_string(), peer.via), ("192.0.2.7:56324".to_owned(), Addr::Memory(1)));
            assert_eq!((local.to_string(), peer.header), ("198.51.100.1:443".to_owned(), Some(Box::new(header()))));
        });
    }
}

#[tokio::test]
async fn reading_stops_where_the_header_ends() {
    let longest = format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", ["ffff"; 8].join(":"));
    for text in [
        "PROXY UNKNOWN\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        "PROXY TCP6 :: :: 1 1\r\n",
        &longest,
    ] {
        let (mut upstream, mut io) = MemoryStream::pair(1000);
        upstream.write_all(text.as_bytes()).await.unwrap();
        upstream.write_all(b"rest").await.unwrap();
        read(&mut io, HeaderCodec::default()).await.unwrap();
        expect(&mut io, "rest").await;
    }
}

#[tokio::test]
async fn strangers_are_refused_or_pass_as_they_are() {
    let timer = Timer::system();
    let (mut upstream, io) = MemoryStream::pair(1000);
    write(&mut upstream, &header(), Version::V1).await.unwrap();
    let refused = accept(AcceptOptions::new("test"), &timer).oneshot(conn(io, 2)).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Refused::Untrusted(Addr::Memory(2)))), "{refused}");

    let (mut upstream, io) = MemoryStream::pair(1000);
    upstream.write_all(b"PROXY UNKNOWN\r\n").await.unwrap();
    upstream.shutdown().await.unwrap();
    let options = AcceptOptions { others: Others::Pass, ..AcceptOptions::new("test") };
    let (peer, _) = accept(options, &timer).oneshot(conn(io, 2)).await.unwrap();
    assert_eq!((peer.addr, peer.header), (Addr::Memory(2), None));
    expect(&mut upstream, "PROXY UNKNOWN\r\n").await; // its own words, which nobody has taken for a header
}

#[tokio::test]
async fn those_who_say_nothing_of_the_client_keep_their_own_address() {
    let unknown = Header::unknown();
    for header in [Header::Local, unknown] {
        let (mut upstream, io) = MemoryStream::pair(1000);
        write(&mut upstream, &header, Version::V2).await.unwrap();
        upstream.shutdown().await.unwrap();
        let (peer, local) = accept(AcceptOptions::new("test"), &Timer::system()).oneshot(conn(io, 1)).await.unwrap();
        assert_eq!((peer.addr, peer.header, local), (Addr::Memory(1), Some(Box::new(header)), Addr::Memory(0)));
    }
}

#[tokio::test]
async fn what_is_no_header_in_time_is_refused() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let refused = |sent: &'static [u8], ends: bool| {
        let (timer, clock) = (timer.clone(), clock.clone());
        async move {
            let (mut upstream, io) = MemoryStream::pair(1000);
            upstream.write_all(sent).await.unwrap();
            if ends {
                upstream.shutdown().await.unwrap();
            }
            let served = accept(AcceptOptions::new("test"), &timer).oneshot(conn(io, 1));
            let (refused, ()) = tokio::join!(served, async {
                settle().await;
                clock.advance(Duration::from_secs(5));
            });
            match refused.unwrap_err() {
                Error::Refused(refused) => refused,
                other => panic!("{other}"),
            }
        }
    };
    assert!(matches!(refused(b"GET / HTTP/1.1\r\n", false).await, Refused::Header(Wrong::Signature)));
    assert!(matches!(refused(b"PROXY TCP4 1.1.1.1", false).await, Refused::TimedOut));
    assert!(matches!(refused(b"", false).await, Refused::TimedOut));
    assert!(matches!(refused(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x10\x00", false).await, Refused::Header(Wrong::TooLarge)));
    assert!(matches!(refused(b"PROXY TCP4 1.1.1.1", true).await, Refused::Header(Wrong::Truncated)));
    assert!(matches!(refused(b"", true).await, Refused::Closed));
}

#[tokio::test]
async fn a_header_that_cannot_be_said_is_not_written() {
    let extensions = Extensions { alpn: Some("h2".into()), ..Extensions::default() };
    let header = Header::Proxied { origin: Origin::Unknown, extensions };
    let (mut upstream, mut io) = MemoryStream::pair(1000);
    let error = write(&mut upstream, &header, Version::V1).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    drop(upstream);
    assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_silent_proxy_holds_up_nobody() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    let service = service_fn(move |mut conn: Conn<_, Peer>| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut conn.io, conn.peer.addr.to_string().as_bytes()).await;
            Ok::<_, Infallible>(())
        }
    });
    let accept = Accept::new(service, AcceptOptions::new("test"), &Timer::system(), |_: &Addr| true);
    let (listener, connector) = MemoryListener::new(16);
    tokio::spawn(serve(listener, accept, std::future::pending::<()>()));
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(connector.connect().await.unwrap());
    }
    let mut upstream = connector.connect().await.unwrap();
    write(&mut upstream, &header(), Version::V2).await.unwrap();
    expect(&mut upstream, "192.0.2.7:56324").await;
    assert_eq!(served.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn over_tcp_the_client_is_seen() {
    let whose = service_fn(|mut conn: Conn<tokio::net::TcpStream, Peer>| async move {
        conn.io.write_all(format!("{} by {}", conn.peer.addr, conn.peer.via).as_bytes()).await
    });
    let accept = Accept::new(
        whose,
        AcceptOptions::new("test"),
        &Timer::system(),
        |peer: &Addr| matches!(peer, Addr::Tcp(addr) if addr.ip().is_loopback()),
    );
    let listener = TcpListener::bind(([127, 0, 0, 1], 0).into(), TcpOptions::default()).unwrap();
    let addr = listener.socket_addr();
    tokio::spawn(serve(listener, accept, std::future::pending::<()>()));
    let mut upstream = tokio::net::TcpStream::connect(addr).await.unwrap();
    write(&mut upstream, &header(), Version::V1).await.unwrap();
    let mut said = String::new();
    within(upstream.read_to_string(&mut said)).await.unwrap();
    assert_eq!(said, format!("192.0.2.7:56324 by {}", upstream.local_addr().unwrap()));
}
