//! The whole: threads, listeners and pools of one configuration, and the change to another one.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tower::service_fn;
use xs_net::listener::{BindError, TcpOptions};
use xs_net::reactors::{Thread, Threads, listen};
use xs_net::serve::{ConnectionLimit, Drain, DrainSignal, ServeOptions, serve_with};
use xs_net::tls::{Acceptor, AcceptorOptions, CertificateError, CertificateFiles, Certificates, TlsError};
use xs_net::{Addr, Conn, TcpListener};

use crate::admin::{AdminPage, View};
use crate::config::{Config, Listener, Mode, Pool};
use crate::dial::{Connectors, ConnectorsError};
use crate::machine::Machine;
use crate::proxy::{HttpListener, Shares};
use crate::stats::{ListenerStats, PoolStats};
use crate::tcp::TcpRelay;
use crate::upstream::Upstream;
use crate::work::{Protocol, Work};

/// Why a configuration cannot be put to work. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address is not to be had.
    #[error("listener `{name}`: {error}")]
    Bind {
        /// The listener's name.
        name: String,
        /// Why.
        error: BindError,
    },
    /// Its certificate or its key cannot be used.
    #[error("listener `{name}`: {error}")]
    Certificate {
        /// The listener's name.
        name: String,
        /// Why.
        error: CertificateError,
    },
    /// The authorities that are to vouch for a pool's endpoints cannot be used.
    #[error("pool `{name}`: {error}")]
    Authorities {
        /// The pool's name.
        name: String,
        /// Why.
        error: CertificateError,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gives no thread.
    #[error("no thread: {0}")]
    Thread(#[from] io::Error),
    /// This needs a new start: what it is about cannot change while connections are served.
    #[error("`threads` cannot change from {0} to {1} without a new start")]
    Threads(usize, usize),
    /// It asks for something that this build does not do.
    #[error("listener `{name}`: {what} is not part of this build")]
    Unsupported {
        /// Which listener.
        name: String,
        /// What it asks for.
        what: &'static str,
    },
}

/// A balancer at work. Dropping it does what [`stop`](Balancer::stop) does, and blocks the thread meanwhile.
#[derive(Debug)]
pub struct Balancer {
    machine: Machine,
    config: Config,
    pub(crate) upstreams: BTreeMap<String, Arc<Upstream>>,
    listeners: BTreeMap<String, Running>,
    orders: Vec<UnboundedSender<Order>>,
    threads: Threads,
    admin: Option<AdminPage>,
    /// What the admin page shows.
    view: Arc<Mutex<View>>,
}

/// A listener at work.
#[derive(Debug)]
struct Running {
    /// Where it was told to listen, and where it does: port 0 is any.
    told: SocketAddr,
    address: SocketAddr,
    /// What the next connection is given to.
    current: Current,
    limit: ConnectionLimit,
    stop: DrainSignal,
}

/// A listener that goes takes no further connection, and lets those that there are finish what they have begun.
impl Drop for Running {
    fn drop(&mut self) {
        self.stop.start();
    }
}

type Current = Arc<Mutex<Work>>;

/// What a thread is told: to listen on a socket of its own as well.
struct Order {
    socket: StdListener,
    current: Current,
    stop: Drain,
    options: ServeOptions,
}

impl Balancer {
    /// Starts. Must be called inside a tokio runtime, on which checks and discovery run.
    ///
    /// # Errors
    ///
    /// Nothing was started; see [`StartError`].
    pub fn start(config: Config, machine: Machine) -> Result<Balancer, StartError> {
        let count = config.threads;
        let (orders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| unbounded_channel()).unzip();
        let receivers: Vec<_> = receivers.into_iter().map(|receiver| Mutex::new(Some(receiver))).collect();
        let threads = Threads::start(count, "balancer", move |thread: Thread| {
            let orders = receivers.get(thread.index).and_then(|receiver| receiver.lock().take());
            async move {
                if let Some(orders) = orders {
                    work(thread, orders).await;
                }
                Ok(())
            }
        })?;
        let empty = Config { listeners: Vec::new(), pools: BTreeMap::new(), ..config.clone() };
        let mut balancer = Balancer {
            machine,
            config: empty,
            upstreams: BTreeMap::new(),
            listeners: BTreeMap::new(),
            orders,
            threads,
            admin: None,
            view: Arc::default(),
        };
        balancer.reload(config)?;
        Ok(balancer)
    }

    /// Goes on by another configuration. What has not changed stays as it is: sockets, pools with their connections and all
    /// that is known of their endpoints. Connections go on by the configuration that they began with.
    ///
    /// # Errors
    ///
    /// Everything is as it was; see [`StartError`].
    pub fn reload(&mut self, config: Config) -> Result<(), StartError> {
        if config.threads != self.config.threads {
            return Err(StartError::Threads(self.config.threads, config.threads));
        }
        // First all that can fail. A listener that keeps its name and its address keeps its sockets.
        let mut sockets = BTreeMap::new();
        for listener in &config.listeners {
            if self.listeners.get(&listener.name).is_some_and(|running| running.told == listener.listen) {
                continue;
            }
            let bound = listen(listener.listen, config.threads, &TcpOptions::default())
                .map_err(|error| StartError::Bind { name: listener.name.clone(), error })?;
            sockets.insert(listener.name.clone(), bound);
        }
        let admin = match config.admin {
            Some(ref told) if self.admin.is_none() || self.config.admin != config.admin => {
                let started = AdminPage::start(told.listen, self.view.clone(), &self.machine);
                Some(started.map_err(|error| StartError::Bind { name: "admin".to_owned(), error })?)
            }
            _ => None,
        };
        let connectors = config.pools.iter().map(|(name, pool)| connectors(name, pool, &self.machine));
        let connectors: Vec<Option<Connectors>> = connectors.collect::<Result<_, _>>()?;
        let (mut upstreams, mut renewed) = (BTreeMap::new(), Vec::new());
        for ((name, pool), tls) in config.pools.iter().zip(connectors) {
            let kept = self.upstreams.get(name).filter(|upstream| upstream.config == *pool).cloned();
            let upstream = match kept {
                Some(kept) => {
                    renewed.push((kept.dialer.clone(), tls));
                    kept
                }
                None => Upstream::start(name, pool, tls, config.threads, &self.machine),
            };
            upstreams.insert(name.clone(), upstream);
        }
        let works = config.listeners.iter().map(|listener| self.work(listener, &upstreams));
        let works: Vec<Work> = works.collect::<Result<_, _>>()?;
        // From here on nothing fails.
        renewed.into_iter().for_each(|(dialer, tls)| dialer.renew(tls));
        let mut listeners = BTreeMap::new();
        for (listener, work) in config.listeners.iter().zip(works) {
            let running = match (self.listeners.remove(&listener.name), sockets.remove(&listener.name)) {
                (Some(running), None) => {
                    *running.current.lock() = work;
                    running.limit.set_max(listener.connections);
                    running
                }
                // The old one, if there was one, goes.
                (_, bound) => self.begin(listener, work, bound.unwrap_or_default(), config.drain),
            };
            listeners.insert(listener.name.clone(), running);
        }
        self.listeners = listeners;
        if admin.is_some() || config.admin.is_none() {
            self.admin = admin;
        }
        (self.upstreams, self.config) = (upstreams, config);
        let listeners = self.listeners.values();
        let shown = listeners.map(|running| (running.address, running.current.lock().clone(), running.limit.clone()));
        *self.view.lock() = View { listeners: shown.collect(), upstreams: self.upstreams.clone(), ending: false };
        Ok(())
    }

    /// What is to be done with a listener's connections. One that is there already goes on counting.
    fn work(&self, config: &Listener, upstreams: &BTreeMap<String, Arc<Upstream>>) -> Result<Work, StartError> {
        let unsupported = |what| StartError::Unsupported { name: config.name.clone(), what };
        let known = self.listeners.get(&config.name).map(|running| running.current.lock().clone());
        let stats = known.as_ref().map(|known| known.stats().clone()).unwrap_or_default();
        // Whoever has used up a rate has still done so.
        let shares = Shares::of(config, known.as_ref().and_then(Work::shares), &self.machine);
        let protocol = match &config.mode {
            Mode::Http(http) => {
                let listener = HttpListener::new(
                    config,
                    http,
                    stats,
                    shares,
                    |name| upstreams.get(name).cloned(),
                    self.orders.len(),
                    &self.machine,
                );
                let listener = listener.map_err(|_| unsupported("a field that cannot be sent"))?;
                Protocol::Http(Arc::new(listener))
            }
            Mode::Tcp(tcp) => {
                let upstream =
                    upstreams.get(&tcp.pool).cloned().ok_or_else(|| unsupported("a pool that is not there"))?;
                let relay = TcpRelay::new(config, tcp, stats, shares, upstream, self.orders.len(), &self.machine);
                Protocol::Tcp(Arc::new(relay))
            }
        };
        Ok(Work::new(protocol, acceptor(config, &self.machine)?))
    }

    /// Gives each thread a socket.
    fn begin(&self, config: &Listener, work: Work, sockets: Vec<StdListener>, drain: Duration) -> Running {
        let told = config.listen;
        let address = sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(told);
        let (current, stop) = (Arc::new(Mutex::new(work)), DrainSignal::new());
        let limit = ConnectionLimit::new(config.connections);
        for (orders, socket) in self.orders.iter().zip(sockets) {
            let options = ServeOptions {
                limit: limit.clone(),
                drain_timeout: drain,
                timer: self.machine.timer.clone(),
                ..ServeOptions::default()
            };
            // A thread that has ended has panicked; joining it tells.
            let _ = orders.send(Order { socket, current: current.clone(), stop: stop.drain(), options });
        }
        tracing::info!(listener = config.name, %address, "listening");
        Running { told, address, current, limit, stop }
    }

    /// The configuration at work.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where a listener listens, with the port that it really has.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.listeners.get(listener).map(|running| running.address)
    }

    /// Where the admin page is, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// The numbers of a listener.
    pub fn listener_stats(&self, listener: &str) -> Option<Arc<ListenerStats>> {
        self.listeners.get(listener).map(|running| running.current.lock().stats().clone())
    }

    /// The numbers of a pool.
    pub fn pool_stats(&self, pool: &str) -> Option<Arc<PoolStats>> {
        self.upstreams.get(pool).map(|upstream| upstream.stats.clone())
    }

    /// Takes no further connection, lets those that there are finish what they have begun, and ends.
    ///
    /// # Errors
    ///
    /// A thread has failed.
    pub async fn stop(self) -> io::Result<()> {
        self.view.lock().ending = true;
        // The admin page tells of the end, and goes with what is left of this.
        let Balancer { machine, threads, listeners, .. } = self;
        drop(listeners);
        threads.shutdown();
        machine.bridge.run(move || threads.join()).await
    }
}

