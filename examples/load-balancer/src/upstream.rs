//! A pool at work: its endpoints, who gets the next request, and the connections that are kept.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use xs_net::balance::{
    self, Balance, Bounded, ClusterOptions, Hashed, LeastConnections, Maglev, Members, OutlierOptions, Picked,
    PowerOfTwoChoices, Random, Rendezvous, Ring, RoundRobin, SlowStart, SmoothWeighted, Zoned, source,
};
use xs_net::breaker::{Breaker, BreakerOptions, Window};
use xs_net::discover::{DnsOptions, FileOptions, Known, SystemResolver, watch_dns, watch_file};
use xs_net::http::{Client, ClientOptions};
use xs_net::pool::{self, Checkout, PoolOptions};
use xs_net::proxy_protocol::Header;
use xs_net::retry::{BudgetOptions, SharedBudget};
use xs_net::{Timer, driver};
use xs_proto::http1::{Limits, Timeouts};

use crate::config::{Endpoints, Key, Policy, Pool, Sticky};
use crate::dial::{Connectors, DialError, Dialer, Spoken, Stream};
use crate::machine::Machine;
use crate::proxy::{Refusal, Sending};
use crate::stats::{EndpointStats, PoolStats};

/// A connection to an endpoint.
pub(crate) type Connection = Client<Stream, Sending>;
/// The connections of a thread.
pub(crate) type Connections = pool::Pool<SocketAddr, Connection>;
/// One that is in use.
pub(crate) type Lent = pool::Pooled<SocketAddr, Connection>;
/// A request's place among those that its endpoint has to answer.
pub(crate) type Call = Picked<Arc<Backend>, BoxedPolicy>;

type BoxedPolicy = Box<dyn balance::Policy>;

/// An endpoint.
#[derive(Debug)]
pub(crate) struct Backend {
    /// `None`: its name is no address, so nobody can call it.
    pub(crate) address: Option<SocketAddr>,
    /// The value of its `Set-Cookie`, where clients stick by one.
    pub(crate) cookie: Option<Stuck>,
    pub(crate) breaker: Option<Mutex<Breaker>>,
    pub(crate) stats: EndpointStats,
}

/// What brings a client back to an endpoint.
#[derive(Debug)]
pub(crate) struct Stuck {
    pub(crate) token: u64,
    /// For `Set-Cookie`.
    pub(crate) line: String,
}

/// A pool at work.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: Arc<str>,
    pub(crate) config: Pool,
    pub(crate) members: Members<Arc<Backend>, BoxedPolicy>,
    /// Those of each thread.
    pub(crate) connections: Vec<Connections>,
    pub(crate) budget: SharedBudget,
    /// What opens connections to its endpoints.
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) client: ClientOptions,
    pub(crate) stats: Arc<PoolStats>,
    pub(crate) timer: Timer,
    /// Discovery, checks and reaping; they end with the value.
    _work: Mutex<JoinSet<()>>,
}

impl Upstream {
    /// Starts a pool's work on the runtime that this is called in.
    pub(crate) fn start(
        name: &str,
        config: &Pool,
        tls: Option<Connectors>,
        threads: usize,
        machine: &Machine,
    ) -> Arc<Upstream> {
        let timer = &machine.timer;
        let key = match &config.sticky {
            Some(Sticky::Cookie { key, .. }) => Some(balance::Key::new(key.unwrap_or_else(|| machine.secret()))),
            _ => None,
        };
        let name: Arc<str> = name.into();
        let options = ClusterOptions {
            slow_start: SlowStart { window: config.slow_start, ..SlowStart::default() },
            outlier: Some(outlier(config)),
            panic_percent: config.panic_percent,
            ..ClusterOptions::default()
        };
        let make = {
            let (config, timer) = (config.clone(), timer.clone());
            move |endpoint: &balance::Endpoint| Arc::new(Backend::new(&endpoint.name, &config, key, timer.now()))
        };
        let rng = machine.rng.fork(&name);
        let balance = Balance::new(name.clone(), options, policy(config, key), timer, rng, make);
        let members = balance.members().clone();
        let dialer = Arc::new(Dialer::new(name.clone(), config, tls, timer));
        let connections: Vec<Connections> =
            (0..threads).map(|_| Connections::new(pool_options(config), timer)).collect();
        let mut work = JoinSet::new();
        discover(&members, config, machine, &mut work);
        if let Some(health) = &config.health {
            crate::health::watch(members.clone(), health, &dialer, machine, &name, &mut work);
        }
        for connections in &connections {
            work.spawn(connections.reaper());
        }
        let budget = BudgetOptions {
            ratio: config.retry.budget,
            per_second: config.retry.least,
            window: Duration::from_secs(10),
        };
        Arc::new(Upstream {
            name,
            config: config.clone(),
            members,
            connections,
            budget: SharedBudget::new(budget, timer),
            dialer,
            client: client_options(config),
            stats: Arc::default(),
            timer: timer.clone(),
            _work: Mutex::new(work),
        })
    }

