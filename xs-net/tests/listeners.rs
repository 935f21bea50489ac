//! The same conversations over every listener: lines and RESP, through sessions and pipelines, by xs' own client.

mod common;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tower::{Service, ServiceExt};
use xs_net::client::{self, ClientOptions};
use xs_net::listener::{
    Addr, Listener, MemoryConnector, MemoryListener, TcpListener, TcpOptions, UnixListener, UnixOptions,
};
use xs_net::serve::{Conn, serve};
use xs_net::{Next, Pipeline, Registry, Session, Timer, Transport, Turn};
use xs_proto::resp::{Frame, FrameCodec, InputLimits, Reply, RequestDecoder, Version};

/// A listener with the way to it.
trait Place {
    type Listener: Listener<Peer = Addr> + 'static;
    type Client: Transport + Unpin + Send + 'static;
    fn listen(&mut self) -> Self::Listener;
    async fn connect(&self) -> io::Result<Self::Client>;
}

#[derive(Default)]
struct Tcp(Option<SocketAddr>);

impl Place for Tcp {
    type Listener = TcpListener;
    type Client = TcpStream;
    fn listen(&mut self) -> TcpListener {
        let listener = TcpListener::bind(([127, 0, 0, 1], 0).into(), TcpOptions::default()).unwrap();
        self.0 = Some(listener.socket_addr());
        listener
    }
    async fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(self.0.unwrap()).await
    }
}

struct Unix(tempfile::TempDir);

impl Default for Unix {
    fn default() -> Self {
        Unix(tempfile::tempdir().unwrap())
    }
}

impl Place for Unix {
    type Listener = UnixListener;
    type Client = UnixStream;
    fn listen(&mut self) -> UnixListener {
        UnixListener::bind(self.0.path().join("socket"), UnixOptions::default()).unwrap()
    }
    async fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.0.path().join("socket")).await
    }
}

#[derive(Default)]
struct Memory(Option<MemoryConnector>);

impl Place for Memory {
    type Listener = MemoryListener;
    type Client = xs_net::listener::MemoryStream;
    fn listen(&mut self) -> MemoryListener {
        let (listener, connector) = MemoryListener::new(16);
        self.0 = Some(connector);
        listener
    }
    async fn connect(&self) -> io::Result<Self::Client> {
        self.0.as_ref().unwrap().connect().await
    }
}

/// A RESP service for one connection: PING, ECHO, HELLO 3, COUNT (its own state), QUIT.
#[derive(Default)]
struct Resp {
    count: i64,
    version: Version,
}

impl Service<Box<Turn<RequestDecoder>>> for Resp {
    type Response = Box<Turn<RequestDecoder>>;
    type Error = Infallible;
    type Future = Ready<Result<Box<Turn<RequestDecoder>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut turn: Box<Turn<RequestDecoder>>) -> Self::Future {
        while turn.next == Next::Read {
            let (codec, bytes) = turn.input.parts();
            let mut reply = Reply::new(&mut turn.out, self.version);
            let taken = match codec.parse(bytes) {
                Ok(None) => break,
                Ok(Some(taken)) => {
                    let args = codec.args(bytes);
                    match args.get(0).unwrap_or_default() {
                        b"PING" => reply.simple("PONG"),
                        b"ECHO" => reply.bulk(args.get(1).unwrap_or_default()),
                        b"COUNT" => {
                            self.count += 1;
                            reply.int(self.count);
                        }
                        b"HELLO" => {
                            self.version = Version::Resp3;
                            reply = Reply::new(&mut turn.out, self.version);
                            reply.map(1);
                            reply.bulk(b"proto");
                            reply.int(3);
                        }
                        b"QUIT" => {
                            reply.simple("OK");
                            turn.next = Next::Close;
                        }
                        _ => reply.error("ERR unknown command"),
                    }
                    taken
                }
                Err(e) => {
                    reply.error(format!("ERR {e}"));
                    turn.next = Next::Close;
                    break;
                }
            };
            turn.input.consume(taken);
        }
        ready(Ok(turn))
    }
}

