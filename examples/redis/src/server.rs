//! The assembly: a listener × the RESP codec × the service × the keyspace, started and stopped as one value.
//!
//! # The problem
//!
//! A test that needs a Redis wants one *now*, on a port that is free, next to nine others, gone when the test ends; and
//! it wants to say when a key expires instead of sleeping until it does.
//!
//! # How it works
//!
//! ```text
//!   Builder ── listen ──▶ TcpListener ─┐
//!     │                   UnixListener ┼─▶ serve ─▶ Session × RequestDecoder ─▶ Connection (service)
//!     │                                │                                            │ one lock a batch
//!     └── clock, seed ──▶ Shared ◀─────┴────────────────────────────────────────────┘
//!                           └── cron: expiry, ten times a second by that clock
//! ```
//!
//! [`Server::ephemeral`] binds port 0 on loopback and runs on the caller's tokio runtime. [`Builder::clock`] takes a
//! `VirtualClock`: time then passes only when the test says so, for expiry, blocking commands and idle times alike.
//! [`Builder::seed`] fixes what eviction, `SPOP` and `RANDOMKEY` draw.
//!
//! # Invariants
//!
//! - The address is bound before [`Builder::start`] returns: a client may connect at once.
//! - Dropping the [`Server`] ends accepting and closes its connections; [`Server::shutdown`] also waits for them.
//! - Nothing is shared between two servers of one process.
//!
//! # Cost
//!
//! About a hundred microseconds to start. A connection that is quiet holds no buffers.
//!
//! # Example
//!
//! Time on a string:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{sync::Arc, time::Duration};
//! use xs_os::VirtualClock;
//!
//! let clock = VirtualClock::new();
//! let server = xs_redis::Server::builder().clock(Arc::new(clock.clone())).ephemeral().await?;
//! let client = redis::Client::open(server.url())?;
//! let mut connection = client.get_multiplexed_async_connection().await?;
//!
//! let () = redis::cmd("SET").arg(&["session", "42", "EX", "3600"]).query_async(&mut connection).await?;
//! clock.advance(Duration::from_secs(3600));
//! let gone: Option<String> = redis::cmd("GET").arg("session").query_async(&mut connection).await?;
//! assert_eq!(gone, None);
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! `redis-test` and its like mock the client; testcontainers starts the real server in a container, seconds later and
//! with the system's clock.
//!
//! # What this leaves out
//!
//! Persistence: what this server holds ends with it.
//!
//! # Try next
//!
//! Start two servers with one `VirtualClock`, and write a test of a lock that must survive one of them stopping.
//!
//! # Sources
//!
//! The Redis documentation of `SHUTDOWN` and of protected mode.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use xs_net::listener::{Addr, BindError, Listener, TcpListener, TcpOptions, UnixListener, UnixOptions};
use xs_net::serve::{AtLimit, Conn, ConnectionLimit, ServeOptions, serve_with};
use xs_net::session::{Registry, Session, SessionOptions};
use xs_net::{BoxError, Timer, Transport};
use xs_os::{Clock, Rng, SystemClock};
use xs_proto::resp::{Limits, RequestDecoder};
use xs_storage::keyspace::Keyspace;

use crate::client::Client;
use crate::config::Config;
use crate::service::{Connection, unix_ms};
use crate::state::{Shared, State};

/// What a server says to a connection beyond `maxclients`.
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// What a server in protected mode says to a connection from elsewhere.
const PROTECTED: &str = "DENIED Redis is running in protected mode because protected mode is enabled and no password is \
    set for the default user. In this mode connections are only accepted from the loopback interface. To connect from \
    elsewhere, set a password (requirepass), or turn protected mode off (protected-mode no) if nobody but you can reach \
    this server.";

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    addrs: Vec<Addr>,
    tasks: Vec<JoinHandle<()>>,
}

/// A server to be.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    clock: Arc<dyn Clock>,
    seed: Option<u64>,
}

/// Why a server did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// A directive has a value that it cannot have.
    #[error("{0}")]
    Config(String),
}

impl Builder {
    /// With this configuration.
    pub(crate) fn from_config(config: Config) -> Builder {
        Builder { config, clock: Arc::new(SystemClock), seed: None }
    }

