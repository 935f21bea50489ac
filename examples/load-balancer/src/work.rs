//! What a listener does with a connection, in whatever mode.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::TcpStream;
use tower::{Layer, Service, service_fn};
use xs_net::proxy_protocol::{Accept, AcceptOptions, Others, Peer};
use xs_net::tls::{Acceptor, TlsLayer};
use xs_net::{Addr, Conn, Timer, Transport};

use crate::config::{Listener, Network};
use crate::proxy::{HttpListener, Shares};
use crate::stats::ListenerStats;
use crate::tcp::TcpRelay;

/// A connection that is served. Each kind has a box of its size: one that waits for its next request is to hold no place for
/// the handshake that it never made.
pub(crate) type Served = Pin<Box<dyn Future<Output = Result<(), Infallible>> + Send>>;

/// A listener at work. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    protocol: Protocol,
    /// What its clients speak TLS with, if they do.
    acceptor: Option<Acceptor>,
}

/// What is spoken with its clients.
#[derive(Debug, Clone)]
pub(crate) enum Protocol {
    Http(Arc<HttpListener>),
    Tcp(Arc<TcpRelay>),
}

impl Work {
    pub(crate) fn new(protocol: Protocol, acceptor: Option<Acceptor>) -> Work {
        Work { protocol, acceptor }
    }

    pub(crate) fn config(&self) -> &Listener {
        match &self.protocol {
            Protocol::Http(http) => &http.config,
            Protocol::Tcp(tcp) => &tcp.config,
        }
    }

    pub(crate) fn stats(&self) -> &Arc<ListenerStats> {
        match &self.protocol {
            Protocol::Http(http) => &http.stats,
            Protocol::Tcp(tcp) => &tcp.stats,
        }
    }

    /// The rate that its clients share, if there is one.
    pub(crate) fn shares(&self) -> Option<&Arc<Shares>> {
        match &self.protocol {
            Protocol::Http(http) => http.shares.as_ref(),
            Protocol::Tcp(tcp) => tcp.shares.as_ref(),
        }
    }

    /// A client's connection on a thread, until it ends.
    pub(crate) fn connection(self, thread: usize, conn: Conn<TcpStream, Addr>, timer: Timer) -> Served {
        let config = self.config();
        if !config.accept_proxy {
            let Conn { io, peer, local, descriptor, drain } = conn;
            let peer = Peer { via: peer.clone(), addr: peer, header: None };
            return self.begin(thread, Conn { io, peer, local, descriptor, drain });
        }
        // Others than those who are trusted speak for themselves.
        let options = AcceptOptions { others: Others::Pass, ..AcceptOptions::new(config.name.as_str()) };
        let trusted = config.trusted.clone();
        let begin = service_fn(move |conn| self.clone().begin(thread, conn));
        let mut accept = Accept::new(begin, options, &timer, move |peer: &Addr| is_trusted(&trusted, peer));
        Box::pin(async move {
            // Whoever is refused has been noted.
            let _ = accept.call(conn).await;
            Ok(())
        })
    }

    fn begin(self, thread: usize, conn: Conn<TcpStream, Peer>) -> Served {
        let Some(acceptor) = self.acceptor.clone() else { return self.serve(thread, conn) };
        let serve = service_fn(move |conn| self.clone().serve(thread, conn));
        Box::pin(async move {
            // Why a handshake has failed has been noted.
            let _ = TlsLayer::new(acceptor).layer(serve).call(conn).await;
            Ok(())
        })
    }

    fn serve<Io>(self, thread: usize, conn: Conn<Io, Peer>) -> Served
    where
        Io: Transport + Unpin + Send + 'static,
    {
        match self.protocol {
            Protocol::Http(http) => Box::pin(async move {
                let Conn { io, peer, local, descriptor, drain } = conn;
                http.connection(thread, Conn { io, peer: peer.addr, local, descriptor, drain }).await;
                Ok(())
            }),
            Protocol::Tcp(tcp) => Box::pin(async move {
                tcp.connection(thread, conn).await;
                Ok(())
            }),
        }
    }
}

fn is_trusted(trusted: &[Network], peer: &Addr) -> bool {
    matches!(peer, Addr::Tcp(address) if trusted.iter().any(|network| network.contains(address.ip())))
}
