//! Clients that want too much: the slow, the endless and the many. Nobody else is harmed, and memory stays bounded.

mod support;

use std::time::Duration;

use support::{Does, Endpoint, get, rig, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use xs_net::Timer;

/// Those who look at the memory of the process look one after the other, and while nobody else uses much.
static MEMORY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// KiB of memory that this process, with balancer, clients and endpoints, holds.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_has_its_time_and_no_more() {
    let endpoint = Endpoint::start(Does::Says(GOOD.into())).await;
    let rig = rig(&[endpoint.address], "timeouts = { head = \"500ms\" }", "");
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(TcpStream::connect(rig.address).await.unwrap());
    }
    let began = Timer::system().now();
    let head = b"GET / HTTP/1.1\r\nHost: a.example\r\nX: ";
    let mut sent = 0;
    while began.elapsed() < Duration::from_millis(1500) {
        for stream in &mut slow {
            // Whoever was cut off cannot write any more, which is the point.
            let _ = stream.write_all(&head[sent % head.len()..][..1]).await;
        }
        sent += 1;
        assert_eq!(status(&rig.get("/").await), 200, "others are served meanwhile");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for stream in &mut slow {
        let mut said = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut said)).await;
        let _ = ended.expect("it was cut off long ago");
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408 "), "{}", said.escape_ascii());
    }
    // They were told so, and have a moment to hear it.
    let told = Timer::system().now();
    while rig.balancer.listener_stats("web").unwrap().open.get() > 0 {
        assert!(told.elapsed() < Duration::from_secs(5), "they are let go");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_huge_head_is_refused_and_never_passed_on() {
    let _memory = MEMORY.lock().await;
    let endpoint = Endpoint::start(Does::Says(GOOD.into())).await;
    let rig = rig(&[endpoint.address], "", "");
    for huge in [
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100_000)),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(1 << 20)),
    ] {
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        let _ = stream.write_all(huge.as_bytes()).await;
        let mut said = vec![0; 12];
        match tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut said)).await.unwrap() {
            Ok(_) => assert!(said.starts_with(b"HTTP/1.1 431") || said.starts_with(b"HTTP/1.1 414"), "{said:?}"),
            // The rest of the head was still under way when the connection was closed.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    assert_eq!(endpoint.requests(), 0);
    assert_eq!(status(&rig.get("/").await), 200);
}

#[tokio::test]
async fn chunks_without_end_are_held_back_and_then_refused() {
    let _memory = MEMORY.lock().await;
    // The endpoint takes the head and reads no further.
    let endpoint = Endpoint::start(Does::Hangs).await;
    let rig = rig(
        &[endpoint.address],
        "limits = { body = 4000000 }\ntimeouts = { write = \"1s\" }",
        "timeouts = { idle = \"1s\", response = \"2s\" }",
    );
    let before = resident();
    let mut streams = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
        let endless = tokio::spawn(async move {
            let mut sent = 0_u64;
            while stream.write_all(chunk.as_bytes()).await.is_ok() {
                sent += 4096;
            }
            sent
        });
        streams.push(endless);
    }
    for endless in streams {
        let sent = tokio::time::timeout(Duration::from_secs(10), endless).await.expect("it was let go on").unwrap();
        assert!(sent < 64 << 20, "{sent} bytes were taken");
    }
    // What sockets hold is the kernel's; what the balancer holds is a window for each.
    assert!(resident() < before + 50_000, "{before} KiB, then {} KiB", resident());
}

#[tokio::test]
async fn idle_connections_cost_little_and_nobody_else_anything() {
    let _memory = MEMORY.lock().await;
    const MANY: usize = 400; // twice as many descriptors, within the usual limit; `many` has 10,000
    let endpoint = Endpoint::start(Does::Says(GOOD.into())).await;
    let rig = rig(&[endpoint.address], "timeouts = { idle = \"2s\" }", "");
    let mut idle = vec![rig.connect().await];
    idle[0].send(&get("/")).await;
    idle[0].answer(false).await;
    let before = resident();
    for _ in 0..MANY {
        let mut wire = rig.connect().await;
        wire.send(&get("/")).await;
        assert_eq!(status(&wire.answer(false).await), 200);
        idle.push(wire);
    }
    let each = (resident().saturating_sub(before)) as usize / MANY;
    assert!(each < 40, "{each} KiB for an idle connection, both of its ends and its task");
    assert_eq!(status(&rig.get("/").await), 200);
    // They are told that it is over, and have a moment to leave; then they are left.
    let began = Timer::system().now();
    while rig.balancer.listener_stats("web").unwrap().open.get() > 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "idle ones are closed in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn beyond_the_limit_connections_wait_and_are_served_later() {
    let endpoint = Endpoint::start(Does::Says(GOOD.into())).await;
    let rig =
        rig(&[endpoint.address], "limits = { connections = 5 }\ntimeouts = { head = \"500ms\", idle = \"500ms\" }", "");
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(rig.address).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Timer::system().now();
    assert_eq!(status(&rig.get("/").await), 200);
    assert!(began.elapsed() > Duration::from_millis(200), "it waited for a place: {:?}", began.elapsed());
    assert_eq!(rig.balancer.listener_stats("web").unwrap().connections.get(), 6);
}
