//! TLS between a listener and a protocol, for servers ([`TlsLayer`], [`Acceptor`]) and clients ([`Connector`]).
//!
//! # The problem
//!
//! Encryption is a library's business, and rustls does it. What goes wrong is the place where it is put. A listener that
//! shakes hands before it gives a connection out lets one silent client stop all others. A handshake costs a server far
//! more than a client that only pretends to make one, and a flood of them starves the connections that are there.
//! Certificates run out every few weeks, and whoever restarts a server for that cuts its connections; whoever replaces a
//! file by half a file takes the server down. And bytes that wait inside of the encryption, because nobody flushed, hang
//! for ever.
//!
//! # How it works
//!
//! TLS is a service of connections around another one. The listener accepts as ever; the handshake happens in the
//! connection's own task:
//!
//! ```text
//!   serve ──Conn<Io>──▶ Tls ──────────────────────────────────────────▶ inner service
//!   accepts on           │  first message ─▶ a place ─▶ the rest   Conn<TlsStream<Io>>
//!                        │  └─────────── timeout, drain ────────┘
//!                   Certificates ── by name (SNI), kind of key ── replaced as a whole, at any time
//!                        ▲ reload, watch
//!                   files: all of them good, or the old ones stay
//! ```
//!
//! [`TlsStream`] is a [`Transport`](crate::Transport) again, so everything above works unchanged. A client does the same
//! with a stream that it has opened: [`Connector::connect`], with the name that the server must prove. Where it is only
//! known at run time whether there is encryption, [`MaybeTls`] is either.
//!
//! # Invariants
//!
//! - Accepting waits for no handshake (`Tls::call` only makes a future), and no handshake takes longer than its timeout.
//! - At most so many handshakes are in their costly part at once (`Acceptor::shake_hands`), and a client that says nothing
//!   takes no place of those who do.
//! - New certificates are used all or none, from the next handshake on (`Certificates::reload`): a bad file changes
//!   nothing but the log.
//! - A host's own name goes before a wildcard, which covers one label (`names`, checked against comparing all).
//! - What was written leaves, even if nobody flushes, as long as somebody reads (`TlsStream::poll_read`); and beyond what
//!   is on its way no more is taken (`poll_write_out`), so that a peer who takes nothing is noticed.
//! - A stream that was cut is an error, and not an end: an end is `close_notify`.
//! - Whether a certificate has run out is read from the [`Timer`](crate::Timer)'s clock.
//!
//! # Cost
//!
//! A full handshake with a P-256 key took a server about 0.4 ms on a slow and busy core, and a resumed one 0.25 to 0.34 ms:
//! many requests' worth, on the reactor that has the connection. Records are cut at 16 KiB without a copy of the plain
//! text, and several leave in one system call. Up to 64 KiB of a connection wait encrypted. Both
//! ends of an idle connection in memory, pipes included, were counted to hold 17 KiB.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower::Layer;
//! use xs_net::tls::{Acceptor, AcceptorOptions, Authorities, Certificates, Connector, ConnectorOptions, Identity};
//! use xs_net::tls::{TlsLayer, TlsStream, Trust};
//! use xs_net::{Conn, MemoryListener, Timer, listener::MemoryStream, serve};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let made = rcgen::generate_simple_self_signed(["a.example".to_owned()])?;
//! let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
//!
//! let timer = Timer::system();
//! let certificates = Certificates::new(vec![Identity::from_pem(chain.as_bytes(), key.as_bytes())?])?;
//! let acceptor = Acceptor::new(certificates, AcceptorOptions::default(), &timer)?;
//! let greet = tower::service_fn(|mut conn: Conn<TlsStream<MemoryStream>, _>| async move {
//!     let _ = conn.io.write_all(b"hello").await;
//!     let _ = conn.io.shutdown().await;
//!     Ok::<_, Infallible>(())
//! });
//! let (listener, network) = MemoryListener::new(1);
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let server = tokio::spawn(serve(listener, TlsLayer::new(acceptor).layer(greet), stopped));
//!
//! let trust = Trust::Authorities(Authorities::from_pem(chain.as_bytes())?);
//! let connector = Connector::new(trust, ConnectorOptions::default(), &timer)?;
//! let mut text = String::new();
//! connector.connect("a.example", network.connect().await?).await?.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! assert!(connector.connect("b.example", network.connect().await?).await.is_err());
//! drop(stop);
//! assert_eq!(server.await??.aborted, 0);
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! tokio-rustls, on which this stands, gives a stream and leaves place, time and number of handshakes to its user; hyper
//! and axum leave TLS out. nginx reads certificates anew on a signal, into new worker processes, and since 1.27.4 may cache
//! them for a time. haproxy replaces single certificates through its control socket. Envoy watches files, and its
//! handshakes can be moved to other threads. Go's `tls.Config` asks a function for the certificate in each handshake, from
//! which people build what [`Certificates`] is.
//!
//! # What this leaves out
//!
//! Handshakes on threads of their own. Giving up the oldest handshake for a new one when all places are taken by clients
//! that stop half-way: until their timeout they keep them. OCSP stapling, revocation lists, ACME and early data.
//! Encryption in the kernel, which would bring `sendfile` back. The date on which a certificate runs out is not looked at
//! when it is loaded. The system's list of authorities is read from its files (feature `tls-system`); macOS and Windows
//! would rather be asked about each certificate, which `rustls-platform-verifier` does.
//!
//! # Try next
//!
//! Set [`handshakes`](AcceptorOptions::handshakes) to 1, open a hundred connections that say nothing, and connect: it takes
//! no longer. Then send each one's first message, and watch the others wait.
//!
//! # Sources
//!
//! RFC 8446 (TLS 1.3; section 6.1 on the end of a stream), RFC 5246 (TLS 1.2), RFC 6066 section 3 (server names), RFC 7301
//! (ALPN), RFC 9525 section 6.3 (wildcards); the manual of rustls.

