//! The kinds of service that every layer is tried on, with one backend behind all of them.

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use tower::{Service, service_fn};
use xs_net::client::{self, CallError, Connection};
use xs_net::http::{Client, ClientError, Message, ResponseBody, Server};
use xs_net::listener::MemoryStream;
use xs_net::observe::{Headers, Propagate, TraceContext};
use xs_net::{Pipeline, Timer};
use xs_proto::http1::{RequestHead, ResponseHead};
use xs_proto::resp::{Frame, FrameCodec, Version};

/// What a backend does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Answer,
    Fail,
    Hang,
}

/// Answers a number with itself, or does what it is told instead.
#[derive(Clone)]
pub(crate) struct Backend {
    calls: Arc<AtomicU64>,
    /// What to do with the call of this number, counted from 0.
    script: Arc<dyn Fn(u64) -> Act + Send + Sync>,
    /// The `traceparent` that each call brought.
    traces: Arc<Mutex<Vec<Option<String>>>>,
}

impl Backend {
    pub(crate) fn new(script: impl Fn(u64) -> Act + Send + Sync + 'static) -> Self {
        Backend { calls: Arc::default(), script: Arc::new(script), traces: Arc::default() }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn traces(&self) -> Vec<Option<String>> {
        self.traces.lock().clone()
    }

    /// `None`: it failed.
    async fn ask(self, number: u64, trace: Option<String>) -> Option<u64> {
        let nth = self.calls.fetch_add(1, Ordering::SeqCst);
        self.traces.lock().push(trace);
        tokio::task::yield_now().await; // no answer is there at once
        match (self.script)(nth) {
            Act::Answer => Some(number),
            Act::Fail => None,
            Act::Hang => std::future::pending().await,
        }
    }
}

/// A kind of service. Nothing here lets a layer clone a request.
pub(crate) trait Kind: Copy + 'static {
    type Request: Send + 'static;
    type Response: Send + 'static;
    type Error: Debug + Send + Sync + 'static;
    type Service: Service<Self::Request, Response = Self::Response, Error = Self::Error, Future: Send>
        + Clone
        + Send
        + 'static;
    /// Where its requests carry a trace.
    type Carrier: Propagate<Self::Request> + Clone + Default + Send + 'static;

    /// A client of the backend, on a connection of its own if there is one.
    fn service(backend: &Backend) -> Self::Service;

    fn request(number: u64) -> Self::Request;

    /// The number of a request.
    fn number(request: &Self::Request) -> u64;

    /// Whether the backend failed: what is an error to one kind is a response to others.
    fn failed(result: &Result<Self::Response, Self::Error>) -> bool;

    /// Reads a response to its end, without which HTTP's connection is cut: the number in it; `None` if the backend failed.
    fn read(response: Self::Response) -> BoxFuture<'static, Option<u64>>;

    /// A request that says the same, where one may be sent twice.
    fn again(request: &Self::Request) -> Option<Self::Request> {
        Some(Self::request(Self::number(request)))
    }
}

/// A plain function.
#[derive(Clone, Copy)]
pub(crate) struct Function;

/// Not `Clone`.
pub(crate) struct Ask(u64, Option<TraceContext>);

#[derive(Clone, Default)]
pub(crate) struct InAsk;

impl Propagate<Ask> for InAsk {
    fn extract(&self, ask: &Ask) -> Option<TraceContext> {
        ask.1.clone()
    }

    fn inject(&self, ask: &mut Ask, context: &TraceContext) {
        ask.1 = Some(context.clone());
    }
}

/// The function, under a name.
#[derive(Clone)]
pub(crate) struct Called(Backend);

impl Service<Ask> for Called {
    type Response = u64;
    type Error = &'static str;
    type Future = BoxFuture<'static, Result<u64, &'static str>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), &'static str>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let trace = ask.1.map(|context| text(&context.traceparent()));
        self.0.clone().ask(ask.0, trace).map(|answer| answer.ok_or("failed")).boxed()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Kind for Function {
    type Request = Ask;
    type Response = u64;
    type Error = &'static str;
    type Service = Called;
    type Carrier = InAsk;

    fn service(backend: &Backend) -> Called {
        Called(backend.clone())
    }

    fn request(number: u64) -> Ask {
        Ask(number, None)
    }

    fn number(request: &Ask) -> u64 {
        request.0
    }

    fn failed(result: &Result<u64, &'static str>) -> bool {
        result.is_err()
    }

    fn read(response: u64) -> BoxFuture<'static, Option<u64>> {
        async move { Some(response) }.boxed()
    }
}

/// Our client of the Redis protocol, and a server of it in memory.
#[derive(Clone, Copy)]
pub(crate) struct Resp;

/// As a third word of the command.
#[derive(Clone, Default)]
pub(crate) struct InCommand;

fn words(frame: &Frame) -> impl Iterator<Item = &[u8]> {
    let Frame::Array(words) = frame else { panic!("commands are arrays") };
    words.iter().map(|word| match word {
        Frame::Bulk(word) => &word[..],
        other => panic!("{other:?} in a command"),
    })
}

fn number_in(frame: &Frame) -> u64 {
    text(words(frame).nth(1).expect("a number")).parse().expect("a number")
}

impl Propagate<Frame> for InCommand {
    fn extract(&self, command: &Frame) -> Option<TraceContext> {
        TraceContext::parse(words(command).nth(2), []).ok().flatten()
    }

