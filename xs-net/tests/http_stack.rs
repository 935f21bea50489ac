//! The server among what others wrote: axum's router and hyper's client.

use std::convert::Infallible;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use xs_net::http::{Message, Server};
use xs_net::{Addr, Conn, MemoryListener, Timer, serve};
use xs_proto::http1::{RequestHead, ResponseHead};

mod common {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use xs_net::listener::MemoryStream;

    /// A stream as hyper wants it.
    pub(crate) struct ForHyper(pub(crate) MemoryStream);

    impl hyper::rt::Read for ForHyper {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            mut buf: hyper::rt::ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            let mut bytes = [0; 8192];
            let room = buf.remaining().min(bytes.len());
            let mut read = ReadBuf::new(&mut bytes[..room]);
            let outcome = Pin::new(&mut self.0).poll_read(cx, &mut read);
            buf.put_slice(read.filled());
            outcome
        }
    }

    impl hyper::rt::Write for ForHyper {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, buf)
        }
        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }
        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "front" }))
        .route("/users/{name}", get(|Path(name): Path<String>| async move { format!("user {name}") }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
}

#[tokio::test]
async fn an_axum_router_is_served() {
    let (listener, connector) = MemoryListener::new(4);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, Server::new(&Timer::system()).serve_clones(router()), stopped));

    let mut client = connector.connect().await.unwrap();
    let sent = "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /users/ada HTTP/1.1\r\nHost: h\r\n\r\n\
                POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody\
                GET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    client.write_all(sent.as_bytes()).await.unwrap();
    let mut got = String::new();
    client.read_to_string(&mut got).await.unwrap();
    let heads: Vec<_> = got.match_indices("HTTP/1.1 ").map(|(at, _)| &got[at + 9..at + 12]).collect();
    assert_eq!(heads, ["200", "200", "200", "404"]);
    for body in ["\r\n\r\nfront", "\r\n\r\nuser ada", "\r\n\r\nbody"] {
        assert!(got.contains(body), "{got}");
    }
    drop((client, stop));
    assert_eq!(server.await.unwrap().unwrap().aborted, 0);
}

#[tokio::test]
async fn hypers_client_understands_it() {
    let (listener, connector) = MemoryListener::new(4);
    tokio::spawn(serve(listener, Server::new(&Timer::system()).serve_clones(router()), std::future::pending::<()>()));
    let stream = common::ForHyper(connector.connect().await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for size in [0, 1, 1000, 256 * 1024, 1_000_000] {
        let sent = Bytes::from(vec![b'z'; size]);
        let request = Request::post("/echo").header("host", "h").body(Full::new(sent.clone())).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let got = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(got.len(), size);
        assert_eq!(got, sent);
    }
    let request = Request::get("/panic").header("host", "h").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_only() {
    let (listener, connector) = MemoryListener::new(4);
    let service = tower::service_fn(|request: Request<xs_net::http::Incoming>| async move {
        assert_ne!(request.uri().path(), "/panic");
        Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from_static(b"fine"))))
    });
    tokio::spawn(serve(listener, Server::new(&Timer::system()).serve_clones(service), std::future::pending::<()>()));
    for (path, status) in [("/panic", "500"), ("/", "200"), ("/panic", "500"), ("/", "200")] {
        let mut client = connector.connect().await.unwrap();
        let sent = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut got = String::new();
        client.read_to_string(&mut got).await.unwrap();
        assert_eq!(got.split(' ').nth(1), Some(status), "{got}");
    }
}

#[tokio::test]
async fn a_service_can_be_made_for_each_connection_with_what_is_known_of_it() {
    let (listener, connector) = MemoryListener::new(4);
    let server = Server::new(&Timer::system()).serve(|conn: &Conn<_, Addr>| {
        let peer = conn.peer.to_string();
        tower::service_fn(move |_: Message<RequestHead>| {
            let body = Full::new(Bytes::from(peer.clone()));
            async move { Ok::<_, Infallible>(Message::new(ResponseHead::new(StatusCode::OK), body)) }
        })
    });
    tokio::spawn(serve(listener, server, std::future::pending::<()>()));
    for peer in ["memory:1", "memory:2"] {
        let mut client = connector.connect().await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut got = String::new();
        client.read_to_string(&mut got).await.unwrap();
        assert!(got.ends_with(&format!("\r\n\r\n{peer}")), "{got}");
    }
}
