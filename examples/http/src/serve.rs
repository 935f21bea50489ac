//! The assembly: listener × TLS × HTTP × what every request passes × the service.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tower::{Layer, Service};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use xs_net::http::{Incoming, Server, ServerOptions};
use xs_net::listener::{Addr, BindError, Listener, TcpOptions};
use xs_net::reactors::{ReactorOptions, Reactors};
use xs_net::serve::{ConnectionLimit, Drain, DrainSignal, Drained, ServeOptions, serve_with};
use xs_net::timeout::TimeoutLayer;
use xs_net::tls::{Acceptor, AcceptorOptions, Certificates, TlsError, TlsLayer};
use xs_net::{Conn, TcpListener, Timer};
use xs_os::Rng;
use xs_proto::http1::{Limits, Timeouts};

use crate::body::Body;
use crate::compress::Compress;
use crate::front::{Front, Shared};

/// Which other sites' pages may read the responses (the Fetch standard's CORS).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Cors {
    /// None: nothing is said, and `OPTIONS` reaches the service.
    #[default]
    Off,
    /// All of them. Never with cookies.
    Any,
    /// Those of these origins, such as `https://a.example`.
    Origins(Vec<HeaderValue>),
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A server to be: a service, and how it is served.
#[derive(Debug, Clone)]
pub struct Serve<S> {
    service: S,
    addr: SocketAddr,
    threads: usize,
    certificates: Option<Certificates>,
    compress: bool,
    cors: Cors,
    log: bool,
    drain: Duration,
    timeout: Duration,
    limit: ConnectionLimit,
    options: ServerOptions,
    timer: Timer,
    seed: Option<u64>,
}

impl<S> Serve<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
{
    /// A server of `service` ([`Router`](crate::Router), [`Files`](crate::Files)) on a free port of the loopback interface.
    pub fn new(service: S) -> Self {
        // A head takes no longer than this from anybody who means it.
        let timeouts = Timeouts { head: Some(Duration::from_secs(10)), ..Timeouts::DEFAULT };
        let limits = Limits { body: 64 << 20, ..Limits::SERVER };
        Serve {
            service,
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            threads: 1,
            certificates: None,
            compress: false,
            cors: Cors::Off,
            log: false,
            drain: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            limit: ConnectionLimit::unlimited(),
            options: ServerOptions { limits, timeouts, ..ServerOptions::default() },
            timer: Timer::system(),
            seed: None,
        }
    }

    /// Listens here instead. Port 0 takes a free one.
    #[must_use]
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// Speaks TLS, with these certificates. Whoever keeps a clone can replace them.
    #[must_use]
    pub fn tls(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// Compresses responses that are worth it for clients that take that.
    #[must_use]
    pub fn compress(mut self, on: bool) -> Self {
        self.compress = on;
        self
    }

    /// Lets pages of other sites read the responses.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// Writes a line for each request, as an event of `tracing` with the target `xs_http::access`. Default: no.
    #[must_use]
    pub fn access_log(mut self, on: bool) -> Self {
        self.log = on;
        self
    }

    /// How many threads [`run`](Serve::run) has. Default 1.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How long connections may take to end after the order to. Default 10 s.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain = timeout;
        self
    }

    /// How long the service may take for the head of a response before the client is told 503. Default 30 s.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many connections there are at most; others wait. Default: as many as there are.
    #[must_use]
    pub fn connections(mut self, limit: ConnectionLimit) -> Self {
        self.limit = limit;
        self
    }

    /// What clients may send and how long they may take. Defaults: [`Limits::SERVER`] with bodies of 64 MiB, and
    /// [`Timeouts::DEFAULT`] with heads within 10 s.
    #[must_use]
    pub fn http(mut self, options: ServerOptions) -> Self {
        self.options = options;
        self
    }

    /// The clock that everything goes by. Default: the system's.
    #[must_use]
    pub fn timer(mut self, timer: Timer) -> Self {
        self.timer = timer;
        self
    }