    /// What a policy that hashes goes by.
    pub(crate) fn hashed(&self) -> Option<&Key> {
        match (&self.config.sticky, self.config.policy) {
            (Some(Sticky::Source), _) => Some(&Key::Source),
            (_, Policy::RingHash | Policy::Maglev | Policy::Rendezvous | Policy::BoundedLoad(_)) => {
                Some(&self.config.hash)
            }
            _ => None,
        }
    }

    /// The hash of where a connection comes from, if that is what counts.
    pub(crate) fn hash_source(&self, address: IpAddr) -> Option<u64> {
        self.hashed().map(|_| source(address))
    }
}

/// Why there is no connection to an endpoint. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Busy(pool::Error),
    #[error(transparent)]
    Dial(#[from] DialError),
}

impl OpenError {
    /// What the client is told.
    pub(crate) fn refusal(&self) -> Refusal {
        let (status, text) = match self {
            OpenError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "all connections to the endpoint are in use"),
            OpenError::Dial(DialError::TimedOut) => {
                (StatusCode::GATEWAY_TIMEOUT, "the endpoint did not take a connection in time")
            }
            OpenError::Dial(DialError::Refused(_)) => (StatusCode::BAD_GATEWAY, "the endpoint takes no connection"),
            OpenError::Dial(DialError::Tls(_)) => (StatusCode::BAD_GATEWAY, "there is no TLS with the endpoint"),
        };
        Refusal::new(status, text)
    }
}

impl Upstream {
    /// A connection that is not one of those that were kept; they are dropped, for one of them turned out to be closed.
    pub(crate) fn fresh(&self, connections: &Connections, address: &SocketAddr) -> Checkout<SocketAddr, Connection> {
        connections.retain(|other| other != address);
        connections.checkout(address)
    }

    /// A connection where none was kept: a new one, or, where there may be no more, whichever is free first. `header` says
    /// on whose behalf.
    pub(crate) async fn open(
        &self,
        connections: &Connections,
        checkout: Checkout<SocketAddr, Connection>,
        address: SocketAddr,
        header: &Header,
        stats: &EndpointStats,
    ) -> Result<Lent, OpenError> {
        let opening = match checkout {
            Checkout::Idle(lent) => return Ok(lent),
            Checkout::Open(opening) => opening,
            Checkout::Full => match connections.wait(&address, self.config.connections.wait).await {
                Ok(Checkout::Idle(lent)) => return Ok(lent),
                Ok(Checkout::Open(opening)) => opening,
                Ok(Checkout::Full) => return Err(OpenError::Busy(pool::Error::Full)),
                Err(error) => return Err(OpenError::Busy(error)),
            },
        };
        stats.connects.add(1);
        let dialled = self.dialer.dial(address, header, Spoken::Http).await;
        let stream = dialled.inspect_err(|_| stats.connect_failures.add(1))?;
        Ok(opening.opened(Client::new(stream, &self.timer, self.client)))
    }
}

impl Backend {
    fn new(name: &Arc<str>, config: &Pool, key: Option<balance::Key>, now: Instant) -> Backend {
        let address = name.parse().ok();
        if address.is_none() {
            tracing::warn!(endpoint = &**name, "its name is no address and port: nobody can call it");
        }
        let cookie = match (&config.sticky, key) {
            (Some(Sticky::Cookie { name: cookie, .. }), Some(key)) => {
                let token = key.token(name);
                Some(Stuck { token: token.0, line: format!("{cookie}={token}; Path=/; HttpOnly; SameSite=Lax") })
            }
            _ => None,
        };
        let breaker = config.breaker.as_ref().map(|breaker| {
            let options = BreakerOptions {
                window: Window::Count(u32::try_from(breaker.calls).unwrap_or(u32::MAX)),
                failure_rate: breaker.failures,
                slow_after: breaker.slow.unwrap_or(Duration::MAX),
                slow_rate: if breaker.slow.is_some() { breaker.failures } else { f64::INFINITY },
                open_for: breaker.open,
                ..BreakerOptions::default()
            };
            Mutex::new(Breaker::new(options, now))
        });
        Backend { address, cookie, breaker, stats: EndpointStats::default() }
    }
}