mod accept;
mod certificates;
mod connect;
mod layer;
mod maybe;
mod names;
mod stream;

use std::io;
use std::time::Duration;

pub use accept::{Acceptor, AcceptorOptions, Clients};
pub use certificates::{CertificateError, CertificateFiles, Certificates, Identity, Reloaded};
pub use connect::{Authorities, Connector, ConnectorOptions, Trust};
pub use layer::{Tls, TlsFuture, TlsLayer};
pub use maybe::MaybeTls;
pub use stream::TlsStream;

/// Why TLS cannot be set up with what it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct TlsError(String);

/// Why a connection did not come to speak TLS. The peer's doing, mostly, and no other connection's business.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer was too slow, or too many others were before it.
    #[error("no handshake within {after:?}")]
    TimedOut {
        /// How long it had.
        after: Duration,
    },
    /// The peer has left.
    #[error("the peer closed the connection during the handshake")]
    Closed,
    /// The server ends, and nothing had been asked on this connection.
    #[error("the server ended during the handshake")]
    Draining,
    /// One of the two does not like what the other one said, or who it is.
    #[error("the handshake failed: {0}")]
    Refused(#[source] rustls::Error),
    /// What the server was to prove is neither a host name nor an address. The caller's mistake.
    #[error("{0:?} is neither a host name nor an IP address")]
    Name(String),
    /// The stream failed.
    #[error("the stream failed during the handshake: {0}")]
    Io(#[source] io::Error),
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// It did not come to speak TLS.
    #[error(transparent)]
    Handshake(HandshakeError),
    /// The inner service failed.
    #[error(transparent)]
    Inner(E),
}

impl<E> Error<E> {
    /// The inner service's error, if it is one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Error::Inner(error) => Some(error),
            Error::Handshake(_) => None,
        }
    }
}