/// Says whether a configuration could be put to work, but for its addresses, which are tried by nothing but listening.
///
/// # Errors
///
/// See [`StartError`].
pub fn check(config: &Config, machine: &Machine) -> Result<(), StartError> {
    config.pools.iter().try_for_each(|(name, pool)| connectors(name, pool, machine).map(drop))?;
    config.listeners.iter().try_for_each(|listener| acceptor(listener, machine).map(drop))
}

/// What speaks TLS with a listener's clients, by the files as they are now.
fn acceptor(config: &Listener, machine: &Machine) -> Result<Option<Acceptor>, StartError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let files = CertificateFiles { chain: tls.certificate.clone(), key: tls.key.clone() };
    let certificates = Certificates::load(machine.disk.clone(), vec![files])
        .map_err(|error| StartError::Certificate { name: config.name.clone(), error })?;
    let alpn = match config.mode {
        Mode::Http(_) => vec![b"http/1.1".to_vec()],
        Mode::Tcp(_) => Vec::new(),
    };
    let options = AcceptorOptions { name: config.name.as_str().into(), alpn, ..AcceptorOptions::default() };
    Ok(Some(Acceptor::new(certificates, options, &machine.timer)?))
}

/// What speaks TLS with a pool's endpoints, by the files as they are now.
fn connectors(name: &str, pool: &Pool, machine: &Machine) -> Result<Option<Connectors>, StartError> {
    let Some(tls) = &pool.tls else { return Ok(None) };
    Connectors::load(tls, pool.timeouts.connect, machine).map(Some).map_err(|error| match error {
        ConnectorsError::Authorities(error) => StartError::Authorities { name: name.to_owned(), error },
        ConnectorsError::Tls(error) => StartError::Tls(error),
    })
}

/// What a thread does: serves the sockets that it is given, until it is told to end and all connections have.
async fn work(thread: Thread, mut orders: UnboundedReceiver<Order>) {
    let Thread { index, mut shutdown } = thread;
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.drained() => break,
            Some(Err(error)) = serving.join_next(), if !serving.is_empty() => {
                tracing::error!(%error, "a listener has failed");
            }
            Some(order) = orders.recv() => drop(serving.spawn(serve(index, order))),
            else => break,
        }
    }
    // The sockets' own signals were given before this one.
    while serving.join_next().await.is_some() {}
}

async fn serve(thread: usize, order: Order) {
    let Order { socket, current, mut stop, options } = order;
    let listener = match TcpListener::from_std(socket, TcpOptions::default()) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a socket cannot be used"),
    };
    let timer = options.timer.clone();
    let connections =
        service_fn(move |conn: Conn<TcpStream, Addr>| current.lock().clone().connection(thread, conn, timer.clone()));
    match serve_with(listener, connections, async move { stop.drained().await }, options).await {
        Ok(drained) if drained.aborted > 0 => tracing::warn!(drained.aborted, "connections were cut"),
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "a listener has failed"),
    }
}