fn outlier(config: &Pool) -> OutlierOptions {
    let outlier = &config.outlier;
    OutlierOptions {
        failures_in_a_row: outlier.failures,
        interval: outlier.interval,
        minimum_volume: outlier.volume,
        deviations: outlier.deviations,
        term: outlier.term,
        longest_term: outlier.longest_term,
        most_percent: outlier.most_percent,
        ..OutlierOptions::default()
    }
}

fn policy(config: &Pool, key: Option<balance::Key>) -> BoxedPolicy {
    let policy = match (config.policy, &config.sticky) {
        (_, Some(Sticky::Source)) => zoned(config, Hashed::new(Maglev::default())),
        (Policy::RoundRobin, _) => zoned(config, RoundRobin::new()),
        (Policy::Weighted, _) => zoned(config, SmoothWeighted::new()),
        (Policy::Random, _) => zoned(config, Random),
        (Policy::LeastConnections, _) => zoned(config, LeastConnections),
        (Policy::TwoChoices, _) => zoned(config, PowerOfTwoChoices::default()),
        (Policy::RingHash, _) => zoned(config, Hashed::new(Ring::default())),
        (Policy::Maglev, _) => zoned(config, Hashed::new(Maglev::default())),
        (Policy::Rendezvous, _) => zoned(config, Hashed::new(Rendezvous::new())),
        (Policy::BoundedLoad(percent), _) => zoned(config, Bounded::new(Maglev::default(), percent)),
    };
    match key {
        Some(key) => Box::new(balance::Sticky::new(key, policy)),
        None => policy,
    }
}

fn zoned<P: balance::Policy + Clone + 'static>(config: &Pool, policy: P) -> BoxedPolicy {
    match &config.zone {
        Some(zone) => Box::new(Zoned::new(zone.as_str(), 1, policy)),
        None => Box::new(policy),
    }
}

fn pool_options(config: &Pool) -> PoolOptions {
    let connections = &config.connections;
    PoolOptions {
        // One that has told whose it is can be nobody else's: the client's visit keeps it.
        idle_per_key: if config.send_proxy.is_some() { 0 } else { connections.idle },
        idle: usize::MAX,
        idle_timeout: connections.idle_timeout,
        lifetime: connections.lifetime,
        per_key: connections.max,
        ..PoolOptions::default()
    }
}

fn client_options(config: &Pool) -> ClientOptions {
    ClientOptions {
        limits: Limits::CLIENT,
        // How long a connection is kept is the pool's business.
        timeouts: Timeouts {
            head: Some(config.timeouts.response),
            body: Some(config.timeouts.idle),
            body_rate: 0,
            idle: None,
        },
        driver: driver::Options { write_timeout: Some(config.timeouts.idle), ..driver::Options::DEFAULT },
        ..ClientOptions::default()
    }
}

fn discover(members: &Members<Arc<Backend>, BoxedPolicy>, config: &Pool, machine: &Machine, work: &mut JoinSet<()>) {
    let followed = members.clone();
    match &config.endpoints {
        Endpoints::List(list) => {
            // At once, so that the first request finds them.
            let endpoints = list.iter().map(|endpoint| balance::Endpoint {
                name: endpoint.address.to_string().into(),
                weight: endpoint.weight,
                zone: endpoint.zone.as_deref().map(Arc::from),
            });
            for change in Known::new().replace(endpoints) {
                members.apply(change);
            }
        }
        Endpoints::File(path) => {
            let (disk, bridge) = (machine.disk.clone(), machine.bridge.clone());
            let changes = watch_file(disk, path.clone(), bridge, &machine.timer, FileOptions::default());
            work.spawn(async move { followed.follow(changes).await });
        }
        Endpoints::Dns(name) => {
            let changes = watch_dns(SystemResolver, name, &machine.timer, DnsOptions::default());
            work.spawn(async move { followed.follow(changes).await });
        }
    }
}
