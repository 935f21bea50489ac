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
//! - There is one order of everything, that of the lock, also with several threads: a message that was published before
//!   a command ran reaches a subscriber before its reply to that command does (`service::run`).
//! - A command that panics ends its own connection. Whoever else is subscribed, waits or watches doesn't notice, and the
//!   lock is given back (`service::run`, `dispatch::serve_blocked`). A value that it was changing may be left half
//!   changed.
//! - What is kept for clients that don't read is bounded by `client-output-buffer-limit`, which is off for normal clients
//!   by default, and by `maxmemory-clients`. There is no back-pressure instead: a client may send all of a long pipeline
//!   before it reads, and would otherwise wait for ever.
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
//! clock.advance(Duration::from_millis(3_600_001)); // at its very deadline the key is still there
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
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;
use tokio::task::JoinHandle;
use xs_net::listener::{Addr, BindError, Listener};
use xs_net::serve::serve_with;
use xs_os::{Clock, Jobs, Rng, SystemClock, ThreadJobs};

use crate::config::Config;
use crate::redis::Redis;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    redis: Redis,
    addrs: Vec<Addr>,
    tasks: Vec<JoinHandle<()>>,
}

/// A server to be.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    clock: Arc<dyn Clock>,
    seed: Option<u64>,
    jobs: Arc<dyn Jobs>,
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
    pub(crate) fn from_config(mut config: Config) -> Builder {
        // The program listens everywhere, as redis-server does. A server inside another program is for that one.
        config.bind = vec![Ipv4Addr::LOCALHOST.to_string()];
        Builder { config, clock: Arc::new(SystemClock), seed: None, jobs: Arc::new(ThreadJobs::new()) }
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

    /// Where large values are dropped (default: on a thread of its own).
    #[must_use]
    pub fn jobs(mut self, jobs: Arc<dyn Jobs>) -> Builder {
        self.jobs = jobs;
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
        self.start_with(Server::listen)
    }

    /// Starts it on the caller's runtime and on this listener alone: one in memory, or one of a simulated node.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start_on<L>(self, listener: L) -> Result<Server, StartError>
    where
        L: Listener<Peer: Into<Addr> + Send> + 'static,
    {
        self.start_with(|server, config| {
            server.accept_from(listener, config);
            server.redis.listening(&server.addrs);
            Ok(())
        })
    }

    fn start_with(
        self,
        listen: impl FnOnce(&mut Server, &Config) -> Result<(), StartError>,
    ) -> Result<Server, StartError> {
        let rng = self.seed.map_or_else(Rng::from_entropy, Rng::from_seed);
        let store = self.config.store(&rng);
        let redis = Redis::new(&self.config, store, self.clock, rng).with_jobs(self.jobs);
        let mut server = Server { redis, addrs: Vec::new(), tasks: Vec::new() };
        listen(&mut server, &self.config)?;
        server.tasks.push(tokio::spawn(server.redis.housekeeping()));
        Ok(server)
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

    fn listen(&mut self, config: &Config) -> Result<(), StartError> {
        for listener in config.listen()? {
            self.accept_from(listener, config);
        }
        #[cfg(unix)]
        if let Some(listener) = config.listen_unix()? {
            self.accept_from(listener, config);
        }
        self.redis.listening(&self.addrs);
        Ok(())
    }

    fn accept_from<L>(&mut self, listener: L, config: &Config)
    where
        L: Listener<Peer: Into<Addr> + Send> + 'static,
    {
        self.addrs.push(listener.local_addr());
        let connections = self.redis.connections(config.codec());
        let (stopped, serving) = (self.redis.stopped(), self.redis.serving());
        self.tasks.push(tokio::spawn(async move {
            if let Err(error) = serve_with(listener, connections, stopped, serving).await {
                tracing::error!(%error, "a listener failed");
            }
        }));
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
        self.redis.stopped()
    }

    /// Stops accepting, lets the connections finish what they do, and waits for them.
    pub async fn shutdown(mut self) {
        self.redis.stop();
        for task in std::mem::take(&mut self.tasks) {
            let _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.redis.stop();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
