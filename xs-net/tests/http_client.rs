//! The client's side of HTTP/1: against our own server, and against a peer that the test plays.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Service, ServiceExt, service_fn};
use xs_net::client::Retry;
use xs_net::http::{Client, ClientError, ClientOptions, Incoming, Message, OnUpgrade, Server};
use xs_net::listener::MemoryStream;
use xs_net::{BoxError, Timer};
use xs_os::VirtualClock;
use xs_proto::http1::{Error, RequestHead, ResponseHead};

fn poke<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A client, its peer's end, and the time.
fn rig<B: Body<Error: Into<BoxError>>>() -> (Client<MemoryStream, B>, MemoryStream, VirtualClock) {
    let clock = VirtualClock::new();
    let (ours, theirs) = MemoryStream::pair(64 * 1024);
    let client = Client::new(ours, &Timer::new(Arc::new(clock.clone())), ClientOptions::default());
    (client, theirs, clock)
}

fn get() -> Request<Empty<Bytes>> {
    Request::get("http://h/").body(Empty::new()).unwrap()
}

async fn heard(peer: &mut MemoryStream) -> String {
    let mut buffer = vec![0; 64 * 1024];
    let n = peer.read(&mut buffer).await.unwrap();
    String::from_utf8(buffer[..n].to_vec()).unwrap()
}

#[tokio::test]
async fn requests_follow_one_another_on_one_connection() {
    let (mut client, mut peer, _clock) = rig();
    for n in 0..3 {
        let mut response = pin!(client.ready().await.unwrap().call(get()));
        assert!(poke(response.as_mut()).is_none());
        assert!(!client.is_reusable());
        assert_eq!(heard(&mut peer).await, "GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        peer.write_all(b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 3\r\n\r\nab").await.unwrap();
        let response: Response<_> = poke(response).unwrap().unwrap();
        assert_eq!(response.headers()["x"], "y", "response {n}");
        let mut all = pin!(response.into_body().collect());
        assert!(poke(all.as_mut()).is_none());
        assert!(!client.is_reusable(), "the body is still coming");
        peer.write_all(b"c").await.unwrap();
        assert_eq!(poke(all).unwrap().unwrap().to_bytes(), "abc");
        assert!(client.is_reusable());
    }
}

