//! The assembly: a listener × the Kafka codec × the service × partitions, started and stopped as one value.
//!
//! # The problem
//!
//! A test that needs a Kafka wants one now, on a free port, gone when the test ends. A container with the real one takes
//! seconds and a gigabyte.
//!
//! # How it works
//!
//! ```text
//!   Builder ── listen ──▶ TcpListener ─▶ serve ─▶ Pipeline × ServerCodec ─▶ Connection (service)
//!     │                                                                        │
//!     ├── data_dir or memory ──▶ Topics: catalog (B+tree), partitions (log) ◀──┤
//!     └── clock, seed ─────────▶ Broker ◀──────────────────────────────────────┘
//! ```
//!
//! [`Server::ephemeral`] listens on a free port of the loopback interface, keeps everything in memory, and runs on the caller's
//! tokio runtime. [`Builder::run`] is the program's way: threads of its own, each with a socket on the port.
//!
//! # Invariants
//!
//! - The address is bound before [`Builder::start`] returns: a client may connect at once.
//! - Dropping the [`Server`] ends accepting and closes its connections; [`Server::shutdown`] also waits for them.
//! - Nothing is shared between two servers of one process.
//!
//! # Cost
//!
//! A few milliseconds to start. Each partition takes a file that says whose it is, one or two more and a segment once it is
//! written to, and no thread.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = xs_kafka::Server::builder().partitions(3).ephemeral().await?;
//! println!("kcat -b {} -L", server.bootstrap());
//! server.shutdown().await?;
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! rdkafka's mock cluster and kafka-python's fixtures: the one answers from memory what it was written for, the other
//! downloads and starts Kafka. testcontainers does the latter in a container.
//!
//! # What this leaves out
//!
//! TLS: it listens on loopback unless it is told otherwise. Clusters: there is one broker.
//!
//! # Try next
//!
//! Start two with the same [`Builder::seed`] and compare the identities of their topics.
//!
//! # Sources
//!
//! Kafka's documentation of `listeners` and `advertised.listeners`.

mod access;
mod connection;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::service_fn;
use xs_net::limit::InvalidRate;
use xs_net::listener::{Addr, BindError, Listener, TcpListener, TcpOptions};
use xs_net::reactors::{ReactorOptions, Reactors};
use xs_net::serve::{Conn, Drain, DrainSignal, Drained, ServeOptions, serve_with};
use xs_net::{Bridge, Timer};
use xs_os::vfs::{MemoryVfs, SystemVfs, Vfs};
use xs_os::{Clock, Jobs, PoolJobs, Rng, SystemClock, ThreadJobs};

use crate::acl::{Authorizer, Rules};
use crate::api::fetch::Sessions;
use crate::broker::Broker;
use crate::config::{Config, Flush};
use crate::groups::Groups;
use crate::metrics::Meters;
use crate::mutation::Mutation;
use crate::quota;
use crate::sasl::{Secret, Users};
use crate::topic_config::TopicConfig;
use crate::topics::{Machine, Topics};
use crate::transactions::Transactions;

/// The threads that write and sync what partitions leave for the background, all of them together.
const LOG_THREADS: usize = 16;
/// The threads that wait for the disk, and the calls that may wait for them.
const BRIDGE: (usize, usize) = (4, 1024);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// Its data cannot be opened.
    #[error("the data: {0}")]
    Open(#[from] xs_storage::Error),
    /// A quota cannot be counted.
    #[error("a quota: {0}")]
    Quota(#[from] InvalidRate),
    /// The operating system gives no randomness, without which passwords cannot be kept.
    #[error("there is no randomness for passwords")]
    Random,
}

/// A server to be.
#[derive(Debug, Clone)]
pub struct Builder {
    config: Config,
    defaults: TopicConfig,
    users: Vec<(String, Secret)>,
    rules: Option<Authorizer>,
    addr: SocketAddr,
    data_dir: Option<PathBuf>,
    warm_bytes: u64,
    threads: usize,
    clock: Arc<dyn Clock>,
    jobs: Arc<dyn Jobs>,
    log_jobs: Arc<dyn Jobs>,
    vfs: Option<Arc<dyn Vfs>>,
    bridge: Option<Bridge>,
    seed: Option<u64>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            config: Config::default(),
            defaults: TopicConfig::default(),
            users: Vec::new(),
            rules: None,
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 9092)),
            data_dir: None,
            warm_bytes: 0,
            threads: 1,
            clock: Arc::new(SystemClock),
            jobs: Arc::new(ThreadJobs::new()),
            log_jobs: Arc::new(PoolJobs::new(LOG_THREADS)),
            vfs: None,
            bridge: None,
            seed: None,
        }
    }
}