    /// Listens on this address (default 127.0.0.1).
    #[must_use]
    pub fn bind(mut self, addr: IpAddr) -> Builder {
        self.config.bind = vec![addr.to_string()];
        self
    }

    /// Listens on this port (default 6379); 0 takes a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Builder {
        self.config.port = port;
        self.config.any_port = port == 0;
        self
    }

    /// Also listens on this socket file.
    #[must_use]
    pub fn unix_socket(mut self, path: impl AsRef<Path>) -> Builder {
        self.config.unixsocket = Some(path.as_ref().to_owned());
        self
    }

    /// Sets a directive of redis.conf.
    ///
    /// # Errors
    ///
    /// When there is no such directive, or it cannot have that value.
    pub fn directive(mut self, name: &str, value: &str) -> Result<Builder, StartError> {
        self.config.set(name, value).map_err(StartError::Config)?;
        Ok(self)
    }

    /// The clock that everything goes by (default: the system's).
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Builder {
        self.clock = clock;
        self
    }

    /// Where chance starts (default: from the operating system).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Builder {
        self.seed = Some(seed);
        self
    }

    /// Starts it on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn ephemeral(self) -> Result<Server, StartError> {
        self.bind(IpAddr::V4(Ipv4Addr::LOCALHOST)).port(0).start().await
    }

    /// Starts it on the caller's runtime, and returns once it listens.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start(self) -> Result<Server, StartError> {
        let shared = self.share();
        let mut server = Server { shared, addrs: Vec::new(), tasks: Vec::new() };
        server.listen(&self.config, false)?;
        let (cron, stop) = (crate::cron::run(server.shared.clone()), stopped(server.shared.stop.subscribe()));
        server.tasks.push(tokio::spawn(async move {
            tokio::select! {
                () = cron => {}
                () = stop => {}
            }
        }));
        Ok(server)
    }

    /// The state of the server to be.
    fn share(&self) -> Arc<Shared> {
        let rng = self.seed.map_or_else(Rng::from_entropy, Rng::from_seed);
        let registry = Registry::new();
        let mut keyspace =
            Keyspace::new(self.config.databases, self.config.keyspace(), rng.fork("keyspace").next_u64());
        keyspace.record_changes(false);
        let server = crate::state::Server::new(self.config.clone(), self.clock.clone(), registry.clone(), rng);
        Arc::new(Shared {
            timer: Timer::new(self.clock.clone()),
            clock: self.clock.clone(),
            registry,
            limit: ConnectionLimit::new(self.config.maxclients),
            state: Mutex::new(State {
                keyspace,
                lookups: Default::default(),
                limits: self.config.limits.clone(),
                server,
            }),
            stop: watch::Sender::new(false),
        })
    }
}

impl Server {
    /// A server with the defaults of redis.conf.
    pub fn builder() -> Builder {
        Builder::from_config(Config::default())
    }