/// What is tried over each listener.
async fn with_server<P, S, Fut>(mut place: P, service: S, talk: impl FnOnce(P) -> Fut)
where
    P: Place,
    S: Service<Conn<<P::Listener as Listener>::Io, Addr>, Response = (), Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
    Fut: Future<Output = ()>,
{
    let listener = place.listen();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, service, stopped));
    within(talk(place)).await;
    drop(stop);
    assert_eq!(within(server).await.unwrap().unwrap().aborted, 0);
}

async fn lines_through_a_session<P: Place>(place: P) {
    let registry = Registry::new();
    let service = {
        let registry = registry.clone();
        tower::service_fn(move |conn: Conn<<P::Listener as Listener>::Io, Addr>| {
            let session = Session::new(registry.register(conn.peer), LINES, Echo::default(), &Timer::system());
            let run = session.with_drain(conn.drain).run(conn.io);
            async move {
                drop(run.await);
                Ok(())
            }
        })
    };
    with_server(place, service, |place| async move {
        let mut one = place.connect().await.unwrap();
        let mut two = place.connect().await.unwrap();
        one.write_all(b"from one\nsemicolons\na;").await.unwrap();
        two.write_all(b"from two\n").await.unwrap();
        expect(&mut one, "from one\na;").await;
        expect(&mut two, "from two\n").await;
        two.write_all(b"large\n").await.unwrap();
        expect(&mut two, &"x".repeat(100_000)).await;
        assert_eq!(registry.len(), 2);
        registry.handles()[0].push(|out| out.put_slice(b"pushed")).unwrap();
        expect(&mut one, "pushed").await;

        // A blocked request is cancelled by the end of its peer, on every kind of stream.
        two.write_all(b"forever\n").await.unwrap();
        drop(two);
        while registry.len() > 1 {
            tokio::task::yield_now().await;
        }
        registry.handles()[0].kill();
        assert_eq!(one.read(&mut [0; 10]).await.unwrap_or(0), 0);

        let mut half = place.connect().await.unwrap();
        half.write_all(b"last words").await.unwrap();
        half.shutdown().await.unwrap();
        let mut rest = String::new();
        half.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "last words\n");
        let _stays_open_until_the_drain = place.connect().await.unwrap();
    })
    .await;
}

async fn lines_through_a_pipeline<P: Place>(place: P) {
    let service = tower::service_fn(|conn: Conn<<P::Listener as Listener>::Io, Addr>| {
        let echo = tower::service_fn(|line: Bytes| async move { Ok::<_, io::Error>(line) });
        let run = Pipeline::new(LINES, echo, &Timer::system()).with_drain(conn.drain).run(conn.io);
        async move {
            drop(run.await);
            Ok(())
        }
    });
    with_server(place, service, |place| async move {
        let io = place.connect().await.unwrap();
        let (connection, _pushes, driver) = client::connect(io, LINES, |_| false, ClientOptions::default());
        tokio::spawn(driver.run());
        let calls = (0..500).map(|i| connection.clone().oneshot(Bytes::from(format!("call {i}"))));
        let replies = futures::future::try_join_all(calls).await.unwrap();
        assert!(replies.iter().enumerate().all(|(i, reply)| *reply == format!("call {i}")));
    })
    .await;
}

