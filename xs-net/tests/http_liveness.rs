//! Whatever the other side does, a connection of HTTP comes to its end, and a request to its own answer or an error. In
//! virtual time.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Service, service_fn};
use xs_net::http::{Client, ClientError, ClientOptions, Incoming, Server, ServerOptions};
use xs_net::listener::MemoryStream;
use xs_net::session::HalfClose;
use xs_net::{BoxError, Timer};
use xs_os::VirtualClock;

/// What the service does with a request, as its path says.
const MANNERS: [&str; 12] =
    ["ignore", "read", "echo", "early", "large", "error", "panic", "half", "short", "trailers", "wrong", "upgrade"];

type Answer = Result<Response<UnsyncBoxBody<Bytes, BoxError>>, BoxError>;

fn whole(bytes: impl Into<Bytes>) -> UnsyncBoxBody<Bytes, BoxError> {
    Full::new(bytes.into()).map_err(Into::into).boxed_unsync()
}

fn pieces(frames: Vec<Result<Frame<Bytes>, BoxError>>) -> UnsyncBoxBody<Bytes, BoxError> {
    BodyExt::boxed_unsync(
        StreamBody::new(stream::iter(frames.into_iter().map(|frame| frame.map_err(|e| e.to_string()))))
            .map_err(Into::into),
    )
}

async fn answer(request: Request<Incoming>) -> Answer {
    let data = |len: usize| Ok(Frame::data(Bytes::from(vec![b'd'; len])));
    let trailer = |name: &'static str| {
        let fields = [(http::HeaderName::from_static(name), http::HeaderValue::from_static("1"))];
        Ok(Frame::trailers(HeaderMap::from_iter(fields)))
    };
    let manner = request.uri().path()[1..].to_owned();
    let mut response = Response::new(match &manner[..] {
        "read" => {
            tokio::task::yield_now().await;
            let len = request.into_body().collect().await?.to_bytes().len();
            whole(len.to_string())
        }
        "echo" => request.into_body().map_err(Into::into).boxed_unsync(),
        "early" => {
            drop(request);
            pieces(vec![data(10), data(0), data(3000)])
        }
        "large" => pieces((0..30).map(|_| data(10_000)).collect()),
        "error" => return Err("on purpose".into()),
        "panic" => panic!("on purpose"),
        "half" => pieces(vec![data(10), Err("on purpose".into())]),
        "trailers" => pieces(vec![data(10), trailer("x-sum")]),
        "wrong" => pieces(vec![data(10), trailer("content-length")]),
        _ => whole("some text"),
    });
    match &manner[..] {
        "short" => drop(response.headers_mut().insert("content-length", http::HeaderValue::from_static("3"))),
        "upgrade" => {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            *response.body_mut() = whole("");
        }
        _ => {}
    }
    Ok(response)
}

/// Passes requests on to a server of the same kind, each over a connection of its own.
async fn pass_on(request: Request<Incoming>, timer: Timer, options: ServerOptions, buffer: usize) -> Answer {
    let (ours, theirs) = MemoryStream::pair(buffer);
    tokio::spawn(Server::new(&timer).with_options(options).connection(theirs, service_fn(answer)));
    let limits = xs_proto::http1::Limits { send_window: options.limits.send_window, ..xs_proto::http1::Limits::CLIENT };
    let mut client = Client::new(ours, &timer, ClientOptions { limits, ..ClientOptions::default() });
    let (mut parts, body) = request.into_parts();
    for name in ["connection", "upgrade", "transfer-encoding"] {
        parts.headers.remove(name);
    }
    let response: Response<_> = client.call(Request::from_parts(parts, body)).await?;
    let (mut parts, body) = response.into_parts();
    for name in ["connection", "transfer-encoding"] {
        parts.headers.remove(name);
    }
    Ok(Response::from_parts(parts, body.map_err(Into::into).boxed_unsync()))
}

#[derive(Debug, Clone)]
struct Asked {
    method: &'static str,
    manner: &'static str,
    fields: &'static str,
    /// Its length and how it is sent; `None`: there is none.
    body: Option<(usize, bool)>,
}

