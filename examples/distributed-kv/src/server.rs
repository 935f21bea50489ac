//! The assembly.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use xs_consensus::raft::{self, ClusterId, Membership, NodeId};
use xs_consensus::raft_store::Start;
use xs_consensus::replica::{OpenError, Replica, ReplicaOptions, Stopped};
use xs_net::listener::{BindError, TcpListener, TcpOptions};
use xs_net::serve::{ServeOptions, serve_with};
use xs_net::{Addr, Listener, Timer};
use xs_os::vfs::{SystemVfs, Vfs};
use xs_os::{Clock, Jobs, Rng, SystemClock, ThreadJobs};
use xs_storage::btree::BTree;
use xs_storage::engine::Engine;
use xs_storage::lsm::Lsm;

use crate::command::Member;
use crate::front::{Front, SessionNames};
use crate::node::{AtFollower, Handle, INBOUND, Machine, Node, NodeOptions};
use crate::peer::{Directory, Doorman, Hello, Network, Tcp};
use crate::store::{Store, StoreError};

/// Where a node keeps its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// A B+tree: reads fast.
    #[default]
    BTree,
    /// A log-structured merge tree: writes fast.
    Lsm,
}

/// How a leader makes sure, before a read, that nobody else leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// It asks a majority, once for all reads that wait. No clock is relied on.
    #[default]
    Index,
    /// It relies on what a majority has promised with its last answers: to elect nobody else for an election timeout. So a
    /// read costs no message on the leader, and two on a follower.
    ///
    /// This is right only as long as the monotonic clocks of any two nodes drift apart by less than `skew` during one
    /// election timeout, and none of them stands still, as that of a virtual machine may that is stopped or moved. If that
    /// does not hold, a leader that was cut off may answer with what is over, and nobody can tell.
    Lease {
        /// So much earlier than the promise a lease is over.
        skew: Duration,
    },
}

/// What a node runs on. A test brings its own time, its own disk, its own chance.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The disk.
    pub vfs: Arc<dyn Vfs>,
    /// Where syncs, checkpoints, compactions and snapshots run.
    pub jobs: Arc<dyn Jobs>,
    /// Chance: election time-outs and pauses.
    pub rng: Rng,
}

impl Environment {
    /// The real one.
    pub fn system() -> Self {
        Environment {
            clock: Arc::new(SystemClock),
            vfs: Arc::new(SystemVfs),
            jobs: Arc::new(ThreadJobs::new()),
            rng: Rng::from_entropy(),
        }
    }
}

/// Who a node is, and how it works.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its number in the cluster, from 1; unique for ever.
    pub node: u64,
    /// The cluster's name. Nodes of another one are refused.
    pub cluster: String,
    /// Where it keeps everything.
    pub data_dir: PathBuf,
    /// The nodes that found the cluster, and where they speak with each other: the same on all of them. Empty for a node
    /// that is to be added to a cluster which runs. It counts at the first start only, but for the addresses.
    pub founders: BTreeMap<u64, String>,
    /// Where other nodes reach this one.
    pub peer_address: String,
    /// Where clients reach this one.
    pub client_address: String,
    /// Where it keeps the state.
    pub engine: EngineKind,
    /// What becomes of writes that come to a follower.
    pub at_follower: AtFollower,
    /// How long nobody must have heard a leader before another one stands; its like again is the width of the window from
    /// which the moment is drawn. 300 ms by default.
    pub election_timeout: Duration,
    /// A request that can't be done for so long is given up. 5 s by default.
    pub patience: Duration,
    /// How reads are made sure of: the same on all nodes. Those that differ in it, or with leases in their election timeout,
    /// don't speak with each other; to change it, stop all of them.
    pub reads: Reads,
    /// Entries of so many bytes may stand in the log before it is shortened. 64 MiB by default.
    pub log_bytes: u64,
    /// Entries that stay for followers that are a little behind. 10,000 by default.
    pub log_entries: u64,
}

impl Config {
    /// The defaults.
    pub fn new(node: u64, data_dir: impl Into<PathBuf>) -> Config {
        Config {
            node,
            cluster: "xs".into(),
            data_dir: data_dir.into(),
            founders: BTreeMap::new(),
            peer_address: String::new(),
            client_address: String::new(),
            engine: EngineKind::default(),
            at_follower: AtFollower::default(),
            election_timeout: Duration::from_millis(300),
            patience: Duration::from_secs(5),
            reads: Reads::default(),
            log_bytes: 64 << 20,
            log_entries: 10_000,
        }
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration makes no sense.
    #[error("{0}")]
    Config(String),
    /// An address can't be listened on.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// The log, or what it says of whose it is.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The state.
    #[error("the state: {0}")]
    State(String),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        StartError::State(error.to_string())
    }
}

/// A node's parts, put together and not yet running.
pub(crate) struct Assembled<N> {
    pub(crate) front: Arc<Front>,
    pub(crate) handle: Handle,
    node: Node<N>,
    doorman: Doorman,
    timer: Timer,
}

