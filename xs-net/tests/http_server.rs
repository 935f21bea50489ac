//! The server's side of HTTP/1 over streams in memory, in virtual time: exchanges, bodies, and peers that mean ill.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::service_fn;
use xs_net::http::{Connection, Incoming, Message, NotUpgraded, OnUpgrade, Server, ServerOptions};
use xs_net::listener::MemoryStream;
use xs_net::serve::DrainSignal;
use xs_net::session::{Cause, HalfClose};
use xs_net::{Registry, Timer};
use xs_os::VirtualClock;
use xs_proto::http1::{RequestHead, ResponseHead};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";

/// A service, in one name.
trait Answers<B>: tower::Service<Request<Incoming>, Response = Response<B>, Error = io::Error> {}
impl<B, S: tower::Service<Request<Incoming>, Response = Response<B>, Error = io::Error>> Answers<B> for S {}

struct Rig {
    client: MemoryStream,
    clock: VirtualClock,
}

fn rig<B, S>(service: S) -> (Rig, Connection<MemoryStream, S, Request<Incoming>>)
where
    B: Body<Error: Into<xs_net::BoxError>>,
    S: Answers<B>,
{
    rig_with(service, ServerOptions::default(), 64 * 1024)
}

fn rig_with<B, S>(
    service: S,
    options: ServerOptions,
    buffer: usize,
) -> (Rig, Connection<MemoryStream, S, Request<Incoming>>)
where
    B: Body<Error: Into<xs_net::BoxError>>,
    S: Answers<B>,
{
    let clock = VirtualClock::new();
    clock.set_wall(UNIX_EPOCH + Duration::from_secs(784_111_777));
    let timer = Timer::new(Arc::new(clock.clone()));
    let (client, server) = MemoryStream::pair(buffer);
    let connection = Server::new(&timer).with_options(options).connection(server, service);
    (Rig { client, clock }, connection)
}

fn poke<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Rig {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.write_all(bytes.as_ref()).await.unwrap();
    }

    /// What is there to be read.
    fn got(&mut self) -> String {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        while let Some(Ok(n)) = poke(pin!(self.client.read(&mut buffer))) {
            if n == 0 {
                break;
            }
            all.extend_from_slice(&buffer[..n]);
        }
        String::from_utf8(all).unwrap()
    }

    /// Sends, lets the connection act, and reads.
    async fn ask<F: Future>(&mut self, connection: Pin<&mut F>, bytes: impl AsRef<[u8]>) -> String {
        self.send(bytes).await;
        let _ = poke(connection);
        self.got()
    }
}

fn full(text: &'static str) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from_static(text.as_bytes())))
}

/// Answers with what it was sent, or with its target.
async fn mirror(request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let answer = if body.is_empty() { Bytes::from(path) } else { body };
    Ok(Response::new(Full::new(answer)))
}

