//! How a connection to an endpoint begins: TCP, then who the client is, then TLS.
//!
//! ```text
//!   connect ──▶ PROXY header? ──▶ handshake? ──▶ whatever is spoken on it
//!   └──────────── all of it within `timeouts.connect` ────────────┘
//! ```
//!
//! Requests, connections of mode "tcp" and checks all begin in the same way, so an endpoint that is well is one that can be
//! used.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use xs_net::Timer;
use xs_net::proxy_protocol::{Header, Version, write};
use xs_net::tls::{
    Authorities, CertificateError, Connector, ConnectorOptions, HandshakeError, MaybeTls, TlsError, Trust,
};

use crate::config::{Pool, PoolTls, ProxyVersion};
use crate::machine::Machine;

/// A connection to an endpoint.
pub(crate) type Stream = MaybeTls<TcpStream>;

/// Faults are remembered of so many endpoints, so that each is said once.
const FAULTS: usize = 1024;

/// What will be spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    Http,
    /// Nobody knows what.
    Bytes,
}

/// Why there is no connection to an endpoint. Nothing of the client's was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("it did not take a connection in time")]
    TimedOut,
    #[error("it takes no connection: {0}")]
    Refused(#[from] io::Error),
    #[error("there is no TLS with it: {0}")]
    Tls(#[from] HandshakeError),
}

/// Opens the connections of a pool.
#[derive(Debug)]
pub(crate) struct Dialer {
    pool: Arc<str>,
    timeout: Duration,
    send_proxy: Option<Version>,
    /// What speaks TLS, if endpoints do.
    tls: Option<Mutex<Connectors>>,
    /// With whom there was no TLS the last time, and why.
    faults: Mutex<BTreeMap<SocketAddr, String>>,
    timer: Timer,
}

/// What speaks TLS with the endpoints of a pool.
#[derive(Debug, Clone)]
pub(crate) struct Connectors {
    http: Connector,
    bytes: Connector,
    /// The name that all of them have; else each proves its address.
    name: Option<Arc<str>>,
}

/// Why TLS with endpoints cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectorsError {
    #[error(transparent)]
    Authorities(#[from] CertificateError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Connectors {
    /// By the files as they are now.
    pub(crate) fn load(config: &PoolTls, timeout: Duration, machine: &Machine) -> Result<Connectors, ConnectorsError> {
        let trust = match (&config.ca, config.verify) {
            (_, false) => Trust::Anyone,
            (Some(file), true) => Trust::Authorities(Authorities::load(&*machine.disk, file)?),
            (None, true) => Trust::Authorities(Authorities::system()?),
        };
        let connector = |alpn: &[&[u8]]| {
            let alpn = alpn.iter().map(|protocol| protocol.to_vec()).collect();
            let options = ConnectorOptions { alpn, timeout, ..ConnectorOptions::default() };
            Connector::new(trust.clone(), options, &machine.timer)
        };
        let name = config.name.as_deref().map(Arc::from);
        Ok(Connectors { http: connector(&[b"http/1.1"])?, bytes: connector(&[])?, name })
    }
}

impl Dialer {
    pub(crate) fn new(pool: Arc<str>, config: &Pool, tls: Option<Connectors>, timer: &Timer) -> Dialer {
        let send_proxy = config.send_proxy.map(|version| match version {
            ProxyVersion::V1 => Version::V1,
            ProxyVersion::V2 => Version::V2,
        });
        Dialer {
            pool,
            timeout: config.timeouts.connect,
            send_proxy,
            tls: tls.map(Mutex::new),
            faults: Mutex::default(),
            timer: timer.clone(),
        }
    }

    /// New connections are made by these from now on.
    pub(crate) fn renew(&self, connectors: Option<Connectors>) {
        if let (Some(tls), Some(connectors)) = (&self.tls, connectors) {
            *tls.lock() = connectors;
        }
    }

    /// Whether each connection belongs to one client, because it tells the endpoint whose it is.
    pub(crate) fn tells(&self) -> bool {
        self.send_proxy.is_some()
    }

    /// Opens a connection. `header` says on whose behalf, where endpoints are told.
    pub(crate) async fn dial(&self, address: SocketAddr, header: &Header, spoken: Spoken) -> Result<Stream, DialError> {
        let opened = self.timer.timeout(self.timeout, self.open(address, header, spoken)).await;
        let opened = opened.unwrap_or(Err(DialError::TimedOut));
        if self.tls.is_some() {
            self.note(address, opened.as_ref().err());
        }
        opened
    }

    async fn open(&self, address: SocketAddr, header: &Header, spoken: Spoken) -> Result<Stream, DialError> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        if let Some(version) = self.send_proxy {
            write(&mut stream, header, version).await?;
        }
        let Some(tls) = &self.tls else { return Ok(MaybeTls::Plain(stream)) };
        let (connector, name) = {
            let Connectors { http, bytes, name } = &*tls.lock();
            (if spoken == Spoken::Http { http.clone() } else { bytes.clone() }, name.clone())
        };
        let name = name.unwrap_or_else(|| address.ip().to_string().into());
        match connector.connect(&name, stream).await {
            Ok(stream) => Ok(MaybeTls::Tls(Box::new(stream))),
            Err(HandshakeError::TimedOut { .. }) => Err(DialError::TimedOut),
            Err(error) => Err(error.into()),
        }
    }

    /// Says what is wrong with an endpoint's TLS: once, until it is something else.
    fn note(&self, address: SocketAddr, error: Option<&DialError>) {
        let mut faults = self.faults.lock();
        let Some(DialError::Tls(fault)) = error else {
            if error.is_none() && faults.remove(&address).is_some() {
                tracing::info!(pool = &*self.pool, %address, "the endpoint's TLS is good again");
            }
            return;
        };
        let fault = fault.to_string();
        if faults.get(&address) == Some(&fault) {
            return;
        }
        tracing::warn!(pool = &*self.pool, %address, error = fault, "the endpoint is not spoken to");
        if faults.len() >= FAULTS {
            faults.clear();
        }
        faults.insert(address, fault);
    }
}