#[tokio::test]
async fn clones_take_turns() {
    let (client, mut peer, _clock) = rig();
    let asks: Vec<_> = (0..5).map(|_| tokio::spawn(client.clone().oneshot(get()))).collect();
    for _ in 0..5 {
        // One request at a time, and each answered before the next is sent.
        assert_eq!(heard(&mut peer).await.matches("GET").count(), 1);
        peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    }
    for ask in asks {
        let response: Response<_> = ask.await.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_cuts_the_connection() {
    let (mut client, mut peer, _clock) = rig();
    drop(client.call(get()) as xs_net::http::ResponseFuture<_, _, Response<_>>);
    assert!(client.is_reusable(), "a request that was never polled was never sent");

    let mut response = Box::pin(client.clone().oneshot(get()));
    assert!(poke(response.as_mut()).is_none());
    drop::<Pin<Box<_>>>(response);
    assert!(client.is_closed());
    let mut heard = String::new();
    peer.read_to_string(&mut heard).await.unwrap(); // to its end
    let error: ClientError = client.ready().await.unwrap_err();
    assert_eq!((error.retry(), error.was_sent()), (Retry::Safe, false));

    let (client, mut peer, _clock) = rig();
    let mut response = pin!(client.clone().oneshot(get()));
    assert!(poke(response.as_mut()).is_none());
    peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab").await.unwrap();
    let response: Response<_> = poke(response).unwrap().unwrap();
    drop(response);
    assert!(client.is_closed());
}

#[tokio::test]
async fn failures_say_whether_to_ask_again() {
    let send = async |method: Method, answer: &[u8]| {
        let (client, mut peer, _clock) = rig();
        let request = Request::builder().method(method).uri("http://h/").body(Empty::<Bytes>::new()).unwrap();
        let mut response = pin!(client.clone().oneshot(request));
        assert!(poke(response.as_mut()).is_none());
        peer.write_all(answer).await.unwrap();
        drop(peer);
        let outcome: Result<Response<_>, ClientError> = poke(response).unwrap();
        outcome.unwrap_err()
    };
    let error = send(Method::GET, b"").await;
    assert_eq!(error.protocol(), Some(Error::NoResponse));
    assert_eq!((error.retry(), error.is_safe_to_repeat()), (Retry::IfIdempotent, true));
    let error = send(Method::POST, b"").await;
    assert_eq!((error.retry(), error.is_safe_to_repeat()), (Retry::IfIdempotent, false));
    let error = send(Method::GET, b"HTTP/1.1 200 OK\r\nContent").await;
    assert_eq!(error.protocol(), Some(Error::Truncated));
    let error = send(Method::GET, b"SSH-2.0-OpenSSH\r\n").await;
    assert_eq!(error.protocol(), Some(Error::StatusLine));

    // Closed while it was idle: nothing was sent, so any method may be repeated.
    let (mut client, peer, _clock) = rig::<Empty<Bytes>>();
    assert!(client.is_reusable());
    drop(peer);
    assert!(!client.is_reusable() && client.is_closed());
    let error = client.ready().await.unwrap_err();
    assert!(error.is_safe_to_repeat());

    // What cannot be sent harms nobody else.
    let (client, mut peer, _clock) = rig();
    let nowhere = Request::get("/").body(Empty::<Bytes>::new()).unwrap(); // no host
    let outcome: Result<Response<_>, ClientError> = client.clone().oneshot(nowhere).await;
    assert_eq!(outcome.unwrap_err().retry(), Retry::Useless);
    let mut response = pin!(client.clone().oneshot(get()));
    assert!(poke(response.as_mut()).is_none());
    peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    let response: Response<_> = poke(response).unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_silent_server_runs_out_of_time() {
    let (client, _peer, clock) = rig();
    let mut response = pin!(client.clone().oneshot(get()));
    assert!(poke(response.as_mut()).is_none());
    clock.advance(Duration::from_secs(31));
    let outcome: Result<Response<_>, ClientError> = poke(response).unwrap();
    assert_eq!(outcome.unwrap_err().protocol(), Some(Error::HeadTimeout));
    assert!(client.is_closed(), "who waits for a turn must hear of it, though the future is still there");
}

#[tokio::test]
async fn a_body_is_held_back_until_the_server_wants_it_or_says_nothing() {
    for answers in [true, false] {
        let (client, mut peer, clock) = rig();
        let request = Request::post("http://h/").header("expect", "100-continue");
        let mut response = pin!(client.oneshot(request.body(Full::new(Bytes::from_static(b"body"))).unwrap()));
        assert!(poke(response.as_mut()).is_none());
        let head = heard(&mut peer).await;
        assert!(head.contains("expect: 100-continue\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        if answers {
            peer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        } else {
            clock.advance(Duration::from_secs(2));
        }
        assert!(poke(response.as_mut()).is_none());
        assert_eq!(heard(&mut peer).await, "body");
        peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        let response: Response<_> = poke(response).unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn an_upgrade_gives_the_stream_with_what_came_early() {
    let (client, mut peer, _clock) = rig();
    let request = Request::get("http://h/").header("connection", "upgrade").header("upgrade", "talk");
    let mut response = pin!(client.oneshot(request.body(Empty::<Bytes>::new()).unwrap()));
    assert!(poke(response.as_mut()).is_none());
    let early = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: talk\r\n\r\nhi";
    peer.write_all(early).await.unwrap();
    let mut response: Response<_> = poke(response).unwrap().unwrap();
    let mut stream = response.extensions_mut().remove::<OnUpgrade>().unwrap().await.unwrap();
    peer.write_all(b"!").await.unwrap();
    let mut got = [0; 3];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"hi!");
}

/// A server of ours that answers with what it is sent, and the client of it.
fn echoing<B: Body<Error: Into<BoxError>>>(buffer: usize) -> Client<MemoryStream, B> {
    let timer = Timer::system();
    let (ours, theirs) = MemoryStream::pair(buffer);
    let echo =
        service_fn(|request: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(request.into_body())) });
    tokio::spawn(Server::new(&timer).connection(theirs, echo));
    Client::new(ours, &timer, ClientOptions::default())
}

#[tokio::test]
async fn large_bodies_go_both_ways_at_once() {
    // Echoed as it comes: the request's body is still being sent while the response's is read.
    for buffer in [100, 64 * 1024] {
        let mut client = echoing(buffer);
        for _ in 0..2 {
            let chunks = stream::iter((0..100u8).map(|n| Bytes::from(vec![n; 10_000])));
            let body = StreamBody::new(chunks.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes))));
            let request = Request::post("http://h/").body(body).unwrap();
            let response: Response<_> = client.ready().await.unwrap().call(request).await.unwrap();
            let got = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(got.len(), 1_000_000);
            assert!(got.chunks(10_000).zip(0..).all(|(chunk, n)| chunk.iter().all(|&byte| byte == n)));
        }
    }
}

#[tokio::test]
async fn a_request_whose_body_fails_is_cut_off() {
    let mut client = echoing(1024);
    let frames = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(io::Error::other("gone"))];
    let request = Request::post("http://h/").body(StreamBody::new(stream::iter(frames))).unwrap();
    let outcome: Result<Response<_>, ClientError> = client.ready().await.unwrap().call(request).await;
    assert_eq!(outcome.unwrap_err().retry(), Retry::Useless);
    assert!(client.is_closed());
}