impl Asked {
    fn bytes(&self) -> Vec<u8> {
        let Asked { method, manner, fields, body } = self;
        let mut bytes = format!("{method} /{manner} HTTP/1.1\r\nHost: h\r\n{fields}").into_bytes();
        match body {
            None => bytes.extend(b"\r\n"),
            Some((len, false)) => {
                bytes.extend(format!("Content-Length: {len}\r\n\r\n").bytes());
                bytes.extend(vec![b'b'; *len]);
            }
            Some((len, true)) => {
                bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in vec![b'b'; *len].chunks(777) {
                    bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    bytes.extend(chunk.iter().chain(b"\r\n"));
                }
                bytes.extend(b"0\r\nX-T: 1\r\n\r\n");
            }
        }
        bytes
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let fields = prop_oneof![
        6 => Just(""),
        2 => Just("Expect: 100-continue\r\n"),
        1 => Just("Connection: close\r\n"),
        1 => Just("Connection: upgrade\r\nUpgrade: x\r\n"),
        1 => Just("Connection: upgrade\r\nUpgrade: x\r\nExpect: 100-continue\r\n"),
    ];
    let len = prop_oneof![0..20_usize, Just(2000), Just(100_000), Just(400_000)];
    let (method, manner) = (prop::sample::select(&["GET", "POST", "HEAD"][..]), prop::sample::select(&MANNERS[..]));
    let body = prop::option::of((len, any::<bool>()));
    (method, manner, fields, body).prop_map(|(method, manner, fields, body)| Asked { method, manner, fields, body })
}

fn poke<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Sends what is `asked` up to `cut`, and then nothing; reads if it `reads`; and ends its side if it `ends`.
async fn run(asked: &[Asked], cut: usize, reads: bool, ends: bool, proxy: bool, options: ServerOptions, buffer: usize) {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let (mut client, server) = MemoryStream::pair(buffer);
    let passes = timer.clone();
    let service = service_fn(move |request| {
        let timer = passes.clone();
        async move { if proxy { pass_on(request, timer, options, buffer).await } else { answer(request).await } }
    });
    let mut connection = Box::pin(Server::new(&timer).with_options(options).connection(server, service));
    let mut sent: Vec<u8> = asked.iter().flat_map(Asked::bytes).collect();
    sent.truncate(cut);
    let (mut at, mut over, mut buf) = (0, false, vec![0; 64 * 1024]);
    let mut quiet = 0;
    for _ in 0..60_000 {
        tokio::task::yield_now().await;
        if poke(connection.as_mut()).is_some() {
            return;
        }
        let before = at;
        if at < sent.len() {
            let wrote: Option<io::Result<usize>> = poke(pin!(client.write(&sent[at..])));
            match wrote {
                Some(Ok(len)) => at += len,
                Some(Err(_)) => at = sent.len(),
                None => {}
            }
        } else if ends && !over {
            over = poke(pin!(client.shutdown())).is_some();
        }
        let read = reads && matches!(poke(pin!(client.read(&mut buf))), Some(Ok(1..)));
        quiet = if read || at > before { 0 } else { quiet + 1 };
        // Nothing moves: then time does.
        if quiet > 10
            && let Some(next) = clock.next_deadline()
        {
            clock.advance(next.saturating_duration_since(xs_os::Clock::now(&clock)));
            quiet = 5;
        }
    }
    panic!("it never ends");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn every_connection_ends(
        asked in proptest::collection::vec(asked(), 1..5),
        cut in prop_oneof![3 => Just(usize::MAX), 1 => 0..3000_usize, 1 => 0..600_000_usize],
        (reads, ends, cancels, proxy) in any::<(bool, bool, bool, bool)>(),
        (buffer, window) in (prop_oneof![Just(100_usize), Just(64 * 1024)], prop_oneof![Just(1000_usize), Just(256 * 1024)]),
    ) {
        let half_close = if cancels { HalfClose::Cancel } else { HalfClose::Answer };
        let mut options = ServerOptions { half_close, ..ServerOptions::default() };
        (options.limits.receive_window, options.limits.send_window) = (window, window);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(&asked, cut, reads, ends, proxy, options, buffer));
    }
}