impl Builder {
    /// Listens on this address (default 127.0.0.1).
    #[must_use]
    pub fn bind(mut self, addr: IpAddr) -> Builder {
        self.addr.set_ip(addr);
        self
    }

    /// Listens on this port (default 9092); 0 takes a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Builder {
        self.addr.set_port(port);
        self
    }

    /// Tells clients to connect there (default: where it listens).
    #[must_use]
    pub fn advertise(mut self, host: impl Into<String>, port: u16) -> Builder {
        self.config.advertised = Some((host.into(), port));
        self
    }

    /// Keeps everything in this directory. Without one everything is in memory, and gone at the end.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Builder {
        self.data_dir = Some(dir.into());
        self
    }

    /// The broker's number (default 1).
    #[must_use]
    pub fn node(mut self, node: i32) -> Builder {
        self.config.node = node;
        self
    }

    /// How many partitions a topic gets if nobody says (default 1).
    ///
    /// # Panics
    ///
    /// With 0, or more than a topic can have.
    #[must_use]
    pub fn partitions(mut self, partitions: u32) -> Builder {
        assert!((1..=10_000).contains(&partitions), "1 to 10,000 partitions");
        self.config.partitions = partitions as i32;
        self
    }

    /// Whether a topic is made when a client asks for it (default: yes).
    #[must_use]
    pub fn auto_create(mut self, auto_create: bool) -> Builder {
        self.config.auto_create = auto_create;
        self
    }

    /// When a produce request is answered (default: [`Flush::Later`]).
    #[must_use]
    pub fn flush(mut self, flush: Flush) -> Builder {
        self.config.flush = flush;
        self
    }

    /// The length of a segment, for topics that say nothing else.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Builder {
        self.defaults.segment_bytes = bytes.max(4096);
        self
    }

    /// So many bytes of each partition's segments are written with zeros ahead (default 0): producers that are faster than
    /// the kernel makes pages then write over what is there.
    #[must_use]
    pub fn warm_bytes(mut self, bytes: u64) -> Builder {
        self.warm_bytes = bytes;
        self
    }

    /// An empty group waits so long for more members when one has come, and again after each that comes
    /// (`group.initial.rebalance.delay.ms`; default: not at all, which is best for one consumer or a test).
    #[must_use]
    pub fn group_initial_delay(mut self, delay: Duration) -> Builder {
        self.config.groups.initial_delay = delay;
        self
    }

    /// Members of groups whose session is shorter are refused (`group.min.session.timeout.ms`; default 6 seconds).
    #[must_use]
    pub fn group_min_session(mut self, least: Duration) -> Builder {
        self.config.groups.session.0 = least;
        self
    }

    /// Members of groups whose session is longer are refused (`group.max.session.timeout.ms`; default 30 minutes).
    #[must_use]
    pub fn group_max_session(mut self, most: Duration) -> Builder {
        self.config.groups.session.1 = most;
        self
    }

    /// No group has more members (`group.max.size`; default 10,000).
    #[must_use]
    pub fn group_max_size(mut self, members: usize) -> Builder {
        self.config.groups.members = members;
        self
    }

    /// There are no more groups than this (default 100,000).
    #[must_use]
    pub fn max_groups(mut self, groups: usize) -> Builder {
        self.config.max_groups = groups;
        self
    }

    /// How often old records are looked for, and keys that stand there twice (default 15 seconds).
    #[must_use]
    pub fn tend_every(mut self, period: Duration) -> Builder {
        self.config.tend = period.max(Duration::from_millis(1));
        self
    }

    /// How many threads [`Builder::run`] has (default 1).
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Builder {
        self.threads = threads;
        self
    }

    /// The clock that everything goes by (default: the system's).
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Builder {
        self.clock = clock;
        self
    }

    /// Where work in the background is done (default: threads of its own for the catalog and the bridge, and some that all
    /// partitions share).
    #[must_use]
    pub fn jobs(mut self, jobs: Arc<dyn Jobs>) -> Builder {
        self.log_jobs = jobs.clone();
        self.jobs = jobs;
        self
    }

    /// The disk (default: the system's with a data directory, and memory without).
    #[must_use]
    pub fn vfs(mut self, vfs: Arc<dyn Vfs>) -> Builder {
        self.vfs = Some(vfs);
        self
    }

    /// The way to calls that wait for the disk (default: some threads).
    #[must_use]
    pub fn bridge(mut self, bridge: Bridge) -> Builder {
        self.bridge = Some(bridge);
        self
    }

    /// Where chance starts (default: from the operating system).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Builder {
        self.seed = Some(seed);
        self
    }

    /// Switches a deliberate bug on.
    #[cfg(feature = "mutations")]
    #[must_use]
    pub fn mutation(mut self, mutation: Mutation) -> Builder {
        self.config.bug.is = Some(mutation);
        self.config.transactions.bug.is = Some(mutation);
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
        let listener = TcpListener::bind(self.addr, TcpOptions::default())?;
        let addr = listener.socket_addr();
        self.start_on(listener, addr)
    }

    /// Starts it on the caller's runtime, over a listener that the caller brings: clients are told to connect to `addr`.
    ///
    /// # Errors
    ///
    /// [`StartError::Open`].
    pub fn start_on<L>(self, listener: L, addr: SocketAddr) -> Result<Server, StartError>
    where
        L: Listener<Peer: Into<Addr> + Send + 'static> + 'static,
    {
        let (broker, closed) = self.assemble()?;
        let signal = DrainSignal::new();
        broker.listening(addr);
        let task = tokio::spawn(broker.clone().serve(listener, signal.drain()));
        let tending = tokio::spawn(broker.background());
        Ok(Server { addr, signal, task, tending, closed })
    }

    /// Starts it on threads of its own, each with a runtime and a socket on the port.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub fn run(self) -> Result<Reactors, StartError> {
        self.run_shared().map(|(reactors, _)| reactors)
    }

    /// The same, for who also looks at what the reactors share.
    pub(crate) fn run_shared(self) -> Result<(Reactors, Arc<Broker>), StartError> {
        let (addr, threads) = (self.addr, self.threads);
        let (broker, _) = self.assemble()?;
        let options = ReactorOptions { threads, name: "kafka".to_owned(), ..ReactorOptions::default() };
        let shared = broker.clone();
        let reactors = Reactors::start(addr, options, move |reactor| {
            let broker = shared.clone();
            async move {
                let tending = (reactor.index == 0).then(|| tokio::spawn(broker.clone().background()));
                let served = broker.serve(reactor.listener, reactor.shutdown).await;
                tending.inspect(JoinHandle::abort);
                served.map(drop)
            }
        })?;
        broker.listening(reactors.local_addr());
        Ok((reactors, broker))
    }

    /// The broker, and what ends when its data are closed.
    fn assemble(self) -> Result<(Arc<Broker>, oneshot::Receiver<()>), StartError> {
        let mut defaults = self.defaults;
        let vfs = match (self.vfs, &self.data_dir) {
            (Some(vfs), _) => vfs,
            (None, Some(_)) => Arc::new(SystemVfs) as Arc<dyn Vfs>,
            (None, None) => {
                // A segment is set aside when it begins, and memory is dearer than a disk.
                defaults.segment_bytes = defaults.segment_bytes.min(1 << 20);
                Arc::new(MemoryVfs::new())
            }
        };
        let dir = self.data_dir.unwrap_or_else(|| "kafka".into());
        let (jobs, log_jobs, clock) = (self.jobs.clone(), self.log_jobs, self.clock.clone());
        let machine = Machine { vfs, jobs, log_jobs, clock, warm_bytes: self.warm_bytes };
        let (topics, closed) = Topics::open(machine, &dir, defaults.clone(), self.config.max_partitions)?;
        let timer = Timer::new(self.clock);
        let topics = Arc::new(topics);
        if self.config.bug.is(Mutation::ForgetProducers) {
            topics.forget_producers()?;
        }
        let bridge = self.bridge.unwrap_or_else(|| Bridge::new(self.jobs, BRIDGE.0, BRIDGE.1));
        let users = self.users.iter().map(|(name, secret)| (&**name, &*secret.0));
        let users = Users::new(users).ok_or(StartError::Random)?;
        let open_rules = |rules| Rules::open(topics.catalog(), rules, self.config.max_rules).map(Arc::new);
        let rules = self.rules.map(open_rules).transpose()?;
        let limits = self.config.transactions.clone();
        let transactions = Transactions::open(topics.clone(), timer.clone(), bridge.clone(), limits)?;
        let groups = Groups::open(topics.catalog(), timer.clone(), self.config.groups.clone(), self.config.max_groups)?;
        let mut rng = self.seed.map_or_else(Rng::from_entropy, Rng::from_seed);
        let cluster_id = topics.cluster_id(format!("xs-{:016x}", rng.next_u64()))?;
        let quotas = quota::Meters::new(&self.config.quotas, timer.clone(), rng.next_u64())?;
        let broker = Broker {
            quotas,
            sessions: Sessions::new(self.config.max_sessions),
            meters: Meters::new(),
            config: self.config,
            defaults,
            topics,
            groups: Arc::new(groups),
            transactions,
            users: Arc::new(users),
            rules,
            timer,
            bridge,
            cluster_id,
            advertised: Default::default(),
            rng: Mutex::new(rng),
        };
        Ok((Arc::new(broker), closed))
    }
}