    /// Where chance starts, for identifiers. Default: from the operating system.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Starts it on the caller's runtime, and returns once it listens.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start(self) -> Result<Running, StartError> {
        let listener = TcpListener::bind(self.addr, TcpOptions::default())?;
        let (addr, signal) = (listener.socket_addr(), DrainSignal::new());
        let scheme = self.scheme();
        let ready = self.assemble()?;
        let task = tokio::spawn(ready.serve(listener, signal.drain()));
        Ok(Running { addr, scheme, signal, task })
    }

    /// Starts it on threads of its own, each with a runtime and a socket on the port.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub fn run(self) -> Result<Reactors, StartError> {
        let (addr, threads) = (self.addr, self.threads);
        let ready = self.assemble()?;
        let options = ReactorOptions { threads, name: "http".to_owned(), ..ReactorOptions::default() };
        let reactors = Reactors::start(addr, options, move |reactor| {
            let served = ready.clone().serve(reactor.listener, reactor.shutdown);
            async move { served.await.map(drop) }
        })?;
        Ok(reactors)
    }

    /// `http`, or `https` with certificates.
    pub fn scheme(&self) -> &'static str {
        if self.certificates.is_some() { "https" } else { "http" }
    }

    /// All that connections share.
    fn assemble(self) -> Result<Ready<S>, StartError> {
        let acceptor = match self.certificates.clone() {
            None => None,
            Some(certificates) => {
                let options = AcceptorOptions {
                    name: "http".into(),
                    alpn: vec![b"http/1.1".to_vec()],
                    ..AcceptorOptions::default()
                };
                Some(Acceptor::new(certificates, options, &self.timer)?)
            }
        };
        let rng = self.seed.map_or_else(Rng::from_entropy, Rng::from_seed);
        let front = Arc::new(Shared { timer: self.timer.clone(), rng: Mutex::new(rng), log: self.log });
        Ok(Ready { serve: self, acceptor, front })
    }
}

/// A server without its listener.
#[derive(Debug, Clone)]
struct Ready<S> {
    serve: Serve<S>,
    acceptor: Option<Acceptor>,
    front: Arc<Shared>,
}

impl<S> Ready<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
{
    /// Serves until the order comes, and then as long as connections need to end.
    async fn serve<L>(self, listener: L, mut until: Drain) -> io::Result<Drained>
    where
        L: Listener<Peer = Addr>,
    {
        let Ready { serve, acceptor, front } = self;
        let options = ServeOptions {
            limit: serve.limit.clone(),
            drain_timeout: serve.drain,
            timer: serve.timer.clone(),
            ..ServeOptions::default()
        };
        let until = async move { until.drained().await };
        match acceptor {
            None => serve_with(listener, connections(serve, front), until, options).await,
            Some(acceptor) => {
                let secure = TlsLayer::new(acceptor).layer(connections(serve, front));
                serve_with(listener, secure, until, options).await
            }
        }
    }
}

/// The service of connections: what every request passes, around the service.
fn connections<S, Io>(
    serve: Serve<S>,
    front: Arc<Shared>,
) -> impl Service<Conn<Io, Addr>, Response: Send + 'static, Error = Infallible, Future: Send + 'static> + Clone
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
    Io: xs_net::Transport + Unpin + Send + 'static,
{
    let timer = serve.timer.clone();
    let service = Compress::new(serve.service, serve.compress);
    let service = tower::util::option_layer(cors(&serve.cors)).layer(service);
    let service = TimeoutLayer::new("http", serve.timeout, &timer).layer(service);
    Server::new(&timer).with_options(serve.options).serve(move |conn: &Conn<Io, Addr>| {
        Front::new(service.clone(), front.clone(), conn.peer.clone(), conn.io.sends_files())
    })
}

/// tower-http's, which knows the protocol.
fn cors(cors: &Cors) -> Option<CorsLayer> {
    let origins = match cors {
        Cors::Off => return None,
        Cors::Any => AllowOrigin::any(),
        Cors::Origins(origins) => AllowOrigin::list(origins.iter().cloned()),
    };
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let seen = [
        header::ACCEPT_RANGES,
        header::CONTENT_RANGE,
        header::ETAG,
        header::LOCATION,
        HeaderName::from_static("x-request-id"),
    ];
    let layer = CorsLayer::new().allow_origin(origins).allow_methods(methods).allow_headers(Any);
    Some(layer.expose_headers(seen).max_age(Duration::from_secs(3600)))
}

/// A running server. Dropping it cuts it off.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    scheme: &'static str,
    signal: DrainSignal,
    task: JoinHandle<io::Result<Drained>>,
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a path begins with: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// Accepts no more, lets connections finish what they do, and waits for them.
    ///
    /// # Errors
    ///
    /// The listener failed, some time before.
    pub async fn shutdown(mut self) -> io::Result<Drained> {
        self.signal.start();
        (&mut self.task).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