    fn inject(&self, command: &mut Frame, context: &TraceContext) {
        let Frame::Array(words) = command else { panic!("commands are arrays") };
        words.truncate(2);
        words.push(Frame::Bulk(Bytes::copy_from_slice(&context.traceparent())));
    }
}

impl Kind for Resp {
    type Request = Frame;
    type Response = Frame;
    type Error = CallError;
    type Service = Connection<Frame, Frame>;
    type Carrier = InCommand;

    fn service(backend: &Backend) -> Connection<Frame, Frame> {
        let (ours, theirs) = MemoryStream::pair(1 << 16);
        let backend = backend.clone();
        let server = service_fn(move |command: Frame| {
            let trace = words(&command).nth(2).map(text);
            let answer = backend.clone().ask(number_in(&command), trace);
            async move {
                let answer = answer.await.and_then(|number| i64::try_from(number).ok());
                Ok::<_, Infallible>(answer.map_or_else(|| Frame::Error("ERR failed".into()), Frame::Integer))
            }
        });
        tokio::spawn(Pipeline::new(FrameCodec::new(Version::Resp3), server, &Timer::system()).run(theirs));
        let codec = FrameCodec::new(Version::Resp3);
        let (connection, _, driver) = client::connect(ours, codec, Frame::is_push, client::ClientOptions::default());
        tokio::spawn(driver.run());
        connection
    }

    fn request(number: u64) -> Frame {
        Frame::Array(vec![Frame::bulk("ECHO"), Frame::bulk(number.to_string())])
    }

    fn number(command: &Frame) -> u64 {
        number_in(command)
    }

    fn failed(result: &Result<Frame, CallError>) -> bool {
        matches!(result, Err(_) | Ok(Frame::Error(_)))
    }

    fn read(response: Frame) -> BoxFuture<'static, Option<u64>> {
        let number = match response {
            Frame::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        };
        async move { number }.boxed()
    }
}

/// A server of HTTP in memory: 200 and the number, or 500 and no body.
fn http_server(backend: &Backend) -> MemoryStream {
    let (ours, theirs) = MemoryStream::pair(1 << 16);
    let backend = backend.clone();
    let service = service_fn(move |request: Request<xs_net::http::Incoming>| {
        let trace = request.headers().get("traceparent").map(|value| text(value.as_bytes()));
        let answer = backend.clone().ask(request.uri().path()[1..].parse().expect("a number"), trace);
        async move {
            let (status, body) = match answer.await {
                Some(number) => (StatusCode::OK, number.to_string()),
                None => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
            };
            let mut response = Response::new(Full::new(Bytes::from(body)));
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }
    });
    tokio::spawn(Server::new(&Timer::system()).connection(theirs, service));
    ours
}

async fn read_body(body: ResponseBody<MemoryStream, Full<Bytes>>) -> Option<u64> {
    text(&body.collect().await.ok()?.to_bytes()).parse().ok()
}

/// Our client of HTTP/1.1 in the `http` crate's types, and our server.
#[derive(Clone, Copy)]
pub(crate) struct Http;

impl Kind for Http {
    type Request = Request<Full<Bytes>>;
    type Response = Response<ResponseBody<MemoryStream, Full<Bytes>>>;
    type Error = ClientError;
    type Service = Client<MemoryStream, Full<Bytes>>;
    type Carrier = Headers;

    fn service(backend: &Backend) -> Self::Service {
        Client::new(http_server(backend), &Timer::system(), xs_net::http::ClientOptions::default())
    }

    fn request(number: u64) -> Self::Request {
        Request::get(format!("http://h/{number}")).body(Full::default()).expect("a request")
    }

    fn number(request: &Self::Request) -> u64 {
        request.uri().path()[1..].parse().expect("a number")
    }

    fn failed(result: &Result<Self::Response, ClientError>) -> bool {
        !result.as_ref().is_ok_and(|response| response.status().is_success())
    }

    fn read(response: Self::Response) -> BoxFuture<'static, Option<u64>> {
        read_body(response.into_body()).boxed()
    }
}

/// The same with messages whose heads are as they are on the wire.
#[derive(Clone, Copy)]
pub(crate) struct RawHttp;

impl Kind for RawHttp {
    type Request = Message<RequestHead, Full<Bytes>>;
    type Response = Message<ResponseHead, ResponseBody<MemoryStream, Full<Bytes>>>;
    type Error = ClientError;
    type Service = Client<MemoryStream, Full<Bytes>>;
    type Carrier = Headers;

    fn service(backend: &Backend) -> Self::Service {
        Client::new(http_server(backend), &Timer::system(), xs_net::http::ClientOptions::default())
    }

    fn request(number: u64) -> Self::Request {
        let mut head = RequestHead::new(http::Method::GET, &format!("/{number}")).expect("a target");
        head.fields_mut().append("Host", b"h").expect("a field");
        Message::new(head, Full::default())
    }

    fn number(request: &Self::Request) -> u64 {
        request.head.target()[1..].parse().expect("a number")
    }

    fn failed(result: &Result<Self::Response, ClientError>) -> bool {
        !result.as_ref().is_ok_and(|response| response.head.status().is_success())
    }

    fn read(response: Self::Response) -> BoxFuture<'static, Option<u64>> {
        read_body(response.body).boxed()
    }
}