#[tokio::test]
async fn a_small_answer_is_one_head_and_its_body() {
    let (mut rig, connection) = rig(service_fn(|_| async { Ok(full("hey")) }));
    let mut connection = pin!(connection);
    let got = rig.ask(connection.as_mut(), GET).await;
    assert_eq!(got, "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 3\r\n\r\nhey");
    rig.clock.advance(Duration::from_secs(2));
    let got = rig.ask(connection.as_mut(), GET).await;
    assert!(got.contains("08:49:39 GMT"), "{got}");
    rig.client.shutdown().await.unwrap();
    assert!(matches!(poke(connection), Some(Cause::Peer)));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_one_by_one() {
    let under_way = Arc::new(AtomicUsize::new(0));
    let count = under_way.clone();
    let (mut rig, connection) = rig(service_fn(move |request: Request<Incoming>| {
        let count = count.clone();
        async move {
            assert_eq!(count.fetch_add(1, Ordering::SeqCst), 0);
            tokio::task::yield_now().await;
            count.fetch_sub(1, Ordering::SeqCst);
            mirror(request).await
        }
    }));
    let mut connection = pin!(connection);
    // More than the machine takes at once.
    let sent: String = (0..50).map(|n| format!("GET /{n:02} HTTP/1.1\r\nHost: h\r\n\r\n")).collect();
    rig.send(&sent).await;
    let mut got = String::new();
    for _ in 0..200 {
        assert!(poke(connection.as_mut()).is_none());
        got += &rig.got();
    }
    let bodies: Vec<_> = got.split("\r\n\r\n").skip(1).map(|rest| rest[..3].to_owned()).collect();
    assert_eq!(bodies, (0..50).map(|n| format!("/{n:02}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn bodies_come_and_go_in_any_pieces() {
    let (mut rig, connection) = rig(service_fn(mirror));
    let mut connection = pin!(connection);
    for part in POST.as_bytes().chunks(3) {
        assert!(poke(connection.as_mut()).is_none());
        rig.send(part).await;
    }
    let got = rig.ask(connection.as_mut(), "").await;
    assert!(got.ends_with("\r\n\r\nhello"), "{got}");
    let chunked =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n";
    let got = rig.ask(connection.as_mut(), chunked).await;
    assert!(got.ends_with("\r\n\r\nabcde"), "{got}");
    assert!(rig.ask(connection.as_mut(), GET).await.ends_with("\r\n\r\n/"));
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let (mut rig, connection) = rig(service_fn(|request: Request<Incoming>| async {
        let collected = request.into_body().collect().await.map_err(io::Error::other)?;
        let value = collected.trailers().and_then(|map| map.get("t")).cloned();
        let mut trailers = HeaderMap::new();
        trailers.extend(value.map(|value| (http::HeaderName::from_static("back"), value)));
        let frames = [Frame::data(Bytes::from_static(b"body")), Frame::trailers(trailers)];
        let frames = futures::stream::iter(frames.map(Ok::<_, Infallible>));
        Ok(Response::new(StreamBody::new(frames)))
    }));
    let mut connection = pin!(connection);
    let sent = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: v\r\n\r\n";
    let got = rig.ask(connection.as_mut(), sent).await;
    assert!(got.contains("transfer-encoding: chunked"));
    assert!(got.ends_with("4\r\nbody\r\n0\r\nback: v\r\n\r\n"), "{got}");
}

#[tokio::test]
async fn head_and_statuses_without_content_have_no_body() {
    let (mut rig, connection) = rig(service_fn(|request: Request<Incoming>| async move {
        let mut response = full("some text");
        match request.uri().path() {
            "/204" => *response.status_mut() = StatusCode::NO_CONTENT,
            "/304" => *response.status_mut() = StatusCode::NOT_MODIFIED,
            _ => {}
        }
        Ok(response)
    }));
    let mut connection = pin!(connection);
    let got = rig.ask(connection.as_mut(), "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(got.contains("content-length: 9\r\n") && got.ends_with("\r\n\r\n"), "{got}");
    let got = rig.ask(connection.as_mut(), "GET /204 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(!got.contains("content-length") && got.ends_with("\r\n\r\n"), "{got}");
    let got = rig.ask(connection.as_mut(), "GET /304 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(got.ends_with("\r\n\r\n"), "{got}");
    assert!(rig.ask(connection.as_mut(), GET).await.ends_with("some text"));
}

#[tokio::test]
async fn leave_to_send_is_given_when_the_body_is_first_waited_for() {
    let (mut rig, connection) = rig(service_fn(|request: Request<Incoming>| async move {
        if request.uri().path() == "/no" {
            let mut response = full("no");
            *response.status_mut() = StatusCode::FORBIDDEN;
            return Ok(response);
        }
        mirror(request).await
    }));
    let mut connection = pin!(connection);
    let expects =
        |path| format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let got = rig.ask(connection.as_mut(), expects("/")).await;
    assert_eq!(got, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(rig.ask(connection.as_mut(), "hello").await.ends_with("\r\n\r\nhello"));
    let got = rig.ask(connection.as_mut(), expects("/no")).await;
    assert!(got.starts_with("HTTP/1.1 403 Forbidden\r\n") && !got.contains("100 Continue"), "{got}");
}

#[tokio::test]
async fn leave_to_send_is_given_to_a_response_that_waits_for_it() {
    // An echo answers before it has read anything: its response's body is what waits.
    let (mut rig, connection) =
        rig(service_fn(|request: Request<Incoming>| async move { Ok(Response::new(request.into_body())) }));
    let mut connection = pin!(connection);
    let expects = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let got = rig.ask(connection.as_mut(), expects).await;
    assert!(got.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{got}");
    assert!(rig.ask(connection.as_mut(), "hello").await.ends_with("hello"));
}

#[tokio::test]
async fn a_window_of_nothing_is_no_standstill() {
    let mut options = ServerOptions::default();
    (options.limits.send_window, options.limits.receive_window) = (0, 0);
    let service = service_fn(|request: Request<Incoming>| async move { Ok(Response::new(request.into_body())) });
    let (mut rig, connection) = rig_with(service, options, 1024);
    let mut connection = pin!(connection);
    rig.send(POST).await;
    let mut got = String::new();
    for _ in 0..20 {
        assert!(poke(connection.as_mut()).is_none());
        got += &rig.got();
    }
    assert!(got.ends_with("hello"), "{got}");
}

#[tokio::test]
async fn a_body_that_nobody_reads_stops_its_client() {
    let (mut rig, connection) = rig(service_fn(|request: Request<Incoming>| async move {
        let _held = request;
        std::future::pending::<()>().await;
        Ok(full(""))
    }));
    let mut connection = pin!(connection);
    rig.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n").await;
    let (mut sent, mut stopped) = (0, false);
    for _ in 0..200 {
        tokio::task::yield_now().await;
        assert!(poke(connection.as_mut()).is_none());
        let wrote = poke(pin!(rig.client.write(&[b'x'; 16 * 1024])));
        stopped = wrote.is_none();
        sent += wrote.map_or(0, Result::unwrap);
    }
    assert!(stopped && sent < 256 * 1024 + 3 * 256 * 1024, "{sent} bytes were taken");
}

#[tokio::test]
async fn a_byte_of_a_body_holds_no_read_buffer() {
    let (mut rig, connection) = rig(service_fn(|request: Request<Incoming>| async move {
        let mut body = request.into_body();
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.extend(frame.map_err(io::Error::other)?.into_data().ok());
        }
        assert!(pieces.len() > 1 && pieces.iter().all(Bytes::is_unique));
        Ok(full("unique"))
    }));
    let mut connection = pin!(connection);
    for part in POST.as_bytes().chunks(2) {
        rig.send(part).await;
        assert!(poke(connection.as_mut()).is_none());
    }
    assert!(rig.got().ends_with("unique"));
}

#[tokio::test]
async fn a_body_is_read_to_its_end_whatever_its_size() {
    let (mut rig, connection) = rig(service_fn(|request: Request<Incoming>| async move {
        let mut body = request.into_body();
        let mut len = 0;
        while let Some(frame) = body.frame().await {
            len += frame.map_err(io::Error::other)?.data_ref().map_or(0, Bytes::len);
        }
        Ok(Response::new(Full::new(Bytes::from(len.to_string()))))
    }));
    let server = tokio::spawn(connection);
    rig.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n").await;
    for _ in 0..30 {
        rig.send([b'x'; 100_000]).await;
    }
    let mut got = [0; 512];
    let n = rig.client.read(&mut got).await.unwrap();
    assert!(got[..n].ends_with(b"\r\n\r\n3000000"));
    drop(rig);
    server.await.unwrap();
}

#[tokio::test]
async fn a_body_used_by_another_task_lets_more_come() {
    let (mut rig, connection) = rig(service_fn(|request: Request<Incoming>| async move {
        let count = tokio::spawn(async move { request.into_body().collect().await.map(|all| all.to_bytes().len()) });
        let len = count.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        Ok(Response::new(Full::new(Bytes::from(len.to_string()))))
    }));
    tokio::spawn(connection);
    rig.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n").await;
    for _ in 0..20 {
        rig.send([b'x'; 100_000]).await;
    }
    let mut got = [0; 512];
    let n = rig.client.read(&mut got).await.unwrap();
    assert!(got[..n].ends_with(b"\r\n\r\n2000000"));
}

#[tokio::test]
async fn an_endless_response_waits_for_its_reader() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let (mut rig, connection) = rig_with(
        service_fn(move |_| {
            let count = count.clone();
            let frames = futures::stream::repeat_with(move || {
                count.fetch_add(1000, Ordering::Relaxed);
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b'y'; 1000])))
            });
            async { Ok(Response::new(StreamBody::new(frames))) }
        }),
        ServerOptions::default(),
        1024,
    );
    let mut connection = pin!(connection);
    rig.send(GET).await;
    for _ in 0..100 {
        assert!(poke(connection.as_mut()).is_none());
    }
    let held = made.load(Ordering::Relaxed);
    assert!(held <= 2 * (256 * 1024 + 1000), "{held} bytes were made for a client that reads none");
    let mut got = 0;
    for _ in 0..2000 {
        tokio::task::yield_now().await; // the runtime lets a task do so much and no more
        got += rig.got().len();
        assert!(poke(connection.as_mut()).is_none());
    }
    assert!(got > 1_000_000, "it came to a halt after {got} bytes");
}

#[tokio::test]
async fn pipelined_answers_wait_for_their_reader() {
    let answered = Arc::new(AtomicUsize::new(0));
    let count = answered.clone();
    let (mut rig, connection) = rig(service_fn(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok(Response::new(Full::new(Bytes::from(vec![b'z'; 10_000])))) }
    }));
    let mut connection = pin!(connection);
    rig.send(GET.repeat(1000)).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
        assert!(poke(connection.as_mut()).is_none());
    }
    let early = answered.load(Ordering::Relaxed);
    assert!(early < 40, "{early} answers were made for a client that reads none");
    let mut got = 0;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
        got += rig.got().matches("HTTP/1.1 200 OK").count();
        assert!(poke(connection.as_mut()).is_none());
    }
    assert_eq!(got, 1000);
}

