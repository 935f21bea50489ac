//! The program itself: its arguments and signals.

use nix::sys::signal::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::*;

#[tokio::test]
async fn it_ends_when_it_is_told_to_and_finishes_what_was_begun() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "large", &pattern(20_000_000));
    let program = Program::start(&["serve", text(dir.path()), "--threads", "2"]).await;
    let mut stream = TcpStream::connect(program.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 100]).await.unwrap();
    program.signal(Signal::SIGTERM);
    let mut heard = Vec::new();
    soon(stream.read_to_end(&mut heard)).await.unwrap();
    let (code, log) = program.ended().await;
    assert!(heard.len() > 19_999_900, "{}: {log}", heard.len());
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("SIGTERM") && log.contains("method=GET") && log.contains("bytes=20000000"), "{log}");
}

/// Who can connect may send a signal: the handlers are there before anybody can.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_signal_kills_it_once_it_listens() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_xs-http"));
    command.args(["api", "--quiet", "--port", &port.to_string()]).kill_on_drop(true);
    let program = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    let tries = async { while TcpStream::connect(("127.0.0.1", port)).await.is_err() {} };
    soon(tries).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id().unwrap())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        assert!(caught & 1 << (signal as u32 - 1) != 0, "{signal}");
    }
}

#[tokio::test]
async fn a_second_signal_is_obeyed_at_once() {
    let program = Program::start(&["api", "--drain", "1000", "--quiet"]).await;
    let address = program.url.strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    // Half a request, which the drain waits for.
    stream
        .write_all(b"POST /todos HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    program.signal(Signal::SIGINT);
    while TcpStream::connect(&address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    program.signal(Signal::SIGINT);
    let (code, log) = program.ended().await;
    assert_eq!(code, Some(130), "{log}");
}

#[tokio::test]
async fn what_cannot_be_is_said_with_the_right_code() {
    let program = env!("CARGO_BIN_EXE_xs-http");
    let dir = tempfile::tempdir().unwrap();
    let taken = Program::start(&["api"]).await;
    let (_, taken) = taken.url.rsplit_once(':').unwrap();
    let cert = write(dir.path(), "cert.pem", b"no certificate");
    for (args, code, words) in [
        (&["serve", "/no/such/directory"][..], 1, "cannot serve /no/such/directory"),
        (&["api", "--port", taken], 1, "somebody else listens there"),
        (&["api", "--tls-cert", text(&cert), "--tls-key", text(&cert)], 1, "there is no certificate in it"),
        (&["api", "--cors=here"], 1, "an origin looks like"),
        (&["api", "--bind", "nowhere"], 2, "invalid IP address"),
        (&["api", "--tls-cert", "x"], 2, "--tls-key"),
        (&["frobnicate"], 2, "frobnicate"),
    ] {
        let output = output(program, args).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    let help = said(program, &["--help"]).await;
    assert!(help.contains("Examples:") && help.contains("xs-http serve ."), "{help}");
}

/// What of a process is in memory, in bytes.
#[cfg(target_os = "linux")]
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn ten_thousand_idle_connections_cost_little_and_harm_nobody() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use xs_os::{Clock, SystemClock};

    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let room = 11_000.min(hard).max(soft);
    setrlimit(Resource::RLIMIT_NOFILE, room, hard).unwrap();
    let count = usize::try_from(room - 500).unwrap().min(10_000);
    let program = Program::start(&["api", "--quiet", "--connections", "10100"]).await;
    let address = program.url.strip_prefix("http://").unwrap().to_owned();
    let (clock, pid) = (SystemClock, program.child.id().unwrap());
    let before = resident(pid);
    let mut idle = Vec::with_capacity(count);
    for _ in 0..count {
        // Each is used once, as connections that are kept are.
        let mut stream = soon(TcpStream::connect(&address)).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(soon(stream.read(&mut [0; 512])).await.unwrap() > 0);
        idle.push(stream);
    }
    let each = resident(pid).saturating_sub(before) / count as u64;
    println!("{each} bytes for each of {count} idle connections");
    assert!(each < 16 * 1024, "{each} bytes each");

    let mut took = Vec::new();
    for _ in 0..50 {
        let start = clock.now();
        let mut stream = soon(TcpStream::connect(&address)).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut heard = String::new();
        soon(stream.read_to_string(&mut heard)).await.unwrap();
        assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
        took.push(clock.now() - start);
    }
    took.sort();
    assert!(took[25] < Duration::from_millis(250), "{:?}", took[25]);
}
