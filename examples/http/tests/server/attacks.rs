//! Clients that mean harm, and those beside them.

use http::StatusCode;
use tokio::task::JoinSet;
use xs_http::todos;
use xs_os::VirtualClock;

use super::*;

async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn who_sends_a_head_drop_by_drop_is_cut_off() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let server = Serve::new(todos().unwrap()).timer(timer).start().await.unwrap();
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: ").await.unwrap();
        slow.push(stream);
    }
    settle().await;
    for _ in 0..9 {
        clock.advance(Duration::from_secs(1));
        for stream in &mut slow {
            stream.write_all(b"a").await.unwrap();
        }
        settle().await;
    }
    assert_eq!(get(&server, "/health", &[]).await.status(), StatusCode::OK);
    clock.advance(Duration::from_secs(2));
    settle().await;
    clock.advance(Duration::from_secs(2)); // for the farewell
    for mut stream in slow {
        let mut heard = String::new();
        let _ = soon(stream.read_to_string(&mut heard)).await;
        assert!(heard.starts_with("HTTP/1.1 408 "), "{heard}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = Serve::new(todos().unwrap()).start().await.unwrap();
    let mut huge = b"GET /health HTTP/1.1\r\nHost: x\r\n".to_vec();
    for _ in 0..100_000 {
        huge.extend_from_slice(b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    }
    for (bytes, status) in
        [(huge, "431"), ([b"GET /".to_vec(), vec![b'a'; 100_000], b" HTTP/1.1\r\n\r\n".to_vec()].concat(), "414")]
    {
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let writing = async { writer.write_all(&bytes).await.is_ok() };
        let reading = async {
            let mut heard = vec![0; 12];
            reader.read_exact(&mut heard).await.unwrap();
            String::from_utf8(heard).unwrap()
        };
        let (_, heard) = soon(async { tokio::join!(writing, reading) }).await;
        assert_eq!(heard, format!("HTTP/1.1 {status}"));
    }
    assert_eq!(get(&server, "/health", &[]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn chunks_without_end_are_cut_at_the_limit() {
    let server = Serve::new(todos().unwrap()).start().await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream
        .write_all(
            b"POST /todos HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await
        .unwrap();
    let (mut reader, mut writer) = stream.split();
    let chunk = [b"1000\r\n".to_vec(), vec![b' '; 4096], b"\r\n".to_vec()].concat();
    let writing = async {
        let mut sent = 0_u64;
        while writer.write_all(&chunk).await.is_ok() && sent < 1 << 30 {
            sent += 4096;
        }
        sent
    };
    let reading = async {
        let mut heard = String::new();
        let _ = reader.read_to_string(&mut heard).await;
        heard
    };
    let (sent, heard) = soon(async { tokio::join!(writing, reading) }).await;
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 413 "), "{heard}");
    assert!(sent < 64 << 20, "{sent} bytes went somewhere");
    assert_eq!(get(&server, "/health", &[]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_takes_nothing_holds_a_bounded_amount() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "large", &pattern(50_000_000));
    let server = serve(dir.path(), FilesOptions::default()).await;
    let before = resident();
    let mut idle = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        idle.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    if let (Some(before), Some(after)) = (before, resident()) {
        let each = after.saturating_sub(before) / 50;
        assert!(each < 1 << 20, "{each} bytes for each of 50 clients that read nothing");
    }
    let part = soon(get(&server, "/large", &[("range", "bytes=49999990-")])).await;
    assert_eq!(part.body().len(), 10);
}

/// What of this process is in memory, in bytes; on Linux.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[tokio::test]
async fn an_end_finishes_what_was_begun() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "large", &pattern(10_000_000));
    let server = serve(dir.path(), FilesOptions::default()).await;
    let addr = server.addr();
    let _idle = TcpStream::connect(addr).await.unwrap();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 100]).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        heard.len()
    });
    assert_eq!(soon(server.shutdown()).await.unwrap().aborted, 0);
    assert!(tasks.join_next().await.unwrap().unwrap() > 9_999_900);
    assert!(TcpStream::connect(addr).await.is_err());
}
