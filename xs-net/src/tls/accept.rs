//! The server's side: [`Acceptor`].

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::server::{Acceptor as HelloReader, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use xs_os::Clock;

use super::certificates::provider;
use super::stream::Metered;
use super::{Authorities, Certificates, HandshakeError, TlsError, TlsStream};
use crate::Timer;
use crate::count::count;

/// What is asked of clients.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Clients {
    /// Nothing.
    #[default]
    Anyone,
    /// A certificate that one of these has signed, if the client has any.
    Known(Authorities),
    /// A certificate that one of these has signed.
    OnlyKnown(Authorities),
}

/// How a server takes TLS connections.
#[derive(Debug, Clone)]
pub struct AcceptorOptions {
    /// What events and counters call it. Default `tls`.
    pub name: Arc<str>,
    /// The protocols that can be agreed on by ALPN, the best first. A client that offers only others is refused; one that
    /// offers none is not. Default none.
    pub alpn: Vec<Vec<u8>>,
    /// How long a client may take from its connection to the end of the handshake, waiting included. Default 10 s.
    pub timeout: Duration,
    /// How many handshakes are under way at most; others wait for their turn, first come, first served. A client counts
    /// from its first message on: silent ones take no place. Default 256.
    pub handshakes: usize,
    /// Whether TLS 1.2 is spoken, besides 1.3. Default true.
    pub tls12: bool,
    /// What is asked of clients. Default nothing.
    pub clients: Clients,
}

impl Default for AcceptorOptions {
    fn default() -> Self {
        AcceptorOptions {
            name: "tls".into(),
            alpn: Vec::new(),
            timeout: Duration::from_secs(10),
            handshakes: 256,
            tls12: true,
            clients: Clients::Anyone,
        }
    }
}

/// Takes connections over TLS. Clones share the places for handshakes, and the keys by which sessions are resumed.
#[derive(Clone)]
pub struct Acceptor {
    shared: Arc<Shared>,
}

struct Shared {
    config: Arc<ServerConfig>,
    places: Semaphore,
    handshakes: usize,
    timeout: Duration,
    timer: Timer,
    name: Arc<str>,
}

impl Acceptor {
    /// An acceptor with these certificates, by `timer`'s clock.
    ///
    /// # Errors
    ///
    /// The authorities for clients cannot be used.
    pub fn new(certificates: Certificates, options: AcceptorOptions, timer: &Timer) -> Result<Acceptor, TlsError> {
        let clients = |authorities: &Authorities| {
            let roots: Arc<RootCertStore> = authorities.roots.clone();
            WebPkiClientVerifier::builder_with_provider(roots, provider())
        };
        let verifier = match &options.clients {
            Clients::Anyone => WebPkiClientVerifier::no_client_auth(),
            Clients::Known(list) => {
                clients(list).allow_unauthenticated().build().map_err(|error| TlsError(error.to_string()))?
            }
            Clients::OnlyKnown(list) => clients(list).build().map_err(|error| TlsError(error.to_string()))?,
        };
        let versions = if options.tls12 { rustls::ALL_VERSIONS } else { &[&rustls::version::TLS13] };
        let mut config = ServerConfig::builder_with_details(provider(), ByClock::of(timer))
            .with_protocol_versions(versions)
            .map_err(|error| TlsError(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = options.alpn;
        // Resuming costs the server nothing to remember.
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(|error| TlsError(error.to_string()))?;
        let handshakes = options.handshakes.clamp(1, Semaphore::MAX_PERMITS);
        let shared = Shared {
            config: Arc::new(config),
            places: Semaphore::new(handshakes),
            handshakes,
            timeout: options.timeout,
            timer: timer.clone(),
            name: options.name,
        };
        Ok(Acceptor { shared: Arc::new(shared) })
    }

    /// Makes a TLS connection of one that has just been accepted. Call it in the connection's own task.
    ///
    /// # Errors
    ///
    /// The client is too slow, has left, or does not speak TLS as it is spoken here.
    pub async fn accept<Io>(&self, io: Io) -> Result<TlsStream<Io>, HandshakeError>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let Shared { timer, timeout, name, .. } = &*self.shared;
        let outcome = timer.timeout(*timeout, self.shake_hands(io)).await;
        let outcome = outcome.unwrap_or(Err(HandshakeError::TimedOut { after: *timeout }));
        match &outcome {
            Ok(_) => count("xs_tls_handshakes_total", name),
            Err(error) => {
                tracing::debug!(name = &**name, %error, "no handshake");
                count("xs_tls_failures_total", name);
            }
        }
        outcome
    }

    async fn shake_hands<Io>(&self, io: Io) -> Result<TlsStream<Io>, HandshakeError>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        // The costly part comes after the client's first message.
        let start = LazyConfigAcceptor::new(HelloReader::default(), Metered::new(io)).await?;
        let _place = self.shared.places.acquire().await.map_err(|_| HandshakeError::Closed)?;
        Ok(TlsStream::new(start.into_stream(self.shared.config.clone()).await?))
    }

    /// How many handshakes are under way.
    pub fn under_way(&self) -> usize {
        self.shared.handshakes - self.shared.places.available_permits()
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("name", &self.shared.name)
            .field("under_way", &self.under_way())
            .finish_non_exhaustive()
    }
}

/// The calendar of a clock that was passed in, by which certificates are valid or not.
#[derive(Debug)]
pub(super) struct ByClock(Arc<dyn Clock>);

impl ByClock {
    pub(super) fn of(timer: &Timer) -> Arc<ByClock> {
        Arc::new(ByClock(timer.clock()))
    }
}

impl TimeProvider for ByClock {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.wall().duration_since(UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(refused) => HandshakeError::Refused(refused.clone()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => HandshakeError::Closed,
            None => HandshakeError::Io(error),
        }
    }
}
