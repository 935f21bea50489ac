//! Static files over the wire.

use http::{Method, StatusCode};

use super::*;

#[tokio::test]
async fn a_file_is_sent_with_what_is_known_of_it() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a b.html", b"<p>hello");
    write(dir.path(), "data", b"?");
    write(dir.path(), "empty.txt", b"");
    let server =
        serve(dir.path(), FilesOptions { cache_control: Some("no-cache".into()), ..FilesOptions::default() }).await;
    let answer = get(&server, "/a%20b.html?query", &[]).await;
    assert_eq!((answer.status(), &answer.body()[..]), (StatusCode::OK, &b"<p>hello"[..]));
    assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&answer, "content-length"), "8");
    assert_eq!(header(&answer, "accept-ranges"), "bytes");
    assert_eq!(header(&answer, "cache-control"), "no-cache");
    assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
    assert!(header(&answer, "etag").starts_with('"'));
    assert!(httpdate::parse_http_date(header(&answer, "last-modified")).is_ok());
    assert_eq!(header(&get(&server, "/data", &[]).await, "content-type"), "application/octet-stream");
    assert_eq!(get(&server, "/empty.txt", &[]).await.body().len(), 0);

    for (method, status) in [("HEAD", 200), ("OPTIONS", 204), ("POST", 405), ("DELETE", 405)] {
        let request = Request::builder().method(method.parse::<Method>().unwrap()).uri("/data");
        let answer = ask(&server, request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status(), status, "{method}");
        match method {
            "HEAD" => assert_eq!(header(&answer, "content-length"), "1"),
            _ => assert_eq!(header(&answer, "allow"), "GET, HEAD, OPTIONS"),
        }
    }
}