    /// A server with the defaults on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn ephemeral() -> Result<Server, StartError> {
        Server::builder().ephemeral().await
    }

    fn listen(&mut self, config: &Config, reuse_port: bool) -> Result<(), StartError> {
        let mut port = config.port;
        for (bind, may_fail) in config.addresses() {
            let options = TcpOptions {
                backlog: config.tcp_backlog,
                keepalive: (config.tcp_keepalive > 0).then(|| Duration::from_secs(config.tcp_keepalive)),
                reuse_port,
                ..TcpOptions::default()
            };
            let listener = match TcpListener::bind(SocketAddr::new(bind, port), options) {
                Ok(listener) => listener,
                Err(error) if may_fail && !error.is_taken() => {
                    tracing::warn!("{error}");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            port = listener.socket_addr().port(); // all addresses share one port, also when it was chosen for us
            self.accept_from(listener);
        }
        if let Some(path) = &config.unixsocket {
            self.accept_from(UnixListener::bind(path, UnixOptions { mode: config.unixsocketperm })?);
        }
        self.shared.state.lock().server.listening(&self.addrs);
        Ok(())
    }

    fn accept_from<L>(&mut self, listener: L)
    where
        L: Listener<Peer: Into<Addr> + Send> + 'static,
    {
        self.addrs.push(listener.local_addr());
        self.tasks.push(tokio::spawn(accept(listener, self.shared.clone())));
    }

    /// Where it listens.
    pub fn addrs(&self) -> &[Addr] {
        &self.addrs
    }

    /// The TCP port that it listens on; 0 when it only listens on a socket file.
    pub fn port(&self) -> u16 {
        self.addrs
            .iter()
            .find_map(|addr| if let Addr::Tcp(addr) = addr { Some(addr.port()) } else { None })
            .unwrap_or(0)
    }

    /// What clients connect to: `redis://127.0.0.1:PORT/`.
    pub fn url(&self) -> String {
        let tcp = self.addrs.iter().find_map(|addr| if let Addr::Tcp(addr) = addr { Some(*addr) } else { None });
        match (tcp, self.addrs.first()) {
            (Some(addr), _) if addr.ip().is_unspecified() => format!("redis://127.0.0.1:{}/", addr.port()),
            (Some(addr), _) => format!("redis://{addr}/"),
            (None, Some(addr)) => format!("redis+unix://{addr}"),
            (None, None) => String::new(),
        }
    }

    /// Ready when a client asks the server to stop (`SHUTDOWN`).
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        stopped(self.shared.stop.subscribe())
    }

    /// Stops accepting, lets the connections finish what they do, and waits for them.
    pub async fn shutdown(mut self) {
        self.shared.stop.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            let _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.send_replace(true);
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Ready once the server is told to stop.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves every connection of a listener until the server stops.
async fn accept<L>(listener: L, shared: Arc<Shared>)
where
    L: Listener<Peer: Into<Addr> + Send> + 'static,
{
    let local = listener.local_addr();
    let options = ServeOptions {
        limit: shared.limit.clone(),
        at_limit: AtLimit::Refuse(TOO_MANY.into()),
        drain_timeout: Duration::from_secs(5),
        timer: shared.timer.clone(),
    };
    let stop = stopped(shared.stop.subscribe());
    let connections = tower::service_fn(move |conn| connection(shared.clone(), local.clone(), conn));
    if let Err(error) = serve_with(listener, connections, stop, options).await {
        tracing::error!(%error, "a listener failed");
    }
}

/// One connection from its first byte to its last.
async fn connection<Io, Peer>(shared: Arc<Shared>, local: Addr, conn: Conn<Io, Peer>) -> Result<(), BoxError>
where
    Io: Transport + Unpin,
    Peer: Into<Addr>,
{
    let peer = conn.peer.into();
    let registration = shared.registry.register(peer.clone());
    let (client, options, limits) = {
        let state = shared.state.lock();
        let config = &state.server.config;
        let options = SessionOptions {
            idle_timeout: (config.timeout > 0).then(|| Duration::from_secs(config.timeout)),
            max_unread: config.client_query_buffer_limit as usize,
            output: crate::pubsub::limits(config.output_limits[0]),
            ..SessionOptions::default()
        };
        let limits = Limits { bulk: config.proto_max_bulk_len as usize, ..Limits::default() };
        let user = state.server.acl.for_new_connection();
        let now = unix_ms(shared.clock.wall());
        let mut client = Client::new(
            registration.handle().id(),
            registration.handle().clone(),
            peer.to_string(),
            local.to_string(),
            user,
            now,
        );
        let is_near = !matches!(peer, Addr::Tcp(addr) if !addr.ip().is_loopback());
        client.close = config.protected_mode && !is_near && client.user.as_ref().is_some_and(|user| user.no_pass);
        (client, options, limits)
    };
    if client.close {
        let _ = registration.handle().push(|out| xs_proto::resp::Reply::new(out, client.version).error(PROTECTED));
        registration.handle().finish();
    }
    let service = Connection::new(shared.clone(), Box::new(client));
    let outcome = Session::new(registration, RequestDecoder::new(limits), service, &shared.timer)
        .with_options(options)
        .with_drain(conn.drain)
        .run(conn.io)
        .await;
    tracing::debug!(%peer, cause = ?outcome.cause(), "connection closed");
    Ok(())
}
