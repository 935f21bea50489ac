//! Bytes in, bytes out: what a listener of mode "tcp" does.
//!
//! ```text
//!   accept ──▶ limit ──▶ pick ──▶ dial (PROXY header? TLS?) ──▶ relay, until both sides have ended
//!                         ▲  nobody: reset    │ refused, late: the next one, within attempts and budget
//!                         └───────────────────┘
//! ```
//!
//! Nothing of the client's is read before an endpoint has taken the connection, so trying another one is always safe.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use xs_net::balance::{Outcome, Outstanding};
use xs_net::pool::{Checkout, Opening};
use xs_net::proxy_protocol::{Header, Peer};
use xs_net::relay::{End, Options, Pipes, Relay, Side};
use xs_net::{Addr, Conn, Timer, Transport};

use crate::config::{self, Tcp};
use crate::dial::{DialError, Spoken, Stream};
use crate::machine::Machine;
use crate::proxy::{PIPES, Shares, Trial};
use crate::stats::ListenerStats;
use crate::upstream::{Backend, Connection, Upstream};

/// A listener of bytes, at work.
#[derive(Debug)]
pub(crate) struct TcpRelay {
    pub(crate) config: config::Listener,
    tcp: Tcp,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) shares: Option<Arc<Shares>>,
    pub(crate) stats: Arc<ListenerStats>,
    timer: Timer,
    /// Those of each thread.
    pipes: Vec<Pipes>,
}

/// Counts a connection as open.
struct Open<'a>(&'a ListenerStats);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.take(1);
    }
}

/// An endpoint that has taken a connection, and what counts as long as that lives.
struct Taken {
    stream: Stream,
    backend: Arc<Backend>,
    _place: Option<Opening<SocketAddr, Connection>>,
    _ongoing: Option<Outstanding>,
}

/// Why an endpoint has not taken a connection.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("its name is no address")]
    NoAddress,
    #[error("it has all the connections that it may have")]
    Busy,
}

impl TcpRelay {
    pub(crate) fn new(
        config: &config::Listener,
        tcp: &Tcp,
        stats: Arc<ListenerStats>,
        shares: Option<Arc<Shares>>,
        upstream: Arc<Upstream>,
        threads: usize,
        machine: &Machine,
    ) -> TcpRelay {
        TcpRelay {
            config: config.clone(),
            tcp: tcp.clone(),
            upstream,
            shares,
            stats,
            timer: machine.timer.clone(),
            pipes: (0..threads).map(|_| Pipes::new(PIPES)).collect(),
        }
    }

    /// A client's connection on a thread, until it ends.
    pub(crate) async fn connection<Io>(self: Arc<Self>, thread: usize, conn: Conn<Io, Peer>)
    where
        Io: Transport + Unpin,
    {
        let came = self.timer.now();
        self.stats.connections.add(1);
        self.stats.open.add(1);
        let _open = Open(&self.stats);
        let Conn { io: client, peer, local, .. } = conn;
        let source = match &peer.addr {
            Addr::Tcp(address) => address.ip(),
            _ => IpAddr::from([0; 4]),
        };
        if let Some(shares) = &self.shares
            && shares.check_connection(source, came).is_err()
        {
            self.stats.limited.add(1);
            return client.reset_on_close();
        }
        let header = match (&peer.addr, &local) {
            (Addr::Tcp(source), Addr::Tcp(destination)) => Header::proxied(*source, *destination),
            _ => Header::unknown(),
        };
        // In a box, for what it takes to open a connection is not needed as long as that lives.
        let Some(mut taken) = Box::pin(self.endpoint(thread, source, &header, came)).await else {
            // There is nothing that could be said in a protocol that is not known.
            return client.reset_on_close();
        };
        self.stats.latency.record(self.timer.now().saturating_duration_since(came));
        let options =
            Options { idle: Some(self.tcp.idle), pipes: self.pipes.get(thread).cloned(), ..Options::default() };
        let relay = Relay::new(client, &mut taken.stream, &self.timer, options).counted(self.stats.flow.clone());
        match relay.await.end {
            End::Complete => {}
            End::Failed(Side::B, error) => {
                taken.backend.stats.breaks.add(1);
                tracing::debug!(listener = self.config.name, %error, "the endpoint broke off");
            }
            end => tracing::debug!(listener = self.config.name, ?end, "a connection was cut"),
        }
    }

    /// An endpoint that takes the connection, if there is one. The numbers of all who were asked are brought up to date.
    async fn endpoint(&self, thread: usize, source: IpAddr, header: &Header, came: Instant) -> Option<Taken> {
        let upstream = &*self.upstream;
        upstream.stats.requests.add(1);
        upstream.budget.deposit_at(came);
        let hash = upstream.hash_source(source);
        let (mut tried, mut now) = (Vec::new(), came);
        for left in (0..upstream.config.retry.attempts.max(1)).rev() {
            let Some(trial) = Trial::pick(upstream, hash, &mut tried, now) else {
                upstream.stats.nobody.add(1);
                return None;
            };
            let call = trial.call.as_ref()?;
            let backend = call.service.clone();
            tried.push(call.name.clone());
            backend.stats.requests.add(1);
            let connected = self.connect(thread, &backend, header).await;
            let began = std::mem::replace(&mut now, self.timer.now());
            match connected {
                Ok((stream, _place)) => {
                    backend.stats.latency.record(now.saturating_duration_since(began));
                    // That it took the connection is all that bytes tell of an endpoint's health.
                    let _ongoing = trial.answered(Outcome::Success, now);
                    return Some(Taken { stream, backend, _place, _ongoing });
                }
                Err(refused) => {
                    tracing::debug!(pool = &*upstream.name, address = ?backend.address, error = %refused, "not connected");
                    let own_rule = matches!(refused, Refused::Busy);
                    trial.end(if own_rule { Outcome::Ignored } else { Outcome::Failure }, now);
                }
            }
            if left > 0 {
                if !upstream.budget.withdraw() {
                    upstream.stats.over_budget.add(1);
                    return None;
                }
                upstream.stats.retries.add(1);
            }
        }
        None
    }

    async fn connect(
        &self,
        thread: usize,
        backend: &Backend,
        header: &Header,
    ) -> Result<(Stream, Option<Opening<SocketAddr, Connection>>), Refused> {
        let address = backend.address.ok_or(Refused::NoAddress)?;
        let config = &self.upstream.config;
        let place = if config.connections.max.is_some() { Some(self.place(thread, address).await?) } else { None };
        backend.stats.connects.add(1);
        let stream = self.upstream.dialer.dial(address, header, Spoken::Bytes).await.inspect_err(|error| {
            backend.stats.connect_failures.add(1);
            if matches!(error, DialError::TimedOut) {
                backend.stats.timeouts.add(1);
            }
        })?;
        Ok((stream, place))
    }

    /// A place among the connections that a thread may have to an endpoint.
    async fn place(&self, thread: usize, address: SocketAddr) -> Result<Opening<SocketAddr, Connection>, Refused> {
        let connections = self.upstream.connections.get(thread).ok_or(Refused::Busy)?;
        match self.upstream.fresh(connections, &address) {
            Checkout::Open(place) => Ok(place),
            _ => match connections.wait(&address, self.upstream.config.connections.wait).await {
                Ok(Checkout::Open(place)) => Ok(place),
                _ => Err(Refused::Busy),
            },
        }
    }
}