#[tokio::test]
async fn large_files_arrive_whole_and_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let content = pattern(3_000_000);
    write(dir.path(), "large", &content);
    let server = serve(dir.path(), FilesOptions::default()).await;
    assert!(get(&server, "/large", &[]).await.body()[..] == content[..]);

    let part = get(&server, "/large", &[("range", "bytes=100000-999999")]).await;
    assert_eq!(
        (part.status(), header(&part, "content-range")),
        (StatusCode::PARTIAL_CONTENT, "bytes 100000-999999/3000000")
    );
    assert!(part.body()[..] == content[100_000..1_000_000]);

    let nothing = get(&server, "/large", &[("range", "bytes=3000000-")]).await;
    assert_eq!(
        (nothing.status(), header(&nothing, "content-range")),
        (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */3000000")
    );
    assert_eq!(get(&server, "/large", &[("range", "bytes=9-1")]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn several_ranges_come_as_parts_of_one_body() {
    let dir = tempfile::tempdir().unwrap();
    let content = pattern(500_000);
    write(dir.path(), "file.txt", &content);
    let server = serve(dir.path(), FilesOptions::default()).await;
    let answer = get(&server, "/file.txt", &[("range", "bytes=10-19, -5, 1000-300000")]).await;
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&answer, "content-range"), "");
    let boundary = header(&answer, "content-type").strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut expected = Vec::new();
    for (range, told) in [(10..20, "10-19"), (499_995..500_000, "499995-499999"), (1000..300_001, "1000-300000")] {
        let before = if expected.is_empty() { "" } else { "\r\n" };
        let head = format!(
            "{before}--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {told}/500000\r\n\r\n"
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&content[range]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(answer.body()[..] == expected[..]);
    assert_eq!(header(&answer, "content-length"), expected.len().to_string());
}

#[tokio::test]
async fn a_client_that_has_it_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "file", b"0123456789");
    let server = serve(dir.path(), FilesOptions::default()).await;
    let first = get(&server, "/file", &[]).await;
    let (tag, date) = (header(&first, "etag"), header(&first, "last-modified"));
    for (name, value, status) in [
        ("if-none-match", tag, 304),
        ("if-modified-since", date, 304),
        ("if-none-match", "\"other\"", 200),
        ("if-match", tag, 200),
        ("if-match", "\"other\"", 412),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT", 412),
    ] {
        let answer = get(&server, "/file", &[(name, value)]).await;
        assert_eq!(answer.status(), status, "{name}: {value}");
        if status == 304 {
            assert_eq!((header(&answer, "etag"), answer.body().len()), (tag, 0));
        }
    }
    for (value, status) in [(tag, 206), (date, 206), ("\"other\"", 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200)] {
        let answer = get(&server, "/file", &[("range", "bytes=0-4"), ("if-range", value)]).await;
        assert_eq!(answer.status(), status, "if-range: {value}");
    }

    // One that was changed a moment ago may be changed again unnoticed.
    std::fs::write(dir.path().join("file"), b"9876543210").unwrap();
    let changed = get(&server, "/file", &[("if-none-match", tag)]).await;
    assert_eq!(changed.status(), StatusCode::OK);
    let weak = header(&changed, "etag");
    assert!(weak.starts_with("W/"), "{weak}");
    assert_eq!(get(&server, "/file", &[("if-none-match", weak)]).await.status(), StatusCode::NOT_MODIFIED);
    let part = get(&server, "/file", &[("range", "bytes=0-4"), ("if-range", weak)]).await;
    assert_eq!(part.status(), StatusCode::OK);
}

#[tokio::test]
async fn siblings_that_are_compressed_are_sent_to_who_takes_them() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "app.js", b"plain");
    write(dir.path(), "app.js.br", b"brotli");
    write(dir.path(), "app.js.gz", b"gzip!");
    write(dir.path(), "alone.js", b"alone");
    let server = serve(dir.path(), FilesOptions::default()).await;
    let mut tags = Vec::new();
    for (accept, coding, body) in [
        ("gzip, br", "br", "brotli"),
        ("gzip;q=1, br;q=0.9", "gzip", "gzip!"),
        ("zstd", "", "plain"),
        ("identity", "", "plain"),
        ("gzip;q=0", "", "plain"),
    ] {
        let answer = get(&server, "/app.js", &[("accept-encoding", accept)]).await;
        assert_eq!((header(&answer, "content-encoding"), &answer.body()[..]), (coding, body.as_bytes()), "{accept}");
        assert_eq!(header(&answer, "vary"), "accept-encoding");
        assert!(header(&answer, "content-type").starts_with("text/javascript"), "{answer:?}");
        tags.push(header(&answer, "etag").to_owned());
    }
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[2] == tags[3], "{tags:?}");
    // Ranges are of the form that is sent.
    let part = get(&server, "/app.js", &[("accept-encoding", "gzip"), ("range", "bytes=0-1")]).await;
    assert_eq!(
        (part.status(), header(&part, "content-range"), &part.body()[..]),
        (StatusCode::PARTIAL_CONTENT, "bytes 0-1/5", &b"gz"[..])
    );
    assert_eq!(header(&get(&server, "/alone.js", &[("accept-encoding", "gzip")]).await, "vary"), "");

    // One that is older than its file was made of another one.
    std::fs::write(dir.path().join("app.js"), "newer").unwrap();
    let answer = get(&server, "/app.js", &[("accept-encoding", "gzip, br")]).await;
    assert_eq!((header(&answer, "content-encoding"), &answer.body()[..]), ("", &b"newer"[..]));
}