impl Broker {
    /// From now on clients are told where it is.
    fn listening(&self, addr: SocketAddr) {
        let (host, port) = match &self.config.advertised {
            Some((host, port)) => (host.clone(), *port),
            // Nobody can connect to every address; whoever listens there says which one is meant, or means this machine.
            None if addr.ip().is_unspecified() => ("127.0.0.1".to_owned(), addr.port()),
            None => (addr.ip().to_string(), addr.port()),
        };
        let _ = self.advertised.set((host.into(), port.into()));
    }

    async fn serve<L>(self: Arc<Self>, listener: L, mut until: Drain) -> io::Result<Drained>
    where
        L: Listener<Peer: Into<Addr> + Send + 'static> + 'static,
    {
        let options = ServeOptions { timer: self.timer.clone(), ..ServeOptions::default() };
        let broker = self.clone();
        let connections = service_fn(move |conn: Conn<L::Io, L::Peer>| connection::run(broker.clone(), conn));
        serve_with(listener, connections, async move { until.drained().await }, options).await
    }

    /// What is done without being asked, for as long as it is polled.
    async fn background(self: Arc<Self>) {
        join(self.clone().tend(), self.coordinate()).await;
    }
}

/// A running server. Dropping it cuts it off.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    signal: DrainSignal,
    task: JoinHandle<io::Result<Drained>>,
    tending: JoinHandle<()>,
    closed: oneshot::Receiver<()>,
}

impl Server {
    /// A server with the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A server with the defaults, in memory, on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn ephemeral() -> Result<Server, StartError> {
        Server::builder().ephemeral().await
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What clients want as `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.addr.to_string()
    }

    /// Accepts no more, lets connections finish what they do, and waits for them, and until the data directory can be opened
    /// again.
    ///
    /// # Errors
    ///
    /// The listener failed, some time before.
    pub async fn shutdown(mut self) -> io::Result<Drained> {
        self.signal.start();
        let drained = (&mut self.task).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        self.tending.abort();
        let _ = (&mut self.closed).await;
        drained
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        self.tending.abort();
    }
}