/// The number of a cluster's name (FNV-1a).
fn cluster_id(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Opens what the node keeps, and puts it together.
pub(crate) fn assemble<N: Network>(
    config: &Config,
    environment: &Environment,
    network: N,
) -> Result<Assembled<N>, StartError> {
    let wrong = |what: &str| Err(StartError::Config(what.to_owned()));
    if config.node == 0 {
        return wrong("a node's number is at least 1");
    }
    if !config.founders.is_empty() && !config.founders.contains_key(&config.node) {
        return wrong("the node is none of those that found the cluster: name it among them, or let it join");
    }
    let Environment { clock, vfs, jobs, rng } = environment;
    let timer = Timer::new(clock.clone());
    let rng = rng.fork("node");
    let cluster = cluster_id(&config.cluster);
    let founders: Vec<NodeId> = config.founders.keys().map(|node| NodeId(*node)).collect();
    let membership = match founders.is_empty() {
        true => Membership::default(),
        false => Membership::of(founders).map_err(|why| StartError::Config(why.to_owned()))?,
    };
    let engine = open_engine(config, environment).map_err(|error| StartError::State(error.to_string()))?;
    let machine = Machine::new(Store::open(engine)?, &**jobs).map_err(|error| StartError::State(error.to_string()))?;
    let lease_skew = match config.reads {
        Reads::Index => None,
        Reads::Lease { skew } if skew >= config.election_timeout => {
            return wrong("clocks that drift apart by an election timeout leave nothing of a lease");
        }
        Reads::Lease { skew } => Some(skew),
    };
    let heartbeat = (config.election_timeout / 5).max(Duration::from_millis(1));
    let options = ReplicaOptions {
        raft: raft::Options {
            cluster: ClusterId(cluster),
            election_timeout: config.election_timeout,
            election_jitter: config.election_timeout,
            heartbeat,
            lease_skew,
            // Followers learn what is committed with the next entries, the next read or the next heartbeat: two messages of
            // six for each batch. No answer waits for it.
            eager_commit: false,
            ..raft::Options::default()
        },
        compact_after_bytes: config.log_bytes,
        keep_entries: config.log_entries,
        patience: config.patience,
        jobs: jobs.clone(),
        ..ReplicaOptions::new(ClusterId(cluster), NodeId(config.node))
    };
    let start = Start::OpenOrCreate(membership);
    let dir = config.data_dir.join("raft");
    let replica = Replica::open(vfs.clone(), &dir, start, machine, options, rng.fork("replica"), timer.now())?;
    let sessions = SessionNames::new(replica.identity(), replica.life());
    let hello = Hello {
        cluster,
        from: config.node,
        to: 0,
        incarnation: replica.identity().incarnation,
        promise: lease_skew.map_or(Duration::ZERO, |_| config.election_timeout),
        peer: config.peer_address.clone(),
        client: config.client_address.clone(),
    };
    let (inbound_in, inbound) = mpsc::channel(INBOUND);
    let places = config
        .founders
        .iter()
        .map(|(node, peer)| (*node, Member { peer: peer.clone(), client: String::new() }))
        .collect();
    let directory = Directory::new(places, inbound_in);
    let doorman = Doorman { directory: directory.clone(), hello: hello.clone(), timer: timer.clone() };
    let options = NodeOptions {
        at_follower: config.at_follower,
        patience: config.patience,
        forward: config.election_timeout * 3,
    };
    let (node, handle) =
        Node::new(replica, options, network, timer.clone(), rng.fork("task"), directory, hello, inbound);
    let front = Front::new(handle.clone(), timer.clone(), sessions);
    Ok(Assembled { front, handle, node, doorman, timer })
}

fn open_engine(config: &Config, environment: &Environment) -> xs_storage::Result<Arc<dyn Engine>> {
    let Environment { clock, vfs, jobs, .. } = environment.clone();
    let dir = config.data_dir.join("state");
    Ok(match config.engine {
        EngineKind::BTree => {
            let options = xs_storage::btree::Options { vfs, jobs, clock, ..Default::default() };
            Arc::new(BTree::open(&dir, options)?)
        }
        EngineKind::Lsm => {
            let options = xs_storage::lsm::Options { vfs, jobs, clock, ..Default::default() };
            Arc::new(Lsm::open(&dir, options)?)
        }
    })
}

impl<N: Network> Assembled<N> {
    /// Runs the node on this runtime until `stop` is ready, or it can't go on. It hands on its leadership then, lets its
    /// clients finish, and ends.
    ///
    /// # Errors
    ///
    /// Why the replica has stopped.
    pub(crate) async fn run<P, C>(self, peers: P, clients: C, stop: impl Future<Output = ()>) -> Result<(), Stopped>
    where
        P: Listener<Peer: Into<Addr> + Send + 'static> + 'static,
        C: Listener<Peer: Into<Addr> + Send + 'static> + 'static,
    {
        let Assembled { front, handle, node, doorman, timer } = self;
        let (ending, ended) = watch::channel(Ending::No);
        let serving = ServeOptions { drain_timeout: Duration::from_secs(3), timer, ..ServeOptions::default() };
        let nodes = tower::service_fn(move |conn| doorman.clone().connection(conn));
        let peers = tokio::spawn(serve_with(peers, nodes, reached(ended.clone(), Ending::Node), serving.clone()));
        let served = serve_with(clients, front.connections(), reached(ended, Ending::Clients), serving);
        let clients = tokio::spawn(served);
        let node = tokio::spawn(node.run());
        let abort = [peers.abort_handle(), clients.abort_handle(), node.abort_handle()];
        let _aborting = Aborting(abort.to_vec());
        let mut node = node;
        let early = tokio::select! {
            biased;
            ended = &mut node => Some(ended),
            () = stop => None,
        };
        let outcome = match early {
            Some(outcome) => outcome,
            None => {
                handle.step_down().await;
                ending.send_replace(Ending::Clients);
                let _ = clients.await;
                handle.stop().await;
                node.await
            }
        };
        ending.send_replace(Ending::Node);
        let _ = peers.await;
        outcome.unwrap_or(Ok(()))
    }
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    No,
    Clients,
    Node,
}

async fn reached(mut ended: watch::Receiver<Ending>, wanted: Ending) {
    let _ = ended.wait_for(|ending| *ending >= wanted).await;
}

/// Tasks that end with the future that started them.
struct Aborting(Vec<tokio::task::AbortHandle>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

/// A node whose sockets are bound, so that others can be told where it is.
#[derive(Debug)]
pub struct Bound {
    peers: TcpListener,
    clients: TcpListener,
}

impl Bound {
    /// Listens for nodes and for clients; port 0 takes a free one. Inside of a tokio runtime.
    ///
    /// # Errors
    ///
    /// When an address is taken, or is none of this machine.
    pub fn bind(peers: SocketAddr, clients: SocketAddr) -> Result<Bound, StartError> {
        let peers = TcpListener::bind(peers, TcpOptions::default())?;
        let clients = TcpListener::bind(clients, TcpOptions::default())?;
        Ok(Bound { peers, clients })
    }

    /// Where nodes reach it.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peers.socket_addr()
    }

    /// Where clients reach it.
    pub fn client_addr(&self) -> SocketAddr {
        self.clients.socket_addr()
    }

    /// Starts the node on this runtime.
    ///
    /// # Errors
    ///
    /// Why it can't.
    pub fn start(self, config: Config, environment: &Environment) -> Result<Server, StartError> {
        self.start_over(config, environment, Tcp)
    }

    /// [`Bound::start`] with another way to other nodes.
    ///
    /// # Errors
    ///
    /// Why it can't.
    pub fn start_over<N: Network>(
        self,
        mut config: Config,
        environment: &Environment,
        network: N,
    ) -> Result<Server, StartError> {
        for (address, bound) in
            [(&mut config.peer_address, self.peer_addr()), (&mut config.client_address, self.client_addr())]
        {
            if address.is_empty() {
                *address = bound.to_string();
            }
        }
        let client_addr = self.client_addr();
        let assembled = assemble(&config, environment, network)?;
        let (handle, front) = (assembled.handle.clone(), assembled.front.clone());
        let stop = watch::Sender::new(false);
        let mut stopped = stop.subscribe();
        let told = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let task = tokio::spawn(assembled.run(self.peers, self.clients, told));
        Ok(Server { node: config.node, client_addr, handle, front, stop, task: Some(task), metrics: None })
    }
}

/// A running node. Dropping it cuts it off, as a crash of its process would.
pub struct Server {
    node: u64,
    client_addr: SocketAddr,
    handle: Handle,
    front: Arc<Front>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<Result<(), Stopped>>>,
    metrics: Option<JoinHandle<()>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("node", &self.node)
            .field("client_addr", &self.client_addr)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Where clients reach it.
    pub fn client_addr(&self) -> SocketAddr {
        self.client_addr
    }

    /// Serves what the node counts, for Prometheus: `GET /metrics` at this address. Where it listens, if the port was 0.
    ///
    /// # Errors
    ///
    /// When the address can't be listened on.
    pub fn serve_metrics(&mut self, listen: SocketAddr) -> Result<SocketAddr, StartError> {
        let (address, task) = crate::metrics::serve(self.front.clone(), listen)?;
        if let Some(before) = self.metrics.replace(task) {
            before.abort();
        }
        Ok(address)
    }

    /// Who leads, as far as this node knows.
    pub fn leader(&self) -> Option<u64> {
        self.handle.status().leader
    }

    /// Hands leadership on, lets clients finish, and waits for the end.
    ///
    /// # Errors
    ///
    /// Why the node had stopped before.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.stop.send_replace(true);
        self.join().await
    }

    /// Ready when the node has ended by itself.
    ///
    /// # Errors
    ///
    /// Why it has.
    pub async fn join(&mut self) -> io::Result<()> {
        match self.task.as_mut() {
            Some(task) => {
                let ended = task.await;
                self.task = None;
                ended.map_err(io::Error::other)?.map_err(io::Error::other)
            }
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        if let Some(metrics) = &self.metrics {
            metrics.abort();
        }
    }
}