/// What a server says to a request, with the request's number in place of `#`. Some of it is wrong.
const WORDS: [&str; 16] = [
    "HTTP/1.1 200 OK\r\nN: #\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nN: #\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: 1\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nN: #\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nN: #\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nN: #\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.0 200 OK\r\nN: #\r\n\r\nhello",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nN: #\r\n\r\n",
    "HTTP/1.1 413 Payload Too Large\r\nN: #\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nN: #\r\nContent-Length: 9\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nN: #\r\nContent-Length: 3\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nN: #\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "HTTP/1.1 200 OK\r\nN: #\r\nTransfer-Encoding: gzip\r\n\r\n",
    "SSH-2.0-x\r\n",
    "",
];

#[derive(Debug, Clone)]
struct Exchange {
    method: &'static str,
    body: usize,
    expects: bool,
    says: Vec<&'static str>,
    /// In pieces of so many bytes.
    piece: usize,
    /// Whether the server reads, speaks before the request, and leaves.
    manners: (bool, bool, bool),
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let method = prop::sample::select(&["GET", "HEAD", "POST"][..]);
    let body = prop_oneof![Just(0_usize), Just(10), Just(400_000)];
    let says = proptest::collection::vec(prop::sample::select(&WORDS[..]), 1..4);
    let manners = (prop::bool::weighted(0.8), prop::bool::weighted(0.2), prop::bool::weighted(0.3));
    (method, body, any::<bool>(), says, prop_oneof![Just(1_usize), Just(1000)], manners).prop_map(
        |(method, body, expects, says, piece, manners)| Exchange { method, body, expects, says, piece, manners },
    )
}

/// Makes the requests one after the other, each on a new connection if the last one is not free.
async fn ask(exchanges: &[Exchange]) {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let mut connected: Option<(Client<MemoryStream, Full<Bytes>>, MemoryStream)> = None;
    for (nth, exchange) in exchanges.iter().enumerate() {
        let Exchange { method, body, expects, says, piece, manners: (reads, early, leaves) } = exchange;
        let says = says.concat().replace('#', &nth.to_string()).into_bytes();
        let connection = connected.take().filter(|(client, _)| client.is_reusable());
        let (client, server) = connection.unwrap_or_else(|| {
            let (ours, theirs) = MemoryStream::pair(64 * 1024);
            (Client::new(ours, &timer, ClientOptions::default()), theirs)
        });
        let mut server = Some(server);
        if *early {
            let _ = poke(pin!(server.as_mut().unwrap().write(&says)));
        }
        let mut request = Request::builder().method(*method).uri("http://h/");
        if *expects {
            request = request.header("expect", "100-continue");
        }
        let request = request.body(Full::new(Bytes::from(vec![b'b'; *body]))).unwrap();
        let mut caller = client.clone();
        let mut answer = pin!(async move {
            let called: Result<Response<_>, ClientError> = caller.call(request).await;
            let (head, body) = called?.into_parts();
            // It is ours, or none.
            assert_eq!(head.headers["n"], nth.to_string());
            body.collect().await.map(drop)
        });
        let (mut at, mut quiet, mut buf) = (if *early { says.len() } else { 0 }, 0, vec![0; 64 * 1024]);
        let mut over = false;
        for _ in 0..5_000 {
            tokio::task::yield_now().await;
            over = poke(answer.as_mut()).is_some();
            if over {
                break;
            }
            let Some(io) = &mut server else {
                quiet += 1;
                if quiet > 10
                    && let Some(next) = clock.next_deadline()
                {
                    clock.advance(next.saturating_duration_since(xs_os::Clock::now(&clock)));
                }
                continue;
            };
            let read = *reads && matches!(poke(pin!(io.read(&mut buf))), Some(Ok(1..)));
            let end = says.len().min(at + piece);
            let wrote =
                at < end && matches!(poke(pin!(io.write(&says[at..end]))), Some(Ok(len)) if { at += len; true });
            quiet = if read || wrote { 0 } else { quiet + 1 };
            if at == says.len() && *leaves {
                server = None;
            } else if quiet > 10
                && let Some(next) = clock.next_deadline()
            {
                clock.advance(next.saturating_duration_since(xs_os::Clock::now(&clock)));
                quiet = 5;
            }
        }
        assert!(over, "request {nth} has no answer and no error");
        connected = server.map(|server| (client, server));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn every_request_has_its_own_answer_or_an_error(exchanges in proptest::collection::vec(exchange(), 1..5)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(ask(&exchanges));
    }
}