#[tokio::test]
async fn failures_and_panics_are_500_and_the_end() {
    for path in ["/error", "/panic", "/late", "/body", "/bad-field"] {
        let (mut rig, connection) = rig(service_fn(|request: Request<Incoming>| async move {
            let path = request.uri().path().to_owned();
            let frames = move |error: bool| {
                let frame = if error { Err(io::Error::other("broken")) } else { Ok(Frame::data(Bytes::from("x"))) };
                futures::stream::iter([frame])
            };
            match &path[..] {
                "/error" => return Err(io::Error::other("no luck")),
                "/panic" => panic!("on purpose"),
                "/late" => {
                    tokio::task::yield_now().await;
                    panic!("on purpose, later");
                }
                "/bad-field" => {
                    let mut response = Response::new(StreamBody::new(frames(false)));
                    response.headers_mut().insert("content-length", "none".parse().unwrap());
                    return Ok(response);
                }
                _ => {}
            }
            Ok(Response::new(StreamBody::new(frames(true))))
        }));
        let mut connection = pin!(connection);
        rig.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n{GET}")).await;
        for _ in 0..3 {
            assert!(poke(connection.as_mut()).is_none()); // lingers at last
        }
        let got = rig.got();
        assert!(got.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{path}: {got}");
        assert!(got.contains("connection: close\r\n") && got.ends_with("\r\n\r\n"), "{path}: {got}");
        assert_eq!(got.matches("HTTP/1.1").count(), 1, "{path}: {got}");
        drop(rig);
        assert!(matches!(poke(connection), Some(Cause::Failed(_) | Cause::Panicked(_) | Cause::Encode(_))));
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_is_cut_off() {
    let (mut rig, connection) = rig(service_fn(|_| async {
        let frames = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(io::Error::other("disk on fire"))];
        Ok(Response::new(StreamBody::new(futures::stream::iter(frames))))
    }));
    let mut connection = pin!(connection);
    rig.send(GET).await;
    assert!(matches!(poke(connection.as_mut()), Some(Cause::Failed(_))));
    let got = rig.got();
    assert!(!got.contains("0\r\n\r\n"), "nothing may look like the end: {got}");
}

#[tokio::test]
async fn trailers_that_cannot_be_sent_cut_the_response_off() {
    let (mut rig, connection) = rig(service_fn(|_| async {
        let trailers = HeaderMap::from_iter([(http::header::CONTENT_LENGTH, http::HeaderValue::from_static("4"))]);
        let frames = [Frame::data(Bytes::from_static(b"body")), Frame::trailers(trailers)];
        Ok(Response::new(StreamBody::new(futures::stream::iter(frames.map(Ok::<_, Infallible>)))))
    }));
    let mut connection = pin!(connection);
    rig.send(GET).await;
    assert!(matches!(poke(connection.as_mut()), Some(Cause::Encode(_))));
    assert!(!rig.got().contains("0\r\n\r\n"), "nothing may look like the end");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_unless_it_may_have_half_closed() {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    for half_close in [HalfClose::Cancel, HalfClose::Answer] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let guard = dropped.clone();
        let release = Arc::new(tokio::sync::Notify::new());
        let released = release.clone();
        let service = service_fn(move |_| {
            let (guard, released) = (Dropped(guard.clone()), released.clone());
            async move {
                released.notified().await;
                drop(guard);
                Ok(full("late"))
            }
        });
        let (mut rig, connection) = rig_with(service, ServerOptions { half_close, ..Default::default() }, 1024);
        let mut connection = Box::pin(connection);
        rig.send(GET).await;
        assert!(poke(connection.as_mut()).is_none());
        rig.client.shutdown().await.unwrap();
        match poke(connection.as_mut()) {
            Some(cause) => {
                assert!(matches!(cause, Cause::Departed) && half_close == HalfClose::Cancel);
                drop(connection);
                assert_eq!(dropped.load(Ordering::SeqCst), 1);
            }
            None => {
                assert_eq!(half_close, HalfClose::Answer);
                release.notify_one();
                assert!(matches!(poke(connection.as_mut()), Some(Cause::Peer)));
                assert!(rig.got().ends_with("late"));
            }
        }
    }
}

#[tokio::test]
async fn slow_and_large_heads_are_refused_in_time() {
    let (mut rig, connection) = rig(service_fn(mirror));
    let mut connection = pin!(connection);
    // A byte every five seconds.
    for byte in b"GET / HTTP/1.1\r\nHost".chunks(1) {
        rig.send(byte).await;
        if poke(connection.as_mut()).is_some() || rig.clock.next_deadline().is_none() {
            break;
        }
        rig.clock.advance(Duration::from_secs(5));
    }
    let _ = poke(connection.as_mut());
    assert!(rig.got().starts_with("HTTP/1.1 408 "));

    let (mut rig, connection) = self::rig(service_fn(mirror));
    let mut connection = pin!(connection);
    rig.send("GET / HTTP/1.1\r\nHost: h\r\n").await;
    let mut sent = 0;
    while !rig.got().starts_with("HTTP/1.1 431 ") {
        rig.send("X: ".to_owned() + &"y".repeat(1000) + "\r\n").await;
        let _ = poke(connection.as_mut());
        sent += 1000;
        assert!(sent < 64 * 1024);
    }
}

#[tokio::test]
async fn a_chunk_that_never_ends_and_a_silent_body_run_out_of_time() {
    let (mut rig, connection) = rig(service_fn(mirror));
    let mut connection = pin!(connection);
    rig.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc").await;
    assert!(poke(connection.as_mut()).is_none());
    rig.clock.advance(Duration::from_secs(31));
    let _ = poke(connection.as_mut());
    assert!(rig.got().starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let (mut rig, connection) = rig(service_fn(mirror));
    let mut connection = pin!(connection);
    assert!(rig.ask(connection.as_mut(), GET).await.ends_with('/'));
    rig.clock.advance(Duration::from_secs(76));
    assert!(poke(connection.as_mut()).is_none());
    assert_eq!(rig.client.read(&mut [0; 8]).await.unwrap(), 0);
    rig.clock.advance(Duration::from_secs(2));
    assert!(matches!(poke(connection), Some(Cause::Idle)));
}

#[tokio::test]
async fn a_drain_lets_the_exchange_end_and_says_that_it_closes() {
    let signal = DrainSignal::new();
    let release = Arc::new(tokio::sync::Notify::new());
    let released = release.clone();
    let (mut rig, connection) = rig(service_fn(move |_| {
        let released = released.clone();
        async move {
            released.notified().await;
            Ok(full("done"))
        }
    }));
    let mut connection = pin!(connection.with_drain(signal.drain()));
    rig.send(GET).await;
    assert!(poke(connection.as_mut()).is_none());
    signal.start();
    assert!(poke(connection.as_mut()).is_none());
    release.notify_one();
    assert!(poke(connection.as_mut()).is_none());
    let got = rig.got();
    assert!(got.contains("connection: close\r\n") && got.ends_with("done"), "{got}");
    drop(rig);
    assert!(matches!(poke(connection), Some(Cause::Finished)));
}

#[tokio::test]
async fn a_registered_connection_is_finished_and_killed_from_outside() {
    let registry = Registry::new();
    let address = xs_net::Addr::Memory(1);
    let (_rig, connection) = rig(service_fn(mirror));
    let mut connection = Box::pin(connection.with_registration(registry.register(address.clone())));
    assert!(poke(connection.as_mut()).is_none());
    registry.handles()[0].kill();
    assert!(matches!(poke(connection.as_mut()), Some(Cause::Killed)));
    drop(connection);
    assert!(registry.is_empty());

    let (rig, connection) = self::rig(service_fn(mirror));
    let mut connection = Box::pin(connection.with_registration(registry.register(address)));
    assert!(poke(connection.as_mut()).is_none());
    registry.handles()[0].finish();
    assert!(poke(connection.as_mut()).is_none());
    drop(rig);
    assert!(matches!(poke(connection.as_mut()), Some(Cause::Finished)));
}

#[tokio::test]
async fn an_upgrade_hands_the_connection_over_with_what_was_read() {
    let (mut rig, connection) = rig(service_fn(|mut request: Request<Incoming>| async move {
        let upgrade = request.extensions_mut().remove::<OnUpgrade>().unwrap();
        if request.uri().path() == "/no" {
            tokio::spawn(async move { assert_eq!(upgrade.await.unwrap_err(), NotUpgraded) });
            return Ok(full("no"));
        }
        tokio::spawn(async move {
            let mut stream = upgrade.await.unwrap();
            let mut word = [0; 5];
            stream.read_exact(&mut word).await.unwrap();
            word.reverse();
            stream.write_all(&word).await.unwrap();
            let (stream, rest) = stream.downcast::<MemoryStream>().unwrap();
            assert!(rest.is_empty());
            drop(stream);
        });
        let mut response = full("");
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("connection", "upgrade".parse().unwrap());
        response.headers_mut().insert("upgrade", "backwards".parse().unwrap());
        Ok(response)
    }));
    let mut connection = pin!(connection);
    let asks = |path| format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: backwards\r\n\r\n");
    assert!(rig.ask(connection.as_mut(), asks("/no")).await.ends_with("no"));
    rig.send(asks("/") + "abc").await;
    assert!(matches!(poke(connection.as_mut()), Some(Cause::Service)));
    rig.send("de").await;
    let mut got = String::new();
    rig.client.read_to_string(&mut got).await.unwrap();
    assert!(got.starts_with("HTTP/1.1 101 ") && got.ends_with("\r\n\r\nedcba"), "{got}");
}

#[tokio::test]
async fn a_connection_keeps_its_place_beyond_an_upgrade() {
    let (tell, mut upgrades) = tokio::sync::mpsc::unbounded_channel();
    let service = service_fn(move |mut request: Request<Incoming>| {
        tell.send(request.extensions_mut().remove::<OnUpgrade>().unwrap()).unwrap();
        let mut response = full("");
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        async move { Ok::<_, Infallible>(response) }
    });
    let (listener, connector) = xs_net::MemoryListener::new(2);
    let limit = xs_net::serve::ConnectionLimit::new(1);
    let options = xs_net::serve::ServeOptions { limit: limit.clone(), ..Default::default() };
    let timer = Timer::new(Arc::new(VirtualClock::new()));
    let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let connections = Server::new(&timer).serve_clones(service);
    tokio::spawn(xs_net::serve::serve_with(listener, connections, stopped, options));
    let asks = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let mut clients = [connector.connect().await.unwrap(), connector.connect().await.unwrap()];
    for client in &mut clients {
        client.write_all(asks).await.unwrap();
    }
    let first = upgrades.recv().await.unwrap().await.unwrap();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(upgrades.try_recv().is_err() && limit.open() == 1, "the limit is one");
    drop(first);
    assert!(upgrades.recv().await.unwrap().await.is_ok());
}

#[tokio::test]
async fn heads_can_be_taken_and_given_as_they_are() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let (client, server) = MemoryStream::pair(4096);
    let service = service_fn(|request: Message<RequestHead>| async move {
        let mut head = ResponseHead::from(StatusCode::OK);
        for (name, value) in request.head.fields().iter().filter(|(name, _)| name.starts_with(b"X-")) {
            head.fields_mut().append(std::str::from_utf8(name).unwrap(), value).unwrap();
        }
        Ok::<_, Infallible>(Message::new(head, request.body))
    });
    let mut connection = pin!(Server::new(&timer).connection(server, service));
    let mut rig = Rig { client, clock };
    let sent = "POST / HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nX-TWO: 2\r\nx-no: 3\r\nContent-Length: 4\r\n\r\nbody";
    let got = rig.ask(connection.as_mut(), sent).await;
    assert!(got.contains("X-One: 1\r\nX-TWO: 2\r\n") && !got.contains("x-no"), "{got}");
    assert!(got.ends_with("\r\n\r\nbody"), "{got}");
}

#[tokio::test]
async fn a_service_is_called_only_when_it_is_ready_and_one_that_fails_to_be_is_500() {
    struct Gate(Arc<AtomicUsize>, bool);
    impl tower::Service<Request<Incoming>> for Gate {
        type Response = Response<Full<Bytes>>;
        type Error = io::Error;
        type Future = std::future::Ready<io::Result<Self::Response>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.0.load(Ordering::SeqCst) {
                0 => Poll::Pending,
                1 => {
                    self.1 = true;
                    Poll::Ready(Ok(()))
                }
                _ => Poll::Ready(Err(io::Error::other("never again"))),
            }
        }
        fn call(&mut self, _: Request<Incoming>) -> Self::Future {
            assert!(std::mem::take(&mut self.1), "called without being ready");
            std::future::ready(Ok(full("open")))
        }
    }
    let gate = Arc::new(AtomicUsize::new(0));
    let (mut rig, connection) = rig(Gate(gate.clone(), false));
    let mut connection = pin!(connection);
    assert_eq!(rig.ask(connection.as_mut(), GET.repeat(2)).await, "");
    gate.store(1, Ordering::SeqCst);
    assert_eq!(rig.ask(connection.as_mut(), "").await.matches("open").count(), 2);
    assert!(rig.ask(connection.as_mut(), GET).await.ends_with("open"));
    gate.store(2, Ordering::SeqCst);
    assert!(rig.ask(connection.as_mut(), GET).await.starts_with("HTTP/1.1 500 "));
}