async fn resp_through_a_session<P: Place>(place: P) {
    let registry = Registry::new();
    let service = tower::service_fn(move |conn: Conn<<P::Listener as Listener>::Io, Addr>| {
        let decoder = RequestDecoder::new(InputLimits::default());
        let session = Session::new(registry.register(conn.peer), decoder, Resp::default(), &Timer::system());
        let run = session.with_drain(conn.drain).run(conn.io);
        async move {
            drop(run.await);
            Ok(())
        }
    });
    with_server(place, service, |place| async move {
        let io = place.connect().await.unwrap();
        let codec = FrameCodec::new(Version::Resp3);
        let (mut connection, _pushes, driver) = client::connect(io, codec, Frame::is_push, ClientOptions::default());
        tokio::spawn(driver.run());
        let request = |words: &[&'static str]| Frame::Array(words.iter().map(|&word| Frame::bulk(word)).collect());
        let mut replies = Vec::new();
        for words in [&["PING"][..], &["ECHO", "a\r\nb"], &["COUNT"], &["HELLO", "3"], &["COUNT"], &["NONE"], &["QUIT"]]
        {
            replies.push(connection.ready().await.unwrap().call(request(words)));
        }
        let replies = futures::future::try_join_all(replies).await.unwrap();
        let expected = [
            Frame::Simple("PONG".into()),
            Frame::bulk("a\r\nb"),
            Frame::Integer(1),
            Frame::Map(vec![(Frame::bulk("proto"), Frame::Integer(3))]),
            Frame::Integer(2),
            Frame::Error("ERR unknown command".into()),
            Frame::Simple("OK".into()),
        ];
        assert_eq!(replies, expected);

        let mut raw = place.connect().await.unwrap();
        raw.write_all(b"PING\r\n*1\r\n$-5\r\n").await.unwrap(); // inline, then nonsense
        let mut rest = String::new();
        raw.read_to_string(&mut rest).await.unwrap();
        assert!(rest.starts_with("+PONG\r\n-ERR Protocol error"), "{rest:?}");
    })
    .await;
}

macro_rules! over_every_listener {
    ($($listener:ident: $place:ty),*) => {$(
        mod $listener {
            #[tokio::test]
            async fn lines_through_a_session() {
                super::lines_through_a_session(<$place>::default()).await;
            }
            #[tokio::test]
            async fn lines_through_a_pipeline() {
                super::lines_through_a_pipeline(<$place>::default()).await;
            }
            #[tokio::test]
            async fn resp_through_a_session() {
                super::resp_through_a_session(<$place>::default()).await;
            }
        }
    )*};
}

over_every_listener!(tcp: super::Tcp, unix: super::Unix, memory: super::Memory);

/// What a connection's service is told about where it came to.
async fn ends<L>(listener: L) -> (oneshot::Receiver<(Addr, Option<i32>)>, tokio::task::JoinHandle<()>)
where
    L: Listener<Peer = Addr> + 'static,
{
    let (tell, told) = oneshot::channel();
    let mut tell = Some(tell);
    let service = tower::service_fn(move |conn: Conn<L::Io, Addr>| {
        let _ = tell.take().map(|tell| tell.send((conn.local, conn.descriptor)));
        ready(Ok::<_, Infallible>(()))
    });
    let server = tokio::spawn(async move {
        let _ = serve(listener, service, std::future::pending::<()>()).await;
    });
    (told, server)
}

#[tokio::test]
async fn a_connection_knows_its_own_end_and_its_descriptor() {
    let everywhere = TcpListener::bind(([0, 0, 0, 0], 0).into(), TcpOptions::default()).unwrap();
    let here = SocketAddr::from(([127, 0, 0, 1], everywhere.socket_addr().port()));
    let (told, server) = ends(everywhere).await;
    let client = TcpStream::connect(here).await.unwrap();
    let (local, descriptor) = within(told).await.unwrap();
    assert_eq!(local, Addr::Tcp(here));
    assert!(descriptor.is_some_and(|number| number > 2));
    drop((client, server));

    let mut place = Unix::default();
    let listener = place.listen();
    let name = listener.local_addr();
    let (told, _server) = ends(listener).await;
    let _client = place.connect().await.unwrap();
    let (local, descriptor) = within(told).await.unwrap();
    assert_eq!(local, name);
    assert!(descriptor.is_some_and(|number| number > 2));

    let mut place = Memory::default();
    let (told, _server) = ends(place.listen()).await;
    let _client = place.connect().await.unwrap();
    assert_eq!(within(told).await.unwrap(), (Addr::Memory(0), None));
}