#[tokio::test]
async fn directories_have_a_slash_an_index_or_a_list() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "site/index.html", b"front");
    write(dir.path(), "bare/<x>.txt", b"1");
    write(dir.path(), "bare/.hidden", b"2");
    let options = FilesOptions { listing: true, ..FilesOptions::default() };
    let server = serve(dir.path(), options).await;
    let redirect = get(&server, "/site?a=b", &[]).await;
    assert_eq!((redirect.status(), header(&redirect, "location")), (StatusCode::PERMANENT_REDIRECT, "/site/?a=b"));
    assert_eq!(&get(&server, "/site/", &[]).await.body()[..], b"front");
    assert_eq!(get(&server, "/site/index.html/", &[]).await.status(), StatusCode::NOT_FOUND);
    let page = get(&server, "/bare/", &[]).await;
    let text = String::from_utf8(page.body().to_vec()).unwrap();
    assert!(text.contains("&lt;x&gt;.txt") && text.contains("%3Cx%3E.txt") && !text.contains(".hidden"), "{text}");
    assert!(header(&page, "content-security-policy").contains("default-src 'none'"));
    assert_eq!(get(&server, "//elsewhere.example/%2e%2e", &[]).await.status(), StatusCode::NOT_FOUND);

    let silent = serve(dir.path(), FilesOptions::default()).await;
    assert_eq!(get(&silent, "/bare/", &[]).await.status(), StatusCode::NOT_FOUND);
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_outside_and_nothing_hidden_is_there() {
    use std::os::unix::fs::symlink;
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(outside.path(), "secret", b"secret");
    write(dir.path(), "in/file", b"fine");
    write(dir.path(), ".env", b"secret");
    write(dir.path(), ".well-known/x", b"fine");
    symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
    symlink(outside.path(), dir.path().join("out")).unwrap();
    symlink("../../../../../../etc", dir.path().join("up")).unwrap();
    symlink("in/file", dir.path().join("inside")).unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        dir.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let options = FilesOptions { listing: true, ..FilesOptions::default() };
    let server = serve(dir.path(), options.clone()).await;
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/in/..%2f..%2fetc/passwd",
        "/in/%2e%2e%2fsecret",
        "/link",
        "/out/secret",
        "/out/",
        "/up/passwd",
        "/.env",
        "/loop",
        "/pipe",
        "/socket",
        "/in/file/",
        "/in/file/x",
        "/missing",
        "/in%2ffile",
    ] {
        // By hand: a client may tidy a path up.
        let heard =
            raw(&server, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
        assert!(heard.starts_with("HTTP/1.1 404 "), "{path}: {heard}");
        assert!(!heard.contains("secret\n") && !heard.contains("root:"), "{path}: {heard}");
    }
    for path in ["/%00", "/in/file%00.html", "/%", "/%zz"] {
        let heard =
            raw(&server, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
        assert!(heard.starts_with("HTTP/1.1 400 "), "{path}: {heard}");
    }
    for path in ["/in/file", "/inside", "/.well-known/x"] {
        assert_eq!(&get(&server, path, &[]).await.body()[..], b"fine", "{path}");
    }
    let page = get(&server, "/", &[]).await;
    let text = String::from_utf8(page.body().to_vec()).unwrap();
    assert!(text.contains("inside") && !text.contains("link") && !text.contains("pipe"), "{text}");

    let follows = serve(dir.path(), FilesOptions { follow_links_out: true, hidden: true, ..options }).await;
    for path in ["/link", "/out/secret", "/.env"] {
        assert_eq!(&get(&follows, path, &[]).await.body()[..], b"secret", "{path}");
    }
    for path in ["/pipe", "/..%2fsecret", "/loop"] {
        assert_eq!(get(&follows, path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_file_that_becomes_shorter_breaks_off_and_is_not_padded() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "large", &pattern(20_000_000));
    let server = serve(dir.path(), FilesOptions::default()).await;
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 1000]).await.unwrap();
    // More than what lies in the buffers on the way is still to come.
    let file = std::fs::File::options().write(true).open(dir.path().join("large")).unwrap();
    file.set_len(1000).unwrap();
    let mut heard = Vec::new();
    let _ = soon(stream.read_to_end(&mut heard)).await;
    assert!(heard.len() < 19_000_000, "{}", heard.len());
    assert_eq!(get(&server, "/large", &[]).await.body().len(), 1000);
}
