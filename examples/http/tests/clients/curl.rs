//! curl: everything that it can ask of a file, and of TLS.

use nix::sys::signal::Signal;

use super::*;

const CURL: &[&str] = &["--silent", "--show-error", "--max-time", "30"];

async fn curl(args: &[&str]) -> String {
    said("curl", &[CURL, args].concat()).await
}

#[tokio::test]
#[ignore = "needs curl"]
async fn ranges_and_a_download_that_broke_off() {
    let dir = tempfile::tempdir().unwrap();
    let content = pattern(5_000_000);
    write(dir.path(), "large", &content);
    write(dir.path(), "ten.txt", b"0123456789");
    let program = Program::start(&["serve", text(dir.path())]).await;
    let (large, ten) = (format!("{}/large", program.url), format!("{}/ten.txt", program.url));
    assert_eq!(curl(&["--range", "2-4", &ten]).await, "234");
    assert_eq!(curl(&["--range", "-3", &ten]).await, "789");
    let parts = curl(&["--range", "0-0,-1", &ten]).await;
    assert!(
        parts.contains("bytes 0-9/10") || parts.contains("0123456789") || parts.contains("bytes 0-0/10"),
        "{parts}"
    );
    assert_eq!(curl(&["--range", "20-", "-o", "/dev/null", "-w", "%{http_code}", &ten]).await, "416");

    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("large");
    std::fs::write(&path, &content[..1_234_567]).unwrap();
    let code = curl(&["--continue-at", "-", "-o", text(&path), "-w", "%{http_code} %{size_download}", &large]).await;
    assert_eq!(code, format!("206 {}", 5_000_000 - 1_234_567));
    assert!(std::fs::read(&path).unwrap() == content);
}

#[tokio::test]
#[ignore = "needs curl"]
async fn questions_whether_something_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "file.txt", b"content");
    let program = Program::start(&["serve", text(dir.path())]).await;
    let url = format!("{}/file.txt", program.url);
    let tag = dir.path().join("tag");
    let saved = curl(&["--etag-save", text(&tag), &url]).await;
    assert_eq!(saved, "content");
    let code = ["-o", "/dev/null", "-w", "%{http_code}"];
    let compare = ["--etag-compare", text(&tag), &url];
    assert_eq!(curl(&[&code[..], &compare].concat()).await, "304");
    assert_eq!(curl(&[&code[..], &["--time-cond", text(&file), &url]].concat()).await, "304");
    std::fs::write(&file, "changed").unwrap();
    assert_eq!(curl(&[&code[..], &compare].concat()).await, "200");
    assert_eq!(curl(&[&code[..], &["--time-cond", "2001-01-01", &url]].concat()).await, "200");
}

#[tokio::test]
#[ignore = "needs curl"]
async fn compression_paths_and_methods() {
    let dir = tempfile::tempdir().unwrap();
    let words = "word ".repeat(20_000);
    write(dir.path(), "words.txt", words.as_bytes());
    let program = Program::start(&["serve", text(dir.path()), "--compress", "--cors", "--list"]).await;
    let url = format!("{}/words.txt", program.url);
    for coding in ["gzip", "br", "zstd"] {
        let accept = format!("accept-encoding: {coding}");
        let size = curl(&["-H", &accept, "-o", "/dev/null", "-w", "%{size_download}", &url]).await;
        assert!(size.parse::<usize>().unwrap() < 5000, "{coding}: {size}");
        // It asks for, and undoes, all of them at once.
        assert!(curl(&["--compressed", "-H", &accept, &url]).await == words, "{coding}");
    }
    let up = format!("{}/../../etc/passwd", program.url);
    assert_eq!(curl(&["--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", &up]).await, "404");
    let head = curl(&["--head", "-H", "origin: https://a.example", &url]).await;
    assert!(head.contains("content-length: 100000") && head.contains("access-control-allow-origin: *"), "{head}");
    assert!(curl(&[&program.url]).await.contains("words.txt"));
}

#[tokio::test]
#[ignore = "needs curl"]
async fn tls_and_a_new_certificate_by_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path(), &["localhost", "127.0.0.1"]);
    let first = dir.path().join("first.pem");
    std::fs::copy(&cert, &first).unwrap();
    let program = Program::start(&["api", "--tls-cert", text(&cert), "--tls-key", text(&key)]).await;
    let health = format!("{}/health", program.url);
    for version in ["--tlsv1.3", "--tls-max=1.2"] {
        let version: Vec<&str> = version.split('=').collect();
        let args = [&version[..], &["--cacert", text(&first), "--http1.1", &health]].concat();
        assert_eq!(curl(&args).await, "ok\n", "{version:?}");
    }
    let trust = |ca: PathBuf| {
        let health = health.clone();
        async move { output("curl", &[CURL, &["--cacert", text(&ca), &health]].concat()).await.status.success() }
    };
    // Half a file changes nothing, a whole one does, and nobody is cut off for it.
    std::fs::write(&cert, "-----BEGIN CERTIFICATE-----\nhalf").unwrap();
    program.signal(Signal::SIGHUP);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(trust(first.clone()).await);
    certificate(dir.path(), &["localhost", "127.0.0.1"]);
    program.signal(Signal::SIGHUP);
    let mut tries = 0;
    while !trust(cert.clone()).await {
        tries += 1;
        assert!(tries < 50, "the new certificate is not in use");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!trust(first).await);
    program.signal(Signal::SIGTERM);
    let (code, log) = program.ended().await;
    assert_eq!(code, Some(0));
    assert!(log.contains("the old certificates stay") && log.contains("new certificates are in use"), "{log}");
}
