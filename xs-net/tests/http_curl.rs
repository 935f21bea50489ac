//! The server under curl.

use std::process::Stdio;

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use xs_net::http::Server;
use xs_net::listener::TcpOptions;
use xs_net::{Listener, TcpListener, Timer, serve};

async fn server() -> String {
    let router = Router::new()
        .route("/", get(|| async { "front" }))
        .route("/echo", post(|body: Bytes| async move { body }).layer(axum::extract::DefaultBodyLimit::disable()))
        .route("/length", axum::routing::put(|body: Bytes| async move { body.len().to_string() }));
    let listener = TcpListener::bind(([127, 0, 0, 1], 0).into(), TcpOptions::default()).unwrap();
    let address = listener.local_addr().to_string();
    let connections = Server::new(&Timer::system()).serve_clones(router);
    tokio::spawn(serve(listener, connections, std::future::pending::<()>()));
    format!("http://{address}")
}

/// What curl writes, with `input` as its own input.
async fn curl(args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    tokio::spawn(async move {
        let _ = stdin.write_all(&input).await; // one that reads no input has closed it
    });
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", output.status);
    output.stdout
}

#[tokio::test]
#[ignore = "needs curl"]
async fn requests_of_every_kind() {
    let server = server().await;
    let url = |path: &str| format!("{server}{path}");
    assert_eq!(curl(&[&url("/")], b"").await, b"front");

    let head = String::from_utf8(curl(&["--head", &url("/")], b"").await).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: 5\r\n"), "{head}");

    // With a length, and large enough for curl to ask for leave first.
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let sent = ["--data-binary", "@-", "--header", "Expect: 100-continue", &url("/echo")];
    assert!(curl(&sent, &body).await == body);
    // In chunks, of which curl does not know how many there will be.
    assert_eq!(curl(&["--upload-file", "-", &url("/length")], &body[..1_000_000]).await, b"1000000");

    assert_eq!(curl(&["--output", "/dev/null", "--write-out", "%{http_code}", &url("/none")], b"").await, b"404");
}

#[tokio::test]
#[ignore = "needs curl"]
async fn one_connection_serves_them_all() {
    let server = server().await;
    let said = curl(&["--write-out", " %{num_connects}\n", &format!("{server}/"), &format!("{server}/")], b"").await;
    assert_eq!(String::from_utf8(said).unwrap(), "front 1\nfront 0\n");
}

#[tokio::test]
#[ignore = "needs curl"]
async fn http_1_0_is_answered_and_closed() {
    let server = server().await;
    let said = curl(&["--http1.0", "--include", &server], b"").await;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("connection: close\r\n") && said.ends_with("\r\n\r\nfront"), "{said}");
}