#[tokio::test]
async fn a_proxy_is_a_server_over_a_client() {
    // Heads go through as they are, bodies as the pieces that were read; nothing is boxed on the way.
    let upstream = echoing::<Incoming>(4096);
    let proxy = service_fn(move |mut request: Message<RequestHead>| {
        let upstream = upstream.clone();
        async move {
            request.head.fields_mut().remove_hop_by_hop();
            let response: Message<ResponseHead, _> = upstream.oneshot(request).await?;
            Ok::<_, ClientError>(response)
        }
    });
    let timer = Timer::system();
    let (ours, theirs) = MemoryStream::pair(4096);
    tokio::spawn(Server::new(&timer).connection::<_, _, Message<RequestHead>>(theirs, proxy));
    let mut client = Client::new(ours, &timer, ClientOptions::default());
    for size in [0, 1, 100, 256 * 1024, 500_000] {
        let sent = Bytes::from(vec![b'p'; size]);
        let request = Request::post("http://h/").body(Full::new(sent.clone())).unwrap();
        let response: Response<_> = client.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), sent);
    }
}

#[tokio::test]
async fn a_body_that_fills_the_window_exactly_has_its_end() {
    let window = ClientOptions::default().limits.receive_window;
    let (client, mut peer, _clock) = rig();
    let mut response = pin!(client.clone().oneshot(get()));
    assert!(poke(response.as_mut()).is_none());
    tokio::spawn(async move {
        peer.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {window}\r\n\r\n").as_bytes()).await.unwrap();
        peer.write_all(&vec![b'w'; window]).await.unwrap();
        std::future::pending::<()>().await; // stays
    });
    let response: Response<_> = response.await.unwrap();
    let mut body = response.into_body();
    let mut len = 0;
    while let Some(frame) = body.frame().await {
        len += frame.unwrap().data_ref().unwrap().len();
        tokio::task::yield_now().await; // so that all of it is there before it is taken
    }
    assert_eq!(len, window);
    assert!(client.is_reusable());
}

#[tokio::test]
async fn a_head_that_stays_the_callers_can_be_sent_elsewhere_when_the_first_server_fails() {
    let mut head = RequestHead::new(Method::PUT, "/x").unwrap();
    head.fields_mut().append("Host", b"h").unwrap();
    let (first, broken, _clock) = rig::<Full<Bytes>>();
    let begun = first.begin::<Message<ResponseHead, _>>(&head, Full::new(Bytes::from("abc"))).unwrap();
    assert!(!first.is_free());
    let busy = first.begin::<Message<ResponseHead, _>>(&head, Full::default()).unwrap_err();
    assert!(!busy.was_sent() && busy.retry() == Retry::Safe, "{busy}");
    drop(broken);
    let error = begun.await.unwrap_err();
    assert!(error.is_safe_to_repeat(), "{error}");
    assert!(first.is_closed());

    let (second, mut peer, _clock) = rig::<Full<Bytes>>();
    let mut begun = pin!(second.begin::<Message<ResponseHead, _>>(&head, Full::new(Bytes::from("abc"))).unwrap());
    assert!(poke(begun.as_mut()).is_none());
    assert_eq!(heard(&mut peer).await, "PUT /x HTTP/1.1\r\nHost: h\r\ncontent-length: 3\r\n\r\nabc");
    peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(poke(begun).unwrap().unwrap().head.status(), StatusCode::NO_CONTENT);
    assert!(second.is_free() && second.is_reusable());
}

#[tokio::test]
async fn whoever_waits_last_is_woken_by_the_deadline() {
    // A connection from a pool is driven by one task after the other; the timer stays, and only learns whom to wake.
    let (client, mut peer, clock) = rig::<Empty<Bytes>>();
    let mut head = RequestHead::new(Method::GET, "/").unwrap();
    head.fields_mut().append("Host", b"h").unwrap();
    for (nth, answers) in [true, false].into_iter().enumerate() {
        let client = client.clone();
        let head = head.clone();
        let task = tokio::spawn(async move { client.begin::<Message<ResponseHead, _>>(&head, Empty::new())?.await });
        heard(&mut peer).await;
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(if answers { 20 } else { 31 }));
        if answers {
            peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
        let outcome = tokio::time::timeout(Duration::from_secs(5), task).await.expect("nobody woke it").unwrap();
        match outcome {
            Ok(response) => assert!(answers && response.head.status() == StatusCode::NO_CONTENT),
            Err(error) => assert!(!answers && error.protocol() == Some(Error::HeadTimeout), "{nth}: {error}"),
        }
    }
}
