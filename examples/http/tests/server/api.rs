//! The API, and what every request passes.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use xs_http::{Cors, Json, Params, RequestId, Router, todos};
use xs_net::http::Incoming;

use super::*;

async fn send(server: &Running, method: Method, path: &str, body: &str) -> (Answer, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let answer = ask(server, request.body(Full::from(body.to_owned())).unwrap()).await;
    let value = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
    (answer, value)
}

#[tokio::test]
async fn things_to_do_come_and_go() {
    let server = Serve::new(todos().unwrap()).start().await.unwrap();
    let (answer, todo) = send(&server, Method::POST, "/todos", r#"{"title": " tea "}"#).await;
    assert_eq!((answer.status(), header(&answer, "location")), (StatusCode::CREATED, "/todos/1"));
    assert_eq!(todo, json!({"id": 1, "title": "tea", "done": false}));
    send(&server, Method::POST, "/todos", r#"{"title": "cake", "done": true}"#).await;
    let (_, todo) = send(&server, Method::PATCH, "/todos/1", r#"{"done": true, "title": "more tea"}"#).await;
    assert_eq!(todo, json!({"id": 1, "title": "more tea", "done": true}));
    assert_eq!(send(&server, Method::GET, "/todos?done=true", "").await.1.as_array().unwrap().len(), 2);
    assert_eq!(send(&server, Method::GET, "/todos?done=false", "").await.1, json!([]));
    assert_eq!(send(&server, Method::DELETE, "/todos/1", "").await.0.status(), StatusCode::NO_CONTENT);
    assert_eq!(send(&server, Method::GET, "/todos/1", "").await.0.status(), StatusCode::NOT_FOUND);
    assert_eq!(send(&server, Method::GET, "/todos/2", "").await.1["title"], "cake");
}

#[tokio::test]
async fn what_is_wrong_is_said_to_programs() {
    let server = Serve::new(todos().unwrap()).start().await.unwrap();
    let large = format!(r#"{{"title": "{}"}}"#, "x".repeat(20_000));
    for (method, path, body, status) in [
        (Method::POST, "/todos", "{", 400),
        (Method::POST, "/todos", r#"{"title": 7}"#, 422),
        (Method::POST, "/todos", r#"{"title": ""}"#, 422),
        (Method::POST, "/todos", r#"{"titel": "x"}"#, 422),
        (Method::POST, "/todos", &large, 413),
        (Method::GET, "/todos?done=perhaps", "", 400),
        (Method::GET, "/todos/x", "", 404),
        (Method::GET, "/nothing", "", 404),
        (Method::GET, "/todos/%ff", "", 400),
        (Method::PUT, "/todos", "{}", 405),
    ] {
        let (answer, value) = send(&server, method.clone(), path, body).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(header(&answer, "content-type"), "application/problem+json");
        assert_eq!(value["status"], status, "{value}");
        assert!(value["title"].is_string());
    }
    let request = Request::post("/todos").body(Full::from("{}")).unwrap();
    assert_eq!(ask(&server, request).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

/// A router that says things of a size, slowly, or not at all.
fn odd() -> Router<Incoming> {
    Router::new()
        .get("/text/{len}", |_, params: Params| async move {
            "word ".repeat(params["len"].parse::<usize>().unwrap_or(0) / 5)
        })
        .and_then(|router| router.get("/never", |_, _| async { std::future::pending::<StatusCode>().await }))
        .and_then(|router| {
            router.get("/panic", |_, _| async {
                if true {
                    panic!("on purpose");
                }
                StatusCode::OK
            })
        })
        .and_then(|router| {
            router.get("/id", |request: Request<Incoming>, _| async move {
                Json(request.extensions().get::<RequestId>().unwrap().as_str().to_owned())
            })
        })
        .unwrap()
}

#[tokio::test]
async fn a_request_has_a_name_and_a_time_limit() {
    let clock = xs_os::VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let server = Serve::new(odd()).timer(timer).seed(7).start().await.unwrap();
    let given = get(&server, "/id", &[("x-request-id", "abc-1")]).await;
    assert_eq!((header(&given, "x-request-id"), &given.body()[..]), ("abc-1", &b"\"abc-1\""[..]));
    let long = "x".repeat(65);
    let mut made = Vec::new();
    for bad in ["a b", "<script>", &long, ""] {
        let id = header(&get(&server, "/id", &[("x-request-id", bad)]).await, "x-request-id").to_owned();
        assert_eq!(id.len(), 32, "{id}");
        made.push(id);
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 4);

    let (answer, ()) = tokio::join!(get(&server, "/never", &[]), async {
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            clock.advance(Duration::from_secs(1));
        }
    });
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_panic_costs_its_own_connection() {
    let server = Serve::new(odd()).start().await.unwrap();
    let heard = raw(&server, b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(heard.starts_with("HTTP/1.1 500 "), "{heard}");
    assert_eq!(get(&server, "/id", &[]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn text_is_compressed_where_that_helps() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.txt", &b"word ".repeat(10_000));
    write(dir.path(), "a.png", &b"word ".repeat(10_000));
    write(dir.path(), "b.txt", &b"word ".repeat(10_000));
    write(dir.path(), "b.txt.gz", b"ready");
    let server = Serve::new(files(dir.path(), FilesOptions::default())).compress(true).start().await.unwrap();
    for (accept, coding) in [("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("identity", ""), ("gzip;q=0", "")] {
        let answer = get(&server, "/a.txt", &[("accept-encoding", accept)]).await;
        assert_eq!(header(&answer, "content-encoding"), coding);
        assert_eq!(header(&answer, "vary"), "accept-encoding");
        let is_weak = header(&answer, "etag").starts_with("W/");
        assert_eq!((is_weak, answer.body().len() < 5000), (!coding.is_empty(), !coding.is_empty()), "{accept}");
        if !coding.is_empty() {
            let again =
                get(&server, "/a.txt", &[("accept-encoding", accept), ("if-none-match", header(&answer, "etag"))])
                    .await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        }
    }
    let image = get(&server, "/a.png", &[("accept-encoding", "gzip")]).await;
    assert_eq!((header(&image, "content-encoding"), image.body().len()), ("", 50_000));
    for range in ["bytes=0-20000", "bytes=0-9000,20000-30000"] {
        let part = get(&server, "/a.txt", &[("accept-encoding", "gzip"), ("range", range)]).await;
        assert_eq!((part.status(), header(&part, "content-encoding")), (StatusCode::PARTIAL_CONTENT, ""));
    }
    let ready = get(&server, "/b.txt", &[("accept-encoding", "gzip")]).await;
    assert_eq!((&ready.body()[..], header(&ready, "content-encoding")), (&b"ready"[..], "gzip"));
    assert!(header(&ready, "etag").starts_with('"'));

    let server = Serve::new(odd()).compress(true).start().await.unwrap();
    for (len, coding) in [(100, ""), (10_000, "gzip")] {
        let answer = get(&server, &format!("/text/{len}"), &[("accept-encoding", "gzip")]).await;
        assert_eq!(header(&answer, "content-encoding"), coding, "{len}");
    }
}

#[tokio::test]
async fn other_sites_are_answered_as_was_said() {
    let origins = Cors::Origins(vec!["https://a.example".parse().unwrap()]);
    for (cors, origin, allowed) in [
        (Cors::Off, "https://a.example", ""),
        (Cors::Any, "https://b.example", "*"),
        (origins.clone(), "https://a.example", "https://a.example"),
        (origins, "https://b.example", ""),
    ] {
        let server = Serve::new(odd()).cors(cors.clone()).start().await.unwrap();
        let answer = get(&server, "/id", &[("origin", origin)]).await;
        assert_eq!(header(&answer, "access-control-allow-origin"), allowed, "{cors:?} {origin}");
        let request = Request::options("/id").header("origin", origin).header("access-control-request-method", "PUT");
        let answer = ask(&server, request.body(Full::default()).unwrap()).await;
        assert_eq!(header(&answer, "access-control-allow-origin"), allowed);
        assert_eq!(header(&answer, "access-control-allow-methods").contains("PUT"), cors != Cors::Off);
    }
}
